//! CSV reports against a plain reading: character by character, and a row of JSON from each record.
//!
//! The plain reading shares nothing with the decoder: what it makes of a record goes through the [plain reading of
//! rows](super::plain). Inputs are those of the [decoder's target](super::decoder), so that reports and pages of JSON may come
//! in turns.

use std::collections::BTreeSet;

use chrono::Datelike;

use super::pages::check;
use super::plain::{self, Line, NO_UNICODE, Page, TRUE_REPLACEMENT, Wrong};
use crate::contract::{Column, ColumnType, EXTRA};

/// Reads reports, and pages between them, as [`decoder`](super::decoder) does.
///
/// - A report is taken when it has captions that name day and charge, each column once, and is whole. Where its end or the
///   end of a line is missing so that it shows, it is told as cut.
/// - Records, cells, rejected rows with their texts, rows of other periods, counts and totals are those of the plain reading,
///   however the report is cut into pieces and whatever was rolled back before.
pub fn csv(data: &[u8]) {
    let Some((settings, input)) = data.split_first_chunk::<8>() else { return };
    let mut settings = *settings;
    if settings[0] != b'd' {
        settings[0] = b'c';
    }
    if settings[1] == b'b' {
        settings[1] = b'p';
    }
    check(&settings, input, true);
}

/// A record: its fields, and its text without the line's end.
#[derive(Default)]
struct Record {
    fields: Vec<String>,
    text: String,
    /// Something follows a closing quote.
    is_broken: bool,
    ending: Ending,
}

#[derive(Default, PartialEq, Eq)]
enum Ending {
    /// The line ends.
    Whole,
    /// The text ends in it, in quotes or not.
    #[default]
    Cut,
    InQuotes,
}

/// Where in a record a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    Quote,
    Behind,
}

/// Divides a text into records.
fn records(text: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let mut record = Record::default();
    let (mut field, mut behind) = (String::new(), String::new());
    let mut at = At::Start;
    // Whatever ends a field without ending the text is behind it; at the text's end a line break is made up.
    for (character, is_real) in text.chars().map(|character| (character, true)).chain([('\n', false)]) {
        let is_end = character == '\n' && at != At::Quoted;
        if !is_real && record.text.is_empty() {
            break;
        }
        if !is_real && at == At::Quoted {
            record.ending = Ending::InQuotes;
        }
        if is_end || (!is_real) || (character == ',' && at != At::Quoted) {
            if is_end && at == At::Plain && field.ends_with('\r') {
                field.pop();
            }
            record.is_broken |= !(behind.is_empty() || (is_end && behind == "\r"));
            record.fields.push(std::mem::take(&mut field));
            behind.clear();
            at = At::Start;
            if is_end || !is_real {
                if is_real {
                    record.ending = Ending::Whole;
                }
                if record.ending != Ending::InQuotes && record.text.ends_with('\r') {
                    record.text.pop();
                }
                records.push(std::mem::take(&mut record));
            } else {
                record.text.push(character);
            }
            continue;
        }
        record.text.push(character);
        at = match (at, character) {
            (At::Start, '"') => At::Quoted,
            (At::Quoted, '"') => At::Quote,
            (At::Quote, '"') => {
                field.push('"');
                At::Quoted
            }
            (At::Quoted, _) => {
                field.push(character);
                At::Quoted
            }
            (At::Quote | At::Behind, _) => {
                behind.push(character);
                At::Behind
            }
            (At::Start | At::Plain, _) => {
                field.push(character);
                At::Plain
            }
        };
    }
    records
}

/// What stands under a caption.
#[derive(Clone, PartialEq, Eq)]
enum Under {
    Column(usize),
    Enrollment,
    /// Month, day or year.
    Part(&'static str),
    Unknown,
    Nothing,
}

const PARTS: [&str; 3] = ["month", "day", "year"];

/// Columns that the older report has.
const IN_OLDER_REPORTS: usize = 28;

/// Captions by their names, as they are shown and as they are compared.
struct Captions {
    names: Vec<String>,
    under: Vec<Under>,
}

impl Captions {
    /// None when the line is another one.
    fn read(fields: &[String], columns: &[Column]) -> Result<Option<Self>, Wrong> {
        let names: Vec<_> = fields.iter().map(|field| shown(&plain::unmarked(field))).collect();
        let keys: Vec<_> = names.iter().map(|name| compared(name)).collect();
        let under: Vec<_> = names.iter().zip(&keys).map(|(name, key)| under(name, key, columns)).collect();
        let count = |test: fn(&Under) -> bool| under.iter().filter(|under| test(under)).count();
        let known = count(|under| matches!(under, Under::Column(_)));
        if known < 2 || known < count(|under| *under == Under::Unknown) {
            return Ok(None);
        }
        let named: Vec<_> = keys.iter().zip(&names).filter(|(_, name)| !name.is_empty()).map(|(key, _)| key).collect();
        let is_unique = named.iter().collect::<BTreeSet<_>>().len() == named.len();
        let has = |column: &str, times: &[usize]| {
            let is_it = |under: &&Under| matches!(under, Under::Column(at) if columns[*at].column == column);
            times.contains(&under.iter().filter(is_it).count())
        };
        let are_columns_unique = columns.iter().all(|column| has(&column.column, &[0, 1]));
        if !is_unique || !are_columns_unique || !has("cost", &[1]) || !has("date", &[1]) {
            return Err(Wrong::Form);
        }
        Ok(Some(Captions { names, under }))
    }

    /// Whether no caption can be missing behind them: they are those of version 3, or of the older report up to the comma at
    /// its end.
    fn tell_their_end(&self, columns: &[Column]) -> bool {
        let named = self.under.iter().filter(|under| matches!(under, Under::Column(_))).count();
        if self.is_older() {
            return self.under.last() == Some(&Under::Nothing) && named == IN_OLDER_REPORTS;
        }
        named == columns.len() && self.under.len() == columns.len()
    }

    fn is_older(&self) -> bool {
        PARTS.iter().all(|part| self.under.contains(&Under::Part(part)))
    }

    /// Fields that a record has to have.
    fn width(&self) -> usize {
        self.under.iter().rposition(|under| *under != Under::Nothing).map_or(0, |last| last + 1)
    }
}

/// The name in a caption.
fn shown(caption: &str) -> String {
    let caption = caption.trim();
    if caption.ends_with(')')
        && let Some(open) = caption.rfind('(')
    {
        let inside = caption[open + 1..caption.len() - 1].trim();
        if !inside.is_empty() {
            return inside.to_owned();
        }
    }
    caption.to_owned()
}

fn compared(name: &str) -> String {
    name.replace([' ', '-', '_'], "").chars().flat_map(char::to_lowercase).collect()
}

fn under(name: &str, key: &str, columns: &[Column]) -> Under {
    let key = match key {
        _ if name.is_empty() => return Under::Nothing,
        "enrollmentnumber" => return Under::Enrollment,
        "accountownerid" => "accountowneremail",
        "extendedcost" => "cost",
        key => key,
    };
    if let Some(part) = PARTS.iter().find(|part| **part == key) {
        return Under::Part(part);
    }
    columns.iter().position(|column| column.field.to_lowercase() == key).map_or(Under::Unknown, Under::Column)
}

/// Reads a report. Rows of more bytes than `most` are refused.
pub(super) fn read(bytes: &[u8], columns: &[Column], most: usize) -> Result<Page, Wrong> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = plain::marked(bytes);
    let mut captions: Option<Captions> = None;
    let mut page = Page::default();
    for record in records(&text) {
        let is_whole = record.ending == Ending::Whole;
        let Some(captions) = &captions else {
            let read = Captions::read(&record.fields, columns);
            if !is_whole {
                let told = read.ok().flatten().filter(|read| read.tell_their_end(columns) && !record.is_broken);
                captions = Some(told.filter(|_| record.ending != Ending::InQuotes).ok_or(Wrong::Cut)?);
                continue;
            }
            captions = read?;
            continue;
        };
        let is_too_long = plain::unmarked(&record.text).len() > most;
        if record.ending == Ending::InQuotes || (!is_whole && is_too_long) {
            return Err(Wrong::Cut);
        }
        if record.text.is_empty() {
            continue;
        }
        if !is_whole && record.fields.len() < captions.under.len() {
            return Err(Wrong::Cut);
        }
        page.rows.push(row(record, captions, columns));
    }
    match captions {
        Some(_) => Ok(page),
        None if bytes.is_empty() => Err(Wrong::Cut),
        None => Err(Wrong::Form),
    }
}

/// A record as a row.
fn row(record: Record, captions: &Captions, columns: &[Column]) -> Line {
    let Record { mut fields, text, is_broken, .. } = record;
    let most = captions.under.len();
    let has_more = fields.len() > most + 1 || fields.get(most).is_some_and(|field| !field.is_empty());
    if is_broken || fields.len() < captions.width() || has_more {
        return Line { text, row: None, refused: BTreeSet::new(), is_json: false };
    }
    fields.resize(most, String::new());
    let mut refused = BTreeSet::new();
    let mut members = Vec::new();
    for ((under, name), field) in captions.under.iter().zip(&captions.names).zip(&fields) {
        if field.is_empty() {
            continue;
        }
        match under {
            Under::Column(at) => {
                let Column { field: name, kind, .. } = &columns[*at];
                let is_day = captions.is_older() && *kind == ColumnType::Date;
                let text = if is_day { iso(field) } else { field.clone() };
                members.push((name.clone(), text));
            }
            Under::Part(_) if captions.is_older() => {}
            Under::Enrollment | Under::Unknown | Under::Part(_) => {
                members.push((name.replace(NO_UNICODE, &TRUE_REPLACEMENT.to_string()), field.clone()));
            }
            Under::Nothing => {
                refused.insert(EXTRA.to_owned());
            }
        }
    }
    if captions.is_older() && !do_parts_agree(captions, &fields, columns) {
        refused.insert("date".to_owned());
    }
    let members: Vec<_> = members.iter().map(|(name, text)| format!("{}:{}", quoted(name), quoted(text))).collect();
    Line { text, row: Some(format!("{{{}}}", members.join(","))), refused, is_json: false }
}

/// A day that is written month first as ISO has it; anything else as it is.
fn iso(text: &str) -> String {
    let parts: Vec<_> = text.split('/').collect();
    let is_number = |part: &str, most: usize| {
        part.bytes().all(|byte| byte.is_ascii_digit())
            && (if most == 4 { part.len() == 4 } else { (1..=2).contains(&part.len()) })
    };
    match parts[..] {
        [month, day, year] if is_number(month, 2) && is_number(day, 2) && is_number(year, 4) => {
            format!("{year}-{month:0>2}-{day:0>2}")
        }
        _ => text.to_owned(),
    }
}

fn do_parts_agree(captions: &Captions, fields: &[String], columns: &[Column]) -> bool {
    let of =
        |wanted: &dyn Fn(&Under) -> bool| captions.under.iter().position(wanted).map_or("", |at| fields[at].as_str());
    let date = of(&|under| matches!(under, Under::Column(at) if columns[*at].column == "date"));
    let Some(day) = plain::instant(&iso(date)) else { return true };
    let numbers = [day.month(), day.day(), day.year() as u32];
    PARTS
        .iter()
        .zip(numbers)
        .all(|(part, number)| of(&|under| *under == Under::Part(part)).trim().parse() == Ok(number))
}

/// A text as a JSON string, escaped no more than it has to be.
fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            ..' ' => json += &format!("\\u{:04x}", u32::from(character)),
            _ => json.push(character),
        }
    }
    json + "\""
}
