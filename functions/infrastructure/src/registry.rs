//! Registry accounts, and what can be read through them.

use crate::Ports;
use crate::view::{AccountPath, RegistryAccountView, registry};
use app::accounts::registry::{self as accounts, NewRegistry};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use edge::wire::Page;
use edge::{
    Caller, Conditions, CreateProblems, DeleteProblems, IdempotencyKey, IdempotencyParam, IfMatch, IfNoneMatch, Json, ListProblems,
    PageParams, Params, Problem, ReadProblems, Search, created, page_request,
};
use http::StatusCode;
use model::account::{RegistryCredentials, RegistryLogin};
use model::id::AccountName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How to log in to a registry.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Credentials {
    /// Not at all.
    Anonymous,
    /// Name and password.
    Basic {
        #[schema(min_length = 1, max_length = 16384, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")]
        username: String,
        #[schema(min_length = 1, max_length = 16384, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")]
        password: String,
    },
    /// A token, sent as it is.
    Bearer {
        #[schema(min_length = 1, max_length = 16384, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")]
        token: String,
    },
}

/// A new registry account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegistryAccountBody {
    /// Unique; docker triggers say it under `account`.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 63)]
    name: AccountName,
    /// `host` or `host:port`, as it stands in image names.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[A-Za-z0-9.:\[\]-]+$")]
    address: String,
    /// How to log in; anonymously when it is left out.
    credentials: Option<Credentials>,
    /// PEM of the registry's certificate authority; the public ones when it is left out.
    ca_pem: Option<String>,
    /// Speak HTTP without TLS; when it is left out, only to this machine itself.
    plain_http: Option<bool>,
}

/// Registry accounts by name.
#[utoipa::path(get, path = "/api/accounts/registry", tag = "accounts", params(PageParams),
    responses((status = 200, body = Page<RegistryAccountView>), ListProblems))]
pub(crate) async fn list_registry_accounts(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<RegistryAccountView>>, Problem> {
    let listed = accounts::list(ports.edge.table.as_ref(), &caller, &page.request()?).await?;
    Ok(Json(Page::of(listed, |row| registry(row, &caller))))
}

/// Registers a registry. It is checked in the background.
#[utoipa::path(post, path = "/api/accounts/registry", tag = "accounts", params(IdempotencyParam), request_body = RegistryAccountBody,
    responses((status = 201, body = RegistryAccountView, headers(("ETag" = String), ("Location" = String))), CreateProblems))]
pub(crate) async fn create_registry_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    Json(body): Json<RegistryAccountBody>,
) -> Result<Response, Problem> {
    let login = match body.credentials {
        None | Some(Credentials::Anonymous) => RegistryLogin::Anonymous,
        Some(Credentials::Basic { username, password }) => RegistryLogin::Basic { username, password },
        Some(Credentials::Bearer { token }) => RegistryLogin::Bearer(token),
    };
    let credentials = RegistryCredentials { login, ca_pem: body.ca_pem };
    let new = NewRegistry { name: body.name, address: body.address, plain_http: body.plain_http, credentials };
    let row = accounts::create(&ports.accounts(), &caller, key.as_deref(), new).await?;
    Ok(created(&format!("/api/accounts/registry/{}", row.0.name), row.1, registry(row, &caller)))
}

/// Reads a registry account.
#[utoipa::path(get, path = "/api/accounts/registry/{name}", tag = "accounts", params(AccountPath, IfNoneMatch), responses(
    (status = 200, body = RegistryAccountView, headers(("ETag" = String))), (status = 304, description = "You have this version."), ReadProblems))]
pub(crate) async fn get_registry_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let row = accounts::get(ports.edge.table.as_ref(), &caller, &path.name).await?;
    Ok(conditions.answer(row.1, registry(row, &caller)))
}

/// Removes a registry account that no trigger names.
#[utoipa::path(delete, path = "/api/accounts/registry/{name}", tag = "accounts", params(AccountPath, IfMatch),
    responses((status = 204), DeleteProblems))]
pub(crate) async fn delete_registry_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
    conditions: Conditions,
) -> Result<StatusCode, Problem> {
    accounts::delete(&ports.accounts(), &caller, &path.name, &conditions.expect()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a registry account checked again, in the background.
#[utoipa::path(post, path = "/api/accounts/registry/{name}/verify", tag = "accounts", params(AccountPath),
    responses((status = 202, body = RegistryAccountView), DeleteProblems))]
pub(crate) async fn verify_registry_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
) -> Result<Response, Problem> {
    let row = accounts::verify_again(&ports.accounts(), &caller, &path.name).await?;
    Ok((StatusCode::ACCEPTED, Json(registry(row, &caller))).into_response())
}

/// Which tags.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TagsParams {
    /// The repository's path, without the registry.
    #[param(min_length = 1, max_length = 255, pattern = "^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*$")]
    repository: String,
    /// Most entries of the page.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
    /// `next` of the page before.
    #[param(max_length = 2048, pattern = "^[A-Za-z0-9_-]*$")]
    after: Option<String>,
}

/// A tag.
#[derive(Serialize, ToSchema)]
pub(crate) struct TagView {
    tag: String,
}

/// Tags of a repository, as the registry orders them.
#[utoipa::path(get, path = "/api/accounts/registry/{name}/tags", tag = "accounts", params(AccountPath, TagsParams),
    responses((status = 200, body = Page<TagView>), ReadProblems))]
pub(crate) async fn list_tags(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
    Search(query): Search<TagsParams>,
) -> Result<Json<Page<TagView>>, Problem> {
    let page = page_request(query.limit, query.after.as_deref())?;
    let through = (ports.edge.table.as_ref(), ports.sealer.as_ref(), ports.registry.as_ref());
    let listed = accounts::tags(through, &caller, &path.name, &query.repository, &page).await?;
    Ok(Json(Page::of(listed, |tag| TagView { tag })))
}

/// Which tag.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DigestParams {
    /// The repository's path, without the registry.
    #[param(min_length = 1, max_length = 255, pattern = "^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*$")]
    repository: String,
    /// The tag.
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
    tag: String,
}

/// What a tag points at.
#[derive(Serialize, ToSchema)]
pub(crate) struct DigestView {
    tag: String,
    /// `sha256:…`
    digest: String,
}

/// What a tag points at now.
#[utoipa::path(get, path = "/api/accounts/registry/{name}/digest", tag = "accounts", params(AccountPath, DigestParams),
    responses((status = 200, body = DigestView), ReadProblems))]
pub(crate) async fn get_digest(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
    Search(query): Search<DigestParams>,
) -> Result<Json<DigestView>, Problem> {
    let through = (ports.edge.table.as_ref(), ports.sealer.as_ref(), ports.registry.as_ref());
    let version = accounts::version(through, &caller, &path.name, &query.repository, &query.tag).await?;
    Ok(Json(DigestView { tag: version.tag, digest: version.digest.to_string() }))
}
