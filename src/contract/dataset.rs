//! The datasets of a lake, named as their folders.

use std::fmt;
use std::str::FromStr;

use super::IdentityError;

/// A dataset of the lake. Its name is that of its folder below the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dataset {
    /// The periods that an enrollment was billed for: one file an enrollment.
    BillingPeriods,
    /// Daily usage rows: one file a billing period.
    UsageDetails,
}

impl Dataset {
    /// Every dataset, in the order in which they are loaded.
    pub const ALL: [Dataset; 2] = [Dataset::BillingPeriods, Dataset::UsageDetails];

    /// The name of the dataset and of its folder, for example `usage_details`.
    pub fn name(self) -> &'static str {
        match self {
            Dataset::BillingPeriods => "billing_periods",
            Dataset::UsageDetails => "usage_details",
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
