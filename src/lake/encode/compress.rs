//! Compression of pages, with one context for all pages of a file.

use std::fmt;

use bytes::Bytes;
use parquet::errors::ParquetError;
use zstd::zstd_safe::{CParameter, Strategy};

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
    Zstd(Box<Contexts>),
}

/// A context for each content.
struct Contexts {
    any: zstd::bulk::Compressor<'static>,
    codes: zstd::bulk::Compressor<'static>,
    numbers: zstd::bulk::Compressor<'static>,
    repeating_numbers: zstd::bulk::Compressor<'static>,
    texts: zstd::bulk::Compressor<'static>,
}

/// What a page holds, as far as it matters to a codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Codes of a dictionary.
    Codes,
    /// Numbers of a fixed width, one after the other.
    Numbers,
    /// Such numbers of rows that come again and again in nearly the same order.
    RepeatingNumbers,
    /// Texts, one after the other.
    Texts,
    /// Anything else.
    Any,
}

/// The level at which what follows makes pages no larger and takes less time; lower ones are faster than that, higher ones
/// smaller.
const TUNED_LEVEL: u8 = 3;
/// How zstd compresses codes in place of what its level says. Where rows come again, whole sequences of codes do; short
/// matches are chance, which costs time and, between codes that do not repeat, bytes.
const FOR_CODES: [CParameter; 4] = [
    CParameter::Strategy(Strategy::ZSTD_dfast),
    CParameter::MinMatch(7),
    CParameter::HashLog(16),
    CParameter::ChainLog(16),
];
/// How zstd compresses numbers in place of what its level says. Most of their bytes are those of the number before or
/// digits of their own, so that matches shorter than seven bytes cost more than they save.
const FOR_NUMBERS: [CParameter; 3] =
    [CParameter::Strategy(Strategy::ZSTD_fast), CParameter::MinMatch(7), CParameter::HashLog(17)];
/// The same where most matches are long: it looks for them in longer steps, and leaves what is between them as it is.
const FOR_REPEATING_NUMBERS: [CParameter; 4] =
    [FOR_NUMBERS[0], FOR_NUMBERS[1], FOR_NUMBERS[2], CParameter::TargetLength(3)];
/// How zstd compresses texts in place of what its level says. Texts that stand in no dictionary repeat each other's
/// beginnings; shorter matches in between cost more than they save.
const FOR_TEXTS: [CParameter; 3] =
    [CParameter::Strategy(Strategy::ZSTD_fast), CParameter::MinMatch(6), CParameter::HashLog(16)];

impl Compressor {
    pub(super) fn new(compression: Compression) -> Result<Self, ParquetError> {
        let codec = match compression {
            Compression::None => Codec::None,
            Compression::Snappy => Codec::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::Zstd(level) => {
                let compressor = |tuning: &[CParameter]| {
                    let mut compressor = zstd::bulk::Compressor::new(level.into()).map_err(failure)?;
                    for parameter in tuning.iter().filter(|_| level == TUNED_LEVEL) {
                        compressor.set_parameter(*parameter).map_err(failure)?;
                    }
                    Ok::<_, ParquetError>(compressor)
                };
                Codec::Zstd(Box::new(Contexts {
                    any: compressor(&[])?,
                    codes: compressor(&FOR_CODES)?,
                    numbers: compressor(&FOR_NUMBERS)?,
                    repeating_numbers: compressor(&FOR_REPEATING_NUMBERS)?,
                    texts: compressor(&FOR_TEXTS)?,
                }))
            }
        };
        Ok(Compressor { codec, compressed: Vec::new() })
    }

    /// The page as it stands in the file.
    pub(super) fn compress(&mut self, page: &[u8], content: Content) -> Result<Bytes, ParquetError> {
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
            Codec::Zstd(contexts) => {
                let compressor = match content {
                    Content::Codes => &mut contexts.codes,
                    Content::Numbers => &mut contexts.numbers,
                    Content::RepeatingNumbers => &mut contexts.repeating_numbers,
                    Content::Texts => &mut contexts.texts,
                    Content::Any => &mut contexts.any,
                };
                self.compressed.clear();
                self.compressed.reserve(zstd::zstd_safe::compress_bound(page.len()));
                compressor.compress_to_buffer(page, &mut self.compressed).map_err(failure)?;
                Ok(Bytes::copy_from_slice(&self.compressed))
            }
        }
    }

    /// Whether there is a codec, which finds sequences of bytes again that were in the page before.
    pub(super) fn finds_repetitions(&self) -> bool {
        !matches!(self.codec, Codec::None)
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
