//! The thread on which a slice's row groups are encoded, while the next one is decoded.
//!
//! It holds one row group; a second one waits in the hands of whoever brings it. So no more than two are in memory.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::RunError;
use super::writer::internal;
use crate::decode::RowGroup;
use crate::lake::{LakeError, SliceFile};

/// Writes row groups to a staged file on a thread of its own. Dropping it drops the file, once the group at work is done.
pub(super) struct Encoder {
    work: Option<(SyncSender<RowGroup>, Thread)>,
}

/// Gives the file back when there are no more row groups.
type Thread = JoinHandle<Result<SliceFile, LakeError>>;

impl Encoder {
    /// Starts the thread.
    pub(super) fn start(mut file: SliceFile) -> Result<Self, RunError> {
        let (groups, queue) = sync_channel::<RowGroup>(0);
        let thread = thread::Builder::new().name("encoder".to_owned()).spawn(move || {
            for group in queue {
                file.write_columns(group.into_columns())?;
            }
            Ok(file)
        });
        let thread = thread.map_err(|error| internal(&error))?;
        Ok(Encoder { work: Some((groups, thread)) })
    }

    /// Gives it a row group, when it is done with the one before.
    pub(super) fn write(&mut self, group: RowGroup) -> Result<(), RunError> {
        match &self.work {
            Some((groups, _)) if groups.send(group).is_ok() => Ok(()),
            // It takes no more because it failed.
            _ => self.end().map(drop),
        }
    }

    /// Waits for the last row group, and returns the file.
    pub(super) fn finish(mut self) -> Result<SliceFile, RunError> {
        self.end()
    }

    fn end(&mut self) -> Result<SliceFile, RunError> {
        let ended = || internal(&"the encoding thread ended too early");
        let (groups, thread) = self.work.take().ok_or_else(ended)?;
        drop(groups);
        Ok(thread.join().map_err(|_| ended())??)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // Whoever drops it may rely on the file being gone.
        let _ = self.end();
    }
}
