//! Values of a fixed width: pushed row by row, or kept under a code.

use arrow_buffer::{NullBuffer, NullBufferBuilder};

use super::births::Births;
use super::column::{NULL_CODE, Stretch};

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

    /// Takes the rows of all stretches.
    pub(super) fn finish(&mut self, stretches: &[Stretch<'_>], keeps_codes: bool) -> (Vec<N>, Option<NullBuffer>) {
        let taken = if let [Stretch::Pushed(_)] = stretches {
            (std::mem::take(&mut self.pushed), self.nulls.finish())
        } else {
            self.gather(stretches)
        };
        self.pushed.clear();
        self.nulls = NullBufferBuilder::new(0);
        if !keeps_codes {
            self.kept.clear();
            self.births.clear();
        }
        taken
    }

    fn gather(&self, stretches: &[Stretch<'_>]) -> (Vec<N>, Option<NullBuffer>) {
        let rows = stretches.iter().map(Stretch::rows).sum();
        let mut values = Vec::with_capacity(rows);
        let mut nulls = NullBufferBuilder::new(rows);
        let mut pushed = 0;
        for stretch in stretches {
            match stretch {
                Stretch::Pushed(count) => {
                    values.extend_from_slice(&self.pushed[pushed..pushed + count]);
                    (pushed..pushed + count).for_each(|row| nulls.append(self.nulls.is_valid(row)));
                    pushed += count;
                }
                Stretch::Coded { codes, rows } => {
                    let of_code: Vec<N> = codes.iter().map(|code| self.of_code(*code)).collect();
                    values.extend(rows.iter().map(|row| of_code[*row as usize]));
                    if codes.contains(&NULL_CODE) {
                        rows.iter().for_each(|row| nulls.append(codes[*row as usize] != NULL_CODE));
                    } else {
                        nulls.append_n_non_nulls(rows.len());
                    }
                }
            }
        }
        (values, nulls.finish())
    }
}

impl Stretch<'_> {
    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        match self {
            Stretch::Pushed(rows) => *rows,
            Stretch::Coded { rows, .. } => rows.len(),
        }
    }
}

/// Writes the inside of a string with its quotes.
pub(super) fn quote_into(quoted: &mut Vec<u8>, raw: &[u8]) {
    quoted.clear();
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
}
