//! Pipelines: Spinnaker's JSON in and out, what was noticed of it beside.

use crate::Ports;
use crate::applications::AppPath;
use crate::document::PipelineDocument;
use app::applications;
use app::error::AppError;
use app::pipelines::{self, HOOK_PREFIX, PipelineRow, StageRow, TriggerHook, Written};
use app::ports::Table;
use app::stage_types;
use axum::extract::State;
use axum::response::Response;
use edge::problem::ProblemItem;
use edge::wire::{MayMap, Page};
use edge::{
    Caller, Conditions, DeleteProblems, Exact, IfMatch, IfNoneMatch, Json, PageParams, Params, Problem, ReadProblems, Search,
    WriteProblems, created,
};
use http::StatusCode;
use model::Millis;
use model::application::Application;
use model::exact::Spellings;
use model::id::AppName;
use model::person::{Action, Principal};
use model::pipeline::Revision;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};

/// Which pipeline.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PipelinePath {
    /// The application's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    pub(crate) app: AppName,
    /// The pipeline's id, or its name in any case.
    #[param(min_length = 1, max_length = 255)]
    pub(crate) pipeline: String,
}

/// A pipeline as lists show it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PipelineSummary {
    id: String,
    application: String,
    name: String,
    /// Number of the newest revision; `ETag` says it too.
    revision: u64,
    disabled: bool,
    /// Who saved the newest revision.
    author: String,
    updated_ms: Millis,
    stage_types: BTreeSet<String>,
    /// Stage types among them that are not installed.
    unsupported: Vec<String>,
    may: MayMap,
}

/// A stage as the platform sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageView {
    ref_id: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    /// A stage type of this name is installed; without it the pipeline cannot be started.
    supported: bool,
}

impl From<StageRow> for StageView {
    fn from(row: StageRow) -> Self {
        Self { ref_id: row.ref_id, kind: row.kind, name: row.name, supported: row.supported }
    }
}

/// A pipeline with its document.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PipelineView {
    id: String,
    application: String,
    name: String,
    /// Number of this revision; `ETag` says it too.
    revision: u64,
    disabled: bool,
    /// Who saved this revision.
    author: String,
    /// When.
    created_ms: Millis,
    stages: Vec<StageView>,
    /// What was noticed; nothing of it refuses the document.
    warnings: Vec<ProblemItem>,
    #[schema(value_type = PipelineDocument)]
    document: Box<RawValue>,
    may: MayMap,
}

const ACTIONS: [Action; 2] = [Action::EditPipelines, Action::Execute];

pub(crate) fn may_of(application: &Application, caller: &Principal) -> MayMap {
    MayMap::of(&ACTIONS, |action| application.may(caller, action))
}

/// A document with its numbers as they were written.
fn exact(document: &Value, spellings: &Spellings) -> Result<Box<RawValue>, AppError> {
    RawValue::from_string(spellings.write(document)).map_err(|error| AppError::Damaged(error.to_string()))
}

/// Shows a revision of a pipeline.
pub(crate) async fn view(table: &dyn Table, row: PipelineRow, revision: Revision, caller: &Principal) -> Result<PipelineView, AppError> {
    let (application, _) = applications::load(table, &row.application).await?;
    let seen = pipelines::inspect(table, &revision).await?;
    Ok(PipelineView {
        id: row.id.to_string(),
        application: application.name.to_string(),
        name: row.name,
        revision: revision.number,
        disabled: row.disabled,
        author: revision.author,
        created_ms: revision.created_ms,
        stages: seen.stages.into_iter().map(StageView::from).collect(),
        warnings: seen.warnings.into_iter().map(ProblemItem::from).collect(),
        document: exact(&revision.document, &revision.spellings)?,
        may: may_of(&application, caller),
    })
}

/// An application's pipelines: by index, then by name.
#[utoipa::path(get, path = "/api/applications/{app}/pipelines", tag = "pipelines", params(AppPath, PageParams),
    responses((status = 200, body = Page<PipelineSummary>), ReadProblems))]
pub(crate) async fn list_pipelines(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AppPath>,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<PipelineSummary>>, Problem> {
    let table = ports.edge.table.as_ref();
    let listed = pipelines::list(table, &caller, &path.app, &page.request()?).await?;
    let (application, _) = applications::get(table, &caller, &path.app).await?;
    let installed = stage_types::names(table).await?;
    Ok(Json(Page::of(listed, |row| PipelineSummary {
        id: row.id.to_string(),
        application: application.name.to_string(),
        name: row.name,
        revision: row.revision,
        disabled: row.disabled,
        author: row.author,
        updated_ms: row.updated_ms,
        unsupported: row.stage_types.iter().filter(|t| !installed.contains(*t)).cloned().collect(),
        stage_types: row.stage_types,
        may: may_of(&application, &caller),
    })))
}

/// Reads a pipeline.
#[utoipa::path(get, path = "/api/applications/{app}/pipelines/{pipeline}", tag = "pipelines", params(PipelinePath, IfNoneMatch),
    responses((status = 200, body = PipelineView, headers(("ETag" = String))), (status = 304, description = "You have this revision."), ReadProblems))]
pub(crate) async fn get_pipeline(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<PipelinePath>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let table = ports.edge.table.as_ref();
    let (row, revision) = pipelines::get(table, &caller, &path.app, &path.pipeline).await?;
    Ok(conditions.answer(revision.number, view(table, row, revision, &caller).await?))
}

/// Saves a pipeline as a new revision; makes it when there is none of that name.
#[utoipa::path(put, path = "/api/applications/{app}/pipelines/{pipeline}", tag = "pipelines", params(PipelinePath, IfMatch),
    request_body = PipelineDocument, responses(
        (status = 200, body = PipelineView, headers(("ETag" = String))),
        (status = 201, body = PipelineView, headers(("ETag" = String), ("Location" = String))), WriteProblems))]
pub(crate) async fn save_pipeline(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<PipelinePath>,
    conditions: Conditions,
    Exact(document, spellings): Exact<Value>,
) -> Result<Response, Problem> {
    let save = ports.save();
    let saved = pipelines::save(&save, &caller, &path.app, &path.pipeline, Written { document, spellings }, &conditions.expect()).await?;
    let (number, is_new) = (saved.row.revision, saved.created);
    let location = format!("/api/applications/{}/pipelines/{}", saved.row.application, saved.row.id);
    let author = saved.row.author.clone();
    let (document, spellings) = (saved.document, saved.spellings);
    let revision = Revision { pipeline: saved.row.id.clone(), number, document, spellings, author, created_ms: saved.row.updated_ms };
    let body = view(save.table, saved.row, revision, &caller).await?;
    Ok(if is_new { created(&location, number, body) } else { Conditions::default().answer(number, body) })
}

/// Removes a pipeline; its revisions stay for the executions that ran them.
#[utoipa::path(delete, path = "/api/applications/{app}/pipelines/{pipeline}", tag = "pipelines", params(PipelinePath, IfMatch),
    responses((status = 204), DeleteProblems))]
pub(crate) async fn delete_pipeline(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<PipelinePath>,
    conditions: Conditions,
) -> Result<StatusCode, Problem> {
    let (table, changes) = (ports.edge.table.as_ref(), ports.edge.changes.as_ref());
    pipelines::delete(table, changes, &caller, &path.app, &path.pipeline, &conditions.expect()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A trigger, and where the outside calls it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TriggerView {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    enabled: bool,
    /// Registry account of a docker trigger.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    account: String,
    /// Repository of a docker trigger.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    repository: String,
    /// Pattern of tags; when it is left out, every tag but `latest`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    tag: String,
    /// Path that a registry is told to call. Whoever knows it can make the trigger look: hand it to the registry only.
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_path: Option<String>,
    /// The same with the server's address before it, where the server knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_url: Option<String>,
}

pub(crate) fn trigger(hook: TriggerHook, public_url: Option<&str>) -> TriggerView {
    let hook_path = hook.token.map(|token| format!("{HOOK_PREFIX}{token}"));
    TriggerView {
        repository: if hook.trigger.kind == "docker" { hook.trigger.repository_path() } else { String::new() },
        id: hook.trigger.id,
        kind: hook.trigger.kind,
        enabled: hook.trigger.enabled,
        account: hook.trigger.account,
        tag: hook.trigger.tag,
        hook_url: public_url.zip(hook_path.as_ref()).map(|(base, path)| format!("{base}{path}")),
        hook_path,
    }
}

/// A pipeline's triggers with their hooks, for those who may edit it.
#[utoipa::path(get, path = "/api/applications/{app}/pipelines/{pipeline}/triggers", tag = "pipelines", params(PipelinePath),
    responses((status = 200, body = Page<TriggerView>), ReadProblems))]
pub(crate) async fn list_pipeline_triggers(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<PipelinePath>,
) -> Result<Json<Page<TriggerView>>, Problem> {
    let hooks = pipelines::triggers(ports.edge.table.as_ref(), ports.sealer.as_ref(), &caller, &path.app, &path.pipeline).await?;
    let items = hooks.into_iter().map(|hook| trigger(hook, ports.edge.public_url.as_deref())).collect();
    Ok(Json(Page { items, next: None }))
}
