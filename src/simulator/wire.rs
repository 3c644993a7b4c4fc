//! The connection below HTTP: it can break in the middle of an answer, at the exact byte.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

use super::faults::BreakHow;

/// A reset takes back what lies in buffers, so the bytes before it get this time to arrive.
const BEFORE_RESET: Duration = Duration::from_millis(50);

/// What ends a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// When the connection breaks, counted from the next byte that is written.
#[derive(Debug)]
enum Left {
    /// So many bytes after the end of a head, of whose end so many bytes have passed.
    Head { seen: usize, then: u64 },
    /// After so many bytes.
    Bytes(u64),
}

/// Breaks a connection during the answer that is written next. Clones belong together.
#[derive(Debug, Clone, Default)]
pub struct Breaker(Arc<Mutex<Option<(BreakHow, Left)>>>);

impl Breaker {
    /// Breaks after so many bytes of head and body.
    pub fn at_head(&self, how: BreakHow, bytes: u64) {
        self.set(how, Left::Bytes(bytes));
    }

    /// Breaks after so many bytes of the body.
    pub fn at_body(&self, how: BreakHow, bytes: u64) {
        self.set(how, Left::Head { seen: 0, then: bytes });
    }

    fn set(&self, how: BreakHow, left: Left) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((how, left));
    }
}

impl Left {
    /// How many of these bytes may pass.
    fn passes(&self, bytes: &[u8]) -> usize {
        match *self {
            Left::Bytes(left) => bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
            Left::Head { seen, then } => {
                let mut seen = seen;
                for (index, byte) in bytes.iter().enumerate() {
                    seen = after(seen, *byte);
                    if seen == HEAD_END.len() {
                        let head = index + 1;
                        return head + Left::Bytes(then).passes(&bytes[head..]);
                    }
                }
                bytes.len()
            }
        }
    }

    /// These bytes have passed.
    fn passed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            *self = match *self {
                Left::Head { seen, then } => match after(seen, *byte) {
                    seen if seen == HEAD_END.len() => Left::Bytes(then),
                    seen => Left::Head { seen, then },
                },
                Left::Bytes(left) => Left::Bytes(left.saturating_sub(1)),
            };
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Left::Bytes(0))
    }
}

/// How much of a head's end has passed with this byte.
fn after(seen: usize, byte: u8) -> usize {
    match byte {
        byte if byte == HEAD_END[seen] => seen + 1,
        b'\r' => 1,
        _ => 0,
    }
}

/// A stream over a TCP connection.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// The connection.
    fn socket(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A stream that breaks when its [`Breaker`] says so.
pub struct Wire<S> {
    stream: S,
    breaker: Breaker,
    before_reset: Option<Pin<Box<Sleep>>>,
}

impl<S: Socket> Wire<S> {
    /// A stream that breaks when `breaker` says so.
    pub fn new(stream: S, breaker: Breaker) -> Self {
        Self { stream, breaker, before_reset: None }
    }

    /// Breaks the connection if it is time. What has passed is sent before.
    fn check(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let due = |plan: &Option<(BreakHow, Left)>| plan.as_ref().is_some_and(|(_, left)| left.is_nothing());
        let how = match &*self.breaker.0.lock().unwrap_or_else(PoisonError::into_inner) {
            plan if !due(plan) => return Poll::Ready(Ok(())),
            Some((how, _)) => *how,
            None => return Poll::Ready(Ok(())),
        };
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        match how {
            // Nobody wakes it: the client goes away, or the simulator stops.
            BreakHow::Stall => Poll::Pending,
            BreakHow::Close => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            BreakHow::Reset => {
                let wait = self.before_reset.get_or_insert_with(|| Box::pin(sleep(BEFORE_RESET)));
                ready!(wait.as_mut().poll(cx));
                self.stream.socket().set_zero_linger()?;
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    fn is_armed(&self) -> bool {
        self.breaker.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl<S: Socket> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: Socket> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.is_armed() {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        ready!(self.check(cx))?;
        let plan = self.breaker.clone();
        let passes =
            |plan: &Option<(BreakHow, Left)>| plan.as_ref().map_or(bytes.len(), |(_, left)| left.passes(bytes));
        let passes = passes(&plan.0.lock().unwrap_or_else(PoisonError::into_inner));
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..passes]))?;
        if let Some((_, left)) = &mut *plan.0.lock().unwrap_or_else(PoisonError::into_inner) {
            left.passed(&bytes[..written]);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.is_armed() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The last byte of an answer may be where it breaks.
        ready!(self.check(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
