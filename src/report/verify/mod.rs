//! Whether the files of a lake are what was written: each one is read back, decoded, counted and added up.
//!
//! A file's bytes come before what they mean: nothing is decoded unless both digests hold, that of the footer and that
//! of all before it. So one flipped bit is found wherever it is, a damaged file cannot make a reader of pages allocate
//! what it likes, and what is decoded was written by this tool. What is left for decoding to find are mistakes of the
//! writer, and files that another hand made and signed as this tool does.
//!
//! Memory is bounded by the pieces of a file that are held ([`lake`](crate::lake) says how many), and one page, one
//! dictionary and one batch of one column, for each file that is read at the same time.

mod belonging;
mod bounds;
mod file;
mod finding;
mod sample;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::contract::{BillingPeriod, Dataset, Enrollment, Slice};
use crate::lake::{self, Lake, LakeError, Listed};

use file::Interrupted;

pub use finding::Finding;
pub use sample::{Sample, SampleSize};

/// Which files are verified, and how many at once.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyOptions {
    /// Datasets.
    pub datasets: Vec<Dataset>,
    /// Enrollments; of all when there are none.
    pub enrollments: Vec<Enrollment>,
    /// Billing periods, from the first to the last of each pair; all files when there are none. Files that are not of
    /// one billing period are left out when there are some.
    pub periods: Vec<(BillingPeriod, BillingPeriod)>,
    /// Only some of these files, drawn by chance.
    pub sample: Option<Sample>,
    /// Files that are read at the same time.
    pub concurrency: usize,
}

/// Every file, two at the same time.
impl Default for VerifyOptions {
    fn default() -> Self {
        VerifyOptions {
            datasets: Dataset::ALL.to_vec(),
            enrollments: Vec::new(),
            periods: Vec::new(),
            sample: None,
            concurrency: 2,
        }
    }
}

/// Is told what happens during a verification, and asked whether to go on; every call has an empty default.
pub trait Watch: Sync {
    /// So many files with so many bytes will be read.
    fn planned(&self, _files: usize, _bytes: u64) {}
    /// About so many more bytes of the files are done.
    fn passed(&self, _bytes: u64) {}
    /// A file is done.
    fn ended(&self, _file: &VerifiedFile) {}
    /// Whether to stop where it stands.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// Shows nothing, and never stops.
pub struct Unwatched;

impl Watch for Unwatched {}

/// A file that was verified, or several that lie where one belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedFile {
    /// The slice in whose place it lies.
    pub slice: Slice,
    /// Where it lies, relative to the lake.
    pub location: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Rows that were decoded in all columns.
    pub rows: u64,
    /// What is wrong with it. After some twenty findings the rest of the file is not decoded.
    pub findings: Vec<Finding>,
    /// Fingerprint of its columns, where they are those of a contract that is known.
    shape: Option<String>,
}

impl VerifiedFile {
    /// Whether nothing was found.
    pub fn is_right(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// The files that were verified, in the order of datasets and slices.
    pub files: Vec<VerifiedFile>,
    /// Files that could have been: more than were verified when a sample was asked for.
    pub of: usize,
}

impl Verification {
    /// Files with findings.
    pub fn wrong(&self) -> impl Iterator<Item = &VerifiedFile> {
        self.files.iter().filter(|file| !file.is_right())
    }

    /// Rows that were decoded.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes of the files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Why a verification came to no end. What is wrong with a file is no such failure, but a [`Finding`].
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The lake could not be listed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Datasets, enrollments and periods leave nothing of what the lake holds.
    #[error("none of the {files} files of the lake is of these datasets, enrollments and billing periods")]
    NothingChosen {
        /// Files of the lake.
        files: usize,
    },
    /// Its [`Watch`] said so.
    #[error("interrupted before all files were verified")]
    Interrupted,
}

/// Reads the files of a lake back, and says which ones are not what was written.
///
/// ```
/// use billing_lake::contract::{Contract, Dataset, Slice, Window};
/// use billing_lake::lake::{Destination, FileState, Lake, WriteOptions};
/// use billing_lake::report::{Unwatched, VerifyOptions, verify};
///
/// # let folder = tempfile::tempdir()?;
/// # let destination = Destination::local(folder.path());
/// let lake = Lake::open(&destination)?;
/// # let run = lake.begin_run("20241201T020304Z")?;
/// # let slice = Slice { dataset: Dataset::BillingPeriods, enrollment: "100".parse()?, window: Window::Whole };
/// # let file = run.stage(&slice, &Contract::of(slice.dataset), &WriteOptions::default())?;
/// # let published = run.publish(file.finish(FileState::default())?)?;
/// # run.finish()?;
/// let verification = verify(&lake, &VerifyOptions::default(), &Unwatched)?;
/// assert_eq!((verification.files.len(), verification.wrong().count()), (1, 0));
///
/// // One flipped bit, wherever it is:
/// let path = folder.path().join(&published.location);
/// let mut bytes = std::fs::read(&path)?;
/// bytes[100] ^= 1;
/// std::fs::write(&path, bytes)?;
/// let verification = verify(&lake, &VerifyOptions::default(), &Unwatched)?;
/// assert_eq!(verification.wrong().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A file that is replaced while it is read is read anew from the lake's listing, three times at most. It blocks until
/// all files are done, and reads some of them on threads of its own.
///
/// # Errors
///
/// [`VerifyError`]; a file that cannot be read is one of the findings.
pub fn verify(lake: &Lake, options: &VerifyOptions, watch: &dyn Watch) -> Result<Verification, VerifyError> {
    let mut chosen = choose(lake, options)?;
    let of = chosen.len();
    if let Some(sample) = &options.sample {
        chosen = sample.draw(chosen);
    }
    watch.planned(chosen.len(), chosen.iter().map(Listed::bytes).sum());
    let mut files = read_all(lake, &chosen, options.concurrency, watch)?;
    compare_shapes(&mut files);
    Ok(Verification { files, of })
}

/// The files that the options ask for, before a sample is drawn.
fn choose(lake: &Lake, options: &VerifyOptions) -> Result<Vec<Listed>, VerifyError> {
    let mut files = 0;
    let mut chosen = Vec::new();
    for dataset in Dataset::ALL {
        let listed = lake.listed(dataset)?;
        files += listed.len();
        let is_chosen = |listed: &Listed| {
            let slice = listed.slice();
            let in_range = |period| options.periods.iter().any(|(first, last)| (*first..=*last).contains(&period));
            options.datasets.contains(&dataset)
                && (options.enrollments.is_empty() || options.enrollments.contains(&slice.enrollment))
                && (options.periods.is_empty() || slice.period().is_some_and(in_range))
        };
        chosen.extend(listed.into_iter().filter(is_chosen));
    }
    if chosen.is_empty() && files > 0 { Err(VerifyError::NothingChosen { files }) } else { Ok(chosen) }
}

/// Reads the files, several at the same time: while one waits for its store, or the next core is free, another goes on.
fn read_all(
    lake: &Lake,
    chosen: &[Listed],
    concurrency: usize,
    watch: &dyn Watch,
) -> Result<Vec<VerifiedFile>, VerifyError> {
    let next = AtomicUsize::new(0);
    let files = Mutex::new(BTreeMap::new());
    let take = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        chosen.get(at).map(|listed| (at, listed))
    };
    let work = || -> Result<(), Interrupted> {
        while let Some((at, listed)) = take() {
            if let Some(file) = file::settle(lake, listed, watch)? {
                watch.ended(&file);
                files.lock().unwrap_or_else(PoisonError::into_inner).insert(at, file);
            }
        }
        Ok(())
    };
    std::thread::scope(|threads| {
        let others: Vec<_> = (1..concurrency.min(chosen.len())).map(|_| threads.spawn(work)).collect();
        let done = work();
        let all = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        all.fold(done, Result::and)
    })
    .map_err(|Interrupted| VerifyError::Interrupted)?;
    Ok(files.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}

/// All files of a dataset must have one shape: readers take the columns of the first and drop those that it lacks. Of two
/// shapes the one that fewer files have is told as wrong.
fn compare_shapes(files: &mut [VerifiedFile]) {
    for of_dataset in files.chunk_by_mut(|a, b| a.slice.dataset == b.slice.dataset) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for shape in of_dataset.iter().filter_map(|file| file.shape.clone()) {
            *counts.entry(shape).or_default() += 1;
        }
        let Some((most, count)) = counts.into_iter().max_by_key(|(_, count)| *count) else { continue };
        let others = if count == 1 { "another file".to_owned() } else { format!("{count} other files") };
        for file in of_dataset.iter_mut() {
            let Some(shape) = file.shape.as_deref().filter(|shape| *shape != most) else { continue };
            let columns = |of: &str| lake::shape::columns(shape::contract(file.slice.dataset, of)?.as_ref()).ok();
            let compared = columns(shape).zip(columns(&most));
            let difference = compared.and_then(|(own, most)| lake::shape::difference(&own, &most));
            let difference = difference.map(|difference| difference.to_string()).unwrap_or_default();
            let than = format!("{others} of the dataset");
            file.findings.push(Finding::OtherColumns { than, difference });
        }
    }
}
