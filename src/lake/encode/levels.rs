//! Definition levels: which rows have a value. All columns are optional and none is nested, so a level is one bit, and
//! the bits of an Arrow null buffer are the bit-packed levels.

use std::ops::Range;

use arrow_buffer::NullBuffer;
use arrow_buffer::bit_iterator::BitSliceIterator;

use super::hybrid::{self, Values};

const WIDTH: u32 = 1;

/// Appends the levels of `rows`, with their length before them as data pages of version 1 have it.
pub(super) fn encode(nulls: Option<&NullBuffer>, rows: Range<usize>, page: &mut Vec<u8>) {
    let start = page.len();
    page.extend_from_slice(&[0; size_of::<u32>()]);
    match nulls.map(|nulls| nulls.slice(rows.start, rows.len())).filter(|nulls| nulls.null_count() > 0) {
        None => hybrid::encode_run(rows.len(), 1, WIDTH, page),
        Some(nulls) => {
            let levels = Levels { bits: &nulls.inner().sliced(), rows: rows.len() };
            hybrid::encode(&levels, hybrid::SHORTEST_RUN, page);
        }
    }
    let length = page.len() - start - size_of::<u32>();
    page[start..start + size_of::<u32>()].copy_from_slice(&(length as u32).to_le_bytes());
}

/// The stretches of `rows` that have values.
pub(super) fn valid_runs(nulls: Option<&NullBuffer>, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let some = nulls.map(|nulls| BitSliceIterator::new(nulls.validity(), nulls.offset() + rows.start, rows.len()));
    let all = nulls.is_none().then(|| rows.clone());
    let some = some.into_iter().flatten().map(move |(start, end)| rows.start + start..rows.start + end);
    all.into_iter().chain(some)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads levels back, by the format's description.
    fn decode(page: &[u8], rows: usize) -> Vec<bool> {
        let (length, mut encoded) = page.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_le_bytes(*length) as usize, encoded.len());
        let mut levels = Vec::new();
        while let Some((byte, rest)) = encoded.split_first() {
            let mut header = usize::from(byte & 0x7f);
            encoded = rest;
            let (mut byte, mut shift) = (*byte, 7);
            while byte & 0x80 != 0 {
                byte = encoded[0];
                header |= usize::from(byte & 0x7f) << shift;
                (encoded, shift) = (&encoded[1..], shift + 7);
            }
            let bytes = if header & 1 == 0 { 1 } else { header >> 1 };
            match header & 1 {
                0 => levels.extend(std::iter::repeat_n(encoded[0] == 1, header >> 1)),
                _ => levels.extend((0..bytes * 8).map(|at| encoded[at / 8] >> (at % 8) & 1 == 1)),
            }
            encoded = &encoded[bytes..];
        }
        assert!(levels.len() >= rows && levels.len() < rows + 8);
        levels.truncate(rows);
        levels
    }

    #[test]
    fn levels_are_read_back_wherever_the_nulls_are() {
        let patterns: [fn(usize) -> bool; 7] = [
            |_| true,
            |_| false,
            |row| row > 0,
            |row| row % 3 == 0,
            |row| row / 13 % 2 == 0,
            |row| row < 100,
            |row| !(20..150).contains(&row),
        ];
        for valid in patterns {
            let nulls: NullBuffer = (0..300).map(valid).collect::<Vec<_>>().into();
            for rows in [0..1, 0..8, 0..9, 5..6, 3..203, 7..300, 64..128, 99..101] {
                let mut page = Vec::new();
                encode(Some(&nulls), rows.clone(), &mut page);
                let expected: Vec<_> = rows.clone().map(valid).collect();
                assert_eq!(decode(&page, rows.len()), expected, "{rows:?}");
                let found: Vec<_> = valid_runs(Some(&nulls), rows.clone()).flatten().collect();
                assert_eq!(found, rows.filter(|row| valid(*row)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn rows_without_nulls_are_one_run() {
        let mut page = Vec::new();
        encode(None, 0..262_144, &mut page);
        assert!(page.len() <= 8 && decode(&page, 262_144).iter().all(|level| *level));
    }
}
