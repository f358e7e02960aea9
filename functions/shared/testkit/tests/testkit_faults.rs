//! The proxy that misbehaves, before a small server on loopback: each fault is what it says, and the record knows it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failure is a panic that says what went wrong")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use testkit::faults::{Done, Fault, Per, Record, Rule, Script, Verb};
use testkit::net::{self, Served};
use testkit::{FaultProxy, eventually};

const SECRET: &str = "behind-the-proxy";
const WAIT_MAX: Duration = Duration::from_secs(20);
const PODS: &str = "/api/v1/namespaces/shop/pods";

/// What the server was asked, as `METHOD target body`; its answers count.
type Asked = Arc<Mutex<Vec<String>>>;

async fn serve(State(asked): State<Asked>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.headers.get("authorization").is_none_or(|value| value != &format!("Bearer {SECRET}")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let count = {
        let mut asked = asked.lock().unwrap();
        asked.push(format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body)));
        asked.len()
    };
    if parts.uri.query().is_some_and(|query| query.contains("watch=1")) {
        let events = (1..=3).map(|at| Ok::<_, std::io::Error>(format!("{{\"type\":\"ADDED\",\"object\":{at}}}\n")));
        // It stays open, as a watch does.
        return Body::from_stream(futures::stream::iter(events).chain(futures::stream::pending())).into_response();
    }
    axum::Json(json!({ "answer": count })).into_response()
}

struct Site {
    proxy: FaultProxy,
    asked: Asked,
    client: reqwest::Client,
    token: String,
    _server: Served,
}

impl Site {
    async fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let asked = Asked::default();
        let server = Served::start(Router::new().fallback(serve).with_state(asked.clone())).await.unwrap();
        let kubeconfig = json!({
            "current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": server.url("")}}], "users": [{"name": "a", "user": {"token": SECRET}}],
        });
        let proxy = FaultProxy::start(&kubeconfig.to_string(), Script::of(rules)).await.unwrap();
        let own: Value = serde_norway::from_str(&proxy.kubeconfig()).unwrap();
        let ca = own["clusters"][0]["cluster"]["certificate-authority-data"].as_str().unwrap();
        let ca = String::from_utf8(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, ca).unwrap()).unwrap();
        let token = own["users"][0]["user"]["token"].as_str().unwrap().to_owned();
        Self { proxy, asked, client: net::client(Some(&ca)).unwrap(), token, _server: server }
    }

    fn request(&self, method: &str, target: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{target}", self.proxy.server())).bearer_auth(&self.token)
    }

    async fn get(&self, target: &str) -> Result<(u16, Value), reqwest::Error> {
        let answer = self.request("GET", target).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn last(&self) -> Record {
        self.proxy.records().pop().unwrap()
    }
}

#[tokio::test]
async fn requests_pass_as_they_are() {
    let site = Site::new([]).await;
    let body = json!({"kind": "Pod"}).to_string();
    let answer =
        site.request("PATCH", &format!("{PODS}/a?force=true")).header("content-type", "application/apply-patch+yaml").body(body.clone());
    assert_eq!(answer.send().await.unwrap().status(), 200);
    assert_eq!(site.asked(), [format!("PATCH {PODS}/a?force=true {body}")]);
    let record = site.last();
    assert_eq!(
        (record.verb, record.resource.as_str(), record.namespace.as_str(), record.name.as_str()),
        (Verb::Apply, "pods", "shop", "a")
    );
    assert_eq!(
        (record.fault.as_deref(), record.upstream_status, record.answered, record.done),
        (None, Some(200), Some(200), Done::Answered)
    );
    assert!(record.was_done() && record.body_digest.len() == 64 && record.body_bytes == body.len());
    let deleted = site.request("DELETE", &format!("{PODS}/a")).body(json!({"preconditions": {"uid": "u-1"}}).to_string());
    assert_eq!(deleted.send().await.unwrap().status(), 200);
    assert_eq!(site.last().uid.as_deref(), Some("u-1"));
}

#[tokio::test]
async fn who_has_not_its_token_is_refused() {
    let site = Site::new([]).await;
    let answer = site.client.get(format!("{}{PODS}", site.proxy.server())).bearer_auth(SECRET).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), site.asked().len()), (401, 0));
    assert!(!format!("{:?}", site.proxy).contains(SECRET));
}

#[tokio::test]
async fn refusals_never_reach_the_server() {
    let cases = [
        (Fault::Conflict, 409, "Conflict"),
        (Fault::Throttle { retry_after_s: 3 }, 429, "TooManyRequests"),
        (Fault::Fail { status: 500 }, 500, "InternalError"),
        (Fault::Fail { status: 503 }, 503, "ServiceUnavailable"),
        (Fault::Unauthorized, 401, "Unauthorized"),
    ];
    for (fault, status, reason) in cases {
        let site = Site::new([Rule::every(fault.clone()).times(1)]).await;
        let answer = site.request("PUT", &format!("{PODS}/a")).send().await.unwrap();
        let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(retry.as_deref(), (status == 429).then_some("3"));
        assert_eq!(answer.status(), status);
        let said: Value = answer.json().await.unwrap();
        assert_eq!((&said["kind"], &said["code"], &said["reason"]), (&json!("Status"), &json!(status), &json!(reason)));
        let record = site.last();
        assert_eq!((record.rule.as_deref(), record.upstream_status, record.answered), (Some(fault.name()), None, Some(status)));
        assert!(site.asked().is_empty());
        assert_eq!(site.request("PUT", &format!("{PODS}/a")).send().await.unwrap().status(), 200, "once");
    }
}

#[tokio::test]
async fn answers_get_lost() {
    for (fault, reached) in [(Fault::Reset, 0), (Fault::Lose, 1), (Fault::Tear, 1)] {
        let site = Site::new([Rule::every(fault.clone()).times(1)]).await;
        assert!(site.get(&format!("{PODS}/a")).await.is_err(), "{fault:?}");
        let record = site.last();
        assert_eq!((site.asked().len(), record.answered, record.done), (reached, None, Done::Broken), "{fault:?}");
        assert_eq!(record.was_done(), reached == 1, "{fault:?}");
        assert_eq!(site.get(&format!("{PODS}/a")).await.unwrap().0, 200);
    }
}

#[tokio::test]
async fn an_answer_may_never_come() {
    for (tried, reached) in [(false, 0), (true, 1)] {
        let site = Site::new([Rule::every(Fault::Hang { tried }).times(1)]).await;
        let asked = site.request("GET", PODS).timeout(Duration::from_millis(200)).send().await;
        assert!(asked.unwrap_err().is_timeout());
        site.proxy.recorded("the end of it", WAIT_MAX, |record| record.done == Done::Broken).await.unwrap();
        assert_eq!(site.asked().len(), reached);
    }
}

#[tokio::test]
async fn what_is_late_is_done_all_the_same() {
    let site = Site::new([Rule::every(Fault::Latency { ms: 150 })]).await;
    let start = Instant::now();
    assert_eq!(site.get(PODS).await.unwrap().0, 200);
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn nobody_listens_for_a_while() {
    let site = Site::new([Rule::every(Fault::Refuse { ms: 300 }).times(1)]).await;
    assert!(site.get(PODS).await.is_err());
    let refused = eventually("a refusal", WAIT_MAX, || async {
        let error = site.get(PODS).await.err();
        Ok::<_, testkit::Error>(error.map(|error| error.is_connect()))
    });
    assert!(refused.await.unwrap());
    let answered = eventually("an answer", WAIT_MAX, || async { site.get(PODS).await.map(Some) });
    assert_eq!(answered.await.unwrap().0, 200);
}

#[tokio::test]
async fn the_certificate_is_anothers_for_a_while() {
    let site = Site::new([Rule::every(Fault::Certificate { ms: 300 }).times(1)]).await;
    assert!(site.get(PODS).await.is_err());
    let error = site.get(PODS).await.unwrap_err();
    let mut text = format!("{error:?}");
    text.make_ascii_lowercase();
    assert!(error.is_connect() && text.contains("certificate"), "{text}");
    let answered = eventually("an answer", WAIT_MAX, || async { site.get(PODS).await.map(Some) });
    assert_eq!(answered.await.unwrap().0, 200);
}

/// The events that come within a second, and whether the watch ended in order.
async fn watched(site: &Site) -> (Vec<String>, Option<bool>) {
    let mut stream = site.request("GET", &format!("{PODS}?watch=1")).send().await.unwrap().bytes_stream();
    let mut text = String::new();
    let end = loop {
        match tokio::time::timeout(Duration::from_secs(1), stream.next()).await {
            Ok(Some(Ok(chunk))) => text.push_str(&String::from_utf8_lossy(&chunk)),
            Ok(Some(Err(_))) => break Some(false),
            Ok(None) => break Some(true),
            Err(_) => break None,
        }
    };
    let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["object"].to_string();
    (text.lines().map(number).collect(), end)
}

#[tokio::test]
async fn watches_go_wrong() {
    let cases = [
        (Fault::RepeatWatch, vec!["1", "1", "2", "2", "3", "3"], None),
        (Fault::DelayWatch { ms: 100 }, vec!["1", "2", "3"], None),
        (Fault::DropWatch { after_events: 2, broken: false }, vec!["1", "2"], Some(true)),
        (Fault::DropWatch { after_events: 1, broken: true }, vec!["1"], Some(false)),
        (Fault::DropWatch { after_events: 0, broken: false }, vec![], Some(true)),
    ];
    for (fault, events, end) in cases {
        let site = Site::new([Rule::every(fault.clone())]).await;
        assert_eq!(watched(&site).await, (events.into_iter().map(str::to_owned).collect(), end), "{fault:?}");
    }
}

#[tokio::test]
async fn a_watch_is_told_that_it_asks_for_too_much() {
    let site = Site::new([Rule::every(Fault::Gone { at_once: false }).times(1), Rule::every(Fault::Gone { at_once: true }).times(1)]).await;
    let told = site.request("GET", &format!("{PODS}?watch=1")).send().await.unwrap();
    assert_eq!(told.status(), 200);
    let event: Value = told.json().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    let refused = site.request("GET", &format!("{PODS}?watch=1")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), site.asked().len()), (410, 0));
}

#[tokio::test]
async fn answers_may_be_of_yesterday() {
    let site = Site::new([Rule::every(Fault::Stale).per(Per::Object).after(1)]).await;
    let answers = [site.get(PODS).await, site.get(PODS).await, site.get(PODS).await].map(|answer| answer.unwrap().1["answer"].clone());
    assert_eq!(answers, [json!(1), json!(1), json!(2)], "always the one before");
    let faults: Vec<_> = site.proxy.records().into_iter().map(|record| record.fault.is_some()).collect();
    assert_eq!(faults, [false, true, true]);
}

#[tokio::test]
async fn another_process_can_say_and_see_what_happens() {
    let site = Site::new([]).await;
    let control = Served::start(site.proxy.control()).await.unwrap();
    let client = net::client(None).unwrap();
    let put = |script: Value| client.put(control.url("/script")).body(script.to_string()).send();
    let refused = put(json!({"rules": [{"fault": "melt"}]})).await.unwrap();
    assert_eq!(refused.status(), 422);
    assert_eq!(refused.json::<Value>().await.unwrap()[0]["pointer"], "/rules/0/fault/kind");
    assert_eq!(put(json!({"rules": [{"count": 1, "fault": {"kind": "fail", "status": 503}}]})).await.unwrap().status(), 204);
    assert_eq!(site.get(PODS).await.unwrap().0, 503);
    assert_eq!(site.get(PODS).await.unwrap().0, 200);
    let seen: Vec<Record> = client.get(control.url("/records?after=1")).send().await.unwrap().json().await.unwrap();
    assert_eq!((seen.len(), seen[0].number, seen[0].answered), (1, 2, Some(200)));
}
