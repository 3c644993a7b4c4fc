//! A plain reading of pages, written from the table of values and sharing nothing with the decoder: serde_json finds
//! the fields, `num-bigint` does the arithmetic, chrono knows the calendar. It holds a page in memory and is slow.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use num_bigint::{BigInt, Sign};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::cells::{Cells, instant_text};

/// The types of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Decimal,
    Id,
    Date,
    Instant,
    Flag,
}

use Kind::{Date, Decimal, Flag, Id, Instant, Text};

/// A field on the wire, its column, its type.
pub type FieldOf = (&'static str, &'static str, Kind);

/// Usage details, version 3, in the order of the wire.
pub const USAGE_DETAILS: [FieldOf; 40] = [
    ("serviceName", "service_name", Text),
    ("serviceTier", "service_tier", Text),
    ("location", "location", Text),
    ("chargesBilledSeparately", "charges_billed_separately", Flag),
    ("partNumber", "part_number", Text),
    ("resourceGuid", "resource_guid", Text),
    ("offerId", "offer_id", Text),
    ("cost", "cost", Decimal),
    ("accountId", "account_id", Id),
    ("productId", "product_id", Id),
    ("resourceLocationId", "resource_location_id", Id),
    ("consumedServiceId", "consumed_service_id", Id),
    ("departmentId", "department_id", Id),
    ("accountOwnerEmail", "account_owner_email", Text),
    ("accountName", "account_name", Text),
    ("serviceAdministratorId", "service_administrator_id", Text),
    ("subscriptionId", "subscription_id", Id),
    ("subscriptionGuid", "subscription_guid", Text),
    ("subscriptionName", "subscription_name", Text),
    ("date", "date", Date),
    ("product", "product", Text),
    ("meterId", "meter_id", Text),
    ("meterCategory", "meter_category", Text),
    ("meterSubCategory", "meter_sub_category", Text),
    ("meterRegion", "meter_region", Text),
    ("meterName", "meter_name", Text),
    ("consumedQuantity", "consumed_quantity", Decimal),
    ("resourceRate", "resource_rate", Decimal),
    ("resourceLocation", "resource_location", Text),
    ("consumedService", "consumed_service", Text),
    ("instanceId", "instance_id", Text),
    ("serviceInfo1", "service_info1", Text),
    ("serviceInfo2", "service_info2", Text),
    ("additionalInfo", "additional_info", Text),
    ("tags", "tags", Text),
    ("storeServiceIdentifier", "store_service_identifier", Text),
    ("departmentName", "department_name", Text),
    ("costCenter", "cost_center", Text),
    ("unitOfMeasure", "unit_of_measure", Text),
    ("resourceGroup", "resource_group", Text),
];

/// Billing periods, version 2.
pub const BILLING_PERIODS: [FieldOf; 7] = [
    ("billingPeriodId", "billing_period_id", Text),
    ("billingStart", "billing_start", Instant),
    ("billingEnd", "billing_end", Instant),
    ("balanceSummary", "balance_summary", Text),
    ("usageDetails", "usage_details", Text),
    ("marketplaceCharges", "marketplace_charges", Text),
    ("priceSheet", "price_sheet", Text),
];

/// A row that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The row in its page, from 0.
    pub row: u64,
    /// The columns that are to blame; none when the row is not an object.
    pub columns: BTreeSet<String>,
    /// The row as it came.
    pub text: String,
}

/// What a page says.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    pub rows: Vec<Cells>,
    pub refused: Vec<Refusal>,
    /// Sums of the decimals as text had them, and of what rounding took from them, by column.
    pub text_sums: BTreeMap<String, Exact>,
    pub lost_sums: BTreeMap<String, Exact>,
    pub rounded_values: u64,
    pub replaced_texts: u64,
    pub duplicate_keys: u64,
    pub unknown_fields: BTreeMap<String, u64>,
    pub unknown_envelope_fields: BTreeMap<String, u64>,
    pub next_link: Option<String>,
}

/// Stands for what is no Unicode while serde_json reads; a true U+FFFD is [`TRUE_REPLACEMENT`] meanwhile.
const NO_UNICODE: char = '\u{fffd}';
/// A private character that no test writes.
const TRUE_REPLACEMENT: char = '\u{f8ff}';

/// Reads a page with an envelope. With `strict`, rows with text that is no Unicode are refused.
pub fn read_page(page: &[u8], fields: &[FieldOf], strict: bool) -> Reading {
    let page = marked(page);
    let Object(envelope) = serde_json::from_str(&page).expect("a page");
    let mut reading = Reading::default();
    for (_, column, _) in fields.iter().filter(|(_, _, kind)| *kind == Decimal) {
        reading.text_sums.insert((*column).to_owned(), Exact::default());
    }
    for (name, value) in &envelope {
        let (name, _) = text_of(name.get());
        match name.to_ascii_lowercase().as_str() {
            "data" => {
                let rows: Vec<Box<RawValue>> = serde_json::from_str(value.get()).expect("an array of rows");
                for (at, row) in rows.iter().enumerate() {
                    read_row(at as u64, row.get(), fields, strict, &mut reading);
                }
            }
            "nextlink" => reading.next_link = (value.get() != "null").then(|| text_of(value.get()).0),
            "id" | "reportid" => {}
            _ => *reading.unknown_envelope_fields.entry(name.to_string()).or_default() += 1,
        }
    }
    reading.next_link = reading.next_link.filter(|link| !link.is_empty());
    reading
}

/// The page as text, where every sequence that is no UTF-8 is one [`NO_UNICODE`].
fn marked(page: &[u8]) -> String {
    let mut text = String::new();
    for chunk in page.utf8_chunks() {
        text.push_str(&chunk.valid().replace(NO_UNICODE, &TRUE_REPLACEMENT.to_string()));
        if !chunk.invalid().is_empty() {
            text.push(NO_UNICODE);
        }
    }
    text
}

fn unmarked(text: &str) -> String {
    text.replace(TRUE_REPLACEMENT, &NO_UNICODE.to_string())
}

/// Keys and values of an object in their order, all of them.
struct Object(Vec<(Box<RawValue>, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

/// What a field gives: a cell, or null, and what is noted about it.
#[derive(Default)]
struct Cell {
    text: Option<String>,
    replaced: bool,
    /// The number in the text, and what rounding took from it.
    sum: Option<(Exact, Option<Exact>)>,
}

fn read_row(at: u64, row: &str, fields: &[FieldOf], strict: bool, reading: &mut Reading) {
    let mut refusal = Refusal { row: at, columns: BTreeSet::new(), text: unmarked(row) };
    let Ok(Object(pairs)) = serde_json::from_str(row) else {
        return reading.refused.push(refusal);
    };
    let mut known: BTreeMap<&str, (Kind, &str)> = BTreeMap::new();
    let mut unknown: Vec<(String, String)> = Vec::new();
    let mut duplicates = 0;
    for (key, value) in &pairs {
        let (name, _) = text_of(key.get());
        match fields.iter().find(|(field, ..)| field.eq_ignore_ascii_case(&name)) {
            Some((_, column, kind)) => {
                duplicates += u64::from(known.insert(column, (*kind, value.get())).is_some());
            }
            None => {
                let json = format!("{}:{}", key.get(), value.get());
                match unknown.iter_mut().find(|(other, _)| *other == name) {
                    Some((_, before)) => {
                        *before = json;
                        duplicates += 1;
                    }
                    None => unknown.push((name, json)),
                }
            }
        }
    }
    let mut cells = BTreeMap::new();
    for (column, (kind, value)) in known {
        match read_value(kind, value) {
            Some(cell) if !(strict && cell.replaced) => {
                cells.insert(column, cell);
            }
            _ => {
                refusal.columns.insert(column.to_owned());
            }
        }
    }
    if !unknown.is_empty() {
        let json: Vec<_> = unknown.iter().map(|(_, json)| json.as_str()).collect();
        let json = format!("{{{}}}", json.join(","));
        let replaced = json.contains(NO_UNICODE);
        if strict && replaced {
            refusal.columns.insert("extra".to_owned());
        }
        cells.insert("extra", Cell { text: Some(unmarked(&json)), replaced, sum: None });
    }
    if !refusal.columns.is_empty() {
        return reading.refused.push(refusal);
    }
    reading.duplicate_keys += duplicates;
    for (name, _) in unknown {
        *reading.unknown_fields.entry(name).or_default() += 1;
    }
    let mut row = Cells::new();
    for (column, cell) in cells {
        reading.replaced_texts += u64::from(cell.replaced);
        if let Some((number, lost)) = cell.sum {
            reading.text_sums.entry(column.to_owned()).or_default().add(&number);
            if let Some(lost) = lost {
                reading.rounded_values += 1;
                reading.lost_sums.entry(column.to_owned()).or_default().add(&lost);
            }
        }
        row.extend(cell.text.map(|text| (column.to_owned(), text)));
    }
    reading.rows.push(row);
}

/// The table of values; none is "reject".
fn read_value(kind: Kind, json: &str) -> Option<Cell> {
    let plain = |text: String| Some(Cell { text: Some(text), ..Cell::default() });
    if json == "null" {
        return Some(Cell::default());
    }
    let quoted = json.starts_with('"');
    let (text, replaced) = if quoted { text_of(json) } else { (unmarked(json), json.contains(NO_UNICODE)) };
    if kind == Text {
        return Some(Cell { text: Some(text), replaced, sum: None });
    }
    if quoted && text.is_empty() {
        return Some(Cell::default());
    }
    match kind {
        Text => None,
        Decimal => {
            let number = Exact::read(&text)?;
            let (units, lost) = number.rounded();
            if units.magnitude() >= BigInt::from(10).pow(38).magnitude() {
                return None;
            }
            let cell = Exact { digits: units, scale: 18 }.to_string();
            Some(Cell { text: Some(cell), replaced: false, sum: Some((number, lost)) })
        }
        Id => {
            let number = Exact::read(&text)?;
            let ten_to_scale = BigInt::from(10).pow(number.scale);
            if &number.digits % &ten_to_scale != BigInt::ZERO {
                return None;
            }
            plain(i64::try_from(number.digits / ten_to_scale).ok()?.to_string())
        }
        Date => plain(instant(quoted.then_some(&text)?)?.date().to_string()),
        Instant => {
            let instant = instant(quoted.then_some(&text)?)?;
            plain(instant_text(&instant.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()))
        }
        Flag => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => plain("true".to_owned()),
            "false" | "0" => plain("false".to_owned()),
            _ => None,
        },
    }
}

/// The text of a JSON string, and whether something in it is no Unicode.
fn text_of(json: &str) -> (String, bool) {
    let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).expect("a string");
    let mut units = Vec::new();
    let mut replaced = false;
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        let unit = match character {
            '\\' => match characters.next().expect("an escape") {
                'b' => 8,
                'f' => 12,
                'n' => 10,
                'r' => 13,
                't' => 9,
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    u16::from_str_radix(&digits, 16).expect("four hexadecimal digits")
                }
                itself => itself as u16,
            },
            TRUE_REPLACEMENT => 0xfffd,
            character => {
                replaced |= character == NO_UNICODE;
                units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
                continue;
            }
        };
        units.push(unit);
    }
    let text = char::decode_utf16(units).map(|character| {
        replaced |= character.is_err();
        character.unwrap_or(NO_UNICODE)
    });
    let text = text.collect();
    (text, replaced)
}

/// The instant of a date with or without a time; without an offset it is UTC.
fn instant(text: &str) -> Option<NaiveDateTime> {
    let shape: String = text.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "0000-00-00" {
        return None;
    }
    let instant = if text.len() == 10 {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?
    } else if let Ok(with_offset) = DateTime::parse_from_rfc3339(text) {
        with_offset.naive_utc()
    } else {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?
    };
    (1900..=9999).contains(&instant.year()).then_some(instant)
}

/// `digits / 10^scale`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exact {
    digits: BigInt,
    scale: u32,
}

impl Exact {
    /// Reads a number of JSON's grammar.
    fn read(text: &str) -> Option<Exact> {
        let number: Box<RawValue> = serde_json::from_str(text).ok()?;
        let is_number = number.get() == text && text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if !is_number {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: BigInt = format!("{whole}{fraction}").parse().ok()?;
        let scale = fraction.len() as i64 - exponent;
        Some(match u32::try_from(scale) {
            Ok(scale) => Exact { digits, scale },
            Err(_) => Exact { digits: digits * BigInt::from(10).pow(scale.unsigned_abs() as u32), scale: 0 },
        })
    }

    fn at_scale(&self, scale: u32) -> BigInt {
        &self.digits * BigInt::from(10).pow(scale - self.scale)
    }

    pub fn add(&mut self, other: &Exact) {
        let scale = self.scale.max(other.scale);
        *self = Exact { digits: self.at_scale(scale) + other.at_scale(scale), scale };
    }

    /// The number in units of 10^-18, half to even, and what that took away, if anything.
    fn rounded(&self) -> (BigInt, Option<Exact>) {
        if self.scale <= 18 {
            return (self.at_scale(18), None);
        }
        let unit = BigInt::from(10).pow(self.scale - 18);
        let (mut units, rest) = (&self.digits / &unit, &self.digits % &unit);
        if rest == BigInt::ZERO {
            return (units, None);
        }
        let twice = BigInt::from(rest.magnitude() * 2_u32);
        let odd = &units % 2 != BigInt::ZERO;
        if twice > unit || (twice == unit && odd) {
            units += if self.digits.sign() == Sign::Minus { -1 } else { 1 };
        }
        let lost = Exact { digits: &self.digits - &units * unit, scale: self.scale };
        (units, Some(lost))
    }

    pub fn is_zero(&self) -> bool {
        self.digits == BigInt::ZERO
    }
}

/// Plain, without zeros at the end.
impl std::fmt::Display for Exact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.digits.magnitude().to_string(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.digits.sign() == Sign::Minus { "-" } else { "" };
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}
