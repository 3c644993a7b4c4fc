//! Fault 5: the API asks for patience.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};

use super::expected::{Failure, Good};
use super::scene::{At, Scene, each};
use crate::scripted_server::Answer;

const MANY: &str = "x-ms-ratelimit-microsoft.consumption-retry-after";

fn busy() -> Answer {
    Answer::error(429, "slow down")
}

/// A date as in a header, so many seconds from that time.
fn date(now: DateTime<Utc>, seconds: i64, form: &str) -> String {
    (now + TimeDelta::seconds(seconds)).format(form).to_string()
}

const USUAL: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// One wait that the API asked for, of at least so many seconds, and then the whole bill.
#[track_caller]
fn waits_once(at: At, answer: Answer, seconds: u64) {
    let mut scene = Scene::new().breaks(at, [answer]);
    scene.throttled = true;
    let done = scene.in_library();
    let wait =
        done.waits.iter().find(|wait| wait.why.contains("slow down")).unwrap_or_else(|| panic!("{}", done.all()));
    assert!(wait.time >= Duration::from_secs(seconds) && wait.time <= Duration::from_secs(seconds + 2), "{wait:?}");
    assert!(wait.asked || seconds == 0);
    let good = Good::of(&scene);
    done.published(&if at == At::Periods { good } else { good.after(5) });
}

#[test]
fn a_wait_that_is_asked_for_is_kept() {
    let now = DateTime::<Utc>::from(SystemTime::now());
    let dates = [USUAL, "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let mut cases = vec![
        ("seconds", busy().header("Retry-After", "37"), 37),
        ("seconds with a 503", Answer::error(503, "slow down").header("Retry-After", "37"), 37),
        ("none at all", busy(), 120),
        ("nothing", busy().header("Retry-After", ""), 120),
        ("no number and no date", busy().header("Retry-After", "soon"), 120),
        ("a negative number", busy().header("Retry-After", "-5"), 120),
        ("zero", busy().header("Retry-After", "0"), 0),
        ("a date in the past", busy().header("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"), 0),
        ("by the service's name", busy().header(MANY, "37"), 37),
        (
            "the longest of several",
            busy().header("Retry-After", "3").header(MANY, "37").header("x-retry-after", "9"),
            37,
        ),
        ("the longest of equals", busy().header("Retry-After", "37").header("retry-after", "2"), 37),
        (
            "the longest with a date",
            busy().header("Date", &date(now, 0, USUAL)).header("Retry-After", "1").header(MANY, &date(now, 600, USUAL)),
            600,
        ),
        // A server whose clock is a day behind means 50 s all the same.
        (
            "a date by the server's own clock",
            busy().header("Date", &date(now, -86_400, USUAL)).header("Retry-After", &date(now, -86_350, USUAL)),
            50,
        ),
    ];
    cases.extend(dates.map(|form| {
        (form, busy().header("Date", &date(now, 0, USUAL)).header("Retry-After", &date(now, 60, form)), 60)
    }));
    let cases: Vec<_> = cases.into_iter().flat_map(|case| At::ALL.map(|at| (at, case.clone()))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (_, answer, seconds))| {
            waits_once(*at, answer.clone(), *seconds);
        },
    );
}

#[test]
fn a_wait_that_does_not_fit_fails_at_once_and_names_the_time_to_come_back() {
    let now = DateTime::<Utc>::from(SystemTime::now());
    let far = date(now, 86_400 * 3, USUAL);
    let forms = ["901", "7200", "99999999999", "99999999999999999999999999", far.as_str()];
    let cases: Vec<_> = forms.iter().flat_map(|form| At::ALL.map(|at| (at, *form))).collect();
    each(
        &cases,
        |case| format!("{case:?}"),
        |(at, form)| {
            let mut scene = Scene::new().always(*at, busy().header("Retry-After", form));
            scene.throttled = true;
            let mut told = vec!["answered 429: slow down", "does not fit into the 15 min left of --max-wait"];
            // Beyond all calendars there is no such time.
            if form.len() < 26 {
                told.push("; come back after ");
            }
            scene.run().failed(*at, &Failure::unavailable(&told, "the API asks for patience"));
        },
    );
}

#[test]
fn waits_add_up_to_no_more_than_the_option_allows() {
    let mut scene = Scene::new().always(At::Second, busy().header("Retry-After", "400"));
    scene.throttled = true;
    let told =
        ["answered 429: slow down", "the wait of 6 min 40 s does not fit into the 1 min 40 s left of --max-wait"];
    scene.in_library().failed(At::Second, &Failure::unavailable(&told, "patience").after(3));
}

#[test]
fn a_wait_is_told_with_its_reason() {
    let mut scene = Scene::new().breaks(At::Second, [busy().header("Retry-After", "1")]);
    scene.throttled = true;
    let done = scene.run();
    done.published(&Good::of(&scene).after(5));
    let err = &done.said.as_ref().unwrap().1;
    assert!(err.contains("waiting 1.0 s: the API asked for it ("), "{err}");
    assert!(err.contains("answered 429: slow down"), "{err}");
    assert!(done.november()["waited_seconds"].as_f64().unwrap() >= 1.0);
}
