//! The router fits Lambda: `lambda_http` serves it against an emulated runtime, as API Gateway would call it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use app::testing::TurningSealer;
use edge::testing::{edge, token};
use edge::{About, assemble};
use model::person::Role;
use pipelines::{Ports, router};
use serde_json::json;
use std::process::Stdio;
use std::sync::Arc;
use testkit::LambdaRuntime;
use tokio::io::{AsyncBufReadExt, BufReader};

/// The child's side: an ordinary test that does nothing unless it runs under a Lambda runtime.
#[tokio::test]
async fn as_a_function() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let edge = edge();
    println!("token={}", token(&edge, "olga", Role::Operator).await);
    let ports = Ports { edge: edge.clone(), sealer: Arc::new(TurningSealer) };
    let about = About { version: "0".to_owned(), commit: None };
    lambda_http::run(assemble(edge, about, [router(ports)])).await.unwrap();
}

#[tokio::test]
async fn the_router_is_served_by_lambda() {
    let runtime = LambdaRuntime::start().await.unwrap();
    let mut command = tokio::process::Command::from(runtime.command(&std::env::current_exe().unwrap()));
    command.args(["--exact", "as_a_function", "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut function = command.spawn().unwrap();
    let mut lines = BufReader::new(function.stdout.take().unwrap()).lines();
    let token = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some((_, token)) = line.split_once("token=") {
            break token.to_owned();
        }
    };
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let refused = runtime.http("GET", "/api/applications", &[], b"").await.unwrap();
    assert_eq!((refused.status, refused.headers["content-type"].as_str()), (401, "application/problem+json"));
    let body = json!({"name": "flaskapp"}).to_string();
    let created = runtime.http("POST", "/api/applications", &headers, body.as_bytes()).await.unwrap();
    assert_eq!((created.status, created.headers["location"].as_str()), (201, "/api/applications/flaskapp"));
    let listed = runtime.http("GET", "/api/applications?limit=1", &headers, b"").await.unwrap();
    assert_eq!(listed.json().unwrap()["items"].as_array().unwrap().len(), 1);
    let stale = [headers[0], headers[1], ("if-match", "\"99\"")];
    let changed = runtime.http("PUT", "/api/applications/flaskapp", &stale, body.as_bytes()).await.unwrap();
    assert_eq!(changed.status, 412);
}
