//! Record batches as rows of plain text: the form in which golden rows and the plain reading are written.
//!
//! A row holds its cells that are not null, by column. Decimals are plain, without zeros at the end; days are
//! `YYYY-MM-DD`, instants `YYYY-MM-DDThh:mm:ss[.fraction]Z`, flags `true` and `false`; a list of named amounts is JSON
//! without blanks, `[{"name":"a","value":"1.1"}]`.

use std::collections::BTreeMap;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use billing_lake::contract::{BILLING_MONTH, Contract, ENROLLMENT_NUMBER};
use billing_lake::decode::{DecodeError, Decoder};
use chrono::{DateTime, NaiveDate};
use serde_json::{Value, json};

/// The cells of one row that are not null, by column.
pub type Cells = BTreeMap<String, String>;

/// The number of the enrollment in all these tests.
pub const ENROLLMENT: &str = "0100";

/// The rows of a record batch, without the two columns that say where they belong; those are checked on the way:
/// every row has to be of the enrollment and of `month` (`YYYY-MM-DD`), if one is given.
pub fn rows(batch: &RecordBatch, contract: &Contract, month: Option<&str>) -> Vec<Cells> {
    assert_eq!(batch.schema(), contract.arrow_schema());
    let mut rows = vec![Cells::new(); batch.num_rows()];
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        for (at, row) in rows.iter_mut().enumerate() {
            if column.is_valid(at) {
                row.insert(field.name().clone(), cell(column, at));
            }
        }
    }
    for row in &mut rows {
        assert_eq!(row.remove(ENROLLMENT_NUMBER).as_deref(), Some(ENROLLMENT));
        let of = row.remove(BILLING_MONTH);
        assert!(month.is_none() || of.as_deref() == month, "a row of {of:?}");
    }
    rows
}

/// Takes the row groups that are full.
pub fn take_batches(decoder: &mut Decoder, batches: &mut Vec<RecordBatch>) {
    batches.extend(std::iter::from_fn(|| decoder.take_group()).map(|group| group.into_batch().unwrap()));
}

/// Feeds a whole page in pieces of `size` bytes and takes the row groups that fill up on the way.
pub fn feed_in_pieces(
    decoder: &mut Decoder,
    page: &[u8],
    size: usize,
    batches: &mut Vec<RecordBatch>,
) -> Result<(), DecodeError> {
    for piece in page.chunks(size.max(1)) {
        decoder.feed(piece)?;
        take_batches(decoder, batches);
    }
    Ok(())
}

fn cell(column: &dyn Array, at: usize) -> String {
    let any = column.as_any();
    if let Some(texts) = any.downcast_ref::<DictionaryArray<Int32Type>>() {
        let entries = texts.values().as_any().downcast_ref::<StringArray>().expect("text");
        entries.value(texts.keys().value(at) as usize).to_owned()
    } else if let Some(texts) = any.downcast_ref::<StringArray>() {
        texts.value(at).to_owned()
    } else if let Some(lists) = any.downcast_ref::<ListArray>() {
        amounts(&lists.value(at)).to_string()
    } else if let Some(decimals) = any.downcast_ref::<Decimal128Array>() {
        assert_eq!((decimals.precision(), decimals.scale()), (38, 18));
        plain(decimals.value(at))
    } else if let Some(ids) = any.downcast_ref::<Int64Array>() {
        ids.value(at).to_string()
    } else if let Some(days) = any.downcast_ref::<Date32Array>() {
        NaiveDate::from_epoch_days(days.value(at)).expect("a day of the calendar").to_string()
    } else if let Some(instants) = any.downcast_ref::<TimestampMicrosecondArray>() {
        let instant = DateTime::from_timestamp_micros(instants.value(at)).expect("an instant of the calendar");
        instant_text(&instant.naive_utc().format("%Y-%m-%dT%H:%M:%S%.6f").to_string())
    } else if let Some(flags) = any.downcast_ref::<BooleanArray>() {
        flags.value(at).to_string()
    } else {
        panic!("a column of type {}", column.data_type())
    }
}

/// The elements of a list of named amounts.
fn amounts(elements: &dyn Array) -> Value {
    let elements = elements.as_any().downcast_ref::<StructArray>().expect("named amounts");
    let member = |name: &str, at: usize| {
        let column = elements.column_by_name(name).expect("a name and a value");
        column.is_valid(at).then(|| cell(column, at))
    };
    (0..elements.len()).map(|at| json!({"name": member("name", at), "value": member("value", at)})).collect()
}

/// An instant that was written with six decimals: without those zeros at the end, with a `Z`.
pub fn instant_text(text: &str) -> String {
    let (seconds, fraction) = text.split_once('.').expect("a fraction");
    match fraction.trim_end_matches('0') {
        "" => format!("{seconds}Z"),
        fraction => format!("{seconds}.{fraction}Z"),
    }
}

/// A number of units of 10^-18 as a plain decimal.
fn plain(units: i128) -> String {
    let digits = format!("{:0>19}", units.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len() - 18);
    let sign = if units < 0 { "-" } else { "" };
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}
