//! A CSV report: lines before the captions, the captions, then a record a row.

use super::captions::{Captions, Header, Line};
use super::csv::{self, Field, Found, RecordEnd};
use super::error::DecodeError;

/// Bytes in which the captions have to come.
const BYTES_BEFORE_CAPTIONS: usize = 64 << 10;
/// Bytes of a record that are kept when it is longer than the bound.
const KEPT_OF_OVERSIZED: usize = 4_096;

/// Takes the records that a [`SheetReader`] finds.
pub(super) trait RecordSink {
    /// Reads a record, without its line end, as a row.
    fn record(&mut self, record: Record<'_>);
    /// A record was longer than the bound; `beginning` is what was kept of it.
    fn oversized(&mut self, beginning: &[u8]);
}

/// A record under its captions.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) header: &'a Header,
    /// The record without its line end.
    pub(super) text: &'a [u8],
    pub(super) fields: &'a [Field],
    /// Something follows a closing quote in it.
    pub(super) is_broken: bool,
}

/// Reads the CSV of one page.
pub(super) struct SheetReader {
    captions: Captions,
    max_row_bytes: usize,
    header: Option<Header>,
    /// Bytes of lines that are no captions.
    before: usize,
    /// The beginning of a record whose end did not come yet.
    held: Vec<u8>,
    end: RecordEnd,
    /// A record over the bound is passed over.
    is_skipping: bool,
    fields: Vec<Field>,
    bytes: u64,
}

impl SheetReader {
    pub(super) fn new(captions: Captions, max_row_bytes: usize) -> Self {
        SheetReader {
            captions,
            max_row_bytes,
            header: None,
            before: 0,
            held: Vec::new(),
            end: RecordEnd::default(),
            is_skipping: false,
            fields: Vec::new(),
            bytes: 0,
        }
    }

    /// Begins a page anew.
    pub(super) fn reset(&mut self) {
        self.header = None;
        self.before = 0;
        self.held.clear();
        self.end = RecordEnd::default();
        self.is_skipping = false;
        self.bytes = 0;
    }

    /// Bytes of the page that were fed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next bytes of the page, which has no byte order mark.
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut impl RecordSink) -> Result<(), DecodeError> {
        self.bytes += bytes.len() as u64;
        let mut rest = bytes;
        if !self.held.is_empty() || self.is_skipping {
            match self.end.find(rest) {
                Some(end) => {
                    let (last, behind) = rest.split_at(end);
                    rest = behind;
                    self.take_held(last, sink)?;
                }
                None => return self.hold(rest),
            }
        }
        while let Found::Record { end, broken } = csv::record(rest, &mut self.fields) {
            let (record, behind) = rest.split_at(end);
            self.take(record, broken, sink)?;
            rest = behind;
        }
        self.end = RecordEnd::default();
        self.end.find(rest);
        self.hold(rest)
    }

    /// Ends the page: it has to be whole.
    pub(super) fn finish(&mut self, sink: &mut impl RecordSink) -> Result<(), DecodeError> {
        let cut = DecodeError::Cut { offset: self.bytes };
        let Some(header) = &self.header else {
            return self.finish_without_captions();
        };
        // Where each line ends in a comma, one that does not is cut.
        let width = header.uses.len();
        if self.is_skipping {
            return Err(cut);
        }
        let mut last = std::mem::take(&mut self.held);
        if last.is_empty() {
            return Ok(());
        }
        // The last line may lack its end.
        last.push(b'\n');
        let Found::Record { broken, .. } = csv::record(&last, &mut self.fields) else { return Err(cut) };
        let text = without_line_end(&last);
        if text.len() > self.max_row_bytes || (self.fields.len() < width && !text.is_empty()) {
            return Err(cut);
        }
        self.take(&last, broken, sink)
    }

    /// Ends a page in which no line was the captions. The last one may be, when they are all that any report has: then
    /// there are no rows. Else they may have been on their way, or not all of them came.
    fn finish_without_captions(&mut self) -> Result<(), DecodeError> {
        if self.held.is_empty() && self.bytes > 0 {
            return Err(self.without_captions());
        }
        let mut last = std::mem::take(&mut self.held);
        last.push(b'\n');
        if let Found::Record { broken: false, .. } = csv::record(&last, &mut self.fields)
            && let Line::Captions(header) = self.captions.read(&last, &self.fields)
            && self.captions.are_all_in(&header)
        {
            self.header = Some(header);
            return Ok(());
        }
        Err(DecodeError::Cut { offset: self.bytes })
    }

    /// The record that is held is complete with `last`.
    fn take_held(&mut self, last: &[u8], sink: &mut impl RecordSink) -> Result<(), DecodeError> {
        self.end = RecordEnd::default();
        if std::mem::take(&mut self.is_skipping) {
            self.held.extend_from_slice(&last[..last.len().min(KEPT_OF_OVERSIZED)]);
            let beginning = without_line_end(&self.held);
            sink.oversized(&beginning[..beginning.len().min(KEPT_OF_OVERSIZED)]);
            self.held.clear();
            return Ok(());
        }
        let mut record = std::mem::take(&mut self.held);
        record.extend_from_slice(last);
        let broken = matches!(csv::record(&record, &mut self.fields), Found::Record { broken: true, .. });
        self.take(&record, broken, sink)?;
        record.clear();
        self.held = record;
        Ok(())
    }

    /// Holds bytes of a record whose end did not come yet.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.is_skipping {
            let room = KEPT_OF_OVERSIZED.saturating_sub(self.held.len());
            self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        if self.header.is_none() {
            return self.expect_captions_within(self.held.len());
        }
        // A line break may be all that is missing, and its first byte may be there.
        if self.held.len() > self.max_row_bytes + 1 {
            self.held.truncate(KEPT_OF_OVERSIZED);
            self.is_skipping = true;
        }
        Ok(())
    }

    /// Takes a whole record, whose fields were just found.
    #[inline]
    fn take(&mut self, record: &[u8], is_broken: bool, sink: &mut impl RecordSink) -> Result<(), DecodeError> {
        let text = without_line_end(record);
        if text.is_empty() {
            return Ok(());
        }
        match &self.header {
            Some(_) if text.len() > self.max_row_bytes => {
                sink.oversized(&text[..text.len().min(KEPT_OF_OVERSIZED)]);
                Ok(())
            }
            Some(header) => {
                sink.record(Record { header, text, fields: &self.fields, is_broken });
                Ok(())
            }
            None => self.look_for_captions(record),
        }
    }

    fn look_for_captions(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        self.expect_captions_within(record.len())?;
        match self.captions.read(record, &self.fields) {
            Line::Captions(header) => self.header = Some(header),
            Line::Wrong(why) => return Err(DecodeError::Form { what: format!("as CSV, {why}") }),
            Line::Other => self.before += record.len(),
        }
        Ok(())
    }

    /// The line at work has so many bytes, and is the captions or one before them.
    fn expect_captions_within(&self, bytes: usize) -> Result<(), DecodeError> {
        if self.before + bytes > BYTES_BEFORE_CAPTIONS { Err(self.without_captions()) } else { Ok(()) }
    }

    fn without_captions(&self) -> DecodeError {
        DecodeError::Form { what: "it is neither JSON nor CSV with captions of this dataset".to_owned() }
    }
}

/// A record without its line end.
fn without_line_end(record: &[u8]) -> &[u8] {
    let text = record.strip_suffix(b"\n").unwrap_or(record);
    text.strip_suffix(b"\r").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, Dataset};

    /// What came of each record: its fields, or the length of what was kept of one over the bound.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Taken(Vec<Result<Vec<String>, usize>>);

    impl RecordSink for Taken {
        fn record(&mut self, record: Record<'_>) {
            let text =
                |field: &Field| String::from_utf8(csv::plain(record.text, *field, &mut Vec::new()).to_vec()).unwrap();
            let broken = record.is_broken.then(|| "broken".to_owned());
            self.0.push(Ok(record.fields.iter().map(text).chain(broken).collect()));
        }

        fn oversized(&mut self, beginning: &[u8]) {
            self.0.push(Err(beginning.len()));
        }
    }

    /// Reads a page in pieces, with rows of at most 10 bytes.
    fn read(page: &str, piece: usize) -> Result<Taken, String> {
        let captions = Captions::of(&Contract::of(Dataset::UsageDetails));
        let mut reader = SheetReader::new(captions, 10);
        let mut taken = Taken::default();
        let fed = page.as_bytes().chunks(piece).try_for_each(|piece| reader.feed(piece, &mut taken));
        fed.and_then(|()| reader.finish(&mut taken)).map_err(|error| error.to_string())?;
        Ok(taken)
    }

    /// The same in one piece and byte by byte.
    fn taken(rows: &str) -> Result<Taken, String> {
        let page = format!("Cost,Date\r\n{rows}");
        let whole = read(&page, page.len());
        for piece in 1..=8 {
            assert_eq!(read(&page, piece), whole, "in pieces of {piece}");
        }
        whole
    }

    fn fields(fields: &[&str]) -> Result<Vec<String>, usize> {
        Ok(fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn the_last_line_may_lack_its_end_or_the_half_of_it() {
        for rows in ["1,a\r\n", "1,a\n", "1,a\r", "1,a", "1,\"a\"\r", "1,\"a\""] {
            assert_eq!(taken(rows).unwrap().0, [fields(&["1", "a"])], "{rows:?}");
        }
        assert_eq!(taken("1,a\r\n\r").unwrap().0, [fields(&["1", "a"])]);
    }

    #[test]
    fn what_follows_a_closing_quote_breaks_the_last_line_too() {
        for rows in ["1,\"a\"b", "1,\"a\"b\n"] {
            assert_eq!(taken(rows).unwrap().0, [fields(&["1", "a", "broken"])], "{rows:?}");
        }
    }

    #[test]
    fn a_last_line_that_is_cut_is_told() {
        for rows in
            ["1,a\n1", "1,\"a", "1,\"a\"\"", "1,a\n\"", "1,a\n12345678901,", "1,a\n1,234567890", "1,a\n1,234567890\r"]
        {
            assert!(taken(rows).unwrap_err().contains("before it is whole"), "{rows:?}");
        }
    }

    #[test]
    fn a_row_is_measured_without_its_line_end() {
        for end in ["\r\n", "\n", "\r", ""] {
            assert_eq!(taken(&format!("1,{}{end}", "a".repeat(8))).unwrap().0, [fields(&["1", "aaaaaaaa"])]);
        }
        for end in ["\r\n", "\n"] {
            let taken = taken(&format!("1,{}{end}2,b{end}", "a".repeat(9))).unwrap().0;
            assert!(matches!(&taken[..], [Err(11..), Ok(_)]), "{taken:?}");
        }
    }

    #[test]
    fn captions_have_to_end_and_to_come_early() {
        for page in ["", "Cost,Date", "Cost,Da", "Usage", "\"Usage"] {
            assert!(read(page, 1).unwrap_err().contains("before it is whole"), "{page}");
        }
        let long = "x".repeat(BYTES_BEFORE_CAPTIONS + 1);
        for page in [format!("{long}\nCost,Date\n"), format!("\"{long}"), format!("{long}\"\n"), "Usage\n\n".to_owned()]
        {
            for piece in [page.len(), 1_000] {
                assert!(read(&page, piece).unwrap_err().contains("neither JSON nor CSV"));
            }
        }
        assert_eq!(read("Cost,Date\n", 3).unwrap().0, []);
        // All captions of a version are there: nothing is missing, and there are no rows.
        let contract = Contract::of(Dataset::UsageDetails);
        let all: Vec<_> = contract.columns().iter().map(|column| column.field.as_str()).collect();
        assert_eq!(read(&all.join(","), 7).unwrap().0, []);
        for cut in [all[..39].join(","), format!("{}X", all.join(",")), all.join(",")[..500].to_owned()] {
            assert!(read(&cut, 7).unwrap_err().contains("before it is whole"), "{cut}");
        }
    }

    #[test]
    fn a_line_without_the_comma_at_its_end_is_cut_where_each_has_one() {
        let page = |last: &str| format!("Cost,Date,\r\n1,a,\r\n2,{last}");
        assert_eq!(read(&page("b,"), 3).unwrap().0.len(), 2);
        assert!(read(&page("b"), 3).unwrap_err().contains("before it is whole"));
    }
}
