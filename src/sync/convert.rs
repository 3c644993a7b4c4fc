//! The same lake from files: each row goes into the billing period of its date, and whole periods are replaced.
//!
//! The first period that turns up is decoded as it comes; rows of others wait on disk and are decoded one period after
//! the other. Nothing is published before all input was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::budget::shares;
use super::clock::Clock;
use super::conclude::conclude;
use super::interrupt::{Interrupt, interrupted};
use super::progress::Progress;
use super::report::Begun;
use super::rewrite::Rewriter;
use super::sanity::Expected;
use super::spill::Spill;
use super::writer::{MaxRejected, Origin, PageError, SliceWriter, WriterOptions, internal, invalid_text};
use super::{ErrorKind, RunError, RunReport, SliceOutcome, SliceReport};
use crate::contract::{BillingPeriod, Contract, Dataset, Enrollment, Slice, Window};
use crate::decode::{Form, Options, RowScope};
use crate::lake::{Lake, LastRun, Run, StagedFile, WriteOptions};
use crate::source::{Input, Inputs};

/// What a conversion is to do.
pub struct ConvertOptions {
    /// The enrollment that the rows belong to.
    pub enrollment: Enrollment,
    /// The dataset of the rows; it has to have a date.
    pub dataset: Dataset,
    /// Replace periods that are in the lake already.
    pub force: bool,
    /// Rejected rows that a period may have.
    pub max_rejected: MaxRejected,
    /// Text that is no valid Unicode rejects its row, instead of being replaced, and what only looks wrong fails its
    /// period, instead of being warned about.
    pub strict: bool,
    /// Whether tags are wanted as a map too.
    pub tags_map: bool,
    /// How files are written.
    pub write: WriteOptions,
    /// Bytes that the process may hold.
    pub memory: u64,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Ends the run early once it is pulled.
    pub interrupt: Interrupt,
}

impl ConvertOptions {
    fn contract(&self) -> Arc<Contract> {
        let contract = Contract::of(self.dataset);
        if self.tags_map { Arc::new(contract.with_tags_map()) } else { contract }
    }
}

/// Bytes of a file after which its rows are committed in parts: nothing is ever rolled back here, and the sooner rows
/// are taken, the sooner too many rejected ones are noticed.
const PART_BYTES: usize = 1 << 20;

/// Fills the lake from files. Whatever goes wrong stands in the report.
pub fn convert(lake: &Lake, inputs: Vec<Inputs>, options: &ConvertOptions, progress: &dyn Progress) -> RunReport {
    let begun = Begun::at(&*options.clock);
    let run = match lake.begin_run(&begun.run_id) {
        Ok(run) => Arc::new(run),
        Err(error) => return begun.report(&*options.clock, Some(error.into()), Vec::new()),
    };
    let converted = in_place(lake, options).and_then(|in_place| {
        let staged_bytes = lake.staged_bytes();
        let (bytes, names) = (0, Vec::new());
        Conversion { lake, run: &run, options, in_place, staged_bytes, progress, bytes, names }.all(inputs)
    });
    let (slices, error) = match converted {
        Ok(slices) => (slices, options.interrupt.is_pulled().then(interrupted)),
        Err(error) => (Vec::new(), Some(error)),
    };
    let report = begun.report(&*options.clock, error, slices);
    conclude(lake, run, &LastRun::default(), report)
}

/// The enrollment's billing periods that are in the lake already, with the rows that their files say they hold.
fn in_place(lake: &Lake, options: &ConvertOptions) -> Result<BTreeMap<BillingPeriod, Option<u64>>, RunError> {
    let files = lake.files(options.dataset)?.into_iter().filter(|file| file.slice.enrollment == options.enrollment);
    Ok(files.filter_map(|file| Some((file.slice.period()?, file.state.ok().map(|state| state.rows)))).collect())
}

/// A billing period whose file is staged, or why it is not.
type Finished = (Slice, Result<StagedFile, RunError>, SliceReport);

struct Conversion<'a> {
    lake: &'a Lake,
    run: &'a Arc<Run>,
    options: &'a ConvertOptions,
    /// Billing periods that are in the lake already.
    in_place: BTreeMap<BillingPeriod, Option<u64>>,
    /// Bytes that a file may hold in memory on its way to the lake.
    staged_bytes: u64,
    progress: &'a dyn Progress,
    /// Bytes of the files read so far.
    bytes: u64,
    /// Names of the files read so far.
    names: Vec<String>,
}

impl Conversion<'_> {
    fn all(mut self, inputs: Vec<Inputs>) -> Result<Vec<SliceReport>, RunError> {
        let mut spill = Spill::new()?;
        let mut first = self.writer(None, Form::Detect);
        for input in inputs.into_iter().flatten() {
            self.read(input?, &mut first, &mut spill)?;
        }
        let mut finished = Vec::new();
        match first.decoder().period() {
            Some(period) => {
                let bytes = self.bytes - spill.text_bytes();
                finished.push(self.stage(first, period, bytes));
            }
            None => first.refuse_all()?,
        }
        for period in spill.periods() {
            let mut writer = self.writer(Some(period), Form::Rows);
            writer.begin_page(None, false);
            let mut bytes = 0;
            spill.read(period, |rows| {
                self.options.interrupt.check()?;
                bytes += rows.len() as u64;
                writer.feed(rows).map_err(|error| internal(&error))
            })?;
            writer.commit().map_err(|error| internal(&error))?;
            finished.push(self.stage(writer, period, bytes));
        }
        // All or nothing: when one period cannot be had, none of the files' periods is replaced.
        let failed = finished.iter().any(|(_, staged, _)| staged.is_err());
        let others = if failed { Vec::new() } else { self.reshape_others(&finished)? };
        let reports = finished.into_iter().map(|(slice, staged, mut report)| {
            let done = match staged {
                Ok(_) if failed => Err(RunError::new(ErrorKind::Data, "not published, because another period failed")),
                Ok(staged) => self.publish(staged, &mut report),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                report.outcome = SliceOutcome::Failed;
                report.error = Some(error);
            }
            self.progress.ended(&slice, &report);
            report
        });
        Ok(reports.chain(others).collect())
    }

    /// Gives all files of the dataset that are not replaced the shape of those that are to be published.
    fn reshape_others(&self, finished: &[Finished]) -> Result<Vec<SliceReport>, RunError> {
        let options = self.options;
        let rewriter = Rewriter {
            lake: self.lake,
            contract: &|_| options.contract(),
            write: &options.write,
            invalid_text: invalid_text(options.strict),
            memory: options.memory,
            concurrency: 1,
            interrupt: &options.interrupt,
            progress: self.progress,
        };
        let mut files = self.lake.files(options.dataset)?;
        files.retain(|file| !finished.iter().any(|(slice, ..)| *slice == file.slice));
        Ok(rewriter.reshape(Some(self.run), files.iter())?.others(|_| false))
    }

    fn writer(&self, period: Option<BillingPeriod>, form: Form) -> SliceWriter {
        let shares = shares(self.options.memory, 1, self.staged_bytes);
        let mut decode = Options::new(RowScope::DatedIn(period));
        decode.form = form;
        decode.invalid_text = invalid_text(self.options.strict);
        decode.group_bytes = shares.group_bytes;
        decode.page_bytes = shares.page_bytes.min(PART_BYTES);
        let options = WriterOptions {
            contract: self.options.contract(),
            enrollment: self.options.enrollment.clone(),
            window: None,
            decode,
            write: self.options.write.clone(),
            max_rejected: self.options.max_rejected,
            strict: self.options.strict,
        };
        SliceWriter::new(Arc::clone(self.run), options)
    }

    /// Reads one file. Its rows of further periods go to the spill.
    fn read(&mut self, mut input: Input, first: &mut SliceWriter, spill: &mut Spill) -> Result<(), RunError> {
        let name = input.name().to_owned();
        let wrong = |error: PageError| match error {
            PageError::Slice(error) => error,
            other => RunError::new(ErrorKind::Data, format!("{name}: {other}")).with_hint(
                "convert reads CSV, JSON pages, arrays and NDJSON (plain, gzip or zstd); nothing was published",
            ),
        };
        first.begin_page(None, false);
        while let Some(text) = input.chunk()? {
            self.options.interrupt.check()?;
            first.feed(text).map_err(wrong)?;
            self.bytes += text.len() as u64;
            self.keep_strays(first, spill)?;
        }
        first.commit().map_err(wrong)?;
        self.keep_strays(first, spill)?;
        tracing::debug!("{name}: read");
        self.names.push(name);
        Ok(())
    }

    fn keep_strays(&mut self, first: &mut SliceWriter, spill: &mut Spill) -> Result<(), RunError> {
        if let Some(period) = first.decoder().period() {
            self.refuse_existing(period)?;
        }
        for (period, row) in first.take_strays().iter() {
            self.refuse_existing(period)?;
            spill.push(period, row)?;
        }
        Ok(())
    }

    fn refuse_existing(&self, period: BillingPeriod) -> Result<(), RunError> {
        if self.options.force || !self.in_place.contains_key(&period) {
            return Ok(());
        }
        let message =
            format!("billing period {period} of enrollment {} is in the lake already", self.options.enrollment);
        Err(RunError::new(ErrorKind::Usage, message)
            .with_hint("the files would replace it as a whole: say so with --force, if they hold all of its rows"))
    }

    fn slice(&self, period: BillingPeriod) -> Slice {
        Slice {
            dataset: self.options.dataset,
            enrollment: self.options.enrollment.clone(),
            window: Window::Period(period),
        }
    }

    fn stage(&self, writer: SliceWriter, period: BillingPeriod, bytes: u64) -> Finished {
        let slice = self.slice(period);
        let mut report = SliceReport::new(&slice, SliceOutcome::Published);
        report.bytes_received = bytes;
        let source = match self.names.as_slice() {
            [name] => name.clone(),
            names => format!("{} files, the first {}", names.len(), names.first().map_or("", String::as_str)),
        };
        let now = self.options.clock.now();
        let origin = Origin { etag: None, answer: None, request: String::new(), source, fetched_at: now };
        let expected = Expected {
            period: Some(period),
            rows_in_place: self.in_place.get(&period).copied().flatten(),
            today: now.date_naive().to_epoch_days(),
        };
        let staged = writer.finish(origin, &expected, &mut report);
        (slice, staged, report)
    }

    fn publish(&self, file: StagedFile, report: &mut SliceReport) -> Result<(), RunError> {
        self.options.interrupt.check()?;
        report.api_version = Some(file.state().api_version.clone());
        let published = self.run.publish(file)?;
        report.file = Some(published.location);
        report.file_bytes = published.bytes;
        Ok(())
    }
}
