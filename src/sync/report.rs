//! The run report: what became of every slice, as data. Its shape is documented in `docs/run-report.md` and only grows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::clock::{Clock, SystemClock, stamp};
use crate::contract::Slice;
use crate::lake::LakeFile;

/// What kind of failure it was; each has an exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A bug in billing-lake.
    Internal,
    /// Options or configuration, a wrong enrollment, a period that exists, a lake of a newer version.
    Usage,
    /// The API refused the key.
    Key,
    /// The API could not be reached or did not answer as it should; a later run may succeed.
    Unavailable,
    /// What the API or a file sent is wrong; the period was not replaced.
    Data,
    /// The destination could not be written or read.
    Destination,
    /// The run was told to end, as by SIGINT or SIGTERM.
    Interrupted,
}

impl ErrorKind {
    /// The exit code of a run that failed with it.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Internal => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Key => 3,
            ErrorKind::Unavailable => 4,
            ErrorKind::Data => 5,
            ErrorKind::Destination => 6,
            ErrorKind::Interrupted => 130,
        }
    }
}

/// A failure, for people and for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What went wrong and where.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// A later run may succeed without a change.
    pub retryable: bool,
}

impl RunError {
    /// A failure of that kind, without a hint. [`ErrorKind::Unavailable`] is retryable.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        RunError { kind, message: message.into(), hint: None, retryable: kind == ErrorKind::Unavailable }
    }

    /// The same with a hint.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        RunError { hint: Some(hint.into()), ..self }
    }
}

/// What became of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceOutcome {
    /// Fetched and published.
    Published,
    /// The API said that nothing changed.
    Unchanged,
    /// A closed period that is not due to be asked for.
    NotChecked,
    /// Its file got another shape from itself; nothing had to be fetched.
    Rewritten,
    /// The API has no such data for the period.
    NoData,
    /// It would be asked for or rewritten (`plan` only).
    Planned,
    /// It failed; the file in place stays.
    Failed,
}

impl SliceOutcome {
    /// The word as in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            SliceOutcome::Published => "published",
            SliceOutcome::Unchanged => "unchanged",
            SliceOutcome::NotChecked => "not_checked",
            SliceOutcome::Rewritten => "rewritten",
            SliceOutcome::NoData => "no_data",
            SliceOutcome::Planned => "planned",
            SliceOutcome::Failed => "failed",
        }
    }
}

/// What became of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Everything asked for is in the lake, and something was published or rewritten; of a plan: there is something to do.
    Ok,
    /// Everything asked for is in the lake, and nothing had to be published.
    Unchanged,
    /// Some slices failed, others did not.
    Partial,
    /// Nothing succeeded.
    Failed,
}

/// One slice of the report.
#[derive(Debug, Clone, Serialize)]
pub struct SliceReport {
    /// Its dataset.
    pub dataset: &'static str,
    /// Its enrollment.
    pub enrollment: String,
    /// Its billing period, `YYYY-MM`; null for a dataset that is one file an enrollment.
    pub billing_period: Option<String>,
    /// Its range of dates; null for a slice of a billing period.
    pub date_range: Option<String>,
    /// What became of it.
    pub outcome: SliceOutcome,
    /// Why it is or would be asked for, or not.
    pub why: Option<String>,
    /// Rows in the published file.
    pub rows: u64,
    /// Rows received that are not in the file.
    pub rejected_rows: u64,
    /// Values that were rounded to 18 decimals.
    pub rounded_values: u64,
    /// Texts in which something was replaced by U+FFFD.
    pub replaced_texts: u64,
    /// Keys that came twice in a row; the last one counted.
    pub duplicate_keys: u64,
    /// Rows whose tags could not be read as a map, with `--tags-map`.
    pub unreadable_tags: u64,
    /// Fields that the contract does not know, by name, with the number of rows.
    pub unknown_fields: BTreeMap<String, u64>,
    /// Fields around the rows that the client does not know, by name, with the number of pages; they are not kept.
    pub unknown_envelope_fields: BTreeMap<String, u64>,
    /// Pages read.
    pub pages: u64,
    /// Bytes of bodies received, as they came over the line or from the file.
    pub bytes_received: u64,
    /// Requests made.
    pub attempts: u64,
    /// Seconds waited between attempts.
    pub waited_seconds: f64,
    /// Version of the API.
    pub api_version: Option<String>,
    /// How it was fetched: `json`, `csv` or `async-csv`; null when it was not.
    pub via: Option<&'static str>,
    /// The ETag of the file's rows, when it is text.
    pub etag: Option<String>,
    /// The published file, below the destination.
    pub file: Option<String>,
    /// Its size.
    pub file_bytes: u64,
    /// Exact sums of the text received, by column, as decimals.
    pub control_totals: BTreeMap<String, String>,
    /// What rounding took from the sums, by column, as decimals.
    pub rounding_residue: BTreeMap<String, String>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// How it was made sure that all pages belong to one state: `etag`, or `hash` of the first page where the API
    /// sends no ETag; null for one page, which cannot be torn.
    pub tear_check: Option<&'static str>,
    /// Why it failed.
    pub error: Option<RunError>,
}

impl SliceReport {
    /// A report in which nothing has happened yet.
    pub fn new(slice: &Slice, outcome: SliceOutcome) -> Self {
        SliceReport {
            dataset: slice.dataset.name(),
            enrollment: slice.enrollment.to_string(),
            billing_period: slice.period().map(|period| period.to_string()),
            date_range: slice.dates().map(|dates| dates.to_string()),
            outcome,
            why: None,
            rows: 0,
            rejected_rows: 0,
            rounded_values: 0,
            replaced_texts: 0,
            duplicate_keys: 0,
            unreadable_tags: 0,
            unknown_fields: BTreeMap::new(),
            unknown_envelope_fields: BTreeMap::new(),
            pages: 0,
            bytes_received: 0,
            attempts: 0,
            waited_seconds: 0.0,
            api_version: None,
            via: None,
            etag: None,
            file: None,
            file_bytes: 0,
            control_totals: BTreeMap::new(),
            rounding_residue: BTreeMap::new(),
            warnings: Vec::new(),
            tear_check: None,
            error: None,
        }
    }

    /// The slice in words, as in log lines.
    pub fn name(&self) -> String {
        let window = self.window();
        format!("{} {}{}{window}", self.dataset, self.enrollment, if window.is_empty() { "" } else { " " })
    }

    /// Its billing period or range of dates; empty for a dataset that is one file an enrollment.
    pub fn window(&self) -> &str {
        self.billing_period.as_deref().or(self.date_range.as_deref()).unwrap_or_default()
    }
}

/// Sums over all slices.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunTotals {
    /// Slices by outcome.
    pub slices: BTreeMap<&'static str, u64>,
    /// Rows of files published or rewritten.
    pub rows: u64,
    /// Rows rejected.
    pub rejected_rows: u64,
    /// Bytes of bodies received.
    pub bytes_received: u64,
    /// Bytes of files published or rewritten.
    pub file_bytes: u64,
}

/// What became of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Version of this shape.
    pub report_version: u32,
    /// The run's id, as in file names below `_billing_lake`.
    pub run_id: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended, RFC 3339 in UTC.
    pub finished_at: String,
    /// What became of it.
    pub outcome: RunOutcome,
    /// A failure outside of any slice.
    pub error: Option<RunError>,
    /// The slices of the datasets asked for, in the order of the plan.
    pub slices: Vec<SliceReport>,
    /// Sums over all slices.
    pub totals: RunTotals,
}

/// A run that has begun.
pub(super) struct Begun {
    pub(super) run_id: String,
    started_at: String,
}

impl Begun {
    /// Begins now, under an id that sorts by time and differs between two runs of the same moment.
    pub(super) fn at(clock: &dyn Clock) -> Self {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let random = RandomState::new().build_hasher().finish() as u32;
        let now = clock.now();
        Begun { run_id: format!("{}-{random:08x}", now.format("%Y%m%dT%H%M%SZ")), started_at: stamp(now) }
    }

    /// Draws up the report of the run, which ends now.
    pub(super) fn report(self, clock: &dyn Clock, error: Option<RunError>, slices: Vec<SliceReport>) -> RunReport {
        RunReport::new(self, stamp(clock.now()), error, slices)
    }
}

impl RunReport {
    /// The report of a run that failed before it could begin.
    pub fn of_failure(error: RunError) -> Self {
        let clock = SystemClock::default();
        Begun::at(&clock).report(&clock, Some(error), Vec::new())
    }

    fn new(begun: Begun, finished_at: String, error: Option<RunError>, slices: Vec<SliceReport>) -> Self {
        let Begun { run_id, started_at } = begun;
        let mut totals = RunTotals::default();
        for slice in &slices {
            *totals.slices.entry(slice.outcome.as_str()).or_default() += 1;
            totals.bytes_received += slice.bytes_received;
            totals.rejected_rows += slice.rejected_rows;
            if matches!(slice.outcome, SliceOutcome::Published | SliceOutcome::Rewritten) {
                totals.rows += slice.rows;
                totals.file_bytes += slice.file_bytes;
            }
        }
        let count = |outcome: SliceOutcome| totals.slices.get(outcome.as_str()).copied().unwrap_or(0);
        let failed = count(SliceOutcome::Failed);
        let outcome = if failed == 0 && error.is_none() {
            let changes = [SliceOutcome::Published, SliceOutcome::Rewritten, SliceOutcome::Planned];
            if changes.into_iter().any(|outcome| count(outcome) > 0) { RunOutcome::Ok } else { RunOutcome::Unchanged }
        } else if failed + count(SliceOutcome::NoData) == slices.len() as u64 {
            // That the API has nothing for a period is no success of the run's.
            RunOutcome::Failed
        } else {
            RunOutcome::Partial
        };
        RunReport { report_version: 1, run_id, started_at, finished_at, outcome, error, slices, totals }
    }

    /// The same with a failure outside of any slice.
    pub(super) fn with_error(self, error: RunError) -> Self {
        let begun = Begun { run_id: self.run_id, started_at: self.started_at };
        RunReport::new(begun, self.finished_at, Some(error), self.slices)
    }

    /// The exit code of the process: see the table in `docs/command-line.md`.
    pub fn exit_code(&self) -> u8 {
        let errors = || self.slices.iter().filter_map(|slice| slice.error.as_ref()).chain(&self.error);
        let Some(first) = errors().next() else { return 0 };
        if errors().any(|error| error.kind == ErrorKind::Interrupted) {
            return ErrorKind::Interrupted.exit_code();
        }
        let order = [ErrorKind::Key, ErrorKind::Usage, ErrorKind::Destination, ErrorKind::Data, ErrorKind::Internal];
        let worst = order.into_iter().find(|kind| errors().any(|error| error.kind == *kind && !error.retryable));
        match (worst, self.outcome) {
            (Some(kind), _) => kind.exit_code(),
            (None, RunOutcome::Partial) if errors().all(|error| error.retryable) => 7,
            (None, _) => first.kind.exit_code(),
        }
    }
}

/// Puts what the file in place says about itself into the report.
pub(super) fn describe_in_place(report: &mut SliceReport, file: Option<&LakeFile>) {
    let Some(file) = file else { return };
    report.file = Some(file.location.clone());
    report.file_bytes = file.bytes;
    if let Ok(state) = &file.state {
        report.rows = state.rows;
        report.rejected_rows = state.rejected_rows;
        report.rounded_values = state.rounded_values;
        report.etag = state.etag.as_deref().map(etag_text);
        report.control_totals = state.control_totals.clone();
        report.rounding_residue = state.rounding_residue.clone();
        report.warnings.extend(state.warnings.iter().cloned());
    }
}

/// An ETag for people; what is no UTF-8 in it is replaced.
pub(super) fn etag_text(etag: &[u8]) -> String {
    String::from_utf8_lossy(etag).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(errors: &[Option<(ErrorKind, bool)>]) -> RunReport {
        let slice = Slice {
            dataset: crate::contract::Dataset::UsageDetails,
            enrollment: "1".parse().unwrap(),
            window: crate::contract::Window::Whole,
        };
        let slices = errors.iter().map(|error| match error {
            None => SliceReport::new(&slice, SliceOutcome::Published),
            Some((kind, retryable)) => {
                let mut report = SliceReport::new(&slice, SliceOutcome::Failed);
                report.error = Some(RunError { retryable: *retryable, ..RunError::new(*kind, "x") });
                report
            }
        });
        let clock = SystemClock::default();
        Begun::at(&clock).report(&clock, None, slices.collect())
    }

    #[test]
    fn the_exit_code_is_the_worst_that_a_retry_does_not_heal() {
        use ErrorKind::*;
        assert_eq!(report(&[None, None]).exit_code(), 0);
        assert_eq!(report(&[None, Some((Unavailable, true))]).exit_code(), 7);
        assert_eq!(report(&[Some((Unavailable, true))]).exit_code(), 4);
        assert_eq!(report(&[Some((Unavailable, true)), Some((Data, false)), None]).exit_code(), 5);
        assert_eq!(report(&[Some((Data, false)), Some((Key, false))]).exit_code(), 3);
        assert_eq!(report(&[None, Some((Unavailable, false))]).exit_code(), 4);
        assert_eq!(report(&[Some((Data, false)), Some((Interrupted, true))]).exit_code(), 130);
    }
}
