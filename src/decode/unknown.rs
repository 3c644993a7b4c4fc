//! Fields of a row that the contract does not know; they are kept as JSON text.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::InvalidText;
use super::column::{NO_UNICODE, Reason, Shared};
use super::token::{self, Stop, Value};

/// Fields of a row that the contract need not know; a row with more is refused, so that its memory is bounded.
const MOST_FIELDS: usize = 10_000;

/// The unknown fields of the row at work.
#[derive(Default)]
pub(super) struct Unknown {
    /// Keys and values, as places in the row's text.
    fields: Vec<(Range<usize>, Range<usize>)>,
    /// Where in `fields` a name without escapes stands.
    names: HashMap<Vec<u8>, usize>,
    duplicates: u64,
    too_many: bool,
    /// The row says that it is of another enrollment than the one it came for.
    of_another: bool,
}

impl Unknown {
    /// Begins a row.
    #[inline]
    pub(super) fn clear(&mut self) {
        if !self.names.is_empty() || self.too_many || self.of_another {
            *self = Unknown::default();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Has every field a name of its own?
    pub(super) fn is_plain(&self) -> bool {
        self.duplicates == 0 && !self.too_many
    }

    /// Keys that came twice; the last one counts.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Does the row say that it is of another enrollment?
    pub(super) fn is_of_another_enrollment(&self) -> bool {
        self.of_another
    }

    /// Counts a field that is kept elsewhere.
    pub(super) fn note(&mut self, name: &[u8]) {
        let place = self.names.len();
        self.names.entry(name.to_vec()).or_insert(place);
    }

    /// Are there more fields than a row may have?
    pub(super) fn are_too_many(&self) -> bool {
        self.too_many
    }

    /// Keeps a field: its key's quote and its value's beginning. Returns where the value ends.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        key_at: usize,
        value_at: usize,
        shared: &mut Shared,
    ) -> Result<usize, Stop> {
        let (name, _) = token::key(input, key_at)?;
        let (_, end) = token::value(input, value_at, 1)?;
        let field = (key_at..key_at + name.raw.len() + 2, value_at..end);
        let (plain, _) = super::text::unescape(name, &mut shared.scratch);
        if shared.enrollment.as_ref().is_some_and(|(field, _)| plain.eq_ignore_ascii_case(field)) {
            let (value, _) = token::value(input, value_at, 1)?;
            let is_own = match value {
                Value::Null => true,
                Value::Number(digits) => shared.is_of_enrollment(digits),
                Value::Text(text) => shared.is_of_enrollment(super::text::unescape(text, &mut Vec::new()).0),
                Value::True | Value::False | Value::Nested(_) => false,
            };
            self.of_another |= !is_own;
            return Ok(end);
        }
        match self.names.entry(plain.to_vec()) {
            Entry::Occupied(known) => {
                self.fields[*known.get()] = field;
                self.duplicates += 1;
            }
            Entry::Vacant(new) if self.fields.len() < MOST_FIELDS => {
                new.insert(self.fields.len());
                self.fields.push(field);
            }
            Entry::Vacant(_) => self.too_many = true,
        }
        Ok(end)
    }

    /// The fields as one JSON object; whether something in it had to be replaced.
    pub(super) fn json(&self, input: &[u8], invalid_text: InvalidText) -> Result<(String, bool), Reason> {
        let mut json = vec![b'{'];
        for (name, value) in &self.fields {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(&input[name.clone()]);
            json.push(b':');
            json.extend_from_slice(&input[value.clone()]);
        }
        json.push(b'}');
        match String::from_utf8(json) {
            Ok(json) => Ok((json, false)),
            Err(_) if invalid_text == InvalidText::Reject => Err(NO_UNICODE),
            Err(wrong) => Ok((String::from_utf8_lossy(wrong.as_bytes()).into_owned(), true)),
        }
    }

    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.keys().map(Vec::as_slice)
    }
}
