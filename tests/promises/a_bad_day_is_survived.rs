//! Whatever the service and the network do in between, a file that is published is right, and what cannot be read rightly
//! is not published. Nothing is asked for more often than it must be.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::Arc;

use billing_lake::contract::Dataset;
use billing_lake::lake::Lake;
use billing_lake::simulator::{Faults, Options, Simulator, Tls};
use billing_lake::source::{ApiKey, Client, ClientOptions};
use billing_lake::sync::{
    Clock, ErrorKind, Recheck, RunOutcome, RunReport, Silent, SliceOutcome, SyncOptions, Via, sync,
};
use chrono::Utc;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use super::moved_clock::MovedClock;
use super::program::{KEY, Program};
use super::published::{Place, units};
use super::simulated_api::Api;

const BAD_DAY: &str = include_str!("../../examples/faults/bad-day.json");
const RENEWAL: &str = include_str!("../../examples/faults/renewal.json");
const THROTTLING: &str = include_str!("../../examples/faults/throttling.json");

/// A simulator of one period in pages of five rows.
async fn simulator(pages: u64, rules: &str) -> Simulator {
    let options = Options {
        seed: 4,
        months: 1,
        rows_per_month: pages * 5,
        page_rows: 5,
        key: KEY.to_owned(),
        faults: Faults::from_json(rules).unwrap(),
        ..Options::default()
    };
    Simulator::start(options).await.unwrap()
}

/// A sync of everything, which never really waits.
async fn synced(simulator: &Simulator, place: &Place) -> RunReport {
    let lake = Lake::open(&place.dest().parse().unwrap()).unwrap();
    let client = Client::new(ClientOptions { endpoint: simulator.endpoint(), ..ClientOptions::default() }).unwrap();
    let mut options = SyncOptions::new(vec![("100".parse().unwrap(), ApiKey::from_text(KEY).unwrap())]);
    options.datasets = vec![Dataset::UsageDetails];
    options.via = Via::Json;
    options.recheck = Recheck::All;
    options.clock = MovedClock::at(&Utc::now().to_rfc3339()) as Arc<dyn Clock>;
    sync(&lake, Arc::new(client), options, Arc::new(Silent)).await
}

/// The period's file and report hold exactly what is served now.
#[track_caller]
fn is_the_truth(simulator: &Simulator, place: &Place, report: &RunReport) {
    assert_eq!(report.outcome, RunOutcome::Ok, "{report:?}");
    let truth = simulator.truth()["enrollments"]["100"]["202401"].clone();
    let file = place.period("2024-01");
    assert_eq!((file.rows() as u64, report.slices[0].rows), (truth["rows"].as_u64().unwrap(), file.rows() as u64));
    assert_eq!(file.footer("etag").as_deref(), truth["etag"].as_str());
    for column in ["cost", "consumed_quantity", "resource_rate"] {
        assert_eq!(file.sum(column), units(truth["sums"][column].as_str().unwrap()), "{column}");
    }
}

/// Requests of each page that was asked for: `1`, `2`, …, and `-` for those of another version.
fn requests(simulator: &Simulator) -> BTreeMap<String, u64> {
    let truth = simulator.truth();
    let requests = truth["requests"].as_object().unwrap().iter();
    let pages = requests.filter_map(|(what, count)| {
        Some((what.strip_prefix("usage_details/100/202401/")?.to_owned(), count.as_u64().unwrap()))
    });
    pages.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_in_ten_goes_wrong_and_the_slice_is_read_once() {
    let (simulator, place) = (simulator(400, BAD_DAY).await, Place::new());
    let report = synced(&simulator, &place).await;
    is_the_truth(&simulator, &place, &report);

    let played = simulator.played();
    assert!(played.iter().all(|played| *played > 0), "{played:?}");
    let faults: u64 = played.iter().sum();
    assert!((30..=60).contains(&faults), "{faults}");
    // The list, each page once, and page 1 again to see that nothing changed: whatever was asked for besides was a
    // request that went wrong. A restart would have asked for right pages again.
    let (requests, lists) = (requests(&simulator), simulator.requests_of("billing_periods/100"));
    assert_eq!(requests.len(), 400);
    assert_eq!(requests.values().sum::<u64>() + lists, 1 + 400 + 1 + faults);
    // With this seed page 1 has faults of its own.
    assert!(requests["1"] > 2, "{}", requests["1"]);
    assert_eq!(report.slices[0].attempts, requests.values().sum::<u64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_may_go_wrong_by_itself_and_page_1_is_not_asked_for_again() {
    let rules = r#"[{"when": {"dataset": "usage_details", "attempt": 1}, "then": {"close_at": -50}}]"#;
    let (simulator, place) = (simulator(20, rules).await, Place::new());
    is_the_truth(&simulator, &place, &synced(&simulator, &place).await);
    assert_eq!(simulator.played(), [20]);
    let requests = requests(&simulator);
    assert_eq!(requests.len(), 20);
    for (page, count) in requests {
        // Its own fault, and the two regular requests of page 1, the one of any other.
        assert_eq!(count, if page == "1" { 3 } else { 2 }, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_renewed_once_while_it_is_read_is_read_again() {
    let (simulator, place) = (simulator(6, RENEWAL).await, Place::new());
    let report = synced(&simulator, &place).await;
    is_the_truth(&simulator, &place, &report);
    assert_eq!(simulator.truth()["enrollments"]["100"]["202401"]["version"], 2);
    assert_eq!(simulator.played(), [1]);
    let requests = requests(&simulator);
    // Read, read again, checked; the third page of the old version was asked for in vain.
    assert_eq!((requests["1"], requests["2"], requests["-"], requests["3"]), (3, 2, 1, 1));
}

/// The only slice was given up after three reads of data that kept changing.
#[track_caller]
fn was_torn_at_each_read(report: &RunReport) {
    assert_eq!((report.outcome, report.slices[0].outcome), (RunOutcome::Failed, SliceOutcome::Failed));
    let error = report.slices[0].error.as_ref().unwrap();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Unavailable, true), "{error}");
    assert!(error.to_string().contains("at each of 3 reads"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_renewed_at_every_read_is_unavailable_and_the_old_file_stays() {
    let rules = r#"[{"when": {"page": 2, "attempt": {"from": 2}}, "then": {"restate": "after"}}]"#;
    let (simulator, place) = (simulator(6, rules).await, Place::new());
    is_the_truth(&simulator, &place, &synced(&simulator, &place).await);
    let (before, asked) = (place.data(), requests(&simulator));
    assert_eq!((asked["1"], asked["2"]), (2, 1));

    simulator.restate("100", "202401").unwrap();
    let report = synced(&simulator, &place).await;
    was_torn_at_each_read(&report);
    let asked = requests(&simulator);
    assert_eq!((asked["1"], asked["2"], asked["-"]), (2 + 3, 1 + 3, 3));
    assert!(place.data() == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_renewed_while_its_links_still_lead_on_is_never_mixed() {
    let rules = r#"[{"when": {"page": 2, "attempt": 1}, "then": {"restate": "before", "keep_links": true}}]"#;
    let (simulator, place) = (simulator(6, rules).await, Place::new());
    let report = synced(&simulator, &place).await;
    is_the_truth(&simulator, &place, &report);
    assert_eq!(simulator.truth()["enrollments"]["100"]["202401"]["version"], 2);
    assert_eq!(simulator.played(), [1]);
    let asked = requests(&simulator);
    // Both reads come to their last page; nothing but the first page tells that the data is another.
    assert_eq!((asked["2"], asked["3"], asked.contains_key("-")), (2, 2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_renewed_at_every_read_while_its_links_lead_on_is_unavailable_and_the_old_file_stays() {
    let rules = r#"[{"when": {"page": 2, "attempt": {"from": 2}}, "then": {"restate": "before", "keep_links": true}}]"#;
    let (simulator, place) = (simulator(6, rules).await, Place::new());
    is_the_truth(&simulator, &place, &synced(&simulator, &place).await);
    let before = place.data();

    simulator.restate("100", "202401").unwrap();
    let report = synced(&simulator, &place).await;
    was_torn_at_each_read(&report);
    let asked = requests(&simulator);
    assert_eq!((asked["2"], asked["3"], asked.contains_key("-")), (1 + 3, 1 + 3, false));
    assert_eq!(simulator.played(), [3]);
    assert!(place.data() == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_throttles_is_waited_for() {
    let (simulator, place) = (simulator(4, THROTTLING).await, Place::new());
    let report = synced(&simulator, &place).await;
    is_the_truth(&simulator, &place, &report);
    // Page 1 is asked for twice, and neither is its third request; the next run makes that one.
    assert_eq!(simulator.played(), [1, 0, 1]);
    let report = synced(&simulator, &place).await;
    assert_eq!(report.outcome, RunOutcome::Unchanged);
    assert_eq!(simulator.played(), [1, 1, 1]);
    // The longest of the waits that the answer names.
    assert!(report.slices[0].waited_seconds >= 3.0, "{}", report.slices[0].waited_seconds);
}

/// Certificate and key of this machine, and the authority that vouches for them, all as PEM.
fn certificates() -> (String, String, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    (certificate.pem(), key.serialize_pem(), authority.pem())
}

/// `simulate` as a process, until it is dropped.
struct Simulate {
    child: Child,
    endpoint: String,
}

impl Simulate {
    fn start<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut child = Program::new(["simulate", "--key", KEY]).with(arguments).start();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.trim().strip_prefix("endpoint=").unwrap_or_default().to_owned();
        Simulate { child, endpoint }
    }
}

impl Drop for Simulate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_private_certificate_authority_is_trusted_when_it_is_named() {
    let place = Place::new();
    let (certificate, key, authority) = certificates();
    let (certificate, key) = (place.write("cert.pem", certificate.as_bytes()), place.write("key.pem", key.as_bytes()));
    let authority = place.write("ca.pem", authority.as_bytes());
    let faults = place.write("faults.json", RENEWAL.as_bytes());
    let data = ["--months", "1", "--rows-per-month", "50", "--page-rows", "10"];
    let simulate =
        Simulate::start(["--tls-cert", &certificate, "--tls-key", &key, "--faults", &faults].into_iter().chain(data));
    assert!(simulate.endpoint.starts_with("https://127.0.0.1:"), "{}", simulate.endpoint);
    // Links begin with the name that was asked for, or they would be refused as foreign.
    let endpoint = simulate.endpoint.replace("127.0.0.1", "localhost");
    let ended = Program::sync(&endpoint, &place.dest()).with(["--ca-bundle", &authority]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-01 published"]);
    assert_eq!(ended.slice()["pages"], 6);
    assert_eq!(Value::from(place.period("2024-01").rows()), ended.slice()["rows"]);
}

#[test]
fn an_unknown_certificate_authority_is_told_after_one_connection() {
    let place = Place::new();
    let (certificate, key, _) = certificates();
    let tls = Some(Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap());
    let api = Api::start(Options { tls, rows_per_month: 10, ..Options::default() });
    let ended = Program::sync(&api.endpoint(), &place.dest()).ends_with(4);
    ended.says(&["certificate", "hint:", "--ca-bundle"]);
    assert_eq!((api.counters().connections, api.counters().requests), (1, 0));
    assert!(place.data().is_empty());
}

#[test]
fn a_mistake_in_a_fault_file_or_certificate_ends_with_2() {
    let place = Place::new();
    let faults = place.write("faults.json", br#"[{"when": {"page": "first"}, "then": {"status": 500}}]"#);
    let refused = |arguments: [&str; 2]| Program::new(["simulate"]).with(arguments).ends_with(2);
    refused(["--faults", &faults]).says(&[&faults, "rule 1: when.page: "]);
    refused(["--faults", "nowhere.json"]).says(&["nowhere.json"]);
    refused(["--tls-cert", &faults]).says(&["--tls-key"]);
    refused(["--public-base", "localhost"]).says(&["https://host"]);
    let (certificate, key) = (place.write("cert.pem", b"no PEM"), place.write("key.pem", b"no PEM"));
    let arguments = ["--tls-cert", &certificate, "--tls-key", &key];
    Program::new(["simulate"]).with(arguments).ends_with(2).says(&[&certificate]);
}

#[test]
fn an_unchanged_run_of_144_slices_asks_once_for_each_and_for_at_most_16_at_once() {
    let enrollments: Vec<String> = (100..112).map(|number| number.to_string()).collect();
    // Only answers to conditions take a moment, so that several of them meet.
    let slow = r#"[{"when": {"conditional": true}, "then": {"delay_ms": 20}}]"#;
    let api = Api::start(Options {
        enrollments: enrollments.clone(),
        months: 12,
        rows_per_month: 3,
        faults: Faults::from_json(slow).unwrap(),
        ..Options::default()
    });
    let place = Place::new();
    let all = enrollments.join(",");
    let sync = || Program::sync(&api.endpoint(), &place.dest()).set("BILLING_LAKE_ENROLLMENT", &all);
    assert_eq!(sync().ends_with(0).outcomes().len(), 144);
    let listed = api.counters();
    Program::new(["periods", "--endpoint", &api.endpoint(), "--enrollment", "100"])
        .set("BILLING_LAKE_API_KEY", KEY)
        .ends_with(0);
    let (before, data) = (api.counters(), place.data());
    let list_bytes = before.body_bytes - listed.body_bytes;

    let ended = sync().with(["--recheck", "all"]).ends_with(0);
    assert_eq!(ended.report()["totals"]["slices"]["unchanged"], 144);
    let after = api.counters();
    assert_eq!(after.requests - before.requests, 12 + 144);
    assert_eq!(after.not_modified - before.not_modified, 144);
    assert_eq!(after.pages_served, before.pages_served);
    // The lists, which are equally long, and nothing else.
    assert_eq!(after.body_bytes - before.body_bytes, 12 * list_bytes);
    assert!((3..=16).contains(&after.most_in_flight), "{}", after.most_in_flight);
    assert!(place.data() == data);
}
