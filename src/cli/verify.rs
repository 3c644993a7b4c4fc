//! `billing-lake verify`: which files of a lake are not what was written.

use std::time::Instant;

use indicatif::{HumanBytes, HumanCount, ProgressBar};
use serde::Serialize;

use super::args::{Format, VerifyArgs};
use super::output::{self, one_line};
use super::query::existing_lake;
use super::terminal::Terminal;
use super::work::refuse_markdown;
use crate::report::{Finding, Sample, Verification, VerifiedFile, VerifyError, VerifyOptions, Watch};
use crate::sync::{ErrorKind, Interrupt, Periods, RunError};

/// Shows how far it is, and passes the wish on that it ends.
struct Shown {
    terminal: Terminal,
    interrupt: Interrupt,
    bar: std::sync::OnceLock<ProgressBar>,
}

impl Watch for Shown {
    fn planned(&self, files: usize, bytes: u64) {
        tracing::info!("{} files to verify", HumanCount(files as u64));
        self.bar.get_or_init(|| self.terminal.bar_of_bytes(bytes));
    }

    fn passed(&self, bytes: u64) {
        if let Some(bar) = self.bar.get() {
            bar.inc(bytes);
        }
    }

    fn ended(&self, file: &VerifiedFile) {
        let outcome = if file.is_right() { "right" } else { "wrong" };
        tracing::info!("{}: {outcome}, {} rows", file.slice, HumanCount(file.rows));
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.is_pulled()
    }
}

/// `billing-lake verify`
pub(super) async fn verify(args: VerifyArgs, terminal: &Terminal, interrupt: &Interrupt) -> Result<u8, RunError> {
    refuse_markdown(args.lake.format)?;
    let lake = existing_lake(&args.lake.dest)?;
    let options = options(&args);
    let sample = options.sample;
    let shown = Shown { terminal: terminal.clone(), interrupt: interrupt.clone(), bar: Default::default() };
    let begun = Instant::now();
    let work = tokio::task::spawn_blocking(move || crate::report::verify(&lake, &options, &shown));
    let done = work.await.map_err(|error| RunError::new(ErrorKind::Internal, error.to_string()))?;
    terminal.end();
    let verification = done?;
    let lines = verification.files.iter().map(FileLine::new);
    match args.lake.format {
        Format::Json => output::json(&Report::new(&verification, sample, begun))?,
        Format::Ndjson => output::ndjson(lines)?,
        Format::Text | Format::Markdown => output::print(&text(&verification, sample, begun))?,
    }
    conclude(&verification)
}

fn options(args: &VerifyArgs) -> VerifyOptions {
    let by_chance = || chrono::Utc::now().timestamp_subsec_nanos().into();
    VerifyOptions {
        datasets: args.datasets.0.clone(),
        enrollments: args.enrollment.clone(),
        periods: match &args.periods {
            Some(Periods::Chosen(ranges)) => ranges.clone(),
            _ => Vec::new(),
        },
        sample: args.sample.map(|size| Sample { size, seed: args.seed.unwrap_or_else(by_chance) }),
        concurrency: usize::from(args.concurrency),
    }
}

impl From<VerifyError> for RunError {
    fn from(error: VerifyError) -> Self {
        let message = error.to_string();
        match error {
            VerifyError::Lake(error) => error.into(),
            VerifyError::NothingChosen { .. } => {
                RunError::new(ErrorKind::Usage, message).with_hint("`billing-lake status` lists what there is")
            }
            VerifyError::Interrupted => RunError::new(ErrorKind::Interrupted, message),
        }
    }
}

/// The exit code, or what is wrong in one line.
fn conclude(verification: &Verification) -> Result<u8, RunError> {
    let count = verification.wrong().count();
    if count == 0 {
        return Ok(0);
    }
    let mut findings = verification.wrong().flat_map(|file| &file.findings);
    let verb = if count == 1 { "is" } else { "are" };
    let message = format!("{count} of {} files {verb} not what was written", verification.files.len());
    Err(match findings.any(|finding| matches!(finding, Finding::Unread { .. })) {
        true => RunError::new(ErrorKind::Destination, message).with_hint("look at what cannot be read, and run again"),
        false => RunError::new(ErrorKind::Data, message).with_hint(
            "`billing-lake sync --force --periods …` fetches a period again, as long as the API serves it; else take the file from a backup",
        ),
    })
}

#[derive(Serialize)]
struct Report<'a> {
    report_version: u32,
    sample: Option<SampleLine>,
    files: Vec<FileLine<'a>>,
    totals: Totals,
}

#[derive(Serialize)]
struct SampleLine {
    of: usize,
    seed: u64,
}

#[derive(Serialize)]
struct Totals {
    files: usize,
    wrong: usize,
    rows: u64,
    file_bytes: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct FileLine<'a> {
    dataset: &'static str,
    enrollment: &'a str,
    billing_period: Option<String>,
    date_range: Option<String>,
    file: &'a str,
    file_bytes: u64,
    rows: u64,
    findings: Vec<FindingLine>,
}

#[derive(Serialize)]
struct FindingLine {
    kind: &'static str,
    message: String,
}

impl<'a> Report<'a> {
    fn new(verification: &'a Verification, sample: Option<Sample>, begun: Instant) -> Self {
        Report {
            report_version: 1,
            sample: sample.map(|sample| SampleLine { of: verification.of, seed: sample.seed }),
            files: verification.files.iter().map(FileLine::new).collect(),
            totals: Totals {
                files: verification.files.len(),
                wrong: verification.wrong().count(),
                rows: verification.rows(),
                file_bytes: verification.bytes(),
                seconds: begun.elapsed().as_secs_f64(),
            },
        }
    }
}

impl<'a> FileLine<'a> {
    fn new(file: &'a VerifiedFile) -> Self {
        let line = |finding: &Finding| FindingLine { kind: finding.kind(), message: finding.to_string() };
        FileLine {
            dataset: file.slice.dataset.name(),
            enrollment: file.slice.enrollment.as_str(),
            billing_period: file.slice.period().map(|period| period.to_string()),
            date_range: file.slice.dates().map(|dates| dates.to_string()),
            file: &file.location,
            file_bytes: file.bytes,
            rows: file.rows,
            findings: file.findings.iter().map(line).collect(),
        }
    }
}

/// A line for each finding, then what was verified.
fn text(verification: &Verification, sample: Option<Sample>, begun: Instant) -> String {
    let mut text = String::new();
    let files = verification.files.len();
    if let Some(sample) = sample {
        let names: Vec<_> = verification.files.iter().map(|file| file.slice.to_string()).collect();
        text += &format!("sample: {files} of {} files, seed {}: {}\n", verification.of, sample.seed, names.join(", "));
    }
    for file in verification.wrong() {
        for finding in &file.findings {
            let finding = one_line(&finding.to_string());
            text += &format!("wrong: {}: {}: {finding}\n", file.slice, one_line(&file.location));
        }
    }
    let outcome = match (verification.wrong().count(), files) {
        (0, 0) => return "the lake is empty\n".to_owned(),
        (0, 1) => "right: 1 file".to_owned(),
        (0, _) => format!("right: {} files", HumanCount(files as u64)),
        (wrong, _) => format!("wrong: {} of {} files", HumanCount(wrong as u64), HumanCount(files as u64)),
    };
    let (rows, bytes) = (HumanCount(verification.rows()), HumanBytes(verification.bytes()));
    text + &format!("{outcome}; {rows} rows and {bytes} read in {:.2} s\n", begun.elapsed().as_secs_f64())
}
