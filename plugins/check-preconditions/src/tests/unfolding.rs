//! Tests of the stages it unfolds into.

use super::*;

fn unfolded_by(host: &mut Script, params: &Value) -> Result<Vec<Value>, Failure> {
    plan(Part::Before, &start(&params.to_string()), host)
}

fn unfolded(params: &Value) -> Result<Vec<Value>, Failure> {
    unfolded_by(&mut Script::default(), params)
}

/// The failure options of the child of one precondition.
fn options(stage: &Value, fail_pipeline: &Value) -> Value {
    let mut params = stage.clone();
    params["preconditions"] = json!([{"type": "expression", "context": {"expression": "a"}, "failPipeline": fail_pipeline}]);
    let mut child = unfolded(&params).unwrap().remove(0);
    for key in ["refId", "requisiteStageRefIds", "type", "name", "precondition"] {
        child.as_object_mut().unwrap().shift_remove(key).unwrap();
    }
    child
}

#[test]
fn one_stage_for_each_precondition_beside_each_other() {
    let list = [expression("${ a }"), status("Deploy", "SUCCEEDED"), expression("b")];
    let mut host = Script::default();
    let children = unfolded_by(&mut host, &json!({"type": TYPE, "name": "Gate", "refId": "4", "preconditions": list})).unwrap();
    let expected = [
        json!({"refId": "1", "requisiteStageRefIds": [], "type": TYPE, "name": "Check expression", "precondition": list[0]}),
        json!({"refId": "2", "requisiteStageRefIds": [], "type": TYPE, "name": "Check stage status", "precondition": list[1]}),
        json!({"refId": "3", "requisiteStageRefIds": [], "type": TYPE, "name": "Check expression 2", "precondition": list[2]}),
    ];
    assert_eq!(children, expected);
    assert_eq!(host.calls, [""; 0], "nothing is evaluated before it is checked");
}

#[test]
fn what_unfolded_does_not_unfold_again() {
    let children = unfolded(&json!({"preconditions": [expression("a")]})).unwrap();
    assert_eq!(unfolded(&children[0]).unwrap(), [Value::Null; 0]);
    let mut host = knowing(&[("${ a }", json!(true))]);
    succeeded(step(&start(&children[0].to_string()), &mut host));
    assert_eq!(validate(&children[0].to_string()), []);
}

#[test]
fn only_before_and_only_when_there_is_something() {
    let params = json!({"preconditions": [expression("a")]}).to_string();
    for part in [Part::After, Part::OnFailure] {
        assert_eq!(plan(part, &start(&params), &mut Script::default()).unwrap(), [Value::Null; 0]);
    }
    for nothing in [json!({}), json!({"preconditions": null}), json!({"preconditions": []})] {
        assert_eq!(unfolded(&nothing).unwrap(), [Value::Null; 0]);
    }
}

#[test]
fn a_single_object_is_a_list_of_one() {
    let children = unfolded(&json!({"preconditions": expression("a")})).unwrap();
    assert_eq!(children.len(), 1);
    assert_eq!(children[0]["precondition"], expression("a"));
}

#[test]
fn a_precondition_decides_how_its_failure_counts() {
    let ignoring = json!({"failPipeline": false, "continuePipeline": true, "completeOtherBranchesThenFail": false});
    let fails = json!({"failPipeline": true, "continuePipeline": false, "completeOtherBranchesThenFail": false});
    let stops = json!({"failPipeline": false, "continuePipeline": false, "completeOtherBranchesThenFail": false});
    for said in [json!(true), json!("true")] {
        assert_eq!(options(&ignoring, &said), fails);
        assert_eq!(options(&json!({}), &said), fails);
    }
    for said in [json!(false), json!("False")] {
        assert_eq!(options(&ignoring, &said), stops);
        assert_eq!(options(&json!({"completeOtherBranchesThenFail": true}), &said), stops);
    }
    for said in [json!(null), json!("")] {
        assert_eq!(options(&ignoring, &said), ignoring, "the stage's own");
        assert_eq!(options(&json!({"failPipeline": "false"}), &said), json!({"failPipeline": "false"}));
        assert_eq!(options(&json!({}), &said), json!({}));
    }
}

#[test]
fn how_a_failure_counts_may_be_an_expression() {
    let params = json!({"preconditions": [{"type": "expression", "context": {"expression": "a"}, "failPipeline": "${ parameters.hard }"}]});
    let mut host = knowing(&[("${ parameters.hard }", json!("true"))]);
    assert_eq!(unfolded_by(&mut host, &params).unwrap()[0]["failPipeline"], json!(true));
    assert_eq!(unfolded(&params).unwrap_err().code, "expression-failed");
    let mut host = knowing(&[("${ parameters.hard }", json!("maybe"))]);
    let failure = unfolded_by(&mut host, &params).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("precondition-invalid", "/preconditions/0/failPipeline: true or false"));
}

#[test]
fn what_cannot_be_checked_fails_by_name() {
    let code = |list: Value| unfolded(&json!({ "preconditions": list })).unwrap_err().code;
    assert_eq!(code(json!(vec![expression("a"); 33])), "too-many-preconditions");
    assert_eq!(code(json!([expression("a"), {"type": "clusterSize", "context": {}}])), "precondition-unsupported");
    assert_eq!(code(json!([{"type": "moonPhase"}])), "precondition-unsupported");
    assert_eq!(code(json!([expression("")])), "precondition-invalid");
    assert_eq!(code(json!(3)), "precondition-invalid");
    assert_eq!(unfolded(&json!({"preconditions": vec![expression("a"); 32]})).unwrap().len(), 32);
    assert_eq!(unfolded(&json!([])).unwrap_err().code, "params-invalid");
}
