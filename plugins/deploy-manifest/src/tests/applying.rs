//! Applying: order, marks, binding, chunks, errors.

use std::collections::VecDeque;

use sdk::contract::{Blame, Mode, Wake};
use sdk::host::ClusterError;
use sdk::testing::{after, key};

use super::*;

fn sent(host: &Script) -> Vec<String> {
    let name = |object: &Value| {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
        format!("{} {} in {}", text("/kind"), text("/metadata/name"), text("/metadata/namespace"))
    };
    host.sent.iter().map(name).collect()
}

fn refuse(host: &mut Script, key: String, errors: Vec<ClusterError>) {
    host.refuse.insert(key, VecDeque::from(errors));
}

#[test]
fn objects_go_in_order_of_kind_with_labels_and_annotations() {
    let mut host = Script::default();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [service("web", "ClusterIP"), config("c")]});
    let results = succeeded(run(&mut host, &stage(&[deployment("web", "app"), list], &json!({}))).1);
    assert_eq!(sent(&host), ["ConfigMap c in default", "Service web in default", "Deployment web in default"]);
    assert_eq!(results.message, "3 objects applied: 3 created, 0 changed, 0 unchanged");
    let deployment = &host.sent[2];
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"], "waybill");
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/name"], "flaskapp");
    let template = &deployment["spec"]["template"]["metadata"];
    assert_eq!(template["labels"]["app.kubernetes.io/managed-by"], "waybill");
    assert_eq!(template["annotations"]["moniker.spinnaker.io/cluster"], "deployment web");
    assert!(host.lines.contains(&"Deployment web was created".to_owned()), "{:?}", host.lines);
}

#[test]
fn a_workload_that_spinnaker_made_is_taken_over_without_touching_its_pods() {
    let mut host = Script::default();
    let marks = json!({"annotations": {"artifact.spinnaker.io/version": "", "moniker.spinnaker.io/application": "old"},
        "labels": {"app.kubernetes.io/managed-by": "spinnaker", "app": "web", "tier": "front",
            "app.kubernetes.io/name": "old"}});
    let mut live = deployment("web", "app");
    live["metadata"]["namespace"] = json!("default");
    live["spec"]["template"]["metadata"] = marks.clone();
    live["spec"]["replicas"] = json!(7);
    host.live.insert(key("Deployment", Some("default"), "web"), live);
    let mut manifest = deployment("web", "app");
    manifest["metadata"]["annotations"] = json!({"strategy.spinnaker.io/use-source-capacity": "true"});
    succeeded(run(&mut host, &stage(&[manifest], &json!({}))).1);
    let template = &host.sent[0]["spec"]["template"]["metadata"];
    assert_eq!(template["labels"], marks["labels"]);
    assert_eq!(template["annotations"]["artifact.spinnaker.io/version"], "");
    assert_eq!(template["annotations"]["moniker.spinnaker.io/application"], "old");
    assert_eq!(host.sent[0]["metadata"]["labels"]["app.kubernetes.io/managed-by"], "waybill");
    assert_eq!(host.sent[0]["spec"]["replicas"], 7);
}

#[test]
fn namespaces_are_overridden_where_there_are_any() {
    let mut host = Script { cluster_scoped: vec!["Zone".into()], ..Script::default() };
    let zone = json!({"apiVersion": "acme.io/v1", "kind": "Zone", "metadata": {"name": "z"}});
    let widget = json!({"apiVersion": "acme.io/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "x"}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    let manifests = [config("c"), zone, widget, namespace];
    succeeded(run(&mut host, &stage(&manifests, &json!({"namespaceOverride": "prod"}))).1);
    assert_eq!(sent(&host), ["Namespace n in -", "ConfigMap c in prod", "Zone z in -", "Widget w in prod"]);
    let calls: Vec<_> = host.calls.iter().filter(|call| call.starts_with("apply-many")).cloned().collect();
    assert_eq!(calls, ["apply-many test - 4"], "one call, so that the host checks all of it before it sends any of it");
}

#[test]
fn artifacts_are_bound_and_reported() {
    let mut host = Script { artifacts: vec![image("host:5000/app", "2"), image("other", "1")], ..Script::default() };
    let results = succeeded(run(&mut host, &stage(&[deployment("web", "host:5000/app")], &json!({}))).1);
    assert_eq!(host.sent[0]["spec"]["template"]["spec"]["containers"][0]["image"], "host:5000/app:2");
    assert_eq!(outputs(&results)["outputs.boundArtifacts"], json!([image("host:5000/app", "2")]));
}

#[test]
fn binding_can_be_switched_off_but_not_for_what_is_required() {
    let mut host = Script { artifacts: vec![image("app", "2")], ..Script::default() };
    let off = json!({"enableArtifactBinding": false});
    succeeded(run(&mut host, &stage(&[deployment("web", "app")], &off)).1);
    assert_eq!(host.sent[0]["spec"]["template"]["spec"]["containers"][0]["image"], "app");
    let required = json!({"enableArtifactBinding": false, "requiredArtifacts": [{"artifact": image("app", "3")}]});
    succeeded(run(&mut host, &stage(&[deployment("web", "app")], &required)).1);
    assert_eq!(host.sent[1]["spec"]["template"]["spec"]["containers"][0]["image"], "app:3");
}

#[test]
fn required_artifacts_are_found_by_id_or_the_stage_fails() {
    let mut host = Script::default();
    let resolved = json!([{"id": "a1", "boundArtifact": image("app", "4")}, {"id": "a2"}]);
    host.values.insert("/trigger/resolvedExpectedArtifacts".into(), resolved);
    let with = |ids: Value| stage(&[deployment("web", "app")], &json!({ "requiredArtifactIds": ids }));
    succeeded(run(&mut host, &with(json!(["a1"]))).1);
    assert_eq!(host.sent[0]["spec"]["template"]["spec"]["containers"][0]["image"], "app:4");
    let failure = run(&mut host, &with(json!(["a1", "a2"]))).1.unwrap_err();
    assert_eq!(failure.code, "required-artifacts-unbound");
    assert_eq!(failure.message, "The following required artifacts could not be bound: expected artifact a2");
    let elsewhere = stage(&[deployment("web", "else")], &json!({"requiredArtifactIds": ["a1"]}));
    let failure = run(&mut host, &elsewhere).1.unwrap_err();
    assert_eq!(failure.message, "The following required artifacts could not be bound: docker/image app");
    assert_eq!(host.sent.len(), 1, "nothing was applied");
}

#[test]
fn many_objects_go_in_chunks() {
    let mut host = Script::default();
    let many: Vec<_> = (0..120).map(|i| config(&format!("c{i}"))).collect();
    let (last, outcome) = run(&mut host, &stage(&many, &json!({})));
    assert_eq!(succeeded(outcome).message, "120 objects applied: 120 created, 0 changed, 0 unchanged");
    assert_eq!(last.seq, 2);
    let calls: Vec<_> = host.calls.iter().filter(|call| call.starts_with("apply-many")).cloned().collect();
    assert_eq!(calls, ["apply-many test - 50", "apply-many test - 50", "apply-many test - 20"]);
}

#[test]
fn large_objects_go_in_smaller_chunks() {
    let mut host = Script::default();
    let mut large = config("large");
    large["data"]["x"] = json!("x".repeat(900 * 1024));
    let mut larger = large.clone();
    larger["metadata"]["name"] = json!("larger");
    let (last, outcome) = run(&mut host, &stage(&[large, larger], &json!({})));
    let results = succeeded(outcome);
    assert_eq!(last.seq, 1);
    assert!(results.outputs.len() < 10_000, "what is too large is given by reference");
}

#[test]
fn generated_names_are_created_in_their_turn() {
    let mut host = Script::default();
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "migrate-"}, "spec": {
        "template": {"metadata": {}, "spec": {}}}});
    let results = succeeded(run(&mut host, &stage(&[job, config("c")], &json!({}))).1);
    assert_eq!(sent(&host), ["ConfigMap c in default", "Job migrate-00001 in default"]);
    assert_eq!(outputs(&results)["waybill"]["objects"][1]["name"], "migrate-00001");
    assert_eq!(host.sent[1]["metadata"]["annotations"]["artifact.spinnaker.io/name"], "migrate-");
}

#[test]
fn conflicts_are_forced_only_when_the_manifest_says_so() {
    let mut host = Script::default();
    let mut forced = config("forced");
    forced["metadata"]["annotations"] = json!({"strategy.spinnaker.io/server-side-apply": "force-conflicts"});
    succeeded(run(&mut host, &stage(&[config("c"), forced], &json!({}))).1);
    assert!(host.calls.contains(&"apply-many test - 1".to_owned()));
    assert!(host.calls.contains(&"apply-many test - 1 forced".to_owned()));
}

#[test]
fn what_the_cluster_refuses_fails_and_names_the_object_and_what_went_before() {
    let cases = [
        (ClusterError::Denied("ClusterRole is not granted".into()), "denied"),
        (ClusterError::Conflict("helm manages .spec.replicas".into()), "field-conflict"),
        (ClusterError::Invalid("spec.ports: required".into()), "invalid-manifest"),
    ];
    for (error, code) in cases {
        let mut host = Script::default();
        refuse(&mut host, key("Service", Some("default"), "web"), vec![error]);
        let failure = run(&mut host, &stage(&[service("web", "ClusterIP"), config("c")], &json!({}))).1.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.blame, failure.retryable), (code, Blame::User, false));
        assert!(failure.message.starts_with("Service web: "), "{}", failure.message);
        let left = outputs(&failure.results.unwrap());
        assert_eq!(left["waybill"]["objects"][0]["name"], "c", "what was applied is told");
        assert_eq!(left["failedManifests"][0]["manifestName"], "service web");
    }
}

#[test]
fn a_cluster_that_does_not_answer_is_asked_again() {
    let mut host = Script::default();
    let gone = ClusterError::Unavailable("connection refused".into());
    refuse(&mut host, key("ConfigMap", Some("default"), "c"), vec![gone, ClusterError::Throttled(7_000)]);
    let params = stage(&[config("b"), config("c")], &json!({}));
    let (input, outcome) = run(&mut host, &params);
    let paused = running(outcome.clone());
    assert_eq!(paused.progress.message, "1 of 2 objects applied; ConfigMap c: connection refused; goes on in 1 s");
    let next = after(&input, &outcome.unwrap(), Wake::Poll);
    let failure = step(&next, &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable, failure.retry_after_ms), ("throttled", true, Some(7_000)));
    assert_eq!(failure.message, "ConfigMap c: the API server answers 429 and asks to come again in 7 s");
    let mut again = next;
    again.wake = Wake::Retry(1);
    let results = succeeded(go_on(&mut host, again).1);
    assert_eq!(results.message, "2 objects applied: 2 created, 0 changed, 0 unchanged");
}

#[test]
fn a_plan_applies_and_waits_for_nothing() {
    let mut host = Script::default();
    host.rollouts.insert(key("Deployment", Some("default"), "web"), VecDeque::from([Ok(sdk::testing::rollout(3, 0, 0))]));
    let mut input = start(&stage(&[deployment("web", "app")], &json!({})).to_string());
    input.mode = Mode::Plan;
    let results = succeeded(step(&input, &mut host));
    assert_eq!(results.message, "Deployment web would be applied: 1 created, 0 changed, 0 unchanged");
    assert_eq!(host.count("rollout-status"), 0);
    assert_eq!(host.lines, ["Deployment web would be created"]);
}

#[test]
fn time_may_run_out_between_chunks() {
    let mut host = Script::default();
    let many: Vec<_> = (0..60).map(|i| config(&format!("c{i}"))).collect();
    let input = start(&stage(&many, &json!({})).to_string());
    let outcome = step(&input, &mut host).unwrap();
    let failure = step(&after(&input, &outcome, Wake::TimedOut), &mut host).unwrap_err();
    assert_eq!(failure.code, "stage-timeout");
    assert_eq!(failure.message, "50 of 60 objects had been applied");
}

#[test]
fn only_selected_objects_are_applied() {
    let mut host = Script::default();
    let mut chosen = config("chosen");
    chosen["metadata"]["labels"] = json!({"tier": "front"});
    let selectors = json!({"labelSelectors": {"selectors": [{"key": "tier", "kind": "EQUALS", "values": ["front"]}]}});
    succeeded(run(&mut host, &stage(&[config("c"), chosen], &selectors)).1);
    assert_eq!(sent(&host), ["ConfigMap chosen in default"]);
    let failure = run(&mut host, &stage(&[config("c")], &selectors)).1.unwrap_err();
    assert_eq!(failure.code, "nothing-selected");
    let mut allowed = selectors;
    allowed["allowNothingSelected"] = json!(true);
    assert_eq!(succeeded(run(&mut host, &stage(&[config("c")], &allowed)).1).message, "nothing to apply");
}
