//! Values, and how they are written: as JSON in several styles, or as CSV.

use super::words::{FlagForm, NumberForm};

/// A value before it is written.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text.
    Text(String),
    /// Text that JSON writes in ASCII only, as some serialisers do.
    AsciiText(String),
    /// A number in units of `10^-scale`.
    Number(i128, u32),
    /// An id that counts nothing.
    Id(u64),
    /// A flag.
    Flag(bool),
    /// Any JSON, as it is.
    Json(&'static str),
    /// Nothing.
    Null,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// How JSON shows the values that no public page pins down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Ids in quotes.
    pub ids_as_text: bool,
    /// Flags.
    pub flags: FlagForm,
    /// Numbers.
    pub numbers: NumberForm,
}

/// How a row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// As an object.
    Json(Style),
    /// As a line; its end belongs to the file.
    Csv,
}

impl Syntax {
    /// Begins a row's member of this name.
    pub fn begin(self, out: &mut Vec<u8>, name: &str, is_first: bool) {
        match self {
            Self::Json(_) => {
                out.push(if is_first { b'{' } else { b',' });
                write_text(out, name, false);
                out.push(b':');
            }
            Self::Csv if is_first => {}
            Self::Csv => out.push(b','),
        }
    }

    /// Writes a value.
    pub fn write(self, out: &mut Vec<u8>, value: &Value) {
        match self {
            Self::Json(style) => style.write(out, value),
            Self::Csv => match value {
                Value::Text(text) | Value::AsciiText(text) => write_cell(out, text),
                Value::Json(text) => write_cell(out, text),
                Value::Number(number, scale) => write_decimal(out, *number, *scale),
                Value::Id(id) => out.extend_from_slice(id.to_string().as_bytes()),
                Value::Flag(flag) => out.extend_from_slice(capital(*flag).as_bytes()),
                Value::Null => {}
            },
        }
    }

    /// Writes a number in units of `10^-scale`.
    pub fn write_number(self, out: &mut Vec<u8>, number: i128, scale: u32) {
        match self {
            Self::Json(style) => style.write_number(out, number, scale),
            Self::Csv => write_decimal(out, number, scale),
        }
    }

    /// Ends a row.
    pub fn end(self, out: &mut Vec<u8>) {
        if let Self::Json(_) = self {
            out.push(b'}');
        }
    }
}

impl Style {
    /// Writes a value.
    pub fn write(self, out: &mut Vec<u8>, value: &Value) {
        let quoted = |out: &mut Vec<u8>, text: &str| write_text(out, text, false);
        match value {
            Value::Text(text) => quoted(out, text),
            Value::AsciiText(text) => write_text(out, text, true),
            Value::Number(number, scale) => self.write_number(out, *number, *scale),
            Value::Id(id) if self.ids_as_text => quoted(out, &id.to_string()),
            Value::Id(id) => out.extend_from_slice(id.to_string().as_bytes()),
            Value::Flag(flag) if self.flags == FlagForm::Text => quoted(out, capital(*flag)),
            Value::Flag(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
            Value::Json(text) => out.extend_from_slice(text.as_bytes()),
            Value::Null => out.extend_from_slice(b"null"),
        }
    }

    fn write_number(self, out: &mut Vec<u8>, number: i128, scale: u32) {
        match self.numbers {
            NumberForm::Plain => write_decimal(out, number, scale),
            NumberForm::Padded => {
                let start = out.len();
                write_decimal(out, number, scale);
                let fraction = match out[start..].iter().position(|byte| *byte == b'.') {
                    Some(point) => out.len() - start - point - 1,
                    None => {
                        out.push(b'.');
                        0
                    }
                };
                out.resize(out.len() + (MONEY_SCALE as usize).saturating_sub(fraction), b'0');
            }
            NumberForm::Text => {
                out.push(b'"');
                write_decimal(out, number, scale);
                out.push(b'"');
            }
        }
    }
}

fn capital(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}

/// Fields that no documentation knows, each with its value.
pub const UNKNOWN: [(&str, Value); 4] = [
    ("benefitId", Value::Null),
    ("isAzureCreditEligible", Value::Flag(true)),
    ("exchangeRate", Value::Number(1_050_000, 6)),
    ("pricing", Value::Json(r#"{"model":"OnDemand","tiers":[1,{"from":"0"}]}"#)),
];

/// Writes an object of these members, and of those that no documentation knows.
pub fn write_object<'a>(
    out: &mut Vec<u8>,
    style: Style,
    members: impl Iterator<Item = (&'a str, Value)>,
    with_unknown: bool,
) {
    let unknown = UNKNOWN.into_iter().filter(|_| with_unknown);
    let syntax = Syntax::Json(style);
    for (index, (name, value)) in members.chain(unknown).enumerate() {
        syntax.begin(out, name, index == 0);
        syntax.write(out, &value);
    }
    syntax.end(out);
}

/// Writes a cell of CSV, in quotes where RFC 4180 wants them.
pub fn write_cell(out: &mut Vec<u8>, text: &str) {
    if !text.bytes().any(|byte| b",\"\r\n".contains(&byte)) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
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
    fn each_style_writes_its_forms() {
        let plain = Style { ids_as_text: false, flags: FlagForm::Bare, numbers: NumberForm::Plain };
        let text = Style { ids_as_text: true, flags: FlagForm::Text, numbers: NumberForm::Text };
        let padded = Style { numbers: NumberForm::Padded, ..plain };
        for (value, [in_plain, in_text, in_padded, in_csv]) in [
            (Value::Number(1_100_000, 6), ["1.1", "\"1.1\"", "1.100000000000000", "1.1"]),
            (Value::Number(-200, 2), ["-2", "\"-2\"", "-2.000000000000000", "-2"]),
            (Value::Id(7), ["7", "\"7\"", "7", "7"]),
            (Value::Flag(true), ["true", "\"True\"", "true", "True"]),
            (Value::Null, ["null", "null", "null", ""]),
            (
                Value::from("a,\"b\"\r\n"),
                [r#""a,\"b\"\r\n""#, r#""a,\"b\"\r\n""#, r#""a,\"b\"\r\n""#, "\"a,\"\"b\"\"\r\n\""],
            ),
        ] {
            let written = |syntax: Syntax| {
                let mut out = Vec::new();
                syntax.write(&mut out, &value);
                String::from_utf8(out).unwrap()
            };
            let syntaxes = [Syntax::Json(plain), Syntax::Json(text), Syntax::Json(padded), Syntax::Csv];
            assert_eq!(syntaxes.map(written), [in_plain, in_text, in_padded, in_csv]);
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
