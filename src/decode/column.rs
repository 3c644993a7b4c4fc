//! Column builders: one column's values of the row group at work. All can be cut back to an earlier row.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, BooleanArray, DictionaryArray, Int32Array, PrimitiveArray, StringArray};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use hashbrown::HashTable;

use super::number::{self, Exact};
use super::text::{self, Repair};
use super::token::{RawText, Value};
use super::{InvalidText, date, token};
use crate::contract::{ColumnType, DECIMAL_PRECISION, DECIMAL_SCALE};

/// Dictionary entries of a row group after which interning stops when more than half of the values were distinct.
/// Fuzzers and unit tests pass it with pages that they can write.
const DICTIONARY_ENTRIES: usize = if cfg!(any(test, fuzzing)) { 8 } else { 16_384 };
/// Bytes accounted for an entry of a dictionary besides its text: offset, birth, table slot and slack.
const ENTRY_BYTES: usize = 24;
const NULL_CODE: i32 = -1;

/// What the columns of a decoder share.
pub(super) struct Shared {
    pub(super) invalid_text: InvalidText,
    /// Columns of the row at work in whose text something was replaced.
    pub(super) replaced: Vec<usize>,
    /// What rounding took from the row at work.
    pub(super) lost: Vec<(usize, Exact)>,
    pub(super) scratch: Vec<u8>,
    pub(super) hasher: foldhash::fast::RandomState,
}

/// Why a value does not fit into its column.
pub(super) type Reason = &'static str;
/// The reason why text is refused with [`InvalidText::Reject`].
pub(super) const NO_UNICODE: Reason = "text that is not valid Unicode";

/// A column's builder.
pub(super) enum Column {
    Text(TextColumn),
    Decimal(PrimitiveColumn<Decimal128Type>),
    Id(PrimitiveColumn<Int64Type>),
    Date(PrimitiveColumn<Date32Type>),
    Instant(PrimitiveColumn<TimestampMicrosecondType>),
    Flag(FlagColumn),
}

impl Column {
    pub(super) fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Column::Text(TextColumn::default()),
            ColumnType::Decimal => Column::Decimal(PrimitiveColumn::default()),
            ColumnType::Id => Column::Id(PrimitiveColumn::default()),
            ColumnType::Date => Column::Date(PrimitiveColumn::default()),
            ColumnType::Instant => Column::Instant(PrimitiveColumn::default()),
            ColumnType::Flag => Column::Flag(FlagColumn::default()),
        }
    }

    /// The raw text, in quotes, of the value that this column took last; a value that is the same to the byte can be
    /// taken with [`Column::push_again`]. Empty when there is none.
    pub(super) fn last_text(&self) -> &[u8] {
        match self {
            Column::Text(column) => &column.last_text,
            Column::Date(column) => &column.last_text,
            _ => &[],
        }
    }

    /// Appends the value whose raw text is [`Column::last_text`] once more.
    pub(super) fn push_again(&mut self) {
        match self {
            Column::Text(column) => column.codes.push(column.last_code),
            Column::Date(column) => column.push_value(column.last),
            _ => {}
        }
    }

    /// Appends a value; on an error nothing is appended.
    pub(super) fn push(&mut self, at: usize, value: Value<'_>, shared: &mut Shared) -> Result<(), Reason> {
        match self {
            Column::Text(column) => column.push(at, value, shared),
            Column::Decimal(column) => {
                let rounded = number_text(value, &mut shared.scratch)?.map(number::decimal).transpose()?;
                match rounded {
                    None => column.push_null(),
                    Some(rounded) => {
                        column.push_value(rounded.value);
                        shared.lost.extend(rounded.residue.map(|lost| (at, lost)));
                    }
                }
                Ok(())
            }
            Column::Id(column) => column.push(number_text(value, &mut shared.scratch)?.map(number::id).transpose()?),
            Column::Date(column) => {
                let day = date_text(value, &mut shared.scratch)?.map(date::day).transpose()?;
                column.remember(value, day);
                column.push(day)
            }
            Column::Instant(column) => {
                column.push(date_text(value, &mut shared.scratch)?.map(date::instant).transpose()?)
            }
            Column::Flag(column) => {
                column.push(flag(value, &mut shared.scratch)?);
                Ok(())
            }
        }
    }

    pub(super) fn push_null(&mut self) {
        match self {
            Column::Text(column) => column.codes.push(NULL_CODE),
            Column::Decimal(column) => column.push_null(),
            Column::Id(column) => column.push_null(),
            Column::Date(column) => column.push_null(),
            Column::Instant(column) => column.push_null(),
            Column::Flag(column) => column.push(None),
        }
    }

    /// Forgets the rows from `rows` on, and the dictionary entries that came with them.
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Column::Text(column) => column.truncate(rows),
            Column::Decimal(column) => column.truncate(rows),
            Column::Id(column) => column.truncate(rows),
            Column::Date(column) => column.truncate(rows),
            Column::Instant(column) => column.truncate(rows),
            Column::Flag(column) => {
                column.values.truncate(rows);
                column.nulls.truncate(rows);
            }
        }
    }

    /// Bytes that the column's rows and dictionary hold.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Column::Text(column) => column.codes.len() * 4 + column.bytes.len() + column.ends.len() * ENTRY_BYTES,
            Column::Decimal(column) => column.values.len() * 16,
            Column::Id(column) => column.values.len() * 8,
            Column::Date(column) => column.values.len() * 4,
            Column::Instant(column) => column.values.len() * 8,
            Column::Flag(column) => column.values.len() / 4,
        }
    }

    /// Takes all rows as an array and starts anew.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Column::Text(column) => Arc::new(column.finish()?),
            Column::Decimal(column) => {
                Arc::new(column.finish().with_precision_and_scale(DECIMAL_PRECISION, DECIMAL_SCALE)?)
            }
            Column::Id(column) => Arc::new(column.finish()),
            Column::Date(column) => Arc::new(column.finish()),
            Column::Instant(column) => Arc::new(column.finish().with_timezone("UTC")),
            Column::Flag(column) => Arc::new(column.finish()),
        })
    }
}

/// Values of a fixed width.
pub(super) struct PrimitiveColumn<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
    last_text: Vec<u8>,
    last: T::Native,
}

impl<T: ArrowPrimitiveType> Default for PrimitiveColumn<T> {
    fn default() -> Self {
        PrimitiveColumn {
            values: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            last_text: Vec::new(),
            last: T::Native::default(),
        }
    }
}

impl<T: ArrowPrimitiveType> PrimitiveColumn<T> {
    /// All values; where there is none it is the type's zero.
    pub(super) fn values(&self) -> &[T::Native] {
        &self.values
    }

    /// The value of the newest row.
    pub(super) fn newest(&self) -> Option<T::Native> {
        let row = self.values.len().checked_sub(1)?;
        self.nulls.is_valid(row).then(|| self.values[row])
    }

    fn push_value(&mut self, value: T::Native) {
        self.values.push(value);
        self.nulls.append_non_null();
    }

    fn push_null(&mut self) {
        self.values.push(T::Native::default());
        self.nulls.append_null();
    }

    fn push(&mut self, value: Option<T::Native>) -> Result<(), Reason> {
        match value {
            Some(value) => self.push_value(value),
            None => self.push_null(),
        }
        Ok(())
    }

    /// Keeps a value that came as plain text, to know it again.
    fn remember(&mut self, value: Value<'_>, read: Option<T::Native>) {
        if let (Value::Text(RawText { raw, escaped: false, .. }), Some(read)) = (value, read) {
            quote_into(&mut self.last_text, raw);
            self.last = read;
        }
    }

    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.nulls.truncate(rows);
    }

    fn finish(&mut self) -> PrimitiveArray<T> {
        let values = ScalarBuffer::from(std::mem::take(&mut self.values));
        PrimitiveArray::new(values, self.nulls.finish())
    }
}

/// True and false.
pub(super) struct FlagColumn {
    values: BooleanBufferBuilder,
    nulls: NullBufferBuilder,
}

impl Default for FlagColumn {
    fn default() -> Self {
        FlagColumn { values: BooleanBufferBuilder::new(0), nulls: NullBufferBuilder::new(0) }
    }
}

impl FlagColumn {
    fn push(&mut self, value: Option<bool>) {
        self.values.append(value.unwrap_or(false));
        self.nulls.append(value.is_some());
    }

    fn finish(&mut self) -> BooleanArray {
        BooleanArray::new(self.values.finish(), self.nulls.finish())
    }
}

/// Text as codes into a dictionary that is local to the row group.
///
/// Past [`DICTIONARY_ENTRIES`], when most values are new, looking them up costs more than it saves: then each value
/// becomes an entry of its own, until the row group ends.
#[derive(Default)]
pub(super) struct TextColumn {
    codes: Vec<i32>,
    /// The entries' texts, one behind the other.
    bytes: Vec<u8>,
    /// Where each entry ends in `bytes`.
    ends: Vec<i32>,
    /// For each entry, the row that brought it and its mark in `table`.
    births: Vec<(u32, u32)>,
    /// Mark (32 bits of the text's hash) and code of each entry.
    table: HashTable<(u32, i32)>,
    interning_stopped: bool,
    last_text: Vec<u8>,
    last_code: i32,
}

impl TextColumn {
    fn push(&mut self, at: usize, value: Value<'_>, shared: &mut Shared) -> Result<(), Reason> {
        let mut scratch = std::mem::take(&mut shared.scratch);
        let (text, repair) = match value {
            Value::Null => (None, Repair::None),
            Value::True => (Some(b"true".as_slice()), Repair::None),
            Value::False => (Some(b"false".as_slice()), Repair::None),
            Value::Number(text) => (Some(text), Repair::None),
            Value::Text(raw) => {
                let (text, repair) = text::unescape(raw, &mut scratch);
                (Some(text), repair)
            }
            Value::Nested(json) => {
                let (text, repair) = text::valid(json, &mut scratch);
                (Some(text), repair)
            }
        };
        let outcome = match (text, repair, shared.invalid_text) {
            (_, Repair::Replaced, InvalidText::Reject) => Err(NO_UNICODE),
            (None, ..) => {
                self.codes.push(NULL_CODE);
                Ok(())
            }
            (Some(text), repair, _) => {
                let code = self.intern(text, &shared.hasher);
                self.codes.push(code);
                match value {
                    Value::Text(raw) if repair == Repair::None => {
                        quote_into(&mut self.last_text, raw.raw);
                        self.last_code = code;
                    }
                    _ if repair == Repair::Replaced => shared.replaced.push(at),
                    _ => {}
                }
                Ok(())
            }
        };
        shared.scratch = scratch;
        outcome
    }

    /// Appends text that is known to be valid.
    pub(super) fn push_text(&mut self, text: &str, shared: &Shared) {
        let code = self.intern(text.as_bytes(), &shared.hasher);
        self.codes.push(code);
    }

    fn entry<'a>(bytes: &'a [u8], ends: &[i32], code: i32) -> &'a [u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { ends[code - 1] as usize };
        &bytes[start..ends[code] as usize]
    }

    fn intern(&mut self, text: &[u8], hasher: &foldhash::fast::RandomState) -> i32 {
        if self.interning_stopped {
            return self.append(text, 0);
        }
        let mark_of_text = hasher.hash_one(text) as u32;
        let (bytes, ends) = (&self.bytes, &self.ends);
        let same = |(mark, code): &(u32, i32)| *mark == mark_of_text && Self::entry(bytes, ends, *code) == text;
        if let Some((_, code)) = self.table.find(spread(mark_of_text), same) {
            return *code;
        }
        let code = self.append(text, mark_of_text);
        self.table.insert_unique(spread(mark_of_text), (mark_of_text, code), |(mark, _)| spread(*mark));
        if self.ends.len() > DICTIONARY_ENTRIES && self.ends.len() * 2 > self.codes.len() {
            self.interning_stopped = true;
            self.table = HashTable::new();
        }
        code
    }

    /// Adds an entry for the row that comes next. [`Decoder::new`](super::Decoder::new) bounds a row group so that
    /// neither its entries nor their bytes leave 31 bits.
    fn append(&mut self, text: &[u8], mark: u32) -> i32 {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as i32);
        self.births.push((self.codes.len() as u32, mark));
        self.ends.len() as i32 - 1
    }

    fn truncate(&mut self, rows: usize) {
        self.codes.truncate(rows);
        while let Some((_, mark)) = self.births.pop_if(|(row, _)| *row as usize >= rows) {
            self.ends.pop();
            let code = self.ends.len() as i32;
            if let Ok(entry) = self.table.find_entry(spread(mark), |(_, known)| *known == code) {
                entry.remove();
            }
        }
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
        if self.last_code as usize >= self.ends.len() {
            self.last_text.clear();
        }
    }

    fn finish(&mut self) -> Result<DictionaryArray<Int32Type>, ArrowError> {
        let codes = std::mem::take(&mut self.codes);
        let nulls = codes.contains(&NULL_CODE).then(|| NullBuffer::from_iter(codes.iter().map(|code| *code >= 0)));
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0);
        offsets.append(&mut self.ends);
        let bytes = std::mem::take(&mut self.bytes);
        let entries = StringArray::try_new(OffsetBuffer::new(offsets.into()), bytes.into(), None)?;
        self.births.clear();
        self.table.clear();
        self.interning_stopped = false;
        self.last_text.clear();
        DictionaryArray::try_new(Int32Array::try_new(codes.into(), nulls)?, Arc::new(entries))
    }
}

/// Spreads 32 bits of a hash over the 64 that the table looks at.
fn spread(mark: u32) -> u64 {
    u64::from(mark).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn quote_into(quoted: &mut Vec<u8>, raw: &[u8]) {
    quoted.clear();
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
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
