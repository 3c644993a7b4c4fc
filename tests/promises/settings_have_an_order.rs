//! Options win over the environment, that over the configuration file, that over defaults; `config show` says which won.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::Value;

use super::program::{Ended, KEY, Program};
use super::published::Place;

/// A JWT with these claims.
fn key_that_says(claims: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(claims), part("a signature that nobody checks"))
}

/// A call in a folder whose configuration file has this text.
fn call<'a>(place: &Place, text: &str, words: impl IntoIterator<Item = &'a str>) -> Program {
    place.write("billing-lake.toml", text.as_bytes());
    Program::new(words).at(&place.path(""))
}

fn show(place: &Place, text: &str) -> Program {
    call(place, text, ["config", "show", "--format", "json"])
}

/// `name -> value (where it comes from)`
fn settings(ended: &Ended) -> BTreeMap<String, String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let settings = ended.report()["settings"].as_array().unwrap().clone();
    let said = |line: &Value| format!("{} ({} {})", word(&line["value"]), word(&line["from"]), word(&line["where"]));
    settings.iter().map(|line| (word(&line["name"]), said(line))).collect()
}

#[test]
fn an_option_wins_over_a_variable_that_over_the_file_and_that_over_the_default() {
    let place = Place::new();
    let file = "max_wait = \"1s\"\nmax_pages = 1\nmemory = '1GiB'\n";
    let ended = show(&place, file)
        .with(["--max-wait", "3s"])
        .set("BILLING_LAKE_MAX_WAIT", "2s")
        .set("BILLING_LAKE_MAX_PAGES", "2")
        .ends_with(0);
    let settings = settings(&ended);
    assert_eq!(settings["max_wait"], "3s (option --max-wait)");
    assert_eq!(settings["max_pages"], "2 (environment BILLING_LAKE_MAX_PAGES)");
    assert_eq!(settings["memory"], "1GiB (file billing-lake.toml:3)");
    assert_eq!(settings["concurrency"], "2 (default -)");
    // A variable that is empty is not set.
    let ended = show(&place, file).set("BILLING_LAKE_MAX_WAIT", "").ends_with(0);
    assert_eq!(self::settings(&ended)["max_wait"], "1s (file billing-lake.toml:1)");
}

#[test]
fn what_excludes_each_other_is_decided_by_who_says_it() {
    let place = Place::new();
    let settings = |program: Program| settings(&program.ends_with(0));
    let last = settings(show(&place, "periods = \"2024-01\"").with(["--last", "3"]));
    assert_eq!((&*last["last"], &*last["periods"]), ("3 (option --last)", "- (default -)"));
    let last = settings(show(&place, "periods = \"2024-01\"").set("BILLING_LAKE_LAST", "3"));
    assert_eq!((&*last["last"], &*last["periods"]), ("3 (environment BILLING_LAKE_LAST)", "- (default -)"));
    let periods = settings(show(&place, "last = 3").set("BILLING_LAKE_LAST", "4").with(["--periods", "2024-01"]));
    assert_eq!((&*periods["last"], &*periods["periods"]), ("- (default -)", "2024-01 (option --periods)"));
}

#[test]
fn values_are_written_as_options_take_them_or_as_toml_has_them() {
    let place = Place::new();
    let file = r#"
        enrollment = [100, "E-2"]
        datasets = ["usage_details", "billing_periods"]
        periods = ["2024-01..2024-06", "2024-09"]
        concurrency = 0x10
        max_pages = 1_000
        max_rejected = "0.5%"
        trust_host = ["a.example", "b.example:8443"]
        force = true
        strict = false
    "#;
    let settings = settings(&show(&place, file).ends_with(0));
    let value = |name: &str| settings[name].split(" (file").next().unwrap();
    assert_eq!(value("enrollment"), "100,E-2");
    assert_eq!(value("datasets"), "usage_details,billing_periods");
    assert_eq!(value("periods"), "2024-01..2024-06,2024-09");
    assert_eq!((value("concurrency"), value("max_pages"), value("max_rejected")), ("16", "1000", "0.5%"));
    assert_eq!(value("trust_host"), "a.example,b.example:8443");
    assert_eq!((value("force"), value("strict")), ("true", "false"));
}

#[test]
fn every_setting_that_is_shown_can_be_written_into_the_file() {
    let place = Place::new();
    let shown = settings(&show(&place, "").with(["--enrollment", "100", "--last", "3"]).ends_with(0));
    let value = |said: &String| said.rsplit_once(" (").unwrap().0.to_owned();
    let known = shown.iter().filter(|(name, said)| *name != "api_key" && value(said) != "-");
    let file: String = known.map(|(name, said)| format!("{name} = \"{}\"\n", value(said))).collect();
    let plain = Program::new(["config", "show"]).at(&place.path(""));
    place.write("billing-lake.toml", file.replace("format = \"json\"", "format = 'json'").as_bytes());
    let again = settings(&plain.ends_with(0));
    for (name, said) in shown.iter().filter(|(name, said)| *name != "api_key" && value(said) != "-") {
        // A path starts at the file's folder, which is the working directory.
        assert_eq!(value(&again[name]), value(said), "{name}");
        assert!(again[name].contains("(file billing-lake.toml:"), "{name} {}", again[name]);
    }
}

#[test]
fn the_file_is_the_one_that_is_named_or_lies_in_the_working_directory() {
    let place = Place::new();
    place.write("conf/a.toml", b"last = 1\ndest = 'lake'\napi_key_file = 'key'\nca_bundle = '/etc/ca.pem'");
    place.write("conf/b.toml", b"last = 2\ndest = 'file:///data/lake'");
    let last = |program: Program| settings(&program.ends_with(0))["last"].clone();
    let usual = || show(&place, "last = 3");
    assert_eq!(last(usual()), "3 (file billing-lake.toml:1)");
    assert_eq!(last(usual().set("BILLING_LAKE_CONFIG", "")), "3 (file billing-lake.toml:1)");
    assert_eq!(last(usual().set("BILLING_LAKE_CONFIG", "conf/b.toml")), "2 (file conf/b.toml:1)");
    let option = usual().set("BILLING_LAKE_CONFIG", "conf/b.toml").with(["--config", "conf/a.toml"]);
    assert_eq!(last(option), "1 (file conf/a.toml:1)");
    let file = |program: Program| program.ends_with(0).report()["file"].clone();
    assert_eq!(file(usual())["from"], "default");
    let elsewhere = Program::new(["config", "show", "--format", "json"]).at(&place.path("conf"));
    assert_eq!(file(elsewhere), Value::Null);
    // Its paths start where it lies.
    let settings = |name: &str| settings(&usual().with(["--config", name]).ends_with(0));
    let a = settings("conf/a.toml");
    assert_eq!((&*a["dest"], &*a["api_key_file"]), ("conf/lake (file conf/a.toml:2)", "conf/key (file conf/a.toml:3)"));
    assert_eq!(a["ca_bundle"], "/etc/ca.pem (file conf/a.toml:4)");
    assert_eq!(settings("conf/b.toml")["dest"], "file:///data/lake (file conf/b.toml:2)");
    usual().with(["--config", "conf/c.toml"]).ends_with(2).says(&["conf/c.toml cannot be read", "hint:"]);
}

#[test]
fn one_file_serves_all_commands() {
    let place = Place::new();
    let file = "enrollment = 100\nlast = 2\ndest = 'lake'\ncompression = 'none'\n";
    let rows = place.write("rows.json", br#"[{"cost":1,"date":"2024-11-03"}]"#);
    call(&place, file, ["convert", &rows]).ends_with(0);
    let status = call(&place, file, ["status", "--format", "json"]).ends_with(0);
    assert_eq!(status.report()[0]["enrollment"], "100");
    call(&place, file, ["schema"]).ends_with(0);
    // Whose rows they are is not chosen among several.
    let several = file.replace("100", "[100, 200]");
    call(&place, &several, ["convert", &rows, "--force"]).ends_with(2).says(&["--enrollment"]);
}

#[test]
fn help_and_the_demo_need_no_file() {
    let place = Place::new();
    call(&place, "is broken", ["sync", "--help"]).ends_with(0);
    call(&place, "is broken", ["--version"]).ends_with(0);
    call(&place, "is broken", ["demo", "--rows-per-month", "10"]).ends_with(0);
    call(&place, "is broken", ["status"]).ends_with(2).says(&["billing-lake.toml:1: "]);
}

#[test]
fn a_file_that_is_wrong_is_told_by_line_and_key() {
    let place = Place::new();
    let mut told = String::new();
    for text in [
        "dest = \"lake\"\nmax_wiat = \"1s\"",
        "max-wait = \"1s\"",
        "colour = true",
        "rows_per_month = 3",
        "config = \"other.toml\"",
        "[sync]\nlast = 3",
        "max_wait = \"soon\"",
        "concurrency = 0",
        "via = \"carrier pigeon\"",
        "force = \"perhaps\"",
        "periods = \"2024-13\"",
        "enrollment = \"1 0\"",
        "dest = \"\"",
        "enrollment = []",
        "dest = { path = \"lake\" }",
        "last = 3\n\nperiods = \"2024-01\"",
        "dest = lake",
        "last = 1\nlast = 2",
        "api_key = \"a key\"",
        "enrollment = 100\n[[enrollments]]\nnumber = 200",
        "enrollments = [100, 200]",
        "[[enrollments]]\napi_key_env = \"KEY\"",
        "[[enrollments]]\nnumber = 100\n[[enrollments]]\nnumber = \"100\"",
        "[[enrollments]]\nnumber = 100\napi_key_env = \"KEY\"\napi_key_file = \"key\"",
        "[[enrollments]]\nnumber = 100\napi_key_evn = \"KEY\"",
        "[[enrollments]]\nnumber = 100\nkey = \"a key\"",
        "[[enrollments]]\nnumber = 100\napi_key_env = \"not a name\"",
        "[[enrollments]]\nnumber = \"1 0\"",
    ] {
        let err = call(&place, text, ["sync"]).ends_with(2).err;
        told += &format!("{text}\n{}\n", err.lines().map(|line| format!("  | {line}\n")).collect::<String>());
    }
    assert_snapshot!("wrong_files", told);
}

#[test]
fn a_key_in_a_wrong_place_is_not_shown() {
    let (place, jwt) = (Place::new(), key_that_says(r#"{"EnrollmentNumber":"100"}"#));
    let part = |text: &str| jwt.as_bytes().windows(12).any(|part| text.contains(std::str::from_utf8(part).unwrap()));
    let is_hidden = |ended: Ended| {
        assert!(!part(&ended.out) && !part(&ended.err), "{}{}", ended.out, ended.err);
    };
    let plain = key_that_says("").replace('.', "+/") + "+/" + &jwt[jwt.len() - 40..];
    for text in [
        format!("api_key = \"{jwt}\""),
        format!("enrollment = \"{jwt}\""),
        format!("enrollment = \"{plain}\""),
        format!("max_wait = \"{jwt}\""),
        format!("{jwt} = 1"),
        jwt.clone(),
        format!("dest = \"{jwt}"),
        format!("[[enrollments]]\nnumber = \"{jwt}\""),
        format!("[[enrollments]]\nnumber = 1\napi_key = \"{jwt}\""),
        format!("[[enrollments]]\nnumber = 1\napi_key_env = \"{jwt}\""),
        format!("[[enrollments]]\nnumber = 1\napi_key_file = \"{jwt}\""),
    ] {
        is_hidden(call(&place, &text, ["sync"]).ends_with(2));
    }
    let file = format!("api_key_file = \"{jwt}\"\nendpoint = \"https://user:{jwt}@example.com/?{jwt}\"");
    is_hidden(show(&place, &file).with(["--enrollment", "100"]).ends_with(0));
    for words in [
        vec!["sync", "--enrollment", &jwt],
        vec!["sync", "--enrollment", &plain],
        vec!["sync", "--api-key", &jwt],
        vec!["sync", &jwt],
        vec!["sync", "--enrollment", "100", "--api-key-file", &jwt],
        vec!["sync", "--config", &jwt],
        vec![&jwt],
    ] {
        is_hidden(call(&place, "", words).ends_with(2));
    }
    // Whatever a key looks like, that of the environment is known.
    let odd = Program::new(["sync", "--max-wait", KEY]).set("BILLING_LAKE_API_KEY", KEY).ends_with(2);
    assert!(!odd.err.contains(KEY) && odd.err.contains('…'), "{}", odd.err);
}

#[test]
fn what_config_show_prints() {
    let place = Place::new();
    let key = key_that_says(r#"{"EnrollmentNumber":"100","ReportView":"Enterprise","exp":4102444799}"#);
    let other = key_that_says(r#"{"EnrollmentNumber":"201","ReportView":"AccountOwner","exp":1600000000}"#);
    place.write("keys/200", other.as_bytes());
    let file = r#"# What every run has in common.
dest = "/data/billing-lake"
endpoint = "https://someone:word@example.com/?sig=1"
compression = "zstd:3"
last = 3

[[enrollments]]
number = "100"
api_key_env = "KEY_OF_100"

[[enrollments]]
number = "200"
api_key_file = "keys/200"

[[enrollments]]
number = "300"

[[enrollments]]
number = "400"
api_key_env = "KEY_OF_400"
"#;
    let show = |format: &str| {
        let words = ["config", "show", "--max-wait", "5min", "--format", format];
        let program = call(&place, file, words).set("KEY_OF_100", &key).set("BILLING_LAKE_API_KEY", KEY);
        let ended = program.set("BILLING_LAKE_MEMORY", "1GiB").ends_with(0);
        assert!(![&key, &other, KEY].iter().any(|key| ended.out.contains(*key) || ended.err.contains(*key)));
        ended.out
    };
    assert_snapshot!("config_show", show("text"));
    assert_snapshot!("config_show_as_json", show("json"));
    assert_eq!(show("ndjson").lines().count(), show("json").matches("\"name\"").count() + 4);
    let nothing = Program::new(["config", "show"]).at(&place.path("keys")).ends_with(0);
    assert_snapshot!("config_show_of_nothing", nothing.out);
    assert_snapshot!("help_of_config", Program::new(["config", "--help"]).ends_with(0).out);
    let help = Program::new(["config", "show", "--help"]).ends_with(0).out;
    assert!(help.contains("no key is shown") && help.contains("--dest"), "{help}");
}
