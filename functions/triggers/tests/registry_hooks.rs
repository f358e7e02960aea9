//! The hook as registries see it: statuses, verdicts, replays, forgeries, and bodies of every kind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

#[path = "../../shared/app/tests/support/mod.rs"]
mod support;

use app::expect::Expect;
use app::pipelines::{self, SavePorts};
use app::ports::{Clock, Table};
use app::pushes::StoredSources;
use app::testing::{Counting, FixedClock, KeptChanges, TurningSealer, principal};
use axum::Router;
use axum::body::Body;
use edge::testing::{Client, document_faults, token};
use edge::{About, Edge, assemble};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use model::id::AppName;
use model::person::Role;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{ADDRESS, Hints, Memory, Sources, Turned, digest};
use tower::ServiceExt as _;
use triggers::{BODY_BYTES_MAX, Ports, router};

struct World {
    table: Arc<Memory>,
    sources: Arc<Sources>,
    queue: Arc<Hints>,
    router: Router,
}

fn edge(table: Arc<dyn Table>, clock: Arc<dyn Clock>) -> Edge {
    Edge { table, clock, entropy: Arc::new(Counting::default()), changes: Arc::new(KeptChanges::default()), public_url: None }
}

fn about() -> About {
    About { version: "1".to_owned(), commit: None }
}

impl World {
    fn new() -> Self {
        let (table, sources, queue) = (Arc::new(Memory::default()), Arc::new(Sources::default()), Arc::new(Hints::default()));
        sources.add("t", |_| {});
        let clock = Arc::new(Turned(AtomicU64::new(1_000_000)));
        let edge = edge(table.clone(), clock);
        let ports = Ports { edge: edge.clone(), sources: sources.clone(), queue: queue.clone() };
        let router = assemble(edge, about(), [router(ports)]);
        Self { table, sources, queue, router }
    }

    async fn send(&self, path: &str, headers: &[(&'static str, &str)], body: impl Into<Body>) -> (StatusCode, HeaderMap, Value) {
        let mut request = Request::post(path).body(body.into()).unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
    }

    async fn tell(&self, body: &Value) -> (StatusCode, Value) {
        let (status, _, answer) = self.send("/hooks/registry/hook-t", &[], body.to_string()).await;
        (status, answer)
    }

    async fn refused(&self, path: &str, headers: &[(&'static str, &str)], body: impl Into<Body>) -> (u16, String) {
        let (status, answer_headers, problem) = self.send(path, headers, body).await;
        assert_eq!(answer_headers["content-type"], "application/problem+json");
        assert!(self.table.items().is_empty(), "nothing half-done is left behind");
        (status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }
}

fn event(repository: &str, tag: Option<&str>, letter: char) -> Value {
    let mut target =
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(letter).as_str(), "repository": repository});
    if let Some(tag) = tag {
        target["tag"] = json!(tag);
    }
    json!({"id": "e", "action": "push", "target": target, "request": {"host": ADDRESS}})
}

fn envelope(events: Vec<Value>) -> Value {
    json!({"events": events})
}

fn verdicts(answer: &Value) -> Vec<String> {
    answer["events"].as_array().unwrap().iter().map(|e| e["verdict"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_push_is_stored_before_it_is_answered() {
    let world = World::new();
    let (status, answer) = world.tell(&envelope(vec![event("team/web", Some("1"), 'a')])).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(verdicts(&answer), ["accepted"]);
    let id = answer["events"][0]["delivery"].as_str().unwrap();
    assert!(world.table.items().iter().any(|item| item.key.sort == format!("DLV#{id}")));
    assert_eq!(world.queue.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn several_events_have_a_verdict_each() {
    let world = World::new();
    let mut pull = event("team/web", Some("1"), 'a');
    pull["action"] = json!("pull");
    let events = vec![
        pull,
        event("team/web", Some("1"), 'a'),
        event("team/web", None, 'b'),
        event("team/api", Some("1"), 'a'),
        event("team/web", Some("1"), 'a'),
        event("team/web", Some("2"), 'a'),
    ];
    let (status, answer) = world.tell(&envelope(events)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(verdicts(&answer), ["accepted", "ignored", "ignored", "duplicate", "accepted"]);
    assert_eq!((answer["skipped"].as_u64(), answer["events"][1]["code"].as_str()), (Some(1), Some("no-tag")));
    assert_eq!(world.queue.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_replay_is_a_duplicate_even_under_a_new_event_id() {
    let world = World::new();
    let body = envelope(vec![event("team/web", Some("1"), 'a')]);
    world.tell(&body).await;
    let mut again = body.clone();
    again["events"][0]["id"] = json!("another");
    for body in [body, again] {
        let (status, answer) = world.tell(&body).await;
        assert_eq!((status, verdicts(&answer)), (StatusCode::ACCEPTED, vec!["duplicate".to_owned()]));
    }
    assert_eq!(world.queue.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn two_triggers_on_one_repository_are_told_apart() {
    let world = World::new();
    world.sources.add("u", |_| {});
    let body = envelope(vec![event("team/web", Some("1"), 'a')]).to_string();
    for path in ["/hooks/registry/hook-t", "/hooks/registry/hook-u"] {
        let (_, _, answer) = world.send(path, &[], body.clone()).await;
        assert_eq!(verdicts(&answer), ["accepted"]);
    }
    assert_eq!(world.queue.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_envelope_with_nothing_for_us_is_fine() {
    let world = World::new();
    for body in [
        envelope(vec![]),
        envelope(vec![event("team/api", Some("1"), 'a')]),
        envelope(vec![event("team/web", None, 'a')]),
        json!({"type": "SCANNING_COMPLETED", "occur_at": 1, "event_data": {}}),
    ] {
        assert_eq!(world.tell(&body).await.0, StatusCode::OK, "{body}");
    }
    let (status, _, _) = world.send("/hooks/registry/hook-t", &[("x-coding-event", "ping")], r#"{"zen":"x","hook_id":"1"}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert!(world.queue.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused() {
    let world = World::new();
    let hook = "/hooks/registry/hook-t";
    let good = envelope(vec![event("team/web", Some("1"), 'a')]).to_string();
    assert_eq!(world.refused("/hooks/registry/forged", &[], good.clone()).await, (404, "not-found".into()));
    assert_eq!(world.refused(&format!("/hooks/registry/{}", "x".repeat(5_000)), &[], good.clone()).await, (404, "not-found".into()));
    assert_eq!(world.refused(hook, &[], "{").await, (400, "not-json".into()));
    assert_eq!(world.refused(hook, &[], "").await, (400, "not-json".into()));
    assert_eq!(world.refused(hook, &[], "{}").await, (422, "notification-unknown".into()));
    assert_eq!(world.refused(hook, &[], vec![b' '; 5 << 20]).await, (413, "body-too-large".into()));
    assert_eq!(world.refused(hook, &[], vec![b' '; BODY_BYTES_MAX + 1]).await, (413, "body-too-large".into()));
    let broken = Body::from_stream(futures::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("gone"))]));
    assert_eq!(world.refused(hook, &[], broken).await, (400, "body-broken".into()));
    assert_eq!(world.refused("/hooks/registry/", &[], good.clone()).await, (404, "not-found".into()));
    assert_eq!(world.refused("/hooks/registry/%ff", &[], good.clone()).await, (404, "not-found".into()));
    world.table.down.store(true, Ordering::SeqCst);
    assert_eq!(world.refused(hook, &[], good).await.0, 503);
}

#[tokio::test]
async fn a_trigger_with_a_secret_wants_signatures() {
    let world = World::new();
    world.sources.add("t", |trigger| trigger["secret"] = json!("topsecret"));
    let hook = "/hooks/registry/hook-t";
    let body = r#"{"ref":"refs/heads/main"}"#;
    let right = "sha1=cb6fba49bef000871f99d16a1ae8bebc85d29174";
    assert_eq!(world.refused(hook, &[], body).await, (403, "signature-missing".into()));
    let wrong = "sha1=0000000000000000000000000000000000000000";
    assert_eq!(world.refused(hook, &[("x-coding-signature", wrong)], body).await, (403, "signature-wrong".into()));
    assert_eq!(world.refused(hook, &[("x-coding-signature", right)], format!("{body} ")).await, (403, "signature-wrong".into()));
    assert_eq!(
        world.refused(hook, &[("x-coding-signature", right)], body).await,
        (422, "notification-unknown".into()),
        "believed, then read"
    );
}

#[tokio::test]
async fn the_other_senders_reach_the_same_place() {
    let world = World::new();
    world.sources.add("c", |trigger| trigger["repository"] = json!("cd-demo/docker-main/web"));
    let harbor = json!({"type": "PUSH_ARTIFACT", "occur_at": 1, "event_data": {"repository": {"repo_full_name": "team/web"},
        "resources": [{"digest": digest('a').as_str(), "tag": "1", "resource_url": format!("{ADDRESS}/team/web:1")}]}});
    assert_eq!(verdicts(&world.tell(&harbor).await.1), ["accepted"]);
    let same = envelope(vec![event("team/web", Some("1"), 'a')]);
    assert_eq!(verdicts(&world.tell(&same).await.1), ["duplicate"], "the same image, told by another sender");
    let coding = json!({"action": "create", "artifact": {"artifactRepoName": "docker-main", "artifactPkgName": "web",
        "artifactVersionName": "1.4.2", "artifactType": "docker", "projectName": "cd-demo"}});
    let form: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &coding.to_string()).finish();
    for (headers, want) in [
        (vec![("x-coding-delivery", "1")], "accepted"),
        (vec![("x-coding-delivery", "1")], "duplicate"),
        (vec![("x-coding-delivery", "2")], "accepted"),
        (
            vec![("x-coding-delivery", "2"), ("content-type", "application/x-www-form-urlencoded"), ("x-coding-event", "artifact")],
            "duplicate",
        ),
    ] {
        let body = if headers.len() > 1 { form.clone() } else { coding.to_string() };
        let (_, _, answer) = world.send("/hooks/registry/hook-c", &headers, body).await;
        assert_eq!(verdicts(&answer), [want]);
    }
}

#[tokio::test]
async fn no_answer_repeats_the_token_or_the_body() {
    let world = World::new();
    let (_, _, problem) = world.send("/hooks/registry/s3cr3t", &[], "{}").await;
    assert!(!problem.to_string().contains("s3cr3t"));
    let (_, _, problem) = world.send("/hooks/registry/hook-t", &[], r#"{"password": "s3cr3t""#).await;
    assert!(!problem.to_string().contains("s3cr3t"));
}

/// A pipeline saved for good, with one docker trigger; gives the trigger's id and its hook's token.
async fn saved(edge: &Edge, sealer: &TurningSealer) -> (String, String) {
    let ann = principal("ann", Role::Operator);
    let app = AppName::parse("flaskapp").unwrap();
    let new = serde_json::from_value(json!({"name": "flaskapp"})).unwrap();
    let (table, clock, changes) = (edge.table.as_ref(), edge.clock.as_ref(), edge.changes.as_ref());
    app::applications::create(table, clock, changes, &ann, None, new).await.unwrap();
    let document = json!({"application": "flaskapp", "name": "deployTesting", "stages": [],
        "triggers": [{"type": "docker", "enabled": true, "account": "reg", "repository": "team/web"}]});
    let ports = SavePorts { table, clock, entropy: edge.entropy.as_ref(), sealer, changes };
    pipelines::save(&ports, &ann, &app, "deployTesting", document, &Expect::Absent).await.unwrap();
    let hook = pipelines::triggers(table, sealer, &ann, &app, "deployTesting").await.unwrap().remove(0);
    (hook.trigger.id, hook.token.unwrap())
}

#[tokio::test]
async fn what_a_trigger_was_told_can_be_read() {
    let edge = edge(Arc::new(Memory::default()), Arc::new(FixedClock::default()));
    let sealer = TurningSealer;
    let (trigger, hook) = saved(&edge, &sealer).await;
    let queue = Arc::new(Hints::default());
    let sources = Arc::new(StoredSources::without_secrets(edge.table.clone()));
    let nobody = Client::new(assemble(edge.clone(), about(), [router(Ports { edge: edge.clone(), sources, queue })]));
    let body = envelope(vec![event("team/web", Some("1"), 'a'), event("team/api", Some("1"), 'a')]);
    let told = nobody.post(&format!("/hooks/registry/{hook}"), body).await;
    assert_eq!((told.status, told.json["events"][0]["code"].as_str()), (200, Some("registry-account-missing")));

    let path = |trigger: &str| format!("/api/applications/FlaskApp/pipelines/deployTesting/triggers/{trigger}/deliveries");
    let dev = nobody.with_token(&token(&edge, "dev", Role::Developer).await);
    let list = dev.get(&path(&trigger)).await;
    assert_eq!((list.status, list.json["ignoredCount"].as_u64(), list.json["items"].as_array().unwrap().len()), (200, Some(2), 0));
    assert_eq!(list.json["ignored"][1]["pushed"]["repository"], "team/web");
    assert_eq!(nobody.get(&path(&trigger)).await.status, 401);
    assert_eq!(nobody.with_token("wb_wrong").get(&path(&trigger)).await.status, 401);
    for (wrong, status) in [(path("other"), 404), (path("a%20b"), 404), (path(&trigger).replace("deployTesting", "nothing"), 404)] {
        assert_eq!(dev.get(&wrong).await.status, status, "{wrong}");
    }
}

#[tokio::test]
async fn a_delivery_is_shown_as_it_stands() {
    let world = World::new();
    let (_, answer) = world.tell(&envelope(vec![event("team/web", Some("1"), 'a')])).await;
    let id = answer["events"][0]["delivery"].as_str().unwrap().to_owned();
    let list = app::pushes::deliveries(world.table.as_ref(), &model::id::TriggerId::parse("t").unwrap()).await.unwrap();
    assert_eq!((list.deliveries.len(), list.deliveries[0].id.as_str()), (1, id.as_str()));
}

#[tokio::test]
async fn the_document_tells_of_every_answer() {
    let document = Client::new(World::new().router).get("/openapi.json").await.json;
    assert_eq!(document_faults(&document), Vec::<String>::new());
    let path = format!("{}{{token}}", pipelines::HOOK_PREFIX);
    assert!(document["paths"].get(&path).is_some(), "the address that operators are shown is the one that is served");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sent_is_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0_usize..4) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kinds = ["application/json", "application/x-www-form-urlencoded", "application/cloudevents+json", "text/plain"];
        let world = World::new();
        let (status, _, _) = runtime.block_on(world.send("/hooks/registry/hook-t", &[("content-type", kinds[kind])], bytes));
        prop_assert!([200, 202, 400, 422].contains(&status.as_u16()), "{status}");
    }

    #[test]
    fn a_replayed_envelope_accepts_nothing_more(tags in proptest::collection::vec(("[a-z][a-z0-9]{0,3}", proptest::sample::select(vec!['a', 'b', 'c'])), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = World::new();
        let body = envelope(tags.iter().map(|(tag, letter)| event("team/web", Some(tag), *letter)).collect());
        let different: std::collections::BTreeSet<_> = tags.iter().filter(|(tag, _)| tag != "latest").collect();
        let (_, first) = runtime.block_on(world.tell(&body));
        let (_, second) = runtime.block_on(world.tell(&body));
        let accepted = |answer: &Value| verdicts(answer).iter().filter(|v| *v == "accepted").count();
        prop_assert_eq!((accepted(&first), accepted(&second)), (different.len(), 0));
        prop_assert_eq!(world.queue.0.lock().unwrap().len(), different.len());
    }
}
