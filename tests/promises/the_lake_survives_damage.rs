//! Whatever lies in the place of a file, and whatever moment a run dies: the next run heals the lake.

use std::fs;
use std::process::{Child, Command};

use super::program::{Ended, Program};
use super::published::Place;
use super::scripted_server::{Answer, PERIODS, ScriptedServer, USAGE, november, page};

const SECOND: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=2";

/// A lake with the rows 1 to 3, and the server that they came from.
fn filled() -> (ScriptedServer, Place) {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, None)).etag("\"a\"")]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    server.forget();
    (server, place)
}

/// The period was fetched anew, without a condition, and is whole.
#[track_caller]
fn is_healed(server: &ScriptedServer, place: &Place, ended: &Ended) {
    assert_eq!(ended.outcomes(), ["2024-11 published"]);
    assert!(server.asked().iter().all(|asked| !asked.headers.contains_key("if-none-match")));
    assert_eq!(place.period("2024-11").texts("meter_name"), ["m1", "m2", "m3"]);
}

#[test]
fn a_file_that_is_damaged_is_told_and_fetched_again() {
    let (_, sample) = filled();
    let whole = fs::read(sample.period("2024-11").path).unwrap();
    let mut footer = whole.clone();
    let end = footer.len();
    footer[end - 200..end - 100].fill(0xff);
    for (bytes, told) in [
        (&whole[..end - 1], "cut off"),
        (&whole[..end / 2], "cut off"),
        (&whole[..5], "cut off"),
        (&whole[..0], "not a Parquet file"),
        (b"no Parquet at all, but a text of some length", "not a Parquet file"),
        (&footer, "damaged"),
    ] {
        let (server, place) = filled();
        fs::write(place.period("2024-11").path, bytes).unwrap();
        let status = Program::new(["status", "--dest", &place.dest()]).ends_with(0);
        assert!(status.out.contains(told), "{told}: {}", status.out);
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
        is_healed(&server, &place, &ended);
    }
}

#[test]
fn a_file_of_another_tool_is_replaced_and_one_beside_it_goes() {
    let (server, place) = filled();
    let mut path = place.period("2024-11").path;
    fs::write(&path, foreign()).unwrap();
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    is_healed(&server, &place, &ended);

    // Readers would take the rows of both.
    path.set_file_name("part-0.parquet");
    fs::write(&path, foreign()).unwrap();
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    is_healed(&server, &place, &ended);
}

/// A Parquet file that says nothing about billing.
fn foreign() -> Vec<u8> {
    with_format(None)
}

/// A Parquet file of no rows whose footer says that its state has this format.
fn with_format(format: Option<u64>) -> Vec<u8> {
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    let pairs = format.map(|format| vec![KeyValue::new("billing_lake.format".to_owned(), format.to_string())]);
    let properties = WriterProperties::builder().set_key_value_metadata(pairs).build();
    let schema = parse_message_type("message m { optional int64 a; }").unwrap();
    let mut bytes = Vec::new();
    SerializedFileWriter::new(&mut bytes, schema.into(), properties.into()).unwrap().close().unwrap();
    bytes
}

#[test]
fn a_file_of_a_newer_version_is_refused_unless_forced() {
    let (server, place) = filled();
    let path = place.period("2024-11").path;
    fs::write(&path, with_format(Some(999))).unwrap();
    let before = place.data();
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(2);
    ended.says(&["newer version of billing-lake (format 999", "hint: update billing-lake", "--force"]);
    assert_eq!(ended.slice()["error"]["kind"], "usage");
    assert!(place.data() == before);
    assert_eq!(server.count(USAGE), 0);

    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--force"]).ends_with(0);
    is_healed(&server, &place, &ended);
}

#[test]
fn a_lake_of_a_newer_version_is_refused_by_every_command() {
    let (server, place) = filled();
    place.write("lake/_billing_lake/lake.json", br#"{"format":999,"layout":"hive"}"#);
    let file = place.write("rows.ndjson", b"");
    let before = place.everything();
    let (endpoint, dest) = (server.endpoint(), place.dest());
    for call in [
        Program::sync(&endpoint, &dest),
        Program::plan(&endpoint, &dest),
        Program::convert(&file, &dest),
        Program::new(["status", "--dest", &dest]),
        Program::new(["verify", "--dest", &dest]),
    ] {
        call.ends_with(2).says(&["format 999", "hint:"]);
    }
    assert!(place.everything() == before);
}

#[test]
fn the_caches_may_be_lost_or_garbled() {
    let (server, place) = filled();
    for bytes in [&b""[..], b"{", b"[1]", b"{\"a\":1}"] {
        place.write("lake/_billing_lake/last_run.json", bytes);
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
        assert_eq!(ended.outcomes(), ["2024-11 not_checked"]);
    }
    fs::remove_dir_all(place.path("lake/_billing_lake")).unwrap();
    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 unchanged"]);
}

/// A run that is stopped in the middle of its second page, over a lake with other rows.
fn in_the_middle() -> (ScriptedServer, Place, Child) {
    let (server, place) = filled();
    server.on(USAGE, [Answer::json(page(11..14, Some(&server.url(SECOND)))).etag("\"b\"")]);
    server.on(SECOND, [Answer::json(page(14..17, None)).stall(50)]);
    let run = Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).start();
    server.wait_for(SECOND);
    (server, place, run)
}

fn signal(run: &Child, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &run.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_ends_the_run_and_nothing_half_written_is_seen() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let (server, place, run) = in_the_middle();
        let before = place.data();
        signal(&run, name);
        let ended = Ended::of(run.wait_with_output().unwrap());
        assert_eq!(ended.code, code, "{}", ended.err);
        assert!(place.data() == before);
        assert_eq!(place.path("lake/_billing_lake/staging").read_dir().unwrap().count(), 0);
        // It says what became of each slice, on standard output and in the lake.
        let report = ended.report();
        assert_eq!((&report["outcome"], &report["error"]["kind"]), (&"failed".into(), &"interrupted".into()));
        let slice = ended.slice();
        assert_eq!((&slice["outcome"], &slice["error"]["kind"]), (&"failed".into(), &"interrupted".into()));
        assert_eq!(slice["error"]["retryable"], true);
        let kept = format!("_billing_lake/runs/{}.json", report["run_id"].as_str().unwrap());
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&place.everything()[&kept]).unwrap(), report);
        ended.says(&["error: interrupted", "hint: what was published stays"]);
        comes_to_its_end(&server, &place);
    }
}

#[test]
fn a_run_that_is_killed_leaves_the_old_file_and_the_next_one_cleans_up() {
    let (server, place, run) = in_the_middle();
    let before = place.data();
    signal(&run, "KILL");
    assert_eq!(Ended::of(run.wait_with_output().unwrap()).code, 137);
    assert!(place.data() == before);
    assert!(place.path("lake/_billing_lake/staging").read_dir().unwrap().next().is_some());
    comes_to_its_end(&server, &place);
}

/// The next run publishes the new rows, and leaves nothing of the dead one.
#[track_caller]
fn comes_to_its_end(server: &ScriptedServer, place: &Place) {
    server.on(SECOND, [Answer::json(page(14..17, None))]);
    Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(place.period("2024-11").texts("meter_name"), ["m11", "m12", "m13", "m14", "m15", "m16"]);
    assert_eq!(place.path("lake/_billing_lake/staging").read_dir().unwrap().count(), 0);
}

#[test]
fn a_run_report_is_kept_whatever_the_run_came_to() {
    let (server, place) = filled();
    server.on(PERIODS, [Answer::error(401, "expired")]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(3);
    let reports = place.names("_billing_lake/runs/");
    assert_eq!(reports.len(), 2);
    let report = ended.report();
    let name = format!("_billing_lake/runs/{}.json", report["run_id"].as_str().unwrap());
    let kept: serde_json::Value = serde_json::from_slice(&place.everything()[&name]).unwrap();
    assert_eq!(kept, report);
}
