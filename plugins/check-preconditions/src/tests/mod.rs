//! Tests of the stage, with a host whose expressions and stages are told.

mod checking;
mod unfolding;

use sdk::contract::{Blame, Mode};
use sdk::testing::{Script, start};
use serde_json::{Value, json};

use super::*;

fn expression(text: &str) -> Value {
    json!({"type": "expression", "context": {"expression": text}})
}

fn status(stage: &str, status: &str) -> Value {
    json!({"type": "stageStatus", "context": {"stageName": stage, "stageStatus": status}})
}

/// A host that knows these templates.
fn knowing(templates: &[(&str, Value)]) -> Script {
    let evaluated = templates.iter().map(|(text, value)| ((*text).to_owned(), value.clone())).collect();
    Script { evaluated, ..Script::default() }
}

fn checked(precondition: &Value, host: &mut Script) -> Result<Outcome, Failure> {
    step(&start(&json!({"type": TYPE, "precondition": precondition}).to_string()), host)
}

fn succeeded(outcome: Result<Outcome, Failure>) -> Results {
    match outcome {
        Ok(Outcome::Succeeded(results)) => results,
        other => panic!("not succeeded: {other:?}"),
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_manifest_is_json_and_says_what_the_code_does() {
    let manifest = value(&describe());
    assert_eq!(manifest["type"], TYPE);
    assert_eq!(manifest["planning"]["types"], json!([TYPE]));
    assert_eq!(manifest["expressions"]["byStage"], json!([format!("/{MANY}"), format!("/{ONE}")]));
    assert_eq!(manifest["dryRun"], "execute");
    assert_eq!(manifest["params"]["properties"][MANY]["maxItems"], json!(sdk::contract::PLANNED_MAX));
    let codes = ["precondition-not-met", "expression-failed", "stage-not-found", "precondition-invalid", "precondition-unsupported"];
    for code in codes.into_iter().chain(["too-many-preconditions", "context-unavailable", "params-invalid"]) {
        assert!(manifest["failures"][code].is_string(), "{code}");
    }
}

#[test]
fn validate_names_every_problem_at_its_place() {
    let at = |params: Value| -> Vec<String> { validate(&params.to_string()).into_iter().map(|(pointer, _)| pointer).collect() };
    let bad = json!([
        expression(" "),
        status("", ""),
        {"type": "clusterSize", "context": {"cluster": "web"}},
        {"type": "moonPhase"},
        {"context": {}},
        "x",
        {"type": "expression", "context": null},
        expression("${ a }"),
    ]);
    let expected = [
        "/preconditions/0/context/expression",
        "/preconditions/1/context/stageName",
        "/preconditions/1/context/stageStatus",
        "/preconditions/2/type",
        "/preconditions/3/type",
        "/preconditions/4/type",
        "/preconditions/5",
        "/preconditions/6/context/expression",
    ];
    assert_eq!(at(json!({ "preconditions": bad })), expected);
    assert_eq!(at(json!({"preconditions": {"type": "clusterSize"}})), ["/preconditions/type"]);
    assert_eq!(at(json!({"precondition": {"type": "clusterSize"}})), ["/precondition/type"]);
    assert_eq!(at(json!({"preconditions": vec![expression("a"); 33]})), ["/preconditions"]);
    assert_eq!(at(json!({"preconditions": "${ a }"})), ["/preconditions"]);
    assert_eq!(at(json!([])), [""]);
    for fine in
        [json!({}), json!({"preconditions": null}), json!({"preconditions": []}), json!({"preconditions": vec![expression("a"); 32]})]
    {
        assert_eq!(at(fine), [""; 0]);
    }
}

#[test]
fn a_stage_that_unfolds_checks_nothing_itself() {
    let message = |params: Value| succeeded(step(&start(&params.to_string()), &mut Script::default())).message;
    assert_eq!(message(json!({"preconditions": [expression("a"), expression("b")]})), "2 preconditions were checked");
    assert_eq!(message(json!({"preconditions": expression("a")})), "1 precondition was checked");
    assert_eq!(message(json!({"preconditions": [expression("a")], "precondition": expression("b")})), "1 precondition was checked");
    for nothing in [json!({}), json!({"preconditions": null}), json!({"preconditions": []}), json!({"precondition": null})] {
        assert_eq!(message(nothing), "there is nothing to check");
    }
    let many = json!({"preconditions": vec![expression("a"); 33]}).to_string();
    assert_eq!(step(&start(&many), &mut Script::default()).unwrap_err().code, "too-many-preconditions");
    assert_eq!(step(&start("[]"), &mut Script::default()).unwrap_err().code, "params-invalid");
}
