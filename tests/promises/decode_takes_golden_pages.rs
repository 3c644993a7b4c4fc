//! The pages in `tests/golden/`, written by hand with the rows that they must give.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use billing_lake::contract::{Contract, Dataset};
use billing_lake::decode::{DecodeError, Decoder, Form, Options, RowScope};
use serde::Deserialize;
use serde_json::Value;

use crate::cells::{self, Cells, ENROLLMENT};
use crate::program::Program;
use crate::published::{Place, units};

/// What a golden page must give.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(default = "usage_details")]
    dataset: String,
    rows: Vec<BTreeMap<String, Value>>,
    rejected: Vec<ExpectedRejection>,
    control_totals: BTreeMap<String, String>,
    rounding_residue: BTreeMap<String, String>,
    rounded_values: u64,
    replaced_texts: u64,
    duplicate_keys: u64,
    unknown_fields: BTreeMap<String, u64>,
    #[serde(default)]
    unknown_envelope_fields: BTreeMap<String, u64>,
    next_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedRejection {
    row: u64,
    column: Option<String>,
    reason_contains: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedError {
    #[serde(default = "usage_details")]
    dataset: String,
    page_error: String,
    /// What completes a page that is cut.
    rest: Option<String>,
}

impl Expected {
    /// The rows as they are read from record batches.
    fn cells(&self) -> Vec<Cells> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let row = |row: &BTreeMap<String, Value>| row.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        self.rows.iter().map(row).collect()
    }
}

fn usage_details() -> String {
    Dataset::UsageDetails.name().to_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The pages of a folder with what is expected of each, by name.
fn pages(folder: &Path) -> Vec<(String, Vec<u8>, String)> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let stem = [".json", ".ndjson", ".csv"].iter().find_map(|end| name.strip_suffix(end));
        if let Some(stem) = stem.filter(|stem| !stem.ends_with(".expected")) {
            let expected = std::fs::read_to_string(folder.join(format!("{stem}.expected.json")))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            pages.push((name, std::fs::read(path).unwrap(), expected));
        }
    }
    pages.sort();
    pages
}

/// The forms in which a page may be read.
fn forms(name: &str, dataset: Dataset) -> Vec<Form> {
    match dataset {
        _ if name.ends_with(".ndjson") => vec![Form::Detect],
        _ if name.ends_with(".csv") => vec![Form::Csv, Form::Detect],
        Dataset::UsageDetails => vec![Form::Page],
        Dataset::BalanceSummary => vec![Form::One],
        Dataset::BillingPeriods => vec![Form::Array],
        _ => vec![Form::List],
    }
}

fn decoder(dataset: Dataset, form: Form) -> Decoder {
    let mut options = Options::new(match dataset {
        Dataset::BillingPeriods => RowScope::OfRow,
        _ => RowScope::Period("2018-08".parse().unwrap()),
    });
    options.form = form;
    Decoder::new(Contract::of(dataset), ENROLLMENT.parse().unwrap(), options)
}

#[test]
fn golden_pages_give_their_rows() {
    let pages = pages(&folder());
    assert!(pages.len() >= 10, "the golden pages are not there");
    for (name, page, expected) in pages {
        let expected: Expected = serde_json::from_str(&expected).unwrap_or_else(|error| panic!("{name}: {error}"));
        let dataset: Dataset = expected.dataset.parse().unwrap();
        let contract = Contract::of(dataset);
        let expected_rows = expected.cells();
        let forms = forms(&name, dataset).into_iter();
        for (form, size) in forms.flat_map(|form| [page.len(), 1, 7, 64].map(|size| (form, size))) {
            let mut decoder = decoder(dataset, form);
            let mut batches = Vec::new();
            cells::feed_in_pieces(&mut decoder, &page, size, &mut batches).unwrap_or_else(|e| panic!("{name}: {e}"));
            let summary = decoder.commit().unwrap_or_else(|error| panic!("{name}: {error}"));
            let rejected = decoder.take_rejected();
            batches.extend(decoder.finish().unwrap().map(|group| group.into_batch().unwrap()));
            let month = (dataset != Dataset::BillingPeriods).then_some("2018-08-01");
            let rows: Vec<_> = batches.iter().flat_map(|batch| cells::rows(batch, &contract, month)).collect();
            for (at, (row, expected)) in rows.iter().zip(&expected_rows).enumerate() {
                assert_eq!(row, expected, "{name}: row {at}, in pieces of {size}");
            }
            assert_eq!(rows.len(), expected_rows.len(), "{name}");
            let found: Vec<_> = rejected.iter().map(|row| (row.row, row.column.clone())).collect();
            let wanted: Vec<_> = expected.rejected.iter().map(|row| (row.row, row.column.clone())).collect();
            assert_eq!(found, wanted, "{name}");
            for (row, expected) in rejected.iter().zip(&expected.rejected) {
                let wanted = &expected.reason_contains;
                assert!(row.reason.contains(wanted), "{name}: {row:?} should speak of {wanted:?}");
            }
            let counted = decoder.summary();
            assert_eq!(counted.control_totals.text, expected.control_totals, "{name}");
            assert_eq!(counted.control_totals.residue, expected.rounding_residue, "{name}");
            assert_eq!(counted.rounded_values, expected.rounded_values, "{name}");
            assert_eq!(counted.replaced_texts, expected.replaced_texts, "{name}");
            assert_eq!(counted.duplicate_keys, expected.duplicate_keys, "{name}");
            assert_eq!(counted.unknown_fields, expected.unknown_fields, "{name}");
            assert_eq!(counted.unknown_envelope_fields, expected.unknown_envelope_fields, "{name}");
            assert_eq!((counted.rows, counted.rejected_rows), (rows.len() as u64, rejected.len() as u64), "{name}");
            assert_eq!(summary.next_link, expected.next_link, "{name}");
        }
    }
}

#[test]
fn golden_pages_that_are_broken_are_refused() {
    let pages = pages(&folder().join("refused"));
    assert!(pages.len() >= 10, "the golden pages are not there");
    for (name, page, expected) in pages {
        let ExpectedError { dataset, page_error, rest } = serde_json::from_str(&expected).unwrap();
        let dataset: Dataset = dataset.parse().unwrap();
        let form = forms(&name, dataset)[0];
        for size in [page.len(), 1, 7] {
            let mut decoder = decoder(dataset, form);
            let outcome = cells::feed_in_pieces(&mut decoder, &page, size, &mut Vec::new());
            let error = outcome.and_then(|()| decoder.commit().map(drop)).expect_err(&name);
            let found = match error {
                DecodeError::Cut { .. } => "cut",
                DecodeError::Syntax { .. } => "syntax",
                DecodeError::Form { .. } => "form",
                DecodeError::Depth { .. } => "depth",
                other => panic!("{name}: {other}"),
            };
            assert_eq!(found, page_error, "{name}, in pieces of {size}");
            decoder.rollback().unwrap();
            if let Some(rest) = &rest {
                let mut whole = self::decoder(dataset, form);
                cells::feed_in_pieces(&mut whole, &[&page, rest.as_bytes()].concat(), size, &mut Vec::new()).unwrap();
                whole.commit().unwrap_or_else(|error| panic!("{name} with its rest: {error}"));
            }
            assert_eq!(decoder.finish().unwrap().map(|group| group.rows()), None, "{name}");
            assert_eq!(decoder.summary().rows, 0, "{name}");
        }
    }
}

/// Rows that have a day, by the billing month of that day.
fn months(rows: Vec<Cells>) -> BTreeMap<String, Vec<Cells>> {
    let mut months: BTreeMap<String, Vec<Cells>> = BTreeMap::new();
    for row in rows {
        if let Some(month) = row.get("date").map(|date| date[..7].to_owned()) {
            months.entry(month).or_default().push(row);
        }
    }
    months
}

#[test]
fn golden_csv_goes_into_the_lake() {
    for (name, page, expected) in pages(&folder()).into_iter().filter(|(name, ..)| name.ends_with(".csv")) {
        let expected: Expected = serde_json::from_str(&expected).unwrap();
        let months = months(expected.cells());
        let place = Place::new();
        let file = place.write(&name, &page);
        let convert = Program::new(["convert", &file, "--enrollment", ENROLLMENT, "--dest", &place.dest()]);
        let ended = convert.with(["--format", "json", "--max-rejected", "100%"]);
        if months.is_empty() {
            // Without a row there is no billing period.
            assert!(ended.run().report()["slices"].as_array().unwrap().is_empty(), "{name}");
            continue;
        }
        let ended = ended.ends_with(0);
        let without_day = expected.rows.iter().filter(|row| !row.contains_key("date")).count();
        let rejected = expected.rejected.len() + without_day;
        assert_eq!(ended.report()["totals"]["rejected_rows"], rejected, "{name}");
        for (month, rows) in months {
            let table = place.table(&format!("usage_details/enrollment={ENROLLMENT}/billing_period={month}/"));
            assert_eq!(table.rows(), rows.len(), "{name}: {month}");
            for column in ["cost", "consumed_quantity", "resource_rate"] {
                let sum = rows.iter().filter_map(|row| row.get(column)).map(|text| units(text)).sum::<i128>();
                assert_eq!(table.sum(column), sum, "{name}: {column} of {month}");
            }
            for column in ["date", "meter_name", "tags", "instance_id", "additional_info", "account_name", "extra"] {
                let texts = rows.iter().map(|row| row.get(column).map_or("null", String::as_str).to_owned());
                assert_eq!(table.texts(column), texts.collect::<Vec<_>>(), "{name}: {column} of {month}");
            }
        }
    }
}
