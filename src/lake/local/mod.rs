//! A lake on local disk: listing, reading and small files. Publishing is in [`run`].

mod folders;
mod run;

use std::fs::{self, DirEntry, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::contract::{Dataset, Slice, Window, WindowKind};

use super::store::{Store, StoreRun, StoredFile};
use super::token::token;
use super::{LakeError, layout};

/// How long a replaced file can still be found by a reader that was just listing its folder.
const GRACE: Duration = Duration::from_secs(1);
/// What the name of a small file ends with that is not whole yet.
const DRAFT: &str = ".tmp";

/// A lake in a folder.
#[derive(Debug, Clone)]
pub(super) struct LocalStore {
    root: PathBuf,
    /// Whether to try to exchange folders. Off only in tests, to play a file system that cannot.
    exchange: bool,
    /// How long replaced files are kept at least.
    grace: Duration,
}

impl LocalStore {
    pub(super) fn new(root: &Path) -> Self {
        LocalStore { root: root.to_owned(), exchange: true, grace: GRACE }
    }

    /// A store whose runs end at once, for tests.
    #[cfg(test)]
    pub(super) fn without_grace(root: &Path, exchange: bool) -> Self {
        LocalStore { root: root.to_owned(), exchange, grace: Duration::ZERO }
    }

    /// The lake's folder.
    #[cfg(feature = "delta")]
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a name of the lake lies on disk.
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The Parquet files in the partition folder of a slice; none when the folder is gone.
    fn list_partition(&self, slice: &Slice, files: &mut Vec<StoredFile>) -> Result<(), LakeError> {
        let partition = layout::partition(slice);
        for entry in entries(&self.path(&partition))? {
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if !layout::is_data(&name) {
                continue;
            }
            // Follows links, and skips what was replaced since.
            let path = entry.path();
            match fs::metadata(&path) {
                Ok(found) if found.is_file() => {
                    let name = format!("{partition}/{name}");
                    files.push(StoredFile { slice: slice.clone(), name, bytes: found.len(), version: None });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(LakeError::io("look at", &path, error)),
            }
        }
        Ok(())
    }
}

impl Store for LocalStore {
    fn list(&self, dataset: Dataset) -> Result<Vec<StoredFile>, LakeError> {
        let mut files = Vec::new();
        let top = self.path(dataset.name());
        if top.is_file() {
            return Err(LakeError::NotAFolder { path: top });
        }
        for folder in entries(&top)? {
            let name = folder.file_name();
            let Some(enrollment) = name.to_str().and_then(layout::enrollment_of) else { continue };
            if dataset.window_kind() == WindowKind::Whole {
                self.list_partition(&Slice { dataset, enrollment, window: Window::Whole }, &mut files)?;
                continue;
            }
            for entry in entries(&folder.path())? {
                let name = entry.file_name();
                let parts = name.to_str().map(|name| format!("{dataset}/{}/{name}", folder.file_name().display()));
                let Some(slice) = parts.and_then(|parts| layout::slice_of(&parts)) else { continue };
                self.list_partition(&slice, &mut files)?;
            }
        }
        Ok(files)
    }

    fn has(&self, slice: &Slice) -> Result<bool, LakeError> {
        let mut files = Vec::new();
        self.list_partition(slice, &mut files)?;
        Ok(!files.is_empty())
    }

    fn read(&self, file: &StoredFile, range: Range<u64>) -> Result<Option<Vec<u8>>, LakeError> {
        let path = self.path(&file.name);
        let read = || {
            let mut open = File::open(&path)?;
            open.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            open.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        found(read()).map_err(|error| LakeError::io("read", &path, error))
    }

    fn read_side(&self, name: &str) -> Result<Option<Vec<u8>>, LakeError> {
        let path = self.path(name);
        found(fs::read(&path)).map_err(|error| LakeError::io("read", &path, error))
    }

    fn put_side(&self, name: &str, bytes: &[u8]) -> Result<(), LakeError> {
        let path = self.path(name);
        let folder = folders::parent(&path);
        folders::create(folder)?;
        let failure = |error| LakeError::io("write", &path, error);
        let (mut file, draft) = open_draft(&path).map_err(failure)?;
        let mut put = || {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        put().map_err(|error| {
            // The draft is of no use, and the failure to tell is the first one.
            let _ = fs::remove_file(&draft);
            failure(error)
        })?;
        folders::sync(folder)
    }

    fn drop_side(&self, name: &str) -> Result<(), LakeError> {
        let path = self.path(name);
        found(fs::remove_file(&path)).map_err(|error| LakeError::io("remove", &path, error))?;
        Ok(())
    }

    fn keep_newest(&self, folder: &str, keep: usize) -> Result<(), LakeError> {
        let folder = self.path(folder);
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in entries(&folder)? {
            let modified = entry.metadata().and_then(|found| found.modified());
            files.extend(modified.ok().map(|modified| (modified, entry.path())));
        }
        files.sort_unstable();
        let surplus = files.len().saturating_sub(keep);
        for (_, path) in &files[..surplus] {
            found(fs::remove_file(path)).map_err(|error| LakeError::io("remove", path, error))?;
        }
        Ok(())
    }

    fn clean(&self) -> Result<Vec<String>, LakeError> {
        let mut removed = Vec::new();
        for folder in [layout::OWN_FOLDER, layout::REPORTS_FOLDER] {
            drop_dead_drafts(&self.path(folder), &mut removed)?;
        }
        run::drop_dead_runs(&self.path(layout::STAGING_FOLDER), &mut removed)?;
        let names = removed.iter().map(|path| path.strip_prefix(&self.root).unwrap_or(path).display().to_string());
        Ok(names.collect())
    }

    fn begin_run(&self, run: &str) -> Result<Arc<dyn StoreRun>, LakeError> {
        self.clean()?;
        Ok(Arc::new(run::LocalRun::begin(Arc::new(self.clone()), run)?))
    }

    fn place(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// Opens a draft beside the file that it is to become. It is locked as long as somebody writes it.
fn open_draft(path: &Path) -> io::Result<(File, PathBuf)> {
    loop {
        let draft = path.with_extension(format!("{:016x}{DRAFT}", token()));
        let file = File::create_new(&draft)?;
        folders::lock(&file)?;
        // Between the two calls a run may have taken it for a dead one's.
        if folders::is_at(&file, &draft) {
            return Ok((file, draft));
        }
    }
}

/// Removes the drafts that nobody writes any more from a folder, and says which.
fn drop_dead_drafts(folder: &Path, removed: &mut Vec<PathBuf>) -> Result<(), LakeError> {
    for entry in entries(folder)? {
        let path = entry.path();
        if !path.to_string_lossy().ends_with(DRAFT) {
            continue;
        }
        let dead = File::open(&path).and_then(|draft| Ok(folders::try_lock(&draft)?.then_some(draft)));
        // What cannot be looked at is left for a later run.
        if let Ok(Some(_lock)) = dead {
            match found(fs::remove_file(&path)) {
                Ok(gone) => removed.extend(gone.map(|()| path)),
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot remove the draft of a dead run"),
            }
        }
    }
    Ok(())
}

/// What lies in a folder; nothing when there is none.
fn entries(folder: &Path) -> Result<Vec<DirEntry>, LakeError> {
    match fs::read_dir(folder).and_then(Iterator::collect) {
        Ok(entries) => Ok(entries),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(LakeError::io("list", folder, error)),
    }
}

/// Makes nothing of what is not there.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
