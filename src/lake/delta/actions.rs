//! What a commit says: the files it adds, and which of a table's files it removes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType as ArrowType, Field};
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::engine_data::{FilteredRowVisitor, GetData, RowIndexIterator, TypedGetData};
use delta_kernel::expressions::ColumnName;
use delta_kernel::scan::ScanMetadata;
use delta_kernel::schema::{DataType, MapType};
use delta_kernel::{FilteredEngineData, KernelResult};

/// A file that is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewFile {
    /// Relative to the table, percent-encoded.
    pub path: String,
    pub bytes: u64,
    /// Milliseconds since 1970.
    pub modified: i64,
    /// None when nobody knows.
    pub rows: Option<u64>,
    /// Partition columns and their values.
    pub partition: Vec<(&'static str, String)>,
}

/// The files in the form that a transaction takes.
pub(super) fn additions(files: &[NewFile]) -> KernelResult<Box<ArrowEngineData>> {
    let names = MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut partitions = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for file in files {
        for (column, value) in &file.partition {
            partitions.keys().append_value(column);
            partitions.values().append_value(value);
        }
        partitions.append(true)?;
    }
    let longs =
        |value: fn(&NewFile) -> Option<i64>| -> ArrayRef { Arc::new(files.iter().map(value).collect::<Int64Array>()) };
    let rows = longs(|file| file.rows.and_then(|rows| i64::try_from(rows).ok()));
    let statistics = StructArray::from(vec![(Arc::new(Field::new("numRecords", ArrowType::Int64, true)), rows)]);
    let paths: StringArray = files.iter().map(|file| Some(file.path.as_str())).collect();
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("path", Arc::new(paths), false),
        ("partitionValues", Arc::new(partitions.finish()), false),
        ("size", longs(|file| i64::try_from(file.bytes).ok()), false),
        ("modificationTime", longs(|file| Some(file.modified)), false),
        ("stats", Arc::new(statistics), true),
    ];
    Ok(Box::new(ArrowEngineData::new(RecordBatch::try_from_iter_with_nullable(columns)?)))
}

/// Those of a batch of a table's files that lie in a partition, as a transaction takes them to remove them, and their paths.
pub(super) fn removals(
    batch: ScanMetadata,
    partition: &[(&'static str, String)],
) -> KernelResult<(Option<FilteredEngineData>, Vec<String>)> {
    let mut finder = Finder { partition, is_within: Vec::new(), paths: Vec::new() };
    finder.visit_rows_of(&batch.scan_files)?;
    let Finder { is_within, paths, .. } = finder;
    if paths.is_empty() {
        return Ok((None, paths));
    }
    let (files, _) = batch.scan_files.into_parts();
    Ok((Some(FilteredEngineData::try_new(files, is_within)?), paths))
}

/// Finds the files of a partition.
struct Finder<'a> {
    partition: &'a [(&'static str, String)],
    /// For each row, seen or not: rows beyond its end would be taken.
    is_within: Vec<bool>,
    paths: Vec<String>,
}

impl FilteredRowVisitor for Finder<'_> {
    fn selected_column_names_and_types(&self) -> (&'static [ColumnName], &'static [DataType]) {
        static COLUMNS: LazyLock<([ColumnName; 2], [DataType; 2])> = LazyLock::new(|| {
            (
                [ColumnName::new(["path"]), ColumnName::new(["fileConstantValues", "partitionValues"])],
                [DataType::STRING, MapType::new(DataType::STRING, DataType::STRING, true).into()],
            )
        });
        (&COLUMNS.0, &COLUMNS.1)
    }

    fn visit_filtered<'a>(&mut self, columns: &[&'a dyn GetData<'a>], rows: RowIndexIterator<'_>) -> KernelResult<()> {
        self.is_within = vec![false; rows.num_rows()];
        for row in rows {
            let Some(path): Option<String> = columns[0].get_opt(row, "path")? else { continue };
            let values: HashMap<String, String> = columns[1].get(row, "fileConstantValues.partitionValues")?;
            if self.partition.iter().all(|(column, value)| values.get(*column) == Some(value)) {
                self.is_within[row] = true;
                self.paths.push(path);
            }
        }
        Ok(())
    }
}
