//! What a run tells while it goes on, for whoever shows it.

use std::time::Duration;

use super::{RunError, SliceReport};
use crate::contract::Slice;

/// Is told what happens during a run; every call has an empty default.
pub trait Progress: Send + Sync {
    /// So many files will be rewritten from themselves, or looked at for it.
    fn rewriting(&self, _files: usize) {}
    /// A file was rewritten with so many rows, or could not be.
    fn rewrote(&self, _slice: &Slice, _done: Result<u64, &RunError>) {}
    /// A file is as it is wanted.
    fn passed_over(&self, _slice: &Slice) {}
    /// So many slices will be asked for.
    fn planned(&self, _slices: usize) {}
    /// A slice's rows begin to arrive.
    fn started(&self, _slice: &Slice) {}
    /// A page of a slice was taken.
    fn page(&self, _slice: &Slice, _so_far: &SoFar) {}
    /// A request will go out again after a wait.
    fn waiting(&self, _wait: &Wait<'_>) {}
    /// A slice is done.
    fn ended(&self, _slice: &Slice, _report: &SliceReport) {}
}

/// What of a slice was read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoFar {
    /// Pages taken.
    pub pages: u64,
    /// Rows taken.
    pub rows: u64,
    /// Bytes of bodies received, also of pages that had to be asked for again.
    pub bytes: u64,
    /// Requests that had to be made again.
    pub retries: u64,
}

/// A wait that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait<'a> {
    /// The slice that waits; none while billing periods are listed.
    pub slice: Option<&'a Slice>,
    /// The path of the request.
    pub path: &'a str,
    /// How long.
    pub time: Duration,
    /// The API asked for it, by a header or by saying that it is asked too often; else it was drawn.
    pub asked: bool,
    /// It is no sign of trouble: a report is being made.
    pub expected: bool,
    /// What went wrong or is waited for, in words.
    pub why: &'a str,
}

/// Shows nothing.
pub struct Silent;

impl Progress for Silent {}
