//! `--memory` shapes what is held at once, and with it the row groups; the rows stay the same.

use billing_lake::simulator::{DataKind, Options};

use super::program::Program;
use super::published::{Place, units};
use super::scripted_server::{Answer, USAGE, november, page};
use super::simulated_api::Api;

#[test]
fn less_memory_makes_smaller_row_groups_of_the_same_rows() {
    let data = DataKind::Unique;
    let api = Api::start(Options { months: 1, rows_per_month: 60_000, page_rows: 5_000, data, ..Options::default() });
    let groups = ["64MiB", "2GiB"].map(|memory| {
        let place = Place::new();
        Program::sync(&api.endpoint(), &place.dest()).with(["--memory", memory]).ends_with(0);
        let file = place.period("2024-01");
        let truth = api.truth("100", "202401");
        assert_eq!(file.sum("cost"), units(truth["sums"]["cost"].as_str().unwrap()));
        let groups = file.row_groups();
        assert_eq!(groups.iter().sum::<i64>(), truth["rows"].as_i64().unwrap());
        groups
    });
    assert_eq!(groups[1].len(), 1);
    assert!(groups[0].len() > 1, "{groups:?}");
}

#[test]
fn a_size_that_is_none_is_refused() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, None))]);
    for memory in ["lots", "-1", "1.5GiB", "99999999999GiB", "", "1", "63MiB"] {
        Program::sync(&server.endpoint(), &place.dest()).with(["--memory", memory]).ends_with(2);
    }
    Program::sync(&server.endpoint(), &place.dest()).with(["--memory", "64MiB"]).ends_with(0);
    assert_eq!(place.period("2024-11").rows(), 3);
}
