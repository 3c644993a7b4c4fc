//! The texts that one span of a layout had so far, each once, with the codes of its columns.

use super::index::Index;
use super::texts::{NONE, Texts};

/// Bytes accounted for a text besides itself and its codes: its header, its slot and slack.
const ENTRY_BYTES: usize = 32;

/// The texts of one span: what belongs to each, by its number.
pub(super) struct SpanTable {
    /// Codes that belong to a text.
    width: usize,
    codes: Vec<i32>,
    /// Finds where a text starts.
    index: Index,
    /// By the number of the parent's text: where the text starts that came with it last.
    with_parent: Vec<u32>,
    /// Where that was set to a text that can be taken back: the row of the row group that did it, and the parent's number.
    with_newest: Vec<(u32, u32)>,
    /// Where the text starts that came last, for a span without a parent.
    last: u32,
    /// Texts that were new since the count began.
    pub(super) new: usize,
}

impl SpanTable {
    pub(super) fn new(width: usize) -> Self {
        SpanTable {
            width,
            codes: Vec::new(),
            index: Index::default(),
            with_parent: Vec::new(),
            with_newest: Vec::new(),
            last: NONE,
            new: 0,
        }
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The code at `slot` of the text of that number.
    pub(super) fn code(&self, number: u32, slot: usize) -> i32 {
        self.codes[number as usize * self.width + slot]
    }

    /// Where the text starts that came last, with that text of the parent if the span has one.
    #[inline]
    pub(super) fn likely(&self, parent: Option<u32>) -> u32 {
        parent.map_or(self.last, |parent| self.with_parent.get(parent as usize).copied().unwrap_or(NONE))
    }

    /// Remembers that the text starting there came with `row`, with that one of the parent if the span has one.
    pub(super) fn remember(&mut self, parent: Option<u32>, start: u32, row: u32, texts: &Texts) {
        let Some(parent) = parent else {
            self.last = start;
            return;
        };
        if parent as usize >= self.with_parent.len() {
            self.with_parent.resize(parent as usize + 1, NONE);
        }
        self.with_parent[parent as usize] = start;
        if texts.is_newest(start) {
            self.with_newest.push((row, parent));
        }
    }

    /// Another span is the parent from now on.
    pub(super) fn change_parent(&mut self) {
        self.with_parent.clear();
        self.with_newest.clear();
    }

    /// Where a text starts that is there already, by 32 bits of its hash.
    #[inline]
    pub(super) fn find(&self, text: &[u8], mark: u32, texts: &Texts) -> Option<u32> {
        self.index.find(mark, |start| texts.get(start) == text)
    }

    /// Keeps a new text and its codes, for the row at work, and returns where it starts.
    pub(super) fn insert(&mut self, text: &[u8], mark: u32, codes: &[i32], row: u32, texts: &mut Texts) -> u32 {
        let start = texts.push(self.len() as u32, text, row);
        self.index.add(mark, start, row);
        self.add(codes.iter().copied());
        start
    }

    /// Keeps the codes of a row that was read on its own, and returns their number. No text is ever found to be theirs.
    pub(super) fn insert_codes(&mut self, codes: impl Iterator<Item = i32>, row: u32) -> u32 {
        self.index.add_hidden(row);
        self.add(codes);
        self.len() as u32 - 1
    }

    fn add(&mut self, codes: impl Iterator<Item = i32>) {
        self.codes.extend(codes);
        debug_assert_eq!(self.codes.len(), self.len() * self.width);
        self.new += 1;
    }

    /// Forgets what came with `row` or later rows, whose texts stood at `end` or behind it.
    pub(super) fn truncate(&mut self, row: usize, end: u32) {
        let left = self.index.truncate(row);
        self.codes.truncate(left * self.width);
        let first = self.with_newest.partition_point(|(by, _)| (*by as usize) < row);
        for (_, parent) in &self.with_newest[first..] {
            let start = &mut self.with_parent[*parent as usize];
            *start = if *start < end { *start } else { NONE };
        }
        self.last = if self.last < end { self.last } else { NONE };
        // Texts of rows before it are still there, and can be taken back, too.
        match row.checked_sub(1) {
            Some(before) => self.with_newest[first..].iter_mut().for_each(|(by, _)| *by = before as u32),
            None => self.with_newest.clear(),
        }
    }

    pub(super) fn settle(&mut self) {
        self.index.settle();
        self.with_newest.clear();
    }

    /// Texts are expected no more: only the codes are kept.
    pub(super) fn close(&mut self) {
        self.index.hide_all();
        self.with_parent = Vec::new();
        self.with_newest = Vec::new();
        self.last = NONE;
    }

    /// Bytes that it takes, without the texts.
    pub(super) fn bytes(&self) -> usize {
        self.len() * (ENTRY_BYTES + self.width * size_of::<i32>()) + self.with_parent.len() * 4
    }
}
