//! An execution that cannot be moved: it ends whole, whatever happens beside its end, and can be done again.

use super::*;
use crate::execution::control;
use crate::execution::stored::Summary;

fn alone() -> Value {
    json!({"stages": judged(), "limitConcurrent": true, "keepWaitingPipelines": true})
}

/// One that runs and is about to kill its workers, one that waits for its slot.
async fn doomed(world: &World) -> (model::id::PipelineId, ExecutionId, ExecutionId) {
    let pipeline = world.install(alone()).await.unwrap();
    let (first, second) = (world.start(&pipeline).await, world.start(&pipeline).await);
    world.settle().await;
    assert_eq!(world.status(&second).await, Status::NotStarted);
    world.judge(&first).await;
    world.hints.take();
    (pipeline, first, second)
}

async fn ended_whole(world: &World, parked: &ExecutionId, code: ReasonCode) {
    let meta = world.meta(parked).await;
    assert_eq!((meta.execution.status, meta.takes, meta.fence.as_str()), (Status::Terminal, 0, ""));
    assert!(meta.execution.reason.as_ref().unwrap().is(code));
    let stage = meta.execution.run(0).unwrap();
    assert_eq!(stage.status(), Status::Canceled, "nothing is live in an execution that has ended");
    assert!(stage.reason().unwrap().is(code));
}

// Rule 2.3: A slot is given back exactly once, whatever the end
#[tokio::test]
async fn its_slot_goes_to_who_waits_and_its_inbox_is_answered() {
    let world = world(judging);
    let (pipeline, first, second) = doomed(&world).await;
    world.kills_everybody(&first);
    assert_eq!(world.advance(&first).await, Rest::Parked);
    ended_whole(&world, &first, ReasonCode::OrchestratorCrash).await;
    assert_eq!(world.verdicts(&first).await, ["execution-ended"], "the answer that nobody lived to take");
    assert_eq!(world.hints.take(), [Hint::Execution { id: second.clone() }]);
    assert_eq!(world.slots(&pipeline).await.running, std::slice::from_ref(&second));
    assert_eq!(world.advance(&second).await, Rest::Until(Some(world.clock.now_ms() + 3_600_000)));
    assert_eq!(world.status(&second).await, Status::Running);
}

#[tokio::test]
async fn a_plan_that_cannot_be_read_ends_it_the_same_way() {
    let world = world(judging);
    let (pipeline, first, second) = doomed(&world).await;
    let plan = world.ports.table.get(&keys::plan(&first)).await.unwrap().unwrap();
    world.ports.table.transact(Transaction::of(vec![Write::Delete(keys::plan(&first), vec![])])).await.unwrap();
    assert_eq!(world.advance(&first).await, Rest::Parked);
    ended_whole(&world, &first, ReasonCode::PlanUnreadable).await;
    let meta = world.meta(&first).await;
    for row in [keys::of_pipeline(&pipeline, &first), keys::of_application("flaskapp", &first)] {
        let (row, _) = load::<Summary>(world.ports.table.as_ref(), &row).await.unwrap().unwrap();
        let (is, was) = ((row.status, row.reason, row.ended_ms), &meta.execution);
        assert_eq!(is, (Status::Terminal, was.reason.clone(), was.ended_ms), "lists show it too");
        assert!(row.started_ms.is_some() && row.started_ms == was.started_ms);
    }
    world.ports.table.transact(Transaction::of(vec![Write::Put(plan, vec![])])).await.unwrap();
    world.settle().await;
    assert_eq!((world.slots(&pipeline).await.running, world.status(&second).await), (vec![second], Status::Running));
}

#[tokio::test]
async fn whoever_waits_for_its_end_is_told() {
    let child = Arc::new(Mutex::new(None::<ExecutionId>));
    let seen = child.clone();
    let world = world(move |call| match (call.info.pipeline.as_str(), &call.wake) {
        ("parent", crate::ports::Wake::Signal { body, .. }) => {
            assert!(body.contains("TERMINAL"), "{body}");
            succeeds()
        }
        ("parent", _) => awaits(seen.lock().unwrap().as_ref().unwrap()),
        _ => judging(call),
    });
    let (_, first, _) = doomed(&world).await;
    *child.lock().unwrap() = Some(first.clone());
    let parent = world.save("flaskapp", "parent", json!({"stages": judged()}), &Expect::Absent).await.unwrap();
    let parent = world.start(&parent).await;
    world.advance(&parent).await;
    assert_eq!(world.items(&first, "SUBS").await, 1);
    world.kills_everybody(&first);
    assert_eq!(world.advance(&first).await, Rest::Parked);
    world.settle().await;
    assert_eq!((world.status(&parent).await, world.items(&first, "SUBS").await), (Status::Succeeded, 0));
}

#[tokio::test]
async fn what_happens_beside_its_end_is_seen() {
    let world = world(judging);
    let (pipeline, first, second) = doomed(&world).await;
    world.kills_everybody(&first);
    let (ports, request) = (world.ports.clone(), world.request(&pipeline));
    world.table.meanwhile(0, async move {
        start::start(ports.start(), &request).await.unwrap();
    });
    assert_eq!(world.advance(&first).await, Rest::Parked);
    let slots = world.slots(&pipeline).await;
    assert_eq!((slots.running, slots.waiting.len()), (vec![second], 1), "the one that came in between is not lost");
}

#[tokio::test]
async fn one_that_somebody_else_moves_is_not_parked() {
    let world = world(judging);
    let (_, first, _) = doomed(&world).await;
    world.kills_everybody(&first);
    let (table, key) = (world.table.clone(), keys::meta(&first));
    let mut meta = world.meta(&first).await;
    world.table.meanwhile(0, async move {
        meta.takes = 0;
        let put = Write::Put(item(key, &meta).unwrap(), vec![Condition::Exists]);
        table.transact(Transaction::of(vec![put])).await.unwrap();
    });
    assert_eq!(world.advance(&first).await, Rest::Busy);
    assert_eq!(world.status(&first).await, Status::Running);
}

#[tokio::test]
async fn a_worker_killed_while_parking_parks_it_once() {
    for lie in [Lie::Hang, Lie::WrittenHang] {
        for write in 0..3 {
            let world = world(judging);
            let (pipeline, first, second) = doomed(&world).await;
            world.kills_everybody(&first);
            world.killed(&first, write, lie);
            world.settle().await;
            ended_whole(&world, &first, ReasonCode::OrchestratorCrash).await;
            assert_eq!(world.slots(&pipeline).await.running, [second]);
            assert_eq!(world.items(&first, "EVT#").await, 0);
        }
    }
}

#[tokio::test]
async fn an_outage_however_long_parks_nothing() {
    let world = world(judging);
    let (_, first, _) = doomed(&world).await;
    for _ in 0..3 * TAKES_MAX {
        world.table.lie(1, Lie::Refused);
        let given_up = advance(&world.ports, &first, &NeverWoken, BUDGET).await;
        assert!(matches!(given_up, Err(AppError::Unavailable(_))), "{given_up:?}");
        let meta = world.meta(&first).await;
        assert_eq!((meta.takes, meta.fence.as_str()), (0, ""), "the next worker need not wait for the lease");
    }
    world.settle().await;
    assert_eq!(world.status(&first).await, Status::Succeeded);
}

// Rule 2.12: An execution that no worker can move ends visibly, whole, and can be done again
#[tokio::test]
async fn it_can_be_restarted_once_its_cause_is_gone() {
    let world = world(judging);
    let (pipeline, first, second) = doomed(&world).await;
    world.kills_everybody(&first);
    world.advance(&first).await;
    control::restart(world.start_ports(), &root(), &first, "1", None).await.unwrap();
    assert_eq!(world.slots(&pipeline).await.waiting.len(), 1, "it enters again, behind the other");
    world.settle().await;
    world.judge(&second).await;
    world.settle().await;
    world.judge(&first).await;
    world.settle().await;
    assert_eq!((world.status(&first).await, world.meta(&first).await.execution.generation), (Status::Succeeded, 2));
}
