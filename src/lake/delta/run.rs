//! A run on a lake of Delta tables: a file takes a name of its own, and a commit lets readers see it in the place of the
//! one before.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use arrow_schema::SchemaRef;
use chrono::Utc;

use crate::contract::{Dataset, Slice};
use crate::lake::store::{Staged, Store, StoreRun, Unkept};
use crate::lake::token::token;
use crate::lake::{LakeError, layout};

use super::actions::NewFile;
use super::table::Table;
use super::{failure, partition_of, path_in_table};

/// A run on a lake of Delta tables.
pub(super) struct DeltaRun {
    files: Arc<dyn Store>,
    of_files: Arc<dyn StoreRun>,
    tables: Arc<BTreeMap<Dataset, Table>>,
}

impl DeltaRun {
    pub(super) fn new(
        files: Arc<dyn Store>,
        of_files: Arc<dyn StoreRun>,
        tables: Arc<BTreeMap<Dataset, Table>>,
    ) -> Self {
        DeltaRun { files, of_files, tables }
    }
}

impl fmt::Debug for DeltaRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaRun").field("of_files", &self.of_files).finish_non_exhaustive()
    }
}

impl StoreRun for DeltaRun {
    fn stage(&self, slice: &Slice, schema: &SchemaRef) -> Result<Box<dyn Staged>, LakeError> {
        let name = format!("{}/data-{:016x}.parquet", layout::partition(slice), token());
        Ok(Box::new(DeltaStaged {
            file: self.of_files.open(&name, false)?,
            files: Arc::clone(&self.files),
            tables: Arc::clone(&self.tables),
            slice: slice.clone(),
            schema: Arc::clone(schema),
            name,
            bytes: 0,
        }))
    }

    fn reuses_names(&self) -> bool {
        false
    }

    fn open(&self, name: &str, for_owner_only: bool) -> Result<Box<dyn Unkept>, LakeError> {
        self.of_files.open(name, for_owner_only)
    }

    fn finish(&self) -> Result<(), LakeError> {
        self.of_files.finish()
    }
}

/// A file that no commit has named yet.
struct DeltaStaged {
    file: Box<dyn Unkept>,
    files: Arc<dyn Store>,
    tables: Arc<BTreeMap<Dataset, Table>>,
    slice: Slice,
    schema: SchemaRef,
    name: String,
    bytes: u64,
}

impl fmt::Debug for DeltaStaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaStaged").field("file", &self.file).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Write for DeltaStaged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Staged for DeltaStaged {
    fn failure(&self, source: io::Error) -> LakeError {
        self.file.failure(source)
    }

    /// The file survives a loss of power from its publication on, before the commit.
    fn seal(&mut self) -> Result<u64, LakeError> {
        Ok(self.bytes)
    }

    fn publish(self: Box<Self>, rows: u64) -> Result<String, LakeError> {
        let DeltaStaged { file, files, tables, slice, schema, name, bytes } = *self;
        let partition = partition_of(&slice);
        file.keep()?;
        let path = path_in_table(&name);
        let added = NewFile { path, bytes, modified: Utc::now().timestamp_millis(), rows: Some(rows), partition };
        if let Some(table) = tables.get(&slice.dataset) {
            // What was kept and not committed is seen by nobody, and is old data one day.
            let committed = table.replace(&schema, &added);
            committed.map_err(|error| failure(files.as_ref(), "commit to the table", slice.dataset, error))?;
        }
        Ok(name)
    }
}
