//! One dataset's Delta table: its log is read and written here, through `delta_kernel`. Its files are others' affair.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_schema::Schema;
use chrono::Utc;
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_conversion::TryFromArrow;
use delta_kernel::scan::StatsOptions;
use delta_kernel::schema::{DataType, StructField, StructType};
use delta_kernel::transaction::{CommitResult, UpdateTableOperation};
use delta_kernel::{Engine, KernelError, KernelResult, Snapshot, SnapshotRef};
use object_store::path::Path;
use object_store::{ObjectStore, PutMode};
use serde_json::json;
use url::Url;

use crate::lake::bridge::Bridge;
use crate::lake::token::token;

use super::actions::{NewFile, additions, removals};

/// Who commits.
const ENGINE: &str = concat!("billing-lake/", env!("CARGO_PKG_VERSION"));
/// Other writers may be faster so often before a commit is given up.
const ATTEMPTS: u64 = 50;
/// Commits after which the log is summed up in a checkpoint: readers read what came since.
const BETWEEN_CHECKPOINTS: u64 = 20;
/// The longest wait after the first attempt that failed; it grows with each.
const PAUSE: Duration = Duration::from_millis(20);

/// A table, there or not yet.
pub(super) struct Table {
    engine: Arc<dyn Engine>,
    objects: Arc<dyn ObjectStore>,
    bridge: Arc<Bridge>,
    /// Ends with `/`.
    address: Url,
    /// The newest state that was seen; newer ones are read from there on.
    known: Mutex<Option<SnapshotRef>>,
}

/// A file that the table's readers see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActiveFile {
    /// Relative to the table, percent-encoded.
    pub path: String,
    pub bytes: u64,
    pub partition: BTreeMap<String, String>,
}

impl Table {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        objects: Arc<dyn ObjectStore>,
        bridge: Arc<Bridge>,
        address: Url,
    ) -> Self {
        Table { engine, objects, bridge, address, known: Mutex::new(None) }
    }

    /// The newest state; none when there is no table.
    fn snapshot(&self) -> KernelResult<Option<SnapshotRef>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = match known.as_ref() {
            Some(old) => Snapshot::builder_from(Arc::clone(old)).build(self.engine.as_ref()),
            None => Snapshot::builder_for(self.address.as_str()).build(self.engine.as_ref()),
        };
        match snapshot {
            Ok(snapshot) => {
                *known = Some(Arc::clone(&snapshot));
                Ok(Some(snapshot))
            }
            Err(error) => match innermost(&error) {
                KernelError::EmptyLog | KernelError::InvalidTableLocation(_) => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The files that readers of the newest state see; none when there is no table.
    pub(super) fn files(&self) -> KernelResult<Option<Vec<ActiveFile>>> {
        let Some(snapshot) = self.snapshot()? else { return Ok(None) };
        let mut files = Vec::new();
        for batch in snapshot.scan_builder().build()?.scan_metadata(self.engine.as_ref())? {
            files = batch?.visit_scan_files(files, |files, file| {
                files.push(ActiveFile {
                    path: file.path,
                    bytes: u64::try_from(file.size).unwrap_or_default(),
                    partition: file.partition_values.into_iter().collect(),
                });
            })?;
        }
        Ok(Some(files))
    }

    /// Adds a file in the place of what its partition held before, in one commit; creates the table when there is none and
    /// adds the columns that it lacks.
    pub(super) fn replace(&self, schema: &Schema, file: &NewFile) -> KernelResult<()> {
        for attempt in 1..=ATTEMPTS {
            let Some(snapshot) = self.snapshot()? else {
                self.create(schema, file)?;
                continue;
            };
            match self.commit(&snapshot, schema, std::slice::from_ref(file), true) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // Whether it was committed is not known: the next look tells.
                Err(error) if attempt < ATTEMPTS && matches!(innermost(&error), KernelError::ObjectStore(_)) => {
                    tracing::debug!("{}: {error}", self.address);
                }
                Err(error) => return Err(error),
            }
            let longest = PAUSE.as_micros() as u64 * attempt;
            std::thread::sleep(Duration::from_micros(token() % longest));
        }
        Err(KernelError::generic(format!("other writers were faster {ATTEMPTS} times")))
    }

    /// Makes a table of files that are there already, one a partition.
    pub(super) fn adopt(&self, schema: &Schema, files: &[NewFile]) -> KernelResult<()> {
        let Some(first) = files.first() else { return Ok(()) };
        self.create(schema, first)?;
        let Some(snapshot) = self.snapshot()? else { return Err(KernelError::generic("the table vanished")) };
        match self.commit(&snapshot, schema, files, false)? {
            true => Ok(()),
            false => Err(KernelError::generic("somebody else wrote to the table while it was made")),
        }
    }

    /// One attempt to commit files, the first of them in the place of what its partition held if that is asked for; whether
    /// they are in the table.
    fn commit(&self, snapshot: &SnapshotRef, schema: &Schema, files: &[NewFile], replaces: bool) -> KernelResult<bool> {
        let Some(first) = files.first() else { return Ok(true) };
        let engine = self.engine.as_ref();
        let mut update = Arc::clone(snapshot).update_table(UpdateTableOperation::Write, ENGINE, true);
        for column in fields(schema)? {
            if snapshot.schema().field(column.name()).is_none() {
                update = update.add_column(column);
            }
        }
        let columns: Vec<_> = first.partition.iter().map(|(column, _)| *column).collect();
        let mode = if replaces { "Overwrite" } else { "Append" };
        let told = [("mode", Some(mode.to_owned())), ("partitionBy", Some(json!(columns).to_string()))];
        let mut transaction =
            update.with_operation_parameters(told).build(engine, Box::new(FileSystemCommitter::new()))?;
        if replaces {
            let scan = Arc::clone(snapshot).scan_builder().with_stats(StatsOptions::json_only()).build()?;
            for batch in scan.scan_metadata(engine)? {
                let (rows, paths) = removals(batch?, &first.partition)?;
                if paths.contains(&first.path) {
                    return Ok(true);
                }
                if let Some(rows) = rows {
                    transaction.remove_files(rows);
                }
            }
        }
        transaction.add_files(additions(files)?);
        match transaction.commit(engine)? {
            CommitResult::Committed(done) => {
                let after = done.post_commit_snapshot().cloned();
                if let Some(after) = &after
                    && done.post_commit_stats().commits_since_checkpoint >= BETWEEN_CHECKPOINTS
                    && let Err(error) = after.checkpoint(engine, None)
                {
                    tracing::warn!("{}: no checkpoint of the log: {error}", self.address);
                }
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = after;
                Ok(true)
            }
            CommitResult::Conflicted(lost) => {
                tracing::debug!("{}: version {} was taken", self.address, lost.conflict_version());
                Ok(false)
            }
            CommitResult::Retryable(failed) => {
                tracing::debug!("{}: {}", self.address, failed.error);
                Ok(false)
            }
        }
    }

    /// Writes the first version: columns and partition columns, for readers of version 1 and writers of version 2, which
    /// the kernel itself would not write. Somebody else may be faster.
    fn create(&self, schema: &Schema, file: &NewFile) -> KernelResult<()> {
        let mut all = fields(schema)?;
        let partition: Vec<_> = file.partition.iter().map(|(column, _)| *column).collect();
        all.extend(partition.iter().map(|column| StructField::nullable(*column, DataType::STRING)));
        let schema = StructType::try_new(all)?;
        let now = Utc::now().timestamp_millis();
        let actions = [
            json!({"commitInfo": {"timestamp": now, "operation": "CREATE TABLE", "operationParameters": {},
                "isBlindAppend": true, "engineInfo": ENGINE}}),
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            json!({"metaData": {"id": uuid::Uuid::new_v4().to_string(), "format": {"provider": "parquet", "options": {}},
                "schemaString": serde_json::to_string(&schema).map_err(KernelError::generic_err)?,
                "partitionColumns": partition, "configuration": {}, "createdTime": now}}),
        ];
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        // The second time it must be refused: a store that replaces what is there would lose commits.
        if self.put_first(&text)? && self.put_first(&text)? {
            return Err(KernelError::generic(
                "the store replaced an object that was to be created only: it is unfit for Delta tables",
            ));
        }
        Ok(())
    }

    /// Puts the first version, if there is none; whether it did.
    fn put_first(&self, text: &str) -> KernelResult<bool> {
        let address = self.address.join("_delta_log/00000000000000000000.json").map_err(KernelError::generic_err)?;
        let key = Path::from_url_path(address.path()).map_err(KernelError::generic_err)?;
        let (objects, text) = (Arc::clone(&self.objects), text.to_owned());
        match self.bridge.wait(async move { objects.put_opts(&key, text.into(), PutMode::Create.into()).await }) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The columns of the files.
fn fields(schema: &Schema) -> KernelResult<Vec<StructField>> {
    Ok(StructType::try_from_arrow(schema).map_err(KernelError::from)?.into_fields().collect())
}

/// The error without the places that it came through.
fn innermost(error: &KernelError) -> &KernelError {
    match error {
        KernelError::Backtraced { source, .. } => innermost(source),
        error => error,
    }
}
