//! A run touches the periods that it was asked for, and says what it found about each.

use billing_lake::simulator::{Month, Options};

use super::program::Program;
use super::published::{Place, units};
use super::scripted_server::{Answer, PERIODS, USAGE, november, page};
use super::simulated_api::Api;

#[test]
fn periods_are_chosen_by_name_and_range() {
    let (api, place) = (Api::start(Options { months: 5, rows_per_month: 20, ..Options::default() }), Place::new());
    let ended =
        Program::sync(&api.endpoint(), &place.dest()).with(["--periods", "2024-01..2024-02,202404"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-04 published", "2024-02 published", "2024-01 published"]);
    assert_eq!(place.data().len(), 3);
    assert_eq!(api.counters().requests, 1 + 3);
}

#[test]
fn the_newest_periods_are_chosen_by_number() {
    let (api, place) = (Api::three_months(), Place::new());
    let ended = Program::sync(&api.endpoint(), &place.dest()).with(["--last", "2"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-03 published", "2024-02 published"]);
}

#[test]
fn what_is_no_choice_is_refused_before_anything_is_asked() {
    let (api, place) = (Api::three_months(), Place::new());
    for periods in ["2024-13", "999999", "2014-04", "../2024-01", "2024-06..2024-01", "", "2024-01..", "%2e"] {
        let ended = Program::sync(&api.endpoint(), &place.dest()).with(["--periods", periods]).ends_with(2);
        assert!(ended.err.contains("--periods"), "{periods}: {}", ended.err);
    }
    for enrollment in ["../x", "a/b", "%2e%2e", "a b", "\"", &"9".repeat(1 << 16)] {
        Program::sync(&api.endpoint(), &place.dest()).with(["--enrollment", enrollment]).ends_with(2);
    }
    Program::sync(&api.endpoint(), &place.dest()).with(["--last", "1", "--periods", "2024-01"]).ends_with(2);
    assert_eq!(api.counters().requests, 0);
    assert!(place.everything().is_empty());
}

#[test]
fn a_period_without_usage_is_no_data_and_costs_no_request() {
    let empty = Some(Month { year: 2024, month: 2 });
    let (api, place) = (Api::start(Options { rows_per_month: 20, empty, ..Options::default() }), Place::new());
    let ended = Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-03 published", "2024-02 no_data", "2024-01 published"]);
    assert_eq!(api.counters().requests, 1 + 2);
}

#[test]
fn a_period_that_is_not_listed_is_no_data() {
    let (api, place) = (Api::three_months(), Place::new());
    let ended = Program::sync(&api.endpoint(), &place.dest()).with(["--periods", "2024-03,2031-01"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-03 published", "2031-01 no_data"]);
}

#[test]
fn a_period_that_the_api_no_longer_lists_keeps_its_file_and_is_warned_about() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, None))]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let before = place.data();
    for listed in ["[]", r#"[{"billingPeriodId":"202411","usageDetails":null}]"#] {
        server.on(PERIODS, [Answer::json(listed)]);
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
        assert_eq!(ended.outcomes(), ["2024-11 no_data"]);
        assert!(ended.slice()["warnings"][0].as_str().unwrap().contains("the file in place stays"));
        assert!(place.data() == before);
    }
}

#[test]
fn a_listed_period_that_is_not_served_fails_alone_and_keeps_its_file() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, None)).etag("\"a\"")]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let before = place.data();
    for status in [400, 404] {
        server.on(USAGE, [Answer::error(status, "No data for the range.")]);
        server.forget();
        let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(4);
        assert_eq!(server.count(USAGE), 1);
        assert_eq!(ended.slice()["error"]["kind"], "unavailable");
        ended.says(&["No data for the range.", "the file in place stays"]);
        assert!(place.data() == before);
    }
}

#[test]
fn a_plan_touches_nothing() {
    let (api, place) = (Api::three_months(), Place::new());
    let ended = Program::plan(&api.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-03 planned", "2024-02 planned", "2024-01 planned"]);
    assert_eq!(ended.report()["outcome"], "ok");
    assert!(!place.path("lake").exists());
    assert_eq!(api.counters().requests, 1);

    Program::sync(&api.endpoint(), &place.dest()).with(["--last", "1"]).ends_with(0);
    let before = (place.everything(), api.counters().pages_served);
    let ended = Program::plan(&api.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-03 not_checked", "2024-02 planned", "2024-01 planned"]);
    assert!((place.everything(), api.counters().pages_served) == before);
}

#[test]
fn several_enrollments_are_filled_in_one_run() {
    let enrollments = vec!["100".to_owned(), "200".to_owned()];
    let (api, place) = (Api::start(Options { enrollments, rows_per_month: 50, ..Options::default() }), Place::new());
    let sync = || {
        Program::sync(&api.endpoint(), &place.dest()).with([
            "--enrollment",
            "100,200",
            "--datasets",
            "billing_periods,usage_details",
        ])
    };
    let ended = sync().ends_with(0);
    assert_eq!(ended.report()["slices"].as_array().unwrap().len(), 2 * (1 + 3));
    for enrollment in ["100", "200"] {
        for (period, id) in [("2024-01", "202401"), ("2024-03", "202403")] {
            let file = place.table(&format!("usage_details/enrollment={enrollment}/billing_period={period}/"));
            let truth = api.truth(enrollment, id);
            assert_eq!(file.sum("cost"), units(truth["sums"]["cost"].as_str().unwrap()));
            assert_eq!(file.distinct("enrollment_number"), [enrollment]);
        }
        assert_eq!(place.table(&format!("billing_periods/enrollment={enrollment}/")).rows(), 3);
    }
    assert_eq!(sync().with(["--recheck", "all"]).ends_with(0).report()["outcome"], "unchanged");
}

#[test]
fn an_enrollment_that_is_wrong_does_not_stop_the_others() {
    let (api, place) = (Api::three_months(), Place::new());
    let ended = Program::sync(&api.endpoint(), &place.dest()).with(["--enrollment", "998,100,999"]).ends_with(2);
    assert_eq!(ended.report()["outcome"], "partial");
    assert_eq!(place.data().len(), 3);
    // Each of them is told.
    ended.says(&["enrollments/998/", "enrollments/999/"]);
}
