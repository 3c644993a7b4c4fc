//! What a run is to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clock::{Clock, SystemClock};
use super::{Interrupt, MaxRejected, Periods, Recheck};
use crate::contract::{ApiVersion, Contract, Dataset, DateRange, Enrollment, WindowKind};
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
    /// A range of dates instead of billing periods: datasets of billing periods are not asked for then.
    pub dates: Option<DateRange>,
    /// Versions of the API, for datasets that are not to be asked for in their default one.
    pub versions: BTreeMap<Dataset, ApiVersion>,
    /// How usage details are fetched.
    pub via: Via,
    /// Rows of the file in place from which on [`Via::Auto`] has a report made. Default [`REPORT_ROWS`].
    pub report_rows: u64,
    /// Whether tags are wanted as a map too.
    pub tags_map: bool,
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

/// How usage details are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// As pages of JSON; as a report where the file in place is large, or where pages tear at each reading.
    #[default]
    Auto,
    /// As pages of JSON.
    Json,
    /// As one CSV, made while the client waits.
    Csv,
    /// As a report that is submitted, asked about, and fetched as CSV from another host.
    AsyncCsv,
}

/// Rows from which on a report is quicker than pages, unless told otherwise: a thousand pages.
pub const REPORT_ROWS: u64 = 1_000_000;

/// Pages that a slice may have unless told otherwise: a hundred million rows in pages as the API cuts them.
pub const MAX_PAGES: u64 = 100_000;

/// Bytes that the process may hold unless told otherwise.
pub const MEMORY: u64 = 256 << 20;

impl SyncOptions {
    /// The contract of a dataset, as these options shape it.
    pub fn contract(&self, dataset: Dataset) -> Arc<Contract> {
        let version = self.versions.get(&dataset.of_periods()).copied();
        let contract = Contract::of_version(dataset, version.unwrap_or(dataset.default_version()));
        if self.tags_map { Arc::new(contract.with_tags_map()) } else { contract }
    }

    /// Everything that the API has for these enrollments, with the defaults of the command line.
    pub fn new(enrollments: Vec<(Enrollment, ApiKey)>) -> Self {
        SyncOptions {
            enrollments,
            datasets: Dataset::ALL.into_iter().filter(|dataset| dataset.window_kind() != WindowKind::Dates).collect(),
            periods: Periods::All,
            dates: None,
            versions: BTreeMap::new(),
            via: Via::Auto,
            report_rows: REPORT_ROWS,
            tags_map: false,
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
