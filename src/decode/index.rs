//! Entries of a table found by their hash, and taken back with the rows that they came with.

/// No entry, in a slot.
const EMPTY: u64 = u64::MAX;
/// Slots of the smallest table.
const LEAST_SLOTS: usize = 64;

/// Counts the entries of a table, and finds each under a name of 32 bits: its number, or where it starts. What an entry is,
/// its table knows.
///
/// Slots are looked at one after the other from where a hash points. A slot has eight bytes, so that a look mostly costs one
/// miss of the processor's caches.
#[derive(Default)]
pub(super) struct Index {
    /// How many entries there are.
    len: usize,
    /// An entry's mark, which is 32 bits of its hash, above its name. Their count is a power of two, and a quarter is empty.
    slots: Vec<u64>,
    /// Slots that are not empty.
    taken: usize,
    /// The newest entries: those that can be taken back.
    newest: Vec<Newest>,
}

/// An entry that can be taken back.
struct Newest {
    /// The row of the row group that it came with.
    row: u32,
    /// [`EMPTY`] when it has none.
    slot: u64,
}

impl Index {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The entry of that mark that `same` says is the one; a mark alone proves nothing.
    #[inline]
    pub(super) fn find(&self, mark: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        let last = self.slots.len().checked_sub(1)?;
        let mut at = place(mark) & last;
        loop {
            let slot = self.slots[at];
            if slot == EMPTY {
                return None;
            }
            if mark_of(slot) == mark && same(slot as u32) {
                return Some(slot as u32);
            }
            at = (at + 1) & last;
        }
    }

    /// Counts an entry that comes with `row`, to be found under `name`, which is not `u32::MAX`.
    pub(super) fn add(&mut self, mark: u32, name: u32, row: u32) {
        if (self.taken + 1) * 4 > self.slots.len() * 3 {
            let slots = vec![EMPTY; (self.slots.len() * 2).max(LEAST_SLOTS)];
            for slot in std::mem::replace(&mut self.slots, slots).into_iter().filter(|slot| *slot != EMPTY) {
                self.put(slot);
            }
        }
        let slot = u64::from(mark) << 32 | u64::from(name);
        self.put(slot);
        self.taken += 1;
        self.newest.push(Newest { row, slot });
        self.len += 1;
    }

    /// Counts an entry that is never found.
    pub(super) fn add_hidden(&mut self, row: u32) {
        self.newest.push(Newest { row, slot: EMPTY });
        self.len += 1;
    }

    fn put(&mut self, slot: u64) {
        let last = self.slots.len() - 1;
        let mut at = place(mark_of(slot)) & last;
        while self.slots[at] != EMPTY {
            at = (at + 1) & last;
        }
        self.slots[at] = slot;
    }

    /// Forgets the entries that came with `row` or a later one, and returns how many are left.
    pub(super) fn truncate(&mut self, row: usize) -> usize {
        while let Some(newest) = self.newest.pop_if(|newest| newest.row as usize >= row) {
            self.len -= 1;
            if newest.slot != EMPTY {
                self.remove(newest.slot);
            }
        }
        self.len
    }

    /// Empties a slot, and moves up those behind it that would not be found any more.
    fn remove(&mut self, slot: u64) {
        let Some(last) = self.slots.len().checked_sub(1) else { return };
        let mut at = place(mark_of(slot)) & last;
        while self.slots[at] != slot {
            if self.slots[at] == EMPTY {
                return;
            }
            at = (at + 1) & last;
        }
        self.taken -= 1;
        let mut next = (at + 1) & last;
        while self.slots[next] != EMPTY {
            let wanted = place(mark_of(self.slots[next])) & last;
            if next.wrapping_sub(wanted) & last >= next.wrapping_sub(at) & last {
                self.slots[at] = self.slots[next];
                at = next;
            }
            next = (next + 1) & last;
        }
        self.slots[at] = EMPTY;
    }

    /// All entries stay.
    pub(super) fn settle(&mut self) {
        self.newest.clear();
    }

    /// No entry is found any more; they still count.
    pub(super) fn hide_all(&mut self) {
        (self.slots, self.taken) = (Vec::new(), 0);
    }

    /// There are no entries any more.
    pub(super) fn clear(&mut self) {
        self.newest.clear();
        self.slots.fill(EMPTY);
        (self.len, self.taken) = (0, 0);
    }
}

fn mark_of(slot: u64) -> u32 {
    (slot >> 32) as u32
}

/// Where a mark points to: each of its bits counts in the lowest ones.
fn place(mark: u32) -> usize {
    (u64::from(mark).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Marks of few values meet in the same slots, and the newest entries are taken back again and again.
    #[test]
    fn entries_are_found_until_they_are_taken_back() {
        let mut index = Index::default();
        let mut known: HashMap<u32, (u32, u32)> = HashMap::new();
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for row in 0..3_000_u32 {
            let (mark, name) = (random(40) as u32 * 0x0100_0000, row * 3);
            index.add(mark, name, row);
            known.insert(name, (mark, row));
            if random(8) == 0 {
                index.settle();
            }
            let newest = index.newest.first().map_or(row + 1, |newest| newest.row);
            if random(4) == 0 {
                let from = newest + random(u64::from(row + 2 - newest)) as u32;
                known.retain(|_, (_, row)| *row < from);
                assert_eq!(index.truncate(from as usize), known.len());
            }
            let gone = row.saturating_sub(5)..=row;
            for name in gone.map(|row| row * 3) {
                for mark in 0..40 {
                    let mark = mark * 0x0100_0000;
                    let is_known = known.get(&name).is_some_and(|(known, _)| *known == mark);
                    assert_eq!(index.find(mark, |found| found == name), is_known.then_some(name));
                }
            }
        }
        assert!(known.iter().all(|(name, (mark, _))| index.find(*mark, |found| found == *name) == Some(*name)));
        index.hide_all();
        assert_eq!((index.find(0, |_| true), index.len()), (None, known.len()));
    }
}
