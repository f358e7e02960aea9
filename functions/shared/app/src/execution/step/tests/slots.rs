//! Slots of a pipeline: how many of its executions run at once, who waits, and that a slot is given back exactly once.

use super::*;
use crate::execution::slots::Slots;
use model::id::PipelineId;
use model::reason::Code;

fn limited(keep: bool) -> Value {
    json!({"stages": judged(), "limitConcurrent": true, "keepWaitingPipelines": keep})
}

/// Executions of a pipeline, the first of which runs; the others wait in order.
async fn queue(world: &World, keep: bool, count: usize) -> (PipelineId, Vec<ExecutionId>) {
    let pipeline = world.install(limited(keep)).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(world.start(&pipeline).await);
        world.clock.0.advance(1);
    }
    world.settle().await;
    (pipeline, ids)
}

async fn statuses(world: &World, ids: &[ExecutionId]) -> Vec<Status> {
    let mut list = Vec::new();
    for id in ids {
        list.push(world.status(id).await);
    }
    list
}

/// Who runs, who waits, by their places in the list.
async fn places(world: &World, pipeline: &PipelineId, ids: &[ExecutionId]) -> (Vec<usize>, Vec<usize>) {
    let Slots { running, waiting, .. } = world.slots(pipeline).await;
    let place = |id: &ExecutionId| ids.iter().position(|known| known == id).unwrap();
    (running.iter().map(place).collect(), waiting.iter().map(|waiting| place(&waiting.execution)).collect())
}

// Rule 2.3: `limitConcurrent`: one execution of the pipeline at a time; of two starts in the same instant one waits
#[tokio::test]
async fn of_two_starts_in_the_same_instant_one_passes() {
    for first_ever in [true, false] {
        let world = world(judging);
        let pipeline = world.install(limited(true)).await.unwrap();
        if !first_ever {
            let before = world.start(&pipeline).await;
            world.settle().await;
            world.judge(&before).await;
            world.settle().await;
        }
        let other = Arc::new(Mutex::new(None));
        let (ports, request, into) = (world.ports.clone(), world.request(&pipeline), other.clone());
        world.table.meanwhile(0, async move {
            // Both have read that there is a free slot.
            let started = start::start(ports.start(), &request).await.unwrap();
            *into.lock().unwrap() = Some(started.execution);
        });
        let late = world.start(&pipeline).await;
        let early = other.lock().unwrap().clone().unwrap();
        world.settle().await;
        assert_eq!(statuses(&world, &[early.clone(), late.clone()]).await, [Status::Running, Status::NotStarted]);
        let reason = world.meta(&late).await.execution.reason.unwrap();
        assert!(reason.is(ReasonCode::WaitingForSlot));
        assert_eq!((&reason.data["position"], &reason.data["limit"], &reason.data["running"][0]), (&json!(1), &json!(1), &json!(early)));
    }
}

// Rule 2.3: `maxConcurrentExecutions`: so many at a time, where `limitConcurrent` is off
#[tokio::test]
async fn as_many_run_as_the_pipeline_says() {
    let world = world(judging);
    let pipeline = world.install(json!({"stages": judged(), "maxConcurrentExecutions": 2, "keepWaitingPipelines": true})).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(world.start(&pipeline).await);
    }
    world.settle().await;
    assert_eq!(places(&world, &pipeline, &ids).await, (vec![0, 1], vec![2, 3]));
    assert_eq!(statuses(&world, &ids[..3]).await, [Status::Running, Status::Running, Status::NotStarted]);
}

// Rule 2.3: `keepWaitingPipelines`: the oldest runs next, none is dropped
#[tokio::test]
async fn the_oldest_runs_next_and_none_is_dropped() {
    let world = world(judging);
    let (pipeline, ids) = queue(&world, true, 4).await;
    for turn in 0..4 {
        assert_eq!(places(&world, &pipeline, &ids).await, (vec![turn], (turn + 1..4).collect()));
        world.judge(&ids[turn]).await;
        world.settle().await;
        assert_eq!(world.status(&ids[turn]).await, Status::Succeeded);
    }
    assert_eq!(places(&world, &pipeline, &ids).await, (vec![], vec![]));
}

// Rule 2.3: Otherwise the newest runs next; the others are cancelled and name it
#[tokio::test]
async fn the_newest_runs_next_and_every_other_is_told_why_not() {
    let world = world(judging);
    let (pipeline, ids) = queue(&world, false, 48).await;
    world.judge(&ids[0]).await;
    world.settle().await;
    assert_eq!(places(&world, &pipeline, &ids).await, (vec![47], vec![]));
    for id in &ids[1..47] {
        let reason = world.meta(id).await.execution.reason.unwrap();
        assert!(reason.is(ReasonCode::Superseded));
        assert_eq!(reason.data["by"], json!(ids[47]));
        assert_eq!(world.status(id).await, Status::Canceled);
    }
    assert_eq!(world.status(&ids[47]).await, Status::Running);
    assert!(world.meta(&ids[47]).await.supersedes.is_empty());
}

#[tokio::test]
async fn the_superseded_are_told_although_who_took_their_place_is_cancelled_at_once() {
    // Before the slot's news is taken, with it, and after the end that met it.
    for cancelled in ["before", "beside"] {
        let world = world(judging);
        let (pipeline, ids) = queue(&world, false, 60).await;
        let newest = ids[59].clone();
        world.judge(&ids[0]).await;
        if cancelled == "before" {
            world.advance(&ids[0]).await;
            world.cancel(&newest).await;
        } else {
            world.cancel(&newest).await;
            // The slot is given while the worker of the newest writes its cancel.
            let (ports, first) = (world.ports.clone(), ids[0].clone());
            world.table.meanwhile(0, async move {
                advance(&ports, &first, &NeverWoken, BUDGET).await.unwrap();
            });
            world.advance(&newest).await;
        }
        world.settle().await;
        assert_eq!(statuses(&world, &ids[1..]).await, vec![Status::Canceled; 59], "cancelled {cancelled} the grant");
        assert_eq!(world.code(&ids[30]).await, Some(Code::Known(ReasonCode::Superseded)));
        assert_eq!(places(&world, &pipeline, &ids).await, (vec![], vec![]));
    }
}

#[tokio::test]
async fn the_superseded_are_told_whenever_workers_die() {
    for lie in [Lie::Hang, Lie::WrittenHang] {
        for write in 0..8 {
            let world = world(judging);
            let (pipeline, ids) = queue(&world, false, 15).await;
            world.judge(&ids[0]).await;
            world.advance(&ids[0]).await;
            world.hints.take();
            world.killed(&ids[14], write, lie);
            world.settle().await;
            assert_eq!(statuses(&world, &ids[1..14]).await, vec![Status::Canceled; 13], "killed at {write}");
            assert_eq!((places(&world, &pipeline, &ids).await.0, world.status(&ids[14]).await), (vec![14], Status::Running));
        }
    }
}

// Rule 2.3: A paused execution keeps its slot
#[tokio::test]
async fn a_paused_execution_keeps_its_slot() {
    let world = world(judging);
    let (pipeline, ids) = queue(&world, true, 2).await;
    crate::execution::control::pause(world.inbox_ports(), &root(), &ids[0], "", None).await.unwrap();
    world.settle().await;
    assert_eq!(statuses(&world, &ids).await, [Status::Paused, Status::NotStarted]);
    assert_eq!(places(&world, &pipeline, &ids).await, (vec![0], vec![1]));
}

#[tokio::test]
async fn one_that_is_cancelled_while_it_waits_leaves_the_queue() {
    let world = world(judging);
    let (pipeline, ids) = queue(&world, true, 4).await;
    world.cancel(&ids[1]).await;
    world.settle().await;
    assert_eq!(statuses(&world, &ids).await[..2], [Status::Running, Status::Canceled]);
    assert_eq!(places(&world, &pipeline, &ids).await, (vec![0], vec![2, 3]));
}

// Rule 2.3: Past `startTimeExpiry` it is cancelled instead of begun
#[tokio::test]
async fn one_that_waits_past_its_start_time_is_cancelled() {
    let world = world(judging);
    let (pipeline, mut ids) = queue(&world, true, 1).await;
    let start_by_ms = Some(world.clock.now_ms() + 5_000);
    let request = Request { start_by_ms, ..world.request(&pipeline) };
    ids.push(start::start(world.start_ports(), &request).await.unwrap().execution);
    world.settle().await;
    world.clock.0.advance(5_000);
    world.settle().await;
    assert_eq!(world.status(&ids[1]).await, Status::NotStarted, "the instant itself is in time");
    world.clock.0.advance(1);
    world.settle().await;
    assert_eq!(world.code(&ids[1]).await, Some(Code::Known(ReasonCode::StartTimeExpired)));
    assert_eq!(places(&world, &pipeline, &ids).await, (vec![0], vec![]));
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let mut world = world(judging);
    world.ports.limits = Arc::new(Limits { waiting_max: 2, ..Default::default() });
    let (pipeline, ids) = queue(&world, true, 3).await;
    let refused = start::start(world.start_ports(), &world.request(&pipeline)).await.unwrap_err();
    assert!(matches!(refused, AppError::Refused { code, .. } if code == "queue-full"));
    world.cancel(&ids[1]).await;
    world.settle().await;
    world.start(&pipeline).await;
}
