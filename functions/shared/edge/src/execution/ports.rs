//! What the functions that start, show and steer executions may touch, and what each use case gets of it.

use crate::Edge;
use app::execution::{follow, inbox, start};
use app::limits::Limits;
use app::orders;
use app::ports::{Blobs, Queue, Registry, Sealer};
use axum::extract::FromRef;
use std::sync::Arc;

/// What such a function may touch.
#[derive(Clone)]
pub struct Ports {
    /// Table, clock, entropy, changes.
    pub edge: Edge,
    /// Plans and outputs.
    pub blobs: Arc<dyn Blobs>,
    /// Hints.
    pub queue: Arc<dyn Queue>,
    /// Opens registry accounts, to look up the versions of a start.
    pub sealer: Arc<dyn Sealer>,
    /// Registries.
    pub registry: Arc<dyn Registry>,
    /// What the installation allows.
    pub limits: Arc<Limits>,
}

impl FromRef<Ports> for Edge {
    fn from_ref(ports: &Ports) -> Self {
        ports.edge.clone()
    }
}

impl Ports {
    /// To read executions and wait for them.
    #[must_use]
    pub fn follow(&self) -> follow::Ports<'_> {
        let Edge { table, changes, clock, .. } = &self.edge;
        follow::Ports { table: table.as_ref(), blobs: self.blobs.as_ref(), changes: changes.as_ref(), clock: clock.as_ref() }
    }

    /// To send something to an execution.
    #[must_use]
    pub fn inbox(&self) -> inbox::Ports<'_> {
        let Edge { table, clock, entropy, .. } = &self.edge;
        inbox::Ports {
            table: table.as_ref(),
            blobs: self.blobs.as_ref(),
            queue: self.queue.as_ref(),
            clock: clock.as_ref(),
            entropy: entropy.as_ref(),
        }
    }

    /// To start or restart an execution.
    #[must_use]
    pub fn start(&self) -> start::Ports<'_> {
        let Edge { table, changes, clock, entropy, .. } = &self.edge;
        start::Ports {
            table: table.as_ref(),
            blobs: self.blobs.as_ref(),
            queue: self.queue.as_ref(),
            changes: changes.as_ref(),
            clock: clock.as_ref(),
            entropy: entropy.as_ref(),
            limits: &self.limits,
        }
    }

    /// To submit a release order.
    #[must_use]
    pub fn submit(&self) -> orders::Ports<'_> {
        orders::Ports { start: self.start(), sealer: self.sealer.as_ref(), registry: self.registry.as_ref() }
    }
}
