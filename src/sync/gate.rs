//! The gate that all requests to the service's host go through: it paces them, and closes for a while when the service
//! says that the caller asks too often.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When the next request may go out. All times count from one fixed moment.
#[derive(Debug)]
pub(super) struct Gate {
    /// Between the beginnings of two requests; nothing when they are not paced.
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The next request's turn, when requests are paced.
    next: Duration,
    /// Until then the service wants no request.
    closed_until: Duration,
}

/// What stands before a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may go out after this time; its turn is taken.
    In(Duration),
    /// The gate is closed for this time.
    Closed(Duration),
}

impl Gate {
    /// A gate that lets so many requests a minute through; all of them when there is no number.
    pub(super) fn new(requests_per_minute: Option<u32>) -> Self {
        let interval = requests_per_minute.map_or(Duration::ZERO, |count| Duration::from_secs(60) / count.max(1));
        Gate { interval, state: Mutex::default() }
    }

    /// Asks for a turn.
    pub(super) fn turn(&self, now: Duration) -> Turn {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed_until > now {
            return Turn::Closed(state.closed_until - now);
        }
        let turn = state.next.max(now);
        state.next = turn + self.interval;
        Turn::In(turn - now)
    }

    /// Closes the gate for that time from now, if it is not closed longer already.
    pub(super) fn close(&self, now: Duration, time: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed_until = state.closed_until.max(now.saturating_add(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn requests_are_paced_by_number() {
        let gate = Gate::new(Some(30));
        let turns: Vec<_> = (0..3).map(|_| gate.turn(SECOND)).collect();
        assert_eq!(turns, [Turn::In(Duration::ZERO), Turn::In(SECOND * 2), Turn::In(SECOND * 4)]);
        // Turns that nobody took are not saved up.
        assert_eq!(gate.turn(SECOND * 60), Turn::In(Duration::ZERO));
        assert_eq!(gate.turn(SECOND * 60), Turn::In(SECOND * 2));
    }

    #[test]
    fn without_a_number_nobody_waits() {
        let gate = Gate::new(None);
        assert!((0..100).all(|_| gate.turn(SECOND) == Turn::In(Duration::ZERO)));
    }

    #[test]
    fn a_closed_gate_opens_by_itself() {
        let gate = Gate::new(None);
        gate.close(SECOND, SECOND * 10);
        gate.close(SECOND, SECOND);
        assert_eq!(gate.turn(SECOND * 5), Turn::Closed(SECOND * 6));
        assert_eq!(gate.turn(SECOND * 11), Turn::In(Duration::ZERO));
        gate.close(SECOND * 11, Duration::MAX);
        assert!(matches!(gate.turn(SECOND * 12), Turn::Closed(_)));
    }
}
