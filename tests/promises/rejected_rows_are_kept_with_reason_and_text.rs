//! Every row received is in the published file, or stands among the rejected rows with its reason and its text.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::program::Program;
use super::published::Place;
use super::scripted_server::{Answer, ScriptedServer, USAGE, november, page, page_of, row};

const WRONG_DATE: &str = r#"{"cost":1000,"date":"31 February","meterName":"who@example.com"}"#;
const WRONG_COST: &str = r#"{"cost":"1,5","date":"2024-11-03T00:00:00","meterName":"comma"}"#;

/// A period with three good rows and two wrong ones.
fn with_two_wrong_rows() -> ScriptedServer {
    let server = november();
    let rows = [row(1), WRONG_DATE.to_owned(), row(2), WRONG_COST.to_owned(), row(3)];
    server.on(USAGE, [Answer::json(page_of(&rows, None)).etag("\"wrong\"")]);
    server
}

/// The lines of the one file of rejected rows.
fn rejected(place: &Place) -> Vec<Value> {
    let names = place.names("_billing_lake/rejected/usage_details/100/2024-11/");
    assert_eq!(names.len(), 1, "{names:?}");
    let path = place.path("lake").join(&names[0]);
    // It holds personal data.
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_rejected_row_fails_its_slice_and_the_file_in_place_stays() {
    let place = Place::new();
    let server = november();
    server.on(USAGE, [Answer::json(page(1..4, None)).etag("\"right\"")]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let before = place.data();

    let server = with_two_wrong_rows();
    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(5);
    ended.says(&["rows were rejected: 2", "_billing_lake/rejected/usage_details/100/2024-11/", "--max-rejected"]);
    let slice = ended.slice();
    assert_eq!((&slice["rows"], &slice["rejected_rows"]), (&3.into(), &2.into()));
    assert_eq!(slice["error"]["kind"], "data");
    assert!(place.data() == before);

    let lines = rejected(&place);
    assert_eq!(lines.iter().map(|line| line["row"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(
        (&lines[0]["text"], &lines[0]["column"], &lines[0]["page"]),
        (&WRONG_DATE.into(), &"date".into(), &1.into())
    );
    assert_eq!((&lines[1]["text"], &lines[1]["column"]), (&WRONG_COST.into(), &"cost".into()));
    assert!(lines.iter().all(|line| !line["reason"].as_str().unwrap().is_empty()));
    // What stands there is told to nobody else.
    assert!(!ended.err.contains("who@example.com") && !ended.out.contains("who@example.com"));
}

#[test]
fn some_can_be_allowed_and_the_counts_add_up() {
    for (allowed, code) in [("1", 5), ("2", 0), ("39%", 5), ("40%", 0), ("0", 5), ("0%", 5), ("100%", 0)] {
        let (server, place) = (with_two_wrong_rows(), Place::new());
        let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--max-rejected", allowed]).ends_with(code);
        assert_eq!(rejected(&place).len(), 2, "{allowed}");
        if code > 0 {
            assert!(place.data().is_empty(), "{allowed}");
            continue;
        }
        let (slice, file) = (ended.slice(), place.period("2024-11"));
        assert_eq!((&slice["rows"], &slice["rejected_rows"]), (&3.into(), &2.into()));
        assert!(slice["warnings"][0].as_str().unwrap().starts_with("rows were rejected: 2"));
        assert_eq!(file.rows(), 3);
        assert_eq!((file.footer("rows").as_deref(), file.footer("rejected_rows").as_deref()), (Some("3"), Some("2")));
        // Control totals are of what was published.
        assert_eq!(slice["control_totals"]["cost"], "6");
        assert_eq!(file.sum("cost"), 6 * 10_i128.pow(18));
    }
}

#[test]
fn a_page_that_was_asked_for_again_gives_its_rejected_rows_once() {
    let (server, place) = (with_two_wrong_rows(), Place::new());
    let rows = [row(1), WRONG_DATE.to_owned(), row(2)];
    let whole = page_of(&rows, None);
    server.on(USAGE, [Answer::json(whole.clone()).cut(whole.len() - 5), Answer::json(whole)]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(5);
    assert_eq!(rejected(&place).len(), 1);
}

#[test]
fn after_a_thousand_the_reading_stops() {
    let (server, place) = (november(), Place::new());
    let wrong: Vec<_> = (0..1_000).map(|_| WRONG_DATE.to_owned()).collect();
    let next = format!("{USAGE}?token=2");
    server.on(USAGE, [Answer::json(page_of(&wrong, Some(&server.url(&next))))]);
    server.on(&next, [Answer::json(page(1..4, None))]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(5);
    ended.says(&["rows were rejected: at least 1000"]);
    assert_eq!(server.count(&next), 0);
    assert_eq!(rejected(&place).len(), 1_000);
}

#[test]
fn text_that_is_no_unicode_is_replaced_and_counted_or_rejected_when_strict() {
    let odd = r#"{"cost":1,"date":"2024-11-03T00:00:00","meterName":"a\ud800b"}"#.to_owned();
    for (options, code) in [(&[][..], 0), (&["--strict"][..], 5)] {
        let (server, place) = (november(), Place::new());
        server.on(USAGE, [Answer::json(page_of(&[row(1), odd.clone()], None))]);
        let ended = Program::sync(&server.endpoint(), &place.dest()).with(options.iter().copied()).ends_with(code);
        if code == 0 {
            assert_eq!(place.period("2024-11").texts("meter_name"), ["m1", "a\u{fffd}b"]);
            assert_eq!(ended.slice()["replaced_texts"], 1);
        } else {
            assert_eq!(rejected(&place)[0]["column"], "meter_name");
        }
    }
}

#[test]
fn fields_that_nobody_knows_are_kept_and_counted_by_name() {
    let (server, place) = (november(), Place::new());
    let odd = r#"{"cost":1,"date":"2024-11-03T00:00:00","zebra":[1,2],"ant":"x"}"#.to_owned();
    server.on(USAGE, [Answer::json(page_of(&[row(1), odd.clone(), odd], None))]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(ended.slice()["unknown_fields"], serde_json::json!({"ant": 2, "zebra": 2}));
    let extra = place.period("2024-11").texts("extra");
    assert_eq!(extra[0], "null");
    let kept: Value = serde_json::from_str(&extra[1]).unwrap();
    assert_eq!(kept, serde_json::json!({"zebra": [1, 2], "ant": "x"}));
}
