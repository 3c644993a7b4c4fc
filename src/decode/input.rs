//! A page as it comes: JSON or CSV, told by its first bytes.

use super::captions::Captions;
use super::error::DecodeError;
use super::page::{Form, PageReader, RowSink};
use super::sheet::{RecordSink, SheetReader};

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// White space that may stand before the page.
const MOST_SPACE: usize = 64 << 10;

/// Which of the readers a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    Undecided,
    Json,
    Csv,
}

/// Reads pages of either kind.
pub(super) struct Input {
    form: Form,
    chosen: Chosen,
    /// An error was found: nothing more can be read.
    broken: bool,
    /// The page's first bytes, until they tell what it is.
    first: Vec<u8>,
    json: PageReader,
    csv: SheetReader,
}

impl Input {
    pub(super) fn new(form: Form, captions: Captions, max_row_bytes: usize) -> Self {
        Input {
            form,
            chosen: Chosen::Undecided,
            broken: false,
            first: Vec::new(),
            json: PageReader::new(form, max_row_bytes),
            csv: SheetReader::new(captions, max_row_bytes),
        }
    }

    /// Begins a page anew.
    pub(super) fn reset(&mut self) {
        self.chosen = Chosen::Undecided;
        self.broken = false;
        self.first.clear();
        self.json.reset();
        self.csv.reset();
    }

    /// Bytes of the page that were fed.
    pub(super) fn bytes(&self) -> u64 {
        match self.chosen {
            Chosen::Undecided => self.first.len() as u64,
            Chosen::Json => self.json.bytes(),
            Chosen::Csv => self.csv.bytes(),
        }
    }

    /// The address of the next page.
    pub(super) fn take_next_link(&mut self) -> Option<String> {
        self.json.take_next_link()
    }

    /// Takes the next bytes of the page. After an error the page is broken until [`Input::reset`].
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut (impl RowSink + RecordSink)) -> Result<(), DecodeError> {
        match self.chosen {
            Chosen::Json => return self.json.feed(bytes, sink),
            Chosen::Csv => return self.feed_csv(bytes, sink),
            Chosen::Undecided => {}
        }
        if self.first.is_empty()
            && let Some(chosen) = kind_of(bytes, self.form, false)
        {
            return self.begin(chosen, bytes, sink);
        }
        self.first.extend_from_slice(bytes);
        match kind_of(&self.first, self.form, false) {
            Some(chosen) => self.begin_with_first(chosen, sink),
            None => Ok(()),
        }
    }

    fn begin(
        &mut self,
        chosen: Chosen,
        bytes: &[u8],
        sink: &mut (impl RowSink + RecordSink),
    ) -> Result<(), DecodeError> {
        self.chosen = chosen;
        match chosen {
            Chosen::Csv => self.feed_csv(bytes.strip_prefix(MARK).unwrap_or(bytes), sink),
            _ => self.json.feed(bytes, sink),
        }
    }

    fn feed_csv(&mut self, bytes: &[u8], sink: &mut impl RecordSink) -> Result<(), DecodeError> {
        self.refuse_broken()?;
        let fed = self.csv.feed(bytes, sink);
        self.broken = fed.is_err();
        fed
    }

    fn refuse_broken(&self) -> Result<(), DecodeError> {
        let what = || "it was refused already and has to be rolled back".to_owned();
        if self.broken { Err(DecodeError::Form { what: what() }) } else { Ok(()) }
    }

    fn begin_with_first(&mut self, chosen: Chosen, sink: &mut (impl RowSink + RecordSink)) -> Result<(), DecodeError> {
        let first = std::mem::take(&mut self.first);
        self.begin(chosen, &first, sink)
    }

    /// Ends the page: it has to be whole.
    pub(super) fn finish(&mut self, sink: &mut (impl RowSink + RecordSink)) -> Result<(), DecodeError> {
        if self.chosen == Chosen::Undecided {
            let chosen = kind_of(&self.first, self.form, true).unwrap_or(Chosen::Json);
            self.begin_with_first(chosen, sink)?;
        }
        match self.chosen {
            Chosen::Csv => {
                self.refuse_broken()?;
                let finished = self.csv.finish(sink);
                self.broken = true;
                finished
            }
            _ => self.json.finish(sink),
        }
    }
}

/// What a page is that begins so; none when its first bytes leave that open. `is_all`: nothing follows them.
fn kind_of(bytes: &[u8], form: Form, is_all: bool) -> Option<Chosen> {
    match form {
        Form::Csv if bytes.len() < MARK.len() && MARK.starts_with(bytes) && !is_all => return None,
        Form::Csv => return Some(Chosen::Csv),
        Form::Detect => {}
        Form::Page | Form::List | Form::One | Form::Array | Form::Rows => return Some(Chosen::Json),
    }
    if bytes.len() < MARK.len() && MARK.starts_with(bytes) {
        return None;
    }
    let text = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace());
    let Some(start) = start else { return (bytes.len() > MOST_SPACE).then_some(Chosen::Json) };
    let text = &text[start..];
    match text[0] {
        b'{' | b'[' | b'<' | b'-' | b'0'..=b'9' => Some(Chosen::Json),
        // Bytes that no text begins with are for the reader that says where they stand.
        0..=0x1f | 0x7f => Some(Chosen::Json),
        b't' | b'f' | b'n' => {
            let word = text.iter().position(|byte| !byte.is_ascii_alphabetic());
            match word {
                Some(end) => Some(if is_literal(&text[..end]) { Chosen::Json } else { Chosen::Csv }),
                None if text.len() > b"false".len() => Some(Chosen::Csv),
                None if is_all => Some(if is_literal(text) { Chosen::Json } else { Chosen::Csv }),
                None => None,
            }
        }
        _ => Some(Chosen::Csv),
    }
}

fn is_literal(word: &[u8]) -> bool {
    matches!(word, b"true" | b"false" | b"null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_json_from_csv() {
        let detected = |text: &str| kind_of(text.as_bytes(), Form::Detect, false);
        for text in ["{", " \r\n[", "\u{feff}{", "<html>", "12", "null,", "true ", "\u{1}"] {
            assert_eq!(detected(text), Some(Chosen::Json), "{text}");
        }
        for text in ["AccountId,", "\u{feff}\"Usage Data Extract\",", "nullable", "tableau,", "Übersicht", "\"x\""] {
            assert_eq!(detected(text), Some(Chosen::Csv), "{text}");
        }
        for text in ["", "\u{feff}", " \n", "nul", "true"] {
            assert_eq!(detected(text), None, "{text}");
        }
        assert_eq!(kind_of(b"true", Form::Detect, true), Some(Chosen::Json));
        assert_eq!(kind_of(b"{", Form::Csv, false), Some(Chosen::Csv));
        assert_eq!(kind_of(b"Cost,Date", Form::Page, false), Some(Chosen::Json));
    }
}
