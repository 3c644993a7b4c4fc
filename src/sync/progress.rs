//! What a run tells while it goes on, for whoever shows it.

use std::time::Duration;

use super::SliceReport;
use crate::contract::Slice;

/// Is told what happens during a run; every call has an empty default.
pub trait Progress: Send + Sync {
    /// So many slices will be asked for.
    fn planned(&self, _slices: usize) {}
    /// A slice's rows begin to arrive.
    fn started(&self, _slice: &Slice) {}
    /// A page of a slice was taken: pages, rows and bytes received so far.
    fn page(&self, _slice: &Slice, _pages: u64, _rows: u64, _bytes: u64) {}
    /// A request will be tried again after a wait.
    fn waiting(&self, _what: &str, _wait: Duration, _why: &str) {}
    /// A slice is done.
    fn ended(&self, _slice: &Slice, _report: &SliceReport) {}
}

/// Shows nothing.
pub struct Silent;

impl Progress for Silent {}
