//! What goes on by itself: workloads make pods, pods start, what nobody owns any more goes away.
//!
//! Everything follows from the objects, the time and a counter: no I/O, no randomness. It never refuses anything, and it
//! never waits: it says when it wants to be called again.

mod daemon_set;
mod deployment;
mod garbage;
mod job;
mod namespaces;
mod object;
mod pods;
mod replica_set;
mod revisions;
mod service;
mod stateful_set;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod world;

pub(crate) use pods::logs;

use crate::interfaces::Objects;
use pods::Kubelet;
use service::Balancers;
use world::World;

/// Most passes of one step. Each pass takes what the last one wrote a bit further; a rollout needs some ten.
const PASSES_MAX: usize = 200;
/// When passes do not come to an end, the rest is done a little later.
const REST_MS: u64 = 100;

/// All controllers, with what they know beside the objects.
#[derive(Debug, Default)]
pub(crate) struct Controllers {
    kubelet: Kubelet,
    balancers: Balancers,
    names: u64,
}

impl Controllers {
    /// Controllers that have seen nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Does all that is due now, until nothing changes any more, and says in Unix milliseconds when something else will be.
    pub(crate) fn step(&mut self, objects: &mut dyn Objects) -> Option<u64> {
        for _ in 0..PASSES_MAX {
            let mut world = World::new(objects, &mut self.names);
            pods::node(&mut world);
            namespaces::sync(&mut world);
            garbage::sync(&mut world);
            job::sync(&mut world);
            deployment::sync(&mut world);
            replica_set::sync(&mut world);
            stateful_set::sync(&mut world);
            daemon_set::sync(&mut world);
            self.kubelet.sync(&mut world);
            self.balancers.sync(&mut world);
            if let (0, due_ms) = world.outcome() {
                return due_ms;
            }
        }
        Some(objects.now_ms() + REST_MS)
    }
}
