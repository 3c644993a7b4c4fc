//! What was counted of pages, and rows that belong elsewhere.

use std::collections::BTreeMap;

use super::totals::ControlTotals;
use crate::contract::BillingPeriod;

/// A page that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSummary {
    /// Rows taken.
    pub rows: u64,
    /// Rows rejected.
    pub rejected_rows: u64,
    /// The address of the next page; none on the last one.
    pub next_link: Option<String>,
}

/// What was counted over all committed pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pages.
    pub pages: u64,
    /// Rows in the record batches.
    pub rows: u64,
    /// Rows rejected.
    pub rejected_rows: u64,
    /// Values that were rounded to 18 decimals.
    pub rounded_values: u64,
    /// Texts in which something was replaced by U+FFFD.
    pub replaced_texts: u64,
    /// Keys that came twice in a row; the last one counted.
    pub duplicate_keys: u64,
    /// Rows whose tags could not be read as a map, when that is asked for.
    pub unreadable_tags: u64,
    /// Fields that the contract does not know, by name, with the number of rows. They are kept in `extra`.
    pub unknown_fields: BTreeMap<String, u64>,
    /// Fields of the pages' envelopes that are neither rows, link nor id, by name, with the number of pages. They are
    /// not kept.
    pub unknown_envelope_fields: BTreeMap<String, u64>,
    /// Exact sums of the decimal columns.
    pub control_totals: ControlTotals,
}

/// Rows that are dated in other billing periods than the decoder's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StrayRows {
    text: Vec<u8>,
    rows: Vec<(BillingPeriod, usize)>,
}

impl StrayRows {
    /// The rows in their order: billing period and JSON text.
    pub fn iter(&self) -> impl Iterator<Item = (BillingPeriod, &[u8])> {
        let starts = std::iter::once(0).chain(self.rows.iter().map(|(_, end)| *end));
        self.rows.iter().zip(starts).map(|((period, end), start)| (*period, &self.text[start..*end]))
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn push(&mut self, period: BillingPeriod, row: &[u8]) {
        self.text.extend_from_slice(row);
        self.rows.push((period, self.text.len()));
    }
}
