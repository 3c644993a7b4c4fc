//! The texts that the spans of a layout had so far, each once, with the codes of its columns.

use super::index::Index;

/// No text, where one is expected.
pub(super) const NONE: u32 = u32::MAX;
/// Bytes accounted for a text besides itself and its codes: what stands before it, its place, its slot and slack.
const ENTRY_BYTES: usize = 36;
/// Bytes before a text: its number and its length.
const HEADER_BYTES: usize = 8;

/// The texts of all spans, one behind the other as they were met: so those of a row lie together, and the processor fetches
/// some before they are asked for.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
}

impl Texts {
    fn push(&mut self, number: u32, text: &[u8]) -> Place {
        let length = text.len() as u32;
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        Place { start, length }
    }

    #[inline]
    fn get(&self, place: Place) -> &[u8] {
        &self.bytes[place.start as usize..][..place.length as usize]
    }

    /// The number of the text that starts there in its table, and the text itself; empty when `start` is [`NONE`].
    #[inline]
    pub(super) fn starting_at(&self, start: u32) -> (u32, &[u8]) {
        let Some((header, rest)) =
            self.bytes.get(start as usize - HEADER_BYTES..).map(|text| text.split_at(HEADER_BYTES))
        else {
            return (NONE, &[]);
        };
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        (word(0), &rest[..word(4) as usize])
    }

    /// Forgets what stands behind the last texts of all `tables`.
    pub(super) fn truncate(&mut self, tables: &[SpanTable]) {
        self.bytes.truncate(tables.iter().map(SpanTable::end).max().unwrap_or(0) as usize);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Where a text is.
#[derive(Clone, Copy, Default)]
struct Place {
    start: u32,
    length: u32,
}

/// The texts of one span by their number.
pub(super) struct SpanTable {
    /// Codes that belong to a text.
    width: usize,
    places: Vec<Place>,
    codes: Vec<i32>,
    /// Finds where a text starts.
    index: Index,
    /// By the number of the parent's text: where the text starts that came with it last.
    with_parent: Vec<u32>,
    /// Numbers of parents' texts for which that is a text that can be taken back.
    with_newest: Vec<u32>,
    /// Where the text starts that came last, for a span without a parent.
    last: u32,
    /// Where the texts end that cannot be taken back.
    settled: u32,
    /// Texts that were new since the count began.
    pub(super) new: usize,
}

impl SpanTable {
    pub(super) fn new(width: usize) -> Self {
        SpanTable {
            width,
            places: Vec::new(),
            codes: Vec::new(),
            index: Index::default(),
            with_parent: Vec::new(),
            with_newest: Vec::new(),
            last: NONE,
            settled: 0,
            new: 0,
        }
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The text of that number; empty when there is none, or when it is that of a row read on its own.
    #[inline]
    pub(super) fn text<'a>(&self, number: u32, texts: &'a Texts) -> &'a [u8] {
        self.places.get(number as usize).map_or(&[], |place| texts.get(*place))
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

    /// Remembers which text came, with that one of the parent if the span has one.
    pub(super) fn remember(&mut self, parent: Option<u32>, number: u32) {
        let Place { start, length } = self.places[number as usize];
        if length == 0 {
            return;
        }
        let Some(parent) = parent else {
            self.last = start;
            return;
        };
        if parent as usize >= self.with_parent.len() {
            self.with_parent.resize(parent as usize + 1, NONE);
        }
        self.with_parent[parent as usize] = start;
        if start >= self.settled {
            self.with_newest.push(parent);
        }
    }

    /// Another span is the parent from now on.
    pub(super) fn change_parent(&mut self) {
        self.with_parent.clear();
        self.with_newest.clear();
    }

    /// The number of a text that is there already, by 32 bits of its hash.
    #[inline]
    pub(super) fn find(&self, text: &[u8], mark: u32, texts: &Texts) -> Option<u32> {
        let start = self.index.find(mark, |start| texts.starting_at(start).1 == text)?;
        Some(texts.starting_at(start).0)
    }

    /// Keeps a new text and its codes, for the row at work.
    pub(super) fn insert(&mut self, text: &[u8], mark: u32, codes: &[i32], row: u32, texts: &mut Texts) -> u32 {
        let number = self.places.len() as u32;
        let place = texts.push(number, text);
        self.add(place, codes.iter().copied());
        self.index.add(mark, place.start, row);
        number
    }

    /// Keeps the codes of a row that was read on its own; no text is ever found to be it.
    pub(super) fn insert_codes(&mut self, codes: impl Iterator<Item = i32>, row: u32, texts: &Texts) -> u32 {
        self.add(Place { start: texts.bytes.len() as u32, length: 0 }, codes);
        self.index.add_hidden(row);
        self.places.len() as u32 - 1
    }

    fn add(&mut self, place: Place, codes: impl Iterator<Item = i32>) {
        self.places.push(place);
        self.codes.extend(codes);
        debug_assert_eq!(self.codes.len(), self.places.len() * self.width);
        self.new += 1;
    }

    /// Forgets what came with `row` or later rows.
    pub(super) fn truncate(&mut self, row: usize) {
        let left = self.index.truncate(row);
        self.places.truncate(left);
        self.codes.truncate(left * self.width);
        let end = self.end();
        let is_gone = |start: u32| start != NONE && start >= end;
        for parent in &self.with_newest {
            let likely = &mut self.with_parent[*parent as usize];
            if is_gone(*likely) {
                *likely = NONE;
            }
        }
        if is_gone(self.last) {
            self.last = NONE;
        }
    }

    /// Where the last text ends.
    fn end(&self) -> u32 {
        self.places.last().map_or(0, |place| place.start + place.length)
    }

    pub(super) fn settle(&mut self) {
        self.index.settle();
        self.with_newest.clear();
        self.settled = self.end();
    }

    /// Texts are expected no more: only the codes are kept.
    pub(super) fn close(&mut self) {
        self.places.fill(Place::default());
        self.index.hide_all();
        self.with_parent = Vec::new();
        self.with_newest = Vec::new();
        self.last = NONE;
    }

    /// Bytes that it takes, without the texts.
    pub(super) fn bytes(&self) -> usize {
        self.places.len() * (ENTRY_BYTES + self.width * size_of::<i32>()) + self.with_parent.len() * 4
    }
}
