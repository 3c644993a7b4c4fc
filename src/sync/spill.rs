//! Rows that wait on disk for their billing period's turn, compressed, in one file without a name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use super::{ErrorKind, RunError};
use crate::contract::BillingPeriod;

/// Bytes of a period's rows that are gathered before they are compressed and written.
const CHUNK: usize = 128 << 10;
/// Bytes on disk.
pub(crate) const MAX_BYTES: u64 = 64 << 30;

struct Chunk {
    offset: u64,
    stored: usize,
    length: usize,
}

/// Rows by billing period. The file goes with the process, because it holds personal data.
pub(crate) struct Spill {
    file: File,
    written: u64,
    text_bytes: u64,
    gathered: BTreeMap<BillingPeriod, Vec<u8>>,
    chunks: BTreeMap<BillingPeriod, Vec<Chunk>>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl Spill {
    pub(crate) fn new() -> Result<Self, RunError> {
        Ok(Spill {
            file: tempfile::tempfile().map_err(|error| failed(&error))?,
            written: 0,
            text_bytes: 0,
            gathered: BTreeMap::new(),
            chunks: BTreeMap::new(),
            compressor: zstd::bulk::Compressor::new(1).map_err(|error| failed(&error))?,
        })
    }

    /// Keeps a row.
    pub(crate) fn push(&mut self, period: BillingPeriod, row: &[u8]) -> Result<(), RunError> {
        let gathered = self.gathered.entry(period).or_default();
        gathered.extend_from_slice(row);
        gathered.push(b'\n');
        self.text_bytes += row.len() as u64;
        if gathered.len() >= CHUNK {
            let rows = std::mem::take(gathered);
            let mut rows = self.write(period, rows)?;
            rows.clear();
            self.gathered.insert(period, rows);
        }
        Ok(())
    }

    fn write(&mut self, period: BillingPeriod, rows: Vec<u8>) -> Result<Vec<u8>, RunError> {
        let stored = self.compressor.compress(&rows).map_err(|error| failed(&error))?;
        if self.written + stored.len() as u64 > MAX_BYTES {
            let message = format!("rows of other billing periods would take more than {} GiB of disk", MAX_BYTES >> 30);
            return Err(
                RunError::new(ErrorKind::Usage, message).with_hint("convert the files of fewer periods at once")
            );
        }
        self.file.write_all(&stored).map_err(|error| failed(&error))?;
        let chunk = Chunk { offset: self.written, stored: stored.len(), length: rows.len() };
        self.chunks.entry(period).or_default().push(chunk);
        self.written += stored.len() as u64;
        Ok(rows)
    }

    /// Bytes of the rows that were ever kept.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// The periods that have rows here.
    pub(crate) fn periods(&self) -> Vec<BillingPeriod> {
        let mut periods: Vec<_> = self.chunks.keys().chain(self.gathered.keys()).copied().collect();
        periods.sort_unstable();
        periods.dedup();
        periods
    }

    /// Gives a period's rows, in their order, as NDJSON in pieces.
    pub(crate) fn read(
        &mut self,
        period: BillingPeriod,
        mut take: impl FnMut(&[u8]) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let mut stored = Vec::new();
        for chunk in self.chunks.remove(&period).unwrap_or_default() {
            stored.resize(chunk.stored, 0);
            self.file.seek(SeekFrom::Start(chunk.offset)).map_err(|error| failed(&error))?;
            self.file.read_exact(&mut stored).map_err(|error| failed(&error))?;
            take(&zstd::bulk::decompress(&stored, chunk.length).map_err(|error| failed(&error))?)?;
        }
        take(&self.gathered.remove(&period).unwrap_or_default())
    }
}

fn failed(error: &std::io::Error) -> RunError {
    let folder = std::env::temp_dir();
    RunError::new(ErrorKind::Destination, format!("a temporary file in {} cannot be used: {error}", folder.display()))
        .with_hint("rows of further billing periods wait there: make room, or set TMPDIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_by_period_in_their_order() {
        let mut spill = Spill::new().unwrap();
        let periods: Vec<BillingPeriod> = ["2024-01", "2024-02", "2024-03"].map(|text| text.parse().unwrap()).to_vec();
        let row = |number: usize| format!("{{\"row\":{number},\"text\":\"{}\"}}", "x".repeat(number % 700));
        for number in 0..3_000 {
            spill.push(periods[number % 2], row(number).as_bytes()).unwrap();
        }
        spill.push(periods[2], b"{}").unwrap();
        assert_eq!(spill.periods(), periods);
        for (at, period) in periods.iter().enumerate().take(2) {
            let mut text = Vec::new();
            let taken = spill.read(*period, |piece| {
                text.extend_from_slice(piece);
                Ok(())
            });
            taken.unwrap();
            let expected: String = (at..3_000).step_by(2).map(|number| row(number) + "\n").collect();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}
