//! Pipelines that are brought to a running server, and given back by it.

use crate::process::{Said, Server, no_components};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

async fn served(data: &Path) -> (Server, tempfile::TempDir) {
    let components = no_components();
    let server = Server::start(data, components.path()).await;
    server.call(&["app", "create", "shop"]).await.fine();
    (server, components)
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn lines(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// As it is without what a server issues.
fn without_ids(mut document: Value) -> Value {
    let object = document.as_object_mut().unwrap();
    object.remove("id");
    for trigger in object.get_mut("triggers").and_then(Value::as_array_mut).into_iter().flatten() {
        trigger.as_object_mut().unwrap().remove("id");
    }
    document
}

const FIRST: &str = r#"{
  "application": "shop", "name": "first", "id": "0b9c1f6e-0000-1111-2222-333344445555", "keepWaitingPipelines": false,
  "limitConcurrent": true, "unheardOf": {"one": 1.0, "half": 1.50, "many": 123456789012345678901234567890, "tiny": 1e-7, "null": null},
  "lastModifiedBy": "me", "updateTs": "1",
  "triggers": [{"type": "docker", "enabled": true, "account": "hub", "repository": "shop/web", "id": "old", "weight": 2.00}],
  "stages": [{"refId": "1", "requisiteStageRefIds": [], "type": "wait", "name": "Wait", "waitTime": 30.0}]
}"#;
const SECOND: &str = r#"{
  "application": "shop", "name": "second",
  "stages": [{"refId": "1", "requisiteStageRefIds": [], "type": "pipeline", "name": "Next", "pipeline": "0b9c1f6e-0000-1111-2222-333344445555"}]
}"#;

#[tokio::test]
async fn what_comes_goes_again_as_it_came() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, _components) = served(data.path()).await;
    file(files.path(), "both.json", &format!("[{FIRST}, {SECOND}]"));
    file(files.path(), "notes.txt", "nothing to see");
    let path = files.path().to_str().unwrap();
    let import = ["pipelines", "import", path, "--application", "shop", "--json"];

    let dry = lines(&server.call(&[&import[..], &["--dry-run"]].concat()).await.fine());
    assert_eq!((&dry[0]["outcome"], &dry[0]["answer"]["pipelines"][0]["was"]), (&json!("planned"), &json!("created")));
    assert!(server.call(&["pipelines", "list", "shop", "--json"]).await.fine().json()["items"].as_array().unwrap().is_empty());

    let done = lines(&server.call(&import).await.fine());
    assert_eq!(done[2]["summary"]["created"], 2, "{done:?}");
    assert_eq!(done[1]["outcome"], "no-pipeline");
    let first = &done[0]["answer"]["pipelines"][0];
    assert!(first["triggers"][0]["hookPath"].as_str().unwrap().starts_with("/hooks/registry/"), "{first}");
    let again = lines(&server.call(&import).await.fine());
    assert_eq!((&again[2]["summary"]["unchanged"], &again[2]["summary"]["updated"]), (&json!(2), &json!(0)), "{again:?}");
    let words = server.call(&["pipelines", "import", path, "--application", "shop"]).await.fine().out;
    assert!(words.contains("first: unchanged, revision 1"), "{words}");

    let out = files.path().join("out");
    server.call(&["pipelines", "export", "--application", "shop", "--out", out.to_str().unwrap()]).await.fine();
    let text = std::fs::read_to_string(out.join("first.json")).unwrap();
    let (exported, original): (Value, Value) = (serde_json::from_str(&text).unwrap(), serde_json::from_str(FIRST).unwrap());
    assert_eq!(without_ids(exported.clone()), without_ids(original));
    for spelling in ["1.0,", "1.50,", "123456789012345678901234567890,", "1e-7,", "2.00", "30.0"] {
        assert!(text.contains(spelling), "{spelling} is gone: {text}");
    }
    let second: Value = serde_json::from_str(&std::fs::read_to_string(out.join("second.json")).unwrap()).unwrap();
    assert_eq!(second["stages"][0]["pipeline"], exported["id"], "they still mean each other");
    let listed: Value = serde_json::from_str(&server.call(&["pipelines", "export"]).await.fine().out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let shown = server.call(&["pipelines", "show", "shop", "first"]).await.fine().out;
    assert!(shown.contains("1.50") && shown.contains("2.00"), "{shown}");

    let report = |said: &Said, at: usize| {
        let mut report = lines(said)[at].clone();
        ["file", "at", "wrapper", "identities", "kept"].iter().for_each(|key| drop(report.as_object_mut().unwrap().remove(*key)));
        report
    };
    let came = server.call(&["pipelines", "check", files.path().join("both.json").to_str().unwrap(), "--json"]).await.fine();
    let went = server.call(&["pipelines", "check", out.join("first.json").to_str().unwrap(), "--json"]).await.fine();
    assert_eq!(report(&came, 0), report(&went, 0));
    let back = ["pipelines", "import", out.to_str().unwrap(), "--application", "shop", "--json"];
    assert_eq!(lines(&server.call(&back).await.fine())[2]["summary"]["unchanged"], 2, "what was given back is what is there");
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_is_broken_somewhere_is_left_alone_as_a_whole() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, _components) = served(data.path()).await;
    server.call(&["app", "create", "other"]).await.fine();
    let good = r#"{"name": "good", "stages": [{"refId": "1", "type": "wait"}]}"#;
    file(files.path(), "1-cut.json", "{\"stages\": [");
    file(files.path(), "2-half.json", &format!("[{good}, {{\"name\": \"bad\", \"stages\": [{{\"refId\": \"1\"}}]}}]"));
    file(files.path(), "3-twice.json", "{\"name\": \"twice\", \"name\": \"thrice\", \"stages\": [{\"refId\": \"1\", \"type\": \"wait\"}]}");
    file(files.path(), "4-fine.json", r#"{"name": "Fine", "stages": [{"refId": "1", "type": "wait"}]}"#);
    file(files.path(), "5-case.json", r#"{"name": "fine", "stages": [{"refId": "1", "type": "wait"}]}"#);
    let import = ["pipelines", "import", files.path().to_str().unwrap(), "--application", "shop", "--json"];
    let said = server.call(&import).await;
    assert_eq!(said.code, 1, "{said:?}");
    let told = lines(&said);
    let outcomes: Vec<&str> = told.iter().filter_map(|line| line["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["refused", "refused", "refused", "imported", "refused"]);
    assert!(told[4]["problem"].as_str().unwrap().contains("case or form"), "{}", told[4]);
    let listed = server.call(&["pipelines", "list", "shop", "--json"]).await.fine().json();
    assert_eq!(listed["items"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), ["Fine"]);

    let out = files.path().join("out");
    server.call(&["pipelines", "export", "--application", "shop", "--out", out.to_str().unwrap()]).await.fine();
    let copy = server.call(&["pipelines", "import", out.to_str().unwrap(), "--application", "other"]).await;
    assert!(copy.code == 1 && copy.out.contains("in another application"), "{copy:?}");
    assert_eq!(server.call(&["pipelines", "import", out.to_str().unwrap(), "--application", "nowhere"]).await.code, 1);
    server.stop().await;
}

#[tokio::test]
async fn secrets_are_stored_apart_and_shown_by_nobody() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, _components) = served(data.path()).await;
    let manifest = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "hunter2-long"}});
    let stage = json!({"refId": "1", "type": "deployManifest", "account": "prod", "manifests": [manifest]});
    let path = file(files.path(), "p.json", &json!({"name": "p", "stages": [stage]}).to_string());
    let import = ["pipelines", "import", path.to_str().unwrap(), "--application", "shop", "--secrets", "move"];
    let mut all = String::new();
    for words in [&import[..], &[&import[..], &["--json"]].concat()] {
        let said = server.call(words).await.fine();
        all.push_str(&format!("{said:?}"));
    }
    assert!(all.contains("created") && all.contains("unchanged"), "{all}");
    let shown = server.call(&["pipelines", "show", "shop", "p"]).await.fine();
    let reference = serde_json::from_str::<Value>(&shown.out).unwrap()["stages"][0]["manifests"][0]["stringData"]["password"].clone();
    let name = reference.as_str().unwrap().strip_prefix("secret://").unwrap().to_owned();
    let value = file(files.path(), "value", "another-one\n");
    let set = server.call(&["secrets", "set", "shop", &name, "--file", value.to_str().unwrap(), "--json"]).await.fine();
    let listed = server.call(&["secrets", "list", "shop", "--json"]).await.fine();
    assert_eq!((set.json()["version"].clone(), listed.json()["items"][0]["name"].clone()), (json!(2), json!(name)));
    let gone = server.call(&["secrets", "delete", "shop", &name]).await.fine();
    assert_eq!(server.call(&["secrets", "delete", "shop", &name]).await.code, 1);
    all.push_str(&format!("{shown:?}{set:?}{listed:?}{gone:?}"));
    assert!(!all.contains("hunter2") && !all.contains("another-one"), "{all}");
    server.stop().await;
}

#[tokio::test]
async fn a_template_of_another_file_is_filled_in() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, _components) = served(data.path()).await;
    let template = json!({"schema": "v2", "id": "base", "variables": [{"name": "n", "type": "int", "defaultValue": 1}],
        "pipeline": {"name": "Base", "stages": [{"refId": "1", "type": "wait", "waitTime": "${templateVariables.n}"}]}});
    let used = json!({"schema": "v2", "application": "shop", "name": "x", "type": "templatedPipeline", "variables": {"n": 3},
        "template": {"reference": "spinnaker://base:stable"}, "stages": []});
    let alone = file(files.path(), "x.json", &used.to_string());
    let said = server.call(&["pipelines", "import", alone.to_str().unwrap(), "--application", "shop"]).await;
    assert!(said.code == 1 && said.out.contains("template-needed"), "{said:?}");
    file(files.path(), "base.json", &template.to_string());
    server.call(&["pipelines", "import", files.path().to_str().unwrap(), "--application", "shop"]).await.fine();
    let shown = server.call(&["pipelines", "show", "shop", "x"]).await.fine();
    let document: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((&document["stages"][0]["type"], &document["templateVariables"]["n"]), (&json!("wait"), &json!(3)));
    let mut own = template;
    own["pipeline"]["template"] = json!({"reference": "spinnaker://base"});
    let own = file(files.path(), "own.json", &own.to_string());
    let said = server.call(&["pipelines", "import", own.to_str().unwrap(), "--application", "shop"]).await;
    assert!(said.code == 1 && said.out.contains("template-includes-itself"), "{said:?}");
    server.stop().await;
}
