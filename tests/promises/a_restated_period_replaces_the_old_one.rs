//! A period that the API restates is replaced as a whole, and no other file changes.

use super::program::Program;
use super::published::{Place, units};
use super::simulated_api::Api;

#[test]
fn exactly_the_restated_period_is_replaced() {
    let (api, place) = (Api::three_months(), Place::new());
    let first = Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(first.outcomes(), ["2024-03 published", "2024-02 published", "2024-01 published"]);
    let before = place.data();
    api.restate("202402");

    let second = Program::sync(&api.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(second.outcomes(), ["2024-03 unchanged", "2024-02 published", "2024-01 unchanged"]);
    assert_eq!(second.report()["outcome"], "ok");
    let after = place.data();
    assert_eq!(after.len(), 3);
    let in_february = |name: &str| name.contains("billing_period=2024-02");
    for (name, bytes) in &after {
        // A query that was planned on the replaced file must not find another one under its name.
        assert_eq!(before.contains_key(name), !in_february(name), "{name}");
        if !in_february(name) {
            assert!(before[name] == *bytes, "{name}");
        }
    }
}

#[test]
fn the_new_file_holds_the_new_truth() {
    let (api, place) = (Api::three_months(), Place::new());
    Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    let old = api.truth("100", "202401");
    api.restate("202401");
    let new = api.truth("100", "202401");
    assert_ne!(old["etag"], new["etag"]);

    let ended = Program::sync(&api.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
    let slice = &ended.report()["slices"][2];
    let file = place.period("2024-01");
    assert_eq!(file.rows() as u64, new["rows"].as_u64().unwrap());
    assert_eq!(file.footer("etag").as_deref(), new["etag"].as_str());
    for column in ["cost", "consumed_quantity", "resource_rate"] {
        let truth = units(new["sums"][column].as_str().unwrap());
        assert_eq!(file.sum(column), truth, "{column}");
        assert_eq!(units(slice["control_totals"][column].as_str().unwrap()), truth, "{column}");
    }
}

#[test]
fn nothing_of_the_old_version_stays_behind() {
    let (api, place) = (Api::three_months(), Place::new());
    Program::sync(&api.endpoint(), &place.dest()).ends_with(0);
    api.restate("202403");
    Program::sync(&api.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(place.names("usage_details/enrollment=100/billing_period=2024-03/").len(), 1);
    assert_eq!(place.names("_billing_lake/staging/"), [""; 0]);
}

#[test]
fn two_runs_at_the_same_time_leave_one_whole_file_each() {
    let (api, place) = (Api::three_months(), Place::new());
    let runs = [(), ()].map(|()| Program::sync(&api.endpoint(), &place.dest()).start());
    for run in runs {
        let ended = run.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    for (period, id) in [("2024-01", "202401"), ("2024-02", "202402"), ("2024-03", "202403")] {
        assert_eq!(place.period(period).sum("cost"), units(api.truth("100", id)["sums"]["cost"].as_str().unwrap()));
    }
    assert_eq!(place.names("_billing_lake/staging/"), [""; 0]);
}
