//! The step orchestrator: the only one that moves executions and the only one that talks to clusters.
//!
//! A hint says what to look at. Every target has at most one task in this process, and a mailbox; a second hint for a live
//! target only posts there. Nothing is remembered here: whatever is lost comes back through the table's `due` index. It
//! holds no queue, no HTTP and no compiler, and it never decides what an execution does next.

mod components;
mod dispatch;
mod invocation;
mod mailbox;
mod work;

pub use components::{Fetching, components_folder};
pub use invocation::{Invoked, Outside};
pub use work::Ports;

use app::error::AppError;
use app::ports::{Archive, Hint, NoArchive};
use dispatch::{Dispatcher, Limits};
use std::sync::Arc;
use std::time::Duration;
use work::Worker;

/// Moves executions, starts what pushes ask for, verifies accounts.
pub struct Orchestrator {
    ports: Ports,
    dispatcher: Arc<Dispatcher<Worker>>,
}

impl Orchestrator {
    /// An orchestrator at rest: it does nothing until it is hinted at something.
    #[must_use]
    pub fn new(ports: Ports) -> Arc<Self> {
        Self::with_archive(ports, Arc::new(NoArchive))
    }

    /// The same, and what is kept no longer goes into this archive.
    #[must_use]
    pub fn with_archive(ports: Ports, archive: Arc<dyn Archive>) -> Arc<Self> {
        let worker = Worker::new(ports.clone(), archive);
        let dispatcher = Dispatcher::new(worker, ports.execution.clock.clone(), Limits::default());
        Arc::new(Self { ports, dispatcher })
    }

    /// Looks at what the hint names, in a task of its own, unless one is at it: then that one is told. Must be called within
    /// a tokio runtime. After [`Self::close`] it does nothing.
    pub fn handle(&self, hint: Hint) {
        self.dispatcher.handle(hint);
    }

    /// Looks at everything that is due by `horizon_ms` from now, and says how much that was. What failed lately is left
    /// alone for a while.
    ///
    /// # Errors
    /// When the `due` index cannot be read: the next tick sees the same.
    pub async fn tick(&self, horizon_ms: u64) -> Result<usize, AppError> {
        let execution = &self.ports.execution;
        let until = execution.clock.now_ms().saturating_add(horizon_ms);
        let hints = app::due::hints(execution.table.as_ref(), until).await?;
        Ok(hints.into_iter().map(|hint| usize::from(self.dispatcher.offer(hint))).sum())
    }

    /// Takes nothing new, lets what is under way come to rest for at most `grace`, then stops it. Gives how many had to be
    /// stopped: their leases run out by themselves.
    pub async fn close(&self, grace: Duration) -> usize {
        self.dispatcher.close(grace).await
    }

    /// How long a silent worker keeps what it holds.
    #[must_use]
    pub fn lease_ms(&self) -> u64 {
        self.ports.execution.limits.lease_ms
    }

    /// How many targets are being looked at or wait for it.
    #[must_use]
    pub fn live(&self) -> usize {
        self.dispatcher.live()
    }
}
