//! HTTP: start, follow, judge and cancel executions, and read what they said.
//!
//! Handlers parse and show. Rights are asked and refusals are made by the use cases in `app`.
#![allow(unused_qualifications, reason = "the macros that describe the API write paths in full")]

mod read;
mod steer;

use app::execution::{follow, inbox, start};
use app::limits::Limits;
use app::orders;
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
    fn follow(&self) -> follow::Ports<'_> {
        let Edge { table, changes, clock, .. } = &self.edge;
        follow::Ports { table: table.as_ref(), blobs: self.blobs.as_ref(), changes: changes.as_ref(), clock: clock.as_ref() }
    }

    fn inbox(&self) -> inbox::Ports<'_> {
        let Edge { table, clock, entropy, .. } = &self.edge;
        inbox::Ports {
            table: table.as_ref(),
            blobs: self.blobs.as_ref(),
            queue: self.queue.as_ref(),
            clock: clock.as_ref(),
            entropy: entropy.as_ref(),
        }
    }

    fn orders(&self) -> orders::Ports<'_> {
        orders::Ports { start: self.start(), sealer: self.sealer.as_ref(), registry: self.registry.as_ref() }
    }

    fn start(&self) -> start::Ports<'_> {
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
}

/// The function's addresses.
pub fn router(ports: Ports) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(steer::start_execution))
        .routes(routes!(read::list_executions))
        .routes(routes!(read::get_execution))
        .routes(routes!(read::get_stage))
        .routes(routes!(read::read_log))
        .routes(routes!(steer::send_signal))
        .routes(routes!(steer::cancel_execution))
        .with_state(ports)
}
