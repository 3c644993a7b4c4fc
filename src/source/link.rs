//! Which links of the service are followed. The key travels with every request, so a link that leaves the trusted
//! origins, or the enrollment's part of them, is refused before anything is sent.

use std::borrow::Cow;

use reqwest::Url;

use super::error::shown;
use super::origin::Origins;
use crate::contract::{BillingPeriod, Enrollment};

/// The longest link that is followed, in bytes.
const MAX_LINK_BYTES: usize = 16 << 10;

/// How often the escapes in a path may be escaped themselves.
const MAX_ESCAPE_ROUNDS: usize = 4;

/// The URL of a `nextLink`, or why it is not followed.
///
/// It must be absolute, of a trusted origin (without case, default ports filled in), inside
/// `{prefix}/v{n}/enrollments/{enrollment}/`, for the same billing period if its path names one, and made of characters
/// that travel byte for byte; only an apostrophe in the query is sent in its escaped form, which the URL standard demands.
pub(super) fn admit_next(
    link: &str,
    origins: &Origins,
    enrollment: &Enrollment,
    period: Option<BillingPeriod>,
) -> Result<Url, String> {
    let refused = |why: &str| Err(format!("the nextLink {why}: {}", without_query(link)));
    if link.len() > MAX_LINK_BYTES {
        return refused("is longer than 16 KiB");
    }
    if !link.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        return refused("holds a space, a control character or another one that no URL has");
    }
    let Some((authority, rest)) = split_absolute(link) else {
        return refused("is not an absolute URL");
    };
    if authority.contains('@') {
        return refused("holds a user name");
    }
    if rest.contains('#') {
        return refused("holds a fragment");
    }
    let Ok(url) = Url::parse(link) else {
        return refused("is not an absolute URL");
    };
    let Some(prefix) = origins.prefix_of(&url) else {
        return refused("leaves the endpoint");
    };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    match target_of(path, prefix) {
        Some(target) if !target.enrollment.eq_ignore_ascii_case(enrollment.as_str()) => {
            return refused("leaves the enrollment");
        }
        Some(target) if target.is_of_another(period) => return refused("leads to another billing period"),
        Some(_) => {}
        None => return refused("leaves the enrollment"),
    }
    let sent_as_is = url.path() == path && url.query() == query.map(|query| query.replace('\'', "%27")).as_deref();
    if !sent_as_is {
        return refused("cannot be followed as it is");
    }
    Ok(url)
}

/// Where a redirect leads, or why it is not followed: only to a trusted origin, wherever in it, but never to another
/// enrollment or billing period.
pub(super) fn admit_redirect(
    location: &[u8],
    from: &Url,
    origins: &Origins,
    enrollment: &Enrollment,
    period: Option<BillingPeriod>,
) -> Result<Url, String> {
    admit("the redirect", location, from, origins, enrollment, period)
}

/// Where a report is asked for, or why it is not: as with redirects.
pub(super) fn admit_report(
    address: &[u8],
    from: &Url,
    origins: &Origins,
    enrollment: &Enrollment,
) -> Result<Url, String> {
    admit("the reportUrl", address, from, origins, enrollment, None)
}

fn admit(
    what: &str,
    location: &[u8],
    from: &Url,
    origins: &Origins,
    enrollment: &Enrollment,
    period: Option<BillingPeriod>,
) -> Result<Url, String> {
    let text = String::from_utf8_lossy(location);
    let refused = |why: &str| Err(format!("{what} {why}: {}", without_query(&text)));
    if location.len() > MAX_LINK_BYTES {
        return refused("is longer than 16 KiB");
    }
    if matches!(text, Cow::Owned(_)) {
        return refused("is no text");
    }
    let Ok(url) = from.join(&text) else {
        return refused("is not a URL");
    };
    let Some(prefix) = origins.prefix_of(&url) else {
        return refused("leaves the endpoint");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("holds a user name");
    }
    match target_of(url.path(), prefix) {
        Some(target) if !target.enrollment.eq_ignore_ascii_case(enrollment.as_str()) => {
            refused("leaves the enrollment")
        }
        Some(target) if target.is_of_another(period) => refused("leads to another billing period"),
        _ => Ok(url),
    }
}

/// The host and port, and what follows them, of a text that is written as `scheme://host…`.
fn split_absolute(link: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = link.split_once("://")?;
    let named = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    (named && end > 0).then(|| rest.split_at(end))
}

/// What a path of the API is about.
struct Target {
    enrollment: String,
    /// The billing period as the path says it, if it names one.
    period: Option<String>,
}

impl Target {
    /// Whether the path names a billing period that is not the one asked for.
    fn is_of_another(&self, period: Option<BillingPeriod>) -> bool {
        let named = self.period.as_deref();
        period.is_some_and(|period| named.is_some_and(|named| named != period.id()))
    }
}

/// Reads `{prefix}/v{n}/enrollments/{enrollment}/…`; none when the path is another one, or could be taken for another.
fn target_of(path: &str, prefix: &str) -> Option<Target> {
    let segments: Vec<_> = path.strip_prefix(prefix)?.split('/').map(plain_segment).collect::<Option<_>>()?;
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    let [before, version, collection, number, rest @ ..] = segments.as_slice() else { return None };
    let version = version.strip_prefix(['v', 'V'])?;
    let is_report = before.is_empty()
        && !version.is_empty()
        && version.bytes().all(|b| b.is_ascii_digit())
        && collection.eq_ignore_ascii_case("enrollments")
        && rest.iter().any(|segment| !segment.is_empty());
    // Some servers take several slashes for one.
    let mut rest = rest.iter().filter(|segment| !segment.is_empty());
    let is_of_period = rest.next().is_some_and(|word| word.eq_ignore_ascii_case("billingperiods"));
    let period = rest.next().filter(|_| is_of_period).map(|period| (*period).to_owned());
    is_report.then(|| Target { enrollment: (*number).to_owned(), period })
}

/// A segment of a path with all its escapes undone; none when it could be more, or something else, than one segment.
///
/// A server may undo escapes before it splits the path, even several times; take a backslash for a slash; follow dots; or
/// drop dots, spaces and what stands behind a semicolon.
fn plain_segment(segment: &str) -> Option<String> {
    let mut plain = segment.as_bytes().to_vec();
    for _ in 0..MAX_ESCAPE_ROUNDS {
        plain = percent_decoded(&plain);
    }
    if percent_decoded(&plain) != plain {
        return None;
    }
    let text = String::from_utf8(plain).ok()?;
    let is_odd = text.contains(|c: char| c.is_control() || matches!(c, '/' | '\\' | ';')) || text.ends_with(['.', ' ']);
    (!is_odd).then_some(text)
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// A link fit to be shown: tokens live in the query, and user names before the host.
fn without_query(link: &str) -> String {
    let end = link.find(['?', '#']).unwrap_or(link.len());
    let link = &link[..end];
    match split_absolute(link) {
        Some((authority, rest)) if authority.contains('@') => {
            let host = authority.rsplit('@').next().unwrap_or_default();
            shown(&format!("…@{host}{rest}"))
        }
        _ => shown(link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(link: &str) -> Result<String, String> {
        let origins = Origins::new("https://consumption.azure.com", &["mirror.example:8443".into()], false).unwrap();
        admit_next(link, &origins, &"100".parse().unwrap(), "2024-11".parse().ok()).map(String::from)
    }

    #[test]
    fn a_link_of_the_same_origin_is_followed_byte_for_byte() {
        let path = "/v3/enrollments/100/billingPeriods/202411/usagedetails?$skiptoken=a%2Fb+c==&x={1|2}~%zz";
        let expected = Ok(format!("https://consumption.azure.com{path}"));
        for origin in
            ["https://consumption.azure.com", "https://consumption.azure.com:443", "HTTPS://Consumption.Azure.COM"]
        {
            assert_eq!(next(&format!("{origin}{path}")), expected);
        }
        assert!(next("https://consumption.azure.com/V2/Enrollments/100/x").is_ok());
        assert!(next("https://consumption.azure.com/v3/enrollments/100/BillingPeriods/202411/x").is_ok());
        assert!(next("https://Mirror.example:8443/v3/enrollments/100/x").is_ok());
        assert_eq!(
            next("https://consumption.azure.com/v3/enrollments/100/x?t='a'").unwrap(),
            "https://consumption.azure.com/v3/enrollments/100/x?t=%27a%27"
        );
    }

    #[test]
    fn a_link_that_leaves_is_refused() {
        for (link, why) in [
            ("http://consumption.azure.com/v3/enrollments/100/x", "leaves the endpoint"),
            ("https://consumption.azure.com:8443/v3/enrollments/100/x", "leaves the endpoint"),
            ("https://evil.example/v3/enrollments/100/x", "leaves the endpoint"),
            ("https://mirror.example/v3/enrollments/100/x", "leaves the endpoint"),
            ("http://mirror.example:8443/v3/enrollments/100/x", "leaves the endpoint"),
            ("https://mirror.example:8443/v3/enrollments/200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/billingPeriods/202410/x", "another billing period"),
            ("https://consumption.azure.com/v3/enrollments/100/billingperiods/20241%30/x", "another billing period"),
            ("https://consumption.azure.com.evil.example/v3/enrollments/100/x", "leaves the endpoint"),
            ("https://consumption.azure.com@evil.example/v3/enrollments/100/x", "holds a user name"),
            ("https://@consumption.azure.com/v3/enrollments/100/x", "holds a user name"),
            ("https://consumption.azure.com/v3/enrollments/200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/1001/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/../200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/%2e%2E/200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/..%2f200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/%252e%252E/200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/..%25255c200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/..;a=b/200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/..%20/200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100/...%2500/200/x", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100%2fx/y", "leaves the enrollment"),
            ("https://consumption.azure.com/v3/enrollments/100//billingPeriods/202410/x", "another billing period"),
            ("https://consumption.azure.com/x/v3/enrollments/100/x", "leaves the enrollment"),
            ("https://consumption.azure.com", "leaves the enrollment"),
            ("/v3/enrollments/100/x?t=1", "is not an absolute URL"),
            ("//consumption.azure.com/v3/enrollments/100/x", "is not an absolute URL"),
            ("https:/consumption.azure.com/v3/enrollments/100/x", "is not an absolute URL"),
            ("https:////consumption.azure.com/v3/enrollments/100/x", "is not an absolute URL"),
            ("x", "is not an absolute URL"),
            ("", "is not an absolute URL"),
            ("https://consumption.azure.com/v3/enrollments/100/x#f", "holds a fragment"),
            ("https://consumption.azure.com/v3/enrollments/100/x?a b", "holds a space"),
            (" https://consumption.azure.com/v3/enrollments/100/x", "holds a space"),
            ("https://consumption.azure.com/v3/enrollments/100/x?a\r\nb", "holds a space"),
            ("https:\\\\consumption.azure.com/v3/enrollments/100/x", "holds a space"),
            ("https://consumption.azure.com/v3/enrollments/100/é", "holds a space"),
            ("https://consumption.azure.com/v3/enrollments/100/x?a=\"", "cannot be followed as it is"),
        ] {
            let told = next(link).unwrap_err();
            assert!(told.contains(why), "{link}: {told}");
        }
        assert!(next(&format!("https://consumption.azure.com/v3/enrollments/100/x?{}", "a".repeat(20_000))).is_err());
    }

    #[test]
    fn a_refusal_shows_no_query_and_no_user() {
        let told = next("https://me:pass@evil.example/p?token=secret").unwrap_err();
        assert!(!told.contains("secret") && !told.contains("pass"), "{told}");
        assert!(told.contains("evil.example/p"), "{told}");
    }

    #[test]
    fn the_prefix_of_a_gateway_stays_in_the_path() {
        let origins = Origins::new("https://gateway.example/azure", &[], false).unwrap();
        let enrollment = "a1:b2".parse().unwrap();
        let admit = |link| admit_next(link, &origins, &enrollment, None).is_ok();
        assert!(admit("https://gateway.example/azure/v3/enrollments/a1%3Ab2/x"));
        assert!(admit("https://gateway.example/azure/v3/enrollments/A1:b2/x"));
        assert!(!admit("https://gateway.example/v3/enrollments/a1:b2/x"));
        assert!(!admit("https://gateway.example/azurev3/enrollments/a1:b2/x"));
    }

    #[test]
    fn a_redirect_stays_within_the_origin() {
        let origins = Origins::new("https://consumption.azure.com", &["mirror.example".into()], false).unwrap();
        let from = Url::parse("https://consumption.azure.com/v3/enrollments/100/x").unwrap();
        let (enrollment, period) = ("100".parse().unwrap(), "2024-11".parse().ok());
        let admit = |location: &[u8]| admit_redirect(location, &from, &origins, &enrollment, period).map(String::from);
        for (location, url) in [
            ("https://mirror.example/y", "https://mirror.example/y"),
            ("/v4/y", "https://consumption.azure.com/v4/y"),
            ("y?t=1", "https://consumption.azure.com/v3/enrollments/100/y?t=1"),
            ("https://CONSUMPTION.azure.com:443/y", "https://consumption.azure.com/y"),
            (
                "/V4/enrollments/100/billingperiods/202411/x",
                "https://consumption.azure.com/V4/enrollments/100/billingperiods/202411/x",
            ),
        ] {
            assert_eq!(admit(location.as_bytes()).as_deref(), Ok(url));
        }
        for (location, why) in [
            ("http://consumption.azure.com/y", "leaves the endpoint"),
            ("//evil.example/y", "leaves the endpoint"),
            ("\\\\evil.example\\y", "leaves the endpoint"),
            ("https://consumption.azure.com:8443/y", "leaves the endpoint"),
            ("data:,x", "leaves the endpoint"),
            ("https://u@consumption.azure.com/y", "holds a user name"),
            ("https://:p@consumption.azure.com/y", "holds a user name"),
            ("/v3/enrollments/200/x", "leaves the enrollment"),
            ("../200/x", "leaves the enrollment"),
            ("/v3/%65nrollments/200/x", "leaves the enrollment"),
            ("https://mirror.example/v3/enrollments/200/x", "leaves the enrollment"),
            ("/v3/enrollments/100/billingPeriods/202410/x", "leads to another billing period"),
            ("https://[", "is not a URL"),
        ] {
            let told = admit(location.as_bytes()).unwrap_err();
            assert!(told.contains(why), "{location}: {told}");
        }
        assert!(admit(b"/caf\xe9").unwrap_err().contains("is no text"));
        assert!(admit(&[b'a'; 20_000]).unwrap_err().contains("16 KiB"));
    }
}
