//! Tests of the check of one precondition.

use super::*;

fn not_met(precondition: &Value, host: &mut Script) -> Failure {
    let failure = checked(precondition, host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame, failure.retryable), ("precondition-not-met", Blame::User, false));
    failure
}

#[test]
fn an_expression_holds_when_it_is_true() {
    for said in [json!(true), json!("true"), json!("True"), json!(" true ")] {
        let results = succeeded(checked(&expression("${ a == 1 }"), &mut knowing(&[("${ a == 1 }", said.clone())])));
        assert_eq!(value(&results.context), json!({"preconditionType": "expression", "expressionResult": said}));
        assert_eq!((results.message.as_str(), results.outputs.as_str()), ("${ a == 1 } is true", "{}"));
    }
}

#[test]
fn a_bare_expression_is_wrapped_and_a_wrapped_one_is_not() {
    for (text, template) in [("a == 1", "${ a == 1 }"), ("  a == 1\n", "${ a == 1 }"), ("${a}", "${a}"), ("${a} == true", "${a} == true")] {
        let mut host = knowing(&[(template, json!(true))]);
        succeeded(checked(&expression(text), &mut host));
        assert_eq!(host.calls, [format!("evaluate {template}")]);
    }
    let literal = json!({"type": "expression", "context": {"expression": true}});
    succeeded(checked(&literal, &mut knowing(&[("${ true }", json!(true))])));
}

#[test]
fn an_expression_that_is_not_true_is_not_met() {
    let with = |said: Value| not_met(&expression("a"), &mut knowing(&[("${ a }", said)]));
    let failure = with(json!(false));
    assert_eq!(failure.message, "the condition is false: a");
    let details = json!({"preconditionType": "expression", "expressionResult": false, "found": "the condition is false: a"});
    assert_eq!(value(&failure.details.unwrap()), details);
    assert_eq!(value(&failure.results.unwrap().context), json!({"preconditionType": "expression", "expressionResult": false}));
    assert_eq!(with(json!("FALSE")).message, "the condition is false: a");
    for (said, shown) in [(json!("true == true"), "true == true"), (json!(1), "1"), (json!(null), "null"), (json!({"a": 1}), "{\"a\":1}")] {
        assert_eq!(with(said).message, format!("the condition is neither true nor false, but {shown}: a"));
    }
}

#[test]
fn people_are_told_in_the_preconditions_own_words() {
    let asked = |message: &str| json!({"type": "expression", "context": {"expression": "a", "failureMessage": message}});
    let no = ("${ a }", json!(false));
    let failure = not_met(&asked("Only on weekdays."), &mut knowing(std::slice::from_ref(&no)));
    assert_eq!(failure.message, "Only on weekdays.");
    assert_eq!(value(&failure.details.unwrap())["found"], "the condition is false: a");
    let mut host = knowing(&[no.clone(), ("Not ${ b }.", json!("Not today."))]);
    assert_eq!(not_met(&asked("Not ${ b }."), &mut host).message, "Not today.");
    let mut broken = knowing(std::slice::from_ref(&no));
    assert_eq!(not_met(&asked("Not ${ b }."), &mut broken).message, "Not ${ b }.", "the words stay as they are");
    assert_eq!(not_met(&asked("  "), &mut knowing(&[no])).message, "the condition is false: a");
    let mut host = knowing(&[("${ a }", json!(true))]);
    succeeded(checked(&asked("Not ${ b }."), &mut host));
    assert_eq!(host.calls.len(), 1, "the words are evaluated only when they are needed");
}

#[test]
fn an_expression_that_makes_no_sense_is_a_failure_of_its_own() {
    let asked = json!({"type": "expression", "context": {"expression": "nonsense", "failureMessage": "Only on weekdays."}});
    let failure = checked(&asked, &mut Script::default()).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame, failure.retryable), ("expression-failed", Blame::User, false));
    assert!(failure.message.starts_with("the condition cannot be evaluated: nothing is known of"), "{}", failure.message);
    let details = value(&failure.details.unwrap());
    assert_eq!(
        (&details["reason"], &details["position"], &details["expression"]),
        (&json!("unknown-name"), &json!(2), &json!("${ nonsense }"))
    );
}

/// A host with one stage before, which ended so.
fn after_stage(name: &str, status: &str) -> Script {
    let mut host = Script::default();
    host.values.insert(format!("{}/status", fields::pointer("/stages", name)), json!(status));
    host
}

#[test]
fn a_stage_may_have_to_have_ended_so() {
    let results = succeeded(checked(&status("Deploy", "FAILED_CONTINUE"), &mut after_stage("Deploy", "FAILED_CONTINUE")));
    assert_eq!(results.message, "Deploy is FAILED_CONTINUE");
    let found = json!({"preconditionType": "stageStatus", "stageName": "Deploy", "stageStatus": "FAILED_CONTINUE", "foundStatus": "FAILED_CONTINUE"});
    assert_eq!(value(&results.context), found);
    let failure = not_met(&status("Deploy", "SUCCEEDED"), &mut after_stage("Deploy", "SKIPPED"));
    assert_eq!(failure.message, "Deploy is SKIPPED, not SUCCEEDED");
    let failure = not_met(&status("Deploy", "succeeded"), &mut after_stage("Deploy", "SUCCEEDED"));
    assert_eq!(failure.message, "Deploy is SUCCEEDED, not succeeded", "words are compared exactly");
    let mut asked = status("Deploy", "SUCCEEDED");
    asked["context"]["failureMessage"] = json!("Deploy first.");
    assert_eq!(not_met(&asked, &mut after_stage("Deploy", "TERMINAL")).message, "Deploy first.");
}

#[test]
fn names_of_stages_may_be_anything() {
    succeeded(checked(&status("a/b~c 部署", "SUCCEEDED"), &mut after_stage("a/b~c 部署", "SUCCEEDED")));
    let mut host = after_stage("Deploy eu", "SUCCEEDED");
    host.evaluated.insert("Deploy ${ r }".into(), json!("Deploy eu"));
    host.evaluated.insert("${ s }".into(), json!("SUCCEEDED"));
    succeeded(checked(&status("Deploy ${ r }", "${ s }"), &mut host));
    host.evaluated.remove("${ s }");
    assert_eq!(checked(&status("Deploy ${ r }", "${ s }"), &mut host).unwrap_err().code, "expression-failed");
}

#[test]
fn a_stage_that_is_not_there_is_a_failure_of_its_own() {
    let failure = checked(&status("deploy", "SUCCEEDED"), &mut after_stage("Deploy", "SUCCEEDED")).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame), ("stage-not-found", Blame::User));
    assert_eq!(failure.message, "no stage named \"deploy\" comes before this one");
    let mut host = Script { no_lookup: Some("not available here".into()), ..Script::default() };
    let failure = checked(&status("deploy", "SUCCEEDED"), &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame), ("context-unavailable", Blame::Platform));
}

#[test]
fn a_dry_run_evaluates_expressions_and_nothing_else() {
    let mut host = knowing(&[("${ a }", json!(true))]);
    host.values.insert("/trigger/dryRun".into(), json!(true));
    succeeded(checked(&expression("a"), &mut host));
    let Ok(Outcome::Skipped(results)) = checked(&status("Deploy", "SUCCEEDED"), &mut host) else { panic!("not skipped") };
    assert_eq!(results.message, "the status of a stage is not checked in a dry run");
    let mut input = start(&json!({"precondition": expression("a")}).to_string());
    input.mode = Mode::Plan;
    succeeded(step(&input, &mut host));
}

#[test]
fn what_cannot_be_checked_fails_by_name() {
    let code = |precondition: Value| checked(&precondition, &mut Script::default()).unwrap_err().code;
    assert_eq!(code(json!({"type": "clusterSize", "context": {"cluster": "web", "expected": 3}})), "precondition-unsupported");
    assert_eq!(code(json!({"type": "moonPhase"})), "precondition-unsupported");
    assert_eq!(code(json!({})), "precondition-invalid");
    assert_eq!(code(json!("a")), "precondition-invalid");
    assert_eq!(code(json!({"type": "expression"})), "precondition-invalid");
    assert_eq!(code(status("", "SUCCEEDED")), "precondition-invalid");
}
