//! Dictionaries of values that the batch holds one by one, made only where they pay.

use std::hash::BuildHasher;

use arrow_buffer::NullBuffer;
use foldhash::fast::FixedState;
use hashbrown::{HashSet, HashTable};

use super::SMALL_DICTIONARY;
use super::fixed::FixedWidth;
use super::levels::valid_runs;

/// Most entries, however many rows there are.
const ENTRIES: usize = 64 * 1024;
/// Values between smallest and largest, for each row, that are worth a table with a place for each.
const PLACES_FOR_ROW: usize = 2;
/// One of so many values is counted to tell how many different ones there are.
const SAMPLE: u64 = 64;
/// The code of rows without a value, and of values not met yet.
const NONE: i32 = -1;

/// A dictionary in the order of first sight.
#[derive(Debug)]
pub(super) struct Dictionary<T> {
    /// One for each row, [`NONE`] where it is null.
    pub(super) codes: Vec<i32>,
    pub(super) entries: Vec<T>,
}

/// Entries beyond which a dictionary for so many rows does not pay: [`SMALL_DICTIONARY`], or half of the rows up to
/// [`ENTRIES`].
pub(super) fn most_entries(rows: usize) -> usize {
    SMALL_DICTIONARY.max((rows / 2).min(ENTRIES))
}

/// Makes a dictionary of values between `min` and `max`. None when there are too many for it to pay.
pub(super) fn intern<T: FixedWidth>(values: &[T], nulls: Option<&NullBuffer>, min: T, max: T) -> Option<Dictionary<T>> {
    let rows = values.len() - nulls.map_or(0, NullBuffer::null_count);
    let most = most_entries(rows);
    let places = max.above(min).filter(|places| *places < (rows * PLACES_FOR_ROW).max(SMALL_DICTIONARY));
    let mut dictionary = Dictionary { codes: Vec::new(), entries: Vec::new() };
    if let Some(places) = places {
        let mut table = vec![NONE; places + 1];
        let complete = dictionary.fill(values, nulls, most, |entries, value| {
            let code = &mut table[value.above(min).unwrap_or_default()];
            if *code == NONE {
                *code = entries.len() as i32;
                entries.push(value);
            }
            *code
        });
        return complete.then_some(dictionary);
    }
    let hasher = FixedState::default();
    let mut table = HashTable::new();
    let complete = dictionary.fill(values, nulls, most, |entries, value| {
        let same = |code: &i32| entries[*code as usize] == value;
        if let Some(code) = table.find(hasher.hash_one(value), same) {
            return *code;
        }
        let code = entries.len() as i32;
        entries.push(value);
        table.insert_unique(hasher.hash_one(value), code, |code| hasher.hash_one(entries[*code as usize]));
        code
    });
    complete.then_some(dictionary)
}

impl<T: FixedWidth> Dictionary<T> {
    /// Asks for the code of each value, unless it is that of the value before; false when there are more than `most`.
    fn fill(
        &mut self,
        values: &[T],
        nulls: Option<&NullBuffer>,
        most: usize,
        mut code_of: impl FnMut(&mut Vec<T>, T) -> i32,
    ) -> bool {
        let Dictionary { codes, entries } = self;
        let mut limit = SMALL_DICTIONARY;
        codes.reserve_exact(values.len());
        for run in valid_runs(nulls, 0..values.len()) {
            codes.resize(run.start, NONE);
            for value in &values[run] {
                let code = match codes.last() {
                    Some(last) if *last != NONE && entries[*last as usize] == *value => *last,
                    _ => code_of(entries, *value),
                };
                codes.push(code);
                if entries.len() > limit {
                    // Most columns that come here have a value of their own in most rows. It pays to look ahead.
                    if limit == most || distinct(values) > most + most / 8 {
                        return false;
                    }
                    limit = most;
                }
            }
        }
        codes.resize(values.len(), NONE);
        true
    }
}

/// About how many different values there are, by those among them whose hash ends in zeros.
fn distinct<T: FixedWidth>(values: &[T]) -> usize {
    let hasher = FixedState::default();
    let sampled = values.iter().filter(|value| hasher.hash_one(value).is_multiple_of(SAMPLE));
    sampled.collect::<HashSet<_, FixedState>>().len() * SAMPLE as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interned(values: &[i128]) -> Option<Dictionary<i128>> {
        let dictionary = intern(values, None, *values.iter().min()?, *values.iter().max()?);
        if let Some(dictionary) = &dictionary {
            let read: Vec<_> = dictionary.codes.iter().map(|code| dictionary.entries[*code as usize]).collect();
            assert_eq!(read, values);
        }
        dictionary
    }

    #[test]
    fn a_dictionary_is_made_where_values_repeat() {
        for step in [1, 1_000_000_007] {
            let of = |rows: i128, distinct: i128| (0..rows).map(|row| row % distinct * step).collect::<Vec<_>>();
            assert_eq!(interned(&of(60_000, 30_000)).unwrap().entries.len(), 30_000);
            assert!(interned(&of(60_000, 30_001)).is_none());
            assert!(interned(&of(16_384, 16_384)).is_some());
            assert!(interned(&of(200_000, 65_536)).is_some());
            assert!(interned(&of(200_000, 65_537)).is_none());
            assert!(interned(&of(200_000, 200_000)).is_none());
        }
    }

    #[test]
    fn values_far_apart_are_interned() {
        let most = 10_i128.pow(38) - 1;
        assert_eq!(interned(&[most, -most, 0, most, most]).unwrap().codes, [0, 1, 2, 0, 0]);
        assert_eq!(intern(&[i64::MIN, i64::MAX, -1], None, i64::MIN, i64::MAX).unwrap().entries.len(), 3);
    }

    #[test]
    fn nulls_have_no_code() {
        let nulls = NullBuffer::from(vec![false, true, true, false, true, false]);
        let dictionary = intern(&[9, 5, 5, 5, 4, 4], Some(&nulls), 4, 5).unwrap();
        assert_eq!((dictionary.codes, dictionary.entries), (vec![NONE, 0, 0, NONE, 1, NONE], vec![5, 4]));
    }
}
