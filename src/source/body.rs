//! An answer, and its body while it arrives.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap};
use tokio::time::{Instant, timeout};

use super::error::{NetworkProblem, SourceError};
use super::inflate::Inflate;
use super::request::{Expects, Request};

/// A body that gives less than this within an idle timeout stalls as one that gives nothing.
const LEAST_PROGRESS_BYTES: u64 = 1024;

/// A successful answer.
#[derive(Debug)]
pub enum Answer {
    /// Nothing changed since the ETag that was sent as the condition.
    NotModified,
    /// The data.
    Body(Body),
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// As gzip.
    Gzip,
}

/// The body of an answer, with the ETag it belongs to.
#[derive(Debug)]
pub struct Body {
    /// The exact bytes of the `ETag` header; none when it is absent or empty.
    pub etag: Option<Vec<u8>>,
    /// How [`Body::chunk`]'s bytes are packed; [`Body::inflate`] knows.
    pub encoding: Encoding,
    /// Boxed: it is several times as large as all the rest.
    response: Box<Response>,
    call: String,
    most_bytes: Option<u64>,
    received: u64,
    patience: Patience,
}

/// How long a body may still keep one waiting. Only time spent waiting counts, not that of whoever takes the bytes.
#[derive(Debug)]
struct Patience {
    idle_timeout: Duration,
    waited: Duration,
    since_progress: u64,
}

impl Patience {
    fn left(&self) -> Duration {
        self.idle_timeout.saturating_sub(self.waited)
    }

    fn got(&mut self, bytes: u64, waited: Duration) {
        self.waited += waited;
        self.since_progress += bytes;
        if self.since_progress >= LEAST_PROGRESS_BYTES {
            (self.waited, self.since_progress) = (Duration::ZERO, 0);
        }
    }
}

impl Body {
    /// The body of an answer; the error says what about it cannot be read.
    pub(super) fn new(response: Response, request: &Request, idle_timeout: Duration) -> Result<Self, String> {
        let headers = response.headers();
        let etag = headers.get(ETAG).map(|value| value.as_bytes().to_vec()).filter(|etag| !etag.is_empty());
        let encoding =
            encoding(headers).map_err(|other| format!("the answer is packed as {other}, which was not asked for"))?;
        Ok(Body {
            etag,
            encoding,
            response: Box::new(response),
            call: request.call(),
            most_bytes: request.most_bytes(),
            received: 0,
            patience: Patience { idle_timeout, waited: Duration::ZERO, since_progress: 0 },
        })
    }

    /// The next bytes as they came over the wire, or none at the end.
    ///
    /// # Errors
    /// When the connection breaks, the body ends before its announced length, or less than 1 KiB comes within the idle
    /// timeout (only time spent waiting here counts).
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        let begun = Instant::now();
        let chunk = timeout(self.patience.left(), self.response.chunk())
            .await
            .map_err(|_| self.stalled())?
            .map_err(|error| SourceError::of_body(&self.call, self.received, &error))?;
        let bytes = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.received += bytes;
        self.patience.got(bytes, begun.elapsed());
        Ok(chunk)
    }

    /// What unpacks this body's chunks.
    pub fn inflate(&self) -> Inflate {
        let inflate = Inflate::new(&self.call, self.encoding);
        match self.most_bytes {
            Some(most) => inflate.with_limit(most),
            None => inflate,
        }
    }

    /// Bytes received so far, as they came over the wire.
    pub fn received(&self) -> u64 {
        self.received
    }

    fn stalled(&self) -> SourceError {
        SourceError::Network {
            call: self.call.clone(),
            problem: NetworkProblem::Lost,
            cause: format!("the body stalled for {:?} after {} bytes", self.patience.idle_timeout, self.received),
        }
    }
}

/// Reads a small body to its end and unpacks it; more than `limit` bytes of text are an error.
pub async fn read_small(mut body: Body, limit: u64) -> Result<Vec<u8>, SourceError> {
    let mut inflate = body.inflate().with_limit(limit);
    let mut text = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        inflate.push(&chunk, &mut |bytes: &[u8]| {
            text.extend_from_slice(bytes);
            Ok::<_, SourceError>(())
        })?;
    }
    inflate.finish()?;
    Ok(text)
}

/// How a body with these headers is packed; the error is the encoding that is not known.
fn encoding(headers: &HeaderMap) -> Result<Encoding, String> {
    let mut encoding = Encoding::Identity;
    for value in headers.get_all(CONTENT_ENCODING) {
        let list = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        for name in list.split(',').map(str::trim) {
            match (name, encoding) {
                ("" | "identity", _) => {}
                ("gzip" | "x-gzip", Encoding::Identity) => encoding = Encoding::Gzip,
                _ => return Err(super::error::shown(&list)),
            }
        }
    }
    Ok(encoding)
}

/// The media type of an answer that cannot be what was asked for, in lower case without parameters. A type that is missing
/// or merely odd says nothing: servers label JSON and CSV in many ways.
pub(super) fn other_than(expected: Expects, headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(CONTENT_TYPE)?.as_bytes()).to_ascii_lowercase();
    let name = value.split(';').next()?.trim();
    let is_other = match name {
        "text/html" | "application/xhtml+xml" | "text/xml" | "application/xml" => true,
        "text/csv" => expected == Expects::Json,
        "application/json" => expected == Expects::Csv,
        _ => false,
    };
    is_other.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: reqwest::header::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_trickle_is_a_stall() {
        let second = Duration::from_secs(1);
        let mut patience = Patience { idle_timeout: 60 * second, waited: Duration::ZERO, since_progress: 0 };
        for _ in 0..59 {
            patience.got(1, second);
        }
        assert_eq!(patience.left(), second);
        patience.got(1024, second);
        assert_eq!(patience.left(), 60 * second);
        patience.got(1, 61 * second);
        assert_eq!(patience.left(), Duration::ZERO);
    }

    #[test]
    fn only_what_was_asked_for_is_unpacked() {
        let encoding = |values: &[&'static str]| encoding(&headers(CONTENT_ENCODING, values));
        assert_eq!(encoding(&[]), Ok(Encoding::Identity));
        assert_eq!(encoding(&["identity"]), Ok(Encoding::Identity));
        assert_eq!(encoding(&["GZIP"]), Ok(Encoding::Gzip));
        assert_eq!(encoding(&["br"]), Err("br".to_owned()));
        assert_eq!(encoding(&["gzip, gzip"]), Err("gzip, gzip".to_owned()));
    }

    #[test]
    fn a_page_for_people_is_told_from_json() {
        let other_than = |expected, value| other_than(expected, &headers(CONTENT_TYPE, &[value]));
        assert_eq!(other_than(Expects::Json, "Text/HTML; charset=utf-8").as_deref(), Some("text/html"));
        assert_eq!(other_than(Expects::Json, "application/json; charset=utf-8"), None);
        assert_eq!(other_than(Expects::Json, "application/octet-stream"), None);
        assert_eq!(other_than(Expects::Json, "text/csv").as_deref(), Some("text/csv"));
        assert_eq!(other_than(Expects::Csv, "text/csv"), None);
        assert_eq!(other_than(Expects::Csv, "application/json").as_deref(), Some("application/json"));
    }
}
