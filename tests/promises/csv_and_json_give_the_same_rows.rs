//! The same rows give the same cells, rejections and totals, whether they come as JSON, as CSV, or as both in turns.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use billing_lake::contract::{Column, ColumnType, Contract, Dataset};
use billing_lake::decode::{Decoder, Form, Options, RowScope, Summary};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::Value;

use crate::cells::{self, Cells, ENROLLMENT};

/// Rows under the names of their fields. Empty text stands for nothing.
#[derive(Debug, Clone)]
struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// How tables are written down: each choice is the next number, from the first again behind the last.
#[derive(Debug, Clone)]
struct Style(Vec<u8>, usize);

impl Style {
    fn choose(&mut self, ways: usize) -> usize {
        self.1 += 1;
        usize::from(self.0[self.1 % self.0.len()]) % ways
    }
}

/// A page as the service sends it.
fn json(table: &Table, style: &mut Style) -> Vec<u8> {
    let rows = table.rows.iter().map(|row| {
        let members = table.names.iter().zip(row).filter_map(|(name, text)| {
            let value = match (text.is_empty(), style.choose(3)) {
                (true, 0) => return None,
                (true, 1) => "null".to_owned(),
                (false, 0) if is_json_number(text) => text.clone(),
                _ => Value::from(text.as_str()).to_string(),
            };
            Some(format!("{}:{value}", Value::from(name.as_str())))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    });
    format!("{{\"id\":\"1\",\"data\":[{}],\"nextLink\":null}}", rows.collect::<Vec<_>>().join(",")).into_bytes()
}

fn is_json_number(text: &str) -> bool {
    // serde_json reads numbers into floats, so it takes those that fit; others are written in quotes.
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_number()) && text.trim() == text
}

/// A report.
fn csv(table: &Table, style: &mut Style) -> Vec<u8> {
    let end = ["\r\n", "\n"][style.choose(2)];
    let mut text = ["", "\u{feff}"][style.choose(2)].to_owned();
    if style.choose(2) == 0 {
        text += &format!("\"UsageDetail Report\",{end}{end}");
    }
    let captions: Vec<_> = table.names.iter().map(|name| caption(name, style)).collect();
    text += &(captions.join(",") + end);
    for row in &table.rows {
        let fields: Vec<_> = row.iter().map(|field| quoted(field, style)).collect();
        text += &(fields.join(",") + ["", "", ","][style.choose(3)] + end);
    }
    // The last line may lack its end, but for the captions.
    if style.choose(3) == 0 && !table.rows.is_empty() {
        text.truncate(text.len() - end.len());
    }
    text.into_bytes()
}

fn caption(name: &str, style: &mut Style) -> String {
    let pascal = name[..1].to_uppercase() + &name[1..];
    // What no contract knows is kept under its own name.
    match style.choose(4) {
        0 => name.to_owned(),
        _ if name.starts_with("new") => name.to_owned(),
        1 => format!("\"Überschrift, {pascal} ({pascal})\""),
        2 => pascal.replace("Id", " ID").replace("Sub", " Sub-"),
        _ => pascal,
    }
}

fn quoted(field: &str, style: &mut Style) -> String {
    let has_to_be = field.starts_with('"') || field.contains([',', '\n']) || field.ends_with('\r');
    if has_to_be || style.choose(3) == 0 { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

/// What a decoder made of pages.
#[derive(Debug)]
struct Decoded {
    rows: Vec<Cells>,
    /// Page, row and column.
    rejected: Vec<(u64, u64, Option<String>)>,
    summary: Summary,
}

fn decode(pages: &[Vec<u8>], form: Form, prediction: bool, sizes: &[usize]) -> Decoded {
    let contract = Contract::of(Dataset::UsageDetails);
    let mut options = Options::new(RowScope::Period("2018-08".parse().unwrap()));
    options.form = form;
    options.prediction = prediction;
    let mut decoder = Decoder::new(contract.clone(), ENROLLMENT.parse().unwrap(), options);
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut sizes = sizes.iter().copied().cycle();
    let mut rejected = Vec::new();
    for page in pages {
        let mut rest = &page[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
            decoder.feed(piece).unwrap();
            rest = behind;
        }
        decoder.commit().unwrap();
        cells::take_batches(&mut decoder, &mut batches);
        rejected.extend(decoder.take_rejected().into_iter().map(|row| (row.page, row.row, row.column)));
    }
    batches.extend(decoder.finish().unwrap().map(|group| group.into_batch().unwrap()));
    let rows = batches.iter().flat_map(|batch| cells::rows(batch, &contract, Some("2018-08-01")));
    Decoded { rows: rows.map(comparable).collect(), rejected, summary: decoder.summary() }
}

/// A row's cells, with null and empty text as one, and `extra` by its members that are not empty.
fn comparable(mut row: Cells) -> Cells {
    if let Some(extra) = row.remove("extra") {
        let mut members: BTreeMap<String, Value> = serde_json::from_str(&extra).unwrap();
        members.retain(|_, value| !value.is_null() && value != "");
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        row.extend(members.into_iter().map(|(name, value)| (format!("extra {name}"), text(value))));
    }
    row.retain(|_, cell| !cell.is_empty());
    row
}

#[track_caller]
fn agree(found: &Decoded, wanted: &Decoded) {
    for (at, (found, wanted)) in found.rows.iter().zip(&wanted.rows).enumerate() {
        assert_eq!(found, wanted, "row {at}");
    }
    assert_eq!(found.rows.len(), wanted.rows.len());
    assert_eq!(found.rejected, wanted.rejected);
    assert_eq!(found.summary.control_totals, wanted.summary.control_totals);
    assert_eq!(found.summary.rows, wanted.summary.rows);
    assert_eq!(found.summary.rejected_rows, wanted.summary.rejected_rows);
    assert_eq!(found.summary.rounded_values, wanted.summary.rounded_values);
}

/// Writes each table in both ways, and reads all of one, all of the other, and both in turns.
fn all_ways_agree(tables: &[Table], mut style: Style, sizes: &[usize]) -> Decoded {
    let pages: Vec<_> = tables.iter().map(|table| json(table, &mut style)).collect();
    let reports: Vec<_> = tables.iter().map(|table| csv(table, &mut style)).collect();
    let wanted = decode(&pages, Form::Page, false, &[usize::MAX]);
    for prediction in [true, false] {
        agree(&decode(&reports, Form::Csv, prediction, sizes), &wanted);
        let both = |first: usize| {
            let kinds = [&pages, &reports];
            (0..tables.len()).map(|at| kinds[(at + first) % 2][at].clone()).collect::<Vec<_>>()
        };
        for first in [0, 1] {
            agree(&decode(&both(first), Form::Detect, prediction, sizes), &wanted);
        }
    }
    wanted
}

/// Texts that a field may have: such as it takes, and others.
fn text_of(column: Option<&Column>) -> BoxedStrategy<String> {
    let any = || {
        select(vec!["", "0", "1", "12", "true", "2018-08-01", "x,\"y\"", "{  \"a\": \"b\"}"]).prop_map(str::to_owned)
    };
    let known: &[&str] = match column.map(|column| column.kind) {
        Some(ColumnType::Decimal) => &[
            "0",
            "-0",
            "1.50",
            "1e-7",
            "0.0000000000000000015",
            "-12.25",
            "99999999999999999999",
            "1E400",
            "1,5",
            "+1",
            "",
        ],
        Some(ColumnType::Id) => &["0", "12", "12.0", "1e3", "1.5", "9223372036854775807", "9223372036854775808", ""],
        Some(ColumnType::Date) => {
            &["2018-08-01", "2018-08-31T23:30:00-02:00", "2018-08-02T00:00:00Z", "2018-02-30", ""]
        }
        Some(ColumnType::Flag) => &["True", "False", "true", "0", "1", "yes", ""],
        _ => {
            let texts = proptest::string::string_regex("[a-c \"\\\\,\r\n\t'é€😀\u{0}\u{7f}]{0,12}").unwrap();
            return prop_oneof![4 => texts, 1 => any()].boxed();
        }
    };
    let known = select(known.to_vec()).prop_map(str::to_owned);
    prop_oneof![20 => known, 1 => any()].boxed()
}

fn table() -> impl Strategy<Value = Table> {
    let contract = Contract::of(Dataset::UsageDetails);
    let known: Vec<_> = contract.columns().iter().map(|column| column.field.clone()).collect();
    let needed = ["date".to_owned(), "cost".to_owned()];
    let others: Vec<_> = known.iter().filter(|name| !needed.contains(name)).cloned().collect();
    let others = subsequence(others, 0..12);
    let unknown = subsequence(vec!["newOne".to_owned(), "new two".to_owned()], 0..=2);
    let names = (others, unknown).prop_map(move |(known, unknown)| [&needed[..], &known[..], &unknown[..]].concat());
    names.prop_shuffle().prop_flat_map(move |names| {
        let column = |name: &String| contract.columns().iter().find(|column| &column.field == name);
        let row: Vec<_> = names.iter().map(|name| text_of(column(name))).collect();
        // Few rows, of which some come again.
        (proptest::collection::vec(row, 1..5), proptest::collection::vec(any::<proptest::sample::Index>(), 0..16))
            .prop_map(move |(rows, which)| {
                let rows = which.iter().map(|which| which.get(&rows).clone()).collect();
                Table { names: names.clone(), rows }
            })
    })
}

proptest! {
    #[test]
    fn generated_rows(
        tables in proptest::collection::vec(table(), 1..4),
        style in proptest::collection::vec(any::<u8>(), 1..64),
        sizes in proptest::collection::vec(1..200_usize, 1..8),
    ) {
        all_ways_agree(&tables, Style(style, 0), &sizes);
    }
}

/// Enough rows that layouts are learned, in pages and reports by turns.
#[test]
fn a_bill_that_repeats() {
    let names =
        ["accountId", "cost", "date", "meterId", "meterName", "consumedQuantity", "instanceId", "tags", "newOne"];
    let row = |number: usize| {
        let (resource, meter, day) = (number % 300, number % 7, number / 300 % 30 + 1);
        let tags = ["", "{  \"env\": \"prod\"}", "{\"a\":\"x,\r\ny\"}"][resource % 3];
        vec![
            (resource % 5).to_string(),
            format!("{}.{:02}", number % 97, resource % 100),
            format!("2018-08-{day:02}"),
            format!("m-{meter}"),
            format!("Meter \"{meter}\""),
            number.to_string(),
            format!("/subscriptions/s/resource-{resource}"),
            tags.to_owned(),
            ["", "one"][usize::from(resource == 17)].to_owned(),
        ]
    };
    let tables: Vec<_> = (0..12)
        .map(|page| Table {
            names: names.map(str::to_owned).to_vec(),
            rows: (page * 1_000..(page + 1) * 1_000).map(row).collect(),
        })
        .collect();
    let decoded =
        all_ways_agree(&tables, Style((0..251).map(|at: u8| at.wrapping_mul(37)).collect(), 0), &[4_000, 65_536, 17]);
    assert_eq!((decoded.summary.rows, decoded.summary.rejected_rows), (12_000, 0));
    let cents: usize = (0..12_000).map(|number| number % 97 * 100 + number % 300 % 100).sum();
    let total = format!("{}.{:02}", cents / 100, cents % 100);
    assert_eq!(decoded.summary.control_totals.text["cost"], total.trim_end_matches('0').trim_end_matches('.'));
}
