//! The HTTP client: one attempt at one request.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderValue, IF_NONE_MATCH, LOCATION};
use reqwest::{Method, Response, Url};
use tokio::time::timeout;

use super::body::{Answer, Body, other_than};
use super::error::{NetworkProblem, SourceError};
use super::key::ApiKey;
use super::link;
use super::origin::Origins;
use super::refusal::{retry_after, service_message};
use super::request::{Expects, Purpose, Request, Way};
use super::way::{Ways, way_to};
use crate::contract::{ApiVersion, Enrollment, Slice};

/// Where the service lives.
pub const DEFAULT_ENDPOINT: &str = "https://consumption.azure.com";

/// How many redirects within the origin are followed.
const MAX_REDIRECTS: usize = 3;

/// How long a CSV may be made before its answer begins: the service takes up to an hour.
const CSV_HEAD_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// How much of an error's body is read in search of the service's words.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

/// What shapes a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The service's URL; a path in it comes before every request's path. Default [`DEFAULT_ENDPOINT`].
    pub endpoint: String,
    /// Whether the key may travel without TLS to a host that is not this machine. Default no.
    pub allow_http: bool,
    /// Further hosts, `HOST` or `HOST:PORT`, that links and redirects may lead to over https, with the key. Default none.
    pub trust_hosts: Vec<String>,
    /// A PEM file of certificate authorities to trust besides the platform's. Default none.
    pub ca_bundle: Option<PathBuf>,
    /// How long a connection may take to stand. Default 10 s.
    pub connect_timeout: Duration,
    /// How long an answer's head, or 1 KiB of its body, may take. Default 60 s.
    pub idle_timeout: Duration,
    /// The `User-Agent` header. Default the package's name and version.
    pub user_agent: String,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            allow_http: false,
            trust_hosts: Vec::new(),
            ca_bundle: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            user_agent: concat!("billing-lake/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A client of one endpoint. Clones share their connections; one is enough for a run.
///
/// It follows no link or redirect out of the endpoint's origin and the hosts that are trusted, never sends the key
/// elsewhere, and speaks without TLS only to this machine unless told otherwise. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are obeyed, except that this machine is
/// never asked through a proxy.
#[derive(Clone, Debug)]
pub struct Client {
    ways: Ways,
    origins: Origins,
    idle_timeout: Duration,
}

impl Client {
    /// A client for these options. Certificates are read here; nothing is sent.
    ///
    /// # Errors
    /// [`SourceError::Setting`] when the endpoint is no URL that may carry a key, or certificates cannot be read.
    pub fn new(options: ClientOptions) -> Result<Client, SourceError> {
        let origins = Origins::new(&options.endpoint, &options.trust_hosts, options.allow_http)?;
        let ways = Ways::new(&options, &origins)?;
        Ok(Client { ways, origins, idle_timeout: options.idle_timeout })
    }

    /// The endpoint as it is used; it holds no secret.
    pub fn endpoint(&self) -> &str {
        self.origins.endpoint().as_str().trim_end_matches('/')
    }

    pub(super) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The list of an enrollment's billing periods.
    pub fn billing_periods_request(&self, enrollment: &Enrollment, version: ApiVersion) -> Request {
        Request::billing_periods(&self.origins, enrollment, version)
    }

    /// The first page of a slice, or its CSV. Only usage details come as CSV, and not in version 1.
    pub fn request(&self, slice: &Slice, version: ApiVersion, way: Way) -> Request {
        Request::of_slice(&self.origins, slice, version, way)
    }

    /// The submission of a report of a slice of usage details, which becomes a CSV in the service's own time.
    pub fn submit_request(&self, slice: &Slice, version: ApiVersion) -> Request {
        Request::submission(&self.origins, slice, version)
    }

    /// The page that a `nextLink` in an answer to `first`, or to one of its pages, names.
    ///
    /// # Errors
    /// [`SourceError::Content`] when the link is not absolute, leaves the trusted origins, the enrollment or the billing
    /// period, could not be followed byte for byte, or holds the key.
    pub fn next_request(&self, first: &Request, link: &str, key: &ApiKey) -> Result<Request, SourceError> {
        // Paths stand in errors and logs, on both sides.
        if key.is_in(link.as_bytes()) {
            return Err(SourceError::content(first, "the nextLink holds the API key"));
        }
        let url = link::admit_next(link, &self.origins, &first.enrollment, first.period)
            .map_err(|problem| SourceError::content(first, problem))?;
        Ok(first.with(first.purpose, url, first.expects))
    }

    /// Asks once. `condition` is the ETag of what is there already, byte for byte; one that fits into no header is not
    /// sent, which only means that data comes.
    ///
    /// # Errors
    /// Everything but 200 (202 too from reports) and, if a condition was sent, 304. Redirects within the origin are
    /// followed at most 3 times, of a report's file never; a 200 that is labelled as another kind of text than was
    /// asked for is [`SourceError::Broken`].
    pub async fn ask(&self, request: &Request, key: &ApiKey, condition: Option<&[u8]>) -> Result<Answer, SourceError> {
        let condition = condition.and_then(|etag| HeaderValue::from_bytes(etag).ok());
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(request, url.clone(), key, condition.as_ref()).await?;
            let status = response.status().as_u16();
            tracing::debug!(path = request.path(), status, "answered");
            match status {
                200 => return self.accept(response, request, key).await,
                202 if request.purpose == Purpose::Report => return self.accept(response, request, key).await,
                301 | 302 | 303 | 307 | 308 if request.purpose == Purpose::Blob => {
                    return Err(SourceError::content(request, "the report's file redirects, which is not followed"));
                }
                304 if condition.is_some() => return Ok(Answer::NotModified),
                304 => return Err(SourceError::broken(request, "answered 304 though no condition was sent")),
                301 | 302 | 303 | 307 | 308 => {
                    let Some(location) = response.headers().get(LOCATION) else {
                        return Err(SourceError::content(request, "answered a redirect that leads nowhere"));
                    };
                    if key.is_in(location.as_bytes()) {
                        return Err(SourceError::content(request, "the redirect holds the API key"));
                    }
                    url = link::admit_redirect(
                        location.as_bytes(),
                        &url,
                        &self.origins,
                        &request.enrollment,
                        request.period,
                    )
                    .map_err(|problem| SourceError::content(request, key.redact(&problem)))?;
                }
                300..400 => {
                    return Err(SourceError::content(request, format!("answered {status}, which is not followed")));
                }
                _ => return Err(self.refusal(response, request, key).await),
            }
        }
        Err(SourceError::content(request, format!("redirects more than {MAX_REDIRECTS} times")))
    }

    async fn send(
        &self,
        request: &Request,
        url: Url,
        key: &ApiKey,
        condition: Option<&HeaderValue>,
    ) -> Result<Response, SourceError> {
        let accept = match request.expects {
            Expects::Json => "application/json",
            Expects::Csv => "text/csv, application/octet-stream, */*;q=0.5",
        };
        let mut builder = self.ways.to(&url).request(request.method.clone(), url.clone());
        builder = builder.header(ACCEPT, accept).header(ACCEPT_ENCODING, "gzip");
        if request.takes_key() {
            builder = builder.header(AUTHORIZATION, key.header()?);
        }
        if request.method == Method::POST {
            builder = builder.header(CONTENT_LENGTH, 0);
        }
        if let Some(etag) = condition {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        let patience = self.patience(request);
        match timeout(patience, builder.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(SourceError::of_connection(request, &way_to(&url), &error)),
            Err(_) => Err(SourceError::Network {
                call: request.call(),
                problem: NetworkProblem::Lost,
                cause: format!("no answer from {} within {patience:?}", way_to(&url)),
            }),
        }
    }

    /// How long an answer's head may take: a CSV is made before it begins.
    fn patience(&self, request: &Request) -> Duration {
        let is_made_first = request.expects == Expects::Csv && request.takes_key();
        if is_made_first { self.idle_timeout.max(CSV_HEAD_TIMEOUT) } else { self.idle_timeout }
    }

    async fn accept(&self, response: Response, request: &Request, key: &ApiKey) -> Result<Answer, SourceError> {
        let Some(media_type) = other_than(request.expects, response.headers()) else {
            let body = Body::new(response, request, self.idle_timeout);
            return body.map(Answer::Body).map_err(|problem| SourceError::broken(request, key.redact(&problem)));
        };
        let words = self.words(response, request, key).await.map_or_else(String::new, |words| format!(": {words}"));
        Err(SourceError::broken(request, format!("answered {media_type} instead of {}{words}", request.expects.name())))
    }

    async fn refusal(&self, response: Response, request: &Request, key: &ApiKey) -> SourceError {
        SourceError::Refused {
            purpose: request.purpose,
            call: request.call(),
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), Utc::now()),
            message: self.words(response, request, key).await,
        }
    }

    /// The service's words in the body of an answer that is no data: as much of it as comes.
    async fn words(&self, response: Response, request: &Request, key: &ApiKey) -> Option<String> {
        let mut body = Body::new(response, request, self.idle_timeout).ok()?;
        let mut inflate = body.inflate().of_any_kind();
        let mut text = Vec::new();
        let full = || SourceError::broken(request, "more words than anyone reads");
        while let Ok(Some(chunk)) = body.chunk().await {
            let pushed = inflate.push(&chunk, &mut |bytes: &[u8]| {
                let room = MAX_ERROR_BODY_BYTES - text.len();
                text.extend_from_slice(&bytes[..bytes.len().min(room)]);
                if bytes.len() < room { Ok(()) } else { Err(full()) }
            });
            if pushed.is_err() {
                break;
            }
        }
        service_message(&text, key, &request.secrets())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::contract::{Dataset, Window};
    use crate::source::test_server::{Play, TestServer, answer};
    use crate::source::{ErrorKind, read_small};

    impl ClientOptions {
        /// For a server on this machine that stalls shortly.
        pub(in crate::source) fn local(endpoint: impl Into<String>) -> Self {
            ClientOptions { endpoint: endpoint.into(), idle_timeout: Duration::from_millis(200), ..Self::default() }
        }
    }

    fn november(enrollment: &str) -> Slice {
        let window = Window::Period("2024-11".parse().unwrap());
        Slice { dataset: Dataset::UsageDetails, enrollment: enrollment.parse().unwrap(), window }
    }

    fn key() -> ApiKey {
        ApiKey::from_text("key-of-100").unwrap()
    }

    fn usage(client: &Client) -> Request {
        client.request(&november("100"), ApiVersion::V3, Way::Json)
    }

    /// Asks a server that plays this for usage; gives also what it was asked.
    async fn ask(plays: Vec<Play>, condition: Option<&[u8]>) -> (Result<Answer, SourceError>, Vec<String>) {
        let server = TestServer::start(plays).await;
        let client = Client::new(ClientOptions::local(format!("http://{}", server.address))).unwrap();
        let answer = client.ask(&usage(&client), &key(), condition).await;
        (answer, server.asked())
    }

    async fn text(answer: Result<Answer, SourceError>) -> Result<Vec<u8>, SourceError> {
        match answer? {
            Answer::Body(body) => read_small(body, 1 << 20).await,
            Answer::NotModified => panic!("no body"),
        }
    }

    fn broken(error: &SourceError, told: &str) {
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
    }

    fn looked_at(error: &SourceError, told: &str) {
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Data, false), "{error}");
    }

    #[tokio::test]
    async fn a_page_comes_with_its_etag() {
        let (answer, asked) = ask(vec![answer("200 OK", "ETag: W/\"é\"\r\n", b"{\"data\":[]}")], None).await;
        let Ok(Answer::Body(body)) = answer else { panic!("{answer:?}") };
        assert_eq!(body.etag.as_deref(), Some("W/\"é\"".as_bytes()));
        assert_eq!(body.encoding, super::super::Encoding::Identity);
        assert_eq!(read_small(body, 100).await.unwrap(), b"{\"data\":[]}");
        let head = asked[0].to_ascii_lowercase();
        assert!(head.starts_with("get /v3/enrollments/100/billingperiods/202411/usagedetails http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nauthorization: bearer key-of-100\r\n"), "{head}");
        assert!(head.contains("\r\naccept-encoding: gzip\r\n"), "{head}");
        assert!(head.contains("\r\nuser-agent: billing-lake/"), "{head}");
        assert!(!head.contains("if-none-match"), "{head}");
    }

    #[tokio::test]
    async fn a_condition_travels_byte_for_byte() {
        let long = [b"W/\"odd \xff\" bytes,".repeat(400), b"'*".to_vec()].concat();
        for etag in [&b"\"quoted\""[..], b"bare-token", &long] {
            let play = Play::Bytes(b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec());
            let (answer, asked) = ask(vec![play], Some(etag)).await;
            assert!(matches!(answer, Ok(Answer::NotModified)), "{answer:?}");
            let sent: String = etag.iter().map(|b| char::from(*b)).collect();
            assert!(asked[0].contains(&format!("if-none-match: {sent}\r\n")), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn every_form_of_etag_comes_back_as_it_was() {
        let long = [b"W/\"".to_vec(), b"\x80\xff, *;='\t".repeat(820), b"\"".to_vec()].concat();
        for (sent, kept) in [
            (&[&b"\"strong\""[..]][..], Some(&b"\"strong\""[..])),
            (&[b"W/\"weak, with \xfc\""], Some(b"W/\"weak, with \xfc\"")),
            (&[b"w/bare token"], Some(b"w/bare token")),
            (&[b"\"never closed"], Some(b"\"never closed")),
            (&[b"\"\""], Some(b"\"\"")),
            (&[b"*"], Some(b"*")),
            (&[b"  \"spaces around are no part of it\"  "], Some(b"\"spaces around are no part of it\"")),
            (&[&long], Some(&long)),
            // Of several the first counts: sent back, it proves no less than any other.
            (&[b"\"first\"", b"\"second\""], Some(b"\"first\"")),
            (&[b""], None),
            (&[], None),
        ] {
            let head: Vec<u8> = sent.iter().flat_map(|etag| [b"ETag: ", *etag, b"\r\n"].concat()).collect();
            let head =
                [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", &head[..], b"Content-Length: 2\r\n\r\n[]"].concat();
            let (answer, _) = ask(vec![Play::Bytes(head)], None).await;
            let Ok(Answer::Body(body)) = answer else { panic!("{answer:?}") };
            assert_eq!(body.etag.as_deref(), kept);
            let (_, asked) = ask(vec![self::answer("200 OK", "", b"[]")], body.etag.as_deref()).await;
            let returned = asked[0].lines().find_map(|line| line.strip_prefix("if-none-match: "));
            assert_eq!(returned.map(|text| text.chars().map(|c| c as u8).collect()), kept.map(<[u8]>::to_vec));
        }
    }

    #[tokio::test]
    async fn not_modified_without_a_condition_is_asked_again() {
        let play = || Play::Bytes(b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec());
        broken(&ask(vec![play()], None).await.0.unwrap_err(), "304");
        let (answer, asked) = ask(vec![play()], Some(b"no\nheader")).await;
        broken(&answer.unwrap_err(), "304");
        assert!(!asked[0].contains("if-none-match"));
    }

    #[tokio::test]
    async fn gzip_is_unpacked() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"[1,2,3]").unwrap();
        let body = encoder.finish().unwrap();
        let whole = answer("200 OK", "Content-Encoding: gzip\r\n", &body);
        assert_eq!(text(ask(vec![whole], None).await.0).await.unwrap(), b"[1,2,3]");
        let cut = answer("200 OK", "Content-Encoding: gzip\r\n", &body[..body.len() - 3]);
        broken(&text(ask(vec![cut], None).await.0).await.unwrap_err(), "ends early");
        let other = answer("200 OK", "Content-Encoding: br\r\n", b"x");
        broken(&ask(vec![other], None).await.0.unwrap_err(), "packed as br");
    }

    #[tokio::test]
    async fn a_body_that_ends_early_or_stalls_is_broken() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1,";
        let cut = Play::Bytes(head.to_vec());
        broken(&text(ask(vec![cut], None).await.0).await.unwrap_err(), "broke off after 3 bytes");
        let stalled = Play::Stall(head.to_vec());
        broken(&text(ask(vec![stalled], None).await.0).await.unwrap_err(), "stalled");
        let chunked = Play::Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n".to_vec());
        broken(&text(ask(vec![chunked], None).await.0).await.unwrap_err(), "broke off after 3 bytes");
    }

    #[tokio::test]
    async fn no_answer_is_a_network_problem() {
        let silent = Play::Stall(b"HTTP/1.1 200 OK\r\n".to_vec());
        broken(&ask(vec![silent], None).await.0.unwrap_err(), "no answer");
        let closed = Play::Bytes(Vec::new());
        broken(&ask(vec![closed], None).await.0.unwrap_err(), "no answer");
        let (refused, _) = ask(Vec::new(), None).await;
        broken(&refused.unwrap_err(), "cannot connect to 127.0.0.1:");
    }

    #[tokio::test]
    async fn html_and_nothing_are_named() {
        let page = answer("200 OK", "Content-Type: text/html\r\n", b"<h1>Sorry\r\n\x1b[31m</h1>");
        broken(&ask(vec![page], None).await.0.unwrap_err(), "text/html instead of JSON: Sorry \\u{1b}[31m");
        let unlabelled = answer("200 OK", "", b" <html>");
        broken(&text(ask(vec![unlabelled], None).await.0).await.unwrap_err(), "HTML");
        let empty = answer("200 OK", "", b"");
        broken(&text(ask(vec![empty], None).await.0).await.unwrap_err(), "empty");
        let packed = answer("200 OK", "Content-Encoding: gzip\r\n", b"");
        broken(&text(ask(vec![packed], None).await.0).await.unwrap_err(), "empty");
        let nothing = Play::Bytes(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec());
        broken(&ask(vec![nothing], None).await.0.unwrap_err(), "204");
    }

    #[tokio::test]
    async fn the_services_own_words_are_told_without_the_key() {
        for (body, told) in [
            (&br#"{"error":{"code":"401","message":"Bad key-of-100 here"}}"#[..], "answered 401: Bad … here"),
            (br#"{"Message":"Authorization has been denied"}"#, "answered 401: Authorization has been denied"),
            (br#"{"error":"invalid_token"}"#, "answered 401: invalid_token"),
            (b"<html>\n<b>No\x07</b>", "answered 401: No\\u{7}"),
            (b"", "answered 401"),
        ] {
            let (refused, _) = ask(vec![answer("401 Unauthorized", "", body)], None).await;
            let error = refused.unwrap_err();
            assert!(error.to_string().ends_with(told), "{error}");
            assert_eq!(error.kind(), ErrorKind::Key);
            assert!(error.hint().is_some_and(|hint| hint.contains("BILLING_LAKE_API_KEY")));
        }
    }

    #[tokio::test]
    async fn an_errors_body_is_read_no_further_than_needed() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&vec![b'x'; 32 << 20]).unwrap();
        let bomb = answer("503 Service Unavailable", "Content-Encoding: gzip\r\n", &encoder.finish().unwrap());
        let error = ask(vec![bomb], None).await.0.unwrap_err();
        broken(&error, "answered 503: xxx");
        assert!(error.to_string().len() < 400);
    }

    #[tokio::test]
    async fn a_redirect_within_the_origin_is_followed_three_times() {
        let there = |to: &str| answer("307 Temporary Redirect", &format!("Location: {to}\r\n"), b"");
        let plays = vec![there("/a"), there("/b?x=1"), there("/c"), answer("200 OK", "", b"[]")];
        let (followed, asked) = ask(plays, Some(b"e")).await;
        assert_eq!(text(followed).await.unwrap(), b"[]");
        assert!(asked[2].starts_with("GET /b?x=1 HTTP/1.1"));
        assert!(asked.iter().all(|head| head.contains("if-none-match: e\r\n")));
        let (refused, asked) = ask((0..5).map(|_| there("/a")).collect(), None).await;
        looked_at(&refused.unwrap_err(), "redirects more than 3 times");
        assert_eq!(asked.len(), 4);
    }

    #[tokio::test]
    async fn a_redirect_elsewhere_never_sees_the_key() {
        let elsewhere = TestServer::start(vec![answer("200 OK", "", b"[]")]).await;
        let there = format!("Location: http://{}/v3/x?token=secret\r\n", elsewhere.address);
        let (refused, _) = ask(vec![answer("302 Found", &there, b"")], None).await;
        let error = refused.unwrap_err();
        looked_at(&error, "the redirect leaves the endpoint");
        assert!(!error.to_string().contains("secret"));
        assert!(elsewhere.asked().is_empty());
        looked_at(&ask(vec![answer("302 Found", "", b"")], None).await.0.unwrap_err(), "leads nowhere");
    }

    #[tokio::test]
    async fn the_longest_wait_of_all_headers_counts() {
        let headers = "Retry-After: 5\r\nx-ms-ratelimit-microsoft.consumption-tenant-retry-after: 30\r\n\
                       x-ms-ratelimit-microsoft.consumption-client-retry-after: 7\r\n";
        let (refused, _) = ask(vec![answer("429 Too Many Requests", headers, b"")], None).await;
        let error = refused.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
        broken(&error, "429");
    }

    #[test]
    fn requests_are_built_from_checked_names() {
        let client = Client::new(ClientOptions::local("http://127.0.0.1:8080/azure/")).unwrap();
        let request = client.request(&november("a:1"), ApiVersion::V3, Way::Json);
        assert_eq!(request.text(), "/v3/enrollments/a%3A1/billingPeriods/202411/usagedetails");
        assert_eq!(
            request.url(),
            "http://127.0.0.1:8080/azure/v3/enrollments/a%3A1/billingPeriods/202411/usagedetails"
        );
        let periods = client.billing_periods_request(&"100".parse().unwrap(), ApiVersion::V2);
        assert_eq!(periods.text(), "/v2/enrollments/100/billingperiods");
        let link = "http://127.0.0.1:8080/azure/v3/enrollments/a%3A1/usagedetails?t=1";
        let next = client.next_request(&request, link, &key()).unwrap();
        assert_eq!((next.url(), next.text()), (link, request.text()));
        looked_at(
            &client.next_request(&request, "http://127.0.0.1:8081/azure/v3/enrollments/a:1/x", &key()).unwrap_err(),
            "leaves",
        );
    }

    #[test]
    fn certificates_that_cannot_be_read_are_a_usage_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for (content, told) in [(None, "cannot be read"), (Some("no certificate"), "holds no certificate")] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let options = ClientOptions { ca_bundle: Some(path.clone()), ..ClientOptions::local("http://127.0.0.1:1") };
            let error = Client::new(options).unwrap_err();
            assert!(error.to_string().contains(told) && error.kind() == ErrorKind::Usage, "{error}");
        }
    }
}
