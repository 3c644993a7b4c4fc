//! Rules from JSON, read key by key, so that a mistake is named with its place.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{BreakAt, BreakHow, Content, HeaderText, NextLink, Numbers, Packing, Place, Rule, Then, When, WhichPage};
use crate::simulator::Error;
use crate::simulator::routes::Resource;

/// The rules of a text.
pub fn rules(text: &str) -> Result<Vec<Rule>, Error> {
    let json = serde_json::from_str::<Vec<Value>>(text).map_err(|error| Error::Json { problem: error.to_string() })?;
    json.into_iter().enumerate().map(|(index, rule)| read_rule(index + 1, rule)).collect()
}

fn read_rule(number: usize, rule: Value) -> Result<Rule, Error> {
    let mut keys = Keys::of(number, "", &rule)?;
    let name = keys.take("name", "a text", text)?;
    let when = keys.take("when", "an object", |value| value.is_object().then(|| value.clone()))?;
    let then = keys.take("then", "an object", |value| value.is_object().then(|| value.clone()))?;
    keys.end()?;
    let when = when.map_or_else(|| Ok(When::default()), |when| read_when(number, &when))?;
    let Some(then) = then else {
        return Err(Error::Rule { number, key: "then".to_owned(), problem: "it is missing".to_owned() });
    };
    Ok(Rule { name, when, then: read_then(number, &then)? })
}

fn read_when(number: usize, when: &Value) -> Result<When, Error> {
    let mut keys = Keys::of(number, "when.", when)?;
    let when = When {
        resource: keys
            .take("dataset", &format!("one of {}", Resource::names()), |value| Resource::of(value.as_str()?))?,
        version: keys.take("version", "1, 2 or 3", |value| {
            value.as_u64().filter(|version| (1..=3).contains(version)).map(|version| version as u8)
        })?,
        enrollment: keys.take("enrollment", "a text", text)?,
        period: keys.take("period", "a month as \"2024-01\"", |value| value.as_str()?.parse().ok())?,
        page: keys.take(
            "page",
            "a number from 1 on, \"3-7\", an object of from, to, every, or \"last\"",
            which_page,
        )?,
        attempt: keys.take("attempt", "a number from 1 on, or an object of from, to, every", numbers)?,
        conditional: keys.take("conditional", "true or false", Value::as_bool)?,
        share: keys.take("share", "a number from 0 to 1", |value| {
            value.as_f64().filter(|share| (0.0..=1.0).contains(share))
        })?,
    };
    keys.end()?;
    Ok(when)
}

fn read_then(number: usize, then: &Value) -> Result<Then, Error> {
    const AT: &str = "a number of bytes, negative before the end, \"head\", or {\"head\": bytes}";
    const PLACE: &str = "a number of bytes, negative before the end";
    const LINK: &str = "a text without spaces or control characters";
    let mut keys = Keys::of(number, "then.", then)?;
    if keys.left.is_empty() {
        return Err(Error::Rule { number, key: "then".to_owned(), problem: "it holds nothing to play".to_owned() });
    }
    let mut break_at = None;
    for (key, how) in [("stall_at", BreakHow::Stall), ("close_at", BreakHow::Close), ("reset_at", BreakHow::Reset)] {
        if let Some(at) = keys.take(key, AT, at)?
            && break_at.replace((how, at)).is_some()
        {
            return Err(keys.wrong(key, "one of stall_at, close_at and reset_at is enough"));
        }
    }
    let restate = keys.take("restate", "\"before\" or \"after\"", |value| match value.as_str()? {
        "before" => Some(true),
        "after" => Some(false),
        _ => None,
    })?;
    let keep_links = keys.take("keep_links", "true or false", Value::as_bool)?.unwrap_or_default();
    if keep_links && restate.is_none() {
        return Err(keys.wrong("keep_links", "it goes with restate"));
    }
    let then = Then {
        status: keys.take("status", "a status from 200 to 599", status)?,
        body: keys.take(
            "body",
            "\"error\", \"message\", \"html\", \"empty\", or an object of one of text, zeros, rows (up to 100 GB)",
            content,
        )?,
        headers: keys
            .take(
                "headers",
                "an object of names with a text, a list of texts, or null; no character above \\u00ff; {now+30s}, {x*8192}",
                headers,
            )?
            .unwrap_or_default(),
        delay: keys
            .take("delay_ms", "a number of milliseconds", Value::as_u64)?
            .map(Duration::from_millis)
            .unwrap_or_default(),
        break_at,
        trickle: keys.take("trickle", "an object of bytes (from 1 on) and every_ms", trickle)?,
        is_chunked: keys.take("chunked", "true or false", Value::as_bool)?.unwrap_or_default(),
        cut_at: keys.take("cut_at", PLACE, Value::as_i64)?,
        corrupt_at: keys.take("corrupt_at", PLACE, Value::as_i64)?,
        packing: keys.take("gzip", "true, false or \"corrupt\"", packing)?,
        restate_before: restate == Some(true),
        restate_after: restate == Some(false),
        keep_links,
        ignore_conditions: keys.take("ignore_conditions", "true or false", Value::as_bool)?.unwrap_or_default(),
        next_link: keys.take("next_link", "\"self\", \"first\", \"endless\", or a text with {base}", next_link)?,
        envelope: keys.take("envelope", "a text of JSON members", text)?,
        rows: keys.take("rows", "a list of texts", texts)?.unwrap_or_default(),
        replace: keys.take("replace", "an object of texts, each with what replaces it", replace)?.unwrap_or_default(),
        redirect: keys.take("redirect", LINK, |value| {
            // It becomes a header; what stands for the braces is visible ASCII.
            let text = text(value)?;
            HeaderValue::from_str(&text).is_ok().then_some(text)
        })?,
    };
    if then.redirect.is_some() && then.body.is_some() {
        return Err(keys.wrong("body", "a redirect has none"));
    }
    keys.end()?;
    Ok(then)
}

/// The keys of an object that have not been taken yet.
struct Keys<'a> {
    number: usize,
    prefix: &'static str,
    left: Map<String, Value>,
    known: Vec<&'a str>,
}

impl<'a> Keys<'a> {
    fn of(number: usize, prefix: &'static str, value: &Value) -> Result<Self, Error> {
        let Value::Object(left) = value else {
            let key = prefix.trim_end_matches('.').to_owned();
            return Err(Error::Rule { number, key, problem: "write an object of when and then".to_owned() });
        };
        Ok(Self { number, prefix, left: left.clone(), known: Vec::new() })
    }

    fn take<T>(
        &mut self,
        key: &'a str,
        form: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        self.known.push(key);
        match self.left.remove(key) {
            None => Ok(None),
            Some(value) => read(&value).map(Some).ok_or_else(|| self.wrong(key, &format!("write {form}"))),
        }
    }

    fn end(self) -> Result<(), Error> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.wrong(key, &format!("there is no such key; write {}", self.known.join(", ")))),
        }
    }

    fn wrong(&self, key: &str, problem: &str) -> Error {
        Error::Rule { number: self.number, key: format!("{}{key}", self.prefix), problem: problem.to_owned() }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(text).collect()
}

fn replace(value: &Value) -> Option<Vec<(String, String)>> {
    let pairs = value.as_object()?.iter();
    pairs.map(|(find, with)| Some((find.clone(), text(with)?)).filter(|_| !find.is_empty())).collect()
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().filter(|count| *count > 0)
}

fn which_page(value: &Value) -> Option<WhichPage> {
    let Some(text) = value.as_str() else { return numbers(value).map(WhichPage::Among) };
    if text == "last" {
        return Some(WhichPage::Last);
    }
    let (from, to) = text.split_once('-')?;
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    let (from, to) = (number(from)?, number(to)?);
    (from <= to).then_some(WhichPage::Among(Numbers { from, to, every: 1 }))
}

fn numbers(value: &Value) -> Option<Numbers> {
    if let Some(number) = count(value) {
        return Some(Numbers { from: number, to: number, every: 1 });
    }
    let mut numbers = Numbers { from: 1, to: u64::MAX, every: 1 };
    for (key, value) in value.as_object()? {
        let number = count(value)?;
        match key.as_str() {
            "from" => numbers.from = number,
            "to" => numbers.to = number,
            "every" => numbers.every = number,
            _ => return None,
        }
    }
    Some(numbers)
}

fn at(value: &Value) -> Option<BreakAt> {
    match value {
        Value::Object(object) if object.len() == 1 => object.get("head")?.as_u64().map(BreakAt::Head),
        value if value == "head" => Some(BreakAt::Head(0)),
        value => value.as_i64().map(|place: Place| BreakAt::Body(place)),
    }
}

fn trickle(value: &Value) -> Option<(usize, Duration)> {
    let object = value.as_object().filter(|object| object.len() == 2)?;
    let bytes = usize::try_from(count(object.get("bytes")?)?).ok()?;
    Some((bytes, Duration::from_millis(object.get("every_ms")?.as_u64()?)))
}

fn status(value: &Value) -> Option<StatusCode> {
    let number = value.as_u64().filter(|number| (200..=599).contains(number))?;
    StatusCode::from_u16(number as u16).ok()
}

fn content(value: &Value) -> Option<Content> {
    if let Some(word) = value.as_str() {
        return match word {
            "error" => Some(Content::Error),
            "message" => Some(Content::Message),
            "html" => Some(Content::Html),
            "empty" => Some(Content::Empty),
            _ => None,
        };
    }
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (key, value) = object.iter().next()?;
    match key.as_str() {
        "text" => text(value).map(Content::Text),
        "zeros" => bomb_bytes(value).map(Content::Zeros),
        "rows" => bomb_bytes(value).map(Content::Rows),
        _ => None,
    }
}

/// Up to 100 GB: beyond that the checksum takes longer than anyone waits.
fn bomb_bytes(value: &Value) -> Option<u64> {
    value.as_u64().filter(|bytes| *bytes <= 100_000_000_000)
}

fn packing(value: &Value) -> Option<Packing> {
    match value {
        Value::Bool(true) => Some(Packing::Gzip),
        Value::Bool(false) => Some(Packing::Plain),
        value if value == "corrupt" => Some(Packing::Corrupt),
        _ => None,
    }
}

fn next_link(value: &Value) -> Option<NextLink> {
    Some(match value.as_str()? {
        "self" => NextLink::Itself,
        "first" => NextLink::First,
        "endless" => NextLink::Endless,
        text => NextLink::Text(text.to_owned()),
    })
}

fn headers(value: &Value) -> Option<Vec<(HeaderName, Vec<HeaderText>)>> {
    let read = |(name, value): (&String, &Value)| {
        let values = match value {
            Value::Null => Vec::new(),
            Value::Array(values) => values.iter().map(header).collect::<Option<_>>()?,
            value => vec![header(value)?],
        };
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, values))
    };
    value.as_object()?.iter().map(read).collect()
}

/// A header's value: a date from now on, or a text of which each character is one byte.
fn header(value: &Value) -> Option<HeaderText> {
    let text = value.as_str()?;
    if let Some(distance) = text.strip_prefix("{now") {
        return seconds(distance.strip_suffix('}')?).map(HeaderText::FromNow);
    }
    let text = written_out(text)?;
    let bytes = text.chars().map(|character| u8::try_from(u32::from(character)).ok());
    HeaderValue::from_bytes(&bytes.collect::<Option<Vec<u8>>>()?).ok().map(HeaderText::Plain)
}

/// `+30s`, `-30s`, or nothing.
fn seconds(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    // Some thirty years: dates beyond are written in another form.
    let is_near = |seconds: &i64| seconds.unsigned_abs() <= 1_000_000_000;
    text.strip_suffix('s').filter(|number| number.starts_with(['+', '-']))?.parse().ok().filter(is_near)
}

/// The text with each `{x*3}` written out as `xxx`; None when that is longer than a megabyte.
fn written_out(text: &str) -> Option<String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let repeat = after.split_once('}').and_then(|(inside, after)| {
            let (what, times) = inside.split_once('*')?;
            Some((what, times.parse::<usize>().ok()?, after))
        });
        rest = if let Some((what, times, after)) = repeat {
            if what.len().saturating_mul(times) > 1_000_000 {
                return None;
            }
            out.push_str(&what.repeat(times));
            after
        } else {
            out.push('{');
            after
        };
    }
    out.push_str(rest);
    Some(out)
}
