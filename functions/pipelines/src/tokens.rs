//! Who am I, and the tokens of others.

use crate::Ports;
use app::identity::{self, NewToken, TokenRow};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use edge::wire::{MayMap, Page, RoleName};
use edge::{
    Caller, CreateProblems, DeleteProblems, IdempotencyKey, IdempotencyParam, Json, ListProblems, PageParams, Params, Problem, Search,
};
use http::StatusCode;
use model::Millis;
use model::person::{Action, Principal, Role, may};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};

/// The caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeView {
    name: String,
    #[schema(value_type = Option<RoleName>)]
    role: Option<Role>,
    groups: BTreeSet<String>,
    /// Version of the server.
    version: String,
    may: MayMap,
}

const ACTIONS: [Action; 9] = [
    Action::Read,
    Action::ManageApplications,
    Action::EditPipelines,
    Action::Execute,
    Action::Cancel,
    Action::Judge,
    Action::ReadAccounts,
    Action::ManageAccounts,
    Action::ManageTokens,
];

/// Who am I, and what may I do?
#[utoipa::path(get, path = "/api/me", tag = "identity", responses((status = 200, body = MeView), ListProblems))]
pub(crate) async fn me(Caller(caller): Caller) -> Json<MeView> {
    let may = MayMap::of(&ACTIONS, |action| may(&caller, action));
    Json(MeView { name: caller.name, role: caller.role, groups: caller.groups, version: env!("CARGO_PKG_VERSION").to_owned(), may })
}

/// A token, without the token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenView {
    id: String,
    /// Name of the principal it speaks for.
    name: String,
    #[schema(value_type = RoleName)]
    role: Role,
    groups: BTreeSet<String>,
    created_by: String,
    created_ms: Millis,
    /// When it stops working; never when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ms: Option<Millis>,
    may: MayMap,
}

fn view(row: TokenRow, caller: &Principal) -> TokenView {
    TokenView {
        id: row.id,
        name: row.name,
        role: row.role,
        groups: row.groups,
        created_by: row.created_by,
        created_ms: row.created_ms,
        expires_ms: row.expires_ms,
        may: MayMap::of(&[Action::ManageTokens], |action| may(caller, action)),
    }
}

/// What a new token shall be.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenBody {
    /// Name of the principal it speaks for.
    #[schema(min_length = 1, max_length = 63, pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]*$")]
    name: String,
    #[schema(value_type = RoleName)]
    role: Role,
    /// Groups, as applications and judgments name them.
    #[serde(default)]
    #[schema(max_items = 50)]
    groups: Vec<GroupName>,
    /// When it stops working, milliseconds since 1970; never when it is left out.
    #[schema(maximum = 253_402_300_799_999_u64)]
    expires_ms: Option<Millis>,
}

/// Name of a group.
#[derive(Deserialize, ToSchema)]
#[schema(min_length = 1, max_length = 63, pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]*$")]
pub(crate) struct GroupName(String);

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenMade {
    token: TokenView,
    /// The token itself: it is shown here, and never again.
    secret: String,
}

/// Tokens, oldest first.
#[utoipa::path(get, path = "/api/tokens", tag = "identity", params(PageParams), responses((status = 200, body = Page<TokenView>), ListProblems))]
pub(crate) async fn list_tokens(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Search(page): Search<PageParams>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let listed = identity::list(ports.edge.table.as_ref(), &caller, &page.request()?).await?;
    Ok(Json(Page::of(listed, |row| view(row, &caller))))
}

/// Makes a token.
#[utoipa::path(post, path = "/api/tokens", tag = "identity", params(IdempotencyParam), request_body = TokenBody,
    responses((status = 201, body = TokenMade), CreateProblems))]
pub(crate) async fn create_token(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    Json(body): Json<TokenBody>,
) -> Result<Response, Problem> {
    let groups = body.groups.into_iter().map(|group| group.0).collect();
    let new = NewToken { name: body.name, role: body.role, groups, expires_ms: body.expires_ms };
    let edge = &ports.edge;
    let (table, entropy, clock) = (edge.table.as_ref(), edge.entropy.as_ref(), edge.clock.as_ref());
    let (row, secret) = identity::create(table, entropy, clock, &caller, key.as_deref(), new).await?;
    Ok((StatusCode::CREATED, Json(TokenMade { token: view(row, &caller), secret })).into_response())
}

/// Which token.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TokenPath {
    /// Its id.
    id: String,
}

/// Removes a token; it stops working at once.
#[utoipa::path(delete, path = "/api/tokens/{id}", tag = "identity", params(TokenPath), responses((status = 204), DeleteProblems))]
pub(crate) async fn revoke_token(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<TokenPath>,
) -> Result<StatusCode, Problem> {
    identity::revoke(ports.edge.table.as_ref(), ports.edge.clock.as_ref(), &caller, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
