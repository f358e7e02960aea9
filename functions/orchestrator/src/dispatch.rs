//! One task a target, and a mailbox for what comes in meanwhile.
//!
//! Whether a task goes on or ends is decided under the same lock as whether a hint starts a task or posts to one, so that
//! no wake-up falls between.

use crate::mailbox::Mailbox;
use app::error::AppError;
use app::ports::{Clock, Hint};
use async_trait::async_trait;
use futures::FutureExt;
use model::Millis;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// First pause after a failure before a tick may bring the target back; doubles with each further one.
const PAUSE_FIRST_MS: Millis = 1_000;
const PAUSE_MS_MAX: Millis = 60_000;
/// Most failures that are remembered; they only spare work.
const FAILURES_MAX: usize = 10_000;

/// Does what a hint asks for.
#[async_trait]
pub(crate) trait Work: Send + Sync + 'static {
    /// Looks at the target once. What is posted to the mailbox meanwhile, and not taken from it, makes it look again.
    async fn work(&self, hint: &Hint, mailbox: &Mailbox) -> Result<(), AppError>;
}

/// How much may be under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Executions worked on at once; more wait.
    pub(crate) executions_max: usize,
    /// Pushes and accounts worked on at once; they never wait for executions.
    pub(crate) others_max: usize,
    /// Targets at work or waiting; more hints are dropped and come back with a tick.
    pub(crate) live_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { executions_max: 256, others_max: 32, live_max: 20_000 }
    }
}

/// Starts tasks for hints and tells live ones.
pub(crate) struct Dispatcher<W> {
    work: W,
    clock: Arc<dyn Clock>,
    limits: Limits,
    executions: Semaphore,
    others: Semaphore,
    state: Mutex<State>,
    /// A task has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    live: HashMap<Hint, Live>,
    failures: HashMap<Hint, Failure>,
    closing: bool,
}

struct Live {
    mailbox: Arc<Mailbox>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct Failure {
    count: u32,
    until_ms: Millis,
}

impl<W: Work> Dispatcher<W> {
    pub(crate) fn new(work: W, clock: Arc<dyn Clock>, limits: Limits) -> Arc<Self> {
        let pool = |max: usize| Semaphore::new(max.max(1));
        let (executions, others) = (pool(limits.executions_max), pool(limits.others_max));
        Arc::new(Self { work, clock, limits, executions, others, state: Mutex::default(), ended: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic can leave it half changed: nothing that is called under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many targets are at work or waiting.
    pub(crate) fn live(&self) -> usize {
        self.state().live.len()
    }

    /// Starts a task for the target, or tells the one that is at it.
    pub(crate) fn handle(self: &Arc<Self>, hint: Hint) {
        let mut state = self.state();
        if state.closing {
            return;
        }
        if let Some(live) = state.live.get(&hint) {
            live.mailbox.post();
            return;
        }
        if state.live.len() >= self.limits.live_max {
            drop(state);
            tracing::warn!(?hint, "too much waits; a hint is dropped and comes back with a tick");
            return;
        }
        let mailbox = Arc::new(Mailbox::default());
        // The task needs the lock to end, so it cannot end before it is in the map.
        let task = tokio::spawn(Arc::clone(self).attend(hint.clone(), Arc::clone(&mailbox)));
        state.live.insert(hint, Live { mailbox, task });
    }

    /// The same for a hint of a tick, which is left out while the target rests after a failure.
    pub(crate) fn offer(self: &Arc<Self>, hint: Hint) -> bool {
        let now = self.clock.now_ms();
        if self.state().failures.get(&hint).is_some_and(|failure| failure.until_ms > now) {
            return false;
        }
        self.handle(hint);
        true
    }

    async fn attend(self: Arc<Self>, hint: Hint, mailbox: Arc<Mailbox>) {
        let pool = if matches!(hint, Hint::Execution { .. }) { &self.executions } else { &self.others };
        loop {
            // Fails only when the pool is closed.
            let Ok(permit) = pool.acquire().await else { break };
            // What was asked until here is what this look answers.
            mailbox.take();
            let worked = AssertUnwindSafe(self.work.work(&hint, &mailbox)).catch_unwind().await;
            drop(permit);
            let failed = !report(&hint, worked);
            self.note(&hint, failed);
            if !self.again(&hint, &mailbox) {
                return;
            }
        }
        self.state().live.remove(&hint);
        self.ended.notify_waiters();
    }

    /// Whether to look again; if not, the target is no longer live.
    fn again(&self, hint: &Hint, mailbox: &Mailbox) -> bool {
        let mut state = self.state();
        if mailbox.take() && !state.closing {
            return true;
        }
        state.live.remove(hint);
        drop(state);
        self.ended.notify_waiters();
        false
    }

    fn note(&self, hint: &Hint, failed: bool) {
        let now = self.clock.now_ms();
        let mut state = self.state();
        if !failed {
            state.failures.remove(hint);
            return;
        }
        if state.failures.len() >= FAILURES_MAX {
            state.failures.retain(|_, failure| failure.until_ms > now);
        }
        let count = state.failures.get(hint).map_or(0, |failure| failure.count);
        let pause = PAUSE_FIRST_MS.saturating_mul(1_u64.checked_shl(count).unwrap_or(u64::MAX)).min(PAUSE_MS_MAX);
        state.failures.insert(hint.clone(), Failure { count: count.saturating_add(1), until_ms: now.saturating_add(pause) });
    }

    /// Lets everything come to rest for at most `grace`, then stops it; gives how many had to be stopped.
    pub(crate) async fn close(&self, grace: Duration) -> usize {
        {
            let mut state = self.state();
            state.closing = true;
            for live in state.live.values() {
                live.mailbox.close();
            }
        }
        self.executions.close();
        self.others.close();
        // The outcome is read from the map below.
        drop(tokio::time::timeout(grace, self.idle()).await);
        let left: Vec<(Hint, Live)> = self.state().live.drain().collect();
        for (hint, live) in &left {
            tracing::warn!(?hint, "it did not come to rest in time and is stopped");
            live.task.abort();
        }
        let stopped = left.len();
        for (_, live) in left {
            // Cancelled, or ended just now: either way it is gone.
            drop(live.task.await);
        }
        stopped
    }

    async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.state().live.is_empty() {
                return;
            }
            ended.await;
        }
    }
}

/// Logs a failure, once and here; says whether it went well.
fn report(hint: &Hint, worked: std::thread::Result<Result<(), AppError>>) -> bool {
    match worked {
        Ok(Ok(())) => return true,
        Ok(Err(AppError::Unavailable(inside))) => {
            tracing::warn!(?hint, inside, "something that is needed does not answer; it is tried again")
        }
        Ok(Err(AppError::Damaged(inside))) => tracing::error!(?hint, inside, "something that is stored cannot be understood"),
        Ok(Err(error)) => tracing::error!(?hint, %error, "it failed; it is tried again"),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
            tracing::error!(?hint, panic = text.unwrap_or_default(), "a defect stopped it; everything else goes on");
        }
    }
    false
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
