//! What each dataset knows of itself. A new dataset is a file that implements [`Serve`], and a line in [`Dataset::serve`].

use serde_json::Value;

use super::balance::Balance;
use super::days::Days;
use super::document::Document;
use super::enrollment::Enrollment;
use super::marketplace::Marketplace;
use super::month::Month;
use super::options::Options;
use super::price_sheet::PriceSheet;
use super::usage::Usage;
use super::words::Dataset;

/// A dataset's names.
pub struct Names {
    /// In paths.
    pub path: &'static str,
    /// In the list of billing periods.
    pub link: &'static str,
    /// In the words of an error.
    pub report: &'static str,
}

/// What is asked of a dataset.
pub struct Wanted<'a> {
    pub options: &'a Options,
    pub enrollment: &'a Enrollment,
    /// Of the API, 1 to 3.
    pub api: u8,
    pub days: Days,
    /// There are no data: a document without rows.
    pub is_empty: bool,
}

/// A dataset that can be served.
pub trait Serve: Sync {
    fn names(&self) -> &'static Names;

    /// The names of a row's members in a version of the API, in their order, without those that no documentation knows.
    fn fields(&self, options: &Options, api: u8) -> Vec<String>;

    /// Whether billing periods have such data at all.
    fn has_rows(&self, options: &Options) -> bool;

    /// Whether keys of every view may read it.
    fn is_for_every_view(&self) -> bool {
        false
    }

    /// The rows that are asked for, in the current version of each period.
    fn document(&self, wanted: &Wanted<'_>) -> Document;

    /// What the rows of a period add up to in one version, counted without any text: an object of `rows`, `sums` and more.
    fn sums(&self, options: &Options, enrollment: &Enrollment, month: Month, version: u32) -> Value;
}

impl Dataset {
    /// All of them, usage details first.
    pub(super) const ALL: [Self; 4] =
        [Self::UsageDetails, Self::MarketplaceCharges, Self::BalanceSummary, Self::PriceSheet];

    /// All of them in the order of the list of billing periods.
    pub(super) const AS_LISTED: [Self; 4] =
        [Self::BalanceSummary, Self::UsageDetails, Self::MarketplaceCharges, Self::PriceSheet];

    /// The one who serves it.
    pub(super) fn serve(self) -> &'static dyn Serve {
        match self {
            Self::UsageDetails => &Usage,
            Self::MarketplaceCharges => &Marketplace,
            Self::BalanceSummary => &Balance,
            Self::PriceSheet => &PriceSheet,
        }
    }

    /// Whether the period has such data.
    pub(super) fn has_data(self, options: &Options, month: Month) -> bool {
        let is_empty = options.empty == Some(month) && self == Self::UsageDetails;
        !is_empty && !options.null_links.contains(&(self, month)) && self.serve().has_rows(options)
    }
}
