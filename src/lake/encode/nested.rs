//! Columns of lists and maps, by Parquet's own column writers: such columns are rare or small.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_schema::{DataType, FieldRef, Schema};
use arrow_select::take::take;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression as Codec;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use super::options::nested_properties;

/// Rows of a dictionary of lists or maps that are spread out at once.
const ROWS_AT_ONCE: usize = 4_096;

/// Whether a column of that type has other columns in it.
pub(super) fn is_nested(kind: &DataType) -> bool {
    matches!(kind, DataType::List(_) | DataType::Map(..) | DataType::Struct(_))
}

/// Encodes a column: a chunk for each of the columns in it.
pub(super) fn encode(field: &FieldRef, codec: Codec, array: &ArrayRef) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
    let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
    let columns = ArrowSchemaConverter::new().convert(&schema)?;
    // The writers are made for a file; this one is never written.
    let properties = nested_properties(codec);
    let file = SerializedFileWriter::new(Vec::new(), columns.root_schema_ptr(), properties)?;
    let mut writers = ArrowRowGroupWriterFactory::new(&file, schema).create_column_writers(0)?;
    let mut write = |rows: &ArrayRef| -> Result<(), ParquetError> {
        for (writer, leaf) in writers.iter_mut().zip(compute_leaves(field, rows)?) {
            writer.write(&leaf)?;
        }
        Ok(())
    };
    match array.as_dictionary_opt::<Int32Type>() {
        None => write(array)?,
        Some(dictionary) => {
            for start in (0..dictionary.len()).step_by(ROWS_AT_ONCE) {
                let rows = ROWS_AT_ONCE.min(dictionary.len() - start);
                write(&take(dictionary.values(), &dictionary.keys().slice(start, rows), None)?)?;
            }
        }
    }
    writers.into_iter().map(|writer| writer.close()).collect()
}
