//! When the newest entries of a table came, so that they can be taken back with their rows.

/// Remembers for the newest entries of a table at which row of the row group each came.
///
/// Entries of committed rows are settled: they stay, and nothing more is known of them.
#[derive(Debug, Default)]
pub(super) struct Births {
    settled: usize,
    rows: Vec<u32>,
}

impl Births {
    /// Another entry came with that row.
    pub(super) fn add(&mut self, row: u32) {
        self.rows.push(row);
    }

    /// All entries stay.
    pub(super) fn settle(&mut self) {
        self.settled += self.rows.len();
        self.rows.clear();
    }

    /// Forgets the entries that came with `row` or a later one, and returns how many are left.
    pub(super) fn before(&mut self, row: usize) -> usize {
        while self.rows.pop_if(|born| *born as usize >= row).is_some() {}
        self.settled + self.rows.len()
    }

    /// The table is empty again.
    pub(super) fn clear(&mut self) {
        *self = Births::default();
    }
}
