//! One row: an object's fields into the columns.
//!
//! The plain path reads every value. It compares each key with the one that stood at its place last time, and each text with
//! the last one of its column; what matches to the byte needs no further look. Before it, rows are read by
//! [prediction](super::predict), once enough of them were seen to know how they repeat.

use std::collections::HashMap;

use super::InvalidText;
use super::column::{Column, NULL_CODE, Reason, Shared, decimal};
use super::group::Group;
use super::layout::Place;
use super::learn::Learner;
use super::predict::Outcome;
use super::sample::Met;
use super::token::{self, Stop, skip_space};
use super::unknown::Unknown;
use crate::contract::{BillingPeriod, ColumnType, Contract, Enrollment};

/// What became of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// It stands in the columns.
    Taken,
    /// It was refused: the column, if one is to blame (behind the contract's columns stands `extra`), and the reason.
    Refused(Option<usize>, Reason),
}

/// Where a key's value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
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
    /// Kinds of the columns, and the names of their fields.
    pub(super) kinds: Vec<ColumnType>,
    pub(super) names: Vec<String>,
    pub(super) date_column: Option<usize>,
    /// The column of a field that has other names in other versions. When a row had it twice: its first name there, and
    /// which row that was.
    aliased: Option<usize>,
    alias: Vec<u8>,
    alias_of: u64,
    /// That row had the field under further names.
    had_others: bool,
    pub(super) group: Group,
    /// Learns to expect rows; none when every value is to be read.
    learner: Option<Learner>,
    /// The column of unknown fields.
    pub(super) extra: usize,
    expected: Vec<ExpectedKey>,
    /// For each column, the row that filled it last, counted from 1.
    pub(super) filled: Vec<u64>,
    pub(super) row_number: u64,
    /// Columns of the row at work whose value was refused, and why.
    pub(super) refused: Vec<(usize, Reason)>,
    /// The codes of the row at work, for columns whose values are not pushed.
    pub(super) codes: Vec<i32>,
    met: Vec<Met>,
    pub(super) unknown: Unknown,
    duplicate_keys: u64,
    /// The day that was asked for last, and its billing period.
    month_of_day: (i32, Option<BillingPeriod>),
    pub(super) shared: Shared,
    /// The text of a field in which quotes were doubled.
    pub(super) csv_scratch: Vec<u8>,
    /// By column: a field of CSV as it came, with doubled quotes, and the text that the column took for it.
    pub(super) doubled_before: Vec<(Vec<u8>, Vec<u8>)>,
    /// The row before came as CSV.
    was_csv: bool,
    /// The row read last was read value by value.
    was_plain: bool,
}

impl RowDecoder {
    pub(super) fn new(contract: &Contract, enrollment: &Enrollment, invalid_text: InvalidText, predicts: bool) -> Self {
        // A map is made of a column of text, and no field's own.
        let of_fields = || contract.columns().iter().filter(|column| column.kind != ColumnType::Map);
        let kinds: Vec<_> = of_fields().map(|column| column.kind).collect();
        let mut columns: Vec<_> = kinds.iter().map(|kind| Column::new(*kind)).collect();
        columns.push(Column::new(ColumnType::Text));
        let predicts = predicts && !kinds.contains(&ColumnType::NamedAmounts);
        let enrollment = contract
            .enrollment_field()
            .map(|name| (name.to_ascii_lowercase().into_bytes(), enrollment.as_str().to_owned()));
        RowDecoder {
            fields: contract.field_names().map(|(name, at)| (name.to_ascii_lowercase().into_bytes(), at)).collect(),
            names: of_fields().map(|column| column.field.clone()).collect(),
            date_column: contract.date_column(),
            aliased: of_fields().enumerate().find_map(|(at, column)| {
                let names = contract.field_names().filter(|(_, column)| *column == at).count();
                (names > 1 && column.kind == ColumnType::Decimal).then_some(at)
            }),
            alias: Vec::new(),
            alias_of: 0,
            had_others: false,
            extra: columns.len() - 1,
            filled: vec![0; columns.len()],
            codes: vec![NULL_CODE; columns.len()],
            learner: predicts.then(|| Learner::new(kinds.clone())),
            doubled_before: vec![Default::default(); kinds.len()],
            kinds,
            group: Group::new(columns),
            expected: Vec::new(),
            row_number: 0,
            refused: Vec::new(),
            met: Vec::new(),
            unknown: Unknown::default(),
            duplicate_keys: 0,
            month_of_day: (0, BillingPeriod::of_day(0)),
            shared: Shared {
                invalid_text,
                row: 0,
                replaced: Vec::new(),
                lost: Vec::new(),
                scratch: Vec::new(),
                hasher: foldhash::fast::RandomState::default(),
                enrollment,
            },
            csv_scratch: Vec::new(),
            was_csv: false,
            was_plain: false,
        }
    }

    /// Is this the name of a field of the contract?
    pub(super) fn knows(&self, name: &[u8]) -> bool {
        self.fields.contains_key(&name.to_ascii_lowercase())
    }

    /// Rows in the columns.
    pub(super) fn rows(&self) -> usize {
        self.group.rows()
    }

    /// Keys of the row read last that came twice.
    pub(super) fn duplicate_keys(&self) -> u64 {
        self.duplicate_keys + self.unknown.duplicates()
    }

    /// Reads the value at the start of `input` as a row. Returns what became of it and where it ends.
    ///
    /// On [`Stop`] nothing of it stays in the columns.
    #[inline]
    pub(super) fn row(&mut self, input: &[u8]) -> Result<(Row, usize), Stop> {
        self.begin_row(false);
        match self.predicted(input) {
            Some(Outcome::Taken(template, end)) => {
                self.was_plain = false;
                self.group.end_row(Some(template));
                return Ok((Row::Taken, end));
            }
            Some(Outcome::Incomplete) => {
                self.group.truncate(self.group.rows());
                return Err(Stop::Incomplete);
            }
            Some(Outcome::Declined) => {
                self.group.truncate(self.group.rows());
                self.begin_row(false);
            }
            None => {}
        }
        self.plain_row(input)
    }

    #[inline]
    pub(super) fn begin_row(&mut self, is_csv: bool) {
        if self.was_csv != is_csv {
            self.change_form(is_csv);
        }
        self.shared.row = self.group.rows() as u32;
        self.shared.lost.clear();
        self.shared.replaced.clear();
        self.duplicate_keys = 0;
        self.unknown.clear();
        self.refused.clear();
    }

    /// Rows come in another form from here on, in which the same bytes can stand for another text.
    #[cold]
    fn change_form(&mut self, is_csv: bool) {
        self.group.columns.iter_mut().for_each(Column::forget_last_text);
        self.was_csv = is_csv;
    }

    /// Begins to read a row value by value.
    pub(super) fn begin_plain_row(&mut self) {
        self.was_plain = true;
        self.row_number += 1;
    }

    /// Reads the row by prediction; none when there is no layout to expect.
    #[inline]
    fn predicted(&mut self, input: &[u8]) -> Option<Outcome> {
        let learner = self.learner.as_mut()?;
        learner.look(&mut self.group);
        let predictor = learner.predictor()?;
        let (coded, columns) = self.group.coded()?;
        let outcome = predictor.row(input, coded, columns, &mut self.shared, &mut self.unknown);
        match outcome {
            Outcome::Taken(..) if self.fill_extra(input).is_err() => Some(Outcome::Declined),
            outcome => Some(outcome),
        }
    }

    /// Reads the row value by value.
    fn plain_row(&mut self, input: &[u8]) -> Result<(Row, usize), Stop> {
        if input.first() != Some(&b'{') {
            let (_, end) = token::value(input, 0, 0)?;
            return Ok((Row::Refused(None, "the row is not an object"), end));
        }
        self.begin_plain_row();
        self.met.clear();
        let end = match self.fields_of_row(input) {
            Ok(end) => end,
            Err(stop) => {
                self.group.truncate(self.group.rows());
                return Err(stop);
            }
        };
        if self.unknown.are_too_many() && self.refused.is_empty() {
            self.refused.push((self.extra, "more than 10,000 unknown fields"));
        }
        if self.unknown.is_of_another_enrollment() && self.refused.is_empty() {
            self.refuse_enrollment();
        }
        if self.refused.is_empty()
            && let Err(reason) = self.fill_up(input)
        {
            self.refused.push((self.extra, reason));
        }
        if let Some((column, reason)) = self.refused.first() {
            let refused = Row::Refused(Some(*column), reason);
            self.group.truncate(self.group.rows());
            return Ok((refused, end));
        }
        self.end_plain_row();
        if let Some(learner) = &mut self.learner
            && self.duplicate_keys == 0
            && self.unknown.is_plain()
        {
            learner.add(input, &self.met, end, &mut self.group);
        }
        Ok((Row::Taken, end))
    }

    /// The value of each column is there: ends a row that was read value by value.
    pub(super) fn end_plain_row(&mut self) {
        let template = self.group.coded().map(|(coded, _)| coded.keep(&self.codes, self.shared.row));
        self.group.end_row(template);
    }

    /// The row says that it is of another enrollment.
    pub(super) fn refuse_enrollment(&mut self) {
        self.refused.push((self.extra + 1, "the row is of another enrollment"));
    }

    /// Reads the fields of the object at the start of `input`, and returns where it ends.
    fn fields_of_row(&mut self, input: &[u8]) -> Result<usize, Stop> {
        let mut at = 0; // stands at the brace or comma before a key
        let mut place = 0;
        let mut start = 0;
        let sampling = self.learner.as_ref().is_some_and(Learner::is_sampling);
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
                Target::Column(column) => self.column_value(input, skip_space(input, at + 1), value_at, column)?,
                Target::Extra => self.unknown.take(input, skip_space(input, at + 1), value_at, &mut self.shared)?,
            };
            if sampling {
                self.met.push(Met { target, start, key_at: skip_space(input, at + 1), value_at, end });
            }
            start = end;
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

    /// Looks at a value of a field that has several names, which the row had before. When it was under another name, says
    /// where it ends: it has to be the same amount, and nothing takes away nothing.
    #[cold]
    fn other_name(&mut self, input: &[u8], key_at: usize, at: usize, column: usize) -> Result<Option<usize>, Stop> {
        if self.alias_of != self.row_number {
            (self.alias, self.alias_of, self.had_others) = (self.first_name(input, column)?, self.row_number, false);
        }
        // Of one name the last value counts, unless another one has said the same.
        let (name, _) = token::key(input, key_at)?;
        let name = super::text::unescape(name, &mut self.shared.scratch).0.to_ascii_lowercase();
        if self.alias == name && !self.had_others {
            return Ok(None);
        }
        self.had_others = true;
        if self.refused.iter().any(|(refused, _)| *refused == column) {
            let (_, end) = token::value(input, at, 1)?;
            self.duplicate_keys += 1;
            return Ok(Some(end));
        }
        let before = match (&self.group.columns[column], self.group.place(column)) {
            (Column::Decimal(values), Place::Pushed) => values.newest(),
            (Column::Decimal(values), Place::Coded { .. }) => {
                Some(self.codes[column]).filter(|code| *code != NULL_CODE).map(|code| values.of_code(code))
            }
            _ => None,
        };
        let (value, end) = token::value(input, at, 1)?;
        let lost = self.shared.lost.len();
        let amount = decimal(column, value, &mut self.shared);
        self.shared.lost.truncate(lost);
        match amount {
            // The first one was null.
            Ok(Some(_)) if before.is_none() => return Ok(None),
            Ok(amount) if amount.is_none() || amount == before => {}
            Ok(_) => self.refused.push((column, "two names of one field hold different amounts")),
            Err(reason) => self.refused.push((column, reason)),
        }
        self.duplicate_keys += 1;
        Ok(Some(end))
    }

    /// The name under which the row has a column's field first.
    fn first_name(&mut self, input: &[u8], column: usize) -> Result<Vec<u8>, Stop> {
        let mut at = 0;
        loop {
            let (name, value_at) = token::key(input, skip_space(input, at + 1))?;
            let name = super::text::unescape(name, &mut self.shared.scratch).0.to_ascii_lowercase();
            if self.fields.get(&name) == Some(&column) {
                return Ok(name);
            }
            at = skip_space(input, token::value(input, value_at, 1)?.1);
        }
    }

    /// Takes the value at `at` into a column and returns where it ends.
    fn column_value(&mut self, input: &[u8], key_at: usize, at: usize, column: usize) -> Result<usize, Stop> {
        let is_pushed = self.group.place(column) == Place::Pushed;
        if self.filled[column] == self.row_number {
            if self.aliased == Some(column)
                && let Some(end) = self.other_name(input, key_at, at, column)?
            {
                return Ok(end);
            }
            if is_pushed {
                self.group.take_back(column);
            }
            self.shared.lost.retain(|(lost_by, _)| *lost_by != column);
            self.shared.replaced.retain(|replaced| *replaced != column);
            self.refused.retain(|(refused, _)| *refused != column);
            self.duplicate_keys += 1;
        }
        self.filled[column] = self.row_number;
        let builder = &mut self.group.columns[column];
        if is_pushed {
            let last = builder.last_text();
            if !last.is_empty() && input[at.min(input.len())..].starts_with(last) {
                let end = at + last.len();
                builder.push_again();
                return Ok(end);
            }
        }
        let (value, end) = token::value(input, at, 1)?;
        if is_pushed {
            match builder.push(column, value, &mut self.shared) {
                Ok(false) => {}
                // What the column does not keep of it is kept beside it.
                Ok(true) => drop(self.unknown.take(input, key_at, at, &mut self.shared)?),
                Err(reason) => {
                    builder.push_null();
                    self.refused.push((column, reason));
                }
            }
            return Ok(end);
        }
        match builder.code(column, value, &mut self.shared) {
            Ok(code) => self.codes[column] = code,
            Err(reason) => self.refused.push((column, reason)),
        }
        Ok(end)
    }

    /// Ends an accepted row: null where no field came, and the unknown fields.
    fn fill_up(&mut self, input: &[u8]) -> Result<(), Reason> {
        self.fill_missing();
        self.fill_extra(input)
    }

    /// Null where no field came.
    #[inline]
    pub(super) fn fill_missing(&mut self) {
        for at in 0..self.extra {
            if self.filled[at] != self.row_number {
                match self.group.place(at) {
                    Place::Pushed => self.group.columns[at].push_null(),
                    Place::Coded { .. } => self.codes[at] = NULL_CODE,
                }
            }
        }
    }

    /// Appends the unknown fields, or null.
    #[inline]
    fn fill_extra(&mut self, input: &[u8]) -> Result<(), Reason> {
        let Column::Text(extra) = &mut self.group.columns[self.extra] else { return Ok(()) };
        if self.unknown.is_of_another_enrollment() {
            return Err("another enrollment");
        }
        if self.unknown.is_empty() {
            extra.push_null();
            return Ok(());
        }
        let (json, replaced) = self.unknown.json(input, self.shared.invalid_text)?;
        if replaced {
            self.shared.replaced.push(self.extra);
        }
        extra.push_text(&json, &self.shared);
        Ok(())
    }

    /// Names of the unknown fields of the row read last.
    pub(super) fn unknown_fields(&self) -> impl Iterator<Item = &[u8]> {
        self.unknown.names()
    }

    /// Had the newest row a field of one of these columns? One that came as expected is as others were.
    pub(super) fn knows_newest_row(&self, is_wanted: impl Fn(usize) -> bool) -> bool {
        !self.was_plain || (0..self.extra).any(|at| self.filled[at] == self.row_number && is_wanted(at))
    }

    /// Takes the newest row back.
    pub(super) fn take_back(&mut self) {
        self.group.truncate(self.group.rows() - 1);
    }

    /// The billing period that the newest row's date lies in; none when it has no date or one before 2014-05.
    #[inline]
    pub(super) fn month_of_newest(&mut self, date_column: usize) -> Option<BillingPeriod> {
        let Column::Date(dates) = &self.group.columns[date_column] else { return None };
        let day = dates.newest()?;
        // Most rows have the day of the row before.
        if self.month_of_day.0 != day {
            self.month_of_day = (day, BillingPeriod::of_day(day));
        }
        self.month_of_day.1
    }

    /// The rows are about to be taken as a record batch.
    pub(super) fn end_group(&mut self) {
        if let Some(learner) = &mut self.learner {
            learner.end_group(&mut self.group);
        }
    }
}
