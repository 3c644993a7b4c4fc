//! The table of routes: which method, versions and path lead to what. Path words have no case.

use std::ops::RangeInclusive;

use hyper::Method;

use super::query::percent_decoded;
use super::words::Dataset;

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The list of billing periods.
    BillingPeriods,
    /// A dataset as JSON.
    Data(Dataset),
    /// Usage details as a CSV file.
    Csv,
    /// A CSV file is ordered.
    Submit,
    /// How an ordered CSV file is doing.
    Poll,
    /// An ordered CSV file, on the host of blobs, which has no other path.
    Blob,
}

impl Resource {
    /// All of them.
    const ALL: [Self; 9] =
        [Self::BillingPeriods, USAGE, Self::Csv, Self::Submit, Self::Poll, Self::Blob, MARKETPLACE, BALANCE, PRICES];

    /// What rules and counts call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BillingPeriods => "billing_periods",
            Self::Data(dataset) => dataset.word(),
            Self::Csv => "usage_details_csv",
            Self::Submit => "report_submit",
            Self::Poll => "report_poll",
            Self::Blob => "report_blob",
        }
    }

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.name() == name)
    }

    /// All names.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The dataset whose rows it is about.
    pub fn dataset(self) -> Option<Dataset> {
        match self {
            Self::BillingPeriods => None,
            Self::Data(dataset) => Some(dataset),
            Self::Csv | Self::Submit | Self::Poll | Self::Blob => Some(Dataset::UsageDetails),
        }
    }
}

/// Which days a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// None.
    Nothing,
    /// The newest billing period.
    Newest,
    /// The billing period that stands in the path for `{p}`.
    Period,
    /// `startTime` and `endTime`, at most so many months.
    Range(u32),
    /// `billingPeriod`, or `startTime` and `endTime`, at most so many months.
    PeriodOrRange(u32),
    /// Those of the report that stands in the path for `{id}`.
    Report,
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    pub is_post: bool,
    pub versions: RangeInclusive<u8>,
    /// After `/v3/enrollments/{e}/`.
    pub path: &'static str,
    pub resource: Resource,
    pub about: About,
}

const fn route(path: &'static str, resource: Resource, about: About) -> Route {
    Route { is_post: false, versions: 1..=3, path, resource, about }
}

const fn file(is_post: bool, path: &'static str, resource: Resource, about: About) -> Route {
    Route { is_post, versions: 2..=3, path, resource, about }
}

const USAGE: Resource = Resource::Data(Dataset::UsageDetails);
const MARKETPLACE: Resource = Resource::Data(Dataset::MarketplaceCharges);
const BALANCE: Resource = Resource::Data(Dataset::BalanceSummary);
const PRICES: Resource = Resource::Data(Dataset::PriceSheet);

/// The longest range but for files that are made at once.
const MOST_MONTHS: u32 = 36;

/// All routes of the API.
pub static ROUTES: [Route; 14] = [
    route("billingPeriods", Resource::BillingPeriods, About::Nothing),
    route("usagedetails", USAGE, About::Newest),
    route("billingPeriods/{p}/usagedetails", USAGE, About::Period),
    route("usagedetailsbycustomdate", USAGE, About::Range(MOST_MONTHS)),
    file(false, "usagedetails/download", Resource::Csv, About::PeriodOrRange(1)),
    file(true, "usagedetails/submit", Resource::Submit, About::PeriodOrRange(MOST_MONTHS)),
    file(false, "usagedetails/reports/{id}", Resource::Poll, About::Report),
    route("marketplacecharges", MARKETPLACE, About::Newest),
    route("billingPeriods/{p}/marketplacecharges", MARKETPLACE, About::Period),
    route("marketplacechargesbycustomdate", MARKETPLACE, About::Range(MOST_MONTHS)),
    route("balancesummary", BALANCE, About::Newest),
    route("billingPeriods/{p}/balancesummary", BALANCE, About::Period),
    route("pricesheet", PRICES, About::Newest),
    route("billingPeriods/{p}/pricesheet", PRICES, About::Period),
];

/// A path that fits a route.
#[derive(Debug, PartialEq, Eq)]
pub struct Matched {
    pub route: &'static Route,
    /// Of the API, 1 to 3.
    pub version: u8,
    pub enrollment: String,
    /// What stands in the path for `{p}` or `{id}`.
    pub argument: Option<String>,
}

impl Matched {
    /// The route of a path, whatever the method.
    pub fn of(path: &str) -> Option<Self> {
        let segments: Vec<String> = path.strip_prefix('/')?.split('/').map(percent_decoded).collect();
        let [version, word, enrollment, rest @ ..] = &segments[..] else { return None };
        let version = ["v1", "v2", "v3"].iter().position(|known| version.eq_ignore_ascii_case(known))? as u8 + 1;
        if !word.eq_ignore_ascii_case("enrollments") {
            return None;
        }
        ROUTES.iter().filter(|route| route.versions.contains(&version)).find_map(|route| {
            let argument = route.fits(rest)?;
            Some(Self { route, version, enrollment: enrollment.clone(), argument })
        })
    }
}

impl Route {
    /// Whether these words are its path, and what stands for the word in braces.
    fn fits(&self, words: &[String]) -> Option<Option<String>> {
        let mut argument = None;
        let mut words = words.iter();
        for expected in self.path.split('/') {
            let word = words.next()?;
            if expected.starts_with('{') {
                argument = Some(word.clone());
            } else if !word.eq_ignore_ascii_case(expected) {
                return None;
            }
        }
        words.next().is_none().then_some(argument)
    }

    /// Whether it is asked for with this method.
    pub fn takes(&self, method: &Method) -> bool {
        method == if self.is_post { Method::POST } else { Method::GET }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(path: &str) -> Option<(Resource, About, u8, String, Option<String>)> {
        let Matched { route, version, enrollment, argument } = Matched::of(path)?;
        Some((route.resource, route.about, version, enrollment, argument))
    }

    #[test]
    fn paths_are_read_without_case_and_nothing_else_is_known() {
        let (enrollment, period) = ("1:0".to_owned(), Some("202411".to_owned()));
        for (path, expected) in [
            ("/v3/Enrollments/1%3A0/billingPeriods/202411/UsageDetails", (USAGE, About::Period, 3, period.clone())),
            ("/V3/enrollments/1:0/usagedetails", (USAGE, About::Newest, 3, None)),
            ("/v1/enrollments/1:0/USAGEDETAILSBYCUSTOMDATE", (USAGE, About::Range(36), 1, None)),
            ("/v2/enrollments/1:0/BILLINGPERIODS", (Resource::BillingPeriods, About::Nothing, 2, None)),
            ("/v2/enrollments/1:0/usagedetails/Download", (Resource::Csv, About::PeriodOrRange(1), 2, None)),
            ("/v3/enrollments/1:0/usagedetails/submit", (Resource::Submit, About::PeriodOrRange(36), 3, None)),
            ("/v1/enrollments/1:0/billingperiods/202411/pricesheet", (PRICES, About::Period, 1, period.clone())),
            ("/v3/enrollments/1:0/balancesummary", (BALANCE, About::Newest, 3, None)),
            ("/v2/enrollments/1:0/marketplacechargesbycustomdate", (MARKETPLACE, About::Range(36), 2, None)),
        ] {
            let (resource, about, version, argument) = expected;
            assert_eq!(matched(path), Some((resource, about, version, enrollment.clone(), argument)), "{path}");
        }
        for path in [
            "",
            "/",
            "/v3",
            "/v4/enrollments/1/usagedetails",
            "/v1/enrollments/1/usagedetails/download",
            "/v3/enrollments/1/usagedetails/",
            "/v3/enrollments/1/balancesummarybycustomdate",
            "/v3/enrollments/",
            "/v3/enrollments/1",
            "/v3/enrollments/1/",
            "//v3/enrollments/1/usagedetails",
        ] {
            assert_eq!(matched(path), None, "{path}");
        }
    }
}
