//! How a decoder reads.

use super::page::Form;
use crate::contract::BillingPeriod;

/// What becomes of text that is no valid Unicode: invalid UTF-8 and lone surrogates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InvalidText {
    /// It is replaced by U+FFFD and counted.
    #[default]
    Replace,
    /// Its row is rejected.
    Reject,
}

/// Which billing period the rows belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowScope {
    /// All rows belong to this period, whatever their date: they are what the service sent for it.
    Period(BillingPeriod),
    /// Rows dated in one period are taken: this one, or that of the first dated row. Rows of others are handed back
    /// ([`Decoder::take_strays`](super::Decoder::take_strays)), rows without a readable date rejected.
    DatedIn(Option<BillingPeriod>),
    /// Each row names its own period, as the contract says.
    OfRow,
}

/// How a [`Decoder`](super::Decoder) reads.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Which billing period the rows belong to.
    pub scope: RowScope,
    /// The form of the input.
    pub form: Form,
    /// What becomes of text that is no valid Unicode.
    pub invalid_text: InvalidText,
    /// Rows at which a row group closes; the page at work may carry it beyond.
    pub group_rows: usize,
    /// Bytes that a row group's rows may hold before it closes; at most 1 GiB.
    pub group_bytes: usize,
    /// Bytes of a page, as text or as rows, after which its rows are committed in parts, so that it cannot be rolled back any more; at most
    /// 128 MiB.
    pub page_bytes: usize,
    /// Bytes of a row; a longer one is rejected, and its inside not checked when it comes in pieces. At most 128 MiB.
    pub max_row_bytes: usize,
    /// Whether rows are expected to repeat. It is faster where they do; the rows are the same without.
    pub prediction: bool,
}

impl Options {
    /// Pages with an envelope, row groups of 262,144 rows or 64 MiB, pages of 64 MiB, rows of 16 MiB, with prediction.
    pub fn new(scope: RowScope) -> Self {
        Options {
            scope,
            form: Form::Page,
            invalid_text: InvalidText::Replace,
            group_rows: 262_144,
            group_bytes: 64 << 20,
            page_bytes: 64 << 20,
            max_row_bytes: 16 << 20,
            prediction: true,
        }
    }
}
