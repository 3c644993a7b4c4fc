//! An object on its way to the store: whole from memory when it is small, else in parts while it is written. Nobody sees
//! it before it is put in place, which is one request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::{GetOptions, GetRange, MultipartId, ObjectStoreExt, PutPayload, PutResult};

use crate::lake::LakeError;
use crate::lake::bridge::UnderWay;
use crate::lake::store::Store;

use super::RemoteStore;
use super::sign::Sign;

/// Bytes of a part: S3 takes none that is smaller, and 10,000 of them, so files of up to 48 GiB.
const PART: usize = 5 << 20;
/// Bytes that an upload holds in memory: the part that is being filled and the one under way.
pub(super) const HELD: u64 = 2 * PART as u64;
/// Objects beyond this are likely to fill a part.
const SMALL: usize = 1 << 20;
/// Bytes of the object's end by which it is known again. The digest of all others stands in them, but for files of very
/// many row groups.
const TAIL: usize = 64 << 10;
/// How long a run that ends waits for the part under way, and again for the abortion; a later run aborts what is left.
const PATIENCE_AT_END: Duration = Duration::from_secs(1);

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Upload {
    store: Arc<RemoteStore>,
    sign: Arc<Sign>,
    name: String,
    /// What is not yet on its way.
    buffer: Vec<u8>,
    /// Bytes that are on their way or were taken.
    sent: u64,
    /// The end of what was sent.
    tail: Vec<u8>,
    parts: Option<Parts>,
    /// Bytes of the run's files that wait in memory to be put in place.
    waiting: Arc<AtomicU64>,
    /// Those of this one.
    waits: u64,
}

/// An upload in parts.
#[derive(Debug)]
struct Parts {
    id: MultipartId,
    taken: Vec<PartId>,
    under_way: Option<UnderWay<object_store::Result<PartId>>>,
}

impl Upload {
    pub(super) fn new(store: Arc<RemoteStore>, sign: Arc<Sign>, waiting: Arc<AtomicU64>, name: String) -> Self {
        let (buffer, tail) = (Vec::new(), Vec::new());
        Upload { store, sign, name, buffer, sent: 0, tail, parts: None, waiting, waits: 0 }
    }

    /// The failure of a write, with the object in it.
    pub(super) fn failure(&self, source: io::Error) -> LakeError {
        match source.downcast::<object_store::Error>() {
            Ok(error) => self.failed(error),
            Err(source) => match source.downcast::<LakeError>() {
                Ok(error) => error,
                Err(source) => LakeError::Io { action: "write", path: self.store.place(&self.name).into(), source },
            },
        }
    }

    fn failed(&self, error: object_store::Error) -> LakeError {
        self.store.failure("write", &self.name, error)
    }

    /// Sends what was written so far as a part.
    fn send_part(&mut self) -> Result<(), LakeError> {
        if self.parts.is_none() {
            let (objects, key) = (Arc::clone(&self.store.objects), self.store.key(&self.name));
            let id = self.store.bridge.wait(async move { objects.create_multipart(&key).await });
            let id = id.map_err(|error| self.failed(error))?;
            self.sign.note(&self.name, &id)?;
            self.parts = Some(Parts { id, taken: Vec::new(), under_way: None });
        }
        self.wait_for_part()?;
        let part = Bytes::from(std::mem::take(&mut self.buffer));
        self.sent += part.len() as u64;
        self.tail.extend_from_slice(&part[part.len().saturating_sub(TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        let (objects, key) = (Arc::clone(&self.store.objects), self.store.key(&self.name));
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let (id, index) = (parts.id.clone(), parts.taken.len());
        let sending = async move { objects.put_part(&key, &id, index, PutPayload::from(part)).await };
        parts.under_way = Some(self.store.bridge.start(sending));
        Ok(())
    }

    /// Waits until the part under way was taken.
    fn wait_for_part(&mut self) -> Result<(), LakeError> {
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let Some(under_way) = parts.under_way.take() else { return Ok(()) };
        match under_way.wait() {
            Ok(part) => {
                parts.taken.push(part);
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Nothing more will be written: waits until the store has all parts, and returns the size. A small object waits in
    /// memory, unless others of the run do already.
    pub(super) fn seal(&mut self) -> Result<u64, LakeError> {
        let left = self.buffer.len() as u64;
        if self.parts.is_none() && self.waiting.fetch_add(left, Ordering::Relaxed) + left <= HELD {
            self.waits = left;
            return Ok(left);
        }
        if self.parts.is_none() {
            self.waiting.fetch_sub(left, Ordering::Relaxed);
        }
        if left > 0 {
            self.send_part()?;
        }
        self.wait_for_part()?;
        Ok(self.sent)
    }

    /// Puts the object in place, over one that is there, by one request. Only after [`seal`](Upload::seal).
    pub(super) fn put_in_place(mut self) -> Result<(), LakeError> {
        let size = self.sent + self.buffer.len() as u64;
        let (objects, key) = (Arc::clone(&self.store.objects), self.store.key(&self.name));
        let done: object_store::Result<PutResult> = match &self.parts {
            Some(Parts { id, taken, .. }) => {
                let (id, taken) = (id.clone(), taken.clone());
                self.store.bridge.wait(async move { objects.complete_multipart(&key, &id, taken).await })
            }
            None => {
                let whole = Bytes::from(std::mem::take(&mut self.buffer));
                self.tail = whole[whole.len().saturating_sub(TAIL)..].to_vec();
                self.store.bridge.wait(async move { objects.put(&key, PutPayload::from(whole)).await })
            }
        };
        if let Err(error) = done
            // The answer may have been lost, and the repetition refused: then it is in place all the same.
            && !self.is_in_place(size)
        {
            return Err(self.failed(error));
        }
        if let Some(Parts { id, .. }) = self.parts.take() {
            self.sign.forget(&id);
        }
        Ok(())
    }

    /// Whether the object in place is this one, by its size and end.
    fn is_in_place(&self, size: u64) -> bool {
        let (objects, key) = (Arc::clone(&self.store.objects), self.store.key(&self.name));
        let range = size - self.tail.len() as u64..size;
        if range.is_empty() {
            return false;
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.bridge.wait(async move {
            let found = objects.get_opts(&key, options).await.ok()?;
            Some((found.meta.size, found.bytes().await.ok()?))
        });
        found.is_some_and(|(found, end)| found == size && end == self.tail)
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == PART {
            self.send_part().map_err(io::Error::other)?;
        }
        let taken = bytes.len().min(PART - self.buffer.len());
        if self.buffer.len() + taken > SMALL && self.buffer.capacity() < PART {
            // A vector that grows by itself holds up to twice of what is in it.
            self.buffer.reserve_exact(PART - self.buffer.len());
        }
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.waits, Ordering::Relaxed);
        let Some(Parts { id, under_way, .. }) = self.parts.take() else { return };
        let (objects, key) = (Arc::clone(&self.store.objects), self.store.key(&self.name));
        let of_upload = id.clone();
        // A part that arrives later than the abortion stays.
        let is_idle = under_way.is_none_or(|part| part.wait_at_most(PATIENCE_AT_END).is_some());
        let aborting = self.store.bridge.start(async move { objects.abort_multipart(&key, &of_upload).await });
        if let Some(Ok(())) = aborting.wait_at_most(PATIENCE_AT_END)
            && is_idle
        {
            self.sign.forget(&id);
        }
    }
}
