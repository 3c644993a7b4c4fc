//! Pages, NDJSON and CSV of any age, packed or not, in one folder: all their rows are in the lake, each in its month.

use super::program::Program;
use super::published::{Place, gzip};
use super::scripted_server::{page, row};

fn zstd(text: &str) -> Vec<u8> {
    zstd::stream::encode_all(text.as_bytes(), 1).unwrap()
}

/// A report of rows that are told by number and day.
fn report(rows: &[(u32, &str)]) -> String {
    let rows =
        rows.iter().map(|(number, day)| format!("m{number},{day},{number},\"{{\"\"n\"\": \"\"{number}\"\"}}\"\r\n"));
    format!("UsageDetail Report for Billing Period\r\n\r\nMeterName,Date,Cost,Tags\r\n{}", rows.collect::<String>())
}

/// The same as older reports have it, month first.
fn older(rows: &[(u32, [u32; 3])]) -> String {
    let rows = rows.iter().map(|(number, [year, month, day])| {
        format!("{month}/{day}/{year},{month},{day},{year},m{number},{number},\"{{\"\"n\"\": \"\"{number}\"\"}}\",\r\n")
    });
    format!(
        "\"Usage Data Extract\",\r\n\"\",\r\nDate,Month,Day,Year,Meter Name,ExtendedCost,Tags,\r\n{}",
        rows.collect::<String>()
    )
}

#[test]
fn with_all_rows_each_in_its_month() {
    let place = Place::new();
    let lines = |numbers: std::ops::Range<u32>| numbers.map(|number| row(number) + "\n").collect::<String>();
    let add = |name: &str, bytes: &[u8]| place.write(&format!("files/{name}"), bytes);
    add("01-page.json", page(1..4, None).as_bytes());
    add("02-report.csv", report(&[(4, "2024-11-30"), (5, "2024-12-01"), (6, "2023-02-28")]).as_bytes());
    add("03-older.csv.gz", &gzip(older(&[(7, [2024, 11, 2]), (8, [2014, 5, 1]), (9, [2024, 12, 11])]).as_bytes()));
    add("04-rows.ndjson.zst", &zstd(&(lines(10..12) + &row(12).replace("2024-11", "2023-02"))));
    add(
        "05-report.csv.zst",
        &zstd(&format!("\u{feff}{}", report(&[(13, "2024-12-24"), (14, "2024-11-01")])).replace("\r\n", "\n")),
    );
    add("06-page.json.gz", &gzip(page(15..17, None).as_bytes()));
    add("07-older.csv", older(&[(17, [2024, 1, 11])]).trim_end().as_bytes());
    let ended = Program::convert(place.path("files").to_str().unwrap(), &place.dest()).ends_with(0);
    assert_eq!(
        (ended.report()["totals"]["rows"].clone(), ended.report()["totals"]["rejected_rows"].clone()),
        (17.into(), 0.into())
    );
    for (period, numbers) in [
        ("2024-11", vec![1, 2, 3, 4, 7, 10, 11, 14, 15, 16]),
        ("2024-12", vec![5, 9, 13]),
        ("2023-02", vec![6, 12]),
        ("2014-05", vec![8]),
        ("2024-01", vec![17]),
    ] {
        let table = place.period(period);
        let meters: Vec<_> = numbers.iter().map(|number| format!("m{number}")).collect();
        assert_eq!(table.texts("meter_name"), meters, "{period}");
        assert_eq!(table.sum("cost"), numbers.iter().sum::<i128>() * 10_i128.pow(18), "{period}");
        assert_eq!(table.distinct("billing_month"), [format!("{period}-01")]);
    }
    assert_eq!(place.period("2014-05").texts("date"), ["2014-05-01"]);
    assert_eq!(place.period("2024-12").texts("date"), ["2024-12-01", "2024-12-11", "2024-12-24"]);
    let tags = [5, 9, 13].map(|number| format!("{{\"n\": \"{number}\"}}"));
    assert_eq!(place.period("2024-12").texts("tags"), tags);
    assert_eq!(place.period("2024-12").texts("extra"), ["null"; 3]);
}

#[test]
fn a_row_of_another_period_keeps_what_a_csv_says() {
    let captions = "Date,Cost,MeterName,Tags,AccountId,New,EnrollmentNumber,ChargesBilledSeparately";
    let odd = "2024-12-02,0.0000000000000000015,\"a \"\"b\"\"\r\n\\c\u{1}é\",\" \",12.0,\"x\"\"\t\",100,True";
    let of = |first: &str, rows: &str| {
        let place = Place::new();
        let file = place.write("report.csv", format!("{captions}\r\n{first}{rows}\r\n").as_bytes());
        Program::convert(&file, &place.dest()).ends_with(0);
        place
    };
    // Read as it comes, and after a row of another month.
    let (alone, behind) = (of("", odd), of("2024-11-01,1,m,,,,,\r\n", odd));
    for column in ["date", "cost", "meter_name", "tags", "account_id", "extra", "charges_billed_separately"] {
        assert_eq!(behind.period("2024-12").texts(column), alone.period("2024-12").texts(column), "{column}");
    }
    assert_eq!(alone.period("2024-12").texts("meter_name"), ["a \"b\"\r\n\\c\u{1}é"]);
    for key in ["control_totals", "rounding_residue", "unknown_fields"] {
        let [alone, behind] = [&alone, &behind].map(|place| place.period("2024-12").footer(key));
        assert_eq!(behind, alone, "{key}");
    }
}

#[test]
fn one_cut_report_publishes_nothing() {
    let whole = report(&[(1, "2024-11-30"), (2, "2024-12-01")]);
    for cut in [whole.len() - 9, whole.len() - 30, 70] {
        let place = Place::new();
        place.write("files/1.json", page(1..4, None).as_bytes());
        place.write("files/2.csv", &whole.as_bytes()[..cut]);
        let ended = Program::convert(place.path("files").to_str().unwrap(), &place.dest()).ends_with(5);
        ended.says(&["2.csv"]);
        assert!(place.data().is_empty());
    }
}
