//! Rows that were met, as the numbers of their spans' texts, and which row followed which.

use std::hash::BuildHasher;

use super::index::Index;
use super::spans::NONE;

/// Bytes accounted for a template besides the numbers of its texts.
const ENTRY_BYTES: usize = 32;
/// Marks a follower that did not follow last time. Templates are fewer than that.
const DOUBTED: u32 = 1 << 31;

/// Templates by their number.
pub(super) struct Templates {
    /// Spans of a row.
    width: usize,
    ids: Vec<u32>,
    /// By template: which one follows it, with [`DOUBTED`] when another one did last time.
    next: Vec<u32>,
    index: Index,
}

impl Templates {
    pub(super) fn new(width: usize) -> Self {
        Templates { width, ids: Vec::new(), next: Vec::new(), index: Index::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.next.len()
    }

    /// The numbers of its spans' texts; none when there is no such template.
    #[inline]
    pub(super) fn ids(&self, template: u32) -> Option<&[u32]> {
        let start = template as usize * self.width;
        self.ids.get(start..start + self.width)
    }

    /// Those of all templates, in the order in which they came.
    pub(super) fn all_ids(&self) -> impl Iterator<Item = &[u32]> {
        self.ids.chunks_exact(self.width.max(1))
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

    /// The template of these texts; a new one when there is none yet.
    pub(super) fn find_or_insert(&mut self, ids: &[u32], row: u32, hasher: &impl BuildHasher) -> u32 {
        let mark = hasher.hash_one(ids) as u32;
        if let Some(template) = self.index.find(mark, |template| self.ids(template) == Some(ids)) {
            return template;
        }
        self.add(ids);
        let template = self.index.len() as u32;
        self.index.add(mark, template, row);
        template
    }

    /// A template of a row that was read on its own; it is never found again.
    pub(super) fn insert(&mut self, ids: &[u32], row: u32) -> u32 {
        self.add(ids);
        self.index.add_hidden(row);
        self.index.len() as u32 - 1
    }

    fn add(&mut self, ids: &[u32]) {
        debug_assert_eq!(ids.len(), self.width);
        self.ids.extend_from_slice(ids);
        self.next.push(NONE);
    }

    /// Forgets what came with `row` or later rows.
    pub(super) fn truncate(&mut self, row: usize) {
        let left = self.index.truncate(row);
        self.next.truncate(left);
        self.ids.truncate(left * self.width);
    }

    pub(super) fn settle(&mut self) {
        self.index.settle();
    }

    /// No template is looked for any more.
    pub(super) fn close(&mut self) {
        self.index.hide_all();
    }

    pub(super) fn bytes(&self) -> usize {
        self.next.len() * (ENTRY_BYTES + self.width * size_of::<u32>())
    }
}
