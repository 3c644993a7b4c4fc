//! The end of a run, of whatever kind: what is kept of it.

use std::sync::Arc;

use super::{ErrorKind, RunError, RunReport};
use crate::lake::{Lake, LastRun, Run};

/// Keeps the report and the times of checks, and ends the run.
pub(super) fn conclude(lake: &Lake, run: Arc<Run>, checked: &LastRun, report: RunReport) -> RunReport {
    let keep = || -> Result<(), RunError> {
        lake.save_last_run(checked)?;
        let json = serde_json::to_string_pretty(&report)
            .map_err(|error| RunError::new(ErrorKind::Internal, format!("the run report is no JSON: {error}")))?;
        run.save_report(&json)?;
        Ok(())
    };
    let kept = keep();
    let ended = match Arc::try_unwrap(run) {
        Ok(run) => run.finish().map_err(RunError::from),
        Err(_) => Err(RunError::new(ErrorKind::Internal, "a slice outlived its run")),
    };
    // What the slices did stands; that it could not be noted is told all the same.
    match kept.and(ended) {
        Err(error) if report.error.is_none() => report.with_error(error),
        _ => report,
    }
}
