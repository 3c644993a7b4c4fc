//! What the running server knows: the version of each period, the pages rendered ahead, and what it has counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::Error;
use super::bill::{Bill, Statement};
use super::faults::{Asked, Rule};
use super::options::{EtagForm, Month, Options, PageEtags};
use super::page::{ROW_BYTES, Renderer, page_of_token};
use super::truth::Sums;

/// Rendered pages that are kept, in bytes; the two newest stay whatever their size.
const CACHE_BYTES: usize = 32 << 20;

/// What the simulator has answered since it started. Requests for the truth and for restatements do not count, but
/// their connections do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests to the API.
    pub requests: u64,
    /// Usage pages answered with a body.
    pub pages_served: u64,
    /// Bytes of all bodies, as sent. An answer that a rule breaks counts whole, a gzip bomb not at all.
    pub body_bytes: u64,
    /// Answers 304.
    pub not_modified: u64,
    /// Answers 401.
    pub unauthorized: u64,
    /// Other answers of status 400 and above.
    pub errors: u64,
    /// Connections taken, whatever became of them.
    pub connections: u64,
    /// The most requests that were being answered at the same time.
    pub most_in_flight: u64,
}

/// [`Counters`] as they are counted.
#[derive(Debug, Default)]
pub struct Counting {
    pub requests: AtomicU64,
    pub pages_served: AtomicU64,
    pub body_bytes: AtomicU64,
    pub not_modified: AtomicU64,
    pub unauthorized: AtomicU64,
    pub errors: AtomicU64,
    pub connections: AtomicU64,
    pub in_flight: AtomicU64,
    pub most_in_flight: AtomicU64,
}

impl Counting {
    pub fn read(&self) -> Counters {
        Counters {
            requests: self.requests.load(Relaxed),
            pages_served: self.pages_served.load(Relaxed),
            body_bytes: self.body_bytes.load(Relaxed),
            not_modified: self.not_modified.load(Relaxed),
            unauthorized: self.unauthorized.load(Relaxed),
            errors: self.errors.load(Relaxed),
            connections: self.connections.load(Relaxed),
            most_in_flight: self.most_in_flight.load(Relaxed),
        }
    }
}

/// A request that is being answered, until it is dropped.
pub struct InFlight(Arc<State>);

impl InFlight {
    /// Counts one more.
    pub fn begin(state: &Arc<State>) -> Self {
        let counting = &state.counting;
        let now = counting.in_flight.fetch_add(1, Relaxed) + 1;
        counting.most_in_flight.fetch_max(now, Relaxed);
        Self(state.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counting.in_flight.fetch_sub(1, Relaxed);
    }
}

/// One period of one enrollment in its current version.
struct Period {
    renderer: Arc<Renderer>,
    /// Fingerprints of versions before, whose links lead to the pages of this one.
    led_on: Vec<u64>,
    /// Worked out when first asked for.
    sums: Option<Sums>,
}

/// A page in one encoding: fingerprint of the data, page, gzip or not, and what its link begins with.
type PageKey = (u64, u64, bool, Arc<str>);

#[derive(Default)]
struct PageCache {
    pages: HashMap<PageKey, Arc<OnceCell<Bytes>>>,
    order: VecDeque<(PageKey, usize)>,
    bytes: usize,
}

/// The state that all connections share.
pub struct State {
    pub options: Options,
    pub endpoint: String,
    pub counting: Counting,
    periods: HashMap<String, Mutex<HashMap<Month, Period>>>,
    cache: Mutex<PageCache>,
    /// Requests of each page, under the text of what was asked for.
    requests: Mutex<BTreeMap<String, u64>>,
    /// How often each rule was played.
    played: Vec<AtomicU64>,
}

/// A panic while a lock was held has been reported already; what the locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub fn new(options: Options, endpoint: String) -> Self {
        let periods = options
            .enrollments
            .iter()
            .map(|enrollment| {
                let bill = Arc::new(Bill::new(&options, enrollment));
                let periods = (0..options.months).map(|count| {
                    let month = options.from.plus(count);
                    let statement = Statement::new(bill.clone(), &options, month, 1);
                    let renderer = Arc::new(Renderer::new(statement, &options, enrollment));
                    (month, Period { renderer, led_on: Vec::new(), sums: None })
                });
                (enrollment.clone(), Mutex::new(periods.collect()))
            })
            .collect();
        let played = options.faults.rules.iter().map(|_| AtomicU64::new(0)).collect();
        Self {
            options,
            endpoint,
            counting: Counting::default(),
            periods,
            cache: Mutex::default(),
            requests: Mutex::default(),
            played,
        }
    }

    /// Whether the enrollment is served.
    pub fn knows(&self, enrollment: &str) -> bool {
        self.periods.contains_key(enrollment)
    }

    /// The listed periods, newest first.
    pub fn months(&self) -> impl Iterator<Item = Month> + '_ {
        (0..self.options.months).rev().map(|count| self.options.from.plus(count))
    }

    /// The current version of a period that is listed.
    pub fn renderer(&self, enrollment: &str, month: Month) -> Option<Arc<Renderer>> {
        Some(lock(self.periods.get(enrollment)?).get(&month)?.renderer.clone())
    }

    /// The page of this version that a token leads to, if it is the version's own or one of a version whose links were
    /// kept.
    pub fn page_of(&self, enrollment: &str, renderer: &Renderer, token: &str) -> Option<u64> {
        let statement = renderer.statement();
        let led_on = lock(self.periods.get(enrollment)?).get(&statement.month)?.led_on.clone();
        let mut fingerprints = std::iter::once(statement.fingerprint()).chain(led_on);
        fingerprints.find_map(|fingerprint| page_of_token(fingerprint, token)).filter(|page| *page <= renderer.pages())
    }

    /// The `ETag` of a page, as the header says it.
    pub fn etag(&self, renderer: &Renderer, page: u64) -> Option<String> {
        let token = match (page, self.options.page_etags) {
            (1, _) | (_, PageEtags::Same) => format!("{:016x}", renderer.statement().fingerprint()),
            (_, PageEtags::PerPage) => format!("{:016x}-{page}", renderer.statement().fingerprint()),
            (_, PageEtags::Absent) => return None,
        };
        match self.options.etag_form {
            EtagForm::Strong => Some(format!("\"{token}\"")),
            EtagForm::Weak => Some(format!("W/\"{token}\"")),
            EtagForm::Bare => Some(token),
            EtagForm::None => None,
        }
    }

    /// Gives a period its next version. With `keep_links`, the links of the version before lead to its pages.
    pub fn restate(&self, enrollment: &str, month: Month, keep_links: bool) -> Result<u32, Error> {
        let periods = self.periods.get(enrollment).ok_or_else(|| Error::Enrollment {
            enrollment: enrollment.to_owned(),
            served: self.options.enrollments.join(", "),
        })?;
        let no_usage = || Error::NoUsage { enrollment: enrollment.to_owned(), period: month };
        let mut periods = lock(periods);
        let period = periods.get_mut(&month).ok_or_else(no_usage)?;
        let statement = period.renderer.statement();
        if statement.rows() == 0 {
            return Err(no_usage());
        }
        let version = statement.version + 1;
        let mut led_on = Vec::new();
        if keep_links {
            led_on.clone_from(&period.led_on);
            led_on.push(statement.fingerprint());
        }
        let statement = Statement::new(statement.bill.clone(), &self.options, month, version);
        let renderer = Arc::new(Renderer::new(statement, &self.options, enrollment));
        *period = Period { renderer, led_on, sums: None };
        Ok(version)
    }

    /// Everything served, in sums. Takes about 50 ns a row the first time.
    pub fn truth(&self) -> Value {
        let mut enrollments = Map::new();
        let mut rows_in_all = 0;
        for enrollment in &self.options.enrollments {
            let mut periods = Map::new();
            for month in self.months() {
                let Some((renderer, sums)) = self.sums(enrollment, month) else { continue };
                let statement = renderer.statement();
                rows_in_all += statement.rows();
                let period = json!({
                    "billing_period_id": month.to_string(),
                    "rows": statement.rows(),
                    "pages": renderer.pages(),
                    "version": statement.version,
                    "etag": self.etag(&renderer, 1),
                    "sums": sums.to_json(),
                    "negative_rows": sums.negative_rows,
                });
                periods.insert(month.to_string(), period);
            }
            enrollments.insert(enrollment.clone(), Value::Object(periods));
        }
        let rules = self.options.faults.rules.iter().zip(self.played());
        let rules = rules.map(|(rule, played)| json!({"name": rule.name, "played": played}));
        let counters = self.counting.read();
        json!({
            "enrollments": enrollments,
            "rows_in_all": rows_in_all,
            "counters": {
                "requests": counters.requests,
                "pages_served": counters.pages_served,
                "body_bytes": counters.body_bytes,
                "not_modified": counters.not_modified,
                "unauthorized": counters.unauthorized,
                "errors": counters.errors,
                "connections": counters.connections,
                "most_in_flight": counters.most_in_flight,
            },
            "requests": *lock(&self.requests),
            "rules": rules.collect::<Vec<_>>(),
        })
    }

    /// The current version and its sums. The sums are made without the lock, so that pages go on being served.
    fn sums(&self, enrollment: &str, month: Month) -> Option<(Arc<Renderer>, Sums)> {
        let periods = self.periods.get(enrollment)?;
        let (renderer, known) = {
            let periods = lock(periods);
            let period = periods.get(&month)?;
            (period.renderer.clone(), period.sums)
        };
        let sums = known.unwrap_or_else(|| Sums::of(renderer.statement()));
        if let Some(period) = lock(periods).get_mut(&month)
            && Arc::ptr_eq(&period.renderer, &renderer)
        {
            period.sums = Some(sums);
        }
        Some((renderer, sums))
    }

    /// Counts a request and gives the rule that it plays.
    pub fn note(&self, asked: &Asked) -> Option<&Rule> {
        let attempt = {
            let mut requests = lock(&self.requests);
            let count = requests.entry(asked.to_string()).or_default();
            *count += 1;
            *count
        };
        let rule = self.options.faults.find(self.options.seed, asked, attempt)?;
        self.played[rule].fetch_add(1, Relaxed);
        self.options.faults.rules.get(rule)
    }

    /// How often each rule was played.
    pub fn played(&self) -> Vec<u64> {
        self.played.iter().map(|played| played.load(Relaxed)).collect()
    }

    /// Requests of a page, by the text of what was asked for.
    pub fn requests_of(&self, what: &str) -> u64 {
        lock(&self.requests).get(what).copied().unwrap_or_default()
    }

    /// The body of a page, whose link begins with `base`; the next ones are begun in the background.
    pub async fn page(self: &Arc<Self>, renderer: &Arc<Renderer>, page: u64, gzip: bool, base: &Arc<str>) -> Bytes {
        let body = self.cell(renderer, page, gzip, base);
        // Compressing takes longer than most clients need for a page, so more of it is done at once.
        let ahead = if gzip { 2 } else { 1 };
        for next in page + 1..=renderer.pages().min(page + ahead) {
            let (cell, renderer) = (self.cell(renderer, next, gzip, base), renderer.clone());
            if !cell.initialized() {
                let base = base.clone();
                tokio::spawn(async move { fill(&cell, &renderer, next, gzip, &base).await });
            }
        }
        fill(&body, renderer, page, gzip, base).await
    }

    fn cell(&self, renderer: &Renderer, page: u64, gzip: bool, base: &Arc<str>) -> Arc<OnceCell<Bytes>> {
        let mut cache = lock(&self.cache);
        let key = (renderer.statement().fingerprint(), page, gzip, base.clone());
        if let Some(cell) = cache.pages.get(&key) {
            return cell.clone();
        }
        // The size is not known yet; gzip makes a page at least five times smaller.
        let bytes = renderer.rows_of(page) as usize * ROW_BYTES / if gzip { 5 } else { 1 };
        cache.bytes += bytes;
        cache.order.push_back((key.clone(), bytes));
        while cache.bytes > CACHE_BYTES && cache.order.len() > 2 {
            if let Some((oldest, bytes)) = cache.order.pop_front() {
                cache.pages.remove(&oldest);
                cache.bytes -= bytes;
            }
        }
        cache.pages.entry(key).or_default().clone()
    }
}

/// Renders a page into its cell, once, on a thread that may block.
async fn fill(cell: &OnceCell<Bytes>, renderer: &Arc<Renderer>, page: u64, gzip: bool, base: &Arc<str>) -> Bytes {
    let render = || async {
        let (renderer, base) = (renderer.clone(), base.clone());
        let render = move || {
            let body = renderer.page(page, &base);
            Bytes::from(if gzip { compress(&body) } else { body })
        };
        // Rendering fails only when the runtime is going down, and then nobody waits for the page.
        tokio::task::spawn_blocking(render).await.unwrap_or_default()
    };
    cell.get_or_init(render).await.clone()
}

/// A text as gzip.
pub fn compress(body: &[u8]) -> Vec<u8> {
    let out = Vec::with_capacity(body.len() / 5 + 1024);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    // Writing to memory does not fail; should it, an empty body is no gzip and the client says so.
    encoder.write_all(body).and_then(|()| encoder.finish()).unwrap_or_default()
}
