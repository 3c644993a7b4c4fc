//! Rows that were met, as the numbers of their spans' texts, and which row followed which.

use std::hash::BuildHasher;

use super::index::Index;
use super::spans::NONE;

/// Bytes accounted for a template besides the numbers of its texts.
const ENTRY_BYTES: usize = 28;

/// Templates by their number.
pub(super) struct Templates {
    /// Spans of a row.
    width: usize,
    ids: Vec<u32>,
    /// By template: which one followed it last.
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

    /// The template that followed it last.
    #[inline]
    pub(super) fn next(&self, template: u32) -> u32 {
        self.next.get(template as usize).copied().unwrap_or(NONE)
    }

    /// Remembers what followed a template.
    #[inline]
    pub(super) fn set_next(&mut self, template: u32, next: u32) {
        if let Some(known) = self.next.get_mut(template as usize) {
            *known = next;
        }
    }

    /// The template of these texts; a new one when there is none yet.
    pub(super) fn find_or_insert(&mut self, ids: &[u32], row: u32, hasher: &impl BuildHasher) -> u32 {
        let mark = hasher.hash_one(ids) as u32;
        if let Some(template) = self.index.find(mark, |template| self.ids(template) == Some(ids)) {
            return template;
        }
        self.add(ids);
        self.index.add(mark, row)
    }

    /// A template of a row that was read on its own; it is never found again.
    pub(super) fn insert(&mut self, ids: &[u32], row: u32) -> u32 {
        self.add(ids);
        self.index.add_hidden(0, row)
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
