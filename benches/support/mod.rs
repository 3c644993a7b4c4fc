//! What the benches share: a billing period of simulated pages, and decoding and staging it as a run does.

#![allow(dead_code, unused_imports)] // each bench uses a part of it

mod data;

use std::time::Duration;

use billing_lake::contract::{Contract, Dataset, Slice, Window};
use billing_lake::decode::{Decoder, Form, Options, RowGroup, RowScope, Summary};
use billing_lake::lake::{Compression, FileState, Run, SliceFile, StagedFile, WriteOptions};
use criterion::{Criterion, SamplingMode};

pub use data::{KINDS, Period};

/// Bytes that arrive at once, as a client hands them over.
pub const CHUNK: usize = 128 << 10;

/// Ten samples of some two seconds in all: `cargo bench` as a whole takes a few minutes.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .configure_from_args()
}

/// All samples with the same number of iterations: an iteration takes some 100 ms.
pub const SAMPLING: SamplingMode = SamplingMode::Flat;

/// A decoder for the pages, by prediction.
pub fn decoder() -> Decoder {
    decoder_by(true)
}

/// A decoder for the pages, by prediction or on the plain path.
pub fn decoder_by(prediction: bool) -> Decoder {
    decoder_with(|options| options.prediction = prediction)
}

/// A decoder for CSV.
pub fn csv_decoder() -> Decoder {
    decoder_with(|options| options.form = Form::Csv)
}

fn decoder_with(set: impl FnOnce(&mut Options)) -> Decoder {
    let scope = RowScope::Period(data::PERIOD.parse().expect("a billing period"));
    let enrollment = data::ENROLLMENT.parse().expect("an enrollment");
    let mut options = Options::new(scope);
    set(&mut options);
    Decoder::new(Contract::of(Dataset::UsageDetails), enrollment, options)
}

/// Decodes the pages in chunks, and gives the row groups to `take` as they become full.
pub fn decode(period: &Period, chunk: usize, take: impl FnMut(RowGroup)) -> Summary {
    decode_by(decoder(), period, chunk, take)
}

/// The same with a decoder of one's choice.
pub fn decode_by(mut decoder: Decoder, period: &Period, chunk: usize, mut take: impl FnMut(RowGroup)) -> Summary {
    for page in &period.pages {
        for piece in page.chunks(chunk) {
            decoder.feed(piece).expect("a page");
        }
        decoder.commit().expect("a whole page");
        while let Some(group) = decoder.take_group() {
            take(group);
        }
    }
    finish(decoder, period.rows, take)
}

/// Gives the rest to `take`, and looks whether all rows came.
pub fn finish(mut decoder: Decoder, rows: u64, mut take: impl FnMut(RowGroup)) -> Summary {
    while let Some(group) = decoder.finish().expect("a row group") {
        take(group);
    }
    let summary = decoder.summary();
    assert_eq!((summary.rows, summary.rejected_rows), (rows, 0));
    summary
}

/// A staged file for the slice that the pages belong to.
pub fn stage(run: &Run, compression: Compression) -> SliceFile {
    let slice = Slice {
        dataset: Dataset::UsageDetails,
        enrollment: data::ENROLLMENT.parse().expect("an enrollment"),
        window: Window::Period(data::PERIOD.parse().expect("a billing period")),
    };
    run.stage(&slice, &Contract::of(Dataset::UsageDetails), &WriteOptions { compression }).expect("a file")
}

/// Finishes a staged file with the counts of its rows; they are compared with what was written.
pub fn seal(file: SliceFile, summary: Summary) -> StagedFile {
    let state = FileState {
        rows: summary.rows,
        rejected_rows: summary.rejected_rows,
        rounded_values: summary.rounded_values,
        pages: summary.pages,
        control_totals: summary.control_totals.text,
        rounding_residue: summary.control_totals.residue,
        ..FileState::default()
    };
    file.finish(state).expect("a file with the rows that were decoded")
}
