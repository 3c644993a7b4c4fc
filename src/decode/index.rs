//! Entries of a table found by their hash, and taken back with the rows that they came with.

use hashbrown::HashTable;

use super::births::Births;

/// Numbers entries from 0 on. What an entry is, its table knows.
#[derive(Default)]
pub(super) struct Index {
    /// 32 bits of each entry's hash: its mark.
    marks: Vec<u32>,
    /// Mark and number of each entry that can be found.
    table: HashTable<(u32, u32)>,
    births: Births,
}

impl Index {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// The entry of that mark that `same` says is the one; a mark alone proves nothing.
    #[inline]
    pub(super) fn find(&self, mark: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        let found = self.table.find(spread(mark), |(known, entry)| *known == mark && same(*entry));
        found.map(|(_, entry)| *entry)
    }

    /// Numbers an entry that comes with `row`.
    pub(super) fn add(&mut self, mark: u32, row: u32) -> u32 {
        let entry = self.add_hidden(mark, row);
        self.table.insert_unique(spread(mark), (mark, entry), |(mark, _)| spread(*mark));
        entry
    }

    /// Numbers an entry that is never found.
    pub(super) fn add_hidden(&mut self, mark: u32, row: u32) -> u32 {
        self.marks.push(mark);
        self.births.add(row);
        self.marks.len() as u32 - 1
    }

    /// Forgets the entries that came with `row` or a later one, and returns how many are left.
    pub(super) fn truncate(&mut self, row: usize) -> usize {
        let left = self.births.before(row);
        while self.marks.len() > left {
            let mark = self.marks.pop().unwrap_or_default();
            let entry = self.marks.len() as u32;
            if let Ok(found) = self.table.find_entry(spread(mark), |(_, known)| *known == entry) {
                found.remove();
            }
        }
        left
    }

    /// All entries stay.
    pub(super) fn settle(&mut self) {
        self.births.settle();
    }

    /// No entry is found any more; their numbers stay.
    pub(super) fn hide_all(&mut self) {
        self.table = HashTable::new();
    }

    /// There are no entries any more.
    pub(super) fn clear(&mut self) {
        self.marks.clear();
        self.table.clear();
        self.births.clear();
    }
}

/// Spreads 32 bits of a hash over the 64 that the table looks at.
fn spread(mark: u32) -> u64 {
    u64::from(mark).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
