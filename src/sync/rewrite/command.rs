//! A whole lake made anew on demand: of another shape, or in another codec.

use std::sync::Arc;

use super::super::clock::Clock;
use super::super::conclude::conclude;
use super::super::interrupt::{Interrupt, interrupted};
use super::super::progress::Progress;
use super::super::report::Begun;
use super::super::{ErrorKind, RunError, RunReport, SliceOutcome, SliceReport};
use super::file::unfit;
use super::{Rewriter, failed, report_of};
use crate::contract::{Contract, Dataset};
use crate::decode::InvalidText;
use crate::lake::{Compression, Lake, LakeFile, LastRun, Run, Unreadable, WriteOptions};

/// What [`rewrite`] is to do.
pub struct RewriteOptions {
    /// Datasets.
    pub datasets: Vec<Dataset>,
    /// Whether tags are wanted as a map too.
    pub tags_map: bool,
    /// Files in another codec are rewritten too. None: those that are rewritten for another reason get the default one.
    pub compression: Option<Compression>,
    /// Rewrite all files, whatever they are: at another level a codec is the same one.
    pub all: bool,
    /// Bytes that the process may hold.
    pub memory: u64,
    /// Files at once, if memory allows.
    pub concurrency: usize,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Ends the run early once it is pulled.
    pub interrupt: Interrupt,
}

impl RewriteOptions {
    fn contract(&self, dataset: Dataset) -> Arc<Contract> {
        let contract = Contract::of(dataset);
        if self.tags_map { Arc::new(contract.with_tags_map()) } else { contract }
    }
}

/// Gives the files of a lake the shape and the codec that is asked for, each from itself. Whatever goes wrong stands in
/// the report. It blocks until all files are done.
pub fn rewrite(lake: &Lake, options: &RewriteOptions, progress: &dyn Progress) -> RunReport {
    let begun = Begun::at(&*options.clock);
    let run = match lake.begin_run(&begun.run_id) {
        Ok(run) => Arc::new(run),
        Err(error) => return begun.report(&*options.clock, Some(error.into()), Vec::new()),
    };
    let (slices, error) = match rewrite_files(lake, &run, options, progress) {
        Ok(slices) => (slices, options.interrupt.is_pulled().then(interrupted)),
        Err(error) => (Vec::new(), Some(error)),
    };
    let report = begun.report(&*options.clock, error, slices);
    conclude(lake, run, &LastRun::default(), report)
}

fn rewrite_files(
    lake: &Lake,
    run: &Run,
    options: &RewriteOptions,
    progress: &dyn Progress,
) -> Result<Vec<SliceReport>, RunError> {
    let rewriter = Rewriter {
        lake,
        contract: &|dataset| options.contract(dataset),
        write: &WriteOptions { compression: options.compression.unwrap_or_default() },
        invalid_text: InvalidText::Replace,
        memory: options.memory,
        concurrency: options.concurrency,
        interrupt: &options.interrupt,
        progress,
    };
    let mut reports = Vec::new();
    let mut readable = Vec::new();
    for dataset in &options.datasets {
        for file in lake.files(*dataset)? {
            match &file.state {
                Ok(_) => readable.push(file),
                Err(unreadable) => reports.push((file.slice.clone(), failed(&file.slice, &refused(unreadable)))),
            }
        }
    }
    progress.rewriting(readable.len());
    let done = rewriter.each(readable, |file, opened, wanted| {
        let is_other_codec = |codec| !opened.footer().is_compressed_by(codec);
        let why = match options.compression {
            _ if rewriter.has_other_shape(file) => "it had other columns",
            _ if options.all => "--all",
            Some(codec) if is_other_codec(codec) => "it had another codec",
            _ => {
                progress.passed_over(&file.slice);
                return Ok(None);
            }
        };
        Ok(Some((rewriter.rewrite(run, &file.slice, opened, wanted)?, why)))
    })?;
    reports.extend(done.into_iter().map(|(file, done)| {
        let report = match &done {
            Ok(Some((new, why))) => report_of(new, SliceOutcome::Rewritten, why),
            Ok(None) => as_it_was(&file),
            Err(error) => failed(&file.slice, error),
        };
        (file.slice, report)
    }));
    reports.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(reports.into_iter().map(|(_, report)| report).collect())
}

fn as_it_was(file: &LakeFile) -> SliceReport {
    report_of(file, SliceOutcome::Unchanged, "it is as it is wanted")
}

/// The failure of a file whose footer tells nothing.
fn refused(unreadable: &Unreadable) -> RunError {
    match unreadable {
        Unreadable::Newer { .. } => RunError::new(ErrorKind::Usage, format!("the file in place is {unreadable}"))
            .with_hint("update billing-lake"),
        _ => unfit(unreadable),
    }
}
