//! The run: works on several slices at once, and draws up the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::ask::Effort;
use super::blocking::blocking;
use super::budget::{Shares, shares};
use super::clock::stamp;
use super::conclude::conclude;
use super::fetch::{Wanted, answer_hash};
use super::interrupt::interrupted;
use super::plan::Action;
use super::prepare::{Listing, Planned, Prepared, prepare};
use super::progress::Progress;
use super::report::{Begun, etag_text};
use super::route::Route;
use super::sanity::Expected;
use super::submission::Reported;
use super::writer::{Origin, PageError, SliceWriter, WriterOptions, invalid_text};
use super::{ErrorKind, RunError, RunReport, SliceOutcome, SliceReport, SyncOptions};
use crate::contract::Slice;
use crate::decode::{Form, Options, RowScope};
use crate::lake::{Lake, LastRun, Run, StagedFile};
use crate::source::{self, Answer, Client};

/// Conditional requests under way at once; they hold no memory of a slice.
const CHECKS_AT_ONCE: usize = 16;

/// Everything a run shares.
struct Work {
    lake: Lake,
    run: Arc<Run>,
    options: Arc<SyncOptions>,
    shares: Shares,
    slots: Arc<Semaphore>,
    checks: Semaphore,
}

/// Brings the lake up to date. Whatever goes wrong stands in the report.
pub async fn sync(lake: &Lake, client: Arc<Client>, options: SyncOptions, progress: Arc<dyn Progress>) -> RunReport {
    let clock = Arc::clone(&options.clock);
    let begun = Begun::at(&*clock);
    let (of_run, id) = (lake.clone(), begun.run_id.clone());
    let run = match blocking(move || Ok(of_run.begin_run(&id)?)).await {
        Ok(run) => Arc::new(run),
        Err(error) => return begun.report(&*clock, Some(error), Vec::new()),
    };
    let options = Arc::new(options);
    let Prepared { planned, others, failure } = prepare(Some(lake), Some(&run), client, &options, &progress).await;
    let shares = shares(options.memory, options.concurrency, lake.staged_bytes());
    if shares.slices < options.concurrency {
        tracing::info!("--memory has room for {} slices at once, not {}", shares.slices, options.concurrency);
    }
    let work = Arc::new(Work {
        lake: lake.clone(),
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
                if !matches!(report.outcome, SliceOutcome::Failed) {
                    checked.set_checked_at(&slice, stamp(clock.now()));
                }
                reports.insert(place, report);
            }
            Err(error) => {
                let message = format!("the work on a slice ended by itself: {error}");
                failure = failure.or(Some(RunError::new(ErrorKind::Internal, message)));
            }
        }
    }
    if work.options.interrupt.is_pulled() {
        failure = Some(interrupted());
    }
    drop(work);
    let report = begun.report(&*clock, failure, reports.into_values().chain(others).collect());
    let lake = lake.clone();
    let concluded = tokio::task::spawn_blocking(move || conclude(&lake, run, &checked, report)).await;
    concluded.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Says what [`sync`] would do, to a lake that may not be there yet. Asks the API for its billing periods, and nothing
/// else.
pub async fn plan(
    lake: Option<&Lake>,
    client: Arc<Client>,
    options: SyncOptions,
    progress: Arc<dyn Progress>,
) -> RunReport {
    let begun = Begun::at(&*options.clock);
    let options = Arc::new(options);
    let Prepared { planned, others, failure } = prepare(lake, None, client, &options, &progress).await;
    let slices = planned.into_iter().map(|planned| planned.report).chain(others);
    begun.report(&*options.clock, failure, slices.collect())
}

/// Asks for a slice, and publishes it when it changed.
async fn work_on(work: &Work, planned: Planned) -> SliceReport {
    let mut effort = Effort::of(&planned.slice);
    let mut report = planned.report.clone();
    let outcome = match &planned.listing {
        Some(listing) => publish_listing(work, &planned, listing, &mut report).await,
        None => check_and_fetch(work, &planned, &mut effort, &mut report).await,
    };
    effort.note(&mut report);
    if let Some(listing) = &planned.listing {
        listing.effort.note(&mut report);
    }
    match outcome {
        Ok(SliceOutcome::Unchanged) if planned.is_rewritten => report.outcome = SliceOutcome::Rewritten,
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
    planned: &Planned,
    effort: &mut Effort,
    report: &mut SliceReport,
) -> Result<SliceOutcome, RunError> {
    let Planned { slice, route, request, action, asker, .. } = planned;
    let mut first = None;
    let mut etag_of_pages = None;
    let mut slot = None;
    if let Action::Check(etag) = action {
        let check = async {
            let _checking = work.checks.acquire().await;
            asker.ask(request, Some(etag), effort).await
        };
        let checked = match asker.interrupt.or(check).await? {
            // A report may be had where pages are in trouble; it is of no file in place then.
            Err(error) if *route == Route::Report && error.kind() == source::ErrorKind::Unavailable => {
                tracing::info!("{slice}: {error}");
                None
            }
            checked => Some(checked?),
        };
        match checked {
            None => {}
            // Somebody may have taken the file away since it was looked at; then it is fetched without a condition.
            Some(Answer::NotModified) if !is_in_place(work, planned).await? => {}
            Some(Answer::NotModified) => return Ok(SliceOutcome::Unchanged),
            Some(Answer::Body(body)) if body.etag.as_ref() == Some(etag) && is_in_place(work, planned).await? => {
                return Ok(SliceOutcome::Unchanged);
            }
            // It only tells that there is something new to have a report of.
            Some(Answer::Body(body)) if *route == Route::Report => etag_of_pages = body.etag,
            // The answer is the first page. It cannot be kept waiting for its turn, so then it is asked for again.
            Some(Answer::Body(body)) => {
                slot = Arc::clone(&work.slots).try_acquire_owned().ok();
                first = slot.is_some().then_some(body);
            }
        }
    }
    if slot.is_none() {
        slot = asker.interrupt.or(Arc::clone(&work.slots).acquire_owned()).await?.ok();
    }
    *report = SliceReport {
        why: report.why.take(),
        api_version: report.api_version.take(),
        ..SliceReport::new(slice, SliceOutcome::Planned)
    };
    asker.progress.started(slice);
    let make = |form| writer(work, slice, form);
    let version = work.options.contract(slice.dataset).api_version();
    let wanted = Wanted {
        slice,
        request,
        route: *route,
        may_change: Route::may_change(work.options.via, slice.dataset, version),
        reported: Reported { lake: &work.lake, slice, version, pages: request },
        first,
        etag_of_pages,
        answer_in_place: if let Action::Compare(answer) = action { Some(answer) } else { None },
        expected: expected(work, planned),
    };
    let Some(staged) = asker.fetch(wanted, make, effort, report).await? else {
        *report = planned.report.clone();
        return Ok(SliceOutcome::Unchanged);
    };
    publish(work, staged, report).await?;
    drop(slot);
    Ok(SliceOutcome::Published)
}

/// Whether the slice still has the file that was looked at when the run began, or another one in its place.
async fn is_in_place(work: &Work, planned: &Planned) -> Result<bool, RunError> {
    let (lake, slice) = (work.lake.clone(), planned.slice.clone());
    blocking(move || Ok(lake.has(&slice)?)).await
}

/// What the slice's rows are compared with.
fn expected(work: &Work, planned: &Planned) -> Expected {
    Expected {
        period: planned.slice.period(),
        rows_in_place: planned.rows_in_place,
        today: work.options.clock.now().date_naive().to_epoch_days(),
    }
}

fn writer(work: &Work, slice: &Slice, form: Form) -> SliceWriter {
    let mut decode = Options::new(slice.period().map_or(RowScope::OfRow, RowScope::Period));
    decode.form = form;
    decode.invalid_text = invalid_text(work.options.strict);
    decode.group_bytes = work.shares.group_bytes;
    decode.page_bytes = work.shares.page_bytes;
    let options = WriterOptions {
        contract: work.options.contract(slice.dataset),
        enrollment: slice.enrollment.clone(),
        window: Some(slice.window),
        decode,
        write: work.options.write.clone(),
        max_rejected: work.options.max_rejected,
        strict: work.options.strict,
    };
    SliceWriter::new(Arc::clone(&work.run), options)
}

/// Publishes the billing periods, whose body is in memory.
async fn publish_listing(
    work: &Work,
    planned: &Planned,
    listing: &Arc<Listing>,
    report: &mut SliceReport,
) -> Result<SliceOutcome, RunError> {
    let Planned { slice, action, asker, .. } = planned;
    asker.interrupt.check()?;
    let answer = answer_hash(&Sha256::digest(&listing.body));
    let unchanged = match action {
        Action::Check(etag) => listing.etag.as_ref() == Some(etag),
        Action::Compare(in_place) => *in_place == answer,
        _ => false,
    };
    if unchanged {
        return Ok(SliceOutcome::Unchanged);
    }
    let mut writer = writer(work, slice, Form::Array);
    let of_list = Arc::clone(listing);
    let (expected, fetched_at) = (expected(work, planned), work.options.clock.now());
    let mut written = report.clone();
    let staged = blocking(move || {
        let wrong = |error: PageError| RunError::new(ErrorKind::Data, format!("{}: {error}", of_list.request.call()));
        writer.begin_page(None, false);
        writer.feed(&of_list.body).map_err(wrong)?;
        writer.commit().map_err(wrong)?;
        let origin = Origin {
            etag: of_list.etag.clone(),
            answer: of_list.etag.is_none().then_some(answer),
            request: of_list.request.text().to_owned(),
            source: of_list.source.clone(),
            fetched_at,
        };
        let staged = writer.finish(origin, &expected, &mut written)?;
        Ok((staged, written))
    });
    let (staged, written) = staged.await?;
    *report = written;
    publish(work, staged, report).await?;
    Ok(SliceOutcome::Published)
}

/// Publishes a staged file. Once it has begun, it is not interrupted: the report says what is in the lake.
async fn publish(work: &Work, staged: StagedFile, report: &mut SliceReport) -> Result<(), RunError> {
    work.options.interrupt.check()?;
    let run = Arc::clone(&work.run);
    report.etag = staged.state().etag.as_deref().map(etag_text);
    let published = blocking(move || Ok(run.publish(staged)?)).await?;
    report.file = Some(published.location);
    report.file_bytes = published.bytes;
    Ok(())
}
