//! Requests until there is an answer: each through the gate of the host, and again as often as the policy says.

use std::sync::Arc;
use std::time::Duration;

use super::SliceReport;
use super::clock::Clock;
use super::gate::{Gate, Turn};
use super::interrupt::Interrupt;
use super::progress::{Progress, Wait};
use crate::contract::Slice;
use crate::source::{Answer, ApiKey, Client, Decision, Request, RetryPolicy, SourceError, Stop, random_fraction};

/// What the service says to a caller that asks too often.
const TOO_MANY_REQUESTS: u16 = 429;

/// Asks the API on behalf of one enrollment.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) client: Arc<Client>,
    pub(super) key: Arc<ApiKey>,
    pub(super) policy: RetryPolicy,
    /// Pages that a slice may have.
    pub(super) max_pages: u64,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) gate: Arc<Gate>,
    pub(super) interrupt: Interrupt,
}

/// What the requests of a slice, or of a list, have cost so far.
#[derive(Debug, Default)]
pub(super) struct Effort {
    /// On whose behalf it is; none while billing periods are listed.
    slice: Option<Slice>,
    pub(super) attempts: u64,
    pub(super) retries: u64,
    pub(super) waited: Duration,
    pub(super) bytes: u64,
}

impl Effort {
    pub(super) fn of(slice: &Slice) -> Self {
        Effort { slice: Some(slice.clone()), ..Effort::default() }
    }

    pub(super) fn note(&self, report: &mut SliceReport) {
        report.attempts = self.attempts;
        report.waited_seconds = self.waited.as_secs_f64();
        report.bytes_received = self.bytes;
    }
}

impl Asker {
    /// Asks until there is an answer or the policy says stop.
    pub(super) async fn ask(
        &self,
        request: &Request,
        condition: Option<&[u8]>,
        effort: &mut Effort,
    ) -> Result<Answer, SourceError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.once(request, condition, effort).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.pause(request, attempt, error, effort).await?,
            }
        }
    }

    /// One attempt, when its turn has come.
    pub(super) async fn once(
        &self,
        request: &Request,
        condition: Option<&[u8]>,
        effort: &mut Effort,
    ) -> Result<Answer, SourceError> {
        self.take_turn(request, effort).await;
        effort.attempts += 1;
        self.client.ask(request, &self.key, condition).await
    }

    /// Waits before the next attempt, or says that there is none.
    pub(super) async fn pause(
        &self,
        request: &Request,
        attempt: u32,
        error: SourceError,
        effort: &mut Effort,
    ) -> Result<(), SourceError> {
        match self.policy.next(attempt, &error, effort.waited, random_fraction()) {
            Decision::Wait { time, asked } => {
                // It says that the caller asks too often, so the caller's other requests wait too.
                if error.status() == Some(TOO_MANY_REQUESTS) {
                    self.gate.close(self.clock.elapsed(), time);
                }
                effort.retries += 1;
                self.wait(request, time, asked, &error.to_string(), effort).await;
                Ok(())
            }
            Decision::Stop(stop) => Err(error.given_up(stop, self.clock.now())),
        }
    }

    /// The same before a whole but wrong answer is asked for once more, so that a service that repeats it can be
    /// believed: that proof is worth a request even when no wait is left.
    pub(super) async fn pause_before_proof(
        &self,
        request: &Request,
        attempt: u32,
        error: SourceError,
        effort: &mut Effort,
    ) -> Result<(), SourceError> {
        match self.pause(request, attempt, error, effort).await {
            Err(SourceError::GivenUp { stop: Stop::Wait { .. }, .. }) => {
                effort.retries += 1;
                Ok(())
            }
            paused => paused,
        }
    }

    /// Waits until the gate lets a request through.
    async fn take_turn(&self, request: &Request, effort: &mut Effort) {
        loop {
            match self.gate.turn(self.clock.elapsed()) {
                Turn::In(time) if time.is_zero() => return,
                // The user's own pace is no wait that the API causes.
                Turn::In(time) => return self.clock.sleep(time).await,
                Turn::Closed(time) => {
                    // Not all at once when it opens.
                    let time = time + self.policy.first_backoff.mul_f64(random_fraction());
                    if time > self.policy.max_wait.saturating_sub(effort.waited) {
                        // Whoever cannot wait so long asks, and has an answer of its own.
                        return;
                    }
                    self.wait(request, time, true, "another request was told that there are too many", effort).await;
                }
            }
        }
    }

    async fn wait(&self, request: &Request, time: Duration, asked: bool, why: &str, effort: &mut Effort) {
        let slice = effort.slice.as_ref();
        self.progress.waiting(&Wait { slice, path: request.path(), time, asked, expected: false, why });
        self.clock.sleep(time).await;
        effort.waited += time;
    }

    /// Waits before the service is asked again how far it is.
    pub(super) async fn wait_for_service(&self, request: &Request, time: Duration, why: &str, effort: &mut Effort) {
        let slice = effort.slice.as_ref();
        self.progress.waiting(&Wait { slice, path: request.path(), time, asked: false, expected: true, why });
        self.clock.sleep(time).await;
        effort.waited += time;
    }
}
