//! What a lake asks of the place where it lies. One implementation a kind of place; no word of file systems or HTTP.
//!
//! All names are relative to the lake, with `/` between the parts (see [`layout`](super::layout)).

use std::fmt::Debug;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;

use crate::contract::{Dataset, Slice};

use super::LakeError;

/// A place for a lake. All its operations block until they are done.
pub(super) trait Store: Debug + Send + Sync {
    /// The files of a dataset that readers see, in any order, by one listing.
    fn list(&self, dataset: Dataset) -> Result<Vec<StoredFile>, LakeError>;

    /// Whether the slice has a file that readers see. A place where that costs a request may say so unseen.
    fn has(&self, slice: &Slice) -> Result<bool, LakeError>;

    /// Reads a range of a listed file, shorter only where the file ends; none when it was replaced since.
    fn read(&self, file: &StoredFile, range: Range<u64>) -> Result<Option<Vec<u8>>, LakeError>;

    /// So many reads gain from going on at once: more than one where each takes its time on a line.
    fn reads_at_once(&self) -> usize {
        1
    }

    /// Reads a whole small file that is no data; none when there is none.
    fn read_side(&self, name: &str) -> Result<Option<Vec<u8>>, LakeError>;

    /// Puts a small file that is no data, whole or not at all, over one that is there.
    fn put_side(&self, name: &str, bytes: &[u8]) -> Result<(), LakeError>;

    /// Drops a small file that is no data, if it is there.
    fn drop_side(&self, name: &str) -> Result<(), LakeError>;

    /// Drops all but the newest of the files that [`put_side`](Store::put_side) put into a folder.
    fn keep_newest(&self, folder: &str, keep: usize) -> Result<(), LakeError>;

    /// Bytes that a staged file may hold in memory.
    fn staged_bytes(&self) -> u64 {
        0
    }

    /// Drops what dead runs left, never what a live one is at, and returns the names of that.
    fn clean(&self) -> Result<Vec<String>, LakeError>;

    /// Drops data that readers of the present do not see any more, when that has been so for some time, and returns the names
    /// of it. Only where data outlives its replacement.
    fn drop_old_data(&self, _retention: Duration) -> Result<Vec<String>, LakeError> {
        Ok(Vec::new())
    }

    /// Begins a run, after a [`clean`](Store::clean).
    fn begin_run(&self, run: &str) -> Result<Arc<dyn StoreRun>, LakeError>;

    /// A name of this lake as people find it, for messages.
    fn place(&self, name: &str) -> String;
}

/// A file that readers see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredFile {
    /// The slice whose partition it lies in.
    pub slice: Slice,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Which of the objects that ever had this name it is, where names are used again: an object store's ETag.
    pub version: Option<String>,
}

/// A run's hold on the store. What it leaves is dropped by [`finish`](StoreRun::finish), or by a later run.
pub(super) trait StoreRun: Debug + Send + Sync {
    /// Opens a file of this schema that nobody sees until it is published over the slice.
    fn stage(&self, slice: &Slice, schema: &SchemaRef) -> Result<Box<dyn Staged>, LakeError>;

    /// Whether files are replaced under their names, so that a reader in pieces may get pieces of two.
    fn reuses_names(&self) -> bool;

    /// Opens a file that nobody sees until it is kept, and that only the owner of the lake may read, if asked for and where
    /// the store knows owners.
    fn open(&self, name: &str, for_owner_only: bool) -> Result<Box<dyn Unkept>, LakeError>;

    /// Drops what the run replaced and left, as its last act. What is staged and not yet published is lost.
    fn finish(&self) -> Result<(), LakeError>;
}

/// A file that is being written and that nobody sees. Dropping it drops what was written.
pub(super) trait Staged: Write + Debug + Send {
    /// The failure of a write, with the place in it.
    fn failure(&self, source: io::Error) -> LakeError;

    /// Nothing more will be written: returns the size when all of it would survive a loss of power.
    fn seal(&mut self) -> Result<u64, LakeError>;

    /// Replaces what the slice had by this file of so many rows, as one act, and returns the file's name. Only after
    /// [`seal`](Staged::seal). Publications of one slice come one after another, across processes too where the store
    /// can do that.
    fn publish(self: Box<Self>, rows: u64) -> Result<String, LakeError>;
}

/// A file that is being written and takes its name at the end. Dropping it drops what was written.
pub(super) trait Unkept: Write + Debug + Send {
    /// The failure of a write, with the place in it.
    fn failure(&self, source: io::Error) -> LakeError;

    /// Puts the file under its name, over one that is there, so that it would survive a loss of power.
    fn keep(self: Box<Self>) -> Result<(), LakeError>;
}
