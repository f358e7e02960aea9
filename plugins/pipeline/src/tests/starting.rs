//! Tests of the first step: what is started, with what, and what refuses it.

use super::*;

#[test]
fn it_says_that_it_starts_the_child_before_it_does() {
    let mut host = Script::default();
    let Ok(Outcome::Yielded(yielded)) = step(&first(&deploy().to_string()), &mut host) else { panic!("not yielded") };
    assert_eq!(yielded.progress.message, "starting Deploy eu");
    assert_eq!(value(&yielded.checkpoint.data), json!({"id": "", "name": "Deploy eu", "since": 1_000}));
    assert_eq!(host.calls, [""; 0]);
}

#[test]
fn it_starts_the_child_and_rests_on_its_end() {
    let mut host = host([running()]);
    let asked = suspended(step(&start(&deploy().to_string()), &mut host));
    assert!(host.calls.contains(&"start flaskapp Deploy eu".to_owned()), "its own application: {:?}", host.calls);
    assert_eq!(asked.any_of.len(), 1);
    assert_eq!(asked.any_of[0].name, "execution:c1");
    assert_eq!(asked.until_ms, None);
    assert_eq!(asked.checkpoint.schema, SCHEMA);
    assert_eq!(value(&asked.checkpoint.data), json!({"id": "c1", "name": "Deploy eu", "since": 1_000}));
    assert_eq!(asked.progress.message, "waiting for Deploy eu (c1)");
    let details = value(&asked.progress.details.unwrap());
    assert_eq!(details, json!({"executionId": "c1", "executionName": "Deploy eu", "status": "RUNNING", "sinceMs": 1_000}));
}

#[test]
fn a_queued_child_and_a_paused_one_are_waited_for() {
    let mut queued = host([Ok(json!({"status": "NOT_STARTED", "name": "n"}))]);
    assert_eq!(suspended(step(&start(&deploy().to_string()), &mut queued)).progress.message, "waiting for n (c1), which is queued");
    let mut paused = host([Ok(json!({"status": "PAUSED", "name": "n"}))]);
    assert_eq!(suspended(step(&start(&deploy().to_string()), &mut paused)).progress.message, "waiting for n (c1), which is paused");
}

#[test]
fn the_child_is_told_where_it_comes_from() {
    let mut host = host([running()]);
    host.artifacts = vec![json!({"type": "docker/image", "name": "app", "reference": "app:7"})];
    host.values
        .insert("/execution".into(), json!({"id": "e1", "application": "flaskapp", "name": "deployTesting", "pipelineConfigId": "p1"}));
    let trigger = json!({"type": "manual", "user": "alice", "parameters": {"x": 1}, "parentExecution": {"id": "e0"}});
    host.values.insert("/trigger".into(), trigger);
    let params = json!({"application": "shop", "pipeline": "p2", "pipelineParameters": {"region": "eu", "count": 3}});
    suspended(step(&start(&params.to_string()), &mut host));
    assert!(host.calls.contains(&"start shop p2".to_owned()));
    let expected = json!({
        "type": "pipeline",
        "parameters": {"region": "eu", "count": 3},
        "artifacts": [{"type": "docker/image", "name": "app", "reference": "app:7"}],
        "isPipeline": true,
        "parentPipelineId": "p1",
        "parentPipelineName": "deployTesting",
        "parentPipelineApplication": "flaskapp",
        "parentPipelineStageId": "s1",
        "parentExecution": {
            "id": "e1", "application": "flaskapp", "name": "deployTesting", "pipelineConfigId": "p1",
            "trigger": {"type": "manual", "user": "alice", "parameters": {"x": 1}}
        },
    });
    assert_eq!(host.triggers, [expected]);
}

#[test]
fn what_is_not_known_of_the_parent_is_left_out() {
    let mut host = host([running()]);
    suspended(step(&start(&deploy().to_string()), &mut host));
    let parent = json!({"id": "e1", "application": "flaskapp", "name": "deployTesting"});
    assert_eq!(host.triggers[0]["parentExecution"], parent);
    assert_eq!((&host.triggers[0]["parentPipelineId"], &host.triggers[0]["parameters"]), (&Value::Null, &json!({})));
    assert_eq!(host.triggers[0].get("dryRun"), None);
}

#[test]
fn a_dry_run_starts_a_dry_run() {
    for said in [json!(true), json!("true")] {
        let mut host = host([running()]);
        host.values.insert("/trigger/dryRun".into(), said);
        suspended(step(&start(&deploy().to_string()), &mut host));
        assert_eq!(host.triggers[0]["dryRun"], json!(true));
    }
    let mut host = host([running()]);
    host.values.insert("/trigger/dryRun".into(), json!(false));
    suspended(step(&start(&deploy().to_string()), &mut host));
    assert_eq!(host.triggers[0].get("dryRun"), None);
}

#[test]
fn nothing_is_started_while_the_context_is_not_known() {
    let mut host = Script { no_lookup: Some("not available here".into()), ..Script::default() };
    let failure = step(&start(&deploy().to_string()), &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame), ("context-unavailable", Blame::Platform));
    let away = sdk::host::ArtifactError::Unavailable("the store".into());
    let mut host = Script { no_artifacts: Some(away), ..Script::default() };
    let failure = step(&start(&deploy().to_string()), &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("unavailable", true));
    assert_eq!(host.count("start"), 0);
}

#[test]
fn not_waiting_it_is_done_at_once() {
    for wait in [json!(false), json!("false"), json!(" False ")] {
        let mut host = host([running()]);
        let results = succeeded(step(&start(&json!({"pipeline": "p2", "waitForCompletion": wait}).to_string()), &mut host));
        assert_eq!(value(&results.context), json!({"executionId": "c1", "executionName": "Deploy eu"}));
        assert_eq!(results.outputs, "{}");
        assert_eq!(results.message, "started Deploy eu (c1), not waited for");
    }
    let mut nameless = host([Err(unavailable())]);
    let results = succeeded(step(&start("{\"pipeline\": \"p2\", \"waitForCompletion\": false}"), &mut nameless));
    assert_eq!(value(&results.context), json!({"executionId": "c1", "executionName": "p2"}));
    for wait in [json!(true), json!("true"), json!(null), json!("")] {
        let params = json!({"pipeline": "p2", "waitForCompletion": wait}).to_string();
        suspended(step(&start(&params), &mut host([running()])));
    }
}

fn check_refused(error: ExecutionError, kind: &str, why: &str) {
    let mut host = Script { starts: VecDeque::from([Err(error)]), ..Script::default() };
    let failure = step(&start(&deploy().to_string()), &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame, failure.retryable), ("child-refused", Blame::User, false));
    assert_eq!(failure.message, format!("the pipeline Deploy eu of application flaskapp cannot be started: {why}"));
    let details = value(&failure.details.unwrap());
    assert_eq!(details, json!({"application": "flaskapp", "pipeline": "Deploy eu", "kind": kind, "message": why}));
}

#[test]
fn a_child_that_is_refused_names_why() {
    for why in ["the pipeline is disabled", "the parameter region is required", "20 levels of children are the most"] {
        check_refused(ExecutionError::Refused(why.into()), "refused", why);
    }
    check_refused(ExecutionError::Denied("alice may not start it".into()), "denied", "alice may not start it");
    check_refused(ExecutionError::NotFound, "not-found", "there is no such pipeline");
}

#[test]
fn a_start_that_may_work_later_is_tried_again() {
    let mut host = host([running()]);
    host.starts = VecDeque::from([Err(unavailable())]);
    let mut input = start(&deploy().to_string());
    let failure = step(&input, &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("unavailable", true));
    input.wake = Wake::Retry(1);
    suspended(step(&input, &mut host));
    assert_eq!(host.count("start"), 2, "the host knows that it is the same child");
    let mut spent = Script { starts: VecDeque::from([Err(ExecutionError::Quota("100 calls".into()))]), ..Script::default() };
    let failure = step(&start(&deploy().to_string()), &mut spent).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("quota", false));
}

#[test]
fn a_child_that_cannot_be_looked_at_yet_is_waited_for() {
    let mut host = host([Err(unavailable()), Ok(json!({"status": "SUCCEEDED", "name": "Deploy eu"}))]);
    let (input, first) = started(&deploy(), &mut host);
    assert_eq!(suspended(Ok(first.clone())).progress.message, "waiting for Deploy eu (c1)");
    succeeded(step(&after(&input, &first, Wake::Poll), &mut host));
}

#[test]
fn a_child_that_has_ended_already_is_not_waited_for() {
    let mut quick = host([Ok(json!({"status": "SUCCEEDED", "name": "n", "outputs": {"version": "7"}}))]);
    assert_eq!(value(&succeeded(step(&start(&deploy().to_string()), &mut quick)).outputs), json!({"version": "7"}));
}

#[test]
fn a_plan_starts_nothing() {
    let mut input = first(&deploy().to_string());
    input.mode = Mode::Plan;
    let mut host = Script::default();
    let Ok(Outcome::Skipped(results)) = step(&input, &mut host) else { panic!("not skipped") };
    assert_eq!(results.message, "the pipeline Deploy eu would be started");
    assert_eq!(host.calls, [""; 0]);
}
