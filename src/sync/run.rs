//! The run: lists the billing periods, plans, and works on several slices at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::budget::{Shares, shares};
use super::fetch::{Effort, Fetcher};
use super::plan::{Action, Situation, day_of, decide};
use super::progress::Progress;
use super::writer::{MaxRejected, Origin, PageError, SliceWriter, WriterOptions};
use super::{ErrorKind, Periods, Recheck, RunError, RunReport, SliceOutcome, SliceReport, new_run_id, now};
use crate::contract::{BillingPeriod, Contract, Dataset, Enrollment, Slice};
use crate::decode::{Form, InvalidText, Options, RowScope};
use crate::lake::{Lake, LakeError, LakeFile, LastRun, Run, StagedFile, WriteOptions};
use crate::source::{
    Answer, ApiKey, Body, Client, PeriodEntry, Request, RetryPolicy, parse_billing_periods, read_small,
};

/// Conditional requests under way at once; they hold no memory of a slice.
const CHECKS_AT_ONCE: usize = 16;
/// Bytes of a billing periods answer.
const MAX_PERIODS_BYTES: u64 = 16 << 20;

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

/// What the API lists for an enrollment.
struct Listing {
    body: Vec<u8>,
    etag: Option<Vec<u8>>,
    request: Request,
    periods: Vec<PeriodEntry>,
    /// The API's address.
    source: String,
    effort: Effort,
}

/// A slice with what is to be done about it.
struct Planned {
    slice: Slice,
    request: Request,
    action: Action,
    report: SliceReport,
    fetcher: Fetcher,
    /// The body, for the one dataset whose answer is there already.
    listing: Option<Arc<Listing>>,
}

/// Everything a run shares.
struct Work {
    run: Arc<Run>,
    options: SyncOptions,
    shares: Shares,
    slots: Arc<Semaphore>,
    checks: Semaphore,
}

/// Asks for an enrollment's billing periods, newest first.
///
/// # Errors
/// When the API cannot be reached, refuses the key or does not know the enrollment.
pub async fn list_periods(
    client: Arc<Client>,
    enrollment: &Enrollment,
    key: ApiKey,
    retry: RetryPolicy,
    progress: Arc<dyn Progress>,
) -> Result<Vec<PeriodEntry>, RunError> {
    let fetcher = Fetcher { client, key: Arc::new(key), policy: retry, progress };
    Ok(list(&fetcher, enrollment).await?.periods)
}

async fn list(fetcher: &Fetcher, enrollment: &Enrollment) -> Result<Listing, RunError> {
    let request = fetcher.client.billing_periods_request(enrollment);
    let mut effort = Effort::default();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match fetcher.ask(&request, None, &mut effort).await? {
            Answer::NotModified => crate::source::SourceError::broken(&request, "it answered 304 without a condition"),
            Answer::Body(body) => {
                let etag = body.etag.clone();
                match read_small(body, MAX_PERIODS_BYTES).await {
                    Ok(body) => {
                        let periods = parse_billing_periods(&request, &body)?;
                        effort.bytes += body.len() as u64;
                        let source = fetcher.client.endpoint().to_owned();
                        return Ok(Listing { body, etag, request, periods, source, effort });
                    }
                    Err(error) => error,
                }
            }
        };
        fetcher.pause(&request, attempt, error, &mut effort).await?;
    }
}

/// Brings the lake up to date. Whatever goes wrong stands in the report.
pub async fn sync(lake: &Lake, client: Arc<Client>, options: SyncOptions, progress: Arc<dyn Progress>) -> RunReport {
    let (run_id, started_at) = (new_run_id(), now());
    let run = match lake.begin_run(&run_id) {
        Ok(run) => Arc::new(run),
        Err(error) => return RunReport::new(run_id, started_at, Some(error.into()), Vec::new()),
    };
    let (planned, failure) = prepare(Some(lake), client, &options, &progress).await;
    let shares = shares(options.memory, options.concurrency);
    if shares.slices < options.concurrency {
        tracing::info!("--memory has room for {} slices at once, not {}", shares.slices, options.concurrency);
    }
    let work = Arc::new(Work {
        run: Arc::clone(&run),
        shares,
        slots: Arc::new(Semaphore::new(shares.slices)),
        checks: Semaphore::new(CHECKS_AT_ONCE),
        options,
    });
    progress.planned(planned.iter().filter(|planned| planned.action.asks()).count());
    let mut reports = BTreeMap::new();
    let mut tasks = JoinSet::new();
    for (place, planned) in planned.into_iter().enumerate() {
        if !planned.action.asks() {
            reports.insert(place, planned.report);
            continue;
        }
        let (work, progress) = (Arc::clone(&work), Arc::clone(&progress));
        tasks.spawn(async move {
            let slice = planned.slice.clone();
            let report = work_on(&work, planned).await;
            progress.ended(&slice, &report);
            (place, slice, report)
        });
    }
    let mut checked = LastRun::default();
    let mut failure = failure;
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok((place, slice, report)) => {
                if matches!(report.outcome, SliceOutcome::Published | SliceOutcome::Unchanged) {
                    checked.set_checked_at(&slice, now());
                }
                reports.insert(place, report);
            }
            Err(error) => {
                let message = format!("the work on a slice ended by itself: {error}");
                failure = failure.or(Some(RunError::new(ErrorKind::Internal, message)));
            }
        }
    }
    drop(work);
    let report = RunReport::new(run_id, started_at, failure, reports.into_values().collect());
    conclude(lake, run, &checked, report)
}

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
        Err(error) if report.error.is_none() => {
            RunReport::new(report.run_id, report.started_at, Some(error), report.slices)
        }
        _ => report,
    }
}

/// Says what [`sync`] would do, to a lake that may not be there yet. Asks the API for its billing periods, and nothing
/// else.
pub async fn plan(
    lake: Option<&Lake>,
    client: Arc<Client>,
    options: SyncOptions,
    progress: Arc<dyn Progress>,
) -> RunReport {
    let (run_id, started_at) = (new_run_id(), now());
    let (planned, failure) = prepare(lake, client, &options, &progress).await;
    RunReport::new(run_id, started_at, failure, planned.into_iter().map(|planned| planned.report).collect())
}

/// Lists, looks and decides: all slices of the run in their order, and the first failure of a listing.
async fn prepare(
    lake: Option<&Lake>,
    client: Arc<Client>,
    options: &SyncOptions,
    progress: &Arc<dyn Progress>,
) -> (Vec<Planned>, Option<RunError>) {
    let (in_place, last_run) = match lake.map(|lake| look(lake, &options.datasets)).transpose() {
        Ok(seen) => seen.unwrap_or_default(),
        Err(error) => return (Vec::new(), Some(error.into())),
    };
    let mut planned = Vec::new();
    let mut failure = None;
    for (enrollment, key) in &options.enrollments {
        let fetcher = Fetcher {
            client: Arc::clone(&client),
            key: Arc::new(key.clone()),
            policy: options.retry,
            progress: Arc::clone(progress),
        };
        match list(&fetcher, enrollment).await {
            Ok(listing) => {
                let planner = Planner { options, in_place: &in_place, last_run: &last_run, fetcher: &fetcher };
                planned.extend(planner.plan(enrollment, &Arc::new(listing)));
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    (planned, failure)
}

/// What the lake holds of these datasets, and when it was last asked for.
fn look(lake: &Lake, datasets: &[Dataset]) -> Result<(BTreeMap<Slice, LakeFile>, LastRun), LakeError> {
    let mut in_place = BTreeMap::new();
    for dataset in datasets {
        in_place.extend(lake.files(*dataset)?.into_iter().map(|file| (file.slice.clone(), file)));
    }
    Ok((in_place, lake.last_run()?))
}

/// Plans the slices of one enrollment.
struct Planner<'a> {
    options: &'a SyncOptions,
    in_place: &'a BTreeMap<Slice, LakeFile>,
    last_run: &'a LastRun,
    fetcher: &'a Fetcher,
}

impl Planner<'_> {
    fn plan(&self, enrollment: &Enrollment, listing: &Arc<Listing>) -> Vec<Planned> {
        let mut planned = Vec::new();
        for dataset in Dataset::ALL.into_iter().filter(|dataset| self.options.datasets.contains(dataset)) {
            let slice = |period| Slice { dataset, enrollment: enrollment.clone(), period };
            match dataset {
                Dataset::BillingPeriods => {
                    let mut of_list = self.decided(slice(None), listing.request.clone());
                    of_list.listing = Some(Arc::clone(listing));
                    planned.push(of_list);
                }
                Dataset::UsageDetails => {
                    let listed: Vec<_> = listing.periods.iter().map(|entry| entry.period).collect();
                    let (chosen, missing) = self.options.periods.choose(&listed);
                    let has_usage =
                        |period| listing.periods.iter().any(|entry| entry.period == period && entry.has_usage);
                    for period in chosen {
                        let request = self.fetcher.client.usage_request(enrollment, period);
                        planned.push(match has_usage(period) {
                            true => self.decided(slice(Some(period)), request),
                            false => self.without_data(slice(Some(period)), request, "the API has no usage for it"),
                        });
                    }
                    let unlisted = missing.into_iter().chain(self.no_longer_listed(enrollment, &listed));
                    planned.extend(unlisted.map(|period| {
                        let request = self.fetcher.client.usage_request(enrollment, period);
                        self.without_data(slice(Some(period)), request, "the API does not list this billing period")
                    }));
                }
            }
        }
        planned
    }

    /// Periods that lie in the lake and are gone from the API's list, when all are asked for.
    fn no_longer_listed(&self, enrollment: &Enrollment, listed: &[BillingPeriod]) -> Vec<BillingPeriod> {
        if self.options.periods != Periods::All {
            return Vec::new();
        }
        let of_enrollment = self.in_place.keys().filter(|slice| slice.enrollment == *enrollment);
        of_enrollment.filter_map(|slice| slice.period).filter(|period| !listed.contains(period)).collect()
    }

    fn decided(&self, slice: Slice, request: Request) -> Planned {
        let contract = Contract::of(slice.dataset);
        let in_place = self.in_place.get(&slice);
        let situation = Situation {
            recheck: self.options.recheck,
            force: self.options.force,
            today: chrono::Utc::now().date_naive().to_epoch_days(),
            contract: &contract,
            request: request.text(),
            checked: self.last_run.checked_at(&slice).and_then(day_of),
        };
        let (action, why) = decide(&slice, in_place, &situation);
        let mut report = SliceReport::new(&slice, SliceOutcome::Planned);
        report.api_version = Some(contract.api_version().to_owned());
        report.why = Some(why.clone());
        match action {
            Action::NotDue => {
                report.outcome = SliceOutcome::NotChecked;
                describe_in_place(&mut report, in_place);
            }
            Action::Refuse => {
                report.outcome = SliceOutcome::Failed;
                report.error = Some(
                    RunError::new(ErrorKind::Usage, format!("{slice}: {why}"))
                        .with_hint("update billing-lake, or replace the file with --force"),
                );
            }
            Action::Check(_) | Action::Compare(_) => describe_in_place(&mut report, in_place),
            Action::Fetch | Action::NoData => {}
        }
        Planned { slice, request, action, report, fetcher: self.fetcher.clone(), listing: None }
    }

    fn without_data(&self, slice: Slice, request: Request, why: &str) -> Planned {
        let mut report = SliceReport::new(&slice, SliceOutcome::NoData);
        report.why = Some(why.to_owned());
        let in_place = self.in_place.get(&slice);
        if in_place.is_some() {
            report.warnings.push(format!("{why}; the file in place stays"));
        }
        describe_in_place(&mut report, in_place);
        Planned { slice, request, action: Action::NoData, report, fetcher: self.fetcher.clone(), listing: None }
    }
}

/// Puts what the file in place says about itself into the report.
fn describe_in_place(report: &mut SliceReport, file: Option<&LakeFile>) {
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
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An ETag for people; what is no UTF-8 in it is replaced.
fn etag_text(etag: &[u8]) -> String {
    String::from_utf8_lossy(etag).into_owned()
}

/// Asks for a slice, and publishes it when it changed.
async fn work_on(work: &Work, planned: Planned) -> SliceReport {
    let Planned { slice, request, action, mut report, fetcher, listing } = planned;
    let mut effort = Effort::default();
    let outcome = match &listing {
        Some(listing) => publish_listing(work, &slice, listing, &action, &mut report).await,
        None => check_and_fetch(work, &slice, &request, action, &fetcher, &mut effort, &mut report).await,
    };
    effort.note(&mut report);
    if let Some(listing) = &listing {
        listing.effort.note(&mut report);
    }
    match outcome {
        Ok(outcome) => report.outcome = outcome,
        Err(error) => {
            report.outcome = SliceOutcome::Failed;
            report.error = Some(error);
        }
    }
    report
}

async fn check_and_fetch(
    work: &Work,
    slice: &Slice,
    request: &Request,
    action: Action,
    fetcher: &Fetcher,
    effort: &mut Effort,
    report: &mut SliceReport,
) -> Result<SliceOutcome, RunError> {
    let mut first = None;
    let mut slot = None;
    if let Action::Check(etag) = action {
        let checking = work.checks.acquire().await;
        match fetcher.ask(request, Some(&etag), effort).await? {
            Answer::NotModified => return Ok(SliceOutcome::Unchanged),
            Answer::Body(body) if body.etag.as_ref() == Some(&etag) => return Ok(SliceOutcome::Unchanged),
            // The answer is the first page. It cannot be kept waiting for its turn, so then it is asked for again.
            Answer::Body(body) => {
                slot = Arc::clone(&work.slots).try_acquire_owned().ok();
                first = slot.is_some().then_some(body);
            }
        }
        drop(checking);
    }
    if slot.is_none() {
        slot = Arc::clone(&work.slots).acquire_owned().await.ok();
    }
    *report = SliceReport {
        why: report.why.take(),
        api_version: report.api_version.take(),
        ..SliceReport::new(slice, SliceOutcome::Planned)
    };
    fetcher.progress.started(slice);
    let staged = fetch(work, slice, request, first, fetcher, effort, report).await?;
    publish(work, staged, report).await?;
    drop(slot);
    Ok(SliceOutcome::Published)
}

async fn fetch(
    work: &Work,
    slice: &Slice,
    request: &Request,
    first: Option<Body>,
    fetcher: &Fetcher,
    effort: &mut Effort,
    report: &mut SliceReport,
) -> Result<StagedFile, RunError> {
    let scope = slice.period.map_or(RowScope::OfRow, RowScope::Period);
    fetcher.fetch(slice, request, first, || writer(work, slice, Form::Page, scope), effort, report).await
}

fn writer(work: &Work, slice: &Slice, form: Form, scope: RowScope) -> SliceWriter {
    let mut decode = Options::new(scope);
    decode.form = form;
    decode.invalid_text = work.options.invalid_text;
    decode.group_bytes = work.shares.group_bytes;
    decode.page_bytes = work.shares.page_bytes;
    let options = WriterOptions {
        dataset: slice.dataset,
        enrollment: slice.enrollment.clone(),
        decode,
        write: work.options.write.clone(),
        max_rejected: work.options.max_rejected,
    };
    SliceWriter::new(Arc::clone(&work.run), options)
}

/// Publishes the billing periods, whose body is in memory.
async fn publish_listing(
    work: &Work,
    slice: &Slice,
    listing: &Arc<Listing>,
    action: &Action,
    report: &mut SliceReport,
) -> Result<SliceOutcome, RunError> {
    let answer = format!("sha256:{}", hex(&Sha256::digest(&listing.body)));
    let unchanged = match action {
        Action::Check(etag) => listing.etag.as_ref() == Some(etag),
        Action::Compare(in_place) => *in_place == answer,
        _ => false,
    };
    if unchanged {
        return Ok(SliceOutcome::Unchanged);
    }
    let mut writer = writer(work, slice, Form::Array, RowScope::OfRow);
    let of_list = Arc::clone(listing);
    let mut written = report.clone();
    let staged = tokio::task::spawn_blocking(move || {
        let wrong =
            |error: PageError| RunError::new(ErrorKind::Data, format!("GET {}: {error}", of_list.request.path()));
        writer.begin_page(None, false);
        writer.feed(&of_list.body).map_err(wrong)?;
        writer.commit().map_err(wrong)?;
        let origin = Origin {
            etag: of_list.etag.clone(),
            answer: of_list.etag.is_none().then_some(answer),
            request: of_list.request.text().to_owned(),
            source: of_list.source.clone(),
        };
        let staged = writer.finish(origin, &mut written)?;
        Ok::<_, RunError>((staged, written))
    });
    let (staged, written) = staged.await.map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))??;
    *report = written;
    publish(work, staged, report).await?;
    Ok(SliceOutcome::Published)
}

async fn publish(work: &Work, staged: StagedFile, report: &mut SliceReport) -> Result<(), RunError> {
    let run = Arc::clone(&work.run);
    report.etag = staged.state().etag.as_deref().map(etag_text);
    let published = tokio::task::spawn_blocking(move || run.publish(staged)).await;
    let published = published.map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))??;
    report.file = Some(published.location);
    report.file_bytes = published.bytes;
    Ok(())
}
