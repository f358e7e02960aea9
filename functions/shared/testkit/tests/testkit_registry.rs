//! Both registries take images and tell about pushes in the same way.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use testkit::net::{self, Served};
use testkit::places;
use testkit::registry::{Notifications, Options, Program, Registry};
use testkit::{Error, eventually};

const TOLD_MAX: Duration = Duration::from_secs(20);

/// What a hook was told: events with the header that came along.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(String, Value)>>>);

async fn hook(State(told): State<Told>, headers: HeaderMap, body: String) -> StatusCode {
    let secret = headers.get("x-hook-token").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let envelope: Value = serde_json::from_str(&body).unwrap();
    let events = envelope["events"].as_array().unwrap().clone();
    told.0.lock().unwrap().extend(events.into_iter().map(|event| (secret.clone(), event)));
    StatusCode::OK
}

impl Told {
    async fn server(&self) -> Served {
        Served::start(Router::new().route("/hook", post(hook)).with_state(self.clone())).await.unwrap()
    }

    async fn push_of(&self, repository: &str, tag: &str) -> (String, Value) {
        eventually("the notification", TOLD_MAX, || async {
            let told = self.0.lock().unwrap();
            let target =
                |event: &Value| event["action"] == "push" && event["target"]["repository"] == repository && event["target"]["tag"] == tag;
            Ok::<_, Error>(told.iter().find(|(_, event)| target(event)).cloned())
        })
        .await
        .unwrap()
    }
}

fn to(url: String) -> Option<Notifications> {
    Some(Notifications { url, headers: vec![("X-Hook-Token".into(), "open sesame".into())] })
}

/// Push, be told, push elsewhere, be told elsewhere.
async fn check(program: Program) {
    let (first, second) = (Told::default(), Told::default());
    let (first_hook, second_hook) = (first.server().await, second.server().await);
    let options = Options { notifications: to(first_hook.url("/hook")), program, ..Options::default() };
    let mut registry = Registry::start(options).await.unwrap();
    let digest = registry.push_image("team/flaskapp", "1.0", b"version one").await.unwrap();
    let (secret, event) = first.push_of("team/flaskapp", "1.0").await;
    assert_eq!(secret, "open sesame");
    assert_eq!(event["target"]["digest"], digest);

    registry.notify(to(second_hook.url("/hook"))).await.unwrap();
    let digest = registry.push_over_http("team/flaskapp", "1.1", b"version two").await.unwrap();
    assert_eq!(second.push_of("team/flaskapp", "1.1").await.1["target"]["digest"], digest);

    let client = net::client(None).unwrap();
    let base = format!("http://{}/v2/team/flaskapp", registry.address());
    let tags: Value = client.get(format!("{base}/tags/list")).send().await.unwrap().json().await.unwrap();
    // Debian's gives them in no order, and all at once whatever it is asked.
    let mut tags: Vec<&str> = tags["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1.0", "1.1"]);
    if !registry.is_debian() {
        let page = client.get(format!("{base}/tags/list?n=1")).send().await.unwrap();
        assert!(page.headers().contains_key("link"));
    }
    let head = client.head(format!("{base}/manifests/1.1"));
    let head = head.header("accept", "application/vnd.oci.image.manifest.v1+json").send().await.unwrap();
    assert_eq!(head.headers()["docker-content-digest"], digest.as_str());
    assert_eq!(client.get(format!("{base}/manifests/9")).send().await.unwrap().status(), 404);
}

async fn check_login(program: Program) {
    let registry = Registry::start(Options { login: true, program, ..Options::default() }).await.unwrap();
    let digest = registry.push_image("private", "1", b"secret").await.unwrap();
    assert_eq!(registry.push_over_http("private", "2", b"secret").await.unwrap(), digest);
    let client = net::client(None).unwrap();
    let list = format!("http://{}/v2/private/tags/list", registry.address());
    let answer = client.get(&list).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    assert_eq!(client.get(&list).basic_auth("robot", Some("wrong")).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn debian_registry_tells_about_pushes() {
    if !missing("docker-registry") {
        check(Program::Debian).await;
    }
}

#[tokio::test]
async fn debian_registry_asks_for_a_login() {
    if !missing("docker-registry") {
        check_login(Program::Debian).await;
    }
}

#[tokio::test]
async fn small_registry_tells_about_pushes() {
    check(Program::Small).await;
}

#[tokio::test]
async fn small_registry_asks_for_a_login() {
    check_login(Program::Small).await;
}

/// In CI nothing may be missing.
fn missing(program: &str) -> bool {
    let missing = places::on_path(program).is_none();
    assert!(!missing || std::env::var_os("CI").is_none(), "{program} is not installed");
    missing
}
