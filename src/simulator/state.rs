//! What the running server knows: its enrollments, keys, pages rendered ahead, and what it has counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::Error;
use super::cache::PageCache;
use super::dataset::Wanted;
use super::days::Days;
use super::enrollment::Enrollment;
use super::faults::{Asked, Rule};
use super::keys::Keys;
use super::month::Month;
use super::options::Options;
use super::reports::Reports;
use super::words::{Dataset, EtagForm, PageEtags};

/// What the simulator has answered since it started. Requests for the truth and for restatements do not count, but
/// their connections do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests to the API.
    pub requests: u64,
    /// Usage pages answered with a body.
    pub pages_served: u64,
    /// Answers with other data: other datasets, and usage as files.
    pub others_served: u64,
    /// Requests for ordered files, on their own host.
    pub blob_requests: u64,
    /// Of these, those that carried an `Authorization` header. It must never go there.
    pub keys_sent_to_blobs: u64,
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
    pub others_served: AtomicU64,
    pub blob_requests: AtomicU64,
    pub keys_sent_to_blobs: AtomicU64,
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
            others_served: self.others_served.load(Relaxed),
            blob_requests: self.blob_requests.load(Relaxed),
            keys_sent_to_blobs: self.keys_sent_to_blobs.load(Relaxed),
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

    /// Counts bytes of a body that was not known before.
    pub fn count_bytes(&self, bytes: usize) {
        self.0.counting.body_bytes.fetch_add(bytes as u64, Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counting.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The state that all connections share.
pub struct State {
    pub options: Options,
    /// Where the API listens.
    pub endpoint: String,
    /// Where ordered files are.
    pub blob_endpoint: String,
    pub counting: Counting,
    pub keys: Keys,
    pub cache: PageCache,
    pub reports: Reports,
    enrollments: HashMap<String, Enrollment>,
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
    pub fn new(options: Options, endpoint: String, blob_endpoint: String) -> Self {
        let enrollments = options.enrollments.iter();
        let enrollments = enrollments.map(|number| (number.clone(), Enrollment::new(&options, number))).collect();
        let played = options.faults.rules.iter().map(|_| AtomicU64::new(0)).collect();
        Self {
            keys: Keys::new(&options),
            options,
            endpoint,
            blob_endpoint,
            counting: Counting::default(),
            cache: PageCache::default(),
            reports: Reports::default(),
            enrollments,
            requests: Mutex::default(),
            played,
        }
    }

    /// An enrollment that is served.
    pub fn enrollment(&self, number: &str) -> Option<&Enrollment> {
        self.enrollments.get(number)
    }

    /// What addresses of ordered files begin with.
    pub fn blob_base(&self) -> String {
        let Options { public_base, public_blob_base, .. } = &self.options;
        let port = self.blob_endpoint.rsplit_once(':').map_or("", |(_, port)| port);
        match (public_blob_base, public_base.as_deref().and_then(|base| base.split_once("://"))) {
            (Some(base), _) => base.clone(),
            (None, Some((scheme, rest))) => {
                let host = rest.split('/').next().unwrap_or_default();
                let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
                let host = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
                format!("{scheme}://{host}:{port}")
            }
            (None, None) => self.blob_endpoint.clone(),
        }
    }

    /// The `ETag` of a page, as the header says it.
    pub fn etag(&self, fingerprint: u64, page: u64) -> Option<String> {
        let token = match (page, self.options.page_etags) {
            (1, _) | (_, PageEtags::Same) => format!("{fingerprint:016x}"),
            (_, PageEtags::PerPage) => format!("{fingerprint:016x}-{page}"),
            (_, PageEtags::Absent) => return None,
        };
        match self.options.etag_form {
            EtagForm::Strong => Some(format!("\"{token}\"")),
            EtagForm::Weak => Some(format!("W/\"{token}\"")),
            EtagForm::Bare => Some(token),
            EtagForm::None => None,
        }
    }

    /// Gives a period of a dataset its next version. With `keep_links`, the links of the version before lead to its
    /// pages.
    pub fn restate(&self, enrollment: &str, dataset: Dataset, month: Month, keep_links: bool) -> Result<u32, Error> {
        let unknown =
            || Error::Enrollment { enrollment: enrollment.to_owned(), served: self.options.enrollments.join(", ") };
        let found = self.enrollment(enrollment).ok_or_else(unknown)?;
        if !self.options.listed().any(|listed| listed == month) || !dataset.has_data(&self.options, month) {
            return Err(Error::NoData { enrollment: enrollment.to_owned(), dataset, period: month });
        }
        Ok(found.restate(dataset, month, keep_links))
    }

    /// Everything served, in sums. Takes about 50 ns a row of usage the first time.
    pub fn truth(&self) -> Value {
        let of_dataset = |dataset: Dataset| {
            let enrollments = self.options.enrollments.iter().filter_map(|number| {
                let enrollment = self.enrollment(number)?;
                let periods = self.options.listed();
                let periods = periods.map(|month| (month.to_string(), self.truth_of(enrollment, dataset, month)));
                Some((number.clone(), Value::Object(periods.collect())))
            });
            enrollments.collect::<Map<String, Value>>()
        };
        let usage = of_dataset(Dataset::UsageDetails);
        let periods = usage.values().filter_map(Value::as_object).flat_map(Map::values);
        let rows_in_all: u64 = periods.filter_map(|period| period["rows"].as_u64()).sum();
        let others = Dataset::ALL.into_iter().filter(|dataset| *dataset != Dataset::UsageDetails);
        let datasets: Map<String, Value> =
            others.map(|dataset| (dataset.to_string(), Value::Object(of_dataset(dataset)))).collect();
        let rules = self.options.faults.rules.iter().zip(self.played());
        let rules = rules.map(|(rule, played)| json!({"name": rule.name, "played": played}));
        let counters = self.counting.read();
        json!({
            "enrollments": usage,
            "datasets": datasets,
            "rows_in_all": rows_in_all,
            "counters": {
                "requests": counters.requests,
                "pages_served": counters.pages_served,
                "others_served": counters.others_served,
                "blob_requests": counters.blob_requests,
                "keys_sent_to_blobs": counters.keys_sent_to_blobs,
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

    /// A period of a dataset: its version, what it adds up to, and its ETags. Those of usage details are named as they
    /// were when there was one version of the API: `etag` is that of version 3.
    fn truth_of(&self, enrollment: &Enrollment, dataset: Dataset, month: Month) -> Value {
        let (version, mut truth) = enrollment.sums(&self.options, dataset, month);
        let document = |api| {
            let (options, days) = (&self.options, Days::Period(month));
            let is_empty = !dataset.has_data(options, month);
            dataset.serve().document(&Wanted { options, enrollment, api, days, is_empty })
        };
        let etag = |api| self.etag(document(api).fingerprint, 1);
        truth["billing_period_id"] = json!(month.to_string());
        truth["version"] = json!(version);
        truth["etags"] = json!({"v1": etag(1), "v2": etag(2), "v3": etag(3)});
        if dataset == Dataset::UsageDetails {
            truth["etag"] = json!(etag(3));
            truth["pages"] = json!(document(3).pages());
        }
        truth
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
}
