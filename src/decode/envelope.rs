//! The envelope of a page: what its fields stand for, and how it is told from a row.

use super::text;
use super::token::{self, RawText, Stop, Value};

/// What a field of an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnvelopeField {
    /// The rows of the page.
    Rows,
    /// The address of the next page.
    NextLink,
    /// What went wrong, where a service says so in place of an answer.
    Error,
    /// Anything else.
    Other,
}

/// What a key of an envelope stands for; names are matched without case.
pub(super) fn envelope_field(name: &[u8]) -> EnvelopeField {
    if name.eq_ignore_ascii_case(b"data") {
        EnvelopeField::Rows
    } else if name.eq_ignore_ascii_case(b"nextLink") {
        EnvelopeField::NextLink
    } else if name.eq_ignore_ascii_case(b"error") {
        EnvelopeField::Error
    } else {
        EnvelopeField::Other
    }
}

/// Does the object at the start of `rest` hold rows, rather than being one?
///
/// A field that rows have tells that it is one, an array with such a row in `data` that it is not. A row may have
/// fields called `data` and `nextLink` too, so nothing else decides before the object ends.
pub(super) fn is_envelope(rest: &[u8], is_row_field: impl Fn(&[u8]) -> bool) -> Result<bool, Stop> {
    let mut scratch = Vec::new();
    let mut behind = None;
    loop {
        let Some(key_at) = next_key(rest, 0, behind)? else { return Ok(true) };
        let (name, value_at) = token::key(rest, key_at)?;
        let (name, _) = text::unescape(name, &mut scratch);
        if envelope_field(name) == EnvelopeField::Rows {
            if holds_a_row(rest, value_at, &is_row_field)? {
                return Ok(true);
            }
        } else if is_row_field(name) {
            return Ok(false);
        }
        behind = Some(token::value(rest, value_at, 1)?.1);
    }
}

/// Is the value at `at` an array whose first element has a field that rows have?
fn holds_a_row(rest: &[u8], at: usize, is_row_field: impl Fn(&[u8]) -> bool) -> Result<bool, Stop> {
    if *rest.get(at).ok_or(Stop::Incomplete)? != b'[' {
        return Ok(false);
    }
    let at = token::skip_space(rest, at + 1);
    if *rest.get(at).ok_or(Stop::Incomplete)? != b'{' {
        return Ok(false);
    }
    let mut scratch = Vec::new();
    let mut behind = None;
    loop {
        let Some(key_at) = next_key(rest, at, behind)? else { return Ok(false) };
        let (name, value_at) = token::key(rest, key_at)?;
        if is_row_field(text::unescape(name, &mut scratch).0) {
            return Ok(true);
        }
        behind = Some(token::value(rest, value_at, 3)?.1);
    }
}

/// The position of the next key of the object at `start`, `behind` a value if there was one; none when the object ends.
fn next_key(rest: &[u8], start: usize, behind: Option<usize>) -> Result<Option<usize>, Stop> {
    let at = token::skip_space(rest, behind.unwrap_or(start + 1));
    match (*rest.get(at).ok_or(Stop::Incomplete)?, behind) {
        (b'}', _) => Ok(None),
        (_, None) => Ok(Some(at)),
        (b',', Some(_)) => Ok(Some(token::skip_space(rest, at + 1))),
        _ => Err(Stop::Syntax(at, "a comma or the closing bracket was expected")),
    }
}

/// The link of an envelope: none for null and empty text. The error is a value of another kind.
pub(super) fn link(value: Value<'_>) -> Result<Option<String>, WrongLink> {
    match value {
        Value::Null => Ok(None),
        Value::Text(RawText { raw: b"", .. }) => Ok(None),
        Value::Text(raw) => {
            let mut scratch = Vec::new();
            let (text, _) = text::unescape(raw, &mut scratch);
            Ok(Some(String::from_utf8_lossy(text).into_owned()))
        }
        _ => Err(WrongLink),
    }
}

/// The link is neither text nor null.
#[derive(Debug)]
pub(super) struct WrongLink;
