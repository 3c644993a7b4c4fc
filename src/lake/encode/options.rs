//! How files are written: what is asked for, and what of it is a property of the whole file.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// Snappy: fast, and every reader has it.
    #[default]
    Snappy,
    /// Zstandard with a level from 1 to 22: smaller files.
    Zstd(u8),
}

/// The text is no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no compression: write snappy, zstd, zstd:LEVEL (1 to 22) or none")]
pub struct CompressionError {
    text: String,
}

const ZSTD_LEVELS: std::ops::RangeInclusive<u8> = 1..=22;
const DEFAULT_ZSTD_LEVEL: u8 = 3;

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || CompressionError { text: text.chars().take(64).collect() };
        match text {
            "none" => Ok(Compression::None),
            "snappy" => Ok(Compression::Snappy),
            "zstd" => Ok(Compression::Zstd(DEFAULT_ZSTD_LEVEL)),
            _ => {
                let level = text.strip_prefix("zstd:").and_then(|level| level.parse().ok());
                level.filter(|level| ZSTD_LEVELS.contains(level)).map(Compression::Zstd).ok_or_else(refused)
            }
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Snappy => f.write_str("snappy"),
            Compression::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

impl Compression {
    pub(in super::super) fn codec(self) -> Codec {
        match self {
            Compression::None => Codec::UNCOMPRESSED,
            Compression::Snappy => Codec::SNAPPY,
            Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(level.into()).unwrap_or_default()),
        }
    }
}

/// How files are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// How pages are compressed.
    pub compression: Compression,
}

/// What the writer of the file, and of its footer, is told. Pages are none of its business.
pub(in super::super) fn file_properties() -> WriterPropertiesPtr {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("billing-lake ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_offset_index_disabled(true)
        .build();
    Arc::new(properties)
}

/// The same for the column writers of lists and maps, which make pages of their own.
pub(super) fn nested_properties(codec: Codec) -> WriterPropertiesPtr {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(codec)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build();
    Arc::new(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_read_and_written() {
        for (text, compression) in [
            ("none", Compression::None),
            ("snappy", Compression::Snappy),
            ("zstd:3", Compression::Zstd(3)),
            ("zstd:22", Compression::Zstd(22)),
        ] {
            assert_eq!(text.parse(), Ok(compression));
            assert_eq!(compression.to_string(), text);
        }
        assert_eq!("zstd".parse(), Ok(Compression::Zstd(3)));
        for text in ["", "zstd:", "zstd:0", "zstd:23", "gzip", "Snappy"] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }
}
