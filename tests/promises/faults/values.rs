//! Faults 15, 16 and 17: numbers, ids, dates and flags of every form, by the table of values.

use serde_json::Value;

use super::bill::{self, Row};
use super::expected::{Failure, Good};
use super::scene::{At, Scene, each};

/// A type: its field, its column, the forms that are taken with their cells, and those whose row is rejected.
struct Kind {
    field: &'static str,
    column: &'static str,
    taken: &'static [(&'static str, &'static str)],
    rejected: &'static [&'static str],
}

const KINDS: [Kind; 4] = [
    Kind {
        field: "resourceRate",
        column: "resource_rate",
        taken: &[
            ("null", "null"),
            (r#""""#, "null"),
            ("12", "12.000000000000000000"),
            ("-0", "0.000000000000000000"),
            ("-0.0", "0.000000000000000000"),
            ("1e-7", "0.000000100000000000"),
            ("1E+2", "100.000000000000000000"),
            ("12.50", "12.500000000000000000"),
            ("-12.5", "-12.500000000000000000"),
            (r#""12.5""#, "12.500000000000000000"),
            (r#""-1e-7""#, "-0.000000100000000000"),
            ("99999999999999999999", "99999999999999999999.000000000000000000"),
            ("0.100000000000000000000000", "0.100000000000000000"),
            ("0.123456789012345678", "0.123456789012345678"),
        ],
        rejected: &[
            "123456789012345678901",
            "-123456789012345678901",
            "1E400",
            "1e20",
            "1e10001",
            "1e-10001",
            r#""NaN""#,
            r#""Infinity""#,
            r#""-Infinity""#,
            r#""0x1F""#,
            r#""+1""#,
            r#""01""#,
            r#""1,5""#,
            r#""1.""#,
            r#"".5""#,
            r#"" 12""#,
            r#""12 ""#,
            r#"" ""#,
            r#""1_000""#,
            "true",
            "false",
            r#""true""#,
            "{}",
            "[]",
            "[1]",
            r#"{"value":1}"#,
            r#""2018-08-01""#,
            r#""€5""#,
        ],
    },
    Kind {
        field: "accountId",
        column: "account_id",
        taken: &[
            ("null", "null"),
            (r#""""#, "null"),
            ("0", "0"),
            ("-0", "0"),
            ("12.0", "12"),
            ("1e3", "1000"),
            (r#""12""#, "12"),
            (r#""12.0""#, "12"),
            ("3000000000", "3000000000"),
            ("4294967296", "4294967296"),
            (r#""9007199254740993""#, "9007199254740993"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
        ],
        rejected: &[
            "12.5",
            "1e-7",
            r#""12.5""#,
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1e30",
            r#""9223372036854775808""#,
            "true",
            "false",
            r#""x""#,
            r#""NaN""#,
            r#""012""#,
            r#""+12""#,
            "{}",
            "[]",
            r#""2018-08-01""#,
        ],
    },
    Kind {
        field: "date",
        column: "date",
        taken: &[
            ("null", "null"),
            (r#""""#, "null"),
            (r#""2018-08-01""#, "2018-08-01"),
            (r#""2018-08-01T00:00:00""#, "2018-08-01"),
            (r#""2018-08-01T23:59:59Z""#, "2018-08-01"),
            (r#""2017-04-27T23:01:43.799Z""#, "2017-04-27"),
            (r#""2018-08-01T06:56:29.1290704Z""#, "2018-08-01"),
            (r#""2018-08-01T23:30:00-02:00""#, "2018-08-02"),
            (r#""2018-08-01T00:30:00+01:00""#, "2018-07-31"),
            (r#""2024-02-29""#, "2024-02-29"),
            (r#""2018\u002d08-01""#, "2018-08-01"),
        ],
        rejected: &[
            "20180801",
            r#""20180801""#,
            "12",
            r#""12""#,
            "true",
            r#""8/1/2018""#,
            r#""08/01/2018""#,
            r#""4/27/2017""#,
            r#""2018-02-31""#,
            r#""2023-02-29""#,
            r#""2018-13-01""#,
            r#""2018-00-01""#,
            r#""2018-08-00""#,
            r#""2018-8-1""#,
            r#""0001-01-01""#,
            r#""0001-01-01T00:00:00""#,
            r#""10000-01-01""#,
            r#""2018-08-01T25:00:00""#,
            r#""2018-08-01Tx""#,
            r#""31 February""#,
            r#""2018-08-01 or so""#,
            "{}",
            "[]",
            r#"" ""#,
        ],
    },
    Kind {
        field: "chargesBilledSeparately",
        column: "charges_billed_separately",
        taken: &[
            ("null", "null"),
            (r#""""#, "null"),
            ("0", "false"),
            ("1", "true"),
            (r#""0""#, "false"),
            (r#""1""#, "true"),
            ("true", "true"),
            ("false", "false"),
            (r#""True""#, "true"),
            (r#""FALSE""#, "false"),
        ],
        rejected: &[
            "2",
            "-1",
            "12.5",
            r#""yes""#,
            r#""12.5""#,
            "{}",
            "[]",
            r#""2018-08-01""#,
            r#""NaN""#,
            r#"" true""#,
        ],
    },
];

/// A row whose field has this value.
fn row(number: usize, field: &str, value: &str) -> Row {
    let row = Row::new(&format!("{field} {number}"), "2024-11-07", 5, 7);
    if field == "date" {
        return Row { text: row.text.replace(r#""2024-11-07""#, value), ..row };
    }
    row.and(&format!(r#""{field}":{value}"#))
}

#[test]
fn values_that_are_taken_become_their_cells() {
    each(
        &KINDS,
        |kind| kind.field.to_owned(),
        |kind| {
            let mut rows = bill::rows("2024-11", 2);
            rows.extend(kind.taken.iter().enumerate().map(|(number, (value, _))| row(number, kind.field, value)));
            let scene = Scene::new().one_page(rows);
            scene.run().published(&Good::of_one_page(&scene));
            let cells = scene.place.period("2024-11").texts(kind.column);
            let expected: Vec<_> = kind.taken.iter().map(|(_, cell)| *cell).collect();
            assert_eq!(cells[30..], expected);
        },
    );
}

/// The rejected rows that were kept.
fn kept(scene: &Scene) -> Vec<Value> {
    let names = scene.place.names("_billing_lake/rejected/usage_details/100/2024-11/");
    let bytes = scene.place.everything().remove(&names[names.len() - 1]).unwrap();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_value_that_is_none_fails_its_slice() {
    let cases: Vec<_> = KINDS.iter().flat_map(|kind| kind.rejected.iter().map(move |value| (kind, *value))).collect();
    each(
        &cases,
        |(kind, value)| format!("{} {value}", kind.field),
        |(kind, value)| {
            let mut rows = bill::rows("2024-11", 2);
            rows[29] = row(0, kind.field, value);
            let text = rows[29].text.clone();
            let scene = Scene::new().one_page(rows);
            scene.run().failed(At::First, &Failure::rejected(1).once());
            let kept = kept(&scene);
            assert_eq!((&kept[0]["column"], &kept[0]["text"]), (&kind.column.into(), &text.as_str().into()));
            assert_eq!((&kept[0]["page"], &kept[0]["row"]), (&1.into(), &29.into()));
            assert!(!kept[0]["reason"].as_str().unwrap().is_empty());
        },
    );
}

#[test]
fn rejected_rows_that_are_allowed_are_accounted_for() {
    each(
        &KINDS,
        |kind| kind.field.to_owned(),
        |kind| {
            let mut rows = bill::rows("2024-11", 2);
            rows.extend(kind.rejected.iter().enumerate().map(|(number, value)| row(number, kind.field, value)));
            let count = kind.rejected.len();
            let scene = Scene::new().one_page(rows).with(["--max-rejected", "99%"]);
            let warnings = vec!["rows were rejected: "];
            let good = Good { rows: &scene.november[..30], rejected: count, warnings, ..Good::of_one_page(&scene) };
            scene.run().published(&good);
            assert_eq!(kept(&scene).len(), count);
        },
    );
}

#[test]
fn more_than_18_decimals_are_rounded_half_to_even_and_counted() {
    // The value, and its units of 10^-18.
    let rounded: [(&str, i128); 9] = [
        ("0.0000000000000000005", 0),
        ("0.0000000000000000015", 2),
        ("2.5e-18", 2),
        ("-3.5e-18", -4),
        ("1e-25", 0),
        ("0.1234567890123456789012345", 123_456_789_012_345_679),
        ("1.234567890123456789012345678901234567890", 1_234_567_890_123_456_789),
        ("\"0.0000000000000000025000000000000000000001\"", 3),
        ("4.4999999999999999999999e-18", 4),
    ];
    let mut rows = bill::rows("2024-11", 2);
    rows.extend(rounded.iter().enumerate().map(|(number, (value, units))| {
        let row = Row::new(&format!("rounded {number}"), "2024-11-07", 0, 7);
        Row { text: row.text.replace("0.000000", value), cost: *units, ..row }
    }));
    let days: i128 = (1..=30).map(|day| (day * 1_234_567 + 178) * 1_000_000_000_000).sum();
    // The exact sum of the values above: 1.358024679135802469 and what is finer than a unit, counted by hand.
    let scene = Scene::new().one_page(rows);
    let done = scene.run();
    let total =
        done.november()["control_totals"]["cost"].as_str().unwrap_or_else(|| panic!("{}", done.all())).to_owned();
    done.published(&Good { exact_cost: Some(&total), ..Good::of_one_page(&scene) });
    assert_eq!(done.november()["rounded_values"], 9);
    let residue = done.november()["rounding_residue"]["cost"].as_str().unwrap();
    // In units of 10^-40: what was sent, what is in the file, and the difference.
    let sent = rounded.iter().map(|(value, _)| fine(value.trim_matches('"'))).sum::<num_bigint::BigInt>()
        + num_bigint::BigInt::from(days) * num_bigint::BigInt::from(10).pow(22);
    let in_file = scene.november.iter().map(|row| row.cost).sum::<i128>();
    let in_file = num_bigint::BigInt::from(in_file) * num_bigint::BigInt::from(10).pow(22);
    assert_eq!(fine(&total), sent);
    assert_eq!(fine(residue), sent - in_file);
}

/// A decimal in units of 10^-40.
fn fine(text: &str) -> num_bigint::BigInt {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: num_bigint::BigInt = format!("{whole}{fraction}").parse().unwrap();
    let scale = 40 + exponent.parse::<i32>().unwrap() - fraction.len() as i32;
    digits * num_bigint::BigInt::from(10).pow(scale.try_into().unwrap())
}

#[test]
fn a_number_of_a_thousand_digits_is_judged_and_not_cut() {
    each(
        &["1", "0."],
        |beginning| (*beginning).to_owned(),
        |beginning| {
            let mut rows = bill::rows("2024-11", 2);
            rows[3] = row(0, "resourceRate", &format!("{beginning}{}", "7".repeat(1_100)));
            let scene = Scene::new().one_page(rows);
            scene.run().failed(At::First, &Failure::rejected(1).once());
        },
    );
}
