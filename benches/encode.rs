//! Record batches to row groups of a staged Parquet file, in bytes of the JSON that they came from a second, on one
//! thread; so its figures can be set beside those of `decode`. The fsync at the file's end is not counted: it would be
//! most of the time.
//!
//! `cargo bench --bench encode`

mod support;

use std::time::Instant;

use billing_lake::contract::{Contract, Dataset};
use billing_lake::lake::{Compression, Destination, Lake, WriteOptions};
use billing_lake::simulator::DataKind;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn encode(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(&Destination::local(folder.path())).expect("a lake");
    let run = lake.begin_run("bench").expect("a run");
    let contract = Contract::of(Dataset::UsageDetails);
    for (name, kind) in
        [("repeating", DataKind::Repeating), ("shuffled", DataKind::Shuffled), ("unique", DataKind::Unique)]
    {
        let pages = support::pages(kind);
        let mut batches = Vec::new();
        let summary = support::decode(&pages, support::CHUNK, |batch| batches.push(batch));
        let mut group = criterion.benchmark_group(format!("encode/{name}"));
        group.sampling_mode(support::SAMPLING).throughput(Throughput::Bytes(support::bytes(&pages)));
        for compression in [Compression::Snappy, Compression::Zstd(3)] {
            let options = WriteOptions { compression };
            let stage = || {
                let mut file = run.stage(&support::slice(), &contract, &options).expect("a file");
                let begin = Instant::now();
                for batch in &batches {
                    file.write(batch.clone()).expect("a row group");
                }
                let taken = begin.elapsed();
                (taken, support::seal(file, summary.clone()).bytes())
            };
            println!("encode/{name}/{compression}: {} of JSON make {} bytes", support::bytes(&pages), stage().1);
            group.bench_function(BenchmarkId::from_parameter(compression), |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| stage().0).sum());
            });
        }
        group.finish();
    }
    drop(run);
}

criterion_group! { name = benches; config = support::criterion(); targets = encode }
criterion_main!(benches);
