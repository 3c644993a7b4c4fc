//! The API key. Its text leaves this file only as the header of a request.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD as BASE64, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use reqwest::header::HeaderValue;

use super::error::{SourceError, shown};
use crate::contract::Enrollment;

/// Keys are JWTs of about 1 kB; whatever is longer is some other file.
const MAX_KEY_BYTES: usize = 64 << 10;

/// How long before its end a key is warned about.
const EXPIRY_WARNING_DAYS: i64 = 14;

/// So many characters of a key in a row are taken for a part of it.
const SECRET_PART: usize = 8;

/// A key of the API. It cannot be printed.
#[derive(Clone)]
pub struct ApiKey(String);

/// What a key says about itself, fit for one line of a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClaims {
    /// The enrollment that it is for.
    pub enrollment: Option<String>,
    /// The view of the data that it has, such as `Enterprise`.
    pub view: Option<String>,
    /// When it ends.
    pub expires: Option<DateTime<Utc>>,
}

/// Whether a view of that name reads usage only.
fn is_narrow(view: &str) -> bool {
    ["AccountOwner", "DepartmentAdmin"].iter().any(|narrow| narrow.eq_ignore_ascii_case(view))
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl ApiKey {
    /// The key in a text, without the white space around it.
    ///
    /// # Errors
    /// When nothing is left, or something other than visible ASCII is in it.
    pub fn from_text(text: &str) -> Result<Self, SourceError> {
        const HINT: &str = "put the key's text, without \"bearer\", into BILLING_LAKE_API_KEY or the file that \
                            BILLING_LAKE_API_KEY_FILE names";
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(SourceError::setting("the API key is empty", HINT));
        }
        if text.len() > MAX_KEY_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SourceError::setting(
                "the API key is not one word of visible ASCII characters of at most 64 KiB",
                HINT,
            ));
        }
        Ok(ApiKey(text.to_owned()))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`ApiKey::from_text`].
    pub fn from_file(path: &Path) -> Result<Self, SourceError> {
        let unreadable = |error: &dyn fmt::Display| {
            SourceError::setting(
                format!("the API key file {} cannot be read: {error}", path.display()),
                "BILLING_LAKE_API_KEY_FILE names a readable text file that holds nothing but the key",
            )
        };
        let mut text = String::new();
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        file.take(MAX_KEY_BYTES as u64 + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
        ApiKey::from_text(&text)
    }

    /// What a key that is a JWT says about itself; none for any other key. Nothing of it is verified.
    pub fn claims(&self) -> Option<KeyClaims> {
        let payload = self.0.split('.').nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let claims: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&json).ok()?;
        let text = |name: &str| claims.get(name).and_then(|value| value.as_str()).map(shown);
        let seconds = claims.get("exp").and_then(|exp| exp.as_i64().or_else(|| exp.as_str()?.parse().ok()));
        Some(KeyClaims {
            enrollment: text("EnrollmentNumber"),
            view: text("ReportView"),
            expires: seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        })
    }

    /// What the claims of a key that is a JWT warn of: another enrollment, a view that sees usage only, an end that is
    /// near or past. Claims are not verified and never more than warnings; any other key gives none.
    pub fn warnings(&self, enrollment: &Enrollment, now: DateTime<Utc>) -> Vec<String> {
        let Some(claims) = self.claims() else { return Vec::new() };
        let mut warnings = Vec::new();
        if let Some(other) = claims.enrollment.filter(|other| !other.eq_ignore_ascii_case(enrollment.as_str())) {
            warnings.push(format!("the API key says it is for enrollment {other}, not {enrollment}"));
        }
        if let Some(view) = claims.view.filter(|view| is_narrow(view)) {
            warnings.push(format!("the API key has the view {view}: it reads usage only"));
        }
        if let Some(end) = claims.expires {
            let day = end.format("%Y-%m-%d");
            if end <= now {
                warnings.push(format!("the API key expired on {day}"));
            } else if end - now < chrono::Duration::days(EXPIRY_WARNING_DAYS) {
                warnings.push(format!("the API key expires on {day}"));
            }
        }
        warnings
    }

    /// Whether a refusal may concern the data asked for and not the key: because the service or the key's claims speak of
    /// its view.
    pub fn may_read_other_data(&self, refusal: &str) -> bool {
        refusal_of_view(refusal) || self.claims().and_then(|claims| claims.view).is_some_and(|view| is_narrow(&view))
    }

    /// The value of the `Authorization` header, marked as secret for the HTTP library.
    pub(super) fn header(&self) -> Result<HeaderValue, SourceError> {
        let mut value = HeaderValue::try_from(format!("bearer {}", self.0))
            .map_err(|_| SourceError::setting("the API key does not fit into a header", "check the key's text"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Whether a text holds the key.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        memchr::memmem::find(text, self.0.as_bytes()).is_some()
    }

    /// A text without the key, should the service or a mistake have put it there: whole or in parts of at least eight
    /// characters, in any case, as it is or in Base64.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redact_with(text, &[])
    }

    /// The same without further secrets, as far as they are long enough to be any.
    pub(super) fn redact_with(&self, text: &str, more: &[String]) -> String {
        let mut hidden = vec![false; text.len()];
        for form in
            [&self.0, &BASE64.encode(&self.0)].into_iter().chain(more.iter().filter(|more| more.len() >= SECRET_PART))
        {
            hide(text.as_bytes(), form.as_bytes(), &mut hidden);
        }
        let mut out = String::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            if !hidden[at] {
                out.push(c);
            } else if at == 0 || !hidden[at - 1] {
                out.push('…');
            }
        }
        out
    }
}

/// Whether the service's words say that the key's view does not include the data.
pub(super) fn refusal_of_view(words: &str) -> bool {
    words.to_ascii_lowercase().contains("report view")
}

/// Marks the bytes of `text` that belong to a part of `secret`, without regard to case.
fn hide(text: &[u8], secret: &[u8], hidden: &mut [bool]) {
    let length = secret.len().min(SECRET_PART);
    let lower = |part: &[u8]| part.to_ascii_lowercase();
    let parts: HashSet<Vec<u8>> = secret.windows(length).map(lower).collect();
    for (at, window) in text.windows(length).enumerate() {
        if parts.contains(&lower(window)) {
            hidden[at..at + length].fill(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> ApiKey {
        ApiKey::from_text(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))).unwrap()
    }

    #[test]
    fn a_key_is_trimmed_and_never_printed() {
        let key = ApiKey::from_text("\u{feff} secret\r\n").unwrap();
        assert_eq!(key.header().unwrap().to_str().unwrap(), "bearer secret");
        assert_eq!(format!("{key:?} {:?}", key.header().unwrap()), "ApiKey(…) Sensitive");
        assert_eq!(key.redact("no access for secret!"), "no access for …!");
        let key = ApiKey::from_text("eyJhbGciOi.SeCrEt-0123456789").unwrap();
        for (said, told) in [
            ("ü eyJhbGciOi.SeCrEt-0123456789 ü", "ü … ü"),
            ("EYJHBGCIOI.SECRET-0123456789", "…"),
            ("cut: eyJhbGciOi.SeC", "cut: …"),
            ("broken: eyJhbGciOi.S\neCrEt-0123456789.", "broken: …\n…."),
            ("ZXlKaGJHY2lPaS5TZUNyRXQtMDEyMzQ1Njc4OQ==", "…=="),
            ("no secret at all", "no secret at all"),
        ] {
            assert_eq!(key.redact(said), told);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for text in ["", " \n", "bearer abc", "a\u{0}b", "a\nb", "schlüssel", &"x".repeat(MAX_KEY_BYTES + 1)] {
            let error = ApiKey::from_text(text).unwrap_err();
            assert_eq!(error.kind(), crate::source::ErrorKind::Usage);
            assert!(text.trim().is_empty() || !error.to_string().contains(text.trim()), "{error}");
        }
    }

    #[test]
    fn a_key_is_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "secret\n").unwrap();
        assert_eq!(ApiKey::from_file(&path).unwrap().0, "secret");
        assert!(ApiKey::from_file(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }

    #[test]
    fn claims_only_warn() {
        let enrollment = "100".parse().unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let warnings = |claims: &str| jwt(claims).warnings(&enrollment, now);
        assert_eq!(warnings(r#"{"EnrollmentNumber":"100","ReportView":"Enterprise","exp":1790000000}"#), [""; 0]);
        assert_eq!(
            warnings(r#"{"EnrollmentNumber":"200","ReportView":"AccountOwner","exp":"1700000001"}"#),
            [
                "the API key says it is for enrollment 200, not 100",
                "the API key has the view AccountOwner: it reads usage only",
                "the API key expires on 2023-11-14",
            ]
        );
        assert_eq!(warnings(r#"{"exp":1600000000}"#), ["the API key expired on 2020-09-13"]);
        assert_eq!(ApiKey::from_text("a.b.c").unwrap().warnings(&enrollment, now), [""; 0]);
    }
}
