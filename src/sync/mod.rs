//! Keeps a lake up to date: which slices, in what order, how many at once, and what became of them.
//!
//! [`sync`] asks the API what changed and replaces just that; [`plan`] says what it would do; [`convert`] fills the
//! same lake from files. All draw up a [`RunReport`].

mod budget;
mod convert;
mod fetch;
mod options;
mod pipeline;
mod plan;
mod prepare;
mod progress;
mod report;
mod run;
mod spill;
mod writer;

pub use convert::{ConvertOptions, convert};
pub use options::SyncOptions;
pub use plan::{Periods, Recheck};
pub use prepare::list_periods;
pub use progress::{Progress, Silent};
pub use report::{ErrorKind, RunError, RunOutcome, RunReport, RunTotals, SliceOutcome, SliceReport};
pub use run::{plan, sync};
pub use writer::MaxRejected;

use chrono::{SecondsFormat, Utc};

/// Now, as RFC 3339 in UTC with milliseconds.
pub(crate) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An id for a run that begins now: sorts by time, differs between two at the same moment.
fn new_run_id() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = RandomState::new().build_hasher().finish() as u32;
    format!("{}-{random:08x}", Utc::now().format("%Y%m%dT%H%M%SZ"))
}

impl From<crate::source::SourceError> for RunError {
    fn from(error: crate::source::SourceError) -> Self {
        let kind = match error.kind() {
            crate::source::ErrorKind::Usage => ErrorKind::Usage,
            crate::source::ErrorKind::Key => ErrorKind::Key,
            crate::source::ErrorKind::Unavailable => ErrorKind::Unavailable,
            crate::source::ErrorKind::Data => ErrorKind::Data,
        };
        let hint = error.hint().map(str::to_owned);
        RunError { hint, ..RunError::new(kind, error.to_string()) }
    }
}

impl From<crate::lake::LakeError> for RunError {
    fn from(error: crate::lake::LakeError) -> Self {
        let kind = match error.kind() {
            crate::lake::LakeErrorKind::Usage => ErrorKind::Usage,
            crate::lake::LakeErrorKind::Destination => ErrorKind::Destination,
            crate::lake::LakeErrorKind::Internal => ErrorKind::Internal,
        };
        let hint = error.hint().map(str::to_owned);
        RunError { hint, ..RunError::new(kind, error.to_string()) }
    }
}
