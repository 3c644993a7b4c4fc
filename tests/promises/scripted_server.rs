//! A server that answers as a test wrote it down, and remembers what it was asked: HTTP/1.1, one request a connection.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::published::gzip;

/// An answer, and how much of it arrives.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    end: End,
    length: Length,
    /// Whether a condition that holds is answered 304.
    conditional: bool,
    /// Whether the body waits for [`ScriptedServer::release`].
    held: bool,
}

/// How the end of a body is announced.
#[derive(Clone, Copy, PartialEq)]
enum Length {
    Header,
    Chunks,
    /// By the end of the connection.
    Nothing,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Whole,
    /// The connection is closed after so many bytes of the head.
    CutHead(usize),
    /// The connection is reset after so many bytes of the body.
    ResetAfter(usize),
    /// After so many bytes of the head nothing more comes, and the connection stays open.
    StallHead(usize),
    /// The body comes byte by byte.
    Trickle,
    /// The connection is closed after so many bytes of the body, whatever its length was said to be.
    Cut(usize),
    /// The connection is reset before any answer.
    Reset,
    /// After so many bytes of the body nothing more comes, and the connection stays open.
    Stall(usize),
}

impl Answer {
    /// Some status with a body of some type; no type when that is empty.
    pub fn of(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let (body, end, length) = (body.into(), End::Whole, Length::Header);
        let answer = Answer { status, headers: Vec::new(), body, end, length, conditional: true, held: false };
        if media_type.is_empty() { answer } else { answer.header("Content-Type", media_type) }
    }

    /// 200 with JSON.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Answer::of(200, "application/json; charset=utf-8", body)
    }

    /// Some status with an error body as the service writes it.
    pub fn error(status: u16, message: &str) -> Self {
        let body = serde_json::json!({"error": {"code": status.to_string(), "message": message}});
        Answer { status, ..Answer::json(body.to_string()) }
    }

    /// A redirect.
    pub fn redirect(to: &str) -> Self {
        Answer { status: 307, ..Answer::json("") }.header("Location", to)
    }

    /// A page for people, with status 200.
    pub fn html(body: &str) -> Self {
        Answer::of(200, "text/html", body)
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.raw_header(name, value.as_bytes())
    }

    /// A header of any bytes.
    pub fn raw_header(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    /// With an ETag; a request with that condition is answered 304.
    pub fn etag(self, etag: &str) -> Self {
        self.header("ETag", etag)
    }

    /// Comes whole whatever the condition.
    pub fn unconditional(self) -> Self {
        Answer { conditional: false, ..self }
    }

    /// The body as gzip.
    pub fn packed(self) -> Self {
        let body = gzip(&self.body);
        Answer { body, ..self }.header("Content-Encoding", "gzip")
    }

    /// One byte in the middle of the body is another.
    pub fn garbled(mut self) -> Self {
        let middle = self.body.len() / 2;
        self.body[middle..].iter_mut().for_each(|byte| *byte ^= 0x55);
        self
    }

    /// Only so many bytes of the body come.
    pub fn cut(self, bytes: usize) -> Self {
        Answer { end: End::Cut(bytes), ..self }
    }

    /// The connection is reset instead.
    pub fn reset() -> Self {
        Answer { end: End::Reset, ..Answer::json("") }
    }

    /// The connection is closed after so many bytes of the head.
    pub fn cut_head(self, bytes: usize) -> Self {
        Answer { end: End::CutHead(bytes), ..self }
    }

    /// The connection is reset after so many bytes of the body.
    pub fn reset_after(self, bytes: usize) -> Self {
        Answer { end: End::ResetAfter(bytes), ..self }
    }

    /// The head stops there for ever.
    pub fn stall_head(self, bytes: usize) -> Self {
        Answer { end: End::StallHead(bytes), ..self }
    }

    /// The body comes byte by byte.
    pub fn trickling(self) -> Self {
        Answer { end: End::Trickle, ..self }
    }

    /// The body comes in one chunk, and its end as another one.
    pub fn chunked(self) -> Self {
        Answer { length: Length::Chunks, ..self }.header("Transfer-Encoding", "chunked")
    }

    /// The body ends with the connection, without a length.
    pub fn without_length(self) -> Self {
        Answer { length: Length::Nothing, ..self }
    }

    /// The body does not come before [`ScriptedServer::release`].
    pub fn held(self) -> Self {
        Answer { held: true, ..self }
    }

    /// The body stops there for ever.
    pub fn stall(self, bytes: usize) -> Self {
        Answer { end: End::Stall(bytes), ..self }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Path and query.
    pub target: String,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
}

#[derive(Default)]
struct Shared {
    routes: Mutex<HashMap<String, Vec<Answer>>>,
    asked: Mutex<Vec<Asked>>,
    arrived: Condvar,
    /// Connections that stay open.
    stalled: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
    /// Answers to targets that begin so, when they have none of their own.
    patterns: Mutex<Vec<(String, Pattern)>>,
    released: Mutex<bool>,
    release: Condvar,
}

/// Makes the answer to a target.
type Pattern = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

/// The running server; it ends when it is dropped.
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl ScriptedServer {
    /// Listens on a free port of this machine; everything is answered 404 until something is scripted.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let of_listener = Arc::clone(&shared);
        let listening = thread::spawn(move || {
            for stream in listener.incoming() {
                if of_listener.ended.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&of_listener);
                // A client that goes away in the middle of an answer is no concern of the server.
                thread::spawn(move || stream.and_then(|stream| answer(&shared, stream)));
            }
        });
        ScriptedServer { address, shared, listening: Some(listening) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of a path here.
    pub fn url(&self, target: &str) -> String {
        format!("{}{target}", self.endpoint())
    }

    /// Requests for the target are answered so, in this order; the last answer is repeated.
    pub fn on(&self, target: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        self.shared.routes.lock().unwrap().insert(target.to_owned(), answers);
    }

    /// Requests for targets that begin so, and have no answers of their own, are answered so.
    pub fn on_all(&self, beginning: &str, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) {
        self.shared.patterns.lock().unwrap().push((beginning.to_owned(), Arc::new(answer)));
    }

    /// Lets the bodies come that are held.
    pub fn release(&self) {
        *self.shared.released.lock().unwrap() = true;
        self.shared.release.notify_all();
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How often the target was asked for.
    pub fn count(&self, target: &str) -> usize {
        self.asked().iter().filter(|asked| asked.target == target).count()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.shared.asked.lock().unwrap().clear();
    }

    /// Waits until the target was asked for.
    pub fn wait_for(&self, target: &str) {
        let mut asked = self.shared.asked.lock().unwrap();
        while !asked.iter().any(|asked| asked.target == target) {
            asked = self.shared.arrived.wait(asked).unwrap();
        }
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.release();
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn answer(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    // Only looked at: a connection that is closed before its request was read is reset.
    let mut head = vec![0; 128 << 10];
    let length = loop {
        let seen = stream.peek(&mut head)?;
        if let Some(end) = head[..seen].windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if seen == 0 || seen == head.len() {
            return Ok(());
        }
        thread::yield_now();
    };
    let text: String = head[..length].iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let condition = headers.get("if-none-match").cloned();
    let answer = {
        let mut routes = shared.routes.lock().unwrap();
        match routes.get_mut(&target) {
            Some(answers) if answers.len() > 1 => answers.pop(),
            Some(answers) => answers.last().cloned(),
            None => None,
        }
    };
    let pattern = || {
        let patterns = shared.patterns.lock().unwrap();
        let fitting = patterns.iter().find(|(beginning, _)| target.starts_with(beginning.as_str()));
        fitting.map(|(_, answer)| Arc::clone(answer))
    };
    let answer = answer.or_else(|| pattern().map(|answer| answer(&target)));
    let mut answer = answer.unwrap_or_else(|| Answer::error(404, "nothing is scripted for this path"));
    shared.asked.lock().unwrap().push(Asked { target, headers });
    shared.arrived.notify_all();
    if answer.end == End::Reset {
        return Ok(());
    }
    // A connection that is closed while its request is not read is reset.
    if !matches!(answer.end, End::ResetAfter(_)) {
        stream.read_exact(&mut head[..length])?;
    }
    let etag = answer.headers.iter().find(|(name, _)| name == "ETag").map(|(_, value)| value.clone());
    let condition = condition.map(|text| text.chars().map(|byte| byte as u8).collect::<Vec<_>>());
    if answer.status == 200 && answer.conditional && etag.is_some() && etag == condition {
        answer = Answer { status: 304, body: Vec::new(), ..answer };
    }
    if answer.held {
        let mut released = shared.released.lock().unwrap();
        while !*released {
            released = shared.release.wait(released).unwrap();
        }
    }
    let mut bytes = format!("HTTP/1.1 {} Scripted\r\nConnection: close\r\n", answer.status).into_bytes();
    for (name, value) in &answer.headers {
        bytes.extend([format!("{name}: ").as_bytes(), value, b"\r\n"].concat());
    }
    if answer.status != 304 && answer.length == Length::Header {
        bytes.extend(format!("Content-Length: {}\r\n", answer.body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    if answer.length == Length::Chunks {
        bytes.extend(format!("{:x}\r\n", answer.body.len()).bytes());
    }
    match answer.end {
        End::CutHead(end) | End::StallHead(end) => bytes.truncate(end),
        End::Cut(end) | End::Stall(end) | End::ResetAfter(end) => bytes.extend(&answer.body[..end]),
        End::Whole | End::Reset => {
            bytes.extend(&answer.body);
            if answer.length == Length::Chunks {
                bytes.extend(b"\r\n0\r\n\r\n");
            }
        }
        End::Trickle => {
            stream.set_nodelay(true)?;
            stream.write_all(&bytes)?;
            for byte in &answer.body {
                stream.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(20));
            }
            return Ok(());
        }
    }
    stream.write_all(&bytes)?;
    if matches!(answer.end, End::Stall(_) | End::StallHead(_)) {
        shared.stalled.lock().unwrap().push(stream);
    }
    Ok(())
}

/// Where the billing periods of enrollment 100 are.
pub const PERIODS: &str = "/v2/enrollments/100/billingperiods";
/// Where usage of 2024-11 is.
pub const USAGE: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails";

/// A server that lists these billing periods with usage.
pub fn listing(periods: &[&str]) -> ScriptedServer {
    let server = ScriptedServer::start();
    let listed = periods.iter().map(|period| format!(r#"{{"billingPeriodId":"{period}","usageDetails":"/v1/x"}}"#));
    server.on(PERIODS, [Answer::json(format!("[{}]", listed.collect::<Vec<_>>().join(",")))]);
    server
}

/// A server whose only billing period is 2024-11.
pub fn november() -> ScriptedServer {
    listing(&["202411"])
}

/// A row of 2024-11 that has this number as its cost and in its meter's name.
pub fn row(number: u32) -> String {
    format!(r#"{{"cost":{number},"date":"2024-11-{:02}T00:00:00","meterName":"m{number}"}}"#, number % 30 + 1)
}

/// A page with the rows of these numbers.
pub fn page(numbers: impl IntoIterator<Item = u32>, next: Option<&str>) -> String {
    page_of(&numbers.into_iter().map(row).collect::<Vec<_>>(), next)
}

/// A page with these rows.
pub fn page_of(rows: &[String], next: Option<&str>) -> String {
    format!(r#"{{"id":"1","data":[{}],"nextLink":{}}}"#, rows.join(","), serde_json::json!(next))
}
