//! Projects, and which applications are bound to them.

use crate::Ports;
use app::projects;
use axum::extract::State;
use axum::response::Response;
use edge::wire::{MayMap, Page};
use edge::{
    Caller, Conditions, CreateProblems, DeleteProblems, IdempotencyKey, IdempotencyParam, IfMatch, IfNoneMatch, Json, ListProblems,
    PageParams, Params, Problem, ReadProblems, Search, created,
};
use http::StatusCode;
use model::Millis;
use model::application::Project;
use model::id::{AppName, ProjectName};
use model::person::{Action, Principal, may};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};

/// Which project.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ProjectPath {
    /// The project's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 63)]
    project: ProjectName,
}

/// Which project and which application.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct BindingPath {
    /// The project's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 63)]
    project: ProjectName,
    /// The application's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    app: AppName,
}

/// What a new project shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectBody {
    /// Unique; compared ignoring case.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 63)]
    name: ProjectName,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 4096)]
    description: String,
}

/// A project.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectView {
    /// Its name, as it was spelt first.
    name: String,
    description: String,
    /// Applications bound to it, in lower case.
    applications: BTreeSet<String>,
    created_ms: Millis,
    /// Raised by every change; `ETag` says it too.
    version: u64,
    may: MayMap,
}

fn view((project, version): (Project, u64), caller: &Principal) -> ProjectView {
    ProjectView {
        name: project.name.to_string(),
        description: project.description,
        applications: project.applications,
        created_ms: project.created_ms,
        version,
        may: MayMap::of(&[Action::ManageApplications, Action::Execute], |action| may(caller, action)),
    }
}

/// Projects by name.
#[utoipa::path(get, path = "/api/projects", tag = "projects", params(PageParams), responses((status = 200, body = Page<ProjectView>), ListProblems))]
pub(crate) async fn list_projects(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<ProjectView>>, Problem> {
    let listed = projects::list(ports.edge.table.as_ref(), &caller, &page.request()?).await?;
    Ok(Json(Page::of(listed, |row| view(row, &caller))))
}

/// Makes a project.
#[utoipa::path(post, path = "/api/projects", tag = "projects", params(IdempotencyParam), request_body = ProjectBody,
    responses((status = 201, body = ProjectView, headers(("ETag" = String), ("Location" = String))), CreateProblems))]
pub(crate) async fn create_project(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    Json(body): Json<ProjectBody>,
) -> Result<Response, Problem> {
    let edge = &ports.edge;
    let (table, clock, changes) = (edge.table.as_ref(), edge.clock.as_ref(), edge.changes.as_ref());
    let row = projects::create(table, clock, changes, &caller, key.as_deref(), body.name, body.description).await?;
    Ok(created(&format!("/api/projects/{}", row.0.name), row.1, view(row, &caller)))
}

/// Reads a project.
#[utoipa::path(get, path = "/api/projects/{project}", tag = "projects", params(ProjectPath, IfNoneMatch),
    responses((status = 200, body = ProjectView, headers(("ETag" = String))), (status = 304, description = "You have this version."), ReadProblems))]
pub(crate) async fn get_project(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ProjectPath>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let row = projects::get(ports.edge.table.as_ref(), &caller, &path.project).await?;
    Ok(conditions.answer(row.1, view(row, &caller)))
}

/// Removes a project to which no application is bound.
#[utoipa::path(delete, path = "/api/projects/{project}", tag = "projects", params(ProjectPath, IfMatch), responses((status = 204), DeleteProblems))]
pub(crate) async fn delete_project(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ProjectPath>,
    conditions: Conditions,
) -> Result<StatusCode, Problem> {
    projects::delete(ports.edge.table.as_ref(), ports.edge.changes.as_ref(), &caller, &path.project, &conditions.expect()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Binds an application to a project; again, it changes nothing.
#[utoipa::path(put, path = "/api/projects/{project}/applications/{app}", tag = "projects", params(BindingPath),
    responses((status = 200, body = ProjectView, headers(("ETag" = String))), DeleteProblems))]
pub(crate) async fn bind_application(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<BindingPath>,
) -> Result<Response, Problem> {
    let row = projects::bind(ports.edge.table.as_ref(), ports.edge.changes.as_ref(), &caller, &path.project, &path.app).await?;
    Ok(Conditions::default().answer(row.1, view(row, &caller)))
}

/// Unbinds an application from a project; again, it changes nothing.
#[utoipa::path(delete, path = "/api/projects/{project}/applications/{app}", tag = "projects", params(BindingPath),
    responses((status = 200, body = ProjectView, headers(("ETag" = String))), DeleteProblems))]
pub(crate) async fn unbind_application(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<BindingPath>,
) -> Result<Response, Problem> {
    let row = projects::unbind(ports.edge.table.as_ref(), ports.edge.changes.as_ref(), &caller, &path.project, &path.app).await?;
    Ok(Conditions::default().answer(row.1, view(row, &caller)))
}
