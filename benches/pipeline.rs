//! Pages in memory to a staged Parquet file, in bytes of JSON a second, on one thread: unpacked (when they come with
//! gzip), decoded, encoded, compressed, written and synced.
//!
//! `cargo bench --bench pipeline`

mod support;

use std::hint::black_box;
use std::io::{Read, Write};

use billing_lake::decode::RowGroup;
use billing_lake::lake::{Compression, Destination, Lake, Run};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use support::{CHUNK, KINDS, Period};

fn pipeline(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(&Destination::local(folder.path())).expect("a lake");
    let run = lake.begin_run("bench").expect("a run");
    for (name, kind) in KINDS {
        let period = Period::new(kind);
        let packed = Period { pages: period.pages.iter().map(|page| gzip(page)).collect(), rows: period.rows };
        let mut group = criterion.benchmark_group(format!("pipeline/{name}"));
        group.sampling_mode(support::SAMPLING).throughput(Throughput::Bytes(period.bytes()));
        for compression in [Compression::Snappy, Compression::Zstd(3)] {
            group.bench_function(BenchmarkId::new("plain", compression), |bencher| {
                bencher.iter(|| plain(&run, compression, black_box(&period)));
            });
            group.bench_function(BenchmarkId::new("gzip", compression), |bencher| {
                bencher.iter(|| unpacked(&run, compression, black_box(&packed)));
            });
        }
        group.finish();
    }
    drop(run);
}

/// Pages to a file; its bytes.
fn plain(run: &Run, compression: Compression, period: &Period) -> u64 {
    let mut file = support::stage(run, compression);
    let summary =
        support::decode(period, CHUNK, |group| file.write_columns(group.into_columns()).expect("a row group"));
    support::seal(file, summary).bytes()
}

/// Packed pages to a file; its bytes.
fn unpacked(run: &Run, compression: Compression, packed: &Period) -> u64 {
    let mut file = support::stage(run, compression);
    let mut take = |group: RowGroup| file.write_columns(group.into_columns()).expect("a row group");
    let mut decoder = support::decoder();
    let mut block = vec![0; CHUNK];
    for page in &packed.pages {
        let mut unpacked = GzDecoder::new(&page[..]);
        loop {
            let length = unpacked.read(&mut block).expect("gzip");
            if length == 0 {
                break;
            }
            decoder.feed(&block[..length]).expect("a page");
        }
        decoder.commit().expect("a whole page");
        while let Some(group) = decoder.take_group() {
            take(group);
        }
    }
    let summary = support::finish(decoder, packed.rows, take);
    support::seal(file, summary).bytes()
}

fn gzip(page: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(page).and_then(|()| packed.finish()).expect("memory")
}

criterion_group! { name = benches; config = support::criterion(); targets = pipeline }
criterion_main!(benches);
