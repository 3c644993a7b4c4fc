//! Pages rendered ahead, and kept for a while.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OnceCell, mpsc};

use super::body::{Body, Streamed};
use super::document::Document;

/// Rendered pages that are kept, in bytes; the two newest stay whatever their size.
const CACHE_BYTES: usize = 32 << 20;

/// Texts without pages that are longer than this are not kept but made while they are sent.
const MOST_KEPT: usize = 8 << 20;

/// Pieces of such a text that wait to be sent.
const PIECES_AHEAD: usize = 4;

/// A page in one encoding: fingerprint of the data, page, gzip or not, and what its link begins with.
type PageKey = (u64, u64, bool, Arc<str>);

/// The pages.
#[derive(Default)]
pub struct PageCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    pages: HashMap<PageKey, Arc<OnceCell<Bytes>>>,
    order: VecDeque<(PageKey, usize)>,
    bytes: usize,
}

impl PageCache {
    /// The body of a page, whose link begins with `base`; the next ones are begun in the background.
    pub async fn body(&self, document: &Arc<Document>, page: u64, gzip: bool, base: &Arc<str>) -> Body {
        if !document.is_paged() && document.page_bytes(page) > MOST_KEPT {
            return Body::Streamed(stream(document.clone(), gzip, base.clone()));
        }
        let cell = self.cell(document, page, gzip, base);
        // Compressing takes longer than most clients need for a page, so more of it is done at once.
        let ahead = if gzip { 2 } else { 1 };
        for next in page + 1..=document.pages().min(page + ahead) {
            let (cell, document) = (self.cell(document, next, gzip, base), document.clone());
            if !cell.initialized() {
                let base = base.clone();
                tokio::spawn(async move { fill(&cell, &document, next, gzip, &base).await });
            }
        }
        Body::Whole(fill(&cell, document, page, gzip, base).await)
    }

    /// The body of a document without pages, with its length: where it is long, everything is made twice.
    pub async fn measured_body(&self, document: &Arc<Document>, base: &Arc<str>) -> Body {
        match self.body(document, 1, false, base).await {
            Body::Streamed(streamed) => {
                let (document, base) = (document.clone(), base.clone());
                let measure = move || document.pieces(&base).map(|piece| piece.len() as u64).sum();
                // It fails only when the runtime is going down.
                Body::Streamed(Streamed { length: tokio::task::spawn_blocking(measure).await.ok(), ..streamed })
            }
            body => body,
        }
    }

    fn cell(&self, document: &Document, page: u64, gzip: bool, base: &Arc<str>) -> Arc<OnceCell<Bytes>> {
        // A panic while the lock was held has been reported already; at worst a page is rendered again.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (document.fingerprint, page, gzip, base.clone());
        if let Some(cell) = kept.pages.get(&key) {
            return cell.clone();
        }
        // The size is not known yet; gzip makes a page at least five times smaller.
        let bytes = document.page_bytes(page) / if gzip { 5 } else { 1 };
        kept.bytes += bytes;
        kept.order.push_back((key.clone(), bytes));
        while kept.bytes > CACHE_BYTES && kept.order.len() > 2 {
            if let Some((oldest, bytes)) = kept.order.pop_front() {
                kept.pages.remove(&oldest);
                kept.bytes -= bytes;
            }
        }
        kept.pages.entry(key).or_default().clone()
    }
}

/// Renders a page into its cell, once, on a thread that may block.
async fn fill(cell: &OnceCell<Bytes>, document: &Arc<Document>, page: u64, gzip: bool, base: &Arc<str>) -> Bytes {
    let render = || async {
        let (document, base) = (document.clone(), base.clone());
        let render = move || {
            let body = document.page(page, &base);
            Bytes::from(if gzip { compress(&body) } else { body })
        };
        // Rendering fails only when the runtime is going down, and then nobody waits for the page.
        tokio::task::spawn_blocking(render).await.unwrap_or_default()
    };
    cell.get_or_init(render).await.clone()
}

/// A text that is made while it is sent. Nothing more is made when the client has gone away.
fn stream(document: Arc<Document>, gzip: bool, base: Arc<str>) -> Streamed {
    let (send, receive) = mpsc::channel(PIECES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut packer = gzip.then(packer);
        for piece in document.pieces(&base) {
            let piece = match &mut packer {
                None => piece,
                // Writing to memory does not fail.
                Some(packer) => {
                    packer.write_all(&piece).map_or_else(|_| Vec::new(), |()| std::mem::take(packer.get_mut()))
                }
            };
            if !piece.is_empty() && send.blocking_send(Bytes::from(piece)).is_err() {
                return;
            }
        }
        if let Some(rest) = packer.and_then(|packer| packer.finish().ok()) {
            // It fails when nobody listens any more.
            let _ = send.blocking_send(Bytes::from(rest));
        }
    });
    Streamed { pieces: receive, length: None }
}

fn packer() -> flate2::write::GzEncoder<Vec<u8>> {
    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast())
}

/// A text as gzip.
pub fn compress(body: &[u8]) -> Vec<u8> {
    let mut packer = packer();
    packer.get_mut().reserve(body.len() / 5 + 1024);
    // Writing to memory does not fail; should it, an empty body is no gzip and the client says so.
    packer.write_all(body).and_then(|()| packer.finish()).unwrap_or_default()
}
