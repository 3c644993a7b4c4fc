//! What the benches share: simulated pages, and decoding and staging them as a run does.

#![allow(dead_code)] // each bench uses a part of it

use std::time::Duration;

use arrow_array::RecordBatch;
use billing_lake::contract::{Contract, Dataset, Slice};
use billing_lake::decode::{Decoder, Options, RowScope, Summary};
use billing_lake::lake::{FileState, SliceFile, StagedFile};
use billing_lake::simulator::{self, DataKind, Pages};
use criterion::{Criterion, SamplingMode};

/// Rows of the billing period: enough for a row group that resembles a real one, few enough for a short run.
pub const ROWS: u64 = 20_000;
/// Bytes that arrive at once, as a client hands them over.
pub const CHUNK: usize = 128 << 10;

const ENROLLMENT: &str = "100";
const PERIOD: &str = "2024-11";

/// Ten samples of two seconds in all: a whole bench takes well under a minute.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args()
}

/// All samples with the same number of iterations: an iteration takes some 50 ms.
pub const SAMPLING: SamplingMode = SamplingMode::Flat;

/// A billing period's pages of 1,000 rows, as the service sends them.
pub fn pages(data: DataKind) -> Vec<Vec<u8>> {
    let options = simulator::Options { data, rows_per_month: ROWS, ..simulator::Options::default() };
    let pages = Pages::new(&options, ENROLLMENT, PERIOD).expect("a billing period");
    (1..=pages.count()).filter_map(|number| pages.get(number)).collect()
}

/// Bytes of all pages.
pub fn bytes(pages: &[Vec<u8>]) -> u64 {
    pages.iter().map(|page| page.len() as u64).sum()
}

/// A decoder for the pages.
pub fn decoder() -> Decoder {
    let scope = RowScope::Period(PERIOD.parse().expect("a billing period"));
    let enrollment = ENROLLMENT.parse().expect("an enrollment");
    Decoder::new(Contract::of(Dataset::UsageDetails), enrollment, Options::new(scope))
}

/// Decodes the pages in chunks, and gives the record batches to `take` as they become full.
pub fn decode(pages: &[Vec<u8>], chunk: usize, mut take: impl FnMut(RecordBatch)) -> Summary {
    let mut decoder = decoder();
    for page in pages {
        for piece in page.chunks(chunk) {
            decoder.feed(piece).expect("a page");
        }
        decoder.commit().expect("a whole page");
        while let Some(batch) = decoder.take_batch() {
            take(batch);
        }
    }
    finish(decoder, take)
}

/// Gives the rest to `take`.
pub fn finish(mut decoder: Decoder, mut take: impl FnMut(RecordBatch)) -> Summary {
    while let Some(batch) = decoder.finish().expect("a record batch") {
        take(batch);
    }
    let summary = decoder.summary();
    assert_eq!((summary.rows, summary.rejected_rows), (ROWS, 0));
    summary
}

/// The slice that the pages belong to.
pub fn slice() -> Slice {
    Slice {
        dataset: Dataset::UsageDetails,
        enrollment: ENROLLMENT.parse().expect("an enrollment"),
        period: Some(PERIOD.parse().expect("a billing period")),
    }
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
