//! Fault 28: bills that are whole, and look wrong.

use serde_json::Value;

use super::bill::{self, Row};
use super::expected::{Failure, Good};
use super::scene::{At, Scene, each};
use crate::program::Program;

/// Bills that look wrong, with the words of the warning.
fn bills() -> Vec<(&'static str, Vec<Row>, &'static str)> {
    let free = |row: Row| {
        let text = row.text.replacen(&format!("\"cost\":{}", cost_text(&row)), "\"cost\":0", 1);
        assert_ne!(text, row.text);
        Row { text, cost: 0, ..row }
    };
    let rows = || bill::rows("2024-11", 2);
    let without = |days: std::ops::RangeInclusive<usize>| {
        rows().into_iter().enumerate().filter(|(at, _)| !days.contains(&(at + 1))).map(|(_, row)| row).collect()
    };
    vec![
        ("all costs zero", rows().into_iter().map(free).collect(), "no row has a cost other than zero, of 30"),
        ("a day missing", without(14..=14), "no rows for 2024-11-14"),
        ("some days missing", without(3..=5), "no rows for 2024-11-03 to 2024-11-05"),
        ("the last day missing", without(30..=30), "no rows for 2024-11-30"),
        (
            "fewer than half of the rows",
            rows()[..14].to_vec(),
            "rows fell by more than half: 14 now, 30 in the file in place",
        ),
    ]
}

fn cost_text(row: &Row) -> String {
    let millionths = row.cost / 1_000_000_000_000;
    format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}

#[test]
fn a_bill_that_looks_wrong_is_published_with_a_warning_in_report_and_status() {
    each(
        &bills(),
        |(name, ..)| (*name).to_owned(),
        |(_, rows, told)| {
            let scene = Scene::new().one_page(rows.clone());
            let done = scene.run();
            // Fewer than half of the rows are also the rows of fewer days.
            let warnings: Vec<_> =
                done.november()["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert!(warnings.iter().any(|warning| warning.contains(told)), "{warnings:?}");
            done.published(&Good { warnings: warnings.clone(), ..Good::of_one_page(&scene) });
            let dest = scene.place.dest();
            let status = Program::new(["status", "--dest", &dest]).ends_with(0).out;
            assert!(status.contains(told), "{status}");
            let status = Program::new(["status", "--dest", &dest, "--format", "json"]).ends_with(0).report();
            assert!(status.to_string().contains(told), "{status}");
        },
    );
}

#[test]
fn a_bill_that_looks_wrong_ends_with_5_when_strict() {
    each(
        &bills(),
        |(name, ..)| (*name).to_owned(),
        |(_, rows, told)| {
            let scene = Scene::new().one_page(rows.clone()).with(["--strict"]);
            let told = [*told];
            let failure = Failure { hint: "without --strict", ..Failure::data(&told) };
            scene.run().failed(At::First, &failure);
        },
    );
}

#[test]
fn a_bill_that_looks_right_has_no_warning_when_strict() {
    let scene = Scene::new().with(["--strict"]);
    scene.run().published(&Good::of(&scene));
    // Half of the rows are not yet fewer than half, and credits are costs.
    let mut rows = bill::rows("2024-11", 2);
    let credit = |row: &mut Row| {
        row.text = row.text.replacen("\"cost\":", "\"cost\":-", 1);
        row.cost = -row.cost;
    };
    rows.iter_mut().for_each(credit);
    let scene = Scene::new().one_page(rows).with(["--strict"]);
    scene.run().published(&Good::of_one_page(&scene));
}

#[test]
fn a_bill_that_looks_wrong_is_warned_about_in_the_log() {
    each(
        &bills(),
        |(name, ..)| (*name).to_owned(),
        |(_, rows, told)| {
            let scene = Scene::new().one_page(rows.clone());
            let done = scene.run();
            let err = &done.said.as_ref().unwrap().1;
            let log = err.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("not in the log: {err}"));
            assert!(log.contains("WARN") && log.contains("2024-11"), "{log}");
        },
    );
}
