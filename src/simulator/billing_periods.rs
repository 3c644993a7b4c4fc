//! The list of billing periods.

use hyper::StatusCode;
use serde_json::Value;

use super::answers::{Answer, json_answer};
use super::month::Month;
use super::options::Options;
use super::words::Dataset;

/// The periods, newest first, with a link for each dataset that there is.
pub fn answer(options: &Options, enrollment: &str) -> Answer {
    let periods = options.listed().map(|month| {
        let Month { year, month: number } = month;
        let link = |dataset: Dataset| {
            let names = dataset.serve().names();
            let path = || format!("/v1/enrollments/{enrollment}/billingperiods/{month}/{}", names.path);
            let link = dataset.has_data(options, month).then(path);
            format!("\"{}\":{}", names.link, Value::from(link))
        };
        // Written by hand, because the order of the names is part of what is played. The hours of the end are the
        // real service's.
        format!(
            "{{\"billingPeriodId\":\"{month}\",\"billingStart\":\"{year:04}-{number:02}-01T00:00:00Z\",\
             \"billingEnd\":\"{year:04}-{number:02}-{:02}T11:59:59Z\",{}}}",
            month.days(),
            Dataset::AS_LISTED.map(link).join(","),
        )
    });
    json_answer(StatusCode::OK, format!("[{}]", periods.collect::<Vec<_>>().join(",")))
}
