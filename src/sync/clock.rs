//! What time it is, and how to wait: the one place where the sync meets the clock, so that tests can move it.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

/// A wait that has begun.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time and waits. [`SystemClock`] is the real one; a test's may stand still, jump, and wait in no time.
pub trait Clock: Debug + Send + Sync {
    /// The time of day. It may jump in either direction: only stamps and the age of files depend on it.
    fn now(&self) -> DateTime<Utc>;

    /// Time since some fixed moment; it never goes back.
    fn elapsed(&self) -> Duration;

    /// Ends after that time.
    fn sleep(&self, time: Duration) -> Sleep;
}

/// The clock of this machine.
#[derive(Debug)]
pub struct SystemClock {
    begun: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { begun: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(time))
    }
}

/// An instant as it stands in reports and footers: RFC 3339 in UTC with milliseconds.
pub(super) fn stamp(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}
