//! Whether to ask again, and after what wait: a pure decision, so that it can be tested without a clock.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::error::SourceError;

/// The retry doctrine as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts at one request, the first included. Default 8.
    pub attempts: u32,
    /// The longest random wait after the first attempt; it doubles with each further one. Default 0.5 s.
    pub first_backoff: Duration,
    /// Where doubling ends. Default 30 s.
    pub last_backoff: Duration,
    /// The wait after a 429 that names none. Default 120 s.
    pub throttled: Duration,
    /// All waits of a slice together. Default 15 min.
    pub max_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            attempts: 8,
            first_backoff: Duration::from_millis(500),
            last_backoff: Duration::from_secs(30),
            throttled: Duration::from_secs(120),
            max_wait: Duration::from_secs(15 * 60),
        }
    }
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Ask again after this wait.
    Wait {
        /// How long.
        time: Duration,
        /// Whether the service asked for it.
        asked: bool,
    },
    /// Do not ask again; see [`SourceError::given_up`].
    Stop(Stop),
}

/// Why there is no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Asking again cannot help.
    Final,
    /// All attempts are used.
    Attempts {
        /// How many were made.
        made: u32,
    },
    /// The wait does not fit into what is left of the slice's waits.
    Wait {
        /// The wait that is due.
        asked: Duration,
        /// What is left of [`RetryPolicy::max_wait`].
        left: Duration,
    },
}

impl RetryPolicy {
    /// What to do after attempt number `attempt` (the first is 1) at a request failed with `error`.
    ///
    /// `waited` is the sum of the slice's waits so far, `random` lies in 0..1 (see [`random_fraction`]). The wait is
    /// drawn between nothing and a bound that doubles ("full jitter"), or is what the service asks for if that is longer.
    pub fn next(&self, attempt: u32, error: &SourceError, waited: Duration, random: f64) -> Decision {
        if !error.is_retryable() {
            return Decision::Stop(Stop::Final);
        }
        let asked = match (error.retry_after(), error.status()) {
            (None, Some(429)) => self.throttled,
            (asked, _) => asked.unwrap_or_default(),
        };
        let wait = self.backoff(attempt, random).max(asked);
        let left = self.max_wait.saturating_sub(waited);
        if attempt >= self.attempts {
            Decision::Stop(Stop::Attempts { made: attempt })
        } else if wait > left {
            Decision::Stop(Stop::Wait { asked: wait, left })
        } else {
            Decision::Wait { time: wait, asked: !asked.is_zero() && wait == asked }
        }
    }

    fn backoff(&self, attempt: u32, random: f64) -> Duration {
        let doubled = 2u32.checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.first_backoff.saturating_mul(doubled).min(self.last_backoff);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }
}

impl Stop {
    pub(super) fn told(&self, come_back: Option<DateTime<Utc>>) -> String {
        match self {
            Stop::Final => "not asked again".to_owned(),
            Stop::Attempts { made } => format!("given up after {made} attempts"),
            Stop::Wait { asked, left } => {
                let mut text = format!(
                    "the wait of {} does not fit into the {} left of --max-wait",
                    in_words(*asked),
                    in_words(*left)
                );
                if let Some(time) = come_back {
                    text += &format!("; come back after {}", time.to_rfc3339_opts(SecondsFormat::Secs, true));
                }
                text
            }
        }
    }
}

/// A duration for people, in its two largest units.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (large, small, units) = match seconds {
        0..60 => return format!("{:.3} s", duration.as_secs_f64()).replace(".000", ""),
        60..3600 => (seconds / 60, seconds % 60, ("min", "s")),
        3600..86_400 => (seconds / 3600, seconds % 3600 / 60, ("h", "min")),
        _ => (seconds / 86_400, seconds % 86_400 / 3600, ("days", "h")),
    };
    if small == 0 { format!("{large} {}", units.0) } else { format!("{large} {} {small} {}", units.0, units.1) }
}

/// A random number in 0..1 for [`RetryPolicy::next`], from the seeds that the standard library draws for its hash maps:
/// good enough to spread waits, and no dependency.
pub fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{NetworkProblem, Purpose};

    const SECOND: Duration = Duration::from_secs(1);

    fn refused(status: u16, retry_after: Option<Duration>) -> SourceError {
        SourceError::Refused { purpose: Purpose::Period, call: "GET /v3/x".into(), status, message: None, retry_after }
    }

    #[test]
    fn waits_are_drawn_below_a_bound_that_doubles_to_thirty_seconds() {
        let policy = RetryPolicy::default();
        let longest: Vec<_> = (1..=7).map(|n| policy.next(n, &refused(503, None), Duration::ZERO, 1.0)).collect();
        let bounds = [500, 1000, 2000, 4000, 8000, 16_000, 30_000];
        assert_eq!(longest, bounds.map(|ms| Decision::Wait { time: Duration::from_millis(ms), asked: false }));
        assert_eq!(
            policy.next(3, &refused(503, None), Duration::ZERO, 0.25),
            Decision::Wait { time: SECOND / 2, asked: false }
        );
    }

    #[test]
    fn eight_attempts_are_made() {
        let policy = RetryPolicy::default();
        assert_eq!(
            policy.next(8, &refused(503, None), Duration::ZERO, 0.5),
            Decision::Stop(Stop::Attempts { made: 8 })
        );
        let one = RetryPolicy { attempts: 1, ..policy };
        assert_eq!(one.next(1, &refused(503, None), Duration::ZERO, 0.5), Decision::Stop(Stop::Attempts { made: 1 }));
    }

    #[test]
    fn what_cannot_get_better_is_not_asked_again() {
        let certificate = SourceError::Network {
            call: "GET /v3/x".into(),
            problem: NetworkProblem::Certificate,
            cause: "unknown issuer".into(),
        };
        for error in [refused(401, None), refused(404, Some(SECOND)), certificate] {
            assert_eq!(RetryPolicy::default().next(1, &error, Duration::ZERO, 0.5), Decision::Stop(Stop::Final));
        }
    }

    #[test]
    fn a_wait_that_the_service_asks_for_holds() {
        let policy = RetryPolicy::default();
        let next = |error: &SourceError, waited| policy.next(1, error, waited, 0.5);
        assert_eq!(
            next(&refused(503, Some(SECOND * 7)), Duration::ZERO),
            Decision::Wait { time: SECOND * 7, asked: true }
        );
        assert_eq!(
            next(&refused(503, Some(Duration::ZERO)), Duration::ZERO),
            Decision::Wait { time: SECOND / 4, asked: false }
        );
        assert_eq!(next(&refused(429, None), Duration::ZERO), Decision::Wait { time: SECOND * 120, asked: true });
        assert_eq!(
            next(&refused(429, Some(Duration::ZERO)), Duration::ZERO),
            Decision::Wait { time: SECOND / 4, asked: false }
        );
    }

    #[test]
    fn a_wait_that_does_not_fit_stops_at_once() {
        let policy = RetryPolicy::default();
        assert_eq!(
            policy.next(1, &refused(503, Some(SECOND * 100)), SECOND * 850, 0.5),
            Decision::Stop(Stop::Wait { asked: SECOND * 100, left: SECOND * 50 })
        );
        let absurd = refused(429, Some(Duration::from_secs(u64::MAX)));
        assert!(matches!(policy.next(1, &absurd, Duration::ZERO, 0.5), Decision::Stop(Stop::Wait { .. })));
        assert!(!absurd.given_up(Stop::Wait { asked: Duration::MAX, left: SECOND }, Utc::now()).to_string().is_empty());
    }

    #[test]
    fn random_fractions_differ_and_stay_below_one() {
        let drawn: Vec<_> = (0..100).map(|_| random_fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..1.0).contains(fraction)));
        assert!(drawn.iter().any(|fraction| *fraction != drawn[0]));
    }

    #[test]
    fn durations_are_told_in_two_units() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7200, "2 h"), (90_000, "1 days 1 h")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), text);
        }
        assert_eq!(in_words(Duration::from_millis(250)), "0.250 s");
    }
}
