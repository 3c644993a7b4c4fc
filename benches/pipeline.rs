//! Pages in memory to a staged Parquet file, in bytes of JSON a second, on one thread: unpacked (when they come with
//! gzip), decoded, encoded, compressed, written and synced.
//!
//! `cargo bench --bench pipeline`

mod support;

use std::hint::black_box;
use std::io::{Read, Write};

use billing_lake::contract::{Contract, Dataset};
use billing_lake::lake::{Compression, Destination, Lake, WriteOptions};
use billing_lake::simulator::DataKind;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

fn pipeline(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(&Destination::local(folder.path())).expect("a lake");
    let run = lake.begin_run("bench").expect("a run");
    let contract = Contract::of(Dataset::UsageDetails);
    for (name, kind) in [("repeating", DataKind::Repeating), ("unique", DataKind::Unique)] {
        let pages = support::pages(kind);
        let packed: Vec<_> = pages.iter().map(|page| gzip(page)).collect();
        let mut group = criterion.benchmark_group(format!("pipeline/{name}"));
        group.sampling_mode(support::SAMPLING).throughput(Throughput::Bytes(support::bytes(&pages)));
        for compression in [Compression::Snappy, Compression::Zstd(3)] {
            let options = WriteOptions { compression };
            group.bench_function(BenchmarkId::new("plain", compression), |bencher| {
                bencher.iter(|| {
                    let mut file = run.stage(&support::slice(), &contract, &options).expect("a file");
                    let take = |batch| file.write(batch).expect("a row group");
                    let summary = support::decode(black_box(&pages), support::CHUNK, take);
                    support::seal(file, summary).bytes()
                });
            });
            group.bench_function(BenchmarkId::new("gzip", compression), |bencher| {
                bencher.iter(|| {
                    let mut file = run.stage(&support::slice(), &contract, &options).expect("a file");
                    let mut take = |batch| file.write(batch).expect("a row group");
                    let mut decoder = support::decoder();
                    let mut block = vec![0; support::CHUNK];
                    for page in black_box(&packed) {
                        let mut unpacked = GzDecoder::new(&page[..]);
                        loop {
                            let length = unpacked.read(&mut block).expect("gzip");
                            if length == 0 {
                                break;
                            }
                            decoder.feed(&block[..length]).expect("a page");
                        }
                        decoder.commit().expect("a whole page");
                        while let Some(batch) = decoder.take_batch() {
                            take(batch);
                        }
                    }
                    let summary = support::finish(decoder, take);
                    support::seal(file, summary).bytes()
                });
            });
        }
        group.finish();
    }
    drop(run);
}

fn gzip(page: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(page).and_then(|()| packed.finish()).expect("memory")
}

criterion_group! { name = benches; config = support::criterion(); targets = pipeline }
criterion_main!(benches);
