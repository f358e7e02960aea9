//! Tests of the judgment, step by step.

use sdk::contract::{Blame, Checkpoint};
use sdk::testing::{Script, after, signal, start};

use super::*;

fn suspended(outcome: Result<Outcome, Failure>) -> Suspended {
    match outcome {
        Ok(Outcome::Suspended(suspended)) => suspended,
        other => panic!("not suspended: {other:?}"),
    }
}

/// Starts the stage, answers it, and gives what comes of that.
fn answered_by(host: &mut Script, params: &Value, sender: &str, body: &Value) -> Result<Outcome, Failure> {
    let input = start(&params.to_string());
    let first = step(&input, host).unwrap();
    step(&after(&input, &first, signal(JUDGMENT, sender, body)), host)
}

fn answered(params: &Value, body: &Value) -> Result<Outcome, Failure> {
    answered_by(&mut Script::default(), params, "alice", body)
}

fn succeeded(outcome: Result<Outcome, Failure>) -> Results {
    match outcome {
        Ok(Outcome::Succeeded(results)) => results,
        other => panic!("not succeeded: {other:?}"),
    }
}

fn check_refused(params: &Value, body: &Value, reason: &str) {
    let again = suspended(answered(params, body));
    let expected = format!("the answer of alice was not accepted: {reason}");
    assert_eq!(again.progress.message, expected);
    assert_eq!(again.any_of[0].name, JUDGMENT, "it goes on waiting");
}

#[test]
fn it_asks() {
    let params = json!({
        "instructions": "Look at **staging**", "judgmentInputs": [{"value": "go"}, {"value": "slow"}, "go", {}],
        "selectedStageRoles": ["qa"], "waybill": {"confirmers": ["bob", "qa", ""]}
    });
    let asked = suspended(step(&start(&params.to_string()), &mut Script::default()));
    let wait = &asked.any_of[0];
    assert_eq!(wait.prompt, "Look at **staging**");
    assert_eq!(wait.allowed, ["qa", "bob"]);
    let form: Value = serde_json::from_str(wait.form.as_deref().unwrap()).unwrap();
    assert_eq!(form["properties"]["judgmentInput"]["enum"], json!(["go", "slow"]));
    assert_eq!(form["properties"]["judgmentStatus"]["enum"], json!(["continue", "stop"]));
    assert_eq!(asked.until_ms, None);
    assert_eq!(asked.progress.message, "waiting for a decision");
}

#[test]
fn required_roles_win_and_nobody_named_means_anybody() {
    let params = json!({"selectedStageRoles": ["qa"], "requiredJudgmentRoles": ["sre"]});
    let asked = suspended(step(&start(&params.to_string()), &mut Script::default()));
    assert_eq!(asked.any_of[0].allowed, ["sre"]);
    let asked = suspended(step(&start("{}"), &mut Script::default()));
    assert_eq!(asked.any_of[0].allowed, Vec::<String>::new());
    let form: Value = serde_json::from_str(asked.any_of[0].form.as_deref().unwrap()).unwrap();
    assert_eq!(form["properties"].get("judgmentInput"), None);
}

#[test]
fn continue_goes_on_with_what_was_chosen() {
    let params = json!({"judgmentInputs": [{"value": "go"}]});
    let body = json!({"judgmentStatus": "continue", "judgmentInput": "go", "comment": "fine"});
    let results = succeeded(answered(&params, &body));
    let expected = json!({"judgmentStatus": "continue", "judgmentInput": "go", "lastModifiedBy": "alice", "comment": "fine"});
    assert_eq!(results.outputs, expected.to_string());
    assert_eq!(results.context, results.outputs);
    assert_eq!(results.message, "continued by alice: go");
    assert!(!results.adopt_sender);
}

#[test]
fn later_stages_may_act_as_the_judge() {
    let params = json!({"propagateAuthenticationContext": true});
    assert!(succeeded(answered(&params, &json!({"judgmentStatus": "Continue"}))).adopt_sender);
}

#[test]
fn stop_fails_with_the_same_results() {
    let failure =
        answered(&json!({"judgmentInputs": [{"value": "bad"}]}), &json!({"judgmentStatus": "stop", "judgmentInput": "bad"})).unwrap_err();
    assert_eq!(failure.code, "judgment-stopped");
    assert_eq!(failure.blame, Blame::User);
    assert_eq!(failure.message, "stopped by alice: bad");
    let expected = json!({"judgmentStatus": "stop", "judgmentInput": "bad", "lastModifiedBy": "alice"});
    assert_eq!(failure.results.unwrap().outputs, expected.to_string());
    let plain = answered(&json!({"judgmentInputs": [{"value": "bad"}]}), &json!({"judgmentStatus": "stop"}));
    assert_eq!(plain.unwrap_err().message, "stopped by alice", "stopping needs no option");
}

#[test]
fn what_is_no_decision_leaves_it_waiting() {
    let params = json!({"judgmentInputs": [{"value": "go"}, {"value": "slow"}]});
    let go = |input: &str| json!({"judgmentStatus": "continue", "judgmentInput": input});
    check_refused(&params, &go("fast"), "\"fast\" is not an option");
    check_refused(&params, &go(""), "one of these is to be chosen: go, slow");
    check_refused(&json!({}), &go("x"), "\"x\" is not an option");
    check_refused(&params, &json!({"judgmentStatus": "maybe"}), "judgmentStatus is continue or stop");
    check_refused(&params, &json!([]), "it is not a JSON object");
    let long = json!({"judgmentStatus": "stop", "comment": "x".repeat(COMMENT_CHARS_MAX + 1)});
    check_refused(&params, &long, "the comment is longer than 4000 characters");
}

#[test]
fn after_a_refusal_a_decision_still_counts() {
    let mut host = Script::default();
    let input = start("{}");
    let first = step(&input, &mut host).unwrap();
    let second = after(&input, &first, signal(JUDGMENT, "alice", &json!({"judgmentStatus": "?"})));
    let refused = step(&second, &mut host).unwrap();
    let third = after(&second, &refused, signal(JUDGMENT, "bob", &json!({"judgmentStatus": "continue"})));
    assert_eq!(succeeded(step(&third, &mut host)).message, "continued by bob");
    let polled = suspended(step(&after(&second, &refused, Wake::Poll), &mut host));
    assert!(polled.progress.message.contains("alice"), "the refusal stays visible");
}

#[test]
fn the_starter_may_be_kept_from_deciding() {
    let params = json!({"preventSelfApproval": true});
    let body = json!({"judgmentStatus": "continue"});
    let mut host = Script::default();
    let unknown = suspended(answered_by(&mut host, &params, "alice", &body));
    assert!(unknown.progress.message.ends_with("who started the execution is unknown"));
    host.values.insert("/trigger/user".into(), json!("alice"));
    let own = suspended(answered_by(&mut host, &params, "alice", &body));
    assert!(own.progress.message.ends_with("whoever started the execution may not decide"));
    assert_eq!(succeeded(answered_by(&mut host, &params, "bob", &body)).message, "continued by bob");
}

#[test]
fn nobody_deciding_and_other_signals() {
    let input = start("{}");
    let mut host = Script::default();
    let first = step(&input, &mut host).unwrap();
    let failure = step(&after(&input, &first, Wake::TimedOut), &mut host).unwrap_err();
    assert_eq!(failure.code, "stage-timeout");
    suspended(step(&after(&input, &first, signal("skip-wait", "alice", &json!({}))), &mut host));
}

#[test]
fn a_plan_waits_for_nobody() {
    let mut input = start("{}");
    input.mode = Mode::Plan;
    assert!(matches!(step(&input, &mut Script::default()), Ok(Outcome::Skipped(_))));
}

#[test]
fn garbage_checkpoints_are_refused() {
    let mut input = start("{}");
    input.checkpoint = Some(Checkpoint { schema: 1, data: "{".into() });
    assert_eq!(step(&input, &mut Script::default()).unwrap_err().code, "checkpoint-unreadable");
    input.checkpoint = Some(Checkpoint { schema: 2, data: "{}".into() });
    assert_eq!(step(&input, &mut Script::default()).unwrap_err().code, "checkpoint-unknown-schema");
}

#[test]
fn validate_names_every_problem() {
    assert_eq!(validate("{}"), []);
    assert_eq!(validate("{\"judgmentInputs\": \"${#stage('x').outputs.options}\"}"), []);
    let bad = json!({"judgmentInputs": [{"value": "a"}, {"value": " "}, 3.5, []], "selectedStageRoles": "qa",
        "waybill": {"confirmers": [1]}});
    let at: Vec<_> = validate(&bad.to_string()).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(at, ["/judgmentInputs/1", "/judgmentInputs/3", "/selectedStageRoles", "/waybill/confirmers"]);
    let many: Vec<_> = (0..=OPTIONS_MAX).map(|i| json!({"value": i})).collect();
    let params = json!({ "judgmentInputs": many }).to_string();
    assert_eq!(validate(&params)[0].0, "/judgmentInputs");
    assert_eq!(step(&start(&params), &mut Script::default()).unwrap_err().code, "params-invalid");
}

#[test]
fn the_manifest_is_json_and_says_what_the_code_does() {
    let manifest: Value = serde_json::from_str(&describe()).unwrap();
    assert_eq!(manifest["type"], "manualJudgment");
    assert_eq!(manifest["signals"], json!([JUDGMENT]));
    assert_eq!(manifest["checkpointSchemas"], json!([SCHEMA]));
    assert_eq!(manifest["dryRun"], "execute", "a dry run asks people too");
    assert_eq!(manifest["capabilities"]["adoptSender"], true);
    assert_eq!(manifest["timeoutMs"], json!(72 * 3600 * 1000));
}
