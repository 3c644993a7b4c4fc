//! API keys: whose they are, what they may read, and keys that look like the service's own.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use serde_json::json;

use super::answers::{Answer, error, set};
use super::chance::{draw, draw_text, uuid};
use super::options::Options;
use super::routes::Resource;

/// The view of keys that may read everything.
const WIDEST_VIEW: &str = "Enterprise";

/// How long keys are good, in seconds: 180 days.
const KEY_SECONDS: i64 = 180 * 86_400;

/// Who may read what.
pub struct Keys {
    /// Keys by enrollment.
    keys: HashMap<String, String>,
    views: HashMap<String, String>,
    expired: Vec<String>,
}

impl Keys {
    /// The keys that the options name.
    pub fn new(options: &Options) -> Self {
        let views: HashMap<String, String> = options.views.iter().cloned().collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let key = |enrollment: &String| {
            let own = options.keys.iter().find(|(owner, _)| owner == enrollment);
            let made = || {
                let view = views.get(enrollment).map_or(WIDEST_VIEW, String::as_str);
                let expires = if options.expired.contains(enrollment) { now - 86_400 } else { now + KEY_SECONDS };
                jwt_key(enrollment, view, expires - KEY_SECONDS, expires)
            };
            own.map_or_else(|| if options.jwt_keys { made() } else { options.key.clone() }, |(_, key)| key.clone())
        };
        let keys = options.enrollments.iter().map(|enrollment| (enrollment.clone(), key(enrollment))).collect();
        Self { keys, views, expired: options.expired.clone() }
    }

    /// The key of an enrollment.
    pub fn of(&self, enrollment: &str) -> Option<&str> {
        self.keys.get(enrollment).map(String::as_str)
    }

    /// The answer to a request that may not be made.
    pub fn refusal(&self, headers: &HeaderMap, enrollment: &str, resource: Resource) -> Option<Answer> {
        let given = bearer(headers).filter(|given| self.keys.values().any(|key| key == given));
        let Some(given) = given.filter(|_| !self.expired.iter().any(|expired| expired == enrollment)) else {
            return Some(unauthorized("Access denied. The API key is missing, invalid or expired."));
        };
        if self.of(enrollment).is_some_and(|key| key != given) {
            return Some(unauthorized(&format!(
                "Access denied at Enrollment level with EnrollmentNumber {enrollment}. \
                 User does not have above subscriptions access"
            )));
        }
        let Resource::Data(dataset) = resource else { return None };
        let view = self.views.get(enrollment).filter(|view| *view != WIDEST_VIEW)?;
        let dataset = dataset.serve();
        (!dataset.is_for_every_view()).then(|| {
            unauthorized(&format!(
                "Report type and report view are not compatible. Report Type: {}, Report View: {view}",
                dataset.names().report
            ))
        })
    }
}

/// The key that a request carries.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, given) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
}

fn unauthorized(message: &str) -> Answer {
    let mut answer = error(StatusCode::UNAUTHORIZED, message);
    set(&mut answer, WWW_AUTHENTICATE, "Bearer");
    answer
}

/// A key as the service makes them: a JSON web token with the documented claims, good from `not_before` to `expires`, in
/// seconds since 1970. Its signature is made up.
///
/// ```
/// let key = billing_lake::simulator::jwt_key("100", "AccountOwner", 1_700_000_000, 1_715_552_000);
/// assert!(key.starts_with("eyJ") && key.split('.').count() == 3);
/// ```
pub fn jwt_key(enrollment: &str, view: &str, not_before: i64, expires: i64) -> String {
    let chance = draw_text(draw(0x006B_6579, expires as u64), enrollment);
    let number = |view_of: &str, number: u64| if view == view_of { number.to_string() } else { String::new() };
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let claims = json!({
        "EnrollmentNumber": enrollment,
        "Id": uuid(chance),
        "ReportView": view,
        "PartnerId": "",
        "DepartmentId": number("DepartmentAdmin", 107_000),
        "AccountId": number("AccountOwner", 200_000),
        "iss": "ea.microsoftazure.com",
        "aud": "client.ea.microsoftazure.com",
        "nbf": not_before,
        "exp": expires,
    });
    let signature: Vec<u8> = (0..32).flat_map(|part| draw(chance, part).to_be_bytes()).collect();
    let parts = [header.to_string().into_bytes(), claims.to_string().into_bytes(), signature];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}
