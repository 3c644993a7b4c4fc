//! What a run is to do.

use std::sync::Arc;

use super::clock::{Clock, SystemClock};
use super::{Interrupt, MaxRejected, Periods, Recheck};
use crate::contract::{Dataset, Enrollment};
use crate::lake::WriteOptions;
use crate::source::{ApiKey, RetryPolicy};

/// What a run is to do.
pub struct SyncOptions {
    /// Enrollments, each with its key.
    pub enrollments: Vec<(Enrollment, ApiKey)>,
    /// Datasets.
    pub datasets: Vec<Dataset>,
    /// Billing periods.
    pub periods: Periods,
    /// When files in place are checked.
    pub recheck: Recheck,
    /// Fetch and publish again, whatever is in place.
    pub force: bool,
    /// Rejected rows that a slice may have.
    pub max_rejected: MaxRejected,
    /// Text that is no valid Unicode rejects its row, instead of being replaced, and what only looks wrong fails its
    /// slice, instead of being warned about.
    pub strict: bool,
    /// How files are written.
    pub write: WriteOptions,
    /// Bytes that the process may hold.
    pub memory: u64,
    /// Slices downloaded at once, if memory allows.
    pub concurrency: usize,
    /// Pages that a slice may have, so that a chain without end is noticed. Default [`MAX_PAGES`].
    pub max_pages: u64,
    /// Retries.
    pub retry: RetryPolicy,
    /// Requests that may begin within a minute, all slices together. Default none: as fast as the API answers.
    pub requests_per_minute: Option<u32>,
    /// What tells the time and waits. Default [`SystemClock`].
    pub clock: Arc<dyn Clock>,
    /// Ends the run early once it is pulled.
    pub interrupt: Interrupt,
}

/// Pages that a slice may have unless told otherwise: a hundred million rows in pages as the API cuts them.
pub const MAX_PAGES: u64 = 100_000;

/// Bytes that the process may hold unless told otherwise.
pub const MEMORY: u64 = 256 << 20;

impl SyncOptions {
    /// Everything that the API has for these enrollments, with the defaults of the command line.
    pub fn new(enrollments: Vec<(Enrollment, ApiKey)>) -> Self {
        SyncOptions {
            enrollments,
            datasets: vec![Dataset::UsageDetails],
            periods: Periods::All,
            recheck: Recheck::Auto,
            force: false,
            max_rejected: MaxRejected::None,
            strict: false,
            write: WriteOptions::default(),
            memory: MEMORY,
            concurrency: 2,
            max_pages: MAX_PAGES,
            retry: RetryPolicy::default(),
            requests_per_minute: None,
            clock: Arc::new(SystemClock::default()),
            interrupt: Interrupt::default(),
        }
    }
}
