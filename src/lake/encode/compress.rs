//! Compression of pages, with one context for all pages of a file.

use std::fmt;

use bytes::Bytes;
use parquet::errors::ParquetError;

use super::options::Compression;

/// Compresses pages one after the other.
pub(super) struct Compressor {
    codec: Codec,
    /// What a page is compressed into, before its size is known.
    compressed: Vec<u8>,
}

enum Codec {
    None,
    Snappy(Box<snap::raw::Encoder>),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    pub(super) fn new(compression: Compression) -> Result<Self, ParquetError> {
        let codec = match compression {
            Compression::None => Codec::None,
            Compression::Snappy => Codec::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::Zstd(level) => Codec::Zstd(zstd::bulk::Compressor::new(level.into()).map_err(failure)?),
        };
        Ok(Compressor { codec, compressed: Vec::new() })
    }

    /// The page as it stands in the file.
    pub(super) fn compress(&mut self, page: &[u8]) -> Result<Bytes, ParquetError> {
        match &mut self.codec {
            Codec::None => Ok(Bytes::copy_from_slice(page)),
            Codec::Snappy(encoder) => {
                let most = snap::raw::max_compress_len(page.len());
                if self.compressed.len() < most {
                    self.compressed.resize(most, 0);
                }
                let length = encoder.compress(page, &mut self.compressed).map_err(failure)?;
                Ok(Bytes::copy_from_slice(&self.compressed[..length]))
            }
            Codec::Zstd(compressor) => {
                self.compressed.clear();
                self.compressed.reserve(zstd::zstd_safe::compress_bound(page.len()));
                compressor.compress_to_buffer(page, &mut self.compressed).map_err(failure)?;
                Ok(Bytes::copy_from_slice(&self.compressed))
            }
        }
    }

    /// Whether the codec finds repetitions that are whole bytes long, however far apart they are within a page.
    pub(super) fn finds_repetitions(&self) -> bool {
        matches!(self.codec, Codec::Zstd(_))
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

/// A failure of the codec is none of the destination, as an `io::Error` of zstd's would look.
fn failure(error: impl fmt::Display) -> ParquetError {
    ParquetError::General(format!("a page cannot be compressed: {error}"))
}
