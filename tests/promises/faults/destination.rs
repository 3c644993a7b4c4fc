//! Faults 23 and 26: places that cannot be written, vanish or are full, and files that are not what they should be.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::Command;

use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use super::expected::{Failure, Good};
use super::scene::{At, Done, SECOND, Scene, each, finish};
use super::verdict::{lines_for_people, silent_about_the_key};
use crate::program::{Ended, Program};
use crate::scripted_server::USAGE;

const NOVEMBER: &str = "usage_details/enrollment=100/billing_period=2024-11";

/// Exit 6 with a report whose errors are all of that kind, each told in one line with a hint.
#[track_caller]
fn ends_with_6(scene: &Scene, ended: &Ended) {
    assert_eq!(ended.code, 6, "{}\n{}", ended.out, ended.err);
    let report = ended.report();
    let of_slices = report["slices"].as_array().unwrap().iter().map(|slice| &slice["error"]);
    let errors: Vec<_> = of_slices.chain([&report["error"]]).filter(|error| !error.is_null()).collect();
    assert!(!errors.is_empty());
    for error in errors {
        assert_eq!((&error["kind"], &error["retryable"]), (&"destination".into(), &false.into()), "{report}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{report}");
    }
    assert!(ended.err.contains("error: "), "{}", ended.err);
    lines_for_people(&ended.err);
    silent_about_the_key(scene, &[&ended.out, &ended.err]);
}

/// Each period holds one of the two versions, whole.
#[track_caller]
fn is_whole(scene: &Scene) {
    for (period, rows) in [("2024-11", &scene.november), ("2024-10", &scene.october)] {
        let names = scene.place.period(period).texts("meter_name");
        let old = super::bill::rows(period, 1);
        let version = if names[0].contains(" v1 ") { &old } else { rows };
        assert_eq!(names, version.iter().map(|row| row.name.clone()).collect::<Vec<_>>());
    }
}

/// What a run does when nothing stands in its way any more.
#[track_caller]
fn heals(scene: &Scene) {
    let ended = finish(scene.program().start());
    assert_eq!(ended.code, 0, "{}", ended.err);
    for (period, rows) in [("2024-11", &scene.november), ("2024-10", &scene.october)] {
        let names = scene.place.period(period).texts("meter_name");
        assert_eq!(names, rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>());
    }
    assert_eq!(scene.place.path("lake/_billing_lake/staging").read_dir().unwrap().count(), 0);
}

#[test]
fn a_file_in_the_place_of_a_folder_ends_with_6() {
    // What is a file, and what is asked for first: nothing, when it is noticed before the work.
    let places = [
        "",
        "_billing_lake",
        "_billing_lake/staging",
        "_billing_lake/locks",
        "_billing_lake/runs",
        "usage_details",
        "usage_details/enrollment=100",
        NOVEMBER,
    ];
    each(
        &places,
        |place| (*place).to_owned(),
        |place| {
            let scene = Scene::new();
            let path = scene.place.path("lake").join(place);
            let path = if place.is_empty() { scene.place.path("lake") } else { path };
            let aside = scene.place.path("aside");
            fs::rename(&path, &aside).unwrap_or_default();
            fs::write(&path, b"mine").unwrap();
            let ended = finish(scene.program().start());
            ends_with_6(&scene, &ended);
            assert!(ended.err.contains(" hint: "), "{}", ended.err);
            assert_eq!(fs::read(&path).unwrap(), b"mine");

            fs::remove_file(&path).unwrap();
            if aside.exists() {
                fs::rename(&aside, &path).unwrap();
            }
            is_whole(&scene);
            heals(&scene);
        },
    );
}

#[test]
fn a_folder_in_the_place_of_a_file_ends_with_6() {
    let places = [
        "_billing_lake/lake.json",
        "_billing_lake/last_run.json",
        "_billing_lake/locks/usage_details.100.2024-11.lock",
    ];
    each(
        &places,
        |place| (*place).to_owned(),
        |place| {
            let scene = Scene::new();
            let path = scene.place.path("lake").join(place);
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            let ended = finish(scene.program().start());
            ends_with_6(&scene, &ended);
            is_whole(&scene);
            fs::remove_dir(&path).unwrap();
            heals(&scene);
        },
    );
}

#[test]
fn a_file_where_rejected_rows_go_ends_with_6() {
    let mut rows = super::bill::rows("2024-11", 2);
    rows[0].text = "1".to_owned();
    let scene = Scene::new().one_page(rows);
    scene.place.write("lake/_billing_lake/rejected", b"mine");
    let ended = finish(scene.program().start());
    assert_eq!(ended.outcomes(), ["2024-11 failed", "2024-10 published"], "{}", ended.err);
    ends_with_6(&scene, &ended);
    is_whole(&scene);
}

/// A run that has staged two pages and waits for the rest while this is done to its lake.
#[track_caller]
fn in_the_middle(done: impl Fn(&Scene)) -> (Scene, Ended) {
    let scene = Scene::new();
    scene.server.on(SECOND, [scene.good(At::Second).held()]);
    let run = scene.program().with(["--periods", "2024-11"]).start();
    scene.server.wait_for(SECOND);
    done(&scene);
    scene.server.release();
    let ended = finish(run);
    (scene, ended)
}

#[test]
fn a_destination_that_vanishes_in_the_middle_ends_with_6() {
    let (scene, ended) = in_the_middle(|scene| fs::remove_dir_all(scene.place.path("lake")).unwrap());
    ends_with_6(&scene, &ended);
    // Nothing that a reader could take for a period was made of it.
    assert_eq!(scene.place.data(), BTreeMap::new());
    heals(&scene);
}

#[test]
fn a_staging_folder_that_vanishes_in_the_middle_ends_with_6_and_the_old_file_stays() {
    let (scene, ended) =
        in_the_middle(|scene| fs::remove_dir_all(scene.place.path("lake/_billing_lake/staging")).unwrap());
    ends_with_6(&scene, &ended);
    is_whole(&scene);
    heals(&scene);
}

#[test]
fn a_period_that_vanishes_in_the_middle_is_published_anew() {
    let (scene, ended) = in_the_middle(|scene| fs::remove_dir_all(scene.place.path("lake").join(NOVEMBER)).unwrap());
    assert_eq!((ended.code, ended.outcomes()), (0, vec!["2024-11 published".to_owned()]), "{}", ended.err);
    is_whole(&scene);
}

#[test]
fn a_file_that_cannot_grow_ends_with_6_and_the_old_one_stays() {
    // Blocks of 512 bytes: a file over the limit fails as one on a full disk does. The more, the later.
    let limits: Vec<_> = (1..=40).step_by(2).collect();
    each(
        &limits,
        |limit| format!("{limit} blocks"),
        |limit| {
            let scene = Scene::new();
            let before = format!("trap '' XFSZ; ulimit -f {limit}");
            let ended = finish(scene.program().under(&before).start());
            if ended.code == 0 {
                assert!(*limit > 8, "nothing was limited");
            } else {
                ends_with_6(&scene, &ended);
            }
            is_whole(&scene);
            assert_eq!(scene.place.data().len(), 2);
            heals(&scene);
        },
    );
}

/// A file system in memory; it goes when this is dropped.
struct Small<'a>(&'a str);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_ends_with_6_and_the_old_file_stays() {
    let used: usize = Scene::new().before.values().map(|bytes| bytes.len().div_ceil(4096) * 4).sum();
    // From none of the run's files to all of them, in KiB.
    each(
        &[0, 8, 16, 24, 32, 48, 64, 96],
        |spare| format!("{spare} KiB"),
        |spare| {
            let scene = Scene::new();
            let dest = scene.place.dest();
            fs::remove_dir_all(&dest).unwrap();
            fs::create_dir(&dest).unwrap();
            let size = format!("size={}k", used + 8 + spare);
            let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs", &dest]).output();
            if !mounted.is_ok_and(|mounted| mounted.status.success()) {
                eprintln!("skipped: a small file system cannot be mounted here");
                return;
            }
            let small = Small(&dest);
            for (name, bytes) in &scene.before {
                scene.place.write(&format!("lake/{name}"), bytes);
            }
            let ended = finish(scene.program().start());
            if ended.code == 0 {
                assert!(*spare > 8, "nothing was limited");
            } else {
                ends_with_6(&scene, &ended);
            }
            is_whole(&scene);
            let more = Command::new("mount").args(["-o", "remount,size=4m", &dest]).status().unwrap();
            assert!(more.success());
            heals(&scene);
            drop(small);
        },
    );
}

#[test]
fn standard_output_that_is_full_ends_with_6_and_standard_error_does_not_matter() {
    let scene = Scene::new();
    let ended = finish(scene.program().under("exec >/dev/full").start());
    assert_eq!(ended.code, 6, "{}", ended.err);
    ended.says(&["error: standard output cannot be written"]);
    // The work is done, and its report is kept.
    is_whole(&scene);
    assert_eq!(scene.place.names("_billing_lake/runs/").len(), 2);

    let scene = Scene::new();
    let ended = finish(scene.program().under("exec 2>/dev/full").start());
    assert_eq!((ended.code, ended.outcomes()[0].as_str()), (0, "2024-11 published"));
    is_whole(&scene);
}

/// What is done to the file in place, and what is told of it.
type Damage = (&'static str, fn(&[u8]) -> Vec<u8>, &'static str);

const DAMAGE: [Damage; 8] = [
    ("its last byte is gone", |bytes| bytes[..bytes.len() - 1].to_vec(), "cut off"),
    ("half of it is gone", |bytes| bytes[..bytes.len() / 2].to_vec(), "cut off"),
    ("its beginning is left", |bytes| bytes[..6].to_vec(), "cut off"),
    ("it is empty", |_| Vec::new(), "not a Parquet file"),
    ("it is a text", |_| b"once upon a time there was a bill".to_vec(), "not a Parquet file"),
    ("its footer is broken", |bytes| broken_footer(bytes), ""),
    ("it is of another contract", |bytes| with_pair(bytes, "billing_lake.contract", "other"), ""),
    ("it is of another request", |bytes| with_pair(bytes, "billing_lake.request", "/v2/other"), ""),
];

fn broken_footer(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let end = bytes.len();
    bytes[end - 300..end - 100].fill(0xff);
    bytes
}

/// A file without rows, with the footer of this one but for one value.
fn with_pair(bytes: &[u8], key: &str, value: &str) -> Vec<u8> {
    let reader = SerializedFileReader::new(bytes::Bytes::copy_from_slice(bytes)).unwrap();
    let metadata = reader.metadata().file_metadata();
    let mut pairs = metadata.key_value_metadata().cloned().unwrap();
    pairs.retain(|pair| pair.key != key);
    pairs.push(KeyValue::new(key.to_owned(), value.to_owned()));
    let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs)).build();
    let schema = metadata.schema_descr().root_schema_ptr();
    let mut out = Vec::new();
    SerializedFileWriter::new(&mut out, schema, properties.into()).unwrap().close().unwrap();
    out
}

/// Does this to the file of 2024-11.
fn damaged(damage: fn(&[u8]) -> Vec<u8>) -> Scene {
    let mut scene = Scene::new();
    let path = scene.place.period("2024-11").path;
    fs::write(&path, damage(&fs::read(&path).unwrap())).unwrap();
    scene.before = scene.place.everything();
    scene
}

#[test]
fn a_file_that_is_damaged_is_told_and_fetched_again_without_a_condition() {
    each(
        &DAMAGE,
        |(name, ..)| (*name).to_owned(),
        |(_, damage, told)| {
            let scene = damaged(*damage);
            let status = Program::new(["status", "--dest", &scene.place.dest()]).ends_with(0).out;
            assert!(status.contains(told), "{status}");
            scene.run().published(&Good::of(&scene));
            let asked = scene.server.asked();
            let first = asked.iter().find(|asked| asked.target == USAGE).unwrap();
            assert!(!first.headers.contains_key("if-none-match"));
        },
    );
}

#[test]
fn a_file_of_a_newer_version_is_refused_unless_forced() {
    let newer: fn(&[u8]) -> Vec<u8> = |bytes| with_pair(bytes, "billing_lake.format", "999");
    let scene = damaged(newer);
    let done: Done<'_> = scene.run();
    let told = ["newer version of billing-lake (format 999"];
    done.failed(At::First, &Failure::usage(&told, "--force").requests(0));
    let scene = damaged(newer).with(["--force"]);
    scene.run().published(&Good::of(&scene));
}

#[test]
fn two_files_in_one_period_are_replaced_by_one() {
    let scene = Scene::new();
    let path = scene.place.period("2024-11").path;
    File::create(path.with_file_name("part-0.parquet")).unwrap();
    fs::copy(&path, path.with_file_name("part-1.parquet")).unwrap();
    scene.run().published(&Good::of(&scene));
}
