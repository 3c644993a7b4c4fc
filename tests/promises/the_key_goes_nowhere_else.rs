//! The key goes to the API's own host, and nowhere else: no log, error, report, file, redirect or link carries it.

use super::program::{Ended, KEY, Program};
use super::published::Place;
use super::scripted_server::{Answer, PERIODS, ScriptedServer, USAGE, november, page};
use super::simulated_api::Api;

/// Neither what the program said nor what it left holds the key.
#[track_caller]
fn is_nowhere(ended: &Ended, place: &Place) {
    let encoded = encoded();
    for key in [KEY, &encoded] {
        assert!(!ended.out.contains(key), "standard output: {}", ended.out);
        assert!(!ended.err.contains(key), "standard error: {}", ended.err);
        for (name, bytes) in place.everything() {
            assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{name}");
        }
    }
}

/// The key as base64 has it.
fn encoded() -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(KEY)[..20].to_owned()
}

/// Every request carried the key, as a header and nowhere else.
#[track_caller]
fn carried_the_key(server: &ScriptedServer) {
    let asked = server.asked();
    assert!(!asked.is_empty());
    for asked in asked {
        assert_eq!(asked.headers.get("authorization"), Some(&format!("bearer {KEY}")), "{}", asked.target);
        assert_eq!(asked.headers.values().filter(|value| value.contains(KEY)).count(), 1);
        assert!(!asked.target.contains(KEY));
    }
}

#[test]
fn a_run_that_says_everything_does_not_say_the_key() {
    let (api, place) = (Api::three_months(), Place::new());
    for more in [&["-vv"][..], &["-vv", "--recheck", "all"], &["-vv", "--force", "--format", "text"]] {
        let sync = Program::sync(&api.endpoint(), &place.dest()).with(more.iter().copied());
        let ended = if more.contains(&"text") {
            Program::new(["sync", "--endpoint", &api.endpoint(), "--dest", &place.dest(), "-vv", "--force"])
                .set("BILLING_LAKE_ENROLLMENT", "100")
                .set("BILLING_LAKE_API_KEY", KEY)
                .ends_with(0)
        } else {
            sync.ends_with(0)
        };
        is_nowhere(&ended, &place);
    }
}

#[test]
fn a_service_that_echoes_the_key_is_not_quoted() {
    for answer in [
        Answer::error(401, &format!("the key {KEY} is wrong")),
        Answer::error(500, &format!("Authorization: bearer {KEY}")),
        Answer::html(&format!("<html>{KEY}</html>")),
        Answer::json(format!("\"{KEY}\"")),
        Answer::json(format!(r#"{{"data":[],"nextLink":"http://192.0.2.1/{KEY}"}}"#)),
        Answer::json(format!(r#"{{"data":[],"nextLink":"/{KEY}?k={KEY}"}}"#)),
        Answer::redirect(&format!("http://192.0.2.1/{KEY}?k={KEY}")),
        Answer::error(404, &format!("no path for {KEY}")),
    ] {
        let (server, place) = (november(), Place::new());
        server.on(USAGE, [answer]);
        let ended = Program::sync(&server.endpoint(), &place.dest()).with(["-vv", "--max-wait", "0s"]).run();
        assert!([3, 4, 5].contains(&ended.code), "{}", ended.err);
        is_nowhere(&ended, &place);
    }
}

#[test]
fn a_link_to_another_host_is_refused_and_the_key_not_sent() {
    let (server, elsewhere) = (november(), ScriptedServer::start());
    let token = "?token=a-secret-token";
    let own = server.endpoint();
    let port = own.rsplit(':').next().unwrap().to_owned();
    for link in [
        elsewhere.url(&format!("{USAGE}{token}")),
        // Another scheme is another origin, in both directions.
        format!("https://127.0.0.1:{port}{USAGE}{token}"),
        format!("http://localhost:{port}{USAGE}{token}"),
        format!("http://user@127.0.0.1:{port}{USAGE}{token}"),
        format!("http://127.0.0.1:{port}@{}{USAGE}", elsewhere.endpoint().trim_start_matches("http://")),
        format!("//{}{USAGE}", elsewhere.endpoint().trim_start_matches("http://")),
        // Relative, outside of the enrollment, with spaces.
        format!("{USAGE}{token}"),
        format!("?{token}"),
        server.url("/v3/enrollments/200/billingPeriods/202411/usagedetails"),
        server.url("/v3/enrollments/100/../200/usagedetails"),
        server.url("/v3/enrollments/100/%2e%2e/200/usagedetails"),
        server.url("/elsewhere"),
        server.url(&format!("{USAGE}?a b")),
        format!(" {}", server.url(&format!("{USAGE}{token}"))),
    ] {
        let place = Place::new();
        server.on(USAGE, [Answer::json(page(1..4, Some(&link)))]);
        server.forget();
        let ended = Program::sync(&own, &place.dest()).with(["-vv"]).ends_with(5);
        ended.says(&["nextLink"]);
        assert_eq!(server.asked().len(), 2, "{link}");
        assert!(!ended.err.contains("a-secret-token"), "{}", ended.err);
        assert!(place.data().is_empty());
        is_nowhere(&ended, &place);
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn a_redirect_to_another_host_is_refused_and_the_key_not_sent() {
    let elsewhere = ScriptedServer::start();
    elsewhere.on(USAGE, [Answer::json(page(1..4, None))]);
    for first in [PERIODS, USAGE] {
        let (server, place) = (november(), Place::new());
        server.on(USAGE, [Answer::json(page(1..4, None))]);
        server.on(first, [Answer::redirect(&elsewhere.url(USAGE))]);
        let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(5);
        ended.says(&["the redirect leaves the endpoint"]);
        assert_eq!(server.count(first), 1);
        is_nowhere(&ended, &place);
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn a_redirect_within_the_origin_is_followed_at_most_three_times() {
    let (server, place) = (november(), Place::new());
    let hop = |number: u32| format!("/hop/{number}");
    server.on(USAGE, [Answer::redirect(&hop(1))]);
    server.on(&hop(1), [Answer::redirect(&server.url(&hop(2)))]);
    server.on(&hop(2), [Answer::redirect("3")]);
    server.on(&hop(3), [Answer::json(page(1..4, None))]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(place.period("2024-11").rows(), 3);
    carried_the_key(&server);

    server.on(&hop(3), [Answer::redirect(&hop(4))]);
    server.on(&hop(4), [Answer::json(page(1..4, None))]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).with(["--force"]).ends_with(5);
    ended.says(&["redirects more than 3 times"]);
    assert_eq!(server.count(&hop(4)), 0);
}

#[test]
fn links_within_the_enrollment_are_followed_byte_for_byte() {
    let (server, place) = (november(), Place::new());
    let next = "/V3/Enrollments/100/usagedetails?sessiontoken=5:a%2Fb%20c+d=%e2%82%ac&x=~!$()*,;:@";
    server.on(USAGE, [Answer::json(page(1..4, Some(&server.url(next))))]);
    server.on(next, [Answer::json(page(4..7, None))]);
    Program::sync(&server.endpoint(), &place.dest()).ends_with(0);
    assert_eq!(server.count(next), 1);
    assert_eq!(place.period("2024-11").rows(), 6);
    carried_the_key(&server);
}

#[test]
fn the_key_is_no_option() {
    for name in ["--api-key", "--key"] {
        Program::new(["sync", "--enrollment", "100", name, KEY]).ends_with(2);
    }
}
