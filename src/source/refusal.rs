//! What an answer that is no success says: how long to wait, and the service's words.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::error::shown;
use super::key::ApiKey;

/// The longest wait that the headers ask for: `Retry-After` and every header whose name ends so, in seconds or as a date.
/// Dates are compared with the answer's own `Date` where it has one, since clocks differ.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let now = headers.get(DATE).and_then(|value| http_date(value.to_str().ok()?)).unwrap_or(now);
    let wait = |value: &HeaderValue| {
        let text = value.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            // Too many digits for a number are a wait without end.
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        Some((http_date(text)? - now).to_std().unwrap_or_default())
    };
    headers
        .iter()
        .filter(|(name, _)| name.as_str().ends_with(RETRY_AFTER.as_str()))
        .filter_map(|(_, value)| wait(value))
        .max()
}

/// A date in one of the three forms of RFC 9110, section 5.6.7.
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|time| time.and_utc())
}

/// The words in an error's body: `{"error":{"code","message"}}`, `{"Message"}`, or any other text, cut and escaped, and
/// without the key should it have been echoed.
pub(super) fn service_message(body: &[u8], key: &ApiKey) -> Option<String> {
    use serde_json::{Map, Value};
    fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
        fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    let structured = match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => match field(&fields, "error") {
            Some(Value::Object(error)) => field(error, "message").cloned(),
            Some(text @ Value::String(_)) => Some(text.clone()),
            _ => field(&fields, "message").cloned(),
        },
        _ => None,
    };
    let text = match structured {
        Some(Value::String(message)) => message,
        _ => without_tags(&String::from_utf8_lossy(body)),
    };
    Some(shown(&key.redact(&text))).filter(|text| !text.is_empty())
}

/// The words of a page for people: what stands between its tags. Any other text as it is.
fn without_tags(text: &str) -> String {
    if !text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('<') {
        return text.to_owned();
    }
    let mut words = String::new();
    for (at, part) in text.split('<').enumerate() {
        let after = if at == 0 { part } else { part.split_once('>').map_or("", |(_, after)| after) };
        words.push(' ');
        words.push_str(after);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_every_form() {
        let now = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let wait = |text: &str| {
            let headers = [(RETRY_AFTER, text.parse().unwrap())].into_iter().collect();
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(wait("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(wait("Sun Nov  6 08:50:37 1994"), Some(60));
        assert_eq!(wait("Sat, 05 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(wait("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
        let served = [(DATE, "Sun, 06 Nov 1994 08:50:00 GMT"), (RETRY_AFTER, "Sun, 06 Nov 1994 08:50:10 GMT")];
        let headers = served.into_iter().map(|(name, text)| (name, HeaderValue::from_static(text))).collect();
        assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_page_for_people_is_told_by_its_words() {
        let key = ApiKey::from_text("secret-of-100").unwrap();
        let told = |body: &str| service_message(body.as_bytes(), &key);
        assert_eq!(
            told("<!DOCTYPE html><html><head><title>Sorry</title></head>\n<body>We are <b>busy</b></body></html>"),
            Some("Sorry We are busy".to_owned())
        );
        assert_eq!(told("<html><body"), None);
        assert_eq!(told("1 < 2"), Some("1 < 2".to_owned()));
        assert_eq!(told(r#"{"error":{"code":"401","message":"not secret-of-100"}}"#), Some("not …".to_owned()));
        assert_eq!(told(r#"{"Message":"a\nb"}"#), Some("a b".to_owned()));
    }
}
