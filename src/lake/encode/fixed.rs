//! Values of a fixed width: decimals, numbers, dates, instants. They are interned here, as long as that pays.

use std::fmt::Debug;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type};
use arrow_array::{Array, DictionaryArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;

use super::chunk::ChunkWriter;
use super::codes::{self, Codes, Used};
use super::compress::Content;
use super::dictionary::{Dictionary, intern, most_entries};
use super::levels::valid_runs;
use super::{PAGE_ROWS, PageEncoder, statistics};

/// A value as it stands in Arrow.
pub(super) trait FixedWidth: ArrowNativeType + Ord + Hash + Debug {
    /// How far it is above `min`, where that is not far.
    fn above(self, min: Self) -> Option<usize>;
    /// Appends values in PLAIN.
    fn append(values: &[Self], page: &mut Vec<u8>);
    /// Statistics of a column chunk.
    fn statistics(range: Option<(Self, Self)>, nulls: usize) -> Statistics;
}

pub(super) fn encode<T: FixedWidth>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<Statistics, ParquetError> {
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    let range = range(values, nulls);
    match range.and_then(|(min, max)| intern(values, nulls, min, max)) {
        Some(dictionary) => write_coded(dictionary, nulls, pages, chunk)?,
        None => write_plain(values, nulls, pages, chunk)?,
    }
    Ok(T::statistics(range, nulls.map_or(0, NullBuffer::null_count)))
}

/// Encodes the values of a dictionary, with its codes as they are where a dictionary pays.
pub(super) fn encode_dictionary<T: ArrowPrimitiveType<Native: FixedWidth>>(
    array: &DictionaryArray<Int32Type>,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<Statistics, ParquetError> {
    let values = array.values().as_primitive::<T>().values();
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let null_count = nulls.as_ref().map_or(0, NullBuffer::null_count);
    let codes = Codes { codes: array.keys().values().clone(), nulls };
    let used = codes.used(values.len());
    if used.len() == 0 || used.len() > most_entries(array.len() - null_count) {
        let value = |code: &i32| values.get(*code as usize).copied().unwrap_or_default();
        let values: Vec<_> = codes.codes.iter().map(value).collect();
        return encode(&values, codes.nulls.as_ref(), pages, chunk);
    }
    let entries: Vec<_> = used.entries().map(|entry| values[entry]).collect();
    write_dictionary(&entries, pages, chunk)?;
    codes::write(&codes, &used, pages, chunk)?;
    Ok(T::Native::statistics(range(&entries, None), null_count))
}

fn range<T: FixedWidth>(values: &[T], nulls: Option<&NullBuffer>) -> Option<(T, T)> {
    let mut runs = valid_runs(nulls, 0..values.len()).filter(|run| !run.is_empty()).peekable();
    let first = values[runs.peek()?.start];
    Some(runs.fold((first, first), |range, run| {
        values[run].iter().fold(range, |(min, max), value| (min.min(*value), max.max(*value)))
    }))
}

fn write_coded<T: FixedWidth>(
    dictionary: Dictionary<T>,
    nulls: Option<&NullBuffer>,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<(), ParquetError> {
    write_dictionary(&dictionary.entries, pages, chunk)?;
    let codes = Codes { codes: ScalarBuffer::from(dictionary.codes), nulls: nulls.cloned() };
    codes::write(&codes, &Used::First(dictionary.entries.len()), pages, chunk)
}

fn write_dictionary<T: FixedWidth>(
    entries: &[T],
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<(), ParquetError> {
    let PageEncoder { compressor, page, .. } = pages;
    page.clear();
    T::append(entries, page);
    chunk.write_dictionary(compressor.compress(page, Content::Numbers)?, page.len(), entries.len())
}

fn write_plain<T: FixedWidth>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<(), ParquetError> {
    let content = if pages.repetition.is_seen() { Content::RepeatingNumbers } else { Content::Numbers };
    for start in (0..values.len()).step_by(PAGE_ROWS) {
        let rows = start..values.len().min(start + PAGE_ROWS);
        let page = pages.begin(nulls, rows.clone());
        valid_runs(nulls, rows.clone()).for_each(|run| T::append(&values[run], page));
        chunk.write_data(pages.finish(rows.len(), content)?, Encoding::PLAIN)?;
    }
    Ok(())
}

/// Appends what `bytes` makes of each value, in one loop over places that are there already.
fn append_each<T: Copy, const N: usize>(values: &[T], page: &mut Vec<u8>, bytes: impl Fn(T) -> [u8; N]) {
    let start = page.len();
    page.resize(start + values.len() * N, 0);
    let places = page[start..].as_chunks_mut::<N>().0;
    places.iter_mut().zip(values).for_each(|(place, value)| *place = bytes(*value));
}

impl FixedWidth for i32 {
    fn above(self, min: Self) -> Option<usize> {
        usize::try_from(self.checked_sub(min)?).ok()
    }

    fn append(values: &[Self], page: &mut Vec<u8>) {
        append_each(values, page, i32::to_le_bytes);
    }

    fn statistics(range: Option<(Self, Self)>, nulls: usize) -> Statistics {
        Statistics::Int32(statistics::of_signed(range, nulls))
    }
}

impl FixedWidth for i64 {
    fn above(self, min: Self) -> Option<usize> {
        usize::try_from(self.checked_sub(min)?).ok()
    }

    fn append(values: &[Self], page: &mut Vec<u8>) {
        append_each(values, page, i64::to_le_bytes);
    }

    fn statistics(range: Option<(Self, Self)>, nulls: usize) -> Statistics {
        Statistics::Int64(statistics::of_signed(range, nulls))
    }
}

impl FixedWidth for i128 {
    fn above(self, min: Self) -> Option<usize> {
        usize::try_from(self.checked_sub(min)?).ok()
    }

    /// 16 bytes, the highest first.
    fn append(values: &[Self], page: &mut Vec<u8>) {
        append_each(values, page, i128::to_be_bytes);
    }

    fn statistics(range: Option<(Self, Self)>, nulls: usize) -> Statistics {
        statistics::of_decimals(range, nulls)
    }
}
