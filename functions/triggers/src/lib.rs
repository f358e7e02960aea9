//! The function that is told of pushes: a hook for every registry trigger, and the list of what it was told.
//!
//! It stores and answers; it asks no registry and starts nothing. Senders are known by the unguessable token in the path,
//! and by a signature where the trigger has a secret. Neither the token nor a body is ever logged.

mod body;
pub mod formats;
mod hooks;
mod problem;
pub mod signature;

use app::ports::{Clock, Queue, Table};
use app::pushes::PushSources;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Most bytes of a notification.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// What the function may use.
#[derive(Clone)]
pub struct Ports {
    /// Where deliveries are stored.
    pub table: Arc<dyn Table>,
    /// Hooks, pipelines, addresses of accounts. No secret is opened here.
    pub sources: Arc<dyn PushSources>,
    /// Who is told to look at a delivery.
    pub queue: Arc<dyn Queue>,
    /// Now.
    pub clock: Arc<dyn Clock>,
}

/// The hooks. They identify their callers themselves.
pub fn hooks(ports: Ports) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(hooks::registry)).with_state(ports)
}
