//! The thread on which a slice is unpacked, decoded and encoded, while the network brings more.
//!
//! Bytes go in through a short queue; when the thread is behind, the queue is full and the connection waits.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::sanity::Expected;
use super::writer::{Origin, PageError, SliceWriter};
use super::{ErrorKind, RunError, SliceReport};
use crate::decode::PageSummary;
use crate::lake::StagedFile;
use crate::source::Inflate;

/// Pieces of a body that may wait for the thread.
const QUEUE: usize = 8;

enum Order {
    Begin { inflate: Box<Inflate>, with_hash: bool },
    Feed(Bytes),
    Commit(oneshot::Sender<Result<Committed, PageError>>),
    Rollback(oneshot::Sender<Result<(), PageError>>),
    Finish(Box<(Origin, Expected, SliceReport)>, oneshot::Sender<Finished>),
}

/// A page whose rows were taken.
pub(crate) struct Committed {
    pub(crate) page: PageSummary,
    /// Rows of the slice so far.
    pub(crate) rows: u64,
    /// SHA-256 of the page's text, when it was asked for.
    pub(crate) hash: Option<[u8; 32]>,
}

/// The end of a slice; the report comes back in any case.
pub(crate) struct Finished {
    pub(crate) staged: Result<StagedFile, RunError>,
    pub(crate) report: SliceReport,
}

/// Feeds a [`SliceWriter`] on a thread of its own.
pub(crate) struct Pipeline {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<()>,
}

impl Pipeline {
    /// Starts the thread.
    pub(crate) fn start(writer: SliceWriter) -> Self {
        let (orders, queue) = mpsc::channel(QUEUE);
        let thread = tokio::task::spawn_blocking(move || work(writer, queue));
        Pipeline { orders, thread }
    }

    pub(crate) async fn begin_page(&self, inflate: Inflate, with_hash: bool) -> Result<(), PageError> {
        self.send(Order::Begin { inflate: Box::new(inflate), with_hash }).await
    }

    pub(crate) async fn feed(&self, bytes: Bytes) -> Result<(), PageError> {
        self.send(Order::Feed(bytes)).await
    }

    /// Ends the page at work. Whatever was wrong with it since its beginning is told here.
    pub(crate) async fn commit(&self) -> Result<Committed, PageError> {
        let (answer, committed) = oneshot::channel();
        self.send(Order::Commit(answer)).await?;
        committed.await.map_err(|_| gone())?
    }

    pub(crate) async fn rollback(&self) -> Result<(), PageError> {
        let (answer, done) = oneshot::channel();
        self.send(Order::Rollback(answer)).await?;
        done.await.map_err(|_| gone())?
    }

    /// Ends the slice.
    pub(crate) async fn finish(
        self,
        origin: Origin,
        expected: Expected,
        report: SliceReport,
    ) -> Result<Finished, RunError> {
        let (answer, finished) = oneshot::channel();
        let sent = self.orders.send(Order::Finish(Box::new((origin, expected, report)), answer)).await;
        let finished = finished.await;
        match (self.thread.await, sent, finished) {
            (Ok(()), Ok(()), Ok(finished)) => Ok(finished),
            _ => Err(RunError::new(ErrorKind::Internal, "the decoding thread ended too early")),
        }
    }

    /// Drops everything that was staged, and waits until it is gone.
    pub(crate) async fn abandon(self) {
        drop(self.orders);
        // A panic of the thread has been reported by the page that it hit.
        let _ = self.thread.await;
    }

    async fn send(&self, order: Order) -> Result<(), PageError> {
        self.orders.send(order).await.map_err(|_| gone())
    }
}

fn gone() -> PageError {
    PageError::Slice(RunError::new(ErrorKind::Internal, "the decoding thread ended too early"))
}

fn work(mut writer: SliceWriter, mut queue: mpsc::Receiver<Order>) {
    // What went wrong in the page at work; the rest of its bytes is passed over.
    let mut broken: Option<PageError> = None;
    while let Some(order) = queue.blocking_recv() {
        match order {
            Order::Begin { inflate, with_hash } => {
                broken = None;
                writer.begin_page(Some(*inflate), with_hash);
            }
            Order::Feed(bytes) => {
                if broken.is_none() {
                    broken = writer.feed(&bytes).err();
                }
            }
            Order::Commit(answer) => {
                let committed = match broken.take() {
                    Some(error) => Err(error),
                    None => writer.commit().map(|(page, hash)| Committed { page, rows: writer.decoder().rows(), hash }),
                };
                // Nobody waits for the answer when the run was interrupted.
                let _ = answer.send(committed);
            }
            Order::Rollback(answer) => {
                broken = None;
                let _ = answer.send(writer.rollback());
            }
            Order::Finish(last, answer) => {
                let (origin, expected, mut report) = *last;
                let staged = writer.finish(origin, &expected, &mut report);
                let _ = answer.send(Finished { staged, report });
                return;
            }
        }
    }
}
