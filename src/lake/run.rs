//! A run: what is staged, published, rejected and reported under one id.

use std::io::Write;
use std::sync::Arc;

use crate::contract::{Contract, Slice};

use super::store::{Store, StoreRun, Unkept};
use super::token::token;
use super::{LakeError, SliceFile, StagedFile, WriteOptions, layout};

/// So many run reports are kept.
const REPORTS: usize = 100;

/// The most bytes that stand before the data of a file that may be replaced under its name. There is another number of
/// them in each, so a reader that gets pieces of two files finds no page where one should begin, and fails; offsets that
/// agreed would give rows of both.
const MOST_SALT: u64 = 4096;

/// A run at work on a lake; other runs may be at work on the same lake. It can be shared between threads.
///
/// When it is dropped without [`finish`](Run::finish), as by the death of the process, what it published stays whole,
/// and a later run removes the rest.
#[derive(Debug)]
pub struct Run {
    id: String,
    store: Arc<dyn Store>,
    at_store: Arc<dyn StoreRun>,
}

/// A file that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFile {
    /// Where it lies, relative to the lake, with `/` between the parts.
    pub location: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Run {
    pub(super) fn begin(store: Arc<dyn Store>, id: &str) -> Result<Run, LakeError> {
        layout::check_run_id(id)?;
        let at_store = store.begin_run(id)?;
        Ok(Run { id: id.to_owned(), store, at_store })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Opens a file for a slice. Nobody sees it until it is finished and published.
    pub fn stage(
        &self,
        slice: &Slice,
        contract: &Arc<Contract>,
        options: &WriteOptions,
    ) -> Result<SliceFile, LakeError> {
        let salt = if self.at_store.reuses_names() { 1 + (token() % MOST_SALT) as usize } else { 0 };
        SliceFile::new(slice, contract, options, salt, self.at_store.stage(slice, &contract.arrow_schema())?)
    }

    /// Replaces what the slice had by the finished file, as one act. A reader sees the old file or the new one, whole;
    /// one that planned its query on the old one fails cleanly once that is dropped.
    pub fn publish(&self, file: StagedFile) -> Result<PublishedFile, LakeError> {
        let bytes = file.bytes();
        let location = file.staged.publish(file.state.rows)?;
        Ok(PublishedFile { location, bytes })
    }

    /// Takes the rejected rows of a slice.
    pub fn reject(&self, slice: &Slice) -> RejectedRows {
        RejectedRows {
            at_store: Arc::clone(&self.at_store),
            name: layout::rejected(slice, &self.id),
            lines: 0,
            open: None,
        }
    }

    /// Keeps the run's report, whole or not at all, and drops all but the newest hundred. Returns where it lies,
    /// relative to the lake.
    pub fn save_report(&self, json: &str) -> Result<String, LakeError> {
        let name = layout::report(&self.id);
        self.store.put_side(&name, json.as_bytes())?;
        self.store.keep_newest(layout::REPORTS_FOLDER, REPORTS)?;
        Ok(name)
    }

    /// Ends the run: drops the files it replaced, not before a second has passed since the last one was, so that a
    /// reader that was just listing a folder finds what it listed.
    pub fn finish(self) -> Result<(), LakeError> {
        self.at_store.finish()
    }
}

/// The rejected rows of a slice, one JSON value a line, in a file that only its owner may read: it holds personal data.
///
/// The file is created at the first row and appears at [`finish`](RejectedRows::finish); dropping this drops the rows.
#[derive(Debug)]
pub struct RejectedRows {
    at_store: Arc<dyn StoreRun>,
    name: String,
    lines: u64,
    open: Option<Box<dyn Unkept>>,
}

impl RejectedRows {
    /// Adds a row.
    pub fn write(&mut self, row: &serde_json::Value) -> Result<(), LakeError> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(self.at_store.open(&self.name, true)?),
        };
        let mut line = row.to_string();
        line.push('\n');
        open.write_all(line.as_bytes()).map_err(|error| open.failure(error))?;
        self.lines += 1;
        Ok(())
    }

    /// Rows so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Keeps the rows. Returns where they lie, relative to the lake; none when there were none.
    pub fn finish(self) -> Result<Option<String>, LakeError> {
        let Some(open) = self.open else { return Ok(None) };
        open.keep()?;
        Ok(Some(self.name))
    }
}
