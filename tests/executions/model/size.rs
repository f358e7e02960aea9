//! Too much of everything: refused with its limit, and nothing half-done; and as much as is allowed, which works.

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::rest;
use tests::documents::{APPLICATION, pipeline, stage, with};

async fn executions(desk: &Desk) -> usize {
    desk.developer.all(&format!("/api/applications/{APPLICATION}/executions")).await.len()
}

#[tokio::test]
async fn one_stage_too_many() {
    let desk = Desk::new().await;
    let stages = |count: usize| (0..count).map(|i| rest(&i.to_string(), &[], 0)).collect::<Vec<_>>();
    for count in [201, 501] {
        let document = with(pipeline(stages(count)), json!({"name": "p"}));
        let said = desk.put("p", &document).await.invalid("/stages", "too-many-stages");
        assert!(said.contains("200") && said.contains(&count.to_string()), "{said}");
    }
    let _ = desk.save("p", stages(200)).await;
    let id = desk.start_with("p", json!({"dryRun": true})).await;
    assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED");
}

/// Stages that unfold into 32 each, one after the other, beside others: 500 stages are all that an execution runs.
#[tokio::test]
async fn one_stage_run_too_many() {
    let desk = Desk::new().await;
    let one = json!({"type": "expression", "context": {"expression": "true"}});
    let mut stages = vec![rest("0", &[], 0)];
    for i in 1..20_u32 {
        let before = (i - 1).to_string();
        let checks = with(stage(&i.to_string(), &[before.as_str()], "checkPreconditions"), json!({"preconditions": vec![one.clone(); 32]}));
        stages.push(checks);
    }
    let _ = desk.save("p", stages).await;
    let id = desk.start("p").await;
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "TERMINAL", "{}", ended["reason"]);
    let runs = ended["stages"].as_array().unwrap();
    assert_eq!(runs.len(), 500, "20 of the pipeline, and what fits beside them: 15 times 32");
    let failed = stage_of(&ended, "16");
    assert_eq!((&failed["status"], &stage_of(&ended, "15")["status"]), (&json!("TERMINAL"), &json!("SUCCEEDED")), "{failed:#}");
    assert!(failed["reason"].to_string().contains("too-many-stage-runs"), "{failed:#}");
}

#[tokio::test]
async fn forty_levels_of_joins() {
    let desk = Desk::new().await;
    let mut stages = vec![rest("start", &[], 0)];
    let mut before = ["start".to_owned(), "start".to_owned()];
    for level in 0..40 {
        let after: Vec<&str> = if before[0] == before[1] { vec![before[0].as_str()] } else { before.iter().map(String::as_str).collect() };
        let names = ["a", "b"].map(|side| format!("{side}{level}"));
        stages.extend(names.iter().map(|name| rest(name, &after, 0)));
        before = names;
    }
    let _ = desk.save("p", stages).await;
    let id = desk.start("p").await;
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{}", ended["reason"]);
    let time = |stage: &Value, key: &str| stage[key].as_u64().unwrap();
    let stages = ended["stages"].as_array().unwrap();
    for stage in stages {
        for name in stage["requisiteStageRefIds"].as_array().unwrap() {
            let required = stages.iter().find(|other| other["refId"] == *name).unwrap();
            assert!(time(required, "endedMs") <= time(stage, "startedMs"), "{stage:#}");
        }
    }
}

#[tokio::test]
async fn a_context_that_is_too_large() {
    let desk = Desk::new().await;
    let large = |megabytes: usize| json!({"parameters": {"text": "x".repeat(megabytes << 20)}});
    let _ = desk.save("p", vec![rest("1", &[], 0)]).await;
    let body = with(json!({"application": APPLICATION, "pipeline": "p"}), large(5));
    // A sender may see the connection close while it still sends; it never sees a good answer.
    let headers = [("content-type", "application/json")];
    match desk.developer.raw(reqwest::Method::POST, "/api/executions", &headers, body.to_string().into_bytes()).await {
        Ok(answer) => drop(answer.refused(413, "body-too-large")),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error}"),
    }
    let said = desk.ask("p", large(1)).await.invalid("/parameters", "too-large");
    assert!(said.contains("262144"), "the limit is named: {said}");
    assert_eq!(executions(&desk).await, 0, "nothing half-done is left");
    let id = desk.start_with("p", json!({"parameters": {"text": "x".repeat(250_000)}})).await;
    assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn too_many_parts() {
    let desk = Desk::new().await;
    let one = json!({"type": "expression", "context": {"expression": "true"}});
    let _ = desk.save("p", vec![with(stage("1", &[], "checkPreconditions"), json!({"preconditions": vec![one; 33]}))]).await;
    let id = desk.start("p").await;
    let ended = desk.ended(&id).await;
    let reason = &ended["stages"][0]["reason"];
    assert_eq!(reason["code"], "invalid-stage-settings", "{reason:#}");
    assert!(reason["message"].as_str().unwrap().contains("33"), "{reason:#}");
}
