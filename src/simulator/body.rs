//! Bodies of answers: whole in memory, or made while they are sent.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::faults::Bomb;
use super::state::InFlight;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Gzip that unpacks to far more than it is.
    Bomb(Bomb),
    /// All of it, in pieces.
    Paced(Paced),
    /// What is made while it is sent.
    Streamed(Streamed),
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Body {
    /// Its length, unless it is not known before.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Paced(paced) => (!paced.is_chunked).then_some(paced.rest.len() as u64),
            Self::Bomb(_) => None,
            Self::Streamed(streamed) => streamed.length,
        }
    }

    /// All of it in memory, unless it is a bomb.
    pub async fn collected(self) -> Self {
        let Self::Streamed(Streamed { mut pieces, .. }) = self else { return self };
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            all.extend_from_slice(&piece);
        }
        Self::Whole(all.into())
    }

    /// Bytes that are held in memory to be sent.
    pub fn held_bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Paced(paced) => paced.rest.len() as u64,
            Self::Bomb(_) | Self::Streamed(_) => 0,
        }
    }
}

/// A body that is made while it is sent.
#[derive(Debug)]
pub struct Streamed {
    /// What has been made.
    pub pieces: mpsc::Receiver<Bytes>,
    /// Its length, if that is told.
    pub length: Option<u64>,
}

/// A body that comes piece by piece.
#[derive(Debug)]
pub struct Paced {
    rest: Bytes,
    piece: usize,
    pause: Duration,
    /// Its length is not told; each piece is a chunk.
    is_chunked: bool,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// Pieces of at least one byte, with pauses between.
    pub fn new(bytes: Bytes, piece: usize, pause: Duration, is_chunked: bool) -> Self {
        Self { rest: bytes, piece: piece.max(1), pause, is_chunked, wait: None }
    }

    /// Bytes on the wire: with what frames the chunks, and the empty one at the end.
    pub fn wire_bytes(&self) -> usize {
        let chunk = |length: usize| format!("{length:x}\r\n\r\n").len() + length;
        match (self.is_chunked, self.rest.len() % self.piece) {
            (false, _) => self.rest.len(),
            (true, 0) => self.rest.len() / self.piece * chunk(self.piece) + chunk(0),
            (true, last) => self.rest.len() / self.piece * chunk(self.piece) + chunk(last) + chunk(0),
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.split_to(self.piece.min(self.rest.len()));
        if !self.pause.is_zero() && !self.rest.is_empty() {
            self.wait = Some(Box::pin(sleep(self.pause)));
        }
        Poll::Ready(Some(piece))
    }
}

/// A body on its way to a client. Its request is in flight until this is gone.
pub struct Sending {
    pub body: Body,
    /// None for requests that do not count.
    pub in_flight: Option<InFlight>,
}

impl hyper::body::Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.body {
            Body::Whole(bytes) if bytes.is_empty() => None,
            Body::Whole(bytes) => Some(std::mem::take(bytes)),
            Body::Bomb(bomb) => bomb.next(),
            Body::Paced(paced) => ready!(paced.poll_piece(cx)),
            Body::Streamed(streamed) => {
                let piece = ready!(streamed.pieces.poll_recv(cx));
                if let (Some(piece), Some(in_flight)) = (&piece, &self.in_flight) {
                    in_flight.count_bytes(piece.len());
                }
                piece
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.length() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
