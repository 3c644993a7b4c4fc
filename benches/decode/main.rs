//! Pages of JSON to record batches, in bytes of JSON a second on one thread: by kind of data, by rows of a page, by how
//! many bytes arrive at once; the same rows as CSV, in bytes of CSV; beside it, what others make of them.
//!
//! `cargo bench --bench decode`, `cargo bench --bench decode -- repeating`, `cargo bench --bench decode -- csv`

mod peers;
#[path = "../support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use support::{CHUNK, KINDS, Period};

/// Each kind of data, with the peers.
fn kinds(criterion: &mut Criterion) {
    for (name, kind) in KINDS {
        let period = Period::new(kind);
        let mut group = group(criterion, format!("decode/{name}"));
        billing_lake(&mut group, "billing-lake", &period, CHUNK);
        group.bench_function("plain path", |bencher| {
            bencher.iter(|| {
                let decoder = support::decoder_by(false);
                support::decode_by(decoder, black_box(&period), CHUNK, |group| drop(black_box(group.into_batch())))
            });
        });
        group.bench_function("serde_json", |bencher| bencher.iter(|| peers::serde_json(black_box(&period))));
        // It unescapes in place, so each iteration gets a copy, which is not timed.
        group.bench_function("simd-json", |bencher| {
            bencher.iter_batched_ref(|| period.pages.clone(), |pages| peers::simd_json(pages), BatchSize::PerIteration);
        });
        let lines = period.as_lines();
        group.throughput(Throughput::Bytes(lines.bytes()));
        group.bench_function("arrow-json", |bencher| bencher.iter(|| peers::arrow_json(black_box(&lines))));
        group.finish();
    }
}

/// The same rows as CSV, with the peers.
fn reports(criterion: &mut Criterion) {
    for (name, kind) in KINDS {
        let report = Period::new(kind).as_csv();
        let mut group = group(criterion, format!("decode/{name}/csv"));
        group.throughput(Throughput::Bytes(report.bytes()));
        group.bench_function("billing-lake", |bencher| {
            bencher.iter(|| {
                let decoder = support::csv_decoder();
                support::decode_by(decoder, black_box(&report), CHUNK, |group| drop(black_box(group.into_batch())))
            });
        });
        group.bench_function("arrow-csv", |bencher| bencher.iter(|| peers::arrow_csv(black_box(&report))));
        group.bench_function("csv", |bencher| bencher.iter(|| peers::csv_records(black_box(&report))));
        group.finish();
    }
}

/// Rows that nothing can be foretold of by where their keys stand, and rows with more than the contract knows.
fn keys(criterion: &mut Criterion) {
    let (name, kind) = KINDS[0];
    let period = Period::new(kind);
    let mut group = group(criterion, format!("decode/{name}/keys"));
    billing_lake(&mut group, "another order in each page", &period.reordered(), CHUNK);
    billing_lake(&mut group, "two unknown", &period.with_unknown_fields(), CHUNK);
    group.finish();
}

/// Small pages and large ones.
fn page_rows(criterion: &mut Criterion) {
    let (name, kind) = KINDS[0];
    let mut group = group(criterion, format!("decode/{name}/page-rows"));
    for rows in [100, 1_000, 10_000] {
        billing_lake(&mut group, &rows.to_string(), &Period::in_pages_of(kind, rows), CHUNK);
    }
    group.finish();
}

/// Bytes that arrive at once.
fn chunks(criterion: &mut Criterion) {
    let (name, kind) = KINDS[0];
    let period = Period::new(kind);
    let mut group = group(criterion, format!("decode/{name}/chunk"));
    for (chunk_name, chunk) in [("16KiB", 16 << 10), ("128KiB", CHUNK), ("page", usize::MAX)] {
        billing_lake(&mut group, chunk_name, &period, chunk);
    }
    group.finish();
}

fn group(criterion: &mut Criterion, name: String) -> BenchmarkGroup<'_, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(support::SAMPLING);
    group
}

fn billing_lake(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, period: &Period, chunk: usize) {
    group.throughput(Throughput::Bytes(period.bytes()));
    group.bench_function(name, |bencher| {
        bencher.iter(|| support::decode(black_box(period), chunk, |group| drop(black_box(group.into_batch()))));
    });
}

criterion_group! { name = benches; config = support::criterion(); targets = kinds, reports, keys, page_rows, chunks }
criterion_main!(benches);
