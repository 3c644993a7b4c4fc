//! What a status means does not depend on the dataset: both readings of 400, 401 and 404, waits that are asked for, and a
//! price sheet that answers 500 for days while everything else works.

use std::time::Duration;

use billing_lake::contract::Dataset;
use billing_lake::sync::{ErrorKind, SliceOutcome, SliceReport};

use super::moved_clock::{MovedClock, Told, sync_by};
use super::published::Place;
use super::scripted_server::{Answer, PERIODS, ScriptedServer, USAGE, page};

/// Datasets with the request for 2024-11, and an answer.
const TARGETS: [(Dataset, &str, &str); 4] = [
    (
        Dataset::PriceSheet,
        "/v2/enrollments/100/billingPeriods/202411/pricesheet",
        r#"[{"id":"p","meterName":"A1","unitPrice":1.5}]"#,
    ),
    (
        Dataset::BalanceSummary,
        "/v2/enrollments/100/billingPeriods/202411/balancesummary",
        r#"{"id":"b","billingPeriodId":202411,"utilized":2}"#,
    ),
    (
        Dataset::MarketplaceCharges,
        "/v2/enrollments/100/billingPeriods/202411/marketplacecharges",
        r#"[{"id":"m","usageStartDate":"2024-11-02T00:00:00","extendedCost":3}]"#,
    ),
    (Dataset::UsageDetails, USAGE, ""),
];

/// A server with one billing period that has everything.
fn server() -> ScriptedServer {
    let server = ScriptedServer::start();
    let links = ["usageDetails", "balanceSummary", "marketplaceCharges", "priceSheet"]
        .map(|name| format!(r#","{name}":"/v1/x""#));
    server.on(PERIODS, [Answer::json(format!(r#"[{{"billingPeriodId":"202411"{}}}]"#, links.concat()))]);
    for (_, target, body) in TARGETS {
        server.on(target, [good(body)]);
    }
    server
}

fn good(body: &str) -> Answer {
    if body.is_empty() { Answer::json(page([1, 2], None)) } else { Answer::json(body) }.etag("\"e\"")
}

/// The slices of a run, the exit code, and what was told of waits.
fn sync(server: &ScriptedServer, place: &Place) -> (Vec<SliceReport>, u8, Vec<Duration>) {
    let clock = MovedClock::at("2024-11-20T10:00:00Z");
    let (report, told): (_, std::sync::Arc<Told>) = sync_by(&clock, &server.endpoint(), place, |options| {
        options.datasets = TARGETS.map(|(dataset, ..)| dataset).to_vec();
    });
    let code = report.exit_code();
    (report.slices, code, told.waits().into_iter().map(|wait| wait.0).collect())
}

/// That dataset failed so, after so many requests, and the others were published.
#[track_caller]
fn only_failed(slices: &[SliceReport], dataset: Dataset, kind: ErrorKind, words: &[&str], attempts: u64) {
    for slice in slices {
        if slice.dataset != dataset.name() {
            assert_eq!(slice.outcome, SliceOutcome::Published, "{} beside {dataset}: {:?}", slice.dataset, slice.error);
            continue;
        }
        let error = slice.error.as_ref().unwrap();
        assert_eq!((slice.outcome, error.kind, slice.attempts), (SliceOutcome::Failed, kind, attempts), "{error}");
        for word in words {
            assert!(
                error.message.contains(word) || error.hint.as_deref().unwrap_or("").contains(word),
                "{word}: {error:?}"
            );
        }
    }
}

#[test]
fn a_refusal_fails_its_dataset_alone_and_is_not_asked_again() {
    let incompatible =
        "Report type and report view are not compatible. Report Type: PriceSheet, Report View: AccountOwner";
    for (dataset, target, _) in TARGETS {
        for (status, message, kind, code, words) in [
            (400, "Invalid.", ErrorKind::Unavailable, 7, "was listed, yet is not served"),
            (404, "Unavailable.", ErrorKind::Unavailable, 7, "was listed, yet is not served"),
            (401, "The key has expired.", ErrorKind::Key, 3, "wrong or expired"),
            (401, incompatible, ErrorKind::Key, 3, "the key's view does not include this data"),
            (403, "Forbidden.", ErrorKind::Key, 3, "may not read this enrollment"),
        ] {
            let (server, place) = (server(), Place::new());
            server.on(target, [Answer::error(status, message)]);
            let (slices, ended, _) = sync(&server, &place);
            only_failed(&slices, dataset, kind, &[&format!("answered {status}: {message}"), words], 1);
            assert_eq!((ended, server.count(target)), (code, 1), "{dataset} {status}");
        }
    }
}

#[test]
fn waits_are_kept_whatever_the_dataset() {
    for (dataset, target, body) in TARGETS {
        for (headers, wait) in [
            (vec![], 120),
            (vec![("Retry-After", "7")], 7),
            (vec![("Retry-After", "7"), ("x-ms-ratelimit-microsoft.consumption-tenant-retry-after", "45")], 45),
        ] {
            let (server, place) = (server(), Place::new());
            let busy = headers
                .iter()
                .fold(Answer::error(429, "Too many."), |answer, (name, value)| answer.header(name, value));
            server.on(target, [busy, good(body)]);
            let (slices, code, waits) = sync(&server, &place);
            assert_eq!(code, 0, "{dataset}: {slices:?}");
            assert!(waits.contains(&Duration::from_secs(wait)), "{dataset}: {waits:?}");
        }
    }
}

#[test]
fn a_price_sheet_in_trouble_for_days_leaves_the_others_alone() {
    for (dataset, target, body) in TARGETS {
        let (server, place) = (server(), Place::new());
        let words = "DB didn't return complete data for MeterInfo. Number of ids:43172 vs. result set count: 172687";
        server.on(target, [Answer::error(500, words), good(body)]);
        assert_eq!(sync(&server, &place).1, 0);

        let place = Place::new();
        server.on(target, [Answer::error(500, words)]);
        let (slices, code, _) = sync(&server, &place);
        only_failed(&slices, dataset, ErrorKind::Unavailable, &[words, "given up after 8 attempts"], 8);
        assert_eq!(code, 7);
    }
}

#[test]
fn an_answer_that_is_of_no_dataset_replaces_nothing() {
    let error = r#"{"error":{"code":"500","message":"try later"}}"#;
    for (at, body) in [
        (1, error.to_owned()),
        (1, "{}".to_owned()),
        (1, format!(r#"{{"data":[{}],"nextLink":null}}"#, TARGETS[1].2)),
        (0, format!("[{error}]")),
        (0, error.to_owned()),
        (2, "[{}]".to_owned()),
        (1, r#"{"id":"x","message":"try later"}"#.to_owned()),
        (2, format!(r#"{{"data":[],{}"#, &error[1..])),
        (3, format!(r#"{{"data":[],{}"#, &error[1..])),
    ] {
        let (server, place) = (server(), Place::new());
        assert_eq!(sync(&server, &place).1, 0);
        let before = place.data();
        server.on(TARGETS[at].1, [Answer::json(body.clone()).etag("\"other\"")]);
        let (slices, code, _) = sync(&server, &place);
        assert_eq!((slices[at].outcome, code), (SliceOutcome::Failed, 5), "{body}");
        assert!(place.data() == before, "{body}");
    }
}

#[test]
fn a_balance_is_one() {
    for (body, words) in [("[]", "an array of 0"), (r#"[{"id":"a"},{"id":"b"}]"#, "an array of 2"), ("12", "an object")]
    {
        let (server, place) = (server(), Place::new());
        server.on(TARGETS[1].1, [Answer::json(body)]);
        let (slices, code, _) = sync(&server, &place);
        only_failed(&slices, Dataset::BalanceSummary, ErrorKind::Data, &[words], 2);
        assert_eq!(code, 5);
    }
    let (server, place) = (server(), Place::new());
    server.on(TARGETS[1].1, [Answer::json(format!("[{}]", TARGETS[1].2))]);
    assert_eq!(sync(&server, &place).1, 0);
    let balance = place.table("balance_summary/enrollment=100/billing_period=2024-11/");
    assert_eq!(balance.texts("billing_period_id"), ["202411"]);
    assert_eq!(balance.texts("billing_month"), ["2024-11-01"]);
}
