//! CSV files that are ordered: submit, poll, and at last an address on another host.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use hyper::StatusCode;
use serde_json::Value;

use super::Error;
use super::answers::{Answer, Call, error, json_answer, refused};
use super::chance::{draw, draw_text, uuid};
use super::days::Days;
use super::document::Document;
use super::find;
use super::query::decoded_parameter;
use super::routes::Matched;
use super::state::State;

/// What an order is answered as long as it is no other status: in progress, and so on. Reads `6-` as 6 without a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportStatus {
    /// 1 queued, 2 in progress, 3 completed, 4 failed, 5 no data, 6 ready to download, 7 timed out.
    pub code: u8,
    /// Whether 3 and 6 come with the file's address.
    pub has_path: bool,
}

impl ReportStatus {
    fn is_done(self) -> bool {
        self.code == 3 || self.code == 6 && self.has_path
    }

    fn is_final(self) -> bool {
        self.is_done() || [4, 5, 7].contains(&self.code)
    }
}

impl FromStr for ReportStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::ReportStatus { text: text.to_owned() };
        let (digits, has_path) = text.strip_suffix('-').map_or((text, true), |digits| (digits, false));
        let code = digits.parse().ok().filter(|code| (1..=7).contains(code) && (has_path || [3, 6].contains(code)));
        Ok(Self { code: code.ok_or_else(wrong)?, has_path })
    }
}

/// An order.
struct Report {
    enrollment: String,
    api: u8,
    days: Days,
    /// The rows as they were when they were ordered; none where there are no data.
    document: Option<Arc<Document>>,
    requested_on: DateTime<Utc>,
    answers: AtomicU64,
}

/// All orders.
#[derive(Default)]
pub struct Reports(Mutex<HashMap<String, Arc<Report>>>);

impl Reports {
    /// Enrollment, version of the API and days of an order.
    pub fn about(&self, id: &str) -> Option<(String, u8, Days)> {
        self.get(id).map(|report| (report.enrollment.clone(), report.api, report.days))
    }

    fn get(&self, id: &str) -> Option<Arc<Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Keeps an order, and names it.
    fn keep(&self, seed: u64, report: Report) -> (String, Arc<Report>) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, report) = (uuid(draw(seed ^ 0x7265_706F, reports.len() as u64)), Arc::new(report));
        reports.insert(id.clone(), report.clone());
        (id, report)
    }
}

/// Takes an order.
pub fn submit(state: &State, call: &Call<'_>, matched: &Matched) -> Answer {
    let days = find::enrollment(state, matched).and_then(|_| find::days(&state.options, matched, call.query));
    let days = match days {
        Ok(days) => days,
        Err(refusal) => return refused(&refusal),
    };
    let document = find::document(state, matched, call.query).ok().map(Arc::new);
    let (enrollment, api, requested_on) = (matched.enrollment.clone(), matched.version, Utc::now());
    let report = Report { enrollment, api, days, document, requested_on, answers: AtomicU64::new(0) };
    let (id, report) = state.reports.keep(state.options.seed, report);
    how_it_is(state, call, &id, &report)
}

/// Says how an order is doing.
pub fn poll(state: &State, call: &Call<'_>, matched: &Matched) -> Answer {
    let id = matched.argument.as_deref().unwrap_or_default();
    match state.reports.get(id).filter(|report| report.enrollment == matched.enrollment) {
        Some(report) => how_it_is(state, call, id, &report),
        None => error(StatusCode::NOT_FOUND, "There is no such report."),
    }
}

fn how_it_is(state: &State, call: &Call<'_>, id: &str, report: &Report) -> Answer {
    let statuses = &state.options.report_statuses;
    let answers = report.answers.fetch_add(1, Relaxed) as usize;
    let status = statuses.get(answers).or(statuses.last()).copied();
    let status = match status.unwrap_or(ReportStatus { code: 3, has_path: true }) {
        status if status.is_done() && report.document.is_none() => ReportStatus { code: 5, has_path: false },
        status => status,
    };
    let has_file = status.is_done() && status.has_path;
    let blob = if has_file { blob_url(state, id, report) } else { String::new() };
    let Report { enrollment, api, days, requested_on, .. } = report;
    let requested_on =
        format!("{}.{:07}Z", requested_on.format("%Y-%m-%dT%H:%M:%S"), requested_on.nanosecond() % 1_000_000_000 / 100);
    let url = format!("{}/v{api}/enrollments/{enrollment}/usagedetails/reports/{id}", call.base);
    // Written by hand, because the order of the names is part of what is played.
    let body = format!(
        "{{\"id\":\"{id}\",\"enrollmentNumber\":\"{enrollment}\",\"requestedOn\":\"{requested_on}\",\"status\":{},\
         \"blobPath\":{},\"reportUrl\":{},\"startDate\":\"{}T00:00:00\",\"endDate\":\"{}T00:00:00\"}}",
        status.code,
        Value::from(blob),
        Value::from(url),
        days.first(),
        days.last(),
    );
    let is_accepted = state.options.report_accepted && !status.is_final();
    json_answer(if is_accepted { StatusCode::ACCEPTED } else { StatusCode::OK }, body)
}

/// When the address of an order's file stops working.
fn expiry(state: &State, report: &Report) -> DateTime<Utc> {
    report.requested_on + TimeDelta::from_std(state.options.blob_lifetime).unwrap_or(TimeDelta::MAX)
}

fn expiry_text(state: &State, report: &Report) -> String {
    expiry(state, report).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A signature as it looks: 32 bytes in Base64.
fn signature(state: &State, id: &str, report: &Report) -> String {
    use base64::Engine;
    let key = draw_text(state.options.seed, &format!("{id} {}", expiry_text(state, report)));
    let bytes: Vec<u8> = (0..4).flat_map(|part| draw(key, part).to_be_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn blob_url(state: &State, id: &str, report: &Report) -> String {
    let encoded = |text: String| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D").replace(':', "%3A");
    let (base, signature, expiry) = (state.blob_base(), signature(state, id, report), expiry_text(state, report));
    format!("{base}/usagedetails/{id}.csv?sv=2017-04-17&sr=b&sig={}&se={}&sp=r", encoded(signature), encoded(expiry))
}

/// What comes of the address of a file.
pub enum Opened {
    /// The file.
    File(Arc<Document>),
    /// There is none.
    Missing,
    /// The signature is wrong.
    Unsigned,
    /// The signature was good until then.
    Expired(String),
}

/// The order that a path of the files' host names.
pub fn id_of(path: &str) -> Option<&str> {
    path.strip_prefix("/usagedetails/")?.strip_suffix(".csv")
}

/// Opens the file of a path with the signature in a query.
pub fn open(state: &State, path: &str, query: &str) -> Opened {
    let Some((id, report)) = id_of(path).and_then(|id| Some((id, state.reports.get(id)?))) else {
        return Opened::Missing;
    };
    let expiry_text = expiry_text(state, &report);
    let is_signed = decoded_parameter(query, "sig") == Some(signature(state, id, &report))
        && decoded_parameter(query, "se").as_ref() == Some(&expiry_text);
    match &report.document {
        _ if !is_signed => Opened::Unsigned,
        _ if Utc::now() >= expiry(state, &report) => Opened::Expired(expiry_text),
        Some(document) => Opened::File(document.clone()),
        None => Opened::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read() {
        let read = |text: &str| text.parse::<ReportStatus>().ok().map(|status| (status.code, status.has_path));
        assert_eq!([read("1"), read("6"), read("6-")], [Some((1, true)), Some((6, true)), Some((6, false))]);
        assert_eq!([read("0"), read("8"), read("2-"), read(""), read("6--")], [None; 5]);
    }
}
