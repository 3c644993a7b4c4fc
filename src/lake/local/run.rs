//! A run on local disk: staging outside the datasets, and the exchange that publishes.
//!
//! ```text
//! _billing_lake/staging/{run}/        locked as long as the run lives
//!   {token}/billing_period=2024-11/data-{token}.parquet    staged; after the exchange the folder that was replaced
//!   {token}/draft                                          a file that is not yet kept: rejected rows
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use arrow_schema::SchemaRef;

use crate::contract::Slice;
use crate::lake::error::CREATE_FOLDER;
use crate::lake::store::{Staged, StoreRun, Unkept};
use crate::lake::token::token;
use crate::lake::{LakeError, layout};

use super::folders::{self, Swap};
use super::{LocalStore, entries, found};

/// A run on local disk.
#[derive(Debug)]
pub(super) struct LocalRun {
    staging: Arc<Staging>,
}

/// A run's staging folder. Its lock says that the run is alive, and is held until the last staged file is let go.
#[derive(Debug)]
struct Staging {
    store: Arc<LocalStore>,
    folder: PathBuf,
    _alive: File,
    last_exchange: Mutex<Option<Instant>>,
}

impl LocalRun {
    pub(super) fn begin(store: Arc<LocalStore>, run: &str) -> Result<Self, LakeError> {
        let all = store.path(layout::STAGING_FOLDER);
        folders::create(&all)?;
        let folder = all.join(run);
        let alive = claim(&folder)?;
        let staging = Staging { store, folder, _alive: alive, last_exchange: Mutex::new(None) };
        Ok(LocalRun { staging: Arc::new(staging) })
    }
}

/// Removes the staging folders that no living run holds, and says which. What cannot be removed is left for a later run.
pub(super) fn drop_dead_runs(all: &Path, removed: &mut Vec<PathBuf>) -> Result<(), LakeError> {
    for entry in entries(all)? {
        let folder = entry.path();
        let dead = File::open(&folder).and_then(|open| Ok(folders::try_lock(&open)?.then_some(open)));
        match dead {
            // The lock is held while the folder is removed, so that no run takes it for its own.
            Ok(Some(_lock)) => match found(fs::remove_dir_all(&folder)) {
                Ok(gone) => removed.extend(gone.map(|()| folder)),
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "cannot remove what a dead run left"),
            },
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "cannot look at what a run left"),
        }
    }
    Ok(())
}

/// Creates a run's folder and locks it.
fn claim(folder: &Path) -> Result<File, LakeError> {
    let failure = |error| LakeError::io(CREATE_FOLDER, folder, error);
    loop {
        match fs::create_dir(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(LakeError::RunInUse { path: folder.to_owned() });
            }
            Err(error) => return Err(failure(error)),
        }
        // Between the two calls another run may take the folder for a dead one's; then it is made again.
        let Some(open) = found(File::open(folder)).map_err(failure)? else { continue };
        folders::lock(&open).map_err(|error| LakeError::io("lock", folder, error))?;
        if folders::is_at(&open, folder) {
            return Ok(open);
        }
    }
}

fn create_one(folder: &Path) -> Result<(), LakeError> {
    fs::create_dir(folder).map_err(|error| LakeError::io(CREATE_FOLDER, folder, error))
}

impl Staging {
    /// Creates a folder of its own for one file. Not also the run's folder: one that is made again has no lock.
    fn own_folder(&self) -> Result<PathBuf, LakeError> {
        let own = self.folder.join(format!("{:016x}", token()));
        create_one(&own)?;
        Ok(own)
    }
}

impl StoreRun for LocalRun {
    fn stage(&self, slice: &Slice, _: &SchemaRef) -> Result<Box<dyn Staged>, LakeError> {
        let own = self.staging.own_folder()?;
        let folder = own.join(layout::partition_name(slice));
        create_one(&folder)?;
        let path = folder.join(format!("data-{:016x}.parquet", token()));
        let open = File::create_new(&path).map_err(|error| LakeError::io("create", &path, error))?;
        let staging = Arc::clone(&self.staging);
        Ok(Box::new(LocalStaged { staging, slice: slice.clone(), own, folder, path, open, replaced: false }))
    }

    fn reuses_names(&self) -> bool {
        false
    }

    fn open(&self, name: &str, for_owner_only: bool) -> Result<Box<dyn Unkept>, LakeError> {
        let own = self.staging.own_folder()?;
        let draft = own.join("draft");
        let mode = if for_owner_only { 0o600 } else { 0o666 };
        let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft);
        let open = open.map_err(|error| LakeError::io("create", &draft, error))?;
        let path = self.staging.store.path(name);
        Ok(Box::new(LocalUnkept { _staging: Arc::clone(&self.staging), own, draft, path, open }))
    }

    fn finish(&self) -> Result<(), LakeError> {
        let last = *self.staging.last_exchange.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last {
            thread::sleep(self.staging.store.grace.saturating_sub(last.elapsed()));
        }
        let folder = &self.staging.folder;
        found(fs::remove_dir_all(folder)).map_err(|error| LakeError::io("remove", folder, error))?;
        Ok(())
    }
}

/// A slice's file in the staging folder.
#[derive(Debug)]
struct LocalStaged {
    staging: Arc<Staging>,
    slice: Slice,
    /// The folder that holds only this.
    own: PathBuf,
    /// The partition folder to be.
    folder: PathBuf,
    path: PathBuf,
    open: File,
    /// The folder is now the replaced one, which stays until the run ends.
    replaced: bool,
}

impl Write for LocalStaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Staged for LocalStaged {
    fn failure(&self, source: io::Error) -> LakeError {
        LakeError::io("write", &self.path, source)
    }

    fn seal(&mut self) -> Result<u64, LakeError> {
        self.open.sync_all().map_err(|error| LakeError::io("sync", &self.path, error))?;
        folders::sync(&self.folder)?;
        let found = self.open.metadata().map_err(|error| LakeError::io("look at", &self.path, error))?;
        Ok(found.len())
    }

    fn publish(mut self: Box<Self>, _: u64) -> Result<String, LakeError> {
        let store = Arc::clone(&self.staging.store);
        let partition = layout::partition(&self.slice);
        let place = store.path(&partition);
        let above = folders::parent(&place);
        folders::create(above)?;
        let _turn = wait_for_turn(&store, &self.slice)?;
        if fs::metadata(&place).is_ok_and(|found| !found.is_dir()) {
            return Err(LakeError::NotAFolder { path: place });
        }
        let swap = if store.exchange { folders::swap(&self.folder, &place) } else { Ok(Swap::Unsupported) };
        let name = match swap.map_err(|error| LakeError::io("put the new file into", &place, error))? {
            Swap::Exchanged => {
                self.replaced = true;
                // The clock begins after the last reader could have listed the old folder.
                *self.staging.last_exchange.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                file_name(&self.path)
            }
            Swap::Moved => file_name(&self.path),
            Swap::Unsupported => {
                tracing::debug!("folders cannot be exchanged at {}: the file is renamed", place.display());
                self.rename_file(&place)?
            }
        };
        folders::sync(above)?;
        folders::sync(folders::parent(&self.folder))?;
        Ok(format!("{partition}/{name}"))
    }
}

impl LocalStaged {
    /// Where folders cannot be exchanged: renames the file over the one in place, whose name it takes.
    fn rename_file(&self, place: &Path) -> Result<String, LakeError> {
        folders::create(place)?;
        let mut names: Vec<_> = entries(place)?.iter().map(|entry| file_name(&entry.path())).collect();
        names.retain(|name| layout::is_data(name));
        names.sort_unstable();
        let name = names.first().map_or(layout::FIXED_NAME, String::as_str);
        let target = place.join(name);
        fs::rename(&self.path, &target).map_err(|error| LakeError::io("replace", &target, error))?;
        // Others that lie there would be read beside it.
        for name in names.iter().skip(1) {
            let path = place.join(name);
            found(fs::remove_file(&path)).map_err(|error| LakeError::io("remove", &path, error))?;
        }
        folders::sync(place)?;
        Ok(name.to_owned())
    }
}

impl Drop for LocalStaged {
    fn drop(&mut self) {
        if !self.replaced {
            // What stays is removed at the run's end.
            let _ = fs::remove_dir_all(&self.own);
        }
    }
}

/// Waits until no other run is publishing the slice; the turn ends when the file is closed.
fn wait_for_turn(store: &LocalStore, slice: &Slice) -> Result<File, LakeError> {
    let path = store.path(&layout::lock(slice));
    folders::create(folders::parent(&path))?;
    let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let open = open.map_err(|error| LakeError::io("open", &path, error))?;
    folders::lock(&open).map_err(|error| LakeError::io("lock", &path, error))?;
    Ok(open)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A file in the staging folder that takes its name at the end.
#[derive(Debug)]
struct LocalUnkept {
    _staging: Arc<Staging>,
    own: PathBuf,
    draft: PathBuf,
    path: PathBuf,
    open: File,
}

impl Write for LocalUnkept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unkept for LocalUnkept {
    fn failure(&self, source: io::Error) -> LakeError {
        LakeError::io("write", &self.draft, source)
    }

    fn keep(self: Box<Self>) -> Result<(), LakeError> {
        self.open.sync_all().map_err(|error| LakeError::io("sync", &self.draft, error))?;
        let folder = folders::parent(&self.path);
        folders::create(folder)?;
        fs::rename(&self.draft, &self.path).map_err(|error| LakeError::io("write", &self.path, error))?;
        folders::sync(folder)
    }
}

impl Drop for LocalUnkept {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.own);
    }
}
