//! Before the work: what the API lists, what the lake holds, and what is to be done about each slice.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::{Asker, Effort};
use super::gate::Gate;
use super::plan::{Action, Situation, day_of, decide};
use super::progress::Progress;
use super::{ErrorKind, Periods, RunError, SliceOutcome, SliceReport, SyncOptions};
use crate::contract::{BillingPeriod, Contract, Dataset, Enrollment, Slice};
use crate::lake::{Lake, LakeError, LakeFile, LastRun};
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
    pub(super) request: Request,
    pub(super) action: Action,
    pub(super) report: SliceReport,
    pub(super) asker: Asker,
    /// Rows of the file in place, if there is one that says it.
    pub(super) rows_in_place: Option<u64>,
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
    Ok(list(&askers.with(key), enrollment).await?.periods)
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

async fn list(asker: &Asker, enrollment: &Enrollment) -> Result<Listing, RunError> {
    asker.interrupt.or(list_to_the_end(asker, enrollment)).await?
}

async fn list_to_the_end(asker: &Asker, enrollment: &Enrollment) -> Result<Listing, RunError> {
    let request = asker.client.billing_periods_request(enrollment);
    let mut effort = Effort::default();
    let mut attempt = 0;
    let mut wrong_before = None;
    loop {
        attempt += 1;
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
                            SourceError::broken(&request, problem)
                        }
                        Err(error) => error,
                    },
                    Err(error) => error,
                }
            }
        };
        asker.pause(&request, attempt, error, &mut effort).await?;
    }
}

/// Lists, looks and decides: all slices of the run in their order, and what failed before there were any.
pub(super) async fn prepare(
    lake: Option<&Lake>,
    client: Arc<Client>,
    options: &SyncOptions,
    progress: &Arc<dyn Progress>,
) -> (Vec<Planned>, Option<RunError>) {
    let (in_place, last_run) = match lake.map(|lake| look(lake, &options.datasets)).transpose() {
        Ok(seen) => seen.unwrap_or_default(),
        Err(error) => return (Vec::new(), Some(error.into())),
    };
    let askers = Askers::new(client, options, progress);
    let mut planned = Vec::new();
    for (enrollment, key) in &options.enrollments {
        let asker = askers.with(key);
        let planner = Planner { options, in_place: &in_place, last_run: &last_run, asker: &asker };
        match list(&asker, enrollment).await {
            Ok(listing) => planned.extend(planner.plan(enrollment, &Arc::new(listing))),
            Err(error) if options.enrollments.len() == 1 => return (planned, Some(error)),
            // Other enrollments go on: then each dataset of this one is a slice that failed.
            Err(error) => planned.extend(planner.unlisted(enrollment, &error)),
        }
    }
    (planned, None)
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
    asker: &'a Asker,
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
                        let request = self.asker.client.usage_request(enrollment, period);
                        planned.push(match has_usage(period) {
                            true => self.decided(slice(Some(period)), request),
                            false => self.without_data(slice(Some(period)), request, "the API has no usage for it"),
                        });
                    }
                    let unlisted = missing.into_iter().chain(self.no_longer_listed(enrollment, &listed));
                    planned.extend(unlisted.map(|period| {
                        let request = self.asker.client.usage_request(enrollment, period);
                        self.without_data(slice(Some(period)), request, "the API does not list this billing period")
                    }));
                }
            }
        }
        planned
    }

    /// An enrollment whose billing periods could not be listed.
    fn unlisted(&self, enrollment: &Enrollment, error: &RunError) -> Vec<Planned> {
        let datasets = Dataset::ALL.into_iter().filter(|dataset| self.options.datasets.contains(dataset));
        let failed = datasets.map(|dataset| {
            let slice = Slice { dataset, enrollment: enrollment.clone(), period: None };
            let request = self.asker.client.billing_periods_request(enrollment);
            let mut report = SliceReport::new(&slice, SliceOutcome::Failed);
            report.error = Some(error.clone());
            self.planned(slice, request, Action::Refuse, report)
        });
        failed.collect()
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
            today: self.options.clock.now().date_naive().to_epoch_days(),
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
        self.planned(slice, request, action, report)
    }

    fn without_data(&self, slice: Slice, request: Request, why: &str) -> Planned {
        let mut report = SliceReport::new(&slice, SliceOutcome::NoData);
        report.why = Some(why.to_owned());
        let in_place = self.in_place.get(&slice);
        if in_place.is_some() {
            report.warnings.push(format!("{why}; the file in place stays"));
        }
        describe_in_place(&mut report, in_place);
        self.planned(slice, request, Action::NoData, report)
    }

    fn planned(&self, slice: Slice, request: Request, action: Action, report: SliceReport) -> Planned {
        let state = self.in_place.get(&slice).and_then(|file| file.state.as_ref().ok());
        let rows_in_place = state.map(|state| state.rows);
        Planned { slice, request, action, report, asker: self.asker.clone(), rows_in_place, listing: None }
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
        report.warnings.extend(state.warnings.iter().cloned());
    }
}

/// An ETag for people; what is no UTF-8 in it is replaced.
pub(super) fn etag_text(etag: &[u8]) -> String {
    String::from_utf8_lossy(etag).into_owned()
}
