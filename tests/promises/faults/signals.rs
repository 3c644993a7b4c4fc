//! Fault 22, the part that a process does by itself: SIGINT and SIGTERM, once and twice, at several moments of a run.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;

use serde_json::Value;

use super::bill;
use super::expected::Good;
use super::scene::{At, Scene, each, finish, send_signal};
use super::verdict::{lines_for_people, silent_about_the_key};
use crate::scripted_server::Answer;

/// Moments of a run: where the API keeps it waiting, and how.
const MOMENTS: [(&str, At); 6] = [
    ("while listing", At::Periods),
    ("while checking", At::First),
    ("while waiting out what the API asked for", At::Second),
    ("in the middle of a body", At::Second),
    ("in the middle of the last body", At::Third),
    ("while it waits for the head of a page", At::Third),
];

const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

/// A run that has come to its moment, and what it said until then.
fn stopped_at(moment: &str, at: At) -> (Scene, Child, String) {
    let scene = Scene::new();
    let answer = match moment {
        "while waiting out what the API asked for" => Answer::error(429, "slow down").header("Retry-After", "600"),
        "in the middle of a body" | "in the middle of the last body" => scene.good(at).stall(400),
        _ => scene.good(at).unconditional().stall_head(0),
    };
    let scene = scene.always(at, answer);
    let mut run = scene.program().start();
    scene.server.wait_for(at.target());
    let mut said = String::new();
    if moment.starts_with("while waiting") {
        let mut lines = BufReader::new(run.stderr.take().unwrap());
        while !said.contains("waiting") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        // Kept open: a run whose standard error is gone is another fault.
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
    }
    (scene, run, said)
}

/// The periods hold one whole version each, and nothing else is where readers look.
#[track_caller]
fn is_whole(scene: &Scene) {
    assert_eq!(scene.place.data().len(), 2);
    for (period, days) in [("2024-11", 30), ("2024-10", 31)] {
        let versions =
            [1, 2].map(|version| bill::rows(period, version).into_iter().map(|row| row.name).collect::<Vec<_>>());
        let names = scene.place.period(period).texts("meter_name");
        assert!(versions.contains(&names) && names.len() == days, "{period}: {names:?}");
    }
}

/// The next run replaces what is left, and removes what the interrupted one left.
#[track_caller]
fn goes_on(scene: Scene, runs_before: usize) {
    for at in At::ALL {
        scene.server.on(at.target(), [scene.good(at)]);
    }
    scene.server.forget();
    let ended = finish(scene.program().start());
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.outcomes()[0] == "2024-11 published", "{:?}", ended.outcomes());
    let names: Vec<_> = scene.november.iter().map(|row| row.name.clone()).collect();
    assert_eq!(scene.place.period("2024-11").texts("meter_name"), names);
    assert_eq!(scene.place.period("2024-10").texts("meter_name")[0], scene.october[0].name);
    assert_eq!(scene.place.names("_billing_lake/runs/").len(), runs_before + 1);
    assert_eq!(scene.place.path("lake/_billing_lake/staging").read_dir().unwrap().count(), 0);
}

#[test]
fn a_signal_ends_the_run_with_a_report_and_without_anything_half_written() {
    let cases: Vec<_> = MOMENTS.iter().flat_map(|moment| SIGNALS.map(|signal| (moment, signal))).collect();
    each(
        &cases,
        |((moment, _), (signal, _))| format!("{signal} {moment}"),
        |((moment, at), (signal, code))| {
            let (scene, run, said) = stopped_at(moment, *at);
            send_signal(signal, &run.id().to_string());
            let ended = finish(run);
            assert_eq!(ended.code, *code, "{}\n{}", ended.out, ended.err);
            let err = said + &ended.err;
            lines_for_people(&err);
            silent_about_the_key(&scene, &[&ended.out, &err]);

            let report: Value = ended.report();
            let id = report["run_id"].as_str().unwrap();
            let kept = scene.place.everything().remove(&format!("_billing_lake/runs/{id}.json")).unwrap();
            assert_eq!(Some(kept.as_slice()), ended.out.as_bytes().strip_suffix(b"\n"));
            assert_eq!(report["error"]["kind"], "interrupted");
            assert_eq!(report["error"]["retryable"], true);
            if *at != At::Periods {
                let slices = report["slices"].as_array().unwrap();
                assert_eq!(slices[0]["outcome"], "failed", "{report}");
                assert_eq!(slices[0]["error"]["kind"], "interrupted", "{report}");
                for slice in slices {
                    // What the report says of a period is what lies there.
                    let period = slice["billing_period"].as_str().unwrap();
                    let first = scene.place.period(period).texts("meter_name").remove(0);
                    let version = if slice["outcome"] == "published" { "v2" } else { "v1" };
                    assert!(first.contains(version), "{period}: {first}, {report}");
                }
            }
            is_whole(&scene);
            assert_eq!(scene.place.path("lake/_billing_lake/staging").read_dir().unwrap().count(), 0);
            goes_on(scene, 2);
        },
    );
}

#[test]
fn a_second_signal_ends_it_at_once_and_nothing_half_written_is_seen() {
    let cases: Vec<_> = MOMENTS.iter().flat_map(|moment| SIGNALS.map(|signal| (moment, signal))).collect();
    each(
        &cases,
        |((moment, _), (signal, _))| format!("{signal} {moment}"),
        |((moment, at), (signal, code))| {
            let (scene, run, _) = stopped_at(moment, *at);
            let id = run.id().to_string();
            send_signal(signal, &id);
            send_signal(signal, &id);
            let ended = finish(run);
            assert_eq!(ended.code, *code, "{}\n{}", ended.out, ended.err);
            lines_for_people(
                &ended.err.lines().filter(|line| !line.starts_with("interrupted")).collect::<Vec<_>>().join("\n"),
            );
            silent_about_the_key(&scene, &[&ended.out, &ended.err]);
            is_whole(&scene);
            let runs = scene.place.names("_billing_lake/runs/").len();
            goes_on(scene, runs);
        },
    );
}

#[test]
fn a_signal_during_the_last_acts_leaves_both_periods_whole() {
    // The run waits a second before it drops what it replaced; the report must say what was published.
    each(
        &SIGNALS,
        |(signal, _)| (*signal).to_owned(),
        |(signal, _)| {
            let scene = Scene::new();
            let mut run = scene.program().start();
            let mut said = String::new();
            let mut lines = BufReader::new(run.stderr.take().unwrap());
            while said.matches(": published").count() < 2 {
                assert!(lines.read_line(&mut said).unwrap() > 0, "it ended: {said}");
            }
            send_signal(signal, &run.id().to_string());
            std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
            let ended = finish(run);
            assert!([0, 130, 143].contains(&ended.code), "{}", ended.code);
            assert_eq!(ended.outcomes(), ["2024-11 published", "2024-10 published"]);
            for (period, rows) in [("2024-11", &scene.november), ("2024-10", &scene.october)] {
                assert_eq!(
                    scene.place.period(period).texts("meter_name"),
                    rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>()
                );
            }
            let good = Good::of(&scene);
            assert_eq!(scene.place.period("2024-11").footer("etag").as_deref(), good.etag);
            let again = finish(scene.program().start());
            assert_eq!(again.outcomes(), ["2024-11 unchanged", "2024-10 unchanged"]);
            assert_eq!(scene.place.path("lake/_billing_lake/staging").read_dir().unwrap().count(), 0);
        },
    );
}
