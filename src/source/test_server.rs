//! A server for this room's tests: it plays canned bytes, one answer a connection, and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a connection does after the request's head was read.
pub(super) enum Play {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes, then nothing more, and stays open.
    Stall(Vec<u8>),
}

pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    /// Plays these answers in their order, then refuses connections.
    pub(super) async fn start(plays: Vec<Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heads = asked.clone();
        tokio::spawn(async move {
            let mut stalled = Vec::new();
            for play in plays {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                heads.lock().unwrap().push(head.into_iter().map(char::from).collect());
                match play {
                    Play::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
                    Play::Stall(bytes) => {
                        stream.write_all(&bytes).await.unwrap();
                        stalled.push(stream);
                    }
                }
            }
            drop(listener);
            std::future::pending::<()>().await;
        });
        TestServer { address, asked }
    }

    /// The heads of the requests so far, a character a byte.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// An answer of that status line, headers (each ended by a line end) and body, with its length.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Play {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    Play::Bytes([head.as_bytes(), body].concat())
}
