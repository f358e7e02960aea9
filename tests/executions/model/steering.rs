//! Holding, cancelling and skipping: what each does, and when it is refused.

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::{ask, rest};
use tests::documents::{APPLICATION, with};

#[tokio::test]
async fn a_paused_execution_takes_answers_and_acts_on_them_when_it_goes_on() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![ask("1", &[]), rest("2", &["1"], 0)]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    let _ = desk.tell(&id, "resume", &json!({})).await.refused(409, "execution-not-paused");
    let event = desk.told(&id, "pause", &json!({"reason": "lunch"})).await;
    let paused = desk.is(&id, "PAUSED").await;
    assert_eq!(desk.verdict(&id, &event).await, "applied");
    assert_eq!((&paused["paused"]["by"], &paused["paused"]["reason"]), (&json!("dana"), &json!("lunch")), "{paused:#}");
    assert!(paused["paused"]["atMs"].is_u64(), "{paused:#}");
    assert_eq!(paused["reason"]["code"], "paused-by-user", "{paused:#}");
    assert_eq!(stage_of(&paused, "1")["status"], "PAUSED", "{paused:#}");
    assert_eq!((&paused["may"]["pause"]["code"], &paused["may"]["resume"]["allowed"]), (&json!("execution-paused"), &json!(true)));
    let _ = desk.tell(&id, "pause", &json!({})).await.refused(409, "execution-paused");
    let answered = desk.judge(&id, "1", "continue").await.is(202);
    assert_eq!(desk.verdict(&id, answered["event"].as_str().unwrap()).await, "applied");
    let held = desk.developer.get(&format!("/api/executions/{id}")).await.ok();
    assert_eq!((&held["status"], &stage_of(&held, "2")["status"]), (&json!("PAUSED"), &json!("NOT_STARTED")), "{held:#}");
    let _ = desk.told(&id, "resume", &json!({})).await;
    let ended = desk.ended(&id).await;
    assert_eq!((&ended["status"], &ended["paused"]), (&json!("SUCCEEDED"), &Value::Null), "{ended:#}");
    assert_eq!(ended["may"]["resume"]["code"], "execution-not-paused", "{ended:#}");
}

#[tokio::test]
async fn what_is_asked_in_a_row_is_done_in_that_order_without_waiting_for_each() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![ask("1", &[])]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    let mut events = Vec::new();
    for what in ["pause", "resume", "pause", "resume"] {
        events.push(desk.told(&id, what, &json!({})).await);
    }
    events.push(desk.judge(&id, "1", "continue").await.is(202)["event"].as_str().unwrap().to_owned());
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    for event in events {
        assert_eq!(desk.verdict(&id, &event).await, "applied");
    }
}

#[tokio::test]
async fn what_has_ended_takes_nothing_and_what_is_unknown_is_not_found() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![ask("1", &[])]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    let key = [("idempotency-key", "once")];
    let path = format!("/api/executions/{id}/cancel");
    let first = desk.developer.post_with(&path, &key, &json!({"reason": "a mistake"})).await.is(202);
    let ended = desk.ended(&id).await;
    assert_eq!((&ended["status"], &ended["cancel"]), (&json!("CANCELED"), &json!({"by": "dana", "reason": "a mistake"})), "{ended:#}");
    for (what, code) in [
        ("cancel", "execution-ended"),
        ("pause", "execution-ended"),
        ("resume", "execution-ended"),
        ("stages/1/skip", "execution-ended"),
        ("stages/1/skip-window", "execution-ended"),
        ("stages/1/signals/judgment", "stage-not-waiting"),
    ] {
        let _ = desk.tell(&id, what, &json!({})).await.refused(409, code);
    }
    assert!(first["event"].is_string());
    let whats = ["cancel", "pause", "resume", "rerun", "stages/1/skip", "stages/1/skip-window", "stages/1/restart", "stages/1/signals/x"];
    for what in whats {
        let _ = desk.tell("01HZZZZZZZZZZZZZZZZZZZZZZZ", what, &json!({})).await.refused(404, "not-found");
    }
    for what in ["stages/9/skip", "stages/9/skip-window", "stages/9/restart", "stages/9/signals/x"] {
        let problem = desk.tell(&id, what, &json!({})).await.refused(404, "not-found");
        assert_eq!(problem["data"]["what"], "stage", "{problem}");
    }
    for (what, body) in [("pause", json!({"why": "x"})), ("cancel", json!({"reason": 7})), ("pause", json!("x"))] {
        let _ = desk.tell(&id, what, &body).await.refused(422, "invalid");
    }
    let _ = desk.tell(&id, "stages/1/skip", &json!([])).await.invalid("", "not-an-object");
    let long = json!({"reason": "x".repeat(1_025)});
    let _ = desk.tell(&id, "pause", &long).await.invalid("/reason", "too-long");
}

#[tokio::test]
async fn the_same_key_is_the_same_event() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![ask("1", &[]), ask("2", &["1"])]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    let pause = async |key: &str| {
        let path = format!("/api/executions/{id}/pause");
        desk.developer.post_with(&path, &[("idempotency-key", key)], &json!({"reason": "lunch"})).await
    };
    let (one, two) = tokio::join!(pause("k"), pause("k"));
    assert_eq!(one.is(202), two.is(202));
    let _ = desk.is(&id, "PAUSED").await;
    let _ = pause("l").await.refused(409, "execution-paused");
}

#[tokio::test]
async fn only_those_who_may_start_an_application_may_steer_its_executions() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![with(ask("1", &[]), json!({"skippable": true}))]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    desk.change_application(json!({"permissions": {"EXECUTE": ["team"]}})).await;
    for what in ["cancel", "pause", "resume", "rerun", "stages/1/skip", "stages/1/skip-window", "stages/1/restart"] {
        let problem = desk.tell(&id, what, &json!({})).await.refused(403, "not-in-group");
        assert!(problem["detail"].as_str().unwrap().contains("team"), "{problem}");
    }
    let seen = desk.developer.get(&format!("/api/executions/{id}")).await.ok();
    for action in ["cancel", "pause", "rerun", "restart"] {
        assert_eq!(seen["may"][action]["allowed"], false, "{action}: {seen:#}");
    }
    assert_eq!(stage_of(&seen, "1")["may"]["skip"]["code"], "not-in-group", "{seen:#}");
    desk.change_application(json!({"permissions": {"READ": ["team"], "EXECUTE": ["team"]}})).await;
    for what in ["cancel", "pause", "rerun", "stages/1/skip"] {
        let _ = desk.tell(&id, what, &json!({})).await.refused(404, "not-found");
    }
    let listed = desk.developer.get(&format!("/api/applications/{APPLICATION}/executions")).await;
    assert_eq!(listed.status, 404, "{}", listed.body);
}

#[tokio::test]
async fn stages_are_skipped_at_once_or_when_their_turn_comes() {
    let desk = Desk::new().await;
    let skippable = |stage: Value| with(stage, json!({"skippable": true}));
    let stages = vec![skippable(ask("live", &[])), skippable(rest("later", &["live"], 600)), ask("never", &["later"])];
    let _ = desk.save("p", stages).await;
    let id = desk.start("p").await;
    let live = desk.developer.stage_is(&id, "live", "SUSPENDED").await;
    assert_eq!(live["may"]["skip"]["allowed"], true, "{live:#}");
    let problem = desk.tell(&id, "stages/never/skip", &json!({"reason": "r"})).await.refused(409, "stage-not-skippable");
    assert!(problem["detail"].as_str().unwrap().contains("skippable"), "{problem}");
    let event = desk.told(&id, "stages/later/skip", &json!({"reason": "not today"})).await;
    assert_eq!(desk.verdict(&id, &event).await, "applied");
    let waits = desk.developer.stage_is(&id, "later", "NOT_STARTED").await;
    assert_eq!(waits["reason"]["code"], "skipped-by-user", "it says what will become of it: {waits:#}");
    let _ = desk.told(&id, "stages/live/skip", &json!({"reason": "nobody is here"})).await;
    let skipped = desk.developer.stage_is(&id, "live", "SKIPPED").await;
    assert_eq!(skipped["reason"]["data"], json!({"by": "dana", "reason": "nobody is here"}), "{skipped:#}");
    let _ = desk.developer.stage_is(&id, "later", "SKIPPED").await;
    let last = desk.developer.stage_is(&id, "never", "SUSPENDED").await;
    assert_eq!(last["may"]["skip"]["code"], "stage-not-skippable", "{last:#}");
    let _ = desk.tell(&id, "stages/live/skip", &json!({})).await.refused(409, "stage-ended");
    desk.judged(&id, "never", "continue").await;
    assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED", "a skipped stage lets pass");
}

#[tokio::test]
async fn a_wait_is_shortened_by_its_own_signal() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![rest("1", &[], 600)]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    let _ = desk.told(&id, "stages/1/signals/skip-wait", &json!({})).await;
    let ended = desk.ended(&id).await;
    let detail = desk.developer.get(&format!("/api/executions/{id}/stages/1")).await.ok();
    assert_eq!((&ended["status"], &detail["outputs"]["skippedBy"]), (&json!("SUCCEEDED"), &json!("dana")), "{detail:#}");
}
