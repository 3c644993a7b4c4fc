//! Usage details as a report that the service makes in its own time: submitted, asked about, fetched as CSV.
//!
//! A submitted report is noted in the lake, so that a run that comes within the hour takes it up where another one left it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ask::{Asker, Effort};
use super::clock::stamp;
use super::{ErrorKind, RunError};
use crate::contract::{ApiVersion, Slice};
use crate::lake::Lake;
use crate::source::{Answer, ReportStatus, Request, SourceError, read_small};

/// How long a report's file can be fetched, from the submission on.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Waits between questions double from the first to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// Bytes of an answer about a report.
const MAX_STATUS_BYTES: u64 = 64 << 10;
/// Fresh submissions after a file that was gone.
const FRESH: u32 = 1;

/// A report that was submitted, as it is noted in the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    /// The submission, with its parameters.
    request: String,
    /// Where to ask about it.
    ask: String,
    /// When it was submitted, RFC 3339.
    submitted_at: String,
    /// The bytes of the ETag that the slice's pages had before, in base64.
    etag: Option<String>,
}

/// What is to be had as a report.
pub(super) struct Reported<'a> {
    pub(super) lake: &'a Lake,
    pub(super) slice: &'a Slice,
    pub(super) version: ApiVersion,
    /// The first page of the slice's JSON, whose ETag tells whether the data changes.
    pub(super) pages: &'a Request,
}

/// A report's file, ready to be fetched.
pub(super) struct ReportFile {
    pub(super) request: Request,
    /// The ETag that the slice's pages had before the report was submitted.
    pub(super) etag: Option<Vec<u8>>,
}

/// Why a report's file cannot be had now.
pub(super) struct Missing {
    pub(super) error: RunError,
    pub(super) how: Absence,
}

/// What that says of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// There is none, nor will there be.
    Lost,
    /// It is being made.
    Late,
    /// Nothing: it could not be asked about.
    Unknown,
}

impl Missing {
    /// The service says that it will not make the report.
    fn never_made(submission: &Request, status: &str) -> Self {
        let message = format!("{}: the service made no report, status {status}", submission.call());
        let error = RunError::new(ErrorKind::Unavailable, message)
            .with_hint("run again later, or fetch pages with --via json; the file in place stays");
        Missing { error, how: Absence::Lost }
    }
}

impl From<RunError> for Missing {
    fn from(error: RunError) -> Self {
        Missing { error, how: Absence::Unknown }
    }
}

impl From<SourceError> for Missing {
    fn from(error: SourceError) -> Self {
        // Addresses that are refused were noted so.
        let is_lost =
            matches!(error.status(), Some(400 | 404 | 405 | 410 | 501)) || matches!(error, SourceError::Content { .. });
        Missing { error: error.into(), how: if is_lost { Absence::Lost } else { Absence::Unknown } }
    }
}

impl Asker {
    /// Waits until the report's file is there: of a report that was noted within the hour, else of a fresh one.
    /// `etag` is that of the slice's pages, when it was just asked for.
    pub(super) async fn report_file(
        &self,
        wanted: &Reported<'_>,
        etag: Option<Vec<u8>>,
        effort: &mut Effort,
    ) -> Result<ReportFile, Missing> {
        let submission = self.client.submit_request(wanted.slice, wanted.version);
        if let Some(noted) = self.noted(wanted, &submission)? {
            tracing::info!("{}: a report submitted at {} is taken up again", wanted.slice, noted.submitted_at);
            match self.wait_for(&submission, &noted.ask, effort).await {
                Ok(request) => {
                    return Ok(ReportFile { request, etag: noted.etag.and_then(|etag| STANDARD.decode(etag).ok()) });
                }
                // What is noted is of no use: a fresh one is made.
                Err(Missing { error, how: Absence::Lost }) => {
                    tracing::info!("{}: that report is of no use: {}", wanted.slice, error.message);
                }
                Err(missing) => return Err(missing),
            }
            self.forget_report(wanted)?;
        }
        let etag = match etag {
            Some(etag) => Some(etag),
            None => self.etag_of(wanted.pages, effort).await,
        };
        let submitted_at = self.clock.now();
        let request = match self.status(&submission, effort).await? {
            ReportStatus::Ready { blob } => self.client.blob_request(&submission, &blob, &self.key)?,
            ReportStatus::Failed { status } => {
                return Err(Missing::never_made(&submission, &status));
            }
            ReportStatus::Pending { ask: None, .. } => {
                let error = SourceError::broken(&submission, "the answer names no reportUrl");
                return Err(error.into());
            }
            ReportStatus::Pending { ask: Some(ask), .. } => {
                self.note(wanted, &submission, &ask, submitted_at, etag.as_deref())?;
                match self.wait_for(&submission, &ask, effort).await {
                    Ok(request) => request,
                    Err(missing) => {
                        if missing.how == Absence::Lost {
                            self.forget_report(wanted)?;
                        }
                        return Err(missing);
                    }
                }
            }
        };
        Ok(ReportFile { request, etag })
    }

    /// Asks about a report until its file is there.
    async fn wait_for(&self, submission: &Request, ask: &str, effort: &mut Effort) -> Result<Request, Missing> {
        let mut request = self.client.status_request(submission, ask, &self.key)?;
        let mut wait = FIRST_WAIT;
        loop {
            match self.status(&request, effort).await? {
                ReportStatus::Ready { blob } => return Ok(self.client.blob_request(submission, &blob, &self.key)?),
                ReportStatus::Failed { status } => {
                    return Err(Missing::never_made(submission, &status));
                }
                ReportStatus::Pending { status, ask } => {
                    if wait > self.policy.max_wait.saturating_sub(effort.waited) {
                        let message = format!(
                            "{}: the report is still being made, status {status}, and no more wait fits into --max-wait",
                            submission.call()
                        );
                        let error = RunError::new(ErrorKind::Unavailable, message).with_hint(
                            "run again within the hour to take the same report up, or allow longer waits with --max-wait",
                        );
                        return Err(Missing { error, how: Absence::Late });
                    }
                    self.wait_for_service(
                        &request,
                        wait,
                        &format!("the report is being made, status {status}"),
                        effort,
                    )
                    .await;
                    wait = (wait * 2).min(LAST_WAIT);
                    if let Some(ask) = ask {
                        request = self.client.status_request(submission, &ask, &self.key)?;
                    }
                }
            }
        }
    }

    /// How far a report is, asked as often as it takes.
    async fn status(&self, request: &Request, effort: &mut Effort) -> Result<ReportStatus, SourceError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.once(request, None, effort).await {
                Ok(Answer::Body(body)) => match read_small(body, MAX_STATUS_BYTES).await {
                    Ok(text) => {
                        effort.bytes += text.len() as u64;
                        match ReportStatus::parse(request, &self.key, &text) {
                            Ok(status) => return Ok(status),
                            Err(error) => error,
                        }
                    }
                    Err(error) => error,
                },
                Ok(Answer::NotModified) => SourceError::broken(request, "it answered 304 without a condition"),
                Err(error) => error,
            };
            self.pause(request, attempt, error, effort).await?;
        }
    }

    /// The ETag that a request is answered with; the answer's body is let go. Asked once: a report may be wanted just
    /// because the pages are in trouble.
    async fn etag_of(&self, request: &Request, effort: &mut Effort) -> Option<Vec<u8>> {
        match self.once(request, None, effort).await {
            Ok(Answer::Body(body)) => body.etag,
            Ok(Answer::NotModified) => None,
            Err(error) => {
                tracing::info!("a report is asked for without knowing the ETag of its pages: {error}");
                None
            }
        }
    }

    /// The report of the slice that is noted in the lake, if its file can still be had.
    fn noted(&self, wanted: &Reported<'_>, submission: &Request) -> Result<Option<Noted>, RunError> {
        let Some(bytes) = wanted.lake.note(wanted.slice)? else { return Ok(None) };
        let noted: Option<Noted> = serde_json::from_slice(&bytes).ok();
        let is_young = |noted: &Noted| {
            let submitted = DateTime::parse_from_rfc3339(&noted.submitted_at).ok();
            let age = submitted.and_then(|submitted| (self.clock.now() - submitted.to_utc()).to_std().ok());
            age.is_some_and(|age| age < LIFETIME)
        };
        Ok(noted.filter(|noted| noted.request == submission.text() && is_young(noted)))
    }

    fn note(
        &self,
        wanted: &Reported<'_>,
        submission: &Request,
        ask: &str,
        submitted_at: DateTime<Utc>,
        etag: Option<&[u8]>,
    ) -> Result<(), RunError> {
        let noted = Noted {
            request: submission.text().to_owned(),
            ask: ask.to_owned(),
            submitted_at: stamp(submitted_at),
            etag: etag.map(|etag| STANDARD.encode(etag)),
        };
        Ok(wanted.lake.keep_note(wanted.slice, serde_json::json!(noted).to_string().as_bytes())?)
    }

    /// Forgets the report that is noted: its file was fetched, or is gone.
    pub(super) fn forget_report(&self, wanted: &Reported<'_>) -> Result<(), RunError> {
        Ok(wanted.lake.drop_note(wanted.slice)?)
    }
}

/// Whether another report may be submitted after so many whose file was gone.
pub(super) fn may_submit_again(gone: u32) -> bool {
    gone <= FRESH
}
