//! Headers, links, bodies and lists as a hostile server could send them; see [`crate::fuzzing`].

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::{DateTime, Utc};
use reqwest::Url;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue};

use super::body::Encoding;
use super::client::{Client, ClientOptions};
use super::error::{ErrorKind, SourceError};
use super::inflate::Inflate;
use super::key::ApiKey;
use super::link::{admit_next, admit_redirect};
use super::origin::Origins;
use super::periods::parse_billing_periods;
use super::refusal::{retry_after, service_message};
use super::request::Request;
use crate::contract::{ApiVersion, BillingPeriod, Enrollment};

/// Longer inputs say nothing new.
const MAX_INPUT: usize = 60 << 10;
/// A short key, and one as long as real ones.
const KEYS: [&str; 2] =
    ["key-of-100", "eyJhbGciOiJSUzI1NiJ9.eyJFbnJvbGxtZW50TnVtYmVyIjoiMTAwIn0.c2lnbmF0dXJlLW9mLTEwMA"];

fn keys() -> impl Iterator<Item = (ApiKey, &'static str)> {
    KEYS.into_iter().map(|text| (ApiKey::from_text(text).expect("a key"), text))
}

/// A text that stands in messages: one line, without what writes to a terminal or turns it, and of bounded length.
fn is_fit_to_be_shown(text: &str) {
    let turns = ['\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}'];
    let turns = |c: char| turns.contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
    assert!(!text.chars().any(|c| c.is_control() || turns(c)), "{text:?}");
    assert!(text.len() <= 4_000, "a message of {} bytes", text.len());
}

/// No eight characters of the key stand in a text, in any case, as they are or in Base64.
fn keeps_the_key(text: &str, key: &str) {
    let text = text.to_ascii_lowercase();
    for form in [key.to_owned(), STANDARD_NO_PAD.encode(key)] {
        let form = form.to_ascii_lowercase();
        let shown = form.as_bytes().windows(8).find(|part| memchr::memmem::find(text.as_bytes(), part).is_some());
        assert_eq!(shown, None, "a part of the key in {text:?}");
    }
}

/// An answer's head, up to an empty line, and the body of one that is no success.
///
/// - The wait that headers ask for is the longest of their numbers of seconds and of their dates, and never negative.
/// - The service's words come out fit to be shown, and without the key.
pub fn headers(data: &[u8]) {
    if data.len() > MAX_INPUT {
        return;
    }
    let end = memchr::memmem::find(data, b"\n\n").unwrap_or(data.len());
    let (head, body) = (&data[..end], data.get(end + 2..).unwrap_or_default());
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    waits_the_longest(&headers);
    for (key, secret) in keys() {
        if let Some(words) = service_message(body, &key, &[]) {
            assert!(!words.is_empty());
            is_fit_to_be_shown(&words);
            keeps_the_key(&words, secret);
        }
    }
}

fn waits_the_longest(headers: &HeaderMap) {
    let now = DateTime::from_timestamp(784_111_777, 0).expect("a day of 1994");
    let told = retry_after(headers, now);
    let now = headers.get(DATE).and_then(|value| date(value.to_str().ok()?)).unwrap_or(now);
    let waits = || headers.iter().filter(|(name, _)| name.as_str().ends_with("retry-after"));
    let mut longest = None;
    for (_, value) in waits() {
        let Some(text) = value.to_str().ok().map(str::trim) else { continue };
        let seconds = match date(text) {
            Some(date) => Some(u128::try_from((date - now).num_seconds()).unwrap_or(0)),
            None if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                Some(text.trim_start_matches('0').parse().unwrap_or(if text.len() > 20 { u128::MAX } else { 0 }))
            }
            None => None,
        };
        longest = longest.max(seconds);
    }
    // The two other forms of a date are those without such a reading here.
    let has_other_date = waits().chain(headers.iter().filter(|(name, _)| *name == DATE)).any(|(_, value)| {
        let text = value.to_str().unwrap_or_default().trim();
        date(text).is_none() && text.contains(':')
    });
    let longest = longest.map(|seconds| u64::try_from(seconds).unwrap_or(u64::MAX));
    if !has_other_date {
        assert_eq!(told.map(|wait| wait.as_secs()), longest, "the wait of {headers:?}");
    }
}

/// A date of the form that RFC 9110 prefers, as chrono reads it where mails have the same form.
fn date(text: &str) -> Option<DateTime<Utc>> {
    let shape: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                '0'
            } else if c.is_ascii_alphabetic() {
                'a'
            } else {
                c
            }
        })
        .collect();
    let is_preferred = shape == "aaa, 00 aaa 0000 00:00:00 aaa" && text.ends_with("GMT");
    is_preferred.then(|| DateTime::parse_from_rfc2822(text).ok()).flatten().map(|date| date.to_utc())
}

/// What a link or redirect is judged by.
struct Place {
    origins: Origins,
    /// Scheme, host and port where the key may go, and what comes before the API's paths there.
    allowed: Vec<(&'static str, &'static str, u16, &'static str)>,
    enrollment: Enrollment,
    period: BillingPeriod,
}

static PLACES: LazyLock<[Place; 3]> = LazyLock::new(|| {
    let place = |endpoint: &str, trusted: &[&str], allowed: &[_], enrollment: &str| Place {
        origins: Origins::new(endpoint, &trusted.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>(), false)
            .expect("an endpoint"),
        allowed: allowed.to_vec(),
        enrollment: enrollment.parse().expect("an enrollment number"),
        period: "2024-11".parse().expect("a billing period"),
    };
    [
        place(
            "https://consumption.azure.com",
            &["mirror.example:8443"],
            &[("https", "consumption.azure.com", 443, ""), ("https", "mirror.example", 8443, "")],
            "100",
        ),
        place("https://gateway.example/azure/", &[], &[("https", "gateway.example", 443, "azure")], "a1:b2"),
        place("http://127.0.0.1:8080", &[], &[("http", "127.0.0.1", 8080, "")], "100"),
    ]
});

/// A place (`0`, `1` or `2`) and a link as a service could send it, taken as a `nextLink` and as a redirect.
///
/// - A link that is followed leads to an origin where the key may go, and is sent byte for byte as it came.
/// - It stays inside the enrollment, and in the billing period, whatever a server does with its path: undo escapes, any
///   number of times, before or after splitting it; take a backslash for a slash; follow dots; drop parameters of segments
///   and dots and spaces at their ends.
/// - A redirect that is followed leads to an origin where the key may go, without a user name.
/// - A refusal is fit to be shown, and does not show the query.
pub fn links(data: &[u8]) {
    let Some((place, link)) = data.split_first().filter(|_| data.len() <= MAX_INPUT) else { return };
    let place = &PLACES[usize::from(place.wrapping_sub(b'0')) % PLACES.len()];
    if let Ok(link) = std::str::from_utf8(link) {
        match admit_next(link, &place.origins, &place.enrollment, Some(place.period)) {
            Ok(url) => {
                let prefix = place.prefix_at(&url);
                is_sent_as_it_came(link, &url);
                place.stays_inside(url.path(), prefix);
            }
            Err(refusal) => is_discreet(&refusal, link),
        }
    }
    let from = place.origins.url("/v3/enrollments/100/x");
    match admit_redirect(link, &from, &place.origins, &place.enrollment, Some(place.period)) {
        Ok(url) => {
            place.prefix_at(&url);
            assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(&url), "the URL is the same when it is read again");
        }
        Err(refusal) => is_discreet(&refusal, &String::from_utf8_lossy(link)),
    }
}

fn is_discreet(refusal: &str, link: &str) {
    is_fit_to_be_shown(refusal);
    let Some((before, query)) = link.split_once('?') else { return };
    // Words of the refusal hold no such query by chance.
    if query.len() >= 8 && query.bytes().filter(u8::is_ascii_digit).count() >= 3 && !before.contains(query) {
        assert!(!refusal.contains(query), "{refusal} shows the query of {link}");
    }
}

fn is_sent_as_it_came(link: &str, url: &Url) {
    assert_eq!(Url::parse(link).as_ref(), Ok(url));
    assert!(url.fragment().is_none());
    let (_, rest) = link.split_once("://").expect("an absolute link");
    let came = &rest[rest.find('/').expect("a path")..];
    let (path, query) = came.split_once('?').map_or((came, None), |(path, query)| (path, Some(query)));
    assert_eq!((url.path(), url.query()), (path, query.map(|query| query.replace('\'', "%27")).as_deref()));
}

impl Place {
    /// The URL is one where the key may go; gives what comes before the API's paths there.
    fn prefix_at(&self, url: &Url) -> &'static str {
        assert!(url.username().is_empty() && url.password().is_none(), "{url} holds a user name");
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let found = self.allowed.iter().find(|allowed| (allowed.0, allowed.1, allowed.2) == (url.scheme(), host, port));
        found.unwrap_or_else(|| panic!("the key would go to {url}")).3
    }

    /// However a server reads the path, it is one of the enrollment, and of no other billing period.
    fn stays_inside(&self, path: &str, prefix: &str) {
        let mut whole = path.as_bytes().to_vec();
        for _ in 0..10 {
            let by_slash: Vec<&[u8]> = whole.split(|byte| *byte == b'/').collect();
            let by_any: Vec<&[u8]> = whole.split(|byte| matches!(byte, b'/' | b'\\')).collect();
            for segments in [by_slash, by_any] {
                for exact in [true, false] {
                    let read: Vec<Vec<u8>> = segments.iter().map(|segment| server_reads(segment, exact)).collect();
                    self.is_inside(&followed(&read), prefix, path);
                }
            }
            whole = unescaped(&whole);
        }
    }

    fn is_inside(&self, segments: &[&[u8]], prefix: &str, path: &str) {
        let segments: Vec<String> =
            segments.iter().map(|segment| String::from_utf8_lossy(segment).to_ascii_lowercase()).collect();
        let after_prefix = if prefix.is_empty() { &segments[..] } else { segments.get(1..).unwrap_or_default() };
        assert!(prefix.is_empty() || segments[0] == prefix, "{path} leaves the gateway");
        let [version, collection, number, rest @ ..] = after_prefix else { panic!("{path} is too short") };
        let is_version = version.len() > 1 && version.starts_with('v') && version[1..].parse::<u128>().is_ok();
        assert!(is_version || version.len() > 30, "{path}: {version}");
        assert_eq!(collection, "enrollments", "{path}");
        assert_eq!(number, &self.enrollment.as_str().to_ascii_lowercase(), "{path}");
        if let [word, period, ..] = rest
            && word == "billingperiods"
        {
            assert_eq!(period, &self.period.id(), "{path}");
        }
    }
}

/// A segment with all its escapes undone; unless it is read exactly, without parameters and what some file systems drop.
fn server_reads(segment: &[u8], exact: bool) -> Vec<u8> {
    let mut segment = segment.to_vec();
    for _ in 0..10 {
        segment = unescaped(&segment);
    }
    if exact {
        return segment;
    }
    let end = segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len());
    let plain = segment[..end].trim_ascii_end();
    let name = plain.iter().rposition(|byte| !matches!(byte, b'.' | b' ' | 0..0x20)).map_or(0, |last| last + 1);
    match name {
        0 if plain.len() > 1 => b"..".to_vec(),
        0 => plain.to_vec(),
        _ => segment[..name].to_vec(),
    }
}

/// The segments once dots are followed and empty ones dropped.
fn followed(segments: &[Vec<u8>]) -> Vec<&[u8]> {
    let mut path: Vec<&[u8]> = Vec::new();
    for segment in segments {
        match &segment[..] {
            b"" | b"." => {}
            b".." => {
                path.pop();
            }
            segment => path.push(segment),
        }
    }
    path
}

fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let is_escape = first == b'%' && digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.filter(|_| is_escape).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

static REQUEST: LazyLock<Request> = LazyLock::new(|| {
    let options = ClientOptions { endpoint: "http://127.0.0.1:1".to_owned(), ..ClientOptions::default() };
    let client = Client::new(options).expect("a client that never asks");
    client.billing_periods_request(&"100".parse().expect("an enrollment number"), ApiVersion::V2)
});

/// The answer to a billing periods request.
///
/// - It is the list that serde_json's values give: newest first, each month once, with what any of its entries has.
/// - Whatever cannot be read is refused as a whole: as retryable when it is cut, as data when it is something else; the
///   message is fit to be shown, and without the key.
pub fn periods(data: &[u8]) {
    if data.len() > MAX_INPUT {
        return;
    }
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let value = serde_json::from_slice::<serde_json::Value>(text);
    for (key, secret) in keys() {
        match parse_billing_periods(&REQUEST, &key, data) {
            Ok(entries) => {
                let expected = listed(value.as_ref().expect("JSON"));
                let found: Vec<_> = entries
                    .iter()
                    .map(|entry| {
                        let has = [entry.has_usage, entry.has_balance, entry.has_marketplace, entry.has_price_sheet];
                        (entry.period, has)
                    })
                    .collect();
                assert_eq!(Some(found), expected.map(|expected| expected.into_iter().rev().collect()));
            }
            Err(error) => {
                assert!(!value.as_ref().is_ok_and(|value| listed(value).is_some()), "a list was refused: {error}");
                let is_cut = value.as_ref().is_err_and(serde_json::Error::is_eof);
                assert_eq!(error.is_retryable(), is_cut, "{error}");
                assert_eq!(error.kind(), if is_cut { ErrorKind::Unavailable } else { ErrorKind::Data });
                is_fit_to_be_shown(&error.to_string());
                keeps_the_key(&error.to_string(), secret);
            }
        }
    }
}

/// The months of a list and what they have; none when there is something else in it.
fn listed(value: &serde_json::Value) -> Option<BTreeMap<BillingPeriod, [bool; 4]>> {
    let mut months = BTreeMap::new();
    for entry in value.as_array()? {
        let fields = entry.as_object()?;
        let field = |name: &str| {
            let same = || fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            fields.get(name).or_else(same)
        };
        let id = match field("billingPeriodId")? {
            serde_json::Value::String(id) => id.trim().replace('-', ""),
            serde_json::Value::Number(id) => id.as_u64()?.to_string(),
            _ => return None,
        };
        let number: u32 = id.parse().ok().filter(|_| id.len() == 6)?;
        let month = BillingPeriod::new((number / 100) as i32, number % 100)?;
        let has = months.entry(month).or_insert([false; 4]);
        for (has, name) in has.iter_mut().zip(["usageDetails", "balanceSummary", "marketplaceCharges", "priceSheet"]) {
            *has |= field(name).and_then(|link| link.as_str()).is_some_and(|link| !link.trim().is_empty());
        }
    }
    Some(months)
}

/// A body: how it is packed (`g`zip as it is, `p`acked here, `i`dentity), bytes of a chunk and of the bound (`0` for none
/// that matters), then its bytes.
///
/// - The outcome is the same whatever the chunks.
/// - What comes out is what flate2's own reader finds, or what was packed.
/// - No more than the bound comes out, in blocks of no more than 128 KiB.
pub fn inflate(data: &[u8]) {
    let Some(([packing, chunk, bound], body)) = data.split_first_chunk::<3>() else { return };
    if data.len() > MAX_INPUT {
        return;
    }
    let size = |byte: &u8, unit: usize, most: usize| match usize::from(byte.wrapping_sub(b'0')) {
        0 => most,
        count => count * unit,
    };
    let (chunk, bound) = (size(chunk, 1, MAX_INPUT), size(bound, 64, 4 << 20));
    let packed = match packing {
        b'p' => body.split(|byte| *byte == 0x1e).flat_map(gzip).collect(),
        _ => body.to_vec(),
    };
    let encoding = if *packing == b'i' { Encoding::Identity } else { Encoding::Gzip };
    let whole = unpack(encoding, &packed, MAX_INPUT, bound);
    let parts = unpack(encoding, &packed, chunk, bound);
    assert_eq!(whole.as_ref().ok(), parts.as_ref().ok(), "in chunks of {chunk}");
    let text: Option<Vec<u8>> = match packing {
        b'p' => Some(body.split(|byte| *byte == 0x1e).collect::<Vec<_>>().concat()),
        b'i' => Some(body.to_vec()),
        _ => gunzip(&packed, bound),
    };
    let is_json_like = |text: &[u8]| {
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
        first.is_some_and(|first| *first != b'<')
    };
    match (&whole, text) {
        (Ok(found), Some(text)) => assert_eq!(found, &text),
        (Ok(found), None) => assert!(*packing == b'g' && found.len() <= bound),
        (Err(error), Some(text)) => {
            assert!(!is_json_like(&text) || text.len() > bound, "{error}");
        }
        (Err(_), None) => {}
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = flate2::bufread::GzEncoder::new(text, flate2::Compression::fast());
    encoder.read_to_end(&mut packed).expect("memory");
    packed
}

/// What flate2's reader makes of some members with zeros behind them; none when it fails or makes more than the bound.
fn gunzip(mut packed: &[u8], bound: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let mut member = flate2::bufread::GzDecoder::new(packed);
        (&mut member).take(bound as u64 + 1).read_to_end(&mut text).ok()?;
        if text.len() > bound {
            return None;
        }
        packed = member.into_inner();
        let padding = packed.iter().take_while(|byte| **byte == 0).count();
        packed = &packed[padding..];
        if packed.is_empty() {
            return Some(text);
        }
    }
}

fn unpack(encoding: Encoding, body: &[u8], chunk: usize, bound: usize) -> Result<Vec<u8>, SourceError> {
    let mut inflate = Inflate::new("/x", encoding).with_limit(bound as u64);
    let mut text = Vec::new();
    for bytes in body.chunks(chunk) {
        inflate.push(bytes, &mut |block: &[u8]| {
            assert!(block.len() <= 128 << 10, "a block of {} bytes", block.len());
            text.extend_from_slice(block);
            assert!(text.len() <= bound, "{} bytes, {bound} are allowed", text.len());
            Ok::<_, SourceError>(())
        })?;
    }
    inflate.finish().map(|()| text)
}
