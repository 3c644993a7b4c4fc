//! What the API answers to a request: routes, key, conditions, errors.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::body::{Body, Sending};
use super::faults::{Asked, Dataset, play};
use super::options::Month;
use super::page::Renderer;
use super::state::{InFlight, State};
use super::wire::Breaker;

/// An answer.
pub type Answer = Response<Body>;

/// What a path asks for. Paths are read without regard to case.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    Truth,
    Restate,
    Report(Report),
}

/// A report of the API.
#[derive(Debug, PartialEq, Eq)]
enum Report {
    BillingPeriods { enrollment: String },
    UsageDetails { enrollment: String, period: Option<String> },
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        let segments: Vec<String> = path.strip_prefix('/')?.split('/').map(percent_decoded).collect();
        let word = |index: usize, word: &str| segments.get(index).is_some_and(|text| text.eq_ignore_ascii_case(word));
        if segments.len() == 1 {
            return match () {
                () if word(0, "_truth") => Some(Self::Truth),
                () if word(0, "_restate") => Some(Self::Restate),
                () => None,
            };
        }
        if !word(1, "enrollments") {
            return None;
        }
        let enrollment = segments.get(2)?.clone();
        let any_version = word(0, "v1") || word(0, "v2") || word(0, "v3");
        match segments.len() {
            4 if any_version && word(3, "billingperiods") => Some(Self::Report(Report::BillingPeriods { enrollment })),
            4 if word(0, "v3") && word(3, "usagedetails") => {
                Some(Self::Report(Report::UsageDetails { enrollment, period: None }))
            }
            6 if word(0, "v3") && word(3, "billingperiods") && word(5, "usagedetails") => {
                Some(Self::Report(Report::UsageDetails { enrollment, period: Some(segments[4].clone()) }))
            }
            _ => None,
        }
    }
}

/// A request to the API.
pub struct Call<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub path: &'a str,
    pub query: &'a str,
    /// What links begin with.
    pub base: &'a Arc<str>,
    report: Option<&'a Report>,
}

impl Call<'_> {
    /// The same with other headers.
    pub fn with_headers<'a>(&'a self, headers: &'a HeaderMap) -> Call<'a> {
        Call { headers, ..*self }
    }
}

/// Answers one request.
pub async fn answer(state: &Arc<State>, request: &Request<Incoming>, breaker: &Breaker) -> Response<Sending> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let uncounted = |answer: Answer| answer.map(|body| Sending { body, _in_flight: None });
    let report = match Route::of(path) {
        Some(Route::Truth) => return uncounted(truth(state).await),
        Some(Route::Restate) => return uncounted(restate(state, request.method(), query)),
        Some(Route::Report(report)) => Some(report),
        None => None,
    };
    let in_flight = InFlight::begin(state);
    if !state.options.latency.is_zero() {
        tokio::time::sleep(state.options.latency).await;
    }
    let (method, headers, base) = (request.method(), request.headers(), base(state, request.headers()));
    let call = Call { method, headers, path, query, base: &base, report: report.as_ref() };
    let asked = report.as_ref().and_then(|report| asked(state, report, headers, query));
    let answer = match asked.as_ref().and_then(|asked| Some((asked, state.note(asked)?))) {
        None => respond(state, &call).await,
        Some((asked, rule)) => play(state, &call, asked, rule, breaker).await,
    };
    count(state, &answer);
    answer.map(|body| Sending { body, _in_flight: Some(in_flight) })
}

/// What links begin with: what the options say, or how the client calls this server.
fn base(state: &State, headers: &HeaderMap) -> Arc<str> {
    if let Some(base) = &state.options.public_base {
        return base.as_str().into();
    }
    let is_name = |host: &&str| {
        (1..=255).contains(&host.len())
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(is_name);
    host.map_or_else(
        || state.endpoint.as_str().into(),
        |host| format!("{}://{host}", if state.options.tls.is_some() { "https" } else { "http" }).into(),
    )
}

/// What rules and counts know of a request; None where nothing is served.
fn asked(state: &State, report: &Report, headers: &HeaderMap, query: &str) -> Option<Asked> {
    let (dataset, enrollment) = match report {
        Report::BillingPeriods { enrollment } => (Dataset::BillingPeriods, enrollment),
        Report::UsageDetails { enrollment, .. } => (Dataset::UsageDetails, enrollment),
    };
    let mut asked = Asked {
        dataset,
        enrollment: enrollment.clone(),
        period: None,
        page: None,
        is_last: false,
        is_conditional: headers.contains_key(IF_NONE_MATCH),
    };
    if let Report::UsageDetails { period, .. } = report {
        let renderer = state.renderer(enrollment, month(state, period.as_deref())?)?;
        asked.period = Some(renderer.statement().month);
        asked.page = page_number(state, enrollment, &renderer, query);
        asked.is_last = asked.page == Some(renderer.pages());
    }
    state.knows(enrollment).then_some(asked)
}

/// The right answer of the API.
pub async fn respond(state: &Arc<State>, call: &Call<'_>) -> Answer {
    match call.report {
        _ if call.method != Method::GET => {
            error(StatusCode::METHOD_NOT_ALLOWED, "The requested resource does not support this method.")
        }
        None => error(StatusCode::NOT_FOUND, "The requested report endpoint was not found."),
        Some(_) if !authorized(call.headers, &state.options.key) => unauthorized(),
        Some(Report::BillingPeriods { enrollment }) => billing_periods(state, enrollment),
        Some(Report::UsageDetails { enrollment, period }) => {
            usage_details(state, call, enrollment, period.as_deref()).await
        }
    }
}

fn count(state: &State, answer: &Answer) {
    let counting = &state.counting;
    counting.requests.fetch_add(1, Relaxed);
    counting.body_bytes.fetch_add(answer.body().held_bytes(), Relaxed);
    match answer.status() {
        StatusCode::NOT_MODIFIED => counting.not_modified.fetch_add(1, Relaxed),
        StatusCode::UNAUTHORIZED => counting.unauthorized.fetch_add(1, Relaxed),
        status if status.as_u16() >= 400 => counting.errors.fetch_add(1, Relaxed),
        _ => 0,
    };
}

async fn truth(state: &Arc<State>) -> Answer {
    let state = state.clone();
    match tokio::task::spawn_blocking(move || state.truth()).await {
        Ok(truth) => json_answer(StatusCode::OK, truth.to_string()),
        Err(failure) => error(StatusCode::INTERNAL_SERVER_ERROR, &failure.to_string()),
    }
}

fn restate(state: &State, method: &Method, query: &str) -> Answer {
    if method != Method::POST {
        return error(StatusCode::METHOD_NOT_ALLOWED, "Ask with POST.");
    }
    let (Some(enrollment), Some(period)) = (parameter(query, "enrollment"), parameter(query, "period")) else {
        return error(StatusCode::BAD_REQUEST, "Name the enrollment and the period: ?enrollment=100&period=202411");
    };
    let enrollment = percent_decoded(enrollment);
    match percent_decoded(period).parse().and_then(|month| Ok((month, state.restate(&enrollment, month, false)?))) {
        Ok((month, version)) => {
            let body = json!({"enrollment": enrollment, "period": month.to_string(), "version": version});
            json_answer(StatusCode::OK, body.to_string())
        }
        Err(failure) => error(StatusCode::BAD_REQUEST, &failure.to_string()),
    }
}

fn billing_periods(state: &State, enrollment: &str) -> Answer {
    if !state.knows(enrollment) {
        return unknown_enrollment(enrollment);
    }
    let periods = state.months().map(|month| {
        let Month { year, month: number } = month;
        let usage = (state.options.rows_of(month) > 0)
            .then(|| format!("/v1/enrollments/{enrollment}/billingperiods/{month}/usagedetails"));
        // Written by hand, because the order of the names is part of what is played. The hours of the end are the
        // real service's.
        format!(
            "{{\"billingPeriodId\":\"{month}\",\"billingStart\":\"{year:04}-{number:02}-01T00:00:00Z\",\
             \"billingEnd\":\"{year:04}-{number:02}-{:02}T11:59:59Z\",\"balanceSummary\":null,\"usageDetails\":{},\
             \"marketplaceCharges\":null,\"priceSheet\":null}}",
            month.days(),
            json!(usage),
        )
    });
    json_answer(StatusCode::OK, format!("[{}]", periods.collect::<Vec<_>>().join(",")))
}

async fn usage_details(state: &Arc<State>, call: &Call<'_>, enrollment: &str, period: Option<&str>) -> Answer {
    if !state.knows(enrollment) {
        return unknown_enrollment(enrollment);
    }
    let Some(renderer) = month(state, period).and_then(|month| state.renderer(enrollment, month)) else {
        return error(StatusCode::BAD_REQUEST, "Invalid billing period.");
    };
    if renderer.statement().rows() == 0 {
        return error(StatusCode::NOT_FOUND, "No usage data is available for the billing period.");
    }
    let Some(page) = page_number(state, enrollment, &renderer, call.query) else {
        return error(StatusCode::BAD_REQUEST, "The skip token is not valid, or the data was refreshed.");
    };
    let etag = state.etag(&renderer, page);
    if let Some(etag) = etag.as_deref()
        && page == 1
        && not_modified(call.headers, etag)
    {
        let mut answer = Answer::default();
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        set(&mut answer, ETAG, etag);
        return answer;
    }
    let gzip = state.options.gzip && takes_gzip(call.headers);
    let body = state.page(&renderer, page, gzip, call.base).await;
    state.counting.pages_served.fetch_add(1, Relaxed);
    let mut answer = json_answer(StatusCode::OK, body);
    if gzip {
        set(&mut answer, CONTENT_ENCODING, "gzip");
    }
    if let Some(etag) = etag {
        set(&mut answer, ETAG, &etag);
    }
    answer
}

/// The period that a path names, listed or not.
fn month(state: &State, period: Option<&str>) -> Option<Month> {
    match period {
        // The API's own form of a period is six digits; the other one is no period here.
        Some(text) if text.len() == 6 => text.parse().ok(),
        Some(_) => None,
        None => state.months().next(),
    }
}

/// The page that a query leads to; None when its token leads to no page of this version.
fn page_number(state: &State, enrollment: &str, renderer: &Renderer, query: &str) -> Option<u64> {
    match parameter(query, "skiptoken") {
        None => Some(1),
        Some(token) => state.page_of(enrollment, renderer, token),
    }
}

/// Whether `If-None-Match` names the ETag, byte for byte, alone or in a list, or is `*`.
fn not_modified(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value == etag || value.split(',').map(str::trim).any(|candidate| candidate == etag || candidate == "*")
    })
}

pub fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let quality = quality.trim().trim_start_matches(['q', 'Q', '=']);
            ["gzip", "*"].iter().any(|word| name.trim().eq_ignore_ascii_case(word))
                && !quality.trim_matches(['0', '.']).is_empty()
        })
}

fn authorized(headers: &HeaderMap, key: &str) -> bool {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split_once(' '))
        .is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && given.trim() == key)
}

fn unauthorized() -> Answer {
    let mut answer = error(StatusCode::UNAUTHORIZED, "Access denied. The API key is missing, invalid or expired.");
    set(&mut answer, WWW_AUTHENTICATE, "Bearer");
    answer
}

fn unknown_enrollment(enrollment: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, &format!("Enrollment {enrollment} is invalid or was transferred."))
}

/// An error body as the real service sends it: the code is the status as text.
pub fn error(status: StatusCode, message: &str) -> Answer {
    json_answer(status, json!({"error": {"code": status.as_str(), "message": message}}).to_string())
}

pub fn json_answer(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Body::Whole(body.into()));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, "application/json; charset=utf-8");
    answer
}

pub fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    // All values are made of visible ASCII here; one that were not would be left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// The first value of a query's parameter, as it stands.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|pair| pair.1)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_without_case_and_nothing_else_is_known() {
        let usage = |period: Option<&str>| {
            let period = period.map(str::to_owned);
            Some(Route::Report(Report::UsageDetails { enrollment: "1:0".to_owned(), period }))
        };
        assert_eq!(Route::of("/v3/Enrollments/1%3A0/billingPeriods/202411/UsageDetails"), usage(Some("202411")));
        assert_eq!(Route::of("/V3/enrollments/1:0/usagedetails"), usage(None));
        let periods = Some(Route::Report(Report::BillingPeriods { enrollment: "1".to_owned() }));
        assert_eq!(Route::of("/v2/enrollments/1/BILLINGPERIODS"), periods);
        for path in [
            "",
            "/",
            "/v3",
            "/v2/enrollments/1/usagedetails",
            "/v3/enrollments/1/pricesheet",
            "/_truth/",
            "/v3/enrollments/",
        ] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }

    #[test]
    fn gzip_is_sent_only_to_who_takes_it() {
        let takes =
            |value: &str| takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap())]));
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("*"));
        assert!(
            !takes("br") && !takes("gzip;q=0") && !takes("gzip; q=0.000, identity") && !takes_gzip(&HeaderMap::new())
        );
    }
}
