//! Several enrollments in one run, each with the key that the configuration file names for it, else with the key of all.

use super::program::{KEY, Program};
use super::published::Place;
use super::scripted_server::{Answer, ScriptedServer, page};

const OWN_KEYS: &str = "\
[[enrollments]]
number = \"100\"
api_key_env = \"KEY_OF_100\"

[[enrollments]]
number = \"200\"
api_key_file = \"keys/200\"

[[enrollments]]
number = \"300\"
";

/// Each enrollment has November.
fn server() -> ScriptedServer {
    let server = ScriptedServer::start();
    for enrollment in ["100", "200", "300", "400"] {
        let listed = r#"[{"billingPeriodId":"202411","usageDetails":"/v1/x"}]"#;
        server.on(&periods(enrollment), [Answer::json(listed)]);
        server.on(&usage(enrollment), [Answer::json(page(1..4, None))]);
    }
    server
}

fn periods(enrollment: &str) -> String {
    format!("/v2/enrollments/{enrollment}/billingperiods")
}

fn usage(enrollment: &str) -> String {
    format!("/v3/enrollments/{enrollment}/billingPeriods/202411/usagedetails")
}

/// A call with the file, and with the keys of which it speaks.
fn call(command: &str, server: &ScriptedServer, place: &Place) -> Program {
    place.write("keys/200", b"key-of-200\n");
    let file = place.write("billing-lake.toml", OWN_KEYS.as_bytes());
    Program::new([command, "--config", &file, "--endpoint", &server.endpoint(), "--format", "json"])
        .set("BILLING_LAKE_DATASETS", "usage_details")
        .set("BILLING_LAKE_DEST", &place.dest())
        .set("BILLING_LAKE_API_KEY", KEY)
        .set("KEY_OF_100", "key-of-100")
}

/// `enrollment key` of all requests, each once.
fn keys(server: &ScriptedServer) -> Vec<String> {
    let of = |asked: &super::scripted_server::Asked| {
        let enrollment = asked.target.split('/').nth(3).unwrap().to_owned();
        format!("{enrollment} {}", asked.headers["authorization"].trim_start_matches("bearer "))
    };
    let mut keys: Vec<_> = server.asked().iter().map(of).collect();
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn each_is_asked_for_with_its_own_key() {
    let (server, place) = (server(), Place::new());
    let ended = call("sync", &server, &place).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-11 published"; 3]);
    assert_eq!(keys(&server), ["100 key-of-100".to_owned(), "200 key-of-200".into(), format!("300 {KEY}")]);
}

#[test]
fn an_expired_key_does_not_stop_the_others() {
    let (server, place) = (server(), Place::new());
    server.on(&periods("100"), [Answer::error(401, "The key has expired.")]);
    let ended = call("sync", &server, &place).ends_with(3);
    ended.says(&["usage_details 100", "The key has expired."]);
    assert_eq!(ended.outcomes(), ["- failed", "2024-11 published", "2024-11 published"]);
    assert_eq!(ended.report()["outcome"], "partial");
    let lake = place.data();
    let published: Vec<_> = lake.keys().filter_map(|path| path.split('/').nth(1)).collect();
    assert_eq!(published, ["enrollment=200", "enrollment=300"]);
}

#[test]
fn enrollments_that_an_option_names_keep_their_keys() {
    let (server, place) = (server(), Place::new());
    call("sync", &server, &place).with(["--enrollment", "200,400"]).ends_with(0);
    assert_eq!(keys(&server), ["200 key-of-200".to_owned(), format!("400 {KEY}")]);
    server.forget();
    call("sync", &server, &place).set("BILLING_LAKE_ENROLLMENT", "100").with(["--force"]).ends_with(0);
    assert_eq!(keys(&server), ["100 key-of-100"]);
}

#[test]
fn periods_are_those_of_the_first() {
    let (server, place) = (server(), Place::new());
    call("periods", &server, &place).ends_with(0);
    assert_eq!(keys(&server), ["100 key-of-100"]);
}

#[test]
fn a_key_that_is_not_there_is_told_before_anything_is_asked() {
    let (server, place) = (server(), Place::new());
    let unset = call("sync", &server, &place).unset("KEY_OF_100").ends_with(2);
    unset.says(&["enrollment 100: the variable KEY_OF_100 is not set", "billing-lake.toml:3 names"]);
    assert_eq!(unset.report()["error"]["kind"], "usage");
    let empty = call("sync", &server, &place).set("KEY_OF_100", " ").ends_with(2);
    empty.says(&["enrollment 100: the API key is empty"]);
    let without = call("sync", &server, &place).unset("BILLING_LAKE_API_KEY").ends_with(2);
    without.says(&["no API key for enrollment 300", "hint:", "[[enrollments]]"]);
    let program = call("sync", &server, &place);
    std::fs::remove_file(place.path("keys/200")).unwrap();
    program.ends_with(2).says(&["enrollment 200: the API key file", "keys/200", "billing-lake.toml:7 names"]);
    assert!(server.asked().is_empty());
    // Others are no concern of a run that does not ask for them.
    call("sync", &server, &place).unset("KEY_OF_100").with(["--enrollment", "200"]).ends_with(0);
}

#[test]
fn a_number_that_is_the_key_is_refused_without_being_shown() {
    let (server, place) = (server(), Place::new());
    let ended = call("sync", &server, &place).with(["--enrollment", KEY]).ends_with(2);
    ended.says(&["an enrollment number is the text of its API key"]);
    for text in [&ended.out, &ended.err] {
        assert!(!text.contains(KEY), "{text}");
    }
    assert!(server.asked().is_empty());
}
