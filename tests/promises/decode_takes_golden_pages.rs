//! The pages in `tests/golden/`, written by hand with the rows that they must give.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use billing_lake::contract::{Contract, Dataset};
use billing_lake::decode::{DecodeError, Decoder, Form, Options, RowScope};
use serde::Deserialize;

use crate::cells::{self, Cells, ENROLLMENT};

/// What a golden page must give.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(default = "usage_details")]
    dataset: String,
    rows: Vec<Cells>,
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
struct ExpectedError {
    page_error: String,
    /// What completes a page that is cut.
    rest: Option<String>,
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
        let stem = name.strip_suffix(".json").or_else(|| name.strip_suffix(".ndjson"));
        if let Some(stem) = stem.filter(|stem| !stem.ends_with(".expected")) {
            let expected = std::fs::read_to_string(folder.join(format!("{stem}.expected.json")))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            pages.push((name, std::fs::read(path).unwrap(), expected));
        }
    }
    pages.sort();
    pages
}

fn decoder(name: &str, dataset: Dataset) -> Decoder {
    let mut options = Options::new(match dataset {
        Dataset::UsageDetails => RowScope::Period("2018-08".parse().unwrap()),
        _ => RowScope::OfRow,
    });
    options.form = match dataset {
        _ if name.ends_with(".ndjson") => Form::Detect,
        Dataset::UsageDetails => Form::Page,
        _ => Form::Array,
    };
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
        for size in [page.len(), 1, 7, 64] {
            let mut decoder = decoder(&name, dataset);
            let mut batches = Vec::new();
            cells::feed_in_pieces(&mut decoder, &page, size, &mut batches).unwrap_or_else(|e| panic!("{name}: {e}"));
            let summary = decoder.commit().unwrap_or_else(|error| panic!("{name}: {error}"));
            let rejected = decoder.take_rejected();
            batches.extend(decoder.finish().unwrap().map(|group| group.into_batch().unwrap()));
            let month = (dataset == Dataset::UsageDetails).then_some("2018-08-01");
            let rows: Vec<_> = batches.iter().flat_map(|batch| cells::rows(batch, &contract, month)).collect();
            for (at, (row, expected)) in rows.iter().zip(&expected.rows).enumerate() {
                assert_eq!(row, expected, "{name}: row {at}, in pieces of {size}");
            }
            assert_eq!(rows.len(), expected.rows.len(), "{name}");
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
        let ExpectedError { page_error, rest } = serde_json::from_str(&expected).unwrap();
        for size in [page.len(), 1, 7] {
            let mut decoder = decoder(&name, Dataset::UsageDetails);
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
                let mut whole = self::decoder(&name, Dataset::UsageDetails);
                cells::feed_in_pieces(&mut whole, &[&page, rest.as_bytes()].concat(), size, &mut Vec::new()).unwrap();
                whole.commit().unwrap_or_else(|error| panic!("{name} with its rest: {error}"));
            }
            assert_eq!(decoder.finish().unwrap().map(|group| group.rows()), None, "{name}");
            assert_eq!(decoder.summary().rows, 0, "{name}");
        }
    }
}
