//! Columns of the row group at work: values by kind, and how a JSON value becomes one.
//!
//! A column takes values in two ways. [`Column::push`] appends one for the next row. [`Column::code`] only keeps one and
//! gives it a code, which templates of rows hold. Which rows came which way is told at the end by [`Stretch`]es.

use arrow_array::ArrayRef;
use arrow_schema::ArrowError;

use super::amounts::AmountsColumn;
use super::dictionary::TextColumn;
use super::number::{self, Exact};
use super::row_group::{Of, Pending, Piece, Rows, dates, decimals, flags, ids, instants};
use super::text::{self, Repair};
use super::token::{RawText, Value};
use super::values::Values;
use super::{InvalidText, date, token};
use crate::contract::ColumnType;

/// The code of no value.
pub(super) const NULL_CODE: i32 = -1;

/// What the columns of a decoder share.
pub(super) struct Shared {
    pub(super) invalid_text: InvalidText,
    /// The row at work, counted from 0 in its row group.
    pub(super) row: u32,
    /// Columns of the row at work in whose text something was replaced.
    pub(super) replaced: Vec<usize>,
    /// What rounding took from the row at work.
    pub(super) lost: Vec<(usize, Exact)>,
    pub(super) scratch: Vec<u8>,
    pub(super) hasher: foldhash::fast::RandomState,
    /// The field in which rows repeat their enrollment, in lower case, and the number that it has to hold.
    pub(super) enrollment: Option<(Vec<u8>, String)>,
}

impl Shared {
    /// Whether the text of an enrollment field is the enrollment's number, or says nothing.
    pub(super) fn is_of_enrollment(&self, text: &[u8]) -> bool {
        text.is_empty()
            || self.enrollment.as_ref().is_none_or(|(_, number)| number.as_bytes().eq_ignore_ascii_case(text))
    }

    /// Was a value of that column repaired or rounded in the row at work?
    pub(super) fn concerns(&self, column: usize) -> bool {
        self.replaced.contains(&column) || self.lost.iter().any(|(lost_by, _)| *lost_by == column)
    }
}

/// Why a value does not fit into its column.
pub(super) type Reason = &'static str;
/// The reason why text is refused with [`InvalidText::Reject`].
pub(super) const NO_UNICODE: Reason = "text that is not valid Unicode";

/// A stretch of a row group's rows, and where a column's values of these rows are.
pub(super) enum Stretch {
    /// The next so many values that were pushed.
    Pushed(usize),
    /// Those of the texts that the rows of a section use in a span: a code for each.
    Coded { section: usize, span: usize, codes: Vec<i32> },
}

/// A column's values.
pub(super) enum Column {
    Text(TextColumn),
    Decimal(Values<i128>),
    Id(Values<i64>),
    Date(Values<i32>),
    Instant(Values<i64>),
    Flag(Values<bool>),
    Amounts(AmountsColumn),
}

/// Calls a method that all kinds of columns have.
macro_rules! of_kind {
    ($column:expr, $values:ident => $call:expr, $amounts:ident => $other:expr) => {
        match $column {
            Column::Text($values) => $call,
            Column::Decimal($values) => $call,
            Column::Id($values) => $call,
            Column::Date($values) => $call,
            Column::Instant($values) => $call,
            Column::Flag($values) => $call,
            Column::Amounts($amounts) => $other,
        }
    };
}

impl Column {
    pub(super) fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Column::Text(TextColumn::default()),
            ColumnType::Decimal => Column::Decimal(Values::default()),
            ColumnType::Id => Column::Id(Values::default()),
            ColumnType::Date => Column::Date(Values::default()),
            ColumnType::Instant => Column::Instant(Values::default()),
            ColumnType::Flag => Column::Flag(Values::default()),
            ColumnType::NamedAmounts => Column::Amounts(AmountsColumn::default()),
            // Maps are made of a column of text.
            ColumnType::Map => Column::Text(TextColumn::default()),
        }
    }

    /// The raw text, in quotes, of the value that this column took last; a value that is the same to the byte can be
    /// taken with [`Column::push_again`]. Empty when there is none.
    #[inline]
    pub(super) fn last_text(&self) -> &[u8] {
        match self {
            Column::Text(column) => column.last_text(),
            Column::Date(column) => column.last_text(),
            _ => &[],
        }
    }

    /// Forgets [`Column::last_text`].
    pub(super) fn forget_last_text(&mut self) {
        match self {
            Column::Text(column) => column.forget_last_text(),
            Column::Date(column) => column.forget_last_text(),
            _ => {}
        }
    }

    /// Appends the value whose raw text is [`Column::last_text`] once more.
    #[inline]
    pub(super) fn push_again(&mut self) {
        match self {
            Column::Text(column) => column.push_again(),
            Column::Date(column) => column.push_again(),
            _ => {}
        }
    }

    /// Appends a value; on an error nothing is appended. Tells whether the value has more in it than the column keeps.
    pub(super) fn push(&mut self, at: usize, value: Value<'_>, shared: &mut Shared) -> Result<bool, Reason> {
        match self {
            Column::Text(column) => column.push(at, value, shared)?,
            Column::Decimal(column) => column.push(decimal(at, value, shared)?),
            Column::Id(column) => column.push(id(value, shared)?),
            Column::Date(column) => {
                let day = day(value, shared)?;
                if let (Value::Text(RawText { raw, escaped: false, .. }), Some(day)) = (value, day) {
                    column.remember(raw, day);
                }
                column.push(day);
            }
            Column::Instant(column) => column.push(instant(value, shared)?),
            Column::Flag(column) => column.push(flag(value, &mut shared.scratch)?),
            Column::Amounts(column) => return column.push(at, value, shared),
        }
        Ok(false)
    }

    /// Keeps a value and returns its code; on an error nothing is kept.
    pub(super) fn code(&mut self, at: usize, value: Value<'_>, shared: &mut Shared) -> Result<i32, Reason> {
        let row = shared.row;
        Ok(match self {
            Column::Text(column) => column.code(at, value, shared)?,
            Column::Decimal(column) => column.code(decimal(at, value, shared)?, row),
            Column::Id(column) => column.code(id(value, shared)?, row),
            Column::Date(column) => column.code(day(value, shared)?, row),
            Column::Instant(column) => column.code(instant(value, shared)?, row),
            Column::Flag(column) => column.code(flag(value, &mut shared.scratch)?, row),
            // Rows with such a column are never read by prediction.
            Column::Amounts(_) => return Err("a list where values have codes"),
        })
    }

    pub(super) fn push_null(&mut self) {
        of_kind!(self, values => values.push_null(), amounts => amounts.push_null());
    }

    /// Forgets pushed values from `pushed` on, and what was kept for the row group's rows from `row` on.
    pub(super) fn truncate(&mut self, pushed: usize, row: usize) {
        of_kind!(self, values => values.truncate(pushed, row), amounts => amounts.truncate(pushed));
    }

    /// Everything that is kept stays.
    pub(super) fn settle(&mut self) {
        of_kind!(self, values => values.settle(), _amounts => {});
    }

    /// Bytes that is kept, besides a row's own.
    pub(super) fn kept_bytes(&self) -> usize {
        of_kind!(self, values => values.kept_bytes(), amounts => amounts.kept_bytes())
    }

    /// Bytes of a row in the record batch.
    pub(super) fn row_bytes(&self) -> usize {
        match self {
            Column::Text(_) | Column::Date(_) => 4,
            Column::Decimal(_) => 16,
            Column::Id(_) | Column::Instant(_) => 8,
            Column::Flag(_) => 1,
            Column::Amounts(_) => size_of::<(usize, bool)>(),
        }
    }

    /// Takes the rows of all stretches and starts anew. Codes stay good when `keeps_codes` says so.
    pub(super) fn finish(&mut self, stretches: Vec<Stretch>, keeps_codes: bool) -> Result<Pending, ArrowError> {
        match self {
            Column::Text(column) => column.finish(stretches, keeps_codes),
            Column::Decimal(column) => pending(column.finish(stretches, keeps_codes), decimals, Pending::Decimal),
            Column::Id(column) => pending(column.finish(stretches, keeps_codes), ids, Pending::Id),
            Column::Date(column) => pending(column.finish(stretches, keeps_codes), dates, Pending::Date),
            Column::Instant(column) => pending(column.finish(stretches, keeps_codes), instants, Pending::Instant),
            Column::Flag(column) => pending(column.finish(stretches, keeps_codes), flags, Pending::Flag),
            Column::Amounts(column) => column.finish().map(Pending::Ready),
        }
    }
}

/// What has a value for each row becomes an array at once, which takes no copy; the rest waits until it is asked for.
fn pending<N>(
    mut pieces: Vec<Piece<N>>,
    array: fn(Rows<N>) -> Result<ArrayRef, ArrowError>,
    waiting: fn(Vec<Piece<N>>) -> Pending,
) -> Result<Pending, ArrowError> {
    match pieces.pop() {
        Some(Piece { values, nulls, of: Of::Rows }) if pieces.is_empty() => Ok(Pending::Ready(array((values, nulls))?)),
        last => {
            pieces.extend(last);
            Ok(waiting(pieces))
        }
    }
}

/// A number, with what rounding took from it noted.
pub(super) fn decimal(at: usize, value: Value<'_>, shared: &mut Shared) -> Result<Option<i128>, Reason> {
    let Some(rounded) = number_text(value, &mut shared.scratch)?.map(number::decimal).transpose()? else {
        return Ok(None);
    };
    shared.lost.extend(rounded.residue.map(|lost| (at, lost)));
    Ok(Some(rounded.value))
}

fn id(value: Value<'_>, shared: &mut Shared) -> Result<Option<i64>, Reason> {
    number_text(value, &mut shared.scratch)?.map(number::id).transpose()
}

fn day(value: Value<'_>, shared: &mut Shared) -> Result<Option<i32>, Reason> {
    date_text(value, &mut shared.scratch)?.map(date::day).transpose()
}

fn instant(value: Value<'_>, shared: &mut Shared) -> Result<Option<i64>, Reason> {
    date_text(value, &mut shared.scratch)?.map(date::instant).transpose()
}

/// A value as text; none for null.
pub(super) fn text_of<'a>(value: Value<'a>, scratch: &'a mut Vec<u8>) -> Option<(&'a [u8], Repair)> {
    Some(match value {
        Value::Null => return None,
        Value::True => (b"true", Repair::None),
        Value::False => (b"false", Repair::None),
        Value::Number(text) => (text, Repair::None),
        Value::Text(raw) => text::unescape(raw, scratch),
        Value::Nested(json) => text::valid(json, scratch),
    })
}

/// The inside of a string without its escapes.
fn plain_text<'a>(text: RawText<'a>, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if text.escaped { text::unescape(text, scratch).0 } else { text.raw }
}

/// The digits of a number, quoted or not; none for null and empty text.
fn number_text<'a>(value: Value<'a>, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, Reason> {
    match value {
        Value::Null => Ok(None),
        Value::Number(digits) => Ok(Some(digits)),
        Value::Text(text) => match plain_text(text, scratch) {
            b"" => Ok(None),
            digits if token::is_number(digits) => Ok(Some(digits)),
            _ => Err("text that is no number"),
        },
        Value::True | Value::False => Err("a flag where a number belongs"),
        Value::Nested(_) => Err("an object or array where a number belongs"),
    }
}

/// The text of a date; none for null and empty text.
fn date_text<'a>(value: Value<'a>, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, Reason> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => match plain_text(text, scratch) {
            b"" => Ok(None),
            date => Ok(Some(date)),
        },
        _ => Err("not a date in quotes"),
    }
}

fn flag(value: Value<'_>, scratch: &mut Vec<u8>) -> Result<Option<bool>, Reason> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::True => return Ok(Some(true)),
        Value::False => return Ok(Some(false)),
        Value::Number(digits) => digits,
        Value::Text(text) => plain_text(text, scratch),
        Value::Nested(_) => return Err("an object or array where a flag belongs"),
    };
    match text {
        b"" => Ok(None),
        b"0" => Ok(Some(false)),
        b"1" => Ok(Some(true)),
        text if text.eq_ignore_ascii_case(b"true") => Ok(Some(true)),
        text if text.eq_ignore_ascii_case(b"false") => Ok(Some(false)),
        _ => Err("neither true nor false"),
    }
}
