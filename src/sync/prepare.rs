//! Before the work: what the API lists, what the lake holds, and what is to be done about each slice.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::{Asker, Effort};
use super::blocking::blocking;
use super::gate::Gate;
use super::plan::{Action, Situation, day_of, decide};
use super::progress::Progress;
use super::report::describe_in_place;
use super::rewrite::{Reshaped, Rewriter, failed};
use super::route::Route;
use super::writer::invalid_text;
use super::{ErrorKind, Periods, RunError, SliceOutcome, SliceReport, SyncOptions};
use crate::contract::{ApiVersion, BillingPeriod, Dataset, DateRange, Enrollment, Slice, Window, WindowKind};
use crate::lake::{Lake, LakeFile, LastRun, Run};
use crate::source::{Answer, ApiKey, Client, PeriodEntry, Request, SourceError, parse_billing_periods, read_small};

/// Bytes of a billing periods answer.
const MAX_PERIODS_BYTES: u64 = 16 << 20;

/// What the API lists for an enrollment.
pub(super) struct Listing {
    pub(super) body: Vec<u8>,
    pub(super) etag: Option<Vec<u8>>,
    pub(super) request: Request,
    periods: Vec<PeriodEntry>,
    /// The API's address.
    pub(super) source: String,
    pub(super) effort: Effort,
}

/// A slice with what is to be done about it.
pub(super) struct Planned {
    pub(super) slice: Slice,
    pub(super) route: Route,
    pub(super) request: Request,
    pub(super) action: Action,
    pub(super) report: SliceReport,
    pub(super) asker: Asker,
    /// Rows of the file in place, if there is one that says it.
    pub(super) rows_in_place: Option<u64>,
    /// Its file was rewritten before.
    pub(super) is_rewritten: bool,
    /// The body, for the one dataset whose answer is there already.
    pub(super) listing: Option<Arc<Listing>>,
}

/// Asks for the billing periods of the first enrollment of the options, newest first.
///
/// # Errors
/// When the API cannot be reached, refuses the key or does not know the enrollment; when the options name none.
pub async fn list_periods(
    client: Arc<Client>,
    options: &SyncOptions,
    progress: Arc<dyn Progress>,
) -> Result<Vec<PeriodEntry>, RunError> {
    let askers = Askers::new(client, options, &progress);
    let Some((enrollment, key)) = options.enrollments.first() else {
        return Err(RunError::new(ErrorKind::Usage, "no enrollment is named"));
    };
    Ok(list(&askers.with(key), enrollment, options).await?.periods)
}

/// Makes what asks on behalf of each enrollment; all go through one gate.
struct Askers<'a> {
    client: Arc<Client>,
    options: &'a SyncOptions,
    progress: &'a Arc<dyn Progress>,
    gate: Arc<Gate>,
}

impl<'a> Askers<'a> {
    fn new(client: Arc<Client>, options: &'a SyncOptions, progress: &'a Arc<dyn Progress>) -> Self {
        Askers { client, options, progress, gate: Arc::new(Gate::new(options.requests_per_minute)) }
    }

    fn with(&self, key: &ApiKey) -> Asker {
        Asker {
            client: Arc::clone(&self.client),
            key: Arc::new(key.clone()),
            policy: self.options.retry,
            max_pages: self.options.max_pages,
            progress: Arc::clone(self.progress),
            clock: Arc::clone(&self.options.clock),
            gate: Arc::clone(&self.gate),
            interrupt: self.options.interrupt.clone(),
        }
    }
}

async fn list(asker: &Asker, enrollment: &Enrollment, options: &SyncOptions) -> Result<Listing, RunError> {
    let version = options.contract(Dataset::BillingPeriods).api_version();
    let request = asker.client.billing_periods_request(enrollment, version);
    asker.interrupt.or(list_to_the_end(asker, request)).await?
}

async fn list_to_the_end(asker: &Asker, request: Request) -> Result<Listing, RunError> {
    let mut effort = Effort::default();
    let mut attempt = 0;
    let mut wrong_before = None;
    loop {
        attempt += 1;
        let mut is_wrong = false;
        let error = match asker.ask(&request, None, &mut effort).await? {
            Answer::NotModified => SourceError::broken(&request, "it answered 304 without a condition"),
            Answer::Body(body) => {
                let etag = body.etag.clone();
                match read_small(body, MAX_PERIODS_BYTES).await {
                    Ok(body) => match parse_billing_periods(&request, &asker.key, &body) {
                        Ok(periods) => {
                            effort.bytes += body.len() as u64;
                            let source = asker.client.endpoint().to_owned();
                            return Ok(Listing { body, etag, request, periods, source, effort });
                        }
                        // As with pages: only a service that repeats what is wrong is believed.
                        Err(SourceError::Content { problem, .. }) if wrong_before.as_ref() != Some(&problem) => {
                            wrong_before = Some(problem.clone());
                            is_wrong = true;
                            SourceError::broken(&request, problem)
                        }
                        Err(error) => error,
                    },
                    Err(error) => error,
                }
            }
        };
        match is_wrong {
            true => asker.pause_before_proof(&request, attempt, error, &mut effort).await?,
            false => asker.pause(&request, attempt, error, &mut effort).await?,
        }
    }
}

/// What a run is to do, and what it did already.
#[derive(Default)]
pub(super) struct Prepared {
    /// All slices of the run in their order.
    pub(super) planned: Vec<Planned>,
    /// What became of files of other shapes whose slices are not among them.
    pub(super) others: Vec<SliceReport>,
    /// What failed before there were any slices.
    pub(super) failure: Option<RunError>,
}

/// Lists, looks, rewrites files of other shapes, and decides. Without a run nothing is rewritten: it is a plan.
pub(super) async fn prepare(
    lake: Option<&Lake>,
    run: Option<&Arc<Run>>,
    client: Arc<Client>,
    options: &Arc<SyncOptions>,
    progress: &Arc<dyn Progress>,
) -> Prepared {
    let failed = |error| Prepared { failure: Some(error), ..Prepared::default() };
    let (in_place, last_run) = match look(lake, options).await {
        Ok(seen) => seen,
        Err(error) => return failed(error),
    };
    let (in_place, reshaped) = match reshape(lake, run, in_place, options, progress).await {
        Ok(reshaped) => reshaped,
        Err(error) => return failed(error),
    };
    let askers = Askers::new(client, options, progress);
    let mut planned = Vec::new();
    let failure = decide_all(&askers, options, &in_place, &last_run, &reshaped, &mut planned).await.err();
    let others = reshaped.others(|slice| planned.iter().any(|planned| planned.slice == *slice));
    Prepared { planned, others, failure }
}

/// Decides about the slices of each enrollment.
async fn decide_all(
    askers: &Askers<'_>,
    options: &SyncOptions,
    in_place: &BTreeMap<Slice, LakeFile>,
    last_run: &LastRun,
    reshaped: &Reshaped,
    planned: &mut Vec<Planned>,
) -> Result<(), RunError> {
    for (enrollment, key) in &options.enrollments {
        let asker = askers.with(key);
        let planner = Planner { options, in_place, last_run, reshaped, asker: &asker };
        if let Some(dates) = options.dates {
            planned.extend(planner.plan_dates(enrollment, dates));
            continue;
        }
        match list(&asker, enrollment, options).await {
            Ok(listing) => planned.extend(planner.plan(enrollment, &Arc::new(listing))),
            // A key that may not list the periods may read usage of those that are named.
            Err(error) if error.kind == ErrorKind::Key && key.may_read_other_data(&error.message) => {
                match planner.plan_without_list(enrollment, &error) {
                    Some(named) => planned.extend(named),
                    None if options.enrollments.len() == 1 => {
                        return Err(error.with_hint("name the billing periods with --periods or --last"));
                    }
                    None => planned.extend(planner.unlisted(enrollment, &error)),
                }
            }
            Err(error) if options.enrollments.len() == 1 => return Err(error),
            // Other enrollments go on: then each dataset of this one is a slice that failed.
            Err(error) => planned.extend(planner.unlisted(enrollment, &error)),
        }
    }
    Ok(())
}

/// Gives the files of the run's datasets the shape of their contracts, or says what would become of them.
async fn reshape(
    lake: Option<&Lake>,
    run: Option<&Arc<Run>>,
    mut in_place: BTreeMap<Slice, LakeFile>,
    options: &Arc<SyncOptions>,
    progress: &Arc<dyn Progress>,
) -> Result<(BTreeMap<Slice, LakeFile>, Reshaped), RunError> {
    let Some(lake) = lake.cloned() else { return Ok((in_place, Reshaped::default())) };
    let (run, options, progress) = (run.cloned(), Arc::clone(options), Arc::clone(progress));
    let reshaped = blocking(move || {
        let rewriter = Rewriter {
            lake: &lake,
            contract: &|dataset| options.contract(dataset),
            write: &options.write,
            invalid_text: invalid_text(options.strict),
            memory: options.memory,
            concurrency: options.concurrency,
            interrupt: &options.interrupt,
            progress: &*progress,
        };
        let reshaped = rewriter.reshape(run.as_deref(), in_place.values())?;
        reshaped.put_into(&mut in_place);
        Ok((in_place, reshaped))
    });
    reshaped.await
}

/// What a lake holds, by slice, and when that was last asked for.
type Seen = (BTreeMap<Slice, LakeFile>, LastRun);

/// What the lake holds of the run's datasets; nothing when there is no lake.
async fn look(lake: Option<&Lake>, options: &SyncOptions) -> Result<Seen, RunError> {
    let Some(lake) = lake.cloned() else { return Ok(Seen::default()) };
    let datasets = options.datasets.clone();
    let looked = blocking(move || {
        let mut in_place = BTreeMap::new();
        for dataset in datasets {
            in_place.extend(lake.files(dataset)?.into_iter().map(|file| (file.slice.clone(), file)));
        }
        Ok((in_place, lake.last_run()?))
    });
    options.interrupt.or(looked).await?
}

/// Plans the slices of one enrollment.
struct Planner<'a> {
    options: &'a SyncOptions,
    in_place: &'a BTreeMap<Slice, LakeFile>,
    last_run: &'a LastRun,
    reshaped: &'a Reshaped,
    asker: &'a Asker,
}

impl Planner<'_> {
    fn plan(&self, enrollment: &Enrollment, listing: &Arc<Listing>) -> Vec<Planned> {
        let slice = |dataset, window| Slice { dataset, enrollment: enrollment.clone(), window };
        let mut planned = Vec::new();
        if self.asks_for(WindowKind::Whole).next().is_some() {
            let mut of_list = self.decided(slice(Dataset::BillingPeriods, Window::Whole));
            of_list.listing = Some(Arc::clone(listing));
            planned.push(of_list);
        }
        let listed: Vec<_> = listing.periods.iter().map(|entry| entry.period).collect();
        let (chosen, missing) = self.options.periods.choose(&listed);
        for period in chosen {
            let entry = listing.periods.iter().find(|entry| entry.period == period);
            for dataset in self.asks_for(WindowKind::Period) {
                let slice = slice(dataset, Window::Period(period));
                planned.push(match entry.is_some_and(|entry| entry.has(dataset)) {
                    true => self.decided(slice),
                    false => self.without_data(slice, &format!("the API has no {} for it", in_words(dataset))),
                });
            }
        }
        for dataset in self.asks_for(WindowKind::Period) {
            let unlisted = missing.iter().copied().chain(self.no_longer_listed(dataset, enrollment, &listed));
            planned.extend(unlisted.map(|period| {
                self.without_data(slice(dataset, Window::Period(period)), "the API does not list this billing period")
            }));
        }
        planned
    }

    /// The slices of the periods that are named, whether the API lists them or not; none when none are.
    fn plan_without_list(&self, enrollment: &Enrollment, error: &RunError) -> Option<Vec<Planned>> {
        let today = self.options.clock.now().date_naive().to_epoch_days();
        let periods = self.options.periods.named(BillingPeriod::of_day(today)?)?;
        let mut planned: Vec<_> = self.unlisted(enrollment, error);
        planned.retain(|planned| planned.slice.dataset.window_kind() == WindowKind::Whole);
        for period in periods {
            planned.extend(self.asks_for(WindowKind::Period).map(|dataset| {
                self.decided(Slice { dataset, enrollment: enrollment.clone(), window: Window::Period(period) })
            }));
        }
        Some(planned)
    }

    /// The slices of a range of dates, for which nothing is listed.
    fn plan_dates(&self, enrollment: &Enrollment, dates: DateRange) -> Vec<Planned> {
        let slices = self.asks_for(WindowKind::Dates).map(|dataset| {
            self.decided(Slice { dataset, enrollment: enrollment.clone(), window: Window::Dates(dates) })
        });
        slices.collect()
    }

    /// The datasets that are asked for and have one file for each of these.
    fn asks_for(&self, kind: WindowKind) -> impl Iterator<Item = Dataset> {
        let all = Dataset::ALL.into_iter().filter(move |dataset| dataset.window_kind() == kind);
        all.filter(|dataset| self.options.datasets.contains(dataset))
    }

    /// An enrollment whose billing periods could not be listed.
    fn unlisted(&self, enrollment: &Enrollment, error: &RunError) -> Vec<Planned> {
        let datasets = Dataset::ALL.into_iter().filter(|dataset| self.options.datasets.contains(dataset));
        let failed = datasets.map(|dataset| {
            let slice = Slice { dataset, enrollment: enrollment.clone(), window: Window::Whole };
            let mut report = SliceReport::new(&slice, SliceOutcome::Failed);
            report.error = Some(error.clone());
            self.planned(slice, Route::Pages, Action::Refuse, report)
        });
        failed.collect()
    }

    /// Periods that lie in the lake and are gone from the API's list, when all are asked for.
    fn no_longer_listed(
        &self,
        dataset: Dataset,
        enrollment: &Enrollment,
        listed: &[BillingPeriod],
    ) -> Vec<BillingPeriod> {
        if self.options.periods != Periods::All {
            return Vec::new();
        }
        let in_place = self.in_place.keys().filter(|slice| slice.dataset == dataset && slice.enrollment == *enrollment);
        in_place.filter_map(Slice::period).filter(|period| !listed.contains(period)).collect()
    }

    fn decided(&self, slice: Slice) -> Planned {
        let contract = self.options.contract(slice.dataset);
        let in_place = self.in_place.get(&slice);
        let route = self.route(&slice);
        let request = self.request(&slice, route);
        let situation = Situation {
            recheck: self.options.recheck,
            force: self.options.force,
            today: self.options.clock.now().date_naive().to_epoch_days(),
            contract: &contract,
            request: request.text(),
            checked: self.last_run.checked_at(&slice).and_then(day_of),
        };
        let (mut action, mut why) = decide(&slice, in_place, &situation);
        match self.reshaped.of(&slice) {
            Some(Ok(())) => why = format!("{}; {why}", self.reshaped.why()),
            Some(Err(error)) if !self.options.force => {
                why = format!("{why}, and {error}");
                // What is not known here would be gone.
                if error.kind == ErrorKind::Usage {
                    action = Action::Refuse;
                }
            }
            Some(Err(_)) | None => {}
        }
        let mut report = SliceReport::new(&slice, SliceOutcome::Planned);
        report.api_version = Some(contract.api_version().to_string());
        report.why = Some(why.clone());
        match action {
            Action::NotDue => {
                report.outcome = self.without_request(&slice, SliceOutcome::NotChecked);
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
        self.planned(slice, route, action, report)
    }

    /// What a slice comes to for which nothing is asked: that, unless its file was rewritten.
    fn without_request(&self, slice: &Slice, outcome: SliceOutcome) -> SliceOutcome {
        if let Some(Ok(())) = self.reshaped.of(slice) { self.reshaped.outcome() } else { outcome }
    }

    fn without_data(&self, slice: Slice, why: &str) -> Planned {
        if let Some(Err(error)) = self.reshaped.of(&slice) {
            let report = SliceReport { why: Some(why.to_owned()), ..failed(&slice, error) };
            return self.planned(slice, Route::Pages, Action::Refuse, report);
        }
        let mut report = SliceReport::new(&slice, self.without_request(&slice, SliceOutcome::NoData));
        report.why = Some(why.to_owned());
        let in_place = self.in_place.get(&slice);
        if in_place.is_some() {
            report.warnings.push(format!("{why}; the file in place stays"));
        }
        describe_in_place(&mut report, in_place);
        self.planned(slice, Route::Pages, Action::NoData, report)
    }

    fn planned(&self, slice: Slice, route: Route, action: Action, report: SliceReport) -> Planned {
        let request = self.request(&slice, route);
        let rows_in_place = self.rows_in_place(&slice);
        let is_rewritten = matches!(self.reshaped.of(&slice), Some(Ok(())));
        let asker = self.asker.clone();
        Planned { slice, route, request, action, report, asker, rows_in_place, is_rewritten, listing: None }
    }

    fn route(&self, slice: &Slice) -> Route {
        let SyncOptions { via, report_rows, .. } = *self.options;
        Route::choose(via, slice.dataset, self.version(slice), self.rows_in_place(slice), report_rows)
    }

    fn version(&self, slice: &Slice) -> ApiVersion {
        self.options.contract(slice.dataset).api_version()
    }

    fn request(&self, slice: &Slice, route: Route) -> Request {
        self.asker.client.request(slice, self.version(slice), route.way())
    }

    fn rows_in_place(&self, slice: &Slice) -> Option<u64> {
        let state = self.in_place.get(slice)?.state.as_ref().ok()?;
        Some(state.rows)
    }
}

/// What a dataset is about, in a sentence.
fn in_words(dataset: Dataset) -> &'static str {
    match dataset.of_periods() {
        Dataset::BillingPeriods => "billing periods",
        Dataset::PriceSheet => "price sheet",
        Dataset::BalanceSummary => "balance and summary",
        Dataset::MarketplaceCharges | Dataset::MarketplaceChargesByDate => "marketplace charges",
        Dataset::UsageDetails | Dataset::UsageDetailsByDate => "usage",
    }
}
