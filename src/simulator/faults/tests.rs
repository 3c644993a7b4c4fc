//! Every kind of fault, seen by a client that knows nothing but TCP.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::{Asked, Faults};
use crate::simulator::days::Days;
use crate::simulator::routes::Resource;
use crate::simulator::words::Dataset;
use crate::simulator::{Month, Options, Pages, Simulator};

const USAGE: &str = "/v3/enrollments/100/billingPeriods/202401/usagedetails";
const LIST: &str = "/v2/enrollments/100/billingperiods";

/// What came before the connection ended, and how it ended.
struct Came {
    status: u16,
    head: Vec<u8>,
    body: Vec<u8>,
    is_reset: bool,
}

impl Came {
    fn of(answer: &[u8], is_reset: bool) -> Self {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(answer.len());
        let status = answer.get(9..12).map_or(0, |digits| std::str::from_utf8(digits).unwrap().parse().unwrap());
        let body = answer.get(end + 4..).unwrap_or_default().to_vec();
        Came { status, head: answer[..end].to_vec(), body, is_reset }
    }

    /// All values of a header, as bytes.
    fn headers(&self, name: &str) -> Vec<Vec<u8>> {
        let lines = self.head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let pairs = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], line[colon + 2..].to_vec()))
        });
        pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value).collect()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers(name).pop().map(|value| String::from_utf8(value).unwrap())
    }

    fn length(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn unpacked(&self) -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        GzDecoder::new(&self.body[..]).read_to_end(&mut text).map(|_| text)
    }
}

fn options(rules: &str) -> Options {
    let faults = Faults::from_json(rules).unwrap();
    Options { rows_per_month: 250, page_rows: 100, faults, ..Options::default() }
}

/// A simulator that plays `then` with the first request of everything.
async fn playing(then: &str) -> Simulator {
    Simulator::start(options(&format!(r#"[{{"when": {{"attempt": 1}}, "then": {then}}}]"#))).await.unwrap()
}

fn connect(simulator: &Simulator) -> TcpStream {
    TcpStream::connect(simulator.endpoint().trim_start_matches("http://")).unwrap()
}

fn send(stream: &mut TcpStream, target: &str, more: &str) {
    let host = stream.peer_addr().unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer simulated-key\r\n{more}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
}

fn ask(simulator: &Simulator, target: &str, more: &str) -> Came {
    let mut stream = connect(simulator);
    send(&mut stream, target, more);
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let is_reset = ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    Came::of(&answer, is_reset)
}

fn get(simulator: &Simulator, target: &str) -> Came {
    ask(simulator, target, "")
}

const PACKED: &str = "Accept-Encoding: gzip\r\n";

/// Page 1 of the first month as it is without faults; its link names this simulator.
fn right(simulator: &Simulator) -> Vec<u8> {
    let port = simulator.endpoint().rsplit_once(':').unwrap().1.parse().unwrap();
    Pages::new(&Options { port, ..options("[]") }, "100", "202401").unwrap().get(1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_replaced_and_the_next_one_is_right() {
    for (then, status, content_type, begins) in [
        (r#"{"status": 503}"#, 503, "application/json; charset=utf-8", r#"{"error":{"code":"503","message":""#),
        (r#"{"status": 401, "body": "message"}"#, 401, "application/json; charset=utf-8", r#"{"message":""#),
        (r#"{"body": "html"}"#, 200, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        (r#"{"status": 502, "body": "html"}"#, 502, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        (r#"{"body": {"text": "[1,"}, "headers": {"content-type": "text/csv"}}"#, 200, "text/csv", "[1,"),
        (r#"{"body": "empty"}"#, 200, "application/json; charset=utf-8", ""),
    ] {
        let simulator = playing(then).await;
        for target in [USAGE, LIST] {
            let came = get(&simulator, target);
            assert_eq!((came.status, came.header("content-type").as_deref()), (status, Some(content_type)), "{then}");
            assert!(came.body.starts_with(begins.as_bytes()) && came.length() == came.body.len(), "{then}");
            assert!(came.body.is_empty() == begins.is_empty());
        }
        assert!(get(&simulator, USAGE).body == right(&simulator));
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_set_repeated_and_removed_byte_for_byte() {
    let long = "x".repeat(8000);
    let simulator = playing(&format!(
        r#"{{"headers": {{"ETag": "\"\u00e9\u00ff {long}\"", "retry-after": ["1", "2"], "content-type": null}}}}"#
    ))
    .await;
    let came = get(&simulator, USAGE);
    assert_eq!(came.status, 200);
    assert_eq!(came.headers("etag"), [[b"\"\xe9\xff ", long.as_bytes(), b"\""].concat()]);
    assert_eq!(came.headers("retry-after"), [b"1", b"2"]);
    assert_eq!(came.header("content-type"), None);
    assert!(came.body == right(&simulator));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_tell_dates_from_now_and_are_as_long_as_asked_for() {
    let headers = r#"{"Retry-After": ["{now+30s}", "{now-90s}", "{now}"], "ETag": "\"{x*8192}{ab*2}\"", "X": "{a}{*"}"#;
    let simulator = playing(&format!(r#"{{"status": 429, "headers": {headers}}}"#)).await;
    let before = chrono::Utc::now().timestamp();
    let came = get(&simulator, USAGE);
    let after = chrono::Utc::now().timestamp();
    let dates: Vec<String> =
        came.headers("retry-after").into_iter().map(|date| String::from_utf8(date).unwrap()).collect();
    assert_eq!(dates.len(), 3);
    for (date, distance) in dates.iter().zip([30, -90, 0]) {
        let told = chrono::NaiveDateTime::parse_from_str(date, "%a, %d %b %Y %H:%M:%S GMT").unwrap();
        assert!((before + distance..=after + distance).contains(&told.and_utc().timestamp()), "{date}");
    }
    assert_eq!(came.header("etag"), Some(format!("\"{}abab\"", "x".repeat(8192))));
    assert_eq!((came.status, came.header("x").as_deref()), (429, Some("{a}{*")));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_break_at_the_exact_byte() {
    for packed in ["", PACKED] {
        for at in [0, 1, 5000, -1] {
            for (key, resets) in [("close_at", false), ("reset_at", true)] {
                let simulator = playing(&format!(r#"{{"{key}": {at}}}"#)).await;
                let came = ask(&simulator, USAGE, packed);
                let whole = ask(&simulator, USAGE, packed).body;
                let bytes = if at < 0 { whole.len() - 1 } else { at as usize };
                assert_eq!((came.status, came.length(), came.is_reset), (200, whole.len(), resets), "{key} {at}");
                // A reset takes back what the client's side has not taken yet, if that is more than its buffer holds.
                let least = if resets { bytes.min(5000) } else { bytes };
                assert!((least..=bytes).contains(&came.body.len()), "{key} {at}: {}", came.body.len());
                assert!(whole.starts_with(&came.body));
                simulator.stop().await;
            }
        }
    }
    for (then, resets) in [(r#"{"close_at": "head"}"#, false), (r#"{"status": 429, "reset_at": "head"}"#, true)] {
        let simulator = playing(then).await;
        let came = get(&simulator, LIST);
        assert!(came.head.is_empty() && came.is_reset == resets, "{then}");
        assert_eq!(get(&simulator, LIST).status, 200);
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_breaks_inside_the_head() {
    for (key, at, resets) in [("close_at", 1, false), ("close_at", 40, false), ("reset_at", 17, true)] {
        let simulator = playing(&format!(r#"{{"{key}": {{"head": {at}}}}}"#)).await;
        let came = get(&simulator, USAGE);
        assert_eq!((came.head.len(), came.body.len(), came.is_reset), (at, 0, resets), "{key} {at}");
        assert!(b"HTTP/1.1 200 OK\r\n".starts_with(&came.head[..at.min(17)]));
        assert!(get(&simulator, USAGE).body == right(&simulator));
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_trickles_with_and_without_a_length() {
    for (then, chunked, least) in [
        (r#"{"trickle": {"bytes": 20000, "every_ms": 20}}"#, false, 100),
        (r#"{"trickle": {"bytes": 20000, "every_ms": 20}, "chunked": true}"#, true, 100),
        (r#"{"chunked": true}"#, true, 0),
        (r#"{"body": "empty", "chunked": true}"#, true, 0),
    ] {
        let simulator = playing(then).await;
        let before = std::time::Instant::now();
        let came = get(&simulator, USAGE);
        assert!(before.elapsed().as_millis() >= least, "{then}");
        let right = if then.contains("empty") { Vec::new() } else { right(&simulator) };
        assert_eq!(came.header("content-length").is_none(), chunked, "{then}");
        assert_eq!(came.header("transfer-encoding").as_deref(), chunked.then_some("chunked"), "{then}");
        assert!(if chunked { unchunked(&came.body) == (right, true) } else { came.body == right }, "{then}");
        simulator.stop().await;
    }
    // Places count what frames the chunks: without its last five bytes a body lacks only the chunk that ends it.
    for (at, lacks) in [(-5, 0), (-7, 0), (-8, 1)] {
        let simulator = playing(&format!(r#"{{"chunked": true, "close_at": {at}}}"#)).await;
        let right = right(&simulator);
        assert!(unchunked(&get(&simulator, USAGE).body) == (right[..right.len() - lacks].to_vec(), false), "{at}");
        assert!(get(&simulator, USAGE).body == right);
        simulator.stop().await;
    }
}

/// What chunks hold, and whether the empty one ends them.
fn unchunked(mut chunks: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        let rest = &chunks[end + 2..];
        if length == 0 {
            return (body, rest == b"\r\n");
        }
        body.extend_from_slice(&rest[..length.min(rest.len())]);
        chunks = rest.get(length + 2..).unwrap_or_default();
    }
    (body, false)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_answer_stays_where_it_is_until_the_simulator_ends() {
    let simulator = playing(r#"{"stall_at": 7000}"#).await;
    let mut stream = connect(&simulator);
    send(&mut stream, USAGE, "");
    let mut answer = vec![0; 7000];
    stream.read_exact(&mut answer).unwrap();
    let head = Came::of(&answer, false).head.len() + 4;
    answer.resize(head + 7000, 0);
    stream.read_exact(&mut answer[7000..]).unwrap();
    let came = Came::of(&answer, false);
    assert!(came.length() > 100_000 && came.body == right(&simulator)[..7000]);
    // Others are served meanwhile.
    assert!(get(&simulator, USAGE).body == right(&simulator));
    simulator.stop().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_text_is_sent_with_its_right_length() {
    for (at, packed) in [(0, ""), (40, ""), (-1, ""), (-300, PACKED), (10_000_000, PACKED)] {
        let simulator = playing(&format!(r#"{{"cut_at": {at}}}"#)).await;
        let came = ask(&simulator, USAGE, packed);
        assert_eq!((came.status, came.length()), (200, came.body.len()));
        let text = if packed.is_empty() { came.body } else { came.unpacked().unwrap() };
        let whole = right(&simulator);
        let length = if at < 0 { whole.len() - (-at) as usize } else { whole.len().min(at as usize) };
        assert!(text == whole[..length], "{at}");
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_corrupted_and_packing_can_be_forced() {
    let simulator = playing(r#"{"corrupt_at": 20}"#).await;
    let came = get(&simulator, USAGE).body;
    let differ: Vec<_> = came.iter().zip(right(&simulator)).map(|(left, right)| left ^ right).enumerate().collect();
    assert_eq!(differ.iter().filter(|(_, bits)| *bits != 0).collect::<Vec<_>>(), [&(20, 255)]);
    simulator.stop().await;

    let simulator = playing(r#"{"gzip": true}"#).await;
    let came = get(&simulator, USAGE);
    assert_eq!(came.header("content-encoding").as_deref(), Some("gzip"));
    assert!(came.unpacked().unwrap() == right(&simulator));
    simulator.stop().await;

    let simulator = playing(r#"{"gzip": "corrupt"}"#).await;
    let came = get(&simulator, USAGE);
    assert_eq!((came.header("content-encoding").as_deref(), came.length()), (Some("gzip"), came.body.len()));
    assert!(came.unpacked().is_err());
    simulator.stop().await;

    let simulator = playing(r#"{"gzip": false}"#).await;
    assert!(ask(&simulator, USAGE, PACKED).body == right(&simulator));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_unpacks_to_what_it_should_and_is_small() {
    /// Unpacks while it comes: the length, and whether all bytes are zero.
    fn measure(simulator: &Simulator) -> (u64, u64, Vec<u8>) {
        struct Chunks(std::io::BufReader<TcpStream>, usize, u64);
        impl Read for Chunks {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                use std::io::BufRead;
                if self.1 == 0 {
                    let mut line = String::new();
                    while line.trim().is_empty() {
                        line.clear();
                        if self.0.read_line(&mut line)? == 0 {
                            return Ok(0);
                        }
                    }
                    self.1 = usize::from_str_radix(line.trim(), 16).unwrap();
                    if self.1 == 0 {
                        return Ok(0);
                    }
                }
                let length = into.len().min(self.1);
                let read = self.0.read(&mut into[..length])?;
                self.1 -= read;
                self.2 += read as u64;
                Ok(read)
            }
        }
        let mut stream = connect(simulator);
        send(&mut stream, USAGE, "");
        let mut reader = std::io::BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
        }
        let mut decoder = GzDecoder::new(Chunks(reader, 0, 0));
        let (mut bytes, mut piece, mut first) = (0, vec![0; 1 << 16], Vec::new());
        loop {
            match decoder.read(&mut piece).unwrap() {
                0 => return (bytes, decoder.get_ref().2, first),
                read => {
                    bytes += read as u64;
                    let wanted = read.min(8_usize.saturating_sub(first.len()));
                    first.extend_from_slice(&piece[..wanted]);
                }
            }
        }
    }
    let simulator = playing(r#"{"body": {"zeros": 300000001}}"#).await;
    let (bytes, sent, first) = measure(&simulator);
    assert_eq!((bytes, first), (300_000_001, vec![0; 8]));
    assert!(sent < bytes / 200, "{sent}");
    simulator.stop().await;

    let simulator = playing(r#"{"body": {"rows": 20000000}}"#).await;
    let (bytes, sent, first) = measure(&simulator);
    assert!((18_000_000..22_000_000).contains(&bytes) && sent < bytes / 20, "{bytes} {sent}");
    assert_eq!(first, b"{\"data\":");
    simulator.stop().await;

    let mut page = Vec::new();
    let row = br#"{"cost":1}"#;
    let packed: Vec<u8> = super::Bomb::of_rows(row, 3_000_000).flat_map(|piece| piece.to_vec()).collect();
    GzDecoder::new(&packed[..]).read_to_end(&mut page).unwrap();
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert!(page["data"].as_array().unwrap().len() > 150_000 && page["nextLink"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_page_has_members_rows_and_values_that_it_should_not() {
    let then = r#"{"envelope": "\"note\":{\"of\":\"{target}\"},\"data\":[7]", "rows": ["{\"cost\":1e400}", "x"],
                   "replace": {"\"cost\":": "\"price\":null,\"cost\":", "not there": "y"}, "gzip": true}"#;
    let simulator = playing(then).await;
    let came = get(&simulator, USAGE);
    let own = String::from_utf8(right(&simulator)).unwrap();
    let expected = own
        .replacen("\"data\":", &format!("\"note\":{{\"of\":\"{USAGE}\"}},\"data\":[7],\"data\":"), 1)
        .replacen("],\"nextLink\":", ",{\"cost\":1e400},x],\"nextLink\":", 1)
        .replacen("\"cost\":", "\"price\":null,\"cost\":", 1);
    assert_eq!((came.status, came.length()), (200, came.body.len()));
    assert!(String::from_utf8(came.unpacked().unwrap()).unwrap() == expected);
    // What has neither data nor a link stays as it is.
    let list = get(&simulator, LIST).unpacked().unwrap();
    assert!(list == get(&simulator, LIST).body);
    simulator.stop().await;

    // All three go with another link.
    let then = r#"{"envelope": "\"a\":1", "rows": ["2"], "replace": {"\"a\":1": "\"a\":3"}, "next_link": "/end"}"#;
    let simulator = playing(then).await;
    let page = get(&simulator, USAGE).json();
    assert_eq!((&page["a"], &page["nextLink"], &page["data"][100]), (&3.into(), &"/end".into(), &2.into()));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_is_renewed_before_or_after_an_answer() {
    for (when, first_is_old) in [("before", false), ("after", true)] {
        let simulator = playing(&format!(r#"{{"restate": "{when}"}}"#)).await;
        let old = right(&simulator);
        assert_eq!(get(&simulator, USAGE).body == old, first_is_old);
        assert!(get(&simulator, USAGE).body != old);
        let truth = simulator.truth();
        assert_eq!(truth["enrollments"]["100"]["202401"]["version"], 2);
        assert_eq!(truth["enrollments"]["100"]["202402"]["version"], 1);
        simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_links_lead_to_the_pages_of_the_next_version() {
    let rules = r#"[{"when": {"page": 2, "attempt": {"to": 2}}, "then": {"restate": "before", "keep_links": true}},
                    {"when": {"page": 3, "attempt": 1}, "then": {"restate": "before"}}]"#;
    let simulator = Simulator::start(options(rules)).await.unwrap();
    let follow = |page: &Value| page["nextLink"].as_str().unwrap().replace(&simulator.endpoint(), "");
    let first = get(&simulator, USAGE).json();
    let old = follow(&first);
    let second = get(&simulator, &old).json();
    // What the link of the first page leads to is the second page of the version that is served now.
    let again = get(&simulator, USAGE).json();
    assert!(again["data"] != first["data"] && follow(&again) != old);
    let third = get(&simulator, &old).json();
    assert_eq!(simulator.truth()["enrollments"]["100"]["202401"]["version"], 3);
    // Links of two versions before lead on, too.
    let own = follow(&get(&simulator, USAGE).json());
    assert_eq!((get(&simulator, &own).json(), get(&simulator, &old).json()), (third.clone(), third.clone()));
    assert!(second["data"].as_array().map(Vec::len) == Some(100) && second != third);
    // A renewal without `keep_links` ends all of them.
    assert_eq!(get(&simulator, &follow(&third)).status, 400);
    assert_eq!([&own, &old].map(|link| get(&simulator, link).status), [400, 400]);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_ignored_or_answered_where_none_was_sent() {
    let simulator = playing(r#"{"status": 304}"#).await;
    let came = get(&simulator, USAGE);
    assert_eq!((came.status, came.body.len()), (304, 0));
    let etag = get(&simulator, USAGE).header("etag").unwrap();
    simulator.stop().await;

    let simulator = playing(r#"{"ignore_conditions": true}"#).await;
    let condition = format!("If-None-Match: {etag}\r\n");
    let came = ask(&simulator, USAGE, &condition);
    assert_eq!((came.status, came.header("etag")), (200, Some(etag)));
    assert!(came.body == right(&simulator));
    assert_eq!(ask(&simulator, USAGE, &condition).status, 304);
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_redirects_lead_where_the_rule_says() {
    let rule = |link: &str| options(&format!(r#"[{{"then": {{"next_link": "{link}"}}}}]"#));
    for (link, leads) in [
        ("self", "{base}{target}"),
        ("first", "{base}{path}"),
        ("http://example.com{target}", "http://example.com{target}"),
        ("{base}/elsewhere", "{base}/elsewhere"),
        ("a b", "a b"),
    ] {
        let simulator = Simulator::start(rule(link)).await.unwrap();
        let second =
            serde_json::from_slice::<Value>(&right(&simulator)).unwrap()["nextLink"].as_str().unwrap().to_owned();
        let second = second.replace(&simulator.endpoint(), "");
        for target in [USAGE, &second] {
            let expected = leads.replace("{target}", target).replace("{path}", USAGE);
            let expected = expected.replace("{base}", &simulator.endpoint());
            let page = get(&simulator, target).json();
            assert_eq!(
                (page["nextLink"].as_str(), page["data"].as_array().map(Vec::len)),
                (Some(&*expected), Some(100))
            );
        }
        simulator.stop().await;
    }
    let simulator = Simulator::start(rule("endless")).await.unwrap();
    let mut target = USAGE.to_owned();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5 {
        let page = get(&simulator, &target).json();
        assert_eq!(page["data"].as_array().map(Vec::len), Some(100));
        target = page["nextLink"].as_str().unwrap().replace(&simulator.endpoint(), "");
        assert!(seen.insert(target.clone()));
    }
    simulator.stop().await;

    let simulator = playing(r#"{"redirect": "http://example.com{target}?x"}"#).await;
    let came = get(&simulator, USAGE);
    assert_eq!((came.status, came.header("location")), (302, Some(format!("http://example.com{USAGE}?x"))));
    assert!(came.body.is_empty());
    simulator.stop().await;
    let simulator = playing(r#"{"status": 308, "redirect": "{base}{target}"}"#).await;
    let came = get(&simulator, LIST);
    assert_eq!((came.status, came.header("location")), (308, Some(simulator.endpoint() + LIST)));
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_begin_with_the_host_that_was_asked_or_with_the_public_base() {
    let link = |simulator: &Simulator, host: &str| {
        let mut stream = connect(simulator);
        let request =
            format!("GET {USAGE} HTTP/1.1\r\n{host}Connection: close\r\nAuthorization: Bearer simulated-key\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let link = Came::of(&answer, false).json()["nextLink"].as_str().unwrap().to_owned();
        link.split_once("/v3/").unwrap().0.to_owned()
    };
    let simulator = Simulator::start(options("[]")).await.unwrap();
    assert_eq!(link(&simulator, "Host: localhost:8631\r\n"), "http://localhost:8631");
    assert_eq!(link(&simulator, "Host: 127.0.0.1\r\n"), "http://127.0.0.1");
    for strange in ["", "Host: a\"b\r\n", "Host: a/b\r\n"] {
        assert_eq!(link(&simulator, strange), simulator.endpoint());
    }
    simulator.stop().await;
    let public_base = Some("https://consumption.azure.com".to_owned());
    let simulator = Simulator::start(Options { public_base, ..options("[]") }).await.unwrap();
    assert_eq!(link(&simulator, "Host: localhost\r\n"), "https://consumption.azure.com");
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_truth_tells_what_was_asked_for_and_what_was_played() {
    let rules = r#"[{"name": "first", "when": {"page": 1, "attempt": {"to": 2}}, "then": {"status": 500}},
                    {"then": {"delay_ms": 1}}]"#;
    let simulator = Simulator::start(options(rules)).await.unwrap();
    for _ in 0..3 {
        get(&simulator, USAGE);
    }
    get(&simulator, LIST);
    get(&simulator, &format!("{USAGE}?skiptoken=stale"));
    // Nothing that is served.
    get(&simulator, "/v2/enrollments/999/billingperiods");
    let truth = get(&simulator, "/_truth").json();
    let requests = serde_json::json!({
        "billing_periods/100": 1, "usage_details/100/202401/-": 1, "usage_details/100/202401/1": 3
    });
    assert_eq!(truth["requests"], requests);
    assert_eq!(truth["rules"], serde_json::json!([{"name": "first", "played": 2}, {"name": null, "played": 3}]));
    assert_eq!((&truth["counters"]["most_in_flight"], &truth["counters"]["connections"]), (&1.into(), &7.into()));
    assert_eq!(simulator.played(), [2, 3]);
    assert_eq!(simulator.requests_of("usage_details/100/202401/1"), 3);
    assert_eq!(simulator.requests_of("usage_details/100/202401/2"), 0);
    simulator.stop().await;
}

fn asked(page: u64) -> Asked {
    Asked {
        resource: Resource::Data(Dataset::UsageDetails),
        version: 3,
        enrollment: "100".to_owned(),
        days: Some(Days::Period(Month { year: 2024, month: 1 })),
        page: Some(page),
        is_last: page == 3,
        is_conditional: page == 2,
    }
}

#[test]
fn a_rule_fits_what_it_names_and_the_first_one_counts() {
    let fits = |when: &str, asked: &Asked, attempt: u64| {
        let rules = format!(r#"[{{"when": {when}, "then": {{"status": 500}}}}]"#);
        Faults::from_json(&rules).unwrap().find(1, asked, attempt).is_some()
    };
    for (when, fitting) in [
        (r#"{"page": 2}"#, asked(2)),
        (r#"{"page": "last"}"#, asked(3)),
        (r#"{"conditional": true}"#, asked(2)),
        (r#"{"conditional": false, "page": 1}"#, asked(1)),
        (r#"{"dataset": "billing_periods"}"#, Asked { resource: Resource::BillingPeriods, ..asked(1) }),
        (r#"{"dataset": "price_sheet"}"#, Asked { resource: Resource::Data(Dataset::PriceSheet), ..asked(1) }),
        (r#"{"dataset": "report_poll"}"#, Asked { resource: Resource::Poll, ..asked(1) }),
        (r#"{"version": 2}"#, Asked { version: 2, ..asked(1) }),
        (r#"{"enrollment": "200"}"#, Asked { enrollment: "200".to_owned(), ..asked(1) }),
        (r#"{"period": "2024-02"}"#, Asked { days: Some(Days::Period(Month { year: 2024, month: 2 })), ..asked(1) }),
    ] {
        let others = [asked(1), asked(2), asked(3)].into_iter().filter(|other| *other != fitting);
        assert!(fits(when, &fitting, 1) && fits("{}", &fitting, 1), "{when}");
        assert!(others.into_iter().all(|other| !fits(when, &other, 1)), "{when}");
    }
    let attempts = |when: &str| (1..=9).filter(|attempt| fits(when, &asked(1), *attempt)).collect::<Vec<_>>();
    assert_eq!(attempts(r#"{"attempt": 3}"#), [3]);
    assert_eq!(attempts(r#"{"attempt": {"every": 3}}"#), [3, 6, 9]);
    assert_eq!(attempts(r#"{"attempt": {"from": 3, "to": 5}}"#), [3, 4, 5]);
    assert_eq!(attempts(r#"{"attempt": {"from": 3, "every": 2}}"#), [4, 6, 8]);

    let pages = |when: &str| (1..=9).filter(|page| fits(when, &asked(*page), 1)).collect::<Vec<_>>();
    assert_eq!(pages(r#"{"page": "3-7"}"#), [3, 4, 5, 6, 7]);
    assert_eq!(pages(r#"{"page": {"from": 8}}"#), [8, 9]);
    assert_eq!(pages(r#"{"page": {"every": 4}}"#), [4, 8]);
    assert_eq!(pages(r#"{"page": {"from": 2, "to": 7, "every": 3}}"#), [4, 7]);
    let list = Asked { resource: Resource::BillingPeriods, page: None, ..asked(1) };
    assert!(!fits(r#"{"page": {"from": 1}}"#, &list, 1));

    let two = r#"[{"when": {"page": 2}, "then": {"status": 500}}, {"then": {"status": 501}}]"#;
    let two = Faults::from_json(two).unwrap();
    assert_eq!([1, 2].map(|page| two.find(1, &asked(page), 1)), [Some(1), Some(0)]);
}

#[test]
fn a_share_is_drawn_from_the_seed() {
    let faults = Faults::from_json(r#"[{"when": {"share": 0.1}, "then": {"status": 500}}]"#).unwrap();
    let day =
        |seed: u64| (1..=10_000).filter(|page| faults.find(seed, &asked(*page), 1).is_some()).collect::<Vec<u64>>();
    let hits = day(1);
    assert!((900..1100).contains(&hits.len()), "{}", hits.len());
    assert_eq!(hits, day(1));
    assert_ne!(hits, day(2));
    // Another attempt is another draw.
    let again = hits.iter().filter(|page| faults.find(1, &asked(**page), 2).is_some()).count();
    assert!((50..200).contains(&again), "{again}");
    for (share, expected) in [("0", 0), ("1", 10_000)] {
        let faults = format!(r#"[{{"when": {{"share": {share}}}, "then": {{"status": 500}}}}]"#);
        let faults = Faults::from_json(&faults).unwrap();
        assert_eq!((1..=10_000).filter(|page| faults.find(1, &asked(*page), 1).is_some()).count(), expected);
    }
}

#[test]
fn a_mistake_is_named_with_its_rule_and_key() {
    for (rule, begins) in [
        (r#"{"then": {"sttus": 500}}"#, "rule 2: then.sttus: there is no such key"),
        (r#"{"when": {"sheet": 1}, "then": {"status": 500}}"#, "rule 2: when.sheet: there is no such key"),
        (r#"{"what": 1, "then": {"status": 500}}"#, "rule 2: what: there is no such key"),
        (r#"{"then": {"status": 99}}"#, "rule 2: then.status: write a status from 200 to 599"),
        (r#"{"then": {"status": "500"}}"#, "rule 2: then.status: "),
        (r#"{"then": {"body": "xml"}}"#, "rule 2: then.body: "),
        (r#"{"then": {"body": {"zeros": 1, "rows": 1}}}"#, "rule 2: then.body: "),
        (r#"{"then": {"body": {"zeros": 99999999999999}}}"#, "rule 2: then.body: "),
        (r#"{"then": {"headers": {"ETag": "\u0100"}}}"#, "rule 2: then.headers: "),
        (r#"{"then": {"headers": {"ETag": "a\nb"}}}"#, "rule 2: then.headers: "),
        (r#"{"then": {"headers": {"Retry-After": "{now+30}"}}}"#, "rule 2: then.headers: "),
        (r#"{"then": {"headers": {"Retry-After": "{now+9999999999s}"}}}"#, "rule 2: then.headers: "),
        (r#"{"then": {"headers": {"ETag": "{ab*500001}"}}}"#, "rule 2: then.headers: "),
        (r#"{"then": {"delay_ms": -1}}"#, "rule 2: then.delay_ms: "),
        (r#"{"then": {"reset_at": "tail"}}"#, "rule 2: then.reset_at: "),
        (r#"{"then": {"reset_at": 1, "close_at": 1}}"#, "rule 2: then.reset_at: one of"),
        (r#"{"then": {"close_at": {"head": -1}}}"#, "rule 2: then.close_at: "),
        (r#"{"then": {"trickle": {"bytes": 0, "every_ms": 1}}}"#, "rule 2: then.trickle: "),
        (r#"{"then": {"trickle": {"bytes": 1}}}"#, "rule 2: then.trickle: "),
        (r#"{"then": {"chunked": 1}}"#, "rule 2: then.chunked: "),
        (r#"{"then": {"cut_at": 1.5}}"#, "rule 2: then.cut_at: "),
        (r#"{"then": {"gzip": "yes"}}"#, "rule 2: then.gzip: "),
        (r#"{"then": {"restate": "now"}}"#, "rule 2: then.restate: "),
        (r#"{"then": {"keep_links": true}}"#, "rule 2: then.keep_links: it goes with restate"),
        (r#"{"then": {"restate": "after", "keep_links": 1}}"#, "rule 2: then.keep_links: write true or false"),
        (r#"{"then": {"next_link": 1}}"#, "rule 2: then.next_link: "),
        (r#"{"then": {"envelope": {"a": 1}}}"#, "rule 2: then.envelope: "),
        (r#"{"then": {"rows": [{"cost": 1}]}}"#, "rule 2: then.rows: "),
        (r#"{"then": {"replace": {"": "x"}}}"#, "rule 2: then.replace: "),
        (r#"{"then": {"redirect": "a\nb"}}"#, "rule 2: then.redirect: "),
        (r#"{"when": {"page": 0}, "then": {"status": 500}}"#, "rule 2: when.page: "),
        (r#"{"when": {"page": "7-3"}, "then": {"status": 500}}"#, "rule 2: when.page: "),
        (r#"{"when": {"page": "0-3"}, "then": {"status": 500}}"#, "rule 2: when.page: "),
        (r#"{"when": {"page": {"last": 1}}, "then": {"status": 500}}"#, "rule 2: when.page: "),
        (r#"{"when": {"attempt": {"each": 1}}, "then": {"status": 500}}"#, "rule 2: when.attempt: "),
        (r#"{"when": {"share": 1.5}, "then": {"status": 500}}"#, "rule 2: when.share: "),
        (r#"{"when": {"period": "202413"}, "then": {"status": 500}}"#, "rule 2: when.period: "),
        (r#"{"when": {"dataset": "x"}, "then": {"status": 500}}"#, "rule 2: when.dataset: "),
        (r#"{"when": {}}"#, "rule 2: then: it is missing"),
        (r#"{"then": {}}"#, "rule 2: then: it holds nothing"),
        (r#"7"#, "rule 2: "),
    ] {
        let rules = format!(r#"[{{"then": {{"status": 500}}}}, {rule}]"#);
        let error = Faults::from_json(&rules).unwrap_err().to_string();
        assert!(error.starts_with(begins), "{rule}: {error}");
    }
    for text in ["", "{}", "[{]"] {
        assert!(Faults::from_json(text).unwrap_err().to_string().starts_with("no JSON list of rules: "), "{text}");
    }
    assert_eq!(Faults::from_json("[]").unwrap(), Faults::default());
}
