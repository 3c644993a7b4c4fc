//! A page that broke is asked for again and gives its rows once; what cannot get better ends with its own exit code, and
//! the file in place stays.

use super::program::{Ended, Program};
use super::published::Place;
use super::scripted_server::{Answer, PERIODS, ScriptedServer, USAGE, listing, november, page, page_of, row};

const SECOND: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=2";
const THIRD: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=3";

/// A period of three pages, of which the second is answered so before it comes whole.
fn with_second(broken: impl IntoIterator<Item = Answer>) -> (ScriptedServer, Place) {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page(1..4, Some(&server.url(SECOND)))).etag("\"a\"")]);
    server.on(SECOND, broken.into_iter().chain([middle(&server)]));
    server.on(THIRD, [Answer::json(page(7..10, None))]);
    (server, place)
}

fn middle(server: &ScriptedServer) -> Answer {
    Answer::json(page(4..7, Some(&server.url(THIRD))))
}

fn is_whole(place: &Place) {
    let expected: Vec<_> = (1..10).map(|number| format!("m{number}")).collect();
    let file = place.period("2024-11");
    assert_eq!(file.texts("meter_name"), expected);
    assert_eq!(file.sum("cost"), 45 * 10_i128.pow(18));
}

/// The second page is answered so once; then the period is whole.
#[track_caller]
fn is_asked_again(broken: Answer) {
    let (server, place) = with_second([broken]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(server.count(SECOND), 2);
    is_whole(&place);
    let slice = ended.slice();
    assert_eq!((&slice["rows"], &slice["pages"]), (&9.into(), &3.into()));
    assert!(slice["waited_seconds"].as_f64().unwrap() > 0.0);
    ended.says(&["before asking again for"]);
}

/// The second page is always answered so.
#[track_caller]
fn always(broken: Answer, code: i32, times: usize) -> Ended {
    let (server, place) = with_second([]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let before = place.data();
    server.on(SECOND, [broken]);
    server.forget();
    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--force", "--max-wait", "1s"]).ends_with(code);
    assert!(place.data() == before);
    assert_eq!(place.names("_billing_lake/staging/"), [""; 0]);
    if times > 0 {
        assert_eq!(server.count(SECOND), times);
    }
    ended
}

#[test]
fn a_body_that_breaks_off_is_asked_for_again() {
    let whole = page(4..7, Some("http://127.0.0.1:1/"));
    for end in [0, 1, 20, whole.len() / 2, whole.len() - 1] {
        is_asked_again(Answer::json(whole.clone()).cut(end));
    }
}

#[test]
fn a_connection_that_is_reset_is_asked_again() {
    is_asked_again(Answer::reset());
}

#[test]
fn a_whole_body_that_ends_inside_the_json_is_asked_for_again() {
    let whole = page(4..7, None);
    for end in [1, 20, whole.len() / 2, whole.len() - 1] {
        is_asked_again(Answer::json(&whole.as_bytes()[..end]));
    }
    always(Answer::json(&whole.as_bytes()[..30]), 4, 0).says(&["ends before it is whole"]);
}

#[test]
fn a_service_in_trouble_is_asked_again() {
    for status in [408, 500, 502, 503, 504] {
        is_asked_again(Answer::error(status, "try later"));
    }
    let ended = always(Answer::error(500, "Server Error"), 4, 0);
    ended.says(&["answered 500: Server Error"]);
    assert_eq!(ended.slice()["error"]["retryable"], true);
}

#[test]
fn a_wait_that_the_service_asks_for_is_told() {
    is_asked_again(Answer::error(429, "slow down").header("Retry-After", "0"));
}

#[test]
fn a_corrupt_gzip_body_is_asked_for_again() {
    let packed = || Answer::json(page(4..7, None)).packed();
    is_asked_again(packed().garbled());
    is_asked_again(packed().cut(30));
    always(packed().garbled(), 4, 0);
}

#[test]
fn a_gzip_body_gives_its_rows() {
    let (server, place) = with_second([]);
    server.on(SECOND, [middle(&server).packed()]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    is_whole(&place);
}

#[test]
fn a_page_for_people_and_an_empty_body_are_asked_for_again() {
    is_asked_again(Answer::html("<html>We are renewing the service</html>"));
    is_asked_again(Answer::json(""));
    is_asked_again(Answer::json("  <!DOCTYPE html><html></html>"));
    always(Answer::html("<h1>Sorry</h1>"), 4, 0).says(&["text/html instead of JSON: Sorry"]);
}

#[test]
fn a_syntax_error_is_asked_for_once_more() {
    let wrong = page(4..7, None).replacen("\"cost\":5", "\"cost\":NaN", 1);
    is_asked_again(Answer::json(wrong.clone()));
    let ended = always(Answer::json(wrong), 5, 2);
    ended.says(&["not JSON"]);
    let slice = ended.slice();
    assert_eq!((&slice["error"]["kind"], &slice["error"]["retryable"]), (&"data".into(), &false.into()));
}

#[test]
fn an_answer_of_another_form_is_asked_for_once_more() {
    for body in ["[]", "{}", r#"{"data":null}"#, "17", "null"] {
        always(Answer::json(body), 5, 2);
    }
}

#[test]
fn a_page_that_broke_after_rows_of_it_were_taken_restarts_the_slice() {
    // Larger than the page bound of the least memory, so that parts of it are committed while it comes.
    let (server, place) = (november(), Place::new());
    let text = |number: u32| format!("{number}-{}", "0123456789abcdef".repeat(64));
    let wide = |number| row(number).replace(&format!("\"m{number}\""), &format!("\"{}\"", text(number)));
    let rows: Vec<_> = (0..12_000).map(wide).collect();
    let whole = page_of(&rows, None);
    server.on(USAGE, [Answer::json(whole.clone()).cut(whole.len() - 100), Answer::json(whole)]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--memory", "64MiB"]).ends_with(0);
    assert_eq!(ended.slice()["rows"], 12_000);
    let file = place.period("2024-11");
    assert_eq!(file.rows(), 12_000);
    assert_eq!(file.sum("cost"), (0..12_000_i128).sum::<i128>() * 10_i128.pow(18));
    assert_eq!(server.count(USAGE), 2);
}

#[test]
fn an_empty_page_in_the_middle_is_no_end() {
    let (server, place) = with_second([]);
    server.on(
        SECOND,
        [Answer::json(page(4..7, Some(&server.url("/v3/enrollments/100/billingPeriods/202411/usagedetails?empty"))))],
    );
    server.on(
        "/v3/enrollments/100/billingPeriods/202411/usagedetails?empty",
        [Answer::json(page([], Some(&server.url(THIRD))))],
    );
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    is_whole(&place);
}

#[test]
fn an_empty_period_is_an_empty_file_with_all_columns() {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, [Answer::json(page([], None))]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    let file = place.period("2024-11");
    assert_eq!(file.rows(), 0);
    assert!(file.texts("meter_name").is_empty());
}

#[test]
fn a_link_that_leads_back_ends_with_5() {
    let (server, place) = with_second([]);
    for (target, link) in [(SECOND, SECOND), (SECOND, USAGE), (THIRD, SECOND), (THIRD, THIRD)] {
        server.on(SECOND, [middle(&server)]);
        server.on(target, [Answer::json(page(4..7, Some(&server.url(link))))]);
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(5);
        ended.says(&["leads back to a page that was read already"]);
        assert!(place.data().is_empty());
    }
}

#[test]
fn a_chain_of_empty_pages_without_end_ends_with_5() {
    let (server, place) = with_second([]);
    for number in 0..1_100 {
        let link = |number| format!("{USAGE}?chain={number}");
        server.on(&link(number), [Answer::json(page([], Some(&server.url(&link(number + 1)))))]);
    }
    server.on(SECOND, [Answer::json(page([], Some(&server.url(&format!("{USAGE}?chain=0")))))]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(5);
    ended.says(&["1000 pages without a row"]);
    assert!(place.data().is_empty());
}

#[test]
fn broken_billing_periods_are_asked_for_again() {
    let whole = r#"[{"billingPeriodId":"202411","usageDetails":"/v1/x"}]"#;
    for broken in [
        Answer::json(whole).cut(10),
        Answer::json(&whole.as_bytes()[..20]),
        Answer::json(whole).packed().garbled(),
        Answer::json(""),
        Answer::html("<html></html>"),
        Answer::error(503, "busy"),
        Answer::json("[{]"),
    ] {
        let (server, place) = (november(), Place::new());
        server.on(USAGE, [Answer::json(page(1..4, None))]);
        server.on(PERIODS, [broken, Answer::json(whole)]);
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
        assert_eq!(ended.outcomes(), ["2024-11 published"]);
        assert_eq!(server.count(PERIODS), 2);
    }
}

#[test]
fn wrong_billing_periods_end_with_5_before_a_path_is_built() {
    for listed in ["201713", "999999", "../../etc", "20241"] {
        let (server, place) = (listing(&[listed]), Place::new());
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(5);
        ended.says(&[listed]);
        assert!(server.asked().iter().all(|asked| asked.target == PERIODS));
        assert!(place.data().is_empty());
    }
}
