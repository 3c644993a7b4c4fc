//! The columns of a file that is read back, one after the other, as arrays of a bounded size.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, PrimitiveArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::FileReading;
use crate::contract::ColumnType;

/// Most rows of an array.
const MOST_ROWS: usize = 64 * 1024;
/// Most rows of an array of lists or maps, whose texts are spread out.
const MOST_NESTED_ROWS: usize = 1024;
/// About so many bytes of values are in an array, as they stand in their pages.
const BATCH_BYTES: usize = 4 << 20;
/// Bytes of a value of the widest type whose values are all of one size.
const WIDEST: u64 = 16;

/// The columns of a file, of which one column of one row group is read at a time: of no other is anything in memory.
pub(crate) struct Columns<'a> {
    reading: &'a FileReading,
    /// Reads text that has a dictionary as codes, since a long text that repeats would fill the memory.
    coded: ArrowReaderMetadata,
    /// Reads other text as it is: codes would have to be made up.
    plain: ArrowReaderMetadata,
}

impl<'a> Columns<'a> {
    /// Of a file with this footer.
    pub(crate) fn new(reading: &'a FileReading, metadata: ParquetMetaData) -> Result<Self, ParquetError> {
        let metadata = Arc::new(metadata);
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options.clone())?;
        let coded = options.with_schema(Arc::new(with_codes(plain.schema())));
        Ok(Columns { reading, coded: ArrowReaderMetadata::try_new(metadata, coded)?, plain })
    }

    pub(crate) fn metadata(&self) -> &ParquetMetaData {
        self.plain.metadata()
    }

    /// The column chunks that stand in a row group for a column of the schema.
    pub(crate) fn chunks(&self, group: usize, column: usize) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let is_of = move |leaf: &usize| self.plain.parquet_schema().get_column_root_idx(*leaf) == column;
        let chunks = self.metadata().row_group(group).columns();
        (0..chunks.len()).filter(is_of).map(|leaf| &chunks[leaf])
    }

    /// The values of a column of the schema in a row group.
    pub(crate) fn arrays(
        &self,
        group: usize,
        column: usize,
    ) -> Result<impl Iterator<Item = Result<ArrayRef, String>>, ParquetError> {
        let batches = self.reader(group, column).with_batch_size(self.batch_rows(group, column)).build()?;
        Ok(batches.map(|batch| batch.map(|batch| batch.column(0).clone()).map_err(|error| error.to_string())))
    }

    /// The values of some rows of a column in a row group as one array, text as codes.
    pub(crate) fn rows(&self, group: usize, column: usize, rows: Range<usize>) -> Result<ArrayRef, ParquetError> {
        let of_rows = self.reader(group, column).with_offset(rows.start).with_limit(rows.len());
        let mut batches = of_rows.with_batch_size(rows.len()).build()?;
        let array = batches.next().transpose()?.map(|batch| batch.column(0).clone());
        match array.filter(|array| array.len() == rows.len()) {
            Some(array) if *array.data_type() == DataType::Utf8 => one_by_one(array),
            Some(array) => Ok(array),
            None => Err(ParquetError::General(format!("column {column} of row group {group} has fewer rows"))),
        }
    }

    /// About so many bytes the values of a column in a row group take as one array.
    pub(crate) fn array_bytes(&self, group: usize, column: usize) -> usize {
        let texts: u64 = self.chunks(group, column).map(|chunk| chunk.uncompressed_size().unsigned_abs()).sum();
        let rows = self.metadata().row_group(group).num_rows().unsigned_abs();
        (texts + rows * WIDEST) as usize
    }

    fn reader(&self, group: usize, column: usize) -> ParquetRecordBatchReaderBuilder<FileReading> {
        let has_dictionary = self.chunks(group, column).any(|chunk| chunk.dictionary_page_offset().is_some());
        let metadata = if has_dictionary { &self.coded } else { &self.plain };
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.reading.clone(), metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(ProjectionMask::roots(self.plain.parquet_schema(), [column]))
    }

    /// Rows of an array of that column, so that it is of a bounded size.
    fn batch_rows(&self, group: usize, column: usize) -> usize {
        let bytes = self.chunks(group, column).map(|chunk| chunk.uncompressed_size()).sum::<i64>().max(1) as f64;
        let rows = self.metadata().row_group(group).num_rows() as f64 * BATCH_BYTES as f64 / bytes;
        let is_nested = self.chunks(group, column).any(|chunk| chunk.column_descr().max_rep_level() > 0);
        (rows as usize).clamp(1, if is_nested { MOST_NESTED_ROWS } else { MOST_ROWS })
    }
}

/// The schema with codes for text.
fn with_codes(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Field::new(field.name(), ColumnType::Text.arrow(), field.is_nullable()),
        _ => field.as_ref().clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// Text with a code of its own for each row: where the file has no dictionary, the writer found that none pays.
fn one_by_one(texts: ArrayRef) -> Result<ArrayRef, ParquetError> {
    let codes = (0..texts.len() as i32).collect::<Vec<_>>();
    let codes = PrimitiveArray::<Int32Type>::try_new(codes.into(), texts.nulls().cloned())?;
    let (offsets, bytes, _) = texts.as_string::<i32>().clone().into_parts();
    let texts = arrow_array::StringArray::try_new(offsets, bytes, None)?;
    Ok(Arc::new(DictionaryArray::try_new(codes, Arc::new(texts))?))
}
