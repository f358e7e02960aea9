//! Waiting: progress, watches, early failure, time.

use std::collections::VecDeque;

use sdk::contract::{Blame, Watched};
use sdk::host::{ClusterError, Rollout};
use sdk::testing::{key, reason, rollout};

use super::*;

fn web() -> String {
    key("Deployment", Some("default"), "web")
}

fn with(answers: Vec<Result<Rollout, ClusterError>>) -> Script {
    let mut host = Script::default();
    host.rollouts.insert(web(), VecDeque::from(answers));
    host
}

fn one() -> Value {
    stage(&[deployment("web", "app")], &json!({}))
}

fn failing(reasons: &[(&str, &str, &str, &str)]) -> Rollout {
    let reasons = reasons.iter().map(|(code, pod, container, text)| reason(code, pod, container, text)).collect();
    Rollout { reasons, ..rollout(3, 3, 2) }
}

#[test]
fn it_waits_until_all_pods_are_there() {
    let mut host = with(vec![Ok(rollout(3, 1, 1)), Ok(rollout(3, 3, 2)), Ok(rollout(3, 3, 3))]);
    let (input, first) = run(&mut host, &one());
    let waiting = running(first.clone());
    assert_eq!(waiting.progress.message, "1 of 3 updated pods available");
    assert_eq!(waiting.poll_after_ms, 5_000);
    let input = after(&input, &first.unwrap(), Wake::Poll);
    let second = step(&input, &mut host);
    assert_eq!(running(second.clone()).progress.message, "2 of 3 updated pods available");
    let input = after(&input, &second.unwrap(), Wake::Poll);
    let results = succeeded(step(&input, &mut host));
    assert_eq!(results.message, "Deployment web applied: 1 created, 0 changed, 0 unchanged");
    assert_eq!(host.count("apply-many"), 1, "nothing is applied twice");
    assert!(host.lines.contains(&"Deployment web has settled".to_owned()));
}

#[test]
fn it_says_what_to_watch() {
    let mut host = with(vec![Ok(rollout(3, 3, 2))]);
    let waiting = running(run(&mut host, &one()).1);
    let [Watched::Object((at, object)), Watched::Selection((_, pods))] = waiting.watch.as_slice() else { panic!("{:?}", waiting.watch) };
    assert_eq!((at.account.as_str(), at.namespace.as_deref()), ("test", Some("default")));
    assert_eq!((object.kind.as_str(), object.name.as_str()), ("Deployment", "web"));
    assert_eq!((pods.kind.as_str(), pods.labels.as_deref()), ("Pod", Some("app=web,tier=front")));
}

#[test]
fn several_objects_are_told_by_the_first_that_waits() {
    let mut host = with(vec![Ok(rollout(3, 3, 2))]);
    host.rollouts.insert(key("Deployment", Some("default"), "api"), VecDeque::from([Ok(rollout(2, 0, 0))]));
    let manifests = [config("c"), deployment("web", "app"), deployment("api", "app")];
    let waiting = running(run(&mut host, &stage(&manifests, &json!({}))).1);
    assert_eq!(waiting.progress.message, "Deployment web: 2 of 3 updated pods available (and 1 more)");
    assert_eq!(waiting.progress.percent, Some(33));
    let details: Value = serde_json::from_str(waiting.progress.details.as_deref().unwrap()).unwrap();
    assert_eq!(details["objects"][0]["state"], "settled");
    assert_eq!(details["objects"][1]["available"], 2);
    assert_eq!(details["objects"][2]["state"], "waiting");
}

#[test]
fn pods_that_cannot_start_fail_the_stage_at_once() {
    let codes = [
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "Unschedulable",
    ];
    for code in codes {
        let mut host = with(vec![Ok(failing(&[("ContainerCreating", "web-0", "app", ""), (code, "web-1", "app", "text")]))]);
        let failure = run(&mut host, &one()).1.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.blame), ("pod-failing", Blame::User));
        assert_eq!(failure.message, format!("Deployment web: Pod web-1 (container app): {code}: text"));
        let details: Value = serde_json::from_str(failure.details.as_deref().unwrap()).unwrap();
        assert_eq!(details["reasons"][1]["code"], code);
        let left = outputs(&failure.results.unwrap());
        assert_eq!(left["failedManifests"][0]["manifestName"], "deployment web");
        assert_eq!(left["waybill"]["objects"][0]["uid"], format!("uid of {}", web()));
    }
}

#[test]
fn what_the_host_leaves_unsaid_is_said_in_its_stead() {
    let silent = |rollout: Rollout| Rollout { message: String::new(), ..rollout };
    let line = |rollout: Rollout| running(run(&mut with(vec![Ok(rollout)]), &one()).1).progress.message;
    assert_eq!(line(silent(rollout(3, 3, 1))), "1 of 3 updated pods available");
    assert_eq!(line(Rollout { paused: true, ..silent(rollout(3, 1, 1)) }), "the rollout is paused");
    assert_eq!(line(Rollout { stable: false, ..silent(rollout(3, 3, 3)) }), "not settled yet");
}

#[test]
fn early_failure_can_be_switched_off() {
    let stuck = || with(vec![Ok(failing(&[("Unschedulable", "web-1", "", "0/3 nodes")]))]);
    for early in [json!(false), json!({"unschedulable": false})] {
        let params = stage(&[deployment("web", "app")], &json!({"waybill": {"earlyFailure": early}}));
        let waiting = running(run(&mut stuck(), &params).1);
        assert_eq!(waiting.progress.message, "2 of 3 updated pods available; Pod web-1: Unschedulable");
    }
    let other = json!({"waybill": {"earlyFailure": {"errImagePull": false}}});
    let failure = run(&mut stuck(), &stage(&[deployment("web", "app")], &other)).1.unwrap_err();
    assert_eq!(failure.message, "Deployment web: Pod web-1: Unschedulable: 0/3 nodes");
}

#[test]
fn a_rollout_that_the_cluster_gave_up_fails_without_waiting_for_others() {
    let text = "Deployment exceeded its progress deadline";
    let mut host = with(vec![Ok(Rollout { failed: true, message: text.into(), ..rollout(3, 3, 2) })]);
    host.rollouts.insert(key("Deployment", Some("default"), "api"), VecDeque::from([Ok(rollout(2, 0, 0))]));
    let manifests = [deployment("api", "app"), deployment("web", "app")];
    let failure = run(&mut host, &stage(&manifests, &json!({}))).1.unwrap_err();
    assert_eq!(failure.code, "rollout-failed");
    assert_eq!(failure.message, format!("Deployment web: {text}"));
}

#[test]
fn time_that_runs_out_names_what_had_not_settled() {
    let mut host = with(vec![Ok(rollout(3, 3, 2))]);
    let (input, outcome) = run(&mut host, &one());
    let late = after(&input, &outcome.unwrap(), Wake::TimedOut);
    let failure = step(&late, &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame), ("stage-timeout", Blame::User));
    assert_eq!(failure.message, "not settled: Deployment web: 2 of 3 updated pods available");
    host.rollouts.insert(web(), VecDeque::from([Ok(rollout(3, 3, 3))]));
    succeeded(step(&late, &mut host));
}

#[test]
fn the_stage_may_have_a_time_of_its_own() {
    let mut host = with(vec![Ok(rollout(3, 3, 2))]);
    let params = stage(&[deployment("web", "app")], &json!({"stableManifestTimeoutMinutes": 1}));
    let (input, outcome) = run(&mut host, &params);
    let mut next = after(&input, &outcome.unwrap(), Wake::Poll);
    next.now_ms = 58_000;
    let outcome = step(&next, &mut host);
    assert_eq!(running(outcome.clone()).poll_after_ms, 3_000, "it comes back when the time is over");
    let mut last = after(&next, &outcome.unwrap(), Wake::Poll);
    last.now_ms = 61_000;
    assert_eq!(step(&last, &mut host).unwrap_err().code, "stage-timeout");
}

#[test]
fn silence_of_the_cluster_is_borne() {
    let mut host =
        with(vec![Err(ClusterError::Unavailable("connection refused".into())), Err(ClusterError::Throttled(9_000)), Ok(rollout(3, 3, 3))]);
    let (input, first) = run(&mut host, &one());
    assert_eq!(running(first.clone()).progress.message, "the cluster does not answer: connection refused");
    let input = after(&input, &first.unwrap(), Wake::Poll);
    let second = step(&input, &mut host);
    let waits = running(second.clone());
    assert_eq!(waits.poll_after_ms, 9_000);
    assert_eq!(waits.progress.message, "the cluster does not answer: the API server answers 429 and asks to come again in 9 s");
    let input = after(&input, &second.unwrap(), Wake::Poll);
    succeeded(step(&input, &mut host));
}

#[test]
fn what_is_gone_or_forbidden_fails() {
    let failure = run(&mut with(vec![Err(ClusterError::NotFound)]), &one()).1.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.blame), ("object-vanished", Blame::Target));
    let failure = run(&mut with(vec![Err(ClusterError::Denied("no".into()))]), &one()).1.unwrap_err();
    assert_eq!(failure.code, "denied");
}

#[test]
fn more_objects_than_one_step_can_ask_about_are_asked_about_in_turn() {
    let mut host = Script::default();
    let many: Vec<_> = (0..100).map(|i| deployment(&format!("web{i}"), "app")).collect();
    for i in 0..100 {
        let key = key("Deployment", Some("default"), &format!("web{i}"));
        host.rollouts.insert(key, VecDeque::from([Ok(rollout(1, 1, 0)), Ok(rollout(1, 1, 1))]));
    }
    let (mut input, mut outcome) = run(&mut host, &stage(&many, &json!({})));
    for _ in 0..3 {
        let Ok(waiting @ Outcome::Running(_)) = &outcome else {
            break;
        };
        (input, outcome) = go_on(&mut host, after(&input, waiting, Wake::Poll));
    }
    let results = succeeded(outcome);
    assert_eq!(host.count("apply-many"), 2);
    assert_eq!(outputs(&results)["waybill"]["objects"].as_array().unwrap().len(), 100);
    assert!(input.seq < 20, "{}", input.seq);
}

#[test]
fn a_service_has_settled_without_an_address_unless_told_otherwise() {
    let mut host = Script::default();
    let plain = stage(&[service("web", "LoadBalancer")], &json!({}));
    assert_eq!(succeeded(run(&mut host, &plain).1).message, "Service web applied: 1 created, 0 changed, 0 unchanged");

    let patient = stage(&[service("web", "LoadBalancer")], &json!({"waybill": {"waitFor": "loadBalancer"}}));
    let (input, outcome) = run(&mut host, &patient);
    assert_eq!(running(outcome.clone()).progress.message, "waiting for a load balancer's address");
    let live = host.live.get_mut(&key("Service", Some("default"), "web")).unwrap();
    live["status"] = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}]}});
    let results = succeeded(step(&after(&input, &outcome.unwrap(), Wake::Poll), &mut host));
    assert!(results.message.ends_with("; Service web is at 10.0.0.9"), "{}", results.message);
    assert_eq!(outputs(&results)["waybill"]["objects"][0]["loadBalancer"], "10.0.0.9");
}
