//! Truth values: one bit each, in PLAIN.

use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBufferBuilder;
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;

use super::chunk::ChunkWriter;
use super::compress::Content;
use super::levels::valid_runs;
use super::{PAGE_ROWS, PageEncoder, statistics};

pub(super) fn encode(
    array: &BooleanArray,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<Statistics, ParquetError> {
    let (mut any_true, mut any_false) = (false, false);
    for start in (0..array.len()).step_by(PAGE_ROWS) {
        let rows = start..array.len().min(start + PAGE_ROWS);
        let mut values = BooleanBufferBuilder::new(rows.len());
        for run in valid_runs(array.nulls(), rows.clone()) {
            values.append_buffer(&array.values().slice(run.start, run.len()));
        }
        let values = values.finish();
        let count = values.count_set_bits();
        any_true |= count > 0;
        any_false |= count < values.len();
        let page = pages.begin(array.nulls(), rows.clone());
        page.extend_from_slice(&values.inner()[..values.len().div_ceil(8)]);
        chunk.write_data(pages.finish(rows.len(), Content::Any)?, Encoding::PLAIN)?;
    }
    let range = (any_true || any_false).then_some((!any_false, any_true));
    Ok(statistics::of_booleans(range, array.null_count()))
}
