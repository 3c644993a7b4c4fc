//! What a run is to do.

use super::{MaxRejected, Periods, Recheck};
use crate::contract::{Dataset, Enrollment};
use crate::decode::InvalidText;
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
    /// What becomes of text that is no valid Unicode.
    pub invalid_text: InvalidText,
    /// How files are written.
    pub write: WriteOptions,
    /// Bytes that the process may hold.
    pub memory: u64,
    /// Slices downloaded at once, if memory allows.
    pub concurrency: usize,
    /// Retries.
    pub retry: RetryPolicy,
}
