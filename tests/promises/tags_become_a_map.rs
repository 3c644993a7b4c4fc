//! With `--tags-map` the tags are there a second time as a map, as far as they can be read; the text stays as it was sent.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use serde_json::Value;

use super::program::Program;
use super::published::Place;

/// Keys and values of a row's tags.
type Tags = Vec<(&'static str, Option<&'static str>)>;

/// Tags as JSON has them, and their map; none where it is null. `false`: they cannot be read.
fn cases() -> Vec<(Value, Option<Tags>, bool)> {
    let text = |text: &str| Value::from(text);
    let fifty_kilobytes = format!("{{\"long\":\"{}\",\"last\":\"1\"}}", "x".repeat(50 << 10));
    let long: &'static str = "x".repeat(50 << 10).leak();
    vec![
        (text(r#"{  "env": "prod",  "team": "a,b"}"#), Some(vec![("env", Some("prod")), ("team", Some("a,b"))]), true),
        (text(r#""env": "prod",  "team": "a""#), Some(vec![("env", Some("prod")), ("team", Some("a"))]), true),
        (
            text(r#"{"Env":"1","env":"2","ENV":"3"}"#),
            Some(vec![("Env", Some("1")), ("env", Some("2")), ("ENV", Some("3"))]),
            true,
        ),
        (text(r#"{"b":"1","a":"2","b":"3"}"#), Some(vec![("b", Some("3")), ("a", Some("2"))]), true),
        (
            text(r#"{"n":1.50,"o":{"x":[1, 2]},"t":true,"z":null}"#),
            Some(vec![("n", Some("1.50")), ("o", Some(r#"{"x":[1, 2]}"#)), ("t", Some("true")), ("z", None)]),
            true,
        ),
        (text(r#"{"\u00e9\n":"\"\\","":""}"#), Some(vec![("é\n", Some("\"\\")), ("", Some(""))]), true),
        (text("{}"), Some(vec![]), true),
        (text(&fifty_kilobytes), Some(vec![("long", Some(long)), ("last", Some("1"))]), true),
        (text(""), None, true),
        (Value::Null, None, true),
        (text("env=prod"), None, false),
        (text(r#"{"env":"prod""#), None, false),
        (text(r#"["env"]"#), None, false),
        (text(r#"{"env":"prod"} and more"#), None, false),
        (text("env=prod"), None, false),
        (text("{\"line\":\"a\nb\"}"), None, false),
    ]
}

/// A row of each case, some of them many times.
fn rows(times: usize) -> Vec<(String, Option<Tags>, bool)> {
    let mut rows = Vec::new();
    for number in 0..times {
        for (at, (tags, map, readable)) in cases().into_iter().enumerate() {
            let id = number * cases().len() + at;
            let row = serde_json::json!({"cost": 1, "date": "2024-11-05", "meterName": format!("m{id}"), "tags": tags});
            rows.push((row.to_string(), map, readable));
        }
    }
    rows
}

/// Checks the file that came of these rows against the file of the same rows without maps.
fn has_maps(input: &str, place: &Place, rows: &[(String, Option<Tags>, bool)]) {
    let plain = Place::new();
    Program::convert(input, &plain.dest()).ends_with(0);
    let ended = Program::convert(input, &place.dest()).with(["--tags-map"]).ends_with(0);
    let unreadable = rows.iter().filter(|(.., readable)| !readable).count();
    assert_eq!(ended.slice()["unreadable_tags"], unreadable);
    let (with, without) = (place.period("2024-11"), plain.period("2024-11"));
    for column in ["tags", "meter_name", "cost", "extra"] {
        assert_eq!(with.texts(column), without.texts(column), "{column}");
    }
    assert!(without.batches().iter().all(|batch| batch.column_by_name("tags_map").is_none()));

    let mut rows = rows.iter();
    for batch in with.batches() {
        let maps = batch.column_by_name("tags_map").unwrap();
        let DataType::Map(entry, false) = maps.data_type() else { panic!("{}", maps.data_type()) };
        let DataType::Struct(fields) = entry.data_type() else { panic!("{entry}") };
        let fields = fields.iter().map(|field| (field.name().as_str(), field.data_type().clone(), field.is_nullable()));
        assert_eq!(fields.collect::<Vec<_>>(), [("key", DataType::Utf8, false), ("value", DataType::Utf8, true)]);
        let maps = maps.as_map();
        for at in 0..maps.len() {
            let (text, wanted, _) = rows.next().unwrap();
            let found = maps.is_valid(at).then(|| {
                let entries = maps.value(at);
                let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
                let pair =
                    |at: usize| (keys.value(at).to_owned(), values.is_valid(at).then(|| values.value(at).to_owned()));
                (0..entries.len()).map(pair).collect::<Vec<_>>()
            });
            let wanted = wanted.as_ref().map(|tags| {
                tags.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect::<Vec<_>>()
            });
            assert_eq!(found, wanted, "{text:.300}");
        }
    }
    assert!(rows.next().is_none());
}

#[test]
fn of_json() {
    let (place, rows) = (Place::new(), rows(1));
    let text: String = rows.iter().map(|(row, ..)| row.clone() + "\n").collect();
    has_maps(&place.write("rows.ndjson", text.as_bytes()), &place, &rows);
}

#[test]
fn of_many_rows_that_repeat() {
    let (place, rows) = (Place::new(), rows(400));
    let text: String = rows.iter().map(|(row, ..)| row.clone() + "\n").collect();
    has_maps(&place.write("rows.ndjson", text.as_bytes()), &place, &rows);
}

#[test]
fn of_csv() {
    let (place, rows) = (Place::new(), rows(1));
    let mut text = "Date,Cost,MeterName,Tags\r\n".to_owned();
    for (row, ..) in &rows {
        let row: Value = serde_json::from_str(row).unwrap();
        let tags = row["tags"].as_str().unwrap_or_default().replace('"', "\"\"");
        text += &format!("2024-11-05,1,{},\"{tags}\"\r\n", row["meterName"].as_str().unwrap());
    }
    has_maps(&place.write("rows.csv", text.as_bytes()), &place, &rows);
}

#[test]
fn rows_of_another_period_have_theirs_too() {
    let place = Place::new();
    let row = |day: &str, tags: &str| serde_json::json!({"cost": 1, "date": day, "tags": tags}).to_string() + "\n";
    let text = row("2024-11-05", "{}") + &row("2024-12-05", "no map") + &row("2024-12-06", r#"{"a":"b"}"#);
    let file = place.write("rows.ndjson", text.as_bytes());
    let ended = Program::convert(&file, &place.dest()).with(["--tags-map"]).ends_with(0);
    let report = ended.report();
    let unreadable = |period: &str| {
        let slices = report["slices"].as_array().unwrap().iter();
        slices.filter(|slice| slice["billing_period"] == period).map(|slice| slice["unreadable_tags"].clone()).next()
    };
    assert_eq!((unreadable("2024-11"), unreadable("2024-12")), (Some(0.into()), Some(1.into())));
    let maps = place.period("2024-12").batches();
    let maps = maps[0].column_by_name("tags_map").unwrap();
    assert_eq!((maps.is_null(0), maps.as_map().value(1).len()), (true, 1));
}
