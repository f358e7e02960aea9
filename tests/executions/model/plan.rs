//! What a start would run, asked before it is started; and what then runs.

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::{check, rest};
use tests::documents::{APPLICATION, stage, with};

fn asked(more: Value) -> Value {
    with(json!({"application": APPLICATION, "pipeline": "p"}), more)
}

fn planned<'a>(plan: &'a Value, ref_id: &str) -> &'a Value {
    plan["stages"].as_array().unwrap().iter().find(|stage| stage["refId"] == ref_id).unwrap()
}

async fn prepared() -> Desk {
    let desk = Desk::new().await;
    let only_production = json!({"stageEnabled": {"type": "expression", "expression": "parameters.env == 'production'"}});
    let variables = json!([{"key": "seconds", "value": 0}]);
    let stages = vec![
        with(rest("3", &["1", "2"], 0), json!({"waitTime": "${seconds}"})),
        with(stage("1", &[], "evaluateVariables"), json!({"name": "for ${parameters.env}", "variables": variables})),
        with(check("2", &[], "false"), only_production),
    ];
    let parameters = json!({"parameterConfig": [{"name": "env", "required": true}]});
    let _ = desk.save_with("p", stages, parameters).await;
    desk
}

#[tokio::test]
async fn a_plan_says_what_then_happens_and_starts_nothing() {
    let desk = prepared().await;
    let body = asked(json!({"parameters": {"env": "testing"}}));
    let plan = desk.developer.post("/api/executions/plan", &body).await.is(200);
    let order: Vec<&Value> = plan["stages"].as_array().unwrap().iter().map(|stage| &stage["refId"]).collect();
    assert_eq!(order, ["1", "2", "3"], "{plan:#}");
    assert_eq!(planned(&plan, "1")["name"], "for testing", "{plan:#}");
    let skipped = planned(&plan, "2");
    assert_eq!((&skipped["outlook"], &skipped["reason"]["code"]), (&json!("skipped"), &json!("condition-false")), "{plan:#}");
    let third = planned(&plan, "3");
    assert_eq!((&third["rank"], &third["open"], &third["settings"]["waitTime"]), (&json!(1), &json!(["/waitTime"]), &json!("${seconds}")));
    assert_eq!(desk.developer.all(&format!("/api/applications/{APPLICATION}/executions")).await.len(), 0, "nothing was started");

    let ended = desk.ended(&desk.start_with("p", json!({"parameters": {"env": "testing"}})).await).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    assert_eq!(stage_of(&ended, "2")["reason"]["code"], "condition-false", "{ended:#}");
}

#[tokio::test]
async fn what_a_start_would_refuse_its_plan_refuses() {
    let desk = prepared().await;
    let missing = desk.developer.post("/api/executions/plan", &asked(json!({}))).await;
    assert!(missing.invalid("/parameters/env", "parameter-missing").contains("env"));
    let unknown = with(asked(json!({})), json!({"pipeline": "nobody's"}));
    let _ = desk.developer.post("/api/executions/plan", &unknown).await.is(404);
    let nobody = desk.developer.with_token(None);
    let _ = nobody.post("/api/executions/plan", &asked(json!({}))).await.is(401);
}
