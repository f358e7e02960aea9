//! What a component answers, clamped or refused.

use crate::bindings::waybill::stage::kubernetes::Host;
use crate::bindings::waybill::stage::types::{
    AwaitSignal, Blame, Checkpoint, Failure, Outcome, Progress, Results, Running, Selector, Suspended, Watched, Yielded,
};
use crate::outcome::{Broken, Ending, ending};
use crate::state::StepState;
use crate::testing::{Setup, at, object};
use app::ports::{LogLevel, StepEnd};
use serde_json::json;

async fn end(state: &mut StepState, answer: Result<Outcome, Failure>) -> Result<Ending, Broken> {
    let session = state.session.take().unwrap();
    let ended = ending(answer, &session, &mut state.log).await;
    state.session = Some(session);
    ended
}

async fn check(answer: Outcome) -> Result<Ending, Broken> {
    end(&mut Setup::default().state(), Ok(answer)).await
}

fn state(schema: u32, data: &str) -> Checkpoint {
    Checkpoint { schema, data: data.into() }
}

fn shown(percent: Option<u8>) -> Progress {
    Progress { message: "2 of 3\x1b[2J".into(), percent, details: None }
}

fn left(outputs: &str) -> Results {
    Results { outputs: outputs.into(), context: String::new(), artifacts: Vec::new(), message: "ok".into(), adopt_sender: false }
}

#[tokio::test]
async fn polls_and_percentages_are_clamped() {
    for (asked, got) in [(0, 1_000), (u32::MAX, 900_000), (5_000, 5_000)] {
        let running = Running { poll_after_ms: asked, watch: Vec::new(), checkpoint: state(1, "{}"), progress: shown(Some(255)) };
        let ending = check(Outcome::Running(running)).await.unwrap();
        assert_eq!(ending.end, StepEnd::Running { poll_after_ms: got, watch: Vec::new() });
        assert_eq!(ending.progress, Some(("2 of 3[2J".into(), Some(100), None)));
        assert_eq!(ending.checkpoint, Some((1, "{}".into())));
    }
}

#[tokio::test]
async fn checkpoints_are_small_known_and_json() {
    let large = format!("\"{}\"", "x".repeat(64 << 10));
    for bad in [state(1, &large), state(2, "{}"), state(1, "{")] {
        let ended = check(Outcome::Yielded(Yielded { checkpoint: bad, progress: shown(None) })).await;
        assert_eq!(ended.unwrap_err().0, "checkpoint-refused");
    }
}

#[tokio::test]
async fn outputs_are_objects_of_bounded_size() {
    let ending = check(Outcome::Succeeded(left(""))).await.unwrap();
    let StepEnd::Succeeded(results) = ending.end else { panic!() };
    assert_eq!((results.outputs, results.context), (json!({}), json!({})));
    assert_eq!(check(Outcome::Succeeded(left("[]"))).await.unwrap_err().0, "plugin-abi-violation");
    assert_eq!(check(Outcome::Succeeded(left(r#"{"a":1,"a":2}"#))).await.unwrap_err().0, "plugin-abi-violation");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20));
    assert_eq!(check(Outcome::Succeeded(left(&large))).await.unwrap_err().0, "plugin-output-too-large");
}

#[tokio::test]
async fn a_suspension_waits_for_something() {
    let waits = |any_of, until_ms| Outcome::Suspended(Suspended { any_of, until_ms, checkpoint: state(1, "1"), progress: shown(None) });
    assert_eq!(check(waits(Vec::new(), None)).await.unwrap_err().0, "plugin-abi-violation");
    check(waits(Vec::new(), Some(5))).await.unwrap();
    let signal = |name: &str, form: Option<&str>| AwaitSignal {
        name: name.into(),
        prompt: "go?".into(),
        form: form.map(str::to_owned),
        allowed: vec!["ops".into()],
    };
    check(waits(vec![signal("judge", Some("{}"))], None)).await.unwrap();
    for bad in [signal("", None), signal("a\nb", None), signal("judge", Some("{"))] {
        assert_eq!(check(waits(vec![bad], None)).await.unwrap_err().0, "plugin-abi-violation");
    }
}

#[tokio::test]
async fn the_end_of_an_execution_is_waited_for_by_those_who_deal_with_executions() {
    let waits = |name: &str| {
        let signal = AwaitSignal { name: name.into(), prompt: String::new(), form: None, allowed: Vec::new() };
        Outcome::Suspended(Suspended { any_of: vec![signal], until_ms: None, checkpoint: state(1, "1"), progress: shown(None) })
    };
    let granted = || Setup { runs: vec!["get"], ..Setup::default() }.state();
    let ended = end(&mut granted(), Ok(waits("execution:01CHILD"))).await.unwrap();
    let StepEnd::Suspended { any_of, until_ms: None } = ended.end else { panic!() };
    assert_eq!(any_of[0].name, "execution:01CHILD");
    let (code, message) = check(waits("execution:01CHILD")).await.unwrap_err();
    assert!(code == "plugin-abi-violation" && message.contains("its grant has nothing"), "{message}");
    for bad in ["execution:", "execution:a/b", "execution: 01CHILD", &format!("execution:{}", "x".repeat(64))] {
        let (code, message) = end(&mut granted(), Ok(waits(bad))).await.unwrap_err();
        assert!(code == "plugin-abi-violation" && message.contains("execution id"), "{bad}: {message}");
    }
    // Any other name is the stage's own.
    check(waits("executions")).await.unwrap();
}

#[tokio::test]
async fn failures_have_codes() {
    let failure = |code: &str| Failure {
        code: code.into(),
        message: "m".into(),
        retryable: true,
        retry_after_ms: Some(u32::MAX),
        blame: Blame::Target,
        results: Some(left("{}")),
        details: Some("{\"pods\": 1}".into()),
    };
    let ended = end(&mut Setup::default().state(), Err(failure("rollout-failed"))).await.unwrap();
    let StepEnd::Failed(failed) = ended.end else { panic!() };
    assert_eq!((failed.retry_after_ms, failed.details), (Some(900_000), Some(json!({"pods": 1}))));
    for bad in ["", "Rollout Failed", "a--b", "-a"] {
        let ended = end(&mut Setup::default().state(), Err(failure(bad))).await;
        assert_eq!(ended.unwrap_err().0, "plugin-abi-violation");
    }
}

#[tokio::test]
async fn the_sender_is_adopted_only_when_granted() {
    let mut state = Setup::default().state();
    let results = Results { adopt_sender: true, ..left("{}") };
    let ended = end(&mut state, Ok(Outcome::Succeeded(results))).await.unwrap();
    assert!(matches!(ended.end, StepEnd::Succeeded(r) if !r.adopt_sender));
    assert_eq!(state.drain_log()[0].level, LogLevel::Warn);
}

#[tokio::test]
async fn watches_begin_where_the_step_has_read_and_stay_within_the_grant() {
    let setup = Setup::default();
    let mut state = setup.state();
    state.rollout_status(at(Some("shop")), object("apps/v1", "Deployment", "web")).await.unwrap().unwrap();
    let pods = Selector {
        api_version: "v1".into(),
        kind: "Pod".into(),
        labels: Some("pod-template-hash = x,app==web".into()),
        fields: None,
        limit: 0,
        continue_: None,
    };
    let watch = vec![
        Watched::Object((at(Some("shop")), object("apps/v1", "Deployment", "web"))),
        Watched::Selection((at(Some("shop")), pods)),
        Watched::Object((at(Some("billing")), object("apps/v1", "Deployment", "web"))),
        Watched::Object((at(None), object("rbac.authorization.k8s.io/v1", "ClusterRole", "admin"))),
    ];
    let running = Running { poll_after_ms: 5_000, watch, checkpoint: Checkpoint { schema: 1, data: "{}".into() }, progress: shown(None) };
    let ended = end(&mut state, Ok(Outcome::Running(running))).await.unwrap();
    let StepEnd::Running { watch, .. } = ended.end else { panic!() };
    let versions: Vec<_> = watch.iter().map(|(account, spec)| (account.as_str(), spec.resource_version.as_deref())).collect();
    assert_eq!(versions, [("prod", Some("41")), ("prod", Some("42"))]);
    let log = state.drain_log();
    assert_eq!(log.len(), 2);
    assert!(log.iter().all(|l| l.message.starts_with("not watched: ")));
}
