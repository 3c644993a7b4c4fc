//! A plain reading of numbers, dates, rows and pages, written from the table of values and sharing nothing with the
//! decoder: serde_json finds the fields, `num-bigint` does the arithmetic, chrono knows the calendar. It holds a page in
//! memory and is slow.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Datelike, NaiveDateTime};
use num_bigint::{BigInt, Sign};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::contract::{Column, ColumnType, ENROLLMENT_NUMBER, EXTRA};
use crate::decode::Form;

/// Characters of a number, and its exponent, beyond which a row is refused.
const NUMBER_CHARACTERS: usize = 1_024;
const EXPONENT: u32 = 10_000;
/// Decimals of a decimal column.
const DECIMALS: u32 = 18;

/// The charge in older versions, and the field in which they repeat the enrollment.
const OLDER_COST: &str = "extendedCost";
const ENROLLMENT_FIELD: &str = "enrollmentNumber";
/// The enrollment of all rows.
pub(crate) const ENROLLMENT: &str = "0100";

/// `units / 10^places`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Number {
    units: BigInt,
    places: u32,
}

fn ten_to(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

/// Is this text exactly one JSON number?
pub(crate) fn is_number(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    begins && serde_json::from_str::<&RawValue>(text).is_ok_and(|number| number.get() == text)
}

impl Number {
    /// The number in a text; none when it is no JSON number, or one that is refused for its length or exponent.
    pub(crate) fn read(text: &str) -> Option<Number> {
        if !is_number(text) || text.len() > NUMBER_CHARACTERS {
            return None;
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: BigInt = exponent.trim_start_matches('+').parse().ok()?;
        let exponent = i32::try_from(exponent).ok().filter(|exponent| exponent.unsigned_abs() <= EXPONENT)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: BigInt = format!("{whole}{fraction}").parse().ok()?;
        let places = fraction.len() as i32 - exponent;
        Some(match u32::try_from(places) {
            Ok(places) => Number { units: digits, places },
            Err(_) => Number { units: digits * ten_to(places.unsigned_abs()), places: 0 },
        })
    }

    /// So many units of 10^-18.
    pub(crate) fn of_units(units: &BigInt) -> Number {
        Number { units: units.clone(), places: DECIMALS }
    }

    fn at(&self, places: u32) -> BigInt {
        &self.units * ten_to(places - self.places)
    }

    pub(crate) fn plus(&self, other: &Number) -> Number {
        let places = self.places.max(other.places);
        Number { units: self.at(places) + other.at(places), places }
    }

    pub(crate) fn minus(&self, other: &Number) -> Number {
        self.plus(&Number { units: -&other.units, places: other.places })
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.units.sign() == Sign::NoSign
    }

    /// The nearest number of 18 decimals, in units of 10^-18; of two equally near ones the even one. None when it has
    /// more than 38 digits.
    pub(crate) fn units(&self) -> Option<BigInt> {
        let nearest = if self.places <= DECIMALS {
            self.at(DECIMALS)
        } else {
            let unit = ten_to(self.places - DECIMALS);
            let down = self.units.magnitude() / unit.magnitude();
            let rest = self.units.magnitude() - &down * unit.magnitude();
            let up = match (rest * 2_u32).cmp(unit.magnitude()) {
                Ordering::Less => false,
                Ordering::Equal => down.bit(0),
                Ordering::Greater => true,
            };
            BigInt::from_biguint(self.units.sign(), down + u32::from(up))
        };
        (nearest.magnitude() < ten_to(38).magnitude()).then_some(nearest)
    }

    /// The whole number, if it is one of 64 bits.
    pub(crate) fn id(&self) -> Option<i64> {
        let one = ten_to(self.places);
        let whole = &self.units / &one;
        if &whole * one == self.units { i64::try_from(whole).ok() } else { None }
    }
}

/// Plain, without zeros at the end.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places as usize;
        let digits = format!("{:0>width$}", self.units.magnitude().to_string(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        f.write_str(if self.units.sign() == Sign::Minus { "-" } else { "" })?;
        match fraction.trim_end_matches('0') {
            "" => f.write_str(whole),
            fraction => write!(f, "{whole}.{fraction}"),
        }
    }
}

/// The instant of a date with or without a time, in UTC; without an offset it is UTC. Digits of a fraction past the sixth
/// are dropped.
pub(crate) fn instant(text: &str) -> Option<NaiveDateTime> {
    let shape = shape_of(text);
    let rest = shape.strip_prefix("0000-00-00")?;
    let offset_at = rest.get(1..).and_then(|rest| rest.find(['Z', 'z', '+', '-'])).map_or(text.len(), |at| 11 + at);
    let offset = match &shape[offset_at..] {
        "" | "Z" | "z" => "+0000".to_owned(),
        "+00" | "-00" => format!("{}00", &text[offset_at..]),
        "+0000" | "-0000" => text[offset_at..].to_owned(),
        "+00:00" | "-00:00" => text[offset_at..].replace(':', ""),
        _ => return None,
    };
    let (time, fraction) = match rest.as_bytes().first() {
        None => ("00:00", ""),
        Some(b'T' | b't' | b' ') => {
            let time = &text[11..offset_at];
            time.split_once('.').filter(|(_, fraction)| !fraction.is_empty()).unwrap_or((time, ""))
        }
        Some(_) => return None,
    };
    let seconds = match &shape_of(time)[..] {
        "00:00" if fraction.is_empty() => format!("{time}:00"),
        "00:00:00" => time.to_owned(),
        _ => return None,
    };
    // chrono knows leap seconds and offsets of a whole day, the table does not.
    if seconds.ends_with(":60") || offset[1..3] > *"18" || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros = format!("{fraction:0<6}");
    let whole = format!("{}T{seconds}.{}{offset}", &text[..10], &micros[..6]);
    let instant = DateTime::parse_from_str(&whole, "%Y-%m-%dT%H:%M:%S%.f%z").ok()?.naive_utc();
    (text[..4] >= *"1900" && (1900..=9999).contains(&instant.year())).then_some(instant)
}

/// A text with every digit a zero.
fn shape_of(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// Why a text is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It ends too early.
    Cut,
    /// It is no JSON.
    Syntax {
        /// The fault stands at the end, so that more text might mend it.
        at_end: bool,
    },
    /// It is JSON of another form.
    Form,
    /// It nests deeper than this reading says anything about.
    Deep,
}

/// Levels of nesting that this reading says something about: the decoder's bound of 64 counts from a row or from the
/// page, by the form.
const LEVELS: usize = 60;

/// Stands for what is no Unicode while serde_json reads; a true U+FFFD is [`TRUE_REPLACEMENT`] meanwhile.
pub(crate) const NO_UNICODE: char = '\u{fffd}';
/// A private character, which no page may hold.
pub(crate) const TRUE_REPLACEMENT: char = '\u{f8ff}';

/// Text where every sequence that is no UTF-8 is one [`NO_UNICODE`].
pub(crate) fn marked(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace(NO_UNICODE, &TRUE_REPLACEMENT.to_string()));
        if !chunk.invalid().is_empty() {
            text.push(NO_UNICODE);
        }
    }
    text
}

/// The text that stands in a lake for one that was [`marked`].
pub(crate) fn unmarked(text: &str) -> String {
    text.replace(TRUE_REPLACEMENT, &NO_UNICODE.to_string())
}

/// Keys and values of an object in their order, all of them.
struct Object(Vec<(Box<RawValue>, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A row of a page.
#[derive(Debug)]
pub(crate) struct Line {
    /// As it came, [`marked`].
    pub(crate) text: String,
    /// As JSON; none when it cannot be read as a row.
    pub(crate) row: Option<String>,
    /// Columns that refuse it, whatever the row says.
    pub(crate) refused: BTreeSet<String>,
    /// It came as JSON.
    pub(crate) is_json: bool,
}

impl Line {
    fn json(text: String) -> Self {
        Line { row: Some(text.clone()), text, refused: BTreeSet::new(), is_json: true }
    }
}

/// The rows of a page and what stands around them.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Line>,
    pub(crate) next_link: Option<String>,
    /// Fields of envelopes that are neither rows, link nor id, with their number.
    pub(crate) around: BTreeMap<String, u64>,
}

/// Reads a page of that form.
pub(crate) fn read_page(bytes: &[u8], form: Form, columns: &[Column]) -> Result<Page, Wrong> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if !bytes.is_empty() && bytes.len() < MARK.len() && MARK.starts_with(bytes) {
        return Err(Wrong::Cut);
    }
    let text = marked(bytes.strip_prefix(MARK).unwrap_or(bytes));
    if levels(&text) > LEVELS {
        return Err(Wrong::Deep);
    }
    let mut page = Page::default();
    let mut documents = 0;
    for document in serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>() {
        // Whatever follows the only document is one too many, whole or not.
        if documents == 1 && !matches!(form, Form::Rows | Form::Detect) {
            return Err(Wrong::Form);
        }
        let document = document.map_err(|error| wrong(&text, &error))?.get();
        documents += 1;
        match (document.as_bytes().first(), form) {
            (Some(b'['), Form::Array | Form::Detect) => {
                page.rows.extend(elements(document).into_iter().map(Line::json))
            }
            (Some(b'{'), Form::Rows) => page.rows.push(Line::json(document.to_owned())),
            (Some(b'{'), Form::Detect) if !is_envelope(document, columns) => {
                page.rows.push(Line::json(document.to_owned()))
            }
            (Some(b'{'), Form::Page | Form::Detect) => page.read_envelope(document)?,
            _ => return Err(Wrong::Form),
        }
    }
    if documents == 0 && form != Form::Rows { Err(Wrong::Cut) } else { Ok(page) }
}

fn wrong(text: &str, error: &serde_json::Error) -> Wrong {
    let last = text.rsplit('\n').next().unwrap_or_default();
    let at_end = error.line() > text.matches('\n').count() && error.column() + 1 >= last.len();
    // serde_json takes all four digits of an escape before it looks at them, so it finds the end first.
    let in_escape = text.chars().rev().take(5).collect::<String>().contains("u\\");
    if error.is_eof() && !in_escape { Wrong::Cut } else { Wrong::Syntax { at_end } }
}

fn levels(text: &str) -> usize {
    let (mut level, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => level += 1,
            b'}' | b']' if !quoted => level = level.saturating_sub(1),
            _ => {}
        }
        most = most.max(level);
    }
    most
}

/// The elements of an array.
fn elements(array: &str) -> Vec<String> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).expect("an array was read before");
    elements.into_iter().map(|element| element.get().to_owned()).collect()
}

/// Names, without escapes, and values of an object; none when it is something else.
fn fields(object: &str) -> Option<Vec<(Name, String)>> {
    let Object(pairs) = serde_json::from_str(object).ok()?;
    let fields = pairs.into_iter().map(|(key, value)| {
        let (text, _) = text_of(key.get());
        (Name { text, quoted: key.get().to_owned() }, value.get().to_owned())
    });
    Some(fields.collect())
}

/// The name of a field.
struct Name {
    text: String,
    /// As it came.
    quoted: String,
}

impl Name {
    fn is(&self, name: &str) -> bool {
        self.text.eq_ignore_ascii_case(name)
    }

    fn is_of_row(&self, columns: &[Column]) -> bool {
        self.column_of(columns).is_some()
    }

    /// The column of a field; older versions call the charge otherwise.
    fn column_of(&self, columns: &[Column]) -> Option<usize> {
        let is_cost = self.is(OLDER_COST);
        columns.iter().position(|column| self.is(&column.field) || (is_cost && column.column == "cost"))
    }

    /// No more than 256 bytes of it.
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.text.as_bytes()[..self.text.len().min(256)]).into_owned()
    }
}

/// An object is a row when it has a field of one, unless rows in `data` come first.
fn is_envelope(object: &str, columns: &[Column]) -> bool {
    for (name, value) in fields(object).unwrap_or_default() {
        if name.is("data") {
            let first = value.starts_with('[').then(|| elements(&value).into_iter().next()).flatten();
            let first = first.and_then(|row| fields(&row)).unwrap_or_default();
            if first.iter().any(|(name, _)| name.is_of_row(columns)) {
                return true;
            }
        } else if !name.is("nextLink") && name.is_of_row(columns) {
            return false;
        }
    }
    true
}

impl Page {
    fn read_envelope(&mut self, object: &str) -> Result<(), Wrong> {
        let mut has_rows = false;
        self.next_link = None;
        for (name, value) in fields(object).unwrap_or_default() {
            if name.is("data") {
                if has_rows || !value.starts_with('[') {
                    return Err(Wrong::Form);
                }
                has_rows = true;
                self.rows.extend(elements(&value).into_iter().map(Line::json));
            } else if name.is("nextLink") {
                self.next_link = match value.as_bytes()[0] {
                    b'n' => None,
                    b'"' => Some(text_of(&value).0).filter(|link| !link.is_empty()),
                    _ => return Err(Wrong::Form),
                };
            } else if !name.is("id") && !name.is("reportId") {
                *self.around.entry(name.shown()).or_default() += 1;
            }
        }
        if has_rows { Ok(()) } else { Err(Wrong::Form) }
    }
}

/// A value as it stands in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    /// In units of 10^-18.
    Decimal(i128),
    Id(i64),
    /// Days from 1970-01-01.
    Date(i32),
    /// Microseconds from 1970-01-01.
    Instant(i64),
    Flag(bool),
}

/// What a row says.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// The cells that are not null, by column.
    pub(crate) cells: BTreeMap<String, Cell>,
    /// The decimals as the text has them, and what rounding took from them.
    pub(crate) numbers: Vec<(String, Number, Number)>,
    pub(crate) replaced_texts: u64,
    pub(crate) duplicate_keys: u64,
    pub(crate) unknown_fields: Vec<String>,
}

/// Reads a row; the error names the columns that refuse it, none when it is no object. With `strict`, text that is no
/// Unicode is refused.
pub(crate) fn read_row(text: &str, columns: &[Column], strict: bool) -> Result<Row, BTreeSet<String>> {
    let fields = fields(text).ok_or_else(BTreeSet::new)?;
    let mut row = Row::default();
    let mut refused = BTreeSet::new();
    let mut known: BTreeMap<usize, &str> = BTreeMap::new();
    let mut unknown: Vec<(&Name, &str)> = Vec::new();
    for (name, value) in &fields {
        if name.is(ENROLLMENT_FIELD) && columns.iter().any(|column| column.column == "cost") {
            let is_scalar =
                value.starts_with('"') || value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            let (number, _) = plain_text(value);
            let is_own = number.is_empty() || number.eq_ignore_ascii_case(ENROLLMENT);
            if value != "null" && !(is_scalar && is_own) {
                refused.insert(ENROLLMENT_NUMBER.to_owned());
            }
        } else if let Some(column) = name.column_of(columns) {
            row.duplicate_keys += u64::from(known.insert(column, value).is_some());
        } else if let Some(place) = unknown.iter().position(|(other, _)| other.text == name.text) {
            unknown[place] = (name, value);
            row.duplicate_keys += 1;
        } else {
            unknown.push((name, value));
        }
    }
    for (column, value) in known {
        let Column { column: name, kind, .. } = &columns[column];
        let is_broken = |replaced: bool| replaced && *kind == ColumnType::Text;
        match read_value(*kind, value) {
            Some((_, replaced)) if strict && is_broken(replaced) => {
                refused.insert(name.clone());
            }
            Some((cell, replaced)) => {
                row.replaced_texts += u64::from(is_broken(replaced));
                if let Some(Cell::Decimal(units)) = cell {
                    let (digits, _) = plain_text(value);
                    let number = Number::read(&digits).expect("a number was read before");
                    let lost = number.minus(&Number::of_units(&units.into()));
                    row.numbers.push((name.clone(), number, lost));
                }
                row.cells.extend(cell.map(|cell| (name.clone(), cell)));
            }
            None => {
                refused.insert(name.clone());
            }
        }
    }
    if !unknown.is_empty() {
        let json: Vec<_> = unknown.iter().map(|(name, value)| format!("{}:{value}", name.quoted)).collect();
        let json = format!("{{{}}}", json.join(","));
        let replaced = json.contains(NO_UNICODE);
        if strict && replaced {
            refused.insert(EXTRA.to_owned());
        }
        row.replaced_texts += u64::from(replaced);
        row.cells.insert(EXTRA.to_owned(), Cell::Text(unmarked(&json)));
        row.unknown_fields = unknown.iter().map(|(name, _)| name.shown()).collect();
    }
    if refused.is_empty() { Ok(row) } else { Err(refused) }
}

/// Names and texts of a row's members.
pub(crate) fn members(row: &str) -> Vec<(String, String)> {
    let fields = fields(row).unwrap_or_default().into_iter();
    fields.map(|(name, value)| (name.text, plain_text(&value).0)).collect()
}

/// The table of values: a cell, or null, and whether something in its text was replaced; none is "rejected".
fn read_value(kind: ColumnType, json: &str) -> Option<(Option<Cell>, bool)> {
    if json == "null" {
        return Some((None, false));
    }
    let quoted = json.starts_with('"');
    let (text, replaced) = plain_text(json);
    let cell = match kind {
        ColumnType::Text => Cell::Text(text),
        _ if quoted && text.is_empty() => return Some((None, false)),
        ColumnType::Decimal => Cell::Decimal(i128::try_from(Number::read(&text)?.units()?).ok()?),
        ColumnType::Id => Cell::Id(Number::read(&text)?.id()?),
        ColumnType::Date => Cell::Date(instant(quoted.then_some(&text)?)?.date().to_epoch_days()),
        ColumnType::Instant => Cell::Instant(instant(quoted.then_some(&text)?)?.and_utc().timestamp_micros()),
        ColumnType::Flag => Cell::Flag(match &text.to_ascii_lowercase()[..] {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        ColumnType::NamedAmounts | ColumnType::Map => unreachable!("no target reads a dataset that has such columns"),
    };
    Some((Some(cell), replaced))
}

/// The text of a value: that of a string without its escapes, of anything else the JSON itself.
fn plain_text(json: &str) -> (String, bool) {
    if json.starts_with('"') { text_of(json) } else { (unmarked(json), json.contains(NO_UNICODE)) }
}

/// The text of a JSON string, and whether something in it is no Unicode.
fn text_of(json: &str) -> (String, bool) {
    let inside = &json[1..json.len() - 1];
    let mut units: Vec<u16> = Vec::new();
    let mut replaced = false;
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        units.push(match character {
            '\\' => match characters.next() {
                Some('b') => 8,
                Some('f') => 12,
                Some('n') => 10,
                Some('r') => 13,
                Some('t') => 9,
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    u16::from_str_radix(&digits, 16).expect("four hexadecimal digits")
                }
                itself => itself.map_or(0, |itself| itself as u16),
            },
            TRUE_REPLACEMENT => 0xfffd,
            character => {
                replaced |= character == NO_UNICODE;
                units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
                continue;
            }
        });
    }
    let text = char::decode_utf16(units).map(|character| {
        replaced |= character.is_err();
        character.unwrap_or(NO_UNICODE)
    });
    let text = text.collect();
    (text, replaced)
}
