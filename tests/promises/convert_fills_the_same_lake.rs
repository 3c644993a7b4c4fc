//! Pages that were saved before give the same rows as the API did, whatever they are packed in.

use billing_lake::simulator::{Options, write_pages};

use super::program::{KEY, Program};
use super::published::{Place, gzip, units};
use super::scripted_server::{page, row};
use super::simulated_api::Api;

fn options() -> Options {
    Options { rows_per_month: 250, page_rows: 100, key: KEY.to_owned(), ..Options::default() }
}

/// The columns that a test compares, row by row.
fn contents(place: &Place, period: &str) -> Vec<Vec<String>> {
    let file = place.period(period);
    ["date", "cost", "consumed_quantity", "instance_id", "tags", "meter_name", "billing_month", "enrollment_number"]
        .map(|column| file.texts(column))
        .to_vec()
}

fn ndjson(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().map(|number| row(number) + "\n").collect()
}

fn meters(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("m{number}")).collect()
}

#[test]
fn saved_pages_give_the_rows_that_the_api_served() {
    let (synced, converted) = (Place::new(), Place::new());
    let api = Api::start(options());
    Program::sync(&api.endpoint(), &synced.dest()).ends_with(0);
    let folders = ["202401", "202402", "202403"].map(|period| {
        let folder = converted.path(period);
        assert_eq!(write_pages(&options(), "100", period, &folder).unwrap(), 3);
        folder.to_str().unwrap().to_owned()
    });
    let dest = converted.dest();
    let ended = Program::new(["convert", "--enrollment", "100", "--dest", &dest, "--format", "json"])
        .with(folders.iter().map(String::as_str))
        .ends_with(0);
    assert_eq!(ended.outcomes().len(), 3, "{}", ended.out);
    for (period, id) in [("2024-01", "202401"), ("2024-02", "202402"), ("2024-03", "202403")] {
        assert_eq!(contents(&converted, period), contents(&synced, period));
        let truth = api.truth("100", id);
        assert_eq!(converted.period(period).sum("cost"), units(truth["sums"]["cost"].as_str().unwrap()));
        // A file carries no ETag, so that the next sync asks without a condition.
        assert_eq!(converted.period(period).footer("etag"), None);
    }
    let ended = Program::sync(&api.endpoint(), &dest).with(["--recheck", "all"]).ends_with(0);
    assert_eq!(ended.outcomes(), ["2024-03 published", "2024-02 published", "2024-01 published"]);
}

#[test]
fn every_form_and_packing_is_read() {
    let zstd = |bytes: &[u8]| zstd::stream::encode_all(bytes, 1).unwrap();
    let array = format!("[{},{},{}]", row(1), row(2), row(3));
    let saved = page(1..4, Some("http://192.0.2.1/never-followed"));
    for text in [saved, ndjson(1..4), ndjson(1..4).trim_end().to_owned(), ndjson(1..4).replace('\n', "\r\n"), array] {
        for bytes in [text.clone().into_bytes(), gzip(text.as_bytes()), zstd(text.as_bytes())] {
            let place = Place::new();
            let file = place.write("rows", &bytes);
            Program::convert(&file, &place.dest()).ends_with(0);
            assert_eq!(place.period("2024-11").texts("meter_name"), meters(1..4), "{text}");

            let piped = Place::new();
            Program::convert("-", &piped.dest()).input(&bytes).ends_with(0);
            assert_eq!(contents(&piped, "2024-11"), contents(&place, "2024-11"));
        }
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let place = Place::new();
    place.write("pages/b.json", page(4..7, None).as_bytes());
    place.write("pages/a.json.gz", &gzip(page(1..4, None).as_bytes()));
    place.write("pages/c.ndjson", ndjson(7..10).as_bytes());
    Program::convert(place.path("pages").to_str().unwrap(), &place.dest()).ends_with(0);
    assert_eq!(place.period("2024-11").texts("meter_name"), meters(1..10));
}

#[test]
fn rows_of_several_months_go_each_into_its_own() {
    let place = Place::new();
    let months = ["2024-11", "2023-05", "2024-12"];
    let of_month = |number: u32| row(number).replace("2024-11", months[number as usize % 3]);
    let text: String = (0..30_000).map(|number| of_month(number) + "\n").collect();
    let file = place.write("rows.ndjson", text.as_bytes());
    let ended = Program::convert(&file, &place.dest()).ends_with(0);
    assert_eq!(ended.report()["totals"]["rows"], 30_000);
    for (first, month) in months.iter().enumerate() {
        let table = place.period(month);
        assert_eq!(table.texts("meter_name"), meters((first as u32..30_000).step_by(3)));
        assert_eq!(table.distinct("billing_month"), [format!("{month}-01")]);
    }
}

#[test]
fn a_period_in_place_is_replaced_by_force_only() {
    let place = Place::new();
    let first = place.write("first.ndjson", ndjson(1..4).as_bytes());
    Program::convert(&first, &place.dest()).ends_with(0);
    let before = place.data();

    // A month that is not there yet is not published beside it either.
    let rows = ndjson(4..6) + &ndjson([6]).replace("2024-11", "2024-12");
    let second = place.write("second.ndjson", rows.as_bytes());
    let ended = Program::convert(&second, &place.dest()).ends_with(2);
    ended.says(&["2024-11", "is in the lake already", "hint:", "--force"]);
    assert!(place.data() == before);

    // Another enrollment's period of the same month is not in the way.
    Program::new(["convert", "--dest", &place.dest(), "--enrollment", "200"]).with([second.as_str()]).ends_with(0);
    Program::convert(&second, &place.dest()).with(["--force"]).ends_with(0);
    assert_eq!(place.period("2024-11").texts("meter_name"), meters(4..6));
    assert_eq!(place.period("2024-12").texts("meter_name"), meters([6]));
}

#[test]
fn a_file_that_is_cut_or_corrupt_publishes_nothing_and_is_named() {
    let whole = page(1..4, None).into_bytes();
    let packed = gzip(&whole);
    let mut corrupt = packed.clone();
    let end = corrupt.len();
    corrupt[end - 6] ^= 0xff;
    let (other, cut): (&[u8], &[u8]) = (b"a,b\r\n1,2", b"cost,date\r\n1,2024-11-01\r\n1,\"2024-11");
    for bytes in [&whole[..whole.len() - 9], &packed[..end - 9], &corrupt, b"", b"<html></html>", other, cut] {
        let place = Place::new();
        place.write("pages/1.json", page(4..7, None).as_bytes());
        place.write("pages/broken-file", bytes);
        let ended = Program::convert(place.path("pages").to_str().unwrap(), &place.dest()).ends_with(5);
        ended.says(&["broken-file"]);
        assert!(place.data().is_empty());
        assert_eq!(place.names("_billing_lake/staging/"), [""; 0]);
    }
}

#[test]
fn a_row_without_a_date_has_no_period_and_is_rejected() {
    let place = Place::new();
    let without = r#"{"cost":5,"meterName":"undated"}"#;
    let file = place.write("rows.ndjson", format!("{}\n{without}\n", row(1)).as_bytes());
    Program::convert(&file, &place.dest()).ends_with(5).says(&["rows were rejected: 1"]);
    assert!(place.data().is_empty());
    let kept = place.names("_billing_lake/rejected/");
    assert!(String::from_utf8_lossy(&place.everything()[&kept[0]]).contains("undated"));

    let ended = Program::convert(&file, &place.dest()).with(["--max-rejected", "1"]).ends_with(0);
    assert_eq!(ended.report()["totals"]["rejected_rows"], 1);
    assert_eq!(place.period("2024-11").rows(), 1);
}

#[test]
fn what_is_not_there_ends_with_2() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    for input in [place.path("nothing"), place.path("empty")] {
        Program::convert(input.to_str().unwrap(), &place.dest()).ends_with(2);
    }
    assert!(place.everything().is_empty());
}

#[test]
fn rows_that_all_lack_a_date_are_told_however_many_may_be_rejected() {
    let place = Place::new();
    let file = place.write("rows.ndjson", b"{\"date\":\"zz\"}\n");
    let ended = Program::convert(&file, &place.dest()).with(["--max-rejected", "100%"]).ends_with(5);
    ended.says(&["rows were rejected: 1", "_billing_lake/rejected/", "readable date"]);
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let place = Place::new();
    let file = place.write("rows.ndjson", ndjson(1..4).as_bytes());
    let convert = |enrollment: &str| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        std::process::Command::new(env!("CARGO_BIN_EXE_billing-lake"))
            .args(["convert", &file, "--dest", &place.dest(), "--enrollment", enrollment])
            .stdout(std::process::Stdio::null())
            .stderr(full)
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(convert("100"), Some(0));
    assert_eq!(convert("100"), Some(2), "the period is there already");
}
