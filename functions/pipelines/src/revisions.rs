//! Revisions of pipelines: immutable, newest first.

use crate::Ports;
use crate::pipelines::{PipelinePath, PipelineView, view};
use app::pipelines;
use axum::extract::State;
use axum::response::Response;
use edge::wire::Page;
use edge::{Caller, Conditions, IfNoneMatch, Json, PageParams, Params, Problem, ReadProblems, Search};
use model::Millis;
use model::id::AppName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which revision.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RevisionPath {
    /// The application's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    app: AppName,
    /// The pipeline's id, or its name in any case.
    #[param(min_length = 1, max_length = 255)]
    pipeline: String,
    /// Number of the revision, from 1.
    #[param(minimum = 1)]
    number: u64,
}

/// A revision without its document.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevisionSummary {
    number: u64,
    author: String,
    created_ms: Millis,
    /// Bytes of the document.
    bytes: u64,
}

/// A pipeline's revisions, newest first.
#[utoipa::path(get, path = "/api/applications/{app}/pipelines/{pipeline}/revisions", tag = "pipelines", params(PipelinePath, PageParams),
    responses((status = 200, body = Page<RevisionSummary>), ReadProblems))]
pub(crate) async fn list_revisions(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<PipelinePath>,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<RevisionSummary>>, Problem> {
    let (_, listed) = pipelines::revisions(ports.edge.table.as_ref(), &caller, &path.app, &path.pipeline, &page.request()?).await?;
    Ok(Json(Page::of(listed, |head| RevisionSummary {
        number: head.number,
        author: head.author,
        created_ms: head.created_ms,
        bytes: head.bytes,
    })))
}

/// Reads one revision of a pipeline.
#[utoipa::path(get, path = "/api/applications/{app}/pipelines/{pipeline}/revisions/{number}", tag = "pipelines",
    params(RevisionPath, IfNoneMatch),
    responses((status = 200, body = PipelineView, headers(("ETag" = String))), (status = 304, description = "You have this revision."), ReadProblems))]
pub(crate) async fn get_revision(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<RevisionPath>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let table = ports.edge.table.as_ref();
    let (row, revision) = pipelines::get_revision(table, &caller, &path.app, &path.pipeline, path.number).await?;
    Ok(conditions.answer(revision.number, view(table, row, revision, &caller).await?))
}
