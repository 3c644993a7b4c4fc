//! Rows that were met, as their spans' texts, and which row followed which.

use std::hash::BuildHasher;

use super::index::Index;
use super::texts::{NONE, Texts};

/// Bytes accounted for a template besides its texts.
const ENTRY_BYTES: usize = 32;
/// Marks a follower that did not follow last time. Templates are fewer than that.
const DOUBTED: u32 = 1 << 31;

/// Templates by their number.
pub(super) struct Templates {
    /// Spans of a row.
    width: usize,
    /// Where the texts start.
    starts: Vec<u32>,
    /// The texts' numbers in their tables. Rows are expected without these.
    numbers: Vec<u32>,
    /// By template: which one follows it, with [`DOUBTED`] when another one did last time.
    next: Vec<u32>,
    index: Index,
}

impl Templates {
    pub(super) fn new(width: usize) -> Self {
        Templates { width, starts: Vec::new(), numbers: Vec::new(), next: Vec::new(), index: Index::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.next.len()
    }

    /// Where its texts start; none when there is no such template.
    #[inline]
    pub(super) fn starts(&self, template: u32) -> Option<&[u32]> {
        let first = template as usize * self.width;
        self.starts.get(first..first + self.width)
    }

    /// The numbers of its texts; none when there is no such template.
    #[inline]
    pub(super) fn numbers(&self, template: u32) -> Option<&[u32]> {
        let first = template as usize * self.width;
        self.numbers.get(first..first + self.width)
    }

    /// Starts and numbers of all templates' texts, in the order in which they came.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        self.starts.chunks_exact(self.width.max(1)).zip(self.numbers.chunks_exact(self.width.max(1)))
    }

    /// The template that is expected to follow it.
    #[inline]
    pub(super) fn next(&self, template: u32) -> u32 {
        match self.next.get(template as usize) {
            Some(next) if *next != NONE => *next & !DOUBTED,
            _ => NONE,
        }
    }

    /// Learns that `next` followed a template. Days differ from each other in rows that are missing or come in other order, and
    /// the next day is as usual again: so a follower is given up when it failed twice, or when a row came in between that
    /// `is_new`.
    #[inline]
    pub(super) fn follow(&mut self, template: u32, next: u32, is_new: bool) {
        let Some(known) = self.next.get_mut(template as usize) else { return };
        if *known == next {
            return;
        }
        let stays = *known != NONE && *known & DOUBTED == 0 && !is_new;
        *known = if stays { *known | DOUBTED } else { next };
    }

    /// The template of the texts that start there; a new one when there is none yet.
    pub(super) fn find_or_insert(&mut self, starts: &[u32], texts: &Texts, row: u32, hasher: &impl BuildHasher) -> u32 {
        let mark = hasher.hash_one(starts) as u32;
        if let Some(template) = self.index.find(mark, |template| self.starts(template) == Some(starts)) {
            return template;
        }
        let template = self.len() as u32;
        self.index.add(mark, template, row);
        self.add(starts, starts.iter().map(|start| texts.number(*start).unwrap_or_default()));
        template
    }

    /// A template of a row that was read on its own, with these numbers; it is never found again.
    pub(super) fn insert(&mut self, numbers: &[u32], row: u32) -> u32 {
        self.index.add_hidden(row);
        self.starts.resize(self.starts.len() + self.width, NONE);
        self.add(&[], numbers.iter().copied());
        self.len() as u32 - 1
    }

    fn add(&mut self, starts: &[u32], numbers: impl Iterator<Item = u32>) {
        self.starts.extend_from_slice(starts);
        self.numbers.extend(numbers);
        self.next.push(NONE);
        debug_assert_eq!((self.starts.len(), self.numbers.len()), (self.len() * self.width, self.len() * self.width));
    }

    /// Forgets what came with `row` or later rows.
    pub(super) fn truncate(&mut self, row: usize) {
        let left = self.index.truncate(row);
        self.next.truncate(left);
        self.starts.truncate(left * self.width);
        self.numbers.truncate(left * self.width);
    }

    pub(super) fn settle(&mut self) {
        self.index.settle();
    }

    /// No template is looked for any more.
    pub(super) fn close(&mut self) {
        self.index.hide_all();
        self.starts = Vec::new();
    }

    pub(super) fn bytes(&self) -> usize {
        self.len() * (ENTRY_BYTES + 2 * self.width * size_of::<u32>())
    }
}
