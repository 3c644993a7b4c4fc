//! What a request to the API leads to: days, then a document and one of its pages, or the answer that there is none.

use std::sync::Arc;

use hyper::StatusCode;

use super::dataset::Wanted;
use super::days::Days;
use super::document::Document;
use super::enrollment::Enrollment;
use super::month::Month;
use super::options::Options;
use super::query::{decoded_parameter, parameter};
use super::routes::{About, Matched, Resource};
use super::state::State;
use super::usage;
use super::words::{Dataset, NoData};

/// Why there is nothing: a status and a message.
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

/// A document, and the page of it that is asked for.
pub struct Found {
    pub document: Arc<Document>,
    pub page: u64,
}

/// The enrollment that a path names.
pub fn enrollment<'a>(state: &'a State, matched: &Matched) -> Result<&'a Enrollment, Refusal> {
    let Matched { enrollment, .. } = matched;
    state.enrollment(enrollment).ok_or_else(|| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("Enrollment {enrollment} is invalid or was transferred."))
    })
}

/// The days that path and query name; those of a report are known elsewhere.
pub fn days(options: &Options, matched: &Matched, query: &str) -> Result<Days, Refusal> {
    let named = |name: &str| decoded_parameter(query, name);
    let range = |months: u32| {
        let range = Days::range(named("startTime").as_deref(), named("endTime").as_deref(), months);
        range.map_err(|problem| Refusal::new(StatusCode::BAD_REQUEST, problem))
    };
    match matched.route.about {
        About::Newest => options.listed().next().map(Days::Period).ok_or_else(no_period),
        About::Period => period(matched.argument.as_deref().unwrap_or_default()),
        About::PeriodOrRange(months) => match named("billingPeriod") {
            None => range(months),
            Some(_) if named("startTime").or(named("endTime")).is_some() => {
                Err(Refusal::new(StatusCode::BAD_REQUEST, "Name a billingPeriod, or startTime and endTime."))
            }
            Some(text) => period(&text),
        },
        About::Range(months) => range(months),
        About::Nothing | About::Report => Err(no_period()),
    }
}

/// A period in the API's own form, which is six digits.
fn period(text: &str) -> Result<Days, Refusal> {
    if text.len() != 6 {
        return Err(no_period());
    }
    text.parse().map(Days::Period).map_err(|_| no_period())
}

fn no_period() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "Invalid billing period.")
}

/// Whether the period is listed.
pub fn is_listed(options: &Options, month: Month) -> bool {
    options.listed().any(|listed| listed == month)
}

/// The document that is asked for, in the current version of the data.
pub fn document(state: &State, matched: &Matched, query: &str) -> Result<Document, Refusal> {
    let (options, enrollment) = (&state.options, enrollment(state, matched)?);
    let days = days(options, matched, query)?;
    let (dataset, is_file) = match matched.route.resource {
        Resource::Data(dataset) => (dataset, false),
        _ => (Dataset::UsageDetails, true),
    };
    let make = |is_empty: bool, is_file: bool| {
        let wanted = Wanted { options, enrollment, api: matched.version, days, is_empty };
        if is_file { usage::file(&wanted) } else { dataset.serve().document(&wanted) }
    };
    let (document, without) = match days {
        Days::Period(month) if !is_listed(options, month) => (None, options.unlisted),
        Days::Period(month) if !dataset.has_data(options, month) => (None, options.no_data),
        _ => (Some(make(false, is_file)), options.no_data),
    };
    if let Some(document) = document.filter(|document| document.rows.count() > 0) {
        return Ok(document);
    }
    match without {
        NoData::Empty => Ok(make(true, is_file)),
        NoData::Csv => Ok(make(true, true)),
        NoData::BadRequest => Err(Refusal::new(StatusCode::BAD_REQUEST, "Invalid billing period.")),
        NoData::NotFound => Err(Refusal::new(StatusCode::NOT_FOUND, "No data is available for the billing period.")),
    }
}

/// [`document`], and the page that the query's token leads to.
pub fn find(state: &State, matched: &Matched, query: &str) -> Result<Found, Refusal> {
    let document = document(state, matched, query)?;
    let page = match parameter(query, "skiptoken").filter(|_| document.is_paged()) {
        None => 1,
        Some(token) => document.page_of(token).ok_or_else(|| {
            Refusal::new(StatusCode::BAD_REQUEST, "The skip token is not valid, or the data was refreshed.")
        })?,
    };
    Ok(Found { document: Arc::new(document), page })
}
