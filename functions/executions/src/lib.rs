//! HTTP: start, follow, judge, hold, restart and cancel executions, read what they said, and try expressions on them.
//!
//! Handlers parse and show. Rights are asked and refusals are made by the use cases in `app`.
#![allow(unused_qualifications, reason = "the macros that describe the API write paths in full")]

mod answer;
mod expressions;
mod read;
mod start;
mod steer;

pub use edge::execution::Ports;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The function's addresses.
pub fn router(ports: Ports) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(start::start_execution))
        .routes(routes!(start::plan_execution))
        .routes(routes!(start::rerun_execution))
        .routes(routes!(read::list_executions))
        .routes(routes!(read::get_execution))
        .routes(routes!(read::get_stage))
        .routes(routes!(read::read_log))
        .routes(routes!(expressions::evaluate_expressions))
        .routes(routes!(steer::send_signal))
        .routes(routes!(steer::cancel_execution))
        .routes(routes!(steer::pause_execution))
        .routes(routes!(steer::resume_execution))
        .routes(routes!(steer::restart_stage))
        .routes(routes!(steer::skip_stage))
        .routes(routes!(steer::skip_window))
        .with_state(ports)
}
