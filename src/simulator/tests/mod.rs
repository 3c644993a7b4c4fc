//! The room's promises, asked over a socket and read with serde_json.

mod clients;
mod faults;
mod files;
mod forms;
mod keys;
mod ranges;
mod siblings;
mod swagger;
mod usage;

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::{DataKind, Options, Simulator};

/// What came.
struct Answered {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answered {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn error(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        (self.status, text("code"), text("message"))
    }
}

/// One request on a connection of its own.
fn ask(simulator: &Simulator, method: &str, target: &str, headers: &[(&str, &str)]) -> Answered {
    ask_at(&simulator.endpoint(), method, target, headers)
}

/// The same of any host.
fn ask_at(endpoint: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> Answered {
    let host = endpoint.trim_start_matches("http://").to_owned();
    let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request.push_str(&format!("Host: {host}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(&host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let headers = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = headers[9..12].parse().unwrap();
    let answered = Answered { status, headers, body: answer[end + 4..].to_vec() };
    match answered.header("transfer-encoding") {
        None => answered,
        Some(_) => Answered { body: unchunked(&answered.body), ..answered },
    }
}

/// A body without what frames its chunks.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return out;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

const KEY: (&str, &str) = ("Authorization", "Bearer simulated-key");

fn get(simulator: &Simulator, target: &str) -> Answered {
    ask(simulator, "GET", target, &[KEY])
}

fn usage(period: &str) -> String {
    format!("/v3/enrollments/100/billingPeriods/{period}/usagedetails")
}

/// The status of an answer.
fn status(simulator: &Simulator, target: &str) -> u16 {
    get(simulator, target).status
}

/// The bodies of all pages from `target` on.
fn follow(simulator: &Simulator, target: &str) -> Vec<Value> {
    let mut target = target.to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = get(simulator, &target);
        assert_eq!(answer.status, 200, "{target}");
        pages.push(answer.json());
        match pages.last().unwrap()["nextLink"].as_str() {
            Some(link) => target = link.strip_prefix(&simulator.endpoint()).unwrap().to_owned(),
            None => return pages,
        }
    }
}

/// Numbers as they are written: a reader that goes through floats would round them.
fn exact(body: &[u8]) -> Value {
    let text = std::str::from_utf8(body).unwrap();
    let (mut out, mut token, mut in_text, mut escaped) = (String::new(), String::new(), false, false);
    for character in text.chars() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            out.push(character);
        } else if character.is_ascii_digit() || b"-.".contains(&(character as u8)) {
            token.push(character);
        } else {
            if !token.is_empty() {
                out.push_str(&format!("\"{}\"", std::mem::take(&mut token)));
            }
            in_text = character == '"';
            out.push(character);
        }
    }
    serde_json::from_str(&out).unwrap()
}

fn options(data: DataKind) -> Options {
    Options { rows_per_month: 2500, data, ..Options::default() }
}

const KINDS: [DataKind; 3] = [DataKind::Repeating, DataKind::Shuffled, DataKind::Unique];
