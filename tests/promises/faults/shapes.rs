//! Faults 14, 20 and 21: pages of other forms, deep, huge, empty and long ones.

use super::bill::{self, Row};
use super::expected::{Failure, Good};
use super::scene::{At, NEW, Scene, each, finish};
use crate::scripted_server::{Answer, USAGE};

#[test]
fn keys_in_any_order_and_unknown_ones_are_read_right() {
    let scene = Scene::new();
    let page = |number: usize, next: Option<&str>| {
        let next = serde_json::json!(next.map(|next| scene.server.url(next)));
        let rows: Vec<_> = scene.november[number * 10..][..10].iter().map(|row| row.text.as_str()).collect();
        let rows = rows.join(",");
        match number {
            0 => format!(r#"{{"nextLink":{next},"new":{{"deep":[1,{{"data":[]}}]}},"data":[{rows}],"id":null}}"#),
            1 => format!(r#"{{"NEXTLINK":{next},"Data":[{rows}]}}"#),
            _ => format!("\u{feff} {{ \"data\" : [{rows}] , \"nextLink\" : {next} , \"x\":\"]}}\" }} \r\n"),
        }
    };
    scene.server.on(USAGE, [Answer::json(page(0, Some(At::Second.target()))).etag(NEW)]);
    scene.server.on(At::Second.target(), [Answer::json(page(1, Some(At::Third.target())))]);
    scene.server.on(At::Third.target(), [Answer::json(page(2, None))]);
    let done = scene.run();
    done.published(&Good::of(&scene));
    assert_eq!(done.november()["unknown_envelope_fields"], serde_json::json!({"new": 1, "x": 1}));
}

#[test]
fn unknown_duplicate_and_missing_keys_of_rows_are_kept_and_counted() {
    let mut rows = bill::rows("2024-11", 2);
    rows[0] = rows[0].clone().and(r#""zebra":{"a":[1,"x"]},"ant":1e400"#);
    rows[1] = rows[1].clone().and(r#""zebra":null"#);
    // The last of each counts.
    rows[2].text = rows[2].text.replacen('{', r#"{"cost":"no number","meterName":"other","COST":5,"#, 1);
    rows[3].text = r#"{"meterName":"bare","date":"2024-11-04"}"#.to_owned();
    (rows[3].name, rows[3].cost, rows[3].quantity) = ("bare".to_owned(), 0, 0);
    rows[4].text = rows[4].text.replace("\"cost\"", "\"Cost\"").replace("meterName", "METERNAME");
    let scene = Scene::new().one_page(rows);
    let done = scene.run();
    done.published(&Good::of_one_page(&scene));
    let slice = done.november();
    assert_eq!(slice["unknown_fields"], serde_json::json!({"ant": 1, "zebra": 2}));
    assert_eq!(slice["duplicate_keys"], 3);
    let extra = scene.place.period("2024-11").texts("extra");
    assert_eq!(extra[0], r#"{"zebra":{"a":[1,"x"]},"ant":1e400}"#);
    assert_eq!((extra[1].as_str(), extra[2].as_str()), (r#"{"zebra":null}"#, "null"));
}

#[test]
fn a_whole_answer_that_is_no_page_is_asked_for_once_more_and_ends_with_5() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let shapes: Vec<(&str, String, &str)> = vec![
        ("an array", "[]".into(), "expected form"),
        ("a number", "17".into(), "expected form"),
        ("null", "null".into(), "expected form"),
        ("true", "true".into(), "expected form"),
        ("a text", "\"data\"".into(), "expected form"),
        ("an empty object", "{}".into(), "data"),
        ("no data", r#"{"id":"1","nextLink":null}"#.into(), "data"),
        ("data that is null", r#"{"data":null}"#.into(), "data"),
        ("data that is an object", r#"{"data":{"cost":1}}"#.into(), "data"),
        ("data that is a text", r#"{"data":"[]"}"#.into(), "data"),
        ("data that is a number", r#"{"data":1}"#.into(), "data"),
        ("two of data", r#"{"data":[],"data":[]}"#.into(), "data"),
        ("two of data in other cases", r#"{"data":[],"DATA":[]}"#.into(), "data"),
        ("a link that is a number", r#"{"data":[],"nextLink":2}"#.into(), "nextLink"),
        ("a link that is an object", r#"{"data":[],"nextLink":{}}"#.into(), "nextLink"),
        ("a comma too many", r#"{"data":[],}"#.into(), "not JSON"),
        ("no comma", r#"{"data":[]"nextLink":null}"#.into(), "not JSON"),
        ("quotes of another kind", r#"{'data':[]}"#.into(), "not JSON"),
        ("NaN", r#"{"data":[{"cost":NaN}]}"#.into(), "not JSON"),
        ("a plus", r#"{"data":[{"cost":+1}]}"#.into(), "not JSON"),
        ("a leading zero", r#"{"data":[{"cost":01}]}"#.into(), "not JSON"),
        ("hexadecimal", r#"{"data":[{"cost":0x1F}]}"#.into(), "not JSON"),
        ("a line break in a text", "{\"data\":[{\"meterName\":\"a\nb\"}]}".into(), "not JSON"),
        ("an escape that is none", r#"{"data":[{"meterName":"\x"}]}"#.into(), "not JSON"),
        ("something behind it", r#"{"data":[]} {"data":[]}"#.into(), ""),
        ("arrays 100,000 deep", deep("[", "]"), ""),
        ("arrays 100,000 deep in a row", format!(r#"{{"data":[{{"x":{}}}]}}"#, deep("[", "]")), "deeper than 64"),
        (
            "objects 100,000 deep in a row",
            format!(r#"{{"data":[{{"x":{}1{}]}}"#, "{\"a\":".repeat(100_000), "}".repeat(100_001)),
            "deeper than 64",
        ),
        ("arrays 100,000 deep around rows", format!(r#"{{"x":{},"data":[]}}"#, deep("[", "]")), "deeper than 64"),
        ("arrays 100,000 deep without end", format!(r#"{{"data":[{{"x":{}"#, "[".repeat(100_000)), "deeper than 64"),
    ];
    let cases: Vec<_> = shapes.iter().flat_map(|case| [At::First, At::Third].map(|at| (at, case))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (_, text, told))| {
            let scene = Scene::new().breaks(*at, [Answer::json(text.as_str())]);
            scene.run().published(&Good::of(&scene).after(5));
            let scene = Scene::new().always(*at, Answer::json(text.as_str()));
            scene.run().failed(*at, &Failure::data(&["the page ", told]).after(2));
        },
    );
}

#[test]
fn a_list_of_periods_that_is_none_is_asked_for_once_more_and_ends_with_5() {
    let shapes = ["{}", "null", "12", "\"x\"", "[1]", "[null]", "[{}]", "[[]]", "[}", "[{\"billingPeriodId\":{}}]"];
    each(
        &shapes,
        |text| (*text).to_owned(),
        |text| {
            let scene = Scene::new().breaks(At::Periods, [Answer::json(*text)]);
            scene.run().published(&Good::of(&scene));
            let scene = Scene::new().always(At::Periods, Answer::json(*text));
            scene.run().failed(At::Periods, &Failure::data(&["billing period"]).after(2));
        },
    );
    let deep = Answer::json("[".repeat(100_000));
    let scene = Scene::new().always(At::Periods, deep);
    scene.run().failed(At::Periods, &Failure::data(&["billing periods"]).after(2));
}

#[test]
fn rows_that_are_no_objects_are_rejected() {
    for wrong in ["1", "null", "\"text\"", "[]", "[{\"cost\":1}]", "true"] {
        let mut rows = bill::rows("2024-11", 2);
        rows[7].text = wrong.to_owned();
        let scene = Scene::new().one_page(rows);
        scene.run().failed(At::First, &Failure::rejected(1));
    }
}

#[test]
fn an_empty_page_in_the_middle_is_no_end() {
    let scene = Scene::new();
    let empty = format!("{USAGE}?empty");
    scene.server.on(&empty, [Answer::json(bill::page(&[], Some(&scene.server.url(At::Second.target()))))]);
    let first = Answer::json(bill::page(&scene.november[..10], Some(&scene.server.url(&empty)))).etag(NEW);
    scene.server.on(USAGE, [first]);
    scene.run().published(&Good { pages: 4, requests: Some(5), ..Good::of(&scene) });
}

#[test]
fn an_empty_period_is_a_file_without_rows_and_is_warned_about() {
    let scene = Scene::new().one_page(Vec::new());
    let done = scene.run();
    done.published(&Good { warnings: vec!["rows fell by more than half: 0 now, 30"], ..Good::of_one_page(&scene) });
    assert!(scene.place.period("2024-11").texts("resource_group").is_empty());
}

#[test]
fn one_row_and_pages_of_one_row_are_read_whole() {
    let scene = Scene::new().one_page(bill::rows("2024-11", 2)[..1].to_vec());
    let warnings = vec!["rows fell by more than half: 1 now, 30"];
    scene.run().published(&Good { warnings, ..Good::of_one_page(&scene) });

    let scene = Scene::new();
    let target = |number: usize| format!("{USAGE}?token=one-{number}");
    for number in 0..30 {
        let next = (number < 29).then(|| scene.server.url(&target(number + 1)));
        let answer = Answer::json(bill::page(&scene.november[number..=number], next.as_deref()));
        match number {
            0 => scene.server.on(USAGE, [answer.etag(NEW)]),
            _ => scene.server.on(&target(number), [answer]),
        }
    }
    scene.run().published(&Good { pages: 30, requests: Some(31), ..Good::of(&scene) });
}

#[test]
fn a_page_of_500_000_rows_is_read_whole() {
    let row = |number: i128| {
        let date = format!("2024-11-{:02}", number % 30 + 1);
        Row::new(&format!("meter {number}"), &date, number * 7 + 1, number)
    };
    let scene = Scene::new().one_page((0..500_000).map(row).collect());
    scene.run().published(&Good::of_one_page(&scene));
}

#[test]
fn an_element_of_a_gigabyte_is_rejected_with_memory_flat() {
    // 960 MiB: below the bound of an answer, and far above that of a row.
    let text = "x".repeat(60 << 20);
    let mut packed = crate::published::gzip(br#"{"data":[{"cost":1,"date":"2024-11-01","meterName":""#);
    let block = crate::published::gzip(text.as_bytes());
    (0..16).for_each(|_| packed.extend(&block));
    packed.extend(crate::published::gzip(br#""}],"nextLink":null}"#));
    let answer = Answer::json(packed).header("Content-Encoding", "gzip").etag(NEW);
    let scene = Scene::new().always(At::First, answer);
    let run = scene.program().under("ulimit -v 1048576").start();
    scene.ran(finish(run)).failed(At::First, &Failure::rejected(1).once());
    let kept = scene.place.names("_billing_lake/rejected/");
    assert!(scene.place.everything()[&kept[0]].len() < 16 << 10);
}
