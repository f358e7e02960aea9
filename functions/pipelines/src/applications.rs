//! Applications.

use crate::Ports;
use crate::document::ApplicationDocument;
use app::applications;
use axum::extract::State;
use axum::response::Response;
use edge::wire::{MayMap, Page};
use edge::{
    Caller, Conditions, CreateProblems, DeleteProblems, IdempotencyKey, IdempotencyParam, IfMatch, IfNoneMatch, Json, ListProblems,
    PageParams, Params, Problem, ReadProblems, Search, WriteProblems, created,
};
use http::StatusCode;
use model::application::Application;
use model::id::AppName;
use model::person::{Action, Principal};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which application.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AppPath {
    /// The application's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    pub(crate) app: AppName,
}

/// An application and what the caller may do with it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApplicationView {
    /// Its name, as it was spelt first.
    name: String,
    /// Raised by every change; `ETag` says it too.
    version: u64,
    #[schema(value_type = ApplicationDocument)]
    application: Application,
    may: MayMap,
}

const ACTIONS: [Action; 5] = [Action::ManageApplications, Action::EditPipelines, Action::Execute, Action::Cancel, Action::Judge];

fn view((application, version): (Application, u64), caller: &Principal) -> ApplicationView {
    let may = MayMap::of(&ACTIONS, |action| application.may(caller, action));
    ApplicationView { name: application.name.to_string(), version, application, may }
}

/// Applications that the caller may see, by name.
#[utoipa::path(get, path = "/api/applications", tag = "applications", params(PageParams),
    responses((status = 200, body = Page<ApplicationView>), ListProblems))]
pub(crate) async fn list_applications(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<ApplicationView>>, Problem> {
    let listed = applications::list(ports.edge.table.as_ref(), &caller, &page.request()?).await?;
    Ok(Json(Page::of(listed, |row| view(row, &caller))))
}

/// Makes an application.
#[utoipa::path(post, path = "/api/applications", tag = "applications", params(IdempotencyParam), request_body = ApplicationDocument,
    responses((status = 201, body = ApplicationView, headers(("ETag" = String), ("Location" = String))), CreateProblems))]
pub(crate) async fn create_application(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    Json(body): Json<Application>,
) -> Result<Response, Problem> {
    let edge = &ports.edge;
    let (table, clock, changes) = (edge.table.as_ref(), edge.clock.as_ref(), edge.changes.as_ref());
    let row = applications::create(table, clock, changes, &caller, key.as_deref(), body).await?;
    Ok(created(&format!("/api/applications/{}", row.0.name), row.1, view(row, &caller)))
}

/// Reads an application.
#[utoipa::path(get, path = "/api/applications/{app}", tag = "applications", params(AppPath, IfNoneMatch),
    responses((status = 200, body = ApplicationView, headers(("ETag" = String))), (status = 304, description = "You have this version."), ReadProblems))]
pub(crate) async fn get_application(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AppPath>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let row = applications::get(ports.edge.table.as_ref(), &caller, &path.app).await?;
    Ok(conditions.answer(row.1, view(row, &caller)))
}

/// Replaces an application.
#[utoipa::path(put, path = "/api/applications/{app}", tag = "applications", params(AppPath, IfMatch), request_body = ApplicationDocument,
    responses((status = 200, body = ApplicationView, headers(("ETag" = String))), WriteProblems))]
pub(crate) async fn replace_application(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AppPath>,
    conditions: Conditions,
    Json(body): Json<Application>,
) -> Result<Response, Problem> {
    let (table, changes) = (ports.edge.table.as_ref(), ports.edge.changes.as_ref());
    let row = applications::replace(table, changes, &caller, &path.app, body, &conditions.expect()).await?;
    Ok(Conditions::default().answer(row.1, view(row, &caller)))
}

/// Removes an application that nothing uses.
#[utoipa::path(delete, path = "/api/applications/{app}", tag = "applications", params(AppPath, IfMatch),
    responses((status = 204), DeleteProblems))]
pub(crate) async fn delete_application(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AppPath>,
    conditions: Conditions,
) -> Result<StatusCode, Problem> {
    applications::delete(ports.edge.table.as_ref(), ports.edge.changes.as_ref(), &caller, &path.app, &conditions.expect()).await?;
    Ok(StatusCode::NO_CONTENT)
}
