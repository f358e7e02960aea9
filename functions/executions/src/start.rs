//! Starting executions, anew or as another one was.

use crate::Ports;
use crate::answer::{StartedView, started};
use crate::read::ExecutionPath;
use app::execution::control;
use app::execution::start::Into as Orders;
use app::orders::{preview, submit};
use axum::extract::State;
use axum::response::Response;
use edge::execution::{PreviewView, StartBody};
use edge::{Caller, CreateProblems, DeleteProblems, IdempotencyKey, IdempotencyParam, Json, Params, Problem};

/// Starts a pipeline. An order appears in every project the application is bound to. Where the pipeline limits how many run at
/// once, it may wait for a slot, and says so by its reason. Refused with 409 `pipeline-disabled`, or `queue-full` when too many
/// wait already.
#[utoipa::path(post, path = "/api/executions", tag = "executions", params(IdempotencyParam), request_body = StartBody,
    responses((status = 201, body = StartedView, headers(("Location" = String))), CreateProblems))]
pub(crate) async fn start_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    Json(body): Json<StartBody>,
) -> Result<Response, Problem> {
    let submission = body.submission(Orders::EveryProject, key.as_deref());
    Ok(started(submit(ports.submit(), &caller, &submission).await?))
}

/// Says what a start would run: which stages in which order, with which settings, what would be skipped or fail and why, and what
/// is open until stages before it have run. Asks everything that a start asks and refuses what it refuses; nothing is started.
#[utoipa::path(post, path = "/api/executions/plan", tag = "executions", request_body = StartBody,
    responses((status = 200, body = PreviewView), CreateProblems))]
pub(crate) async fn plan_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Json(body): Json<StartBody>,
) -> Result<Json<PreviewView>, Problem> {
    let submission = body.submission(Orders::EveryProject, None);
    Ok(Json(preview(ports.submit(), &caller, &submission).await?.into()))
}

/// Runs an execution again: a new one with its trigger, parameters and artifacts, by the pipeline as it is now. Refused with 403
/// `rerun-while-active` before it has ended, unless the application allows that, and where a start is refused.
#[utoipa::path(post, path = "/api/executions/{id}/rerun", tag = "executions", params(ExecutionPath, IdempotencyParam),
    responses((status = 201, body = StartedView, headers(("Location" = String))), DeleteProblems))]
pub(crate) async fn rerun_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ExecutionPath>,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    Ok(started(control::rerun(ports.start(), &caller, &path.id, key.as_deref()).await?))
}
