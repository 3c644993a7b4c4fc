//! What others make of the same rows: arrow-json (NDJSON to record batches, all columns text), serde_json (pages to
//! structs, numbers as their text) and simd-json (pages to its tape; no columns and no rows are built). Of CSV: arrow-csv
//! (record batches, all columns text) and csv (one record at a time; nothing is built of it).

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, Schema};
use billing_lake::contract::{Contract, Dataset};
use serde::Deserialize;
use serde_json::value::RawValue;
use simd_json::{Buffers, Node, Tape};

use crate::support::Period;

/// NDJSON to record batches of 8,192 rows (with more it is slower), every column as text: the only way in which it keeps
/// all digits.
pub fn arrow_json(lines: &Period) {
    let contract = Contract::of(Dataset::UsageDetails);
    let fields = contract.columns().iter().map(|column| Field::new(&column.field, DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let builder = ReaderBuilder::new(schema).with_batch_size(8_192).with_coerce_primitive(true);
    let mut decoder = builder.build_decoder().expect("a schema that it can read");
    let mut rows = 0;
    for page in &lines.pages {
        let mut at = 0;
        while at < page.len() {
            at += decoder.decode(&page[at..]).expect("rows");
            if at < page.len() {
                rows += decoder.flush().expect("rows").map_or(0, |batch| black_box(batch).num_rows());
            }
        }
    }
    rows += decoder.flush().expect("rows").map_or(0, |batch| black_box(batch).num_rows());
    assert_eq!(rows as u64, lines.rows);
}

/// The lines before a report's records: two of preamble, of which one is empty, and the captions.
const LINES_BEFORE: usize = 3;

/// The records of a report, behind its captions.
fn records_of(report: &Period) -> &[u8] {
    let page = &report.pages[0][..];
    let captions = memchr::memchr_iter(b'\n', page).nth(LINES_BEFORE - 1).expect("captions");
    &page[captions + 1..]
}

/// CSV to record batches of 8,192 rows, every column as text: the only way in which it keeps all digits.
pub fn arrow_csv(report: &Period) {
    let contract = Contract::of(Dataset::UsageDetails);
    let fields = contract.columns().iter().map(|column| Field::new(&column.field, DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let builder = arrow_csv::ReaderBuilder::new(schema).with_batch_size(8_192);
    let reader = builder.build_buffered(records_of(report)).expect("a schema that it can read");
    let rows: usize = reader.map(|batch| black_box(batch.expect("rows")).num_rows()).sum();
    assert_eq!(rows as u64, report.rows);
}

/// CSV to records, one after the other in the same place; the length of everything is added up.
pub fn csv_records(report: &Period) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(records_of(report));
    let mut record = csv::ByteRecord::new();
    let (mut rows, mut bytes) = (0, 0);
    while reader.read_byte_record(&mut record).expect("a record") {
        rows += 1;
        bytes += record.iter().map(<[u8]>::len).sum::<usize>();
    }
    black_box(bytes);
    assert_eq!(rows, report.rows);
}

/// Pages to a tape each, in place: the text of the pages is spent. Nothing is done with the tape but to look how many rows
/// it has, so this is a bound for readers that begin with one.
pub fn simd_json(pages: &mut [Vec<u8>]) {
    let mut buffers = Buffers::default();
    let mut tape = Tape::null();
    for page in pages {
        tape = tape.reset();
        simd_json::fill_tape(page, &mut buffers, &mut tape).expect("a page");
        assert!(matches!(tape.0[0], Node::Object { len: 3, .. }), "a page has three members");
        black_box(&tape);
    }
}

/// Pages to rows of structs, as a program in Rust would read them; the length of everything is added up.
pub fn serde_json(period: &Period) {
    let mut rows = 0;
    let mut bytes = 0;
    for page in &period.pages {
        let page: Page<'_> = serde_json::from_slice(page).expect("a page");
        rows += page.data.len();
        bytes += page.data.iter().map(Row::bytes).sum::<usize>();
    }
    black_box(bytes);
    assert_eq!(rows as u64, period.rows);
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<Row<'a>>,
}

/// Text that is taken from the page as it stands, unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The struct of a row, and the length of what it holds.
macro_rules! row {
    (texts: $($text:ident)*; numbers: $($number:ident)*; ids: $($id:ident)*; flags: $($flag:ident)*;) => {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Row<'a> {
            $(#[serde(borrow)] $text: Option<Text<'a>>,)*
            $(#[serde(borrow)] $number: &'a RawValue,)*
            $($id: i64,)*
            $($flag: bool,)*
        }

        impl Row<'_> {
            fn bytes(&self) -> usize {
                let mut bytes = 0;
                $(bytes += self.$text.as_ref().map_or(0, |text| text.0.len());)*
                $(bytes += self.$number.get().len();)*
                $(bytes += (self.$id as usize) & 7;)*
                $(bytes += usize::from(self.$flag);)*
                bytes
            }
        }
    };
}

row! {
    texts: service_name service_tier location part_number resource_guid offer_id account_owner_email account_name
        service_administrator_id subscription_guid subscription_name date product meter_id meter_category
        meter_sub_category meter_region meter_name resource_location consumed_service instance_id service_info1
        service_info2 additional_info tags store_service_identifier department_name cost_center unit_of_measure
        resource_group;
    numbers: cost consumed_quantity resource_rate;
    ids: account_id product_id resource_location_id consumed_service_id department_id subscription_id;
    flags: charges_billed_separately;
}
