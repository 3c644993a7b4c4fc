//! Usage details as a report that the service makes in its own time: every status, every way it can go wrong, and the key
//! that never leaves the API's host.

use std::sync::Arc;
use std::time::Duration;

use billing_lake::sync::{ErrorKind, RunReport, SliceOutcome, SliceReport, Via};

use super::moved_clock::{MovedClock, Told, sync_by};
use super::program::{KEY, Program};
use super::published::Place;
use super::scripted_server::{Answer, ScriptedServer, USAGE, november, page};

const SUBMIT: &str = "/v3/enrollments/100/usagedetails/submit?billingPeriod=202411";
const STATUS: &str = "/v3/enrollments/100/usagedetails/reports/7?token=a%2Fb";
const BLOB: &str = "/reports/7.csv?sig=s%2Fecret&se=1";
const SECOND: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=2";
const BEGUN: &str = "2024-11-20T10:00:00Z";

/// The API, the host of files, and a lake.
struct Scene {
    api: ScriptedServer,
    host: ScriptedServer,
    place: Place,
    clock: Arc<MovedClock>,
}

/// A report of rows with these numbers.
fn csv(numbers: impl IntoIterator<Item = u32>) -> String {
    let rows = numbers.into_iter().map(|n| format!("{n},2024-11-{:02},m{n},\"{{\"\"a\"\":\r\n1}}\"\r\n", n % 30 + 1));
    let preamble = "\u{feff}UsageDetail Report for Billing Period - 202411\r\n\r\nCost,Date,MeterName,Tags\r\n";
    preamble.to_owned() + &rows.collect::<String>()
}

impl Scene {
    fn new() -> Self {
        let scene =
            Scene { api: november(), host: ScriptedServer::start(), place: Place::new(), clock: MovedClock::at(BEGUN) };
        scene.api.on(USAGE, [Answer::json(page([1], None)).etag("\"e1\"")]);
        scene.statuses(&[(2, ""), (3, &scene.host.url(BLOB))]);
        scene.host.on(BLOB, [Answer::of(200, "application/octet-stream", csv([1, 2, 3]))]);
        scene
    }

    fn status(&self, status: u64, blob: &str) -> Answer {
        let report = serde_json::json!({
            "id": "7", "enrollmentNumber": "100", "requestedOn": "2024-11-20T10:00:00.1290704Z", "status": status,
            "blobPath": blob, "reportUrl": self.api.url(STATUS), "startDate": "2024-11-01T00:00:00",
            "endDate": "2024-11-30T00:00:00",
        });
        Answer::json(report.to_string())
    }

    /// The submission is queued; then the report has these statuses, the last one for ever.
    fn statuses(&self, statuses: &[(u64, &str)]) {
        self.api.on(SUBMIT, [self.status(1, "")]);
        self.api.on(STATUS, statuses.iter().map(|(status, blob)| self.status(*status, blob)));
    }

    fn sync(&self) -> (SliceReport, RunReport, Arc<Told>) {
        self.sync_by(&self.clock, Via::AsyncCsv)
    }

    fn sync_by(&self, clock: &Arc<MovedClock>, via: Via) -> (SliceReport, RunReport, Arc<Told>) {
        let (report, told) = sync_by(clock, &self.api.endpoint(), &self.place, |options| options.via = via);
        assert!(self.host.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
        assert!(self.host.asked().iter().all(|asked| !format!("{:?}", asked.headers).contains(KEY)));
        (report.slices[0].clone(), report, told)
    }

    /// The file in place holds the rows of these numbers.
    #[track_caller]
    fn holds(&self, numbers: impl IntoIterator<Item = u32>) {
        let names: Vec<_> = numbers.into_iter().map(|number| format!("m{number}")).collect();
        assert_eq!(self.place.period("2024-11").texts("meter_name"), names);
    }

    fn notes(&self) -> Vec<String> {
        self.place.names("_billing_lake/notes/")
    }

    /// The only slice failed so, and there is no file.
    #[track_caller]
    fn fails(&self, words: &[&str]) -> SliceReport {
        let (slice, report, _) = self.sync();
        let error = slice.error.as_ref().unwrap_or_else(|| panic!("{slice:?}"));
        assert_eq!((error.kind, error.retryable), (ErrorKind::Unavailable, true), "{error}");
        assert_eq!(report.exit_code(), 4);
        for word in words {
            assert!(error.message.contains(word), "{word}: {error}");
        }
        assert!(!format!("{report:?}").contains("ecret"), "the signature is a secret");
        assert!(self.place.data().is_empty());
        slice
    }
}

#[test]
fn a_report_is_submitted_asked_about_and_fetched_without_the_key() {
    let scene = Scene::new();
    let (slice, _, told) = scene.sync();
    assert_eq!((slice.outcome, slice.via, slice.rows), (SliceOutcome::Published, Some("async-csv"), 3));
    scene.holds([1, 2, 3]);
    assert_eq!(scene.place.period("2024-11").texts("tags")[0], "{\"a\":\r\n1}");
    assert_eq!((scene.api.count(SUBMIT), scene.api.count(STATUS), scene.host.count(BLOB)), (1, 2, 1));
    let submission = scene.api.asked().into_iter().find(|asked| asked.target == SUBMIT).unwrap();
    assert_eq!(submission.headers.get("content-length").map(String::as_str), Some("0"));
    assert_eq!(submission.headers.get("authorization").map(String::as_str), Some(format!("bearer {KEY}").as_str()));
    assert_eq!(told.waits().iter().map(|wait| wait.0.as_secs()).collect::<Vec<_>>(), [1]);
    assert!(told.waits()[0].2.contains("2 (in progress)"));
    assert_eq!(scene.notes(), [""; 0]);

    // The ETag is that of the pages, before and after: so an unchanged period costs one request.
    assert_eq!(slice.etag.as_deref(), Some("\"e1\""));
    scene.api.forget();
    let (slice, ..) = scene.sync();
    assert_eq!(slice.outcome, SliceOutcome::Unchanged);
    assert_eq!((scene.api.count(USAGE), scene.api.count(SUBMIT)), (1, 0));
    // And the same file is unchanged for whoever asks for pages.
    assert_eq!(scene.sync_by(&scene.clock, Via::Json).0.outcome, SliceOutcome::Unchanged);
}

#[test]
fn a_report_that_is_ready_at_once_or_without_a_path_yet_is_fetched_when_it_has_one() {
    let scene = Scene::new();
    scene.api.on(SUBMIT, [scene.status(3, &scene.host.url(BLOB))]);
    assert_eq!(scene.sync().0.outcome, SliceOutcome::Published);
    assert_eq!(scene.api.count(STATUS), 0);

    let scene = Scene::new();
    scene.statuses(&[(1, ""), (2, ""), (6, ""), (3, ""), (6, &scene.host.url(BLOB))]);
    let (slice, _, told) = scene.sync();
    assert_eq!(slice.outcome, SliceOutcome::Published);
    assert_eq!(told.waits().iter().map(|wait| wait.0.as_secs()).collect::<Vec<_>>(), [1, 2, 4, 8]);
    scene.holds([1, 2, 3]);
}

#[test]
fn a_final_status_is_told_and_not_asked_about_again() {
    for (status, words) in [(4, "status 4 (failed)"), (5, "status 5 (no data found)"), (7, "status 7 (timed out)")] {
        let scene = Scene::new();
        scene.statuses(&[(2, ""), (status, "")]);
        scene.fails(&["POST /v3/enrollments/100/usagedetails/submit", words]);
        assert_eq!(scene.api.count(STATUS), 2);
        assert_eq!(scene.notes(), [""; 0]);
    }
}

#[test]
fn a_report_that_stays_queued_is_given_up_and_taken_up_by_the_next_run() {
    let scene = Scene::new();
    scene.statuses(&[(2, "")]);
    let slice = scene.fails(&["still being made, status 2 (in progress)", "--max-wait"]);
    assert!(slice.waited_seconds > 840.0 && slice.waited_seconds <= 900.0, "{}", slice.waited_seconds);
    assert_eq!((scene.api.count(SUBMIT), scene.notes().len()), (1, 1));

    // Within the hour the same report is asked about.
    scene.api.on(STATUS, [scene.status(6, &scene.host.url(BLOB))]);
    let (slice, ..) = scene.sync_by(&MovedClock::at("2024-11-20T10:59:00Z"), Via::AsyncCsv);
    assert_eq!((slice.outcome, slice.etag.as_deref()), (SliceOutcome::Published, Some("\"e1\"")));
    assert_eq!((scene.api.count(SUBMIT), scene.notes().len()), (1, 0));
}

#[test]
fn a_report_older_than_an_hour_is_submitted_afresh() {
    let scene = Scene::new();
    scene.statuses(&[(2, "")]);
    scene.fails(&["still being made"]);
    scene.statuses(&[(3, &scene.host.url(BLOB))]);
    let (slice, ..) = scene.sync_by(&MovedClock::at("2024-11-20T11:00:01Z"), Via::AsyncCsv);
    assert_eq!((slice.outcome, scene.api.count(SUBMIT)), (SliceOutcome::Published, 2));
}

#[test]
fn a_noted_report_that_is_of_no_use_is_submitted_afresh() {
    for answer in [Answer::error(404, "no such report"), Answer::error(400, "no")] {
        let scene = Scene::new();
        scene.statuses(&[(2, "")]);
        scene.fails(&["still being made"]);
        scene.statuses(&[]);
        scene.api.on(STATUS, [answer, scene.status(3, &scene.host.url(BLOB))]);
        let (slice, ..) = scene.sync_by(&MovedClock::at("2024-11-20T10:30:00Z"), Via::AsyncCsv);
        assert_eq!((slice.outcome, scene.api.count(SUBMIT)), (SliceOutcome::Published, 2));
    }
    // What is noted may be garbled.
    let scene = Scene::new();
    scene.statuses(&[(2, "")]);
    scene.fails(&["still being made"]);
    let note = scene.place.path("lake").join(&scene.notes()[0]);
    std::fs::write(note, b"{\"request\":").unwrap();
    scene.statuses(&[(3, &scene.host.url(BLOB))]);
    assert_eq!(scene.sync().0.outcome, SliceOutcome::Published);
}

#[test]
fn a_file_that_is_gone_is_made_once_more() {
    for status in [403, 404] {
        let scene = Scene::new();
        let file = Answer::of(200, "text/csv", csv([7]));
        let refusal = "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code></Error>";
        scene.host.on(BLOB, [Answer::of(status, "application/xml", refusal), file]);
        let (slice, ..) = scene.sync();
        assert_eq!((slice.outcome, scene.api.count(SUBMIT)), (SliceOutcome::Published, 2));
        scene.holds([7]);

        let scene = Scene::new();
        scene.host.on(BLOB, [Answer::of(status, "application/xml", refusal)]);
        scene.fails(&[&format!("GET /reports/7.csv answered {status}: AuthenticationFailed")]);
        assert_eq!((scene.api.count(SUBMIT), scene.notes().len()), (2, 0));
    }
}

#[test]
fn a_file_that_breaks_off_is_asked_for_again() {
    let scene = Scene::new();
    let text = csv(1..=100);
    let whole = || Answer::of(200, "text/csv", text.clone());
    // In a quoted field; in the middle of a line, with a length that agrees; a reset; gzip that is cut.
    let cut = text.find("m50,\"").unwrap() + 8;
    let short = Answer::of(200, "text/csv", text[..text.find(",m60").unwrap()].to_owned());
    scene
        .host
        .on(BLOB, [whole().cut(cut), short, whole().reset_after(100), whole().packed().garbled(), whole().packed()]);
    let (slice, ..) = scene.sync();
    assert_eq!((slice.outcome, slice.rows), (SliceOutcome::Published, 100));
    scene.holds(1..=100);
}

#[test]
fn a_cut_line_never_makes_a_short_period() {
    let scene = Scene::new();
    let text = csv(1..=100);
    scene.host.on(BLOB, [Answer::of(200, "text/csv", text[..text.find(",m60").unwrap()].to_owned())]);
    scene.fails(&["GET /reports/7.csv", "the page ends before it is whole"]);
}

#[test]
fn a_file_elsewhere_without_tls_or_behind_a_redirect_is_refused() {
    for (blob, words) in [
        ("http://files.example/7.csv?sig=secret", "blobPath"),
        ("7.csv", "blobPath"),
        ("ftp://127.0.0.1/7", "blobPath"),
    ] {
        let scene = Scene::new();
        scene.statuses(&[(3, blob)]);
        let (slice, report, _) = scene.sync();
        let error = slice.error.unwrap();
        assert_eq!((error.kind, report.exit_code()), (ErrorKind::Data, 5), "{error}");
        assert!(error.message.contains(words) && !error.message.contains("secret"), "{error}");
    }
    let scene = Scene::new();
    scene.host.on(BLOB, [Answer::redirect(&scene.api.url("/stolen"))]);
    let (slice, report, _) = scene.sync();
    assert!(slice.error.unwrap().message.contains("redirects, which is not followed"));
    assert_eq!((report.exit_code(), scene.api.count("/stolen")), (5, 0));
}

#[test]
fn a_report_is_not_asked_for_elsewhere() {
    for ask in ["https://other.example/status", "http://127.0.0.1:1/status"] {
        let scene = Scene::new();
        scene
            .api
            .on(SUBMIT, [Answer::json(serde_json::json!({"status": 1, "blobPath": "", "reportUrl": ask}).to_string())]);
        let (slice, report, _) = scene.sync();
        assert!(slice.error.unwrap().message.contains("the reportUrl leaves the endpoint"));
        assert_eq!(report.exit_code(), 5);
    }
}

#[test]
fn a_429_on_the_submission_is_waited_out() {
    let scene = Scene::new();
    scene.api.on(SUBMIT, [Answer::error(429, "Too many requests."), scene.status(1, "")]);
    let (slice, _, told) = scene.sync();
    assert_eq!(slice.outcome, SliceOutcome::Published);
    assert_eq!(told.waits()[0].0, Duration::from_secs(120));
}

#[test]
fn data_that_changes_while_the_report_is_made_is_asked_for_again() {
    let scene = Scene::new();
    let first = |etag: &str| Answer::json(page([1], None)).etag(etag);
    // Before the first report; after it; before the second; after it.
    scene.api.on(USAGE, [first("\"a\""), first("\"b\""), first("\"b\"")]);
    let (slice, ..) = scene.sync();
    assert_eq!((slice.outcome, slice.etag.as_deref()), (SliceOutcome::Published, Some("\"b\"")));
    assert_eq!((scene.api.count(SUBMIT), slice.tear_check), (2, Some("etag")));
}

#[test]
fn pages_that_tear_at_each_read_give_way_to_a_report() {
    let scene = Scene::new();
    let first = |etag: &str| Answer::json(page([1, 2], Some(&scene.api.url(SECOND)))).etag(etag);
    let etags: Vec<_> = (1..=6).map(|number| format!("\"{number}\"")).collect();
    scene.api.on(USAGE, etags.iter().map(|etag| first(etag)));
    scene.api.on(SECOND, [Answer::json(page([3], None))]);
    let (slice, ..) = scene.sync_by(&scene.clock, Via::Auto);
    assert_eq!((slice.outcome, slice.via, slice.rows), (SliceOutcome::Published, Some("async-csv"), 3), "{slice:?}");
    assert_eq!((scene.api.count(SECOND), scene.api.count(SUBMIT)), (3, 1));

    // When no report can be had either, both are told.
    let scene = Scene::new();
    let first = |etag: &str| Answer::json(page([1, 2], Some(&scene.api.url(SECOND)))).etag(etag);
    scene.api.on(USAGE, etags.iter().map(|etag| first(etag)));
    scene.api.on(SECOND, [Answer::json(page([3], None))]);
    scene.api.on(SUBMIT, [Answer::error(404, "no reports here")]);
    let (slice, report, _) = scene.sync_by(&scene.clock, Via::Auto);
    let error = slice.error.unwrap();
    for words in
        ["the data changed while it was read, at each of 3 reads", "a report in its place failed", "no reports here"]
    {
        assert!(error.message.contains(words), "{error}");
    }
    assert_eq!((report.exit_code(), error.retryable), (4, true));
}

#[test]
fn a_report_is_had_where_pages_are_in_trouble() {
    let scene = Scene::new();
    scene.api.on(USAGE, [Answer::error(503, "Busy.")]);
    let (slice, ..) = scene.sync();
    assert_eq!((slice.outcome, slice.etag, slice.tear_check), (SliceOutcome::Published, None, None));
    scene.holds([1, 2, 3]);

    // Also when there is a file whose ETag would be asked for.
    let scene = Scene::new();
    assert_eq!(scene.sync().0.outcome, SliceOutcome::Published);
    scene.api.on(USAGE, [Answer::error(503, "Busy.")]);
    scene.host.on(BLOB, [Answer::of(200, "text/csv", csv([9]))]);
    let (slice, ..) = scene.sync();
    assert_eq!(slice.outcome, SliceOutcome::Published);
    scene.holds([9]);
}

#[test]
fn large_files_are_renewed_by_a_report_where_nothing_else_is_said() {
    let scene = Scene::new();
    scene
        .api
        .on(USAGE, [Answer::json(page(1..=20, None)).etag("\"e0\""), Answer::json(page([1], None)).etag("\"e1\"")]);
    let sync = |rows: u64| {
        let (report, _) =
            sync_by(&scene.clock, &scene.api.endpoint(), &scene.place, |options| options.report_rows = rows);
        report.slices[0].clone()
    };
    assert_eq!((sync(20).via, scene.api.count(SUBMIT)), (Some("json"), 0));
    let slice = sync(20);
    assert_eq!((slice.via, slice.rows, scene.api.count(SUBMIT)), (Some("async-csv"), 3, 1));
}

#[test]
fn pages_take_the_place_of_a_report_that_is_not_made() {
    for (answer, status) in
        [404, 405, 501, 503].map(|status| (Some(Answer::error(status, "no reports")), 0)).into_iter().chain([(None, 5)])
    {
        let scene = Scene::new();
        scene.statuses(&[(status, "")]);
        if let Some(answer) = answer {
            scene.api.on(SUBMIT, [answer]);
        }
        let sync = |rows: u64| {
            let (report, _) =
                sync_by(&scene.clock, &scene.api.endpoint(), &scene.place, |options| options.report_rows = rows);
            report.slices[0].clone()
        };
        scene.api.on(USAGE, [Answer::json(page(1..=20, None)).etag("\"e0\"")]);
        assert_eq!(sync(20).via, Some("json"));
        scene.api.on(USAGE, [Answer::json(page([5], None)).etag("\"e1\"")]);
        let slice = sync(20);
        assert_eq!((slice.outcome, slice.via), (SliceOutcome::Published, Some("json")), "{slice:?}");
        scene.holds([5]);
        assert_eq!(scene.notes(), [""; 0]);
    }
}

#[test]
fn a_signature_that_the_host_repeats_is_not_told() {
    let scene = Scene::new();
    let refusal = "<?xml version=\"1.0\"?><Error><Message>The signature 's/ecret' or s%2Fecret is of 2024-11-20T10:00:00Z</Message></Error>";
    let blob = "/reports/8.csv?sig=s%2Fecret-of-the-host&se=2024";
    let words = refusal.replace("s/ecret", "s/ecret-of-the-host").replace("s%2Fecret", "s%2Fecret-of-the-host");
    scene.statuses(&[(3, &scene.host.url(blob))]);
    scene.host.on(blob, [Answer::of(403, "application/xml", words)]);
    let slice = scene.fails(&["GET /reports/8.csv answered 403: The signature '…' or … is of 2024"]);
    assert!(!format!("{slice:?}").contains("of-the-host"));
}

#[test]
fn an_empty_period_is_empty_as_csv_too() {
    let captions = "AccountId,AccountName,AccountOwnerEmail,AdditionalInfo,ConsumedQuantity,ConsumedService,ConsumedServiceId,Cost,\
        CostCenter,Date,DepartmentId,DepartmentName,InstanceId,MeterCategory,MeterId,MeterName,MeterRegion,MeterSubCategory,\
        Product,ProductId,ResourceGroup,ResourceLocation,ResourceLocationId,ResourceRate,ServiceAdministratorId,ServiceInfo1,\
        ServiceInfo2,StoreServiceIdentifier,SubscriptionGuid,SubscriptionId,SubscriptionName,Tags,UnitOfMeasure,PartNumber,\
        ResourceGuid,OfferId,ChargesBilledSeparately,Location,ServiceName,ServiceTier";
    for (text, is_whole) in [
        (format!("{captions}\r\n"), true),
        (captions.to_owned(), true),
        (format!("Report - 202411\r\n\r\n{captions}"), true),
        (captions[..captions.len() - 2].to_owned(), false),
        (captions[..captions.rfind(',').unwrap()].to_owned(), false),
    ] {
        let scene = Scene::new();
        scene.host.on(BLOB, [Answer::of(200, "text/csv", text.clone())]);
        let (slice, report, _) = scene.sync();
        assert_eq!(
            (slice.outcome == SliceOutcome::Published, report.exit_code()),
            (is_whole, if is_whole { 0 } else { 4 }),
            "{text}"
        );
        if is_whole {
            scene.holds([]);
        }
    }
}

#[test]
fn an_interrupted_run_leaves_its_report_to_the_next_one() {
    let scene = Scene::new();
    scene.statuses(&[(2, "")]);
    let sync = || Program::sync(&scene.api.endpoint(), &scene.place.dest()).with(["--via", "async-csv"]);
    let mut child = sync().start();
    scene.api.wait_for(STATUS);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(scene.notes().len(), 1);

    scene.api.on(STATUS, [scene.status(3, &scene.host.url(BLOB))]);
    let ended = sync().ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 published"]);
    assert_eq!((scene.api.count(SUBMIT), scene.notes().len()), (1, 0));
    assert!(!ended.err.contains("ecret"));
    scene.holds([1, 2, 3]);
}

#[test]
fn a_csv_that_is_made_at_once_has_its_own_etag() {
    const DOWNLOAD: &str = "/v3/enrollments/100/usagedetails/download?billingPeriod=202411";
    let scene = Scene::new();
    scene.api.on(DOWNLOAD, [Answer::of(200, "application/octet-stream", csv([4, 5])).etag("W/\"csv\"")]);
    let (slice, ..) = scene.sync_by(&scene.clock, Via::Csv);
    assert_eq!(
        (slice.outcome, slice.via, slice.etag.as_deref()),
        (SliceOutcome::Published, Some("csv"), Some("W/\"csv\""))
    );
    scene.holds([4, 5]);
    assert_eq!(scene.sync_by(&scene.clock, Via::Csv).0.outcome, SliceOutcome::Unchanged);
    assert_eq!((scene.api.count(DOWNLOAD), scene.api.count(USAGE)), (2, 0));
    // Pages are another request, with an ETag of their own.
    let (slice, ..) = scene.sync_by(&scene.clock, Via::Json);
    assert_eq!(slice.why.as_deref(), Some("the file in place was not made by this request"));
    assert_eq!(slice.outcome, SliceOutcome::Published);
}
