//! Folders that survive a loss of power, locks that die with their process, and the exchange of two folders.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use crate::lake::LakeError;
use crate::lake::error::CREATE_FOLDER;

/// The folder that something lies in. The paths of a lake all have one.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Creates a folder and what is missing above it, each one entered in its parent for good.
pub(super) fn create(folder: &Path) -> Result<(), LakeError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Ok(found) = fs::metadata(folder)
        && !found.is_dir()
    {
        return Err(LakeError::NotAFolder { path: folder.to_owned() });
    }
    let above = parent(folder);
    if above != folder {
        create(above)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => sync(above),
        // Another run was faster; a file in its place shows below.
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(LakeError::io(CREATE_FOLDER, folder, error)),
    }
}

/// Makes the entries of a folder survive a loss of power.
pub(super) fn sync(folder: &Path) -> Result<(), LakeError> {
    File::open(folder).and_then(|open| open.sync_all()).map_err(|error| LakeError::io("sync", folder, error))
}

/// Waits for an open file's or folder's lock. It is let go when the file is closed, also by the death of the process.
pub(super) fn lock(file: &File) -> io::Result<()> {
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// Takes a lock if nobody has it.
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether an open folder is still the one that the path names.
pub(super) fn is_at(open: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (open.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

/// What became of a folder that was to be put in the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swap {
    /// The two have exchanged their places.
    Exchanged,
    /// There was none in that place.
    Moved,
    /// The file system can do neither as one act.
    Unsupported,
}

/// Puts a folder in the place of another as one act, and that one in its place; both on one file system.
pub(super) fn swap(folder: &Path, place: &Path) -> io::Result<Swap> {
    // Both answers can be outdated at once only when others create and remove the place all the time.
    for _ in 0..16 {
        match renameat_with(CWD, folder, CWD, place, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(Swap::Exchanged),
            Err(Errno::NOENT) => {}
            Err(error) if is_unsupported(error) => return Ok(Swap::Unsupported),
            Err(error) => return Err(error.into()),
        }
        match renameat_with(CWD, folder, CWD, place, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(Swap::Moved),
            Err(Errno::EXIST) => {}
            Err(error) if is_unsupported(error) => return Ok(Swap::Unsupported),
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn is_unsupported(error: Errno) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP].contains(&error)
}
