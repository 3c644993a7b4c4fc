//! Rows and columns that are whole, and in the wrong place.

use arrow_array::{Array, Int32Array, ListArray, StringArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use parquet::data_type::ByteArray;
use parquet::file::statistics::Statistics;

use super::*;
use crate::contract::ColumnType;

/// Publishes three rows of a slice with one column that is not as it should be.
#[track_caller]
fn found(of: &Slice, column: &str, array: ArrayRef) -> Vec<Finding> {
    let scene = scene();
    let contract = Contract::of(of.dataset);
    assert_eq!(array.len(), 3);
    let batch = batch(of, &contract, 3, &[(column, array)]);
    scene.publish(of, &contract, vec![batch], state(&contract, 3, &[]));
    scene.findings()
}

fn months(months: [Option<&str>; 3]) -> ArrayRef {
    Arc::new(Date32Array::from_iter(months.map(|month| month.map(first_day))))
}

#[test]
fn rows_of_another_enrollment_are_found() {
    let numbers = |numbers: [Option<&str>; 3]| text(3, |row| numbers[row].map(str::to_owned));
    let of = november();
    assert_eq!(found(&of, ENROLLMENT_NUMBER, numbers([Some("0100"); 3])), []);
    for (number, row, words) in [
        ([Some("0100"), Some("100"), Some("100")], 2, "\"100\""),
        ([None, Some("0100"), Some("0100")], 1, "nothing"),
        ([Some("0100"), Some("0100"), Some("")], 3, "\"\""),
    ] {
        let expected = Finding::Partition { column: ENROLLMENT_NUMBER, row, found: words.to_owned() };
        assert_eq!(found(&of, ENROLLMENT_NUMBER, numbers(number)), [expected]);
    }
}

#[test]
fn rows_of_another_billing_period_are_found() {
    let of = november();
    let other = |row, found: &str| [Finding::Partition { column: BILLING_MONTH, row, found: found.to_owned() }];
    let (october, november) = (Some("2024-10"), Some("2024-11"));
    assert_eq!(found(&of, BILLING_MONTH, months([november, october, october])), other(2, "2024-10-01"));
    assert_eq!(found(&of, BILLING_MONTH, months([november, november, None])), other(3, "nothing"));
    assert_eq!(found(&of, BILLING_MONTH, days(3, first_day("2024-11") + 1)), other(1, "2024-11-02"));
}

#[test]
fn rows_of_a_range_of_dates_are_of_its_months() {
    let of = slice(Dataset::UsageDetailsByDate, "100", "2024-10-30_2024-11-02");
    assert_eq!(found(&of, BILLING_MONTH, months([Some("2024-10"), Some("2024-11"), None])), []);
    for month in ["2024-09", "2024-12"] {
        assert_eq!(found(&of, BILLING_MONTH, months([None, Some(month), None])).len(), 1, "{month}");
    }
    // Use may have begun before the range in which it is charged.
    let of = slice(Dataset::MarketplaceChargesByDate, "100", "2024-10-30_2024-11-02");
    assert_eq!(found(&of, BILLING_MONTH, months([Some("2024-09"), Some("2024-11"), None])), []);
    assert_eq!(found(&of, BILLING_MONTH, months([Some("2024-12"), None, None])).len(), 1);
    let of = slice(Dataset::BillingPeriods, "100", "");
    assert_eq!(found(&of, BILLING_MONTH, months([Some("2014-05"), Some("2030-11"), None])), []);
}

#[test]
fn files_of_a_dataset_have_one_shape() {
    let scene = scene();
    let plain = Contract::of(Dataset::UsageDetails);
    let with_map = Arc::new(plain.with_tags_map());
    for (period, contract) in [("2024-09", &plain), ("2024-10", &with_map), ("2024-11", &plain)] {
        let of = slice(Dataset::UsageDetails, "100", period);
        scene.publish(&of, contract, vec![batch(&of, contract, 3, &[])], state(contract, 3, &[]));
    }
    let verification = scene.verify();
    assert_eq!(wrong(&verification), [("usage_details 100 2024-10".to_owned(), vec!["other_columns"])]);
    let words = verification.files[1].findings[0].to_string();
    assert!(words.contains("than 2 other files of the dataset: it has also: tags_map"), "{words}");
    assert_eq!(verification.files[1].rows, 3);
}

#[test]
fn long_texts_that_repeat_need_no_memory_of_their_own() {
    let scene = scene();
    let (of, contract) = (november(), Contract::of(Dataset::UsageDetails));
    let rows = 100_000;
    // 100 GB, if each row had its text.
    let texts = StringArray::from_iter_values(["x", "y"].map(|letter| letter.repeat(1_000_000)));
    let codes = Int32Array::from_iter_values((0..rows as i32).map(|row| row % 2));
    let long = Arc::new(DictionaryArray::new(codes, Arc::new(texts)));
    let batch = batch(&of, &contract, rows, &[("tags", long)]);
    scene.publish(&of, &contract, vec![batch], state(&contract, rows, &[]));
    assert_eq!(scene.findings(), []);
}

/// Named amounts: lists of so many of them a row, none where a row has no list.
fn amounts(lengths: &[Option<usize>], values: &[i128]) -> ArrayRef {
    let DataType::List(element) = ColumnType::NamedAmounts.arrow() else { unreachable!("it is a list") };
    let DataType::Struct(fields) = element.data_type() else { unreachable!("of structs") };
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(values.iter().map(|value| format!("name {value}"))));
    let amounts = StructArray::new(fields.clone(), vec![names, decimals(values.iter().copied().map(Some))], None);
    let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|length| length.unwrap_or_default()));
    let nulls = lengths.iter().map(Option::is_some).collect();
    Arc::new(ListArray::new(element, offsets, Arc::new(amounts), Some(nulls)))
}

#[test]
fn lists_of_named_amounts_are_added_up() {
    let of = slice(Dataset::BalanceSummary, "100", "2024-11");
    let contract = Contract::of(of.dataset);
    let lists = amounts(&[Some(2), None, Some(0), Some(1)], &[3 * UNITS, -UNITS, 5 * UNITS]);
    let column = contract.columns().iter().find(|column| column.kind == ColumnType::NamedAmounts).unwrap();
    let scene = scene();
    let batch = batch(&of, &contract, 4, &[(&column.column, lists)]);
    let total = column.total().unwrap();
    let path = scene.publish(&of, &contract, vec![batch.clone()], state(&contract, 4, &[(&total, "7")]));
    assert_eq!(scene.findings(), []);
    // The same with a total that does not hold, behind digests that do.
    forged::rewrite(&path, true, |forgery| {
        let totals = forgery.get("control_totals").replace(r#""7""#, r#""8""#);
        forgery.set("control_totals", &totals);
    });
    let findings = scene.findings();
    assert!(findings[0].to_string().contains(&format!("{total} adds up to")), "{findings:?}");
    // And with a bound that would hide a row.
    let path = scene.publish(&of, &contract, vec![batch], state(&contract, 4, &[(&total, "7")]));
    let least = |_: &Statistics| {
        let units = |value: i128| Some(ByteArray::from(value.to_be_bytes().to_vec()).into());
        Statistics::fixed_len_byte_array(units(3 * UNITS), units(5 * UNITS), None, Some(0), false)
    };
    let value = format!("{}.list.element.value", column.column);
    forged::rewrite(&path, true, forged::with_statistics(&value, least));
    let findings = scene.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].to_string().contains(&format!("column {value} in row group 0")), "{findings:?}");
}
