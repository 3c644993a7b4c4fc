//! How long is waited, by a clock that waits in no time: the table of retries, waits that the API asks for, the gate of
//! the host, and a time of day that jumps.

use std::time::Duration;

use billing_lake::source::RetryPolicy;
use billing_lake::sync::{ErrorKind, Recheck, RunReport, SliceOutcome};

use super::moved_clock::{MovedClock, sync_by};
use super::published::Place;
use super::scripted_server::{Answer, ScriptedServer, USAGE, listing, november, page};

const SECOND: Duration = Duration::from_secs(1);
const OCTOBER: &str = "/v3/enrollments/100/billingPeriods/202410/usagedetails";

fn good() -> Answer {
    Answer::json(page(1..4, None)).etag("\"a\"")
}

/// Only November, which is answered so before it comes.
fn answered(broken: impl IntoIterator<Item = Answer>) -> (ScriptedServer, Place) {
    let (server, place) = (november(), Place::new());
    server.on(USAGE, broken.into_iter().chain([good()]));
    (server, place)
}

#[track_caller]
fn only_slice_of(report: &RunReport) -> &billing_lake::sync::SliceReport {
    assert_eq!(report.slices.len(), 1, "{report:?}");
    &report.slices[0]
}

#[test]
fn eight_attempts_are_made_with_waits_below_bounds_that_double() {
    let (server, place) = answered([]);
    server.on(USAGE, [Answer::error(503, "Busy.")]);
    let clock = MovedClock::at("2024-12-24T00:00:00Z");
    let (report, told) = sync_by(&clock, &server.endpoint(), &place, |_| ());
    let slice = only_slice_of(&report);
    assert_eq!((slice.outcome, slice.attempts, server.count(USAGE)), (SliceOutcome::Failed, 8, 8));
    let error = slice.error.as_ref().unwrap();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Unavailable, true));
    assert!(error.message.contains("given up after 8 attempts"), "{}", error.message);
    let bounds = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000].map(Duration::from_millis);
    let waits = clock.waits();
    assert_eq!(waits.len(), bounds.len());
    assert!(waits.iter().zip(bounds).all(|(wait, bound)| *wait <= bound), "{waits:?}");
    assert!(told.waits().iter().all(|(_, asked, why)| !asked && why.contains("answered 503: Busy.")));
    assert_eq!(slice.waited_seconds, waits.iter().sum::<Duration>().as_secs_f64());
}

#[test]
fn a_wait_that_the_api_asks_for_is_kept_and_told_as_such() {
    for (header, value, seconds) in [
        ("Retry-After", "42", 42),
        ("Retry-After", "Tue, 24 Dec 2024 00:01:10 GMT", 70),
        ("x-ms-ratelimit-microsoft.consumption-retry-after", "61", 61),
        ("Retry-After", "899", 899),
    ] {
        let slow =
            Answer::error(429, "Too many.").header("Date", "Tue, 24 Dec 2024 00:00:00 GMT").header(header, value);
        let (server, place) = answered([slow]);
        let clock = MovedClock::at("2024-12-24T00:00:00Z");
        let (report, told) = sync_by(&clock, &server.endpoint(), &place, |_| ());
        assert_eq!(only_slice_of(&report).outcome, SliceOutcome::Published, "{header}: {value}");
        let waits = told.waits();
        assert_eq!((waits.len(), waits[0].0, waits[0].1), (1, SECOND * seconds, true));
        assert_eq!(clock.waits(), [SECOND * seconds]);
    }
}

#[test]
fn a_429_that_names_no_wait_waits_two_minutes() {
    let (server, place) = answered([Answer::error(429, "Too many.")]);
    let clock = MovedClock::at("2024-12-24T00:00:00Z");
    sync_by(&clock, &server.endpoint(), &place, |_| ());
    assert_eq!(clock.waits(), [SECOND * 120]);
}

#[test]
fn waits_of_a_slice_add_up_to_no_more_than_its_bound() {
    let slow = || Answer::error(503, "Busy.").header("Retry-After", "400");
    let (server, place) = answered([slow(), slow(), slow()]);
    let clock = MovedClock::at("2024-12-24T00:00:00Z");
    let (report, _) = sync_by(&clock, &server.endpoint(), &place, |_| ());
    assert_eq!(clock.waits(), [SECOND * 400, SECOND * 400]);
    let error = only_slice_of(&report).error.clone().unwrap();
    // 800 s after it began, and 400 more.
    for words in
        ["the wait of 6 min 40 s does not fit into the 1 min 40 s left", "come back after 2024-12-24T00:20:00Z"]
    {
        assert!(error.message.contains(words), "{}", error.message);
    }
    assert_eq!(server.count(USAGE), 3);
}

#[test]
fn other_slices_wait_too_when_the_api_is_asked_too_often_but_never_fail_for_it() {
    let server = listing(&["202411", "202410"]);
    let place = Place::new();
    let slow = Answer::error(429, "Too many.").header("Retry-After", "600");
    server.on(USAGE, [slow.clone(), good()]);
    // It comes to the gate while it is closed: its second page does, since the first request is under way by then.
    let next = server.url(&format!("{OCTOBER}?token=2"));
    server.on(
        OCTOBER,
        [Answer::error(503, "Busy."), Answer::json(page(1..4, Some(&next)).replace("2024-11", "2024-10"))],
    );
    server.on(&format!("{OCTOBER}?token=2"), [Answer::json(page(4..7, None).replace("2024-11", "2024-10"))]);
    let clock = MovedClock::at("2024-12-24T00:00:00Z");
    let (report, _) = sync_by(&clock, &server.endpoint(), &place, |options| options.concurrency = 1);
    assert!(report.slices.iter().all(|slice| slice.outcome == SliceOutcome::Published), "{report:?}");
    // A wait that is too long for a slice fails that one alone.
    server.on(USAGE, [Answer::error(429, "Too many.").header("Retry-After", "90000")]);
    let (report, _) = sync_by(&clock, &server.endpoint(), &place, |options| options.force = true);
    let outcomes: Vec<_> = report.slices.iter().map(|slice| slice.outcome).collect();
    assert_eq!(outcomes, [SliceOutcome::Failed, SliceOutcome::Published]);
    assert_eq!(report.exit_code(), 7);
}

#[test]
fn requests_are_paced_when_asked() {
    let (server, place) = answered([]);
    let clock = MovedClock::at("2024-12-24T00:00:00Z");
    let (report, told) = sync_by(&clock, &server.endpoint(), &place, |options| options.requests_per_minute = Some(6));
    // The list goes out at once, the page ten seconds later. That is no wait that the API caused.
    assert_eq!(clock.waits(), [SECOND * 10]);
    assert_eq!((only_slice_of(&report).waited_seconds, told.waits().len()), (0.0, 0));
}

#[test]
fn a_clock_that_jumps_changes_stamps_and_nothing_else() {
    let (server, place) = answered([]);
    for (now, force, outcome) in [
        ("2024-12-24T00:00:00Z", false, SliceOutcome::Published),
        // Back: the file in place comes from the future, so nobody knows when it was asked for.
        ("2014-05-01T00:00:00Z", false, SliceOutcome::Unchanged),
        ("2099-12-31T23:59:59Z", true, SliceOutcome::Published),
        ("2024-12-25T00:00:00Z", false, SliceOutcome::Unchanged),
    ] {
        let clock = MovedClock::at(now);
        let (report, _) = sync_by(&clock, &server.endpoint(), &place, |options| options.force = force);
        assert_eq!(only_slice_of(&report).outcome, outcome, "{now}");
        assert_eq!(report.started_at, now.replace('Z', ".000Z"));
        assert_eq!(place.period("2024-11").texts("meter_name"), ["m1", "m2", "m3"]);
    }
    assert_eq!(place.period("2024-11").footer("fetched_at").as_deref(), Some("2099-12-31T23:59:59.000Z"));
}

#[test]
fn a_closed_period_is_due_again_after_a_week() {
    let (server, place) = answered([]);
    for (now, requests) in [
        ("2024-12-24T00:00:00Z", 1),
        ("2024-12-30T23:59:59Z", 1),
        ("2024-12-31T00:00:00Z", 2),
        ("2025-01-06T00:00:00Z", 2),
        ("2025-01-07T00:00:00Z", 3),
    ] {
        sync_by(&MovedClock::at(now), &server.endpoint(), &place, |options| options.recheck = Recheck::Auto);
        assert_eq!(server.count(USAGE), requests, "{now}");
    }
}

#[test]
fn a_page_that_is_wrong_twice_is_data_however_short_the_waits_are() {
    let (server, place) = answered([]);
    server.on(USAGE, [Answer::json("{]")]);
    let clock = MovedClock::at("2024-12-24T00:00:00Z");
    let none = RetryPolicy { max_wait: Duration::ZERO, ..RetryPolicy::default() };
    let (report, _) = sync_by(&clock, &server.endpoint(), &place, |options| options.retry = none);
    assert_eq!(only_slice_of(&report).error.as_ref().map(|error| error.kind), Some(ErrorKind::Data));
    assert_eq!(server.count(USAGE), 2);
}
