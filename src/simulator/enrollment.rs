//! An enrollment: its bill, and the version of each dataset's periods.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;

use super::bill::Bill;
use super::month::Month;
use super::options::Options;
use super::usage::{Form, FormName, Texts};
use super::words::Dataset;

/// The state of one period of one dataset.
#[derive(Debug, Clone)]
pub struct Edition {
    /// 1, and one more for each restatement.
    pub version: u32,
    /// Links of this version and of later ones lead on.
    pub links_from: u32,
    /// Worked out when first asked for.
    sums: Option<Value>,
}

impl Default for Edition {
    fn default() -> Self {
        Self { version: 1, links_from: 1, sums: None }
    }
}

/// An enrollment that is served.
pub struct Enrollment {
    pub number: String,
    pub bill: Arc<Bill>,
    texts: [OnceLock<Arc<Texts>>; FormName::COUNT],
    editions: Mutex<HashMap<(Dataset, Month), Edition>>,
}

impl Enrollment {
    /// The enrollment of this number, everything in its first version.
    pub fn new(options: &Options, number: &str) -> Self {
        let bill = Arc::new(Bill::new(options, number));
        Self { number: number.to_owned(), bill, texts: Default::default(), editions: Mutex::default() }
    }

    /// The currency of its prices and balances.
    pub fn currency(&self) -> &'static str {
        ["USD", "EUR", "GBP"][(self.bill.key() % 3) as usize]
    }

    /// The texts of the bill in a form.
    pub fn texts(&self, options: &Options, form: FormName) -> Arc<Texts> {
        let texts = || Arc::new(Texts::new(self.bill.clone(), Form::new(form, options)));
        self.texts[form.index()].get_or_init(texts).clone()
    }

    /// The state of a period.
    pub fn edition(&self, dataset: Dataset, month: Month) -> Edition {
        self.lock().get(&(dataset, month)).cloned().unwrap_or_default()
    }

    /// Gives a period its next version, whose number is returned. With `keep_links`, the links of the version before
    /// lead to its pages.
    pub fn restate(&self, dataset: Dataset, month: Month, keep_links: bool) -> u32 {
        let mut editions = self.lock();
        let edition = editions.entry((dataset, month)).or_default();
        edition.version += 1;
        edition.sums = None;
        if !keep_links {
            edition.links_from = edition.version;
        }
        edition.version
    }

    /// The version of a period and what its rows add up to. That is worked out without the lock, so that pages go on
    /// being served.
    pub fn sums(&self, options: &Options, dataset: Dataset, month: Month) -> (u32, Value) {
        let Edition { version, sums, .. } = self.edition(dataset, month);
        let sums = sums.unwrap_or_else(|| dataset.serve().sums(options, self, month, version));
        let mut editions = self.lock();
        let edition = editions.entry((dataset, month)).or_default();
        if edition.version == version {
            edition.sums = Some(sums.clone());
        }
        (version, sums)
    }

    /// A panic while the lock was held has been reported already; what it guards is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, HashMap<(Dataset, Month), Edition>> {
        self.editions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
