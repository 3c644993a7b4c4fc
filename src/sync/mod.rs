//! Keeps a lake up to date: which slices, in what order, how many at once, and what became of them.
//!
//! [`sync`] asks the API what changed and replaces just that; [`plan`] says what it would do; [`convert`] fills the
//! same lake from files; [`rewrite`] gives files another shape from themselves, as all but the plan do before they publish.
//! All draw up a [`RunReport`].

mod ask;
mod blocking;
mod budget;
mod clock;
mod conclude;
mod convert;
mod encoder;
mod fetch;
mod gate;
mod interrupt;
mod options;
mod pipeline;
mod plan;
mod prepare;
mod progress;
mod report;
mod rewrite;
mod route;
mod run;
mod sanity;
mod spill;
mod submission;
mod writer;

pub use budget::{LEAST_MEMORY, LEAST_MEMORY_IN_STORES};
pub use clock::{Clock, Sleep, SystemClock};
pub use convert::{ConvertOptions, convert};
pub use interrupt::Interrupt;
pub use options::{MAX_PAGES, MEMORY, REPORT_ROWS, SyncOptions, Via};
pub use plan::{Periods, Recheck};
pub use prepare::list_periods;
pub use progress::{Progress, Silent, SoFar, Wait};
pub use report::{ErrorKind, RunError, RunOutcome, RunReport, RunTotals, SliceOutcome, SliceReport};
pub use rewrite::{RewriteOptions, rewrite};
pub use run::{plan, sync};
pub use writer::MaxRejected;

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
