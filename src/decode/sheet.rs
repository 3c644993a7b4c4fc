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
                None => {
                    self.hold(rest);
                    return Ok(());
                }
            }
        }
        loop {
            match csv::record(rest, &mut self.fields) {
                Found::Record { end, broken } => {
                    let (record, behind) = rest.split_at(end);
                    self.take(record, broken, sink)?;
                    rest = behind;
                }
                Found::Incomplete { .. } => break,
            }
        }
        self.end = RecordEnd::default();
        self.end.find(rest);
        self.hold(rest);
        Ok(())
    }

    /// Ends the page: it has to be whole.
    pub(super) fn finish(&mut self, sink: &mut impl RecordSink) -> Result<(), DecodeError> {
        let cut = DecodeError::Cut { offset: self.bytes };
        if self.is_skipping {
            return Err(cut);
        }
        let last = std::mem::take(&mut self.held);
        if !last.is_empty() {
            let whole = csv::record(&last, &mut self.fields);
            let width = self.header.as_ref().map_or(0, |header| header.width());
            if whole == (Found::Incomplete { in_quotes: true }) || self.fields.len() < width {
                return Err(cut);
            }
            self.take(&last, false, sink)?;
        }
        if self.header.is_some() {
            return Ok(());
        }
        // Where the text ends inside a line, the captions may have been on their way.
        if last.is_empty() { Err(self.without_captions()) } else { Err(cut) }
    }

    /// The record that is held is complete with `last`.
    fn take_held(&mut self, last: &[u8], sink: &mut impl RecordSink) -> Result<(), DecodeError> {
        self.end = RecordEnd::default();
        if std::mem::take(&mut self.is_skipping) || self.held.len() + last.len() > self.max_row_bytes {
            self.held.extend_from_slice(&last[..last.len().min(KEPT_OF_OVERSIZED)]);
            self.held.truncate(KEPT_OF_OVERSIZED);
            sink.oversized(&self.held);
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
    fn hold(&mut self, bytes: &[u8]) {
        if self.is_skipping {
            return;
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() > self.max_row_bytes {
            self.held.truncate(KEPT_OF_OVERSIZED);
            self.is_skipping = true;
        }
    }

    /// Takes a whole record, whose fields were just found.
    #[inline]
    fn take(&mut self, record: &[u8], is_broken: bool, sink: &mut impl RecordSink) -> Result<(), DecodeError> {
        let text = record.strip_suffix(b"\n").unwrap_or(record);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            return Ok(());
        }
        match &self.header {
            Some(_) if text.len() > self.max_row_bytes => {
                sink.oversized(&text[..KEPT_OF_OVERSIZED]);
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
        match self.captions.read(record, &self.fields) {
            Line::Captions(header) => self.header = Some(header),
            Line::Wrong(why) => return Err(DecodeError::Form { what: format!("as CSV, {why}") }),
            Line::Other => self.before += record.len(),
        }
        if self.before > BYTES_BEFORE_CAPTIONS { Err(self.without_captions()) } else { Ok(()) }
    }

    fn without_captions(&self) -> DecodeError {
        DecodeError::Form { what: "it is neither JSON nor CSV with captions of this dataset".to_owned() }
    }
}
