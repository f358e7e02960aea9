//! Real registries that tell the real hook: `skopeo copy` on one side, a stored delivery on the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

#[path = "../../shared/app/tests/support/mod.rs"]
mod support;

use app::pushes::deliveries;
use app::testing::{Counting, KeptChanges};
use edge::{About, Edge, assemble};
use model::id::TriggerId;
use model::push::Delivery;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use support::{Hints, Memory, Sources, Turned};
use testkit::net::Served;
use testkit::registry::{Notifications, Options, Program, Registry};
use testkit::{Error, eventually, places};
use triggers::{Ports, router};

const TOLD_MAX: Duration = Duration::from_secs(20);

async fn delivery_of(table: &Memory, tag: &str) -> Delivery {
    let trigger = TriggerId::parse("t").unwrap();
    eventually("the delivery", TOLD_MAX, || async {
        let found = deliveries(table, &trigger).await.map_err(|error| Error::Invalid(error.to_string()))?;
        Ok::<_, Error>(found.deliveries.into_iter().find(|delivery| delivery.pushed.tag.as_deref() == Some(tag)))
    })
    .await
    .unwrap()
}

async fn check(program: Program) {
    let (table, sources, queue) = (Arc::new(Memory::default()), Arc::new(Sources::default()), Arc::new(Hints::default()));
    sources.add("t", |_| {});
    let clock = Arc::new(Turned(AtomicU64::new(1_000_000)));
    let changes = Arc::new(KeptChanges::default());
    let edge = Edge { table: table.clone(), clock, entropy: Arc::new(Counting::default()), changes, public_url: None };
    let ports = Ports { edge: edge.clone(), sources: sources.clone(), queue: queue.clone() };
    let about = About { version: "1".to_owned(), commit: None };
    let served = Served::start(assemble(edge, about, [router(ports)])).await.unwrap();

    let notifications = Some(Notifications { url: served.url("/hooks/registry/hook-t"), headers: Vec::new() });
    let registry = Registry::start(Options { notifications, program, ..Options::default() }).await.unwrap();
    *sources.address.lock().unwrap() = registry.address();
    registry.push_image("team/api", "1.0", b"not for us").await.unwrap();
    let digest = registry.push_image("team/web", "1.0", b"one").await.unwrap();
    let delivery = delivery_of(&table, "1.0").await;
    assert_eq!(delivery.pushed.digest.as_deref(), Some(digest.as_str()));
    assert_eq!(delivery.pushed.repository, "team/web");

    // The same image once more, and then another: events come in order, so the second says that the first was dealt with.
    registry.push_image("team/web", "1.0", b"one").await.unwrap();
    registry.push_image("team/web", "1.1", b"two").await.unwrap();
    delivery_of(&table, "1.1").await;
    let told = deliveries(table.as_ref(), &TriggerId::parse("t").unwrap()).await.unwrap();
    assert_eq!(told.deliveries.len(), 2, "a push of what is there already is a repeat");
    assert_eq!(queue.0.lock().unwrap().len(), 2);
    assert!(told.ignored.last.iter().all(|ignored| ignored.pushed.repository == "team/api"), "{:?}", told.ignored);
}

#[tokio::test]
async fn debian_registry_is_understood() {
    let missing = places::on_path("docker-registry").is_none();
    assert!(!missing || std::env::var_os("CI").is_none(), "docker-registry is not installed");
    if !missing {
        check(Program::Debian).await;
    }
}

#[tokio::test]
async fn small_registry_is_understood() {
    check(Program::Small).await;
}
