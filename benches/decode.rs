//! Pages of JSON to record batches, in bytes of JSON a second on one thread; beside it, what others make of the same
//! rows: arrow-json (as NDJSON, all columns text) and serde_json (structs, numbers as their text).
//!
//! `cargo bench --bench decode`

mod support;

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, Schema};
use billing_lake::contract::{Contract, Dataset};
use billing_lake::simulator::DataKind;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde_json::value::RawValue;

fn decode(criterion: &mut Criterion) {
    for (name, kind) in
        [("repeating", DataKind::Repeating), ("shuffled", DataKind::Shuffled), ("unique", DataKind::Unique)]
    {
        let pages = support::pages(kind);
        let mut group = criterion.benchmark_group(format!("decode/{name}"));
        group.sampling_mode(support::SAMPLING).throughput(Throughput::Bytes(support::bytes(&pages)));
        for (chunk_name, chunk) in [("16KiB", 16 << 10), ("128KiB", support::CHUNK), ("page", usize::MAX)] {
            group.bench_with_input(BenchmarkId::new("billing-lake", chunk_name), &chunk, |bencher, chunk| {
                bencher.iter(|| support::decode(black_box(&pages), *chunk, |batch| drop(black_box(batch))));
            });
        }
        let lines = as_lines(&pages);
        group.throughput(Throughput::Bytes(support::bytes(&lines)));
        group.bench_function("arrow-json", |bencher| bencher.iter(|| arrow_json(black_box(&lines))));
        group.throughput(Throughput::Bytes(support::bytes(&pages)));
        group.bench_function("serde_json", |bencher| bencher.iter(|| serde_json(black_box(&pages))));
        group.finish();
    }
}

/// The rows of each page, one a line.
fn as_lines(pages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    let lines = |page: &Vec<u8>| {
        let page: Page<'_> = serde_json::from_slice(page).expect("a page");
        let mut lines = Vec::new();
        for row in page.data {
            lines.extend_from_slice(row.get().as_bytes());
            lines.push(b'\n');
        }
        lines
    };
    pages.iter().map(lines).collect()
}

fn arrow_json(pages: &[Vec<u8>]) {
    let contract = Contract::of(Dataset::UsageDetails);
    let fields = contract.columns().iter().map(|column| Field::new(&column.field, DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    // Batches of 8,192 rows: with more it is slower.
    let builder = ReaderBuilder::new(schema).with_batch_size(8_192).with_coerce_primitive(true);
    let mut decoder = builder.build_decoder().expect("a schema that it can read");
    let mut rows = 0;
    for page in pages {
        let mut at = 0;
        while at < page.len() {
            at += decoder.decode(&page[at..]).expect("rows");
            if at < page.len() {
                rows += decoder.flush().expect("rows").map_or(0, |batch| black_box(batch).num_rows());
            }
        }
    }
    rows += decoder.flush().expect("rows").map_or(0, |batch| black_box(batch).num_rows());
    assert_eq!(rows as u64, support::ROWS);
}

/// Text that is taken from the page as it stands, unless it has escapes.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // it is read to be dropped
struct Row<'a> {
    #[serde(borrow)]
    service_name: Option<Text<'a>>,
    #[serde(borrow)]
    service_tier: Option<Text<'a>>,
    #[serde(borrow)]
    location: Option<Text<'a>>,
    charges_billed_separately: bool,
    #[serde(borrow)]
    part_number: Option<Text<'a>>,
    #[serde(borrow)]
    resource_guid: Option<Text<'a>>,
    #[serde(borrow)]
    offer_id: Option<Text<'a>>,
    #[serde(borrow)]
    cost: &'a RawValue,
    account_id: i64,
    product_id: i64,
    resource_location_id: i64,
    consumed_service_id: i64,
    department_id: i64,
    #[serde(borrow)]
    account_owner_email: Option<Text<'a>>,
    #[serde(borrow)]
    account_name: Option<Text<'a>>,
    #[serde(borrow)]
    service_administrator_id: Option<Text<'a>>,
    subscription_id: i64,
    #[serde(borrow)]
    subscription_guid: Option<Text<'a>>,
    #[serde(borrow)]
    subscription_name: Option<Text<'a>>,
    #[serde(borrow)]
    date: Option<Text<'a>>,
    #[serde(borrow)]
    product: Option<Text<'a>>,
    #[serde(borrow)]
    meter_id: Option<Text<'a>>,
    #[serde(borrow)]
    meter_category: Option<Text<'a>>,
    #[serde(borrow)]
    meter_sub_category: Option<Text<'a>>,
    #[serde(borrow)]
    meter_region: Option<Text<'a>>,
    #[serde(borrow)]
    meter_name: Option<Text<'a>>,
    #[serde(borrow)]
    consumed_quantity: &'a RawValue,
    #[serde(borrow)]
    resource_rate: &'a RawValue,
    #[serde(borrow)]
    resource_location: Option<Text<'a>>,
    #[serde(borrow)]
    consumed_service: Option<Text<'a>>,
    #[serde(borrow)]
    instance_id: Option<Text<'a>>,
    #[serde(borrow)]
    service_info1: Option<Text<'a>>,
    #[serde(borrow)]
    service_info2: Option<Text<'a>>,
    #[serde(borrow)]
    additional_info: Option<Text<'a>>,
    #[serde(borrow)]
    tags: Option<Text<'a>>,
    #[serde(borrow)]
    store_service_identifier: Option<Text<'a>>,
    #[serde(borrow)]
    department_name: Option<Text<'a>>,
    #[serde(borrow)]
    cost_center: Option<Text<'a>>,
    #[serde(borrow)]
    unit_of_measure: Option<Text<'a>>,
    #[serde(borrow)]
    resource_group: Option<Text<'a>>,
}

fn serde_json(pages: &[Vec<u8>]) {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        data: Vec<Row<'a>>,
    }
    let mut rows = 0;
    for page in pages {
        let page: Page<'_> = serde_json::from_slice(page).expect("a page");
        rows += black_box(page.data).len();
    }
    assert_eq!(rows as u64, support::ROWS);
}

criterion_group! { name = benches; config = support::criterion(); targets = decode }
criterion_main!(benches);
