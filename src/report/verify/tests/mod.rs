//! Promises of `verify`, on a real file system.

mod damage;
mod forged;
mod replaced;
mod rows;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int64Array, RecordBatch, new_null_array,
};
use tempfile::TempDir;

use super::*;
use crate::contract::{BILLING_MONTH, Contract, ENROLLMENT_NUMBER, Window, WindowKind};
use crate::lake::{Destination, FileState, WriteOptions, test_store};

/// 10^-18.
const UNITS: i128 = 1_000_000_000_000_000_000;

/// A lake in a folder of its own, whose runs end at once.
struct Scene {
    folder: TempDir,
    lake: Lake,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    Lake::open(&Destination::local(folder.path())).unwrap();
    let lake = test_store::lake(folder.path(), true);
    Scene { folder, lake }
}

fn slice(dataset: Dataset, enrollment: &str, window: &str) -> Slice {
    let window = match dataset.window_kind() {
        WindowKind::Whole => Window::Whole,
        WindowKind::Period => Window::Period(window.parse().unwrap()),
        WindowKind::Dates => Window::Dates(window.parse().unwrap()),
    };
    Slice { dataset, enrollment: enrollment.parse().unwrap(), window }
}

fn november() -> Slice {
    slice(Dataset::UsageDetails, "0100", "2024-11")
}

fn decimals(values: impl IntoIterator<Item = Option<i128>>) -> ArrayRef {
    Arc::new(Decimal128Array::from_iter(values).with_precision_and_scale(38, 18).unwrap())
}

fn text(rows: usize, value: impl Fn(usize) -> Option<String>) -> ArrayRef {
    let values: Vec<_> = (0..rows).map(value).collect();
    Arc::new(values.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
}

fn days(rows: usize, day: i32) -> ArrayRef {
    Arc::new(Date32Array::from(vec![day; rows]))
}

fn first_day(period: &str) -> i32 {
    period.parse::<BillingPeriod>().unwrap().first_day()
}

/// The day that the rows of a slice are of, in its last month.
fn month_of(slice: &Slice) -> i32 {
    match slice.window {
        Window::Period(period) => period.first_day(),
        Window::Dates(dates) => BillingPeriod::of_day(dates.to().to_epoch_days()).unwrap().first_day(),
        Window::Whole => first_day("2024-11"),
    }
}

/// Rows of a slice with these columns, and nulls in all others but those that say whose they are.
fn batch(slice: &Slice, contract: &Contract, rows: usize, columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let number = text(rows, |_| Some(slice.enrollment.to_string()));
    let own = [(ENROLLMENT_NUMBER, number), (BILLING_MONTH, days(rows, month_of(slice)))];
    let schema = contract.arrow_schema();
    let arrays = schema.fields().iter().map(|field| {
        let given = columns.iter().chain(&own).find(|(name, _)| name == field.name());
        given.map_or_else(|| new_null_array(field.data_type(), rows), |(_, array)| Arc::clone(array))
    });
    RecordBatch::try_new(Arc::clone(&schema), arrays.collect()).unwrap()
}

/// The state of a file whose decimal columns add up to nothing but these.
fn state(contract: &Contract, rows: usize, totals: &[(&str, &str)]) -> FileState {
    let names = contract.columns().iter().filter_map(|column| column.total());
    let mut control_totals: BTreeMap<_, _> = names.map(|name| (name, "0".to_owned())).collect();
    control_totals.extend(totals.iter().map(|(name, total)| ((*name).to_owned(), (*total).to_owned())));
    FileState { rows: rows as u64, etag: Some(b"\"v1\"".to_vec()), control_totals, ..FileState::default() }
}

/// Columns of all kinds that usage details have, with nulls, and with a text that repeats and one that does not.
fn columns(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("cost", decimals((0..rows).map(|row| (row % 3 != 0).then_some(row as i128 * UNITS)))),
        ("location", text(rows, |row| (row % 3 != 1).then(|| ["", "West"][row % 2].to_owned()))),
        ("instance_id", text(rows, |row| Some(format!("/subscriptions/{row}")))),
        ("account_id", Arc::new(Int64Array::from_iter((0..rows as i64).map(|row| (row > 1).then_some(-row))))),
        ("date", Arc::new(Date32Array::from_iter_values((0..rows as i32).map(|row| 20_028 + row % 30)))),
        ("charges_billed_separately", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 2 == 0))))),
    ]
}

/// What [`columns`] cost.
fn cost(rows: usize) -> u64 {
    (0..rows as u64).filter(|row| row % 3 != 0).sum()
}

impl Scene {
    /// Publishes these batches, whose costs add up to that, and returns the path of the file.
    fn publish(&self, slice: &Slice, contract: &Arc<Contract>, batches: Vec<RecordBatch>, state: FileState) -> PathBuf {
        let run = self.lake.begin_run("r").unwrap();
        let mut file = run.stage(slice, contract, &WriteOptions::default()).unwrap();
        batches.into_iter().for_each(|batch| file.write(batch).unwrap());
        let published = run.publish(file.finish(state).unwrap()).unwrap();
        run.finish().unwrap();
        self.folder.path().join(published.location)
    }

    /// Publishes usage details in row groups of so many rows.
    fn usage(&self, slice: &Slice, groups: &[usize]) -> PathBuf {
        let contract = Contract::of(slice.dataset);
        let batches = groups.iter().map(|rows| batch(slice, &contract, *rows, &columns(*rows))).collect();
        let cost: u64 = groups.iter().map(|rows| cost(*rows)).sum();
        let state = state(&contract, groups.iter().sum(), &[("cost", &cost.to_string())]);
        self.publish(slice, &contract, batches, state)
    }

    /// Publishes a file without rows.
    fn empty(&self, slice: &Slice) -> PathBuf {
        let contract = Contract::of(slice.dataset);
        let state = state(&contract, 0, &[]);
        self.publish(slice, &contract, Vec::new(), state)
    }

    fn verify(&self) -> Verification {
        verify(&self.lake, &VerifyOptions::default(), &Unwatched).unwrap()
    }

    /// The findings of the lake's only file.
    #[track_caller]
    fn findings(&self) -> Vec<Finding> {
        let mut files = self.verify().files;
        assert_eq!(files.len(), 1);
        files.remove(0).findings
    }

    /// The kinds of the findings of the lake's only file.
    #[track_caller]
    fn kinds(&self) -> Vec<&'static str> {
        self.findings().iter().map(Finding::kind).collect()
    }
}

/// The kinds of findings by slice, of files that have some.
fn wrong(verification: &Verification) -> Vec<(String, Vec<&'static str>)> {
    verification
        .wrong()
        .map(|file| (file.slice.to_string(), file.findings.iter().map(Finding::kind).collect()))
        .collect()
}

#[test]
fn files_that_are_what_was_written_are_right() {
    let scene = scene();
    scene.usage(&november(), &[7, 3]);
    scene.usage(&slice(Dataset::UsageDetailsByDate, "0100", "2024-10-30_2024-11-02"), &[3]);
    for dataset in Dataset::ALL {
        let window = if dataset.window_kind() == WindowKind::Dates { "2024-11-01_2024-11-02" } else { "2024-11" };
        scene.empty(&slice(dataset, "200", window));
    }
    let verification = scene.verify();
    assert_eq!(wrong(&verification), []);
    assert_eq!((verification.files.len(), verification.of, verification.rows()), (9, 9, 13));
    let bytes: u64 = verification
        .files
        .iter()
        .map(|file| fs::metadata(scene.folder.path().join(&file.location)).unwrap().len())
        .sum();
    assert_eq!(verification.bytes(), bytes);
}

#[test]
fn an_empty_lake_is_right() {
    assert_eq!(scene().verify(), Verification { files: Vec::new(), of: 0 });
}

#[test]
fn only_chosen_files_are_read() {
    let scene = scene();
    for (enrollment, periods) in [("100", &["2024-09", "2024-10", "2024-11"][..]), ("200", &["2024-11"])] {
        periods.iter().for_each(|period| drop(scene.empty(&slice(Dataset::UsageDetails, enrollment, period))));
    }
    scene.empty(&slice(Dataset::BillingPeriods, "100", ""));
    let chosen = |options: VerifyOptions| {
        let files = verify(&scene.lake, &options, &Unwatched).map(|verification| verification.files)?;
        Ok::<_, VerifyError>(files.iter().map(|file| file.slice.to_string()).collect::<Vec<_>>())
    };
    let all = VerifyOptions::default();
    let period = |text: &str| text.parse().unwrap();
    assert_eq!(chosen(all.clone()).unwrap().len(), 5);
    let periods = VerifyOptions { datasets: vec![Dataset::BillingPeriods], ..all.clone() };
    assert_eq!(chosen(periods).unwrap(), ["billing_periods 100"]);
    let of_200 = VerifyOptions { enrollments: vec!["200".parse().unwrap()], ..all.clone() };
    assert_eq!(chosen(of_200).unwrap(), ["usage_details 200 2024-11"]);
    let autumn = VerifyOptions { periods: vec![(period("2024-09"), period("2024-10"))], ..all.clone() };
    assert_eq!(chosen(autumn).unwrap(), ["usage_details 100 2024-09", "usage_details 100 2024-10"]);
    let nothing = VerifyOptions { periods: vec![(period("2023-09"), period("2023-10"))], ..all };
    assert!(matches!(chosen(nothing), Err(VerifyError::NothingChosen { files: 5 })));
}

#[test]
fn a_sample_is_drawn_again_by_its_seed() {
    let scene = scene();
    (10..30).for_each(|enrollment| drop(scene.empty(&slice(Dataset::BillingPeriods, &enrollment.to_string(), ""))));
    let drawn = |size, seed| {
        let options = VerifyOptions { sample: Some(Sample { size, seed }), ..VerifyOptions::default() };
        let verification = verify(&scene.lake, &options, &Unwatched).unwrap();
        assert_eq!(verification.of, 20);
        verification.files.into_iter().map(|file| file.slice).collect::<Vec<_>>()
    };
    let five = drawn(SampleSize::Files(5), 1);
    assert_eq!((five.len(), five.is_sorted()), (5, true));
    assert_eq!(drawn(SampleSize::Percent(25.0), 1), five);
    assert!((2..12).any(|seed| drawn(SampleSize::Files(5), seed) != five));
    assert!(drawn(SampleSize::Files(6), 1).iter().filter(|slice| five.contains(slice)).count() == 5);
    assert_eq!(drawn(SampleSize::Files(100), 1).len(), 20);
}

#[test]
fn it_stops_where_its_watch_says_so_and_tells_it_how_far_it_is() {
    use std::sync::atomic::AtomicU64;

    #[derive(Default)]
    struct Counting {
        planned: AtomicU64,
        passed: AtomicU64,
        ended: AtomicU64,
        most: u64,
    }

    impl Watch for Counting {
        fn planned(&self, files: usize, bytes: u64) {
            assert_eq!(files, 2);
            self.planned.store(bytes, Ordering::Relaxed);
        }

        fn passed(&self, bytes: u64) {
            self.passed.fetch_add(bytes, Ordering::Relaxed);
        }

        fn ended(&self, _: &VerifiedFile) {
            self.ended.fetch_add(1, Ordering::Relaxed);
        }

        fn is_interrupted(&self) -> bool {
            self.passed.load(Ordering::Relaxed) > self.most
        }
    }

    let scene = scene();
    let groups = vec![50; 40];
    ["2024-10", "2024-11"]
        .iter()
        .for_each(|period| drop(scene.usage(&slice(Dataset::UsageDetails, "1", period), &groups)));
    let count = |count: AtomicU64| count.into_inner();
    let watch = Counting { most: u64::MAX, ..Counting::default() };
    assert!(verify(&scene.lake, &VerifyOptions::default(), &watch).is_ok());
    let (planned, passed) = (count(watch.planned), count(watch.passed));
    assert!((planned / 3..=planned).contains(&passed), "{passed} of {planned}");
    assert_eq!(count(watch.ended), 2);
    let watch = Counting { most: planned / 4, ..Counting::default() };
    assert!(matches!(verify(&scene.lake, &VerifyOptions::default(), &watch), Err(VerifyError::Interrupted)));
    assert!(count(watch.passed) < passed);
}
