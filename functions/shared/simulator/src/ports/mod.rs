//! The ports of `app`, answered by the simulated world. Every call is an await at which the world decides what happens.

mod small;
mod table;

pub(crate) use small::{SimChanges, SimClock, SimCluster, SimEntropy, SimQueue, SimSealer, connection, gate_name, sealed};
pub(crate) use table::{Direct, SimBlobs, SimTable};

use crate::host::SimHost;
use crate::state::{Answer, Request, Who, World};
use app::execution::{inbox, start, step};
use app::limits::Limits;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

/// What the installation allows: what it allows when nobody says otherwise.
pub(crate) static LIMITS: LazyLock<Arc<Limits>> = LazyLock::new(Arc::default);

/// Where outcomes must not depend on timing, a component has all the time to stop that faults may cost it, and one that waits for
/// whatever else there is need not look often.
static PATIENT: LazyLock<Arc<Limits>> = LazyLock::new(|| {
    let mut limits = Limits::default();
    limits.execution.stop_ms_max = 24 * 3_600_000;
    limits.execution.poll_ms_max = 24 * 3_600_000;
    Arc::new(limits)
});

/// A process's way to the world.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) world: Arc<World>,
    pub(crate) who: Who,
}

impl Port {
    /// Calls the world. What is dropped before it is answered may have been sent all the same.
    pub(crate) fn call(&self, request: Request) -> Pending {
        let (slot, number) = self.world.lock().call(self.who, request);
        Pending { world: self.world.clone(), slot, number, done: false }
    }
}

/// A call under way.
pub(crate) struct Pending {
    world: Arc<World>,
    slot: usize,
    number: u64,
    done: bool,
}

impl Future for Pending {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let answer = self.world.lock().poll(self.slot, self.number, context.waker());
        match answer {
            Some(answer) => {
                self.done = true;
                Poll::Ready(answer)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.done {
            self.world.lock().forget(self.slot, self.number);
        }
    }
}

/// All ports of a process.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) step: step::Ports,
}

impl Ports {
    pub(crate) fn new(world: &Arc<World>, who: Who) -> Self {
        let port = Port { world: world.clone(), who };
        let (alone_since_ms, gated) = {
            let state = world.lock();
            (state.processes[who.process].alone_since_ms, state.scenario.gated)
        };
        Self {
            step: step::Ports {
                table: Arc::new(SimTable(port.clone())),
                blobs: Arc::new(SimBlobs(port.clone())),
                queue: Arc::new(SimQueue(port.clone())),
                changes: Arc::new(SimChanges),
                clock: Arc::new(SimClock(port.clone())),
                entropy: Arc::new(SimEntropy(port.clone())),
                sealer: Arc::new(SimSealer),
                host: Arc::new(SimHost(port.clone())),
                cluster: Arc::new(SimCluster(port)),
                limits: if gated { PATIENT.clone() } else { LIMITS.clone() },
                alone_since_ms,
            },
        }
    }

    pub(crate) fn start(&self) -> start::Ports<'_> {
        self.step.start()
    }

    pub(crate) fn inbox(&self) -> inbox::Ports<'_> {
        let p = &self.step;
        inbox::Ports {
            table: p.table.as_ref(),
            blobs: p.blobs.as_ref(),
            queue: p.queue.as_ref(),
            clock: p.clock.as_ref(),
            entropy: p.entropy.as_ref(),
        }
    }
}
