//! What is answered to a request: who asks, what for, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::body::{Body, Sending};
use super::days::Days;
use super::faults::{Asked, play};
use super::find::{self, Refusal, find};
use super::query::parameter;
use super::routes::{About, Matched, Resource};
use super::serve::serve;
use super::state::{InFlight, State};
use super::wire::Breaker;
use super::{billing_periods, blob, control, reports, swagger};

/// An answer.
pub type Answer = Response<Body>;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The API.
    Api,
    /// Where ordered files are.
    Blobs,
}

/// A request.
pub struct Call<'a> {
    pub host: Host,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub path: &'a str,
    pub query: &'a str,
    /// What links begin with.
    pub base: &'a Arc<str>,
    matched: Option<&'a Matched>,
}

impl Call<'_> {
    /// The same with other headers.
    pub fn with_headers<'a>(&'a self, headers: &'a HeaderMap) -> Call<'a> {
        Call { headers, ..*self }
    }
}

/// Answers one request.
pub async fn answer(
    state: &Arc<State>,
    host: Host,
    request: &Request<Incoming>,
    breaker: &Breaker,
) -> Response<Sending> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if host == Host::Api
        && let Some(answer) = control::answer(state, request.method(), path, query).await
    {
        return answer.map(|body| Sending { body, in_flight: None });
    }
    if host == Host::Api
        && let Some(answer) = swagger::answer(&state.options, request.method(), request.headers(), path)
    {
        return answer.map(|body| Sending { body, in_flight: None });
    }
    let in_flight = InFlight::begin(state);
    if !state.options.latency.is_zero() {
        tokio::time::sleep(state.options.latency).await;
    }
    let matched = (host == Host::Api).then(|| Matched::of(path)).flatten();
    let (method, headers, base) = (request.method(), request.headers(), base(state, request.headers()));
    let call = Call { host, method, headers, path, query, base: &base, matched: matched.as_ref() };
    let asked = asked(state, &call);
    let answer = match asked.as_ref().and_then(|asked| Some((asked, state.note(asked)?))) {
        None => respond(state, &call).await,
        Some((asked, rule)) => play(state, &call, asked, rule, breaker).await,
    };
    count(state, host, &answer);
    answer.map(|body| Sending { body, in_flight: Some(in_flight) })
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
fn asked(state: &State, call: &Call<'_>) -> Option<Asked> {
    let is_conditional = call.headers.contains_key(IF_NONE_MATCH);
    let about_report = |resource: Resource, id: &str| {
        let (enrollment, version, days) = state.reports.about(id)?;
        let (days, page) = (Some(days), Some(1));
        Some(Asked { resource, version, enrollment, days, page, is_last: true, is_conditional })
    };
    if call.host == Host::Blobs {
        return about_report(Resource::Blob, reports::id_of(call.path)?);
    }
    let matched = call.matched?;
    let Matched { route, version, enrollment, argument } = matched;
    state.enrollment(enrollment)?;
    let mut asked = Asked {
        resource: route.resource,
        version: *version,
        enrollment: enrollment.clone(),
        days: None,
        page: None,
        is_last: false,
        is_conditional,
    };
    match route.about {
        About::Nothing => return Some(asked),
        About::Report => return about_report(route.resource, argument.as_deref()?),
        _ => {}
    }
    let days = find::days(&state.options, matched, call.query).ok()?;
    if let Days::Period(month) = days
        && !find::is_listed(&state.options, month)
    {
        return None;
    }
    asked.days = Some(days);
    (asked.page, asked.is_last) = match route.resource {
        Resource::Submit => (Some(1), true),
        _ => match find(state, matched, call.query) {
            Ok(found) => (Some(found.page), found.page == found.document.pages()),
            Err(_) if parameter(call.query, "skiptoken").is_some() => (None, false),
            Err(_) => (Some(1), true),
        },
    };
    Some(asked)
}

/// The right answer.
pub async fn respond(state: &Arc<State>, call: &Call<'_>) -> Answer {
    if call.host == Host::Blobs {
        return blob::respond(state, call).await;
    }
    let Some(matched) = call.matched else {
        return error(StatusCode::NOT_FOUND, "The requested report endpoint was not found.");
    };
    let resource = matched.route.resource;
    if !matched.route.takes(call.method) {
        return wrong_method(if matched.route.is_post { "POST" } else { "GET" });
    }
    if let Some(refusal) = state.keys.refusal(call.headers, &matched.enrollment, resource) {
        return refusal;
    }
    match resource {
        Resource::BillingPeriods => match find::enrollment(state, matched) {
            Ok(enrollment) => billing_periods::answer(&state.options, &enrollment.number),
            Err(refusal) => refused(&refusal),
        },
        Resource::Submit => reports::submit(state, call, matched),
        Resource::Poll => reports::poll(state, call, matched),
        Resource::Data(_) | Resource::Csv | Resource::Blob => match find(state, matched, call.query) {
            Ok(found) => serve(state, call, found).await,
            Err(refusal) => refused(&refusal),
        },
    }
}

fn count(state: &State, host: Host, answer: &Answer) {
    let counting = &state.counting;
    if host == Host::Api { &counting.requests } else { &counting.blob_requests }.fetch_add(1, Relaxed);
    counting.body_bytes.fetch_add(answer.body().held_bytes(), Relaxed);
    match answer.status() {
        StatusCode::NOT_MODIFIED => counting.not_modified.fetch_add(1, Relaxed),
        StatusCode::UNAUTHORIZED => counting.unauthorized.fetch_add(1, Relaxed),
        status if status.as_u16() >= 400 => counting.errors.fetch_add(1, Relaxed),
        _ => 0,
    };
}

/// The answer where there is nothing.
pub fn refused(refusal: &Refusal) -> Answer {
    error(refusal.status, &refusal.message)
}

/// The answer to a method that is not the one of the path.
pub fn wrong_method(right: &str) -> Answer {
    let message = "The requested resource does not support this method.";
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, message);
    set(&mut answer, ALLOW, right);
    answer
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
