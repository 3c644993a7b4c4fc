//! Rows by prediction: what followed last time is expected to follow again, and proved by comparing bytes.
//!
//! A [`Layout`](super::layout::Layout) divides a row into spans and values between them. For each span there is a ladder:
//!
//! 1. the text that the expected row has there;
//! 2. the text that came last with the text of another span of the row, its parent;
//! 3. any text met before, found by its hash;
//! 4. the values one by one, as the plain path reads them.
//!
//! When the text then is that of one of the rows expected behind, or of one that was passed over, that row is expected from
//! there on: rows drop out, and change places.
//!
//! A text is only taken for the same when all its bytes are: the bytes were read from the same state of JSON's grammar
//! before, so they mean the same. Whatever does not fit the layout is left to the plain path, for the whole row, with
//! nothing of it kept; errors and rejections only come from there.

use std::hash::BuildHasher;
use std::iter::{once, successors};

use super::coded::Coded;
use super::column::{Column, Shared};
use super::hint::Hint;
use super::layout::{Field, Layout, MOST_SPANS, Part};
use super::number;
use super::row::Target;
use super::spans::SpanTable;
use super::templates::Templates;
use super::texts::{NONE, Texts};
use super::token;
use super::unknown::Unknown;

/// Rows behind the expected one that are looked at before a row is taken for another one.
const SKIPPED: usize = 8;
/// Rows after which the predictor looks at how it did.
const WINDOW: usize = if cfg!(any(test, fuzzing)) { 4 } else { 1_024 };
/// Windows after which it looks at whether texts of spans are ever new. A day of a bill is new as a whole, so it takes long.
const LONG_WINDOW: usize = if cfg!(any(test, fuzzing)) { 3 } else { 24 };
/// Of so many windows in which rows are not expected one is used to try again.
const PROBE: usize = 16;
/// Bytes of texts that the processor keeps close at hand. Fuzzers and unit tests exceed them.
const CACHED_BYTES: usize = if cfg!(any(test, fuzzing)) { 64 } else { 1 << 20 };

/// What became of a row.
pub(super) enum Outcome {
    /// Its values are in the columns but for unknown fields; its template, and where it ends.
    Taken(u32, usize),
    /// It goes on behind the end of the input, as far as it is there as expected.
    Incomplete,
    /// It has to be read otherwise. Something of it may be in the columns.
    Declined,
}

/// What is thought of a layout after some rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does.
    Good,
    /// Rows do not fit it.
    Unfit,
    /// The values of these columns are ever new.
    EverNew(Vec<usize>),
}

/// Expects rows of one layout.
pub(super) struct Predictor {
    /// The template of the row before.
    last: u32,
    /// The template that is expected.
    guess: u32,
    /// The template that was expected last when another one came behind it, which may still come.
    passed_over: u32,
    /// By span.
    hints: [Hint; MOST_SPANS],
    codes: Vec<i32>,
    /// Are rows expected to follow each other?
    follows: bool,
    windows: usize,
    rows: usize,
    as_expected: usize,
    /// Rows that were met before and not expected.
    unexpected: usize,
    declined: usize,
    /// By column: declined rows because its text was repaired or its number rounded.
    pub(super) with_effects: Vec<usize>,
    /// By column: dictionary entries when the long window began.
    entries: Vec<usize>,
}

impl Predictor {
    pub(super) fn new(columns: &[Column]) -> Self {
        Predictor {
            last: NONE,
            guess: NONE,
            passed_over: NONE,
            hints: [Hint::new(); MOST_SPANS],
            codes: Vec::new(),
            follows: true,
            windows: 0,
            rows: 0,
            as_expected: 0,
            unexpected: 0,
            declined: 0,
            with_effects: vec![0; columns.len()],
            entries: entries(columns),
        }
    }

    /// Reads the row at the start of `input`.
    pub(super) fn row(
        &mut self,
        input: &[u8],
        coded: &mut Coded,
        columns: &mut [Column],
        shared: &mut Shared,
        unknown: &mut Unknown,
    ) -> Outcome {
        self.rows += 1;
        let mut reading = Reading {
            input,
            at: 0,
            guess: if self.follows { self.guess } else { NONE },
            as_expected: self.follows && self.guess != NONE,
            starts: [NONE; MOST_SPANS],
        };
        let Coded { layout, spans, templates, texts, .. } = coded;
        if reading.as_expected && texts.bytes() > CACHED_BYTES {
            let behind = templates.starts(templates.next(reading.guess)).unwrap_or_default();
            behind.iter().for_each(|start| texts.prefetch(*start));
        }
        for part in &layout.parts {
            let read = match part {
                Part::Span(span) => {
                    let start = templates.starts(reading.guess).map_or(NONE, |starts| starts[*span]);
                    if reading.as_expected && reading.takes(*span, start, texts) {
                        continue;
                    }
                    self.missed(&mut reading, *span, layout, spans, texts, templates, columns, shared)
                }
                Part::Value(field) => reading.value(layout, *field, columns, shared, unknown),
                Part::Literal(text) => reading.literal(text),
            };
            if let Err(outcome) = read {
                self.declined += usize::from(matches!(outcome, Outcome::Declined));
                return outcome;
            }
        }
        for column in &layout.absent {
            columns[*column].push_null();
        }
        let starts = &reading.starts[..spans.len()];
        let known = templates.len();
        let template = if reading.as_expected {
            self.as_expected += 1;
            reading.guess
        } else {
            templates.find_or_insert(starts, texts, shared.row, &shared.hasher)
        };
        let is_new = templates.len() > known;
        self.unexpected += usize::from(!reading.as_expected && !is_new);
        templates.follow(self.last, template, is_new);
        self.last = template;
        let next = templates.next(template);
        // Nothing followed a new row yet: most likely it came in between.
        self.guess = if next == NONE && !reading.as_expected { reading.guess } else { next };
        Outcome::Taken(template, reading.at)
    }

    /// Goes down the ladder for a span that is not as expected.
    #[allow(clippy::too_many_arguments)]
    #[inline(never)]
    fn missed(
        &mut self,
        reading: &mut Reading<'_>,
        span: usize,
        layout: &Layout,
        spans: &mut [SpanTable],
        texts: &mut Texts,
        templates: &Templates,
        columns: &mut [Column],
        shared: &mut Shared,
    ) -> Result<(), Outcome> {
        let table = &mut spans[span];
        let expected = templates.starts(reading.guess).map_or(NONE, |starts| starts[span]);
        if reading.as_expected && reading.is_cut_in(texts.get(expected)) {
            return Err(Outcome::Incomplete);
        }
        let shape = &layout.spans[span];
        let parent = shape.parent.and_then(|parent| texts.number(reading.starts[parent]));
        let likely = table.likely(parent);
        let hint = &mut self.hints[span];
        let is_likely = hint.is_used && reading.takes(span, likely, texts);
        if hint.is_used {
            hint.count(is_likely);
        }
        if !is_likely {
            if hint.is_used && reading.is_cut_in(texts.get(likely)) {
                return Err(Outcome::Incomplete);
            }
            let rest = reading.rest();
            let text = &rest[..shape.find_end(&layout.fields, rest).ok_or(Outcome::Declined)?];
            let mark = shared.hasher.hash_one(text) as u32;
            let (start, length) = match table.find(text, mark, texts) {
                Some(start) => (start, text.len()),
                None => {
                    let length = self.read(rest, span, layout, columns, shared)?;
                    let mark = if length == text.len() { mark } else { shared.hasher.hash_one(&rest[..length]) as u32 };
                    (table.insert(&rest[..length], mark, &self.codes, shared.row, texts), length)
                }
            };
            reading.starts[span] = start;
            reading.at += length;
            table.remember(parent, start, shared.row, texts);
        }
        if reading.as_expected {
            self.catch_up(reading, span, templates);
        }
        if !reading.as_expected && texts.bytes() > CACHED_BYTES {
            let number = texts.number(reading.starts[span]);
            for child in shape.children.iter().filter(|child| self.hints[**child].is_used) {
                texts.prefetch(spans[*child].likely(number));
            }
        }
        Ok(())
    }

    /// Looks for a row that begins as the one at work does up to `span`, which is not that of the row expected: rows drop out,
    /// and change places.
    fn catch_up(&mut self, reading: &mut Reading<'_>, span: usize, templates: &Templates) {
        let begins_so = |template: &u32| {
            templates.starts(*template).is_some_and(|starts| starts[..=span] == reading.starts[..=span])
        };
        let expected = reading.guess;
        let behind = successors(Some(expected), |template| Some(templates.next(*template))).skip(1).take(SKIPPED);
        let found = once(self.passed_over).chain(behind).find(begins_so);
        reading.as_expected = found.is_some();
        if let Some(found) = found {
            reading.guess = found;
            self.passed_over = expected;
        }
    }

    /// Reads a span's values one by one and keeps their codes. Returns where the span ends.
    fn read(
        &mut self,
        rest: &[u8],
        span: usize,
        layout: &Layout,
        columns: &mut [Column],
        shared: &mut Shared,
    ) -> Result<usize, Outcome> {
        self.codes.clear();
        let take = |field: &Field, at: usize| {
            let Target::Column(column) = field.target else { return None };
            let (value, end) = token::value(rest, at, 1).ok()?;
            let code = columns[column].code(column, value, shared).ok()?;
            if !(shared.lost.is_empty() && shared.replaced.is_empty()) && shared.concerns(column) {
                // What is counted a row cannot be part of a text that stands for many.
                self.with_effects[column] += 1;
                return None;
            }
            self.codes.push(code);
            Some(end)
        };
        layout.spans[span].read(&layout.fields, rest, take).ok_or(Outcome::Declined)
    }

    /// Is it time for a [`Predictor::verdict`]?
    #[inline]
    pub(super) fn is_to_be_judged(&self) -> bool {
        self.rows >= WINDOW
    }

    /// Looks at how it did since it was asked last, before the row `row` of the row group.
    pub(super) fn verdict(&mut self, coded: &mut Coded, columns: &[Column], row: u32) -> Verdict {
        if self.declined * 2 > self.rows {
            return Verdict::Unfit;
        }
        self.windows += 1;
        // Where rows are new nothing can be expected: only rows that were met before tell.
        let is_wrong = self.unexpected * 4 > self.rows && self.as_expected * 20 < self.unexpected;
        self.follows = if self.follows { !is_wrong } else { self.windows.is_multiple_of(PROBE) };
        let long_windows = self.windows / LONG_WINDOW;
        if self.windows.is_multiple_of(LONG_WINDOW) && long_windows.is_power_of_two() {
            coded.look_for_parents(row, |span| self.hints[span].is_poor());
        }
        let is_tried = self.windows.is_multiple_of(PROBE);
        self.hints.iter_mut().for_each(|hint| hint.judge(is_tried));
        (self.rows, self.as_expected, self.unexpected, self.declined) = (0, 0, 0, 0);
        if !self.windows.is_multiple_of(LONG_WINDOW) {
            return Verdict::Good;
        }
        let rows = WINDOW * LONG_WINDOW;
        let now = entries(columns);
        let mut ever_new = Vec::new();
        for (table, span) in coded.spans.iter_mut().zip(&coded.layout.spans) {
            let new = std::mem::take(&mut table.new);
            if new * 20 < rows * 19 {
                continue;
            }
            let targets = coded.layout.fields[span.fields.clone()].iter().map(|field| field.target);
            let of_span = targets.filter_map(|target| match target {
                Target::Column(column) => Some((now[column].saturating_sub(self.entries[column]), column)),
                Target::Extra => None,
            });
            let of_span: Vec<_> = of_span.collect();
            let most = of_span.iter().map(|(new, _)| *new).max().unwrap_or(0);
            ever_new.extend(of_span.into_iter().filter(|(new, _)| *new * 2 >= most).map(|(_, column)| column));
        }
        self.entries = now;
        if ever_new.is_empty() { Verdict::Good } else { Verdict::EverNew(ever_new) }
    }
}

fn entries(columns: &[Column]) -> Vec<usize> {
    let entries = |column: &Column| match column {
        Column::Text(text) => text.entries(),
        _ => 0,
    };
    columns.iter().map(entries).collect()
}

/// A row while it is read.
struct Reading<'a> {
    input: &'a [u8],
    at: usize,
    /// The template that the row is expected to have.
    guess: u32,
    /// All spans so far are those of `guess`.
    as_expected: bool,
    /// Where the spans' texts so far start.
    starts: [u32; MOST_SPANS],
}

impl<'a> Reading<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.input[self.at..]
    }

    /// Passes over a span when its text is the one that starts there.
    #[inline(always)]
    fn takes(&mut self, span: usize, start: u32, texts: &Texts) -> bool {
        let text = texts.get(start);
        let is_there = !text.is_empty() && self.input[self.at..].starts_with(text);
        if is_there {
            self.at += text.len();
            self.starts[span] = start;
        }
        is_there
    }

    /// Does the input end within this text?
    fn is_cut_in(&self, text: &[u8]) -> bool {
        let rest = self.rest();
        text.len() > rest.len() && text.starts_with(rest)
    }

    fn literal(&mut self, text: &[u8]) -> Result<(), Outcome> {
        self.at = behind(self.input, self.at, text)?;
        Ok(())
    }

    #[inline]
    fn value(
        &mut self,
        layout: &Layout,
        field: usize,
        columns: &mut [Column],
        shared: &mut Shared,
        unknown: &mut Unknown,
    ) -> Result<(), Outcome> {
        let field = &layout.fields[field];
        let column = match field.target {
            Target::Column(column) => column,
            Target::Extra => {
                let key_at = self.at - field.literal.len() + field.key_at;
                self.at = unknown.take(self.input, key_at, self.at, shared).map_err(|_| Outcome::Declined)?;
                return if unknown.is_plain() { Ok(()) } else { Err(Outcome::Declined) };
            }
        };
        let values = &mut columns[column];
        if let Column::Decimal(values) = values
            && let Some((value, end)) = number::plain_decimal(self.input, self.at)
        {
            values.push_value(value);
            self.at = end;
            return Ok(());
        }
        let last = values.last_text();
        if !last.is_empty() && self.rest().starts_with(last) {
            self.at += last.len();
            values.push_again();
            return Ok(());
        }
        let (value, end) = token::value(self.input, self.at, 1).map_err(|_| Outcome::Declined)?;
        values.push(column, value, shared).map_err(|_| Outcome::Declined)?;
        self.at = end;
        Ok(())
    }
}

/// The position behind `text`, which has to stand at `at`.
#[inline]
fn behind(input: &[u8], at: usize, text: &[u8]) -> Result<usize, Outcome> {
    if input[at..].starts_with(text) { Ok(at + text.len()) } else { Err(Outcome::Declined) }
}
