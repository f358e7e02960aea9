//! Tests of what the stage becomes when its child has ended.

use super::*;
use crate::ended::{ARTIFACTS_MAX, RESULT_BYTES_MAX};

fn success() -> Value {
    json!({
        "status": "SUCCEEDED", "name": "Deploy eu", "reason": null,
        "outputs": {"version": "7", "executionId": "the child's own"},
        "artifacts": [{"type": "docker/image", "name": "app"}],
    })
}

#[test]
fn success_brings_outputs_and_artifacts() {
    let results = succeeded(ended_with(&deploy(), success()));
    assert_eq!(value(&results.outputs), json!({"version": "7", "executionId": "the child's own"}));
    let context = json!({"version": "7", "executionId": "c1", "executionName": "Deploy eu", "status": "SUCCEEDED"});
    assert_eq!(value(&results.context), context);
    assert_eq!(results.artifacts, ["{\"type\":\"docker/image\",\"name\":\"app\"}"]);
    assert_eq!(results.message, "Deploy eu (c1) succeeded");
    let bare = succeeded(ended_with(&deploy(), json!({"status": "SUCCEEDED", "name": "n"})));
    assert_eq!((bare.outputs.as_str(), bare.artifacts.len()), ("{}", 0));
}

#[test]
fn outputs_may_be_left_out() {
    for skip in [json!(true), json!("true")] {
        let results = succeeded(ended_with(&json!({"pipeline": "p2", "skipDownstreamOutput": skip}), success()));
        assert_eq!(results.outputs, "{}");
        assert_eq!(value(&results.context), json!({"executionId": "c1", "executionName": "Deploy eu", "status": "SUCCEEDED"}));
        assert_eq!(results.artifacts.len(), 1, "artifacts are visible all the same");
    }
}

#[test]
fn failure_brings_the_childs_errors() {
    let reason = json!({"code": "execution-failed", "message": "stage 2 failed: web-1 does not become ready", "since": 9,
        "data": {"refId": "2", "reason": {"code": "pod-failing", "message": "web-1: ImagePullBackOff"}}});
    let failure = ended_with(&deploy(), json!({"status": "TERMINAL", "name": "Deploy eu", "reason": reason})).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame, failure.retryable), ("child-failed", Blame::User, false));
    assert_eq!(failure.message, "Deploy eu (c1) failed: stage 2 failed: web-1 does not become ready");
    let details = value(&failure.details.unwrap());
    assert_eq!(details["executionId"], "c1");
    assert_eq!(details["errors"], json!(["stage 2 failed: web-1 does not become ready", "web-1: ImagePullBackOff"]));
    assert_eq!(details["reason"], reason);
    let left = failure.results.unwrap();
    assert_eq!(value(&left.context), json!({"executionId": "c1", "executionName": "Deploy eu", "status": "TERMINAL"}));
}

#[test]
fn failure_without_a_reason_and_with_a_huge_one() {
    let failure = ended_with(&deploy(), json!({"status": "TERMINAL", "name": "n", "reason": null})).unwrap_err();
    assert_eq!(failure.message, "n (c1) failed: no reason is known");
    let huge = json!({"code": "execution-failed", "message": "m".repeat(100_000), "data": "x".repeat(100_000)});
    let failure = ended_with(&deploy(), json!({"status": "TERMINAL", "name": "n", "reason": huge})).unwrap_err();
    assert_eq!(failure.message.chars().count(), 2_000);
    let details = failure.details.unwrap();
    assert!(details.len() < 64 * 1024, "{} bytes", details.len());
    assert_eq!(value(&details)["reason"]["code"], "execution-failed");
}

#[test]
fn cancellation_names_who_and_why() {
    let by = |reason: Value| canceled(ended_with(&deploy(), json!({"status": "CANCELED", "name": "n", "reason": reason})));
    let person = by(json!({"code": "canceled-by-user", "message": "cancelled by bob: wrong version", "data": {"by": "bob"}}));
    assert_eq!(person.message, "n (c1) was cancelled by bob: wrong version");
    assert_eq!(value(&person.context), json!({"executionId": "c1", "executionName": "n", "status": "CANCELED"}));
    let superseded = by(json!({"code": "superseded", "message": "superseded by execution c7"}));
    assert_eq!(superseded.message, "n (c1) was cancelled: superseded by execution c7");
    assert_eq!(by(json!(null)).message, "n (c1) was cancelled");
}

#[test]
fn a_signal_too_many_changes_nothing() {
    let mut host = host([running(), running(), Ok(success())]);
    let (input, first) = started(&deploy(), &mut host);
    let early = after(&input, &first, signal("execution:c1", "mallory", &json!({"status": "SUCCEEDED"})));
    let again = step(&early, &mut host).unwrap();
    assert_eq!(suspended(Ok(again.clone())).any_of[0].name, "execution:c1", "what a signal says is not believed");
    succeeded(step(&after(&early, &again, Wake::Poll), &mut host));
    assert_eq!(host.count("start"), 1);
}

#[test]
fn a_look_that_fails_is_repeated_without_another_start() {
    let mut host = host([running(), Err(unavailable()), Ok(success())]);
    let (input, first) = started(&deploy(), &mut host);
    let mut woken = after(&input, &first, signal("execution:c1", "waybill", &json!({})));
    let failure = step(&woken, &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable, failure.blame), ("unavailable", true, Blame::Platform));
    woken.wake = Wake::Retry(1);
    succeeded(step(&woken, &mut host));
    assert_eq!(host.count("start"), 1);
}

#[test]
fn a_child_that_is_gone_or_hidden_ends_the_stage() {
    let look = |error: ExecutionError| {
        let mut host = host([running(), Err(error)]);
        let (input, first) = started(&deploy(), &mut host);
        step(&after(&input, &first, Wake::Poll), &mut host).unwrap_err()
    };
    let gone = look(ExecutionError::NotFound);
    assert_eq!((gone.code.as_str(), gone.retryable), ("child-gone", false));
    assert_eq!(value(&gone.results.unwrap().context)["executionId"], "c1");
    assert_eq!(look(ExecutionError::Denied("no".into())).code, "denied");
    assert_eq!(look(ExecutionError::Quota("no".into())).code, "quota");
}

#[test]
fn answers_that_cannot_be_understood_are_refused() {
    let answers = [
        json!([]),
        json!({}),
        json!({"status": "MELTED"}),
        json!({"status": 3}),
        json!({"status": "SUCCEEDED", "outputs": []}),
        json!({"status": "SUCCEEDED", "artifacts": {}}),
    ];
    for answer in answers {
        let failure = ended_with(&deploy(), answer.clone()).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.blame), ("child-unreadable", Blame::Platform), "{answer}");
    }
}

#[test]
fn more_than_a_stage_may_leave_is_refused_by_name() {
    let outputs = json!({"text": "x".repeat(RESULT_BYTES_MAX / 2)});
    let failure = ended_with(&deploy(), json!({"status": "SUCCEEDED", "name": "n", "outputs": outputs})).unwrap_err();
    assert_eq!(failure.code, "child-results-too-large");
    assert_eq!(value(&failure.results.unwrap().context)["status"], "SUCCEEDED");
    let skipped = json!({"pipeline": "p2", "skipDownstreamOutput": true});
    succeeded(ended_with(&skipped, json!({"status": "SUCCEEDED", "name": "n", "outputs": outputs})));
    let artifacts = vec![json!({}); ARTIFACTS_MAX + 1];
    let failure = ended_with(&deploy(), json!({"status": "SUCCEEDED", "name": "n", "artifacts": artifacts})).unwrap_err();
    assert_eq!(failure.code, "child-results-too-large");
}
