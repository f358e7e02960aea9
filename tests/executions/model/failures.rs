//! What a failure, a condition, a time-out and a dry run do to the rest.

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::{ask, check, rest, run};
use tests::documents::with;

fn choice(fail: bool, go_on: bool, fail_at_end: bool) -> Value {
    json!({"failPipeline": fail, "continuePipeline": go_on, "completeOtherBranchesThenFail": fail_at_end})
}

#[tokio::test]
async fn the_four_failure_choices() {
    let desk = Desk::new().await;
    for (name, options, stage, execution, code, after) in [
        ("halt", choice(true, false, false), "TERMINAL", "TERMINAL", "execution-failed", "NOT_STARTED"),
        ("fail-at-end", choice(false, false, true), "STOPPED", "TERMINAL", "execution-failed", "NOT_STARTED"),
        ("stop-branch", choice(false, false, false), "STOPPED", "SUCCEEDED", "branch-stopped", "NOT_STARTED"),
        ("ignore", choice(false, true, false), "FAILED_CONTINUE", "SUCCEEDED", "", "SUCCEEDED"),
    ] {
        let failing = with(ask("1", &[]), options);
        let _ = desk.save(name, vec![failing, rest("2", &["1"], 0), ask("other", &[])]).await;
        let id = desk.start(name).await;
        let _ = desk.developer.stage_is(&id, "other", "SUSPENDED").await;
        desk.judged(&id, "1", "stop").await;
        if name != "halt" {
            let _ = desk.developer.stage_is(&id, "1", stage).await;
            desk.judged(&id, "other", "continue").await;
        }
        let ended = desk.ended(&id).await;
        assert_eq!((&ended["status"], &stage_of(&ended, "1")["status"]), (&json!(execution), &json!(stage)), "{name}: {ended:#}");
        assert_eq!(ended["reason"]["code"].as_str().unwrap_or_default(), code, "{name}: {ended:#}");
        assert_eq!(stage_of(&ended, "2")["status"], after, "{name}: {ended:#}");
        let other = stage_of(&ended, "other");
        assert_eq!(other["status"], if name == "halt" { "CANCELED" } else { "SUCCEEDED" }, "{name}: {other:#}");
        assert!(!stage_of(&ended, "1")["reason"]["code"].is_null(), "no failure without a reason: {ended:#}");
        if code == "branch-stopped" {
            assert_eq!(ended["reason"]["data"]["refId"], "1", "the one that stopped is named: {ended:#}");
        }
    }
}

#[tokio::test]
async fn a_condition_skips_and_one_that_makes_no_sense_says_so() {
    let desk = Desk::new().await;
    let when = |text: &str| json!({"stageEnabled": {"type": "expression", "expression": text}});
    let stages = vec![
        with(rest("no", &[], 0), when("parameters.production")),
        with(rest("yes", &["no"], 0), when("${ parameters.testing }")),
        with(with(rest("nonsense", &["yes"], 0), when("parameters.nobody")), choice(false, true, false)),
        rest("last", &["nonsense"], 0),
    ];
    let _ = desk.save("p", stages).await;
    let id = desk.start_with("p", json!({"parameters": {"production": "false", "testing": "TRUE"}})).await;
    let ended = desk.ended(&id).await;
    let of = |stage: &str| (stage_of(&ended, stage)["status"].as_str().unwrap(), stage_of(&ended, stage)["reason"]["code"].as_str());
    assert_eq!(of("no"), ("SKIPPED", Some("condition-false")), "{ended:#}");
    assert_eq!(of("yes"), ("SUCCEEDED", None), "{ended:#}");
    assert_eq!(of("nonsense"), ("FAILED_CONTINUE", Some("failure-ignored")), "never skipped in silence: {ended:#}");
    assert_eq!(stage_of(&ended, "nonsense")["reason"]["data"]["cause"]["code"], "condition-invalid", "its own reason: {ended:#}");
    assert_eq!(of("last"), ("SUCCEEDED", None), "SKIPPED lets pass: {ended:#}");
    let _ = desk.save("q", vec![check("1", &[], "parameters.nobody")]).await;
    let id = desk.start("q").await;
    let ended = desk.ended(&id).await;
    let part = stage_of(&ended, "1<1");
    assert_eq!((&part["status"], &part["reason"]["code"]), (&json!("TERMINAL"), &json!("expression-failed")), "{part:#}");
}

#[tokio::test]
async fn a_stages_time_runs_out() {
    let desk = Desk::new().await;
    let limited = |stage: Value, more: Value| with(with(stage, json!({"stageTimeoutMs": 1})), more);
    let stages = vec![
        limited(ask("plain", &[]), json!({"continuePipeline": true})),
        limited(ask("fine", &[]), json!({"markSuccessfulOnTimeout": true})),
        ask("other", &[]),
    ];
    let _ = desk.save("p", stages).await;
    let id = desk.start("p").await;
    let plain = desk.developer.stage_is(&id, "plain", "FAILED_CONTINUE").await;
    assert_eq!(plain["reason"]["code"], "failure-ignored", "{plain:#}");
    assert_eq!(plain["reason"]["data"]["cause"]["code"], "stage-timed-out", "{plain:#}");
    let fine = desk.developer.stage_is(&id, "fine", "SUCCEEDED").await;
    assert_eq!(fine["reason"]["code"], "stage-timed-out", "{fine:#}");
    let _ = desk.judge(&id, "plain", "continue").await.refused(409, "stage-not-waiting");
    desk.judged(&id, "other", "continue").await;
    assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_dry_run_runs_what_changes_nothing() {
    let desk = Desk::new().await;
    let _ = desk.save("child", vec![rest("1", &[], 600)]).await;
    let stages = vec![rest("1", &[], 600), ask("2", &["1"]), check("3", &["2"], "true"), run("4", &["3"], "child")];
    let _ = desk.save("p", stages).await;
    let id = desk.start_with("p", json!({"dryRun": true})).await;
    let left_out = desk.developer.stage_is(&id, "1", "SUCCEEDED").await;
    assert_eq!(left_out["reason"]["code"], "dry-run", "{left_out:#}");
    desk.judged(&id, "2", "continue").await;
    let ended = desk.ended(&id).await;
    assert_eq!((&ended["status"], &ended["dryRun"]), (&json!("SUCCEEDED"), &json!(true)), "{ended:#}");
    let child = stage_of(&ended, "4")["progress"]["details"]["executionId"].as_str().map(str::to_owned);
    let child = child.unwrap_or_else(|| panic!("the stage names its child: {ended:#}"));
    let child = desk.developer.get(&format!("/api/executions/{child}")).await.ok();
    assert_eq!((&child["dryRun"], &stage_of(&child, "1")["reason"]["code"]), (&json!(true), &json!("dry-run")), "{child:#}");
    for wrong in [json!("true"), json!(1), json!(null)] {
        let _ = desk.ask("p", json!({"dryRun": wrong})).await.invalid("/dryRun", "type-differs");
    }
}

#[tokio::test]
async fn an_order_takes_a_dry_run_and_an_expiry_too() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![rest("1", &[], 600)]).await;
    let orders = format!("/api/projects/{}/orders", tests::documents::PROJECT);
    let body = json!({"application": "flaskapp", "pipeline": "p", "dryRun": true, "startTimeExpiry": "99999999999999"});
    let made = desk.developer.post(&orders, &body).await.is(201);
    let ended = desk.ended(made["execution"].as_str().unwrap()).await;
    assert_eq!(
        (&ended["status"], &ended["dryRun"], &ended["startByMs"]),
        (&json!("SUCCEEDED"), &json!(true), &json!(99_999_999_999_999_u64))
    );
    let mut late = body;
    late["startTimeExpiry"] = json!(0);
    let made = desk.developer.post(&orders, &late).await.is(201);
    let ended = desk.ended(made["execution"].as_str().unwrap()).await;
    assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("CANCELED"), &json!("start-time-expired")), "{ended:#}");
}
