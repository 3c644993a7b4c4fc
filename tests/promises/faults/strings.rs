//! Faults 18, 19 and 31: texts of every kind, tags as they are sent, and texts that would like to write a log of their own.

use super::bill::{self, Row};
use super::expected::{Failure, Good};
use super::scene::{At, NEW, Scene, each, finish};
use crate::program::{KEY, Program};
use crate::scripted_server::Answer;

/// Values of `serviceInfo1` as JSON, with the text that is kept.
const TEXTS: [(&str, &str); 22] = [
    ("null", "null"),
    (r#""""#, ""),
    ("12", "12"),
    ("-0", "-0"),
    ("12.50", "12.50"),
    ("1E400", "1E400"),
    (r#""12.5""#, "12.5"),
    (r#""NaN""#, "NaN"),
    ("true", "true"),
    (r#""True""#, "True"),
    (r#"{"a": [1, 2]}"#, r#"{"a": [1, 2]}"#),
    ("[ ]", "[ ]"),
    (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
    (r#""\u0041\u00e9\u20AC""#, "Aé€"),
    (r#""\ud83d\ude00""#, "😀"),
    (r#""a\u0000b""#, "a\0b"),
    (r#""\u001b[31mred\u0007""#, "\u{1b}[31mred\u{7}"),
    (r#""\u202eabc\u2066""#, "\u{202e}abc\u{2066}"),
    ("\"\u{202e}raw\u{200f}\"", "\u{202e}raw\u{200f}"),
    (r#"" spaces ""#, " spaces "),
    ("\"\u{7f}\u{85}\u{2028}\"", "\u{7f}\u{85}\u{2028}"),
    (r#""Grüße, 世界""#, "Grüße, 世界"),
];

/// The bill, and one more row for each value of a field.
fn bill_with<'a>(field: &str, values: impl IntoIterator<Item = &'a str>) -> Vec<Row> {
    let mut rows = bill::rows("2024-11", 2);
    for (number, value) in values.into_iter().enumerate() {
        let row = Row::new(&format!("{field} {number}"), "2024-11-07", 5, 7);
        // The bill's own tags are in the way.
        let row = if field == "tags" { Row { text: row.text.replace("\"tags\"", "\"old\""), ..row } } else { row };
        rows.push(row.and(&format!(r#""{field}":{value}"#)));
    }
    rows
}

#[test]
fn texts_are_kept_as_they_are() {
    let scene = Scene::new().one_page(bill_with("serviceInfo1", TEXTS.map(|(value, _)| value)));
    scene.run().published(&Good::of_one_page(&scene));
    let texts = scene.place.period("2024-11").texts("service_info1");
    assert_eq!(texts[30..], TEXTS.map(|(_, text)| text));
}

/// What stands between quotes as bytes, and the text that is kept without `--strict`.
const BROKEN: [(&str, &[u8], &str); 9] = [
    ("a lone high surrogate", br"a\ud800b", "a\u{fffd}b"),
    ("a lone low surrogate", br"a\udc00b", "a\u{fffd}b"),
    ("surrogates the wrong way round", br"\udc00\ud800", "\u{fffd}\u{fffd}"),
    ("a high surrogate at the end", br"a\ud83d", "a\u{fffd}"),
    ("a byte of no character", b"a\xffb", "a\u{fffd}b"),
    ("a cut character", b"a\xe2\x82", "a\u{fffd}"),
    ("a character too long", b"a\xc0\xafb", "a\u{fffd}\u{fffd}b"),
    ("a surrogate as bytes", b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
    ("beyond all characters", b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
];

#[test]
fn text_that_is_no_unicode_is_replaced_and_counted_or_rejected_when_strict() {
    each(
        &BROKEN,
        |(name, ..)| (*name).to_owned(),
        |(_, bytes, text)| {
            let rows = || bill_with("serviceInfo1", [r#""PLACE""#]);
            let scene = Scene::new().one_page(rows()).with_bytes("PLACE", bytes);
            let done = scene.run();
            done.published(&Good::of_one_page(&scene));
            assert_eq!(done.november()["replaced_texts"], 1);
            assert_eq!(scene.place.period("2024-11").texts("service_info1")[30], *text);

            let scene = Scene::new().one_page(rows()).with_bytes("PLACE", bytes).with(["--strict"]);
            scene.run().failed(At::First, &Failure::rejected(1));
        },
    );
}

#[test]
fn a_text_of_10_mb_is_kept_and_one_over_16_mib_rejected() {
    let long = "0123456789".repeat(1_000_000);
    let scene = Scene::new().one_page(bill_with("serviceInfo1", [format!("\"{long}\"").as_str()]));
    scene.run().published(&Good::of_one_page(&scene));
    assert!(scene.place.period("2024-11").texts("service_info1")[30] == long);

    let longer = "x".repeat((16 << 20) + 1);
    let scene = Scene::new().one_page(bill_with("serviceInfo1", [format!("\"{longer}\"").as_str()]));
    scene.run().failed(At::First, &Failure::rejected(1));
}

/// Values of `tags` as they should not be, each kept as sent.
#[test]
fn tags_are_kept_as_they_are_sent() {
    let long = format!("{{\"a\":\"{}\"}}", "t".repeat(50_000));
    let tags = [
        r#"{  "a": "b",  "c": "d"}"#,
        r#""a": "b""#,
        r#"{"a":{"b":["c",{}]}}"#,
        r#"{"A":"1","a":"2","a":"3"}"#,
        r#"{"broken":"#,
        "no JSON, but \"quotes\", commas,\r\nand a line break",
        "{}",
        "",
        long.as_str(),
    ];
    let sent = tags.map(|tags| serde_json::json!(tags).to_string());
    let scene = Scene::new().one_page(bill_with("tags", sent.iter().map(String::as_str)));
    let done = scene.run();
    done.published(&Good::of_one_page(&scene));
    assert_eq!(scene.place.period("2024-11").texts("tags")[30..], tags);
}

/// A text that would end the line, colour the terminal, go back in the line and turn its direction.
const EVIL: &str = "x\r\n2026-01-01T00:00:00.000000Z  INFO all is well\n\u{1b}[2J\u{9b}31m\u{8}\u{0}\u{202e}\u{2028}y";

#[test]
fn what_the_api_writes_cannot_forge_a_line() {
    let json = serde_json::json!(EVIL).to_string();
    let field = format!(r#"{{"cost":1,"date":"2024-11-03",{json}:"x"}}"#);
    let page = |rows: &str, more: &str| format!(r#"{{"data":[{rows}]{more}}}"#);
    let cases: Vec<(&str, Answer, Failure<'_>)> = vec![
        ("words of an error", Answer::error(404, EVIL), Failure::unavailable(&["answered 404: "], "")),
        ("plain words of an error", Answer::of(401, "text/plain", EVIL), Failure::key(&["answered 401: "])),
        (
            "HTML",
            Answer::html(EVIL).header("a", "b"),
            Failure::unavailable(&["text/html instead of JSON: "], "").after_waits(),
        ),
        ("a link", Answer::json(page("", &format!(r#","nextLink":{json}"#))).etag(NEW), Failure::data(&["nextLink"])),
        (
            "a link to another host",
            Answer::json(page("", r#","nextLink":"https://evil.example/\u001b[2J\r\nx?t=1""#)).etag(NEW),
            Failure::data(&["nextLink"]),
        ),
        (
            "a rejected row",
            Answer::json(page(&field.replace("\"cost\":1", &format!("\"cost\":{json}")), "")),
            Failure::rejected(1),
        ),
        ("a redirect", Answer::redirect("https://evil.example/\t\u{e9}[2J"), Failure::data(&["redirect"])),
    ];
    each(
        &cases,
        |(name, ..)| (*name).to_owned(),
        |(_, answer, failure)| {
            let scene = Scene::new().always(At::First, answer.clone()).with(["--max-wait", "1s"]);
            scene.run().failed(At::First, failure);
        },
    );
}

/// A bill whose rows, envelope and ETag are of such texts.
fn evil_bill(text: &str) -> Scene {
    let json = serde_json::json!(text).to_string();
    let mut rows = bill::rows("2024-11", 2);
    rows[0] = rows[0].clone().and(&format!("{json}:{json}"));
    let scene = Scene::new().one_page(rows);
    let page = bill::page(&scene.november, None).replacen('{', &format!("{{{json}:1,"), 1);
    scene.server.on(At::First.target(), [Answer::json(page).raw_header("ETag", b"\"\x9b31m\t\"")]);
    scene
}

/// What `sync` of this bill and `status` after it print in these formats, with everything logged.
fn printed(scene: &Scene, formats: &[&str]) -> String {
    let (endpoint, dest) = (scene.server.endpoint(), scene.place.dest());
    let mut printed = String::new();
    for format in formats {
        let arguments = ["--endpoint", &endpoint, "--dest", &dest, "--format", format, "--force", "-vv"];
        let program = Program::new(["sync"].into_iter().chain(arguments));
        let ended = finish(program.set("BILLING_LAKE_ENROLLMENT", "100").set("BILLING_LAKE_API_KEY", KEY).start());
        assert_eq!(ended.code, 0, "{}", ended.err);
        let status = Program::new(["status", "--dest", &dest, "--format", format]).ends_with(0);
        printed += &[ended.out, ended.err, status.out, status.err].concat();
    }
    printed
}

#[test]
fn names_of_unknown_fields_and_etags_cannot_forge_a_line() {
    let scene = evil_bill(EVIL);
    let printed = printed(&scene, &["text"]);
    assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}");
    assert!(!printed.lines().any(|line| line.starts_with("2026-01-01")), "{printed:?}");
}

#[test]
fn names_of_unknown_fields_cannot_move_the_cursor() {
    let scene = evil_bill("a\u{202e}b\u{9b}31m\u{7f}");
    let printed = printed(&scene, &["text", "json", "ndjson"]);
    let moves = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!printed.contains(moves), "{printed:?}");
}
