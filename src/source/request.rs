//! What is asked for: the paths of the API, one request each.

use reqwest::{Method, Url};

use super::origin::Origins;
use crate::contract::{ApiVersion, BillingPeriod, Dataset, Enrollment, Slice, Window};

/// Bytes of text that a report may have: its rows are bounded one by one, and a bomb has none that end.
const MAX_REPORT_BYTES: u64 = 1 << 40;

/// What a request is for; it decides what some statuses mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The list of billing periods: 400 and 404 mean that the enrollment is wrong.
    BillingPeriods,
    /// A dataset of a listed period: 400 and 404 mean that it is not served now.
    Period,
    /// A dataset of a range of dates: 400 and 404 may mean that there is no such data.
    Dates,
    /// To make a report, or how far it is.
    Report,
    /// The file of a report, which lies at another host and takes no key.
    Blob,
}

/// How usage details are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Pages of JSON.
    Json,
    /// One CSV, made while the client waits.
    Csv,
}

/// What an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expects {
    Json,
    Csv,
}

impl Expects {
    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Expects::Json => "JSON",
            Expects::Csv => "CSV",
        }
    }
}

/// What to ask for. It holds no secret but the opaque token of a `nextLink` and the signature of a report's file, which
/// errors and logs leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) method: Method,
    pub(super) purpose: Purpose,
    pub(super) enrollment: Enrollment,
    pub(super) period: Option<BillingPeriod>,
    pub(super) url: Url,
    pub(super) expects: Expects,
    text: String,
}

impl Request {
    /// Path and parameters without the endpoint, such as `/v3/enrollments/100/billingPeriods/202411/usagedetails`: an
    /// ETag belongs to this text. The request of a `nextLink` has the text of the first page's.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The URL's path, fit for errors and logs: no more than 200 characters of it.
    pub fn path(&self) -> &str {
        let path = self.url.path();
        path.get(..200).unwrap_or(path)
    }

    /// Method and path, fit for errors and logs.
    pub fn call(&self) -> String {
        format!("{} {}", self.method, self.path())
    }

    /// The whole URL with a `nextLink`'s token: to recognise a page asked for before, not to be shown.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Bytes of text that an answer may have; none where the usual bound holds.
    pub(super) fn most_bytes(&self) -> Option<u64> {
        (self.expects == Expects::Csv).then_some(MAX_REPORT_BYTES)
    }

    /// What of its address is not to be shown, should the service repeat it: the parameters of an address that the service
    /// gave, as they are and with their escapes undone.
    pub(super) fn secrets(&self) -> Vec<String> {
        let is_own = self.url.as_str().ends_with(&self.text);
        let Some(query) = self.url.query().filter(|_| !is_own) else { return Vec::new() };
        let plain = self.url.query_pairs().map(|(_, value)| value.into_owned());
        let raw = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned());
        plain.chain(raw).collect()
    }

    /// Whether the key belongs to it.
    pub(super) fn takes_key(&self) -> bool {
        self.purpose != Purpose::Blob
    }

    /// Another request for the same data.
    pub(super) fn with(&self, purpose: Purpose, url: Url, expects: Expects) -> Request {
        Request { method: Method::GET, purpose, url, expects, ..self.clone() }
    }

    /// The list of an enrollment's billing periods.
    pub(super) fn billing_periods(origins: &Origins, enrollment: &Enrollment, version: ApiVersion) -> Request {
        let text = format!("/{version}/enrollments/{}/billingperiods", enrollment.in_path());
        Request {
            method: Method::GET,
            purpose: Purpose::BillingPeriods,
            enrollment: enrollment.clone(),
            period: None,
            url: origins.url(&text),
            expects: Expects::Json,
            text,
        }
    }

    /// The first page of a slice, or its CSV.
    pub(super) fn of_slice(origins: &Origins, slice: &Slice, version: ApiVersion, way: Way) -> Request {
        let Slice { dataset, enrollment, window } = slice;
        let base = format!("/{version}/enrollments/{}", enrollment.in_path());
        let word = report_word(*dataset);
        let text = match (window, way) {
            (Window::Whole, _) => return Request::billing_periods(origins, enrollment, version),
            (Window::Period(period), Way::Json) => format!("{base}/billingPeriods/{}/{word}", period.id()),
            (Window::Dates(_), Way::Json) => format!("{base}/{word}bycustomdate?{}", parameters(*window)),
            (_, Way::Csv) => format!("{base}/{word}/download?{}", parameters(*window)),
        };
        Request {
            method: Method::GET,
            purpose: if slice.period().is_some() { Purpose::Period } else { Purpose::Dates },
            enrollment: enrollment.clone(),
            period: slice.period(),
            url: origins.url(&text),
            expects: match way {
                Way::Csv => Expects::Csv,
                Way::Json => Expects::Json,
            },
            text,
        }
    }

    /// To make a report of a slice.
    pub(super) fn submission(origins: &Origins, slice: &Slice, version: ApiVersion) -> Request {
        let Slice { dataset, enrollment, window } = slice;
        let base = format!("/{version}/enrollments/{}", enrollment.in_path());
        let text = format!("{base}/{}/submit?{}", report_word(*dataset), parameters(*window));
        Request {
            method: Method::POST,
            purpose: Purpose::Report,
            enrollment: enrollment.clone(),
            period: slice.period(),
            url: origins.url(&text),
            expects: Expects::Json,
            text,
        }
    }
}

/// A dataset's word in the API's paths.
fn report_word(dataset: Dataset) -> &'static str {
    match dataset.of_periods() {
        Dataset::BillingPeriods => "billingperiods",
        Dataset::PriceSheet => "pricesheet",
        Dataset::BalanceSummary => "balancesummary",
        Dataset::MarketplaceCharges | Dataset::MarketplaceChargesByDate => "marketplacecharges",
        Dataset::UsageDetails | Dataset::UsageDetailsByDate => "usagedetails",
    }
}

/// A window as parameters of a request.
fn parameters(window: Window) -> String {
    match window {
        Window::Whole => String::new(),
        Window::Period(period) => format!("billingPeriod={}", period.id()),
        Window::Dates(dates) => format!("startTime={}&endTime={}", dates.from(), dates.to()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins::new("https://gateway.example/azure/", &[], false).unwrap()
    }

    fn slice(dataset: Dataset, window: Window) -> Slice {
        Slice { dataset, enrollment: "a:1".parse().unwrap(), window }
    }

    #[test]
    fn every_dataset_has_its_path() {
        let november = Window::Period("2024-11".parse().unwrap());
        let week = Window::Dates("2024-11-01_2024-11-07".parse().unwrap());
        for (dataset, window, version, way, text) in [
            (
                Dataset::UsageDetails,
                november,
                ApiVersion::V3,
                Way::Json,
                "/v3/enrollments/a%3A1/billingPeriods/202411/usagedetails",
            ),
            (
                Dataset::UsageDetails,
                november,
                ApiVersion::V2,
                Way::Csv,
                "/v2/enrollments/a%3A1/usagedetails/download?billingPeriod=202411",
            ),
            (
                Dataset::UsageDetailsByDate,
                week,
                ApiVersion::V3,
                Way::Json,
                "/v3/enrollments/a%3A1/usagedetailsbycustomdate?startTime=2024-11-01&endTime=2024-11-07",
            ),
            (
                Dataset::UsageDetailsByDate,
                week,
                ApiVersion::V3,
                Way::Csv,
                "/v3/enrollments/a%3A1/usagedetails/download?startTime=2024-11-01&endTime=2024-11-07",
            ),
            (
                Dataset::MarketplaceCharges,
                november,
                ApiVersion::V2,
                Way::Json,
                "/v2/enrollments/a%3A1/billingPeriods/202411/marketplacecharges",
            ),
            (
                Dataset::MarketplaceChargesByDate,
                week,
                ApiVersion::V2,
                Way::Json,
                "/v2/enrollments/a%3A1/marketplacechargesbycustomdate?startTime=2024-11-01&endTime=2024-11-07",
            ),
            (
                Dataset::BalanceSummary,
                november,
                ApiVersion::V2,
                Way::Json,
                "/v2/enrollments/a%3A1/billingPeriods/202411/balancesummary",
            ),
            (
                Dataset::PriceSheet,
                november,
                ApiVersion::V1,
                Way::Json,
                "/v1/enrollments/a%3A1/billingPeriods/202411/pricesheet",
            ),
            (Dataset::BillingPeriods, Window::Whole, ApiVersion::V2, Way::Json, "/v2/enrollments/a%3A1/billingperiods"),
        ] {
            let request = Request::of_slice(&origins(), &slice(dataset, window), version, way);
            assert_eq!(request.text(), text);
            assert_eq!(request.url(), format!("https://gateway.example/azure{text}"));
        }
        let submission = Request::submission(&origins(), &slice(Dataset::UsageDetails, november), ApiVersion::V3);
        assert_eq!(submission.call(), "POST /azure/v3/enrollments/a%3A1/usagedetails/submit");
        assert_eq!(submission.text(), "/v3/enrollments/a%3A1/usagedetails/submit?billingPeriod=202411");
        assert_eq!(submission.secrets(), [""; 0]);
        let blob = Url::parse("https://b.example/1.csv?sv=1&sig=a%2Fb").unwrap();
        let blob = submission.with(Purpose::Blob, blob, Expects::Csv);
        assert_eq!(blob.secrets(), ["1", "a/b", "1", "a%2Fb"]);
    }
}
