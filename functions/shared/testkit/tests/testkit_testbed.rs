//! The program `testbed`: says where things are, lets images be pushed, ends when it should, runs a program in between.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};
use testkit::net::{self, Served};
use testkit::testbed::Whereabouts;
use testkit::{Error, eventually};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const END_MAX: Duration = Duration::from_secs(30);

fn testbed(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn it_pushes_tells_and_ends_with_its_input() {
    let mut child = testbed(&["--no-control-plane"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(END_MAX, lines.next_line()).await.unwrap().unwrap().unwrap();
    let Whereabouts { kubeconfig, registry, control, pid, .. } = serde_json::from_str(&line).unwrap();
    let (registry, control) = (registry.unwrap(), control.unwrap());
    assert_eq!((kubeconfig, Some(pid)), (None, child.id()));

    let told: Arc<Mutex<Vec<Value>>> = Arc::default();
    let heard = Arc::clone(&told);
    let hook = Served::start(
        Router::new().route("/hook", post(|body: String| async move { heard.lock().unwrap().push(serde_json::from_str(&body).unwrap()) })),
    )
    .await
    .unwrap();
    let client = net::client(None).unwrap();
    let wish = json!({ "url": hook.url("/hook"), "headers": [["X-Token", "t"]] }).to_string();
    let answer = client.put(format!("{control}/notifications")).body(wish).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(client.put(format!("{control}/notifications")).body("nonsense").send().await.unwrap().status(), 400);

    let push = json!({ "repository": "flaskapp", "tag": "1", "content": "one" });
    let pushed: Value = client.post(format!("{control}/images")).json(&push).send().await.unwrap().json().await.unwrap();
    assert_eq!(pushed["image"], format!("{registry}/flaskapp:1"));
    let digest = pushed["digest"].as_str().unwrap();
    eventually("the notification", END_MAX, || async {
        let target = |body: &Value| body["events"][0]["target"]["digest"] == digest && body["events"][0]["target"]["tag"] == "1";
        Ok::<_, Error>(told.lock().unwrap().iter().any(target).then_some(()))
    })
    .await
    .unwrap();

    drop(child.stdin.take());
    assert!(tokio::time::timeout(END_MAX, child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn it_runs_a_program_with_the_places_filled_in_and_takes_over_its_status() {
    let script = "test -n \"$1\" && echo registry=$0; exit 7";
    let child = testbed(&["--no-control-plane", "--", "sh", "-c", script, "{registry}", "{control}"]).spawn().unwrap();
    let output = tokio::time::timeout(END_MAX, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("registry=127.0.0.1:"), "{said}");
    assert_eq!(output.status.code(), Some(7));
}

#[tokio::test]
async fn a_wrong_word_is_refused() {
    let output = testbed(&["--everything"]).output().await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage:"));
}
