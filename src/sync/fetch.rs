//! One slice from the API into a staged file: pages, retries, and the check that all pages belong to one state.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::pipeline::{Committed, Pipeline};
use super::progress::Progress;
use super::writer::{Origin, PageError, SliceWriter};
use super::{ErrorKind, RunError, SliceReport};
use crate::contract::Slice;
use crate::decode::DecodeError;
use crate::lake::StagedFile;
use crate::source::{Answer, ApiKey, Body, Client, Decision, Request, RetryPolicy, SourceError, random_fraction};

/// Reads of a slice until its pages belong to one state: the first and two more.
const READS: u32 = 3;

/// Pages without a row that may follow each other: a chain of them leads nowhere.
const EMPTY_PAGES: u32 = 1_000;

/// Asks the API on behalf of one enrollment.
#[derive(Clone)]
pub(crate) struct Fetcher {
    pub(crate) client: Arc<Client>,
    pub(crate) key: Arc<ApiKey>,
    pub(crate) policy: RetryPolicy,
    pub(crate) progress: Arc<dyn Progress>,
}

/// What a slice's requests have cost so far.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    pub(crate) attempts: u64,
    pub(crate) waited: Duration,
    pub(crate) bytes: u64,
}

impl Effort {
    pub(crate) fn note(&self, report: &mut SliceReport) {
        report.attempts = self.attempts;
        report.waited_seconds = self.waited.as_secs_f64();
        report.bytes_received = self.bytes;
    }
}

/// Why one reading of a slice's pages came to nothing.
enum ReadError {
    /// The data changed while it was read, or a page that was committed in parts broke: read again from page 1.
    Again(String),
    /// The slice has failed.
    Failed(RunError),
}

impl From<RunError> for ReadError {
    fn from(error: RunError) -> Self {
        ReadError::Failed(error)
    }
}

impl From<SourceError> for ReadError {
    fn from(error: SourceError) -> Self {
        ReadError::Failed(error.into())
    }
}

impl Fetcher {
    /// Asks until there is an answer or the policy says stop.
    pub(crate) async fn ask(
        &self,
        request: &Request,
        condition: Option<&[u8]>,
        effort: &mut Effort,
    ) -> Result<Answer, SourceError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            effort.attempts += 1;
            match self.client.get(request, &self.key, condition).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.pause(request, attempt, error, effort).await?,
            }
        }
    }

    /// Waits before the next attempt, or says that there is none.
    pub(crate) async fn pause(
        &self,
        request: &Request,
        attempt: u32,
        error: SourceError,
        effort: &mut Effort,
    ) -> Result<(), SourceError> {
        match self.policy.next(attempt, &error, effort.waited, random_fraction()) {
            Decision::Wait(wait) => {
                self.progress.waiting(request.path(), wait, &error.to_string());
                tokio::time::sleep(wait).await;
                effort.waited += wait;
                Ok(())
            }
            Decision::Stop(stop) => Err(error.given_up(stop, chrono::Utc::now())),
        }
    }

    /// Reads a slice's pages into a staged file. `first` is the answer to the first page, if it is there already.
    pub(crate) async fn fetch(
        &self,
        slice: &Slice,
        request: &Request,
        mut first: Option<Body>,
        make: impl Fn() -> SliceWriter,
        effort: &mut Effort,
        report: &mut SliceReport,
    ) -> Result<StagedFile, RunError> {
        let mut reads = 0;
        loop {
            reads += 1;
            let pipeline = Pipeline::start(make());
            let why = match self.read(&pipeline, slice, request, first.take(), effort).await {
                Ok((etag, tear_check)) => {
                    report.tear_check = tear_check;
                    let source = self.client.endpoint().to_owned();
                    let origin = Origin { etag, answer: None, request: request.text().to_owned(), source };
                    let finished = pipeline.finish(origin, Box::new(report.clone())).await?;
                    *report = *finished.report;
                    return finished.staged;
                }
                Err(ReadError::Failed(error)) => {
                    pipeline.abandon().await;
                    return Err(error);
                }
                Err(ReadError::Again(why)) => why,
            };
            pipeline.abandon().await;
            if reads == READS {
                let message = format!("GET {}: {why}, at each of {READS} reads", request.path());
                return Err(RunError::new(ErrorKind::Unavailable, message)
                    .with_hint("the service is renewing its data: run again later; the file in place stays"));
            }
            // The service is at work on its data: a moment later it may be done.
            self.pause(request, reads, SourceError::broken(request, why), effort).await?;
        }
    }

    /// Reads all pages once. Returns the ETag that they all belong to, and how that was made sure.
    async fn read(
        &self,
        pipeline: &Pipeline,
        slice: &Slice,
        first_request: &Request,
        first: Option<Body>,
        effort: &mut Effort,
    ) -> Result<(Option<Vec<u8>>, Option<&'static str>), ReadError> {
        let (mut page, etag) = self.page(pipeline, first_request, first, true, effort).await?;
        let first_hash = page.hash;
        let mut pages = 1;
        let mut seen = HashSet::new();
        let mut empty = 0;
        loop {
            self.progress.page(slice, pages, page.rows, effort.bytes);
            empty = if page.page.rows + page.page.rejected_rows == 0 { empty + 1 } else { 0 };
            if empty == EMPTY_PAGES {
                let problem = format!("{EMPTY_PAGES} pages without a row follow each other");
                return Err(SourceError::content(first_request, problem).into());
            }
            let Some(link) = page.page.next_link.take() else { break };
            let request = self.client.next_request(first_request, &link, &self.key)?;
            if request.url() == first_request.url() || !seen.insert(link) {
                let problem = format!("the link to page {} leads back to a page that was read already", pages + 1);
                return Err(SourceError::content(first_request, problem).into());
            }
            page = self.page(pipeline, &request, None, false, effort).await?.0;
            pages += 1;
        }
        // One page is one answer, which cannot be torn.
        if pages > 1 && !self.is_whole(first_request, etag.as_deref(), first_hash, effort).await? {
            return Err(ReadError::Again("the data changed while it was read".to_owned()));
        }
        let tear_check = (pages > 1).then_some(if etag.is_some() { "etag" } else { "hash" });
        Ok((etag, tear_check))
    }

    /// Reads one page into the pipeline, as often as it takes.
    async fn page(
        &self,
        pipeline: &Pipeline,
        request: &Request,
        mut answer: Option<Body>,
        with_hash: bool,
        effort: &mut Effort,
    ) -> Result<(Committed, Option<Vec<u8>>), ReadError> {
        let mut attempt = 0;
        let mut wrong_before = None;
        loop {
            attempt += 1;
            let body = match answer.take() {
                Some(body) => body,
                None => match self.once(request, effort).await {
                    Ok(body) => body,
                    Err(error) => {
                        self.pause(request, attempt, error, effort).await?;
                        continue;
                    }
                },
            };
            let etag = body.etag.clone();
            let error = match stream(pipeline, body, with_hash, effort).await {
                Ok(committed) => return Ok((committed, etag)),
                Err(PageError::Slice(error)) => return Err(error.into()),
                Err(PageError::Source(error)) => error,
                Err(PageError::Decode(error @ DecodeError::Batch(_))) => {
                    return Err(RunError::new(ErrorKind::Internal, error.to_string()).into());
                }
                Err(PageError::Decode(error)) if error.is_cut() => SourceError::broken(request, error.to_string()),
                Err(PageError::Decode(error)) => {
                    // A whole body that is wrong is asked for once more: only a service that repeats it is believed.
                    let wrong = error.to_string();
                    if wrong_before.as_ref() == Some(&wrong) {
                        return Err(SourceError::content(request, wrong).into());
                    }
                    wrong_before = Some(wrong.clone());
                    SourceError::broken(request, wrong)
                }
            };
            match pipeline.rollback().await {
                Ok(()) => {}
                Err(PageError::Decode(DecodeError::PartlyCommitted)) => {
                    self.pause(request, attempt, error.clone(), effort).await?;
                    return Err(ReadError::Again(error.to_string()));
                }
                Err(PageError::Slice(error)) => return Err(error.into()),
                Err(other) => return Err(RunError::new(ErrorKind::Internal, other.to_string()).into()),
            }
            self.pause(request, attempt, error, effort).await?;
        }
    }

    /// One attempt at a body.
    async fn once(&self, request: &Request, effort: &mut Effort) -> Result<Body, SourceError> {
        effort.attempts += 1;
        match self.client.get(request, &self.key, None).await? {
            Answer::Body(body) => Ok(body),
            Answer::NotModified => {
                Err(SourceError::broken(request, "it answered 304 to a request without a condition"))
            }
        }
    }

    /// Is page 1 still what it was when the reading began?
    async fn is_whole(
        &self,
        request: &Request,
        etag: Option<&[u8]>,
        hash: Option<[u8; 32]>,
        effort: &mut Effort,
    ) -> Result<bool, SourceError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.ask(request, etag, effort).await? {
                Answer::NotModified => return Ok(true),
                Answer::Body(body) if etag.is_some() => return Ok(body.etag.as_deref() == etag),
                Answer::Body(body) => match hash_of(body, effort).await {
                    Ok(again) => return Ok(Some(again) == hash),
                    Err(error) => error,
                },
            };
            self.pause(request, attempt, error, effort).await?;
        }
    }
}

/// Streams a body into the pipeline and ends the page.
async fn stream(
    pipeline: &Pipeline,
    mut body: Body,
    with_hash: bool,
    effort: &mut Effort,
) -> Result<Committed, PageError> {
    pipeline.begin_page(body.inflate(), with_hash).await?;
    while let Some(bytes) = body.chunk().await? {
        effort.bytes += bytes.len() as u64;
        pipeline.feed(bytes).await?;
    }
    pipeline.commit().await
}

/// SHA-256 of a body's text.
async fn hash_of(mut body: Body, effort: &mut Effort) -> Result<[u8; 32], SourceError> {
    let mut inflate = body.inflate();
    let mut hash = Sha256::new();
    while let Some(bytes) = body.chunk().await? {
        effort.bytes += bytes.len() as u64;
        inflate.push(&bytes, &mut |text: &[u8]| {
            hash.update(text);
            Ok::<_, SourceError>(())
        })?;
    }
    inflate.finish()?;
    Ok(hash.finalize().into())
}
