//! RLE and bit-packing mixed, the encoding of dictionary codes and of definition levels.
//!
//! Bit-packed values come in groups of eight. So values are looked at group by group: where a whole group is one value,
//! a run begins, as long as the value lasts; the next group begins behind it. What lies between two runs is bit-packed
//! as one piece.

use std::ops::Range;

/// Values in a group.
const GROUP: usize = 8;
/// The shortest run, where no codec follows that finds short repetitions by itself.
pub(super) const SHORTEST_RUN: usize = GROUP;

/// Values that can be told apart and packed.
pub(super) trait Values {
    /// How many.
    fn len(&self) -> usize;
    /// Bits of each.
    fn width(&self) -> u32;
    /// The value at `at`, and how often it stands there one after the other; it may be told as less than
    /// [`GROUP`] when a group is not of one value.
    fn run(&self, at: usize) -> (u32, usize);
    /// Appends values bit-packed, the last group filled up.
    fn pack(&self, values: Range<usize>, encoded: &mut Vec<u8>);
}

/// Appends the values, with runs of no fewer than `shortest`.
pub(super) fn encode(values: &impl Values, shortest: usize, encoded: &mut Vec<u8>) {
    let (mut packed, mut at) = (0, 0);
    while at < values.len() {
        let (value, count) = values.run(at);
        if count >= shortest || count == values.len() {
            encode_packed(values, packed..at, encoded);
            encode_run(count, value, values.width(), encoded);
            at += count;
            packed = at;
        } else {
            at += GROUP;
        }
    }
    encode_packed(values, packed..values.len(), encoded);
}

fn encode_packed(values: &impl Values, range: Range<usize>, encoded: &mut Vec<u8>) {
    if !range.is_empty() {
        encode_number(range.len().div_ceil(GROUP) << 1 | 1, encoded);
        values.pack(range, encoded);
    }
}

/// Appends `count` times `value`.
pub(super) fn encode_run(count: usize, value: u32, width: u32, encoded: &mut Vec<u8>) {
    encode_number(count << 1, encoded);
    encoded.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Seven bits a byte, the lowest first.
fn encode_number(mut number: usize, encoded: &mut Vec<u8>) {
    while number >= 0x80 {
        encoded.push(number as u8 | 0x80);
        number >>= 7;
    }
    encoded.push(number as u8);
}

/// Integers, none of them negative.
pub(super) struct Integers<'a> {
    integers: &'a [i32],
    width: u32,
}

impl<'a> Integers<'a> {
    /// All of them fit into `width` bits, of 1 to 32.
    pub(super) fn new(integers: &'a [i32], width: u32) -> Self {
        Integers { integers, width }
    }
}

impl Values for Integers<'_> {
    fn len(&self) -> usize {
        self.integers.len()
    }

    fn width(&self) -> u32 {
        self.width
    }

    #[inline]
    fn run(&self, at: usize) -> (u32, usize) {
        let integers = &self.integers[at..];
        let first = integers[0];
        // No branch for each: most groups are none of one value.
        let is_run = |group: &[i32; GROUP]| group.iter().fold(0, |differs, other| differs | (other ^ first)) == 0;
        let groups = integers.as_chunks::<GROUP>().0.iter().take_while(|group| is_run(group)).count();
        let rest = if groups > 0 || integers.len() < GROUP { &integers[groups * GROUP..] } else { &[] };
        let rest = rest.iter().take_while(|other| **other == first).count();
        (first as u32, groups * GROUP + rest)
    }

    fn pack(&self, values: Range<usize>, encoded: &mut Vec<u8>) {
        let integers = &self.integers[values];
        let start = encoded.len();
        encoded.resize(start + integers.len().div_ceil(GROUP) * self.width as usize, 0);
        let packed = &mut encoded[start..];
        match self.width {
            8 => packed.iter_mut().zip(integers).for_each(|(byte, integer)| *byte = *integer as u8),
            16 => {
                let pairs = packed.as_chunks_mut::<2>().0;
                pairs.iter_mut().zip(integers).for_each(|(bytes, integer)| *bytes = (*integer as u16).to_le_bytes());
            }
            width => pack_of_width(width, integers, packed),
        }
    }
}

/// One loop for each width, in which all shifts are constants.
fn pack_of_width(width: u32, integers: &[i32], packed: &mut [u8]) {
    macro_rules! of_widths {
        ($($width:literal)*) => {
            match width {
                $($width => pack::<$width>(integers, packed),)*
                _ => unreachable!("a width of 1 to 32 bits"),
            }
        };
    }
    of_widths!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
}

fn pack<const WIDTH: usize>(integers: &[i32], packed: &mut [u8]) {
    let (groups, rest) = integers.as_chunks::<GROUP>();
    let mut places = packed.chunks_exact_mut(WIDTH);
    for (group, place) in groups.iter().zip(&mut places) {
        pack_group::<WIDTH>(group, place);
    }
    if let (false, Some(place)) = (rest.is_empty(), places.next()) {
        let mut group = [0; GROUP];
        group[..rest.len()].copy_from_slice(rest);
        pack_group::<WIDTH>(&group, place);
    }
}

#[inline]
fn pack_group<const WIDTH: usize>(group: &[i32; GROUP], place: &mut [u8]) {
    let mut words = [0_u64; 4];
    for (at, integer) in group.iter().enumerate() {
        let (integer, word, shift) = (u64::from(*integer as u32), at * WIDTH / 64, at * WIDTH % 64);
        words[word] |= integer << shift;
        if shift + WIDTH > 64 {
            words[word + 1] |= integer >> (64 - shift);
        }
    }
    for (bytes, word) in place.chunks_mut(size_of::<u64>()).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads values back, by the format's description.
    fn decode(mut encoded: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let mut header = 0;
            for shift in (0..).step_by(7) {
                let (byte, rest) = encoded.split_first().unwrap();
                encoded = rest;
                header |= usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            if header & 1 == 0 {
                let (bytes, rest) = encoded.split_at(width.div_ceil(8) as usize);
                let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                values.extend(std::iter::repeat_n(value, header >> 1));
                encoded = rest;
            } else {
                let (bytes, rest) = encoded.split_at((header >> 1) * width as usize);
                let bit = |at: usize| u64::from(bytes[at / 8] >> (at % 8) & 1);
                values.extend((0..(header >> 1) * GROUP).map(|value| {
                    let first = value * width as usize;
                    (0..width as usize).fold(0, |number, at| number | bit(first + at) << at) as u32
                }));
                encoded = rest;
            }
        }
        assert!(encoded.is_empty(), "{} bytes are left", encoded.len());
        values.truncate(count);
        values
    }

    fn is_read_back(integers: &[i32], width: u32) {
        for shortest in [SHORTEST_RUN, 16, 100] {
            let mut encoded = Vec::new();
            encode(&Integers::new(integers, width), shortest, &mut encoded);
            let expected: Vec<_> = integers.iter().map(|integer| *integer as u32).collect();
            assert_eq!(decode(&encoded, width, integers.len()), expected, "width {width}");
        }
    }

    #[test]
    fn integers_of_every_width_and_number_are_read_back() {
        for width in 1..=32 {
            let largest = (u64::MAX >> (64 - width)) as u32 as i32;
            for count in [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200, 1000] {
                let scattered = |at: usize| (at as u32).wrapping_mul(0x9E37_79B9) as i32 & largest;
                is_read_back(&(0..count).map(scattered).collect::<Vec<_>>(), width);
                is_read_back(&vec![largest; count], width);
                is_read_back(&(0..count).map(|at| [largest, 0][at % 2]).collect::<Vec<_>>(), width);
                is_read_back(&(0..count).map(|at| scattered(at / 50)).collect::<Vec<_>>(), width);
            }
        }
    }

    #[test]
    fn runs_of_any_length_are_read_back_wherever_they_stand() {
        for before in [0, 1, 7, 8, 16] {
            for run in [7, 8, 9, 15, 16, 17, 24, 31, 64, 1000] {
                for after in [0, 1, 8, 9] {
                    let run = std::iter::repeat_n(100, run);
                    is_read_back(&(0..before).chain(run).chain(0..after).collect::<Vec<_>>(), 7);
                }
            }
        }
    }

    #[test]
    fn one_value_throughout_is_one_run() {
        for count in [1, 8, 100, 262_144] {
            let mut encoded = Vec::new();
            encode(&Integers::new(&vec![5; count], 8), SHORTEST_RUN, &mut encoded);
            assert!(encoded.len() <= 4, "{count} values take {encoded:?}");
        }
    }
}
