//! Reading executions: lists, one in full, one stage, the log; and following one until it moves.

use crate::Ports;
use app::execution::{follow, logs};
use axum::extract::State;
use axum::response::Response;
use edge::execution::{ExecutionDetail, ExecutionSummary, LogEntryView, StageDetail};
use edge::wire::Page;
use edge::{Caller, Conditions, IfNoneMatch, Json, Params, Problem, ReadProblems, Search, page_request};
use model::id::{AppName, ExecutionId};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which execution.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ExecutionPath {
    /// The execution's id.
    #[param(value_type = String, pattern = "^[A-Za-z0-9_-]+$", max_length = 63)]
    pub(crate) id: ExecutionId,
}

/// Which stage of which execution.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StagePath {
    /// The execution's id.
    #[param(value_type = String, pattern = "^[A-Za-z0-9_-]+$", max_length = 63)]
    pub(crate) id: ExecutionId,
    /// The stage's refId.
    #[param(max_length = 255)]
    pub(crate) stage: String,
}

/// Which application.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ApplicationPath {
    /// The application's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    app: AppName,
}

/// Which executions of an application.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only of this pipeline: its name or id.
    #[param(max_length = 255)]
    pipeline: Option<String>,
    /// `next` of the page before.
    #[param(max_length = 1024)]
    after: Option<String>,
    /// At most so many entries.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
}

/// How to follow an execution.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FollowParams {
    /// Answer only when the execution has a later version than this.
    after: Option<u64>,
    /// Seconds to wait for that, at most 25.
    #[param(minimum = 0, maximum = 25)]
    hold: Option<u64>,
}

/// Which part of the log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// Only what this stage said and did: its refId.
    #[param(max_length = 255)]
    stage: Option<String>,
    /// `next` of the page before.
    #[param(max_length = 1024)]
    after: Option<String>,
    /// At most so many entries.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
}

/// Executions of an application, newest first.
#[utoipa::path(get, path = "/api/applications/{app}/executions", tag = "executions", params(ApplicationPath, ListParams),
    responses((status = 200, body = Page<ExecutionSummary>), ReadProblems))]
pub(crate) async fn list_executions(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ApplicationPath>,
    Search(query): Search<ListParams>,
) -> Result<Json<Page<ExecutionSummary>>, Problem> {
    let page = page_request(query.limit, query.after.as_deref())?;
    let listed = follow::list(ports.edge.table.as_ref(), &caller, &path.app, query.pipeline.as_deref(), &page).await?;
    Ok(Json(Page::of(listed, Into::into)))
}

/// An execution in full. With `after` and `hold`, waits until it has moved on.
#[utoipa::path(get, path = "/api/executions/{id}", tag = "executions", params(ExecutionPath, FollowParams, IfNoneMatch),
    responses((status = 200, body = ExecutionDetail, headers(("ETag" = String))), (status = 304, description = "You have this version."), ReadProblems))]
pub(crate) async fn get_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ExecutionPath>,
    Search(query): Search<FollowParams>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    if query.hold.is_some_and(|hold| hold > follow::HOLD_MS_MAX / 1_000) {
        return Err(Problem::invalid("/hold", "hold-too-long", "a request is held 25 seconds at most"));
    }
    let hold_ms = query.hold.unwrap_or_default() * 1_000;
    let detail = follow::get(ports.follow(), &caller, &path.id, query.after, hold_ms).await?;
    Ok(conditions.answer(detail.version, ExecutionDetail::from(detail)))
}

/// A stage with everything it was given and left.
#[utoipa::path(get, path = "/api/executions/{id}/stages/{stage}", tag = "executions", params(StagePath),
    responses((status = 200, body = StageDetail), ReadProblems))]
pub(crate) async fn get_stage(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<StagePath>,
) -> Result<Json<StageDetail>, Problem> {
    Ok(Json(follow::stage(ports.follow(), &caller, &path.id, &path.stage).await?.into()))
}

/// What happened in an execution and what its stages said, oldest first.
#[utoipa::path(get, path = "/api/executions/{id}/log", tag = "executions", params(ExecutionPath, LogParams),
    responses((status = 200, body = Page<LogEntryView>), ReadProblems))]
pub(crate) async fn read_log(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ExecutionPath>,
    Search(query): Search<LogParams>,
) -> Result<Json<Page<LogEntryView>>, Problem> {
    let page = page_request(query.limit, query.after.as_deref())?;
    let (table, blobs) = (ports.edge.table.as_ref(), ports.blobs.as_ref());
    let listed = logs::read(table, blobs, &caller, &path.id, query.stage.as_deref(), &page).await?;
    Ok(Json(Page::of(listed, Into::into)))
}
