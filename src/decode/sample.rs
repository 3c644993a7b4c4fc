//! A sample of rows, and the layout that follows from it: which values repeat together, and which are ever new.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;

use super::layout::{Field, Layout, MOST_SPANS};
use super::row::Target;
use super::together::{self, Group};
use crate::contract::ColumnType;

/// Rows that are looked at before a layout is made. Fuzzers and unit tests come that far with pages that they can write.
pub(super) const SAMPLE_ROWS: usize = if cfg!(any(test, fuzzing)) { 6 } else { 2_048 };
/// Fields of a row, and bytes between two values, beyond which no layout is made.
const MOST_FIELDS: usize = 256;
const MOST_LITERAL: usize = 256;
/// Combinations of values that are so few that they always stand together; and rows that say something of a column.
const FEW: usize = 1 + SAMPLE_ROWS / 32;

/// Where a field was met in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    pub(super) target: Target,
    /// Behind the value before, or the row's beginning.
    pub(super) start: usize,
    /// Its key's opening quote.
    pub(super) key_at: usize,
    pub(super) value_at: usize,
    pub(super) end: usize,
}

/// Rows that were looked at: for each value the number of its text among those of its field.
pub(super) struct Sample {
    fields: Vec<Field>,
    tail: Vec<u8>,
    numbers: Vec<HashMap<u64, u32, foldhash::fast::FixedState>>,
    /// Row by row, field by field.
    values: Vec<u32>,
    rows: usize,
    /// Rows that had other fields.
    strangers: usize,
    hasher: foldhash::fast::FixedState,
}

impl Sample {
    pub(super) fn new() -> Self {
        Sample {
            fields: Vec::new(),
            tail: Vec::new(),
            numbers: Vec::new(),
            values: Vec::new(),
            rows: 0,
            strangers: 0,
            hasher: foldhash::fast::FixedState::default(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= SAMPLE_ROWS
    }

    /// Were so many rows of other fields that no layout can be made of these?
    pub(super) fn is_hopeless(&self) -> bool {
        self.strangers > self.rows / 2 + SAMPLE_ROWS / 32
    }

    /// Takes a row that ends at `end` of `input`; `met` are its fields in their order.
    pub(super) fn add(&mut self, input: &[u8], met: &[Met], end: usize) {
        let Some(last) = met.last() else { return };
        let tail = &input[last.end..end];
        let literal = |met: &Met| &input[met.start..met.value_at];
        if self.rows == 0 {
            let plain = met.len() <= MOST_FIELDS && tail.len() <= MOST_LITERAL;
            if !plain || met.iter().any(|met| literal(met).len() > MOST_LITERAL) {
                self.strangers += 1;
                return;
            }
            let field = |met: &Met| Field {
                target: met.target,
                literal: literal(met).to_vec(),
                key_at: met.key_at - met.start,
            };
            self.fields = met.iter().map(field).collect();
            self.tail = tail.to_vec();
            self.numbers = vec![HashMap::default(); met.len()];
        }
        let same = |(field, met): (&Field, &Met)| field.literal == literal(met) && field.target == met.target;
        if met.len() != self.fields.len() || tail != self.tail || !self.fields.iter().zip(met).all(same) {
            self.strangers += 1;
            return;
        }
        for (numbers, met) in self.numbers.iter_mut().zip(met) {
            let next = numbers.len() as u32;
            let number = numbers.entry(self.hasher.hash_one(&input[met.value_at..met.end])).or_insert(next);
            self.values.push(*number);
        }
        self.rows += 1;
    }

    /// The layout for rows like these; none when nothing in them repeats.
    ///
    /// `kinds` are the kinds of the columns, and those in `alone` have values that are to be read on their own.
    pub(super) fn layout(mut self, kinds: &[ColumnType], alone: &[bool]) -> Option<Layout> {
        let repeats = |field: usize| match self.fields[field].target {
            Target::Extra => false,
            Target::Column(column) => !alone[column] && self.repeats(field, kinds[column], kinds),
        };
        let repeats: Vec<bool> = (0..self.fields.len()).map(repeats).collect();
        let mut spans: Vec<Range<usize>> = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut start = 0;
        for side_by_side in repeats.chunk_by(|one, next| one == next) {
            let end = start + side_by_side.len();
            if side_by_side[0] {
                let fields: Vec<Group> = (start..end).map(|field| self.group(field)).collect();
                for (span, group) in together::spans(&fields, FEW) {
                    spans.push(start + span.start..start + span.end);
                    groups.push(group);
                }
            }
            start = end;
        }
        spans.truncate(MOST_SPANS);
        groups.truncate(MOST_SPANS);
        if spans.is_empty() {
            return None;
        }
        let (fields, tail) = (std::mem::take(&mut self.fields), std::mem::take(&mut self.tail));
        let mut layout = Layout::new(fields, tail, spans, kinds.len());
        for at in 0..groups.len() {
            layout.set_parent(at, together::parent(&groups[..at], &groups[at], None));
        }
        Some(layout)
    }

    /// Do the values of that field repeat together with others? Money and quantities do not, rates do, and days change
    /// for all rows at once, so they are read on their own.
    fn repeats(&self, field: usize, kind: ColumnType, kinds: &[ColumnType]) -> bool {
        match kind {
            ColumnType::Date | ColumnType::Instant | ColumnType::NamedAmounts | ColumnType::Map => false,
            ColumnType::Text | ColumnType::Id | ColumnType::Flag => true,
            ColumnType::Decimal => {
                let values = self.group(field);
                (0..self.fields.len()).any(|other| match self.fields[other].target {
                    Target::Column(column) if kinds[column] != ColumnType::Decimal => {
                        let (seen, foretold) = self.group(other).foretells(&values);
                        seen >= FEW && foretold * 10 >= seen * 9
                    }
                    _ => false,
                })
            }
        }
    }

    fn group(&self, field: usize) -> Group {
        let numbers = self.values.iter().skip(field).step_by(self.fields.len()).copied().collect();
        Group::new(numbers, self.numbers[field].len())
    }
}
