//! The commands that fill a lake: `sync`, `plan`, `convert`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::{ApiArgs, ConvertArgs, Format, RecheckWord, SyncArgs, ViaWord, WriteArgs};
use super::terminal::Terminal;
use super::{conclude, keys};
use crate::contract::{ApiVersion, Dataset, DateRange, Enrollment, WindowKind};
use crate::lake::{Destination, Lake, WriteOptions};
use crate::source::{Client, ClientOptions, Inputs, RetryPolicy};
use crate::sync::{
    self, ConvertOptions, ErrorKind, Interrupt, LEAST_MEMORY_IN_STORES, Periods, Recheck, RunError, RunReport,
    SyncOptions, SystemClock, Via,
};

/// `billing-lake sync`
pub(super) async fn sync(args: SyncArgs, terminal: &Terminal, interrupt: &Interrupt) -> Result<u8, RunError> {
    refuse_markdown(args.lake.format)?;
    let prepared = || Ok((client(&args.api)?, options(&args, interrupt)?, open_lake(&args.lake.dest, &args.write)?));
    let report = match prepared() {
        Ok((client, options, lake)) => sync::sync(&lake, client, options, terminal.progress()).await,
        Err(error) => RunReport::of_failure(error),
    };
    terminal.end();
    conclude(&report, args.lake.format, args.exit_code_unchanged)
}

/// `billing-lake plan`
pub(super) async fn plan(args: SyncArgs, terminal: &Terminal, interrupt: &Interrupt) -> Result<u8, RunError> {
    refuse_markdown(args.lake.format)?;
    let prepared = || Ok((client(&args.api)?, options(&args, interrupt)?, Lake::open_existing(&args.lake.dest)?));
    let report = match prepared() {
        Ok((client, options, lake)) => sync::plan(lake.as_ref(), client, options, terminal.progress()).await,
        Err(error) => RunReport::of_failure(error),
    };
    terminal.end();
    conclude(&report, args.lake.format, 0)
}

/// `billing-lake convert`
pub(super) async fn convert(args: ConvertArgs, terminal: &Terminal, interrupt: &Interrupt) -> Result<u8, RunError> {
    refuse_markdown(args.lake.format)?;
    let format = args.lake.format;
    let report = match begin_conversion(args, interrupt) {
        Ok((lake, inputs, options)) => {
            let progress = terminal.progress();
            let converted =
                tokio::task::spawn_blocking(move || sync::convert(&lake, inputs, &options, &*progress)).await;
            converted.map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))?
        }
        Err(error) => RunReport::of_failure(error),
    };
    terminal.end();
    conclude(&report, format, 0)
}

fn begin_conversion(args: ConvertArgs, interrupt: &Interrupt) -> Result<(Lake, Vec<Inputs>, ConvertOptions), RunError> {
    if args.dataset != Dataset::UsageDetails {
        return Err(RunError::new(ErrorKind::Usage, "convert takes usage_details: its rows have a date")
            .with_hint("the other datasets come with sync"));
    }
    refuse_twins(&args.inputs)?;
    let inputs = args.inputs.iter().map(|input| Inputs::open(input)).collect::<Result<Vec<_>, _>>()?;
    let options = ConvertOptions {
        enrollment: args.enrollment,
        dataset: args.dataset,
        force: args.force,
        max_rejected: args.write.max_rejected.unwrap_or_default(),
        strict: args.write.strict,
        tags_map: args.write.tags_map,
        write: WriteOptions { compression: args.write.compression },
        memory: args.write.memory,
        clock: Arc::new(SystemClock::default()),
        interrupt: interrupt.clone(),
    };
    Ok((open_lake(&args.lake.dest, &args.write)?, inputs, options))
}

/// Opens the lake to write into it, and creates it if there is none.
fn open_lake(dest: &Destination, write: &WriteArgs) -> Result<Lake, RunError> {
    if dest.folder().is_none() && write.memory < LEAST_MEMORY_IN_STORES {
        let least = LEAST_MEMORY_IN_STORES >> 20;
        return Err(RunError::new(ErrorKind::Usage, format!("a run into an object store needs at least {least} MiB"))
            .with_hint("--memory 256MiB or more gives the usual speed"));
    }
    Ok(Lake::open_as(dest, write.layout)?)
}

/// The same input twice would double its rows.
fn refuse_twins(inputs: &[std::path::PathBuf]) -> Result<(), RunError> {
    let mut seen = std::collections::HashSet::new();
    for input in inputs {
        let place = std::fs::canonicalize(input).unwrap_or_else(|_| input.clone());
        if !seen.insert(place) {
            let message = format!("{} is named twice: its rows would stand in the lake twice", input.display());
            return Err(RunError::new(ErrorKind::Usage, message));
        }
    }
    Ok(())
}

pub(super) fn refuse_markdown(format: Format) -> Result<(), RunError> {
    if format == Format::Markdown { Err(super::output::no_markdown()) } else { Ok(()) }
}

/// The client that the options ask for.
pub(super) fn client(args: &ApiArgs) -> Result<Arc<Client>, RunError> {
    let options = ClientOptions {
        endpoint: args.endpoint.clone(),
        allow_http: args.allow_http,
        trust_hosts: args.trust_host.clone(),
        ca_bundle: args.ca_bundle.clone(),
        ..ClientOptions::default()
    };
    Ok(Arc::new(Client::new(options)?))
}

/// What the options of the API say about a run of these enrollments.
pub(super) fn of_api(
    args: &ApiArgs,
    enrollments: &[Enrollment],
    interrupt: &Interrupt,
) -> Result<SyncOptions, RunError> {
    let with_keys = keys::of_enrollments(args, enrollments)?;
    for (enrollment, key) in &with_keys {
        for warning in key.warnings(enrollment, chrono::Utc::now()) {
            match with_keys.len() {
                1 => tracing::warn!("{warning}"),
                _ => tracing::warn!("enrollment {enrollment}: {warning}"),
            }
        }
    }
    Ok(SyncOptions {
        retry: RetryPolicy { max_wait: args.max_wait, ..RetryPolicy::default() },
        requests_per_minute: args.requests_per_minute,
        interrupt: interrupt.clone(),
        ..SyncOptions::new(with_keys)
    })
}

/// The datasets of a run: with a range of dates those that are served by date.
fn datasets(named: &[Dataset], dates: Option<DateRange>) -> Result<Vec<Dataset>, RunError> {
    let of_dates = named.iter().filter(|dataset| dataset.window_kind() == WindowKind::Dates);
    if let (None, Some(dataset)) = (dates, of_dates.clone().next()) {
        return Err(RunError::new(ErrorKind::Usage, format!("{dataset} takes a range of dates"))
            .with_hint("name its first and last day with --from and --to"));
    }
    if dates.is_none() {
        return Ok(named.to_vec());
    }
    let by_date: Vec<_> = named.iter().filter_map(|dataset| dataset.by_date()).collect();
    if by_date.is_empty() {
        return Err(RunError::new(ErrorKind::Usage, "none of the datasets is served by date")
            .with_hint("--from and --to are for usage_details and marketplace_charges"));
    }
    Ok(by_date)
}

/// What the API does not serve as CSV.
fn refuse_csv(
    args: &SyncArgs,
    dates: Option<DateRange>,
    versions: &BTreeMap<Dataset, ApiVersion>,
) -> Result<(), RunError> {
    let refused = |what: &str, hint: &str| Err(RunError::new(ErrorKind::Usage, what).with_hint(hint));
    let is_csv = matches!(args.via, ViaWord::Csv | ViaWord::AsyncCsv);
    if is_csv && versions.get(&Dataset::UsageDetails) == Some(&ApiVersion::V1) {
        return refused("version 1 of usage details does not come as CSV", "use --via json, or version v2 or v3");
    }
    if args.via == ViaWord::Csv && dates.is_some_and(|dates| dates.is_longer_than(1)) {
        return refused("a range that comes as CSV may have one month", "use --via async-csv or --via json");
    }
    Ok(())
}

fn options(args: &SyncArgs, interrupt: &Interrupt) -> Result<SyncOptions, RunError> {
    let dates = match (args.from, args.to) {
        (Some(from), Some(to)) => {
            Some(DateRange::new(from, to).map_err(|error| RunError::new(ErrorKind::Usage, error.to_string()))?)
        }
        _ => None,
    };
    let versions = args.api_version.iter().map(|(dataset, version)| (dataset.of_periods(), *version)).collect();
    refuse_csv(args, dates, &versions)?;
    Ok(SyncOptions {
        datasets: datasets(&args.datasets.0, dates)?,
        dates,
        versions,
        via: match args.via {
            ViaWord::Auto => Via::Auto,
            ViaWord::Json => Via::Json,
            ViaWord::Csv => Via::Csv,
            ViaWord::AsyncCsv => Via::AsyncCsv,
        },
        report_rows: args.report_rows,
        tags_map: args.write.tags_map,
        periods: match (&args.periods, args.last) {
            (Some(periods), _) => periods.clone(),
            (None, Some(count)) => Periods::Last(usize::from(count)),
            (None, None) => Periods::All,
        },
        recheck: match args.recheck {
            RecheckWord::Auto => Recheck::Auto,
            RecheckWord::All => Recheck::All,
        },
        force: args.force,
        max_rejected: args.write.max_rejected.unwrap_or_default(),
        strict: args.write.strict,
        write: WriteOptions { compression: args.write.compression },
        memory: args.write.memory,
        concurrency: usize::from(args.concurrency),
        max_pages: args.max_pages,
        ..of_api(&args.api, &args.enrollment, interrupt)?
    })
}
