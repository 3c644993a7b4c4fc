//! The columns of a file, one after the other, as arrays of a bounded size.

use std::sync::Arc;

use arrow_array::ArrayRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use crate::contract::Contract;
use crate::lake::FileReading;

/// Most rows of an array.
const MOST_ROWS: usize = 64 * 1024;
/// Most rows of an array of lists or maps, whose texts are spread out.
const MOST_NESTED_ROWS: usize = 1024;
/// About so many bytes of values are in an array, as they stand in their pages.
const BATCH_BYTES: usize = 4 << 20;

/// The columns of a file, of which one column of one row group is read at a time: of no other is anything in memory.
pub(super) struct Columns<'a> {
    reading: &'a FileReading,
    /// Reads text that has a dictionary as codes, since a long text that repeats would fill the memory.
    coded: ArrowReaderMetadata,
    /// Reads other text as it is: codes would have to be made up.
    plain: ArrowReaderMetadata,
}

impl<'a> Columns<'a> {
    /// Of a file whose columns are those of the contract.
    pub(super) fn new(
        reading: &'a FileReading,
        metadata: ParquetMetaData,
        contract: &Contract,
    ) -> Result<Self, ParquetError> {
        let metadata = Arc::new(metadata);
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let coded = options.clone().with_schema(contract.arrow_schema());
        Ok(Columns {
            reading,
            coded: ArrowReaderMetadata::try_new(Arc::clone(&metadata), coded)?,
            plain: ArrowReaderMetadata::try_new(metadata, options)?,
        })
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.plain.metadata()
    }

    /// The column chunks that stand in a row group for a column of the contract.
    pub(super) fn chunks(&self, group: usize, column: usize) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let is_of = move |leaf: &usize| self.plain.parquet_schema().get_column_root_idx(*leaf) == column;
        let chunks = self.metadata().row_group(group).columns();
        (0..chunks.len()).filter(is_of).map(|leaf| &chunks[leaf])
    }

    /// The values of a column of the contract in a row group.
    pub(super) fn arrays(
        &self,
        group: usize,
        column: usize,
    ) -> Result<impl Iterator<Item = Result<ArrayRef, String>>, ParquetError> {
        let has_dictionary = self.chunks(group, column).any(|chunk| chunk.dictionary_page_offset().is_some());
        let metadata = if has_dictionary { &self.coded } else { &self.plain };
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(self.reading.clone(), metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(ProjectionMask::roots(self.plain.parquet_schema(), [column]))
            .with_batch_size(self.batch_rows(group, column))
            .build()?;
        Ok(batches.map(|batch| batch.map(|batch| batch.column(0).clone()).map_err(|error| error.to_string())))
    }

    /// Rows of an array of that column, so that it is of a bounded size.
    fn batch_rows(&self, group: usize, column: usize) -> usize {
        let bytes = self.chunks(group, column).map(|chunk| chunk.uncompressed_size()).sum::<i64>().max(1) as f64;
        let rows = self.metadata().row_group(group).num_rows() as f64 * BATCH_BYTES as f64 / bytes;
        let is_nested = self.chunks(group, column).any(|chunk| chunk.column_descr().max_rep_level() > 0);
        (rows as usize).clamp(1, if is_nested { MOST_NESTED_ROWS } else { MOST_ROWS })
    }
}
