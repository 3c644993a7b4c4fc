//! What a request leads to: rows that can be written one by one, and what stands around them.

use std::ops::Range;

use super::chance::draw;
use super::values::write_text;
use super::words::LastLink;

/// Text that is made at once.
const PIECE_BYTES: usize = 256 << 10;

/// Rows of a dataset, each of which can be written alone.
pub trait Rows: Send + Sync {
    /// How many there are.
    fn count(&self) -> u64;

    /// About how many bytes one takes.
    fn row_bytes(&self) -> usize;

    /// Writes consecutive rows, with `between` between them.
    fn write(&self, out: &mut Vec<u8>, rows: Range<u64>, between: &[u8]);
}

/// What stands around rows.
#[derive(Debug, Clone)]
pub enum Wrapping {
    /// Pages: `{"id":…,"data":[…],"nextLink":…}`
    Pages(Paging),
    /// `[…]`
    List,
    /// The only row alone, or `{}`.
    Object,
    /// Lines of a file that begins like this.
    Lines {
        /// Everything before the first row.
        before: Vec<u8>,
        /// Whether the last line has an end, too.
        is_ended: bool,
    },
}

/// How pages are made.
#[derive(Debug, Clone)]
pub struct Paging {
    /// What the page's id is called.
    pub id_name: &'static str,
    /// The page's id.
    pub id: String,
    /// The path of links.
    pub path: String,
    /// What stands in the query of links before the token, with `&` at its end; or nothing.
    pub query: String,
    /// Rows of a page.
    pub rows: u64,
    /// What stands in place of a link on the last page.
    pub last_link: LastLink,
}

/// The rows of a dataset for one request, in one state of the data.
pub struct Document {
    /// The rows.
    pub rows: Box<dyn Rows>,
    /// A number that belongs to these data in this form and no other.
    pub fingerprint: u64,
    /// Fingerprints of states before, whose links lead to pages of this one.
    pub led_on: Vec<u64>,
    /// What stands around the rows.
    pub wrapping: Wrapping,
}

impl Document {
    fn page_rows(&self) -> u64 {
        match &self.wrapping {
            Wrapping::Pages(paging) => paging.rows,
            Wrapping::List | Wrapping::Object | Wrapping::Lines { .. } => u64::MAX,
        }
    }

    /// Whether its pages have links.
    pub fn is_paged(&self) -> bool {
        matches!(self.wrapping, Wrapping::Pages(_))
    }

    /// The number of pages, at least 1.
    pub fn pages(&self) -> u64 {
        self.rows.count().div_ceil(self.page_rows()).max(1)
    }

    /// Rows of a page, counted from 1.
    fn rows_of(&self, page: u64) -> Range<u64> {
        let first = (page - 1) * self.page_rows();
        first..self.rows.count().min(first.saturating_add(self.page_rows()))
    }

    /// About how many bytes a page takes.
    pub fn page_bytes(&self, page: u64) -> usize {
        let rows = self.rows_of(page);
        ((rows.end - rows.start) as usize).saturating_mul(self.rows.row_bytes())
    }

    /// The page of this state that a token leads to, if it is the state's own or one of a state whose links were kept.
    pub fn page_of(&self, token: &str) -> Option<u64> {
        let mut fingerprints = std::iter::once(self.fingerprint).chain(self.led_on.iter().copied());
        fingerprints.find_map(|fingerprint| page_of_token(fingerprint, token)).filter(|page| *page <= self.pages())
    }

    /// The text of a page between 1 and [`Document::pages`], whose link begins with `base`, such as
    /// `http://127.0.0.1:8080`.
    pub fn page(&self, page: u64, base: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.page_bytes(page) + 512);
        self.before(&mut out);
        let rows = self.rows_of(page);
        self.rows.write(&mut out, rows, self.between());
        self.after(&mut out, page, base);
        out
    }

    /// The text of page 1, in pieces that are made when they are asked for.
    pub fn pieces(&self, base: &str) -> impl Iterator<Item = Vec<u8>> {
        let rows = self.rows_of(1);
        let step = (PIECE_BYTES / self.rows.row_bytes().max(1)).max(1);
        let mut begins = Some(0).into_iter().chain((step as u64..rows.end).step_by(step));
        std::iter::from_fn(move || {
            let begin = begins.next()?;
            let end = rows.end.min(begin + step as u64);
            let mut out = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4);
            if begin == 0 {
                self.before(&mut out);
            } else {
                out.extend_from_slice(self.between());
            }
            self.rows.write(&mut out, begin..end, self.between());
            if end == rows.end {
                self.after(&mut out, 1, base);
            }
            Some(out)
        })
    }

    fn between(&self) -> &'static [u8] {
        match self.wrapping {
            Wrapping::Lines { .. } => b"\r\n",
            _ => b",",
        }
    }

    fn before(&self, out: &mut Vec<u8>) {
        match &self.wrapping {
            Wrapping::Pages(paging) => {
                out.push(b'{');
                write_text(out, paging.id_name, false);
                out.push(b':');
                write_text(out, &paging.id, false);
                out.extend_from_slice(b",\"data\":[");
            }
            Wrapping::List => out.push(b'['),
            Wrapping::Object if self.rows.count() == 0 => out.push(b'{'),
            Wrapping::Object => {}
            Wrapping::Lines { before, .. } => {
                out.extend_from_slice(before);
                if self.rows.count() > 0 {
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
    }

    fn after(&self, out: &mut Vec<u8>, page: u64, base: &str) {
        match &self.wrapping {
            Wrapping::Pages(paging) => {
                out.push(b']');
                let Paging { path, query, last_link, .. } = paging;
                if page < self.pages() {
                    out.extend_from_slice(b",\"nextLink\":");
                    let token = token(self.fingerprint, page + 1);
                    write_text(out, &format!("{base}{path}?{query}skiptoken={token}"), false);
                } else {
                    out.extend_from_slice(match last_link {
                        LastLink::Null => b",\"nextLink\":null",
                        LastLink::Empty => b",\"nextLink\":\"\"",
                        LastLink::Absent => b"",
                    });
                }
                out.push(b'}');
            }
            Wrapping::List => out.push(b']'),
            Wrapping::Object if self.rows.count() == 0 => out.push(b'}'),
            Wrapping::Object => {}
            Wrapping::Lines { is_ended, .. } => {
                if *is_ended {
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
    }
}

/// A token: the page under a mask, and a check of both, in Base64 whose signs are percent-encoded.
fn token(fingerprint: u64, page: u64) -> String {
    use base64::Engine;
    let check = draw(fingerprint, page);
    let mut bytes = vec![b'p'];
    bytes.extend_from_slice(&check.to_be_bytes());
    bytes.extend_from_slice(&(page ^ draw(check, 1)).to_be_bytes());
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// The page that a token leads to, if it belongs to this state of the data. The text must be the one that was given out,
/// byte for byte.
fn page_of_token(fingerprint: u64, text: &str) -> Option<u64> {
    use base64::Engine;
    let plain = text.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let bytes = base64::engine::general_purpose::STANDARD.decode(plain).ok()?;
    let check = u64::from_be_bytes(bytes.get(1..9)?.try_into().ok()?);
    let page = u64::from_be_bytes(bytes.get(9..17)?.try_into().ok()?) ^ draw(check, 1);
    (token(fingerprint, page) == text).then_some(page)
}
