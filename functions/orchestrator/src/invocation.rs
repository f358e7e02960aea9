//! One invocation on Lambda: looks at what a hint names, rests in time, and goes on by hint.
//!
//! Nothing is left running when it returns: between two invocations a process stands still, for how long nobody knows.

use crate::components::{Fetching, components_folder};
use crate::work::{Ports, Worker};
use app::error::AppError;
use app::execution::step::{self, Inbox};
use app::limits::Limits;
use app::ports::{Archive, Blobs, Changes, Clock, Cluster, Entropy, Hint, Queue, Registry, Sealer, StageHost, Table};
use async_trait::async_trait;
use futures::future::{Either, select};
use model::Millis;
use queue::records::{Batch, Failed};
use std::convert::Infallible;
use std::sync::Arc;

/// Kept back before the deadline: a step that has just begun may take half a minute, and is to be committed.
const KEPT_BACK_MS: Millis = 35_000;
/// Kept back of that for saying that the rest is for another invocation.
const LAST_MS: Millis = 2_000;
/// How often the inbox is looked at while steps or watches are under way.
const INBOX_MS: Millis = 500;

/// Looks at one thing an invocation at a time; several side by side share nothing.
pub struct Invoked {
    worker: Worker,
    ports: Ports,
}

/// What an orchestrator on Lambda may touch.
pub struct Outside {
    /// The table.
    pub table: Arc<dyn Table>,
    /// Plans, outputs, and the components.
    pub blobs: Arc<dyn Blobs>,
    /// Where executions go that are kept no longer.
    pub archive: Arc<dyn Archive>,
    /// Hints.
    pub queue: Arc<dyn Queue>,
    /// Opens the accounts' secrets.
    pub sealer: Arc<dyn Sealer>,
    /// Runs components from [`components_folder`].
    pub host: Arc<dyn StageHost>,
    /// Clusters.
    pub cluster: Arc<dyn Cluster>,
    /// Registries.
    pub registry: Arc<dyn Registry>,
}

impl Outside {
    /// What looks at one thing an invocation.
    #[must_use]
    pub fn invoked(self, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, changes: Arc<dyn Changes>, limits: Arc<Limits>) -> Invoked {
        let Self { table, blobs, archive, queue, sealer, host, cluster, registry } = self;
        let host = Fetching::new(host, blobs.clone(), components_folder());
        // Others can reach the store: a lease holds until it is over.
        let alone_since_ms = None;
        let execution = step::Ports { table, blobs, queue, changes, clock, entropy, sealer, host, cluster, limits, alone_since_ms };
        Invoked::new(Ports { execution, registry }, archive)
    }
}

/// When to stop beginning things, and when to drop what is under way. However short the time, half of it is for work.
fn ends(now: Millis, deadline: Millis) -> (Millis, Millis) {
    let left = deadline.saturating_sub(now);
    (deadline.saturating_sub(KEPT_BACK_MS.min(left / 2)), deadline.saturating_sub(LAST_MS.min(left / 8)))
}

impl Invoked {
    /// One that does nothing until it is asked.
    #[must_use]
    pub fn new(ports: Ports, archive: Arc<dyn Archive>) -> Self {
        Self { worker: Worker::new(ports.clone(), archive), ports }
    }

    /// Does what all records of a batch ask for, side by side; says which failed and are to come again.
    ///
    /// # Errors
    /// Never: a record fails alone.
    pub async fn batch(&self, batch: Batch, deadline_ms: Millis) -> Result<Failed, Infallible> {
        Ok(batch.handle(|hint| self.look(hint, deadline_ms)).await)
    }

    /// Looks at what the hint names. What does not come to rest in time is dropped, as a crash would drop it, and hinted at
    /// again for when its lease is over.
    ///
    /// # Errors
    /// When it failed: it should be hinted at again, and laid aside when it fails again and again.
    pub async fn look(&self, hint: Hint, deadline_ms: Millis) -> Result<(), AppError> {
        let execution = &self.ports.execution;
        let clock = execution.clock.as_ref();
        let (rest_by, stop_by) = ends(clock.now_ms(), deadline_ms);
        let inbox = Glances { clock: execution.clock.clone() };
        let looking = Box::pin(self.worker.look(&hint, &inbox, Some(rest_by)));
        // What is left of it is dropped right here.
        if let Either::Left((worked, _)) = select(looking, clock.sleep_until(stop_by)).await {
            return worked;
        }
        tracing::warn!(?hint, "it did not come to rest in time, and is left to another invocation");
        execution.queue.hint(hint, execution.limits.lease_ms).await;
        Ok(())
    }
}

/// Nobody tells this process of what is put into an inbox: it is looked at now and then.
struct Glances {
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Inbox for Glances {
    async fn woken(&self) {
        self.clock.sleep_until(self.clock.now_ms().saturating_add(INBOX_MS)).await;
    }

    fn closing(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_kept_back_however_short_it_is() {
        assert_eq!(ends(1_000_000, 1_900_000), (1_865_000, 1_898_000));
        assert_eq!(ends(1_000_000, 1_010_000), (1_005_000, 1_008_750));
        assert_eq!(ends(1_000_000, 1_000_000), (1_000_000, 1_000_000));
        assert_eq!(ends(5, 1), (1, 1), "an invocation that comes too late does nothing");
    }
}
