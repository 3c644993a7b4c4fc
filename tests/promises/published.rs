//! What lies in a lake, read with nothing but a Parquet reader.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::{FileReader, SerializedFileReader};
use tempfile::TempDir;

/// A folder for a lake, and for whatever else a test needs beside it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    /// A place whose lake holds these files.
    pub fn with(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let place = Place::new();
        for (name, bytes) in files {
            place.write(&format!("lake/{name}"), bytes);
        }
        place
    }

    /// A path beside the lake.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the lake, and gives its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Where the lake is.
    pub fn dest(&self) -> String {
        self.path("lake").to_str().unwrap().to_owned()
    }

    /// All files of the lake with their bytes, by their paths in it.
    pub fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        gather(&self.path("lake"), &self.path("lake"), &mut files);
        files
    }

    /// What readers see: all files outside of the lake's own folder.
    pub fn data(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.everything();
        files.retain(|name, _| !name.starts_with("_billing_lake/"));
        files
    }

    /// The names of files whose path begins so.
    pub fn names(&self, beginning: &str) -> Vec<String> {
        self.everything().into_keys().filter(|name| name.starts_with(beginning)).collect()
    }

    /// The one file of a billing period of enrollment 100.
    #[track_caller]
    pub fn period(&self, period: &str) -> Table {
        self.table(&format!("usage_details/enrollment=100/billing_period={period}/"))
    }

    /// The one file below a folder.
    #[track_caller]
    pub fn table(&self, folder: &str) -> Table {
        let names = self.names(folder);
        assert_eq!(names.len(), 1, "{folder}: {names:?}");
        Table { path: self.path("lake").join(&names[0]) }
    }
}

fn gather(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// A published file.
pub struct Table {
    pub path: PathBuf,
}

impl Table {
    fn read(&self) -> ParquetRecordBatchReader {
        ParquetRecordBatchReaderBuilder::try_new(File::open(&self.path).unwrap()).unwrap().build().unwrap()
    }

    /// Its rows as record batches.
    pub fn batches(&self) -> Vec<RecordBatch> {
        self.read().map(Result::unwrap).collect()
    }

    /// Its rows.
    pub fn rows(&self) -> usize {
        self.batches().iter().map(RecordBatch::num_rows).sum()
    }

    /// The sum of a decimal column, in units of 10^-18.
    pub fn sum(&self, column: &str) -> i128 {
        let of_batch = |batch: &RecordBatch| -> i128 {
            let values = batch.column_by_name(column).unwrap().as_primitive::<Decimal128Type>();
            values.iter().flatten().sum()
        };
        self.batches().iter().map(of_batch).sum()
    }

    /// A column's values as text; nulls are `null`.
    pub fn texts(&self, column: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for batch in self.batches() {
            let mut values = Arc::clone(batch.column_by_name(column).unwrap());
            if let DataType::Timestamp(unit, Some(_)) = values.data_type() {
                // UTC; the names of time zones are not known here.
                values = arrow_cast::cast(&values, &DataType::Timestamp(*unit, None)).unwrap();
            }
            let values = arrow_cast::cast(&values, &DataType::Utf8).unwrap();
            texts.extend(values.as_string::<i32>().iter().map(|text| text.unwrap_or("null").to_owned()));
        }
        texts
    }

    /// A column's distinct texts, sorted.
    pub fn distinct(&self, column: &str) -> Vec<String> {
        let mut texts = self.texts(column);
        texts.sort();
        texts.dedup();
        texts
    }

    /// The rows of each row group.
    pub fn row_groups(&self) -> Vec<i64> {
        let reader = SerializedFileReader::new(File::open(&self.path).unwrap()).unwrap();
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect()
    }

    /// A value of the footer, without `billing_lake.` before its key.
    pub fn footer(&self, key: &str) -> Option<String> {
        let reader = SerializedFileReader::new(File::open(&self.path).unwrap()).unwrap();
        let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
        pairs.into_iter().find(|pair| pair.key == format!("billing_lake.{key}"))?.value
    }
}

/// A decimal's text in units of 10^-18.
pub fn units(text: &str) -> i128 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(fraction.len() <= 18, "{text}");
    sign * format!("{whole}{fraction:0<18}").parse::<i128>().unwrap()
}

/// `bytes` as gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
