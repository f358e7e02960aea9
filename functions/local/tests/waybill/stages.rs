//! Executions in the real server, with the real components: a crash in the middle loses nothing and doubles nothing.

use crate::process::Server;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The components; none where they are not built, which never happens in CI.
fn components() -> Option<PathBuf> {
    match testkit::places::components() {
        Ok(folder) => Some(folder),
        Err(missing) => {
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            None
        }
    }
}

async fn prepare(server: &Server, stages: Value) {
    let file = server.data().join("pipeline.json");
    std::fs::write(&file, json!({"application": "flaskapp", "name": "p", "stages": stages}).to_string()).unwrap();
    server.call(&["app", "create", "flaskapp"]).await.fine();
    server.call(&["project", "create", "cd-demo"]).await.fine();
    server.call(&["project", "bind", "cd-demo", "flaskapp"]).await.fine();
    server.call(&["pipeline", "save", file.to_str().unwrap()]).await.fine();
}

async fn submit(server: &Server) -> String {
    let words = ["order", "submit", "--project", "cd-demo", "--application", "flaskapp", "--pipeline", "p", "--json"];
    server.call(&words).await.fine().json()["execution"].as_str().unwrap().to_owned()
}

/// Waits until the execution fits, by holding on to it.
async fn until(server: &Server, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let client = testkit::net::client(None).unwrap();
    let mut after = 0;
    loop {
        let url = format!("{}/api/executions/{id}?after={after}&hold=25", server.url);
        let detail: Value = client.get(url).bearer_auth(&server.token).send().await.unwrap().json().await.unwrap();
        if fits(&detail) {
            return detail;
        }
        after = detail["version"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn an_execution_outlives_its_server_and_is_answered_by_a_person() {
    let Some(components) = components() else { return };
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &components).await;
    let judge = json!({"refId": "1", "type": "manualJudgment", "name": "Check", "requisiteStageRefIds": []});
    let wait = json!({"refId": "2", "type": "wait", "name": "Settle", "requisiteStageRefIds": ["1"], "waitTime": 1});
    prepare(&server, json!([judge, wait])).await;
    let id = submit(&server).await;
    until(&server, &id, |detail| detail["stages"][0]["status"] == "SUSPENDED").await;
    server.kill().await;

    let server = Server::start(data.path(), &components).await;
    server.call(&["execution", "judge", &id, "continue", "--comment", "fine"]).await.fine();
    until(&server, &id, |detail| detail["stages"][1]["status"] != "NOT_STARTED").await;
    server.kill().await;

    let server = Server::start(data.path(), &components).await;
    let said = server.call(&["execution", "follow", &id]).await.fine();
    assert!(said.out.contains("stage 2 Settle SUCCEEDED"), "{}", said.out);
    let shown = server.call(&["order", "show", "cd-demo", "1"]).await.fine();
    assert!(shown.out.contains("judgment by admin") && shown.out.contains("release order cd-demo/1  SUCCEEDED"), "{}", shown.out);
    let again = server.call(&["execution", "judge", &id, "stop", "--stage", "1"]).await;
    assert_eq!(again.code, 1, "what has ended takes no answer");
    server.stop().await;
}

#[tokio::test]
async fn an_execution_is_cancelled_and_says_by_whom() {
    let Some(components) = components() else { return };
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &components).await;
    prepare(&server, json!([{"refId": "1", "type": "wait", "name": "Long", "waitTime": 600}])).await;
    let id = submit(&server).await;
    until(&server, &id, |detail| detail["stages"][0]["status"] == "SUSPENDED" || detail["stages"][0]["status"] == "RUNNING").await;
    server.call(&["execution", "cancel", &id, "--reason", "a mistake"]).await.fine();
    let said = server.call(&["execution", "follow", &id]).await;
    assert!(said.code == 1 && said.out.contains("CANCELED"), "{said:?}");
    let log = server.call(&["execution", "log", &id]).await.fine();
    assert!(log.out.contains("admin sent"), "{}", log.out);
    server.stop().await;
}

#[tokio::test]
async fn an_execution_is_held_restarted_and_run_again_by_hand() {
    let Some(components) = components() else { return };
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &components).await;
    prepare(&server, json!([{"refId": "1", "type": "manualJudgment", "name": "Check", "skippable": true}])).await;
    let words = ["execution", "start", "--application", "flaskapp", "--pipeline", "p", "--start-by", "10m", "--json"];
    let id = server.call(&words).await.fine().json()["execution"].as_str().unwrap().to_owned();
    until(&server, &id, |detail| detail["stages"][0]["status"] == "SUSPENDED").await;
    server.call(&["execution", "pause", &id, "--reason", "lunch"]).await.fine();
    until(&server, &id, |detail| detail["status"] == "PAUSED").await;
    let shown = server.call(&["execution", "show", &id]).await.fine();
    assert!(shown.out.contains("paused       by admin since") && shown.out.contains(": lunch"), "{}", shown.out);
    let listed = server.call(&["execution", "list", "flaskapp"]).await.fine();
    assert!(listed.out.contains("PAUSED") && listed.out.contains("paused-by-user"), "{}", listed.out);
    server.call(&["execution", "judge", &id, "stop"]).await.fine();
    server.call(&["execution", "resume", &id]).await.fine();
    let said = server.call(&["execution", "follow", &id]).await;
    assert!(said.code == 1 && said.out.contains("judgment-stopped"), "{said:?}");
    server.call(&["execution", "restart", &id, "1"]).await.fine();
    until(&server, &id, |detail| detail["stages"][0]["attempt"] == 2 && detail["stages"][0]["status"] == "SUSPENDED").await;
    server.call(&["execution", "skip", &id, "1", "--reason", "nobody is here"]).await.fine();
    let said = server.call(&["execution", "follow", &id]).await.fine();
    assert!(said.out.contains("skipped-by-user: skipped by admin: nobody is here"), "{}", said.out);
    let shown = server.call(&["execution", "show", &id]).await.fine();
    assert!(shown.out.contains("stage 1, which was TERMINAL, by admin") && shown.out.contains("attempt 2"), "{}", shown.out);
    let refused = server.call(&["execution", "skip-window", &id, "1"]).await;
    assert!(refused.code == 1 && refused.err.contains("execution-ended"), "{refused:?}");
    let again = server.call(&["execution", "rerun", &id, "--json"]).await.fine().json();
    server.call(&["execution", "cancel", again["execution"].as_str().unwrap()]).await.fine();
    server.stop().await;
}
