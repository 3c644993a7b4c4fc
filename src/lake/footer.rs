//! The state of a slice, as it stands in the footer of its file, and how it is read back.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};

use super::store::{Store, StoredFile};
use super::{Compression, LakeError, digest, layout};

/// The newest form of the state that this version reads, and the one it writes.
pub(super) const FORMAT: u64 = 1;
/// What every key begins with.
const PREFIX: &str = "billing_lake.";
/// The key of the digest of the metadata that the keys stand in. The last one, see [`digest::close`].
const FOOTER_DIGEST: &str = "footer_digest";
/// Enough for the footer of some eight row groups of usage details; larger ones take a second read.
const FIRST_READ: u64 = 64 * 1024;
/// More metadata than files of any size have, at some 6 KiB a row group. A length beyond is damaged, and is not read.
const MOST_METADATA: u64 = 256 << 20;
/// Length of the metadata, and the magic.
const TRAILER: u64 = 8;
const MAGIC: &[u8] = b"PAR1";
/// What an ETag begins with that stands in the footer in base64.
const BASE64: &str = "base64:";

/// What is known about a slice's rows. It stands in the footer of the slice's file, as `billing_lake.*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileState {
    /// The ETag that the rows were served with, as it came; none when there was none, or the rows came from files.
    pub etag: Option<Vec<u8>>,
    /// `sha256:` and the hash of the answer's text, where one answer without an ETag holds all rows.
    pub answer: Option<String>,
    /// Path and parameters of the request; the ETag holds for this request only.
    pub request: String,
    /// When the rows were fetched, RFC 3339.
    pub fetched_at: String,
    /// Version of the API, for example `v3`.
    pub api_version: String,
    /// Where the rows came from, without secrets.
    pub source: String,
    /// Rows in the file.
    pub rows: u64,
    /// Rows received that are not in the file.
    pub rejected_rows: u64,
    /// Values that were rounded to 18 decimals.
    pub rounded_values: u64,
    /// Exact sums of the text received, by decimal column, as plain decimals.
    pub control_totals: BTreeMap<String, String>,
    /// What rounding took away from the sums, by decimal column; only what is not zero.
    pub rounding_residue: BTreeMap<String, String>,
    /// Pages that were read.
    pub pages: u64,
    /// What somebody should look at, in words.
    pub warnings: Vec<String>,
    /// Fingerprint of the contract. Set by the writer.
    pub contract: String,
    /// The slice that the file was written for, as `usage_details/100/2024-11`. Set by the writer.
    pub slice: String,
    /// `sha256:` and the hash, in hexadecimal, of all bytes before the footer's metadata. Set by the writer.
    pub digest: String,
    /// Version of this tool that wrote the file. Set by the writer.
    pub tool_version: String,
}

/// Why a file in a slice's place says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The file begins as Parquet but does not end as such.
    #[error("the file is cut off")]
    Truncated,
    /// It is another kind of file.
    #[error("not a Parquet file")]
    NotParquet,
    /// It is Parquet that this tool did not write.
    #[error("not written by billing-lake: its footer has no billing_lake.format")]
    Foreign,
    /// A newer version wrote it.
    #[error("written by a newer version of billing-lake (format {format}, this version knows {FORMAT})")]
    Newer {
        /// The format it says it has.
        format: u64,
    },
    /// The footer contradicts itself.
    #[error("its footer is damaged: {reason}")]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
    /// It was written for another slice: its rows are not those of the partition that it lies in.
    #[error("it is the file of {slice}, and lies in the place of another")]
    Misplaced {
        /// The slice that it was written for.
        slice: String,
    },
    /// There must be one file in a partition folder: readers would take the rows of all.
    #[error("{count} Parquet files lie in the partition folder, where one belongs")]
    NotAlone {
        /// How many.
        count: usize,
    },
}

impl FileState {
    /// The state as key-value metadata, of which the footer is to be [closed](close).
    pub(super) fn to_key_values(&self) -> Vec<KeyValue> {
        let object = |map: &BTreeMap<String, String>| serde_json::Value::from_iter(map.clone()).to_string();
        let mut pairs = vec![
            ("format", FORMAT.to_string()),
            ("request", self.request.clone()),
            ("fetched_at", self.fetched_at.clone()),
            ("api_version", self.api_version.clone()),
            ("source", self.source.clone()),
            ("rows", self.rows.to_string()),
            ("rejected_rows", self.rejected_rows.to_string()),
            ("rounded_values", self.rounded_values.to_string()),
            ("control_totals", object(&self.control_totals)),
            ("rounding_residue", object(&self.rounding_residue)),
            ("pages", self.pages.to_string()),
            ("contract", self.contract.clone()),
            ("slice", self.slice.clone()),
            ("digest", self.digest.clone()),
            ("tool_version", self.tool_version.clone()),
        ];
        pairs.extend(self.etag.as_deref().map(|etag| ("etag", etag_to_text(etag))));
        if !self.warnings.is_empty() {
            pairs.push(("warnings", serde_json::json!(self.warnings).to_string()));
        }
        pairs.extend(self.answer.clone().map(|answer| ("answer", answer)));
        pairs.push((FOOTER_DIGEST, digest::OPEN.to_owned()));
        pairs.into_iter().map(|(key, value)| KeyValue::new(format!("{PREFIX}{key}"), value)).collect()
    }

    /// Reads back what [`to_key_values`](FileState::to_key_values) wrote. Keys that are not known are left alone.
    pub(super) fn from_key_values(pairs: &[KeyValue]) -> Result<Self, Unreadable> {
        let find = |key: &str| value_of(pairs, key);
        let damaged = |key: &str| Unreadable::Damaged { reason: format!("{PREFIX}{key} is missing or no such value") };
        let text = |key: &str| find(key).map(str::to_owned).ok_or_else(|| damaged(key));
        let number = |key: &str| find(key).and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| damaged(key));
        let object = |key: &str| find(key).and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| damaged(key));

        if find("format").is_none() {
            return Err(Unreadable::Foreign);
        }
        let format = number("format")?;
        if format > FORMAT {
            return Err(Unreadable::Newer { format });
        }
        let etag = find("etag").map(|text| etag_from_text(text).ok_or_else(|| damaged("etag"))).transpose()?;
        let warnings = match find("warnings") {
            Some(text) => serde_json::from_str(text).map_err(|_| damaged("warnings"))?,
            None => Vec::new(),
        };
        Ok(FileState {
            etag,
            warnings,
            answer: find("answer").map(str::to_owned),
            request: text("request")?,
            fetched_at: text("fetched_at")?,
            api_version: text("api_version")?,
            source: text("source")?,
            rows: number("rows")?,
            rejected_rows: number("rejected_rows")?,
            rounded_values: number("rounded_values")?,
            control_totals: object("control_totals")?,
            rounding_residue: object("rounding_residue")?,
            pages: number("pages")?,
            contract: text("contract")?,
            slice: text("slice")?,
            digest: text("digest")?,
            tool_version: text("tool_version")?,
        })
    }
}

/// An ETag as text; one that is not UTF-8, or could be taken for this form, as `base64:` and its bytes.
fn etag_to_text(etag: &[u8]) -> String {
    match std::str::from_utf8(etag) {
        Ok(text) if !text.starts_with(BASE64) => text.to_owned(),
        _ => format!("{BASE64}{}", STANDARD.encode(etag)),
    }
}

fn etag_from_text(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix(BASE64) {
        Some(bytes) => STANDARD.decode(bytes).ok(),
        None => Some(text.as_bytes().to_vec()),
    }
}

/// A footer that was read.
#[derive(Debug)]
pub(crate) struct Footer {
    /// The state in it.
    pub(crate) state: FileState,
    /// What Parquet's readers know of the file.
    pub(crate) metadata: ParquetMetaData,
    /// Where the metadata begins: the state's digest is that of all bytes before it.
    pub(crate) data_bytes: u64,
}

/// Reads the footer of a file in at most two reads: a state, or why there is none; nothing when the file was replaced
/// since it was listed.
pub(super) fn read(store: &dyn Store, file: &StoredFile) -> Result<Option<Result<FileState, Unreadable>>, LakeError> {
    let footer = read_with(file, |range| store.read(file, range))?;
    Ok(footer.map(|footer| footer.map(|footer| footer.state)))
}

/// The same with all that the footer says, by whatever reads ranges of the file as a [`Store`] does.
pub(super) fn read_with(
    file: &StoredFile,
    mut read: impl FnMut(Range<u64>) -> Result<Option<Vec<u8>>, LakeError>,
) -> Result<Option<Result<Footer, Unreadable>>, LakeError> {
    let Some(mut end) = read(file.bytes.saturating_sub(FIRST_READ)..file.bytes)? else {
        return Ok(None);
    };
    let length = match metadata_length(&end) {
        Some(length) if length + TRAILER + MAGIC.len() as u64 > file.bytes => {
            return Ok(Some(Err(Unreadable::Truncated)));
        }
        Some(length) if length > MOST_METADATA => {
            let reason = format!("it says that it has {length} bytes");
            return Ok(Some(Err(Unreadable::Damaged { reason })));
        }
        Some(length) => length,
        None => {
            let Some(start) = read(0..(MAGIC.len() as u64).min(file.bytes))? else {
                return Ok(None);
            };
            let reason = if start == MAGIC { Unreadable::Truncated } else { Unreadable::NotParquet };
            return Ok(Some(Err(reason)));
        }
    };
    let wanted = length + TRAILER;
    if wanted > end.len() as u64 {
        let Some(mut whole) = read(file.bytes - wanted..file.bytes - end.len() as u64)? else {
            return Ok(None);
        };
        whole.append(&mut end);
        end = whole;
    }
    let Some(start) = end.len().checked_sub(wanted as usize) else {
        return Ok(Some(Err(Unreadable::Truncated)));
    };
    Ok(Some(Footer::of(&end[start..end.len() - TRAILER as usize], file)))
}

/// The length of the metadata before the trailer; none when the bytes do not end as a Parquet file does.
fn metadata_length(end: &[u8]) -> Option<u64> {
    let (rest, magic) = end.split_last_chunk::<4>()?;
    let (_, length) = rest.split_last_chunk::<4>()?;
    (magic == MAGIC).then(|| u64::from(u32::from_le_bytes(*length)))
}

/// Puts the digest of the metadata at the end of these bytes, which a file is to end with, into its place.
pub(super) fn close(end: &mut [u8]) -> Option<()> {
    let behind = end.len().checked_sub(TRAILER as usize)?;
    let start = behind.checked_sub(metadata_length(end)? as usize)?;
    digest::close(&mut end[start..behind])
}

impl Footer {
    /// Reads the metadata of a listed file. What another tool or a newer version wrote is told as such, before anything
    /// is asked of its digest.
    fn of(bytes: &[u8], file: &StoredFile) -> Result<Footer, Unreadable> {
        let damaged = |reason: String| Unreadable::Damaged { reason };
        let metadata = ParquetMetaDataReader::decode_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
        let of_file = metadata.file_metadata();
        let pairs = of_file.key_value_metadata().map_or(&[][..], Vec::as_slice);
        let state = FileState::from_key_values(pairs)?;
        let stated = value_of(pairs, FOOTER_DIGEST).unwrap_or_default();
        if digest::of_metadata(bytes, stated).as_deref() != Some(stated) {
            return Err(damaged("its bytes are not those that were written".to_owned()));
        }
        if state.slice != layout::key(&file.slice) {
            return Err(Unreadable::Misplaced { slice: state.slice });
        }
        if u64::try_from(of_file.num_rows()) != Ok(state.rows) {
            let (says, rows) = (of_file.num_rows(), state.rows);
            return Err(damaged(format!("it says {says} rows, and billing_lake.rows says {rows}")));
        }
        Ok(Footer { state, metadata, data_bytes: file.bytes - TRAILER - bytes.len() as u64 })
    }

    /// Whether the pages are compressed by this codec, at whatever level.
    pub(crate) fn is_compressed_by(&self, compression: Compression) -> bool {
        let wanted = discriminant(&compression.codec());
        let mut chunks = self.metadata.row_groups().iter().flat_map(|group| group.columns());
        chunks.all(|chunk| discriminant(&chunk.compression()) == wanted)
    }
}

/// The value of one of the tool's own keys.
fn value_of<'a>(pairs: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let pair = pairs.iter().find(|pair| pair.key.strip_prefix(PREFIX) == Some(key))?;
    pair.value.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(etag: Option<&[u8]>) -> FileState {
        FileState {
            etag: etag.map(<[u8]>::to_vec),
            answer: etag.is_none().then(|| "sha256:11".to_owned()),
            request: "/v3/enrollments/100/usagedetails?billingPeriod=202411".to_owned(),
            fetched_at: "2024-12-01T02:03:04Z".to_owned(),
            api_version: "v3".to_owned(),
            source: "https://consumption.azure.com".to_owned(),
            rows: 3,
            rejected_rows: 1,
            rounded_values: 2,
            control_totals: [("cost".to_owned(), "-1.5".to_owned())].into(),
            rounding_residue: [("cost".to_owned(), "0.0000000000000000004".to_owned())].into(),
            pages: 2,
            warnings: vec!["no rows for 2024-11-05".to_owned()],
            contract: "0123456789abcdef".to_owned(),
            slice: "usage_details/100/2024-11".to_owned(),
            digest: "sha256:00".to_owned(),
            tool_version: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn the_state_is_the_same_both_ways_whatever_bytes_the_etag_has() {
        let long = vec![b'x'; 8 * 1024];
        let etags: [Option<&[u8]>; 8] = [
            None,
            Some(b"base64:eA=="),
            Some(b""),
            Some(b"\"abc\""),
            Some(b"W/\"a\\\""),
            Some(b"a\0\n"),
            Some(b"\xff\xfe\x80"),
            Some(&long),
        ];
        for etag in etags {
            let state = state(etag);
            assert_eq!(FileState::from_key_values(&state.to_key_values()), Ok(state));
        }
    }

    #[test]
    fn what_a_newer_version_or_another_tool_wrote_is_told_apart() {
        assert_eq!(FileState::from_key_values(&[]), Err(Unreadable::Foreign));
        let mut pairs = state(None).to_key_values();
        pairs[0].value = Some("2".to_owned());
        assert_eq!(FileState::from_key_values(&pairs), Err(Unreadable::Newer { format: 2 }));
        let mut pairs = state(None).to_key_values();
        pairs.retain(|pair| pair.key != "billing_lake.rows");
        assert!(matches!(FileState::from_key_values(&pairs), Err(Unreadable::Damaged { .. })));
    }
}
