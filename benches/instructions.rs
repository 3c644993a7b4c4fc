//! One piece of the hot path, once, for a counter of instructions to look at: `benches/guard/run` starts it under
//! callgrind, which counts within [`measured`] only. It measures nothing by itself; without a name it lists its cases.

mod support;

use std::hint::black_box;
use std::process::ExitCode;

use billing_lake::decode::Decoder;
use billing_lake::lake::{Compression, Destination, Lake};
use billing_lake::simulator::DataKind;
use support::Period;

/// Rows of each case: few, since a program takes some 50 times as long when it is watched; but more than it takes to find that
/// texts are ever new.
const ROWS: u64 = 30_000;

/// What is done, and with which rows.
enum Case {
    Decode {
        data: DataKind,
        reordered: bool,
    },
    DecodeCsv {
        data: DataKind,
    },
    /// With rows of another generator: the folder of their pages is the second argument.
    DecodeDrawn,
    Encode {
        data: DataKind,
        compression: Compression,
    },
}

const fn decode(data: DataKind) -> Case {
    Case::Decode { data, reordered: false }
}

const fn encode(data: DataKind, compression: Compression) -> Case {
    Case::Encode { data, compression }
}

const CASES: [(&str, Case); 12] = [
    ("decode/repeating", decode(DataKind::Repeating)),
    ("decode/shuffled", decode(DataKind::Shuffled)),
    ("decode/unique", decode(DataKind::Unique)),
    ("decode/reordered", Case::Decode { data: DataKind::Repeating, reordered: true }),
    ("decode/drawn-repeating", Case::DecodeDrawn),
    ("decode/drawn-shuffled", Case::DecodeDrawn),
    ("decode/repeating/csv", Case::DecodeCsv { data: DataKind::Repeating }),
    ("decode/unique/csv", Case::DecodeCsv { data: DataKind::Unique }),
    ("encode/repeating/snappy", encode(DataKind::Repeating, Compression::Snappy)),
    ("encode/repeating/zstd:3", encode(DataKind::Repeating, Compression::Zstd(3))),
    ("encode/unique/snappy", encode(DataKind::Unique, Compression::Snappy)),
    ("encode/unique/zstd:3", encode(DataKind::Unique, Compression::Zstd(3))),
];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, case)) = CASES.iter().find(|(case, _)| *case == name) else {
        CASES.iter().for_each(|(case, _)| println!("{case} {ROWS}"));
        return if name.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    match case {
        Case::Decode { data, reordered } => {
            let period = Period::of_rows(*data, ROWS);
            decode_measured(support::decoder, &if *reordered { period.reordered() } else { period });
        }
        Case::DecodeCsv { data } => {
            decode_measured(support::csv_decoder, &Period::of_rows(*data, ROWS).as_csv());
        }
        Case::DecodeDrawn => {
            let folder = std::env::args_os().nth(2).expect("a folder with pages");
            decode_measured(support::decoder, &Period::of_folder(folder.as_ref(), ROWS));
        }
        Case::Encode { data, compression } => {
            let folder = tempfile::tempdir().expect("a folder");
            let lake = Lake::open(&Destination::local(folder.path())).expect("a lake");
            let run = lake.begin_run("guard").expect("a run");
            let mut groups = Vec::new();
            let period = Period::of_rows(*data, ROWS);
            let summary = support::decode(&period, support::CHUNK, |group| groups.push(group));
            measured(&mut || {
                let mut file = support::stage(&run, *compression);
                for group in groups.drain(..) {
                    file.write_columns(group.into_columns()).expect("a row group");
                }
                support::seal(file, summary.clone());
            });
        }
    }
    ExitCode::SUCCESS
}

fn decode_measured(decoder: fn() -> Decoder, period: &Period) {
    measured(&mut || {
        black_box(support::decode_by(decoder(), period, support::CHUNK, |group| drop(black_box(group))));
    });
}

/// Instructions are counted from here until it returns; the guard knows it by its name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
    black_box(());
}
