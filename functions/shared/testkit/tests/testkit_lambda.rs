//! The emulated runtime drives a real function: this test program, started again as one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::process::Stdio;

use lambda_http::{Body, Error as LambdaError, Request, Response, service_fn};
use testkit::LambdaRuntime;

/// The child's side: an ordinary test that does nothing unless it runs under a Lambda runtime.
#[tokio::test]
async fn as_a_function() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let answer = |request: Request| async move {
        if request.uri().path() == "/fail" {
            return Err(LambdaError::from("out of order"));
        }
        let body = format!("{} {} {}", request.method(), request.uri().path(), String::from_utf8_lossy(request.body()));
        Ok(Response::builder().status(201).header("x-answer", "yes").body(Body::from(body))?)
    };
    lambda_http::run(service_fn(answer)).await.unwrap();
}

#[tokio::test]
async fn a_function_is_driven_through_the_runtime_api() {
    let runtime = LambdaRuntime::start().await.unwrap();
    let mut command = tokio::process::Command::from(runtime.command(&std::env::current_exe().unwrap()));
    command.args(["--exact", "as_a_function"]).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let _function = command.spawn().unwrap();
    let answer = runtime.http("POST", "/things?x=1", &[], b"hello").await.unwrap();
    assert_eq!((answer.status, answer.headers["x-answer"].as_str()), (201, "yes"));
    assert_eq!(answer.body, b"POST /things hello");
    let failure = runtime.http("GET", "/fail", &[], b"").await.unwrap_err().to_string();
    assert!(failure.contains("out of order"), "{failure}");
    assert_eq!(runtime.http("GET", "/again", &[], b"").await.unwrap().status, 201);
}

#[tokio::test]
async fn an_answer_to_nothing_is_refused() {
    let runtime = LambdaRuntime::start().await.unwrap();
    let base = runtime.environment().into_iter().find(|(name, _)| *name == "AWS_LAMBDA_RUNTIME_API").unwrap().1;
    let client = testkit::net::client(None).unwrap();
    let url = format!("http://{base}/2018-06-01/runtime/invocation/none/response");
    assert_eq!(client.post(url).body("{}").send().await.unwrap().status(), 404);
}
