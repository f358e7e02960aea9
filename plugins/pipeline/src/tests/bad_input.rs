//! Tests of parameters and checkpoints that cannot be used.

use sdk::contract::Checkpoint;

use super::*;

#[test]
fn every_problem_is_named_at_its_place() {
    let bad = json!({"application": 3, "pipelineParameters": ["a"], "waitForCompletion": "maybe", "skipDownstreamOutput": 1});
    let at: Vec<_> = validate(&bad.to_string()).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(at, ["/pipeline", "/application", "/pipelineParameters", "/waitForCompletion", "/skipDownstreamOutput"]);
    let mut host = Script::default();
    assert_eq!(step(&first(&bad.to_string()), &mut host).unwrap_err().code, "params-invalid");
    assert_eq!(host.calls, [""; 0], "nothing is done");
    assert_eq!(validate("[]")[0].0, "");
    assert_eq!(validate("{\"pipeline\": \"  \"}")[0].0, "/pipeline");
    assert_eq!(validate("{\"pipeline\": 7}")[0].0, "/pipeline");
}

#[test]
fn expressions_are_judged_when_they_are_resolved() {
    let text = "${ trigger.x }";
    let params =
        json!({"application": text, "pipeline": text, "pipelineParameters": text, "waitForCompletion": text, "skipDownstreamOutput": text});
    assert_eq!(validate(&params.to_string()), []);
    assert_eq!(validate(&json!({"pipeline": "p", "application": null, "pipelineParameters": null}).to_string()), []);
    let left = json!({"pipeline": "p", "pipelineParameters": text}).to_string();
    assert_eq!(step(&first(&left), &mut Script::default()).unwrap_err().code, "params-invalid");
}

#[test]
fn garbage_checkpoints_are_refused() {
    let mut input = first(&deploy().to_string());
    for (schema, data, code) in
        [(1, "{", "checkpoint-unreadable"), (1, "{}", "checkpoint-unreadable"), (9, "{}", "checkpoint-unknown-schema")]
    {
        input.checkpoint = Some(Checkpoint { schema, data: data.into() });
        let mut host = Script::default();
        assert_eq!(step(&input, &mut host).unwrap_err().code, code);
        assert_eq!(cancel(&input, "no", &mut host).unwrap_err().code, code);
        assert_eq!(host.calls, [""; 0]);
    }
}
