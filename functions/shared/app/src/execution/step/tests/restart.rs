//! A stage is done again: in a new generation, with everything after it, and nothing of what it left before.

use super::*;
use crate::execution::control::restart;

fn code<T: std::fmt::Debug>(result: Result<T, AppError>) -> String {
    match result.unwrap_err() {
        AppError::Conflict { code, .. } => code.to_owned(),
        AppError::Denied { code, .. } | AppError::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

/// Two in a row, the second of which fails in its first attempt.
async fn failed(world: &World) -> ExecutionId {
    let id = world.prepare(two_in_a_row()).await.unwrap().execution;
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Terminal);
    id
}

fn heals(call: &StepCall) -> Answer {
    assert!(call.seq > 0 || call.checkpoint.is_none(), "an attempt begins with nothing of the one before");
    if call.info.stage_id == "2" && call.info.attempt == 1 { fails() } else { succeeds() }
}

// Rule 2.10: Restart: the stage and every completed one after it go back, in a new generation
// Rule 2.10: Restart: it is noted who, when, and what it had come to
#[tokio::test]
async fn a_failed_stage_is_done_again_in_a_new_generation() {
    let world = world(heals);
    let id = failed(&world).await;
    let before = world.meta(&id).await.execution;
    restart(world.start_ports(), &root(), &id, "2", None).await.unwrap();
    let detail = world.detail(&id).await;
    assert_eq!((detail.status, detail.generation, detail.ended_ms), (Status::NotStarted, 2, None));
    assert_eq!(detail.version, before.version + 1);
    let noted = &detail.restarts[0];
    assert_eq!((noted.stage.as_str(), noted.by.as_str(), noted.generation, noted.previous), ("2", "root", 2, Status::Terminal));
    assert!(noted.previous_reason.is_some());
    world.settle().await;
    let detail = world.detail(&id).await;
    assert_eq!((detail.status, detail.stages[0].attempt, detail.stages[1].attempt), (Status::Succeeded, 1, 2));
    assert_eq!(world.calls().len(), 3, "the first stage is not done again");
    assert_eq!(world.settings(2)["see"], "it", "and what it made is still there");
}

// Rule 2.10: Restart: nothing of the earlier attempt is left
#[tokio::test]
async fn what_an_earlier_attempt_left_counts_for_nothing() {
    let world = world(|call| match (call.info.stage_id.as_str(), call.info.attempt) {
        ("1", 2) => ends(judgment(&[])),
        ("1", _) => succeeds(),
        _ => fails(),
    });
    let id = failed(&world).await;
    restart(world.start_ports(), &root(), &id, "1", None).await.unwrap();
    world.settle().await;
    let p = &world.ports;
    let ports = follow::Ports { table: p.table.as_ref(), blobs: p.blobs.as_ref(), changes: p.changes.as_ref(), clock: p.clock.as_ref() };
    for stage in ["1", "2"] {
        let stage = follow::stage(ports, &root(), &id, stage).await.unwrap();
        assert_eq!((stage.outputs, stage.artifacts.len(), stage.view.message.as_str()), (Value::Null, 0, ""));
        assert_eq!(stage.view.progress, None);
    }
}

// Rule 2.10: The same request is carried out once, however often it is sent
#[tokio::test]
async fn the_same_request_restarts_once() {
    let world = world(heals);
    let id = failed(&world).await;
    let ports = world.start_ports();
    let event = restart(ports, &root(), &id, "2", Some("key")).await.unwrap();
    assert_eq!(restart(ports, &root(), &id, "2", Some("key")).await.unwrap(), event, "before it runs");
    world.settle().await;
    assert_eq!(restart(ports, &root(), &id, "2", Some("key")).await.unwrap(), event, "and after it has ended");
    assert_eq!((world.status(&id).await, world.meta(&id).await.execution.generation), (Status::Succeeded, 2));
}

#[tokio::test]
async fn of_two_restarts_at_once_one_is_done() {
    let world = world(heals);
    let id = failed(&world).await;
    let (ports, again) = (world.ports.clone(), id.clone());
    world.table.meanwhile(0, async move {
        restart(ports.start(), &root(), &again, "1", None).await.unwrap();
    });
    assert_eq!(code(restart(world.start_ports(), &root(), &id, "2", None).await), "restart-while-running");
    let meta = world.meta(&id).await;
    assert_eq!((meta.execution.generation, meta.restarts.len()), (2, 1));
}

#[tokio::test]
async fn an_unknown_answer_or_a_death_restarts_once_by_its_key() {
    for lie in [Lie::WrittenUnknown, Lie::LostUnknown] {
        let world = world(heals);
        let id = failed(&world).await;
        world.table.lie(0, lie);
        assert!(matches!(restart(world.start_ports(), &root(), &id, "2", Some("key")).await, Err(AppError::Unavailable(_))));
        restart(world.start_ports(), &root(), &id, "2", Some("key")).await.unwrap();
        world.settle().await;
        assert_eq!((world.status(&id).await, world.meta(&id).await.execution.generation), (Status::Succeeded, 2));
    }
}

#[tokio::test]
async fn a_worker_killed_at_any_write_of_the_new_generation_is_continued() {
    for lie in [Lie::Hang, Lie::WrittenHang] {
        for write in 0..4 {
            let world = world(heals);
            let id = failed(&world).await;
            restart(world.start_ports(), &root(), &id, "1", None).await.unwrap();
            world.killed(&id, write, lie);
            world.settle().await;
            assert_eq!(world.status(&id).await, Status::Succeeded, "killed at {write}");
        }
    }
}

/// Two beside each other: the first ends, the second waits for a judgment.
fn beside() -> Value {
    json!([{"refId": "1", "type": "wait"}, {"refId": "2", "type": "wait"}])
}

/// Begins with nothing of the attempt before.
fn anew(call: &StepCall) -> Answer {
    assert!(call.checkpoint.is_none(), "{:?}", call.checkpoint);
    succeeds()
}

// Rule 2.10: Restart: while RUNNING only where the application allows it
#[tokio::test]
async fn while_it_runs_the_application_must_allow_it() {
    let world = world(|call| if call.info.stage_id == "1" { judging(call) } else { anew(call) });
    let id = world.prepare(beside()).await.unwrap().execution;
    let ports = world.start_ports();
    world.settle().await;
    assert!(!world.detail(&id).await.may["restart"].allowed);
    assert_eq!(code(restart(ports, &root(), &id, "2", None).await), "restart-while-running");
    world.allow(json!({"enableRestartRunningExecutions": true})).await;
    assert!(world.detail(&id).await.may["restart"].allowed);
    assert_eq!(code(restart(ports, &root(), &id, "1", None).await), "stage-running");
    let event = restart(ports, &root(), &id, "2", Some("key")).await.unwrap();
    world.settle().await;
    let detail = world.detail(&id).await;
    assert_eq!((detail.status, detail.generation, detail.stages[1].attempt), (Status::Running, 2, 2));
    assert_eq!(detail.restarts.len(), 1);
    assert_eq!(restart(ports, &root(), &id, "2", Some("key")).await.unwrap(), event, "the same request, done already");
    world.settle().await;
    assert_eq!(world.meta(&id).await.execution.generation, 2);
    world.judge(&id).await;
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
}

#[tokio::test]
async fn what_was_meant_for_the_earlier_generation_is_too_late() {
    let world = world(|call| if call.info.stage_id == "1" { judging(call) } else { succeeds() });
    let id = world.prepare(beside()).await.unwrap().execution;
    world.settle().await;
    // Who answers has looked at the execution already when it is restarted.
    let restarted = epilogue::sent(&id, "a", "root", Outside::Restart { run: 1 }, world.clock.now_ms() - 1).unwrap();
    let table = world.ports.table.clone();
    world.table.meanwhile(0, async move { table.transact(Transaction::of(vec![Write::Put(restarted, vec![])])).await.unwrap() });
    world.judge(&id).await;
    world.settle().await;
    assert_eq!(world.verdicts(&id).await, ["applied", "superseded"]);
    assert_eq!(world.detail(&id).await.stages[0].status, Status::Suspended, "it still waits for an answer");
}

#[tokio::test]
async fn a_stage_that_is_not_there_or_never_began() {
    let world = world(heals);
    let id = world.prepare(two_in_a_row()).await.unwrap().execution;
    world.cancel(&id).await;
    world.settle().await;
    assert!(matches!(restart(world.start_ports(), &root(), &id, "9", None).await, Err(AppError::NotFound { .. })));
    assert_eq!(code(restart(world.start_ports(), &root(), &id, "1", None).await), "execution-not-started");
    let nobody = Principal { role: None, ..root() };
    assert_eq!(code(restart(world.start_ports(), &nobody, &id, "1", None).await), "role-too-low");
}
