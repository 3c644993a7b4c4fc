//! All pages of a file belong to one state of the data: a read that the service's refresh fell into starts again.

use super::program::Program;
use super::published::Place;
use super::scripted_server::{Answer, ScriptedServer, USAGE, november, page};

const SECOND: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=2";

/// Two pages: the first with these numbers and its link.
fn first(server: &ScriptedServer, numbers: [u32; 2]) -> Answer {
    Answer::json(page(numbers, Some(&server.url(SECOND))))
}

fn second(numbers: [u32; 2]) -> Answer {
    Answer::json(page(numbers, None))
}

#[test]
fn a_change_after_the_last_page_is_noticed_and_the_slice_read_again() {
    let (server, place) = (november(), Place::new());
    let old = || first(&server, [1, 2]).etag("\"old\"");
    let new = || first(&server, [11, 12]).etag("\"new\"");
    // Page 1; the check, which finds another ETag; page 1 again; the check.
    server.on(USAGE, [old(), new()]);
    server.on(SECOND, [second([3, 4]), second([13, 14])]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 published"]);
    let file = place.period("2024-11");
    assert_eq!(file.texts("meter_name"), ["m11", "m12", "m13", "m14"]);
    assert_eq!(file.footer("etag").as_deref(), Some("\"new\""));
    assert_eq!(ended.slice()["rows"], 4);
    assert_eq!((server.count(USAGE), server.count(SECOND)), (4, 2));
    let conditions =
        server.asked().iter().filter_map(|asked| asked.headers.get("if-none-match").cloned()).collect::<Vec<_>>();
    assert_eq!(conditions, ["\"old\"", "\"new\""]);
}

#[test]
fn a_change_at_every_read_ends_with_4_after_three_reads() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [first(&server, [1, 2]).etag("\"0\"")]);
    server.on(SECOND, [second([3, 4])]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let before = place.data();

    let etags: Vec<_> = (1..=9).map(|number| format!("\"{number}\"")).collect();
    server.on(USAGE, etags.iter().map(|etag| first(&server, [1, 2]).etag(etag)));
    server.forget();
    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(4);
    ended.says(&["the data changed while it was read", "at each of 3 reads", "hint:"]);
    assert_eq!(server.count(SECOND), 3);
    assert_eq!(ended.slice()["error"]["retryable"], true);
    assert!(place.data() == before);
}

#[test]
fn without_an_etag_page_1_is_compared_by_its_text() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [first(&server, [1, 2]), first(&server, [11, 12])]);
    server.on(SECOND, [second([3, 4]), second([13, 14])]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let file = place.period("2024-11");
    assert_eq!(file.texts("meter_name"), ["m11", "m12", "m13", "m14"]);
    assert_eq!(file.footer("etag"), None);
}

#[test]
fn the_same_text_packed_in_another_way_is_no_change() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [first(&server, [1, 2]).packed(), first(&server, [1, 2])]);
    server.on(SECOND, [second([3, 4])]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!((server.count(USAGE), server.count(SECOND)), (2, 1));
}

#[test]
fn the_same_etag_with_a_body_is_no_change() {
    let (server, place) = (november(), Place::new());
    // Written so that the server does not take it for a condition.
    server.on(USAGE, [first(&server, [1, 2]).header("etag", "\"a\"")]);
    server.on(SECOND, [second([3, 4])]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!((server.count(USAGE), server.count(SECOND)), (2, 1));
    assert_eq!(place.period("2024-11").footer("etag").as_deref(), Some("\"a\""));
}

#[test]
fn a_period_of_one_page_cannot_be_torn_and_is_asked_for_once() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, None)).etag("\"a\"")]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(server.count(USAGE), 1);
}

#[test]
fn the_files_etag_belongs_to_its_rows_when_page_1_had_to_be_asked_for_again() {
    let (server, place) = (november(), Place::new());
    let whole = first(&server, [11, 12]).etag("\"new\"");
    server.on(USAGE, [first(&server, [1, 2]).etag("\"old\"").cut(40), whole]);
    server.on(SECOND, [second([13, 14])]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let file = place.period("2024-11");
    assert_eq!(file.footer("etag").as_deref(), Some("\"new\""));
    assert_eq!(file.texts("meter_name"), ["m11", "m12", "m13", "m14"]);
}

#[test]
fn a_changed_period_is_read_from_the_answer_to_the_condition() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [first(&server, [1, 2]).etag("\"old\"")]);
    server.on(SECOND, [second([3, 4])]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    server.on(USAGE, [first(&server, [11, 12]).etag("\"new\"")]);
    server.forget();
    Program::sync(&server.endpoint(), &place.dest()).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(place.period("2024-11").texts("meter_name"), ["m11", "m12", "m3", "m4"]);
    // The condition, whose answer is page 1 already, and the check after the last page.
    assert_eq!((server.count(USAGE), server.count(SECOND)), (2, 1));
}
