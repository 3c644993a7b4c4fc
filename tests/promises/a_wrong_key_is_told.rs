//! Whatever stands in the way of the API, the exit code and one line say so, with what to do next.

use std::net::TcpListener;

use super::program::{KEY, Program};
use super::published::Place;
use super::scripted_server::{Answer, PERIODS, USAGE, listing, november, page};
use super::simulated_api::Api;

#[test]
fn a_wrong_key_ends_with_3() {
    let (api, place) = (Api::three_months(), Place::new());
    let ended = Program::sync(&api.endpoint(), &place.dest()).set("BILLING_LAKE_API_KEY", "wrong").ends_with(3);
    ended.says(&["401", "hint:", "BILLING_LAKE_API_KEY"]);
    let report = ended.report();
    assert_eq!((&report["outcome"], &report["error"]["kind"]), (&"failed".into(), &"key".into()));
    assert_eq!(report["error"]["retryable"], false);
    assert_eq!(api.counters().requests, 1);
    assert!(place.data().is_empty());
}

#[test]
fn a_key_that_may_not_read_usage_ends_with_3_and_is_not_asked_again() {
    for status in [401, 403] {
        let (server, place) = (november(), Place::new());
        let words = "Report type and report view are not compatible.";
        server.on(USAGE, [Answer::error(status, words)]);
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(3);
        ended.says(&[words, "hint:"]);
        assert_eq!(ended.slice()["error"]["kind"], "key");
        assert_eq!(server.count(USAGE), 1);
    }
}

#[test]
fn a_key_that_fails_for_one_period_ends_with_3_though_others_succeeded() {
    let (server, place) = (listing(&["202411", "202410"]), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, None))]);
    server.on("/v3/enrollments/100/billingPeriods/202410/usagedetails", [Answer::error(401, "expired")]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(3);
    assert_eq!(ended.outcomes(), ["2024-11 published", "2024-10 failed"]);
    assert_eq!(ended.report()["outcome"], "partial");
}

#[test]
fn a_wrong_enrollment_ends_with_2() {
    let (api, place) = (Api::three_months(), Place::new());
    Program::sync(&api.endpoint(), &place.dest())
        .with(["--enrollment", "999"])
        .ends_with(2)
        .says(&["hint: check the enrollment number"]);
    for status in [400, 404] {
        let server = november();
        server.on(PERIODS, [Answer::error(status, "no such enrollment")]);
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(2);
        ended.says(&["no such enrollment"]);
        assert_eq!(server.count(PERIODS), 1);
    }
}

#[test]
fn no_key_ends_with_2_and_says_where_to_put_one() {
    let (api, place) = (Api::three_months(), Place::new());
    let sync = || Program::sync(&api.endpoint(), &place.dest());
    sync().unset("BILLING_LAKE_API_KEY").ends_with(2).says(&["no API key", "hint: set BILLING_LAKE_API_KEY"]);
    sync().set("BILLING_LAKE_API_KEY", "  ").ends_with(2).says(&["the API key is empty", "hint:"]);
    sync().set("BILLING_LAKE_API_KEY", "two words").ends_with(2).says(&["the API key is not one word"]);
    let missing = place.path("no-such-file");
    sync().with(["--api-key-file", missing.to_str().unwrap()]).ends_with(2).says(&["no-such-file", "hint:"]);
    assert_eq!(api.counters().requests, 0);
    assert!(place.everything().is_empty());
}

#[test]
fn a_key_in_a_file_is_taken() {
    let (api, place) = (Api::three_months(), Place::new());
    let file = place.write("key", format!("\u{feff}{KEY}\r\n").as_bytes());
    Program::sync(&api.endpoint(), &place.dest())
        .unset("BILLING_LAKE_API_KEY")
        .with(["--api-key-file", &file, "--last", "1"])
        .ends_with(0);
}

#[test]
fn an_endpoint_that_is_not_there_ends_with_4() {
    let place = Place::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = Program::sync(&format!("http://{address}"), &place.dest()).with(["--max-wait", "1s"]).ends_with(4);
    ended.says(&["cannot connect to 127.0.0.1:", "hint: check --endpoint"]);
    assert_eq!(ended.report()["error"]["retryable"], true);
}

#[test]
fn an_endpoint_that_would_carry_the_key_in_the_clear_is_refused() {
    let place = Place::new();
    for endpoint in ["http://192.0.2.1", "ftp://192.0.2.1", "no url", "https://user:word@192.0.2.1"] {
        Program::sync(endpoint, &place.dest()).ends_with(2).says(&["the endpoint"]);
    }
    assert!(place.everything().is_empty());
}

#[test]
fn a_wait_that_does_not_fit_ends_with_4_at_once_and_names_the_time_to_come_back() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::error(429, "slow down").header("Retry-After", "7200")]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(4);
    ended.says(&["429", "slow down", "2 h does not fit", "come back after 2"]);
    assert_eq!(server.count(USAGE), 1);
}

#[test]
fn one_slice_that_is_unavailable_among_others_ends_with_7() {
    let (server, place) = (listing(&["202411", "202410"]), Place::new());
    server.on(USAGE, [Answer::error(503, "busy")]);
    server.on("/v3/enrollments/100/billingPeriods/202410/usagedetails", [Answer::json(page_of_october())]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--max-wait", "0s"]).ends_with(7);
    assert_eq!(ended.outcomes(), ["2024-11 failed", "2024-10 published"]);
    assert_eq!(ended.report()["outcome"], "partial");
}

fn page_of_october() -> String {
    page(1..4, None).replace("2024-11", "2024-10")
}

#[test]
fn a_destination_that_cannot_be_written_ends_with_6() {
    let (api, place) = (Api::three_months(), Place::new());
    let file = place.write("a-file", b"x");
    for dest in [file.clone(), format!("{file}/below")] {
        let ended = Program::sync(&api.endpoint(), &dest).ends_with(6);
        ended.says(&["a-file", "not a folder", "hint:"]);
    }
    let server = november();
    server.on(USAGE, [Answer::json(page(1..4, None))]);
    place.write("lake/usage_details/enrollment=100/billing_period=2024-11", b"x");
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(6);
    assert_eq!(ended.slice()["error"]["kind"], "destination");
}
