//! What the stage leaves behind.

use sdk::host::ClusterError;
use sdk::testing::key;

use super::*;

#[test]
fn outputs_are_spinnakers() {
    let mut host = Script::default();
    let results = succeeded(run(&mut host, &stage(&[deployment("web", "app"), config("c")], &json!({}))).1);
    let outputs = outputs(&results);
    assert_eq!(results.context, results.outputs);
    assert_eq!(outputs["manifests"], outputs["outputs.manifests"]);
    assert_eq!(outputs["manifests"][1]["metadata"]["uid"], "uid of Deployment default/web");
    assert_eq!(outputs["manifests"][1]["metadata"].get("managedFields"), None);
    assert_eq!(outputs["outputs.manifestNamesByNamespace"], json!({"default": ["configMap c", "deployment web"]}));
    let created = json!({"type": "kubernetes/deployment", "customKind": false, "name": "web", "version": "",
        "location": "default", "reference": "web", "metadata": {"account": "test"}});
    assert_eq!(outputs["outputs.createdArtifacts"][1], created);
    assert_eq!(outputs["artifacts"], outputs["outputs.createdArtifacts"]);
    assert_eq!(results.artifacts[1], created.to_string());
    assert_eq!(outputs["stableManifests"][1], json!({"manifestName": "deployment web", "location": "default"}));
    assert_eq!(
        outputs["waybill"]["objects"][1],
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web",
            "uid": "uid of Deployment default/web", "created": true, "changed": true})
    );
}

#[test]
fn secrets_are_never_read_nor_shown() {
    let mut host = Script::default();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "hidden"}});
    let results = succeeded(run(&mut host, &stage(&[secret], &json!({}))).1);
    assert_eq!(host.sent[0]["stringData"]["a"], "hidden", "it is applied");
    assert_eq!(host.count("get"), 0);
    assert!(!results.outputs.contains("hidden"));
    assert_eq!(outputs(&results)["manifests"][0]["metadata"]["uid"], "uid of Secret default/s");
    assert!(!host.lines.concat().contains("hidden"));
}

#[test]
fn an_object_that_cannot_be_read_is_given_by_reference() {
    let mut host = Script::default();
    host.unreadable.insert(key("ConfigMap", Some("default"), "c"), ClusterError::Unavailable("busy".into()));
    let results = succeeded(run(&mut host, &stage(&[config("c")], &json!({}))).1);
    let stub = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "default", "uid": "uid of ConfigMap default/c"}});
    assert_eq!(outputs(&results)["manifests"], json!([stub]));
}

#[test]
fn outputs_can_be_left_out() {
    let results = succeeded(run(&mut Script::default(), &stage(&[config("c")], &json!({"noOutput": true}))).1);
    let outputs = outputs(&results);
    assert_eq!(outputs.as_object().unwrap().len(), 1);
    assert_eq!(outputs["waybill"]["objects"][0]["name"], "c", "what was done stays visible");
    assert!(results.artifacts.is_empty());
}

#[test]
fn a_second_run_changes_nothing() {
    let mut host = Script::default();
    let params = stage(&[config("c")], &json!({}));
    succeeded(run(&mut host, &params).1);
    let results = succeeded(run(&mut host, &params).1);
    assert_eq!(results.message, "ConfigMap c applied: 0 created, 0 changed, 1 unchanged");
    assert!(host.lines.contains(&"ConfigMap c is as it should be".to_owned()));
}

#[test]
fn the_manifest_is_json_and_says_what_the_code_does() {
    let manifest: Value = serde_json::from_str(&crate::describe()).unwrap();
    assert_eq!(manifest["type"], "deployManifest");
    assert_eq!(manifest["aliases"], json!(["DeployManifest"]));
    assert_eq!(manifest["checkpointSchemas"], json!([crate::state::SCHEMA]));
    assert_eq!(manifest["timeoutMs"], 1_800_000);
    assert_eq!(manifest["contract"], "waybill:stage@0.1.0");
    for entry in manifest["capabilities"]["kubernetes"].as_array().unwrap() {
        assert!(!entry["kinds"].as_array().unwrap().contains(&json!("*")));
        let verbs = entry["verbs"].as_array().unwrap();
        let secrets = entry["kinds"].as_array().unwrap().contains(&json!("Secret"));
        assert!(!(secrets && verbs.contains(&json!("get"))), "Secrets are not read");
    }
}
