//! A proxy before a store's server, which answers some requests itself: with a status of trouble, or not at all.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// It is answered with this status.
    Status(u16),
    /// The connection is closed before the request is passed on.
    Lost,
    /// The request is passed on, and the connection closed before the answer.
    AnswerLost,
}

/// A rule: so many of the requests for which it holds come to grief.
pub(super) struct Rule {
    pub(super) fault: Fault,
    pub(super) times: usize,
    /// Whether it holds for a method and a target.
    pub(super) holds: fn(&str, &str) -> bool,
}

/// The proxy; its threads end with the process.
pub(super) struct Faulty {
    /// Its address, as a URL.
    pub(super) endpoint: String,
    rule: Arc<Mutex<Option<Rule>>>,
    played: Arc<AtomicUsize>,
}

impl Faulty {
    /// A proxy before a server, named by its URL, that does nothing yet.
    pub(super) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, path) = server.strip_prefix("http://").unwrap().split_once('/').unwrap_or((&server[7..], ""));
        let endpoint = format!("http://{}/{path}", listener.local_addr().unwrap());
        let (rule, played) = (Arc::<Mutex<Option<Rule>>>::default(), Arc::<AtomicUsize>::default());
        let faulty = Faulty {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            rule: Arc::clone(&rule),
            played: Arc::clone(&played),
        };
        let address = address.to_owned();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (address, rule, played) = (address.clone(), Arc::clone(&rule), Arc::clone(&played));
                thread::spawn(move || serve(connection, &address, &rule, &played));
            }
        });
        faulty
    }

    pub(super) fn play(&self, rule: Rule) {
        *self.rule.lock().unwrap() = Some(rule);
        self.played.store(0, Ordering::Relaxed);
    }

    /// Requests that came to grief since the rule was set.
    pub(super) fn played(&self) -> usize {
        self.played.load(Ordering::Relaxed)
    }
}

/// Serves one request of a connection, and closes it.
fn serve(connection: TcpStream, server: &str, rule: &Mutex<Option<Rule>>, played: &AtomicUsize) -> io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let (first, headers) = head.split_once("\r\n").unwrap_or_default();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let of_body =
        headers.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; of_body.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let fault = {
        let mut rule = rule.lock().unwrap();
        let hit = rule.as_mut().filter(|rule| rule.times > 0 && (rule.holds)(method, target));
        hit.map(|rule| {
            rule.times -= 1;
            played.fetch_add(1, Ordering::Relaxed);
            rule.fault
        })
    };
    let mut connection = connection;
    match fault {
        Some(Fault::Status(status)) => {
            let text = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            return write!(
                connection,
                "HTTP/1.1 {status} Trouble\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            );
        }
        Some(Fault::Lost) => return Ok(()),
        Some(Fault::AnswerLost) | None => {}
    }
    let mut onward = TcpStream::connect(server)?;
    write!(onward, "{first}\r\nConnection: close\r\n{headers}")?;
    onward.write_all(&body)?;
    let mut answer = Vec::new();
    onward.read_to_end(&mut answer)?;
    if fault.is_none() { connection.write_all(&answer) } else { Ok(()) }
}
