//! Ended executions are kept for a time, the newest of a pipeline always; then nothing is left of them but blobs and a record.

use super::*;
use crate::execution::control;
use crate::execution::plan::StartedBy;
use crate::execution::retention::{self, due_hint, sweep};
use crate::execution::stored::LogEntry;
use crate::ports::Archive;
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

/// An archive that keeps what it is given while it is open.
#[derive(Default)]
struct Shelf {
    closed: std::sync::atomic::AtomicBool,
    kept: Mutex<Vec<(String, ExecutionId, Value)>>,
}

#[async_trait]
impl Archive for Shelf {
    async fn keep(&self, month: &str, id: &ExecutionId, record: &[u8]) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the archive is closed".to_owned()));
        }
        self.kept.lock().unwrap().push((month.to_owned(), id.clone(), serde_json::from_slice(record).unwrap()));
        Ok(())
    }
}

#[tokio::test]
async fn what_goes_is_archived_before_and_stays_while_it_cannot_be() {
    let world = small(judging);
    let (pipeline, ids) = ended(&world, 3).await;
    for id in &ids {
        world.judge(id).await;
    }
    world.settle().await;
    world.clock.0.advance(KEPT_MS);
    let shelf = Shelf::default();
    shelf.closed.store(true, Ordering::SeqCst);
    let with_shelf = retention::Ports { archive: &shelf, ..ports(&world) };
    let before = world.table.table.dump();
    assert!(matches!(sweep(with_shelf, &pipeline, &ids[0]).await.unwrap_err(), AppError::Unavailable(_)));
    assert_eq!(world.table.table.dump(), before);
    shelf.closed.store(false, Ordering::SeqCst);
    assert!(sweep(with_shelf, &pipeline, &ids[0]).await.unwrap());
    assert!(!sweep(with_shelf, &pipeline, &ids[1]).await.unwrap(), "one of the newest");
    let kept = shelf.kept.lock().unwrap();
    let [(month, id, record)] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((month.as_str(), id), ("2023-11", &ids[0]));
    let data = &record["data"];
    assert_eq!(
        (&record["shape"], &data["status"], &data["pipelineName"]),
        (&json!("archived-execution"), &json!("SUCCEEDED"), &json!("deployTesting"))
    );
    assert_eq!(data["orders"], json!([{"project": "cd-demo", "number": 1}]));
    assert_eq!(data["stages"][0]["answers"][0]["by"], "root");
    assert_eq!(data["stages"][0]["answers"][0]["body"], json!({"judgmentStatus": "continue"}));
    let statuses: Vec<&Value> =
        data["log"].as_array().unwrap().iter().flat_map(|e| e["transitions"].as_array().into_iter().flatten()).map(|t| &t["to"]).collect();
    assert!(statuses.contains(&&json!("SUSPENDED")) && statuses.contains(&&json!("SUCCEEDED")), "{statuses:?}");
    assert!(!record.to_string().contains("made"), "what a stage left stays behind");
}

#[tokio::test]
async fn a_death_after_the_archive_keeps_it_twice_at_most_and_loses_nothing() {
    let world = small(|_| succeeds());
    let (pipeline, ids) = ended(&world, 3).await;
    world.clock.0.advance(KEPT_MS);
    let shelf = Shelf::default();
    let with_shelf = retention::Ports { archive: &shelf, ..ports(&world) };
    world.table.lie(0, Lie::Hang);
    assert!(sweep(with_shelf, &pipeline, &ids[0]).now_or_never().is_none(), "it died");
    assert!(sweep(with_shelf, &pipeline, &ids[0]).await.unwrap());
    let kept: Vec<ExecutionId> = shelf.kept.lock().unwrap().iter().map(|(_, id, _)| id.clone()).collect();
    assert_eq!(kept, [ids[0].clone(), ids[0].clone()]);
    assert_eq!(traces(&world, &ids[0]), [] as [String; 0]);
}

#[tokio::test]
async fn a_child_stays_while_its_parent_is_open() {
    let world = small(judging);
    let pipeline = world.install(json!({"stages": judged()})).await.unwrap();
    let parent = world.start(&pipeline).await;
    world.settle().await;
    let mut children = Vec::new();
    for _ in 0..4 {
        let by = StartedBy { execution: parent.clone(), run: 0, attempt: 1 };
        let request = Request { parent: Some((by, 1)), ..world.request(&pipeline) };
        let child = start::start(world.start_ports(), &request).await.unwrap().execution;
        world.settle().await;
        world.judge(&child).await;
        world.settle().await;
        children.push(child);
    }
    world.clock.0.advance(KEPT_MS);
    assert!(!sweep(ports(&world), &pipeline, &children[0]).await.unwrap(), "the parent may still ask for it");
    assert_eq!(world.status(&children[0]).await, Status::Succeeded);
    let row = world.ports.table.get(&keys::of_pipeline(&pipeline, &children[0])).await.unwrap().unwrap();
    assert_eq!(row.due_ms, Some(world.clock.now_ms() + DAY_MS), "it is looked at again a day later");
    world.judge(&parent).await;
    world.settle().await;
    assert!(sweep(ports(&world), &pipeline, &children[0]).await.unwrap());
}

#[tokio::test]
async fn one_whose_plan_is_gone_is_archived_without_it() {
    let world = small(|_| succeeds());
    let (pipeline, ids) = ended(&world, 3).await;
    world.ports.table.transact(Transaction::of(vec![Write::Delete(keys::plan(&ids[0]), vec![])])).await.unwrap();
    world.clock.0.advance(KEPT_MS);
    let shelf = Shelf::default();
    assert!(sweep(retention::Ports { archive: &shelf, ..ports(&world) }, &pipeline, &ids[0]).await.unwrap());
    let record = shelf.kept.lock().unwrap()[0].2["data"].clone();
    assert_eq!((&record["stages"][0]["status"], record.get("origin")), (&json!("SUCCEEDED"), None));
}

#[test]
fn what_has_time_does_not_hold_up_what_has_none() {
    let (pipeline, id) = (PipelineId::parse("p").unwrap(), ExecutionId::parse("x").unwrap());
    let row = |n: usize| keys::of_pipeline(&pipeline, &ExecutionId::parse(format!("x{n}")).unwrap());
    let mut due: Vec<Key> = (0..50).map(row).collect();
    due.push(keys::meta(&id));
    due.extend((50..60).map(row));
    let kept = retention::bounded(due, 7);
    assert_eq!((kept.len(), kept.last()), (8, Some(&keys::meta(&id))));
}
