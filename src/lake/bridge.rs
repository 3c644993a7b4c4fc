//! From threads that wait to requests that do not: a runtime of the store's own.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// A runtime for a store's requests. Whoever waits for one may be a thread of another runtime.
#[derive(Debug)]
pub(super) struct Bridge {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

/// Work under way.
#[derive(Debug)]
pub(super) struct UnderWay<T>(Receiver<T>);

impl Bridge {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("store").enable_all().build()?;
        Ok(Bridge { runtime: Some(runtime) })
    }

    /// The runtime, for what brings its own way to wait; none only while it is dropped.
    #[cfg(feature = "delta")]
    pub(super) fn handle(&self) -> Option<&tokio::runtime::Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }

    /// Begins work.
    pub(super) fn start<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> UnderWay<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // Nobody waits any more when the receiver is gone.
        self.spawn(async move { drop(sender.send(work.await)) });
        UnderWay(receiver)
    }

    /// Does work, and waits for it.
    pub(super) fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.start(work).wait()
    }

    /// Begins work that nobody waits for; it ends with the store, or by its handle.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(work).abort_handle())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last owner may be a task of another runtime, which must not wait.
            runtime.shutdown_background();
        }
    }
}

impl<T> UnderWay<T> {
    /// Waits for the work. When it panicked, so does this.
    pub(super) fn wait(self) -> T {
        self.0.recv().unwrap_or_else(|_| std::panic::resume_unwind(Box::new("work for the store ended by a panic")))
    }

    /// Waits for the work, but no longer than that.
    pub(super) fn wait_at_most(self, time: Duration) -> Option<T> {
        self.0.recv_timeout(time).ok()
    }
}
