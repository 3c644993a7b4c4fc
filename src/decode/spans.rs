//! The texts that one span of a layout had so far, each once, with the codes of its columns.

use super::index::Index;

/// No text, where one is expected.
pub(super) const NONE: u32 = u32::MAX;
/// Bytes accounted for a text besides itself and its codes.
const ENTRY_BYTES: usize = 24;

/// Texts by their number.
pub(super) struct SpanTable {
    /// Codes that belong to a text.
    width: usize,
    texts: Vec<u8>,
    ends: Vec<u32>,
    codes: Vec<i32>,
    index: Index,
    /// By the number of the parent's text: which one came with it last.
    with_parent: Vec<u32>,
    /// Texts that were new since the count began.
    pub(super) new: usize,
}

impl SpanTable {
    pub(super) fn new(width: usize) -> Self {
        SpanTable {
            width,
            texts: Vec::new(),
            ends: Vec::new(),
            codes: Vec::new(),
            index: Index::default(),
            with_parent: Vec::new(),
            new: 0,
        }
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of that number; empty when there is none, or when it is that of a row read on its own.
    #[inline]
    pub(super) fn text(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(end) = self.ends.get(id) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.texts[start as usize..*end as usize]
    }

    /// The code at `slot` of the text of that number.
    pub(super) fn code(&self, id: u32, slot: usize) -> i32 {
        self.codes[id as usize * self.width + slot]
    }

    /// The text that came last with that text of the parent.
    #[inline]
    pub(super) fn of_parent(&self, parent: u32) -> u32 {
        self.with_parent.get(parent as usize).copied().unwrap_or(NONE)
    }

    /// Remembers which text came with that one of the parent.
    pub(super) fn set_parent(&mut self, parent: u32, id: u32) {
        let parent = parent as usize;
        if parent >= self.with_parent.len() {
            self.with_parent.resize(parent + 1, NONE);
        }
        self.with_parent[parent] = id;
    }

    /// The number of a text that is there already, by 32 bits of its hash.
    pub(super) fn find(&self, text: &[u8], mark: u32) -> Option<u32> {
        self.index.find(mark, |id| self.text(id) == text)
    }

    /// Keeps a new text and its codes, for the row at work.
    pub(super) fn insert(&mut self, text: &[u8], mark: u32, codes: &[i32], row: u32) -> u32 {
        self.add(text, codes.iter().copied());
        self.index.add(mark, row)
    }

    /// Keeps the codes of a row that was read on its own; no text is ever found to be it.
    pub(super) fn insert_codes(&mut self, codes: impl Iterator<Item = i32>, row: u32) -> u32 {
        self.add(&[], codes);
        self.index.add_hidden(0, row)
    }

    fn add(&mut self, text: &[u8], codes: impl Iterator<Item = i32>) {
        self.texts.extend_from_slice(text);
        self.ends.push(self.texts.len() as u32);
        self.codes.extend(codes);
        debug_assert_eq!(self.codes.len(), self.ends.len() * self.width);
        self.new += 1;
    }

    /// Forgets what came with `row` or later rows.
    pub(super) fn truncate(&mut self, row: usize) {
        let left = self.index.truncate(row);
        self.ends.truncate(left);
        self.codes.truncate(left * self.width);
        self.texts.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    pub(super) fn settle(&mut self) {
        self.index.settle();
    }

    /// Texts are expected no more: only the codes are kept.
    pub(super) fn close(&mut self) {
        self.texts = Vec::new();
        self.ends.fill(0);
        self.index.hide_all();
        self.with_parent = Vec::new();
    }

    pub(super) fn bytes(&self) -> usize {
        self.texts.len() + self.ends.len() * (ENTRY_BYTES + self.width * size_of::<i32>()) + self.with_parent.len() * 4
    }
}
