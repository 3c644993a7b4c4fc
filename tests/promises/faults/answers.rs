//! Fault 4: a 200 that brings something else than JSON.

use super::expected::{Failure, Good};
use super::scene::{At, Scene, each};
use crate::scripted_server::Answer;

const HTML: &str = "<!DOCTYPE html><html><title>Sign in</title></html>";

/// What comes, with what is told of it.
fn answers() -> Vec<(&'static str, Answer, &'static str)> {
    vec![
        ("HTML by its label", Answer::html(HTML), "text/html instead of JSON: Sign in"),
        ("HTML that says JSON", Answer::json(HTML), "HTML"),
        ("HTML after spaces", Answer::json(format!("\r\n  {HTML}")), "HTML"),
        ("HTML in gzip", Answer::json(HTML).packed(), "HTML"),
        ("HTML without a label", Answer::of(200, "", HTML), "HTML"),
        ("an empty HTML", Answer::html(""), "text/html instead of JSON"),
        ("XML", Answer::of(200, "application/xml", "<?xml version=\"1.0\"?><a/>"), "application/xml instead of JSON"),
        ("CSV", Answer::of(200, "text/csv", "UsageDetail Report\r\n\r\nCost\r\n"), "text/csv instead of JSON"),
        ("nothing", Answer::json(""), "empty"),
        ("nothing without a length", Answer::json("").without_length(), "empty"),
        ("nothing in chunks", Answer::json("").without_length().header("x-a", "b"), "empty"),
        ("gzip of nothing", Answer::json("").packed(), "empty"),
        ("only white space", Answer::json(" \r\n\t "), ""),
        ("only a byte order mark", Answer::json("\u{feff}"), ""),
        ("202", Answer::of(202, "application/json", "{}"), "answered 202"),
        ("204", Answer::of(204, "", ""), "answered 204"),
    ]
}

#[test]
fn an_answer_that_is_no_json_is_asked_for_again() {
    let cases: Vec<_> = answers().into_iter().flat_map(|case| At::ALL.map(|at| (at, case.clone()))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (_, answer, told))| {
            let scene = Scene::new().breaks(*at, [answer.clone()]);
            let done = scene.in_library();
            assert!(done.waits[0].why.contains(told), "{:?}", done.waits);
            let good = Good::of(&scene);
            done.published(&if *at == At::Periods { good } else { good.after(5) });
        },
    );
}

#[test]
fn an_answer_that_is_never_json_ends_with_4_and_names_what_came() {
    let places = [At::Periods, At::First, At::Second];
    let cases: Vec<_> = answers().into_iter().flat_map(|case| places.map(|at| (at, case.clone()))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (_, answer, told))| {
            let scene = Scene::new().always(*at, answer.clone());
            let words = [told, "(given up after 8 attempts)"];
            scene.in_library().failed(*at, &Failure::unavailable(&words, "run again later").after(8));
        },
    );
    let scene = Scene::new().always(At::First, Answer::html(HTML)).with(["--max-wait", "1s"]);
    let words = ["answered text/html instead of JSON: Sign in"];
    scene.run().failed(At::First, &Failure::unavailable(&words, "run again later").after_waits());
}

#[test]
fn json_under_another_label_is_taken() {
    let labels = ["", "text/plain", "application/octet-stream", "text/json", "odd", "Application/JSON;charset=UTF-8"];
    each(
        &labels,
        |label| (*label).to_owned(),
        |label| {
            let scene = Scene::new();
            for at in [At::Periods, At::Second] {
                scene.server.on(at.target(), [Answer::of(200, label, scene.text(at))]);
            }
            scene.run().published(&Good::of(&scene));
        },
    );
}
