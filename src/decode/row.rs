//! One row: an object's fields into the columns' builders.
//!
//! Rows of one service come with the same keys in the same order, and many of their values are those of the row
//! before. So each key is first compared with the one that stood at its place last time, and each text with the last
//! one of its column; what matches to the byte needs no further look. Everything else goes the general way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::InvalidText;
use super::column::{Column, NO_UNICODE, Reason, Shared};
use super::token::{self, Stop, skip_space};
use crate::contract::{BillingPeriod, Contract};

/// Fields of a row that the contract need not know; a row with more is refused, so that its memory is bounded.
const UNKNOWN_FIELDS: usize = 10_000;

/// What became of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// It stands in the columns.
    Taken,
    /// It was refused: the column, if one is to blame (behind the contract's columns stands `extra`), and the reason.
    Refused(Option<usize>, Reason),
}

/// Where a key's value goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Column(usize),
    /// A field that the contract does not know.
    Extra,
}

/// A key as it stood in the last row: its bytes from the comma or brace before it up to its colon.
struct ExpectedKey {
    literal: Vec<u8>,
    target: Target,
}

/// Decodes rows into columns.
pub(super) struct RowDecoder {
    fields: HashMap<Vec<u8>, usize>,
    pub(super) columns: Vec<Column>,
    /// `columns[extra]` is the column of unknown fields.
    extra: usize,
    expected: Vec<ExpectedKey>,
    /// For each column, the row that filled it last, counted from 1.
    filled: Vec<u64>,
    row_number: u64,
    /// Columns of the row at work whose value was refused, and why.
    refused: Vec<(usize, Reason)>,
    /// Keys and values of the row's unknown fields, as places in its text.
    unknown: Vec<(Range<usize>, Range<usize>)>,
    /// Where in `unknown` a name without escapes stands.
    unknown_names: HashMap<Vec<u8>, usize>,
    pub(super) duplicate_keys: u64,
    pub(super) shared: Shared,
    rows: usize,
}

impl RowDecoder {
    pub(super) fn new(contract: &Contract, invalid_text: InvalidText) -> Self {
        let mut columns: Vec<_> = contract.columns().iter().map(|column| Column::new(column.kind)).collect();
        columns.push(Column::new(crate::contract::ColumnType::Text));
        let name = |field: &str| field.to_ascii_lowercase().into_bytes();
        RowDecoder {
            fields: contract.columns().iter().enumerate().map(|(at, column)| (name(&column.field), at)).collect(),
            extra: columns.len() - 1,
            filled: vec![0; columns.len()],
            columns,
            expected: Vec::new(),
            row_number: 0,
            refused: Vec::new(),
            unknown: Vec::new(),
            unknown_names: HashMap::new(),
            duplicate_keys: 0,
            shared: Shared {
                invalid_text,
                replaced: Vec::new(),
                lost: Vec::new(),
                scratch: Vec::new(),
                hasher: foldhash::fast::RandomState::default(),
            },
            rows: 0,
        }
    }

    /// Is this the name of a field of the contract?
    pub(super) fn knows(&self, name: &[u8]) -> bool {
        self.fields.contains_key(&name.to_ascii_lowercase())
    }

    /// Rows in the columns.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Forgets the rows from `rows` on.
    pub(super) fn truncate(&mut self, rows: usize) {
        for column in &mut self.columns {
            column.truncate(rows);
        }
        self.rows = rows;
    }

    /// Bytes that the rows hold.
    pub(super) fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    /// Reads the value at the start of `input` as a row. Returns what became of it and where it ends.
    ///
    /// On [`Stop`] nothing of it stays in the columns.
    pub(super) fn row(&mut self, input: &[u8]) -> Result<(Row, usize), Stop> {
        self.shared.lost.clear();
        self.shared.replaced.clear();
        self.duplicate_keys = 0;
        self.unknown.clear();
        self.unknown_names.clear();
        self.refused.clear();
        if input.first() != Some(&b'{') {
            let (_, end) = token::value(input, 0, 0)?;
            return Ok((Row::Refused(None, "the row is not an object"), end));
        }
        self.row_number += 1;
        let end = match self.fields_of_row(input) {
            Ok(end) => end,
            Err(stop) => {
                self.truncate(self.rows);
                return Err(stop);
            }
        };
        if self.refused.is_empty()
            && let Err(reason) = self.fill_up(input)
        {
            self.refused.push((self.extra, reason));
        }
        if let Some((column, reason)) = self.refused.first() {
            let refused = Row::Refused(Some(*column), reason);
            self.truncate(self.rows);
            return Ok((refused, end));
        }
        self.rows += 1;
        Ok((Row::Taken, end))
    }

    /// Reads the fields of the object at the start of `input`, and returns where it ends.
    fn fields_of_row(&mut self, input: &[u8]) -> Result<usize, Stop> {
        let mut at = 0; // stands at the brace or comma before a key
        let mut place = 0;
        loop {
            let (target, value_at) = match self.expected_key(input, at, place) {
                Some(known) => known,
                None => {
                    let key_at = skip_space(input, at + 1);
                    if at == 0 && input.get(key_at) == Some(&b'}') {
                        return Ok(key_at + 1);
                    }
                    self.learn_key(input, at, key_at, place)?
                }
            };
            place += 1;
            let end = match target {
                Target::Column(column) => self.column_value(input, value_at, column)?,
                Target::Extra => self.extra_value(input, at, value_at)?,
            };
            at = skip_space(input, end);
            match *input.get(at).ok_or(Stop::Incomplete)? {
                b',' => {}
                b'}' => return Ok(at + 1),
                _ => return Err(Stop::Syntax(at, "a comma or the closing bracket was expected")),
            }
        }
    }

    /// The target of the key at `at` and where its value begins, when it is the key that is expected there.
    fn expected_key(&self, input: &[u8], at: usize, place: usize) -> Option<(Target, usize)> {
        let expected = self.expected.get(place)?;
        let rest = input.get(at..)?;
        rest.starts_with(&expected.literal).then(|| (expected.target, skip_space(input, at + expected.literal.len())))
    }

    /// Reads the key at `key_at`, and expects it at its place from now on.
    fn learn_key(&mut self, input: &[u8], at: usize, key_at: usize, place: usize) -> Result<(Target, usize), Stop> {
        let (name, value_at) = token::key(input, key_at)?;
        let (plain, _) = super::text::unescape(name, &mut self.shared.scratch);
        let target = match self.fields.get(&plain.to_ascii_lowercase()) {
            Some(column) => Target::Column(*column),
            None => Target::Extra,
        };
        let literal = &input[at..value_at];
        let compact = literal.len() == name.raw.len() + 4;
        if compact && literal.len() <= 256 && place <= self.fields.len() * 2 {
            let expected = ExpectedKey { literal: literal.to_vec(), target };
            if place < self.expected.len() {
                self.expected[place] = expected;
            } else if place == self.expected.len() {
                self.expected.push(expected);
            }
        }
        Ok((target, value_at))
    }

    /// Takes the value at `at` into a column and returns where it ends.
    fn column_value(&mut self, input: &[u8], at: usize, column: usize) -> Result<usize, Stop> {
        let builder = &mut self.columns[column];
        if self.filled[column] == self.row_number {
            builder.truncate(self.rows);
            self.shared.lost.retain(|(lost_by, _)| *lost_by != column);
            self.shared.replaced.retain(|replaced| *replaced != column);
            self.refused.retain(|(refused, _)| *refused != column);
            self.duplicate_keys += 1;
        }
        self.filled[column] = self.row_number;
        let last = builder.last_text();
        if !last.is_empty() && input[at.min(input.len())..].starts_with(last) {
            let end = at + last.len();
            builder.push_again();
            return Ok(end);
        }
        let (value, end) = token::value(input, at, 1)?;
        if let Err(reason) = builder.push(column, value, &mut self.shared) {
            builder.push_null();
            self.refused.push((column, reason));
        }
        Ok(end)
    }

    /// Keeps an unknown field for the column `extra`; `at` stands at the comma or brace before its key.
    fn extra_value(&mut self, input: &[u8], at: usize, value_at: usize) -> Result<usize, Stop> {
        let key_at = skip_space(input, at + 1);
        let (name, _) = token::key(input, key_at)?;
        let (_, end) = token::value(input, value_at, 1)?;
        let field = (key_at..key_at + name.raw.len() + 2, value_at..end);
        let (plain, _) = super::text::unescape(name, &mut self.shared.scratch);
        match self.unknown_names.entry(plain.to_vec()) {
            Entry::Occupied(known) => {
                self.unknown[*known.get()] = field;
                self.duplicate_keys += 1;
            }
            Entry::Vacant(new) if self.unknown.len() < UNKNOWN_FIELDS => {
                new.insert(self.unknown.len());
                self.unknown.push(field);
            }
            Entry::Vacant(_) if self.refused.is_empty() => {
                self.refused.push((self.extra, "more than 10,000 unknown fields"));
            }
            Entry::Vacant(_) => {}
        }
        Ok(end)
    }

    /// Ends an accepted row: null where no field came, and the unknown fields.
    fn fill_up(&mut self, input: &[u8]) -> Result<(), Reason> {
        for at in 0..self.extra {
            if self.filled[at] != self.row_number {
                self.columns[at].push_null();
            }
        }
        if self.unknown.is_empty() {
            self.columns[self.extra].push_null();
            return Ok(());
        }
        let mut json = vec![b'{'];
        for (name, value) in &self.unknown {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(&input[name.clone()]);
            json.push(b':');
            json.extend_from_slice(&input[value.clone()]);
        }
        json.push(b'}');
        let json = match String::from_utf8(json) {
            Ok(json) => json,
            Err(_) if self.shared.invalid_text == InvalidText::Reject => return Err(NO_UNICODE),
            Err(wrong) => {
                self.shared.replaced.push(self.extra);
                String::from_utf8_lossy(wrong.as_bytes()).into_owned()
            }
        };
        if let Column::Text(extra) = &mut self.columns[self.extra] {
            extra.push_text(&json, &self.shared);
        }
        Ok(())
    }

    /// Names of the unknown fields of the row read last.
    pub(super) fn unknown_fields(&self) -> impl Iterator<Item = &[u8]> {
        self.unknown_names.keys().map(Vec::as_slice)
    }

    /// Takes the newest row back.
    pub(super) fn take_back(&mut self) {
        self.truncate(self.rows - 1);
    }

    /// The billing period that the newest row's date lies in; none when it has no date or one before 2014-05.
    pub(super) fn month_of_newest(&self, date_column: usize) -> Option<BillingPeriod> {
        match &self.columns[date_column] {
            Column::Date(dates) => dates.newest().and_then(BillingPeriod::of_day),
            _ => None,
        }
    }

    /// The rows are in a record batch now: begins the next row group.
    pub(super) fn start_group(&mut self) {
        self.rows = 0;
    }
}
