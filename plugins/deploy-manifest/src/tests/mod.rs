//! Tests of the stage through its steps, on a scripted host.

mod applying;
mod bad_input;
mod results;
mod settling;

use sdk::contract::{Failure, Outcome, Results, Running, StepInput, Wake};
use sdk::testing::{Script, after, start};
use serde_json::{Value, json};

use crate::step;

fn deployment(name: &str, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 3, "selector": {"matchLabels": {"tier": "front", "app": name}},
        "template": {"metadata": {"labels": {"app": name, "tier": "front"}},
            "spec": {"containers": [{"name": "app", "image": image}]}}}})
}

fn service(name: &str, kind: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"type": kind}})
}

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {}})
}

fn image(name: &str, version: &str) -> Value {
    json!({"type": "docker/image", "name": name, "version": version, "reference": format!("{name}:{version}")})
}

/// A stage with these manifests and further fields.
fn stage(manifests: &[Value], extra: &Value) -> Value {
    let mut stage = json!({"type": "deployManifest", "account": "test", "source": "text", "manifests": manifests});
    stage.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    stage
}

/// Runs the stage from its start until it ends or waits; gives the input of the last step too.
fn run(host: &mut Script, stage: &Value) -> (StepInput, Result<Outcome, Failure>) {
    go_on(host, start(&stage.to_string()))
}

fn go_on(host: &mut Script, mut input: StepInput) -> (StepInput, Result<Outcome, Failure>) {
    for _ in 0..100 {
        match step(&input, host) {
            Ok(outcome @ Outcome::Yielded(_)) => input = after(&input, &outcome, Wake::Poll),
            other => return (input, other),
        }
    }
    panic!("a stage may yield a hundred times in a row at most");
}

fn succeeded(outcome: Result<Outcome, Failure>) -> Results {
    match outcome {
        Ok(Outcome::Succeeded(results)) => results,
        other => panic!("not succeeded: {other:?}"),
    }
}

fn running(outcome: Result<Outcome, Failure>) -> Running {
    match outcome {
        Ok(Outcome::Running(running)) => running,
        other => panic!("not running: {other:?}"),
    }
}

fn outputs(results: &Results) -> Value {
    serde_json::from_str(&results.outputs).unwrap()
}
