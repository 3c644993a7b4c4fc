//! Faults 9 and 10: links and redirects that lead astray.

use super::bill;
use super::expected::{Failure, Good};
use super::scene::{At, Done, NEW, SECOND, Scene, THIRD, each};
use crate::scripted_server::{Answer, PERIODS, ScriptedServer, USAGE};

#[test]
fn a_link_to_a_page_that_was_read_stops_with_5() {
    let cases = [(At::First, USAGE), (At::Second, SECOND), (At::Second, USAGE)];
    each(
        &cases,
        |case| format!("{case:?}"),
        |&(at, to)| {
            let scene = Scene::new();
            let from = if at == At::First { 0 } else { 10 };
            let answer = Answer::json(bill::page(&scene.november[from..from + 10], Some(&scene.server.url(to))));
            let scene = scene.always(at, if at == At::First { answer.etag(NEW) } else { answer });
            scene.run().failed(at, &Failure::data(&["leads back to a page that was read already"]));
        },
    );
    // A loop of three.
    let scene = Scene::new();
    let answer = Answer::json(bill::page(&scene.november[20..], Some(&scene.server.url(SECOND))));
    let scene = scene.always(At::Third, answer);
    scene.run().failed(At::Third, &Failure::data(&["leads back to a page that was read already"]));
}

#[test]
fn a_chain_without_end_stops_with_5() {
    each(
        &[true, false],
        |case| case.to_string(),
        |&with_rows| {
            let scene = Scene::new().with(["--max-pages", "40"]);
            let endpoint = scene.server.endpoint();
            let rows = scene.november[10..12].to_vec();
            scene.server.on_all(&format!("{USAGE}?endless="), move |target| {
                let number: u32 = target.rsplit('=').next().unwrap().parse().unwrap();
                let next = format!("{endpoint}{USAGE}?endless={}", number + 1);
                Answer::json(bill::page(if with_rows { &rows } else { &[] }, Some(&next)))
            });
            let next = scene.server.url(&format!("{USAGE}?endless=1"));
            let answer = Answer::json(bill::page(&scene.november[..10], Some(&next))).etag(NEW);
            let scene = scene.always(At::First, answer);
            let done = scene.run();
            let failure = Failure::data(&["more than 40 pages follow each other"]);
            done.failed(At::First, &Failure { hint: "--max-pages", ..failure });
        },
    );
}

#[test]
fn a_long_chain_of_pages_without_rows_stops_with_5() {
    let scene = Scene::new();
    let endpoint = scene.server.endpoint();
    scene.server.on_all(&format!("{USAGE}?empty="), move |target| {
        let number: u32 = target.rsplit('=').next().unwrap().parse().unwrap();
        Answer::json(bill::page(&[], Some(&format!("{endpoint}{USAGE}?empty={}", number + 1))))
    });
    let next = scene.server.url(&format!("{USAGE}?empty=1"));
    let answer = Answer::json(bill::page(&scene.november[..10], Some(&next))).etag(NEW);
    let scene = scene.always(At::First, answer);
    scene.run().failed(At::First, &Failure::data(&["1000 pages without a row"]).once());
}

/// Makes a link from the host and port of the API.
type Link<'a> = Box<dyn Fn(&str) -> String + Sync + 'a>;

/// Nothing was sent there.
#[track_caller]
fn never_asked(foreign: &ScriptedServer, done: &Done<'_>) {
    assert!(foreign.asked().is_empty(), "{:?}", foreign.asked());
    assert!(!done.all().contains("secret-token"), "{}", done.all());
}

#[test]
fn a_link_that_leaves_is_refused_and_nothing_is_sent_there() {
    let path = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=secret-token";
    let foreign = ScriptedServer::start();
    let host = foreign.endpoint().trim_start_matches("http://").to_owned();
    let port = host.rsplit(':').next().unwrap().to_owned();
    let links: Vec<(&str, Link<'_>, &str)> = vec![
        ("another port", Box::new(|_: &str| format!("http://{host}{path}")), "leaves the endpoint"),
        ("another host", Box::new(|_: &str| format!("http://localhost:{port}{path}")), "leaves the endpoint"),
        ("a far host", Box::new(|_: &str| format!("https://example.com{path}")), "leaves the endpoint"),
        (
            "the production host",
            Box::new(|_: &str| format!("https://consumption.azure.com{path}")),
            "leaves the endpoint",
        ),
        ("another scheme", Box::new(|own: &str| format!("https://{own}{path}")), "leaves the endpoint"),
        ("the host as a user", Box::new(|own: &str| format!("http://{own}@{host}{path}")), "holds a user name"),
        (
            "the host as a beginning",
            Box::new(|_: &str| format!("http://127.0.0.1.example.com:{port}{path}")),
            "leaves the endpoint",
        ),
        ("a file", Box::new(|_: &str| "file:///etc/passwd".to_owned()), ""),
        (
            "another enrollment",
            Box::new(|own: &str| format!("http://{own}/v3/enrollments/200/usagedetails?t=secret-token")),
            "leaves the enrollment",
        ),
        (
            "a longer enrollment",
            Box::new(|own: &str| format!("http://{own}/v3/enrollments/1001/usagedetails")),
            "leaves the enrollment",
        ),
        (
            "dots",
            Box::new(|own: &str| format!("http://{own}/v3/enrollments/100/../200/usagedetails")),
            "leaves the enrollment",
        ),
        (
            "escaped dots",
            Box::new(|own: &str| format!("http://{own}/v3/enrollments/100/%2e%2e/200/usagedetails")),
            "leaves the enrollment",
        ),
        ("the root", Box::new(|own: &str| format!("http://{own}/")), "leaves the enrollment"),
        ("relative", Box::new(|_: &str| path.to_owned()), "is not an absolute URL"),
        ("without a scheme", Box::new(|_: &str| format!("//{host}{path}")), "is not an absolute URL"),
        ("a word", Box::new(|_: &str| "page2".to_owned()), "is not an absolute URL"),
        ("a space", Box::new(|own: &str| format!("http://{own}{path} x")), "holds a space"),
        ("a space before it", Box::new(|own: &str| format!(" http://{own}{path}")), "holds a space"),
        ("a line break", Box::new(|own: &str| format!("http://{own}{path}\r\nHost: {host}")), "holds a space"),
        ("backslashes", Box::new(|_: &str| format!("http:\\\\{host}{path}")), "holds a space"),
        ("a fragment", Box::new(|own: &str| format!("http://{own}{path}#x")), "holds a fragment"),
        (
            "17 KiB",
            Box::new(|own: &str| format!("http://{own}{path}{}", "a".repeat(17 << 10))),
            "is longer than 16 KiB",
        ),
        ("the key", Box::new(|own: &str| format!("http://{own}{path}{}", crate::program::KEY)), "holds the API key"),
    ];
    let cases: Vec<_> = links.iter().flat_map(|case| [At::First, At::Second].map(|at| (at, case))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (_, link, told))| {
            let scene = Scene::new();
            let own = scene.server.endpoint().trim_start_matches("http://").to_owned();
            let from = if *at == At::First { 0 } else { 10 };
            let answer = Answer::json(bill::page(&scene.november[from..from + 10], Some(&link(&own))));
            let scene = scene.always(*at, if *at == At::First { answer.etag(NEW) } else { answer });
            let done = scene.run();
            done.failed(*at, &Failure::data(&["nextLink ", told]));
            never_asked(&foreign, &done);
        },
    );
}

#[test]
fn links_that_stay_within_the_enrollment_are_followed() {
    let forms = ["", "?a=%2Fb+c==", "?x=~!$()*,;:@/?", "?t=%e2%82%ac"];
    each(
        &forms,
        |form| (*form).to_owned(),
        |form| {
            let scene = Scene::new();
            let target = format!("/V3/Enrollments/100/other{form}");
            scene.server.on(&target, [scene.good(At::Second)]);
            let next = scene.server.url(&target).replace("http://", "HTTP://");
            let answer = Answer::json(bill::page(&scene.november[..10], Some(&next))).etag(NEW);
            scene.server.on(USAGE, [answer]);
            let done = scene.run();
            assert_eq!(scene.server.count(&target), 1, "{}", done.all());
            assert_eq!((done.code, scene.server.count(THIRD)), (0, 1), "{}", done.all());
            assert_eq!(scene.place.period("2024-11").rows(), 30);
        },
    );
}

#[test]
fn the_last_link_is_null_empty_or_absent() {
    let ends = ["null", "\"\"", ""];
    each(
        &ends,
        |end| (*end).to_owned(),
        |&end| {
            let scene = Scene::new();
            let text = scene.text(At::Third);
            let text = match end {
                "" => text.replace(",\"nextLink\":null", ""),
                end => text.replace("\"nextLink\":null", &format!("\"nextLink\":{end}")),
            };
            let scene = scene.always(At::Third, Answer::json(text));
            scene.run().published(&Good::of(&scene));
        },
    );
}

#[test]
fn a_redirect_that_leaves_is_refused_and_the_key_stays_here() {
    let foreign = ScriptedServer::start();
    let host = foreign.endpoint();
    let to: [(&str, String, &str); 8] = [
        ("another port", format!("{host}/x?token=secret-token"), "leaves the endpoint"),
        ("another host", "https://example.com/x?token=secret-token".to_owned(), "leaves the endpoint"),
        ("without a scheme", format!("{}/x", host.trim_start_matches("http:")), "leaves the endpoint"),
        ("another scheme", "https://127.0.0.1/x".to_owned(), "leaves the endpoint"),
        ("a file", "file:///etc/passwd".to_owned(), "leaves the endpoint"),
        ("a bad port", "http://127.0.0.1:99999/".to_owned(), "is not a URL"),
        ("the key", format!("{host}/{}", crate::program::KEY), "holds the API key"),
        ("nowhere", String::new(), ""),
    ];
    let cases: Vec<_> = to.iter().flat_map(|case| At::ALL.map(|at| (at, case))).collect();
    each(
        &cases,
        |(at, (name, ..))| format!("{name} at {at:?}"),
        |(at, (name, to, told))| {
            let answer = Answer::redirect(to);
            let answer = if *name == "nowhere" { Answer::of(302, "", "") } else { answer };
            let scene = Scene::new().always(*at, answer);
            let done = scene.run();
            done.failed(*at, &Failure::data(&["redirect", told]));
            never_asked(&foreign, &done);
        },
    );
}

#[test]
fn redirects_within_the_origin_are_followed_three_times() {
    let cases: Vec<_> = At::ALL.iter().flat_map(|at| [1, 3, 4].map(|hops| (*at, hops))).collect();
    each(
        &cases,
        |case| format!("{case:?}"),
        |&(at, hops)| {
            let scene = Scene::new();
            for hop in 1..hops {
                scene.server.on(&format!("/hop/{hop}"), [Answer::redirect(&format!("/hop/{}", hop + 1))]);
            }
            scene.server.on(&format!("/hop/{hops}"), [scene.good(at)]);
            let scene = scene.always(at, Answer::redirect("/hop/1"));
            let done = scene.run();
            if hops == 4 {
                done.failed(at, &Failure::data(&["redirects more than 3 times"]));
                assert_eq!(scene.server.count("/hop/4"), 0);
            } else {
                done.published(&Good::of(&scene));
            }
        },
    );
    let scene = Scene::new().always(At::Periods, Answer::redirect(PERIODS));
    scene.run().failed(At::Periods, &Failure::data(&["redirects more than 3 times"]).requests(4));
}
