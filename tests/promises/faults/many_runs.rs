//! Faults 25 and 34: runs beside each other, and readers beside runs.

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use super::bill;
use super::scene::{At, NEW, SECOND, Scene, THIRD, finish, send_signal};
use crate::program::{Ended, Program};
use crate::scripted_server::{Answer, PERIODS, USAGE};

const FOLDER: &str = "usage_details/enrollment=100/billing_period=2024-11/";

/// The periods hold these versions, nothing is left behind, and the next run has nothing to do.
#[track_caller]
fn settled(scene: &Scene) {
    let names = |rows: &[bill::Row]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!(scene.place.data().len(), 2);
    assert_eq!(scene.place.period("2024-11").texts("meter_name"), names(&scene.november));
    assert_eq!(scene.place.period("2024-10").texts("meter_name"), names(&scene.october));
    assert_eq!(scene.place.path("lake/_billing_lake/staging").read_dir().unwrap().count(), 0);
    let again = finish(scene.program().start());
    assert_eq!(again.outcomes(), ["2024-11 unchanged", "2024-10 unchanged"]);
}

#[test]
fn two_runs_at_the_same_slices_leave_one_whole_version() {
    let scene = Scene::new();
    scene.server.on(THIRD, [scene.good(At::Third).held()]);
    let runs = [scene.program().start(), scene.program().start()];
    // Both have come to the last page before either may go on.
    while scene.server.count(THIRD) < 2 {
        thread::yield_now();
    }
    scene.server.release();
    let ended: Vec<Ended> = runs.into_iter().map(finish).collect();
    for ended in &ended {
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert_eq!(ended.outcomes()[0], "2024-11 published");
    }
    let kept = scene.place.names("_billing_lake/runs/");
    assert_eq!(kept.len(), 3);
    settled(&scene);
}

#[test]
fn two_runs_at_other_slices_do_not_meet() {
    let scene = Scene::new();
    scene.server.on(PERIODS, [scene.good(At::Periods).held()]);
    let runs = ["2024-10", "2024-11"].map(|period| scene.program().with(["--periods", period]).start());
    while scene.server.count(PERIODS) < 2 {
        thread::yield_now();
    }
    scene.server.release();
    for (run, period) in runs.into_iter().zip(["2024-10", "2024-11"]) {
        let ended = finish(run);
        assert_eq!(ended.outcomes(), [format!("{period} published")], "{}", ended.err);
    }
    settled(&scene);
}

#[test]
fn a_run_that_comes_later_leaves_what_a_live_one_staged() {
    let scene = Scene::new();
    scene.server.on(THIRD, [scene.good(At::Third).held()]);
    let slow = scene.program().start();
    scene.server.wait_for(THIRD);
    let staging = scene.place.path("lake/_billing_lake/staging");
    let staged = |place: &std::path::Path| -> Vec<_> {
        place.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let before = staged(&staging);
    assert_eq!(before.len(), 1);
    let quick = finish(scene.program().with(["--periods", "2024-10", "--force"]).start());
    assert_eq!(quick.outcomes(), ["2024-10 published"], "{}", quick.err);
    assert_eq!(staged(&staging), before);
    scene.server.release();
    let ended = finish(slow);
    assert_eq!((ended.code, ended.outcomes()[0].as_str()), (0, "2024-11 published"), "{}", ended.err);
    settled(&scene);
}

#[test]
fn what_a_dead_run_staged_is_removed_by_the_next() {
    let scene = Scene::new();
    scene.server.on(THIRD, [scene.good(At::Third).stall(100)]);
    let run = scene.program().start();
    scene.server.wait_for(THIRD);
    send_signal("KILL", &run.id().to_string());
    assert_eq!(finish(run).code, 137);
    assert_eq!(scene.place.path("lake/_billing_lake/staging").read_dir().unwrap().count(), 1);
    assert_eq!(scene.place.data().len(), 2);
    scene.server.on(THIRD, [scene.good(At::Third)]);
    let ended = finish(scene.program().start());
    assert_eq!(ended.outcomes()[0], "2024-11 published", "{}", ended.err);
    settled(&scene);
}

#[test]
fn a_stale_version_that_a_slower_run_published_last_is_healed_by_the_next() {
    let scene = Scene::new();
    // The slow run reads version 7, and version 2 is published while it does.
    let stale = bill::rows("2024-11", 7);
    let first = Answer::json(bill::page(&stale[..10], Some(&scene.server.url(SECOND)))).etag("\"stale\"");
    scene.server.on(USAGE, [first.clone()]);
    scene.server.on(SECOND, [Answer::json(bill::page(&stale[10..], None)).held()]);
    let slow = scene.program().start();
    scene.server.wait_for(SECOND);
    // The quick one, the slow one's check for a torn read, and then the truth.
    scene.server.on(USAGE, [Answer::json(bill::page(&scene.november, None)).etag(NEW), first, scene.good(At::First)]);
    let quick = finish(scene.program().start());
    assert_eq!(quick.outcomes()[0], "2024-11 published", "{}", quick.err);
    scene.server.release();
    assert_eq!(finish(slow).outcomes()[0], "2024-11 published");
    assert_eq!(scene.place.period("2024-11").footer("etag").as_deref(), Some("\"stale\""));

    scene.server.on(SECOND, [scene.good(At::Second)]);
    let next = finish(scene.program().start());
    assert_eq!(next.outcomes()[0], "2024-11 published", "{}", next.err);
    settled(&scene);
}

/// The version that a reader finds in the folder, or none when it fails cleanly.
fn read(folder: &std::path::Path) -> Option<String> {
    let mut names: Vec<_> = fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|end| end == "parquet"));
    assert_eq!(names.len(), 1, "a reader sees {names:?}");
    let reader = SerializedFileReader::new(File::open(&names[0]).ok()?).unwrap();
    // As a query does: the file is opened once more for its pages.
    let pages = SerializedFileReader::new(File::open(&names[0]).ok()?).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 30);
    let schema = reader.metadata().file_metadata().schema().get_fields();
    let column = schema.iter().position(|field| field.name() == "meter_name").unwrap();
    let rows = pages.get_row_iter(None).unwrap().map(|row| row.unwrap().get_string(column).unwrap().clone());
    let versions: Vec<_> = rows.map(|name| name.split(' ').nth(1).unwrap().to_owned()).collect();
    assert!(versions.len() == 30 && versions.iter().all(|version| *version == versions[0]), "a mixture: {versions:?}");
    versions.into_iter().next()
}

#[test]
fn a_reader_beside_replacements_sees_one_version_or_fails_cleanly() {
    let scene = Scene::new();
    let folder = scene.place.path("lake").join(FOLDER);
    let ended = AtomicBool::new(false);
    let (seen, failures) = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let (mut seen, mut failures) = (Vec::<String>::new(), 0);
            while !ended.load(Ordering::SeqCst) {
                match read(&folder) {
                    Some(version) if seen.last() == Some(&version) => {}
                    Some(version) => seen.push(version),
                    None => failures += 1,
                }
            }
            (seen, failures)
        });
        for version in 3..7 {
            let answer = Answer::json(bill::page(&bill::rows("2024-11", version), None));
            scene.server.on(USAGE, [answer.etag(&format!("\"{version}\""))]);
            let program: Program = scene.program().with(["--periods", "2024-11"]);
            assert_eq!(finish(program.start()).code, 0);
        }
        ended.store(true, Ordering::SeqCst);
        reading.join().unwrap()
    });
    // In their order, and each was there for at least a second.
    assert_eq!(seen, ["v1", "v3", "v4", "v5", "v6"], "and {failures} clean failures");
}
