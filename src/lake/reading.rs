//! A published file read back, from whatever store it lies in.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest, Sha256};

use super::footer::{self, Footer};
use super::store::{Store, StoredFile};
use super::{LakeError, Unreadable, digest};

/// Bytes that are read at once. On a store across a network each read is a request, which should carry enough to be
/// worth its way; and a reader of several files at once holds one for each.
const PIECE_BYTES: u64 = 8 << 20;
/// Bytes of a file that are kept once they were read: a file up to this size is read once, of a larger one what is
/// beyond is read again by whoever comes back to it.
const KEPT_BYTES: u64 = 32 << 20;

/// A file as it was listed, ready to be read back: a source for Parquet's readers. Clones share what was read.
///
/// All that is asked of the store are pieces of one size, whole. So the footer, the digest of the data and each page of
/// each column take together one request for each piece of a file that fits into what is kept, and two for each of the
/// pieces beyond, as long as the columns are read in the order in which they stand in the file.
#[derive(Debug, Clone)]
pub(crate) struct FileReading {
    store: Arc<dyn Store>,
    file: Arc<StoredFile>,
    held: Arc<Mutex<Held>>,
    /// Bytes that are kept once they were read.
    most_kept: u64,
}

/// Pieces in memory.
#[derive(Debug, Default)]
struct Held {
    kept: BTreeMap<u64, Bytes>,
    kept_bytes: u64,
    /// The last one that was read and not kept.
    last: Option<(u64, Bytes)>,
    /// Why a read failed last. Parquet's readers pass errors on as text.
    stop: Option<Stop>,
}

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// It is no longer what was listed.
    #[error("the file was replaced while it was read")]
    Replaced,
    /// The store could not be read.
    #[error(transparent)]
    Failed(#[from] LakeError),
}

impl FileReading {
    pub(super) fn new(store: Arc<dyn Store>, file: StoredFile) -> Self {
        FileReading { store, file: Arc::new(file), held: Arc::default(), most_kept: KEPT_BYTES }
    }

    /// The same with no more than so many bytes kept, for whoever has less memory.
    pub(crate) fn keeping(self, most: usize) -> Self {
        FileReading { most_kept: self.most_kept.min(most as u64), ..self }
    }

    /// Whether the file is still what was listed. A place that replaces files under their names and gives them no version
    /// cannot tell.
    pub(crate) fn is_in_place(&self) -> Result<bool, LakeError> {
        let end = self.file.bytes;
        Ok(self.store.read(&self.file, end.saturating_sub(1)..end)?.is_some())
    }

    /// Reads the footer.
    pub(crate) fn footer(&self) -> Result<Result<Footer, Unreadable>, Stop> {
        let read = |range: Range<u64>| match self.bytes(range) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(Stop::Replaced) => Ok(None),
            Err(Stop::Failed(error)) => Err(error),
        };
        footer::read_with(&self.file, read)?.ok_or(Stop::Replaced)
    }

    /// The digest of the first so many bytes, as the footer states it of those before its metadata. `passed` is told of
    /// each piece of them.
    pub(crate) fn digest<E: From<Stop>>(
        &self,
        data_bytes: u64,
        mut passed: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<String, E> {
        let mut hash = Sha256::new();
        for start in (0..data_bytes).step_by(PIECE_BYTES as usize) {
            let bytes = self.bytes(start..data_bytes.min(start + PIECE_BYTES))?;
            hash.update(&bytes);
            passed(bytes.len() as u64)?;
        }
        Ok(digest::in_words(hash))
    }

    /// Why a reader of Parquet failed, when it was not for what the file holds.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.held().stop.take()
    }

    /// A range of the file.
    fn bytes(&self, range: Range<u64>) -> Result<Bytes, Stop> {
        let first = range.start / PIECE_BYTES;
        let in_first = |at: u64| (at - first * PIECE_BYTES) as usize;
        if range.end <= (first + 1) * PIECE_BYTES {
            return Ok(self.piece(first)?.slice(in_first(range.start)..in_first(range.end)));
        }
        let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
        for at in first..range.end.div_ceil(PIECE_BYTES) {
            let start = at * PIECE_BYTES;
            let inside = range.start.max(start) - start..range.end.min(start + PIECE_BYTES) - start;
            bytes.extend_from_slice(&self.piece(at)?[inside.start as usize..inside.end as usize]);
        }
        Ok(bytes.into())
    }

    /// A piece of the file, read unless it is held.
    fn piece(&self, at: u64) -> Result<Bytes, Stop> {
        let mut held = self.held();
        let last = held.last.as_ref().filter(|(last, _)| *last == at).map(|(_, bytes)| bytes);
        if let Some(bytes) = held.kept.get(&at).or(last) {
            return Ok(bytes.clone());
        }
        // Its memory is wanted for the next one.
        held.last = None;
        let range = at * PIECE_BYTES..self.file.bytes.min((at + 1) * PIECE_BYTES);
        let wanted = range.end.saturating_sub(range.start);
        let read = self.store.read(&self.file, range)?.filter(|bytes| bytes.len() as u64 == wanted);
        let bytes = Bytes::from(read.ok_or(Stop::Replaced)?);
        if held.kept_bytes + wanted <= self.most_kept {
            held.kept_bytes += wanted;
            held.kept.insert(at, bytes.clone());
        } else {
            held.last = Some((at, bytes.clone()));
        }
        Ok(bytes)
    }

    /// What is held is whole between any two statements.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers why a read failed.
    fn stop(&self, stop: Stop) -> io::Error {
        let error = io::Error::other(stop.to_string());
        self.held().stop = Some(stop);
        error
    }

    /// A range for Parquet's readers, which may ask for what is not there.
    fn asked(&self, start: u64, length: u64) -> io::Result<Bytes> {
        match start.checked_add(length).filter(|end| *end <= self.file.bytes) {
            Some(end) => self.bytes(start..end).map_err(|stop| self.stop(stop)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Length for FileReading {
    fn len(&self) -> u64 {
        self.file.bytes
    }
}

impl ChunkReader for FileReading {
    type T = ReadFrom;

    fn get_read(&self, start: u64) -> Result<ReadFrom, ParquetError> {
        Ok(ReadFrom { reading: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.asked(start, length as u64)?)
    }
}

/// Reads on from a place in a file.
#[derive(Debug)]
pub(crate) struct ReadFrom {
    reading: FileReading,
    at: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.reading.file.bytes.saturating_sub(self.at);
        let bytes = self.reading.asked(self.at, left.min(out.len() as u64))?;
        out[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}
