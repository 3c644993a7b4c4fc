//! Promises that hold wherever a lake lies: the same tests on local disk, S3 and Azure Blob.
//!
//! Those on S3 and Azure want servers: `BILLING_LAKE_TEST_S3` names a bucket and `BILLING_LAKE_TEST_AZURE` a container,
//! and the variables of `object_store` how to reach them. `tests/run` starts such servers and runs these tests.

mod faulty;

use std::thread;
use std::time::Duration;

use object_store::{BackoffConfig, RetryConfig};
use tempfile::TempDir;

use crate::contract::{BillingPeriod, Contract, Dataset, Slice, Window};

use super::destination::Place as Kind;
use super::local::LocalStore;
use super::opening::Base;
use super::remote::RemoteStore;
use super::tests::{batch, slice, staged, state, text};
use super::token::token;
use super::*;

use faulty::{Fault, Faulty, Rule};

/// How long old data is kept.
const RETENTION: Duration = Duration::from_secs(3_600);

/// A place for one lake, new and empty.
struct Place {
    destination: Destination,
    variables: Vec<(String, String)>,
    layout: Layout,
    _folder: Option<TempDir>,
}

impl Place {
    fn local() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (destination, layout) = (Destination::local(folder.path()), Layout::Hive);
        Place { destination, variables: Vec::new(), layout, _folder: Some(folder) }
    }

    fn s3() -> Self {
        Place::under("BILLING_LAKE_TEST_S3")
    }

    fn azure() -> Self {
        Place::under("BILLING_LAKE_TEST_AZURE")
    }

    /// A prefix of its own in the bucket that a variable names.
    fn under(variable: &str) -> Self {
        let Ok(root) = std::env::var(variable) else {
            panic!("{variable} is not set: run tests/run, which starts the servers");
        };
        let destination = format!("{root}/lakes/{:016x}", token()).parse().unwrap();
        Place { destination, variables: std::env::vars().collect(), layout: Layout::Hive, _folder: None }
    }

    /// The same place with another value of a variable.
    fn with(&self, name: &str, value: &str) -> Self {
        let mut variables = self.variables.clone();
        variables.retain(|(set, _)| set != name);
        variables.push((name.to_owned(), value.to_owned()));
        Place { destination: self.destination.clone(), variables, layout: self.layout, _folder: None }
    }

    /// A place in another bucket.
    fn in_bucket(&self, bucket: &str) -> Self {
        let scheme = if self.is_s3() { "s3" } else { "az" };
        let destination = format!("{scheme}://{bucket}/lake").parse().unwrap();
        Place { destination, variables: self.variables.clone(), layout: self.layout, _folder: None }
    }

    /// The same place for a lake of Delta tables.
    #[cfg(feature = "delta")]
    fn of_tables(self) -> Self {
        Place { layout: Layout::Delta, ..self }
    }

    fn is_s3(&self) -> bool {
        self.destination.to_string().starts_with("s3:")
    }

    /// The variable that names the server's address.
    fn endpoint(&self) -> (&'static str, String) {
        let name = if self.is_s3() { "AWS_ENDPOINT" } else { "AZURE_STORAGE_ENDPOINT" };
        let value = self.variables.iter().find(|(set, _)| set == name).map(|(_, value)| value.clone());
        (name, value.unwrap_or_else(|| panic!("{name} is not set")))
    }

    fn base(&self) -> Base {
        match &self.destination.place {
            Kind::Folder(path) => Base::Local(LocalStore::without_grace(path, true)),
            Kind::Objects(place) => {
                let soon = Duration::from_millis(1);
                let backoff = BackoffConfig { init_backoff: soon, max_backoff: soon, base: 2.0 };
                let retry = RetryConfig { backoff, max_retries: 5, retry_timeout: Duration::from_secs(60) };
                Base::Remote(RemoteStore::with(place, &self.variables, retry).unwrap())
            }
        }
    }

    fn lake(&self) -> Lake {
        self.base().laid_out(self.layout).unwrap()
    }
}

/// Each promise as a test on each kind of place.
macro_rules! promises {
    (everywhere: $($everywhere:ident)*; with_partitions: $($hive:ident)*; in_stores: $($store:ident)*; in_stores_with_partitions: $($store_hive:ident)*) => {
        promises!(@on_disk on_local_disk Place::local() => $($everywhere)* $($hive)*);
        promises!(@in_store on_s3 Place::s3() => $($everywhere)* $($hive)* $($store)* $($store_hive)*);
        promises!(@in_store on_azure Place::azure() => $($everywhere)* $($hive)* $($store)* $($store_hive)*);
        #[cfg(feature = "delta")]
        promises!(@on_disk of_tables_on_local_disk Place::local().of_tables() => $($everywhere)*);
        #[cfg(feature = "delta")]
        promises!(@in_store of_tables_on_s3 Place::s3().of_tables() => $($everywhere)* $($store)*);
        #[cfg(feature = "delta")]
        promises!(@in_store of_tables_on_azure Place::azure().of_tables() => $($everywhere)* $($store)*);
    };
    (@on_disk $module:ident $place:expr => $($promise:ident)*) => {
        mod $module {
            use super::Place;
            $(#[test] fn $promise() { super::$promise(&$place) })*
        }
    };
    (@in_store $module:ident $place:expr => $($promise:ident)*) => {
        mod $module {
            use super::Place;
            $(#[test] #[ignore = "wants a server: tests/run starts it"] fn $promise() { super::$promise(&$place) })*
        }
    };
}

promises! {
    everywhere:
        what_is_published_is_listed_with_its_state
        a_restated_slice_is_replaced_by_one_file
        two_writers_of_a_slice_leave_one_whole_file
        what_is_dropped_before_it_is_published_leaves_the_old_file
        small_files_are_kept_replaced_and_dropped
        rejected_rows_of_any_size_are_kept;
    with_partitions:
        thousands_of_files_are_listed
        a_lake_takes_the_other_layout_and_its_own_again
        files_of_a_copied_lake_are_replaced_and_not_read_twice;
    in_stores:
        a_lake_of_wrong_credentials_says_so
        a_bucket_that_is_missing_is_named
        trouble_of_the_store_is_survived
        trouble_that_does_not_end_fails_and_leaves_the_old_file
        an_answer_that_is_lost_is_not_a_failure;
    in_stores_with_partitions:
        data_begins_somewhere_else_in_each_file
        the_uploads_of_dead_runs_are_ended
}

fn period(month: usize) -> BillingPeriod {
    format!("{}-{:02}", 2015 + month / 12, 1 + month % 12).parse().unwrap()
}

fn slice_of(enrollment: usize, month: usize) -> Slice {
    let enrollment = format!("{enrollment:04}").parse().unwrap();
    Slice { dataset: Dataset::UsageDetails, enrollment, window: Window::Period(period(month)) }
}

/// Publishes a file of so many rows that cost one each.
fn publish(lake: &Lake, id: &str, rows: usize) -> PublishedFile {
    let run = lake.begin_run(id).unwrap();
    let published = run.publish(staged(&run, rows).unwrap()).unwrap();
    run.finish().unwrap();
    published
}

/// A file too large to wait in memory, of so many rows and some 12 MiB.
fn large(run: &Run, rows: usize) -> Result<StagedFile, LakeError> {
    let words = 12 * (1 << 20) / rows / 16;
    let options = WriteOptions { compression: Compression::None };
    let mut file = run.stage(&slice(), &Contract::of(Dataset::UsageDetails), &options)?;
    let long = text(rows, |_| Some((0..words).map(|_| format!("{:016x}", token())).collect()));
    file.write(batch(rows, &[("tags", long)]))?;
    file.finish(state(rows, "0"))
}

/// The rows of the one file of the lake, whose bytes are those that its state tells.
fn rows(lake: &Lake) -> u64 {
    let files = lake.files(Dataset::UsageDetails).unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
    let state = files[0].state.as_ref().unwrap();
    assert_eq!(whole(lake, &files[0].slice).map(|bytes| digest(&bytes)), Some(state.digest.clone()));
    state.rows
}

/// A slice's file; none when it was replaced between two looks.
fn whole(lake: &Lake, slice: &Slice) -> Option<Vec<u8>> {
    let files = lake.store.list(slice.dataset).unwrap();
    let file = files.iter().find(|file| file.slice == *slice).unwrap();
    let bytes = lake.store.read(file, 0..file.bytes).unwrap()?;
    assert_eq!(bytes.len() as u64, file.bytes);
    Some(bytes)
}

/// The digest of what stands before the footer's metadata.
fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let digits = Sha256::digest(&bytes[..bytes.len() - 8 - length]);
    format!("sha256:{}", digits.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn what_is_published_is_listed_with_its_state(place: &Place) {
    let lake = place.lake();
    assert_eq!(lake.files(Dataset::UsageDetails).unwrap(), []);
    let run = lake.begin_run("r1").unwrap();
    let published = run.publish(staged(&run, 3).unwrap()).unwrap();
    let other = Slice { dataset: Dataset::BillingPeriods, window: Window::Whole, ..slice() };
    let contract = Contract::of(Dataset::BillingPeriods);
    let file = run.stage(&other, &contract, &WriteOptions::default()).unwrap();
    run.publish(file.finish(FileState::default()).unwrap()).unwrap();
    run.finish().unwrap();

    let files = lake.files(Dataset::UsageDetails).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!((&files[0].slice, &files[0].location), (&slice(), &published.location));
    assert_eq!(files[0].bytes, published.bytes);
    let state = files[0].state.as_ref().unwrap();
    assert_eq!((state.rows, state.etag.as_deref()), (3, Some(&b"\"v1\""[..])));
    assert_eq!(rows(&lake), 3);
    assert!(lake.has(&slice()).unwrap());
    let files = lake.files(Dataset::BillingPeriods).unwrap();
    assert_eq!(files.iter().map(|file| &file.slice).collect::<Vec<_>>(), [&other]);
}

fn a_restated_slice_is_replaced_by_one_file(place: &Place) {
    let lake = place.lake();
    for (id, rows_of) in [("r1", 1), ("r2", 200), ("r3", 2)] {
        publish(&lake, id, rows_of);
        assert_eq!(rows(&lake), rows_of as u64);
    }
    let run = lake.begin_run("r4").unwrap();
    run.publish(large(&run, 40).unwrap()).unwrap();
    run.finish().unwrap();
    assert_eq!(rows(&lake), 40);
    publish(&lake, "r5", 5);
    assert_eq!(rows(&lake), 5);
}

fn thousands_of_files_are_listed(place: &Place) {
    let lake = place.lake();
    let slices: Vec<_> = (0..30).flat_map(|enrollment| (0..40).map(move |month| slice_of(enrollment, month))).collect();
    thread::scope(|scope| {
        for share in slices.chunks(150) {
            let store = &lake.store;
            scope.spawn(move || {
                for slice in share {
                    store.put_side(&format!("{}/data.parquet", layout::partition(slice)), b"none").unwrap();
                }
            });
        }
    });
    let files = lake.files(Dataset::UsageDetails).unwrap();
    assert_eq!(files.iter().map(|file| &file.slice).collect::<Vec<_>>(), slices.iter().collect::<Vec<_>>());
    assert!(files.iter().all(|file| file.state == Err(Unreadable::NotParquet)));
}

fn two_writers_of_a_slice_leave_one_whole_file(place: &Place) {
    let lake = place.lake();
    publish(&lake, "r0", 1);
    thread::scope(|scope| {
        for writer in 1..=2_usize {
            let lake = &lake;
            scope.spawn(move || {
                for round in 0..6 {
                    let run = lake.begin_run(&format!("w{writer}-{round}")).unwrap();
                    let file = if round == 3 { large(&run, 10 * writer) } else { staged(&run, 100 * writer) };
                    // Where parts of two belong to one object, one of the two may be refused; it says so.
                    if let Err(error) = run.publish(file.unwrap()) {
                        assert_eq!((error.kind(), round), (LakeErrorKind::Destination, 3), "{error}");
                    }
                    run.finish().unwrap();
                }
            });
        }
        for _ in 0..20 {
            if let Some(bytes) = whole(&lake, &slice()) {
                assert_eq!(&bytes[bytes.len() - 4..], b"PAR1");
            }
        }
    });
    assert!([100, 200].contains(&rows(&lake)));
}

fn what_is_dropped_before_it_is_published_leaves_the_old_file(place: &Place) {
    let lake = place.lake();
    publish(&lake, "r1", 7);
    let run = lake.begin_run("r2").unwrap();
    drop(staged(&run, 8).unwrap());
    drop(large(&run, 30).unwrap());
    assert_eq!(rows(&lake), 7);
    run.finish().unwrap();
    let left = lake.begin_run("r3").unwrap();
    assert_eq!(lake.clean(RETENTION).unwrap(), Vec::<String>::new(), "a run that lives is left alone");
    left.finish().unwrap();
    assert_eq!(lake.clean(RETENTION).unwrap(), Vec::<String>::new());
    assert_eq!(rows(&lake), 7);
}

fn small_files_are_kept_replaced_and_dropped(place: &Place) {
    let store = place.base().store();
    assert_eq!(store.read_side("_billing_lake/a.json").unwrap(), None);
    store.drop_side("_billing_lake/a.json").unwrap();
    for text in [&b"one"[..], b"", b"three"] {
        store.put_side("_billing_lake/a.json", text).unwrap();
        assert_eq!(store.read_side("_billing_lake/a.json").unwrap().as_deref(), Some(text));
    }
    store.drop_side("_billing_lake/a.json").unwrap();
    assert_eq!(store.read_side("_billing_lake/a.json").unwrap(), None);
    for name in ["c", "a", "b"] {
        store.put_side(&format!("{}/{name}.json", layout::REPORTS_FOLDER), b"{}").unwrap();
        // Stores know seconds only.
        thread::sleep(Duration::from_millis(1_100));
    }
    store.keep_newest(layout::REPORTS_FOLDER, 2).unwrap();
    let there = |name| store.read_side(&format!("{}/{name}.json", layout::REPORTS_FOLDER)).unwrap().is_some();
    assert_eq!(["a", "b", "c"].map(there), [true, true, false]);
}

fn rejected_rows_of_any_size_are_kept(place: &Place) {
    let lake = place.lake();
    let run = lake.begin_run("r1").unwrap();
    for (rows, width) in [(1, 10), (300, 40_000)] {
        let mut rejected = run.reject(&slice());
        for row in 0..rows {
            rejected.write(&serde_json::json!({ "row": row, "text": "x".repeat(width) })).unwrap();
        }
        let name = rejected.finish().unwrap().unwrap();
        let kept = lake.store.read_side(&name).unwrap().unwrap();
        assert_eq!(kept.iter().filter(|byte| **byte == b'\n').count(), rows);
        assert!(kept.len() > rows * width);
    }
    run.finish().unwrap();
}

#[cfg(not(feature = "delta"))]
fn a_lake_takes_the_other_layout_and_its_own_again(place: &Place) {
    assert_eq!(Lake::open_as(&place.destination, Some(Layout::Delta)).unwrap_err().kind(), LakeErrorKind::Usage);
}

#[cfg(feature = "delta")]
fn a_lake_takes_the_other_layout_and_its_own_again(place: &Place) {
    let change = |to| Lake::change_layout(&place.destination, to).unwrap();
    let rows_of = |lake: &Lake| {
        let files = lake.files(Dataset::UsageDetails).unwrap();
        files.into_iter().map(|file| (file.slice, file.state.unwrap().rows)).collect::<Vec<_>>()
    };
    let log = "usage_details/_delta_log/00000000000000000000.json";
    assert!(change(Layout::Delta).is_none(), "there is no lake");
    let lake = Lake::open(&place.destination).unwrap();
    publish(&lake, "r1", 1);
    let run = lake.begin_run("r1b").unwrap();
    for enrollment in [1, 2] {
        let contract = Contract::of(Dataset::UsageDetails);
        let mut file = run.stage(&slice_of(enrollment, 118), &contract, &WriteOptions::default()).unwrap();
        file.write(super::tests::costs(enrollment)).unwrap();
        run.publish(file.finish(state(enrollment, &enrollment.to_string())).unwrap()).unwrap();
    }
    run.finish().unwrap();
    let before = rows_of(&lake);
    assert_eq!(before.len(), 3);

    // A change that died before its end left a log that says nothing true.
    lake.store.put_side(log, b"{}").unwrap();
    let tables = change(Layout::Delta).unwrap();
    assert_eq!((tables.layout(), rows_of(&tables)), (Layout::Delta, before.clone()));
    assert_eq!(Lake::open(&place.destination).unwrap().layout(), Layout::Delta);
    for (id, rows) in [("r2", 2), ("r3", 3)] {
        publish(&tables, id, rows);
    }
    let mut after = before.clone();
    after.iter_mut().find(|(of, _)| *of == slice()).unwrap().1 = 3;
    assert_eq!(rows_of(&tables), after);
    assert_eq!(rows_of(&change(Layout::Delta).unwrap()), after, "it has that layout");
    assert_eq!(tables.clean(RETENTION).unwrap(), Vec::<String>::new(), "what was replaced is young");
    let dropped = tables.clean(Duration::ZERO).unwrap();
    assert!(dropped.len() <= 2 && dropped.iter().all(|name| name.contains("billing_period=2024-11")), "{dropped:?}");

    let lake = change(Layout::Hive).unwrap();
    assert_eq!((lake.layout(), rows_of(&lake)), (Layout::Hive, after));
    assert_eq!(lake.store.read_side(log).unwrap(), None);
    publish(&lake, "r4", 4);
    assert!(rows_of(&lake).contains(&(slice(), 4)));
    let refused = Lake::open_as(&place.destination, Some(Layout::Delta)).unwrap_err();
    assert_eq!(refused.kind(), LakeErrorKind::Usage);
}

fn files_of_a_copied_lake_are_replaced_and_not_read_twice(place: &Place) {
    let lake = place.lake();
    publish(&lake, "r1", 1);
    let bytes = whole(&lake, &slice()).unwrap();
    let name = |file: &str| format!("{}/{file}", layout::partition(&slice()));
    for name in [name("data-0123.parquet"), name("data-4567.parquet"), name("_hidden.txt")] {
        lake.store.put_side(&name, &bytes).unwrap();
    }
    let files = lake.files(Dataset::UsageDetails).unwrap();
    assert_eq!(files[0].state, Err(Unreadable::NotAlone { count: 3 }));
    publish(&lake, "r2", 9);
    assert_eq!(rows(&lake), 9);
}

fn a_lake_of_wrong_credentials_says_so(place: &Place) {
    publish(&place.lake(), "r1", 1);
    let (name, value) = match place.is_s3() {
        true => ("AWS_SECRET_ACCESS_KEY", "a-wrong-secret"),
        false => ("AZURE_STORAGE_ACCOUNT_KEY", "YS13cm9uZy1zZWNyZXQ="),
    };
    let lake = place.with(name, value).lake();
    let failures = [
        lake.files(Dataset::UsageDetails).err(),
        lake.begin_run("r2").err(),
        lake.store.put_side("_billing_lake/x", b"x").err(),
        lake.store.read_side("_billing_lake/x").err(),
    ];
    for failure in failures {
        let error = failure.unwrap();
        assert_eq!(error.kind(), LakeErrorKind::Destination);
        let told = error.to_string();
        assert!(told.contains("status 403") && told.contains(&place.destination.to_string()), "{told}");
        assert!(!told.contains(value) && error.hint().unwrap().contains("credentials"), "{told}");
    }
}

fn a_bucket_that_is_missing_is_named(place: &Place) {
    let lake = place.in_bucket("nobody-made-this").lake();
    let failures = [
        lake.files(Dataset::UsageDetails).err(),
        lake.last_run().err(),
        lake.store.put_side("_billing_lake/x", b"x").err(),
        lake.store.drop_side("_billing_lake/x").err(),
    ];
    for failure in failures.into_iter().flatten() {
        assert_eq!(failure.kind(), LakeErrorKind::Destination);
        assert!(
            failure.to_string().contains("nobody-made-this") && failure.to_string().contains("status 404"),
            "{failure}"
        );
        assert!(failure.hint().unwrap().contains("bucket"), "{failure}");
    }
    assert!(lake.begin_run("r1").is_err() && lake.files(Dataset::UsageDetails).is_err());
}

/// The place behind a proxy that plays faults.
fn behind(place: &Place) -> (Faulty, Lake) {
    let (name, server) = place.endpoint();
    let faulty = Faulty::before(&server);
    let lake = place.with(name, &faulty.endpoint).lake();
    (faulty, lake)
}

fn is_write(method: &str, _: &str) -> bool {
    method == "PUT" || method == "POST"
}

fn trouble_of_the_store_is_survived(place: &Place) {
    let (faulty, lake) = behind(place);
    let any: fn(&str, &str) -> bool = |_, _| true;
    for (number, fault, times) in [(1, Fault::Status(500), 1), (2, Fault::Status(503), 4), (3, Fault::Lost, 1)] {
        for holds in [any, is_write] {
            faulty.play(Rule { fault, times, holds });
            publish(&lake, &format!("small-{number}"), number);
            assert_eq!(rows(&lake), number as u64);
            assert_eq!(faulty.played(), times, "{fault:?}");
            let run = lake.begin_run(&format!("large-{number}")).unwrap();
            faulty.play(Rule { fault, times, holds });
            run.publish(large(&run, 10 + number).unwrap()).unwrap();
            run.finish().unwrap();
            assert_eq!(rows(&lake), 10 + number as u64);
            assert_eq!(faulty.played(), times, "{fault:?}");
        }
    }
}

fn trouble_that_does_not_end_fails_and_leaves_the_old_file(place: &Place) {
    let (faulty, lake) = behind(place);
    publish(&lake, "r1", 4);
    for fault in [Fault::Status(503), Fault::Lost] {
        faulty.play(Rule { fault, times: usize::MAX, holds: is_write });
        let run = lake.begin_run("r2").unwrap();
        let error = run.publish(staged(&run, 5).unwrap()).unwrap_err();
        assert_eq!(error.kind(), LakeErrorKind::Destination);
        assert!(error.to_string().contains("usage_details"), "{error}");
        assert!(error.hint().unwrap().contains("nothing was replaced"), "{error}");
        let error = large(&run, 6).and_then(|file| run.publish(file)).unwrap_err();
        assert_eq!(error.kind(), LakeErrorKind::Destination, "{error}");
        faulty.play(Rule { fault, times: 0, holds: is_write });
        run.finish().unwrap();
        assert_eq!(rows(&lake), 4);
    }
}

fn an_answer_that_is_lost_is_not_a_failure(place: &Place) {
    let (faulty, lake) = behind(place);
    // The last request of an upload, done and not answered: asked for again, it is refused, for the upload is no more.
    let completes: fn(&str, &str) -> bool =
        |method, target| method == "POST" && target.contains("uploadId") || target.contains("comp=blocklist");
    let run = lake.begin_run("r1").unwrap();
    faulty.play(Rule { fault: Fault::AnswerLost, times: 1, holds: completes });
    run.publish(large(&run, 11).unwrap()).unwrap();
    assert_eq!(faulty.played(), 1);
    faulty.play(Rule { fault: Fault::AnswerLost, times: 1, holds: is_write });
    run.finish().unwrap();
    publish(&lake, "r2", 3);
    assert_eq!(rows(&lake), 3);
}

fn data_begins_somewhere_else_in_each_file(place: &Place) {
    let lake = place.lake();
    let mut begins = std::collections::BTreeSet::new();
    for round in 0..4 {
        publish(&lake, &format!("r{round}"), 1);
        let bytes = whole(&lake, &slice()).unwrap();
        assert_eq!(&bytes[..4], b"PAR1");
        begins.insert(bytes[4..].iter().position(|byte| *byte != 0).unwrap());
    }
    assert!(begins.len() > 1 && begins.iter().all(|begin| (1..=4096).contains(begin)), "{begins:?}");
}

fn the_uploads_of_dead_runs_are_ended(place: &Place) {
    let lake = place.lake();
    let run = lake.begin_run("r1").unwrap();
    let file = large(&run, 20).unwrap();
    let sign = format!("{}/r1.json", layout::STAGING_FOLDER);
    let Some(said) = lake.store.read_side(&sign).unwrap() else {
        // Azure forgets blocks by itself; nothing is noted.
        assert!(!place.is_s3());
        return;
    };
    // The same, as a process would have left it that is gone, or is another machine's.
    let mut said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(lake.clean(RETENTION).unwrap(), Vec::<String>::new(), "its process lives");
    said["process"]["machine"] = "another".into();
    lake.store.put_side(&sign, said.to_string().as_bytes()).unwrap();
    assert_eq!(lake.clean(RETENTION).unwrap(), Vec::<String>::new(), "it was heard of a moment ago");
    said["process"] = serde_json::json!(gone());
    lake.store.put_side(&sign, said.to_string().as_bytes()).unwrap();
    assert_eq!(lake.clean(RETENTION).unwrap(), [format!("{}/data.parquet", layout::partition(&slice()))]);
    assert_eq!(lake.store.read_side(&sign).unwrap(), None);
    assert_eq!(run.publish(file).unwrap_err().kind(), LakeErrorKind::Destination);
    assert_eq!(lake.files(Dataset::UsageDetails).unwrap(), []);
}

/// A process of this machine that has ended.
fn gone() -> super::remote::Process {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let gone = super::remote::Process::of(child.id());
    child.wait().unwrap();
    gone
}
