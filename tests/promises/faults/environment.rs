//! Fault 30: clocks that jump, time zones and locales change nothing about the data.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use billing_lake::sync::{Clock, Sleep, SystemClock};
use chrono::{DateTime, TimeDelta, Utc};

use super::expected::Good;
use super::scene::{At, Scene, each, finish};
use crate::scripted_server::Answer;

#[test]
fn time_zone_and_locale_change_nothing() {
    let settings: [&[(&str, &str)]; 7] = [
        &[("TZ", "Pacific/Kiritimati")],
        &[("TZ", "America/Los_Angeles")],
        &[("TZ", ":/no/such/zone")],
        &[("LC_ALL", "de_DE.UTF-8"), ("LANG", "de_DE.UTF-8"), ("LC_NUMERIC", "de_DE.UTF-8")],
        &[("LC_ALL", "C"), ("LANG", "C")],
        &[("LC_ALL", "tr_TR.UTF-8")],
        &[("LANG", ""), ("HOME", "/nonexistent"), ("TERM", "dumb"), ("COLUMNS", "5")],
    ];
    each(
        &settings,
        |setting| format!("{setting:?}"),
        |setting| {
            let scene = Scene::new();
            let program = setting.iter().fold(scene.program(), |program, (name, value)| program.set(name, value));
            let done = scene.ran(finish(program.start()));
            done.published(&Good::of(&scene));
            let days: Vec<_> = (1..=30).map(|day| format!("2024-11-{day:02}")).collect();
            assert_eq!(scene.place.period("2024-11").texts("date"), days);
            for instant in [&done.report["started_at"], &done.report["finished_at"]] {
                let instant = instant.as_str().unwrap();
                let time = DateTime::parse_from_rfc3339(instant).unwrap();
                assert!(instant.ends_with('Z') && (Utc::now() - time.to_utc()).num_minutes().abs() < 30, "{instant}");
            }
        },
    );
}

/// A clock whose time of day leaps by so many days each time it is looked at.
#[derive(Debug)]
struct Leaping {
    days: i64,
    looks: AtomicI64,
    real: SystemClock,
}

impl Clock for Leaping {
    fn now(&self) -> DateTime<Utc> {
        self.real.now() + TimeDelta::days(self.days * self.looks.fetch_add(1, Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        self.real.elapsed()
    }

    fn sleep(&self, _time: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    each(
        &[1, -1, 400, -400],
        |days| days.to_string(),
        |&days| {
            let scene = Scene::new().breaks(At::Second, [Answer::error(503, "x")]);
            let clock = Leaping { days, looks: AtomicI64::new(0), real: SystemClock::default() };
            let done = scene.in_library_with(Arc::new(clock), Duration::from_secs(30));
            done.published(&Good { warnings: Vec::new(), ..Good::of(&scene).after(5) });
        },
    );
}

#[test]
fn a_last_check_in_the_future_silences_no_period() {
    let scene = Scene::new();
    let checked = r#"{"usage_details/100/2024-11":"2999-01-01T00:00:00.000Z","usage_details/100/2024-10":"2999-01-01T00:00:00.000Z"}"#;
    scene.place.write("lake/_billing_lake/last_run.json", checked.as_bytes());
    let program = crate::program::Program::sync(&scene.server.endpoint(), &scene.place.dest());
    scene.ran(finish(program.start())).published(&Good::of(&scene));
}
