//! Over a real socket, as clients come.

use super::*;
use crate::interfaces::Objects as _;
use crate::state::{Clock, Limits};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

const TOKEN: &str = "secret";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

struct Site {
    server: Arc<Server>,
    base: String,
    client: reqwest::Client,
    now_ms: Arc<AtomicU64>,
    _running: channel::Sender<()>,
}

impl Site {
    async fn start(limits: Limits) -> Self {
        let now_ms = Arc::new(AtomicU64::new(1_700_000_000_000));
        let clock = Arc::clone(&now_ms);
        let mut state = State::new(Clock(Arc::new(move || clock.load(Ordering::Relaxed))), limits);
        state.seed();
        let (sender, running) = channel::channel(());
        let server = Server::new(state, TOKEN, running);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = server.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { server, base, client: testkit::net::client(None).unwrap(), now_ms, _running: sender }
    }

    async fn ask(&self, method: &str, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base)).bearer_auth(TOKEN);
        let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "", "").await
    }

    async fn send(&self, method: &str, path: &str, content_type: &str, body: &Value) -> (u16, Value) {
        self.ask(method, path, content_type, body.to_string()).await
    }

    async fn make(&self, name: &str, labels: Value) -> Value {
        let (code, made) = self.send("POST", MAPS, JSON, &json!({"metadata": {"name": name, "labels": labels}, "data": {"a": "1"}})).await;
        assert_eq!(code, 201, "{made}");
        made
    }

    /// The lines of a watch, one by one.
    async fn watch(&self, path: &str) -> Lines {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        Lines { answer, rest: Vec::new() }
    }
}

struct Lines {
    answer: reqwest::Response,
    rest: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(at) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=at).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            self.rest.extend(self.answer.chunk().await.unwrap()?);
        }
    }

    async fn kind_and_name(&mut self) -> (String, String) {
        let event = self.next().await.unwrap();
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        (text("/type"), text("/object/metadata/name"))
    }
}

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn nobody_without_the_token_comes_in() {
    let site = Site::start(Limits::default()).await;
    for token in [None, Some("wrong"), Some("")] {
        let request = site.client.get(format!("{}{MAPS}", site.base));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json::<Value>().await.unwrap()["reason"], "Unauthorized");
    }
    let healthy = site.client.get(format!("{}/readyz", site.base)).send().await.unwrap();
    assert_eq!(healthy.text().await.unwrap(), "ok");
}

#[tokio::test]
async fn objects_live_and_end() {
    let site = Site::start(Limits::default()).await;
    let made = site.make("one", json!({})).await;
    assert_eq!((&made["kind"], &made["metadata"]["namespace"]), (&json!("ConfigMap"), &json!("default")));
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    let path = format!("{MAPS}/one");
    let (code, status) = site.send("POST", MAPS, JSON, &json!({"metadata": {"name": "one"}})).await;
    assert_eq!((code, &status["reason"], &status["message"]), (409, &json!("AlreadyExists"), &json!("configmaps \"one\" already exists")));

    let mut other = made.clone();
    other["data"]["a"] = json!("2");
    let (code, replaced) = site.send("PUT", &path, JSON, &other).await;
    assert_eq!((code, &replaced["data"]["a"]), (200, &json!("2")));
    assert_ne!(replaced["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    let (code, status) = site.send("PUT", &path, JSON, &other).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    let (code, same) = site.send("PUT", &path, JSON, &replaced).await;
    assert_eq!((code, &same["metadata"]["resourceVersion"]), (200, &replaced["metadata"]["resourceVersion"]), "nothing changed");

    let (code, patched) = site.send("PATCH", &path, MERGE, &json!({"data": {"b": "3", "a": null}})).await;
    assert_eq!((code, &patched["data"]), (200, &json!({"b": "3"})));
    let (code, status) = site.send("DELETE", &path, JSON, &json!({"preconditions": {"uid": "other"}})).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    let (code, status) = site.send("DELETE", &path, JSON, &json!({"preconditions": {"uid": made["metadata"]["uid"]}})).await;
    assert_eq!((code, &status["status"], &status["details"]["name"]), (200, &json!("Success"), &json!("one")));
    assert_eq!(site.get(&path).await.0, 404);
    assert_eq!(site.ask("DELETE", &path, "", "").await.0, 404);
}

#[tokio::test]
async fn names_are_generated() {
    let site = Site::start(Limits::default()).await;
    let (code, made) = site.send("POST", MAPS, JSON, &json!({"metadata": {"generateName": "job-"}})).await;
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(code == 201 && name.starts_with("job-") && name.len() == 9, "{name}");
    let (code, status) = site.send("POST", MAPS, JSON, &json!({"metadata": {}})).await;
    assert_eq!((code, &status["details"]["causes"][0]["field"]), (422, &json!("metadata.name")));
}

#[tokio::test]
async fn dry_runs_write_nothing() {
    let site = Site::start(Limits::default()).await;
    let version = site.server.state().version();
    let (code, made) = site.send("POST", &format!("{MAPS}?dryRun=All"), JSON, &json!({"metadata": {"name": "one"}})).await;
    assert_eq!((code, made["metadata"].get("resourceVersion")), (201, None));
    assert_eq!(site.get(&format!("{MAPS}/one")).await.0, 404);
    assert_eq!(site.server.state().version(), version);
    site.make("one", json!({})).await;
    site.send("PATCH", &format!("{MAPS}/one?dryRun=All"), MERGE, &json!({"data": {"a": "2"}})).await;
    site.ask("DELETE", &format!("{MAPS}/one?dryRun=All"), "", "").await;
    assert_eq!(site.get(&format!("{MAPS}/one")).await.1["data"]["a"], "1");
    assert_eq!(site.send("POST", &format!("{MAPS}?dryRun=Some"), JSON, &json!({"metadata": {"name": "x"}})).await.0, 422);
}

#[tokio::test]
async fn what_is_wrong_is_refused_as_status() {
    let site = Site::start(Limits::default()).await;
    let map = json!({"metadata": {"name": "one"}}).to_string();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}).to_string();
    let old = json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "one"}}).to_string();
    let elsewhere = json!({"metadata": {"name": "one", "namespace": "other"}}).to_string();
    site.make("there", json!({})).await;
    let there = format!("{MAPS}/there");
    let cases: Vec<(&str, String, &str, String, u16, &str)> = vec![
        ("POST", MAPS.into(), JSON, "{".into(), 400, "unrecognized"),
        ("POST", MAPS.into(), JSON, "[]".into(), 400, "unrecognized"),
        ("POST", MAPS.into(), JSON, pod, 400, "cannot be handled as a ConfigMap"),
        ("POST", MAPS.into(), JSON, old, 400, "does not match the expected API version"),
        ("POST", MAPS.into(), JSON, elsewhere, 400, "does not match the namespace"),
        ("POST", MAPS.into(), "text/csv", map.clone(), 415, "media types include"),
        ("POST", "/api/v1/namespaces/nowhere/configmaps".into(), JSON, map.clone(), 404, "namespaces \"nowhere\" not found"),
        ("POST", "/api/v1/configmaps".into(), JSON, map.clone(), 405, "does not allow this method"),
        ("POST", "/api/v1/namespaces/default/widgets".into(), JSON, map.clone(), 404, "could not find the requested resource"),
        ("PATCH", there.clone(), "text/plain", "{}".into(), 415, "Unsupported Media Type"),
        ("PATCH", there.clone(), MERGE, "{".into(), 400, "error decoding patch"),
        ("PATCH", there.clone(), MERGE, json!({"metadata": {"name": "x"}}).to_string(), 400, "does not match the name on the URL"),
        ("PATCH", there.clone(), "application/apply-patch+yaml", "{}".into(), 422, "is required for apply patch"),
        ("PATCH", format!("{there}?force=true"), MERGE, "{}".into(), 422, "may not be specified for non-apply patch"),
        ("PATCH", format!("{MAPS}/nobody"), MERGE, "{}".into(), 404, "not found"),
        ("PUT", there.clone(), JSON, map, 400, "does not match the name on the URL"),
        ("PUT", format!("{there}?fieldValidation=No"), JSON, "{}".into(), 422, "fieldValidation"),
        ("DELETE", there.clone(), JSON, json!({"propagationPolicy": "Sideways"}).to_string(), 422, "propagationPolicy"),
        ("DELETE", "/api/v1/namespaces/default".into(), "", String::new(), 403, "may not be deleted"),
        ("GET", format!("{MAPS}?labelSelector=a%20b"), "", String::new(), 400, "parse"),
        ("GET", format!("{MAPS}?fieldSelector=data.a%3D1"), "", String::new(), 400, "field selector"),
        ("GET", format!("{MAPS}?continue=zz"), "", String::new(), 400, "continue"),
        ("GET", format!("{MAPS}?watch=true&resourceVersion=x"), "", String::new(), 500, "ParseUint"),
        ("GET", format!("{MAPS}?resourceVersion=99999999999999"), "", String::new(), 504, "Too large resource version"),
    ];
    for (method, path, content_type, body, code, words) in cases {
        let (status, answer) = site.ask(method, &path, content_type, body).await;
        assert_eq!((status, &answer["kind"]), (code, &json!("Status")), "{method} {path}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(words), "{method} {path}: {answer}");
        assert_eq!(answer["code"], code);
    }
    assert_eq!(site.get("/apis/nobody.io/v1/widgets").await, (404, json!("404 page not found\n")));
}

#[tokio::test]
async fn there_is_room_for_so_much() {
    let limits = Limits { objects_max: site_size() + 1, ..Limits::default() };
    let site = Site::start(limits).await;
    site.make("one", json!({})).await;
    let (code, status) = site.send("POST", MAPS, JSON, &json!({"metadata": {"name": "two"}})).await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    assert!(status["message"].as_str().unwrap().contains("exceeded quota"), "{status}");
    let (code, status) = site.ask("POST", MAPS, JSON, vec![b' '; BODY_BYTES_MAX + 1]).await;
    assert_eq!((code, &status["reason"]), (413, &json!("RequestEntityTooLarge")));
}

fn site_size() -> usize {
    let mut state = State::new(Clock(Arc::new(|| 0)), Limits::default());
    state.seed();
    state.all().len()
}

#[tokio::test]
async fn lists_are_selected_and_paged() {
    let site = Site::start(Limits::default()).await;
    for n in 0..5 {
        site.make(&format!("m{n}"), json!({"odd": (n % 2 == 1).to_string()})).await;
    }
    let names = |list: &Value| {
        list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, odd) = site.get(&format!("{MAPS}?labelSelector=odd%3Dtrue")).await;
    assert_eq!(
        (names(&odd), &odd["kind"], odd["items"][0].get("kind")),
        (vec!["m1".to_owned(), "m3".to_owned()], &json!("ConfigMapList"), None)
    );
    let (_, one) = site.get("/api/v1/configmaps?fieldSelector=metadata.name%3Dm2").await;
    assert_eq!(names(&one), ["m2"]);
    let (mut found, mut path) = (Vec::new(), format!("{MAPS}?limit=2&labelSelector=odd"));
    loop {
        let (_, page) = site.get(&path).await;
        assert!(page["items"].as_array().unwrap().len() <= 2);
        found.extend(names(&page));
        match page["metadata"].get("continue") {
            Some(token) => path = format!("{MAPS}?limit=2&labelSelector=odd&continue={}", token.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(found, ["m0", "m1", "m2", "m3", "m4"]);
    let (_, deleted) = site.ask("DELETE", &format!("{MAPS}?labelSelector=odd%3Dtrue"), "", "").await;
    assert_eq!(names(&deleted), ["m1", "m3"]);
    assert_eq!(names(&site.get(&format!("{MAPS}?labelSelector=odd")).await.1), ["m0", "m2", "m4"]);
}

#[tokio::test]
async fn watches_tell_what_changes_for_them() {
    let site = Site::start(Limits::default()).await;
    let first = site.make("one", json!({"app": "web"})).await;
    let version = first["metadata"]["resourceVersion"].as_str().unwrap();
    let mut from_here = site.watch(&format!("{MAPS}?watch=true&resourceVersion={version}&labelSelector=app%3Dweb")).await;
    let mut from_all = site
        .watch(&format!(
            "{MAPS}?watch=1&labelSelector=app%3Dweb&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
        ))
        .await;
    assert_eq!(from_all.kind_and_name().await, pair("ADDED", "one"));
    let bookmark = from_all.next().await.unwrap();
    assert_eq!(
        (&bookmark["type"], &bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"]),
        (&json!("BOOKMARK"), &json!("true"))
    );
    site.make("two", json!({"app": "api"})).await;
    let path = format!("{MAPS}/two");
    site.send("PATCH", &path, MERGE, &json!({"metadata": {"labels": {"app": "web"}}})).await;
    site.send("PATCH", &path, MERGE, &json!({"data": {"x": "y"}})).await;
    site.send("PATCH", &path, MERGE, &json!({"metadata": {"labels": {"app": "api"}}})).await;
    site.ask("DELETE", &format!("{MAPS}/one"), "", "").await;
    for watch in [&mut from_here, &mut from_all] {
        for (kind, name) in [("ADDED", "two"), ("MODIFIED", "two"), ("DELETED", "two"), ("DELETED", "one")] {
            assert_eq!(watch.kind_and_name().await, pair(kind, name));
        }
    }
}

#[tokio::test]
async fn a_watch_ends_in_time_and_with_a_bookmark() {
    let site = Site::start(Limits::default()).await;
    let mut watch = site
        .watch(&format!(
            "{MAPS}?watch=true&resourceVersion=0&fieldSelector=metadata.name%3Dnobody&timeoutSeconds=1&allowWatchBookmarks=true"
        ))
        .await;
    let last = watch.next().await.unwrap();
    assert_eq!(
        (&last["type"], last["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse()),
        (&json!("BOOKMARK"), Ok(site.server.state().version()))
    );
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn too_old_a_watch_is_told_so() {
    let site = Site::start(Limits { changes_max: 2, ..Limits::default() }).await;
    let mut watch = site.watch(&format!("{MAPS}?watch=true&resourceVersion=5")).await;
    let event = watch.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"], &event["object"]["reason"]), (&json!("ERROR"), &json!(410), &json!("Expired")));
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn sizes_change_through_scale() {
    let site = Site::start(Limits::default()).await;
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}});
    let (code, made) =
        site.send("POST", DEPLOYMENTS, JSON, &json!({"metadata": {"name": "web"}, "spec": spec, "status": {"replicas": 9}})).await;
    assert_eq!((code, &made["metadata"]["generation"]), (201, &json!(1)), "{made}");
    assert_ne!(made.pointer("/status/replicas"), Some(&json!(9)), "a status is not created");
    let path = format!("{DEPLOYMENTS}/web");
    let (code, scale) = site.send("PATCH", &format!("{path}/scale"), MERGE, &json!({"spec": {"replicas": 3}})).await;
    assert_eq!(
        (code, &scale["kind"], &scale["spec"]["replicas"], &scale["status"]["selector"]),
        (200, &json!("Scale"), &json!(3), &json!("app=web"))
    );
    let (_, now) = site.get(&path).await;
    assert_eq!((&now["spec"]["replicas"], &now["metadata"]["generation"]), (&json!(3), &json!(2)));
    assert_eq!(site.send("PATCH", &format!("{path}/scale"), MERGE, &json!({"spec": {"replicas": -1}})).await.0, 422);
    let (code, now) =
        site.send("PATCH", &format!("{path}/status"), MERGE, &json!({"spec": {"replicas": 7}, "status": {"replicas": 3}})).await;
    assert_eq!((code, &now["spec"]["replicas"], &now["status"]["replicas"]), (200, &json!(3), &json!(3)));
}

#[tokio::test]
async fn pods_and_finalized_objects_end_later() {
    let site = Site::start(Limits::default()).await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "playground", "containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(site.send("POST", pods, JSON, &pod).await.0, 201);
    let (code, marked) = site.ask("DELETE", &format!("{pods}/p?gracePeriodSeconds=5"), "", "").await;
    assert_eq!((code, &marked["metadata"]["deletionGracePeriodSeconds"]), (200, &json!(5)));
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2023-11-14T22:13:25Z");
    site.now_ms.fetch_add(1_000, Ordering::Relaxed);
    let (code, gone) = site.send("DELETE", &format!("{pods}/p"), JSON, &json!({"gracePeriodSeconds": 0})).await;
    assert_eq!((code, &gone["kind"]), (200, &json!("Pod")));
    assert_eq!(site.get(&format!("{pods}/p")).await.0, 404);

    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    site.send("POST", MAPS, JSON, &held).await;
    let path = format!("{MAPS}/held");
    let (_, marked) = site.ask("DELETE", &path, "", "").await;
    assert!(marked["metadata"]["deletionTimestamp"].is_string(), "{marked}");
    assert_eq!(site.get(&path).await.0, 200);
    site.send("PATCH", &path, MERGE, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(site.get(&path).await.0, 404);
}

#[tokio::test]
async fn namespaces_end_by_those_who_empty_them() {
    let site = Site::start(Limits::default()).await;
    let (code, made) = site.send("POST", "/api/v1/namespaces", JSON, &json!({"metadata": {"name": "shop"}})).await;
    assert_eq!((code, &made["status"]["phase"]), (201, &json!("Active")));
    assert_eq!(site.get("/api/v1/namespaces/shop/serviceaccounts/default").await.0, 200);
    let (_, marked) = site.ask("DELETE", "/api/v1/namespaces/shop", "", "").await;
    assert_eq!(marked["status"]["phase"], "Terminating");
    let (code, status) = site.send("POST", "/api/v1/namespaces/shop/configmaps", JSON, &json!({"metadata": {"name": "x"}})).await;
    assert_eq!((code, &status["details"]["causes"][0]["reason"]), (403, &json!("NamespaceTerminating")));
}

#[tokio::test]
async fn forms_and_reviews() {
    let site = Site::start(Limits::default()).await;
    site.make("one", json!({})).await;
    let form = async |accept: &str, path: &str| {
        let answer = site.client.get(format!("{}{path}", site.base)).bearer_auth(TOKEN).header("accept", accept).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (_, table) = form("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", MAPS).await;
    assert_eq!((&table["kind"], &table["columnDefinitions"][1]["name"]), (&json!("Table"), &json!("Data")));
    let (_, partial) = form("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", &format!("{MAPS}/one")).await;
    assert_eq!((&partial["kind"], partial.get("data")), (&json!("PartialObjectMetadata"), None));
    assert_eq!(form("application/cbor", MAPS).await.0, 406);
    let reviews = "/apis/authorization.k8s.io/v1";
    let body = json!({"spec": {"namespace": "default"}});
    let (code, rules) = site.send("POST", &format!("{reviews}/selfsubjectrulesreviews"), JSON, &body).await;
    assert_eq!((code, &rules["status"]["incomplete"], &rules["status"]["resourceRules"][0]["verbs"]), (201, &json!(false), &json!(["*"])));
    let (code, access) = site.send("POST", &format!("{reviews}/selfsubjectaccessreviews"), JSON, &json!({"spec": {}})).await;
    assert_eq!((code, &access["status"]["allowed"]), (201, &json!(true)));
    assert_eq!(site.get(&format!("{reviews}/selfsubjectaccessreviews")).await.0, 405);
    assert_eq!(site.get("/version").await.1["minor"], "36");
}
