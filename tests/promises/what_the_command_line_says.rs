//! What people see, kept word for word in `snapshots/`; what differs from run to run is replaced.

use insta::assert_snapshot;

use super::program::{Ended, KEY, Program};
use super::published::Place;
use super::scripted_server::{Answer, ScriptedServer, USAGE, listing, page, page_of, row};

const OCTOBER: &str = "/v3/enrollments/100/billingPeriods/202410/usagedetails";

#[test]
fn help_teaches_each_command() {
    let commands =
        ["", "sync", "plan", "periods", "status", "verify", "rewrite", "convert", "schema", "simulate", "demo"];
    for command in commands {
        let name = if command.is_empty() { "billing-lake" } else { command };
        let words = command.split_whitespace().chain(["--help"]);
        assert_snapshot!(format!("help_of_{name}"), Program::new(words).ends_with(0).out);
    }
}

#[test]
fn the_contract_as_a_table() {
    assert_snapshot!("schema", Program::new(["schema"]).ends_with(0).out);
}

#[test]
fn what_is_wrong_with_a_lake() {
    let (server, place) = (server(), Place::new());
    call("sync", &server, &place).ends_with(0);
    let verify = || Program::new(["verify", "--dest", &place.dest()]);
    let said = |ended: Ended| {
        let text = format!("== standard output\n{}== standard error\n{}", ended.out, ended.err);
        let steady = steady(&text, &server, &place);
        steady.lines().map(|line| without_token(without_time(line)) + "\n").collect::<String>()
    };
    // One file at a time, so that the lines have an order.
    assert_snapshot!("verify", said(verify().with(["--concurrency", "1"]).ends_with(0)));
    let [october, november] = ["2024-10", "2024-11"].map(|period| place.period(period).path);
    let mut bytes = std::fs::read(&october).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&october, bytes).unwrap();
    std::fs::copy(&november, november.with_file_name("copy.parquet")).unwrap();
    assert_snapshot!("verify_wrong", said(verify().with(["-q"]).ends_with(5)));
    let sample = verify().with(["-q", "--sample", "1", "--seed", "1", "--datasets", "usage_details"]).run();
    assert_snapshot!("verify_sample", said(sample));
}

/// A line of `verify` without the time that it took.
fn without_time(line: &str) -> &str {
    line.split_once(" read in ").map_or(line, |(line, _)| line)
}

/// A line with the part of a file's name replaced that no two files have in common.
fn without_token(line: &str) -> String {
    match line.split_once("/data-") {
        Some((before, after)) => {
            format!("{before}/data-[token].parquet{}", &after[after.find(".parquet").unwrap() + 8..])
        }
        None => line.to_owned(),
    }
}

/// Two billing periods, of which one has an unknown field.
fn server() -> ScriptedServer {
    let server = listing(&["202411", "202410"]);
    let odd = r#"{"cost":-2.5,"date":"2024-11-03","newField":"x"}"#.to_owned();
    server.on(USAGE, [Answer::json(page_of(&[row(1), odd], None)).etag("\"november\"")]);
    server.on(OCTOBER, [Answer::json(page(1..1200, None).replace("2024-11-", "2024-10-")).etag("\"october\"")]);
    server
}

fn call(command: &str, server: &ScriptedServer, place: &Place) -> Program {
    Program::new([command, "--endpoint", &server.endpoint(), "--dest", &place.dest(), "--enrollment", "100"])
        .set("BILLING_LAKE_API_KEY", KEY)
}

/// The text with what differs from run to run replaced: times, sizes of files, places.
fn steady(text: &str, server: &ScriptedServer, place: &Place) -> String {
    let text = text.replace(&server.endpoint(), "[endpoint]").replace(&place.dest(), "[dest]");
    let host = server.endpoint().trim_start_matches("http://").to_owned();
    text.replace(&host, "[host]").lines().map(|line| steady_line(line) + "\n").collect()
}

/// Sizes keep their width, and times their form.
fn steady_line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        out += before;
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        let is_size = [" B", " KiB", " MiB"].iter().any(|unit| after.starts_with(unit));
        let stamp: String = format!("{number}{after}").chars().take(16).collect();
        if is_size {
            out.extend(number.chars().map(|c| if c == '.' { '.' } else { '#' }));
            rest = after;
        } else if is_time(&stamp) {
            out += "####-##-##T##:##";
            // Seconds and their fraction, where a log line has them.
            rest = rest[at + 16..].trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | 'Z'));
        } else {
            out += number;
            rest = after;
        }
    }
    out + rest
}

fn is_time(text: &str) -> bool {
    text.len() == 16
        && text.bytes().zip("0000-00-00T00:00".bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        })
}

#[test]
fn a_first_run_and_what_follows() {
    let (server, place) = (server(), Place::new());
    let said = |program: Program, code: i32| steady(&program.ends_with(code).out, &server, &place);
    assert_snapshot!("plan_of_an_empty_lake", said(call("plan", &server, &place), 0));
    assert_snapshot!("sync", said(call("sync", &server, &place), 0));
    assert_snapshot!("sync_again", said(call("sync", &server, &place), 0));
    assert_snapshot!("sync_rechecking_all", said(call("sync", &server, &place).with(["--recheck", "all"]), 0));
    assert_snapshot!("plan", said(call("plan", &server, &place), 0));
    assert_snapshot!("status", said(Program::new(["status", "--dest", &place.dest()]), 0));
    let periods = Program::new(["periods", "--endpoint", &server.endpoint(), "--enrollment", "100"])
        .set("BILLING_LAKE_API_KEY", KEY);
    assert_snapshot!("periods", said(periods, 0));
}

#[test]
fn log_lines_of_a_run() {
    let (server, place) = (server(), Place::new());
    // One slice at a time, so that the lines have an order.
    let program =
        call("sync", &server, &place).with(["--concurrency", "1", "--last", "1", "--datasets", "usage_details"]);
    assert_snapshot!("log_lines", steady(&program.ends_with(0).err, &server, &place));
    let quiet = call("sync", &server, &place).with(["-q", "--force"]);
    // A warning stays, and nothing else.
    let said = quiet.ends_with(0).err;
    assert!(said.lines().count() == 1 && said.contains("WARN usage_details 100 2024-10: no rows for"), "{said}");
}

#[test]
fn failures_say_what_and_where_and_what_to_do_next() {
    let (server, place) = (server(), Place::new());
    let said = |program: Program, code: i32| steady(&program.with(["-q"]).ends_with(code).err, &server, &place);
    let sync = || call("sync", &server, &place).set("BILLING_LAKE_DATASETS", "usage_details");
    let mut text = String::new();
    let mut add = |title: &str, said: String| text += &format!("== {title}\n{said}\n");
    add("no key", said(sync().unset("BILLING_LAKE_API_KEY"), 2));
    add("no lake", said(Program::new(["status", "--dest", &place.dest()]), 2));
    add("no lake to verify", said(Program::new(["verify", "--dest", &place.dest()]), 2));
    add("a period that is none", said(sync().with(["--periods", "2024-13"]), 2));
    add("a range that ends before it begins", said(sync().with(["--periods", "2024-06..2024-01"]), 2));
    add("a dataset that is none", said(sync().with(["--datasets", "prices"]), 2));
    let elsewhere = Program::new(["status", "--dest", "gs://bucket/lake"]);
    add("a destination of another kind", said(elsewhere, 2));
    add("markdown of a run", said(sync().with(["--format", "markdown"]), 2));
    server.on(USAGE, [Answer::error(401, "Unauthorized.")]);
    add("a key that is refused", said(sync().with(["--last", "1"]), 3));
    server.on(USAGE, [Answer::error(503, "Busy.")]);
    add("a service in trouble", said(sync().with(["--last", "1", "--max-wait", "0s"]), 4));
    server.on(USAGE, [Answer::json("{]")]);
    add("a page that is no JSON", said(sync().with(["--last", "1"]), 5));
    server.on(USAGE, [Answer::json(page(1..4, Some("https://example.com/v3/enrollments/100/x?token=1")))]);
    add("a link to another host", said(sync().with(["--last", "1"]), 5));
    server.on(USAGE, [Answer::error(404, "Unavailable.")]);
    add("a period that is not served", said(sync().with(["--last", "1"]), 4));
    assert_snapshot!("failures", without_waits(&text));
}

/// The text without its random waits: those that were made, and that which did not fit.
fn without_waits(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.contains(" WARN waiting ")) {
        let (before, after) = line.split_once("the wait of ").unwrap_or((line, ""));
        out += before;
        if let Some((_, after)) = after.split_once(" does not fit") {
            let after = after.split_once("; come back").map_or(after, |(after, _)| after);
            out += &format!("the wait of # does not fit{after}");
        }
        out.push('\n');
    }
    out
}

#[test]
fn what_a_service_writes_cannot_move_the_cursor() {
    let (server, place) = (server(), Place::new());
    server.on(USAGE, [Answer::error(400, "a\u{1b}[2Jb\r\nc\u{202e}d")]);
    let odd = r#"{"cost":1,"date":"2024-10-03","\u001b[31mred\n":"x"}"#.to_owned();
    server.on(OCTOBER, [Answer::json(page_of(&[odd], None))]);
    for format in ["text", "json"] {
        let ended = call("sync", &server, &place).with(["--format", format, "--force", "-vv"]).run();
        for text in [&ended.out, &ended.err] {
            assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
        }
    }
}

#[test]
fn a_demo_shows_the_whole_tool() {
    let place = Place::new();
    let dest = place.path("demo").to_str().unwrap().to_owned();
    let demo = || Program::new(["demo", "--dest", &dest, "--rows-per-month", "50"]);
    let out = demo().ends_with(0).out;
    for words in
        ["1. The first sync", "ok: 3 published", "unchanged: 3 unchanged", "ok: 1 published, 2 unchanged", "duckdb -c"]
    {
        assert!(out.contains(words), "{words:?} is not in {out}");
    }
    // Another one may follow, but nothing else is overwritten.
    demo().ends_with(0);
    let file = place.write("mine/file", b"x");
    Program::new(["demo", "--dest", place.path("mine").to_str().unwrap()])
        .ends_with(2)
        .says(&["was not made by a demo"]);
    assert_eq!(std::fs::read(file).unwrap(), b"x");
}
