//! The server as a process: its start, what it refuses, its end, and what is there after the next start.

use crate::process::{Server, bare, call, no_components};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn get(server: &Server, path: &str) -> Value {
    let client = testkit::net::client(None).unwrap();
    let answer = client.get(format!("{}{path}", server.url)).bearer_auth(&server.token).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_first_start_makes_everything_and_keeps_it_private() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    let (data, ready) = (data.path().join("data"), data.path().join("ready.json"));
    let server = Server::start_with(&data, components.path(), &["--ready-file", ready.to_str().unwrap()]).await;
    assert_eq!((mode(&data), mode(&data.join("admin-token")), mode(&data.join("key"))), (0o700, 0o600, 0o600));
    let ready: Value = serde_json::from_slice(&std::fs::read(ready).unwrap()).unwrap();
    assert_eq!((&ready["url"], &ready["adminToken"]), (&json!(server.url), &json!(data.join("admin-token"))));
    assert_eq!(get(&server, "/healthz").await["status"], "ok");
    assert_eq!(get(&server, "/version").await["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(get(&server, "/api/me").await["role"], "administrator");
    server.stop().await;
}

#[tokio::test]
async fn every_function_is_mounted() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    let server = Server::start(data.path(), components.path()).await;
    let document = get(&server, "/openapi.json").await;
    for path in [
        "/api/applications/{app}/pipelines/{pipeline}",
        "/api/projects/{project}/orders",
        "/api/executions/{id}",
        "/api/accounts/cloud",
        "/hooks/registry/{token}",
        "/api/changes",
    ] {
        assert!(document["paths"].get(path).is_some(), "{path} is not served");
    }
    server.stop().await;
}

/// A pipeline with a docker trigger.
async fn pipeline_with_hook(server: &Server) -> String {
    let file = server.data().join("pipeline.json");
    let trigger = json!({"type": "docker", "enabled": true, "account": "r", "repository": "flaskapp"});
    std::fs::write(&file, json!({"application": "flaskapp", "name": "p", "stages": [], "triggers": [trigger]}).to_string()).unwrap();
    server.call(&["app", "create", "flaskapp"]).await.fine();
    server.call(&["pipeline", "save", file.to_str().unwrap()]).await.fine();
    let triggers = server.call(&["pipeline", "triggers", "flaskapp", "p", "--json"]).await.fine().json();
    triggers["items"][0]["hookPath"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn hooks_are_served_where_pipelines_say_they_are() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    let server = Server::start(data.path(), components.path()).await;
    let hook = pipeline_with_hook(&server).await;
    let client = testkit::net::client(None).unwrap();
    let tell = |path: String| client.post(format!("{}{path}", server.url)).body("{\"events\": []}").send();
    assert_ne!(tell(hook).await.unwrap().status(), 404);
    assert_eq!(tell("/hooks/registry/guessed".to_owned()).await.unwrap().status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn what_was_made_is_there_after_a_crash_and_a_start() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    let server = Server::start(data.path(), components.path()).await;
    server.call(&["app", "create", "flaskapp"]).await.fine();
    server.call(&["project", "create", "cd-demo"]).await.fine();
    server.call(&["project", "bind", "cd-demo", "flaskapp"]).await.fine();
    let token = server.token.clone();
    server.kill().await;
    let server = Server::start(data.path(), components.path()).await;
    assert_eq!(server.token, token, "the first token is made once");
    let projects = server.call(&["project", "list", "--json"]).await.fine().json();
    assert_eq!(projects["items"][0]["applications"], json!(["flaskapp"]));
    server.stop().await;
}

#[tokio::test]
async fn another_token_can_be_made_by_whoever_has_the_folder() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    let server = Server::start(data.path(), components.path()).await;
    let first = server.token.clone();
    server.stop().await;
    std::fs::remove_file(data.path().join("admin-token")).unwrap();
    let server = Server::start(data.path(), components.path()).await;
    assert!(server.token.is_empty(), "a file that was taken away stays away");
    server.stop().await;
    let server = Server::start_with(data.path(), components.path(), &["--new-admin-token"]).await;
    assert_ne!(server.token, first);
    server.call(&["token", "list"]).await.fine();
    call(&server.url, &first, &["token", "list"]).await.fine();
    server.stop().await;
}

#[tokio::test]
async fn a_folder_is_used_by_one_server() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    let server = Server::start(data.path(), components.path()).await;
    let (folder, parts) = (data.path().to_str().unwrap(), components.path().to_str().unwrap());
    let said = bare(&["serve", "--data", folder, "--components", parts, "--listen", "127.0.0.1:0"]).await;
    assert!(said.code == 1 && said.err.contains("in use"), "{said:?}");
    server.stop().await;
}

#[tokio::test]
async fn it_listens_beyond_this_machine_only_when_told_twice() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("data");
    let said = bare(&["serve", "--data", folder.to_str().unwrap(), "--listen", "0.0.0.0:0"]).await;
    assert!(said.code == 2 && said.err.contains("--allow-public"), "{said:?}");
    assert!(!folder.exists(), "nothing half-done is left behind");
}

#[tokio::test]
async fn limits_that_are_none_stop_the_start_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("limits.json"));
    for (text, place) in [("{\"leaseMs\": 5}", "/leaseMs: must be"), ("{\n\"leaseMs\": }", "line 2"), ("{\"lease\": 5}", "lease")] {
        std::fs::write(&file, text).unwrap();
        let said = bare(&["serve", "--data", data.to_str().unwrap(), "--limits", file.to_str().unwrap()]).await;
        assert!(said.code == 2 && said.err.contains("limits.json") && said.err.contains(place), "{said:?}");
        assert!(!data.exists(), "nothing half-done is left behind");
    }
}

#[tokio::test]
async fn without_components_it_says_how_to_get_them() {
    let data = tempfile::tempdir().unwrap();
    let (folder, none) = (data.path().to_str().unwrap(), data.path().join("none"));
    let said = bare(&["serve", "--data", folder, "--components", none.to_str().unwrap(), "--listen", "127.0.0.1:0"]).await;
    assert!(said.code == 1 && said.err.contains("cargo dev plugins"), "{said:?}");
}

#[tokio::test]
async fn told_to_stop_it_answers_what_is_held_and_ends_well() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(data.path(), components.path()).await;
        let cursor = get(&server, "/api/changes?topic=x").await;
        let since = cursor["cursor"].as_str().unwrap();
        let begun = Instant::now();
        let client = testkit::net::client(None).unwrap();
        let url = format!("{}/api/changes?topic=x&since={since}&hold=25", server.url);
        let (held, ()) = tokio::join!(client.get(url).bearer_auth(&server.token).send(), async {
            // Asked later on a connection of its own, and answered: the first question is held by now.
            get(&server, "/healthz").await;
            server.signal(signal).await;
        });
        // On a connection that was not read from yet, the question is refused instead.
        if let Ok(held) = held {
            assert_eq!(held.json::<Value>().await.unwrap()["changed"], json!([]));
        }
        assert_eq!(server.ended().await, Some(0), "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(15), "nobody waits for the end of a hold");
    }
}
