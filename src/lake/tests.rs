//! Promises of the room as a whole, on a real file system.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int64Array, RecordBatch,
    new_null_array,
};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Encoding, PageType, Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::contract::{ColumnType, Contract, Dataset, Slice, Window};

use super::test_store::Watched;
use super::*;

const UNIT: i128 = 1_000_000_000_000_000_000;

/// A lake in a folder of its own, whose runs end at once.
struct Scene {
    folder: TempDir,
    lake: Lake,
}

fn scene_with(exchange: bool) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    Lake::open(&Destination::local(folder.path())).unwrap();
    let lake = test_store::lake(folder.path(), exchange);
    Scene { folder, lake }
}

fn scene() -> Scene {
    scene_with(true)
}

impl Scene {
    fn run(&self, id: &str) -> Run {
        self.lake.begin_run(id).unwrap()
    }

    /// Publishes `rows` rows that cost one each.
    fn publish(&self, run: &Run, rows: usize) -> PublishedFile {
        run.publish(staged(run, rows).unwrap()).unwrap()
    }

    fn partition(&self) -> PathBuf {
        self.folder.path().join(layout::partition(&slice()))
    }

    fn names(&self) -> Vec<String> {
        names(&self.partition())
    }

    fn rows(&self) -> u64 {
        let files = self.lake.files(Dataset::UsageDetails).unwrap();
        assert_eq!(files.len(), 1);
        files[0].state.as_ref().unwrap().rows
    }

    fn staging(&self) -> Vec<String> {
        names(&self.folder.path().join(layout::STAGING_FOLDER))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(super) fn slice() -> Slice {
    Slice {
        dataset: Dataset::UsageDetails,
        enrollment: "a:1".parse().unwrap(),
        window: Window::Period("2024-11".parse().unwrap()),
    }
}

pub(super) fn text(rows: usize, value: impl Fn(usize) -> Option<String>) -> ArrayRef {
    let values: Vec<_> = (0..rows).map(value).collect();
    Arc::new(values.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
}

/// Rows of usage details with these columns, and nulls in all others.
pub(super) fn batch(rows: usize, columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let schema = Contract::of(Dataset::UsageDetails).arrow_schema();
    let arrays = schema.fields().iter().map(|field| {
        let given = columns.iter().find(|(name, _)| name == field.name());
        given.map_or_else(|| new_null_array(field.data_type(), rows), |(_, array)| Arc::clone(array))
    });
    RecordBatch::try_new(Arc::clone(&schema), arrays.collect()).unwrap()
}

fn decimals(values: impl IntoIterator<Item = Option<i128>>) -> ArrayRef {
    Arc::new(Decimal128Array::from_iter(values).with_precision_and_scale(38, 18).unwrap())
}

pub(super) fn costs(rows: usize) -> RecordBatch {
    batch(rows, &[("cost", decimals(vec![Some(UNIT); rows]))])
}

pub(super) fn state(rows: usize, cost: &str) -> FileState {
    let contract = Contract::of(Dataset::UsageDetails);
    let decimal = contract.columns().iter().filter(|column| column.kind == ColumnType::Decimal);
    let mut control_totals: BTreeMap<_, _> = decimal.map(|column| (column.column.clone(), "0".to_owned())).collect();
    control_totals.insert("cost".to_owned(), cost.to_owned());
    FileState { rows: rows as u64, etag: Some(b"\"v1\"".to_vec()), control_totals, ..FileState::default() }
}

fn stage(run: &Run) -> SliceFile {
    run.stage(&slice(), &Contract::of(Dataset::UsageDetails), &WriteOptions::default()).unwrap()
}

pub(super) fn staged(run: &Run, rows: usize) -> Result<StagedFile, LakeError> {
    let mut file = stage(run);
    file.write(costs(rows))?;
    file.finish(state(rows, &rows.to_string()))
}

#[test]
fn a_replaced_slice_has_one_file_under_another_name_and_open_readers_keep_the_old_one() {
    let scene = scene();
    let run = scene.run("r1");
    let first = scene.publish(&run, 1);
    run.finish().unwrap();
    let open = File::open(scene.folder.path().join(&first.location)).unwrap();

    let run = scene.run("r2");
    let second = scene.publish(&run, 2);
    assert_ne!(first.location, second.location);
    assert_eq!(format!("{}/{}", layout::partition(&slice()), scene.names().join("|")), second.location);
    assert_eq!(scene.rows(), 2);
    run.finish().unwrap();
    assert_eq!(scene.rows(), 2);
    assert!(scene.staging().is_empty());

    let rows: usize =
        ParquetRecordBatchReaderBuilder::try_new(open).unwrap().build().unwrap().map(|b| b.unwrap().num_rows()).sum();
    assert_eq!(rows, 1);
}

#[test]
fn while_slices_are_replaced_a_reader_always_finds_exactly_one_whole_file() {
    let scene = scene();
    let run = scene.run("r1");
    scene.publish(&run, 1);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let mut looked = 0;
            while !done.load(Ordering::Relaxed) || looked == 0 {
                assert_eq!(scene.names().len(), 1);
                looked += 1;
            }
        });
        for rows in 2..30 {
            scene.publish(&run, rows);
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(scene.rows(), 29);
    run.finish().unwrap();
}

#[test]
fn without_an_exchange_the_file_is_replaced_under_its_name() {
    let scene = scene_with(false);
    let run = scene.run("r1");
    assert!(scene.publish(&run, 1).location.ends_with("/data.parquet"));
    scene.publish(&run, 2);
    assert_eq!((scene.names(), scene.rows()), (vec!["data.parquet".to_owned()], 2));
    run.finish().unwrap();

    // A lake that comes from a file system with exchange.
    fs::rename(scene.partition().join("data.parquet"), scene.partition().join("data-1.parquet")).unwrap();
    fs::write(scene.partition().join("stray.parquet"), "x").unwrap();
    let run = scene.run("r2");
    scene.publish(&run, 3);
    assert_eq!((scene.names(), scene.rows()), (vec!["data-1.parquet".to_owned()], 3));
    run.finish().unwrap();
    assert!(scene.staging().is_empty());
}

#[test]
fn a_run_removes_what_dead_runs_left_but_never_what_a_living_one_is_at() {
    let scene = scene();
    let living = scene.run("living");
    let file = staged(&living, 5).unwrap();
    let dead = scene.run("dead");
    scene.publish(&dead, 3);
    scene.publish(&dead, 4);
    drop(dead);
    assert_eq!(scene.staging(), ["dead", "living"]);

    let run = scene.run("next");
    assert_eq!(scene.staging(), ["living", "next"]);
    assert_eq!(scene.rows(), 4);
    assert!(matches!(scene.lake.begin_run("living"), Err(LakeError::RunInUse { .. })));

    living.publish(file).unwrap();
    living.finish().unwrap();
    assert_eq!(scene.rows(), 5);
    run.finish().unwrap();
    assert!(scene.staging().is_empty());
}

#[test]
fn two_runs_that_publish_one_slice_leave_one_whole_state() {
    let scene = scene();
    std::thread::scope(|threads| {
        for id in ["r1", "r2"] {
            let scene = &scene;
            threads.spawn(move || {
                let run = scene.run(id);
                for rows in 1..20 {
                    scene.publish(&run, rows);
                }
                run.finish().unwrap();
            });
        }
    });
    assert_eq!((scene.names().len(), scene.rows()), (1, 19));
    assert!(scene.staging().is_empty());
}

#[test]
fn what_is_dropped_before_it_is_published_leaves_nothing() {
    let scene = scene();
    let run = scene.run("r1");
    let mut file = stage(&run);
    file.write(costs(10)).unwrap();
    drop(file);
    drop(staged(&run, 10).unwrap());
    assert!(names(&scene.folder.path().join(layout::STAGING_FOLDER).join("r1")).is_empty());
    assert!(scene.lake.files(Dataset::UsageDetails).unwrap().is_empty());
    run.finish().unwrap();
}

#[test]
fn a_file_that_is_not_what_was_decoded_is_never_published() {
    let scene = scene();
    let run = scene.run("r1");
    for wrong in [state(2, "3"), state(3, "3.000000000000000001"), state(3, "three")] {
        let mut file = stage(&run);
        file.write(costs(3)).unwrap();
        let error = file.finish(wrong).unwrap_err();
        assert_eq!(error.kind(), LakeErrorKind::Internal);
    }
    let periods = Contract::of(Dataset::BillingPeriods).arrow_schema();
    let error = stage(&run).write(RecordBatch::new_empty(periods)).unwrap_err();
    assert!(matches!(error, LakeError::Mismatch { .. }), "{error}");
    let whole = costs(3).columns().to_vec();
    let last = whole.len() - 1;
    let with = |at: usize, array: ArrayRef| {
        let mut arrays = whole.clone();
        arrays[at] = array;
        arrays
    };
    let none = |at: usize| costs(0).column(at).clone();
    let another = [
        Vec::new(),
        whole[..last].to_vec(),
        whole.iter().chain(&whole[..1]).cloned().collect(),
        with(0, decimals(vec![None; 3])),
        with(last, costs(4).column(last).clone()),
        with(last, none(last)),
        with(0, none(0)),
    ];
    for (case, arrays) in another.into_iter().enumerate() {
        let error = stage(&run).write_columns(arrays.into_iter().map(Ok)).unwrap_err();
        assert!(matches!(error, LakeError::Mismatch { .. }), "case {case}: {error}");
    }
    assert!(names(&scene.folder.path().join(layout::STAGING_FOLDER).join("r1")).is_empty());
    run.finish().unwrap();
}

#[test]
fn every_cell_is_read_back_as_it_was_written() {
    let scene = scene();
    let run = scene.run("r1");
    let rows = 50_000;
    let groups = [rows, 3];
    let columns = |rows: usize| {
        vec![
            ("cost", decimals((0..rows).map(|row| (row % 7 != 0).then_some(row as i128 * UNIT / 3 - 5)))),
            ("resource_rate", decimals((0..rows).map(|row| Some((row % 10) as i128)))),
            ("instance_id", text(rows, |row| Some(format!("/subscriptions/{row:0>60}")))),
            ("location", text(rows, |row| (row % 3 != 0).then(|| ["", "West"][row % 2].to_owned()))),
            ("tags", text(rows, |row| (row == 1).then(|| "x".repeat(3_000_000)))),
            ("account_id", Arc::new(Int64Array::from_iter((0..rows as i64).map(|row| (row > 1).then_some(-row))))),
            ("date", Arc::new(Date32Array::from_iter_values((0..rows as i32).map(|row| 20_000 + row % 30)))),
            ("charges_billed_separately", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 2 == 0))))),
        ] as Vec<(&str, ArrayRef)>
    };
    let mut file = stage(&run);
    let mut sum = 0;
    let mut rates = 0;
    for rows in groups {
        let columns = columns(rows);
        sum += columns[0].1.as_primitive::<Decimal128Type>().iter().flatten().sum::<i128>();
        rates += columns[1].1.as_primitive::<Decimal128Type>().iter().flatten().sum::<i128>();
        file.write(batch(rows, &columns)).unwrap();
    }
    let mut state = state(rows + 3, &format!("{}.{:018}", sum / UNIT, sum % UNIT));
    state.control_totals.insert("resource_rate".to_owned(), format!("0.{rates:018}"));
    let published = run.publish(file.finish(state).unwrap()).unwrap();
    run.finish().unwrap();

    let open = File::open(scene.folder.path().join(published.location)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(open).unwrap();
    let plain = |kind: &DataType| match kind {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    };
    let expected = Contract::of(Dataset::UsageDetails).arrow_schema();
    for (read, written) in reader.schema().fields().iter().zip(expected.fields()) {
        let kind = (read.name(), read.data_type().clone(), read.is_nullable());
        assert_eq!(kind, (written.name(), plain(written.data_type()), true));
    }
    let batches = reader.with_batch_size(rows).build().unwrap().map(|batch| batch.unwrap());
    for (read, rows) in batches.zip(groups) {
        assert_eq!(read.num_rows(), rows);
        for (name, written) in columns(rows) {
            let written = arrow_cast::cast(&written, &plain(written.data_type())).unwrap();
            assert_eq!(read.column_by_name(name).unwrap(), &written, "{name}");
        }
        assert_eq!(read.column_by_name("extra").unwrap().null_count(), rows);
        assert_eq!(read.column_by_name("account_id").unwrap().as_primitive::<Int64Type>().value(2), -2);
        assert_eq!(read.column_by_name("date").unwrap().as_primitive::<Date32Type>().value(1), 20_001);
    }
}

#[test]
fn files_hold_what_every_reader_takes_and_one_page_a_column() {
    let scene = scene();
    let run = scene.run("r1");
    let rows = 262_144;
    let columns: [(&str, ArrayRef); 5] = [
        ("cost", decimals((0..rows).map(|row| Some(row as i128)))),
        ("resource_rate", decimals((0..rows).map(|row| Some((row % 3_000) as i128)))),
        ("location", text(rows, |row| Some(format!("location {}", row % 16_000)))),
        ("instance_id", text(rows, |row| Some(format!("{row:0>100}")))),
        ("date", Arc::new(Date32Array::from_iter_values((0..rows as i32).map(|row| row % 30)))),
    ];
    let rates: usize = (0..rows).map(|row| row % 3_000).sum();
    let mut file = stage(&run);
    file.write(batch(rows, &columns)).unwrap();
    let mut state = state(rows, &format!("0.{:018}", rows * (rows - 1) / 2));
    state.control_totals.insert("resource_rate".to_owned(), format!("0.{rates:018}"));
    let published = run.publish(file.finish(state).unwrap()).unwrap();
    run.finish().unwrap();

    let path = scene.folder.path().join(published.location);
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let file = reader.metadata().file_metadata();
    assert_eq!(file.version(), 1);
    assert_eq!(file.created_by(), Some(concat!("billing-lake ", env!("CARGO_PKG_VERSION"))));
    let keys = file.key_value_metadata().unwrap();
    assert!(keys.iter().all(|pair| pair.key.starts_with("billing_lake.")), "no schema of another kind");
    let group = reader.get_row_group(0).unwrap();
    for (at, column) in group.metadata().columns().iter().enumerate() {
        assert!(column.offset_index_offset().is_none() && column.column_index_offset().is_none());
        let allowed = [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
        assert!(column.encodings().all(|encoding| allowed.contains(&encoding)), "{:?}", column.column_path());
        let mut pages = group.get_column_page_reader(at).unwrap();
        let mut types = Vec::new();
        while let Some(page) = pages.get_next_page().unwrap() {
            types.push(page.page_type());
        }
        let (dictionary, data) = (PageType::DICTIONARY_PAGE, PageType::DATA_PAGE);
        match column.column_path().string().as_str() {
            "cost" => {
                assert_eq!(column.column_type(), Type::FIXED_LEN_BYTE_ARRAY);
                assert_eq!(types, [data]);
            }
            "resource_rate" | "location" | "date" => assert_eq!(types, [dictionary, data]),
            "instance_id" => {
                assert!(types.iter().all(|kind| *kind == data) && types.len() > 20, "{types:?}");
                let statistics = column.statistics().unwrap();
                assert_eq!(statistics.min_bytes_opt().unwrap().len(), 64);
            }
            _ => {}
        }
    }
}

#[test]
fn the_digest_is_that_of_all_bytes_before_the_footers_metadata() {
    let scene = scene();
    let run = scene.run("r1");
    let staged = staged(&run, 1000).unwrap();
    let (digest, bytes) = (staged.state().digest.clone(), staged.bytes());
    let published = run.publish(staged).unwrap();
    run.finish().unwrap();
    let whole = fs::read(scene.folder.path().join(published.location)).unwrap();
    assert_eq!(whole.len() as u64, bytes);
    let length = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let hash = Sha256::digest(&whole[..whole.len() - 8 - length]);
    assert_eq!(digest, format!("sha256:{}", hash.iter().map(|b| format!("{b:02x}")).collect::<String>()));
    let files = scene.lake.files(Dataset::UsageDetails).unwrap();
    let state = files[0].state.as_ref().unwrap();
    assert_eq!(state.digest, digest);
    assert_eq!(state.contract, Contract::of(Dataset::UsageDetails).fingerprint());
    assert_eq!(state.etag.as_deref(), Some(&b"\"v1\""[..]));
}

#[test]
fn slices_can_be_written_from_any_thread() {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Lake>();
    is_shared::<Run>();
    is_send::<SliceFile>();
    is_send::<StagedFile>();
    is_send::<RejectedRows>();
}

#[test]
fn an_empty_period_is_a_file_with_the_schema() {
    let scene = scene();
    let run = scene.run("r1");
    let mut file = stage(&run);
    file.write(costs(0)).unwrap();
    let published = run.publish(file.finish(state(0, "0")).unwrap()).unwrap();
    run.finish().unwrap();
    let open = File::open(scene.folder.path().join(published.location)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(open).unwrap();
    assert_eq!(reader.schema().fields().len(), 43);
    assert_eq!(reader.build().unwrap().count(), 0);
    assert_eq!(scene.rows(), 0);
}

#[test]
fn a_footer_takes_one_read_and_a_large_one_two() {
    let scene = scene();
    let (lake, watched) = Watched::lake(scene.folder.path(), true, |_| {});
    let run = scene.run("r1");
    scene.publish(&run, 10);
    assert_eq!(lake.files(Dataset::UsageDetails).unwrap()[0].state.as_ref().unwrap().rows, 10);
    assert_eq!(watched.take_reads().len(), 1);

    let mut file = stage(&run);
    for _ in 0..40 {
        file.write(costs(10)).unwrap();
    }
    let bytes = run.publish(file.finish(state(400, "400")).unwrap()).unwrap().bytes;
    run.finish().unwrap();
    assert_eq!(lake.files(Dataset::UsageDetails).unwrap()[0].state.as_ref().unwrap().rows, 400);
    let reads: Vec<_> = watched.take_reads().into_iter().map(|range| range.end - range.start).collect();
    assert_eq!((reads.len(), reads[0]), (2, 64 * 1024));
    assert!(reads[0] + reads[1] < bytes);
}

#[test]
fn what_is_no_file_of_this_lake_says_what_it_is() {
    let scene = scene();
    let run = scene.run("r1");
    let path = scene.folder.path().join(scene.publish(&run, 1000).location);
    run.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    let seen = || scene.lake.files(Dataset::UsageDetails).unwrap()[0].state.clone().unwrap_err();

    for length in [4, 100, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(seen(), Unreadable::Truncated, "{length}");
    }
    fs::write(&path, [&whole[..4], &whole[whole.len() - 8..]].concat()).unwrap();
    assert_eq!(seen(), Unreadable::Truncated);
    for other in [&b""[..], b"PA", b"{\"data\":[]}"] {
        fs::write(&path, other).unwrap();
        assert_eq!(seen(), Unreadable::NotParquet);
    }
    let mut damaged = whole.clone();
    let middle = whole.len() - 3000;
    damaged[middle..middle + 200].fill(0xff);
    fs::write(&path, damaged).unwrap();
    assert!(matches!(seen(), Unreadable::Damaged { .. } | Unreadable::Foreign), "{}", seen());
    // A length that would have nearly all of a large file read as metadata.
    let large = File::create(&path).unwrap();
    large.set_len(600 << 20).unwrap();
    large.write_all_at(&[&(512_u32 << 20).to_le_bytes()[..], b"PAR1"].concat(), (600 << 20) - 8).unwrap();
    assert!(matches!(seen(), Unreadable::Damaged { reason } if reason.contains("536870912 bytes")));
    fs::write(&path, &whole).unwrap();
    fs::copy(&path, path.with_file_name("copy.parquet")).unwrap();
    assert_eq!(seen(), Unreadable::NotAlone { count: 2 });

    let run = scene.run("r2");
    scene.publish(&run, 3);
    run.finish().unwrap();
    assert_eq!((scene.names().len(), scene.rows()), (1, 3));
}

#[test]
fn a_newer_lake_is_refused_and_reading_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let destination = Destination::local(folder.path().join("not/there"));
    assert!(Lake::open_existing(&destination).unwrap().is_none());
    assert!(!destination.folder().unwrap().exists());
    let lake = Lake::open(&destination).unwrap();
    assert!(lake.files(Dataset::UsageDetails).unwrap().is_empty());
    assert!(Lake::open_existing(&destination).unwrap().is_some());
    let description = destination.folder().unwrap().join(layout::LAKE_FILE);
    assert_eq!(fs::read_to_string(&description).unwrap(), r#"{"format":1,"layout":"hive"}"#);
    for (text, kind) in [
        (r#"{"format":2,"layout":"hive"}"#, LakeErrorKind::Usage),
        (r#"{"format":1,"layout":"iceberg"}"#, LakeErrorKind::Usage),
        ("{", LakeErrorKind::Destination),
    ] {
        fs::write(&description, text).unwrap();
        let error = Lake::open(&destination).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains("lake.json") && error.hint().is_some(), "{error}");
    }
}

#[test]
fn a_file_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("lake")] {
        let error = Lake::open(&Destination::local(path)).unwrap_err();
        assert_eq!(error.kind(), LakeErrorKind::Destination);
        assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    }

    let scene = scene();
    let run = scene.run("r1");
    fs::create_dir_all(scene.partition().parent().unwrap()).unwrap();
    fs::write(scene.partition(), "precious").unwrap();
    let error = run.publish(staged(&run, 1).unwrap()).unwrap_err();
    assert!(matches!(error, LakeError::NotAFolder { .. }), "{error}");
    run.finish().unwrap();
    assert_eq!(fs::read_to_string(scene.partition()).unwrap(), "precious");
}

#[test]
fn a_staging_folder_that_vanishes_is_a_failure_of_the_destination() {
    let scene = scene();
    let run = scene.run("r1");
    let mut file = stage(&run);
    file.write(costs(1)).unwrap();
    fs::remove_dir_all(scene.folder.path().join(layout::STAGING_FOLDER)).unwrap();
    let error = file.finish(state(1, "1")).unwrap_err();
    assert_eq!(error.kind(), LakeErrorKind::Destination);
    assert!(error.to_string().contains("billing_period=2024-11"), "{error}");
}

/// A staged file that is played: it takes so many bytes, and notes how many arrays live at each write.
#[derive(Debug)]
struct Played {
    room: usize,
    arrays: Vec<Weak<dyn Array>>,
    living: Arc<Mutex<Vec<usize>>>,
}

impl Write for Played {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.living.lock().unwrap().push(self.arrays.iter().filter(|array| array.strong_count() > 0).count());
        self.room = self.room.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl store::Staged for Played {
    fn failure(&self, source: io::Error) -> LakeError {
        LakeError::io("write", Path::new("played"), source)
    }

    fn seal(&mut self) -> Result<u64, LakeError> {
        Ok(0)
    }

    fn publish(self: Box<Self>, _: u64) -> Result<String, LakeError> {
        Ok("played".to_owned())
    }
}

fn played(room: usize, arrays: &[(&str, ArrayRef)]) -> (SliceFile, Arc<Mutex<Vec<usize>>>) {
    let living = Arc::default();
    let arrays = arrays.iter().map(|(_, array)| Arc::downgrade(array)).collect();
    let staged = Box::new(Played { room, arrays, living: Arc::clone(&living) });
    let contract = Contract::of(Dataset::UsageDetails);
    (SliceFile::new(&slice(), &contract, &WriteOptions::default(), 0, staged).unwrap(), living)
}

#[test]
fn a_full_store_is_a_failure_of_the_destination_at_whatever_byte_it_comes() {
    for room in [0, 3, 4, 100, 1_000, 3_000] {
        let (mut file, _) = played(room, &[]);
        let written = file.write(costs(10)).and_then(|()| file.finish(state(10, "10")).map(drop));
        let error = written.unwrap_err();
        assert_eq!(error.kind(), LakeErrorKind::Destination, "{error}");
        assert!(error.hint().unwrap().contains("room"));
    }
}

#[test]
fn a_column_is_let_go_before_the_next_one_is_written() {
    let rows = 100_000;
    let unique = || text(rows, |row| Some(format!("{row:0>50}")));
    let columns = ["service_name", "service_tier", "meter_id", "tags"].map(|name| (name, unique()));
    let (mut file, living) = played(usize::MAX, &columns);
    let batch = batch(rows, &columns);
    drop(columns);
    file.write(batch).unwrap();
    let mut living = std::mem::take(&mut *living.lock().unwrap());
    living.dedup();
    assert_eq!(living, [3, 2, 1, 0]);
}

#[test]
fn rejected_rows_are_kept_for_their_owner_alone() {
    let scene = scene();
    let run = scene.run("r1");
    assert_eq!(run.reject(&slice()).finish().unwrap(), None);
    let mut rejected = run.reject(&slice());
    rejected.write(&serde_json::json!({"reason": "no number", "page": 1, "text": "a\nb"})).unwrap();
    rejected.write(&serde_json::json!({"reason": "no date"})).unwrap();
    assert_eq!(rejected.lines(), 2);
    let name = rejected.finish().unwrap().unwrap();
    assert_eq!(name, "_billing_lake/rejected/usage_details/a%3A1/2024-11/r1.ndjson");
    let path = scene.folder.path().join(name);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    run.finish().unwrap();
    assert!(path.exists());
}

#[test]
fn the_newest_hundred_reports_are_kept() {
    let scene = scene();
    for number in 0..103 {
        let run = scene.run(&format!("r{number:03}"));
        let name = run.save_report(&format!("{{\"run_id\":{number}}}")).unwrap();
        assert!(scene.folder.path().join(name).exists());
        run.finish().unwrap();
    }
    let names = names(&scene.folder.path().join(layout::REPORTS_FOLDER));
    assert_eq!((names.len(), names[99].as_str()), (100, "r102.json"));
}

#[test]
fn the_cache_of_checks_is_shared_and_may_be_lost() {
    let scene = scene();
    let other = Slice { window: Window::Period("2024-10".parse().unwrap()), ..slice() };
    for (slice, instant) in [(slice(), "2024-12-01T00:00:00Z"), (other, "2024-12-02T00:00:00Z")] {
        let mut known = LastRun::default();
        known.set_checked_at(&slice, instant);
        scene.lake.save_last_run(&known).unwrap();
        assert_eq!(scene.lake.last_run().unwrap().checked_at(&slice), Some(instant));
    }
    assert_eq!(scene.lake.last_run().unwrap().checked_at(&slice()), Some("2024-12-01T00:00:00Z"));
    fs::write(scene.folder.path().join(layout::LAST_RUN_FILE), "garbled").unwrap();
    assert_eq!(scene.lake.last_run().unwrap(), LastRun::default());
}
