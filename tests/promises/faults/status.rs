//! Faults 6 and 7: statuses that may pass, and statuses that decide.

use super::expected::{Failure, Good};
use super::scene::{At, Scene, each};
use crate::scripted_server::Answer;

const LATER: &str = "run again later";

/// Statuses of a service in trouble.
const TROUBLE: [u16; 5] = [408, 500, 502, 503, 504];

/// An error as the service, a gateway and a proxy write it; the words that a person must see.
fn bodies(status: u16) -> [(&'static str, Answer); 3] {
    [
        ("Words of the service.", Answer::error(status, "Words of the service.")),
        ("Words of a gateway.", Answer::of(status, "application/json", r#"{"Message":"Words of a gateway."}"#)),
        ("Words of a proxy.", Answer::of(status, "text/html", "<h1>Words of a proxy.</h1>\r\n<p>more</p>")),
    ]
}

#[test]
fn a_service_in_trouble_is_asked_again_until_it_is_well() {
    let cases: Vec<_> = TROUBLE
        .iter()
        .flat_map(|status| At::ALL.map(|at| (*status, at)))
        .flat_map(|(status, at)| [(status, at, 1), (status, at, 5)])
        .collect();
    each(
        &cases,
        |case| format!("{case:?}"),
        |&(status, at, times)| {
            let answer = Answer::error(status, "try later");
            let scene = Scene::new().breaks(at, std::iter::repeat_n(answer, times));
            // Five waits by the real clock are up to 15 s.
            let done = if times == 1 && at != At::Third { scene.run() } else { scene.in_library() };
            let good = Good::of(&scene);
            done.published(&if at == At::Periods { good } else { good.after(4 + times) });
            assert_eq!(scene.server.count(at.target()), times + 1 + usize::from(at == At::First));
        },
    );
}

#[test]
fn a_service_that_stays_in_trouble_fails_its_slice_after_eight_attempts_while_others_go_on() {
    let places = TROUBLE.iter().flat_map(|status| At::ALL.map(|at| (*status, at)));
    let cases: Vec<_> = places.flat_map(|(status, at)| [0, 1, 2].map(|body| (status, at, body))).collect();
    each(
        &cases,
        |case| format!("{case:?}"),
        |&(status, at, body)| {
            let (words, answer) = bodies(status).into_iter().nth(body).unwrap();
            let scene = Scene::new().always(at, answer);
            let told = [&format!(" answered {status}: "), words, "(given up after 8 attempts)"];
            scene.in_library().failed(at, &Failure::unavailable(&told, LATER).after(8));
        },
    );
    let scene = Scene::new().always(At::Second, Answer::error(503, "busy")).with(["--max-wait", "1s"]);
    let told = ["answered 503: busy", "does not fit into the ", "left of --max-wait; come back after 2"];
    scene.run().failed(At::Second, &Failure::unavailable(&told, LATER).after_waits());
}

#[test]
fn a_page_that_is_asked_for_again_is_not_the_whole_slice() {
    let scene = Scene::new().breaks(At::Third, [Answer::error(500, "x"), Answer::error(502, "x")]);
    scene.in_library().published(&Good::of(&scene).after(6));
    assert_eq!(scene.server.count(At::Second.target()), 1);
}

#[test]
fn a_status_that_decides_is_not_asked_again() {
    // A page that vanishes in the middle of a read has to be read anew, so only keys decide there.
    let at_places = |status: u16| match status {
        401 | 403 => At::ALL.to_vec(),
        _ => vec![At::Periods, At::First],
    };
    let statuses = [400, 401, 403, 404];
    let places = statuses.iter().flat_map(|status| at_places(*status).into_iter().map(|at| (*status, at)));
    let cases: Vec<_> = places.flat_map(|(status, at)| [0, 1, 2].map(|body| (status, at, body))).collect();
    each(
        &cases,
        |case| format!("{case:?}"),
        |&(status, at, body)| {
            let (words, answer) = bodies(status).into_iter().nth(body).unwrap();
            let scene = Scene::new().always(at, answer);
            let told = [&format!(" answered {status}: "), words];
            let failure = match (status, at) {
                (401 | 403, _) => Failure::key(&told),
                (_, At::Periods) => Failure::usage(&told, "check the enrollment number (--enrollment)"),
                _ => Failure::unavailable(&told, "the file in place stays"),
            };
            scene.run().failed(at, &failure);
        },
    );
}

#[test]
fn a_later_page_that_is_no_longer_served_is_read_anew_at_most_three_times() {
    each(
        &[400, 404, 410],
        |status| status.to_string(),
        |&status| {
            let scene = Scene::new().breaks(At::Second, [Answer::error(status, "gone")]);
            scene.in_library().published(&Good::of(&scene).after(6));
            assert_eq!(scene.server.count(At::First.target()), 3);

            let scene = Scene::new().always(At::Third, Answer::error(status, "gone"));
            let told = ["page 3 is no longer served", "at each of 3 reads"];
            scene.in_library().failed(At::Third, &Failure::unavailable(&told, LATER).after(3));
            assert_eq!(scene.server.count(At::First.target()), 3);
        },
    );
}

#[test]
fn an_error_without_words_or_of_odd_ones_is_told_in_one_line() {
    let bodies: [(&[u8], &str); 6] = [
        (b"", "answered 404"),
        (b"{}", "answered 404: {}"),
        (b"{\"error\":{\"code\":\"404\"}}", "answered 404: {\"error\""),
        (b"{\"error\":\"plain words\"}", "answered 404: plain words"),
        (b"\xff\xfe broken \x00 \x1b[2J text", "answered 404: "),
        (&[b'x'; 100_000], "answered 404: xxxx"),
    ];
    each(
        &bodies,
        |(_, told)| (*told).to_owned(),
        |(body, told)| {
            let scene = Scene::new().always(At::First, Answer::of(404, "", *body));
            let done = scene.run();
            done.failed(At::First, &Failure::unavailable(&[told], "the file in place stays"));
            assert!(done.november()["error"]["message"].as_str().unwrap().len() < 500);
        },
    );
}

#[test]
fn an_error_that_echoes_the_key_does_not_tell_it() {
    let echo = format!("the key {} is not known", crate::program::KEY);
    for status in [401, 404] {
        let scene = Scene::new().always(At::First, Answer::error(status, &echo));
        let failure = if status == 401 { Failure::key(&["the key "]) } else { Failure::unavailable(&["the key "], "") };
        scene.run().failed(At::First, &failure);
    }
}

#[test]
fn a_period_whose_link_is_null_has_no_data_and_keeps_its_file() {
    for link in ["null", "\"\"", "\"  \""] {
        let listed = format!(
            r#"[{{"billingPeriodId":"202411","usageDetails":{link}}},{{"billingPeriodId":"202410","usageDetails":"/v1/x"}}]"#
        );
        let scene = Scene::new().always(At::Periods, Answer::json(listed));
        let done = scene.run();
        assert_eq!(done.code, 0, "{}", done.all());
        let slice = done.november();
        assert_eq!((&slice["outcome"], &slice["error"]), (&"no_data".into(), &serde_json::Value::Null));
        assert!(slice["warnings"][0].as_str().unwrap().contains("the file in place stays"));
        assert_eq!((&slice["attempts"], scene.server.count(At::First.target())), (&0.into(), 0));
        done.errors_told(&[]);
        done.stays("usage_details/enrollment=100/billing_period=2024-11/");
        done.everything_else(0);
    }
}
