//! Rendering of pages: a row is a dozen fragments copied one after the other, and two numbers.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::bill::{Bill, Cursor, Line, Statement};
use super::chance::draw;
use super::fields::{FIELDS, MONEY_SCALE, QUANTITY_SCALE, Source, write_decimal, write_text};
use super::options::{DataKind, Month, Options};
use super::resource::serial;

/// A page's size is known only when it is written; this much a row is set aside.
pub const ROW_BYTES: usize = 1600;

/// One part of a row, in wire order.
#[derive(Debug, Clone, Copy)]
enum Part {
    Meter(usize),
    Subscription(usize),
    Resource(usize),
    Cost,
    Quantity,
    Date,
}

/// The parts of a row, which follow from the table of fields.
fn parts() -> Vec<Part> {
    let (mut meter, mut subscription, mut resource) = (0, 0, 0);
    let next = |counter: &mut usize| std::mem::replace(counter, *counter + 1);
    FIELDS
        .chunk_by(|left, right| left.1 == right.1)
        .map(|run| match run[0].1 {
            Source::Meter => Part::Meter(next(&mut meter)),
            Source::Subscription => Part::Subscription(next(&mut subscription)),
            Source::Resource => Part::Resource(next(&mut resource)),
            Source::Cost => Part::Cost,
            Source::Quantity => Part::Quantity,
            Source::Date => Part::Date,
        })
        .collect()
}

/// Writes the pages of one statement.
pub struct Renderer {
    statement: Statement,
    enrollment: String,
    page_rows: u64,
    data: DataKind,
    parts: Vec<Part>,
    dates: Vec<String>,
}

impl Renderer {
    /// A renderer of a statement.
    pub fn new(statement: Statement, options: &Options, enrollment: &str) -> Self {
        let Month { year, month } = statement.month;
        let dates = (1..=statement.month.days())
            .map(|day| format!(",\"date\":\"{year:04}-{month:02}-{day:02}T00:00:00\""))
            .collect();
        Self {
            statement,
            enrollment: enrollment.to_owned(),
            page_rows: options.page_rows.max(1) as u64,
            data: options.data,
            parts: parts(),
            dates,
        }
    }

    /// The statement it writes.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The number of pages, at least 1.
    pub fn pages(&self) -> u64 {
        self.statement.rows().div_ceil(self.page_rows).max(1)
    }

    /// Rows of a page, counted from 1.
    pub fn rows_of(&self, page: u64) -> u64 {
        (self.statement.rows() - (page - 1) * self.page_rows).min(self.page_rows)
    }

    /// The token that leads to a page, percent-encoded, as it stands in a `nextLink`.
    pub fn token(&self, page: u64) -> String {
        token(self.statement.fingerprint(), page)
    }

    /// The body of a page between 1 and [`Renderer::pages`], whose `nextLink` begins with `base`, such as
    /// `http://127.0.0.1:8080`.
    pub fn page(&self, page: u64, base: &str) -> Vec<u8> {
        let first = (page - 1) * self.page_rows;
        let rows = first..first + self.rows_of(page);
        let mut out = Vec::with_capacity((rows.end - rows.start) as usize * ROW_BYTES + 512);
        let (enrollment, month) = (&self.enrollment, self.statement.month);
        out.extend_from_slice(b"{\"id\":");
        write_text(&mut out, &format!("enrollments/{enrollment}/billingperiods/{month}/usagedetails"), false);
        out.extend_from_slice(b",\"data\":[");
        let mut cursor = Cursor::default();
        for index in rows {
            if index > first {
                out.push(b',');
            }
            self.row(&mut out, &self.statement.line(&mut cursor, index));
        }
        out.extend_from_slice(b"],\"nextLink\":");
        if page < self.pages() {
            let next = format!(
                "{}/v3/enrollments/{enrollment}/billingPeriods/{month}/usagedetails?skiptoken={}",
                base,
                self.token(page + 1)
            );
            write_text(&mut out, &next, false);
        } else {
            out.extend_from_slice(b"null");
        }
        out.push(b'}');
        out
    }

    /// The first row alone; there must be one.
    pub fn first_row(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ROW_BYTES);
        self.row(&mut out, &self.statement.line(&mut Cursor::default(), 0));
        out
    }

    fn row(&self, out: &mut Vec<u8>, line: &Line) {
        let bill = &*self.statement.bill;
        let (meter, subscription, resource) = (bill.meter(line), bill.subscription(line), bill.resource(line));
        for part in &self.parts {
            match *part {
                Part::Meter(index) => out.extend_from_slice(&meter.fragments[index]),
                Part::Subscription(index) => out.extend_from_slice(&subscription.fragments[index]),
                Part::Resource(index) => {
                    let start = out.len();
                    out.extend_from_slice(&resource.fragments[index]);
                    if index == 0 && self.data == DataKind::Unique {
                        let serial = serial(self.statement.serial(line));
                        for position in &resource.serials {
                            let at = start + *position as usize;
                            out[at..at + serial.len()].copy_from_slice(&serial);
                        }
                    }
                }
                Part::Cost => {
                    out.extend_from_slice(b",\"cost\":");
                    write_decimal(out, line.cost, MONEY_SCALE);
                }
                Part::Quantity => {
                    out.extend_from_slice(b",\"consumedQuantity\":");
                    write_decimal(out, i128::from(line.quantity), QUANTITY_SCALE);
                }
                Part::Date => out.extend_from_slice(self.dates[line.day as usize].as_bytes()),
            }
        }
        out.push(b'}');
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
pub fn page_of_token(fingerprint: u64, text: &str) -> Option<u64> {
    use base64::Engine;
    let plain = text.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let bytes = base64::engine::general_purpose::STANDARD.decode(plain).ok()?;
    let check = u64::from_be_bytes(bytes.get(1..9)?.try_into().ok()?);
    let page = u64::from_be_bytes(bytes.get(9..17)?.try_into().ok()?) ^ draw(check, 1);
    (token(fingerprint, page) == text).then_some(page)
}

/// The pages of one billing period in its first version, as a server with the same options serves them, without a
/// server: for benches and for files. `nextLink`s name the options' port as it is.
///
/// ```
/// use billing_lake::simulator::{Options, Pages};
///
/// let options = Options { rows_per_month: 2500, ..Options::default() };
/// let pages = Pages::new(&options, "100", "2024-01")?;
/// assert_eq!((pages.count(), pages.rows()), (3, 2500));
/// assert!(pages.get(3).is_some_and(|body| body.ends_with(b"\"nextLink\":null}")));
/// # Ok::<(), billing_lake::simulator::Error>(())
/// ```
pub struct Pages {
    renderer: Renderer,
    base: String,
}

impl Pages {
    /// The pages of a period, written `202411` or `2024-11`; it need not be among those that the options list.
    ///
    /// # Errors
    /// [`Error::Month`] when the period is none.
    pub fn new(options: &Options, enrollment: &str, period: &str) -> Result<Self, Error> {
        let month = period.parse()?;
        let bill = Arc::new(Bill::new(options, enrollment));
        let base = format!("http://127.0.0.1:{}", options.port);
        let renderer = Renderer::new(Statement::new(bill, options, month, 1), options, enrollment);
        Ok(Self { renderer, base })
    }

    /// The number of pages, at least 1: a period without rows has one page without data.
    pub fn count(&self) -> u64 {
        self.renderer.pages()
    }

    /// The number of rows of all pages.
    pub fn rows(&self) -> u64 {
        self.renderer.statement().rows()
    }

    /// The body of a page, counted from 1; `None` past the last.
    pub fn get(&self, number: u64) -> Option<Vec<u8>> {
        (1..=self.count()).contains(&number).then(|| self.renderer.page(number, &self.base))
    }
}

/// The body of one page, counted from 1. Empty when there is no such page or the period is no month. Who wants several
/// pages takes [`Pages`], which sets up the enrollment once.
pub fn page(options: &Options, enrollment: &str, period: &str, number: usize) -> Vec<u8> {
    Pages::new(options, enrollment, period).ok().and_then(|pages| pages.get(number as u64)).unwrap_or_default()
}

/// Writes all pages of a period into the folder `out`, which is made if need be, as `page-00001.json` and so on, and
/// returns their number.
///
/// # Errors
/// `InvalidInput` when the period is no month; whatever the file system answers.
pub fn write_pages(options: &Options, enrollment: &str, period: &str, out: &Path) -> io::Result<u64> {
    let pages =
        Pages::new(options, enrollment, period).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    std::fs::create_dir_all(out)?;
    for number in 1..=pages.count() {
        let mut file = std::fs::File::create(out.join(format!("page-{number:05}.json")))?;
        file.write_all(&pages.renderer.page(number, &pages.base))?;
    }
    Ok(pages.count())
}
