//! A rerun costs one request a period and no page, whatever form the API gives its ETags.

use billing_lake::simulator::{EtagForm, Month, Options, PageEtags};

use super::program::Program;
use super::published::Place;
use super::scripted_server::{Answer, PERIODS, USAGE, listing, november, page};
use super::simulated_api::Api;

#[test]
fn every_period_is_asked_for_and_none_is_downloaded() {
    for (etag_form, page_etags) in
        [(EtagForm::Strong, PageEtags::Absent), (EtagForm::Weak, PageEtags::Same), (EtagForm::Bare, PageEtags::PerPage)]
    {
        let api =
            Api::start(Options { rows_per_month: 250, page_rows: 100, etag_form, page_etags, ..Options::default() });
        let place = Place::new();
        Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
        let (before, data) = (api.counters(), place.data());

        let ended = Program::sync(&api.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
        assert_eq!(ended.report()["outcome"], "unchanged");
        assert_eq!(ended.outcomes(), ["2024-03 unchanged", "2024-02 unchanged", "2024-01 unchanged"]);
        let after = api.counters();
        assert_eq!(after.requests - before.requests, 1 + 3);
        assert_eq!(after.not_modified - before.not_modified, 3);
        assert_eq!(after.pages_served, before.pages_served);
        assert!(place.data() == data);
    }
}

#[test]
fn closed_periods_are_not_even_asked_for_before_a_week_is_over() {
    let (api, place) = (Api::three_months(), Place::new());
    Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    let before = api.counters();
    let ended = Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-03 not_checked", "2024-02 not_checked", "2024-01 not_checked"]);
    assert_eq!(api.counters().requests - before.requests, 1);
}

#[test]
fn an_open_period_is_asked_for_at_every_run() {
    // The last month that there can be: open for as long as this test exists.
    let api = Api::start(Options {
        from: Month { year: 9999, month: 12 },
        months: 1,
        rows_per_month: 20,
        ..Options::default()
    });
    let place = Place::new();
    Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    let ended = Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(ended.outcomes(), ["9999-12 unchanged"]);
    assert_eq!(ended.slice()["why"], "the period is open");
}

#[test]
fn an_unchanged_run_can_have_an_exit_code_of_its_own() {
    let (api, place) = (Api::three_months(), Place::new());
    let sync = || Program::sync(&api.endpoint(), &place.dest()).with(["--exit-code-unchanged", "64"]);
    sync().ends_with(0);
    sync().ends_with(64);
    sync().with(["--recheck", "all"]).ends_with(64);
    api.restate("202401");
    sync().with(["--recheck", "all"]).ends_with(0);
}

#[test]
fn billing_periods_without_an_etag_are_compared_by_their_text() {
    let place = Place::new();
    let server = listing(&["202411", "202410"]);
    let sync = || Program::sync(&server.endpoint(), &place.dest()).with(["--datasets", "billing_periods"]);
    assert_eq!(sync().ends_with(0).outcomes(), ["- published"]);
    let before = place.data();
    assert_eq!(sync().ends_with(0).outcomes(), ["- unchanged"]);
    assert!(place.data() == before);

    let longer = r#"[{"billingPeriodId":"202412","usageDetails":null},{"billingPeriodId":"202411"}]"#;
    server.on(PERIODS, [Answer::json(longer)]);
    assert_eq!(sync().ends_with(0).outcomes(), ["- published"]);
    assert_eq!(place.table("billing_periods/enrollment=100/").texts("billing_period_id"), ["202412", "202411"]);
    assert_eq!(server.count(PERIODS), 3);
}

#[test]
fn a_service_that_ignores_conditions_changes_nothing_either() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, None)).etag("\"a\"")]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let before = place.data();
    // The same ETag, with a body all the same.
    server.on(USAGE, [Answer::json(page(1..4, None)).header("Etag", "\"a\"")]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 unchanged"]);
    assert!(place.data() == before);
}

#[test]
fn the_condition_is_the_etag_byte_for_byte() {
    for etag in ["\"a\"", "W/\"a, b\"", "bare-token", "*", &"x".repeat(8000), "\"\u{e9}\u{fc}\""] {
        let (server, place) = (november(), Place::new());
        server.on(USAGE, [Answer::json(page(1..4, None)).etag(etag)]);
        Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
        server.forget();
        let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
        assert_eq!(ended.outcomes(), ["2024-11 unchanged"], "{etag}");
        let asked = server.asked();
        let condition = asked[1].headers["if-none-match"].chars().map(|byte| byte as u8).collect::<Vec<_>>();
        assert_eq!(condition, etag.as_bytes());
    }
}

#[test]
fn a_file_that_is_gone_is_fetched_without_a_condition() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, None)).etag("\"a\"")]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    std::fs::remove_dir_all(place.path("lake/usage_details")).unwrap();
    server.forget();
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 published"]);
    assert!(server.asked().iter().all(|asked| !asked.headers.contains_key("if-none-match")));
    assert_eq!(place.period("2024-11").rows(), 3);
}

#[test]
fn force_publishes_again() {
    let (api, place) = (Api::three_months(), Place::new());
    Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    let ended = Program::sync(&api.endpoint(), &place.dest()).with(["--force", "--last", "1"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-03 published"]);
    assert_eq!(ended.slice()["why"], "--force");
}
