//! How it is answered that something was started or accepted.

use app::execution::start::Started;
use axum::response::{IntoResponse, Response};
use edge::Json;
use edge::execution::OrderRef;
use http::{HeaderValue, StatusCode, header};
use model::id::EventId;
use serde::Serialize;
use utoipa::ToSchema;

/// What was started.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartedView {
    /// The execution's id.
    execution: String,
    /// Orders that show it: one in each project the application is bound to.
    orders: Vec<OrderRef>,
}

/// 201, with the place of the execution.
pub(crate) fn started(started: Started) -> Response {
    let location = HeaderValue::from_str(&format!("/api/executions/{}", started.execution)).ok();
    let orders = started.orders.into_iter().map(Into::into).collect();
    let view = StartedView { execution: started.execution.to_string(), orders };
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// An accepted event. It is done after everything that was accepted before it, and was refused unless it applies once that is done.
#[derive(Serialize, ToSchema)]
pub(crate) struct AcceptedView {
    /// Its id; what became of it stands under `verdicts` in the execution's log.
    event: String,
}

/// 202, and the event's id.
pub(crate) fn accepted(event: &EventId) -> (StatusCode, Json<AcceptedView>) {
    (StatusCode::ACCEPTED, Json(AcceptedView { event: event.to_string() }))
}
