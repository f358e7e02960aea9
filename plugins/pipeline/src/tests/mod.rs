//! Tests of the stage, step by step, with an execution that answers as it is told.

mod bad_input;
mod ending;
mod starting;
mod stopping;

use std::collections::VecDeque;

use sdk::contract::{Blame, Suspended};
use sdk::host::ExecutionError;
use sdk::testing::{Script, after, signal, start as first};
use serde_json::{Value, json};

use super::*;

/// The step that starts the child, after the one that says so.
fn start(params: &str) -> StepInput {
    let input = first(params);
    let announced = step(&input, &mut Script::default()).unwrap();
    after(&input, &announced, Wake::Poll)
}

/// A host with one child, whose states follow each other; the last stays.
fn host(states: impl IntoIterator<Item = Result<Value, ExecutionError>>) -> Script {
    let mut host = Script::default();
    host.executions.insert("c1".into(), states.into_iter().collect());
    host
}

fn running() -> Result<Value, ExecutionError> {
    Ok(json!({"status": "RUNNING", "name": "Deploy eu"}))
}

fn unavailable() -> ExecutionError {
    ExecutionError::Unavailable("the store is away".into())
}

fn suspended(outcome: Result<Outcome, Failure>) -> Suspended {
    match outcome {
        Ok(Outcome::Suspended(suspended)) => suspended,
        other => panic!("not suspended: {other:?}"),
    }
}

fn succeeded(outcome: Result<Outcome, Failure>) -> Results {
    match outcome {
        Ok(Outcome::Succeeded(results)) => results,
        other => panic!("not succeeded: {other:?}"),
    }
}

fn canceled(outcome: Result<Outcome, Failure>) -> Results {
    match outcome {
        Ok(Outcome::Canceled(results)) => results,
        other => panic!("not canceled: {other:?}"),
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Starts the stage; the child runs. Gives the input and outcome that later steps follow.
fn started(params: &Value, host: &mut Script) -> (StepInput, Outcome) {
    let input = start(&params.to_string());
    let outcome = step(&input, host).unwrap();
    (input, outcome)
}

/// Wakes the stage after its child went from running to this state.
fn ended_with(params: &Value, state: Value) -> Result<Outcome, Failure> {
    let mut host = host([running(), Ok(state)]);
    let (input, first) = started(params, &mut host);
    step(&after(&input, &first, signal("execution:c1", "waybill", &json!({}))), &mut host)
}

fn deploy() -> Value {
    json!({"pipeline": "Deploy eu"})
}

#[test]
fn the_manifest_is_json_and_says_what_the_code_does() {
    let manifest = value(&describe());
    assert_eq!(manifest["type"], "pipeline");
    assert_eq!(manifest["checkpointSchemas"], json!([SCHEMA]));
    assert_eq!(manifest["capabilities"]["executions"], json!(["start", "get", "cancel"]));
    assert_eq!(manifest["timeoutMs"], json!(12 * 3600 * 1000));
    assert_eq!((&manifest["dryRun"], &manifest["manualSkip"]), (&json!("execute"), &json!(false)));
    assert_eq!(manifest.get("planning"), None);
    let codes = ["child-refused", "child-failed", "child-gone", "child-unreadable", "child-results-too-large", "context-unavailable"];
    for code in codes.into_iter().chain(["params-invalid", "unavailable", "denied", "quota", STAGE_TIMEOUT]) {
        assert!(manifest["failures"][code].is_string(), "{code}");
    }
}
