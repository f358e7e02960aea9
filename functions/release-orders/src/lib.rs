//! HTTP: release orders, submitted, listed and shown by project.
//!
//! Handlers parse and show. Rights are asked and refusals are made by the use cases in `app`.
#![allow(unused_qualifications, reason = "the macros that describe the API write paths in full")]

mod orders;

pub use edge::execution::Ports;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The function's addresses.
pub fn router(ports: Ports) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(orders::list_orders, orders::submit_order)).routes(routes!(orders::get_order)).with_state(ports)
}
