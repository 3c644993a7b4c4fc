//! What can be wrong with a file.

use crate::lake::Unreadable;

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// There is no one file, or no footer that holds: nothing else was looked at.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// The bytes before the footer are not those that were written. They were not decoded.
    #[error("its data is damaged: its bytes have another digest than those that were written")]
    Digest {
        /// That of its bytes.
        found: String,
        /// That in its footer.
        stated: String,
    },
    /// It is whole, and has the columns of another contract, or of another option than its neighbours. Where the
    /// contract is not known, its rows were not decoded.
    #[error("it has other columns than {than}: {difference}; the next sync rewrites it, or fetches it again")]
    OtherColumns {
        /// What its columns were compared with.
        than: String,
        /// In which columns they differ.
        difference: String,
    },
    /// Its columns are not those of the contract that its footer names.
    #[error("its columns are not those of the contract that its footer names: {difference}")]
    Schema {
        /// In which columns they differ.
        difference: String,
    },
    /// A column cannot be decoded.
    #[error("column {column} of row group {row_group} cannot be decoded: {reason}")]
    Pages {
        /// The row group, the first one being 0.
        row_group: usize,
        /// The column.
        column: String,
        /// What the reader of pages said.
        reason: String,
    },
    /// Statistics exclude values that are there: readers would pass over rows.
    #[error("statistics of column {column} in row group {row_group} do not hold: {difference}")]
    Statistics {
        /// The row group, the first one being 0.
        row_group: usize,
        /// The column.
        column: String,
        /// What they say, and what is.
        difference: String,
    },
    /// It has more or fewer rows than its footer says.
    #[error("{place}: {found} rows, where {stated} are stated")]
    Rows {
        /// The part of the file that was counted.
        place: String,
        /// Rows that are there.
        found: u64,
        /// Rows that its footer says.
        stated: u64,
    },
    /// Its rows do not add up to the control totals less the rounding residue.
    #[error("its control totals do not hold: {difference}")]
    Totals {
        /// The first that does not, and what the rows add up to.
        difference: String,
    },
    /// A row does not belong into the partition.
    #[error("a row is not of this partition: row {row} has {found} in column {column}")]
    Partition {
        /// The column that says so.
        column: &'static str,
        /// The first such row, counted from 1.
        row: u64,
        /// What stands there.
        found: String,
    },
    /// It was replaced again and again while it was read.
    #[error("it was replaced during each of {readings} readings; verify it when no sync is at work")]
    Replaced {
        /// How often it was read.
        readings: usize,
    },
    /// The store could not read it.
    #[error("{reason}")]
    Unread {
        /// What the store said.
        reason: String,
    },
}

impl Finding {
    /// What kind of finding it is, in one word of lower case with `_`.
    pub fn kind(&self) -> &'static str {
        match self {
            Finding::Unreadable(Unreadable::Truncated) => "truncated",
            Finding::Unreadable(Unreadable::NotParquet) => "not_parquet",
            Finding::Unreadable(Unreadable::Foreign) => "foreign",
            Finding::Unreadable(Unreadable::Newer { .. }) => "newer",
            Finding::Unreadable(Unreadable::Damaged { .. }) => "footer",
            Finding::Unreadable(Unreadable::Misplaced { .. }) => "misplaced",
            Finding::Unreadable(Unreadable::NotAlone { .. }) => "not_alone",
            Finding::Digest { .. } => "digest",
            Finding::OtherColumns { .. } => "other_columns",
            Finding::Schema { .. } => "schema",
            Finding::Pages { .. } => "pages",
            Finding::Statistics { .. } => "statistics",
            Finding::Rows { .. } => "rows",
            Finding::Totals { .. } => "totals",
            Finding::Partition { .. } => "partition",
            Finding::Replaced { .. } => "replaced",
            Finding::Unread { .. } => "unread",
        }
    }
}
