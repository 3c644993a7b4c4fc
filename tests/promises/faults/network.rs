//! Faults 1, 2, 3 and 8: no connection, connections that break, bodies that are cut, and answers that stall.

use std::net::TcpListener;
use std::time::Duration;

use super::expected::{Failure, Good};
use super::scene::{At, Scene, each, hasty};
use crate::scripted_server::Answer;

const LATER: &str = "run again later";

/// For answers that stall.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer that breaks off, made of the good one of that place.
type Broken = fn(&Scene, At) -> Answer;

fn middle(scene: &Scene, at: At) -> usize {
    scene.text(at).len() / 2
}

/// What happens to a connection, and what is told about it.
const CONNECTIONS: [(&str, Broken, &str); 14] = [
    ("reset before the head", |_, _| Answer::reset(), "no answer from 127.0.0.1"),
    ("closed before the head", |scene, at| scene.good(at).cut_head(0), "no answer from 127.0.0.1"),
    ("closed in the status line", |scene, at| scene.good(at).cut_head(10), "no answer from 127.0.0.1"),
    ("closed in a header", |scene, at| scene.good(at).cut_head(50), "no answer from 127.0.0.1"),
    ("reset after the head", |scene, at| scene.good(at).reset_after(0), ""),
    ("reset in the body", |scene, at| scene.good(at).reset_after(middle(scene, at)), ""),
    ("reset before the last byte", |scene, at| scene.good(at).reset_after(scene.text(at).len() - 1), ""),
    ("closed after the head", |scene, at| scene.good(at).cut(0), "the body broke off after 0 bytes"),
    ("closed after a byte", |scene, at| scene.good(at).cut(1), "the body broke off after 1 bytes"),
    ("closed in the body", |scene, at| scene.good(at).cut(middle(scene, at)), "the body broke off after "),
    ("closed before the last byte", |scene, at| scene.good(at).cut(scene.text(at).len() - 1), "the body broke off"),
    ("closed in a chunk", |scene, at| scene.good(at).chunked().cut(middle(scene, at)), "the body broke off"),
    ("closed before the last chunk", |scene, at| scene.good(at).chunked().cut(scene.text(at).len()), ""),
    ("closed in gzip", |scene, at| scene.good(at).packed().cut(60), "the body broke off after 60 bytes"),
];

/// Where a page of JSON is cut: after these words of its second row.
const CUTS: [(&str, &str); 11] = [
    ("in a key", "\"co"),
    ("after a key", "\"cost\""),
    ("before a value", "\"cost\":"),
    ("in a number", "\"cost\":2.4"),
    ("in a text", "\"meterName\":\"2024-1"),
    ("after a backslash", "\"tags\":\"{  \\"),
    ("in an escape", "\"costCenter\":\"\\u00"),
    ("after an escape", "\"costCenter\":\"\\u00e9"),
    ("after a comma", "\"cost\":2.469312,"),
    ("in a date", "\"date\":\"2024-11"),
    ("after a value", "\"cost\":2.469312"),
];

/// Where a text is cut.
type End = fn(&str) -> usize;

/// The good answer's text, cut after these words, as a body that is whole by its length.
fn cut_after(scene: &Scene, words: &str) -> Answer {
    let text = scene.text(At::First);
    let row = text.find("\"cost\":2.469312").unwrap() - 1;
    let end = row + text[row..].find(words).unwrap_or_else(|| panic!("{words}")) + words.len();
    Answer::json(&text.as_bytes()[..end])
}

/// At that place these come before the good answer; then the bill is whole.
#[track_caller]
fn heals(at: At, broken: impl Fn(&Scene) -> Vec<Answer>) {
    let scene = Scene::new();
    let broken = broken(&scene);
    let times = broken.len();
    let scene = scene.breaks(at, broken);
    let done = scene.run();
    if at == At::Periods {
        done.published(&Good::of(&scene));
        assert_eq!(scene.server.count(at.target()), 1 + times);
    } else {
        done.published(&Good::of(&scene).after(4 + times));
    }
}

#[test]
fn a_connection_that_breaks_once_is_asked_again_wherever() {
    let cases: Vec<_> = CONNECTIONS.iter().flat_map(|case| At::ALL.map(|at| (at, case))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (_, broken, _))| heals(*at, |scene| vec![broken(scene, *at)]),
    );
}

#[test]
fn a_connection_that_always_breaks_is_asked_eight_times() {
    let places = [At::Periods, At::First, At::Third];
    let cases: Vec<_> = CONNECTIONS.iter().flat_map(|case| places.map(|at| (at, case))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (_, broken, told))| {
            let scene = Scene::new();
            let answer = broken(&scene, *at);
            let scene = scene.always(*at, answer);
            let done = scene.in_library();
            let words = [*told, "(given up after 8 attempts)"];
            done.failed(*at, &Failure::unavailable(&words, LATER).after(8));
            assert_eq!(done.waits.len(), 7);
        },
    );
}

#[test]
fn a_body_that_ends_inside_its_json_is_asked_for_again() {
    each(&CUTS, |(name, _)| (*name).to_owned(), |(_, words)| heals(At::First, |scene| vec![cut_after(scene, words)]));
    let ends: [(&str, End); 6] = [
        ("at the first byte", |_| 1),
        ("in a character", |text| text.find('é').unwrap() + 1),
        ("between two rows", |text| text.find("},{").unwrap() + 2),
        ("after the rows", |text| text.find("]").unwrap() + 1),
        ("in the link", |text| text.rfind("token").unwrap()),
        ("before the last byte", |text| text.len() - 1),
    ];
    each(
        &ends,
        |(name, _)| (*name).to_owned(),
        |(_, end)| {
            let cut = |scene: &Scene| {
                let text = scene.text(At::Second);
                text.as_bytes()[..end(&text)].to_vec()
            };
            heals(At::Second, |scene| vec![Answer::json(cut(scene)), Answer::json(cut(scene)).without_length()]);
        },
    );
}

#[test]
fn a_body_that_always_ends_inside_its_json_is_never_a_short_period() {
    each(
        &CUTS,
        |(name, _)| (*name).to_owned(),
        |(_, words)| {
            let scene = Scene::new();
            let answer = cut_after(&scene, words);
            let scene = scene.always(At::First, answer);
            let told = ["the page ends before it is whole, after ", "(given up after 8 attempts)"];
            scene.in_library().failed(At::First, &Failure::unavailable(&told, LATER).after(8));
        },
    );
    for at in At::ALL {
        let scene = Scene::new();
        let answer = Answer::json(&scene.text(at).as_bytes()[..30]).without_length();
        let scene = scene.always(at, answer).with(["--max-wait", "1s"]);
        let done = scene.run();
        let told = ["end", "does not fit into the ", "come back after 2"];
        done.failed(at, &Failure::unavailable(&told, LATER).after_waits());
    }
}

#[test]
fn an_answer_that_stalls_or_trickles_is_asked_for_again() {
    let stalls: [(&str, Broken, &str); 5] = [
        ("no head", |scene, at| scene.good(at).stall_head(0), "no answer from 127.0.0.1"),
        ("half a head", |scene, at| scene.good(at).stall_head(30), "no answer from 127.0.0.1"),
        ("no body", |scene, at| scene.good(at).stall(0), "the body stalled for 2s after 0 bytes"),
        ("half a body", |scene, at| scene.good(at).stall(middle(scene, at)), "the body stalled for 2s after "),
        ("byte by byte", |scene, at| scene.good(at).trickling(), "the body stalled for 2s after "),
    ];
    let cases: Vec<_> = stalls.iter().flat_map(|case| At::ALL.map(|at| (at, case))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (_, broken, told))| {
            let scene = Scene::new();
            let answer = broken(&scene, *at);
            let scene = scene.breaks(*at, [answer]);
            let done = scene.in_library_with(hasty(), PATIENCE);
            assert!(done.waits[0].why.contains(told), "{:?}", done.waits);
            if *at == At::Periods {
                done.published(&Good::of(&scene));
            } else {
                done.published(&Good::of(&scene).after(5));
            }
        },
    );
    let (_, stalls, told) = stalls[3];
    let scene = Scene::new();
    let answer = stalls(&scene, At::First);
    let scene = scene.always(At::First, answer);
    let words = [told, "(given up after 8 attempts)"];
    let done = scene.in_library_with(hasty(), PATIENCE);
    done.failed(At::First, &Failure::unavailable(&words, LATER).after(8));
}

#[test]
fn a_host_that_refuses_connections_ends_with_4() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let scene = Scene::new().through(format!("http://{address}"));
    let done = scene.in_library();
    let words = [&format!("cannot connect to {address}: "), "(given up after 8 attempts)"];
    let failure = Failure::unavailable(&words, "check --endpoint").requests(0);
    done.failed(At::Periods, &failure);
    assert_eq!(done.waits.len(), 7);

    let scene = Scene::new().through(format!("http://{address}")).with(["--max-wait", "1s"]);
    let words = [&format!("GET /v2/enrollments/100/billingperiods: cannot connect to {address}: "), "--max-wait"];
    scene.run().failed(At::Periods, &Failure { message: &words, ..failure });
}

#[test]
fn a_host_that_has_no_address_ends_with_4() {
    let scene = Scene::new().through("https://consumption.azure.invalid").with(["--max-wait", "0s"]);
    let words = ["cannot find the host consumption.azure.invalid: "];
    scene.run().failed(At::Periods, &Failure::unavailable(&words, "check --endpoint, the network").requests(0));
}
