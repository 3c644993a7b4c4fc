//! What an answer that is no success says: how long to wait, and the service's words.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::Value;

use super::error::shown;
use super::key::ApiKey;
use super::object::member;

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
/// without the key, or one of these secrets, should it have been echoed.
pub(super) fn service_message(body: &[u8], key: &ApiKey, secrets: &[String]) -> Option<String> {
    let structured = match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => match member(&fields, "error") {
            Some(Value::Object(error)) => member(error, "message").cloned(),
            Some(text @ Value::String(_)) => Some(text.clone()),
            _ => member(&fields, "message").cloned(),
        },
        _ => None,
    };
    let text = match structured {
        Some(Value::String(message)) => message,
        _ => without_tags(&String::from_utf8_lossy(body)),
    };
    Some(shown(&key.redact_with(text.trim_start_matches('\u{feff}'), secrets))).filter(|text| !text.is_empty())
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
    use proptest::prelude::*;

    use super::*;

    /// What these header values ask for at that time.
    fn waits(values: &[&[u8]], now: DateTime<Utc>) -> Option<Duration> {
        let headers = values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok());
        retry_after(&headers.map(|value| (RETRY_AFTER, value)).fold(HeaderMap::new(), appended), now)
    }

    fn appended<N: reqwest::header::IntoHeaderName>(mut headers: HeaderMap, pair: (N, HeaderValue)) -> HeaderMap {
        headers.append(pair.0, pair.1);
        headers
    }

    /// Seconds since 1970, as far as two digits tell a year.
    fn instant() -> impl Strategy<Value = DateTime<Utc>> {
        (0..3_092_600_000i64).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
    }

    proptest! {
        #[test]
        fn seconds_are_the_wait(seconds: u64, zeros in 0..40usize, spaces in 0..4usize) {
            let text = format!("{0}{1}{seconds}{0}", " ".repeat(spaces), "0".repeat(zeros));
            prop_assert_eq!(waits(&[text.as_bytes()], DateTime::UNIX_EPOCH), Some(Duration::from_secs(seconds)));
        }

        #[test]
        fn a_date_is_the_wait_until_then_in_all_three_forms(then in instant(), now in instant()) {
            let wait = (then - now).to_std().unwrap_or_default();
            for form in ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"] {
                let text = then.format(form).to_string();
                prop_assert_eq!(waits(&[text.as_bytes()], now), Some(wait), "{}", text);
            }
        }

        #[test]
        fn a_date_is_counted_from_the_answers_own(then in instant(), served in instant(), now in instant()) {
            let form = |time: DateTime<Utc>| time.format("%a, %d %b %Y %H:%M:%S GMT").to_string().parse().unwrap();
            let headers = [(RETRY_AFTER, form(then)), (DATE, form(served))].into_iter().fold(HeaderMap::new(), appended);
            prop_assert_eq!(retry_after(&headers, now), Some((then - served).to_std().unwrap_or_default()));
        }

        #[test]
        fn any_other_text_asks_for_nothing(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let wait = waits(&[&text], DateTime::UNIX_EPOCH);
            prop_assert_eq!(wait.is_some(), !text.trim_ascii().is_empty() && text.trim_ascii().iter().all(u8::is_ascii_digit));
        }

        #[test]
        fn nothing_beside_it_shortens_a_wait(seconds: u32, others in proptest::collection::vec("[ -~]{0,40}", 0..6)) {
            let text = seconds.to_string();
            let values: Vec<_> = others.iter().map(String::as_bytes).chain([text.as_bytes()]).collect();
            prop_assert!(waits(&values, DateTime::UNIX_EPOCH) >= Some(Duration::from_secs(seconds.into())));
        }
    }

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
        let told = |body: &str| service_message(body.as_bytes(), &key, &["sig/nature".to_owned(), "1".to_owned()]);
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
