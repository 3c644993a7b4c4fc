//! The texts of all spans of a layout in one place.

/// No text, where the start of one is expected.
pub(super) const NONE: u32 = u32::MAX;
/// Bytes before a text: its number and its length.
const HEADER_BYTES: usize = 8;

/// Texts one behind the other as they were met, so those of a row lie together. A text is known by where it starts.
///
/// Whoever keeps such a start has to forget it when the text is taken back.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Of the newest texts, which can be taken back: the row of the row group that each came with, and its header.
    newest: Vec<(u32, u32)>,
    /// Where the texts end that cannot be taken back.
    settled: u32,
    /// Where texts start, to be sure that nobody keeps the start of one that is gone.
    #[cfg(any(test, fuzzing))]
    starts: std::collections::BTreeSet<u32>,
}

impl Texts {
    /// Appends a text that comes with `row` and has that number in its table, and returns where it starts.
    pub(super) fn push(&mut self, number: u32, text: &[u8], row: u32) -> u32 {
        self.newest.push((row, self.bytes.len() as u32));
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        #[cfg(any(test, fuzzing))]
        self.starts.insert(start);
        start
    }

    /// The text that starts there; empty for [`NONE`].
    #[inline]
    pub(super) fn get(&self, start: u32) -> &[u8] {
        let Some((header, rest)) = self.at(start) else { return &[] };
        &rest[..word(&header[4..]) as usize]
    }

    /// The number in its table of the text that starts there; none for [`NONE`].
    #[inline]
    pub(super) fn number(&self, start: u32) -> Option<u32> {
        self.at(start).map(|(header, _)| word(header))
    }

    /// The header of the text that starts there, and what comes behind the header.
    #[inline]
    fn at(&self, start: u32) -> Option<(&[u8], &[u8])> {
        #[cfg(any(test, fuzzing))]
        assert!(start == NONE || self.starts.contains(&start), "the start of a text that is gone");
        let text = self.bytes.get((start as usize).wrapping_sub(HEADER_BYTES)..)?;
        Some(text.split_at(HEADER_BYTES))
    }

    /// Can the text that starts there be taken back?
    #[inline]
    pub(super) fn is_newest(&self, start: u32) -> bool {
        start > self.settled
    }

    /// Forgets what came with `row` or a later one, and returns where the last text ends that is left.
    pub(super) fn truncate(&mut self, row: usize) -> u32 {
        while let Some((_, header)) = self.newest.pop_if(|(born, _)| *born as usize >= row) {
            self.bytes.truncate(header as usize);
        }
        let end = self.bytes.len() as u32;
        #[cfg(any(test, fuzzing))]
        self.starts.retain(|start| *start < end);
        end
    }

    /// All texts stay.
    pub(super) fn settle(&mut self) {
        self.newest.clear();
        self.settled = self.bytes.len() as u32;
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Asks the processor to fetch the text that starts there: it is most likely needed soon.
    #[inline(always)]
    pub(super) fn prefetch(&self, start: u32) {
        // What is nowhere would be looked for.
        if start != NONE {
            prefetch::lines(&self.bytes, start as usize - HEADER_BYTES);
        }
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The only `unsafe` code: texts of many resources do not fit into the caches, and waiting for them took a tenth of a bill's
/// time (`docs/performance.md`).
#[allow(unsafe_code)]
mod prefetch {
    /// Fetches the first 192 bytes from `at` on into the caches. Without effect on other processors than x86-64.
    #[inline(always)]
    pub(super) fn lines(bytes: &[u8], at: usize) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let first = bytes.as_ptr().wrapping_add(at).cast::<i8>();
            for line in [first, first.wrapping_add(64), first.wrapping_add(128)] {
                // SAFETY: a prefetch is a hint: it reads nothing that the program sees and never faults, whatever the
                // address, and SSE is part of every x86-64.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
            }
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = (bytes, at);
    }
}
