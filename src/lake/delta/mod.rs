//! A lake of Delta tables, one a dataset, in any place: files have names of their own and are never replaced, and a table's
//! log says which of them are seen. Publishing is in [`run`].
//!
//! The log is written for readers of version 1 and writers of version 2, which everybody has. A file's state stands in its
//! footer as in any lake.

mod actions;
mod clean;
mod run;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use delta_kernel::{Engine, KernelError};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use url::Url;

use crate::contract::{Contract, Dataset, Slice, Window};

use super::bridge::Bridge;
use super::destination::percent_decoded;
use super::remote::RemoteStore;
use super::store::{Store, StoreRun, StoredFile};
use super::{LakeError, footer, layout};

use actions::NewFile;
use table::{ActiveFile, Table};

/// Where tables lie, and how their logs are reached.
#[derive(Clone)]
pub(super) struct Ground {
    objects: Arc<dyn ObjectStore>,
    bridge: Arc<Bridge>,
    /// Ends with `/`.
    root: Url,
}

impl Ground {
    /// A folder on local disk.
    pub(super) fn folder(path: &Path) -> Result<Self, LakeError> {
        let place = || path.display().to_string();
        let settings = |reason: String| LakeError::StoreSettings { place: place(), reason };
        let absolute = std::path::absolute(path).map_err(|error| settings(error.to_string()))?;
        let root = Url::from_directory_path(&absolute).map_err(|()| settings("no path of a table".to_owned()))?;
        let bridge = Bridge::new().map_err(|error| settings(format!("no thread for its requests: {error}")))?;
        let objects = Arc::new(LocalFileSystem::new().with_fsync(true));
        Ground { objects, bridge: Arc::new(bridge), root }.checked(&absolute.to_string_lossy())
    }

    /// A prefix in an object store.
    pub(super) fn objects(store: &RemoteStore) -> Result<Self, LakeError> {
        let place = store.object_place();
        let (objects, bridge) = store.client();
        let settings = |reason: String| LakeError::StoreSettings { place: place.to_string(), reason };
        let mut root = Url::parse(&format!("{}/", place.root)).map_err(|error| settings(error.to_string()))?;
        if let Ok(mut parts) = root.path_segments_mut() {
            parts.pop_if_empty().extend(place.prefix.split('/').filter(|part| !part.is_empty())).push("");
        }
        Ground { objects, bridge, root }.checked(&place.to_string())
    }

    /// Readers of Delta tables undo escapes in the place of a table once too often.
    fn checked(self, place: &str) -> Result<Self, LakeError> {
        if place.contains('%') {
            let reason = "Delta tables cannot lie where a '%' is in the name".to_owned();
            return Err(LakeError::StoreSettings { place: place.to_owned(), reason });
        }
        Ok(self)
    }
}

/// A lake of Delta tables over a store, which keeps all files.
pub(super) struct DeltaStore {
    files: Arc<dyn Store>,
    ground: Ground,
    tables: Arc<BTreeMap<Dataset, Table>>,
}

impl fmt::Debug for DeltaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaStore").field("files", &self.files).field("root", &self.ground.root.as_str()).finish()
    }
}

impl DeltaStore {
    /// The lake over these files; nothing is read yet.
    pub(super) fn new(files: Arc<dyn Store>, ground: Ground) -> Result<Self, LakeError> {
        let Some(handle) = ground.bridge.handle().cloned() else {
            return Err(LakeError::StoreSettings {
                place: files.place(""),
                reason: "its runtime has ended".to_owned(),
            });
        };
        let executor = Arc::new(TokioMultiThreadExecutor::new(handle));
        let engine: Arc<dyn Engine> =
            Arc::new(DefaultEngineBuilder::new(Arc::clone(&ground.objects)).with_task_executor(executor).build());
        let mut tables = BTreeMap::new();
        for dataset in Dataset::ALL {
            let address = ground.root.join(&format!("{dataset}/")).map_err(|error| LakeError::StoreSettings {
                place: files.place(dataset.name()),
                reason: error.to_string(),
            })?;
            let (objects, bridge) = (Arc::clone(&ground.objects), Arc::clone(&ground.bridge));
            tables.insert(dataset, Table::new(Arc::clone(&engine), objects, bridge, address));
        }
        Ok(DeltaStore { files, ground, tables: Arc::new(tables) })
    }

    fn failure(&self, action: &'static str, dataset: Dataset, error: KernelError) -> LakeError {
        failure(self.files.as_ref(), action, dataset, error)
    }

    /// The files that a dataset's readers see.
    fn active(&self, dataset: Dataset) -> Result<Vec<ActiveFile>, LakeError> {
        let Some(table) = self.tables.get(&dataset) else { return Ok(Vec::new()) };
        let files = table.files().map_err(|error| self.failure("read the table", dataset, error))?;
        Ok(files.unwrap_or_default())
    }

    /// Makes a table of the files of a lake with hive partitions; nothing is copied. A log that lies there already is one of
    /// a change that died, and is dropped.
    pub(super) fn adopt(&self, dataset: Dataset) -> Result<(), LakeError> {
        self.drop_log(dataset)?;
        let Some(table) = self.tables.get(&dataset) else { return Ok(()) };
        let modified = Utc::now().timestamp_millis();
        let mut files = Vec::new();
        for file in self.files.list(dataset)? {
            let rows = footer::read(self.files.as_ref(), &file)?.and_then(Result::ok).map(|state| state.rows);
            let partition = partition_of(&file.slice);
            files.push(NewFile { path: path_in_table(&file.name), bytes: file.bytes, modified, rows, partition });
        }
        let schema = Contract::of(dataset).arrow_schema();
        table.adopt(&schema, &files).map_err(|error| self.failure("make the table", dataset, error))
    }

    /// Refuses a dataset that has several files in a partition: a table would hold the rows of all.
    pub(super) fn refuse_several(&self, dataset: Dataset) -> Result<(), LakeError> {
        let mut listed = self.files.list(dataset)?;
        listed.sort_unstable_by(|a, b| (&a.slice, &a.name).cmp(&(&b.slice, &b.name)));
        match listed.windows(2).find(|pair| pair[0].slice == pair[1].slice) {
            Some(pair) => Err(LakeError::NotOneFile { place: self.files.place(&pair[1].name) }),
            None => Ok(()),
        }
    }

    /// Refuses a table that others wrote to: its files would not be found, or two would be in one partition.
    pub(super) fn refuse_strangers(&self, dataset: Dataset) -> Result<(), LakeError> {
        let listed = self.list(dataset)?;
        let mut slices = BTreeSet::new();
        for file in listed {
            let (folder, _) = file.name.rsplit_once('/').unwrap_or_default();
            if layout::slice_of(folder).as_ref() != Some(&file.slice) || !slices.insert(file.slice) {
                return Err(LakeError::NotOneFile { place: self.files.place(&file.name) });
            }
        }
        Ok(())
    }

    /// Drops what readers of the newest version do not see: where there is no log, they see all.
    pub(super) fn drop_unseen(&self, dataset: Dataset) -> Result<(), LakeError> {
        let Some(table) = self.tables.get(&dataset) else { return Ok(()) };
        let seen = table.files().map_err(|error| self.failure("read the table", dataset, error))?;
        match seen {
            Some(_) => {
                let end = DateTime::<Utc>::MAX_UTC;
                clean::drop_old(self, dataset, end, end, &mut Vec::new())
            }
            None => Ok(()),
        }
    }

    /// Drops the log of a table, and nothing else.
    pub(super) fn drop_log(&self, dataset: Dataset) -> Result<(), LakeError> {
        clean::drop_log(self, dataset)
    }
}

/// What went wrong with a table.
fn failure(files: &dyn Store, action: &'static str, dataset: Dataset, error: KernelError) -> LakeError {
    LakeError::store(action, files.place(dataset.name()), error)
}

/// The partition columns of a slice, as the table keeps them: enrollments unescaped.
fn partition_of(slice: &Slice) -> Vec<(&'static str, String)> {
    let mut partition = vec![("enrollment", slice.enrollment.to_string())];
    match slice.window {
        Window::Whole => {}
        Window::Period(period) => partition.push(("billing_period", period.to_string())),
        Window::Dates(dates) => partition.push(("date_range", dates.to_string())),
    }
    partition
}

/// The slice of a file's partition columns; none when they are no slice's.
fn slice_of(dataset: Dataset, partition: &BTreeMap<String, String>) -> Option<Slice> {
    let window = |column: &str| partition.get(column);
    let slice = Slice {
        dataset,
        enrollment: partition.get("enrollment")?.parse().ok()?,
        window: match (window("billing_period"), window("date_range")) {
            (Some(period), _) => Window::Period(period.parse().ok()?),
            (None, Some(dates)) => Window::Dates(dates.parse().ok()?),
            (None, None) => Window::Whole,
        },
    };
    (partition_of(&slice).len() == partition.len()).then_some(slice)
}

/// How the log writes the name of a file of the lake: relative to the table, escaped.
fn path_in_table(name: &str) -> String {
    let (_, within) = name.split_once('/').unwrap_or(("", name));
    within.replace('%', "%25")
}

impl Store for DeltaStore {
    fn list(&self, dataset: Dataset) -> Result<Vec<StoredFile>, LakeError> {
        let active = self.active(dataset)?;
        let mut listed = Vec::with_capacity(active.len());
        for ActiveFile { path, bytes, partition } in active {
            match (slice_of(dataset, &partition), percent_decoded(&path)) {
                (Some(slice), Some(path)) => {
                    listed.push(StoredFile { slice, name: format!("{dataset}/{path}"), bytes, version: None });
                }
                _ => tracing::warn!("{}: readers see {path}, which is no slice's", self.files.place(dataset.name())),
            }
        }
        Ok(listed)
    }

    fn has(&self, _: &Slice) -> Result<bool, LakeError> {
        Ok(true)
    }

    fn read(&self, file: &StoredFile, range: Range<u64>) -> Result<Option<Vec<u8>>, LakeError> {
        self.files.read(file, range)
    }

    fn reads_at_once(&self) -> usize {
        self.files.reads_at_once()
    }

    fn staged_bytes(&self) -> u64 {
        self.files.staged_bytes()
    }

    fn read_side(&self, name: &str) -> Result<Option<Vec<u8>>, LakeError> {
        self.files.read_side(name)
    }

    fn put_side(&self, name: &str, bytes: &[u8]) -> Result<(), LakeError> {
        self.files.put_side(name, bytes)
    }

    fn drop_side(&self, name: &str) -> Result<(), LakeError> {
        self.files.drop_side(name)
    }

    fn keep_newest(&self, folder: &str, keep: usize) -> Result<(), LakeError> {
        self.files.keep_newest(folder, keep)
    }

    fn clean(&self) -> Result<Vec<String>, LakeError> {
        self.files.clean()
    }

    fn drop_old_data(&self, retention: Duration) -> Result<Vec<String>, LakeError> {
        let mut dropped = Vec::new();
        let age = TimeDelta::from_std(retention).ok();
        // A retention beyond the calendar is for ever.
        let now = Utc::now();
        let Some(horizon) = age.and_then(|age| now.checked_sub_signed(age)) else { return Ok(dropped) };
        let orphans = horizon.min(now - clean::ORPHANS);
        for dataset in Dataset::ALL {
            clean::drop_old(self, dataset, horizon, orphans, &mut dropped)?;
        }
        Ok(dropped)
    }

    fn begin_run(&self, run: &str) -> Result<Arc<dyn StoreRun>, LakeError> {
        let of_files = self.files.begin_run(run)?;
        Ok(Arc::new(run::DeltaRun::new(Arc::clone(&self.files), of_files, Arc::clone(&self.tables))))
    }

    fn place(&self, name: &str) -> String {
        self.files.place(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_partition_columns_are_the_same_both_ways() {
        for (dataset, window) in [
            (Dataset::UsageDetails, Window::Period("2024-11".parse().unwrap())),
            (Dataset::UsageDetailsByDate, Window::Dates("2024-11-01_2024-11-07".parse().unwrap())),
            (Dataset::BillingPeriods, Window::Whole),
        ] {
            let slice = Slice { dataset, enrollment: "a:1".parse().unwrap(), window };
            let partition =
                partition_of(&slice).into_iter().map(|(column, value)| (column.to_owned(), value)).collect();
            assert_eq!(slice_of(dataset, &partition), Some(slice.clone()));
            let name = format!("{}/data-1.parquet", layout::partition(&slice));
            let path = path_in_table(&name);
            assert!(path.starts_with("enrollment=a%253A1"), "{path}");
            assert_eq!(percent_decoded(&path).map(|path| format!("{dataset}/{path}")), Some(name));
        }
    }
}
