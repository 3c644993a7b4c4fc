//! Columns of a record batch to column chunks of a row group.
//!
//! Parquet's own column writers intern every text again. Here the batch's dictionaries and codes are written as they
//! are, and columns with the same codes share their pages.
//!
//! Measured with DuckDB, Spark, Polars and PyArrow: data pages of version 1 with PLAIN and RLE_DICTIONARY are read by
//! all, in all their versions; BYTE_STREAM_SPLIT and DELTA_BYTE_ARRAY on decimals are not. Statistics stand in the
//! footer, for each column chunk; there is no page index.

mod boolean;
mod chunk;
mod codes;
mod compress;
mod dictionary;
mod fixed;
mod hybrid;
mod levels;
mod nested;
mod options;
mod statistics;
#[cfg(test)]
mod tests;
mod text;

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, FieldRef, Schema, TimeUnit};
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::basic::Compression as Codec;
use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

use chunk::{ChunkWriter, ColumnChunk, DataPage};
use codes::{KnownPages, Repetition};
use compress::{Compressor, Content};
use fixed::FixedWidth;

pub(super) use options::file_properties;
pub use options::{Compression, CompressionError, WriteOptions};

/// Rows of a page. A codec finds repetitions only within a page, and decimals of so many rows are 4 MiB.
const PAGE_ROWS: usize = 262_144;
/// A dictionary with at most so many entries is kept even when most rows have a value of their own.
const SMALL_DICTIONARY: usize = 16 * 1024;

/// Encodes the columns of row groups, one at a time.
#[derive(Debug)]
pub(super) struct RowGroupEncoder {
    /// The columns of the schema, each with the first of those that stand in the file for it.
    columns: Vec<(FieldRef, ColumnDescPtr)>,
    codec: Codec,
    pages: PageEncoder,
}

/// What the columns of a row group share.
#[derive(Debug)]
struct PageEncoder {
    compressor: Compressor,
    known: KnownPages,
    repetition: Repetition,
    /// The page that is being put together.
    page: Vec<u8>,
}

impl RowGroupEncoder {
    pub(super) fn new(
        schema: &Schema,
        columns: &SchemaDescriptor,
        options: &WriteOptions,
    ) -> Result<Self, ParquetError> {
        let compressor = Compressor::new(options.compression)?;
        let first = |field: usize| (0..columns.num_columns()).find(|at| columns.get_column_root_idx(*at) == field);
        let with_first = schema.fields().iter().enumerate().map(|(at, field)| {
            let first =
                first(at).ok_or_else(|| ParquetError::General(format!("no column stands for {}", field.name())))?;
            Ok((Arc::clone(field), columns.column(first)))
        });
        Ok(RowGroupEncoder {
            columns: with_first.collect::<Result<_, ParquetError>>()?,
            codec: options.compression.codec(),
            pages: PageEncoder {
                compressor,
                known: KnownPages::default(),
                repetition: Repetition::default(),
                page: Vec::new(),
            },
        })
    }

    /// Encodes the column at `column`: its pages, compressed, in memory. The array is let go.
    pub(super) fn encode(&mut self, column: usize, array: ArrayRef) -> Result<EncodedColumn, ParquetError> {
        let (field, first) = &self.columns[column];
        if nested::is_nested(field.data_type()) {
            return Ok(EncodedColumn::Nested(nested::encode(field, self.codec, &array)?));
        }
        let mut chunk = ChunkWriter::new(first, self.codec);
        let statistics = self.pages.encode(array.as_ref(), &mut chunk)?;
        drop(array);
        Ok(EncodedColumn::Flat(Box::new(chunk.close(statistics)?)))
    }

    /// Ends the row group: nothing of its columns is kept.
    pub(super) fn end_row_group(&mut self) {
        self.pages.known.clear();
    }
}

/// A column of the schema, ready to be appended to the row group.
pub(super) enum EncodedColumn {
    /// One column of the file.
    Flat(Box<ColumnChunk>),
    /// Several.
    Nested(Vec<ArrowColumnChunk>),
}

impl EncodedColumn {
    /// Appends it to a row group, whose next column it must be.
    pub(super) fn append_to<W: Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        match self {
            EncodedColumn::Flat(chunk) => chunk.append_to(group),
            EncodedColumn::Nested(chunks) => chunks.into_iter().try_for_each(|chunk| chunk.append_to_row_group(group)),
        }
    }
}

impl PageEncoder {
    /// Begins a page of these rows, with their levels; the values are to be appended.
    fn begin(&mut self, nulls: Option<&NullBuffer>, rows: Range<usize>) -> &mut Vec<u8> {
        self.page.clear();
        levels::encode(nulls, rows, &mut self.page);
        &mut self.page
    }

    /// Compresses the page that is put together.
    fn finish(&mut self, rows: usize, content: Content) -> Result<DataPage, ParquetError> {
        let bytes = self.compressor.compress(&self.page, content)?;
        Ok(DataPage { bytes, uncompressed: self.page.len(), rows })
    }

    fn encode(&mut self, array: &dyn Array, chunk: &mut ChunkWriter) -> Result<Statistics, ParquetError> {
        match array.data_type() {
            DataType::Dictionary(_, values) => {
                let dictionary = array.as_dictionary::<Int32Type>();
                match values.as_ref() {
                    DataType::Utf8 => text::encode(dictionary, self, chunk),
                    DataType::Decimal128(..) => fixed::encode_dictionary::<Decimal128Type>(dictionary, self, chunk),
                    DataType::Int64 => fixed::encode_dictionary::<Int64Type>(dictionary, self, chunk),
                    other => Err(ParquetError::NYI(format!("dictionaries of {other} are not encoded"))),
                }
            }
            DataType::Decimal128(..) => self.encode_fixed::<Decimal128Type>(array, chunk),
            DataType::Int64 => self.encode_fixed::<Int64Type>(array, chunk),
            DataType::Date32 => self.encode_fixed::<Date32Type>(array, chunk),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                self.encode_fixed::<TimestampMicrosecondType>(array, chunk)
            }
            DataType::Boolean => boolean::encode(array.as_boolean(), self, chunk),
            other => Err(ParquetError::NYI(format!("no contract has columns of {other}"))),
        }
    }

    fn encode_fixed<T: ArrowPrimitiveType<Native: FixedWidth>>(
        &mut self,
        array: &dyn Array,
        chunk: &mut ChunkWriter,
    ) -> Result<Statistics, ParquetError> {
        fixed::encode(array.as_primitive::<T>().values(), array.nulls(), self, chunk)
    }
}
