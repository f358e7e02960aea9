//! Doing things again: a stage with everything after it, or the whole.

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::{ask, rest, run};
use tests::documents::{APPLICATION, PROJECT};

#[tokio::test]
async fn a_failed_stage_is_done_again_with_everything_after_it() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![rest("before", &[], 0), ask("1", &["before"]), rest("2", &["1"], 0)]).await;
    let id = desk.start("p").await;
    desk.judged(&id, "1", "stop").await;
    let failed = desk.ended(&id).await;
    assert_eq!((&failed["status"], &failed["generation"]), (&json!("TERMINAL"), &json!(1)), "{failed:#}");
    assert_eq!(failed["may"]["restart"]["allowed"], true, "{failed:#}");
    let path = format!("/api/executions/{id}/stages/1/restart");
    let key = [("idempotency-key", "again")];
    let event = desk.developer.post_with(&path, &key, &json!({})).await.is(202);
    let repeated = desk.developer.post_with(&path, &key, &json!({})).await.is(202);
    assert_eq!(event, repeated, "the same key restarts once");
    let asked = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    assert_eq!(asked["attempt"], 2, "{asked:#}");
    desk.judged(&id, "1", "continue").await;
    let ended = desk.ended(&id).await;
    assert_eq!((&ended["status"], &ended["generation"]), (&json!("SUCCEEDED"), &json!(2)), "{ended:#}");
    let attempts: Vec<&Value> = ["before", "1", "2"].iter().map(|stage| &stage_of(&ended, stage)["attempt"]).collect();
    assert_eq!(attempts, [&json!(1), &json!(2), &json!(1)], "what came before, and what had not begun, is done once: {ended:#}");
    let restarts = ended["restarts"].as_array().unwrap();
    assert_eq!(restarts.len(), 1, "{ended:#}");
    let restart = &restarts[0];
    assert_eq!((&restart["stage"], &restart["by"], &restart["generation"]), (&json!("1"), &json!("dana"), &json!(2)), "{restart:#}");
    assert_eq!((&restart["previousStatus"], &restart["previousReason"]["code"]), (&json!("TERMINAL"), &json!("judgment-stopped")));
    assert_eq!(desk.verdict(&id, event["event"].as_str().unwrap()).await, "applied");
    let order = desk.developer.get(&format!("/api/projects/{PROJECT}/orders/1")).await.ok();
    assert_eq!((&order["order"]["status"], &order["execution"]["generation"]), (&json!("SUCCEEDED"), &json!(2)), "{order:#}");
}

#[tokio::test]
async fn a_restart_while_running_needs_the_applications_leave() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![rest("1", &[], 0), ask("2", &["1"])]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "2", "SUSPENDED").await;
    let problem = desk.tell(&id, "stages/1/restart", &json!({})).await.refused(403, "restart-while-running");
    assert!(problem["detail"].as_str().unwrap().contains("RUNNING"), "{problem}");
    let seen = desk.developer.get(&format!("/api/executions/{id}")).await.ok();
    assert_eq!(seen["may"]["restart"]["code"], "restart-while-running", "{seen:#}");
    let _ = desk.tell(&id, "rerun", &json!({})).await.refused(403, "rerun-while-active");
    assert_eq!(seen["may"]["rerun"]["code"], "rerun-while-active", "{seen:#}");
    desk.change_application(json!({"enableRestartRunningExecutions": true, "enableRerunActiveExecutions": true})).await;
    let _ = desk.tell(&id, "stages/1/restart", &json!({})).await.refused(409, "stage-running");
    desk.judged(&id, "2", "stop").await;
    let _ = desk.ended(&id).await;
    let _ = desk.told(&id, "stages/1/restart", &json!({})).await;
    let _ = desk.developer.stage_is(&id, "2", "SUSPENDED").await;
    let other = desk.tell(&id, "rerun", &json!({})).await.is(201)["execution"].as_str().unwrap().to_owned();
    for id in [id, other] {
        desk.judged(&id, "2", "continue").await;
        assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED");
    }
}

#[tokio::test]
async fn a_restart_waits_for_a_slot_like_a_start() {
    let desk = Desk::new().await;
    let _ = desk.save_with("p", vec![ask("1", &[])], json!({"limitConcurrent": true, "keepWaitingPipelines": true})).await;
    let first = desk.start("p").await;
    desk.judged(&first, "1", "stop").await;
    let _ = desk.ended(&first).await;
    let second = desk.start("p").await;
    let _ = desk.developer.stage_is(&second, "1", "SUSPENDED").await;
    let _ = desk.told(&first, "stages/1/restart", &json!({})).await;
    let queued = desk.developer.get(&format!("/api/executions/{first}")).await.ok();
    assert_eq!((&queued["status"], &queued["reason"]["code"]), (&json!("NOT_STARTED"), &json!("waiting-for-slot")), "{queued:#}");
    assert_eq!(queued["generation"], 2, "{queued:#}");
    desk.judged(&second, "1", "continue").await;
    desk.judged(&first, "1", "continue").await;
    assert_eq!(desk.ended(&first).await["status"], "SUCCEEDED");
    let third = desk.start("p").await;
    let fourth = desk.start("p").await;
    let _ = desk.tell(&fourth, "stages/1/restart", &json!({})).await.refused(403, "restart-while-running");
    for id in [third, fourth] {
        desk.judged(&id, "1", "continue").await;
    }
}

#[tokio::test]
async fn a_stage_done_again_starts_another_child_and_a_child_done_again_takes_its_parent_with_it() {
    let desk = Desk::new().await;
    let _ = desk.save("child", vec![ask("1", &[])]).await;
    let _ = desk.save("parent", vec![run("1", &[], "child"), rest("2", &["1"], 0)]).await;
    let id = desk.start("parent").await;
    let first = desk.child(&id, "1").await;
    desk.judged(&first, "1", "stop").await;
    let failed = desk.ended(&id).await;
    assert_eq!(stage_of(&failed, "1")["reason"]["code"], "child-failed", "{failed:#}");
    let _ = desk.told(&id, "stages/1/restart", &json!({})).await;
    let again = |detail: &Value| stage_of(detail, "1")["attempt"] == 2 && stage_of(detail, "1")["status"] == "SUSPENDED";
    let _ = desk.developer.follow(&id, "the stage to wait again", again).await;
    let second = desk.child(&id, "1").await;
    assert_ne!(first, second, "another attempt, another child");
    desk.judged(&second, "1", "stop").await;
    assert_eq!(desk.ended(&id).await["status"], "TERMINAL");
    let _ = desk.told(&second, "stages/1/restart", &json!({})).await;
    desk.judged(&second, "1", "continue").await;
    let ended = desk.developer.follow(&id, "the parent to end well", |detail| detail["status"] == "SUCCEEDED").await;
    assert_eq!((&ended["generation"], &stage_of(&ended, "2")["status"]), (&json!(3), &json!("SUCCEEDED")), "{ended:#}");
    assert_eq!(desk.ended(&second).await["status"], "SUCCEEDED");
    assert_eq!(desk.ended(&first).await["status"], "TERMINAL", "the first child stays as it ended");
}

#[tokio::test]
async fn an_execution_is_run_again_with_what_it_was_given() {
    let desk = Desk::new().await;
    let parameters = json!({"parameterConfig": [{"name": "ticket", "required": true}, {"name": "color", "default": "red"}]});
    let _ = desk.save_with("p", vec![rest("1", &[], 0)], parameters).await;
    let id = desk.start_with("p", json!({"parameters": {"ticket": "T-1"}, "dryRun": true})).await;
    let first = desk.ended(&id).await;
    let path = format!("/api/executions/{id}/rerun");
    let key = [("idempotency-key", "k")];
    let made = desk.developer.post_with(&path, &key, &json!({})).await;
    let place = made.headers["location"].to_str().unwrap().to_owned();
    let made = made.is(201);
    assert_eq!(desk.developer.post_with(&path, &key, &json!({})).await.is(201)["execution"], made["execution"], "once");
    let other = made["execution"].as_str().unwrap();
    assert_eq!(place, format!("/api/executions/{other}"));
    assert_eq!(made["orders"][0]["project"], PROJECT, "{made}");
    let second = desk.ended(other).await;
    for field in ["parameters", "artifacts", "dryRun", "status"] {
        assert_eq!(second[field], first[field], "{field}: {second:#}");
    }
    assert_eq!(second["trigger"]["waybill"]["rerunOf"], json!(id), "{second:#}");
    assert_eq!(second["origin"], first["origin"]);
    let listed = desk.developer.all(&format!("/api/applications/{APPLICATION}/executions")).await;
    assert_eq!(listed.len(), 2, "{listed:#?}");
    assert_eq!(listed[0]["may"]["rerun"]["allowed"], true, "{listed:#?}");
}

#[tokio::test]
async fn a_pipeline_that_is_disabled_is_not_run_again() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![rest("1", &[], 0)]).await;
    let id = desk.start("p").await;
    let _ = desk.ended(&id).await;
    let _ = desk.save_with("p", vec![rest("1", &[], 0)], json!({"disabled": true})).await;
    let _ = desk.tell(&id, "rerun", &json!({})).await.refused(409, "pipeline-disabled");
}
