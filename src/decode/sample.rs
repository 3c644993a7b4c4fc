//! A sample of rows, and the layout that follows from it: which values repeat together, and which are ever new.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;

use super::layout::{Field, Layout, MOST_SPANS};
use super::row::Target;
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
        let mut spans: Vec<Range<usize>> = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for field in 0..self.fields.len() {
            let repeats = match self.fields[field].target {
                Target::Extra => false,
                Target::Column(column) if alone[column] => false,
                Target::Column(column) => self.repeats(field, kinds[column], kinds),
            };
            if !repeats {
                continue;
            }
            let of_field = self.group(field);
            let joined = match (spans.last(), groups.last()) {
                (Some(span), Some(group)) if span.end == field => {
                    let joint = group.with(&of_field);
                    let forced = groups.len() == MOST_SPANS;
                    (forced || self.stand_together(group, &of_field, &joint)).then_some(joint)
                }
                _ if groups.len() == MOST_SPANS => continue,
                _ => None,
            };
            match (joined, spans.last_mut(), groups.last_mut()) {
                (Some(joint), Some(span), Some(group)) => {
                    span.end = field + 1;
                    *group = joint;
                }
                _ => {
                    spans.push(field..field + 1);
                    groups.push(of_field);
                }
            }
        }
        if spans.is_empty() {
            return None;
        }
        let (fields, tail) = (std::mem::take(&mut self.fields), std::mem::take(&mut self.tail));
        let mut layout = Layout::new(fields, tail, spans, kinds.len());
        for (at, span) in layout.spans.iter_mut().enumerate() {
            let foretold = |parent: &usize| groups[*parent].foretells(&groups[at]).1;
            span.parent = (0..at).max_by_key(foretold).filter(|parent| foretold(parent) > self.rows / 16);
        }
        Some(layout)
    }

    /// Do the values of that field repeat together with others? Money and quantities do not, rates do, and days change
    /// for all rows at once, so they are read on their own.
    fn repeats(&self, field: usize, kind: ColumnType, kinds: &[ColumnType]) -> bool {
        match kind {
            ColumnType::Date | ColumnType::Instant => false,
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
        Group { numbers, distinct: self.numbers[field].len() }
    }

    /// Are fields better kept in one span? They are when one of them nearly tells the other, unless that is only because
    /// nearly every row has a value of its own.
    fn stand_together(&self, before: &Group, field: &Group, joint: &Group) -> bool {
        let unique = |group: &Group| group.distinct * 10 > self.rows * 6;
        let seldom = |group: &Group| group.distinct * 10 < self.rows * 3;
        if joint.distinct <= FEW {
            return true;
        }
        if unique(field) && seldom(before) {
            return false;
        }
        joint.distinct * 20 <= before.distinct.max(field.distinct) * 21
    }
}

/// For each row of a sample the number of the values that it has in some fields.
struct Group {
    numbers: Vec<u32>,
    distinct: usize,
}

impl Group {
    /// Numbers of the combinations with another field's values.
    fn with(&self, other: &Group) -> Group {
        let mut known: HashMap<(u32, u32), u32, foldhash::fast::FixedState> = HashMap::default();
        let pairs = self.numbers.iter().copied().zip(other.numbers.iter().copied());
        let numbers = pairs
            .map(|pair| {
                let next = known.len() as u32;
                *known.entry(pair).or_insert(next)
            })
            .collect();
        Group { numbers, distinct: known.len() }
    }

    /// In how many rows the own value was met before, and in how many of these the other value was the same as then.
    fn foretells(&self, other: &Group) -> (usize, usize) {
        let mut last: Vec<Option<u32>> = vec![None; self.distinct];
        let (mut seen, mut foretold) = (0, 0);
        for (own, other) in self.numbers.iter().zip(&other.numbers) {
            if let Some(before) = last[*own as usize].replace(*other) {
                seen += 1;
                foretold += usize::from(before == *other);
            }
        }
        (seen, foretold)
    }
}
