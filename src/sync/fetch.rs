//! One slice from the API into a staged file: pages, retries, and the check that all pages belong to one state.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::ask::{Asker, Effort};
use super::pipeline::{Committed, Pipeline};
use super::progress::SoFar;
use super::route::Route;
use super::sanity::Expected;
use super::submission::{Absence, Missing, Reported, may_submit_again};
use super::writer::{Origin, PageError, SliceWriter};
use super::{ErrorKind, RunError, SliceReport};
use crate::contract::Slice;
use crate::decode::{DecodeError, Form};
use crate::lake::StagedFile;
use crate::source::{Answer, Body, Purpose, Request, SourceError};

/// Reads of a slice until its pages belong to one state: the first and two more.
const READS: u32 = 3;

/// What to do about data that changes at every reading.
const RENEWING: &str = "the service is renewing its data: run again later; the file in place stays";

/// Pages without a row that may follow each other: a chain of them leads nowhere.
const EMPTY_PAGES: u32 = 1_000;

/// What is to be read.
pub(super) struct Wanted<'a> {
    pub(super) slice: &'a Slice,
    /// Its first page, or its CSV.
    pub(super) request: &'a Request,
    pub(super) route: Route,
    /// Whether a report takes the place of pages that tear at each reading, and pages that of a report which is not made.
    pub(super) may_change: bool,
    /// What to have a report of.
    pub(super) reported: Reported<'a>,
    /// The answer to that, if it is there already.
    pub(super) first: Option<Body>,
    /// The ETag of the first page, when it was just asked for on the way to a report.
    pub(super) etag_of_pages: Option<Vec<u8>>,
    /// The hash of the answer that the file in place was made of, when nothing else can tell whether it changed.
    pub(super) answer_in_place: Option<&'a str>,
    /// What its rows are compared with.
    pub(super) expected: Expected,
}

/// What one reading of a slice's pages came to.
struct WholeRead {
    /// The ETag that all pages belong to.
    etag: Option<Vec<u8>>,
    /// How that was made sure.
    tear_check: Option<&'static str>,
    /// The text's hash, where one answer without an ETag held all rows.
    answer: Option<String>,
}

/// Why one reading of a slice's pages came to nothing.
enum ReadError {
    /// The data changed while it was read, a later page is no longer served, or a page that was committed in parts
    /// broke: read again from page 1.
    Again(String),
    /// A page that was committed in parts is wrong: the same, but whoever repeats it is believed.
    Wrong(String),
    /// The file of a report is not there any more.
    Gone(SourceError),
    /// The service makes no report of it.
    NoReport(RunError),
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

impl Asker {
    /// Reads a slice's pages into a staged file, with a writer that `make` makes for each reading; none when the answer is
    /// that of the file in place.
    pub(super) async fn fetch(
        &self,
        wanted: Wanted<'_>,
        make: impl Fn(Form) -> SliceWriter,
        effort: &mut Effort,
        report: &mut SliceReport,
    ) -> Result<Option<StagedFile>, RunError> {
        let Wanted {
            slice,
            request,
            mut route,
            mut may_change,
            reported,
            mut first,
            mut etag_of_pages,
            answer_in_place,
            expected,
        } = wanted;
        let mut reads = 0;
        let mut wrong_before = None;
        // What pages did before a report took their place.
        let mut torn = None;
        loop {
            reads += 1;
            report.via = Some(route.as_str());
            let pipeline = Pipeline::start(make(route.form(slice.dataset)));
            let read = async {
                match route {
                    Route::Report => self.read_report(&pipeline, &reported, etag_of_pages.take(), effort).await,
                    Route::Pages | Route::Csv => self.read(&pipeline, slice, request, first.take(), effort).await,
                }
            };
            let read = self.interrupt.or(read).await;
            let error = match read.unwrap_or_else(|interrupted| Err(interrupted.into())) {
                Ok(WholeRead { answer: Some(answer), .. }) if answer_in_place == Some(&answer) => {
                    pipeline.abandon().await;
                    return Ok(None);
                }
                Ok(WholeRead { etag, tear_check, answer }) => {
                    report.tear_check = tear_check;
                    let origin = Origin {
                        etag,
                        answer,
                        request: request.text().to_owned(),
                        source: self.client.endpoint().to_owned(),
                        fetched_at: self.clock.now(),
                    };
                    let finished = pipeline.finish(origin, expected, report.clone()).await?;
                    *report = finished.report;
                    return finished.staged.map(Some);
                }
                Err(error) => error,
            };
            // What is staged is gone when this returns.
            pipeline.abandon().await;
            let why = match error {
                // Pages that tore already are not asked for again.
                ReadError::NoReport(error) if may_change && torn.is_none() => {
                    tracing::warn!("{slice}: {error}: pages are asked for instead");
                    (route, reads, may_change) = (Route::Pages, 0, false);
                    continue;
                }
                ReadError::Failed(error) | ReadError::NoReport(error) => return Err(with_both(torn, error)),
                ReadError::Gone(error) => return Err(with_both(torn, error.into())),
                ReadError::Wrong(why) if wrong_before.as_ref() == Some(&why) => {
                    return Err(SourceError::content(request, why).into());
                }
                ReadError::Wrong(why) => {
                    wrong_before = Some(why.clone());
                    why
                }
                ReadError::Again(why) => why,
            };
            // What was called is told once.
            let told = format!("{}: ", request.call());
            let why = why.strip_prefix(&told).unwrap_or(&why);
            if reads == READS && route == Route::Pages && may_change {
                tracing::warn!(
                    "{slice}: {why}, at each of {READS} reads: a report is asked for, which is of one moment"
                );
                (route, reads) = (Route::Report, 0);
                torn = Some(format!("{}: {why}, at each of {READS} reads", request.call()));
                continue;
            }
            if reads == READS {
                let message = format!("{}: {why}, at each of {READS} reads", request.call());
                let error = RunError::new(ErrorKind::Unavailable, message).with_hint(RENEWING);
                return Err(with_both(torn, error));
            }
            // The service is at work on its data: a moment later it may be done.
            self.interrupt.or(self.pause(request, reads, SourceError::broken(request, why), effort)).await??;
        }
    }

    /// Reads the file of a report. Returns the ETag that the slice's pages had before it was submitted and have still.
    async fn read_report(
        &self,
        pipeline: &Pipeline,
        reported: &Reported<'_>,
        mut etag_of_pages: Option<Vec<u8>>,
        effort: &mut Effort,
    ) -> Result<WholeRead, ReadError> {
        let mut gone = 0;
        loop {
            let file = match self.report_file(reported, etag_of_pages.take(), effort).await {
                Ok(file) => file,
                // Whatever the service has against it, but one that is on its way.
                Err(Missing { error, how }) if how != Absence::Late && error.kind == ErrorKind::Unavailable => {
                    return Err(ReadError::NoReport(error));
                }
                Err(Missing { error, .. }) => return Err(error.into()),
            };
            match self.page(pipeline, &file.request, 1, None, effort).await {
                Ok((page, _)) => {
                    let so_far = SoFar { pages: 1, rows: page.rows, bytes: effort.bytes, retries: effort.retries };
                    self.progress.page(reported.slice, &so_far);
                    self.forget_report(reported)?;
                    // The report is of one moment; whether it is of the ETag's, only the pages can tell.
                    let Some(etag) = file.etag else {
                        return Ok(WholeRead { etag: None, tear_check: None, answer: None });
                    };
                    if !self.is_whole(reported.pages, Some(&etag), None, effort).await? {
                        return Err(ReadError::Again("the data changed while its report was made".to_owned()));
                    }
                    return Ok(WholeRead { etag: Some(etag), tear_check: Some("etag"), answer: None });
                }
                Err(ReadError::Gone(error)) => {
                    gone += 1;
                    self.forget_report(reported)?;
                    if !may_submit_again(gone) {
                        return Err(ReadError::Gone(error));
                    }
                }
                Err(other) => return Err(other),
            }
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
    ) -> Result<WholeRead, ReadError> {
        let mut pages = 1;
        let (mut page, etag) = self.page(pipeline, first_request, pages, first, effort).await?;
        let first_hash = page.hash;
        let mut seen = HashSet::from([short_hash(first_request.url())]);
        let mut empty = 0;
        loop {
            let so_far = SoFar { pages, rows: page.rows, bytes: effort.bytes, retries: effort.retries };
            self.progress.page(slice, &so_far);
            empty = if page.page.rows + page.page.rejected_rows == 0 { empty + 1 } else { 0 };
            if empty == EMPTY_PAGES {
                let problem = format!("{EMPTY_PAGES} pages without a row follow each other");
                return Err(SourceError::content(first_request, problem).into());
            }
            let Some(link) = page.page.next_link.take() else { break };
            let request = self.client.next_request(first_request, &link, &self.key)?;
            if pages == self.max_pages {
                let problem = format!("{}: more than {pages} pages follow each other", first_request.call());
                return Err(RunError::new(ErrorKind::Data, problem)
                    .with_hint("a chain of pages without end? If the period is that large, allow more with --max-pages")
                    .into());
            }
            if !seen.insert(short_hash(request.url())) {
                let problem = format!("the link to page {} leads back to a page that was read already", pages + 1);
                return Err(SourceError::content(first_request, problem).into());
            }
            pages += 1;
            page = self.page(pipeline, &request, pages, None, effort).await?.0;
        }
        // One page is one answer, which cannot be torn.
        if pages > 1 && !self.is_whole(first_request, etag.as_deref(), first_hash, effort).await? {
            return Err(ReadError::Again("the data changed while it was read".to_owned()));
        }
        let tear_check = (pages > 1).then_some(if etag.is_some() { "etag" } else { "hash" });
        let answer = first_hash.filter(|_| pages == 1 && etag.is_none()).map(|hash| answer_hash(&hash));
        Ok(WholeRead { etag, tear_check, answer })
    }

    /// Reads the page of that number into the pipeline, as often as it takes.
    async fn page(
        &self,
        pipeline: &Pipeline,
        request: &Request,
        number: u64,
        mut answer: Option<Body>,
        effort: &mut Effort,
    ) -> Result<(Committed, Option<Vec<u8>>), ReadError> {
        let mut attempt = 0;
        let mut wrong_before = None;
        loop {
            attempt += 1;
            let body = match answer.take() {
                Some(body) => body,
                None => match self.body(request, effort).await {
                    Ok(body) => body,
                    Err(error) if number > 1 && is_gone(&error) => {
                        // A link lives no longer than the data that it leads through.
                        return Err(ReadError::Again(format!("page {number} is no longer served")));
                    }
                    Err(error) if request.purpose() == Purpose::Blob && is_refused(&error) => {
                        return Err(ReadError::Gone(error));
                    }
                    Err(error) => {
                        self.pause(request, attempt, error, effort).await?;
                        continue;
                    }
                },
            };
            let etag = body.etag.clone();
            let mut wrong_now = None;
            let error = match stream(pipeline, body, number == 1, effort).await {
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
                    wrong_now = Some(wrong.clone());
                    SourceError::broken(request, wrong)
                }
            };
            match pipeline.rollback().await {
                Ok(()) => {}
                Err(PageError::Decode(DecodeError::PartlyCommitted)) => {
                    return Err(wrong_now.map_or_else(|| ReadError::Again(error.to_string()), ReadError::Wrong));
                }
                Err(PageError::Slice(error)) => return Err(error.into()),
                Err(other) => return Err(RunError::new(ErrorKind::Internal, other.to_string()).into()),
            }
            match wrong_now.is_some() {
                true => self.pause_before_proof(request, attempt, error, effort).await?,
                false => self.pause(request, attempt, error, effort).await?,
            }
            wrong_before = wrong_now.or(wrong_before);
        }
    }

    /// One attempt at a body.
    async fn body(&self, request: &Request, effort: &mut Effort) -> Result<Body, SourceError> {
        match self.once(request, None, effort).await? {
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

/// The failure of a report that took the place of pages which tore: both are told, and what tears may be whole later.
fn with_both(torn: Option<String>, error: RunError) -> RunError {
    match torn {
        Some(torn) if error.kind != ErrorKind::Interrupted && error.kind != ErrorKind::Internal => {
            let message = format!("{torn}; a report in its place failed: {}", error.message);
            RunError::new(ErrorKind::Unavailable, message).with_hint(RENEWING)
        }
        _ => error,
    }
}

/// Whether the service does not know the page any more.
fn is_gone(error: &SourceError) -> bool {
    matches!(error.status(), Some(400 | 404 | 410))
}

/// Whether the host of a report's file refuses it: its address works for an hour.
fn is_refused(error: &SourceError) -> bool {
    is_gone(error) || matches!(error.status(), Some(401 | 403))
}

/// Enough of a URL's hash to tell it from those of a million other pages.
fn short_hash(url: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(url)[..16]);
    short
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

/// The hash of an answer's text as it stands in footers.
pub(super) fn answer_hash(hash: &[u8]) -> String {
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
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
