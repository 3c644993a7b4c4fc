//! The usage detail as this service writes it: its 40 fields in the order of the wire, and who knows each value.
//!
//! This table is the simulator's own, written from the API's documentation. It must not be replaced by the client's
//! contract: a mistake that both sides share would pass every test.

/// Who knows a field's value. Neighbours of one source are rendered once, as one fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The meter in its region.
    Meter,
    /// The subscription, its account and its department.
    Subscription,
    /// The resource.
    Resource,
    /// The row: its cost.
    Cost,
    /// The row: its quantity.
    Quantity,
    /// The day.
    Date,
}

use Source::{Cost, Date, Meter, Quantity, Resource, Subscription};

/// The fields of a v3 usage detail in wire order.
pub const FIELDS: [(&str, Source); 40] = [
    ("serviceName", Meter),
    ("serviceTier", Meter),
    ("location", Meter),
    ("chargesBilledSeparately", Meter),
    ("partNumber", Meter),
    ("resourceGuid", Meter),
    ("offerId", Subscription),
    ("cost", Cost),
    ("accountId", Subscription),
    ("productId", Meter),
    ("resourceLocationId", Meter),
    ("consumedServiceId", Meter),
    ("departmentId", Subscription),
    ("accountOwnerEmail", Subscription),
    ("accountName", Subscription),
    ("serviceAdministratorId", Subscription),
    ("subscriptionId", Subscription),
    ("subscriptionGuid", Subscription),
    ("subscriptionName", Subscription),
    ("date", Date),
    ("product", Meter),
    ("meterId", Meter),
    ("meterCategory", Meter),
    ("meterSubCategory", Meter),
    ("meterRegion", Meter),
    ("meterName", Meter),
    ("consumedQuantity", Quantity),
    ("resourceRate", Meter),
    ("resourceLocation", Meter),
    ("consumedService", Meter),
    ("instanceId", Resource),
    ("serviceInfo1", Resource),
    ("serviceInfo2", Resource),
    ("additionalInfo", Resource),
    ("tags", Resource),
    ("storeServiceIdentifier", Subscription),
    ("departmentName", Subscription),
    ("costCenter", Subscription),
    ("unitOfMeasure", Meter),
    ("resourceGroup", Resource),
];

/// A field's value before it is written.
#[derive(Debug)]
pub enum Value {
    /// Text, written as a JSON string.
    Text(String),
    /// Text, written as a JSON string of ASCII only, as some serialisers do.
    AsciiText(String),
    /// A number or a flag, written as it is.
    Plain(String),
    /// `null`
    Null,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The fragments of one source, one for each run of neighbouring fields in [`FIELDS`], each field as `,"name":value`
/// (`{"name":value` at the row's start).
pub fn fragments(source: Source, value: impl Fn(&str) -> Value) -> Vec<Box<[u8]>> {
    let mut fragments = Vec::new();
    for run in FIELDS.chunk_by(|left, right| left.1 == right.1).filter(|run| run[0].1 == source) {
        let mut fragment = Vec::new();
        for (name, _) in run {
            fragment.push(if *name == FIELDS[0].0 { b'{' } else { b',' });
            fragment.push(b'"');
            fragment.extend_from_slice(name.as_bytes());
            fragment.extend_from_slice(b"\":");
            write_value(&mut fragment, &value(name));
        }
        fragments.push(fragment.into_boxed_slice());
    }
    fragments
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) => write_text(out, text, false),
        Value::AsciiText(text) => write_text(out, text, true),
        Value::Plain(text) => out.extend_from_slice(text.as_bytes()),
        Value::Null => out.extend_from_slice(b"null"),
    }
}

/// Writes a JSON string; `ascii` escapes every other character, and `&` and `'` too, as `\uXXXX`.
pub fn write_text(out: &mut Vec<u8>, text: &str, ascii: bool) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            _ if character < ' ' || (ascii && (!character.is_ascii() || "&'".contains(character))) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Fraction digits of costs and rates.
pub const MONEY_SCALE: u32 = 15;
/// Fraction digits of quantities.
pub const QUANTITY_SCALE: u32 = 6;

const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[number * 2] = b'0' + (number / 10) as u8;
        pairs[number * 2 + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

/// Writes `value / 10^scale` in plain notation: no exponent, no padding zeros, zero as `0`. `scale` is at most 19.
pub fn write_decimal(out: &mut Vec<u8>, value: i128, scale: u32) {
    if value < 0 {
        out.push(b'-');
    }
    let one = 10u64.pow(scale);
    let magnitude = value.unsigned_abs();
    let (whole, fraction) = match u64::try_from(magnitude) {
        Ok(small) => (u128::from(small / one), small % one),
        Err(_) => (magnitude / u128::from(one), (magnitude % u128::from(one)) as u64),
    };
    match u64::try_from(whole) {
        Ok(small) => write_digits(out, small, 1),
        Err(_) => out.extend_from_slice(whole.to_string().as_bytes()),
    }
    if fraction > 0 {
        out.push(b'.');
        write_digits(out, fraction, scale as usize);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Writes a number with at least `width` digits, zeros in front.
fn write_digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number >= 100 {
        start -= 2;
        let pair = (number % 100) as usize * 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        number /= 100;
    }
    if number >= 10 {
        start -= 2;
        let pair = number as usize * 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        start -= 1;
        digits[start] = b'0' + number as u8;
    }
    out.extend_from_slice(&digits[start.min(digits.len() - width)..]);
}

/// [`write_decimal`] as text.
pub fn decimal(value: i128, scale: u32) -> String {
    let mut out = Vec::new();
    write_decimal(&mut out, value, scale);
    out.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_plain() {
        for (value, scale, text) in [
            (0, 15, "0"),
            (1, 15, "0.000000000000001"),
            (-1, 15, "-0.000000000000001"),
            (1_200_000_000_000_000, 15, "1.2"),
            (24_000_000, 6, "24"),
            (100, 6, "0.0001"),
            (-12_345_678, 6, "-12.345678"),
            (987_654_321_000_000_000_000_000_500, 15, "987654321000.0000000000005"),
            (i128::from(u64::MAX) * 1_000_000_000_000_000, 15, "18446744073709551615"),
            (i128::from(u64::MAX) * 10_000_000_000_000_000, 15, "184467440737095516150"),
        ] {
            assert_eq!(decimal(value, scale), text);
        }
    }

    #[test]
    fn text_is_escaped_both_ways() {
        let text = "a\"b\\c\nd\u{1}é🚀&";
        for ascii in [false, true] {
            let mut out = Vec::new();
            write_text(&mut out, text, ascii);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            assert_eq!(out.is_ascii(), ascii);
        }
    }
}
