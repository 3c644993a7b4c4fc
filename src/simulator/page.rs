//! Pages without a server: for benches and for files.

use std::io::{self, Write};
use std::path::Path;

use super::Error;
use super::dataset::Wanted;
use super::days::Days;
use super::document::Document;
use super::enrollment::Enrollment;
use super::options::Options;
use super::words::Dataset;

/// The pages of one billing period in its first version, as a server with the same options serves them, without a
/// server: for benches and for files. `nextLink`s name the options' port as it is.
///
/// ```
/// use billing_lake::simulator::{Options, Pages};
///
/// let options = Options { rows_per_month: 2500, ..Options::default() };
/// let pages = Pages::new(&options, "100", "2024-01")?;
/// assert_eq!((pages.count(), pages.rows()), (3, 2500));
/// assert!(pages.get(3).is_some_and(|body| body.ends_with(b"\"nextLink\":null}")));
/// # Ok::<(), billing_lake::simulator::Error>(())
/// ```
pub struct Pages {
    document: Document,
    base: String,
}

impl Pages {
    /// The pages of a period, written `202411` or `2024-11`; it need not be among those that the options list.
    ///
    /// # Errors
    /// [`Error::Month`] when the period is none.
    pub fn new(options: &Options, enrollment: &str, period: &str) -> Result<Self, Error> {
        let (enrollment, days) = (&Enrollment::new(options, enrollment), Days::Period(period.parse()?));
        let wanted = Wanted { options, enrollment, api: 3, days, is_empty: false };
        let base = format!("http://127.0.0.1:{}", options.port);
        Ok(Self { document: Dataset::UsageDetails.serve().document(&wanted), base })
    }

    /// The number of pages, at least 1: a period without rows has one page without data.
    pub fn count(&self) -> u64 {
        self.document.pages()
    }

    /// The number of rows of all pages.
    pub fn rows(&self) -> u64 {
        self.document.rows.count()
    }

    /// The body of a page, counted from 1; `None` past the last.
    pub fn get(&self, number: u64) -> Option<Vec<u8>> {
        (1..=self.count()).contains(&number).then(|| self.document.page(number, &self.base))
    }
}

/// The body of one page, counted from 1. Empty when there is no such page or the period is no month. Who wants several
/// pages takes [`Pages`], which sets up the enrollment once.
pub fn page(options: &Options, enrollment: &str, period: &str, number: usize) -> Vec<u8> {
    Pages::new(options, enrollment, period).ok().and_then(|pages| pages.get(number as u64)).unwrap_or_default()
}

/// Writes all pages of a period into the folder `out`, which is made if need be, as `page-00001.json` and so on, and
/// returns their number.
///
/// # Errors
/// `InvalidInput` when the period is no month; whatever the file system answers.
pub fn write_pages(options: &Options, enrollment: &str, period: &str, out: &Path) -> io::Result<u64> {
    let pages =
        Pages::new(options, enrollment, period).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    std::fs::create_dir_all(out)?;
    for number in 1..=pages.count() {
        let mut file = std::fs::File::create(out.join(format!("page-{number:05}.json")))?;
        file.write_all(&pages.document.page(number, &pages.base))?;
    }
    Ok(pages.count())
}
