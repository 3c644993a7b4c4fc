//! Files made anew from themselves, with nothing fetched for it: all files of a dataset have one shape, also when its
//! contract grew or `--tags-map` was switched on or off, and also those that the API serves no more.
//!
//! A run does this before it publishes anything of the dataset, file by file, each of which is published as any other. So
//! a run that dies in the middle leaves whole files of both shapes, and the next one goes on.

mod command;
mod file;
mod promote;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::shares;
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::report::describe_in_place;
use super::{RunError, SliceOutcome, SliceReport};
use crate::contract::{Contract, Dataset, Slice};
use crate::decode::InvalidText;
use crate::lake::{Lake, LakeFile, Listed, Run, WriteOptions};

use file::{Opened, Wanted};

pub use command::{RewriteOptions, rewrite};

/// Rewrites files of a lake, several at a time.
pub(super) struct Rewriter<'a> {
    pub(super) lake: &'a Lake,
    /// What the files of a dataset are to be.
    pub(super) contract: &'a (dyn Fn(Dataset) -> Arc<Contract> + Sync),
    pub(super) write: &'a WriteOptions,
    pub(super) invalid_text: InvalidText,
    /// Bytes that the process may hold.
    pub(super) memory: u64,
    /// Files at once, if memory allows.
    pub(super) concurrency: usize,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: &'a dyn Progress,
}

/// What became of the files of other shapes, before anything else was done.
#[derive(Default)]
pub(super) struct Reshaped {
    /// The file of the wanted shape, or why there is none.
    files: BTreeMap<Slice, Result<LakeFile, RunError>>,
    /// They were looked at and no more.
    is_plan: bool,
}

/// A file as it was, and what came of the work on it.
type Done<T> = (LakeFile, Result<T, RunError>);

impl Rewriter<'_> {
    /// Gives all files that have another shape the one of their contract; without a run, says what would become of them.
    pub(super) fn reshape<'b>(
        &self,
        run: Option<&Run>,
        in_place: impl Iterator<Item = &'b LakeFile>,
    ) -> Result<Reshaped, RunError> {
        let others: Vec<_> = in_place.filter(|file| self.has_other_shape(file)).cloned().collect();
        if let (Some(_), 1..) = (run, others.len()) {
            self.progress.rewriting(others.len());
        }
        let done = self.each(others, |file, opened, wanted| match run {
            Some(run) => self.rewrite(run, &file.slice, opened, wanted),
            None => {
                let mut state = opened.footer().state.clone();
                state.contract = wanted.contract.fingerprint().to_owned();
                Ok(LakeFile { state: Ok(state), ..file.clone() })
            }
        })?;
        let files = done.into_iter().map(|(file, done)| (file.slice, done)).collect();
        Ok(Reshaped { files, is_plan: run.is_none() })
    }

    /// Whether the file is whole and has other columns than its dataset's contract.
    fn has_other_shape(&self, file: &LakeFile) -> bool {
        let contract = (self.contract)(file.slice.dataset);
        file.state.as_ref().is_ok_and(|state| state.contract != contract.fingerprint())
    }

    fn rewrite(&self, run: &Run, slice: &Slice, opened: Opened, wanted: &Wanted<'_>) -> Result<LakeFile, RunError> {
        let done = opened.rewrite(run, slice, wanted);
        let rows = done.as_ref().map(|file| file.state.as_ref().map_or(0, |state| state.rows));
        self.progress.rewrote(slice, rows);
        done
    }

    /// Opens each file and does the work on it, several at a time. Files that are gone meanwhile are passed over.
    fn each<T: Send>(
        &self,
        files: Vec<LakeFile>,
        work: impl Fn(&LakeFile, Opened, &Wanted<'_>) -> Result<T, RunError> + Sync,
    ) -> Result<Vec<Done<T>>, RunError> {
        let found = self.find(files)?;
        let shares = shares(self.memory, self.concurrency, self.lake.staged_bytes());
        let work = |(file, listed): &(LakeFile, Listed)| {
            self.interrupt.check()?;
            let wanted = Wanted {
                contract: (self.contract)(file.slice.dataset),
                write: self.write,
                invalid_text: self.invalid_text,
                group_bytes: shares.group_bytes,
                interrupt: self.interrupt,
            };
            work(file, Opened::new(self.lake, listed, &wanted)?, &wanted)
        };
        let done = at_once(&found, shares.slices, work);
        Ok(found.into_iter().zip(done).map(|((file, _), done)| (file, done)).collect())
    }

    /// The files as they are listed, to be read back.
    fn find(&self, files: Vec<LakeFile>) -> Result<Vec<(LakeFile, Listed)>, RunError> {
        let mut found = Vec::with_capacity(files.len());
        for of_dataset in files.chunk_by(|a, b| a.slice.dataset == b.slice.dataset) {
            let listed = self.lake.listed(of_dataset[0].slice.dataset)?;
            let of = |file: &LakeFile| listed.iter().find(|listed| *listed.slice() == file.slice).cloned();
            found.extend(of_dataset.iter().filter_map(|file| Some((file.clone(), of(file)?))));
        }
        Ok(found)
    }
}

/// Does the work on each of these, so many at the same time, and returns what came of it in their order.
fn at_once<I: Sync, T: Send>(items: &[I], count: usize, work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let take = || {
        while let Some((at, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
        {
            let came = work(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, came);
        }
    };
    std::thread::scope(|threads| {
        (1..count.min(items.len())).for_each(|_| drop(threads.spawn(take)));
        take();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

impl Reshaped {
    /// What became of a slice's file; none when it had the wanted shape.
    pub(super) fn of(&self, slice: &Slice) -> Option<Result<(), &RunError>> {
        Some(self.files.get(slice)?.as_ref().map(|_| ()))
    }

    /// Puts the new files into the place of the old ones.
    pub(super) fn put_into(&self, in_place: &mut BTreeMap<Slice, LakeFile>) {
        let files = self.files.iter().filter_map(|(slice, file)| Some((slice.clone(), file.as_ref().ok()?.clone())));
        in_place.extend(files);
    }

    /// What a slice whose file was rewritten comes to when nothing else happens to it.
    pub(super) fn outcome(&self) -> SliceOutcome {
        if self.is_plan { SliceOutcome::Planned } else { SliceOutcome::Rewritten }
    }

    /// Why it is rewritten.
    pub(super) fn why(&self) -> &'static str {
        match self.is_plan {
            true => "would be rewritten first: it has other columns",
            false => "rewritten: it had other columns",
        }
    }

    /// The slices that have no place in the run otherwise: of other enrollments, and of periods that it does not ask for.
    /// One whose file cannot be rewritten has failed, since nothing is fetched for it.
    pub(super) fn others(&self, is_in_run: impl Fn(&Slice) -> bool) -> Vec<SliceReport> {
        let others = self.files.iter().filter(|(slice, _)| !is_in_run(slice));
        let report = |(slice, file): (&Slice, &Result<LakeFile, RunError>)| match file {
            Ok(file) => report_of(file, self.outcome(), self.why()),
            Err(error) => failed(slice, error),
        };
        others.map(report).collect()
    }
}

/// The report of a slice whose file that is.
fn report_of(file: &LakeFile, outcome: SliceOutcome, why: &str) -> SliceReport {
    let mut report = SliceReport::new(&file.slice, outcome);
    report.why = Some(why.to_owned());
    report.api_version = file.state.as_ref().ok().map(|state| state.api_version.clone());
    describe_in_place(&mut report, Some(file));
    report
}

/// The report of a slice whose file could not be rewritten.
pub(super) fn failed(slice: &Slice, error: &RunError) -> SliceReport {
    let mut report = SliceReport::new(slice, SliceOutcome::Failed);
    report.error = Some(error.clone());
    report
}
