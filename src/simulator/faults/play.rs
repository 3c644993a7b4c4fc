//! Answers that go wrong.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH, LOCATION};
use memchr::memmem;
use serde_json::{Value, json};

use super::bomb::Bomb;
use super::{Asked, BreakAt, Content, HeaderText, NextLink, Packing, Place, Rule, Then};
use crate::simulator::answers::{Answer, Call, error, json_answer, respond, set};
use crate::simulator::body::{Body, Paced};
use crate::simulator::cache::compress;
use crate::simulator::dataset::Wanted;
use crate::simulator::days::Days;
use crate::simulator::month::Month;
use crate::simulator::query::{parameter, without};
use crate::simulator::routes::Resource;
use crate::simulator::serve::takes_gzip;
use crate::simulator::state::State;
use crate::simulator::wire::Breaker;

/// Answers as the rule says, and breaks the connection if it says so.
pub async fn play(state: &Arc<State>, call: &Call<'_>, asked: &Asked, rule: &Rule, breaker: &Breaker) -> Answer {
    let then = &rule.then;
    if then.restate_before {
        restate(state, asked, then);
    }
    if !then.delay.is_zero() {
        tokio::time::sleep(then.delay).await;
    }
    let mut answer = match (&then.body, &then.redirect, then.status) {
        (_, Some(location), _) => redirect(call, location),
        (Some(content), None, _) => replacement(state, call, asked, content, then.status),
        (None, None, Some(status)) if !status.is_success() => {
            if status.is_redirection() {
                Answer::default()
            } else {
                error(status, SORRY)
            }
        }
        (None, None, _) => regular(state, call, then).await,
    };
    if let Some(status) = then.status {
        *answer.status_mut() = status;
    }
    shape(state, call, asked, then, &mut answer);
    for (name, values) in &then.headers {
        answer.headers_mut().remove(name);
        for value in values {
            answer.headers_mut().append(name, header(value));
        }
    }
    if then.restate_after {
        restate(state, asked, then);
    }
    pace(then, &mut answer);
    match then.break_at {
        None => {}
        Some((how, BreakAt::Head(bytes))) => breaker.at_head(how, bytes),
        Some((how, BreakAt::Body(place))) => {
            let bytes = match answer.body() {
                Body::Whole(bytes) => resolve(place, bytes.len()) as u64,
                Body::Paced(paced) => resolve(place, paced.wire_bytes()) as u64,
                Body::Bomb(_) | Body::Streamed(_) => place.unsigned_abs(),
            };
            breaker.at_body(how, bytes);
        }
    }
    answer
}

/// Bytes of a chunk, unless they trickle.
const CHUNK_BYTES: usize = 8192;

/// What errors say that a rule made.
const SORRY: &str = "The service has a bad day.";

/// The answer that would be right, its text unpacked.
async fn regular(state: &Arc<State>, call: &Call<'_>, then: &Then) -> Answer {
    let mut headers = call.headers.clone();
    headers.remove(ACCEPT_ENCODING);
    if then.ignore_conditions {
        headers.remove(IF_NONE_MATCH);
    }
    let (head, body) = respond(state, &call.with_headers(&headers)).await.into_parts();
    Answer::from_parts(head, body.collected().await)
}

/// An answer that has nothing of the right one.
fn replacement(state: &State, call: &Call<'_>, asked: &Asked, content: &Content, status: Option<StatusCode>) -> Answer {
    let status = status.unwrap_or_default();
    match content {
        Content::Error => error(status, SORRY),
        Content::Message => json_answer(status, json!({"message": SORRY}).to_string()),
        Content::Html => {
            let text = format!("<!DOCTYPE html><html><body><h1>{status}</h1><p>{SORRY}</p></body></html>");
            let mut answer = json_answer(status, text);
            set(&mut answer, CONTENT_TYPE, "text/html; charset=utf-8");
            answer
        }
        Content::Empty => json_answer(status, ""),
        Content::Text(text) => json_answer(status, filled(call, text)),
        Content::Zeros(bytes) => bomb(Bomb::of_zeros(*bytes)),
        Content::Rows(bytes) => bomb(Bomb::of_rows(&first_row(state, asked).unwrap_or_else(|| b"{}".to_vec()), *bytes)),
    }
}

/// A row of what is asked for.
fn first_row(state: &State, asked: &Asked) -> Option<Vec<u8>> {
    let (enrollment, options) = (state.enrollment(&asked.enrollment)?, &state.options);
    let wanted = Wanted { options, enrollment, api: asked.version, days: asked.days?, is_empty: false };
    let document = asked.resource.dataset()?.serve().document(&wanted);
    let mut row = Vec::new();
    document.rows.write(&mut row, 0..1, b"");
    Some(row).filter(|row| !row.is_empty())
}

fn bomb(bomb: Bomb) -> Answer {
    let mut answer = json_answer(StatusCode::OK, "");
    set(&mut answer, CONTENT_ENCODING, "gzip");
    *answer.body_mut() = Body::Bomb(bomb);
    answer
}

fn redirect(call: &Call<'_>, location: &str) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::FOUND;
    if let Ok(value) = HeaderValue::from_str(&filled(call, location)) {
        answer.headers_mut().insert(LOCATION, value);
    }
    answer
}

/// Gives the body its faults: first in its text, then in its bytes as sent.
fn shape(state: &State, call: &Call<'_>, asked: &Asked, then: &Then, answer: &mut Answer) {
    let Body::Whole(body) = answer.body() else { return };
    let mut text = body.to_vec();
    if let Some(link) = &then.next_link {
        relink(&mut text, &next_link(call, link));
    }
    alter(&mut text, call, asked, then);
    if let Some(place) = then.cut_at {
        text.truncate(resolve(place, text.len()));
    }
    let is_data = matches!(asked.resource, Resource::Data(_) | Resource::Csv);
    let is_page = is_data && answer.status() == StatusCode::OK && then.body.is_none();
    let packs = match then.packing {
        Some(packing) => packing != Packing::Plain,
        None => is_page && state.options.gzip && takes_gzip(call.headers),
    };
    if packs && !text.is_empty() {
        text = compress(&text);
        set(answer, CONTENT_ENCODING, "gzip");
    }
    if then.packing == Some(Packing::Corrupt) {
        let middle = text.len() / 2;
        text.iter_mut().skip(middle).take(4).for_each(|byte| *byte = !*byte);
    }
    if let Some(place) = then.corrupt_at {
        let place = resolve(place, text.len());
        text.iter_mut().skip(place).take(1).for_each(|byte| *byte = !*byte);
    }
    *answer.body_mut() = Body::Whole(Bytes::from(text));
}

/// Sends the body piece by piece, if the rule says so.
fn pace(then: &Then, answer: &mut Answer) {
    if then.trickle.is_none() && !then.is_chunked {
        return;
    }
    if let Body::Whole(bytes) = answer.body_mut() {
        let (piece, pause) = then.trickle.unwrap_or((CHUNK_BYTES, Duration::ZERO));
        *answer.body_mut() = Body::Paced(Paced::new(std::mem::take(bytes), piece, pause, then.is_chunked));
    }
}

fn header(value: &HeaderText) -> HeaderValue {
    match value {
        HeaderText::Plain(value) => value.clone(),
        HeaderText::FromNow(seconds) => {
            let date = (Utc::now() + TimeDelta::seconds(*seconds)).format("%a, %d %b %Y %H:%M:%S GMT");
            HeaderValue::from_str(&date.to_string()).unwrap_or(HeaderValue::from_static(""))
        }
    }
}

/// A place in a body of that length.
fn resolve(place: Place, length: usize) -> usize {
    let distance = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
    if place < 0 { length.saturating_sub(distance) } else { length.min(distance) }
}

/// Puts another link at the end of a page.
fn relink(text: &mut Vec<u8>, link: &str) {
    const NAME: &[u8] = b"\"nextLink\":";
    if let Some(at) = text.windows(NAME.len()).rposition(|window| window == NAME) {
        text.truncate(at + NAME.len());
        text.extend_from_slice(Value::from(link).to_string().as_bytes());
        text.push(b'}');
    }
}

/// Puts what the rule adds and replaces into a page, as it stands, whatever JSON that makes.
fn alter(text: &mut Vec<u8>, call: &Call<'_>, asked: &Asked, then: &Then) {
    let is_file = matches!(asked.resource, Resource::Csv | Resource::Blob);
    if !then.rows.is_empty() && is_file {
        let rows = then.rows.iter().map(|row| filled(call, row) + "\r\n").collect::<String>();
        text.extend_from_slice(rows.as_bytes());
    } else if !then.rows.is_empty()
        && let Resource::Data(_) = asked.resource
        && let Some(end) = end_of_data(text)
    {
        let comma = if text[..end].ends_with(b"[") { "" } else { "," };
        let rows = filled(call, &format!("{comma}{}", then.rows.join(",")));
        text.splice(end..end, rows.into_bytes());
    }
    if let Some(members) = &then.envelope
        && let Some(at) = memmem::find(text, b"\"data\":")
    {
        text.splice(at..at, filled(call, &format!("{members},")).into_bytes());
    }
    for (find, with) in &then.replace {
        if let Some(at) = memmem::find(text, find.as_bytes()) {
            text.splice(at..at + find.len(), filled(call, with).into_bytes());
        }
    }
}

/// Where the rows of a page or list end.
fn end_of_data(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"[") {
        return text.strip_suffix(b"]").map(<[u8]>::len);
    }
    memmem::find(text, b"\"data\":[")?;
    memmem::rfind(text, b"],\"nextLink\":").or_else(|| text.strip_suffix(b"]}").map(<[u8]>::len))
}

fn next_link(call: &Call<'_>, link: &NextLink) -> String {
    match link {
        NextLink::Itself => filled(call, "{base}{target}"),
        NextLink::First => match without(call.query, "skiptoken") {
            query if query.is_empty() => format!("{}{}", call.base, call.path),
            query => format!("{}{}?{query}", call.base, call.path),
        },
        NextLink::Endless => {
            let (rest, round) = match parameter(call.query, "round") {
                None => (call.query, 0),
                Some(text) => {
                    let rest = call.query.rsplit_once("round=").map_or("", |(rest, _)| rest.trim_end_matches('&'));
                    (rest, text.parse::<u64>().unwrap_or_default())
                }
            };
            let separator = if rest.is_empty() { "" } else { "&" };
            format!("{}{}?{rest}{separator}round={}", call.base, call.path, round.saturating_add(1))
        }
        NextLink::Text(text) => filled(call, text),
    }
}

/// The text with what stands for addresses replaced.
fn filled(call: &Call<'_>, text: &str) -> String {
    let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
    text.replace("{base}", call.base).replace("{target}", &format!("{}{query}", call.path))
}

/// Restates the period that is asked for, or the first one of a range.
fn restate(state: &State, asked: &Asked, then: &Then) {
    let month = asked.days.map(|days| match days {
        Days::Period(month) => month,
        Days::Range(first, _) => Month::of(first),
    });
    if let (Some(dataset), Some(month)) = (asked.resource.dataset(), month) {
        // A period without data has nothing to restate.
        let _ = state.restate(&asked.enrollment, dataset, month, then.keep_links);
    }
}
