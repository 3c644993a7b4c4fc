//! Fault 36: proxies in the environment.

use std::net::TcpListener;

use super::bill;
use super::expected::Good;
use super::scene::{NEW, OCTOBER, Scene, each, finish};
use crate::program::{KEY, Program};
use crate::scripted_server::{Answer, PERIODS, ScriptedServer, USAGE};

/// Where nothing listens.
fn nowhere() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

/// `sync` of an API that is behind a proxy.
fn through(scene: &Scene, endpoint: &str, proxy: &str) -> Program {
    let name = if endpoint.starts_with("https") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let program = Program::sync(endpoint, &scene.place.dest()).set(name, proxy);
    program.with(["--recheck", "all", "--allow-http", "--max-wait", "1s"])
}

#[test]
fn an_api_behind_a_proxy_is_reached() {
    let scene = Scene::new().one_page(bill::rows("2024-11", 2));
    let api = "http://api.example";
    let pages = [
        (PERIODS, Answer::json(scene.text(super::scene::At::Periods))),
        (USAGE, Answer::json(bill::page(&scene.november, None)).etag(NEW)),
        (OCTOBER, Answer::json(bill::page(&scene.october, None)).etag("\"new-10\"")),
    ];
    for (target, answer) in pages {
        scene.server.on(&format!("{api}{target}"), [answer]);
    }
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let program = Program::sync(api, &scene.place.dest()).set(name, &scene.server.endpoint());
        let ended = finish(program.with(["--force", "--allow-http", "--max-wait", "1s"]).start());
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        assert_eq!(scene.server.count(&format!("{api}{USAGE}")), 1, "{name}");
        scene.server.forget();
    }
    assert_eq!(scene.place.period("2024-11").texts("meter_name")[0], scene.november[0].name);
}

#[test]
fn this_machine_is_never_asked_through_a_proxy() {
    let dead = nowhere();
    each(
        &["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"],
        |name| (*name).to_owned(),
        |name| {
            let scene = Scene::new();
            let ended = finish(scene.program().set(name, &dead).start());
            scene.ran(ended).published(&Good::of(&scene));
        },
    );
}

/// The run failed before anything of the API was known, and the lake is as it was.
#[track_caller]
fn fails(scene: &Scene, program: Program, code: i32, told: &[&str]) {
    let ended = finish(program.start());
    assert_eq!(ended.code, code, "{}", ended.err);
    ended.says(told);
    ended.says(&[" hint: "]);
    assert!(!ended.err.contains(KEY) && !ended.out.contains(KEY));
    assert_eq!(ended.report()["outcome"], "failed");
    assert!(scene.place.data().iter().all(|(name, bytes)| scene.before.get(name) == Some(bytes)));
}

#[test]
fn a_proxy_that_is_not_there_ends_with_4_and_names_the_setting() {
    for endpoint in ["http://api.example", "https://api.example"] {
        let scene = Scene::new();
        fails(&scene, through(&scene, endpoint, &nowhere()), 4, &["cannot connect", "HTTPS_PROXY"]);
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    for endpoint in ["http://api.example", "https://api.example"] {
        let (scene, dead) = (Scene::new(), nowhere());
        let address = dead.trim_start_matches("http://").to_owned();
        fails(&scene, through(&scene, endpoint, &dead), 4, &["proxy", &address]);
    }
}

#[test]
fn a_proxy_that_wants_credentials_ends_with_2_and_says_where_to_put_them() {
    for endpoint in ["http://api.example", "https://api.example"] {
        let scene = Scene::new();
        let proxy = ScriptedServer::start();
        proxy.on_all("", |_| Answer::of(407, "text/html", "login, please").header("Proxy-Authenticate", "Basic"));
        let told = ["proxy", "HTTPS_PROXY=http://user:password@host:port", "NO_PROXY"];
        fails(&scene, through(&scene, endpoint, &proxy.endpoint()), 2, &told);
        let asked = proxy.asked();
        assert_eq!(asked.len(), 1);
        // The way to an API with TLS is asked for without the key.
        assert_eq!(asked[0].headers.contains_key("authorization"), endpoint.starts_with("http:"));
    }
}

#[test]
fn a_proxy_in_trouble_is_tried_again() {
    let scene = Scene::new();
    let proxy = ScriptedServer::start();
    proxy.on_all("", |_| Answer::of(502, "text/html", "<h1>Bad gateway</h1>"));
    fails(&scene, through(&scene, "https://api.example", &proxy.endpoint()), 4, &["api.example"]);
    assert!(proxy.asked().len() > 1);
    assert!(proxy.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
}

#[test]
fn hosts_without_a_proxy_are_asked_directly() {
    let scene = Scene::new();
    let proxy = ScriptedServer::start();
    let program = through(&scene, "http://api.invalid", &proxy.endpoint()).set("NO_PROXY", "api.invalid");
    fails(&scene, program, 4, &["cannot find the host api.invalid"]);
    assert!(proxy.asked().is_empty());
}

#[test]
fn the_password_of_a_proxy_is_not_told() {
    let scene = Scene::new();
    let proxy = nowhere().replace("http://", "http://me:pass-of-the-proxy@");
    let ended = finish(through(&scene, "https://api.example", &proxy).with(["-vv"]).start());
    assert_eq!(ended.code, 4);
    assert!(!(ended.err + &ended.out).contains("pass-of-the-proxy"));
}
