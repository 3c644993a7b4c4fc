//! Values of a fixed width: pushed row by row, or kept under a code.

use arrow_buffer::NullBufferBuilder;

use super::births::Births;
use super::column::{NULL_CODE, Stretch};
use super::row_group::{Of, Piece, nulls_of};

/// A column's values of a fixed width.
pub(super) struct Values<N> {
    pushed: Vec<N>,
    nulls: NullBufferBuilder,
    /// Values by their code.
    kept: Vec<N>,
    births: Births,
    last_text: Vec<u8>,
    last: N,
}

impl<N: Copy + Default> Default for Values<N> {
    fn default() -> Self {
        Values {
            pushed: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            kept: Vec::new(),
            births: Births::default(),
            last_text: Vec::new(),
            last: N::default(),
        }
    }
}

impl<N: Copy + Default> Values<N> {
    /// All pushed values; where there is none it is the type's zero.
    pub(super) fn pushed(&self) -> &[N] {
        &self.pushed
    }

    /// The value of a code; the type's zero for that of no value.
    pub(super) fn of_code(&self, code: i32) -> N {
        usize::try_from(code).map_or(N::default(), |code| self.kept[code])
    }

    /// The value that was pushed last.
    pub(super) fn newest(&self) -> Option<N> {
        let row = self.pushed.len().checked_sub(1)?;
        self.nulls.is_valid(row).then(|| self.pushed[row])
    }

    #[inline]
    pub(super) fn push_value(&mut self, value: N) {
        self.pushed.push(value);
        self.nulls.append_non_null();
    }

    pub(super) fn push_null(&mut self) {
        self.pushed.push(N::default());
        self.nulls.append_null();
    }

    pub(super) fn push(&mut self, value: Option<N>) {
        match value {
            Some(value) => self.push_value(value),
            None => self.push_null(),
        }
    }

    /// Keeps a value that is to come with `row`, and returns its code.
    pub(super) fn code(&mut self, value: Option<N>, row: u32) -> i32 {
        let Some(value) = value else { return NULL_CODE };
        self.kept.push(value);
        self.births.add(row);
        self.kept.len() as i32 - 1
    }

    /// The raw text of the value pushed last, in quotes.
    #[inline]
    pub(super) fn last_text(&self) -> &[u8] {
        &self.last_text
    }

    pub(super) fn forget_last_text(&mut self) {
        self.last_text.clear();
    }

    #[inline]
    pub(super) fn push_again(&mut self) {
        self.push_value(self.last);
    }

    /// Keeps the raw text of a value, to know it again.
    pub(super) fn remember(&mut self, raw: &[u8], value: N) {
        quote_into(&mut self.last_text, raw);
        self.last = value;
    }

    pub(super) fn truncate(&mut self, pushed: usize, row: usize) {
        self.pushed.truncate(pushed);
        self.nulls.truncate(pushed);
        self.kept.truncate(self.births.before(row));
    }

    pub(super) fn settle(&mut self) {
        self.births.settle();
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.len() * size_of::<N>()
    }

    /// Takes the rows of all stretches, piece by piece.
    pub(super) fn finish(&mut self, stretches: Vec<Stretch>, keeps_codes: bool) -> Vec<Piece<N>> {
        let nulls = self.nulls.finish();
        let room = Vec::with_capacity(self.pushed.len());
        let pushed = std::mem::replace(&mut self.pushed, room);
        let pieces = if let [Stretch::Pushed(_)] = &stretches[..] {
            vec![Piece { values: pushed, nulls, of: Of::Rows }]
        } else {
            let mut start = 0;
            let pieces = stretches.into_iter().map(|stretch| match stretch {
                Stretch::Pushed(rows) => {
                    let values = pushed[start..start + rows].to_vec();
                    let nulls = nulls.as_ref().map(|nulls| nulls.slice(start, rows));
                    start += rows;
                    Piece { values, nulls, of: Of::Rows }
                }
                Stretch::Coded { section, span, codes } => {
                    let values = codes.iter().map(|code| self.of_code(*code)).collect();
                    Piece { values, nulls: nulls_of(&codes), of: Of::Texts { section, span } }
                }
            });
            pieces.collect()
        };
        if !keeps_codes {
            self.kept.clear();
            self.births.clear();
        }
        pieces
    }
}

/// Writes the inside of a string with its quotes.
pub(super) fn quote_into(quoted: &mut Vec<u8>, raw: &[u8]) {
    quoted.clear();
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
}
