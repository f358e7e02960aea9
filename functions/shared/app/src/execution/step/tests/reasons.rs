//! Reasons that no other test of the driver meets: how each comes about, and what a failure does to the rest.

use super::*;
use crate::execution::plan::Plan;
use crate::execution::pushed::PushStarter;
use crate::identity::{self, NewToken};
use crate::ports::{Blame, StepFailure};
use crate::pushes::Starter;
use model::artifact::Artifact;
use model::id::{PipelineId, TriggerId};
use model::push::Delivery;
use model::reason::Code;
use std::collections::BTreeSet;

type Said = fn(&StepCall) -> Answer;

fn fault(fault: StepFault) -> Answer {
    future::ready(Err(fault)).boxed()
}

fn plugin(code: &'static str) -> Answer {
    fault(StepFault::Plugin { code, message: "it trapped".to_owned(), log: vec![] })
}

/// Runs one stage to where it stands: its status and its reason's code.
async fn stands(script: Said, more: Value) -> (World, Status, Code) {
    let world = world(script);
    let mut stage = json!({"refId": "1", "type": "wait"});
    stage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = world.prepare(json!([stage])).await.unwrap().execution;
    world.advance(&id).await;
    let stage = world.detail(&id).await.stages[0].clone();
    (world, stage.status, stage.reason.unwrap().code)
}

#[tokio::test]
async fn what_a_component_says_or_breaks_has_its_reason() {
    let cases: [(Said, Status, ReasonCode); 9] = [
        (|_| ends(StepEnd::Skipped(StepResults::default())), Status::Skipped, ReasonCode::SkippedByStage),
        (|_| ends(StepEnd::Canceled(StepResults::default())), Status::Canceled, ReasonCode::StageCanceled),
        (|_| plugin("plugin-trap"), Status::Terminal, ReasonCode::PluginFault),
        (|_| plugin("plugin-timeout"), Status::Terminal, ReasonCode::PluginTimeout),
        (|_| plugin("checkpoint-refused"), Status::Terminal, ReasonCode::CheckpointRefused),
        (|_| fault(StepFault::Nondeterministic("other".to_owned())), Status::Terminal, ReasonCode::PluginNondeterministic),
        (|_| fault(StepFault::Component("gone".to_owned())), Status::Terminal, ReasonCode::ComponentUnavailable),
        (|_| fault(StepFault::Unavailable("busy".to_owned())), Status::Running, ReasonCode::RetryBackOff),
        (|_| ends(StepEnd::Planned(vec![])), Status::Terminal, ReasonCode::PluginFault),
    ];
    for (script, status, code) in cases {
        let (_, stands, why) = stands(script, json!({})).await;
        assert_eq!((stands, why), (status, Code::Known(code)));
    }
}

#[tokio::test]
async fn what_a_stage_waits_for_is_said() {
    let signal = |name: &str| SignalSpec { name: name.to_owned(), prompt: String::new(), form: None, allowed: vec![] };
    for (spec, until_ms, code) in [
        (signal("go"), None, ReasonCode::AwaitingSignal),
        (signal("go"), Some(1_800_000_000_000), ReasonCode::AwaitingTime),
        (signal("judgment"), Some(1_800_000_000_000), ReasonCode::AwaitingJudgment),
    ] {
        let world = world(move |_| ends(StepEnd::Suspended { any_of: vec![spec.clone()], until_ms }));
        let id = world.prepare(judged()).await.unwrap().execution;
        world.advance(&id).await;
        let stage = world.detail(&id).await.stages[0].clone();
        assert_eq!((stage.status, stage.reason.unwrap().code), (Status::Suspended, Code::Known(code)));
    }
}

#[tokio::test]
async fn a_stage_that_waits_for_its_parts_names_them() {
    let world = world(|call| match &call.export {
        Export::Plan(_) => ends(StepEnd::Planned(vec![json!({"refId": "a", "type": "wait"}).as_object().unwrap().clone()])),
        _ => ends(judgment(&[])),
    });
    let id = world.prepare(json!([{"refId": "1", "type": "plan"}])).await.unwrap().execution;
    world.settle().await;
    let reason = world.detail(&id).await.stages[0].reason.clone().unwrap();
    assert!(reason.is(ReasonCode::AwaitingSyntheticStages));
    assert_eq!(reason.data["refIds"], json!(["1<a"]));
}

// Rule 2.5: The four failure choices, with the status of the stage and of the execution
#[tokio::test]
async fn a_failure_does_to_the_rest_what_the_pipeline_says() {
    for (flags, stage, code, whole, why) in [
        (json!({}), Status::Terminal, None, Status::Terminal, Some(ReasonCode::ExecutionFailed)),
        (
            json!({"failPipeline": false, "completeOtherBranchesThenFail": true}),
            Status::Stopped,
            Some(ReasonCode::BranchStopped),
            Status::Terminal,
            Some(ReasonCode::ExecutionFailed),
        ),
        (
            json!({"failPipeline": false}),
            Status::Stopped,
            Some(ReasonCode::BranchStopped),
            Status::Succeeded,
            Some(ReasonCode::BranchStopped),
        ),
        (json!({"continuePipeline": true}), Status::FailedContinue, Some(ReasonCode::FailureIgnored), Status::Succeeded, None),
    ] {
        let (world, stands, said) = stands(|_| fails(), flags).await;
        assert_eq!((stands, said), (stage, code.map_or(Code::Stage("broken".to_owned()), Code::Known)));
        let (row, _) = crate::record::page::<crate::execution::stored::Summary>(
            world.ports.table.as_ref(),
            &Query::prefix("APPEXEC#flaskapp", "EXEC#", 1),
        )
        .await
        .unwrap();
        assert_eq!((row[0].status, row[0].reason.clone().map(|reason| reason.code)), (whole, why.map(Code::Known)));
    }
}

// Rule 2.3: A failure that may pass is repeated with growing pauses, so many times
#[tokio::test]
async fn a_failure_that_may_pass_is_repeated_until_it_is_enough() {
    let world = world(|_| {
        let failure = StepFailure {
            code: "throttled".to_owned(),
            message: "later".to_owned(),
            retryable: true,
            retry_after_ms: Some(2_000),
            blame: Blame::Target,
            results: None,
            details: None,
        };
        ends(StepEnd::Failed(failure))
    });
    let id = world.prepare(judged()).await.unwrap().execution;
    for _ in 0..10 {
        world.settle().await;
        world.clock.0.advance(120_000);
    }
    let reason = world.detail(&id).await.stages[0].reason.clone().unwrap();
    assert!(reason.is(ReasonCode::RetriesExhausted));
    assert_eq!((&reason.data["cause"]["code"], world.calls().len()), (&json!("throttled"), 6));
}

#[tokio::test]
async fn artifacts_that_a_trigger_cannot_bind_are_a_visible_failure() {
    let world = world(|_| succeeds());
    let expected = json!([{"id": "img", "displayName": "web", "matchArtifact": {"type": "docker/image", "name": "r.io/web"}}]);
    let pipeline = world.install(json!({"stages": judged(), "expectedArtifacts": expected})).await.unwrap();
    let origin = Origin::Trigger { trigger_type: "docker".to_owned(), trigger: "t".to_owned() };
    let request = Request { origin, constrained_to: Some(vec!["img".to_owned()]), ..world.request(&pipeline) };
    let id = start::start(world.start_ports(), &request).await.unwrap().execution;
    let detail = world.detail(&id).await;
    let reason = detail.reason.unwrap();
    assert!(detail.status == Status::Terminal && reason.is(ReasonCode::ArtifactsUnresolved));
    assert_eq!(reason.data["artifacts"][0]["code"], json!("artifact-unmatched"));
    assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::ExecutionEnded));
    let by_hand = start::start(world.start_ports(), &world.request(&pipeline)).await.unwrap_err();
    assert!(matches!(by_hand, AppError::Invalid(_)), "a person is told at once");
}

// Rule 2.2: Every status but RUNNING and SUCCEEDED says why
#[tokio::test]
async fn what_has_not_started_says_what_it_waits_for_or_why_it_never_will() {
    let world = world(|call| if call.info.stage_id == "1" { judging(call).then(|_| fails()).boxed() } else { judging(call) });
    let stages = json!([
        {"refId": "1", "type": "wait", "failPipeline": false},
        {"refId": "2", "type": "wait", "requisiteStageRefIds": ["1"]},
        {"refId": "3", "type": "wait"},
        {"refId": "4", "type": "wait", "requisiteStageRefIds": ["3"]},
    ]);
    let id = world.prepare(stages).await.unwrap().execution;
    world.settle().await;
    let detail = world.detail(&id).await;
    let why = |stage: usize| detail.stages[stage].reason.clone().unwrap();
    assert!(why(1).is(ReasonCode::UpstreamHalted));
    assert!(why(3).is(ReasonCode::WaitingForUpstream));
    assert_eq!(why(3).data["refIds"], json!(["3"]));
}

/// A pipeline whose only trigger says this besides.
async fn hooked(world: &World, trigger: Value) -> (PipelineId, TriggerId) {
    let mut docker = json!({"type": "docker", "enabled": true, "account": "r", "repository": "web"});
    docker.as_object_mut().unwrap().extend(trigger.as_object().unwrap().clone());
    let pipeline = world.install(json!({"stages": judged(), "triggers": [docker]})).await.unwrap();
    let application = AppName::parse("flaskapp").unwrap();
    let (_, revision) = pipelines::of(world.ports.table.as_ref(), &application, &pipeline).await.unwrap();
    (pipeline, TriggerId::parse(revision.document["triggers"][0]["id"].as_str().unwrap()).unwrap())
}

async fn push(world: &World, (pipeline, trigger): (PipelineId, TriggerId)) -> Result<ExecutionId, AppError> {
    let delivery: Delivery = serde_json::from_value(json!({"id": "d", "trigger": trigger, "pipeline": pipeline, "application": "flaskapp",
        "pushed": {"source": "harbor", "repository": "web", "tag": "1"}, "receivedMs": 1, "state": {"state": "received"}}))
    .unwrap();
    let artifact = Artifact::image("r.io/web", "1", None);
    let started = PushStarter { ports: world.start_ports() }.start(&pipeline, &trigger, artifact, &delivery).await;
    started.map(|mut list| list.remove(0))
}

#[tokio::test]
async fn a_trigger_runs_as_whom_it_names() {
    let world = world(|_| succeeds());
    let p = &world.ports;
    let new = NewToken { name: "robot".to_owned(), role: Role::Administrator, groups: ["ops".to_owned()].into(), expires_ms: None };
    identity::create(p.table.as_ref(), p.entropy.as_ref(), p.clock.as_ref(), &root(), None, new).await.unwrap();
    let id = push(&world, hooked(&world, json!({"runAsUser": "robot"})).await).await;
    let plan = load::<Plan>(p.table.as_ref(), &keys::plan(&id.unwrap())).await.unwrap().unwrap().0;
    assert_eq!((plan.principal.name.as_str(), plan.principal.role), ("robot", Some(Role::Developer)), "no more than a start needs");
    assert!(plan.principal.groups.contains("ops"));
}

#[tokio::test]
async fn a_trigger_that_names_nobody_is_a_visible_failure() {
    let world = world(|_| succeeds());
    let id = push(&world, hooked(&world, json!({"runAsUser": "nobody"})).await).await;
    let detail = world.detail(&id.unwrap()).await;
    let reason = detail.reason.unwrap();
    assert!(detail.status == Status::Terminal && reason.is(ReasonCode::RunAsUnknown), "{reason:?}");
    assert_eq!(reason.data["user"], "nobody");
}

#[tokio::test]
async fn a_user_whom_a_trigger_names_needs_the_right_to_start() {
    let world = world(|_| succeeds());
    let p = &world.ports;
    let new = NewToken { name: "guest".to_owned(), role: Role::Developer, groups: BTreeSet::new(), expires_ms: None };
    identity::create(p.table.as_ref(), p.entropy.as_ref(), p.clock.as_ref(), &root(), None, new).await.unwrap();
    let hooked = hooked(&world, json!({"runAsUser": "guest"})).await;
    world.allow(json!({"permissions": {"READ": ["ops"], "WRITE": ["ops"], "EXECUTE": ["ops"]}})).await;
    let id = push(&world, hooked).await;
    assert!(matches!(id, Err(AppError::Denied { .. })), "{id:?}");
}

#[tokio::test]
async fn a_reference_that_nobody_would_replace_refuses_the_start() {
    let world = world(|_| succeeds());
    let stage = json!({"refId": "1", "type": "wait", "header": "secret://token", "comment": "see secret://token"});
    let pipeline = world.install(json!({"stages": [stage]})).await.unwrap();
    let refused = start::start(world.start_ports(), &world.request(&pipeline)).await.unwrap_err();
    let AppError::Invalid(problems) = refused else { panic!("{refused:?}") };
    let told: Vec<(&str, &str)> = problems.iter().map(|p| (p.pointer.as_str(), p.code.as_str())).collect();
    assert_eq!(told, [("/stages/0/header", "secret-reference-unserved")]);
}

#[tokio::test]
async fn the_prior_artifact_is_that_of_the_newest_that_has_ended() {
    let world = world(|_| succeeds());
    let expected = json!([{"id": "img", "displayName": "web", "usePriorArtifact": true,
        "matchArtifact": {"type": "docker/image", "name": "r.io/web"}}]);
    let pipeline = world.install(json!({"stages": judged(), "expectedArtifacts": expected})).await.unwrap();
    let with = |version: &str| Request { artifacts: vec![Artifact::image("r.io/web", version, None)], ..world.request(&pipeline) };
    let first = start::start(world.start_ports(), &with("1")).await.unwrap().execution;
    assert_eq!(world.advance(&first).await, Rest::Ended);
    world.clock.0.advance(1_000);
    start::start(world.start_ports(), &with("2")).await.unwrap();
    world.clock.0.advance(1_000);
    let third = world.start(&pipeline).await;
    let plan = load::<Plan>(world.ports.table.as_ref(), &keys::plan(&third)).await.unwrap().unwrap().0;
    let versions: Vec<&str> = plan.artifacts.iter().map(|artifact| artifact.version.as_str()).collect();
    assert_eq!(versions, ["1"], "one that only waits does not hide it");
}
