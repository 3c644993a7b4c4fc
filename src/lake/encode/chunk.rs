//! A column chunk while it is put together: compressed pages with their headers, and what the footer says of them.

use bytes::Bytes;
use parquet::basic::{Compression as Codec, Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// A page of values, compressed.
#[derive(Debug, Clone)]
pub(super) struct DataPage {
    /// The page without its header.
    pub(super) bytes: Bytes,
    /// Its size before it was compressed.
    pub(super) uncompressed: usize,
    /// Rows in it, null or not.
    pub(super) rows: usize,
}

/// Pages of one column of a row group, in the order of the file.
pub(super) struct ChunkWriter {
    column: ColumnDescPtr,
    codec: Codec,
    sink: TrackedWrite<Vec<u8>>,
    encodings: Vec<PageEncodingStats>,
    /// Where the pages of values begin, which is behind the dictionary.
    data_offset: u64,
    uncompressed: usize,
    rows: usize,
}

/// A column chunk, ready to be appended to the row group.
#[derive(Debug)]
pub(in super::super) struct ColumnChunk {
    bytes: Bytes,
    close: ColumnCloseResult,
}

impl ChunkWriter {
    pub(super) fn new(column: &ColumnDescPtr, codec: Codec) -> Self {
        ChunkWriter {
            column: column.clone(),
            codec,
            sink: TrackedWrite::new(Vec::new()),
            encodings: Vec::new(),
            data_offset: 0,
            uncompressed: 0,
            rows: 0,
        }
    }

    /// Writes the dictionary, before any page of codes.
    pub(super) fn write_dictionary(
        &mut self,
        bytes: Bytes,
        uncompressed: usize,
        entries: usize,
    ) -> Result<(), ParquetError> {
        let encoding = Encoding::PLAIN;
        let page = Page::DictionaryPage { buf: bytes, num_values: entries as u32, encoding, is_sorted: false };
        self.write(page, uncompressed)?;
        self.data_offset = self.sink.bytes_written() as u64;
        Ok(())
    }

    /// Writes a page of values.
    pub(super) fn write_data(&mut self, page: DataPage, encoding: Encoding) -> Result<(), ParquetError> {
        self.rows += page.rows;
        let data = Page::DataPage {
            buf: page.bytes,
            num_values: page.rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        self.write(data, page.uncompressed)
    }

    fn write(&mut self, page: Page, uncompressed: usize) -> Result<(), ParquetError> {
        let (page_type, encoding) = (page.page_type(), page.encoding());
        let written = SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, uncompressed))?;
        self.uncompressed += written.uncompressed_size;
        match self.encodings.last_mut() {
            Some(last) if last.page_type == page_type && last.encoding == encoding => last.count += 1,
            _ => self.encodings.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        Ok(())
    }

    pub(super) fn close(self, statistics: Statistics) -> Result<ColumnChunk, ParquetError> {
        let dictionary = self.encodings.first().is_some_and(|first| first.page_type == PageType::DICTIONARY_PAGE);
        let encodings = self.encodings.iter().map(|pages| pages.encoding).chain([Encoding::RLE]).collect();
        let bytes = Bytes::from(self.sink.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(self.codec)
            .set_encodings(encodings)
            .set_page_encoding_stats(self.encodings)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_dictionary_page_offset(dictionary.then_some(0))
            .set_data_page_offset(self.data_offset as i64)
            .set_statistics(statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(ColumnChunk { bytes, close })
    }
}

impl ColumnChunk {
    /// Appends the chunk to a row group, whose next column it must be.
    pub(super) fn append_to<W: std::io::Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        group.append_column(&self.bytes, self.close)
    }
}
