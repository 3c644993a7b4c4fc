//! The Azure Enterprise Reporting API, played on this machine from a seed.
//!
//! [`Simulator`] answers on 127.0.0.1 for any number of enrollments and months: billing periods, usage details as JSON and
//! CSV, marketplace charges, balances and price sheets, in versions 1 to 3, with the documented paging, ETags, errors and
//! gzip, and restates a month on demand. [`Pages`] gives usage pages without a server. The data resembles real bills (few
//! meters and subscriptions, many resources, days that repeat each other, refunds, costs of 10^-15) and is the same for the
//! same options everywhere; memory does not grow with the rows.
//!
//! | path after `/v1` to `/v3` | answer |
//! |---|---|
//! | `GET /enrollments/{e}/billingPeriods` | the periods, newest first |
//! | `GET /enrollments/{e}/billingPeriods/{p}/{dataset}` | `usagedetails` page by page, `marketplacecharges`, `balancesummary`, `pricesheet` |
//! | `GET /enrollments/{e}/{dataset}` | the same of the newest period |
//! | `GET /enrollments/{e}/{dataset}bycustomdate?startTime=&endTime=` | `usagedetails` and `marketplacecharges` of a range of days |
//! | `GET /enrollments/{e}/usagedetails/download` | usage as CSV |
//! | `POST /enrollments/{e}/usagedetails/submit` | orders it as CSV, which then is on another port |
//!
//! | path | answer |
//! |---|---|
//! | `GET /_truth` | rows, pages, versions, ETags and sums of everything served, and counters ([`Simulator::truth`]) |
//! | `GET /swagger/docs/v3`, `GET /swagger/ui/index` | the API as served, as a Swagger 2.0 document |
//! | `POST /_restate?enrollment={e}&period={p}` | the next version of a period ([`Simulator::restate`]) |
//!
//! A dataset is a file that implements `dataset::Serve`; what it gives is a `document::Document`, whose rows can be written
//! one by one, and the rest is the same for all: `routes` is the table of paths, `find` leads to a document, `serve` sends it.
//!
//! This room shares nothing with the client, not even the list of fields: a shared mistake would pass every test. It
//! writes rows from a table of its own and sums integers, not decimals that it parsed.
//!
//! ```
//! use billing_lake::simulator::{Options, Simulator};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! let simulator = Simulator::start(Options { rows_per_month: 100, ..Options::default() }).await?;
//! assert!(simulator.endpoint().starts_with("http://127.0.0.1:"));
//! assert_eq!(simulator.truth()["rows_in_all"], 300);
//! simulator.stop().await;
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```

mod answers;
mod balance;
mod bill;
mod billing_periods;
mod blob;
mod body;
mod cache;
mod catalog;
mod chance;
mod control;
mod dataset;
mod days;
mod document;
mod enrollment;
mod faults;
mod fields;
mod find;
mod keys;
mod marketplace;
mod month;
mod options;
mod page;
mod price_sheet;
mod query;
mod reports;
mod resource;
mod routes;
mod serve;
mod server;
mod state;
mod swagger;
#[cfg(test)]
mod tests;
mod tls;
mod usage;
mod values;
mod wire;
mod words;

pub use faults::Faults;
pub use keys::jwt_key;
pub use month::Month;
pub use options::Options;
pub use page::{Pages, page, write_pages};
pub use reports::ReportStatus;
pub use server::Simulator;
pub use state::Counters;
pub use tls::Tls;
pub use words::{
    BalanceForm, CsvForm, CsvLanguage, DataKind, Dataset, EtagForm, FlagForm, LastLink, MarketplaceForm, NoData,
    NumberForm, PageEtags, UsageV1,
};

/// What can be wrong with a request to the simulator's own functions.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no month since the API's data begins.
    #[error("`{text}` is no billing period: write 2024-11 or 202411, from 2014-05 on")]
    Month {
        /// As given.
        text: String,
    },
    /// The text is none of an option's words.
    #[error("`{text}` is no {what}: use one of {words}")]
    Word {
        /// The option.
        what: &'static str,
        /// As given.
        text: String,
        /// The right ones.
        words: String,
    },
    /// The text is no status of an ordered file.
    #[error("`{text}` is no status of a report: write 1 to 7, and 6- for a 6 without a path")]
    ReportStatus {
        /// As given.
        text: String,
    },
    /// The simulator does not serve this enrollment.
    #[error("enrollment `{enrollment}` is not served; served: {served}")]
    Enrollment {
        /// As given.
        enrollment: String,
        /// All that are.
        served: String,
    },
    /// The enrollment lists no such period, or lists it without such data.
    #[error("enrollment {enrollment} has no {dataset} for {period}")]
    NoData {
        /// The enrollment.
        enrollment: String,
        /// The dataset.
        dataset: Dataset,
        /// The period, as six digits.
        period: Month,
    },
    /// The text of a fault file is no list of rules.
    #[error("no JSON list of rules: {problem}")]
    Json {
        /// What is wrong, and where.
        problem: String,
    },
    /// A rule of a fault file cannot be understood.
    #[error("rule {number}: {key}: {problem}")]
    Rule {
        /// Which rule, counted from 1.
        number: usize,
        /// The key, with the object that it stands in.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// Certificate or key cannot be used.
    #[error("{problem}")]
    Tls {
        /// What is wrong.
        problem: String,
    },
}
