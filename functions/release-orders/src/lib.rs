//! HTTP: release orders, submitted, listed and shown by project.
//!
//! Handlers parse and show. Rights are asked and refusals are made by the use cases in `app`.
#![allow(unused_qualifications, reason = "the macros that describe the API write paths in full")]

mod orders;

use app::execution::{follow, start};
use app::limits::Limits;
use app::ports::{Blobs, Queue, Registry, Sealer};
use axum::extract::FromRef;
use edge::Edge;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What this function may touch.
#[derive(Clone)]
pub struct Ports {
    /// Table, clock, entropy, changes.
    pub edge: Edge,
    /// Plans and outputs.
    pub blobs: Arc<dyn Blobs>,
    /// Hints.
    pub queue: Arc<dyn Queue>,
    /// Opens registry accounts, to look up versions.
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
    fn follow(&self) -> follow::Ports<'_> {
        let Edge { table, changes, clock, .. } = &self.edge;
        follow::Ports { table: table.as_ref(), blobs: self.blobs.as_ref(), changes: changes.as_ref(), clock: clock.as_ref() }
    }

    fn submit(&self) -> app::orders::Ports<'_> {
        let Edge { table, changes, clock, entropy, .. } = &self.edge;
        let start = start::Ports {
            table: table.as_ref(),
            blobs: self.blobs.as_ref(),
            queue: self.queue.as_ref(),
            changes: changes.as_ref(),
            clock: clock.as_ref(),
            entropy: entropy.as_ref(),
            limits: &self.limits,
        };
        app::orders::Ports { start, sealer: self.sealer.as_ref(), registry: self.registry.as_ref() }
    }
}

/// The function's addresses.
pub fn router(ports: Ports) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(orders::list_orders, orders::submit_order)).routes(routes!(orders::get_order)).with_state(ports)
}
