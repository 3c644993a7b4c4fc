//! Text: the batch's dictionary and its codes as they are, or each row's text where a dictionary does not pay.

use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, StringArray};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;

use super::chunk::ChunkWriter;
use super::codes::{self, Codes, Used};
use super::compress::Content;
use super::levels::valid_runs;
use super::{PageEncoder, SMALL_DICTIONARY, statistics};

/// Pages of text close at this size: such a column can be as large as the row group.
const PAGE_BYTES: usize = 1024 * 1024;
/// Dictionaries stay below this, since readers hold them as a whole.
const DICTIONARY_BYTES: usize = 8 * 1024 * 1024;

pub(super) fn encode(
    array: &DictionaryArray<Int32Type>,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<Statistics, ParquetError> {
    let no_text = || ParquetError::General("a dictionary of text holds something else".to_owned());
    let texts = array.values().as_any().downcast_ref::<StringArray>().ok_or_else(no_text)?;
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let null_count = nulls.as_ref().map_or(0, |nulls| nulls.null_count());
    let codes = Codes { codes: array.keys().values().clone(), nulls };
    let used = codes.used(texts.len());
    let range = used.entries().map(|entry| texts.value(entry)).fold(None, |range, text| match range {
        None => Some((text, text)),
        Some((min, max)) => Some((text.min(min), text.max(max))),
    });
    if dictionary_pays(texts, &used, array.len() - null_count) {
        write_dictionary(texts, &used, pages, chunk)?;
        codes::write(&codes, &used, pages, chunk)?;
    } else {
        write_plain(texts, &codes, pages, chunk)?;
    }
    Ok(statistics::of_text(range, null_count))
}

/// Whether text of `rows` rows is written as codes: it has few texts, or they repeat. A dictionary of no texts is none.
fn dictionary_pays(texts: &StringArray, used: &Used, rows: usize) -> bool {
    let few = used.len() <= SMALL_DICTIONARY || used.len() <= rows / 2;
    used.len() > 0 && few && used.entries().map(|entry| plain_bytes(texts, entry)).sum::<usize>() <= DICTIONARY_BYTES
}

fn write_dictionary(
    texts: &StringArray,
    used: &Used,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<(), ParquetError> {
    pages.page.clear();
    used.entries().for_each(|entry| append(texts.value(entry), &mut pages.page));
    chunk.write_dictionary(pages.compressor.compress(&pages.page, Content::Texts)?, pages.page.len(), used.len())
}

fn write_plain(
    texts: &StringArray,
    codes: &Codes,
    pages: &mut PageEncoder,
    chunk: &mut ChunkWriter,
) -> Result<(), ParquetError> {
    let mut start = 0;
    while start < codes.codes.len() {
        let rows = start..page_end(texts, codes, start);
        start = rows.end;
        let page = pages.begin(codes.nulls.as_ref(), rows.clone());
        for run in valid_runs(codes.nulls.as_ref(), rows.clone()) {
            codes.codes[run].iter().for_each(|code| append(texts.value(*code as usize), page));
        }
        chunk.write_data(pages.finish(rows.len(), Content::Texts)?, Encoding::PLAIN)?;
    }
    Ok(())
}

/// Behind the row that fills the page.
fn page_end(texts: &StringArray, codes: &Codes, start: usize) -> usize {
    let mut bytes = 0;
    for row in start..codes.codes.len() {
        if codes.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            bytes += plain_bytes(texts, codes.codes[row] as usize);
        }
        if bytes >= PAGE_BYTES {
            return row + 1;
        }
    }
    codes.codes.len()
}

fn append(text: &str, page: &mut Vec<u8>) {
    page.extend_from_slice(&(text.len() as u32).to_le_bytes());
    page.extend_from_slice(text.as_bytes());
}

/// Bytes of a text in PLAIN: with its length.
fn plain_bytes(texts: &StringArray, entry: usize) -> usize {
    texts.value_length(entry) as usize + size_of::<u32>()
}
