//! The edge as a caller sees it: identity, fallbacks, headers, problems, panics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

use app::error::AppError;
use axum::extract::FromRef;
use edge::testing::{Client, document_faults, edge, token};
use edge::{About, Caller, Edge, Json, ListProblems, Problem, assemble};
use model::person::Role;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(Clone)]
struct State(Edge);

impl FromRef<State> for Edge {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

#[derive(Serialize, ToSchema)]
struct Who {
    name: String,
}

#[utoipa::path(get, path = "/who", responses((status = 200, body = Who), ListProblems))]
async fn who(Caller(caller): Caller) -> Json<Who> {
    Json(Who { name: caller.name })
}

#[utoipa::path(get, path = "/broken", responses((status = 200, body = Who), ListProblems))]
async fn broken() -> Result<Json<Who>, Problem> {
    Err(AppError::Unavailable("disk 7 is on fire".to_owned()).into())
}

#[utoipa::path(get, path = "/panic", responses((status = 200, body = Who), ListProblems))]
async fn panicking() -> Json<Who> {
    panic!("a secret thought")
}

fn client(edge: &Edge) -> Client {
    let router =
        OpenApiRouter::default().routes(routes!(who)).routes(routes!(broken)).routes(routes!(panicking)).with_state(State(edge.clone()));
    Client::new(assemble(edge.clone(), About { version: "1.2.3".to_owned(), commit: None }, [router]))
}

#[tokio::test]
async fn nobody_passes_without_a_valid_token() {
    let edge = edge();
    let (client, token) = (client(&edge), token(&edge, "ann", Role::Developer).await);
    let none = client.get("/who").await;
    assert_eq!((none.status, none.code(), none.header("www-authenticate")), (401, "token-missing", "Bearer realm=\"waybill\""));
    for wrong in ["wb_wrong", "", &format!("{token}x"), "ü"] {
        let reply = client.with_token(wrong).get("/who").await;
        assert_eq!((reply.status, reply.code()), (401, "token-invalid"), "{wrong}");
    }
    let basic = client.send("GET", "/who", &[("authorization", "Basic YTpi")], None).await;
    assert_eq!(basic.status, 401);
    let twice = client.with_token(&token).send("GET", "/who", &[("authorization", "Bearer x")], None).await;
    assert_eq!(twice.status, 401);
    assert_eq!(client.with_token(&token).get("/who").await.json["name"], "ann");
}

#[tokio::test]
async fn every_failure_is_a_problem_with_a_trace_id() {
    let client = client(&edge());
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let reply = client.send("GET", "/nowhere", &[("traceparent", &parent)], None).await;
    assert_eq!((reply.status, reply.code(), reply.json["traceId"].as_str()), (404, "not-found", Some(trace)));
    assert_eq!((reply.header("x-request-id"), reply.header("content-type")), (trace, "application/problem+json"));
    let reply = client.send("DELETE", "/who", &[], None).await;
    assert_eq!((reply.status, reply.code(), reply.header("allow")), (405, "method-not-allowed", "GET,HEAD"));
    let reply = client.get("/broken").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"));
    assert!(!reply.json.to_string().contains("fire") && reply.json["traceId"].as_str().is_some_and(|id| id.len() == 32));
    let reply = client.get("/panic").await;
    assert_eq!((reply.status, reply.code()), (500, "internal-server-error"));
    assert!(!reply.json.to_string().contains("secret"));
}

#[tokio::test]
async fn every_answer_carries_its_headers() {
    let client = client(&edge());
    for path in ["/healthz", "/nowhere", "/openapi.json"] {
        let reply = client.get(path).await;
        assert_eq!((reply.header("cache-control"), reply.header("x-content-type-options")), ("no-store", "nosniff"), "{path}");
    }
    assert_eq!(client.get("/healthz").await.json["status"], "ok");
    assert_eq!(client.get("/version").await.json["version"], "1.2.3");
}

#[tokio::test]
async fn the_document_is_whole() {
    let document = client(&edge()).get("/openapi.json").await.json;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["security"], serde_json::json!([{"bearer": []}]));
    assert_eq!(document_faults(&document), Vec::<String>::new());
    assert!(document["components"]["schemas"]["Problem"]["properties"].get("inside").is_none());
}
