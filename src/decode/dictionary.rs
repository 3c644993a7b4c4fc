//! Text as codes into a dictionary.
//!
//! The dictionary of a record batch is local to its row group. The one in here can outlive row groups, as far as templates
//! of rows hold its codes: then each batch gets the entries that its rows use, in the order of their first use.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::StringArray;
use arrow_buffer::OffsetBuffer;
use arrow_schema::ArrowError;

use super::InvalidText;
use super::column::{NO_UNICODE, NULL_CODE, Reason, Shared, Stretch, text_of};
use super::index::Index;
use super::row_group::{Of, Pending, Piece, coded, nulls_of};
use super::text::Repair;
use super::token::Value;
use super::values::quote_into;

/// New entries in a row group after which interning stops when more than half of the pushed values were new.
/// Fuzzers and unit tests pass it with pages that they can write.
const DICTIONARY_ENTRIES: usize = if cfg!(any(test, fuzzing)) { 8 } else { 16_384 };
/// Bytes accounted for an entry of a dictionary besides its text: offset, birth, table slot and slack.
const ENTRY_BYTES: usize = 24;

/// A column of text.
///
/// Past [`DICTIONARY_ENTRIES`], when most pushed values are new, looking them up costs more than it saves: then each
/// value becomes an entry of its own, until the row group ends.
#[derive(Default)]
pub(super) struct TextColumn {
    /// Codes of the values that were pushed.
    pushed: Vec<i32>,
    /// The entries' texts, one behind the other.
    bytes: Vec<u8>,
    /// Where each entry ends in `bytes`.
    ends: Vec<i32>,
    /// The entries; their numbers are the codes.
    index: Index,
    /// Entries that came with pushed values of this row group.
    pushed_new: usize,
    interning_stopped: bool,
    /// Codes were given out that no pushed value has.
    gave_codes: bool,
    last_text: Vec<u8>,
    last_code: i32,
}

impl TextColumn {
    #[inline]
    pub(super) fn last_text(&self) -> &[u8] {
        &self.last_text
    }

    pub(super) fn forget_last_text(&mut self) {
        self.last_text.clear();
    }

    #[inline]
    pub(super) fn push_again(&mut self) {
        self.pushed.push(self.last_code);
    }

    pub(super) fn push_null(&mut self) {
        self.pushed.push(NULL_CODE);
    }

    /// Do most of the pushed values repeat earlier ones of the row group?
    pub(super) fn repeats(&self) -> bool {
        !self.interning_stopped && self.pushed_new * 2 < self.pushed.len()
    }

    /// Were values kept without looking whether they are there already?
    pub(super) fn is_interning_stopped(&self) -> bool {
        self.interning_stopped
    }

    /// How many entries there are.
    pub(super) fn entries(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push(&mut self, at: usize, value: Value<'_>, shared: &mut Shared) -> Result<(), Reason> {
        let entries = self.ends.len();
        let code = self.code_of(at, value, shared)?;
        self.pushed.push(code);
        self.pushed_new += self.ends.len() - entries;
        if self.pushed_new > DICTIONARY_ENTRIES && self.pushed_new * 2 > self.pushed.len() {
            self.interning_stopped = true;
            self.index.hide_all();
        }
        if let Value::Text(raw) = value
            && shared.replaced.last() != Some(&at)
        {
            quote_into(&mut self.last_text, raw.raw);
            self.last_code = code;
        }
        Ok(())
    }

    /// Keeps a value and returns its code.
    pub(super) fn code(&mut self, at: usize, value: Value<'_>, shared: &mut Shared) -> Result<i32, Reason> {
        self.gave_codes = true;
        self.code_of(at, value, shared)
    }

    fn code_of(&mut self, at: usize, value: Value<'_>, shared: &mut Shared) -> Result<i32, Reason> {
        let mut scratch = std::mem::take(&mut shared.scratch);
        let (text, repair) =
            text_of(value, &mut scratch).map_or((None, Repair::None), |(text, repair)| (Some(text), repair));
        let code = match (text, repair, shared.invalid_text) {
            (_, Repair::Replaced, InvalidText::Reject) => Err(NO_UNICODE),
            (None, ..) => Ok(NULL_CODE),
            (Some(text), repair, _) => {
                if repair == Repair::Replaced {
                    shared.replaced.push(at);
                }
                Ok(self.intern(text, shared))
            }
        };
        shared.scratch = scratch;
        code
    }

    /// Appends text that is known to be valid.
    pub(super) fn push_text(&mut self, text: &str, shared: &Shared) {
        let code = self.intern(text.as_bytes(), shared);
        self.pushed.push(code);
    }

    fn entry<'a>(bytes: &'a [u8], ends: &[i32], code: i32) -> &'a [u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { ends[code - 1] as usize };
        &bytes[start..ends[code] as usize]
    }

    fn intern(&mut self, text: &[u8], shared: &Shared) -> i32 {
        if self.interning_stopped {
            self.index.add_hidden(shared.row);
            return self.append(text);
        }
        let mark = shared.hasher.hash_one(text) as u32;
        let same = |code: u32| Self::entry(&self.bytes, &self.ends, code as i32) == text;
        if let Some(code) = self.index.find(mark, same) {
            return code as i32;
        }
        self.index.add(mark, self.index.len() as u32, shared.row);
        self.append(text)
    }

    /// Appends an entry's text and returns its code. [`Decoder::new`](super::Decoder::new) bounds a row group so that neither its entries nor
    /// their bytes leave 31 bits.
    fn append(&mut self, text: &[u8]) -> i32 {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as i32);
        self.ends.len() as i32 - 1
    }

    pub(super) fn truncate(&mut self, pushed: usize, row: usize) {
        self.pushed.truncate(pushed);
        let entries = self.index.len();
        let left = self.index.truncate(row);
        self.ends.truncate(left);
        self.pushed_new = self.pushed_new.saturating_sub(entries - left);
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
        if self.last_code as usize >= self.ends.len() {
            self.last_text.clear();
        }
    }

    pub(super) fn settle(&mut self) {
        self.index.settle();
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * ENTRY_BYTES
    }

    /// Takes the rows of all stretches.
    pub(super) fn finish(&mut self, stretches: Vec<Stretch>, keeps_codes: bool) -> Result<Pending, ArrowError> {
        let is_coded = self.gave_codes || stretches.iter().any(|stretch| matches!(stretch, Stretch::Coded { .. }));
        let keeps_codes = keeps_codes && self.gave_codes;
        let taken = if is_coded { self.gather(stretches)? } else { self.hand_over()? };
        self.pushed.clear();
        self.pushed_new = 0;
        self.last_text.clear();
        if !keeps_codes {
            self.bytes.clear();
            self.ends.clear();
            self.index.clear();
            self.interning_stopped = false;
            self.gave_codes = false;
        }
        Ok(taken)
    }

    /// The codes as they are, and all entries: every one belongs to a row.
    fn hand_over(&mut self) -> Result<Pending, ArrowError> {
        let entries = strings(std::mem::take(&mut self.bytes), std::mem::take(&mut self.ends))?;
        let room = Vec::with_capacity(self.pushed.len());
        let codes = std::mem::replace(&mut self.pushed, room);
        let nulls = nulls_of(&codes);
        Ok(Pending::Ready(coded(entries, (codes, nulls))?))
    }

    /// The entries that rows use, and codes into these.
    fn gather(&self, stretches: Vec<Stretch>) -> Result<Pending, ArrowError> {
        let mut used = Used { new_codes: vec![NULL_CODE; self.ends.len()], entries: Vec::new() };
        let mut pushed = self.pushed.iter();
        let pieces = stretches.into_iter().map(|stretch| {
            let (codes, of): (Vec<_>, _) = match stretch {
                Stretch::Pushed(rows) => (pushed.by_ref().take(rows).map(|code| used.code(*code)).collect(), Of::Rows),
                Stretch::Coded { section, span, codes } => {
                    (codes.iter().map(|code| used.code(*code)).collect(), Of::Texts { section, span })
                }
            };
            Piece { nulls: nulls_of(&codes), values: codes, of }
        });
        let pieces = pieces.collect();
        let text = |code: i32| Self::entry(&self.bytes, &self.ends, code);
        let mut bytes = Vec::with_capacity(used.entries.iter().map(|code| text(*code).len()).sum());
        let mut ends = Vec::with_capacity(used.entries.len());
        for code in used.entries {
            bytes.extend_from_slice(text(code));
            ends.push(bytes.len() as i32);
        }
        Ok(Pending::Text(strings(bytes, ends)?, pieces))
    }
}

/// Entries that are used, in the order of their first use.
struct Used {
    /// The new code of each entry; that of no value when it is not used.
    new_codes: Vec<i32>,
    entries: Vec<i32>,
}

impl Used {
    fn code(&mut self, code: i32) -> i32 {
        let Some(new_code) = usize::try_from(code).ok().and_then(|code| self.new_codes.get_mut(code)) else {
            return NULL_CODE;
        };
        if *new_code == NULL_CODE {
            *new_code = self.entries.len() as i32;
            self.entries.push(code);
        }
        *new_code
    }
}

fn strings(bytes: Vec<u8>, mut ends: Vec<i32>) -> Result<Arc<StringArray>, ArrowError> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.append(&mut ends);
    Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets.into()), bytes.into(), None)?))
}
