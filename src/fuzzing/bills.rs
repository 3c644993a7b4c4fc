//! Bills whose rows repeat, nearly repeat, and do not: what prediction has to get right.
//!
//! An input is a program that writes pages: rows of earlier rows, with a value, a byte or the order of the keys changed.
//! The pages are then read by the [decoder's target](super::decoder), with prediction and without.

use super::pages::{NEXT_PAGE, NEXT_PIECE, ROLLBACK, check};

/// Fields that rows may have; some that no contract knows.
const FIELDS: [&str; 16] = [
    "accountId",
    "cost",
    "date",
    "product",
    "meterId",
    "consumedQuantity",
    "resourceRate",
    "instanceId",
    "tags",
    "chargesBilledSeparately",
    "additionalInfo",
    "unitOfMeasure",
    "subscriptionGuid",
    "newField",
    "costCenter",
    "another \\u0022 one",
];

/// Values that a field may have, besides numbered ones.
const VALUES: [&str; 32] = [
    "null",
    "\"\"",
    "\"a\"",
    "\"ab\"",
    "\"a, \\\"cost\\\":1}\"",
    "\"{\\\"env\\\": \\\"prod\\\"}\"",
    "\"\\ud83d\"",
    "\"\\u00e9\"",
    "\"é\"",
    "0",
    "1",
    "12",
    "123",
    "-1.5",
    "1.25",
    "0.1234567890123456789",
    "123456789012345678.123456789012345678",
    "1e-7",
    "1E+2",
    "\"12\"",
    "true",
    "false",
    "\"true\"",
    "\"2018-08-01T00:00:00\"",
    "\"2018-08-02\"",
    "\"2018-09-01T00:00:00\"",
    "\"8/1/2018\"",
    "{\"a\":[1,{\"cost\":2}]}",
    "[]",
    "[\"x\",null]",
    "1e400",
    "12.0",
];

/// Bytes of pages that a program may write.
const MOST_TEXT: usize = 48 << 10;

/// A row: its fields in their order, and the text between them.
#[derive(Clone, Default)]
struct Row {
    fields: Vec<(usize, String)>,
    spaced: bool,
}

impl Row {
    fn text(&self) -> String {
        let (colon, comma) = if self.spaced { (": ", ",\n ") } else { (":", ",") };
        let fields: Vec<_> =
            self.fields.iter().map(|(field, value)| format!("\"{}\"{colon}{value}", FIELDS[*field])).collect();
        format!("{{{}}}", fields.join(comma))
    }
}

/// Writes pages by the program, and reads them with prediction and without.
pub fn bills(data: &[u8]) {
    let Some((settings, program)) = data.split_first_chunk::<8>() else { return };
    let text = written(program, settings[0] == b'r');
    for predicts in [true, false] {
        check(settings, &text, predicts);
    }
}

/// The pages that a program writes.
fn written(program: &[u8], as_rows: bool) -> Vec<u8> {
    let (open, comma, close) = if as_rows { ("", "\n", "") } else { ("{\"data\":[", ",", "],\"nextLink\":null}") };
    let mut steps = program.iter().copied().map(usize::from);
    let mut rows: Vec<Row> = Vec::new();
    let mut row = Row::default();
    let mut text = open.as_bytes().to_vec();
    let mut is_first = true;
    while let Some(step) = steps.next() {
        let mut next = || steps.next().unwrap_or(0);
        let mut written = None;
        match step % 16 {
            // A value of one field, which comes last when it is new.
            0 | 1 => {
                let (field, value) = (next() % FIELDS.len(), next());
                let value = match value.checked_sub(VALUES.len()) {
                    None => VALUES[value].to_owned(),
                    Some(number) if number % 2 == 0 => number.to_string(),
                    Some(number) => format!("\"text {number}\""),
                };
                match row.fields.iter_mut().find(|(known, _)| *known == field) {
                    Some((_, known)) => *known = value,
                    None => row.fields.push((field, value)),
                }
            }
            // Fields are dropped, turned, doubled, spaced.
            2 if step & 0x80 != 0 => drop(row.fields.pop()),
            2 if step & 0x40 != 0 && !row.fields.is_empty() => row.fields.rotate_left(1),
            2 if step & 0x20 != 0 => row.fields.extend(row.fields.first().cloned()),
            2 => row.spaced = !row.spaced,
            // The row, several rows from an earlier one on, and one with a byte changed.
            3..=6 => written = Some(vec![row.text()]),
            7..=10 if !rows.is_empty() => {
                let from = next() % rows.len();
                written = Some(rows[from..].iter().take(1 + step / 16).map(Row::text).collect());
            }
            11 if !rows.is_empty() => {
                let mut bytes = rows[next() % rows.len()].text().into_bytes();
                let (at, byte) = (next() % bytes.len(), next() as u8);
                if byte >= 0x20 {
                    bytes[at] = byte;
                }
                written = Some(vec![String::from_utf8_lossy(&bytes).into_owned()]);
            }
            12 => text.push(NEXT_PIECE),
            13 => {
                text.extend_from_slice(close.as_bytes());
                text.push(NEXT_PAGE);
                text.extend_from_slice(open.as_bytes());
                is_first = true;
            }
            14 if step & 0x80 != 0 => {
                text.push(ROLLBACK);
                text.extend_from_slice(open.as_bytes());
                is_first = true;
            }
            _ => {}
        }
        for row_text in written.into_iter().flatten() {
            if !std::mem::take(&mut is_first) {
                text.extend_from_slice(comma.as_bytes());
            }
            text.extend_from_slice(row_text.as_bytes());
        }
        if matches!(step % 16, 3..=6) && rows.len() < 64 {
            rows.push(row.clone());
        }
        if text.len() > MOST_TEXT {
            break;
        }
    }
    text.extend_from_slice(close.as_bytes());
    text
}
