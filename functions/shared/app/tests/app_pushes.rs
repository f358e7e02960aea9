//! Pushes from the hook to the start, on parts in memory: what fits, what repeats, what is dropped, what is tried again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

mod support;

use app::error::AppError;
use app::ports::Table as _;
use app::ports::{Hint, RegistryError};
use app::pushes::{Deliveries, Processing, Received, Receiving, Verdict, deliveries, due_hint, find_hook, process, receive};
use model::id::TriggerId;
use model::push::{DeliveryState, ImagePushed};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Hints, Memory, Sources, Starts, Tags, Turned, digest, push};

struct World {
    table: Memory,
    sources: Sources,
    registry: Tags,
    starter: Starts,
    queue: Hints,
    clock: Turned,
}

impl World {
    fn new() -> Self {
        let sources = Sources::default();
        sources.add("t", |_| {});
        let clock = Turned(AtomicU64::new(1_000_000));
        Self { table: Memory::default(), sources, registry: Tags::default(), starter: Starts::default(), queue: Hints::default(), clock }
    }

    async fn receive(&self, token: &str, events: Vec<ImagePushed>) -> Result<Received, AppError> {
        let hook = find_hook(&self.sources, token).await?;
        let ports = Receiving { table: &self.table, sources: &self.sources, queue: &self.queue, clock: &self.clock };
        receive(ports, &hook, events).await
    }

    async fn one(&self, event: ImagePushed) -> Verdict {
        self.receive("hook-t", vec![event]).await.unwrap().events.remove(0).verdict
    }

    async fn accepted(&self, event: ImagePushed) -> String {
        match self.one(event).await {
            Verdict::Accepted { delivery } => delivery,
            other => panic!("{other:?}"),
        }
    }

    async fn process(&self, trigger: &str, id: &str) -> Result<(), AppError> {
        let (sources, registry, starter) = (&self.sources, &self.registry, &self.starter);
        let ports = Processing { table: &self.table, sources, registry, starter, queue: &self.queue, clock: &self.clock };
        process(ports, &TriggerId::parse(trigger).unwrap(), id).await
    }

    async fn list(&self, trigger: &str) -> Deliveries {
        deliveries(&self.table, &TriggerId::parse(trigger).unwrap()).await.unwrap()
    }

    async fn state(&self, id: &str) -> DeliveryState {
        self.list("t").await.deliveries.into_iter().find(|d| d.id == id).unwrap().state
    }

    async fn dropped(&self, id: &str) -> String {
        match self.state(id).await {
            DeliveryState::Dropped { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }

    fn change(&self, change: impl FnOnce(&mut serde_json::Value)) {
        change(self.sources.pipelines.lock().unwrap().get_mut("t").unwrap());
    }
}

fn ignored(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Ignored { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_push_is_stored_told_and_started_with_what_the_registry_says() {
    let world = World::new();
    world.registry.set("team/web:1", 'a');
    let id = world.accepted(push("1", Some('a'))).await;
    assert_eq!(*world.queue.0.lock().unwrap(), [(Hint::Delivery { trigger: "t".into(), id: id.clone() }, 0)]);
    let due = world.table.due(1_000_000, 10).await.unwrap();
    assert_eq!(due.iter().filter_map(due_hint).collect::<Vec<_>>(), [Hint::Delivery { trigger: "t".into(), id: id.clone() }]);

    world.process("t", &id).await.unwrap();
    assert_eq!(world.state(&id).await, DeliveryState::Started { executions: vec![format!("x-{id}")] });
    let (_, artifact) = world.starter.calls.lock().unwrap()[0].clone();
    let want = json!({"type": "docker/image", "name": "reg.example:5000/team/web", "version": "1",
        "reference": "reg.example:5000/team/web:1", "metadata": {"digest": digest('a').as_str()}});
    assert_eq!(serde_json::to_value(artifact).unwrap(), want);
    assert!(world.table.due(u64::MAX, 10).await.unwrap().is_empty(), "a settled delivery is not due");
}

#[tokio::test]
async fn a_replay_is_a_duplicate_and_starts_nothing() {
    let world = World::new();
    world.registry.set("team/web:1", 'a');
    let id = world.accepted(push("1", Some('a'))).await;
    assert_eq!(world.one(push("1", Some('a'))).await, Verdict::Duplicate { delivery: id.clone() });
    world.process("t", &id).await.unwrap();
    assert_eq!(world.one(push("1", Some('a'))).await, Verdict::Duplicate { delivery: id.clone() });
    world.process("t", &id).await.unwrap();
    assert_eq!(world.starter.calls.lock().unwrap().len(), 1, "a settled delivery is not looked at again");
    assert_eq!(world.queue.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn twins_in_one_envelope_are_one() {
    let world = World::new();
    let received = world.receive("hook-t", vec![push("1", Some('a')), push("1", Some('a')), push("2", Some('a'))]).await.unwrap();
    let kinds: Vec<bool> = received.events.iter().map(|e| matches!(e.verdict, Verdict::Accepted { .. })).collect();
    assert_eq!(kinds, [true, false, true]);
    assert!(received.fits());
}

#[tokio::test]
async fn two_triggers_on_one_repository_are_two_deliveries() {
    let world = World::new();
    world.sources.add("u", |trigger| trigger["tag"] = json!("v.*"));
    world.registry.set("team/web:v1", 'a');
    for token in ["hook-t", "hook-u"] {
        assert!(world.receive(token, vec![push("v1", Some('a'))]).await.unwrap().fits());
    }
    let (one, other) = (world.list("t").await.deliveries.remove(0), world.list("u").await.deliveries.remove(0));
    assert_ne!(one.id, other.id);
    world.process("t", &one.id).await.unwrap();
    world.process("u", &other.id).await.unwrap();
    assert_eq!(world.starter.started().len(), 2);
    assert!(!world.receive("hook-u", vec![push("1", Some('a'))]).await.unwrap().fits(), "only one of them wants this tag");
}

#[tokio::test]
async fn what_does_not_fit_is_answered_and_noted() {
    let world = World::new();
    let mut other = push("1", None);
    other.repository = "team/api".into();
    let mut elsewhere = push("1", None);
    elsewhere.registry = Some("elsewhere.example".into());
    let mut untagged = push("1", Some('a'));
    untagged.tag = None;
    let received = world.receive("hook-t", vec![other, elsewhere, untagged, push("latest", None)]).await.unwrap();
    let codes: Vec<&str> = received.events.iter().map(|e| ignored(&e.verdict)).collect();
    assert_eq!(codes, ["other-repository", "other-repository", "no-tag", "tag-does-not-match"]);
    assert!(!received.fits());
    let list = world.list("t").await;
    assert_eq!((list.deliveries.len(), list.ignored.count), (0, 4));
    assert_eq!(list.ignored.last[0].code, "tag-does-not-match");
    assert!(list.ignored.last[2].message.contains("elsewhere.example"), "{}", list.ignored.last[2].message);
    assert!(world.queue.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_disabled_trigger_or_a_missing_account_ignores() {
    let world = World::new();
    world.sources.account_gone.store(true, Ordering::SeqCst);
    assert_eq!(ignored(&world.one(push("1", None)).await), "registry-account-missing");
    world.sources.account_gone.store(false, Ordering::SeqCst);
    world.change(|document| document["triggers"][0]["enabled"] = json!(false));
    assert_eq!(ignored(&world.one(push("1", None)).await), "trigger-disabled");
}

#[tokio::test]
async fn an_unknown_token_is_not_found_and_not_repeated() {
    let world = World::new();
    let error = world.receive("forged", vec![]).await.unwrap_err();
    assert!(matches!(&error, AppError::NotFound { id, .. } if !id.contains("forged")));
    world.change(|document| document["triggers"] = json!([]));
    assert!(matches!(world.receive("hook-t", vec![]).await.unwrap_err(), AppError::NotFound { .. }));
}

#[tokio::test]
async fn nothing_is_accepted_that_is_not_stored() {
    let world = World::new();
    world.table.down.store(true, Ordering::SeqCst);
    assert!(matches!(world.receive("hook-t", vec![push("1", None)]).await, Err(AppError::Unavailable(_))));
    assert!(world.queue.0.lock().unwrap().is_empty());
    world.table.down.store(false, Ordering::SeqCst);
    world.accepted(push("1", None)).await;
}

#[tokio::test]
async fn an_image_that_the_registry_does_not_have_is_dropped_and_may_come_again() {
    let world = World::new();
    let id = world.accepted(push("1", Some('a'))).await;
    world.clock.0.fetch_add(30_000, Ordering::SeqCst);
    world.process("t", &id).await.unwrap();
    assert_eq!(world.dropped(&id).await, "image-not-in-registry");
    world.registry.set("team/web:1", 'a');
    assert_eq!(world.accepted(push("1", Some('a'))).await, id, "what was dropped is taken up anew");
    world.process("t", &id).await.unwrap();
    assert!(matches!(world.state(&id).await, DeliveryState::Started { .. }));
}

#[tokio::test]
async fn a_registry_that_tells_before_its_tag_stands_is_asked_again_at_once() {
    let world = World::new();
    let wait = |state: DeliveryState| match state {
        DeliveryState::Waiting { tries: 0, again_ms, .. } => again_ms,
        other => panic!("{other:?}"),
    };
    let new = world.accepted(push("1", Some('a'))).await;
    world.registry.set("team/web:2", 'a');
    let moved = world.accepted(push("2", Some('b'))).await;
    for id in [&new, &moved] {
        world.process("t", id).await.unwrap();
        assert_eq!(wait(world.state(id).await), 1_000_100);
        let hint = Hint::Delivery { trigger: "t".into(), id: id.clone() };
        assert_eq!(world.queue.0.lock().unwrap().last(), Some(&(hint, 100)));
    }
    world.registry.set("team/web:1", 'a');
    world.registry.set("team/web:2", 'b');
    world.clock.0.fetch_add(100, Ordering::SeqCst);
    for id in [&new, &moved] {
        world.process("t", id).await.unwrap();
        let bound = world.list("t").await.deliveries.into_iter().find(|d| &d.id == id).unwrap();
        assert_eq!(bound.bound.map(|digest| digest.to_string()), bound.pushed.digest, "what was pushed is what starts");
        assert!(matches!(bound.state, DeliveryState::Started { .. }));
    }
}

#[tokio::test]
async fn a_tag_that_moved_is_bound_to_where_it_points_and_starts_once() {
    let world = World::new();
    let first = world.accepted(push("1", Some('a'))).await;
    let second = world.accepted(push("1", Some('b'))).await;
    world.registry.set("team/web:1", 'b');
    world.clock.0.fetch_add(3_000, Ordering::SeqCst);
    world.process("t", &first).await.unwrap();
    world.process("t", &second).await.unwrap();
    let bound = world.list("t").await.deliveries.into_iter().find(|d| d.id == first).unwrap();
    assert_eq!(bound.bound, Some(digest('b')));
    assert_ne!(bound.pushed.digest.as_deref(), Some(digest('b').as_str()));
    assert_eq!(world.dropped(&second).await, "already-started");
    assert_eq!(world.starter.started(), [first]);
}

#[tokio::test]
async fn a_sender_without_digests_starts_each_image_once() {
    let world = World::new();
    let told = |delivery: &str| ImagePushed { delivery: Some(delivery.into()), ..push("dev", None) };
    world.registry.set("team/web:dev", 'a');
    let first = world.accepted(told("1")).await;
    world.process("t", &first).await.unwrap();
    assert!(matches!(world.one(told("1")).await, Verdict::Duplicate { .. }));
    let again = world.accepted(told("2")).await;
    world.process("t", &again).await.unwrap();
    assert_eq!(world.dropped(&again).await, "already-started");
    world.registry.set("team/web:dev", 'b');
    let newer = world.accepted(told("3")).await;
    world.process("t", &newer).await.unwrap();
    assert_eq!(world.starter.started().len(), 2, "the same tag with another image starts");
}

#[tokio::test]
async fn a_registry_in_trouble_is_asked_again_for_a_day() {
    let world = World::new();
    let id = world.accepted(push("1", Some('a'))).await;
    *world.registry.fails.lock().unwrap() = Some(RegistryError::Unavailable("reg refuses the connection".into()));
    let mut rounds = 0;
    loop {
        world.process("t", &id).await.unwrap();
        let DeliveryState::Waiting { tries, again_ms, message } = world.state(&id).await else { break };
        rounds += 1;
        assert_eq!(tries, rounds);
        assert!(message.contains("refuses"));
        assert_eq!(world.table.due(again_ms, 9).await.unwrap().len(), 1);
        let asked = world.registry.asked.load(Ordering::SeqCst);
        world.process("t", &id).await.unwrap();
        assert_eq!(world.registry.asked.load(Ordering::SeqCst), asked, "an early hint asks nobody");
        let (_, delay) = world.queue.0.lock().unwrap().last().unwrap().clone();
        assert!(delay <= 15 * 60_000);
        world.clock.0.store(again_ms, Ordering::SeqCst);
    }
    assert_eq!(world.dropped(&id).await, "gave-up");
    assert!((100..300).contains(&rounds), "{rounds}");
}

#[tokio::test]
async fn a_registry_that_comes_back_starts_it() {
    let world = World::new();
    world.registry.set("team/web:1", 'a');
    let id = world.accepted(push("1", Some('a'))).await;
    for error in [RegistryError::Denied("x".into()), RegistryError::Protocol("x".into())] {
        *world.registry.fails.lock().unwrap() = Some(error);
        world.process("t", &id).await.unwrap();
        let DeliveryState::Waiting { again_ms, .. } = world.state(&id).await else { panic!("waits") };
        world.clock.0.store(again_ms, Ordering::SeqCst);
    }
    *world.registry.fails.lock().unwrap() = None;
    world.sources.account_closed.store(true, Ordering::SeqCst);
    world.process("t", &id).await.unwrap();
    let DeliveryState::Waiting { again_ms, .. } = world.state(&id).await else { panic!("waits") };
    world.clock.0.store(again_ms, Ordering::SeqCst);
    world.sources.account_closed.store(false, Ordering::SeqCst);
    world.process("t", &id).await.unwrap();
    assert!(matches!(world.state(&id).await, DeliveryState::Started { .. }));
}

#[tokio::test]
async fn the_artifact_constraint_holds() {
    let world = World::new();
    world.registry.set("team/web:1", 'a');
    world.change(|document| document["triggers"][0]["expectedArtifactIds"] = json!(["other"]));
    let id = world.accepted(push("1", Some('a'))).await;
    world.process("t", &id).await.unwrap();
    assert_eq!(world.dropped(&id).await, "artifact-constraint-not-met");
    world.change(|document| document["triggers"][0]["expectedArtifactIds"] = json!(["other", "image"]));
    world.accepted(push("1", Some('a'))).await;
    world.process("t", &id).await.unwrap();
    assert_eq!(world.starter.started(), [id], "one that fits is enough");
}

#[tokio::test]
async fn a_refused_start_gives_the_image_back() {
    let world = World::new();
    world.registry.set("team/web:1", 'a');
    *world.starter.fails.lock().unwrap() = Some(AppError::refused("pipeline-disabled", "the pipeline is disabled"));
    let told = |delivery: &str| ImagePushed { delivery: Some(delivery.into()), ..push("1", None) };
    let first = world.accepted(told("1")).await;
    world.process("t", &first).await.unwrap();
    assert_eq!(world.dropped(&first).await, "pipeline-disabled");
    *world.starter.fails.lock().unwrap() = None;
    let second = world.accepted(told("2")).await;
    world.process("t", &second).await.unwrap();
    assert_eq!(world.starter.started(), [second]);
}

#[tokio::test]
async fn a_start_that_does_not_answer_is_tried_again_as_the_same_delivery() {
    let world = World::new();
    world.registry.set("team/web:1", 'a');
    *world.starter.fails.lock().unwrap() = Some(AppError::Unavailable("store".into()));
    let id = world.accepted(push("1", Some('a'))).await;
    world.process("t", &id).await.unwrap();
    let DeliveryState::Waiting { again_ms, .. } = world.state(&id).await else { panic!("waits") };
    *world.starter.fails.lock().unwrap() = None;
    world.clock.0.store(again_ms, Ordering::SeqCst);
    world.process("t", &id).await.unwrap();
    assert_eq!(world.starter.started(), [id], "its own claim does not stand in its way");
}

#[tokio::test]
async fn what_changed_in_between_is_looked_at_again() {
    let world = World::new();
    world.registry.set("team/web:1", 'a');
    let id = world.accepted(push("1", Some('a'))).await;
    world.change(|document| document["triggers"][0]["tag"] = json!("v.*"));
    world.process("t", &id).await.unwrap();
    assert_eq!(world.dropped(&id).await, "tag-does-not-match");
    world.change(|document| document["triggers"][0]["tag"] = json!(""));
    for (step, code) in [("triggers", "trigger-removed"), ("pipeline", "pipeline-removed")] {
        world.accepted(push("1", Some('a'))).await;
        let saved = world.sources.pipelines.lock().unwrap()["t"].clone();
        if step == "triggers" {
            world.change(|document| document["triggers"] = json!([]));
        } else {
            world.sources.pipelines.lock().unwrap().clear();
        }
        world.process("t", &id).await.unwrap();
        assert_eq!(world.dropped(&id).await, code);
        world.sources.pipelines.lock().unwrap().insert("t".into(), saved);
    }
    assert!(world.starter.started().is_empty());
}

#[tokio::test]
async fn an_unknown_delivery_is_nothing() {
    let world = World::new();
    world.process("t", "gone").await.unwrap();
    assert!(world.starter.started().is_empty());
}

#[tokio::test]
async fn two_who_look_at_once_start_the_same() {
    let world = World::new();
    world.registry.set("team/web:1", 'a');
    let id = world.accepted(push("1", Some('a'))).await;
    let (one, other) = tokio::join!(world.process("t", &id), world.process("t", &id));
    one.unwrap();
    other.unwrap();
    assert_eq!(world.starter.started(), std::slice::from_ref(&id));
    assert!(matches!(world.state(&id).await, DeliveryState::Started { .. }));
}

#[tokio::test]
async fn the_newest_deliveries_are_shown_first() {
    let world = World::new();
    for number in 0..120_u64 {
        world.clock.0.store(1_000_000 + number, Ordering::SeqCst);
        world.accepted(push(&format!("v{number}"), Some('a'))).await;
    }
    let list = world.list("t").await.deliveries;
    assert_eq!((list.len(), list[0].received_ms, list[99].received_ms), (100, 1_000_119, 1_000_020));
}
