//! The playground: alone, and in the server's process with its account.

use crate::process::{Server, bare, no_components, waybill};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What follows a word in a kubeconfig.
fn said(kubeconfig: &str, word: &str) -> String {
    kubeconfig.lines().find_map(|line| line.trim().strip_prefix(word)).unwrap().trim().to_owned()
}

#[tokio::test]
async fn alone_it_serves_whoever_has_its_kubeconfig() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let mut command = waybill();
    command.args(["playground", "--end-with-stdin", "--kubeconfig-out", path.to_str().unwrap()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    assert!(line.starts_with("listening on https://127.0.0.1:") && line.ends_with(path.to_str().unwrap()), "{line}");
    assert_eq!(mode(&path), 0o600);
    let kubeconfig = std::fs::read_to_string(&path).unwrap();
    let (connection, context) = cluster::kubeconfig::read(&kubeconfig, None, false).unwrap();
    assert_eq!(context, "playground");
    let client = testkit::net::client(connection.ca_pem.as_deref()).unwrap();
    let ask = |token: String| client.get(format!("{}/api/v1/nodes", connection.server)).bearer_auth(token).send();
    assert_eq!(ask(said(&kubeconfig, "token:")).await.unwrap().status(), 200);
    assert_eq!(ask("guessed".to_owned()).await.unwrap().status(), 401);
    drop(child.stdin.take());
    assert!(child.wait().await.unwrap().success());
    assert!(!path.exists(), "it goes with the playground");
}

#[tokio::test]
async fn it_is_for_this_machine_only_and_takes_no_file_away() {
    let folder = tempfile::tempdir().unwrap();
    let refused = bare(&["playground", "--listen", "0.0.0.0:0"]).await;
    assert!(refused.code == 2 && refused.err.contains("this machine only"), "{refused:?}");
    let mine = folder.path().join("mine");
    std::fs::write(&mine, "mine").unwrap();
    let refused = bare(&["playground", "--kubeconfig-out", mine.to_str().unwrap()]).await;
    assert!(refused.code == 1 && refused.err.contains("mine"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine");
}

async fn account(server: &Server) -> Value {
    server.call(&["account", "cloud", "verify", "playground", "--json"]).await.fine().json()
}

#[tokio::test]
async fn a_server_with_a_playground_has_an_account_for_it() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    let ready = data.path().join("ready.json");
    let words = ["--playground", "--ready-file", ready.to_str().unwrap()];
    let server = Server::start_with(data.path(), components.path(), &words).await;
    let told: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let kubeconfig = Path::new(told["playgroundKubeconfig"].as_str().unwrap()).to_owned();
    assert_eq!((mode(&kubeconfig), kubeconfig.as_path()), (0o600, data.path().join("playground.kubeconfig").as_path()));
    let first = account(&server).await;
    assert_eq!(
        (&first["state"], &first["applications"], &first["namespaces"]),
        (&json!("ready"), &json!(["flaskapp"]), &json!(["default"]))
    );
    assert!(first["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true), "{first}");
    // However it ends, the next start makes the account lead to the new playground.
    server.kill().await;
    let server = Server::start_with(data.path(), components.path(), &["--playground", "--playground-application", "shop"]).await;
    let second = account(&server).await;
    assert_eq!((&second["state"], &second["applications"]), (&json!("ready"), &json!(["flaskapp", "shop"])));
    assert_ne!(first["server"], second["server"]);
    server.stop().await;
    assert!(!kubeconfig.exists());
}

#[tokio::test]
async fn an_account_of_that_name_that_is_another_clusters_is_left_alone() {
    let (data, components) = (tempfile::tempdir().unwrap(), no_components());
    let server = Server::start(data.path(), components.path()).await;
    let token = data.path().join("token");
    std::fs::write(&token, "abc").unwrap();
    let words = ["account", "cloud", "add", "playground", "--server-address", "https://127.0.0.1:1", "--no-wait", "--cluster-token-file"];
    server.call(&[&words[..], &[token.to_str().unwrap()]].concat()).await.fine();
    server.stop().await;
    let mut command = waybill();
    command.args(["serve", "--playground", "--listen", "127.0.0.1:0"]).arg("--data").arg(data.path());
    let output = command.arg("--components").arg(components.path()).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("is not of a playground"), "{said}");
}
