//! Promises of rewriting: a file made anew is, cell by cell, the one that today's contract makes of the same pages.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use super::super::{ErrorKind, RunReport, Silent, SystemClock};
use super::*;
use crate::contract::Window;
use crate::decode::{Decoder, Form, Options, RowScope};
use crate::lake::{Compression, Destination, FileState, test_store};
use crate::report::{Unwatched, VerifyOptions, verify};

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

fn slice(dataset: Dataset, period: &str) -> Slice {
    Slice { dataset, enrollment: "0100".parse().unwrap(), window: Window::Period(period.parse().unwrap()) }
}

fn november() -> Slice {
    slice(Dataset::UsageDetails, "2024-11")
}

fn today(with_map: bool) -> Arc<Contract> {
    let contract = Contract::of(Dataset::UsageDetails);
    if with_map { Arc::new(contract.with_tags_map()) } else { contract }
}

/// Today's contract as it was before it knew these columns.
fn before(dataset: Dataset, unknown: &[&str]) -> Arc<Contract> {
    Arc::new(Contract::of(dataset).only(|column| !unknown.contains(&column.column.as_str())))
}

const UNKNOWN: [&str; 6] =
    ["service_name", "consumed_quantity", "charges_billed_separately", "account_id", "date", "part_number"];

/// Rows with values of all forms in the fields of [`UNKNOWN`] columns, beside fields that no contract knows.
fn rows(count: usize) -> Vec<String> {
    let fields = [
        r#""serviceName":"Virtual Machines","consumedQuantity":1.0000000000000000014,"date":"2024-11-03T00:00:00""#,
        r#""SERVICENAME":"a\"\\\u00e9 \ud83d\ude00","partNumber":"","new":{"x":[1, 2.50]},"consumedQuantity":"2.5""#,
        r#""consumedQuantity":null,"new":"1","chargesBilledSeparately":true,"accountId":42,"older":null"#,
        r#""date":"2024-11-30","accountId":"-7","serviceName":"1","serviceName":"2","chargesBilledSeparately":"false""#,
        r#""location":"West","consumedQuantity":-123456789012.123456789012345678901,"partNumber":null"#,
        r#""consumedQuantity":1e-20,"serviceName":"\ud800""#,
        "",
    ];
    let tags = [r#""{\"env\": \"prod\",  \"n\": 1}""#, r#""env: no map""#, "null", r#""\"a\": \"b\"""#, r#""""#];
    let row = |number: usize| {
        let (fields, tags) = (fields[number % fields.len()], tags[number % tags.len()]);
        let comma = if fields.is_empty() { "" } else { "," };
        format!(r#"{{"cost":{number}.25,"meterName":"m{}","tags":{tags}{comma}{fields}}}"#, number % 17)
    };
    (0..count).map(row).collect()
}

/// Values by column of a file, its rows as one batch.
fn batch(path: &PathBuf) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let rows = reader.metadata().file_metadata().num_rows() as usize;
    let mut batches = reader.with_batch_size(rows.max(1)).build().unwrap();
    let batch = batches.next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), rows);
    batch
}

impl Scene {
    /// Publishes these rows as a sync with that contract would, in row groups of so many rows.
    fn publish(&self, slice: &Slice, contract: &Arc<Contract>, rows: &[String], group_rows: usize) -> PathBuf {
        let run = self.lake.begin_run("fetched").unwrap();
        let mut options = Options::new(RowScope::Period(slice.period().unwrap()));
        (options.form, options.group_rows) = (Form::Rows, group_rows);
        let mut decoder = Decoder::new(Arc::clone(contract), slice.enrollment.clone(), options);
        let mut file = run.stage(slice, contract, &WriteOptions::default()).unwrap();
        for page in rows.chunks(group_rows) {
            decoder.feed(page.join("\n").as_bytes()).unwrap();
            decoder.commit().unwrap();
            while let Some(group) = decoder.take_group() {
                file.write_columns(group.into_columns()).unwrap();
            }
        }
        if let Some(group) = decoder.finish().unwrap() {
            file.write_columns(group.into_columns()).unwrap();
        }
        let summary = decoder.summary();
        assert_eq!(summary.rejected_rows, 0);
        let state = FileState {
            etag: Some(b"\"v1\"".to_vec()),
            request: "/v3/x".to_owned(),
            fetched_at: "2024-12-01T02:03:04.000Z".to_owned(),
            api_version: "v3".to_owned(),
            source: "https://consumption.azure.com".to_owned(),
            rows: summary.rows,
            rejected_rows: 3,
            rounded_values: summary.rounded_values,
            pages: 9,
            warnings: vec!["no rows for 2024-11-05".to_owned()],
            control_totals: summary.control_totals.text,
            rounding_residue: summary.control_totals.residue,
            ..FileState::default()
        };
        let published = run.publish(file.finish(state).unwrap()).unwrap();
        run.finish().unwrap();
        self.folder.path().join(published.location)
    }

    fn rewrite(&self, change: impl FnOnce(&mut RewriteOptions)) -> RunReport {
        self.rewrite_telling(change, &Silent)
    }

    fn rewrite_telling(&self, change: impl FnOnce(&mut RewriteOptions), progress: &dyn Progress) -> RunReport {
        let mut options = RewriteOptions {
            datasets: Dataset::ALL.to_vec(),
            tags_map: false,
            compression: None,
            all: false,
            memory: 64 << 20,
            concurrency: 2,
            clock: Arc::new(SystemClock::default()),
            interrupt: Interrupt::default(),
        };
        change(&mut options);
        rewrite(&self.lake, &options, progress)
    }

    /// The one file of a slice.
    fn file(&self, slice: &Slice) -> (PathBuf, FileState) {
        let files = self.lake.files(slice.dataset).unwrap();
        let file = files.into_iter().find(|file| file.slice == *slice).unwrap();
        (self.folder.path().join(file.location), file.state.unwrap())
    }

    /// The file of November, whose rows must be these under that contract, and its state all else than its shape.
    fn is_as_fetched(&self, contract: &Arc<Contract>, rows: &[String]) {
        let other = scene();
        let fetched = other.publish(&november(), contract, rows, 1_000);
        let ((path, mut state), (_, expected)) = (self.file(&november()), other.file(&november()));
        assert_eq!(batch(&path), batch(&fetched));
        state.digest = expected.digest.clone();
        assert_eq!(state, expected);
        self.is_right();
    }

    fn is_right(&self) {
        let found = verify(&self.lake, &VerifyOptions::default(), &Unwatched).unwrap();
        assert_eq!(found.wrong().collect::<Vec<_>>(), Vec::<&crate::report::VerifiedFile>::new());
    }
}

fn outcomes(report: &RunReport) -> Vec<&'static str> {
    report.slices.iter().map(|slice| slice.outcome.as_str()).collect()
}

/// The message of the only slice, which failed.
fn failure(report: &RunReport) -> RunError {
    assert_eq!(outcomes(report), ["failed"]);
    report.slices[0].error.clone().unwrap()
}

#[test]
fn columns_that_no_contract_knew_are_those_of_a_fetch_with_todays() {
    for unknown in [&UNKNOWN[..], &UNKNOWN[..1], &UNKNOWN[1..2], &["tags"], &["cost", "meter_name"]] {
        for with_map in [false, true] {
            let (scene, rows) = (scene(), rows(2_500));
            scene.publish(&november(), &before(Dataset::UsageDetails, unknown), &rows, 1_000);
            let report = scene.rewrite(|options| options.tags_map = with_map);
            assert_eq!((outcomes(&report), report.exit_code()), (vec!["rewritten"], 0), "{report:?}");
            scene.is_as_fetched(&today(with_map), &rows);
            let again = scene.rewrite(|options| options.tags_map = with_map);
            assert_eq!(outcomes(&again), ["unchanged"]);
        }
    }
}

#[test]
fn tags_as_a_map_come_and_go() {
    let (scene, rows) = (scene(), rows(700));
    scene.publish(&november(), &today(false), &rows, 1_000);
    for with_map in [true, false, true] {
        scene.rewrite(|options| options.tags_map = with_map);
        scene.is_as_fetched(&today(with_map), &rows);
    }
    // A column beside the map.
    scene.publish(&november(), &Arc::new(before(Dataset::UsageDetails, &UNKNOWN).with_tags_map()), &rows, 1_000);
    scene.rewrite(|options| options.tags_map = true);
    scene.is_as_fetched(&today(true), &rows);
}

#[test]
fn named_amounts_are_read_back_and_promoted() {
    let slice = slice(Dataset::BalanceSummary, "2024-11");
    let row = r#"{"id":"x","currencyCode":"EUR","beginningBalance":1.5,"adjustments":0.1234567890123456789,
        "newPurchasesDetails":[{"name":"a","value":1.25},{"name":null,"value":-2}],"more":1,
        "adjustmentDetails":[{"name":"Promo","value":0.0000000000000000004}]}"#;
    for unknown in [&["new_purchases_details", "adjustments"][..], &["adjustment_details"], &["currency_code"]] {
        let (scene, other) = (scene(), self::scene());
        scene.publish(&slice, &before(slice.dataset, unknown), &[row.to_owned()], 1_000);
        assert_eq!(outcomes(&scene.rewrite(|_| {})), ["rewritten"]);
        let fetched = other.publish(&slice, &Contract::of(slice.dataset), &[row.to_owned()], 1_000);
        let ((path, state), (_, expected)) = (scene.file(&slice), other.file(&slice));
        assert_eq!(batch(&path), batch(&fetched));
        assert_eq!(state.control_totals, expected.control_totals);
        assert_eq!(state.rounding_residue, expected.rounding_residue);
        assert_eq!(state.rounded_values, expected.rounded_values);
        scene.is_right();
    }
}

#[test]
fn a_file_without_rows_gets_the_shape_too() {
    let scene = scene();
    scene.publish(&november(), &before(Dataset::UsageDetails, &UNKNOWN), &[], 1_000);
    assert_eq!(outcomes(&scene.rewrite(|options| options.tags_map = true)), ["rewritten"]);
    let (_, state) = scene.file(&november());
    assert_eq!((state.rows, state.contract.as_str()), (0, today(true).fingerprint()));
    scene.is_right();
}

#[test]
fn a_value_that_does_not_fit_leaves_the_file_as_it_is() {
    for (wrong, column) in [
        (r#""consumedQuantity":"many""#, "consumed_quantity"),
        (r#""date":"tomorrow""#, "date"),
        (r#""accountId":{}"#, "account_id"),
    ] {
        let (scene, mut rows) = (scene(), rows(50));
        rows.push(format!(r#"{{"cost":1,{wrong}}}"#));
        let path = scene.publish(&november(), &before(Dataset::UsageDetails, &UNKNOWN), &rows, 1_000);
        let bytes = fs::read(&path).unwrap();
        let report = scene.rewrite(|_| {});
        let error = failure(&report);
        assert_eq!((error.kind, report.exit_code()), (ErrorKind::Data, 5));
        assert!(error.message.contains(column) && error.hint.unwrap().contains("sync --force --periods"), "{column}");
        assert!(fs::read(&path).unwrap() == bytes);
    }
}

#[test]
fn damage_is_never_laundered() {
    let (scene, rows) = (scene(), rows(100));
    let older = before(Dataset::UsageDetails, &UNKNOWN);
    let path = scene.publish(&november(), &older, &rows, 1_000);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[200] ^= 1;
    // Totals that the rows do not have, in a footer whose digests hold.
    let mut forged = whole.clone();
    let (total, other) = (br#""cost":"4975""#, br#""cost":"4976""#);
    let at = forged.windows(total.len()).rposition(|bytes| bytes == total).unwrap();
    forged[at..at + other.len()].copy_from_slice(other);
    let digest = forged.windows(7).rposition(|bytes| bytes == b"sha256:").unwrap();
    forged[digest + 7..digest + 7 + 64].fill(b'0');
    test_store::close_footer(&mut forged);
    for (wrong, says) in [(flipped, "its digest"), (forged, "adds up to")] {
        fs::write(&path, &wrong).unwrap();
        let error = failure(&scene.rewrite(|_| {}));
        assert!(error.kind == ErrorKind::Data && error.message.contains(says), "{}", error.message);
        assert!(fs::read(&path).unwrap() == wrong);
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(outcomes(&scene.rewrite(|_| {})), ["rewritten"]);
    scene.is_as_fetched(&today(false), &rows);
}

/// Rewrites what is of another shape than this contract.
fn reshape(lake: &Lake, contract: &Arc<Contract>, memory: u64) -> Result<(), RunError> {
    let (run, files) = (lake.begin_run("r").unwrap(), lake.files(Dataset::UsageDetails).unwrap());
    let rewriter = Rewriter {
        lake,
        contract: &|_| Arc::clone(contract),
        write: &WriteOptions::default(),
        invalid_text: InvalidText::Replace,
        memory,
        concurrency: 1,
        interrupt: &Interrupt::default(),
        progress: &Silent,
    };
    let done = rewriter.reshape(Some(&run), files.iter()).unwrap();
    let came = done.of(&november()).unwrap().map_err(RunError::clone);
    run.finish().unwrap();
    came
}

#[test]
fn columns_that_are_not_known_are_not_dropped() {
    let (scene, rows) = (scene(), rows(20));
    let path = scene.publish(&november(), &today(true), &rows, 1_000);
    let error = reshape(&scene.lake, &before(Dataset::UsageDetails, &["location"]), 64 << 20).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.message.contains("location") && error.hint.unwrap().contains("update billing-lake"));
    assert!(path.exists());
}

#[test]
fn row_groups_stay_unless_there_is_no_room_for_them() {
    let (scene, rows) = (scene(), rows(9_000));
    let older = before(Dataset::UsageDetails, &UNKNOWN);
    scene.publish(&november(), &older, &rows, 4_000);
    let groups = || {
        let file = fs::File::open(scene.file(&november()).0).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>()
    };
    reshape(&scene.lake, &today(true), 64 << 20).unwrap();
    assert_eq!(groups(), [4_000, 4_000, 1_000]);
    scene.is_as_fetched(&today(true), &rows);
    // Rows whose text takes more than a share.
    let long = |number: usize| format!(r#"{{"cost":1,"meterName":"{number}{}"}}"#, "x".repeat(20_000));
    let rows: Vec<_> = (0..2_000).map(long).collect();
    scene.publish(&november(), &older, &rows, 2_000);
    assert_eq!(groups(), [2_000]);
    reshape(&scene.lake, &today(false), 64 << 20).unwrap();
    assert!(groups().len() > 3, "{:?}", groups());
    scene.is_as_fetched(&today(false), &rows);
}

#[test]
fn a_codec_is_given_when_it_is_asked_for() {
    let (scene, rows) = (scene(), rows(300));
    scene.publish(&november(), &today(true), &rows, 100);
    let zstd = Some(Compression::Zstd(3));
    let with = |compression, all| {
        scene.rewrite(|options| {
            (options.tags_map, options.compression, options.all) = (true, compression, all);
        })
    };
    assert_eq!(outcomes(&with(None, false)), ["unchanged"]);
    assert_eq!(outcomes(&with(Some(Compression::Snappy), false)), ["unchanged"]);
    assert_eq!(outcomes(&with(zstd, false)), ["rewritten"]);
    scene.is_as_fetched(&today(true), &rows);
    assert_eq!(outcomes(&with(Some(Compression::Zstd(9)), false)), ["unchanged"]);
    assert_eq!(outcomes(&with(Some(Compression::Zstd(9)), true)), ["rewritten"]);
    scene.is_as_fetched(&today(true), &rows);
}

/// Pulls the interrupt when the first file is done.
struct Pulls(Interrupt);

impl Progress for Pulls {
    fn rewrote(&self, _slice: &Slice, _done: Result<u64, &RunError>) {
        self.0.pull();
    }
}

#[test]
fn what_an_interrupted_run_did_stays_and_the_next_goes_on() {
    let scene = scene();
    let older = before(Dataset::UsageDetails, &UNKNOWN);
    for period in ["2024-09", "2024-10", "2024-11"] {
        scene.publish(&slice(Dataset::UsageDetails, period), &older, &rows(30), 1_000);
    }
    let interrupt = Interrupt::default();
    let one_at_a_time = |options: &mut RewriteOptions| {
        (options.concurrency, options.interrupt) = (1, interrupt.clone());
    };
    let report = scene.rewrite_telling(one_at_a_time, &Pulls(interrupt.clone()));
    assert_eq!((outcomes(&report), report.exit_code()), (vec!["rewritten", "failed", "failed"], 130));
    let report = scene.rewrite(|_| {});
    assert_eq!(outcomes(&report), ["unchanged", "rewritten", "rewritten"]);
    scene.is_as_fetched(&today(false), &rows(30));
}

#[test]
fn a_file_that_another_run_replaces_meanwhile_is_left_to_it() {
    let scene = Arc::new(scene());
    let older = before(Dataset::UsageDetails, &UNKNOWN);
    scene.publish(&november(), &older, &rows(30), 1_000);
    let other = Arc::clone(&scene);
    let publish = move |reads: usize| {
        if reads == 2 {
            other.publish(&november(), &today(false), &rows(31), 1_000);
        }
    };
    let (lake, _) = test_store::Watched::lake(scene.folder.path(), true, publish);
    let error = reshape(&lake, &today(false), 64 << 20).unwrap_err();
    assert!(error.retryable && error.message.contains("replaced"), "{}", error.message);
    scene.is_as_fetched(&today(false), &rows(31));
}
