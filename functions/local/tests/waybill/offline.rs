//! What is done while no server runs: everything into a file and back, and the archive.

use crate::process::{Server, bare, no_components, waybill};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use testkit::cloud::{Cloud, KEYS, REGION};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server's folder with an application, a project and a pipeline.
async fn filled(data: &Path, components: &Path, more: &[&str]) -> Server {
    let server = Server::start_with(data, components, more).await;
    server.call(&["app", "create", "flaskapp"]).await.fine();
    server.call(&["project", "create", "cd-demo"]).await.fine();
    let file = data.join("pipeline.json");
    std::fs::write(&file, json!({"application": "flaskapp", "name": "p", "stages": []}).to_string()).unwrap();
    server.call(&["pipeline", "save", text(&file)]).await.fine();
    server
}

#[tokio::test]
async fn a_store_goes_into_a_file_and_back_into_another_folder_and_is_served_there() {
    let (folder, components) = (tempfile::tempdir().unwrap(), no_components());
    let (one, two, file) = (folder.path().join("one"), folder.path().join("two"), folder.path().join("all.jsonl"));
    let server = filled(&one, components.path(), &[]).await;
    let busy = bare(&["export", "--data", text(&one), text(&file)]).await;
    assert!(busy.code == 1 && busy.err.contains("in use by another process"), "{busy:?}");
    let token = server.token.clone();
    server.stop().await;
    let none = bare(&["export", "--data", text(&folder.path().join("none")), text(&file)]).await;
    assert!(none.code == 2 && none.err.contains("no data folder"), "{none:?}");
    let said = bare(&["export", "--data", text(&one), text(&file), "--json"]).await.fine().json();
    assert!(said["items"].as_u64().unwrap() > 5, "{said}");
    assert!(!std::fs::read_to_string(&file).unwrap().contains(&token), "no token stands in it");
    let checked = bare(&["import", "--check", "--data", text(&two), text(&file), "--json"]).await.fine().json();
    assert_eq!(checked["header"]["items"], said["items"]);
    assert!(!two.exists(), "a look makes nothing");
    let put = bare(&["import", "--data", text(&two), text(&file)]).await.fine();
    assert!(put.out.contains("file `key` beside the store"), "{put:?}");
    let twice = bare(&["import", "--data", text(&two), text(&file)]).await;
    assert!(twice.code == 1 && twice.err.contains("not empty"), "{twice:?}");
    std::fs::copy(one.join("key"), two.join("key")).unwrap();
    let server = Server::start(&two, components.path()).await;
    let said = crate::process::call(&server.url, &token, &["pipeline", "list", "flaskapp", "--json"]).await.fine().json();
    assert_eq!(said["items"][0]["name"], "p");
    server.stop().await;
    let text_of = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text_of[..text_of.len() - 10]).unwrap();
    let torn = bare(&["import", "--data", text(&folder.path().join("three")), text(&file)]).await;
    assert!(torn.code == 1 && torn.err.contains("cut off") && torn.err.contains("line"), "{torn:?}");
}

/// A bucket that keeps versions, made by hand as a deployment makes it.
async fn bucket(endpoint: &str, name: &str) {
    let client = testkit::net::client(None).unwrap();
    let made = client.put(format!("{endpoint}/{name}")).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.status());
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let on = client.put(format!("{endpoint}/{name}?versioning")).body(on).send().await.unwrap();
    assert!(on.status().is_success(), "{}", on.status());
}

#[tokio::test]
async fn a_store_goes_to_aws_and_comes_back() {
    let (folder, components) = (tempfile::tempdir().unwrap(), no_components());
    let (one, out, back) = (folder.path().join("one"), folder.path().join("out.jsonl"), folder.path().join("back.jsonl"));
    filled(&one, components.path(), &[]).await.stop().await;
    bare(&["export", "--data", text(&one), text(&out)]).await.fine();
    let endpoint = Cloud::shared().await.unwrap().endpoint();
    bucket(&endpoint, "carried").await;
    let on_aws = |words: Vec<String>| {
        let mut command = waybill();
        command.args(words).env("AWS_ENDPOINT_URL", &endpoint).env("AWS_REGION", REGION).env("AWS_ACCESS_KEY_ID", KEYS.0);
        command.env("AWS_SECRET_ACCESS_KEY", KEYS.1).env("WAYBILL_TABLE", "carried").env("WAYBILL_BUCKET", "carried");
        async move { command.output().await.unwrap() }
    };
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let missing = on_aws(words(&["import", "--aws", text(&out)])).await;
    assert!(String::from_utf8_lossy(&missing.stderr).contains("--create-table"), "{missing:?}");
    let put = on_aws(words(&["import", "--aws", "--create-table", text(&out)])).await;
    assert!(put.status.success(), "{put:?}");
    let taken = on_aws(words(&["export", "--aws", text(&back)])).await;
    assert!(taken.status.success(), "{taken:?}");
    let lines = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        let all: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut body = all[1..all.len() - 1].to_vec();
        body.sort();
        body
    };
    assert_eq!(lines(&out), lines(&back));
}

#[tokio::test]
async fn executions_that_are_kept_no_longer_are_read_in_the_archive() {
    let (folder, components) = (tempfile::tempdir().unwrap(), no_components());
    let (data, limits) = (folder.path().join("data"), folder.path().join("limits.json"));
    std::fs::write(&limits, json!({"keptMs": 60_000, "keptNewest": 1}).to_string()).unwrap();
    let server = filled(&data, components.path(), &["--limits", text(&limits)]).await;
    let empty = bare(&["archive", "list", "--data", text(&data)]).await;
    assert!(empty.code == 1 && empty.err.contains("there is no archive"), "{empty:?}");
    server.stop().await;
    let archive = data.join("archive");
    std::fs::create_dir(&archive).unwrap();
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let golden = here.join("../shared/app/tests/golden/archived-execution/v1-full.json");
    std::fs::copy(golden, archive.join("2023-11.jsonl")).unwrap();
    let list = bare(&["archive", "list", "--data", text(&data), "--json"]).await.fine().json();
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&list["month"], &list["items"][0]["status"]), (&json!("2023-11"), &json!("TERMINAL")));
    let text_of = bare(&["archive", "show", &id, "--data", text(&data)]).await.fine().out;
    for word in ["flaskapp", "TERMINAL", "manualJudgment", "cd-demo / 7", "r/web"] {
        assert!(text_of.contains(word), "{word}: {text_of}");
    }
    let shown: Value = bare(&["archive", "show", &id, "--data", text(&data), "--json"]).await.fine().json();
    assert_eq!(shown["parameters"]["password"], "***");
    let none = bare(&["archive", "show", "01NONE", "--data", text(&data)]).await;
    assert!(none.code == 2 && none.err.contains("no execution 01NONE"), "{none:?}");
}
