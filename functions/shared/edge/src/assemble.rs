//! Puts the functions' routers together: one OpenAPI document, one set of layers, health and version.

use crate::json::{BODY_BYTES_MAX, Json};
use crate::problem::Problem;
use crate::responses::ListProblems;
use crate::trace;
use crate::wire::FreeJson;
use app::ports::{Changes, Clock, Entropy, Key, Table};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::IntoResponse;
use axum::routing::get;
use http::{StatusCode, header};
use serde::Serialize;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Info, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the edge itself needs, part of every function's state.
#[derive(Clone)]
pub struct Edge {
    /// Where tokens are.
    pub table: Arc<dyn Table>,
    /// When tokens end.
    pub clock: Arc<dyn Clock>,
    /// Ids of requests.
    pub entropy: Arc<dyn Entropy>,
    /// Tells followers.
    pub changes: Arc<dyn Changes>,
    /// `https://host[:port]` under which the outside reaches us, without a slash at the end; none when it is not known.
    pub public_url: Option<Arc<str>>,
}

/// What `/version` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct About {
    /// Of the server.
    pub version: String,
    /// Of the source, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl About {
    /// What this build says of itself.
    #[must_use]
    pub fn this_build() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), commit: option_env!("WAYBILL_COMMIT").map(str::to_owned) }
    }
}

#[derive(Clone)]
struct Own {
    edge: Edge,
    about: About,
}

/// The server is able to answer.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: String,
}

/// Is the server able to answer?
#[utoipa::path(get, path = "/healthz", tag = "server", security(()), responses((status = 200, body = Health), ListProblems))]
async fn healthz(State(own): State<Own>) -> Result<Json<Health>, Problem> {
    own.edge.table.get(&Key::new("SYSTEM", "HEALTH")).await.map_err(app::error::AppError::from)?;
    Ok(Json(Health { status: "ok".to_owned() }))
}

/// Which version is it?
#[utoipa::path(get, path = "/version", tag = "server", security(()), responses((status = 200, body = About), ListProblems))]
async fn version(State(own): State<Own>) -> Json<About> {
    Json(own.about)
}

fn document(version: &str) -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token from /api/tokens.")).build();
    let mut components = ComponentsBuilder::new()
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .schema(Problem::name(), Problem::schema())
        .schema(FreeJson::name(), FreeJson::schema());
    let mut used = Vec::new();
    Problem::schemas(&mut used);
    for (name, schema) in used {
        components = components.schema(name, schema);
    }
    OpenApiBuilder::new()
        .info(Info::new("Waybill", version))
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]))
        .build()
}

/// One service of several functions' routers, with `/openapi.json`, `/healthz` and `/version`.
pub fn assemble(edge: Edge, about: About, routers: impl IntoIterator<Item = OpenApiRouter>) -> Router {
    let own = Own { edge: edge.clone(), about: about.clone() };
    let server = OpenApiRouter::default().routes(routes!(healthz)).routes(routes!(version)).with_state(own);
    let merged = routers.into_iter().fold(OpenApiRouter::with_openapi(document(&about.version)).merge(server), OpenApiRouter::merge);
    let (router, api) = merged.split_for_parts();
    let text: Arc<str> = serde_json::to_string(&api).unwrap_or_default().into();
    let openapi = get(move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response() }
    });
    router
        .route("/openapi.json", openapi)
        .method_not_allowed_fallback(|| async { Problem::of_status(StatusCode::METHOD_NOT_ALLOWED) })
        .fallback(|| async { Problem::of_status(StatusCode::NOT_FOUND) })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::from_fn_with_state(edge, trace::layer))
}
