//! Reports that the service makes in its own time: what it answers when one is submitted and asked about.

use reqwest::Url;
use serde_json::Value;

use super::client::Client;
use super::error::{SourceError, shown};
use super::key::ApiKey;
use super::link;
use super::object::member;
use super::origin::is_loopback;
use super::request::{Expects, Purpose, Request};

/// The longest address of a report's file, in bytes.
const MAX_BLOB_BYTES: usize = 16 << 10;

/// How far a report is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportStatus {
    /// It is not made yet: the status as the service numbers and names it, and where to ask again.
    Pending {
        /// In words, such as `1 (queued)`.
        status: String,
        /// The address to ask; none when the answer names none.
        ask: Option<String>,
    },
    /// It is made: its file is at this address, which works for an hour from the submission, for whoever has it.
    Ready {
        /// The address, with its signature. Not to be shown.
        blob: String,
    },
    /// It will never be made: the status in words.
    Failed {
        /// In words, such as `4 (failed)`.
        status: String,
    },
}

impl ReportStatus {
    /// Reads the answer to a submission, or to a question about one.
    ///
    /// # Errors
    /// [`SourceError::Broken`] when the text ends inside the JSON or has no status that is known.
    pub fn parse(request: &Request, key: &ApiKey, text: &[u8]) -> Result<ReportStatus, SourceError> {
        let broken = |problem: &str| SourceError::broken(request, key.redact(problem));
        let value = serde_json::from_slice(text)
            .map_err(|error| broken(&format!("the report's status is no JSON: {error}")))?;
        let Value::Object(fields) = value else { return Err(broken("the report's status is no JSON object")) };
        let number = match member(&fields, "status") {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.trim().parse().ok().or_else(|| by_name(text)),
            _ => None,
        };
        let number = number.ok_or_else(|| broken("the answer has no status of a report"))?;
        let text = |name| match member(&fields, name) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => None,
        };
        let name = NAMES.get(number as usize).copied().filter(|_| number > 0);
        let name = name.ok_or_else(|| broken(&format!("the report has the status {number}, which is not known")))?;
        let status = format!("{number} ({})", spaced(name));
        Ok(match (number, text("blobPath")) {
            (COMPLETED | READY, Some(blob)) => ReportStatus::Ready { blob },
            (FAILED | NO_DATA | TIMED_OUT, _) => ReportStatus::Failed { status },
            _ => ReportStatus::Pending { status, ask: text("reportUrl") },
        })
    }
}

/// Statuses by their number.
const NAMES: [&str; 8] =
    ["", "Queued", "InProgress", "Completed", "Failed", "NoDataFound", "ReadyToDownload", "TimedOut"];
const COMPLETED: u64 = 3;
const FAILED: u64 = 4;
const NO_DATA: u64 = 5;
const READY: u64 = 6;
const TIMED_OUT: u64 = 7;

fn by_name(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = NAMES.iter().skip(1).position(|name| name.eq_ignore_ascii_case(text))?;
    Some(number as u64 + 1)
}

/// `ReadyToDownload` as `ready to download`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

impl Client {
    /// The question how far a report is, at the address that the answer to `submission` names.
    ///
    /// # Errors
    /// [`SourceError::Content`] when the address leaves the trusted origins or the enrollment, or holds the key.
    pub fn status_request(&self, submission: &Request, address: &str, key: &ApiKey) -> Result<Request, SourceError> {
        if key.is_in(address.as_bytes()) {
            return Err(SourceError::content(submission, "the reportUrl holds the API key"));
        }
        let url = link::admit_report(address.as_bytes(), &submission.url, self.origins(), &submission.enrollment)
            .map_err(|problem| SourceError::content(submission, key.redact(&problem)))?;
        Ok(submission.with(Purpose::Report, url, Expects::Json))
    }

    /// The file of a report. The key does not go there.
    ///
    /// # Errors
    /// [`SourceError::Content`] when the address is no URL, goes without TLS though the endpoint does not, or holds the
    /// key.
    pub fn blob_request(&self, submission: &Request, blob: &str, key: &ApiKey) -> Result<Request, SourceError> {
        let refused = |why: &str| Err(SourceError::content(submission, format!("the blobPath {why}")));
        if key.is_in(blob.as_bytes()) {
            return refused("holds the API key");
        }
        let Some(url) = Url::parse(blob).ok().filter(|_| blob.len() <= MAX_BLOB_BYTES) else {
            return refused("is no URL");
        };
        let endpoint = self.origins().endpoint();
        let is_plain =
            url.scheme() == "http" && endpoint.scheme() == "http" && (is_loopback(&url) || !is_loopback(endpoint));
        if url.scheme() != "https" && !is_plain {
            return refused(&format!("is no https URL: {}", shown(url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return refused("holds a user name or a fragment");
        }
        Ok(submission.with(Purpose::Blob, url, Expects::Csv))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{ApiVersion, Dataset, Slice, Window};
    use crate::source::{ClientOptions, ErrorKind};

    fn client(endpoint: &str) -> Client {
        Client::new(ClientOptions::local(endpoint)).unwrap()
    }

    fn key() -> ApiKey {
        ApiKey::from_text("key-of-100").unwrap()
    }

    fn submission(client: &Client) -> Request {
        let window = Window::Period("2024-11".parse().unwrap());
        let slice = Slice { dataset: Dataset::UsageDetails, enrollment: "100".parse().unwrap(), window };
        client.submit_request(&slice, ApiVersion::V3)
    }

    fn parse(text: &str) -> Result<ReportStatus, SourceError> {
        ReportStatus::parse(&submission(&client("https://c.example")), &key(), text.as_bytes())
    }

    #[test]
    fn statuses_are_read_by_number_and_by_name() {
        let pending = |status: &str, ask: Option<&str>| ReportStatus::Pending {
            status: status.to_owned(),
            ask: ask.map(str::to_owned),
        };
        assert_eq!(
            parse(r#"{"status":1,"blobPath":"","reportUrl":"https://x"}"#).unwrap(),
            pending("1 (queued)", Some("https://x"))
        );
        assert_eq!(parse(r#"{"Status":"2"}"#).unwrap(), pending("2 (in progress)", None));
        assert_eq!(parse(r#"{"status":6,"blobPath":null}"#).unwrap(), pending("6 (ready to download)", None));
        assert_eq!(parse(r#"{"status":3,"blobPath":""}"#).unwrap(), pending("3 (completed)", None));
        for ready in
            [r#"{"status":3,"blobPath":"https://b"}"#, r#"{"status":"ReadyToDownload","blobPath":"https://b"}"#]
        {
            assert_eq!(parse(ready).unwrap(), ReportStatus::Ready { blob: "https://b".to_owned() });
        }
        for (number, words) in [(4, "4 (failed)"), (5, "5 (no data found)"), (7, "7 (timed out)")] {
            let failed = ReportStatus::Failed { status: words.to_owned() };
            assert_eq!(parse(&format!(r#"{{"status":{number},"blobPath":"https://b"}}"#)).unwrap(), failed);
        }
        for text in ["", "{", "[]", "{}", r#"{"status":0}"#, r#"{"status":8}"#, r#"{"status":"soon"}"#] {
            assert!(matches!(parse(text), Err(SourceError::Broken { .. })), "{text}");
        }
    }

    #[test]
    fn a_report_is_asked_for_within_the_enrollment_only() {
        let client = client("https://c.example");
        let ask = |address: &str| client.status_request(&submission(&client), address, &key());
        for address in
            ["https://c.example:443/v3/enrollments/100/usagedetails/status?id=1", "https://c.example/reports/7"]
        {
            assert!(ask(address).unwrap().url().contains("c.example"), "{address}");
        }
        for address in [
            "https://d.example/v3/enrollments/100/usagedetails",
            "http://c.example/v3/enrollments/100/usagedetails",
            "https://c.example/v3/enrollments/200/usagedetails",
            "https://c.example/v3/enrollments/100/usagedetails?k=key-of-100",
        ] {
            assert_eq!(ask(address).unwrap_err().kind(), ErrorKind::Data, "{address}");
        }
    }

    #[test]
    fn a_file_is_fetched_over_tls_and_without_the_key() {
        let tls = client("https://c.example");
        let ask = |client: &Client, address: &str| client.blob_request(&submission(client), address, &key());
        let request = ask(&tls, "https://b.example/r/1.csv?sig=s%2F").unwrap();
        assert_eq!((request.url(), request.takes_key()), ("https://b.example/r/1.csv?sig=s%2F", false));
        assert_eq!(request.call(), "GET /r/1.csv");
        for address in [
            "http://b.example/1.csv",
            "ftp://b.example/1",
            "1.csv",
            "https://u@b.example/1",
            "https://b.example/key-of-100",
        ] {
            assert!(ask(&tls, address).is_err(), "{address}");
        }
        let plain = client("http://127.0.0.1:9");
        assert!(ask(&plain, "http://127.0.0.1:10/1.csv?sig=s").is_ok());
        assert!(ask(&plain, "http://b.example/1.csv?sig=s").is_err());
    }
}
