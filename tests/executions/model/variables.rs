//! Values that a stage gives names to, for the stages after it.

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::{check, rest};
use tests::documents::{stage, with};

fn variables(ref_id: &str, after: &[&str], list: Value) -> Value {
    with(stage(ref_id, after, "evaluateVariables"), json!({ "variables": list }))
}

#[tokio::test]
async fn variables_are_seen_by_name_and_keep_their_type() {
    let desk = Desk::new().await;
    let list = json!([
        {"key": "seconds", "value": 0},
        {"key": "who", "value": "${parameters.who}"},
        {"key": "greeting", "value": "hello ${who}"},
        {"key": "same", "value": "true"},
    ]);
    let stages = vec![variables("1", &[], list), check("2", &["1"], "same"), with(rest("3", &["2"], 0), json!({"waitTime": "${seconds}"}))];
    let _ = desk.save_with("p", stages, json!({"parameterConfig": [{"name": "who"}]})).await;
    let id = desk.start_with("p", json!({"parameters": {"who": "world"}})).await;
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let outputs = json!({"seconds": 0, "who": "world", "greeting": "hello world", "same": "true"});
    assert_eq!(left(&desk, &id).await, outputs, "{ended:#}");
}

/// What the first stage left.
async fn left(desk: &Desk, id: &str) -> Value {
    desk.developer.get(&format!("/api/executions/{id}/stages/1")).await.ok()["outputs"].clone()
}

#[tokio::test]
async fn a_value_that_cannot_be_evaluated_is_never_handed_on() {
    let desk = Desk::new().await;
    let list = json!([{"key": "version", "value": "${parameters.verison}"}, {"key": "fine", "value": 1}]);
    let _ = desk.save("hard", vec![variables("1", &[], list.clone())]).await;
    let ended = desk.ended(&desk.start("hard").await).await;
    let failed = stage_of(&ended, "1");
    assert_eq!((&failed["status"], &failed["reason"]["code"]), (&json!("TERMINAL"), &json!("expression-failed")), "{failed:#}");
    assert_eq!(failed["reason"]["data"]["details"]["pointer"], "/variables/0/value", "{failed:#}");

    let soft = with(variables("1", &[], list), json!({"failOnFailedExpressions": false}));
    let uses = with(rest("2", &["1"], 0), json!({"waitTime": "${version}"}));
    let _ = desk.save("soft", vec![soft, uses]).await;
    let id = desk.start("soft").await;
    let ended = desk.ended(&id).await;
    assert_eq!(left(&desk, &id).await, json!({"fine": 1}), "{ended:#}");
    let user = stage_of(&ended, "2");
    assert_eq!(user["status"], "TERMINAL", "what has no value is missed where it is used: {user:#}");
    assert!(user["reason"]["message"].as_str().unwrap_or_default().contains("version"), "{user:#}");
}

#[tokio::test]
async fn an_expression_is_tried_as_a_stage_of_an_execution_sees_it() {
    let desk = Desk::new().await;
    let stages = vec![variables("1", &[], json!([{"key": "tag", "value": "v7"}])), rest("2", &["1"], 0), rest("3", &["2"], 0)];
    let _ = desk.save("p", stages).await;
    let id = desk.start("p").await;
    let _ = desk.ended(&id).await;
    let tried = async |body: Value| desk.developer.post("/api/expressions", &body).await;
    let whole = json!({"value": {"image": "web:${tag}", "status": "${#stage('2').status}"}, "execution": id, "stage": "3"});
    let answer = tried(whole).await.ok();
    assert_eq!(answer["value"], json!({"image": "web:v7", "status": "SUCCEEDED"}), "{answer:#}");
    let answer = tried(json!({"value": "web:${tag}-${mine}", "execution": id, "stage": "3", "context": {"mine": 1}})).await.ok();
    assert_eq!(answer, json!({"value": "web:v7-1", "errors": []}), "{answer:#}");
    let answer = tried(json!({"value": "${tag}", "execution": id, "stage": "1"})).await.ok();
    let wrong = &answer["errors"][0];
    assert_eq!((&answer["value"], &wrong["pointer"], &wrong["position"]), (&Value::Null, &json!(""), &json!(2)), "{answer:#}");
    let answer = tried(json!({"value": "${tag}", "execution": id})).await.ok();
    assert_eq!(answer["value"], "v7", "without a stage everything is seen: {answer:#}");

    let _ = tried(json!({"value": "${tag}", "execution": "01UNKNOWN"})).await.is(404);
    let _ = tried(json!({"value": "${tag}", "execution": id, "stage": "9"})).await.is(404);
    let _ = tried(json!({"value": "${tag}", "stage": "1"})).await.is(422);
    let _ = tried(json!({"value": vec!["${1}"; 201]})).await.is(422);
}
