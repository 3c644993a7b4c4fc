//! CSV as RFC 4180 has it: records, and the fields in them. What the fields mean is none of its business.

use memchr::{memchr, memchr2};

/// A field of a record, as a place in the record's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Quotes in it are doubled.
    pub(super) doubled: bool,
}

/// A record in bytes that may end anywhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It ends before this position, its line end included. `broken`: something follows a closing quote.
    Record { end: usize, broken: bool },
    /// The bytes end in it. `in_quotes`: inside a quoted field.
    Incomplete { in_quotes: bool },
}

/// Divides the record at the start of `input` into fields.
#[inline]
pub(super) fn record(input: &[u8], fields: &mut Vec<Field>) -> Found {
    fields.clear();
    let (mut at, mut broken) = (0, false);
    loop {
        let is_quoted = input.get(at) == Some(&b'"');
        let mut field = Field { start: at, end: at, doubled: false };
        if is_quoted {
            let Some((end, doubled)) = closing_quote(input, at + 1) else {
                return Found::Incomplete { in_quotes: true };
            };
            field = Field { start: at + 1, end, doubled };
            at = end + 1;
            // Only a comma or the line's end may follow.
            broken |= !matches!(input[at..], [] | [b',' | b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..]);
        }
        let stop = memchr2(b',', b'\n', &input[at..]).map(|found| at + found);
        let ends_line = stop.is_some_and(|stop| input[stop] == b'\n');
        if !is_quoted {
            field.end = stop.unwrap_or(input.len());
            if ends_line && field.end > field.start && input[field.end - 1] == b'\r' {
                field.end -= 1;
            }
        }
        fields.push(field);
        let Some(stop) = stop else { return Found::Incomplete { in_quotes: false } };
        at = stop + 1;
        if ends_line {
            return Found::Record { end: at, broken };
        }
    }
}

/// Where the quoted field that begins at `start` has its closing quote, and whether quotes before it are doubled.
#[inline]
fn closing_quote(input: &[u8], start: usize) -> Option<(usize, bool)> {
    let (mut at, mut doubled) = (start, false);
    loop {
        let quote = at + memchr(b'"', &input[at..])?;
        match input.get(quote + 1) {
            Some(b'"') => {
                doubled = true;
                at = quote + 2;
            }
            _ => return Some((quote, doubled)),
        }
    }
}

/// Looks for the end of one record in bytes that arrive in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RecordEnd {
    /// At the beginning of a field.
    #[default]
    Field,
    /// In a field without quotes, or behind one with them.
    Plain,
    /// In a quoted field.
    Quoted,
    /// Behind a quote in a quoted field: it closes it, or is the first of two.
    Quote,
}

impl RecordEnd {
    /// Goes on over `bytes`, and returns the position behind the record's line end when it is in them.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match self {
                RecordEnd::Field if *byte == b'"' => {
                    *self = RecordEnd::Quoted;
                    at += 1;
                }
                RecordEnd::Field => *self = RecordEnd::Plain,
                RecordEnd::Plain => {
                    let stop = at + memchr2(b',', b'\n', &bytes[at..])?;
                    *self = RecordEnd::Field;
                    at = stop + 1;
                    if bytes[stop] == b'\n' {
                        return Some(at);
                    }
                }
                RecordEnd::Quoted => {
                    at += memchr(b'"', &bytes[at..])? + 1;
                    *self = RecordEnd::Quote;
                }
                RecordEnd::Quote if *byte == b'"' => {
                    *self = RecordEnd::Quoted;
                    at += 1;
                }
                RecordEnd::Quote => *self = RecordEnd::Plain,
            }
        }
        None
    }
}

/// A field's text, in `scratch` when quotes in it are doubled.
#[inline]
pub(super) fn plain<'a>(record: &'a [u8], field: Field, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let text = &record[field.start..field.end];
    if !field.doubled {
        return text;
    }
    scratch.clear();
    let mut rest = text;
    while let Some(quote) = memchr(b'"', rest) {
        scratch.extend_from_slice(&rest[..=quote]);
        rest = &rest[(quote + 2).min(rest.len())..];
    }
    scratch.extend_from_slice(rest);
    scratch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fields of the first record as text, and how it was found.
    fn read(input: &str) -> (Vec<String>, Found) {
        let mut fields = Vec::new();
        let found = record(input.as_bytes(), &mut fields);
        let text =
            |field: &Field| String::from_utf8(plain(input.as_bytes(), *field, &mut Vec::new()).to_vec()).unwrap();
        (fields.iter().map(text).collect(), found)
    }

    #[test]
    fn fields_are_divided_by_commas_outside_of_quotes() {
        let line = "a,\"b,\"\"c\"\"\r\nd\",,\"\",5\" disk\r\n";
        let (fields, found) = read(line);
        assert_eq!(fields, ["a", "b,\"c\"\r\nd", "", "", "5\" disk"]);
        assert_eq!(found, Found::Record { end: line.len(), broken: false });
        assert_eq!(read("\"a\",\"b\"\nnext").0, ["a", "b"]);
        assert_eq!(read("\n").0, [""]);
        assert_eq!(read(",\r\n").0, ["", ""]);
    }

    #[test]
    fn what_follows_a_closing_quote_breaks_its_record() {
        for line in ["\"a\"b,c\n", "\"a\" ,c\n", "\"a\"\rb\n"] {
            assert_eq!(read(line).1, Found::Record { end: line.len(), broken: true }, "{line:?}");
        }
    }

    #[test]
    fn a_record_without_its_line_end_is_incomplete() {
        assert_eq!(read("a,b"), (vec!["a".into(), "b".into()], Found::Incomplete { in_quotes: false }));
        assert_eq!(read("a,\"b\"").0, ["a", "b"]);
        assert_eq!(read("a,\"b\n").1, Found::Incomplete { in_quotes: true });
        assert_eq!(read("a,").0, ["a", ""]);
    }

    proptest! {
        #[test]
        fn a_record_ends_at_the_same_place_however_its_bytes_arrive(text in "[a,\"\r\n]{0,24}", cut in 0..24usize) {
            let bytes = text.as_bytes();
            let expected = match record(bytes, &mut Vec::new()) {
                Found::Record { end, .. } => Some(end),
                Found::Incomplete { .. } => None,
            };
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut end = RecordEnd::default();
            let found = end.find(first).or_else(|| end.find(second).map(|at| first.len() + at));
            prop_assert_eq!(found, expected);
        }
    }
}
