//! Tests of the wait, step by step.

use sdk::contract::Checkpoint;
use sdk::testing::{after, signal, start};

use super::*;

fn first(params: &Value) -> (StepInput, Result<Outcome, Failure>) {
    let input = start(&params.to_string());
    let outcome = step(&input, &mut ());
    (input, outcome)
}

fn succeeded(outcome: Outcome) -> Results {
    match outcome {
        Outcome::Succeeded(results) => results,
        other => panic!("not succeeded: {other:?}"),
    }
}

fn until(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Suspended(suspended) => suspended.until_ms.unwrap(),
        other => panic!("not suspended: {other:?}"),
    }
}

#[test]
fn it_waits_until_the_instant_and_is_done_then() {
    for value in [json!(30), json!("30"), json!(" 30 ")] {
        let (input, outcome) = first(&json!({ "waitTime": value }));
        let outcome = outcome.unwrap();
        assert_eq!(until(&outcome), 31_000);
        let mut next = after(&input, &outcome, Wake::Poll);
        next.now_ms = 30_999;
        assert_eq!(until(&step(&next, &mut ()).unwrap()), 31_000, "an early wake changes nothing");
        next.now_ms = 31_000;
        let results = succeeded(step(&next, &mut ()).unwrap());
        assert_eq!(results.message, "waited 30 s");
        assert_eq!(results.outputs, json!({"waitedMs": 30_000}).to_string());
    }
}

#[test]
fn nothing_to_wait_for_is_done_at_once() {
    for params in [json!({"waitTime": null}), json!({"waitTime": 0}), json!({"waitTime": ""}), json!({})] {
        assert_eq!(succeeded(first(&params).1.unwrap()).message, "waited 0 s");
    }
}

#[test]
fn somebody_may_skip_it() {
    let (input, outcome) = first(&json!({"waitTime": 3600, "skipWaitText": "Sure?"}));
    let outcome = outcome.unwrap();
    let Outcome::Suspended(suspended) = &outcome else { panic!("not suspended") };
    assert_eq!(suspended.any_of[0].name, "skip-wait");
    assert_eq!(suspended.any_of[0].prompt, "Sure?");
    assert_eq!(suspended.progress.message, "waiting 1 h");
    let mut next = after(&input, &outcome, signal(SKIP, "alice", &json!({})));
    next.now_ms = 5_000;
    let results = succeeded(step(&next, &mut ()).unwrap());
    assert_eq!(results.message, "wait skipped by alice");
    assert_eq!(results.context, json!({"waitedMs": 4_000, "skippedBy": "alice"}).to_string());

    let other = after(&input, &outcome, signal("judgment", "alice", &json!({})));
    assert_eq!(until(&step(&other, &mut ()).unwrap()), 3_601_000, "another signal does not skip it");
}

#[test]
fn wrong_times_are_refused() {
    for value in [json!(-1), json!(1e12), json!("soon"), json!([30]), json!("NaN"), json!("${x}"), json!(true)] {
        let failure = first(&json!({ "waitTime": value })).1.unwrap_err();
        assert_eq!(failure.code, "invalid-wait-time", "{value}");
    }
}

#[test]
fn validate_waits_for_expressions_and_names_the_field() {
    assert_eq!(validate("{\"waitTime\": \"${parameters.t}\"}"), []);
    assert_eq!(validate("{\"waitTime\": 60}"), []);
    assert_eq!(validate("{\"waitTime\": -3}")[0].0, "/waitTime");
    assert_eq!(validate("[]")[0].0, "");
}

#[test]
fn the_stages_own_time_may_run_out_first() {
    let (input, outcome) = first(&json!({"waitTime": 90}));
    let mut next = after(&input, &outcome.unwrap(), Wake::TimedOut);
    next.now_ms = 10_000;
    let failure = step(&next, &mut ()).unwrap_err();
    assert_eq!(failure.code, "stage-timeout");
    assert_eq!(failure.message, "the stage's time ran out 1 min 21 s before the wait's end");
}

#[test]
fn a_plan_waits_for_nothing() {
    let mut input = start("{\"waitTime\": 300}");
    input.mode = Mode::Plan;
    assert_eq!(succeeded(step(&input, &mut ()).unwrap()).message, "would wait 5 min");
}

#[test]
fn garbage_checkpoints_are_refused() {
    let mut input = start("{\"waitTime\": 300}");
    input.checkpoint = Some(Checkpoint { schema: 1, data: "\u{0}".into() });
    assert_eq!(step(&input, &mut ()).unwrap_err().code, "checkpoint-unreadable");
    input.checkpoint = Some(Checkpoint { schema: 9, data: "{}".into() });
    assert_eq!(step(&input, &mut ()).unwrap_err().code, "checkpoint-unknown-schema");
}

#[test]
fn the_manifest_is_json_and_says_what_the_code_does() {
    let manifest: Value = serde_json::from_str(&describe()).unwrap();
    assert_eq!(manifest["type"], "wait");
    assert_eq!(manifest["signals"], json!([SKIP]));
    assert_eq!(manifest["checkpointSchemas"], json!([SCHEMA]));
    assert_eq!(manifest["dryRun"], "skip", "a dry run does not wait");
    assert_eq!(manifest["params"]["properties"]["waitTime"]["maximum"], json!(WAIT_S_MAX as u64));
    assert!(manifest["timeoutMs"].as_u64().unwrap() > milliseconds(WAIT_S_MAX), "the longest wait fits");
}
