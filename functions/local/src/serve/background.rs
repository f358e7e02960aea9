//! What runs beside the requests: hints go to the orchestrator, each second what is due does, expired items go, and blobs
//! that nothing refers to. Executions that are kept no longer are due as well: the orchestrator archives and forgets a bounded
//! number of them each second.

use super::parts::Parts;
use app::ports::Clock;
use orchestrator::Orchestrator;
use queue::in_process::Receiver;
use std::sync::Arc;
use std::time::Duration;
use store::embedded::Embedded;
use store::folder_blobs::FolderBlobs;
use store::garbage::{self, Bounds};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

const TICK: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(60);
/// How often blobs are swept; first so long after the start.
const BLOBS: Duration = Duration::from_secs(3_600);
/// Longest that one sweep of blobs takes.
const BLOBS_MS_MAX: u64 = 15 * 60_000;
/// Items that one look removes; more looks follow at once.
const SWEPT_A_LOOK_MAX: usize = 1_000;

/// The running tasks.
pub(crate) struct Background {
    tasks: Vec<JoinHandle<()>>,
}

pub(crate) fn start(orchestrator: &Arc<Orchestrator>, hints: Receiver, parts: &Parts) -> Background {
    let (handling, ticking) = (Arc::clone(orchestrator), Arc::clone(orchestrator));
    let handle = async move {
        loop {
            handling.handle(hints.next().await);
        }
    };
    let sweep = sweep(Arc::clone(&parts.store), Arc::clone(&parts.clock));
    let blobs = sweep_blobs(Arc::clone(&parts.store), Arc::clone(&parts.blobs), Arc::clone(&parts.clock));
    Background { tasks: vec![tokio::spawn(handle), tokio::spawn(tick(ticking)), tokio::spawn(sweep), tokio::spawn(blobs)] }
}

impl Background {
    /// Stops them; none of them holds anything.
    pub(crate) fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The first tick looks one lease ahead: nobody but this process can hold a lease, so those that are left are of a process
/// that is dead, and what it held goes on at once.
async fn tick(orchestrator: Arc<Orchestrator>) {
    let mut interval = every(TICK);
    let mut horizon_ms = orchestrator.lease_ms();
    let mut failing = false;
    loop {
        interval.tick().await;
        match orchestrator.tick(horizon_ms).await {
            Ok(found) => {
                if horizon_ms > 0 && found > 0 {
                    tracing::info!(found, "going on with what was left");
                }
                horizon_ms = 0;
                failing = false;
            }
            Err(error) => {
                // Said once, not each second.
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, ?error, "what is due cannot be read");
                }
            }
        }
    }
}

async fn sweep_blobs(store: Arc<Embedded>, blobs: Arc<FolderBlobs>, clock: Arc<dyn Clock>) {
    let mut interval = every(BLOBS);
    // The first comes at once, when there is enough to do.
    interval.tick().await;
    loop {
        interval.tick().await;
        let bounds = Bounds { until_ms: Some(clock.now_ms().saturating_add(BLOBS_MS_MAX)), ..Bounds::default() };
        if let Err(error) = garbage::sweep_within(store.as_ref(), blobs.as_ref(), clock.as_ref(), bounds).await {
            tracing::warn!(%error, "blobs that nothing refers to stay for now");
        }
    }
}

async fn sweep(store: Arc<Embedded>, clock: Arc<dyn Clock>) {
    let mut interval = every(SWEEP);
    loop {
        interval.tick().await;
        loop {
            match store.sweep_expired(clock.now_ms(), SWEPT_A_LOOK_MAX).await {
                Ok(swept) if swept >= SWEPT_A_LOOK_MAX => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "expired items stay for now");
                    break;
                }
            }
        }
    }
}
