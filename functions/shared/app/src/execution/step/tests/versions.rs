//! What a newer program wrote: a worker that cannot read it leaves it as it is, however often it is sent there, and says why.

use super::*;
use crate::execution::{control, logs, retention};
use crate::paging::PageRequest;
use crate::record::{KNOWS, READER};

/// The item as a newer program would have written it.
async fn newer(world: &World, key: Key, change: impl FnOnce(&mut Item)) {
    let mut item = world.ports.table.get(&key).await.unwrap().unwrap();
    let revision = item.revision;
    change(&mut item);
    world.ports.table.transact(Transaction::of(vec![Write::Put(item, vec![Condition::Revision(revision)])])).await.unwrap();
}

fn raised(item: &mut Item) {
    item.attributes.insert(READER.to_owned(), (KNOWS + 1).to_string());
    // As far as anybody knows today: another shape of META altogether.
    item.body = br#"{"shape":"execution","v":99,"data":{"everything":"is elsewhere"}}"#.to_vec();
}

fn next_version(item: &mut Item) {
    let text = String::from_utf8(item.body.clone()).unwrap();
    let at = text.find("\"v\":").unwrap() + 4;
    item.body = format!("{}9{}", &text[..at], &text[at..]).into_bytes();
}

async fn refused(world: &World, id: &ExecutionId) -> AppError {
    advance(&world.ports, id, &NeverWoken, BUDGET).await.unwrap_err()
}

#[tokio::test]
async fn a_worker_that_knows_less_lets_go_of_it() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.clock.0.advance(60_000);
    newer(&world, keys::meta(&id), raised).await;
    let (before, writes) = (world.table.table.dump(), world.writes());
    for _ in 0..2 * TAKES_MAX {
        let error = refused(&world, &id).await;
        let AppError::Newer { what, needs, knows } = &error else { panic!("{error:?}") };
        assert!(what.contains("META") && (*needs, *knows) == (KNOWS + 1, KNOWS), "{what}");
        assert!(error.to_string().contains("update this one"), "{error}");
    }
    assert_eq!((world.table.table.dump(), world.writes()), (before, writes), "it was never touched");
    let due = world.ports.table.due(u64::MAX, 10).await.unwrap();
    assert!(due.contains(&keys::meta(&id)), "a tick sends the next worker there");
}

#[tokio::test]
async fn whoever_looks_at_it_is_told_why() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.advance(&id).await;
    newer(&world, keys::meta(&id), raised).await;
    let p = &world.ports;
    let follow = follow::Ports { table: p.table.as_ref(), blobs: p.blobs.as_ref(), changes: p.changes.as_ref(), clock: p.clock.as_ref() };
    let page = PageRequest { after: None, limit: 5 };
    let (table, blobs) = (p.table.as_ref(), p.blobs.as_ref());
    let before = world.table.table.dump();
    let told = [
        follow::get(follow, &root(), &id, None, 0).await.map(drop).unwrap_err(),
        logs::read(table, blobs, &root(), &id, None, &page).await.map(drop).unwrap_err(),
        inbox::cancel(world.inbox_ports(), &root(), &id, "", None).await.map(drop).unwrap_err(),
        control::restart(world.start_ports(), &root(), &id, "1", None).await.map(drop).unwrap_err(),
    ];
    for error in told {
        assert!(matches!(&error, AppError::Newer { .. }), "{error:?}");
    }
    assert_eq!(world.table.table.dump(), before);
}

#[tokio::test]
async fn a_newer_plan_stage_or_event_parks_nothing_and_is_taken_by_the_next() {
    let places: [fn(&ExecutionId, &str) -> Key; 3] = [|id, _| keys::plan(id), |id, _| keys::stage(id, 0), keys::event];
    for place in places {
        let world = world(judging);
        let id = world.prepare(judged()).await.unwrap().execution;
        world.advance(&id).await;
        let body = json!({"judgmentStatus": "continue"});
        let signal = inbox::Signal { stage: "1".to_owned(), name: "judgment".to_owned(), body };
        let event = inbox::signal(world.inbox_ports(), &root(), &id, &signal, None).await.unwrap();
        let key = place(&id, event.as_str());
        let before = world.ports.table.get(&key).await.unwrap().unwrap_or_else(|| panic!("{key:?}")).body;
        newer(&world, key.clone(), next_version).await;
        for _ in 0..2 * TAKES_MAX {
            assert!(matches!(refused(&world, &id).await, AppError::Newer { .. }), "{key:?}");
            let meta = world.meta(&id).await;
            assert_eq!((meta.fence.as_str(), meta.takes, meta.execution.status.is_complete()), ("", 0, false), "{key:?}");
        }
        newer(&world, key, |item| item.body = before).await;
        world.advance(&id).await;
        assert_eq!(world.status(&id).await, Status::Succeeded, "a worker that can read it goes on");
    }
}

#[tokio::test]
async fn retention_leaves_it_alone() {
    let world = world(|_| succeeds());
    let pipeline = world.install(json!({"stages": judged()})).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.push(world.start(&pipeline).await);
    }
    world.settle().await;
    world.clock.0.advance(world.ports.limits.kept_ms);
    newer(&world, keys::meta(&ids[0]), raised).await;
    let before = world.table.table.dump();
    let error = retention::sweep(retention_of(&world.ports), &pipeline, &ids[0]).await.unwrap_err();
    assert!(matches!(error, AppError::Newer { .. }), "{error:?}");
    assert_eq!(world.table.table.dump(), before);
}

#[tokio::test]
async fn what_was_changed_by_hand_is_named_and_stays() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.advance(&id).await;
    world.cancel(&id).await;
    newer(&world, keys::meta(&id), |item| item.body.truncate(20)).await;
    let before = world.table.table.dump();
    let error = refused(&world, &id).await;
    assert!(matches!(&error, AppError::Damaged(text) if text.contains("META") && text.contains("restore")), "{error:?}");
    assert_eq!(world.table.table.dump(), before);
}

#[tokio::test]
async fn blobs_say_their_shape_and_older_ones_without_are_read() {
    use crate::execution::scope::{keep, read};
    use crate::execution::stored::{Kept, LargeValue};
    use crate::record::decode;
    let world = world(judging);
    let blobs = world.blobs.as_ref();
    let value = json!({"text": "x".repeat(40_000), "shape": "value", "v": 1, "data": 2});
    let kept = keep(blobs, value.clone()).await.unwrap();
    let Kept::Blob(digest) = &kept else { panic!("{kept:?}") };
    assert_eq!(decode::<LargeValue>(&blobs.get(digest).await.unwrap().unwrap()).unwrap().0, value);
    assert_eq!(read(blobs, &kept).await.unwrap(), value);
    let old = Kept::Blob(blobs.put(&serde_json::to_vec(&value).unwrap()).await.unwrap());
    assert_eq!(read(blobs, &old).await.unwrap(), value);
    let newer = Kept::Blob(blobs.put(br#"{"shape":"value","v":2,"data":1}"#).await.unwrap());
    assert!(matches!(read(blobs, &newer).await.unwrap_err(), AppError::Newer { .. }));
}
