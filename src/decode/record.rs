//! One record of a CSV: its fields into the columns. Empty fields are null, since CSV cannot tell them apart.

use std::borrow::Cow;

use chrono::{Datelike, NaiveDate};

use super::InvalidText;
use super::captions::{DatePart, Use};
use super::column::{Column, NO_UNICODE, NULL_CODE, Reason};
use super::csv;
use super::date;
use super::layout::Place;
use super::row::{Row, RowDecoder};
use super::sheet::Record;
use super::token::{RawText, Value};
use crate::contract::ColumnType;

const WRONG_PARTS: Reason = "Month, Day and Year are not those of Date";

impl RowDecoder {
    /// Reads a record as a row.
    pub(super) fn record(&mut self, record: Record<'_>) -> Row {
        self.begin_row(true);
        self.begin_plain_row();
        let Record { header, fields, .. } = record;
        let width = header.uses.len();
        // A comma at the line's end makes a field too many, which has to be empty.
        let has_more = fields.len() > width && fields[width..].iter().any(|field| field.start < field.end);
        if record.is_broken {
            return Row::Refused(None, "something follows a closing quote");
        }
        if fields.len() < header.width() || has_more || fields.len() > width + 1 {
            return Row::Refused(None, "the row has more or fewer fields than there are captions");
        }
        let mut scratch = std::mem::take(&mut self.csv_scratch);
        let mut extra = Vec::new();
        for ((known, name), field) in header.uses.iter().zip(fields) {
            if let Use::Column(column) = known
                && field.doubled
            {
                self.doubled_value(*column, record, *field, &mut scratch);
                continue;
            }
            let text = csv::plain(record.text, *field, &mut scratch);
            match known {
                Use::Column(column) => self.csv_value(*column, text, header.is_older),
                Use::Enrollment if !self.shared.is_of_enrollment(text) => self.refuse_enrollment(),
                Use::Nothing if !text.is_empty() => self.refused.push((self.extra, "a value under no caption")),
                Use::Extra if !text.is_empty() => {
                    self.unknown.note(name.as_bytes());
                    write_member(&mut extra, name.as_bytes(), text);
                }
                Use::Enrollment | Use::Extra | Use::Nothing | Use::Part(_) => {}
            }
        }
        self.csv_scratch = scratch;
        if header.is_older
            && let Some(date) = self.date_column
            && !parts_agree(record, date)
        {
            self.refused.push((date, WRONG_PARTS));
        }
        self.end_record(extra)
    }

    /// Takes a field with doubled quotes into a column.
    #[inline(never)] // few fields are, and the loop over all is quicker without its code
    fn doubled_value(&mut self, column: usize, record: Record<'_>, field: csv::Field, scratch: &mut Vec<u8>) {
        let raw = &record.text[field.start..field.end];
        if !self.is_as_before(column, raw) {
            let text = csv::plain(record.text, field, scratch);
            self.csv_value(column, text, record.header.is_older);
            self.remember(column, raw, text);
        }
    }

    /// Takes the value before once more when a field with doubled quotes is that of the value to the byte: undoing them
    /// costs more than comparing. Tags are nearly always those of the row before.
    #[inline]
    fn is_as_before(&mut self, column: usize, raw: &[u8]) -> bool {
        let is_pushed = self.group.place(column) == Place::Pushed;
        let (known, value) = &self.doubled_before[column];
        let builder = &mut self.group.columns[column];
        if !is_pushed || known != raw || value.is_empty() || builder.last_text() != value.as_slice() {
            return false;
        }
        self.filled[column] = self.row_number;
        builder.push_again();
        true
    }

    /// Remembers the raw text of a field beside the text that its column took for it, if it did.
    fn remember(&mut self, column: usize, raw: &[u8], text: &[u8]) {
        let (known, value) = &mut self.doubled_before[column];
        known.clear();
        value.clear();
        let last = self.group.columns[column].last_text();
        if unquoted(last) == Some(text) {
            known.extend_from_slice(raw);
            value.extend_from_slice(last);
        }
    }

    /// Takes the text of a field into a column.
    #[inline(always)] // the loop over a record's fields
    fn csv_value(&mut self, column: usize, text: &[u8], is_older: bool) {
        self.filled[column] = self.row_number;
        let is_pushed = self.group.place(column) == Place::Pushed;
        let builder = &mut self.group.columns[column];
        if text.is_empty() {
            if is_pushed {
                builder.push_null();
            } else {
                self.codes[column] = NULL_CODE;
            }
            return;
        }
        let text = match builder {
            Column::Date(_) if is_older => older_day(text).map_or(Cow::Borrowed(text), Cow::Owned),
            _ => Cow::Borrowed(text),
        };
        if is_pushed && unquoted(builder.last_text()) == Some(&*text) {
            return builder.push_again();
        }
        let value = Value::Text(RawText { raw: &text, escaped: false, ascii: text.is_ascii() });
        if is_pushed {
            if let Err(reason) = builder.push(column, value, &mut self.shared) {
                builder.push_null();
                self.refused.push((column, reason));
            }
            return;
        }
        match builder.code(column, value, &mut self.shared) {
            Ok(code) => self.codes[column] = code,
            Err(reason) => self.refused.push((column, reason)),
        }
    }

    /// Ends the row: null where there is no caption, and `extra`.
    fn end_record(&mut self, mut extra: Vec<u8>) -> Row {
        if self.refused.is_empty() {
            self.fill_missing();
            if !extra.is_empty() {
                extra.push(b'}');
            }
            if let Err(reason) = self.push_extra(extra) {
                self.refused.push((self.extra, reason));
            }
        }
        if let Some((column, reason)) = self.refused.first() {
            let refused = Row::Refused(Some(*column), reason);
            self.group.truncate(self.group.rows());
            return refused;
        }
        self.end_plain_row();
        Row::Taken
    }

    fn push_extra(&mut self, json: Vec<u8>) -> Result<(), Reason> {
        let Column::Text(extra) = &mut self.group.columns[self.extra] else { return Ok(()) };
        if json.is_empty() {
            extra.push_null();
            return Ok(());
        }
        let json = match String::from_utf8(json) {
            Ok(json) => json,
            Err(_) if self.shared.invalid_text == InvalidText::Reject => return Err(NO_UNICODE),
            Err(wrong) => {
                self.shared.replaced.push(self.extra);
                String::from_utf8_lossy(wrong.as_bytes()).into_owned()
            }
        };
        extra.push_text(&json, &self.shared);
        Ok(())
    }

    /// A record as a row of JSON that means the same, for a row that waits until its billing period's turn.
    pub(super) fn as_json(&self, record: Record<'_>) -> Vec<u8> {
        let mut json = Vec::new();
        let mut scratch = Vec::new();
        for ((known, name), field) in record.header.uses.iter().zip(record.fields) {
            let text = csv::plain(record.text, *field, &mut scratch);
            let (name, text) = match known {
                _ if text.is_empty() => continue,
                Use::Column(column) => {
                    let is_older = record.header.is_older && matches!(self.kinds[*column], ColumnType::Date);
                    let text = if is_older {
                        older_day(text).map_or(Cow::Borrowed(text), Cow::Owned)
                    } else {
                        Cow::Borrowed(text)
                    };
                    (self.names[*column].as_str(), text)
                }
                Use::Extra | Use::Enrollment => (name.as_str(), Cow::Borrowed(text)),
                Use::Nothing | Use::Part(_) => continue,
            };
            write_member(&mut json, name.as_bytes(), &text);
        }
        json.extend_from_slice(if json.is_empty() { b"{}" } else { b"}" });
        json
    }
}

/// A text without the quotes around it; none when there is none.
#[inline]
fn unquoted(text: &[u8]) -> Option<&[u8]> {
    text.get(1..).and_then(|text| text.split_last()).map(|(_, text)| text)
}

/// Appends `"name":"text"` to an object whose brace is still open.
fn write_member(json: &mut Vec<u8>, name: &[u8], text: &[u8]) {
    json.push(if json.is_empty() { b'{' } else { b',' });
    write_text(json, name);
    json.push(b':');
    write_text(json, text);
}

fn write_text(json: &mut Vec<u8>, text: &[u8]) {
    json.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => json.extend([b'\\', *byte]),
            0..=0x1f => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => json.push(*byte),
        }
    }
    json.push(b'"');
}

/// A day that is written month first (`8/1/2018`, `08/01/2018`), as ISO has it; none when it is written otherwise.
fn older_day(text: &[u8]) -> Option<Vec<u8>> {
    let mut parts = text.split(|byte| *byte == b'/');
    let mut number = |digits: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let is_plain = digits.contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        is_plain.then(|| part.iter().fold(0_u32, |number, byte| number * 10 + u32::from(byte - b'0')))
    };
    let (month, day, year) = (number(1..=2)?, number(1..=2)?, number(4..=4)?);
    if parts.next().is_some() {
        return None;
    }
    Some(format!("{year:04}-{month:02}-{day:02}").into_bytes())
}

/// Whether the parts of the date that an older report repeats are those of its date. What is no date is refused anyway.
fn parts_agree(record: Record<'_>, date_column: usize) -> bool {
    let uses = || record.header.uses.iter().zip(record.fields);
    let text = |field: &csv::Field| &record.text[field.start..field.end];
    let under = |wanted: Use| uses().find(|((known, _), _)| *known == wanted).map(|(_, field)| text(field));
    let part = |wanted: DatePart| {
        under(Use::Part(wanted)).and_then(|text| std::str::from_utf8(text).ok()?.trim().parse::<u32>().ok())
    };
    let day = under(Use::Column(date_column))
        .and_then(|text| date::day(&older_day(text).unwrap_or_else(|| text.to_vec())).ok());
    let Some(date) = day.and_then(NaiveDate::from_epoch_days) else { return true };
    let parts = [part(DatePart::Month), part(DatePart::Day), part(DatePart::Year)];
    parts == [Some(date.month()), Some(date.day()), u32::try_from(date.year()).ok()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_older_reports_are_written_month_first() {
        let day = |text: &str| older_day(text.as_bytes()).map(|day| String::from_utf8(day).unwrap());
        assert_eq!(day("8/1/2018").as_deref(), Some("2018-08-01"));
        assert_eq!(day("08/01/2018").as_deref(), Some("2018-08-01"));
        for text in ["2018-08-01", "8/1/18", "8/1", "8/1/2018/", "+8/1/2018", "008/1/2018", ""] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn a_member_of_an_object_has_its_escapes() {
        let mut json = Vec::new();
        write_member(&mut json, b"a", b"x\"\\\r\n\t");
        write_member(&mut json, b"b", "é".as_bytes());
        assert_eq!(String::from_utf8(json).unwrap(), "{\"a\":\"x\\\"\\\\\\u000d\\u000a\\u0009\",\"b\":\"é\"");
    }
}
