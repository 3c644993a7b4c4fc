//! The form around the rows: the envelope of a page, an array, or one row behind the other.
//!
//! [`PageReader`] takes the bytes of a page in pieces of any size, finds the rows, and hands each to a [`RowSink`].
//! It holds at most one incomplete row, and nothing of what it skips.

use super::envelope::{EnvelopeField, WrongLink, envelope_field, is_envelope, link};
use super::error::DecodeError;
use super::frame::ValueEnd;
use super::token::{self, Stop, Value};

/// The form of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// An object with the rows in `data` and the address of the next page in `nextLink`.
    #[default]
    Page,
    /// An array of rows.
    Array,
    /// An array of rows, or a page.
    List,
    /// One row, or an array of one.
    One,
    /// CSV with a line of captions.
    Csv,
    /// Rows one behind the other (NDJSON).
    Rows,
    /// Told by the input itself: CSV, or pages, arrays or rows one behind the other, also several of them.
    Detect,
}

/// Takes the rows that a [`PageReader`] finds.
pub(super) trait RowSink {
    /// Reads the row at the start of `input` and returns where it ends.
    fn row(&mut self, input: &[u8]) -> Result<usize, Stop>;
    /// A row was longer than the bound; `beginning` is what was kept of it.
    fn oversized(&mut self, beginning: &[u8]);
    /// Is this the name of a field of a row?
    fn is_field(&self, name: &[u8]) -> bool;
    /// An envelope field that is neither rows nor link.
    fn envelope_field(&mut self, name: &[u8]);
}

/// Bytes of a row that are kept when it is longer than the bound.
const KEPT_OF_OVERSIZED: usize = 4_096;
/// Bytes of an envelope value that are kept; longer ones are skipped, a longer link is an error.
const KEPT_OF_ENVELOPE: usize = 64 * 1024;
const TOO_LONG: &str = "a key or link of more than 64 KiB";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a document.
    Start,
    /// Gathering the head of an object that may be a page or a row.
    Undecided,
    /// Behind the brace of an envelope (`first`) or a comma in it.
    Key { first: bool },
    /// Behind the key of an envelope's field.
    Colon(EnvelopeField),
    /// At the value of an envelope's field.
    EnvelopeValue(EnvelopeField),
    /// Behind an envelope's value.
    EnvelopeNext,
    /// Behind the bracket of the rows (`first`) or a comma between them.
    Row { first: bool },
    /// Behind a row.
    RowNext,
    /// At a row that stands alone.
    LoneRow,
    /// Behind the only document.
    End,
}

/// What is going on with bytes that did not yet make a whole token.
enum Carry {
    /// Nothing is held.
    Empty,
    /// The beginning of a token is held, and its end is looked for.
    Value(ValueEnd),
    /// A token over the bound is passed over.
    Skipped(ValueEnd),
}

/// The byte order mark of UTF-8, which some tools put before JSON.
const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Reads the form around the rows of one page.
pub(super) struct PageReader {
    form: Form,
    max_row_bytes: usize,
    state: State,
    /// The rows' array is the top level, not in an envelope.
    bare_array: bool,
    has_rows: bool,
    /// Rows of the page's array so far, but those over the bound.
    rows: u64,
    documents: u64,
    next_link: Option<String>,
    held: Vec<u8>,
    carry: Carry,
    /// Held bytes at which an undecided object is looked at again.
    look_again: usize,
    /// Bytes of the page before those that are at work.
    passed: u64,
    /// Bytes of a byte order mark that were passed over.
    marked: usize,
    /// An error was found: nothing more can be read.
    broken: bool,
}

impl PageReader {
    pub(super) fn new(form: Form, max_row_bytes: usize) -> Self {
        PageReader {
            form,
            max_row_bytes,
            state: State::Start,
            bare_array: false,
            has_rows: false,
            rows: 0,
            documents: 0,
            next_link: None,
            held: Vec::new(),
            carry: Carry::Empty,
            look_again: 0,
            passed: 0,
            marked: 0,
            broken: false,
        }
    }

    /// Begins a page anew.
    pub(super) fn reset(&mut self) {
        let held = std::mem::take(&mut self.held);
        *self = PageReader { held, ..PageReader::new(self.form, self.max_row_bytes) };
        self.held.clear();
    }

    /// Bytes of the page that were fed.
    pub(super) fn bytes(&self) -> u64 {
        self.passed
    }

    /// The address of the next page.
    pub(super) fn take_next_link(&mut self) -> Option<String> {
        self.next_link.take()
    }

    /// Takes the next bytes of the page. After an error the page is broken until [`PageReader::reset`].
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut impl RowSink) -> Result<(), DecodeError> {
        self.refuse_broken()?;
        let outcome = self.skip_mark(bytes).and_then(|bytes| self.read(bytes, sink));
        self.broken = outcome.is_err();
        outcome
    }

    /// Passes over a byte order mark at the beginning of the page.
    fn skip_mark<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let marked = |reader: &Self| reader.passed == reader.marked as u64;
        while marked(self) && self.marked < MARK.len() && bytes.first() == Some(&MARK[self.marked]) {
            self.marked += 1;
            self.passed += 1;
            bytes = &bytes[1..];
        }
        let is_cut = marked(self) && (1..MARK.len()).contains(&self.marked);
        if is_cut && !bytes.is_empty() {
            return Err(DecodeError::Syntax { offset: 0, what: "a value was expected" });
        }
        Ok(bytes)
    }

    /// Ends the page: it has to be whole.
    pub(super) fn finish(&mut self, sink: &mut impl RowSink) -> Result<(), DecodeError> {
        self.refuse_broken()?;
        self.broken = true;
        if self.state == State::Undecided {
            self.look_again = 0;
            self.take_up(&[], sink)?;
        }
        if let Carry::Value(_) = self.carry {
            // What is held may be wrong before the place where it was cut.
            let token = std::mem::take(&mut self.held);
            self.whole_step(&token, token.len(), self.passed - token.len() as u64, sink)?;
        }
        let whole = match self.state {
            State::End => true,
            // A byte order mark that is cut is no empty page either.
            State::Start => self.documents > 0 || (self.form == Form::Rows && matches!(self.marked, 0 | 3)),
            _ => false,
        };
        self.broken = !whole;
        if whole { Ok(()) } else { Err(DecodeError::Cut { offset: self.passed }) }
    }

    fn refuse_broken(&self) -> Result<(), DecodeError> {
        let what = || "it was refused already and has to be rolled back".to_owned();
        if self.broken { Err(DecodeError::Form { what: what() }) } else { Ok(()) }
    }

    fn read(&mut self, bytes: &[u8], sink: &mut impl RowSink) -> Result<(), DecodeError> {
        let mut at = self.take_up(bytes, sink)?;
        while at < bytes.len() {
            match self.step(bytes, at, sink) {
                Ok(next) => at = next,
                Err(StepError::Stop(Stop::Incomplete)) => {
                    self.hold(&bytes[token::skip_space(bytes, at)..], sink)?;
                    break;
                }
                Err(error) => return Err(error.at(self.passed + at as u64)),
            }
        }
        self.passed += bytes.len() as u64;
        Ok(())
    }

    /// Completes the token that is held, and returns how many of `bytes` it took.
    fn take_up(&mut self, bytes: &[u8], sink: &mut impl RowSink) -> Result<usize, DecodeError> {
        if self.state == State::Undecided {
            self.decide(bytes, sink)?;
            return Ok(bytes.len());
        }
        let (found, keeps) = match &mut self.carry {
            Carry::Empty => return Ok(0),
            Carry::Value(end) => (end.find(bytes), true),
            Carry::Skipped(end) => (end.find(bytes), false),
        };
        let taken = match found {
            Ok(found) => found.unwrap_or(bytes.len()),
            Err(Stop::Syntax(place, _) | Stop::Depth(place)) => place + 1,
            Err(Stop::Incomplete) => bytes.len(),
        };
        let start = self.passed.saturating_sub(self.held.len() as u64);
        if keeps {
            self.held.extend_from_slice(&bytes[..taken]);
        }
        if let Err(stop) = found {
            // The value may be wrong before the bracket that does not match.
            let token = std::mem::take(&mut self.held);
            if keeps {
                self.step(&token, 0, sink).map_err(|error| error.at(start))?;
            }
            return Err(StepError::Stop(stop).at(self.passed));
        }
        if self.held.len() > self.bound() {
            self.held.truncate(KEPT_OF_OVERSIZED);
            self.carry = match std::mem::replace(&mut self.carry, Carry::Empty) {
                Carry::Value(end) | Carry::Skipped(end) => Carry::Skipped(end),
                Carry::Empty => Carry::Empty,
            };
        }
        if found == Ok(None) {
            return Ok(taken);
        }
        let skipped = matches!(self.carry, Carry::Skipped(_));
        self.carry = Carry::Empty;
        let mut token = std::mem::take(&mut self.held);
        if skipped {
            self.skipped(&token, sink)?;
        } else {
            // A number or a word is whole only before something else.
            let length = token.len();
            token.push(b' ');
            self.whole_step(&token, length, start, sink)?;
        }
        token.clear();
        self.held = token;
        Ok(taken)
    }

    /// Takes the step over a token of `length` bytes that begins at byte `start` of the page.
    fn whole_step(
        &mut self,
        token: &[u8],
        length: usize,
        start: u64,
        sink: &mut impl RowSink,
    ) -> Result<(), DecodeError> {
        match self.step(token, 0, sink) {
            Ok(used) if used >= length => Ok(()),
            Ok(used) => Err(DecodeError::Syntax { offset: start + used as u64, what: "a value goes on after its end" }),
            Err(StepError::Stop(Stop::Incomplete)) => Err(DecodeError::Cut { offset: start + length as u64 }),
            Err(error) => Err(error.at(start)),
        }
    }

    /// Looks again whether the object that is held is a page or a row, now that `bytes` came.
    fn decide(&mut self, bytes: &[u8], sink: &mut impl RowSink) -> Result<(), DecodeError> {
        self.held.extend_from_slice(bytes);
        if self.held.len() < self.look_again {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.state = State::Start;
        self.carry = Carry::Empty;
        // All of it is read again from here on; the caller adds what is new.
        self.passed -= (held.len() - bytes.len()) as u64;
        let before = self.passed;
        self.read(&held, sink)?;
        self.passed = before + (held.len() - bytes.len()) as u64;
        Ok(())
    }

    fn bound(&self) -> usize {
        match self.state {
            State::EnvelopeValue(_) | State::Key { .. } => KEPT_OF_ENVELOPE,
            _ => self.max_row_bytes,
        }
    }

    /// Holds the beginning of a token that the input ended in.
    fn hold(&mut self, bytes: &[u8], sink: &mut impl RowSink) -> Result<(), DecodeError> {
        self.held.clear();
        if self.state == State::Undecided {
            self.held.extend_from_slice(bytes);
            self.look_again = (bytes.len() * 2).max(1_024);
            if bytes.len() > self.max_row_bytes {
                return Err(DecodeError::Form { what: "an object with neither rows nor fields of a row".into() });
            }
            return Ok(());
        }
        let around = matches!(self.state, State::EnvelopeValue(_)).into();
        self.carry = Carry::Value(ValueEnd::new(around));
        let used = self.take_up(bytes, sink)?;
        debug_assert_eq!(used, bytes.len());
        Ok(())
    }

    /// A token over the bound is over.
    fn skipped(&mut self, beginning: &[u8], sink: &mut impl RowSink) -> Result<(), DecodeError> {
        match self.state {
            State::EnvelopeValue(EnvelopeField::Other | EnvelopeField::Error) => self.state = State::EnvelopeNext,
            State::Row { .. } => {
                sink.oversized(beginning);
                self.state = State::RowNext;
            }
            State::LoneRow => {
                sink.oversized(beginning);
                self.end_of_document();
            }
            _ => return Err(DecodeError::Form { what: TOO_LONG.into() }),
        }
        Ok(())
    }
}

/// Why a step was not taken.
enum StepError {
    Stop(Stop),
    Form(String),
}

impl From<Stop> for StepError {
    fn from(stop: Stop) -> Self {
        StepError::Stop(stop)
    }
}

impl StepError {
    /// The error for the caller; positions count from byte `start` of the page.
    fn at(self, start: u64) -> DecodeError {
        match self {
            StepError::Form(what) => DecodeError::Form { what },
            StepError::Stop(Stop::Incomplete) => DecodeError::Cut { offset: start },
            StepError::Stop(Stop::Syntax(place, what)) => DecodeError::Syntax { offset: start + place as u64, what },
            StepError::Stop(Stop::Depth(place)) => DecodeError::Depth { offset: start + place as u64 },
        }
    }
}

fn form<T>(what: impl Into<String>) -> Result<T, StepError> {
    Err(StepError::Form(what.into()))
}

impl PageReader {
    /// Reads one token at `at` and returns the position behind it. Positions in errors count from `at`.
    fn step(&mut self, bytes: &[u8], at: usize, sink: &mut impl RowSink) -> Result<usize, StepError> {
        let at_token = token::skip_space(bytes, at);
        let Some(&byte) = bytes.get(at_token) else { return Ok(at_token) };
        let rest = &bytes[at_token..];
        let used = self.token(byte, rest, sink).map_err(|error| match error {
            StepError::Stop(Stop::Syntax(place, what)) => StepError::Stop(Stop::Syntax(at_token - at + place, what)),
            StepError::Stop(Stop::Depth(place)) => StepError::Stop(Stop::Depth(at_token - at + place)),
            other => other,
        })?;
        Ok(at_token + used)
    }

    fn token(&mut self, byte: u8, rest: &[u8], sink: &mut impl RowSink) -> Result<usize, StepError> {
        match self.state {
            State::Start | State::Undecided => self.start(byte, rest, sink),
            State::Key { first } => match byte {
                b'}' if first => self.end_of_envelope(),
                b'"' => self.envelope_key(rest, sink),
                _ => Err(Stop::Syntax(0, "a key in quotes was expected").into()),
            },
            State::Colon(field) => {
                if byte != b':' {
                    return Err(Stop::Syntax(0, "a colon was expected behind a key").into());
                }
                self.state = State::EnvelopeValue(field);
                Ok(1)
            }
            State::EnvelopeValue(EnvelopeField::Rows) => {
                if byte != b'[' {
                    return form("`data` is not an array");
                }
                self.state = State::Row { first: true };
                Ok(1)
            }
            State::EnvelopeValue(field) => {
                let (value, end) = token::value(rest, 0, 1)?;
                if field == EnvelopeField::NextLink {
                    if end > KEPT_OF_ENVELOPE {
                        return form(TOO_LONG);
                    }
                    self.next_link = link(value).or_else(|_: WrongLink| form("`nextLink` is neither text nor null"))?;
                }
                if field == EnvelopeField::Error && matches!(value, Value::Nested(_)) {
                    return form("it holds an error");
                }
                self.state = State::EnvelopeNext;
                Ok(end)
            }
            State::EnvelopeNext => match byte {
                b',' => {
                    self.state = State::Key { first: false };
                    Ok(1)
                }
                b'}' => self.end_of_envelope(),
                _ => Err(Stop::Syntax(0, "a comma or the closing bracket was expected").into()),
            },
            State::Row { first: true } if byte == b']' => self.end_of_rows(),
            State::Row { .. } => {
                let end = sink.row(rest)?;
                self.rows += 1;
                self.state = State::RowNext;
                Ok(end)
            }
            State::RowNext => match byte {
                b',' => {
                    self.state = State::Row { first: false };
                    Ok(1)
                }
                b']' => self.end_of_rows(),
                _ => Err(Stop::Syntax(0, "a comma or the closing bracket was expected").into()),
            },
            State::LoneRow => {
                let end = sink.row(rest)?;
                self.end_of_document();
                Ok(end)
            }
            State::End => Err(Stop::Syntax(0, "more text behind the end of the page").into()),
        }
    }

    fn start(&mut self, byte: u8, rest: &[u8], sink: &mut impl RowSink) -> Result<usize, StepError> {
        match (byte, self.form) {
            (b'[', Form::Array | Form::Detect | Form::List | Form::One) => {
                self.bare_array = true;
                self.state = State::Row { first: true };
                Ok(1)
            }
            (b'{', Form::Detect) => {
                self.state = State::Undecided;
                self.state = if is_envelope(rest, |name| sink.is_field(name))? { State::Start } else { State::LoneRow };
                if self.state == State::LoneRow { Ok(0) } else { Ok(self.begin_envelope()) }
            }
            (b'{', Form::Page | Form::List) => Ok(self.begin_envelope()),
            (b'{', Form::Rows | Form::One) => {
                self.state = State::LoneRow;
                Ok(0)
            }
            (b'[' | b'{' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n', form_wanted) => {
                let wanted = match form_wanted {
                    Form::Page => "an object with `data`",
                    Form::Array | Form::List => "an array",
                    Form::Rows | Form::One => "an object",
                    Form::Csv => "CSV",
                    Form::Detect => "an object or array",
                };
                form(format!("it should be {wanted}"))
            }
            (b'<', _) => Err(Stop::Syntax(0, "it begins with '<', as HTML does").into()),
            _ => Err(Stop::Syntax(0, "a value was expected").into()),
        }
    }

    fn begin_envelope(&mut self) -> usize {
        self.bare_array = false;
        self.has_rows = false;
        self.next_link = None;
        self.state = State::Key { first: true };
        1
    }

    fn envelope_key(&mut self, rest: &[u8], sink: &mut impl RowSink) -> Result<usize, StepError> {
        let (name, end) = token::string(rest, 1)?;
        if end > KEPT_OF_ENVELOPE {
            return form(TOO_LONG);
        }
        let mut scratch = Vec::new();
        let (name, _) = super::text::unescape(name, &mut scratch);
        let field = envelope_field(name);
        match field {
            EnvelopeField::Rows if self.has_rows => return form("two `data` keys"),
            EnvelopeField::Rows => self.has_rows = true,
            EnvelopeField::NextLink => {}
            EnvelopeField::Error | EnvelopeField::Other => sink.envelope_field(name),
        }
        self.state = State::Colon(field);
        Ok(end)
    }

    fn end_of_rows(&mut self) -> Result<usize, StepError> {
        if self.form == Form::One && self.rows != 1 {
            return form(format!("an array of {} where one object belongs", self.rows));
        }
        if self.bare_array {
            self.end_of_document();
        } else {
            self.state = State::EnvelopeNext;
        }
        Ok(1)
    }

    fn end_of_envelope(&mut self) -> Result<usize, StepError> {
        if !self.has_rows {
            return form("the object has no `data`");
        }
        self.end_of_document();
        Ok(1)
    }

    fn end_of_document(&mut self) {
        self.documents += 1;
        self.state = if matches!(self.form, Form::Rows | Form::Detect) { State::Start } else { State::End };
    }
}
