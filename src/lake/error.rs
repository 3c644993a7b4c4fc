//! What can go wrong with a lake, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::contract::Slice;

use super::{Layout, told};

/// What kind of failure it is; each has its own exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LakeErrorKind {
    /// The destination was given wrongly, or the lake needs a newer version of this tool.
    Usage,
    /// The destination could not be read or written.
    Destination,
    /// A bug in billing-lake. Nothing was published.
    Internal,
}

/// A failure of the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The destination's text is neither a path nor a URL that is understood.
    #[error("{text:?} is no destination: {reason}")]
    NotADestination {
        /// The text, cut to 200 characters.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A kind of store that no lake can lie in.
    #[error("{text:?}: {scheme}:// destinations are not supported")]
    UnsupportedStore {
        /// The text, cut to 200 characters.
        text: String,
        /// Its scheme.
        scheme: String,
    },
    /// A run's name that cannot be the name of a folder.
    #[error("{run:?} is no run id: it takes 1 to 64 letters, digits, '-', '_' or '.', the first a letter or digit")]
    RunId {
        /// The name, cut to 64 characters.
        run: String,
    },
    /// The lake was laid out by a newer version of this tool.
    #[error("{place}: the lake has format {format}, this version knows {known}")]
    NewerLake {
        /// Where that is written.
        place: String,
        /// Its format.
        format: u64,
        /// The newest format that is known here.
        known: u64,
    },
    /// The lake has a layout that this version does not know.
    #[error("{place}: the lake has the layout {layout:?}, which this version does not know")]
    UnknownLayout {
        /// Where that is written.
        place: String,
        /// Its layout.
        layout: String,
    },
    /// The lake has another layout than the one named.
    #[error("{place}: the lake has the layout {layout}, not {named}")]
    OtherLayout {
        /// The destination.
        place: String,
        /// Its layout.
        layout: Layout,
        /// The one that was named.
        named: Layout,
    },
    /// A dataset whose files are not one for each slice cannot take another layout.
    #[error("{place}: not the one file of its slice, so the layout cannot be changed")]
    NotOneFile {
        /// The file.
        place: String,
    },
    /// This program was built without Delta tables.
    #[error("{place}: this billing-lake was built without Delta tables")]
    WithoutDelta {
        /// The destination.
        place: String,
    },
    /// The lake's own description cannot be read.
    #[error("{place}: not the description of a lake: {reason}")]
    DamagedLake {
        /// The file.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another live run has the same name.
    #[error("{}: another run with this id is at work", path.display())]
    RunInUse {
        /// Its staging folder.
        path: PathBuf,
    },
    /// A file lies where a folder is needed.
    #[error("{}: not a folder", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// An operation of the operating system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, for example `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The variables of the environment do not tell how to reach the store.
    #[error("{place}: {reason}")]
    StoreSettings {
        /// The destination.
        place: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// A request to an object store failed, however often it was tried.
    #[error("cannot {action} {place}: {told}")]
    Store {
        /// What was tried, for example `write`.
        action: &'static str,
        /// The object or prefix.
        place: String,
        /// The status of the answer, when there was one.
        status: Option<u16>,
        /// What the store said, in one line.
        told: String,
        /// The store's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A record batch could not be encoded.
    #[error("{slice}: cannot encode the record batch: {source}")]
    Encode {
        /// The slice.
        slice: Box<Slice>,
        /// What the Parquet writer said.
        source: parquet::errors::ParquetError,
    },
    /// The finished file is not what was decoded; it was not published.
    #[error("{slice}: the file does not hold what was decoded, so it was not published: {difference}")]
    Mismatch {
        /// The slice.
        slice: Box<Slice>,
        /// What differs.
        difference: String,
    },
}

/// What is tried when a folder is made.
pub(super) const CREATE_FOLDER: &str = "create the folder";

impl LakeError {
    /// What kind of failure it is.
    pub fn kind(&self) -> LakeErrorKind {
        match self {
            LakeError::NotADestination { .. }
            | LakeError::UnsupportedStore { .. }
            | LakeError::StoreSettings { .. }
            | LakeError::NewerLake { .. }
            | LakeError::UnknownLayout { .. }
            | LakeError::OtherLayout { .. }
            | LakeError::NotOneFile { .. }
            | LakeError::WithoutDelta { .. } => LakeErrorKind::Usage,
            LakeError::DamagedLake { .. }
            | LakeError::RunInUse { .. }
            | LakeError::NotAFolder { .. }
            | LakeError::Io { .. }
            | LakeError::Store { .. } => LakeErrorKind::Destination,
            LakeError::RunId { .. } | LakeError::Encode { .. } | LakeError::Mismatch { .. } => LakeErrorKind::Internal,
        }
    }

    /// What to do about it, when that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            LakeError::NotADestination { .. } | LakeError::UnsupportedStore { .. } => Some(
                "give a path, file:///folder, s3://bucket/prefix, az://container/prefix or abfss://container@account.dfs.core.windows.net/prefix",
            ),
            LakeError::StoreSettings { .. } => {
                Some("the variables AWS_… or AZURE_… tell how to reach the store: see docs/stores.md")
            }
            LakeError::Store { status, told, .. } => Some(store_hint(*status, told)),
            LakeError::NewerLake { .. } | LakeError::UnknownLayout { .. } => {
                Some("use the version of billing-lake that wrote it, or a newer one")
            }
            LakeError::OtherLayout { .. } => {
                Some("leave --layout away, or change the lake with `billing-lake rewrite --layout`")
            }
            LakeError::NotOneFile { .. } => {
                Some("another tool wrote there: `billing-lake sync --force` replaces what lies in the slice's place")
            }
            LakeError::WithoutDelta { .. } => {
                Some("build it with its feature `delta`, which is on unless it is switched off")
            }
            LakeError::DamagedLake { .. } => Some(
                "when the folder is a lake, delete this one file: the next sync writes it again; else choose another destination",
            ),
            LakeError::RunInUse { .. } => Some("wait until that run has ended, or start this one again"),
            LakeError::NotAFolder { .. } => Some("move the file away or choose another destination"),
            LakeError::Io { action, source, .. }
                if *action == CREATE_FOLDER && source.kind() == io::ErrorKind::NotFound =>
            {
                Some("no folder can be made there: choose another destination")
            }
            LakeError::Io { source, .. } => io_hint(source),
            LakeError::RunId { .. } | LakeError::Encode { .. } | LakeError::Mismatch { .. } => None,
        }
    }

    /// A request to a store that failed.
    pub(super) fn store(
        action: &'static str,
        place: String,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let (status, told) = (told::status_of(&error.to_string()), told::in_one_line(&error));
        LakeError::Store { action, place, status, told, source: Box::new(error) }
    }

    /// An I/O failure at a path. What stands in the way of a folder is told as such.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotADirectory => LakeError::NotAFolder { path: first_file(path) },
            _ => LakeError::Io { action, path: path.to_owned(), source },
        }
    }
}

/// The part of the path that is no folder.
fn first_file(path: &Path) -> PathBuf {
    path.ancestors().find(|part| part.is_file()).unwrap_or(path).to_owned()
}

fn store_hint(status: Option<u16>, told: &str) -> &'static str {
    match status {
        _ if told.contains("169.254.169.254") => {
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AZURE_STORAGE_ACCOUNT_KEY"
        }
        Some(401 | 403) => {
            "check the credentials (AWS_… or AZURE_…) and their right to list, read, write and delete there"
        }
        Some(404) => "there is no such bucket or container: create it, or correct the destination",
        Some(301 | 302 | 307 | 308) => "the bucket lies elsewhere: check AWS_REGION and AWS_ENDPOINT",
        Some(429 | 500..) => "the store is in trouble: run again later; nothing was replaced by this",
        Some(_) => "the store does not take the request: check AWS_REGION and the address of the store",
        None => {
            "check the network and the address of the store (AWS_ENDPOINT, AZURE_STORAGE_ENDPOINT); nothing was replaced by this"
        }
    }
}

fn io_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Some("give the user of this process the right to write there"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("make room there; nothing was replaced, and the next run starts again")
        }
        io::ErrorKind::ReadOnlyFilesystem => Some("the file system is mounted read-only: choose another destination"),
        io::ErrorKind::CrossesDevices => Some("the whole lake has to lie on one file system"),
        io::ErrorKind::NotFound => Some("the folder vanished during the run: is something else cleaning up there?"),
        io::ErrorKind::InvalidFilename => Some("choose a destination with a shorter name"),
        _ if error.raw_os_error() == Some(Errno::NOLCK.raw_os_error()) => {
            Some("the file system has no locks of files, or none left: a lake needs them")
        }
        _ if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Some(
            "the disk or the connection to it fails: check it; nothing was replaced, and the next run starts again",
        ),
        io::ErrorKind::Unsupported => Some("the file system lacks what a lake needs (locks of files): choose another"),
        _ => Some("check the destination; nothing was replaced by this, and the next run starts again"),
    }
}
