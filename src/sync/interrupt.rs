//! The wish that a run ends early: what is at work is dropped, what is published stays, and the report is drawn up.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use super::{ErrorKind, RunError};

/// Tells a run to end. Clones belong together: one that is pulled is pulled for all.
#[derive(Debug, Clone)]
pub struct Interrupt {
    pulled: Arc<watch::Sender<bool>>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Interrupt { pulled: Arc::new(watch::Sender::new(false)) }
    }
}

impl Interrupt {
    /// Tells whoever heeds it to end.
    pub fn pull(&self) {
        self.pulled.send_replace(true);
    }

    /// Whether it was pulled.
    pub fn is_pulled(&self) -> bool {
        *self.pulled.borrow()
    }

    /// Waits until it is pulled.
    pub async fn pulled(&self) {
        let mut watched = self.pulled.subscribe();
        // It fails only when the sender is gone, which this holds.
        let _ = watched.wait_for(|pulled| *pulled).await;
    }

    /// An error once it was pulled.
    pub(super) fn check(&self) -> Result<(), RunError> {
        if self.is_pulled() { Err(interrupted()) } else { Ok(()) }
    }

    /// Does the work, unless it is interrupted: then the work is dropped where it stands.
    pub(super) async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, RunError> {
        tokio::select! {
            biased;
            () = self.pulled() => Err(interrupted()),
            done = work => Ok(done),
        }
    }
}

/// The failure of what was dropped.
pub(super) fn interrupted() -> RunError {
    let error = RunError::new(ErrorKind::Interrupted, "interrupted before it was done");
    RunError {
        retryable: true,
        ..error.with_hint("what was published stays, nothing half-written is visible; run again to go on")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_goes_on_until_it_is_pulled() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.or(async { 1 }).await, Ok(1));
        assert!(interrupt.check().is_ok());
        interrupt.clone().pull();
        assert!(interrupt.is_pulled() && interrupt.check().is_err());
        assert_eq!(interrupt.or(std::future::pending::<()>()).await, Err(interrupted()));
    }
}
