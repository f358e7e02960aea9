//! Secrets of an application: stored, listed by name, removed. No address here gives a value back.

use crate::Ports;
use crate::applications::AppPath;
use app::secrets::{self, NewSecret, SecretPorts, SecretRow};
use axum::extract::State;
use axum::response::Response;
use edge::wire::Page;
use edge::{
    Caller, Conditions, DeleteProblems, IfMatch, IfNoneMatch, Json, PageParams, Params, Problem, ReadProblems, Search, WriteProblems,
    created,
};
use http::StatusCode;
use model::Millis;
use model::id::AppName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which secret.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SecretPath {
    /// The application's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    app: AppName,
    /// The secret's name.
    #[param(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length = 127)]
    secret: String,
}

/// A secret without its value.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretView {
    name: String,
    application: String,
    /// What a pipeline says in its place.
    reference: String,
    /// Raised by every change; `ETag` says it too.
    version: u64,
    /// Who stored it first.
    created_by: String,
    created_ms: Millis,
    /// Who gave it its value.
    updated_by: String,
    updated_ms: Millis,
}

fn view((row, version): (SecretRow, u64)) -> SecretView {
    SecretView {
        reference: format!("secret://{}", row.name),
        name: row.name,
        application: row.application.to_string(),
        version,
        created_by: row.created_by,
        created_ms: row.created_ms,
        updated_by: row.updated_by,
        updated_ms: row.updated_ms,
    }
}

/// A secret's value. What is none is refused without being repeated.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 65_536)]
pub(crate) struct SecretText(pub(crate) String);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("a secret is a text")),
        }
    }
}

/// What is to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretBody {
    /// At most 65,536 bytes; it is stored encrypted and never given back.
    #[schema(value_type = String, min_length = 1, max_length = 65_536)]
    value: SecretText,
}

/// An application's secrets by name, without their values.
#[utoipa::path(get, path = "/api/applications/{app}/secrets", tag = "secrets", params(AppPath, PageParams),
    responses((status = 200, body = Page<SecretView>), ReadProblems))]
pub(crate) async fn list_secrets(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AppPath>,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<SecretView>>, Problem> {
    let listed = secrets::list(ports.edge.table.as_ref(), &caller, &path.app, &page.request()?).await?;
    Ok(Json(Page::of(listed, view)))
}

/// Reads what is known of a secret; never its value.
#[utoipa::path(get, path = "/api/applications/{app}/secrets/{secret}", tag = "secrets", params(SecretPath, IfNoneMatch),
    responses((status = 200, body = SecretView, headers(("ETag" = String))), (status = 304, description = "You have this version."), ReadProblems))]
pub(crate) async fn get_secret(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<SecretPath>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let found = secrets::get(ports.edge.table.as_ref(), &caller, &path.app, &path.secret).await?;
    Ok(conditions.answer(found.1, view(found)))
}

/// Stores a secret under its name.
#[utoipa::path(put, path = "/api/applications/{app}/secrets/{secret}", tag = "secrets", params(SecretPath, IfMatch),
    request_body = SecretBody, responses(
        (status = 200, body = SecretView, headers(("ETag" = String))),
        (status = 201, body = SecretView, headers(("ETag" = String), ("Location" = String))), WriteProblems))]
pub(crate) async fn put_secret(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<SecretPath>,
    conditions: Conditions,
    Json(body): Json<SecretBody>,
) -> Result<Response, Problem> {
    let edge = &ports.edge;
    let (table, clock, changes) = (edge.table.as_ref(), edge.clock.as_ref(), edge.changes.as_ref());
    let secret_ports = SecretPorts { table, clock, sealer: ports.sealer.as_ref(), changes };
    let new = NewSecret { name: path.secret, value: body.value.0 };
    let (row, version, is_new) = secrets::put(secret_ports, &caller, &path.app, &new, &conditions.expect()).await?;
    let location = format!("/api/applications/{}/secrets/{}", row.application, row.name);
    let body = view((row, version));
    Ok(if is_new { created(&location, version, body) } else { Conditions::default().answer(version, body) })
}

/// Removes a secret; pipelines that refer to it are refused when they are started.
#[utoipa::path(delete, path = "/api/applications/{app}/secrets/{secret}", tag = "secrets", params(SecretPath, IfMatch),
    responses((status = 204), DeleteProblems))]
pub(crate) async fn delete_secret(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<SecretPath>,
    conditions: Conditions,
) -> Result<StatusCode, Problem> {
    let both = (ports.edge.table.as_ref(), ports.edge.changes.as_ref());
    secrets::delete(both, &caller, &path.app, &path.secret, &conditions.expect()).await?;
    Ok(StatusCode::NO_CONTENT)
}
