//! A clock that waits in no time and says what it was asked to wait, and a run of the library by it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_lake::contract::Dataset;
use billing_lake::lake::{Destination, Lake};
use billing_lake::source::{ApiKey, Client, ClientOptions};
use billing_lake::sync::{Clock, Progress, RunReport, Sleep, SyncOptions, Wait, sync};
use chrono::{DateTime, Utc};

use super::program::KEY;
use super::published::Place;

/// A clock that moves only by its own waits.
#[derive(Debug)]
pub struct MovedClock {
    begun: DateTime<Utc>,
    waits: Mutex<Vec<Duration>>,
}

impl MovedClock {
    /// It is that time, in RFC 3339, when a run begins.
    pub fn at(begun: &str) -> Arc<Self> {
        Arc::new(MovedClock { begun: begun.parse().unwrap(), waits: Mutex::default() })
    }

    /// All waits so far, those of nothing left out.
    pub fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }
}

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        self.begun + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.waits.lock().unwrap().iter().sum()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        self.waits.lock().unwrap().push(time);
        Box::pin(async {})
    }
}

/// What a run told of its waits.
#[derive(Default)]
pub struct Told(Mutex<Vec<(Duration, bool, String)>>);

impl Told {
    /// Time, whether the API asked for it, and why.
    pub fn waits(&self) -> Vec<(Duration, bool, String)> {
        self.0.lock().unwrap().clone()
    }
}

impl Progress for Told {
    fn waiting(&self, wait: &Wait<'_>) {
        self.0.lock().unwrap().push((wait.time, wait.asked, wait.why.to_owned()));
    }
}

/// Syncs enrollment 100 by that clock, with what `change` makes of the defaults.
pub fn sync_by(
    clock: &Arc<MovedClock>,
    endpoint: &str,
    place: &Place,
    change: impl FnOnce(&mut SyncOptions),
) -> (RunReport, Arc<Told>) {
    let mut options = SyncOptions::new(vec![("100".parse().unwrap(), ApiKey::from_text(KEY).unwrap())]);
    options.datasets = vec![Dataset::UsageDetails];
    options.clock = Arc::clone(clock) as Arc<dyn Clock>;
    change(&mut options);
    let client = ClientOptions { endpoint: endpoint.to_owned(), ..ClientOptions::default() };
    let lake = Lake::open(&Destination::local(place.path("lake"))).unwrap();
    let told = Arc::new(Told::default());
    let progress = Arc::clone(&told) as Arc<dyn Progress>;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let report = runtime.block_on(sync(&lake, Arc::new(Client::new(client).unwrap()), options, progress));
    (report, told)
}
