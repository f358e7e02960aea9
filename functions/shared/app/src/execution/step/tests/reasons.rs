//! Reasons that no other test of the driver meets: how each comes about, and what a failure does to the rest.

use super::*;
use crate::ports::{Blame, StepFailure};
use model::reason::Code;

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
