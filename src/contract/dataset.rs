//! The datasets of a lake, named as their folders, and the versions of the API that they come in.

use std::fmt;
use std::str::FromStr;

use super::IdentityError;

/// A dataset of the lake. Its name is that of its folder below the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dataset {
    /// The periods that an enrollment was billed for: one file an enrollment.
    BillingPeriods,
    /// Prices by meter: one file a billing period.
    PriceSheet,
    /// The balance of the monetary commitment: one file a billing period.
    BalanceSummary,
    /// Charges for third-party products: one file a billing period.
    MarketplaceCharges,
    /// Daily usage rows: one file a billing period.
    UsageDetails,
    /// The same charges, one file a range of dates that was asked for.
    MarketplaceChargesByDate,
    /// The same usage rows, one file a range of dates that was asked for.
    UsageDetailsByDate,
}

/// What a dataset has one file for in each enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// All that there is.
    Whole,
    /// A billing period.
    Period,
    /// A range of dates.
    Dates,
}

impl Dataset {
    /// Every dataset, in the order in which they are loaded.
    pub const ALL: [Dataset; 7] = [
        Dataset::BillingPeriods,
        Dataset::PriceSheet,
        Dataset::BalanceSummary,
        Dataset::MarketplaceCharges,
        Dataset::UsageDetails,
        Dataset::MarketplaceChargesByDate,
        Dataset::UsageDetailsByDate,
    ];

    /// The name of the dataset and of its folder, for example `usage_details`.
    pub fn name(self) -> &'static str {
        match self {
            Dataset::BillingPeriods => "billing_periods",
            Dataset::PriceSheet => "price_sheet",
            Dataset::BalanceSummary => "balance_summary",
            Dataset::MarketplaceCharges => "marketplace_charges",
            Dataset::UsageDetails => "usage_details",
            Dataset::MarketplaceChargesByDate => "marketplace_charges_by_date",
            Dataset::UsageDetailsByDate => "usage_details_by_date",
        }
    }

    /// What it has one file for in each enrollment.
    pub fn window_kind(self) -> WindowKind {
        match self {
            Dataset::BillingPeriods => WindowKind::Whole,
            Dataset::PriceSheet | Dataset::BalanceSummary | Dataset::MarketplaceCharges | Dataset::UsageDetails => {
                WindowKind::Period
            }
            Dataset::MarketplaceChargesByDate | Dataset::UsageDetailsByDate => WindowKind::Dates,
        }
    }

    /// The dataset of billing periods with the same rows; itself when it is one.
    pub fn of_periods(self) -> Dataset {
        match self {
            Dataset::MarketplaceChargesByDate => Dataset::MarketplaceCharges,
            Dataset::UsageDetailsByDate => Dataset::UsageDetails,
            other => other,
        }
    }

    /// The dataset of date ranges with the same rows, if the API serves them by date.
    pub fn by_date(self) -> Option<Dataset> {
        match self.of_periods() {
            Dataset::MarketplaceCharges => Some(Dataset::MarketplaceChargesByDate),
            Dataset::UsageDetails => Some(Dataset::UsageDetailsByDate),
            _ => None,
        }
    }

    /// The version of the API that is asked for unless told otherwise: that of Microsoft's reference page.
    pub fn default_version(self) -> ApiVersion {
        match self.of_periods() {
            Dataset::UsageDetails => ApiVersion::V3,
            _ => ApiVersion::V2,
        }
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dataset {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Dataset::ALL
            .into_iter()
            .find(|dataset| dataset.name() == text)
            .ok_or_else(|| IdentityError::Dataset { text: text.chars().take(64).collect() })
    }
}

/// A version of the Enterprise Reporting API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ApiVersion {
    /// `v1`
    V1,
    /// `v2`
    V2,
    /// `v3`
    V3,
}

impl ApiVersion {
    /// All of them, the oldest first.
    pub const ALL: [ApiVersion; 3] = [ApiVersion::V1, ApiVersion::V2, ApiVersion::V3];

    /// As in paths of the API: `v3`.
    pub fn as_str(self) -> &'static str {
        match self {
            ApiVersion::V1 => "v1",
            ApiVersion::V2 => "v2",
            ApiVersion::V3 => "v3",
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ApiVersion {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ApiVersion::ALL
            .into_iter()
            .find(|version| version.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| IdentityError::ApiVersion { text: text.chars().take(64).collect() })
    }
}
