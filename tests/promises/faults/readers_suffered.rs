//! Fault 35: what readers of this API suffered, each played once.

use serde_json::json;

use super::bill::{self, Row};
use super::expected::{Failure, Good};
use super::scene::{At, NEW, OCTOBER, SECOND, Scene, finish};
use crate::program::Program;
use crate::scripted_server::{Answer, USAGE};

#[test]
fn not_only_the_first_page_is_taken() {
    let scene = Scene::new();
    let row = |number: i128| Row::new(&format!("m{number}"), &format!("2024-11-{:02}", number % 30 + 1), number + 1, 1);
    let rows: Vec<_> = (0..150_000).map(row).collect();
    let target = |number: usize| format!("{USAGE}?token=t{number}");
    for number in 0..150 {
        let next = (number < 149).then(|| scene.server.url(&target(number + 1)));
        let answer = Answer::json(bill::page(&rows[number * 1_000..][..1_000], next.as_deref()));
        match number {
            0 => scene.server.on(USAGE, [answer.etag(NEW)]),
            _ => scene.server.on(&target(number), [answer]),
        }
    }
    scene.run().published(&Good { rows: &rows, pages: 150, requests: Some(151), ..Good::of(&scene) });
}

#[test]
fn a_500_for_days_on_one_period_leaves_the_others_alone() {
    let scene = Scene::new().always(At::First, Answer::error(500, "DB didn't return complete data for MeterInfo"));
    let told = ["answered 500: DB didn't return complete data for MeterInfo", "(given up after 8 attempts)"];
    scene.in_library().failed(At::First, &Failure::unavailable(&told, "run again later").after(8));
}

#[test]
fn a_401_on_one_dataset_leaves_the_other_alone() {
    let words = "Report type and report view are not compatible. Report Type: Usage, Report View: AccountOwner";
    let scene = Scene::new().with(["--datasets", "billing_periods,usage_details"]);
    for target in [USAGE, OCTOBER] {
        scene.server.on(target, [Answer::error(401, words)]);
    }
    let ended = finish(scene.program().start());
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(ended.outcomes(), ["- published", "2024-11 failed", "2024-10 failed"]);
    assert_eq!((scene.server.count(USAGE), scene.server.count(OCTOBER)), (1, 1));
    for slice in &ended.report()["slices"].as_array().unwrap()[1..] {
        assert_eq!((&slice["error"]["kind"], &slice["error"]["retryable"]), (&"key".into(), &false.into()));
        assert!(slice["error"]["message"].as_str().unwrap().contains(words));
    }
    assert_eq!(
        scene.place.names("usage_details/"),
        scene.before.keys().filter(|name| name.starts_with("usage")).cloned().collect::<Vec<_>>()
    );
}

#[test]
fn a_key_that_expires_in_the_middle_leaves_the_old_file() {
    let scene = Scene::new().always(At::Third, Answer::error(401, "The key has expired."));
    scene.run().failed(At::Third, &Failure::key(&["answered 401: The key has expired."]));
}

#[test]
fn a_429_without_a_wait_waits_two_minutes() {
    let mut scene = Scene::new().breaks(At::First, [Answer::error(429, "Too many requests.")]);
    scene.throttled = true;
    let done = scene.in_library();
    done.published(&Good::of(&scene).after(5));
    assert!(done.november()["waited_seconds"].as_f64().unwrap() >= 120.0);
}

#[test]
fn time_outs_on_a_large_month_are_asked_again_page_by_page() {
    let scene = Scene::new().breaks(At::First, [Answer::error(504, "x"), Answer::error(408, "x")]);
    scene.server.on(SECOND, [Answer::error(504, "x"), Answer::reset(), scene.good(At::Second)]);
    let done = scene.in_library();
    done.published(&Good::of(&scene).after(8));
}

#[test]
fn past_days_that_change_later_replace_the_period_and_a_rerun_does_not_add() {
    let scene = Scene::new();
    let mut rows = bill::rows("2024-11", 1);
    rows[2] = Row::new("corrected", "2024-11-03T00:00:00", 1, 1);
    rows.push(Row::new("late", "2024-11-03T00:00:00", 2, 2));
    let scene = scene.one_page(rows);
    scene.run().published(&Good::of_one_page(&scene));
    for arguments in [vec![], vec!["--force"]] {
        finish(scene.program().with(arguments).start());
        assert_eq!(scene.place.period("2024-11").rows(), 31);
    }
}

#[test]
fn rows_that_look_alike_are_all_kept() {
    let mut rows = bill::rows("2024-11", 2);
    let twins: Vec<_> = std::iter::repeat_n(rows[5].clone(), 7).collect();
    rows.extend(twins);
    let scene = Scene::new().one_page(rows);
    scene.run().published(&Good::of_one_page(&scene));
}

#[test]
fn quoted_commas_and_line_breaks_in_tags_stay() {
    let tags = "{\r\n  \"a, b\": \"c \\\"d\\\", e\",\n  \"f\": \"g\r\nh\"}";
    let mut rows = bill::rows("2024-11", 2);
    rows[0].text = rows[0].text.replace("\"tags\"", "\"oldTags\"");
    rows[0] = rows[0].clone().and(&format!("\"tags\":{}", json!(tags)));
    let scene = Scene::new().one_page(rows);
    scene.run().published(&Good::of_one_page(&scene));
    assert_eq!(scene.place.period("2024-11").texts("tags")[0], tags);
}

#[test]
fn an_empty_month_that_answers_csv_is_no_empty_month() {
    let csv = "UsageDetail Report for Billing Period - 202411\r\n\r\nAccountId,Cost\r\n";
    for media_type in ["text/csv", "application/octet-stream"] {
        let scene = Scene::new().always(At::First, Answer::of(200, media_type, csv));
        let done = scene.in_library();
        if media_type == "text/csv" {
            let told = ["answered text/csv instead of JSON: UsageDetail Report", "(given up after 8 attempts)"];
            done.failed(At::First, &Failure::unavailable(&told, "run again later").after(8));
        } else {
            done.failed(At::First, &Failure::data(&["the page is not JSON"]).after(2));
        }
    }
}

#[test]
fn prices_do_not_go_through_floats() {
    let mut rows = bill::rows("2024-11", 2);
    for (number, (text, units)) in [
        ("0.1", 100_000_000_000_000_000),
        ("0.2", 200_000_000_000_000_000),
        ("9007199254740993.000000000000000001", 9_007_199_254_740_993_000_000_000_000_000_001),
        ("0.000123456789012345", 123_456_789_012_345),
        ("1.000000000000000", 1_000_000_000_000_000_000),
    ]
    .into_iter()
    .enumerate()
    {
        let row = Row::new(&format!("exact {number}"), "2024-11-07", 0, 7);
        rows.push(Row { text: row.text.replace("0.000000", text), cost: units, ..row });
    }
    let scene = Scene::new().one_page(rows);
    scene.run().published(&Good::of_one_page(&scene));
}

#[test]
fn totals_that_differ_between_two_calls_are_not_mixed() {
    let scene = Scene::new();
    let older = scene.text(At::First).replace("\"cost\":1.234745", "\"cost\":9.999999");
    scene.server.on(USAGE, [Answer::json(older), Answer::json(scene.text(At::First))]);
    let done = scene.in_library();
    done.published(&Good { etag: None, ..Good::of(&scene).after(8) });
}

#[test]
fn a_500_on_page_2_gives_each_row_once() {
    let scene = Scene::new().breaks(At::Second, [Answer::error(500, "Server Error")]);
    scene.run().published(&Good::of(&scene).after(5));
}

#[test]
fn a_link_that_repeats_rows_is_an_error() {
    // The last page links to the second one again, under the same token.
    let scene = Scene::new();
    let answer = Answer::json(bill::page(&scene.november[20..], Some(&scene.server.url(SECOND))));
    let scene = scene.always(At::Third, answer);
    scene.run().failed(At::Third, &Failure::data(&["leads back to a page that was read already"]));
}

#[test]
fn a_transferred_enrollment_keeps_the_months_that_were_served() {
    for status in [400, 404] {
        let scene = Scene::new().always(At::First, Answer::error(status, "Unavailable"));
        scene.run().failed(At::First, &Failure::unavailable(&["Unavailable"], "the file in place stays"));
    }
    // No longer listed at all.
    let listed = r#"[{"billingPeriodId":"202410","usageDetails":"/v1/x"}]"#;
    let scene = Scene::new().always(At::Periods, Answer::json(listed));
    let ended: crate::program::Ended = finish(scene.program().start());
    assert_eq!((ended.code, ended.outcomes()), (0, vec!["2024-10 published".to_owned(), "2024-11 no_data".to_owned()]));
    let report = ended.report();
    assert!(report["slices"][1]["warnings"][0].as_str().unwrap().contains("the file in place stays"));
    scene.ran(ended).stays("usage_details/enrollment=100/billing_period=2024-11/");
    let status = Program::new(["status", "--dest", &scene.place.dest()]).ends_with(0).out;
    assert!(status.contains("2024-11"));
}
