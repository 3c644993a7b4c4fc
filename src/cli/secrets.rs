//! What may be a key, or hold one, does not reach a terminal, wherever it was put by mistake.

use clap::error::{ContextKind, ContextValue};

use crate::source::ApiKey;

/// How keys begin: they are JWTs, whose header is a JSON object in Base64.
const BEGINNING: &str = "eyJ";
/// A word that begins so is a key from this length on.
const SHORTEST_KEY: usize = 20;
/// The longest text that was refused as an enrollment number and is shown all the same.
const LONGEST_NUMBER: usize = 20;
/// Shorter keys are words of tests: without them no sentence would stay whole.
const SHORTEST_WORD: usize = 8;

/// The text without words that look like a key, and without the key of the environment.
pub(super) fn without_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGINNING) {
        let (before, word) = rest.split_at(at);
        let is_of_keys = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let (word, after) = word.split_at(word.find(|c| !is_of_keys(c)).unwrap_or(word.len()));
        out += before;
        out += if word.len() < SHORTEST_KEY { word } else { "…" };
        rest = after;
    }
    out += rest;
    let set = std::env::var(super::keys::KEY_VARIABLE).ok().filter(|key| key.trim().len() >= SHORTEST_WORD);
    match set.and_then(|key| ApiKey::from_text(&key).ok()) {
        Some(key) => key.redact(&out),
        None => out,
    }
}

/// A text about something that is no enrollment number: whatever is too long for one may be a key, and stays out.
pub(super) fn without_wrong_number(text: &str, number: &str) -> String {
    if number.chars().count() <= LONGEST_NUMBER {
        return text.to_owned();
    }
    let cut: String = number.chars().take(64).collect();
    text.replace(number, "…").replace(&cut, "…")
}

/// What is wrong with the words of a command line.
pub(super) fn shown(error: &clap::Error) -> String {
    let text = error.render().to_string();
    match (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue)) {
        (Some(ContextValue::String(arg)), Some(ContextValue::String(value))) if arg.starts_with("--enrollment") => {
            without_keys(&without_wrong_number(&text, value))
        }
        // What stands in a URL with a password is not repeated.
        (Some(ContextValue::String(_)), Some(ContextValue::String(value))) if value.contains("://") => {
            without_keys(&text.replace(value.as_str(), &without_credentials(value)))
        }
        _ => without_keys(&text),
    }
}

/// A URL without user, password and query; any other text as it is.
pub(super) fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?…"));
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let host = host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, host)| format!("…@{host}"));
    format!("{scheme}://{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_look_like_keys_stay_out() {
        let key = "eyJhbGciOiJSUzI1NiJ9.eyJFbnJvbGxtZW50TnVtYmVyIjoiMTAwIn0.c2lnbmF0dXJl";
        for (text, shown) in [
            (format!("invalid value '{key}' for"), "invalid value '…' for"),
            (format!("--api-key={key}"), "--api-key=…"),
            (format!("{key} {key}"), "… …"),
            ("eyJ and eyJhbGci".to_owned(), "eyJ and eyJhbGci"),
        ] {
            assert_eq!(without_keys(&text), shown);
        }
    }

    #[test]
    fn what_is_no_enrollment_number_is_shown_only_when_it_is_short() {
        assert_eq!(without_wrong_number("\"1 0\" is none", "1 0"), "\"1 0\" is none");
        let long = "k/".repeat(50);
        assert_eq!(without_wrong_number(&format!("'{long}': \"{}\"", &long[..64]), &long), "'…': \"…\"");
    }

    #[test]
    fn urls_are_shown_without_credentials() {
        for (url, shown) in [
            ("https://user:word@host:1/a?sig=1", "https://…@host:1/a?…"),
            ("https://host/a@b", "https://host/a@b"),
            ("./a?b@c", "./a?b@c"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
