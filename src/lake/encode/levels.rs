//! Definition levels: which rows have a value. All columns are optional and none is nested, so a level is one bit, and
//! the bits of an Arrow null buffer are the bit-packed levels.

use std::ops::Range;

use arrow_buffer::NullBuffer;

use super::hybrid::{self, Values};

const WIDTH: u32 = 1;

/// Appends the levels of `rows`, with their length before them as data pages of version 1 have it.
pub(super) fn encode(nulls: Option<&NullBuffer>, rows: Range<usize>, page: &mut Vec<u8>) {
    let start = page.len();
    page.extend_from_slice(&[0; size_of::<u32>()]);
    match nulls.map(|nulls| nulls.slice(rows.start, rows.len())).filter(|nulls| nulls.null_count() > 0) {
        None => hybrid::encode_run(rows.len(), 1, WIDTH, page),
        Some(nulls) => hybrid::encode(&Levels { bits: &nulls.inner().sliced(), rows: rows.len() }, page),
    }
    let length = page.len() - start - size_of::<u32>();
    page[start..start + size_of::<u32>()].copy_from_slice(&(length as u32).to_le_bytes());
}

/// The stretches of `rows` that have values.
pub(super) fn valid_runs(nulls: Option<&NullBuffer>, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let (all, some) = match nulls {
        None => (Some(rows.clone()), None),
        Some(nulls) => (None, Some(nulls.slice(rows.start, rows.len()))),
    };
    let some = some.into_iter().flat_map(|nulls| nulls.valid_slices().collect::<Vec<_>>());
    all.into_iter().chain(some.map(move |(start, end)| rows.start + start..rows.start + end))
}

struct Levels<'a> {
    /// One bit a row, the lowest of the first byte for the first.
    bits: &'a [u8],
    rows: usize,
}

impl Levels<'_> {
    /// Eight levels from `at` on; those behind the last are zero.
    fn group(&self, at: usize) -> u8 {
        let byte = |at: usize| u16::from(self.bits.get(at).copied().unwrap_or_default());
        let two = byte(at / 8) | byte(at / 8 + 1) << 8;
        (two >> (at % 8)) as u8 & u8::MAX >> 8_usize.saturating_sub(self.rows - at)
    }
}

impl Values for Levels<'_> {
    fn len(&self) -> usize {
        self.rows
    }

    fn width(&self) -> u32 {
        WIDTH
    }

    fn run(&self, at: usize) -> (u32, usize) {
        let first = self.bits[at / 8] >> (at % 8) & 1;
        let mut end = at;
        while end < self.rows {
            let group = self.group(end);
            let same = if first == 1 { group.trailing_ones() } else { group.trailing_zeros() } as usize;
            end = self.rows.min(end + same);
            if same < 8 {
                break;
            }
        }
        (first.into(), end - at)
    }

    fn pack(&self, rows: Range<usize>, encoded: &mut Vec<u8>) {
        encoded.extend(rows.step_by(8).map(|at| self.group(at)));
    }
}
