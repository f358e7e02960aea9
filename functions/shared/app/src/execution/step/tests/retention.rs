//! Ended executions are kept for a time, the newest of a pipeline always; then nothing is left of them but blobs.

use super::*;
use crate::execution::control;
use crate::execution::retention::{self, due_hint, sweep};
use crate::execution::stored::LogEntry;
use model::id::PipelineId;

const KEPT_MS: Millis = 1_000_000;
const DAY_MS: Millis = 24 * 3_600_000;

fn ports(world: &World) -> retention::Ports<'_> {
    retention_of(&world.ports)
}

fn small(script: fn(&StepCall) -> Answer) -> World {
    let mut world = world(script);
    world.ports.limits = Arc::new(Limits { kept_ms: KEPT_MS, kept_newest: 2, ..Limits::default() });
    world
}

/// Executions of one pipeline that have ended, each an order in a project.
async fn ended(world: &World, count: usize) -> (PipelineId, Vec<ExecutionId>) {
    let pipeline = world.install(json!({"stages": judged()})).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..count {
        let request = Request { into: Into::EveryProject, ..world.request(&pipeline) };
        ids.push(start::start(world.start_ports(), &request).await.unwrap().execution);
    }
    world.settle().await;
    (pipeline, ids)
}

/// What a tick would ask for.
async fn tick(world: &World) -> usize {
    let due = world.ports.table.due(world.clock.now_ms(), 100).await.unwrap();
    for key in &due {
        if let Some(Hint::Retention { pipeline, execution }) = due_hint(key) {
            sweep(ports(world), &pipeline, &execution).await.unwrap();
        }
    }
    due.len()
}

/// Everything stored that names the execution.
fn traces(world: &World, id: &ExecutionId) -> Vec<String> {
    let dump = world.table.table.dump();
    dump.lines().filter(|line| line.contains(&format!("#{id}")) || line.contains(&format!("\"{id}\""))).map(str::to_owned).collect()
}

// Rule 2.12: Ended executions are kept for a time, the newest of a pipeline always
#[tokio::test]
async fn the_old_go_and_the_newest_stay() {
    let world = small(|_| succeeds());
    let (pipeline, ids) = ended(&world, 5).await;
    world.clock.0.advance(KEPT_MS - 1);
    assert_eq!(tick(&world).await, 0, "not before its time");
    world.clock.0.advance(1);
    assert_eq!(tick(&world).await, 5);
    for id in &ids[..3] {
        assert_eq!(traces(&world, id), [] as [String; 0], "nothing is left");
    }
    for id in &ids[3..] {
        assert_eq!(world.status(id).await, Status::Succeeded);
    }
    assert_eq!(tick(&world).await, 0, "those are looked at again a day later");
    world.clock.0.advance(DAY_MS);
    assert_eq!(tick(&world).await, 2);
    let next = world.start(&pipeline).await;
    world.clock.0.advance(DAY_MS);
    tick(&world).await;
    assert_eq!((traces(&world, &ids[3]).len(), world.status(&ids[4]).await), (0, Status::Succeeded), "a newer one pushes the oldest out");
    assert_eq!(world.status(&next).await, Status::NotStarted);
}

#[tokio::test]
async fn what_has_not_ended_or_was_restarted_stays() {
    let world = small(judging);
    let (pipeline, ids) = ended(&world, 4).await;
    world.judge(&ids[0]).await;
    world.settle().await;
    control::restart(world.start_ports(), &root(), &ids[0], "1", None).await.unwrap();
    world.clock.0.advance(KEPT_MS);
    assert!(!world.ports.table.due(world.clock.now_ms(), 100).await.unwrap().iter().any(|key| due_hint(key).is_some()));
    for id in &ids[..2] {
        assert!(!sweep(ports(&world), &pipeline, id).await.unwrap(), "whatever a hint says");
        assert!(!world.status(id).await.is_complete());
    }
}

#[tokio::test]
async fn one_that_is_restarted_at_the_last_moment_stays_whole() {
    let world = small(|_| succeeds());
    let (pipeline, ids) = ended(&world, 3).await;
    world.clock.0.advance(KEPT_MS);
    let (ports_of, id) = (world.ports.clone(), ids[0].clone());
    world.table.meanwhile(0, async move {
        control::restart(ports_of.start(), &root(), &id, "1", None).await.unwrap();
    });
    assert!(!sweep(ports(&world), &pipeline, &ids[0]).await.unwrap());
    world.settle().await;
    assert_eq!((world.status(&ids[0]).await, world.meta(&ids[0]).await.execution.generation), (Status::Succeeded, 2));
    assert!(!tick(&world).await.eq(&0), "the others are due");
    assert_eq!(world.status(&ids[0]).await, Status::Succeeded, "its time begins again");
}

#[tokio::test]
async fn it_goes_before_a_restart_can_open_it() {
    let world = small(|_| succeeds());
    let (pipeline, ids) = ended(&world, 3).await;
    world.clock.0.advance(KEPT_MS);
    let (ports_of, id) = (world.ports.clone(), ids[0].clone());
    world.table.meanwhile(0, async move {
        assert!(sweep(retention_of(&ports_of), &pipeline, &id).await.unwrap());
    });
    let refused = control::restart(world.start_ports(), &root(), &ids[0], "1", None).await.unwrap_err();
    assert!(matches!(refused, AppError::NotFound { .. }));
    assert_eq!(traces(&world, &ids[0]), [] as [String; 0]);
}

#[tokio::test]
async fn whoever_dies_at_any_write_is_continued() {
    for lie in [Lie::Hang, Lie::WrittenHang, Lie::LostUnknown, Lie::WrittenUnknown] {
        for write in 0..5 {
            let world = small(|_| succeeds());
            let (pipeline, ids) = ended(&world, 3).await;
            let logs = (0..150).map(|n| Write::Put(item(keys::log(&ids[0], 1_000 + n), &LogEntry::default()).unwrap(), vec![]));
            for chunk in logs.collect::<Vec<_>>().chunks(80) {
                world.ports.table.transact(Transaction::of(chunk.to_vec())).await.unwrap();
            }
            world.clock.0.advance(KEPT_MS);
            world.table.lie(write, lie);
            let _killed = sweep(ports(&world), &pipeline, &ids[0]).now_or_never();
            world.table.lies.lock().unwrap().clear();
            tick(&world).await;
            assert_eq!(traces(&world, &ids[0]), [] as [String; 0], "at {write}");
            assert_eq!(world.status(&ids[2]).await, Status::Succeeded);
        }
    }
}

#[tokio::test]
async fn an_event_for_what_is_kept_no_longer_goes_too() {
    let world = small(|_| succeeds());
    let (pipeline, ids) = ended(&world, 3).await;
    world.clock.0.advance(KEPT_MS);
    assert!(sweep(ports(&world), &pipeline, &ids[0]).await.unwrap());
    assert!(sweep(ports(&world), &pipeline, &ids[0]).await.unwrap(), "once more is fine");
    let what = Outside::Superseded { by: ids[1].clone() };
    let sent = epilogue::sent(&ids[0], "late", "waybill", what, world.clock.now_ms()).unwrap();
    world.ports.table.transact(Transaction::of(vec![Write::Put(sent, vec![])])).await.unwrap();
    assert_eq!(world.advance(&ids[0]).await, Rest::Unknown);
    assert!(world.nothing_waits().await);
}

#[tokio::test]
async fn a_start_that_failed_at_once_is_kept_no_longer_either() {
    let world = small(|_| succeeds());
    let expected = json!([{"id": "img", "displayName": "web", "matchArtifact": {"type": "docker/image", "name": "r.io/web"}}]);
    let pipeline = world.install(json!({"stages": judged(), "expectedArtifacts": expected})).await.unwrap();
    for _ in 0..3 {
        let origin = Origin::Trigger { trigger_type: "docker".to_owned(), trigger: "t".to_owned() };
        let request = Request { origin, ..world.request(&pipeline) };
        start::start(world.start_ports(), &request).await.unwrap();
    }
    world.clock.0.advance(KEPT_MS);
    assert_eq!(tick(&world).await, 3);
    let left = Query::prefix(format!("PIPE#{pipeline}"), "EXEC#", 10);
    assert_eq!(world.ports.table.query(&left).await.unwrap().items.len(), 2);
}
