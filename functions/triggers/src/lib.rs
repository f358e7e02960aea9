//! The function that is told of pushes: a hook for every registry trigger, and the list of what it was told. And the one that
//! a clock tells of minutes.
//!
//! It stores and answers; it asks no registry and starts nothing. Senders are known by the unguessable token in the path,
//! and by a signature where the trigger has a secret. Neither the token nor a body is ever logged.
#![allow(unused_qualifications, reason = "the macros that describe the API write paths in full")]

mod body;
mod deliveries;
pub mod formats;
mod hooks;
pub mod signature;
pub mod tick;

use app::ports::Queue;
use app::pushes::PushSources;
use axum::extract::FromRef;
use edge::Edge;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Most bytes of a notification.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// What this function may touch.
#[derive(Clone)]
pub struct Ports {
    /// Table, clock, entropy, changes.
    pub edge: Edge,
    /// Hooks, pipelines, addresses of accounts. No secret is opened here.
    pub sources: Arc<dyn PushSources>,
    /// Who is told to look at a delivery.
    pub queue: Arc<dyn Queue>,
}

impl FromRef<Ports> for Edge {
    fn from_ref(ports: &Ports) -> Self {
        ports.edge.clone()
    }
}

/// The function's addresses. The hooks identify their callers themselves.
pub fn router(ports: Ports) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(hooks::tell_hook)).routes(routes!(deliveries::list_deliveries)).with_state(ports)
}
