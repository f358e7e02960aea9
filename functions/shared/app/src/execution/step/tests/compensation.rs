//! Stages whose components can stop what they began: they get the reason and their last checkpoint, time for it, and an end.

use super::*;
use crate::execution::control;

const STOP_MS_MAX: Millis = 120_000;

fn undoable() -> Value {
    json!([{"refId": "1", "type": "undo"}, {"refId": "2", "type": "wait"}, {"refId": "3", "type": "wait", "requisiteStageRefIds": ["1"]}])
}

/// The first stage waits; what it does when it is stopped is given.
fn undoing(undo: impl Fn(&StepCall) -> Answer + Send + Sync + 'static) -> World {
    world(move |call| match &call.export {
        Export::Cancel(_) => undo(call),
        _ => {
            let mut waits = report(judgment(&[]));
            waits.checkpoint = Some((1, "{\"began\":true}".to_owned()));
            future::ready(Ok(waits)).boxed()
        }
    })
}

async fn cancelled(world: &World) -> ExecutionId {
    let id = world.prepare(undoable()).await.unwrap().execution;
    world.settle().await;
    inbox::cancel(world.inbox_ports(), &root(), &id, "wrong version", None).await.unwrap();
    world.settle().await;
    id
}

// Rule 2.10: Cancel: running stages are told once and end CANCELED, others stay NOT_STARTED
#[tokio::test]
async fn it_is_told_why_with_its_last_checkpoint_and_polls_until_it_is_done() {
    let world = undoing(|call| {
        assert_eq!(call.checkpoint, Some((1, "{\"began\":true}".to_owned())));
        if call.seq < 3 { ends(StepEnd::Running { poll_after_ms: 5_000, watch: vec![] }) } else { succeeds() }
    });
    // What is kept when a step says nothing new is what was said before.
    let id = world.prepare(undoable()).await.unwrap().execution;
    world.settle().await;
    inbox::cancel(world.inbox_ports(), &root(), &id, "wrong version", None).await.unwrap();
    world.table.meanwhile(1, async {});
    let first = world.advance(&id).await;
    assert!(matches!(first, Rest::Until(Some(_))));
    let detail = world.detail(&id).await;
    assert_eq!((detail.status, detail.stages[1].status, detail.stages[2].status), (Status::Running, Status::Canceled, Status::NotStarted));
    assert!(detail.reason.unwrap().is(ReasonCode::WindingDown));
    assert_eq!(detail.ending.unwrap().status, Status::Canceled);
    assert!(matches!(world.exports().last(), Some((stage, Export::Cancel(why))) if stage == "1" && why.contains("wrong version")));
}

#[tokio::test]
async fn the_end_waits_for_it() {
    let world = undoing(|call| match call.seq {
        1 => future::ready(Ok(StepReport { checkpoint: None, ..report(StepEnd::Running { poll_after_ms: 5_000, watch: vec![] }) })).boxed(),
        _ => {
            assert!(call.checkpoint.as_ref().is_some_and(|(_, text)| text.contains("began")), "kept from before");
            succeeds()
        }
    });
    let id = cancelled(&world).await;
    assert_eq!(world.status(&id).await, Status::Running);
    world.clock.0.advance(5_000);
    world.settle().await;
    let detail = world.detail(&id).await;
    assert_eq!((detail.status, detail.stages[0].status), (Status::Canceled, Status::Canceled));
    assert!(detail.reason.unwrap().is(ReasonCode::CanceledByUser));
    assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::CanceledByUser));
}

// Rule 2.10: Cancel: a stage that does not stop in two minutes ends CANCELED all the same
#[tokio::test]
async fn it_has_two_minutes() {
    let never: [fn() -> Answer; 3] = [
        || ends(StepEnd::Running { poll_after_ms: 60_000, watch: vec![] }),
        || ends(StepEnd::Suspended { any_of: vec![], until_ms: None }),
        || future::pending().boxed(),
    ];
    for undo in never {
        let world = undoing(move |_| undo());
        let id = world.prepare(undoable()).await.unwrap().execution;
        world.settle().await;
        world.cancel(&id).await;
        let _hangs = advance(&world.ports, &id, &NeverWoken, BUDGET).now_or_never();
        world.clock.0.advance(STOP_MS_MAX - 1);
        let _hangs = advance(&world.ports, &id, &NeverWoken, BUDGET).now_or_never();
        assert_eq!(world.status(&id).await, Status::Running);
        world.clock.0.advance(LEASE_MS + 1);
        world.settle().await;
        let detail = world.detail(&id).await;
        assert_eq!((detail.status, detail.stages[0].status), (Status::Canceled, Status::Canceled));
        assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::CancelTimeout));
        assert!(detail.reason.unwrap().is(ReasonCode::CanceledByUser));
    }
}

#[tokio::test]
async fn what_it_cannot_undo_is_said() {
    let world = undoing(|_| fails());
    let id = cancelled(&world).await;
    let detail = world.detail(&id).await;
    assert_eq!(detail.status, Status::Canceled);
    assert!(detail.stages[0].reason.as_ref().unwrap().message.contains("it broke"));
}

#[tokio::test]
async fn a_worker_killed_at_any_write_ends_it_all_the_same() {
    for lie in [Lie::Hang, Lie::WrittenHang] {
        for write in 0..4 {
            let world = undoing(|_| succeeds());
            let id = world.prepare(undoable()).await.unwrap().execution;
            world.settle().await;
            world.cancel(&id).await;
            world.killed(&id, write, lie);
            world.settle().await;
            let cancels: Vec<_> = world.exports().into_iter().filter(|(_, export)| matches!(export, Export::Cancel(_))).collect();
            assert_eq!(world.status(&id).await, Status::Canceled, "killed at {write}");
            assert!(!cancels.is_empty() && cancels.iter().all(|(stage, _)| stage == "1"));
        }
    }
}

// Rule 2.3: A TERMINAL stage ends the execution at once and cancels what runs
#[tokio::test]
async fn a_failure_beside_it_stops_it_too() {
    let world = world(|call| match &call.export {
        Export::Cancel(_) => succeeds(),
        _ if call.info.stage_id == "2" => judging(call).then(|_| fails()).boxed(),
        _ => ends(judgment(&[])),
    });
    let id = world.prepare(undoable()).await.unwrap().execution;
    world.settle().await;
    let detail = world.detail(&id).await;
    assert_eq!((detail.status, detail.stages[0].status), (Status::Terminal, Status::Canceled));
    assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::CanceledByFailure));
    assert!(detail.reason.unwrap().is(ReasonCode::ExecutionFailed));
    assert!(world.exports().iter().any(|(_, export)| matches!(export, Export::Cancel(_))));
}

#[tokio::test]
async fn one_that_is_skipped_undoes_what_it_began_and_the_rest_goes_on() {
    let world = undoing(|_| succeeds());
    let id = world.prepare(undoable()).await.unwrap().execution;
    world.settle().await;
    control::skip(world.inbox_ports(), &root(), &id, "1", "", None).await.unwrap();
    world.settle().await;
    let detail = world.detail(&id).await;
    assert_eq!((detail.status, detail.stages[0].status, detail.stages[2].status), (Status::Running, Status::Skipped, Status::Suspended));
}
