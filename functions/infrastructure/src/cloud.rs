//! Cloud accounts.

use crate::Ports;
use crate::view::{AccountPath, CloudAccountView, cloud};
use app::accounts::cloud::{self as accounts, Access, Scope};
use app::error::require;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use edge::wire::{ApplicationName, Page};
use edge::{
    Caller, Conditions, CreateProblems, DeleteProblems, IdempotencyKey, IdempotencyParam, IfMatch, IfNoneMatch, Json, ListProblems,
    PageParams, Params, Problem, ReadProblems, Search, WriteProblems, created,
};
use http::StatusCode;
use model::id::{AccountName, AppName};
use model::person::{Action, may};
use serde::Deserialize;
use utoipa::ToSchema;

/// Name of a namespace.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length = 63)]
#[expect(dead_code, reason = "describes what is read otherwise")]
pub(crate) struct NamespaceName(String);

/// A kind: `Kind` or `Kind.group`.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[A-Z][A-Za-z0-9]*([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", max_length = 253)]
#[expect(dead_code, reason = "describes what is read otherwise")]
pub(crate) struct KindName(String);

/// A new cloud account: by `kubeconfig` (and `context`), or by `server`, `caPem` and `token`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CloudAccountBody {
    /// Unique; stages say it under `account`.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 63)]
    name: AccountName,
    /// A kubeconfig's text; only inline certificates and tokens.
    kubeconfig: Option<String>,
    /// Which context of the kubeconfig.
    context: Option<String>,
    /// The API server's address, `https://host:port`.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = r"^(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|http://(localhost|127[.]0[.]0[.]1))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$"
    )]
    server: Option<String>,
    /// PEM of the API server's certificate authority; the public ones when it is left out.
    ca_pem: Option<String>,
    /// A service account's token.
    #[schema(write_only, min_length = 1, max_length = 16384, pattern = "^[!-~]+$")]
    token: Option<String>,
    /// Do not check the server's certificate.
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    /// Applications that may deploy with it.
    #[serde(default)]
    #[schema(value_type = Vec<ApplicationName>, max_items = 500)]
    applications: Vec<AppName>,
    /// Namespaces they may deploy into; none when it is left out.
    #[serde(default)]
    #[schema(value_type = Vec<NamespaceName>, max_items = 500)]
    namespaces: Vec<String>,
    /// Kinds beyond the ordinary ones, `Kind` or `Kind.group`.
    #[serde(default)]
    #[schema(value_type = Vec<KindName>, max_items = 500)]
    extra_kinds: Vec<String>,
}

/// What is changed of a cloud account: who may use it and where; with `kubeconfig` or `server` also how it is reached.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CloudAccountChange {
    /// A kubeconfig's text, to replace the connection.
    kubeconfig: Option<String>,
    /// Which context of the kubeconfig.
    context: Option<String>,
    /// The API server's address, to replace the connection.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = r"^(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|http://(localhost|127[.]0[.]0[.]1))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$"
    )]
    server: Option<String>,
    /// PEM of the API server's certificate authority.
    ca_pem: Option<String>,
    /// A service account's token.
    #[schema(write_only, min_length = 1, max_length = 16384, pattern = "^[!-~]+$")]
    token: Option<String>,
    /// Do not check the server's certificate; only read together with a new connection.
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    /// Applications that may deploy with it.
    #[schema(value_type = Vec<ApplicationName>, max_items = 500)]
    applications: Vec<AppName>,
    /// Namespaces they may deploy into.
    #[schema(value_type = Vec<NamespaceName>, max_items = 500)]
    namespaces: Vec<String>,
    /// Kinds beyond the ordinary ones, `Kind` or `Kind.group`.
    #[serde(default)]
    #[schema(value_type = Vec<KindName>, max_items = 500)]
    extra_kinds: Vec<String>,
}

/// The connection as a body says it.
struct Given {
    kubeconfig: Option<String>,
    context: Option<String>,
    server: Option<String>,
    ca_pem: Option<String>,
    token: Option<String>,
}

impl Given {
    /// The one way it says; none when it says nothing.
    fn access(self) -> Result<Option<Access>, Problem> {
        let stray = |pointer, what: &str| {
            Problem::invalid(pointer, "connection-unclear", format!("{what}: give a kubeconfig, or server and token"))
        };
        match (self.kubeconfig, self.server) {
            (Some(_), Some(_)) => Err(stray("/server", "a kubeconfig says the server already")),
            (Some(_), None) if self.token.is_some() => Err(stray("/token", "a kubeconfig says the token already")),
            (Some(_), None) if self.ca_pem.is_some() => Err(stray("/caPem", "a kubeconfig says the authority already")),
            (Some(text), None) => Ok(Some(Access::Kubeconfig { text, context: self.context })),
            (None, _) if self.context.is_some() => Err(stray("/context", "a context is one of a kubeconfig")),
            (None, Some(server)) => match self.token {
                Some(token) => Ok(Some(Access::Address { server, ca_pem: self.ca_pem, token })),
                None => Err(stray("/token", "a server needs a token")),
            },
            (None, None) if self.token.is_some() || self.ca_pem.is_some() => Err(stray("/server", "the server is missing")),
            (None, None) => Ok(None),
        }
    }
}

/// Cloud accounts by name.
#[utoipa::path(get, path = "/api/accounts/cloud", tag = "accounts", params(PageParams),
    responses((status = 200, body = Page<CloudAccountView>), ListProblems))]
pub(crate) async fn list_cloud_accounts(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<CloudAccountView>>, Problem> {
    let listed = accounts::list(ports.edge.table.as_ref(), &caller, &page.request()?).await?;
    Ok(Json(Page::of(listed, |row| cloud(row, &caller))))
}

/// Registers a cluster. It is checked in the background.
#[utoipa::path(post, path = "/api/accounts/cloud", tag = "accounts", params(IdempotencyParam), request_body = CloudAccountBody,
    responses((status = 201, body = CloudAccountView, headers(("ETag" = String), ("Location" = String))), CreateProblems))]
pub(crate) async fn create_cloud_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    Json(body): Json<CloudAccountBody>,
) -> Result<Response, Problem> {
    let given = Given { kubeconfig: body.kubeconfig, context: body.context, server: body.server, ca_pem: body.ca_pem, token: body.token };
    require(may(&caller, Action::ManageAccounts))?;
    let missing = || Problem::invalid("", "connection-missing", "give a kubeconfig, or server and token");
    let access = given.access()?.ok_or_else(missing)?;
    let scope = Scope { applications: body.applications, namespaces: body.namespaces, extra_kinds: body.extra_kinds };
    let connection = (access, body.insecure_skip_tls_verify);
    let row = accounts::create(&ports.accounts(), ports.cluster.as_ref(), &caller, key.as_deref(), body.name, connection, &scope).await?;
    Ok(created(&format!("/api/accounts/cloud/{}", row.0.name), row.1, cloud(row, &caller)))
}

/// Reads a cloud account.
#[utoipa::path(get, path = "/api/accounts/cloud/{name}", tag = "accounts", params(AccountPath, IfNoneMatch),
    responses((status = 200, body = CloudAccountView, headers(("ETag" = String))), (status = 304, description = "You have this version."), ReadProblems))]
pub(crate) async fn get_cloud_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let row = accounts::get(ports.edge.table.as_ref(), &caller, &path.name).await?;
    Ok(conditions.answer(row.1, cloud(row, &caller)))
}

/// Replaces who may use a cloud account and where. It is checked again.
#[utoipa::path(put, path = "/api/accounts/cloud/{name}", tag = "accounts", params(AccountPath, IfMatch), request_body = CloudAccountChange,
    responses((status = 200, body = CloudAccountView, headers(("ETag" = String))), WriteProblems))]
pub(crate) async fn update_cloud_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
    conditions: Conditions,
    Json(body): Json<CloudAccountChange>,
) -> Result<Response, Problem> {
    require(may(&caller, Action::ManageAccounts))?;
    let given = Given { kubeconfig: body.kubeconfig, context: body.context, server: body.server, ca_pem: body.ca_pem, token: body.token };
    let scope = Scope { applications: body.applications, namespaces: body.namespaces, extra_kinds: body.extra_kinds };
    let connection = (given.access()?, body.insecure_skip_tls_verify);
    let (cluster, expect) = (ports.cluster.as_ref(), conditions.expect());
    let row = accounts::update(&ports.accounts(), cluster, &caller, &path.name, connection, &scope, &expect).await?;
    Ok(Conditions::default().answer(row.1, cloud(row, &caller)))
}

/// Removes a cloud account that no stage names.
#[utoipa::path(delete, path = "/api/accounts/cloud/{name}", tag = "accounts", params(AccountPath, IfMatch),
    responses((status = 204), DeleteProblems))]
pub(crate) async fn delete_cloud_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
    conditions: Conditions,
) -> Result<StatusCode, Problem> {
    accounts::delete(&ports.accounts(), &caller, &path.name, &conditions.expect()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a cloud account checked again, in the background.
#[utoipa::path(post, path = "/api/accounts/cloud/{name}/verify", tag = "accounts", params(AccountPath),
    responses((status = 202, body = CloudAccountView), DeleteProblems))]
pub(crate) async fn verify_cloud_account(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AccountPath>,
) -> Result<Response, Problem> {
    let row = accounts::verify_again(&ports.accounts(), &caller, &path.name).await?;
    Ok((StatusCode::ACCEPTED, Json(cloud(row, &caller))).into_response())
}
