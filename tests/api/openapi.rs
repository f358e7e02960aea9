//! The API as it describes itself: the document holds no loose ends, and the server does what the document says, which
//! schemathesis finds out by trying.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::places::{self, Scratch};
use tests::Site;
use tests::documents::{APPLICATION, deploy, deployment, pipeline, stage};

/// Set it for a longer run: how many cases an operation gets.
const EXAMPLES: &str = "WAYBILL_FUZZ_EXAMPLES";
/// Set it to repeat a run, or to `random` for a new one.
const SEED: &str = "WAYBILL_FUZZ_SEED";
/// The long one takes as long as it takes.
const RUN_MAX: Duration = Duration::from_secs(3_600);

/// What is checked in place of `positive_data_acceptance`: schemathesis takes every 422 to a request that fits its schema
/// for a fault, and a schema cannot say every rule.
const RULES: &str = include_str!("openapi_rules.py");

/// What schemathesis is told beside its options. Questions are not held, which would only take time. What a change is based
/// on is looked at before what it says, so that a bad one may be answered with 412 as well.
const CONFIG: &str = r#"
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429]

[[operations]]
include-path = "/api/changes"
parameters = { hold = 0 }

[[operations]]
include-name = "GET /api/executions/{id}"
parameters = { hold = 0 }
"#;

/// Follows a reference within the document.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolve(document, document.pointer(reference.trim_start_matches('#')).expect("a reference leads somewhere")),
        None => schema,
    }
}

/// Every schema reachable from this one that says `object` and not of what, by pointer.
fn bare(document: &Value, schema: &Value, at: &str, seen: &mut Vec<String>, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        if seen.iter().any(|one| one == reference) {
            return;
        }
        seen.push(reference.to_owned());
        bare(document, resolve(document, schema), reference, seen, found);
        return;
    }
    let says = |key: &str| schema.get(key).is_some();
    let object = schema["type"] == "object" || schema["type"].as_array().is_some_and(|types| types.contains(&json!("object")));
    let shaped = ["properties", "additionalProperties", "allOf", "oneOf", "anyOf", "patternProperties"].into_iter().any(says);
    if object && !shaped {
        found.push(at.to_owned());
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (i, inner) in schema[key].as_array().into_iter().flatten().enumerate() {
            bare(document, inner, &format!("{at}/{key}/{i}"), seen, found);
        }
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        bare(document, inner, &format!("{at}/{name}"), seen, found);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            bare(document, &schema[key], &format!("{at}/{key}"), seen, found);
        }
    }
}

/// Answers without a schema, with a bare object, or 2xx ones that are not described at all.
fn faults(document: &Value) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            for key in ["operationId", "summary"] {
                if operation[key].as_str().is_none_or(str::is_empty) {
                    found.push(format!("{at}: no {key}"));
                }
            }
            let responses = operation["responses"].as_object().unwrap();
            if !responses.keys().any(|status| status.starts_with('2')) {
                found.push(format!("{at}: no good answer"));
            }
            for (status, response) in responses {
                let response = resolve(document, response);
                if response["content"].is_null() && !["204", "304"].contains(&status.as_str()) {
                    found.push(format!("{at}: {status} has no content"));
                }
                for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                    bare(document, &content["schema"], &format!("{at}: {status} {media_type}"), &mut seen, &mut found);
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn the_document_holds_no_loose_ends() {
    let site = Site::empty().await;
    let answer = site.admin.with_token(None).get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let document = answer.ok();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    assert_eq!(faults(&document), Vec::<String>::new());
    let ids: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "operation ids are unique: {ids:?}");
    let gone = site.admin.get("/api/nowhere").await.refused(404, "not-found");
    assert!(gone["traceId"].is_string());
    let _ = site.admin.delete("/version").await.refused(405, "method-not-allowed");
}

/// Things to read: a pipeline that ran, one that waits, a failed one, an order of each.
async fn furnish(site: &Site) {
    let image = format!("{}/{APPLICATION}:1", site.registry.address());
    let _ = site.save(&pipeline(vec![deploy("1", &[], json!([deployment(&site.namespace, &image)]))])).await;
    let done = site.order(&json!({"note": "done"})).await;
    let _ = site.developer.ended(&done).await;
    let _ = site.save(&pipeline(vec![stage("1", &[], "manualJudgment"), stage("2", &["1"], "wait")])).await;
    let waiting = site.order(&json!({"note": "waiting"})).await;
    let _ = site.developer.stage_is(&waiting, "1", "SUSPENDED").await;
}

#[tokio::test]
async fn the_server_does_what_the_document_says() {
    let site = Site::new().await;
    furnish(&site).await;
    let made = site.admin.post("/api/tokens", &json!({"name": "fuzz", "role": "administrator"})).await.is(201);
    let token = made["secret"].as_str().unwrap();
    let kept: Vec<String> = site.admin.all("/api/tokens").await.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
    let scratch = Scratch::new("schemathesis").unwrap();
    let config = scratch.path().join("schemathesis.toml");
    std::fs::write(&config, CONFIG).unwrap();
    std::fs::write(scratch.path().join("openapi_rules.py"), RULES).unwrap();
    let set = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let mut command = tokio::process::Command::new(places::schemathesis().unwrap());
    command.arg("--config-file").arg(&config).arg("run").arg(format!("{}/openapi.json", site.server.url()));
    command.args([
        "--checks",
        "all",
        "--exclude-checks",
        "positive_data_acceptance",
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "--request-timeout",
        "30",
    ]);
    command.args(["--header", &format!("Authorization: Bearer {token}"), "--max-examples", &set(EXAMPLES, "10")]);
    command.args(["--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"]);
    let seed = set(SEED, "7");
    if seed != "random" {
        command.args(["--seed", &seed]);
    }
    command
        .env("SCHEMATHESIS_HOOKS", "openapi_rules")
        .env("PYTHONPATH", scratch.path())
        .env("RULES_REGISTRY", site.registry.address())
        .env("RULES_TOKENS", kept.join(","));
    command.current_dir(scratch.path()).env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(RUN_MAX, command.output()).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let summary = said.split_once("SUMMARY").map_or(said.as_ref(), |(_, summary)| summary);
    println!("{summary}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let log = site.server.log();
    // The library that talks to clusters calls it an error when one does not answer; to us it is an account that failed.
    let complains = |line: &&str| (line.contains(" ERROR ") && !line.contains("kube_client")) || line.contains("panicked");
    let wrong: Vec<&str> = log.lines().filter(complains).collect();
    assert_eq!(wrong, Vec::<&str>::new(), "the server's own log complains");
    let fuzz = site.admin.with_token(Some(token));
    assert_eq!(fuzz.get("/api/me").await.ok()["role"], "administrator", "it still serves, and those who asked may still ask");
}
