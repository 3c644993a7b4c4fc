//! One slice on its way from bytes to a staged file: decoder, Parquet file and rejected rows in step.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::clock::stamp;
use super::encoder::Encoder;
use super::sanity::{Expected, Seen};
use super::{ErrorKind, RunError, SliceReport};
use crate::contract::{Contract, Enrollment, Slice, Window};
use crate::decode::{DecodeError, Decoder, InvalidText, Options, PageSummary, StrayRows, Summary};
use crate::lake::{FileState, RejectedRows, Run, SliceFile, StagedFile, WriteOptions};
use crate::source::Inflate;

/// Rejected rows after which the reading of a slice stops, unless more are allowed.
const REJECTED_TO_SEE: u64 = 1_000;

/// How many rejected rows a slice may have.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum MaxRejected {
    /// None: a rejected row fails its slice.
    #[default]
    None,
    /// So many rows.
    Rows(u64),
    /// So many in a hundred rows received.
    Percent(f64),
}

impl std::str::FromStr for MaxRejected {
    type Err = String;

    /// Reads `25` or `0.5%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is neither a number of rows nor a percentage such as 0.5%");
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
                if (0.0..=100.0).contains(&percent) { Ok(MaxRejected::Percent(percent)) } else { Err(wrong()) }
            }
            None => text.parse().map(MaxRejected::Rows).map_err(|_| wrong()),
        }
    }
}

impl MaxRejected {
    fn allows(self, rejected: u64, received: u64) -> bool {
        match self {
            MaxRejected::None => rejected == 0,
            MaxRejected::Rows(most) => rejected <= most,
            MaxRejected::Percent(percent) => rejected as f64 <= received as f64 * percent / 100.0,
        }
    }

    /// Is it of no use to read on, after so many rejected rows?
    fn is_hopeless(self, rejected: u64) -> bool {
        match self {
            MaxRejected::None => rejected >= REJECTED_TO_SEE,
            MaxRejected::Rows(most) => rejected > most && rejected >= REJECTED_TO_SEE,
            MaxRejected::Percent(_) => false,
        }
    }
}

/// Why a page was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    /// The page is broken; after a rollback it can be fed again.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The body broke off or its compression is broken; after a rollback the page can be fed again.
    #[error("{0}")]
    Source(#[from] crate::source::SourceError),
    /// The slice has failed.
    #[error(transparent)]
    Slice(#[from] RunError),
}

/// How slices are written.
#[derive(Clone)]
pub(crate) struct WriterOptions {
    pub(crate) contract: Arc<Contract>,
    pub(crate) enrollment: Enrollment,
    /// Which rows they are; none when their dates tell.
    pub(crate) window: Option<Window>,
    pub(crate) decode: Options,
    pub(crate) write: WriteOptions,
    pub(crate) max_rejected: MaxRejected,
    /// What only looks wrong fails the slice.
    pub(crate) strict: bool,
}

/// What becomes of text that is no valid Unicode.
pub(crate) fn invalid_text(strict: bool) -> InvalidText {
    if strict { InvalidText::Reject } else { InvalidText::Replace }
}

/// Writes one slice. Its file is staged when the first row group is full, or at the end.
pub(crate) struct SliceWriter {
    run: Arc<Run>,
    options: WriterOptions,
    decoder: Decoder,
    seen: Seen,
    /// Writes the staged file, once a row group is full.
    encoder: Option<Encoder>,
    rejected: Option<RejectedRows>,
    /// Unpacks the page at work; none when its bytes are text already.
    inflate: Option<Inflate>,
    /// The hash of the page at work, when it was asked for.
    hash: Option<Sha256>,
}

impl SliceWriter {
    pub(crate) fn new(run: Arc<Run>, options: WriterOptions) -> Self {
        let contract = Arc::clone(&options.contract);
        let seen = Seen::new(&contract);
        let decoder = Decoder::new(contract, options.enrollment.clone(), options.decode.clone());
        SliceWriter { run, options, decoder, seen, encoder: None, rejected: None, inflate: None, hash: None }
    }

    /// The slice, as far as its period is known.
    fn slice(&self) -> Slice {
        let told = || self.decoder.period().map_or(Window::Whole, Window::Period);
        Slice {
            dataset: self.options.contract.dataset(),
            enrollment: self.options.enrollment.clone(),
            window: self.options.window.unwrap_or_else(told),
        }
    }

    /// Begins a page whose bytes are to be unpacked so, and hashed if asked for.
    pub(crate) fn begin_page(&mut self, inflate: Option<Inflate>, with_hash: bool) {
        self.inflate = inflate;
        self.hash = with_hash.then(Sha256::new);
    }

    /// Takes bytes of the page as they came over the line.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), PageError> {
        let SliceWriter { inflate, decoder, hash, .. } = self;
        let mut take = |text: &[u8]| {
            if let Some(hash) = hash {
                hash.update(text);
            }
            decoder.feed(text).map_err(PageError::from)
        };
        match inflate {
            Some(inflate) => inflate.push(bytes, &mut take)?,
            None => take(bytes)?,
        }
        self.write_full_groups()?;
        self.write_rejected()?;
        Ok(())
    }

    /// Ends the page: its rows are taken. Also returns the hash of its text, when it was asked for.
    pub(crate) fn commit(&mut self) -> Result<(PageSummary, Option<[u8; 32]>), PageError> {
        if let Some(inflate) = self.inflate.take() {
            inflate.finish()?;
        }
        let page = self.decoder.commit()?;
        self.write_full_groups()?;
        self.write_rejected()?;
        Ok((page, self.hash.take().map(|hash| hash.finalize().into())))
    }

    /// Forgets the page at work.
    pub(crate) fn rollback(&mut self) -> Result<(), PageError> {
        self.decoder.rollback()?;
        Ok(())
    }

    pub(crate) fn take_strays(&mut self) -> StrayRows {
        self.decoder.take_strays()
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    fn write_full_groups(&mut self) -> Result<(), RunError> {
        while let Some(group) = self.decoder.take_group() {
            self.seen.add(&group, self.decoder.period()).map_err(|error| internal(&error))?;
            let mut encoder = match self.encoder.take() {
                Some(encoder) => encoder,
                None => Encoder::start(self.stage()?)?,
            };
            encoder.write(group)?;
            self.encoder = Some(encoder);
        }
        Ok(())
    }

    /// Writes the last row group, if there is one, and returns the file.
    fn write_last_group(&mut self) -> Result<SliceFile, RunError> {
        let last = self.decoder.finish().map_err(|error| internal(&error))?;
        if let Some(group) = &last {
            self.seen.add(group, self.decoder.period()).map_err(|error| internal(&error))?;
        }
        match (self.encoder.take(), last) {
            (Some(mut encoder), Some(group)) => {
                encoder.write(group)?;
                encoder.finish()
            }
            (Some(encoder), None) => encoder.finish(),
            (None, last) => {
                let mut file = self.stage()?;
                if let Some(group) = last {
                    file.write_columns(group.into_columns())?;
                }
                Ok(file)
            }
        }
    }

    fn stage(&self) -> Result<SliceFile, RunError> {
        Ok(self.run.stage(&self.slice(), &self.options.contract, &self.options.write)?)
    }

    fn write_rejected(&mut self) -> Result<(), RunError> {
        let rows = self.decoder.take_rejected();
        if rows.is_empty() {
            return Ok(());
        }
        let slice = self.slice();
        let rejected = self.rejected.get_or_insert_with(|| self.run.reject(&slice));
        for row in rows {
            rejected.write(&serde_json::to_value(&row).map_err(|error| internal(&error))?)?;
        }
        let count = self.decoder.rejected_rows();
        if self.options.max_rejected.is_hopeless(count) {
            let kept_at = self.keep_rejected()?;
            return Err(too_many_rejected(&format!("at least {count}"), &kept_at));
        }
        Ok(())
    }

    /// Keeps the rejected rows and says where.
    fn keep_rejected(&mut self) -> Result<String, RunError> {
        let kept = self.rejected.take().map(RejectedRows::finish).transpose()?;
        Ok(kept.flatten().unwrap_or_default())
    }

    /// Ends a slice whose billing period was never seen. There is nothing to publish then; rejected rows, however many
    /// are allowed, would be lost from the report without a slice, so they are a failure.
    pub(crate) fn refuse_all(mut self) -> Result<(), RunError> {
        self.write_rejected()?;
        let rejected = self.decoder.rejected_rows();
        let kept_at = self.keep_rejected()?;
        if rejected == 0 {
            return Ok(());
        }
        let message =
            format!("rows were rejected: {rejected}, all there are; they stand with their reasons in {kept_at}");
        Err(RunError::new(ErrorKind::Data, message)
            .with_hint("nothing was published: it takes a row with a readable date to tell the billing period"))
    }

    /// Ends the slice: a file that is ready to be published.
    pub(crate) fn finish(
        mut self,
        origin: Origin,
        expected: &Expected,
        report: &mut SliceReport,
    ) -> Result<StagedFile, RunError> {
        let file = self.write_last_group()?;
        self.write_rejected()?;
        let summary = self.decoder.summary();
        fill_report(report, &summary);
        let kept_at = self.keep_rejected()?;
        if !self.options.max_rejected.allows(summary.rejected_rows, summary.rows + summary.rejected_rows) {
            return Err(too_many_rejected(&summary.rejected_rows.to_string(), &kept_at));
        }
        if summary.rejected_rows > 0 {
            report.warnings.push(format!(
                "rows were rejected: {}; they stand with their reasons in {kept_at}",
                summary.rejected_rows
            ));
        }
        let doubts = self.seen.warnings(expected);
        if self.options.strict && !doubts.is_empty() {
            return Err(RunError::new(ErrorKind::Data, format!("it looks wrong: {}", doubts.join("; ")))
                .with_hint("nothing was published; if the data is right after all, run once without --strict"));
        }
        report.warnings.extend(doubts);
        let state = FileState {
            warnings: report.warnings.clone(),
            etag: origin.etag,
            answer: origin.answer,
            request: origin.request,
            fetched_at: stamp(origin.fetched_at),
            api_version: self.options.contract.api_version().to_string(),
            source: origin.source,
            rows: summary.rows,
            rejected_rows: summary.rejected_rows,
            rounded_values: summary.rounded_values,
            pages: summary.pages,
            control_totals: summary.control_totals.text,
            rounding_residue: summary.control_totals.residue,
            ..FileState::default()
        };
        Ok(file.finish(state)?)
    }
}

fn too_many_rejected(count: &str, kept_at: &str) -> RunError {
    RunError::new(ErrorKind::Data, format!("rows were rejected: {count}; they stand with their reasons in {kept_at}"))
        .with_hint("nothing was published; allow some rejected rows with --max-rejected N or N%")
}

/// A failure that only a bug can cause.
pub(crate) fn internal(error: &impl ToString) -> RunError {
    RunError::new(ErrorKind::Internal, error.to_string())
}

/// Where the rows of a slice came from, for the file's footer.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The ETag that the rows belong to.
    pub(crate) etag: Option<Vec<u8>>,
    /// The hash of the answer's text, where one answer without an ETag holds all rows.
    pub(crate) answer: Option<String>,
    /// Path and parameters of the request; empty for files.
    pub(crate) request: String,
    /// The API's address or the file's name; no secrets.
    pub(crate) source: String,
    /// When its last byte came.
    pub(crate) fetched_at: DateTime<Utc>,
}

/// Puts what was counted so far into the report.
pub(crate) fn fill_report(report: &mut SliceReport, summary: &Summary) {
    report.rows = summary.rows;
    report.rejected_rows = summary.rejected_rows;
    report.rounded_values = summary.rounded_values;
    report.replaced_texts = summary.replaced_texts;
    report.duplicate_keys = summary.duplicate_keys;
    report.unreadable_tags = summary.unreadable_tags;
    report.unknown_fields = summary.unknown_fields.clone();
    report.unknown_envelope_fields = summary.unknown_envelope_fields.clone();
    report.pages = summary.pages;
    report.control_totals = summary.control_totals.text.clone();
    report.rounding_residue = summary.control_totals.residue.clone();
}
