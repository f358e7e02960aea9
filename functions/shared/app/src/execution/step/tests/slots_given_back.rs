//! A slot is given back exactly once, whatever the end, whatever happens beside it, whoever dies; and what ran before the first limit
//! counts.

use super::*;
use crate::execution::control;
use model::id::PipelineId;

/// One that runs and is about to end, one that waits.
async fn two(world: &World) -> (PipelineId, ExecutionId, ExecutionId) {
    let document = json!({"stages": judged(), "limitConcurrent": true, "keepWaitingPipelines": true});
    let pipeline = world.install(document).await.unwrap();
    let (first, second) = (world.start(&pipeline).await, world.start(&pipeline).await);
    world.settle().await;
    (pipeline, first, second)
}

async fn passed_on(world: &World, pipeline: &PipelineId, to: &ExecutionId) {
    let slots = world.slots(pipeline).await;
    assert_eq!((slots.running, slots.waiting), (vec![to.clone()], vec![]));
    assert_eq!(world.status(to).await, Status::Running);
}

// Rule 2.3: A slot is given back exactly once, whatever the end
#[tokio::test]
async fn every_end_gives_it_back() {
    for end in ["success", "failure", "cancel"] {
        let world = world(move |call| match call.wake {
            crate::ports::Wake::Signal { .. } if end == "failure" && call.info.execution_id.ends_with('1') => fails(),
            _ => judging(call),
        });
        let (pipeline, first, second) = two(&world).await;
        if end == "cancel" {
            world.cancel(&first).await;
        } else {
            world.judge(&first).await;
        }
        world.settle().await;
        assert!(world.status(&first).await.is_complete());
        passed_on(&world, &pipeline, &second).await;
    }
}

// Rule 2.3: A slot is given back exactly once, whatever the end
#[tokio::test]
async fn a_worker_killed_at_any_write_gives_it_back_once() {
    for lie in [Lie::Hang, Lie::WrittenHang] {
        for write in 0..4 {
            let world = world(judging);
            let (pipeline, first, second) = two(&world).await;
            world.judge(&first).await;
            world.killed(&first, write, lie);
            world.settle().await;
            assert_eq!(world.status(&first).await, Status::Succeeded, "killed at {write}");
            passed_on(&world, &pipeline, &second).await;
            assert_eq!(world.verdicts(&second).await.iter().filter(|verdict| *verdict == "applied").count(), 1, "granted once");
        }
    }
}

#[tokio::test]
async fn an_unknown_answer_gives_it_back_once() {
    for lie in [Lie::WrittenUnknown, Lie::LostUnknown] {
        for write in 1..3 {
            let world = world(judging);
            let (pipeline, first, second) = two(&world).await;
            world.judge(&first).await;
            world.table.lie(write, lie);
            assert_eq!(world.advance(&first).await, Rest::Ended);
            world.settle().await;
            passed_on(&world, &pipeline, &second).await;
        }
    }
}

#[tokio::test]
async fn a_grant_is_taken_once_whoever_dies() {
    for lie in [Lie::Hang, Lie::WrittenHang, Lie::LostUnknown, Lie::WrittenUnknown] {
        for write in 0..4 {
            let world = world(judging);
            let (pipeline, first, second) = two(&world).await;
            world.judge(&first).await;
            world.advance(&first).await;
            world.killed(&second, write, lie);
            world.settle().await;
            passed_on(&world, &pipeline, &second).await;
        }
    }
}

#[tokio::test]
async fn who_begins_to_wait_while_the_last_one_ends_is_not_forgotten() {
    let world = world(judging);
    let document = json!({"stages": judged(), "limitConcurrent": true, "keepWaitingPipelines": true});
    let pipeline = world.install(document).await.unwrap();
    let first = world.start(&pipeline).await;
    world.settle().await;
    world.judge(&first).await;
    let (ports, request) = (world.ports.clone(), world.request(&pipeline));
    // Take, the answer and its step, then the end.
    world.table.meanwhile(2, async move {
        start::start(ports.start(), &request).await.unwrap();
    });
    assert_eq!(world.advance(&first).await, Rest::Ended);
    world.settle().await;
    let slots = world.slots(&pipeline).await;
    assert_eq!((slots.running.len(), slots.waiting.len()), (1, 0));
    assert_eq!(world.status(&slots.running[0]).await, Status::Running);
}

async fn limit(world: &World) -> PipelineId {
    let limited = json!({"stages": judged(), "limitConcurrent": true, "keepWaitingPipelines": true});
    world.save("flaskapp", "deployTesting", limited, &Expect::Present).await.unwrap()
}

// Rule 2.3: What ran before the first limit counts
#[tokio::test]
async fn what_ran_before_the_first_limit_counts() {
    let world = world(judging);
    let pipeline = world.install(json!({"stages": judged()})).await.unwrap();
    let mut before = Vec::new();
    for _ in 0..3 {
        before.push(world.start(&pipeline).await);
    }
    world.settle().await;
    world.judge(&before[0]).await;
    world.settle().await;
    limit(&world).await;
    let after = world.start(&pipeline).await;
    for id in &before[1..] {
        world.settle().await;
        assert_eq!(world.status(&after).await, Status::NotStarted);
        world.judge(id).await;
    }
    world.settle().await;
    passed_on(&world, &pipeline, &after).await;
}

#[tokio::test]
async fn one_that_ends_while_its_pipeline_gets_its_first_limit_holds_nobody_up() {
    for moment in ["saved before the end", "saved beside the end", "seeded beside the end"] {
        let world = world(judging);
        let pipeline = world.install(json!({"stages": judged()})).await.unwrap();
        let before = world.start(&pipeline).await;
        world.settle().await;
        world.judge(&before).await;
        let (ports, id) = (world.ports.clone(), before.clone());
        let ends = async move {
            advance(&ports, &id, &NeverWoken, BUDGET).await.unwrap();
        };
        match moment {
            "saved before the end" => {
                limit(&world).await;
                ends.await;
            }
            "saved beside the end" => {
                world.table.meanwhile(0, ends);
                limit(&world).await;
            }
            _ => {
                limit(&world).await;
                world.table.meanwhile(0, ends);
            }
        }
        let after = world.start(&pipeline).await;
        world.settle().await;
        assert_eq!(world.status(&before).await, Status::Succeeded);
        passed_on(&world, &pipeline, &after).await;
    }
}

#[tokio::test]
async fn the_first_limit_and_the_seeding_beside_an_end() {
    let world = world(judging);
    let pipeline = world.install(json!({"stages": judged()})).await.unwrap();
    let before = world.start(&pipeline).await;
    world.settle().await;
    world.judge(&before).await;
    let after = Arc::new(Mutex::new(None));
    // Take, the answer and its step, then the end: it has read that there are no slots.
    let (ports, into, save) = (world.ports.clone(), after.clone(), world.request(&pipeline));
    let limited = json!({"application": "flaskapp", "name": "deployTesting", "stages": judged(), "limitConcurrent": true});
    world.table.meanwhile(2, async move {
        let saving = pipelines::SavePorts {
            table: ports.table.as_ref(),
            clock: ports.clock.as_ref(),
            entropy: ports.entropy.as_ref(),
            sealer: ports.sealer.as_ref(),
            changes: ports.changes.as_ref(),
        };
        pipelines::save(&saving, &root(), &save.application, "deployTesting", limited, &Expect::Present).await.unwrap();
        *into.lock().unwrap() = Some(start::start(ports.start(), &save).await.unwrap().execution);
    });
    world.advance(&before).await;
    let after = after.lock().unwrap().clone().unwrap();
    assert_eq!(world.status(&before).await, Status::Succeeded);
    world.settle().await;
    passed_on(&world, &pipeline, &after).await;
}

// Rule 2.10: Restart: the execution enters its pipeline's slots again
#[tokio::test]
async fn a_restart_beside_a_start_takes_one_slot() {
    let world = world(judging);
    let (pipeline, first, second) = two(&world).await;
    for id in [&first, &second] {
        world.judge(id).await;
        world.settle().await;
    }
    let (ports, request) = (world.ports.clone(), world.request(&pipeline));
    world.table.meanwhile(0, async move {
        start::start(ports.start(), &request).await.unwrap();
    });
    control::restart(world.start_ports(), &root(), &first, "1", None).await.unwrap();
    let slots = world.slots(&pipeline).await;
    assert_eq!((slots.running.len(), slots.waiting.len()), (1, 1));
    assert_eq!(slots.waiting[0].execution, first, "the start came first");
    assert!(world.meta(&first).await.execution.queued);
}
