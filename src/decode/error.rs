//! What can be wrong with a page, and what a refused row looks like.

/// Why a page cannot be read. Its rows are not committed; [`Decoder::rollback`](super::Decoder::rollback) makes the
/// decoder ready for the same page again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ended inside the JSON: the transfer broke off, so the page is worth asking for again.
    #[error("the page ends before it is whole, after {offset} bytes")]
    Cut {
        /// Bytes of the page that came.
        offset: u64,
    },
    /// The bytes are not JSON.
    #[error("the page is not JSON: {what}, at byte {offset}")]
    Syntax {
        /// Position in the page, from 0.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// It is JSON, but not a page of rows.
    #[error("the page does not have the expected form: {what}")]
    Form {
        /// What is wrong.
        what: String,
    },
    /// Objects and arrays nest deeper than 64 levels.
    #[error("the page nests objects or arrays deeper than 64 levels, at byte {offset}")]
    Depth {
        /// Position in the page, from 0.
        offset: u64,
    },
    /// A rollback was asked for, but the page was so large that a part of it is committed already.
    #[error("a part of this large page is committed already: the slice has to be read anew")]
    PartlyCommitted,
    /// Arrow refused the columns: a bug.
    #[error("the columns do not make a record batch: {0}")]
    Batch(#[from] arrow_schema::ArrowError),
}

impl DecodeError {
    /// Is it worth asking for the page again, because the transfer and not the data is to blame?
    pub fn is_cut(&self) -> bool {
        matches!(self, DecodeError::Cut { .. })
    }
}

/// A row that was received and is not in the record batches.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RejectedRow {
    /// The page, from 1.
    pub page: u64,
    /// The row in the page, from 0.
    pub row: u64,
    /// The column whose value was refused, if one is to blame.
    pub column: Option<String>,
    /// Why.
    pub reason: String,
    /// The row as it came; of a row over the bound only the beginning.
    pub text: String,
}
