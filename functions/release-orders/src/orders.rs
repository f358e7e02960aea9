//! Submitting, listing and reading release orders.

use crate::Ports;
use app::execution::start::Into as Orders;
use app::orders::{self as cases, OrderDetail};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use edge::execution::{ExecutionDetail, OrderView, StartBody};
use edge::wire::{FreeJson, Page};
use edge::{Caller, CreateProblems, IdempotencyKey, IdempotencyParam, Json, PageParams, Params, Problem, ReadProblems, Search};
use http::{HeaderValue, StatusCode, header};
use model::id::ProjectName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which project.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ProjectPath {
    /// The project's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 63)]
    project: ProjectName,
}

/// Which order of which project.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OrderPath {
    /// The project's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 63)]
    project: ProjectName,
    /// The order's number.
    #[param(minimum = 1)]
    number: u64,
}

/// An order that was submitted.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubmittedView {
    /// The project.
    project: String,
    /// Its number.
    number: u64,
    /// The execution that carries it out.
    execution: String,
}

/// A release order in full.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderDetailView {
    /// The order.
    order: OrderView,
    /// Its execution: stage graph, times, progress, reasons, judgments, applied objects.
    execution: ExecutionDetail,
    /// The pipeline's document as it was when the order was made.
    #[schema(value_type = Option<FreeJson>)]
    source: Option<Value>,
}

impl From<OrderDetail> for OrderDetailView {
    fn from(detail: OrderDetail) -> Self {
        let may = detail.execution.may.clone();
        Self { order: (detail.row, may).into(), execution: detail.execution.into(), source: detail.source }
    }
}

/// Orders of a project, newest first.
#[utoipa::path(get, path = "/api/projects/{project}/orders", tag = "orders", params(ProjectPath, PageParams),
    responses((status = 200, body = Page<OrderView>), ReadProblems))]
pub(crate) async fn list_orders(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ProjectPath>,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<OrderView>>, Problem> {
    let listed = cases::list(ports.edge.table.as_ref(), &caller, &path.project, &page.request()?).await?;
    Ok(Json(Page::of(listed, Into::into)))
}

/// Submits a release order. Its execution starts at once, or waits for a slot where the pipeline limits how many run at once.
/// Refused with 422 `application-not-bound`, with 409 `pipeline-disabled`, or `queue-full` when too many wait already.
#[utoipa::path(post, path = "/api/projects/{project}/orders", tag = "orders", params(ProjectPath, IdempotencyParam), request_body = StartBody,
    responses((status = 201, body = SubmittedView, headers(("Location" = String))), CreateProblems))]
pub(crate) async fn submit_order(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ProjectPath>,
    key: IdempotencyKey,
    Json(body): Json<StartBody>,
) -> Result<Response, Problem> {
    let submission = body.submission(Orders::Project(path.project), key.as_deref());
    let started = cases::submit(ports.submit(), &caller, &submission).await?;
    let order = started.orders.into_iter().next();
    let (project, number) = order.map(|order| (order.project.to_string(), order.number)).unwrap_or_default();
    let location = HeaderValue::from_str(&format!("/api/projects/{project}/orders/{number}")).ok();
    let view = SubmittedView { project, number, execution: started.execution.to_string() };
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A release order in full.
#[utoipa::path(get, path = "/api/projects/{project}/orders/{number}", tag = "orders", params(OrderPath),
    responses((status = 200, body = OrderDetailView), ReadProblems))]
pub(crate) async fn get_order(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<OrderPath>,
) -> Result<Json<OrderDetailView>, Problem> {
    Ok(Json(cases::show(ports.follow(), &caller, &path.project, path.number).await?.into()))
}
