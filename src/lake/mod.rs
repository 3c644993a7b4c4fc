//! The lake: record batches in, one Parquet file a slice, published as one act. Its footer is the slice's state.
//!
//! ```text
//! DEST/usage_details/enrollment=100/billing_period=2024-11/data-….parquet
//! DEST/usage_details_by_date/enrollment=100/date_range=2024-11-01_2024-11-07/data-….parquet
//! DEST/billing_periods/enrollment=100/data-….parquet
//! DEST/_billing_lake/lake.json           what lies here and in which form
//!                    last_run.json       when each slice was last asked for: a cache
//!                    staging/ locks/     of runs at work
//!                    notes/              of reports that are being made
//!                    rejected/ runs/     rejected rows and run reports
//! ```
//!
//! Whatever moment a run dies, each slice has exactly one whole version. On local disk a [`Run`] writes into its own
//! staging folder, and a finished file replaces the one in place by an exchange of their folders; the replaced one is
//! dropped at the run's end. In an object store a file is replaced by the request that ends its upload. The state has no other home than the file's footer, so there is nothing that could disagree with it.
//!
//! ```
//! use billing_lake::contract::{Contract, Dataset, Slice, Window};
//! use billing_lake::lake::{Destination, FileState, Lake, WriteOptions};
//!
//! # let folder = tempfile::tempdir()?;
//! # let destination = Destination::local(folder.path());
//! let lake = Lake::open(&destination)?;
//! let run = lake.begin_run("20241201T020304Z")?;
//! let slice = Slice { dataset: Dataset::BillingPeriods, enrollment: "100".parse()?, window: Window::Whole };
//! let file = run.stage(&slice, &Contract::of(slice.dataset), &WriteOptions::default())?;
//! // file.write(batch)? for each record batch
//! let published = run.publish(file.finish(FileState::default())?)?;
//! run.finish()?;
//!
//! let files = lake.files(Dataset::BillingPeriods)?;
//! assert_eq!(files[0].location, published.location);
//! assert_eq!(files[0].state.as_ref().map(|state| state.rows), Ok(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything here blocks; nothing knows of the service that the rows come from.

mod bridge;
mod columns;
mod control;
#[cfg(feature = "delta")]
mod delta;
mod destination;
mod digest;
mod encode;
mod error;
mod footer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod last_run;
mod layout;
mod local;
mod opening;
mod parquet_file;
mod reading;
mod relayout;
mod remote;
mod run;
pub(crate) mod shape;
mod store;
#[cfg(test)]
mod suite;
#[cfg(test)]
pub(crate) mod test_store;
#[cfg(test)]
mod tests;
mod token;
mod told;

use std::sync::Arc;
use std::time::Duration;

use crate::contract::{Dataset, Slice};

use store::{Store, StoredFile};

pub(crate) use columns::Columns;
pub(crate) use control::Counted;
pub use destination::Destination;
pub use encode::{Compression, CompressionError, WriteOptions};
pub use error::{LakeError, LakeErrorKind};
pub(crate) use footer::Footer;
pub use footer::{FileState, Unreadable};
pub use last_run::LastRun;
pub use opening::Layout;
pub use parquet_file::{SliceFile, StagedFile};
pub(crate) use reading::{FileReading, Stop};
pub use run::{PublishedFile, RejectedRows, Run};

/// Listings are repeated so often when files are replaced between listing and reading.
const LISTINGS: usize = 5;

/// A lake.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Arc<dyn Store>,
    layout: Layout,
}

/// A slice's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeFile {
    /// The slice.
    pub slice: Slice,
    /// Where it lies, relative to the lake, with `/` between the parts.
    pub location: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What its footer says.
    pub state: Result<FileState, Unreadable>,
}

/// What lies in a slice's place, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// In the order of their names; there is one at least.
    files: Vec<StoredFile>,
}

impl Listed {
    /// The slice.
    pub(crate) fn slice(&self) -> &Slice {
        &self.files[0].slice
    }

    /// Where the file lies, or the first of several, relative to the lake.
    pub(crate) fn location(&self) -> &str {
        &self.files[0].name
    }

    /// The size in bytes of all that lies there.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The one file that belongs there.
    fn file(&self) -> Result<&StoredFile, Unreadable> {
        match self.files.as_slice() {
            [file] => Ok(file),
            several => Err(Unreadable::NotAlone { count: several.len() }),
        }
    }
}

impl Lake {
    /// The files of a dataset in the order of their slices, each with the state in its footer. The dataset is listed
    /// once, and a footer takes at most two reads.
    pub fn files(&self, dataset: Dataset) -> Result<Vec<LakeFile>, LakeError> {
        let mut last = Vec::new();
        for _ in 0..LISTINGS {
            let (files, complete) = self.files_once(dataset)?;
            if complete {
                return Ok(files);
            }
            last = files;
        }
        Ok(last)
    }

    /// The files by one listing, and whether all of them were still there when they were read.
    fn files_once(&self, dataset: Dataset) -> Result<(Vec<LakeFile>, bool), LakeError> {
        let listed = self.listed(dataset)?;
        let looked = self.look_at(&listed);
        let mut files = Vec::with_capacity(listed.len());
        let mut complete = true;
        for (listed, state) in listed.into_iter().zip(looked) {
            let Some(state) = state? else {
                complete = false;
                continue;
            };
            let (slice, location) = (listed.slice().clone(), listed.location().to_owned());
            files.push(LakeFile { slice, location, bytes: listed.bytes(), state });
        }
        Ok((files, complete))
    }

    /// What the footers say, several read at once where the store is far away; none where a file was replaced since.
    fn look_at(&self, listed: &[Listed]) -> Vec<Result<Option<Result<FileState, Unreadable>>, LakeError>> {
        let look = |listed: &Listed| match listed.file() {
            Ok(file) => footer::read(self.store.as_ref(), file),
            Err(unreadable) => Ok(Some(Err(unreadable))),
        };
        let share = listed.len().div_ceil(self.store.reads_at_once()).max(1);
        if share >= listed.len() {
            return listed.iter().map(look).collect();
        }
        std::thread::scope(|scope| {
            let shares: Vec<_> = listed
                .chunks(share)
                .map(|share| scope.spawn(move || share.iter().map(look).collect::<Vec<_>>()))
                .collect();
            let done =
                shares.into_iter().map(|share| share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            done.flatten().collect()
        })
    }

    /// What a dataset holds by one listing, in the order of the slices. Nothing is looked into.
    pub(crate) fn listed(&self, dataset: Dataset) -> Result<Vec<Listed>, LakeError> {
        let mut stored = self.store.list(dataset)?;
        stored.sort_unstable_by(|a, b| (&a.slice, &a.name).cmp(&(&b.slice, &b.name)));
        let of_slices = stored.chunk_by(|a, b| a.slice == b.slice);
        Ok(of_slices.map(|files| Listed { files: files.to_vec() }).collect())
    }

    /// A listed file, to be read back.
    pub(crate) fn read_back(&self, listed: &Listed) -> Result<FileReading, Unreadable> {
        Ok(FileReading::new(Arc::clone(&self.store), listed.file()?.clone()))
    }

    /// Whether the slice has a file that readers see; its content is not looked at.
    pub fn has(&self, slice: &Slice) -> Result<bool, LakeError> {
        self.store.has(slice)
    }

    /// Begins a run with an id that no other run has: 1 to 64 letters, digits, `-`, `_` or `.`. What dead runs left is
    /// removed; living ones are left alone.
    pub fn begin_run(&self, run_id: &str) -> Result<Run, LakeError> {
        Run::begin(Arc::clone(&self.store), run_id)
    }

    /// Removes what dead runs left, as the next run would, and, from Delta tables, files that their readers have not seen
    /// for `retention`; earlier versions of the table that need these cannot be read any more. Returns the names of what was
    /// removed; living runs are left alone.
    pub fn clean(&self, retention: Duration) -> Result<Vec<String>, LakeError> {
        let mut removed = self.store.clean()?;
        removed.extend(self.store.drop_old_data(retention)?);
        Ok(removed)
    }

    /// Bytes of memory that a file may hold besides its row groups while it is written.
    pub fn staged_bytes(&self) -> u64 {
        self.store.staged_bytes()
    }

    /// When each slice was last asked for. A cache: nothing is known when it is lost or garbled.
    pub fn last_run(&self) -> Result<LastRun, LakeError> {
        let bytes = self.store.read_side(layout::LAST_RUN_FILE)?;
        Ok(bytes.map(|bytes| LastRun::from_json(&bytes)).unwrap_or_default())
    }

    /// Adds what is now known to what other runs wrote in the meantime.
    pub fn save_last_run(&self, known: &LastRun) -> Result<(), LakeError> {
        let mut all = self.last_run()?;
        all.merge(known.clone());
        self.store.put_side(layout::LAST_RUN_FILE, all.to_json().as_bytes())
    }

    /// What a run noted about a slice for those that come after it, if it did.
    pub fn note(&self, slice: &Slice) -> Result<Option<Vec<u8>>, LakeError> {
        self.store.read_side(&layout::note(slice))
    }

    /// Notes something about a slice, in the place of what was noted before.
    pub fn keep_note(&self, slice: &Slice, note: &[u8]) -> Result<(), LakeError> {
        self.store.put_side(&layout::note(slice), note)
    }

    /// Drops what was noted about a slice.
    pub fn drop_note(&self, slice: &Slice) -> Result<(), LakeError> {
        self.store.drop_side(&layout::note(slice))
    }

    /// A location as people find it, for messages: the whole path.
    pub fn place(&self, location: &str) -> String {
        self.store.place(location)
    }
}
