//! Fault 27: names that would lead out of the lake or the API, on the command line and from the API.

use super::expected::{Failure, Good};
use super::scene::{At, Scene, each, finish};
use crate::program::{KEY, Program};
use crate::scripted_server::Answer;

const NAMES: [&str; 20] = [
    "../100",
    "..",
    ".",
    "100/../200",
    "100%2e%2e",
    "%2e%2e%2f200",
    "100/",
    "/100",
    "1 00",
    " 100",
    "100 ",
    "1\"00",
    "1'00",
    "100;x",
    "100?x=1",
    "100#x",
    "1\\00",
    "1\n00",
    "１００",
    "100\u{202e}",
];

#[test]
fn an_enrollment_that_is_none_is_refused_before_anything_is_asked() {
    let long = "1".repeat(65);
    // As long as the system lets an argument be.
    let huge = "1".repeat(120 << 10);
    let mut names = NAMES.to_vec();
    names.extend([long.as_str(), huge.as_str()]);
    each(
        &names,
        |name| name.chars().take(70).collect(),
        |name| {
            let scene = Scene::new();
            // Of one that is too long to be shown only the beginning is.
            let told = if name.len() < 100 { "is no enrollment number" } else { "error: " };
            for command in ["sync", "plan", "periods"] {
                let mut program = Program::new([command, "--endpoint", &scene.server.endpoint(), "--enrollment", name]);
                program = program.set("BILLING_LAKE_API_KEY", KEY);
                if command != "periods" {
                    program = program.with(["--dest", &scene.place.dest()]);
                }
                is_refused(&scene, program, told);
            }
            let file = scene.place.write("rows.ndjson", b"");
            let dest = scene.place.dest();
            is_refused(&scene, Program::new(["convert", &file, "--enrollment", name, "--dest", &dest]), told);
        },
    );
}

/// Exit 2, and neither the API nor the lake saw anything of it.
#[track_caller]
fn is_refused(scene: &Scene, program: Program, told: &str) {
    let ended = finish(program.start());
    assert_eq!(ended.code, 2, "{}\n{}", ended.out, ended.err);
    assert!(ended.err.contains(told), "{told:?} is not told: {}…", ended.err.chars().take(300).collect::<String>());
    assert!(!ended.err.contains(|c: char| c.is_control() && c != '\n'), "{:?}", ended.err);
    assert!(ended.err.len() < 4 << 10, "{} bytes are told", ended.err.len());
    assert!(scene.server.asked().is_empty());
    assert!(scene.place.everything() == scene.before);
}

#[test]
fn a_period_that_is_none_is_refused_before_anything_is_asked() {
    let huge = "2024-01,".repeat(10 << 10) + "x";
    let mut names = vec![
        "../2024-01",
        "2024-13",
        "2024-00",
        "201713",
        "999999",
        "000000",
        "2014-04",
        "201404",
        "0001-01",
        "10000-01",
        "2024",
        "2024-1",
        "24-01",
        "2024-01-01",
        "2024%2d01",
        "2024-01/..",
        "２０２４-01",
        "2024\u{2212}01",
        "",
        "2024-06..2024-01",
        "2024-01..",
        "..2024-01",
        "2024-01..2024-02..2024-03",
        "2024-01,,2024-02",
        "2024-0\n1",
        "99999999999999999999",
    ];
    names.push(&huge);
    each(
        &names,
        |name| name.chars().take(70).collect(),
        |name| {
            let scene = Scene::new();
            // An empty one is refused by the command line itself.
            is_refused(
                &scene,
                scene.program().with(["--periods", name]),
                if name.is_empty() { "--periods" } else { "" },
            );
        },
    );
}

#[test]
fn a_period_from_the_api_that_is_none_ends_with_5_and_nothing_of_the_list_is_used() {
    let ids = [
        "\"201713\"",
        "\"999999\"",
        "999999",
        "\"201404\"",
        "\"../201704\"",
        "\"2017%2f04\"",
        "\"2017 04\"",
        "\"\"",
        "null",
        "{}",
        "[]",
        "true",
        "201704.5",
        "-201704",
        "\"000101\"",
        "\"2017-4\"",
        "1e9",
        "\"\\u0000\"",
        "\"201\\u001b[2J\"",
    ];
    let huge = format!("\"{}\"", "2".repeat(1 << 20));
    let mut ids = ids.to_vec();
    ids.push(&huge);
    each(
        &ids,
        |id| id.chars().take(70).collect(),
        |id| {
            let listed = format!(
                r#"[{{"billingPeriodId":"202411","usageDetails":"/v1/x"}},{{"billingPeriodId":{id},"usageDetails":"/v1/x"}},
                    {{"billingPeriodId":"202410","usageDetails":"/v1/x"}}]"#
            );
            let scene = Scene::new().always(At::Periods, Answer::json(listed));
            let done = scene.run();
            done.failed(At::Periods, &Failure::data(&["billing period"]).after(2));
            assert!(done.report["error"]["message"].as_str().unwrap().len() < 600);
            assert_eq!(scene.server.asked().len(), 2);
        },
    );
}

#[test]
fn a_link_in_the_list_of_periods_is_never_followed() {
    let links = ["https://evil.example/x", "../../x", "/v1/enrollments/200/x", "\\\\evil\\x"];
    each(
        &links,
        |link| (*link).to_owned(),
        |link| {
            let link = serde_json::json!(link);
            let listed = ["202410", "202411", "202411"]
                .map(|period| format!(r#"{{"billingPeriodId":{period},"usageDetails":{link}}}"#))
                .join(",");
            let scene = Scene::new().always(At::Periods, Answer::json(format!("[{listed}]")));
            scene.run().published(&Good::of(&scene));
        },
    );
}

#[test]
#[ignore = "marks that turn the direction of writing are told as they are"]
fn a_name_that_is_refused_cannot_turn_the_direction_of_a_line() {
    let scene = Scene::new();
    let ended = finish(scene.program().with(["--enrollment", "100\u{202e}"]).start());
    assert_eq!(ended.code, 2);
    assert!(!ended.err.contains('\u{202e}'), "{:?}", ended.err);
}
