//! Executions that start others, and stages that unfold into stages.

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::{ask, check, rest, run};
use tests::documents::{APPLICATION, stage, with};

#[tokio::test]
async fn a_child_is_started_waited_for_and_leaves_what_it_made() {
    let desk = Desk::new().await;
    let parameters = json!({"parameterConfig": [{"name": "who"}]});
    let _ = desk.save_with("child", vec![with(ask("1", &[]), json!({"judgmentInputs": [{"value": "true"}]}))], parameters).await;
    let asks = with(run("1", &[], "child"), json!({"pipelineParameters": {"who": "parent"}}));
    let _ = desk.save("parent", vec![asks, check("2", &["1"], "judgmentInput")]).await;
    let id = desk.start("parent").await;
    let waiting = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    assert_eq!(waiting["reason"]["code"], "awaiting-child", "{waiting:#}");
    let child = desk.child(&id, "1").await;
    let seen = desk.developer.get(&format!("/api/executions/{child}")).await.ok();
    assert_eq!((&seen["parent"], &seen["parameters"]["who"]), (&json!(id), &json!("parent")), "{seen:#}");
    let origin = json!({"kind": "stage", "execution": id, "stage": "1"});
    assert_eq!((&seen["origin"], &seen["submitter"]), (&origin, &json!("dana")), "{seen:#}");
    assert_eq!(seen["orders"], json!([]), "a child is no order of its own");
    let answer = json!({"judgmentStatus": "continue", "judgmentInput": "true"});
    let _ = desk.developer.stage_is(&child, "1", "SUSPENDED").await;
    let _ = desk.told(&child, "stages/1/signals/judgment", &answer).await;
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    unfolded(&ended);
}

/// The check unfolded into a stage of its own.
fn unfolded(ended: &Value) {
    let part = stage_of(ended, "2<1");
    assert_eq!((&part["parentRefId"], &part["part"], &part["current"]), (&json!("2"), &json!("before"), &json!(true)), "{ended:#}");
    assert_eq!(part["status"], "SUCCEEDED", "{part:#}");
    let whole = stage_of(ended, "2");
    assert!(whole["parentRefId"].is_null() && whole["part"].is_null() && whole["current"] == true, "{whole:#}");
}

#[tokio::test]
async fn a_cancel_reaches_the_children_of_children() {
    let desk = Desk::new().await;
    let _ = desk.save("grandchild", vec![ask("1", &[])]).await;
    let _ = desk.save("child", vec![run("1", &[], "grandchild")]).await;
    let _ = desk.save("parent", vec![run("1", &[], "child"), rest("2", &["1"], 0)]).await;
    let id = desk.start("parent").await;
    let child = desk.child(&id, "1").await;
    let grandchild = desk.child(&child, "1").await;
    let _ = desk.developer.stage_is(&grandchild, "1", "SUSPENDED").await;
    let _ = desk.told(&id, "cancel", &json!({"reason": "wrong version"})).await;
    let ended = desk.ended(&id).await;
    assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("CANCELED"), &json!("canceled-by-user")), "{ended:#}");
    assert_eq!(stage_of(&ended, "1")["status"], "CANCELED", "{ended:#}");
    for (one, parent) in [(&child, &id), (&grandchild, &child)] {
        let seen = desk.developer.get(&format!("/api/executions/{one}")).await.ok();
        assert_eq!((&seen["status"], &seen["reason"]["code"]), (&json!("CANCELED"), &json!("canceled-by-parent")), "{seen:#}");
        assert_eq!(seen["cancel"]["parent"], json!(parent), "{seen:#}");
    }
}

#[tokio::test]
async fn a_child_that_is_cancelled_or_refused_ends_its_parent() {
    let desk = Desk::new().await;
    let _ = desk.save("child", vec![ask("1", &[])]).await;
    let _ = desk.save("parent", vec![run("1", &[], "child")]).await;
    let id = desk.start("parent").await;
    let child = desk.child(&id, "1").await;
    let _ = desk.told(&child, "cancel", &json!({"reason": "not this one"})).await;
    let ended = desk.ended(&id).await;
    assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("CANCELED"), &json!("stage-canceled")), "{ended:#}");
    let _ = desk.save("orphan", vec![run("1", &[], "nobody")]).await;
    let orphan = desk.start("orphan").await;
    let ended = desk.ended(&orphan).await;
    let failed = stage_of(&ended, "1");
    assert_eq!((&failed["status"], &failed["reason"]["code"]), (&json!("TERMINAL"), &json!("child-refused")), "{failed:#}");
    assert!(failed["reason"]["message"].as_str().unwrap().contains("nobody"), "{failed:#}");
}

#[tokio::test]
async fn children_go_so_deep_and_no_deeper() {
    let desk = Desk::new().await;
    let _ = desk.save("itself", vec![run("1", &[], "itself")]).await;
    let id = desk.start("itself").await;
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "TERMINAL", "{ended:#}");
    let listed = desk.developer.all(&format!("/api/applications/{APPLICATION}/executions")).await;
    assert_eq!(listed.len(), 11, "the one that was started, and ten below it");
    assert!(listed.iter().all(|execution| execution["status"] == "TERMINAL"), "{listed:#?}");
    let deepest = desk.developer.get(&format!("/api/executions/{}", listed[0]["id"].as_str().unwrap())).await.ok();
    let failed = stage_of(&deepest, "1");
    assert_eq!(failed["reason"]["code"], "child-refused", "{failed:#}");
    assert!(failed["reason"]["message"].as_str().unwrap().contains("10 deep"), "{failed:#}");
}

#[tokio::test]
async fn a_child_in_a_queue_holds_its_parent_and_starts_in_its_turn() {
    let desk = Desk::new().await;
    let _ = desk.save_with("child", vec![ask("1", &[])], json!({"limitConcurrent": true, "keepWaitingPipelines": true})).await;
    let _ = desk.save("parent", vec![run("1", &[], "child")]).await;
    let (one, two) = (desk.start("parent").await, desk.start("parent").await);
    let children = [desk.child(&one, "1").await, desk.child(&two, "1").await];
    let mut seen = Vec::new();
    for child in &children {
        seen.push(desk.developer.get(&format!("/api/executions/{child}")).await.ok());
    }
    let waiting: Vec<&Value> = seen.iter().filter(|one| one["reason"]["code"] == "waiting-for-slot").collect();
    assert_eq!(waiting.len(), 1, "{seen:#?}");
    seen.sort_by_key(|one| one["reason"]["code"] == "waiting-for-slot");
    for child in seen {
        desk.judged(child["id"].as_str().unwrap(), "1", "continue").await;
    }
    for id in [one, two] {
        assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED");
    }
}

#[tokio::test]
async fn stages_that_unfold_check_everything_at_once() {
    let desk = Desk::new().await;
    let precondition = |expression: &str| json!({"type": "expression", "context": {"expression": expression}});
    let many = json!({
        "preconditions": [precondition("true"), precondition("parameters.sure"), precondition("false")],
        "allowSiblingStagesToContinueOnFailure": true,
    });
    let _ = desk.save("p", vec![with(stage("1", &[], "checkPreconditions"), many)]).await;
    let id = desk.start_with("p", json!({"parameters": {"sure": "true"}})).await;
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "TERMINAL", "{ended:#}");
    let failed = stage_of(&ended, "1<3");
    assert_eq!((&failed["status"], &failed["reason"]["code"]), (&json!("TERMINAL"), &json!("precondition-not-met")), "{failed:#}");
    assert_eq!(stage_of(&ended, "1")["reason"]["code"], "synthetic-stage-failed", "{ended:#}");
    let _ = desk.told(&id, "stages/1<3/restart", &json!({})).await;
    let again =
        desk.developer.follow(&id, "the second attempt", |detail| detail["generation"] == 2 && detail["status"] == "TERMINAL").await;
    let parts = again["stages"].as_array().unwrap().iter().filter(|stage| stage["parentRefId"] == "1");
    let current: Vec<&Value> = parts.map(|stage| &stage["current"]).collect();
    let (no, yes) = (json!(false), json!(true));
    assert_eq!(current, [&no, &no, &no, &yes, &yes, &yes], "what an earlier attempt unfolded into is history: {again:#}");
}
