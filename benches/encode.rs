//! Decoded row groups to those of a staged Parquet file, in bytes of the JSON that they came from a second, on one
//! thread; so its figures can be set beside those of `decode`. The fsync at the file's end is not counted: it would be
//! most of the time. The size of each file is printed before.
//!
//! `cargo bench --bench encode`

mod support;

use std::time::Instant;

use billing_lake::lake::{Compression, Destination, Lake};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use support::{KINDS, Period};

fn encode(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(&Destination::local(folder.path())).expect("a lake");
    let run = lake.begin_run("bench").expect("a run");
    for (name, kind) in KINDS {
        let period = Period::new(kind);
        let mut groups = Vec::new();
        let summary = support::decode(&period, support::CHUNK, |group| groups.push(group));
        let mut group = criterion.benchmark_group(format!("encode/{name}"));
        group.sampling_mode(support::SAMPLING).throughput(Throughput::Bytes(period.bytes()));
        for compression in [Compression::None, Compression::Snappy, Compression::Zstd(1), Compression::Zstd(3)] {
            let stage = || {
                let mut file = support::stage(&run, compression);
                let groups = groups.clone();
                let begin = Instant::now();
                for group in groups {
                    file.write_columns(group.into_columns()).expect("a row group");
                }
                let taken = begin.elapsed();
                (taken, support::seal(file, summary.clone()).bytes())
            };
            println!("encode/{name}/{compression}: {} bytes of JSON make {} bytes", period.bytes(), stage().1);
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
