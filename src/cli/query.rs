//! The commands that ask: `periods` and `status`.

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::args::{Format, PeriodsArgs, StatusArgs};
use super::terminal::Terminal;
use super::{output, work};
use crate::contract::Dataset;
use crate::lake::{Destination, Lake, LakeFile, LastRun};
use crate::sync::{self, ErrorKind, Interrupt, RunError};

#[derive(Serialize)]
struct PeriodLine {
    billing_period: String,
    usage_details: bool,
    balance_summary: bool,
    marketplace_charges: bool,
    price_sheet: bool,
}

/// `billing-lake periods`
pub(super) async fn periods(args: PeriodsArgs, terminal: &Terminal, interrupt: &Interrupt) -> Result<u8, RunError> {
    let client = work::client(&args.api)?;
    let options = work::of_api(&args.api, args.enrollment.as_slice(), interrupt)?;
    let periods = sync::list_periods(client, &options, terminal.progress()).await?;
    terminal.end();
    let lines = periods.iter().map(|entry| PeriodLine {
        billing_period: entry.period.to_string(),
        usage_details: entry.has_usage,
        balance_summary: entry.has_balance,
        marketplace_charges: entry.has_marketplace,
        price_sheet: entry.has_price_sheet,
    });
    match args.format {
        Format::Json => output::json(&lines.collect::<Vec<_>>())?,
        Format::Ndjson => output::ndjson(lines)?,
        Format::Markdown => return Err(output::no_markdown()),
        Format::Text => {
            let word = |has: bool| if has { "yes" } else { "-" }.to_owned();
            let rows = lines.map(|line| {
                let has = [line.usage_details, line.balance_summary, line.marketplace_charges, line.price_sheet];
                std::iter::once(line.billing_period).chain(has.map(word)).collect()
            });
            let headings = ["period", "usage details", "balance summary", "marketplace charges", "price sheet"];
            output::print(&output::table(&headings, &rows.collect::<Vec<_>>()))?;
        }
    }
    Ok(0)
}

#[derive(Serialize)]
struct StatusLine {
    dataset: &'static str,
    enrollment: String,
    billing_period: Option<String>,
    date_range: Option<String>,
    file: String,
    file_bytes: u64,
    rows: Option<u64>,
    rejected_rows: Option<u64>,
    cost: Option<String>,
    fetched_at: Option<String>,
    checked_at: Option<String>,
    etag: Option<String>,
    source: Option<String>,
    warnings: Vec<String>,
    problem: Option<String>,
}

impl StatusLine {
    fn new(file: &LakeFile, last_run: &LastRun) -> Self {
        let state = file.state.as_ref().ok();
        StatusLine {
            dataset: file.slice.dataset.name(),
            enrollment: file.slice.enrollment.to_string(),
            billing_period: file.slice.period().map(|period| period.to_string()),
            date_range: file.slice.dates().map(|dates| dates.to_string()),
            file: file.location.clone(),
            file_bytes: file.bytes,
            rows: state.map(|state| state.rows),
            rejected_rows: state.map(|state| state.rejected_rows),
            cost: state.and_then(|state| output::total(&state.control_totals)),
            fetched_at: state.map(|state| state.fetched_at.clone()),
            checked_at: last_run.checked_at(&file.slice).map(str::to_owned),
            etag: state.and_then(|state| state.etag.as_deref()).map(|etag| String::from_utf8_lossy(etag).into_owned()),
            source: state.map(|state| state.source.clone()),
            warnings: state.map(|state| state.warnings.clone()).unwrap_or_default(),
            problem: file.state.as_ref().err().map(|unreadable| unreadable.to_string()),
        }
    }

    /// What somebody should look at, a line each.
    fn warnings(&self) -> String {
        let window = self.billing_period.as_deref().or(self.date_range.as_deref()).unwrap_or_default();
        let name = format!("{} {} {window}", self.dataset, self.enrollment);
        let lines = self.warnings.iter().map(|warning| output::warning(name.trim_end(), warning));
        lines.collect()
    }

    fn cells(self) -> Vec<String> {
        let time = |time: Option<String>| time.map(|time| time.chars().take(16).collect()).unwrap_or_default();
        vec![
            self.dataset.to_owned(),
            self.enrollment,
            self.billing_period.or(self.date_range).unwrap_or_default(),
            self.rows.map(|rows| HumanCount(rows).to_string()).unwrap_or_default(),
            self.cost.unwrap_or_default(),
            HumanBytes(self.file_bytes).to_string(),
            time(self.fetched_at),
            time(self.checked_at),
            self.problem.map(|problem| format!("unreadable: {problem}")).or(self.etag).unwrap_or_default(),
        ]
    }
}

/// The lake to be asked about.
pub(super) fn existing_lake(dest: &Destination) -> Result<Lake, RunError> {
    Lake::open_existing(dest)?.ok_or_else(|| {
        RunError::new(ErrorKind::Usage, format!("there is no lake in {dest}"))
            .with_hint("name the lake's folder with --dest or BILLING_LAKE_DEST; `billing-lake sync` creates it")
    })
}

/// `billing-lake status`
pub(super) fn status(args: &StatusArgs) -> Result<u8, RunError> {
    let lines = holdings(&existing_lake(&args.lake.dest)?)?;
    match args.lake.format {
        Format::Json => output::json(&lines)?,
        Format::Ndjson => output::ndjson(lines)?,
        Format::Markdown => return Err(output::no_markdown()),
        Format::Text if lines.is_empty() => output::print("the lake is empty\n")?,
        Format::Text => output::print(&table(lines))?,
    }
    Ok(0)
}

/// What a lake holds, by slice.
fn holdings(lake: &Lake) -> Result<Vec<StatusLine>, RunError> {
    let last_run = lake.last_run()?;
    let mut lines = Vec::new();
    for dataset in Dataset::ALL {
        lines.extend(lake.files(dataset)?.iter().map(|file| StatusLine::new(file, &last_run)));
    }
    Ok(lines)
}

fn table(lines: Vec<StatusLine>) -> String {
    let headings =
        ["dataset", "enrollment", "period", " rows", " cost", " size", "fetched (UTC)", "checked (UTC)", "ETag"];
    let warnings: String = lines.iter().map(StatusLine::warnings).collect();
    output::table(&headings, &lines.into_iter().map(StatusLine::cells).collect::<Vec<_>>()) + &warnings
}

/// What a lake holds, as a table.
pub(crate) fn holdings_table(lake: &Lake) -> Result<String, RunError> {
    Ok(table(holdings(lake)?))
}
