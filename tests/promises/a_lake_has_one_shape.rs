//! All files of a dataset have one shape after a run, whatever they had before: those of another one are rewritten from
//! themselves, and nothing is fetched for it.

use std::fs;

use super::program::{Ended, Program};
use super::published::Place;
use super::scripted_server::{Answer, PERIODS, ScriptedServer, listing, page_of};

const MONTHS: [&str; 3] = ["202411", "202410", "202409"];

/// Where usage of a month is.
fn usage(month: &str) -> String {
    format!("/v3/enrollments/100/billingPeriods/{month}/usagedetails")
}

/// Two pages of a month: `later` is in the first row.
fn month(server: &ScriptedServer, month: &str, later: &str) {
    let row = |number: u32, tags: &str| {
        let day = format!("{}-{}-0{number}", &month[..4], &month[4..]);
        serde_json::json!({"cost": number, "date": day, "meterName": later, "tags": tags, "new": number}).to_string()
    };
    let rows = [row(1, r#"{"env": "prod"}"#), row(2, ""), row(3, r#""a": "b""#), row(4, "no map")];
    let next = format!("{}?skiptoken=1", usage(month));
    let etag = format!("\"{month}{later}\"");
    server.on(&usage(month), [Answer::json(page_of(&rows[..2], Some(&server.url(&next)))).etag(&etag)]);
    server.on(&next, [Answer::json(page_of(&rows[2..], None)).etag(&etag)]);
}

/// A server that lists three months, and a lake of them without maps.
fn filled() -> (ScriptedServer, Place) {
    let (server, place) = (listing(&MONTHS), Place::new());
    MONTHS.iter().for_each(|of| month(&server, of, "first"));
    sync(&server, &place, false).ends_with(0);
    server.forget();
    (server, place)
}

fn sync(server: &ScriptedServer, place: &Place, with_maps: bool) -> Program {
    let program = Program::sync(&server.endpoint(), &place.dest());
    if with_maps { program.with(["--tags-map"]) } else { program }
}

fn rewrite(place: &Place) -> Program {
    Program::new(["rewrite", "--dest", &place.dest(), "--format", "json"])
}

fn verify(place: &Place) -> Program {
    Program::new(["verify", "--dest", &place.dest(), "--format", "json"])
}

/// Every file is, cell by cell, that of a lake that had maps from its first run on.
fn has_maps(server: &ScriptedServer, place: &Place) {
    let fresh = Place::new();
    server.on(PERIODS, [all_listed()]);
    sync(server, &fresh, true).ends_with(0);
    for period in ["2024-11", "2024-10", "2024-09"] {
        let (rewritten, fetched) = (place.period(period), fresh.period(period));
        assert_eq!(rewritten.batches(), fetched.batches(), "{period}");
        for key in ["contract", "etag", "request", "rows", "control_totals", "pages"] {
            assert_eq!(rewritten.footer(key), fetched.footer(key), "{period} {key}");
        }
    }
    verify(place).ends_with(0);
}

fn list_of(months: &[&str]) -> Answer {
    let listed = months.iter().map(|month| format!(r#"{{"billingPeriodId":"{month}","usageDetails":"/v1/x"}}"#));
    Answer::json(format!("[{}]", listed.collect::<Vec<_>>().join(",")))
}

fn all_listed() -> Answer {
    list_of(&MONTHS)
}

/// The pages of months that were asked for, and whether each came with a condition.
fn asked(server: &ScriptedServer) -> Vec<(String, bool)> {
    let asked = server.asked().into_iter().filter(|asked| asked.target != PERIODS);
    asked.map(|asked| (asked.target, asked.headers.contains_key("if-none-match"))).collect()
}

fn why(ended: &Ended, at: usize) -> String {
    ended.report()["slices"][at]["why"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn unchanged_periods_get_it_without_a_page_being_fetched() {
    let (server, place) = filled();
    let before = ["2024-11", "2024-10", "2024-09"].map(|period| place.period(period).footer("fetched_at"));
    let ended = sync(&server, &place, true).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 rewritten", "2024-10 rewritten", "2024-09 rewritten"]);
    assert_eq!((&ended.report()["outcome"], &ended.report()["totals"]["rows"]), (&"ok".into(), &12.into()));
    // A condition for each, and no page.
    let mut requests = asked(&server);
    requests.sort();
    assert_eq!(requests, ["202409", "202410", "202411"].map(|month| (usage(month), true)));
    assert_eq!(ended.report()["totals"]["bytes_received"], 0);
    assert_eq!(["2024-11", "2024-10", "2024-09"].map(|period| place.period(period).footer("fetched_at")), before);
    has_maps(&server, &place);
    let again = sync(&server, &place, true).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(again.outcomes(), ["2024-11 unchanged", "2024-10 unchanged", "2024-09 unchanged"]);
    // And back.
    let ended = sync(&server, &place, false).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 rewritten", "2024-10 rewritten", "2024-09 rewritten"]);
    verify(&place).ends_with(0);
}

#[test]
fn periods_that_are_not_asked_for_or_no_longer_listed_get_it_too() {
    let (server, place) = filled();
    // Of another enrollment, which this run does not know.
    let rows = r#"{"cost":1,"date":"2024-11-01","tags":"{\"a\":\"b\"}"}"#;
    let input = place.write("rows.ndjson", rows.as_bytes());
    Program::new(["convert", &input, "--enrollment", "200", "--dest", &place.dest()]).ends_with(0);
    // 2024-09 is gone from the list; none of the others is due.
    server.on(PERIODS, [list_of(&MONTHS[..2])]);
    let ended = sync(&server, &place, true).with(["--last", "1"]).ends_with(0);
    let mut outcomes = ended.outcomes();
    outcomes.sort();
    assert_eq!(outcomes, ["2024-09 rewritten", "2024-10 rewritten", "2024-11 rewritten", "2024-11 rewritten"]);
    assert_eq!(asked(&server), []);
    let names = place.names("usage_details/");
    assert_eq!(names.len(), 4);
    has_maps(&server, &place);
    // When all periods are asked for, the one that is gone is warned about as ever.
    server.on(PERIODS, [list_of(&MONTHS[..2])]);
    let ended = sync(&server, &place, false).ends_with(0);
    assert_eq!(ended.outcomes()[2], "2024-09 rewritten");
    assert!(ended.out.contains("does not list this billing period; the file in place stays"), "{}", ended.out);
}

#[test]
fn a_plan_says_so_and_does_nothing() {
    let (server, place) = filled();
    let before = place.everything();
    let ended = Program::plan(&server.endpoint(), &place.dest()).with(["--tags-map", "--last", "1"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 planned", "2024-09 planned", "2024-10 planned"]);
    for at in 0..3 {
        assert!(why(&ended, at).starts_with("would be rewritten first: it has other columns"), "{}", why(&ended, at));
    }
    assert!(place.everything() == before);
    assert_eq!(asked(&server), []);
}

#[test]
fn a_period_that_changed_is_fetched_as_ever() {
    let (server, place) = filled();
    month(&server, "202410", "second");
    let ended = sync(&server, &place, true).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 rewritten", "2024-10 published", "2024-09 rewritten"]);
    assert_eq!(place.period("2024-10").distinct("meter_name"), ["second"]);
    has_maps(&server, &place);
}

#[test]
fn a_run_goes_on_where_one_that_died_left_files_of_both_shapes() {
    let (server, place) = filled();
    let with_maps = Place::new();
    sync(&server, &with_maps, true).ends_with(0);
    // One is rewritten already, and something of another is staged by a run that is no more.
    fs::copy(with_maps.period("2024-10").path, place.period("2024-10").path).unwrap();
    place.write("lake/_billing_lake/staging/dead/1/billing_period=2024-11/data-1.parquet", b"PAR1");
    let found = verify(&place).ends_with(5);
    assert!(found.out.contains("other_columns"), "{}", found.out);
    let ended = sync(&server, &place, true).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 rewritten", "2024-10 not_checked", "2024-09 rewritten"]);
    assert!(place.names("_billing_lake/staging").is_empty());
    has_maps(&server, &place);
}

#[test]
fn a_damaged_file_is_fetched_or_named() {
    for listed in [true, false] {
        let (server, place) = filled();
        let path = place.period("2024-09").path;
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(&path, &bytes).unwrap();
        if !listed {
            server.on(PERIODS, [list_of(&MONTHS[..2])]);
        }
        let plan = Program::plan(&server.endpoint(), &place.dest()).with(["--tags-map"]).run();
        assert_eq!(plan.code, 0, "a plan does not look at all bytes");
        let ended = sync(&server, &place, true).ends_with(if listed { 0 } else { 5 });
        if listed {
            assert_eq!(ended.outcomes()[2], "2024-09 published");
            assert!(why(&ended, 2).contains("its data is damaged"), "{}", why(&ended, 2));
            has_maps(&server, &place);
        } else {
            assert_eq!(ended.outcomes(), ["2024-11 rewritten", "2024-10 rewritten", "2024-09 failed"]);
            ended.says(&["usage_details 100 2024-09: it cannot be rewritten", "sync --force --periods"]);
            assert!(fs::read(&path).unwrap() == bytes);
        }
    }
}

#[test]
fn files_that_are_converted_find_the_others_in_their_shape() {
    let (_server, place) = filled();
    let rows = r#"{"cost":1,"date":"2024-12-01","tags":"{\"a\":\"b\"}"}"#;
    let input = place.write("rows.ndjson", rows.as_bytes());
    let ended = Program::convert(&input, &place.dest()).with(["--tags-map"]).ends_with(0);
    let outcomes = ["2024-12 published", "2024-09 rewritten", "2024-10 rewritten", "2024-11 rewritten"];
    assert_eq!(ended.outcomes(), outcomes);
    verify(&place).ends_with(0);
    // What is refused changes nothing.
    let before = place.data();
    Program::convert(&input, &place.dest()).ends_with(2);
    assert!(place.data() == before);
}

#[test]
fn the_command_does_it_on_demand() {
    let (server, place) = filled();
    let all = ["2024-09", "2024-10", "2024-11"];
    let outcomes = |outcome: &str| all.map(|period| format!("{period} {outcome}"));
    assert_eq!(rewrite(&place).ends_with(0).outcomes(), outcomes("unchanged"));
    let ended = rewrite(&place).with(["--tags-map"]).ends_with(0);
    assert_eq!(ended.outcomes(), outcomes("rewritten"));
    assert_eq!(ended.report()["outcome"], "ok");
    assert_eq!(place.names("_billing_lake/runs/").len(), 3);
    has_maps(&server, &place);
    let zstd = || rewrite(&place).with(["--tags-map", "--compression", "zstd"]);
    assert_eq!(zstd().ends_with(0).outcomes(), outcomes("rewritten"));
    let ended = zstd().ends_with(0);
    assert_eq!((ended.outcomes(), &ended.report()["outcome"]), (outcomes("unchanged").to_vec(), &"unchanged".into()));
    assert_eq!(zstd().with(["--all"]).ends_with(0).outcomes(), outcomes("rewritten"));
    has_maps(&server, &place);
    rewrite(&place).with(["--datasets", "price_sheet"]).ends_with(0);

    fs::write(place.period("2024-10").path, b"PAR1").unwrap();
    let ended = rewrite(&place).with(["--tags-map"]).ends_with(5);
    assert_eq!(ended.outcomes(), ["2024-09 unchanged", "2024-10 failed", "2024-11 unchanged"]);
    Program::new(["rewrite", "--dest", place.path("none").to_str().unwrap()]).ends_with(2).says(&["there is no lake"]);
    assert!(!place.path("none").exists());
}
