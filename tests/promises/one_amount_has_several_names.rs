//! `cost`, `Cost` and `extendedCost` of usage details are one amount: in the one column, and never two of them.

use super::program::Program;
use super::published::Place;

/// The costs of rows with these members, by `convert`; of rejected ones the reason.
fn costs(rows: &[&str]) -> Vec<String> {
    let place = Place::new();
    let line = |row: &&str| format!("{{\"date\":\"2024-11-03\",\"meterName\":\"m\",{row}}}\n");
    let file = place.write("rows.ndjson", rows.iter().map(line).collect::<String>().as_bytes());
    let ended = Program::convert(&file, &place.dest()).with(["--max-rejected", "100"]).ends_with(0);
    let mut costs = place.period("2024-11").texts("cost");
    let slice = ended.slice();
    let total: f64 = slice["control_totals"]["cost"].as_str().unwrap().parse().unwrap();
    let sum: f64 = costs.iter().filter_map(|cost| cost.parse::<f64>().ok()).sum();
    assert!((total - sum).abs() < 1e-9, "{total} {sum}");
    for name in place.names("_billing_lake/rejected/") {
        let text = String::from_utf8(place.everything()[&name].clone()).unwrap();
        costs.extend(text.lines().map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["reason"].as_str().unwrap().to_owned()
        }));
    }
    costs
}

#[test]
fn the_amount_stands_in_one_column_whatever_its_name() {
    let three = "3.000000000000000000";
    for row in [
        r#""cost":3"#,
        r#""Cost":3"#,
        r#""extendedCost":3"#,
        r#""cost":3,"extendedCost":3"#,
        r#""extendedCost":"3.0","cost":3"#,
        r#""extendedCost":3,"cost":null"#,
        r#""extendedCost":3,"cost":"""#,
        r#""cost":null,"extendedCost":3"#,
        // Of one name the last value counts.
        r#""cost":7,"Cost":3"#,
    ] {
        assert_eq!(costs(&[row]), [three], "{row}");
        assert_eq!(costs(&[r#""cost":3"#, row, row]), [three; 3], "{row}");
    }
    assert_eq!(costs(&[r#""cost":null,"extendedCost":3,"cost":null"#]), [three]);
    assert_eq!(costs(&[r#""cost":null,"extendedCost":null"#]), ["null"]);
}

#[test]
fn two_amounts_for_one_reject_their_row() {
    let rejected = "two names of one field hold different amounts";
    assert_eq!(costs(&[r#""cost":1"#, r#""cost":3,"extendedCost":4"#]), ["1.000000000000000000", rejected]);
    assert_eq!(costs(&[r#""cost":1"#, r#""extendedCost":4,"cost":3"#]), ["1.000000000000000000", rejected]);
    let third = r#""cost":1,"extendedCost":1,"cost":2"#;
    assert_eq!(costs(&[r#""cost":1"#, third]), ["1.000000000000000000", rejected]);
}
