//! The same lake from files: each row goes into the billing period of its date, and whole periods are replaced.
//!
//! The first period that turns up is decoded as it comes; rows of others wait on disk and are decoded one period after
//! the other. Nothing is published before all input was read.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::budget::shares;
use super::progress::Progress;
use super::run::conclude;
use super::spill::Spill;
use super::writer::{MaxRejected, Origin, PageError, SliceWriter, WriterOptions, internal};
use super::{ErrorKind, RunError, RunReport, SliceOutcome, SliceReport, new_run_id, now};
use crate::contract::{BillingPeriod, Dataset, Enrollment, Slice};
use crate::decode::{Form, InvalidText, Options, RowScope};
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
    /// What becomes of text that is no valid Unicode.
    pub invalid_text: InvalidText,
    /// How files are written.
    pub write: WriteOptions,
    /// Bytes that the process may hold.
    pub memory: u64,
}

/// Fills the lake from files. Whatever goes wrong stands in the report.
pub fn convert(lake: &Lake, inputs: Vec<Inputs>, options: &ConvertOptions, progress: &dyn Progress) -> RunReport {
    let (run_id, started_at) = (new_run_id(), now());
    let run = match lake.begin_run(&run_id) {
        Ok(run) => Arc::new(run),
        Err(error) => return RunReport::new(run_id, started_at, Some(error.into()), Vec::new()),
    };
    let converted = in_place(lake, options).and_then(|in_place| {
        Conversion { run: &run, options, in_place, progress, bytes: 0, names: Vec::new() }.all(inputs)
    });
    let (slices, error) = match converted {
        Ok(slices) => (slices, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let report = RunReport::new(run_id, started_at, error, slices);
    conclude(lake, run, &LastRun::default(), report)
}

/// The enrollment's billing periods that are in the lake already.
fn in_place(lake: &Lake, options: &ConvertOptions) -> Result<BTreeSet<BillingPeriod>, RunError> {
    let slices = lake.files(options.dataset)?.into_iter().map(|file| file.slice);
    Ok(slices.filter(|slice| slice.enrollment == options.enrollment).filter_map(|slice| slice.period).collect())
}

struct Conversion<'a> {
    run: &'a Arc<Run>,
    options: &'a ConvertOptions,
    /// Billing periods that are in the lake already.
    in_place: BTreeSet<BillingPeriod>,
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
                bytes += rows.len() as u64;
                writer.feed(rows).map_err(|error| internal(&error))
            })?;
            writer.commit().map_err(|error| internal(&error))?;
            finished.push(self.stage(writer, period, bytes));
        }
        // All or nothing: when one period cannot be had, none of the files' periods is replaced.
        let failed = finished.iter().any(|(_, staged, _)| staged.is_err());
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
        Ok(reports.collect())
    }

    fn writer(&self, period: Option<BillingPeriod>, form: Form) -> SliceWriter {
        let shares = shares(self.options.memory, 1);
        let mut decode = Options::new(RowScope::DatedIn(period));
        decode.form = form;
        decode.invalid_text = self.options.invalid_text;
        decode.group_bytes = shares.group_bytes;
        decode.page_bytes = shares.page_bytes;
        let options = WriterOptions {
            dataset: self.options.dataset,
            enrollment: self.options.enrollment.clone(),
            decode,
            write: self.options.write.clone(),
            max_rejected: self.options.max_rejected,
        };
        SliceWriter::new(Arc::clone(self.run), options)
    }

    /// Reads one file. Its rows of further periods go to the spill.
    fn read(&mut self, mut input: Input, first: &mut SliceWriter, spill: &mut Spill) -> Result<(), RunError> {
        let name = input.name().to_owned();
        let wrong = |error: PageError| match error {
            PageError::Slice(error) => error,
            other => RunError::new(ErrorKind::Data, format!("{name}: {other}"))
                .with_hint("convert reads JSON pages, arrays and NDJSON (plain, gzip or zstd); nothing was published"),
        };
        first.begin_page(None, false);
        while let Some(text) = input.chunk()? {
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
        if self.options.force || !self.in_place.contains(&period) {
            return Ok(());
        }
        let message =
            format!("billing period {period} of enrollment {} is in the lake already", self.options.enrollment);
        Err(RunError::new(ErrorKind::Usage, message)
            .with_hint("the files would replace it as a whole: say so with --force, if they hold all of its rows"))
    }

    fn slice(&self, period: BillingPeriod) -> Slice {
        Slice { dataset: self.options.dataset, enrollment: self.options.enrollment.clone(), period: Some(period) }
    }

    fn stage(
        &self,
        writer: SliceWriter,
        period: BillingPeriod,
        bytes: u64,
    ) -> (Slice, Result<StagedFile, RunError>, SliceReport) {
        let slice = self.slice(period);
        let mut report = SliceReport::new(&slice, SliceOutcome::Published);
        report.bytes_received = bytes;
        let source = match self.names.as_slice() {
            [name] => name.clone(),
            names => format!("{} files, the first {}", names.len(), names.first().map_or("", String::as_str)),
        };
        let staged = writer.finish(Origin { source, ..Origin::default() }, &mut report);
        (slice, staged, report)
    }

    fn publish(&self, file: StagedFile, report: &mut SliceReport) -> Result<(), RunError> {
        report.api_version = Some(file.state().api_version.clone());
        let published = self.run.publish(file)?;
        report.file = Some(published.location);
        report.file_bytes = published.bytes;
        Ok(())
    }
}
