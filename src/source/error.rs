//! What can go wrong between the service or a file and the decoder, and what to do about it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::key::refusal_of_view;
use super::request::{Purpose, Request};
use super::retry::Stop;

/// How many characters of a foreign text (a service's message, a host, a path) stand in an error.
const SHOWN_CHARS: usize = 200;

/// What a failure means to whoever runs the program; each kind has an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Options or configuration: change them, a retry changes nothing.
    Usage,
    /// The API key was refused.
    Key,
    /// Network, throttling, a service in trouble: a later run may succeed.
    Unavailable,
    /// The service or file gave something that must be looked at.
    Data,
}

/// What stood in the way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkProblem {
    /// The server's certificate is not trusted; asking again cannot help.
    Certificate,
    /// The server's certificate is for other hosts; asking again cannot help.
    CertificateName,
    /// The server's certificate is too old, or not valid yet; asking again cannot help.
    CertificateDate,
    /// A proxy wants credentials; asking again cannot help.
    ProxyLogin,
    /// The host's name was not found.
    Name,
    /// No connection: refused, unreachable, no answer in time.
    Connect,
    /// The connection was lost or stalled after it stood.
    Lost,
}

/// A failure of this room. Its text is one line for people: path, status, cause; never a query, key or control
/// character. Causes are kept as text, so that an error can be cloned into a report and cannot carry a secret along.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// An option, the key's text or an input's name cannot be used.
    #[error("{problem}")]
    Setting {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: Option<&'static str>,
    },
    /// The service answered with a status that is no success.
    #[error("{call} answered {status}{}", said(.message))]
    Refused {
        /// What was asked for; it decides what 400 and 404 mean.
        purpose: Purpose,
        /// Method and path.
        call: String,
        /// The HTTP status.
        status: u16,
        /// The service's own words.
        message: Option<String>,
        /// The longest wait that the answer's headers ask for.
        retry_after: Option<Duration>,
    },
    /// No answer, or a connection lost in the middle of one.
    #[error("{call}: {cause}")]
    Network {
        /// Method and path.
        call: String,
        /// What stood in the way.
        problem: NetworkProblem,
        /// It in words.
        cause: String,
    },
    /// An answer that cannot be used as it came (HTML, nothing, cut, corrupt), but may be whole next time.
    #[error("{call}: {problem}")]
    Broken {
        /// Method and path.
        call: String,
        /// What came.
        problem: String,
    },
    /// A whole answer that must not be followed or believed: a foreign link or redirect, a bomb, an impossible id.
    #[error("{call}: {problem}")]
    Content {
        /// Method and path.
        call: String,
        /// What came.
        problem: String,
    },
    /// A file that cannot be opened or read to its end.
    #[error("{name}: {problem}")]
    File {
        /// The file's path, or `standard input`.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// Whether its name (usage) or its content (data) is at fault.
        kind: ErrorKind,
    },
    /// A failure that was, or would have been, retried, with the reason to stop.
    #[error("{error} ({})", .stop.told(*.come_back))]
    GivenUp {
        /// The last failure.
        error: Box<SourceError>,
        /// Why there is no further attempt.
        stop: Stop,
        /// When the service would answer again, if it said so.
        come_back: Option<DateTime<Utc>>,
    },
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map_or_else(String::new, |message| format!(": {message}"))
}

impl SourceError {
    /// An answer to `request` that may be whole next time: retried, then unavailable.
    pub fn broken(request: &Request, problem: impl Into<String>) -> Self {
        SourceError::Broken { call: request.call(), problem: problem.into() }
    }

    /// A whole answer to `request` that must be looked at: not retried.
    pub fn content(request: &Request, problem: impl Into<String>) -> Self {
        SourceError::Content { call: request.call(), problem: problem.into() }
    }

    pub(super) fn setting(problem: impl Into<String>, hint: &'static str) -> Self {
        SourceError::Setting { problem: problem.into(), hint: Some(hint) }
    }

    /// What this means to whoever runs the program.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SourceError::Setting { .. } => ErrorKind::Usage,
            SourceError::Refused { purpose: Purpose::Blob, .. } => ErrorKind::Unavailable,
            SourceError::Refused { status: 401 | 403, .. } => ErrorKind::Key,
            SourceError::Refused { status: 407, .. }
            | SourceError::Network { problem: NetworkProblem::ProxyLogin, .. } => ErrorKind::Usage,
            SourceError::Refused { status: 400 | 404, purpose: Purpose::BillingPeriods, .. } => ErrorKind::Usage,
            SourceError::Refused { .. } | SourceError::Network { .. } | SourceError::Broken { .. } => {
                ErrorKind::Unavailable
            }
            SourceError::Content { .. } => ErrorKind::Data,
            SourceError::File { kind, .. } => *kind,
            SourceError::GivenUp { error, .. } => error.kind(),
        }
    }

    /// Whether the same request may succeed within this run.
    pub fn is_retryable(&self) -> bool {
        match self {
            SourceError::Refused { status, .. } => match status {
                408 | 429 => true,
                501 | 505 => false,
                // 2xx other than 200 is some server's or proxy's confusion.
                status => matches!(status, 200..=299 | 500..=599),
            },
            SourceError::Network { problem, .. } => {
                matches!(problem, NetworkProblem::Name | NetworkProblem::Connect | NetworkProblem::Lost)
            }
            SourceError::Broken { .. } => true,
            SourceError::GivenUp { error, .. } => error.is_retryable(),
            SourceError::Setting { .. } | SourceError::Content { .. } | SourceError::File { .. } => false,
        }
    }

    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            SourceError::Setting { hint, .. } => *hint,
            SourceError::Refused { status: 400 | 401 | 403 | 404, purpose: Purpose::Blob, .. } => {
                Some("a report's file is there for an hour only: run again, and a new report is made")
            }
            SourceError::Refused { status: 401, message: Some(words), .. } if refusal_of_view(words) => Some(
                "the key's view does not include this data: leave it out with --datasets, or use a key of the enrollment's \
                 administrator",
            ),
            SourceError::Refused { status: 401, .. } => Some(
                "the API key is missing, wrong or expired (keys live about 180 days), or its view does not include \
                 this data; see BILLING_LAKE_API_KEY and BILLING_LAKE_API_KEY_FILE",
            ),
            SourceError::Refused { status: 403, .. } => Some(
                "this API key may not read this enrollment; see BILLING_LAKE_API_KEY and BILLING_LAKE_API_KEY_FILE",
            ),
            SourceError::Refused { status: 407, .. }
            | SourceError::Network { problem: NetworkProblem::ProxyLogin, .. } => Some(
                "the proxy wants credentials: HTTPS_PROXY=http://user:password@host:port, or NO_PROXY for this host",
            ),
            SourceError::Refused { status: 400 | 404, purpose: Purpose::BillingPeriods, .. } => {
                Some("check the enrollment number (--enrollment) and --endpoint")
            }
            SourceError::Refused { status: 400 | 404, purpose: Purpose::Period, .. } => {
                Some("the period was listed, yet is not served (moved enrollment?); the file in place stays")
            }
            SourceError::Refused { status: 400 | 404, purpose: Purpose::Dates, .. } => {
                Some("there may be no data for these days, or the enrollment was moved; a file in place stays")
            }
            SourceError::Refused { status: 400 | 404, purpose: Purpose::Report, .. } => {
                Some("the service makes no report of it (no data, moved enrollment?); the file in place stays")
            }
            SourceError::Network { problem: NetworkProblem::Certificate, .. } => Some(
                "if the service or a proxy uses a private certificate authority, name its PEM file with --ca-bundle",
            ),
            SourceError::Network { problem: NetworkProblem::CertificateName, .. } => {
                Some("check --endpoint: another server than the one meant may have answered")
            }
            SourceError::Network { problem: NetworkProblem::CertificateDate, .. } => {
                Some("check this machine's clock; if it is right, the service or the proxy needs a new certificate")
            }
            SourceError::Network { problem: NetworkProblem::Name | NetworkProblem::Connect, .. } => {
                Some("check --endpoint, the network, and HTTPS_PROXY and NO_PROXY if a proxy is needed")
            }
            SourceError::Refused { status: 429, .. } => {
                Some("the API asks for patience: run again later, or allow longer waits with --max-wait")
            }
            SourceError::Refused { .. } | SourceError::Broken { .. } | SourceError::Network { .. } => {
                Some("run again later; what is in the lake stays")
            }
            SourceError::Content { .. } => {
                Some("look at what the API, or a proxy on the way, sends; nothing was replaced by it")
            }
            SourceError::File { .. } => None,
            SourceError::GivenUp { error, .. } => error.hint(),
        }
    }

    /// The HTTP status, if the service answered with one that is no success.
    pub fn status(&self) -> Option<u16> {
        match self {
            SourceError::Refused { status, .. } => Some(*status),
            SourceError::GivenUp { error, .. } => error.status(),
            _ => None,
        }
    }

    /// The longest wait that the answer asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            SourceError::Refused { retry_after, .. } => *retry_after,
            SourceError::GivenUp { error, .. } => error.retry_after(),
            _ => None,
        }
    }

    /// This failure with the reason for no further attempt; `now` turns a wait that was too long into a time of day.
    pub fn given_up(self, stop: Stop, now: DateTime<Utc>) -> Self {
        let come_back = match stop {
            Stop::Final => return self,
            Stop::Attempts { .. } => None,
            Stop::Wait { asked, .. } => {
                chrono::Duration::from_std(asked).ok().and_then(|wait| now.checked_add_signed(wait))
            }
        };
        SourceError::GivenUp { error: Box::new(self), stop, come_back }
    }

    /// A failure of the HTTP library before an answer stood.
    pub(super) fn of_connection(request: &Request, host: &str, error: &reqwest::Error) -> Self {
        let root = root_cause(error);
        let (problem, cause) = if let Some(problem) = certificate_problem(error) {
            (problem, format!("the certificate of {host} is not trusted: {root}"))
        } else if root.contains("proxy authorization required") {
            (NetworkProblem::ProxyLogin, format!("the proxy on the way to {host} wants credentials"))
        } else if root == "tunnel error: unsuccessful" {
            // The HTTP library says no more about a proxy that answers CONNECT with anything but 200 and 407.
            (NetworkProblem::Connect, format!("cannot connect to {host}: the proxy refuses"))
        } else if error.is_dns() {
            (NetworkProblem::Name, format!("cannot find the host {host}: {root}"))
        } else if error.is_connect() {
            (NetworkProblem::Connect, format!("cannot connect to {host}: {root}"))
        } else {
            (NetworkProblem::Lost, format!("no answer from {host}: {root}"))
        };
        SourceError::Network { call: request.call(), problem, cause }
    }

    /// A connection lost in the middle of a body.
    pub(super) fn of_body(call: &str, received: u64, error: &reqwest::Error) -> Self {
        let cause = format!("the body broke off after {received} bytes: {}", root_cause(error));
        SourceError::Network { call: call.to_owned(), problem: NetworkProblem::Lost, cause }
    }
}

/// The innermost cause in words: the outer ones only say "error sending request". It names no URL.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    shown(&root.to_string())
}

/// What the TLS library has against the certificate, if that is in the chain. An I/O error hides its content from
/// `source`.
fn certificate_problem(error: &(dyn StdError + 'static)) -> Option<NetworkProblem> {
    use rustls::CertificateError as Refusal;
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(refusal)) => {
                return Some(match refusal {
                    Refusal::NotValidForName | Refusal::NotValidForNameContext { .. } => {
                        NetworkProblem::CertificateName
                    }
                    Refusal::Expired
                    | Refusal::ExpiredContext { .. }
                    | Refusal::NotValidYet
                    | Refusal::NotValidYetContext { .. } => NetworkProblem::CertificateDate,
                    _ => NetworkProblem::Certificate,
                });
            }
            Some(rustls::Error::NoCertificatesPresented) => return Some(NetworkProblem::Certificate),
            _ => {}
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(problem) = certificate_problem(inner)
        {
            return Some(problem);
        }
        next = error.source();
    }
    None
}

/// A foreign text fit for one line of a terminal or log: runs of white space are one space, control characters and
/// marks that turn the direction of writing are escaped, and no more than 200 characters stay.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut left = SHOWN_CHARS;
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars() {
            if left == 0 {
                out.push('…');
                return out;
            }
            left -= 1;
            if misleads(c) {
                out.extend(c.escape_unicode());
            } else {
                out.push(c);
            }
        }
    }
    out
}

/// Whether a character can forge what a terminal or log shows: control characters, separators of lines, and marks that
/// turn the direction of writing.
pub(crate) fn misleads(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, purpose: Purpose) -> SourceError {
        SourceError::Refused { purpose, call: "GET /v3/x".into(), status, message: None, retry_after: None }
    }

    #[test]
    fn a_status_decides_kind_and_retry() {
        use ErrorKind::{Key, Unavailable, Usage};
        let usage = |status| refused(status, Purpose::Period);
        for (status, kind, retryable) in [
            (400, Unavailable, false),
            (401, Key, false),
            (403, Key, false),
            (404, Unavailable, false),
            (407, Usage, false),
            (408, Unavailable, true),
            (410, Unavailable, false),
            (429, Unavailable, true),
            (500, Unavailable, true),
            (501, Unavailable, false),
            (502, Unavailable, true),
            (503, Unavailable, true),
            (504, Unavailable, true),
        ] {
            assert_eq!((usage(status).kind(), usage(status).is_retryable()), (kind, retryable), "{status}");
        }
        for status in [400, 404] {
            assert_eq!(refused(status, Purpose::BillingPeriods).kind(), Usage);
        }
    }

    #[test]
    fn a_foreign_text_cannot_write_to_the_terminal() {
        assert_eq!(shown("a\r\nb\u{1b}[31m \u{202e}c"), "a b\\u{1b}[31m \\u{202e}c");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), SHOWN_CHARS + 1);
    }

    #[test]
    fn an_error_that_was_given_up_says_when_to_come_back() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let stop = Stop::Wait { asked: Duration::from_secs(7200), left: Duration::from_secs(900) };
        let error = refused(429, Purpose::Period).given_up(stop, now);
        assert_eq!(
            error.to_string(),
            "GET /v3/x answered 429 (the wait of 2 h does not fit into the 15 min left of --max-wait; \
             come back after 2023-11-15T00:13:20Z)"
        );
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(refused(401, Purpose::Period).given_up(Stop::Final, now).status(), Some(401));
    }
}
