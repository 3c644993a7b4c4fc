//! For tests of this room and of those above it: a lake on disk that tells of its reads, and footers that are forged.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::local::LocalStore;
use super::store::{Store, StoreRun, StoredFile};
use super::{Lake, LakeError, Layout, footer};
use crate::contract::{Dataset, Slice};

/// A lake whose runs end at once, as on a file system with exchange or without.
pub(crate) fn lake(folder: &Path, exchange: bool) -> Lake {
    Lake { store: Arc::new(LocalStore::without_grace(folder, exchange)), layout: Layout::Hive }
}

/// Puts its digest into the footer at the end of a file, as if this tool had written it.
pub(crate) fn close_footer(bytes: &mut [u8]) {
    footer::close(bytes).unwrap();
}

/// A store that notes what is read, and does something before.
pub(crate) struct Watched {
    store: LocalStore,
    reads: Mutex<Vec<Range<u64>>>,
    before: Box<dyn Fn(usize) + Send + Sync>,
}

impl Watched {
    /// A lake on such a store; `before` is told how many reads there were.
    pub(crate) fn lake(
        folder: &Path,
        exchange: bool,
        before: impl Fn(usize) + Send + Sync + 'static,
    ) -> (Lake, Arc<Watched>) {
        let store = LocalStore::without_grace(folder, exchange);
        let watched = Arc::new(Watched { store, reads: Mutex::default(), before: Box::new(before) });
        (Lake { store: Arc::clone(&watched) as Arc<dyn Store>, layout: Layout::Hive }, watched)
    }

    /// What was read since it was last asked.
    pub(crate) fn take_reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut *self.reads.lock().unwrap())
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl Store for Watched {
    fn list(&self, dataset: Dataset) -> Result<Vec<StoredFile>, LakeError> {
        self.store.list(dataset)
    }

    fn has(&self, slice: &Slice) -> Result<bool, LakeError> {
        self.store.has(slice)
    }

    fn read(&self, file: &StoredFile, range: Range<u64>) -> Result<Option<Vec<u8>>, LakeError> {
        let before = {
            let mut reads = self.reads.lock().unwrap();
            reads.push(range.clone());
            reads.len() - 1
        };
        (self.before)(before);
        self.store.read(file, range)
    }

    fn read_side(&self, name: &str) -> Result<Option<Vec<u8>>, LakeError> {
        self.store.read_side(name)
    }

    fn put_side(&self, name: &str, bytes: &[u8]) -> Result<(), LakeError> {
        self.store.put_side(name, bytes)
    }

    fn drop_side(&self, name: &str) -> Result<(), LakeError> {
        self.store.drop_side(name)
    }

    fn keep_newest(&self, folder: &str, keep: usize) -> Result<(), LakeError> {
        self.store.keep_newest(folder, keep)
    }

    fn clean(&self) -> Result<Vec<String>, LakeError> {
        self.store.clean()
    }

    fn begin_run(&self, run: &str) -> Result<Arc<dyn StoreRun>, LakeError> {
        self.store.begin_run(run)
    }

    fn place(&self, name: &str) -> String {
        self.store.place(name)
    }
}
