//! What the adapter says of connections that fail and of servers that misbehave: every server here is a few lines on
//! loopback that answers what the test wants.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use app::ports::{ApplyOptions, Cluster as _, ClusterError, ListQuery, LogQuery, ObjectKey, VerifyNeeds, WatchKey, WatchSpec};
use cluster::{KubeCluster, Limits};
use model::account::{ClusterConnection, ClusterCredentials};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, date_time_ymd};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn at(server: String, ca_pem: Option<String>) -> ClusterConnection {
    let credentials = ClusterCredentials::Token("s3cret".to_owned());
    ClusterConnection { server, ca_pem, insecure_skip_tls_verify: false, tls_server_name: None, credentials }
}

/// With limits that a test can wait for.
fn hurried() -> KubeCluster {
    KubeCluster::with_limits(Limits { request_ms_max: 300, watch_pause_ms_min: 1, watch_pause_ms_max: 5, ..Limits::default() })
}

fn pod() -> ObjectKey {
    ObjectKey { api_version: "v1".into(), kind: "Pod".into(), namespace: Some("n".into()), name: "p".into() }
}

/// Reads the head of one request; none when the connection has ended.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) {
    if head(stream).await.is_some() {
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.ok();
    }
}

/// A plain server that gives one answer a connection, the last one again and again, and remembers what it was asked.
struct Scripted {
    server: String,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn scripted(answers: Vec<String>) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut next = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some(head) = head(&mut stream).await else { continue };
            log.lock().unwrap().push(head);
            let text = &answers[next.min(answers.len() - 1)];
            next += 1;
            stream.write_all(text.as_bytes()).await.ok();
            stream.shutdown().await.ok();
        }
    });
    Scripted { server, asked }
}

/// A plain server that answers by path, 404 elsewhere, and remembers the first lines of what it was asked.
async fn routed(routes: Vec<(&'static str, String)>) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some(head) = head(&mut stream).await else { continue };
            let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
            let found = routes.iter().find(|(route, _)| line.starts_with(route)).map(|(_, answer)| answer.clone());
            log.lock().unwrap().push(line);
            stream.write_all(found.unwrap_or_else(|| http("404 Not Found", "", "")).as_bytes()).await.ok();
            stream.shutdown().await.ok();
        }
    });
    Scripted { server, asked }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// A stream of events that ends by itself, or breaks off.
fn events(lines: &[&str], whole: bool) -> String {
    let mut text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".to_owned();
    for line in lines {
        text.push_str(&format!("{:x}\r\n{line}\n\r\n", line.len() + 1));
    }
    if whole {
        text.push_str("0\r\n\r\n");
    }
    text
}

async fn get_from(answer: String) -> ClusterError {
    let scripted = scripted(vec![answer]).await;
    KubeCluster::new().get(&at(scripted.server, None), &pod()).await.unwrap_err()
}

fn code_of(error: &ClusterError) -> &'static str {
    match error {
        ClusterError::Unreachable { code, .. } => code,
        other => panic!("reached: {other}"),
    }
}

#[tokio::test]
async fn a_name_that_is_not_known() {
    let error = KubeCluster::new().get(&at("https://no-such-host.invalid:6443".into(), None), &pod()).await.unwrap_err();
    assert_eq!(code_of(&error), "name-not-found", "{error}");
    assert!(error.to_string().contains("no-such-host.invalid"));
}

#[tokio::test]
async fn a_port_nobody_listens_on() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for scheme in ["http", "https"] {
        let error = KubeCluster::new().get(&at(format!("{scheme}://127.0.0.1:{port}"), None), &pod()).await.unwrap_err();
        assert_eq!(code_of(&error), "refused", "{error}");
    }
}

/// A TLS server whose certificate is for these names until this year, and the authority that signed it.
async fn tls_server(names: &[&str], year: i32) -> (u16, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut leaf = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    leaf.not_before = date_time_ymd(2020, 1, 1);
    leaf.not_after = date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let _provider = KubeCluster::new();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![leaf.der().clone()], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                answer(&mut stream, &http("200 OK", "", r#"{"kind": "Pod"}"#)).await;
            }
        }
    });
    (port, authority.pem())
}

#[tokio::test]
async fn certificates_that_are_not_trusted_say_why() {
    let cluster = KubeCluster::new();
    let (port, authority) = tls_server(&["127.0.0.1"], 2099).await;
    let here = format!("https://127.0.0.1:{port}");
    assert!(cluster.get(&at(here.clone(), Some(authority.clone())), &pod()).await.is_ok());

    let (other_port, other_authority) = tls_server(&["k8s.example.com"], 2099).await;
    let (late_port, late_authority) = tls_server(&["127.0.0.1"], 2021).await;
    let cases = [
        (here.clone(), Some(other_authority.clone()), "authority"),
        (here.clone(), None, "not trusted"),
        (format!("https://127.0.0.1:{other_port}"), Some(other_authority.clone()), "another name (k8s.example.com)"),
        (format!("https://127.0.0.1:{late_port}"), Some(late_authority), "expired"),
    ];
    for (server, authority, word) in cases {
        let error = cluster.get(&at(server, authority), &pod()).await.unwrap_err();
        assert_eq!(code_of(&error), "certificate-not-trusted", "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }

    let mut named = at(format!("https://127.0.0.1:{other_port}"), Some(other_authority));
    named.tls_server_name = Some("k8s.example.com".to_owned());
    assert!(cluster.get(&named, &pod()).await.is_ok(), "the name to expect may be given");
    let mut insecure = at(here, None);
    insecure.insecure_skip_tls_verify = true;
    assert!(cluster.get(&insecure, &pod()).await.is_ok());
}

#[tokio::test]
async fn a_server_without_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(http("400 Bad Request", "", "no TLS here").as_bytes()).await.unwrap();
    });
    let error = KubeCluster::new().get(&at(server, None), &pod()).await.unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert_eq!(code_of(&error), "connection-lost", "{error}");
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let status = |code: u16| format!(r#"{{"kind": "Status", "code": {code}, "message": "m"}}"#);
    assert_eq!(get_from(http("401 Unauthorized", "", &status(401))).await, ClusterError::Unauthorized("m".into()));
    assert_eq!(get_from(http("403 Forbidden", "", &status(403))).await, ClusterError::Denied("m".into()));
    assert_eq!(get_from(http("404 Not Found", "", &status(404))).await, ClusterError::NotFound("m".into()));
    assert_eq!(get_from(http("429 Too Many", "retry-after: 4\r\n", &status(429))).await, ClusterError::Throttled(4_000));
    assert_eq!(code_of(&get_from(http("503 Unavailable", "", &status(503))).await), "server-error");
    assert_eq!(code_of(&get_from(http("200 OK", "", "<html>login</html>")).await), "server-error");
    let huge = http("500 Error", "", &"x".repeat(1 << 20));
    assert_eq!(code_of(&get_from(huge).await), "server-error");
}

#[tokio::test]
async fn answers_that_break_off_or_never_end() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned();
    assert_eq!(code_of(&get_from(short).await), "connection-lost");
    assert_eq!(code_of(&get_from(String::new()).await), "connection-lost");
    let body = "x".repeat((16 << 20) + 1);
    assert_eq!(get_from(http("200 OK", "", &body)).await, ClusterError::TooLarge(16 << 20));
}

#[tokio::test]
async fn a_server_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let error = hurried().get(&at(server, None), &pod()).await.unwrap_err();
    assert_eq!(code_of(&error), "timed-out", "{error}");
    assert!(error.to_string().contains("within 300 ms"), "{error}");
}

#[tokio::test]
async fn requests_say_who_asks_and_stay_in_their_path() {
    let scripted = scripted(vec![http("200 OK", "", "{}")]).await;
    let server = format!("{}/k8s/clusters/c-1", scripted.server);
    KubeCluster::new().get(&at(server, None), &pod()).await.unwrap();
    let asked = scripted.asked.lock().unwrap()[0].to_lowercase();
    assert!(asked.starts_with("get /k8s/clusters/c-1/api/v1/namespaces/n/pods/p http/1.1"), "{asked}");
    assert!(asked.contains("user-agent: waybill/") && asked.contains("authorization: bearer s3cret"), "{asked}");
}

#[tokio::test]
async fn logs_are_cut() {
    let scripted = scripted(vec![http("200 OK", "", &"line\n".repeat(100_000))]).await;
    let query = LogQuery { bytes_max: 7, tail_lines: Some(5), since_ms: Some(1_500), previous: true, container: Some("c".into()) };
    let log = KubeCluster::new().pod_logs(&at(scripted.server, None), "n", "p", &query).await.unwrap();
    assert_eq!(log, "line\nli");
    let asked = scripted.asked.lock().unwrap()[0].clone();
    let wanted = "/api/v1/namespaces/n/pods/p/log?container=c&previous=true&tailLines=5&sinceSeconds=2&limitBytes=7 ";
    assert!(asked.contains(wanted), "{asked}");
}

#[tokio::test]
async fn pages_are_bounded() {
    let scripted = scripted(vec![http("200 OK", "", r#"{"metadata": {"resourceVersion": "5", "continue": "c"}, "items": [{}]}"#)]).await;
    let mut query = ListQuery {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: Some("n".into()),
        labels: Some("a=b".into()),
        fields: None,
        limit: 9_999,
        continue_token: Some("t".into()),
    };
    let cluster = KubeCluster::new();
    let page = cluster.list(&at(scripted.server.clone(), None), &query).await.unwrap();
    assert_eq!((page.continue_token.as_deref(), page.resource_version.as_str(), page.items.len()), (Some("c"), "5", 1));
    query.limit = 0;
    cluster.list(&at(scripted.server, None), &query).await.unwrap();
    let asked = scripted.asked.lock().unwrap().clone();
    assert!(asked[0].contains("/pods?labelSelector=a%3Db&limit=500&continue=t "), "{}", asked[0]);
    assert!(asked[1].contains("&limit=1&"), "{}", asked[1]);
}

#[tokio::test]
async fn something_else_than_kubernetes_is_seen() {
    let scripted = scripted(vec![http("200 OK", "", r#"{"name": "some other service"}"#)]).await;
    let verified = KubeCluster::new().verify(&at(scripted.server, None), &VerifyNeeds::default()).await.unwrap();
    let version = verified.checks.iter().find(|check| check.name == "version").unwrap();
    assert!(!version.passed, "{}", version.message);
}

#[tokio::test]
async fn old_servers_are_asked_group_by_group() {
    let ok = |body: &str| http("200 OK", "", body);
    let old = routed(vec![
        (
            "GET /apis/apps/v1",
            ok(r#"{"groupVersion": "apps/v1", "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": true}]}"#),
        ),
        ("GET /apis/down.example.com/v1", http("503 Unavailable", "", "")),
        (
            "GET /apis",
            ok(r#"{"kind": "APIGroupList", "groups": [
                {"preferredVersion": {"groupVersion": "down.example.com/v1"}, "versions": [{"groupVersion": "down.example.com/v1"}]},
                {"preferredVersion": {"groupVersion": "apps/v1"}, "versions": [{"groupVersion": "apps/v1"}]}]}"#),
        ),
        (
            "GET /api/v1",
            ok(r#"{"groupVersion": "v1", "resources": [{"name": "pods", "kind": "Pod", "namespaced": true, "shortNames": ["po"]}]}"#),
        ),
        ("GET /api", ok(r#"{"kind": "APIVersions", "versions": ["v1"]}"#)),
    ])
    .await;
    let (cluster, at) = (KubeCluster::new(), at(old.server, None));
    assert_eq!(cluster.resolve(&at, "deployments.apps").await.unwrap()[0].api_version, "apps/v1");
    assert_eq!(cluster.resolve(&at, "po").await.unwrap()[0].kind, "Pod");
    let asked = old.asked.lock().unwrap().len();
    assert_eq!(asked, 7, "twice aggregated, twice the lists, three group versions; the second question costs nothing");
}

#[tokio::test]
async fn what_a_rules_review_cannot_list_is_asked_one_by_one() {
    let ok = |body: &str| http("201 Created", "", body);
    let rules = r#"{"status": {"incomplete": true, "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}}"#;
    let server = routed(vec![
        ("GET /version", ok(r#"{"major": "1", "minor": "33", "gitVersion": "v1.33.0"}"#)),
        ("GET /api/v1/namespaces/n", ok("{}")),
        ("POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews", ok(rules)),
        ("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ok(r#"{"status": {"allowed": true}}"#)),
    ])
    .await;
    let right = |verb: &str| (verb.to_owned(), String::new(), "pods".to_owned());
    let needs = VerifyNeeds { namespaces: vec!["n".into()], rights: vec![right("get"), right("list")] };
    let verified = KubeCluster::new().verify(&at(server.server, None), &needs).await.unwrap();
    assert!(verified.checks.iter().all(|check| check.passed), "{:?}", verified.checks);
    let reviews = server.asked.lock().unwrap().iter().filter(|line| line.contains("accessreviews")).count();
    assert_eq!(reviews, 1, "only for what was not on the list");
}

#[tokio::test]
async fn an_apply_costs_two_requests_and_an_adoption_three() {
    let ok = |body: &str| http("200 OK", "", body);
    let path = "/apis/apps/v1/namespaces/n/deployments/d";
    let manifest = serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "n", "name": "d"}});
    let lines = |asked: &Scripted| asked.asked.lock().unwrap().clone();

    let ours =
        routed(vec![("GET", ok(r#"{"metadata": {"resourceVersion": "1"}}"#)), ("PATCH", ok(r#"{"metadata": {"resourceVersion": "1"}}"#))])
            .await;
    let applied = KubeCluster::new().apply(&at(ours.server.clone(), None), &manifest, ApplyOptions::default()).await.unwrap();
    assert!(!applied.created && !applied.changed);
    assert_eq!(lines(&ours), [format!("GET {path}"), format!("PATCH {path}?fieldManager=waybill&fieldValidation=Strict")]);

    let theirs = r#"{"metadata": {"resourceVersion": "1", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "managedFields": [{"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {}}]}}"#;
    let adopted = routed(vec![("GET", ok(theirs)), ("PATCH", ok(r#"{"metadata": {"resourceVersion": "2"}}"#))]).await;
    assert!(KubeCluster::new().apply(&at(adopted.server.clone(), None), &manifest, ApplyOptions::default()).await.unwrap().changed);
    assert_eq!(lines(&adopted).len(), 3);

    let busy = routed(vec![("GET", ok(theirs)), ("PATCH", http("409 Conflict", "", ""))]).await;
    let error = KubeCluster::new().apply(&at(busy.server.clone(), None), &manifest, ApplyOptions::default()).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Unreachable { code: "object-changing", .. }), "{error}");
    assert_eq!(lines(&busy).len(), 10, "bounded");
}

#[tokio::test]
async fn a_write_that_lost_to_another_is_made_again_and_a_conflict_of_fields_is_not() {
    let modified = |status: &str| {
        http(
            status,
            "",
            r#"{"kind": "Status", "reason": "Conflict", "message": "Operation cannot be fulfilled on deployments.apps \"d\": the object has been modified; please apply your changes"}"#,
        )
    };
    let manifest = serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "n", "name": "d"}});
    let (none, made) = (http("404 Not Found", "", ""), http("201 Created", "", r#"{"metadata": {"resourceVersion": "2"}}"#));
    let server = scripted(vec![none.clone(), modified("409 Conflict"), none, made]).await;
    let applied = KubeCluster::new().apply(&at(server.server.clone(), None), &manifest, ApplyOptions::default()).await.unwrap();
    assert!(applied.created);
    assert_eq!(server.asked.lock().unwrap().len(), 4);

    let ours = http("200 OK", "", r#"{"metadata": {"resourceVersion": "1"}}"#);
    let busy = routed(vec![("GET", ours.clone()), ("PATCH", modified("409 Conflict"))]).await;
    let error = KubeCluster::new().apply(&at(busy.server.clone(), None), &manifest, ApplyOptions::default()).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Unreachable { code: "object-changing", .. }), "{error}");
    assert_eq!(busy.asked.lock().unwrap().len(), 10, "bounded");

    let cause = r#"{"kind": "Status", "reason": "Conflict", "message": "Apply failed with 1 conflict", "details": {"causes":
        [{"reason": "FieldManagerConflict", "message": "conflict with \"ci\"", "field": ".spec.replicas"}]}}"#;
    let owned = routed(vec![("GET", ours), ("PATCH", http("409 Conflict", "", cause))]).await;
    let error = KubeCluster::new().apply(&at(owned.server.clone(), None), &manifest, ApplyOptions::default()).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Conflict(text) if text.contains(".spec.replicas")), "{error}");
    assert_eq!(owned.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_from_before_the_last_write_is_not_believed() {
    let old = r#"{"metadata": {"resourceVersion": "3"}, "items": [{"metadata": {"name": "c", "resourceVersion": "3"}}]}"#;
    let server = scripted(vec![
        http("404 Not Found", "", ""),
        http("201 Created", "", r#"{"metadata": {"resourceVersion": "7"}}"#),
        http("200 OK", "", old),
        http("200 OK", "", r#"{"metadata": {"resourceVersion": "3"}}"#),
        http("200 OK", "", &old.replace('3', "8")),
    ])
    .await;
    let (cluster, at) = (KubeCluster::new(), at(server.server.clone(), None));
    let manifest = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "c"}});
    let key = ObjectKey { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: Some("n".into()), name: "c".into() };
    let _ = cluster.apply(&at, &manifest, ApplyOptions::default()).await.unwrap();
    let stale = |error: ClusterError| matches!(error, ClusterError::Unreachable { code: "stale-answer", .. });
    assert!(stale(cluster.rollout_status(&at, &key).await.unwrap_err()));
    assert!(stale(cluster.get(&at, &key).await.unwrap_err()));
    assert!(cluster.rollout_status(&at, &key).await.unwrap().stable);
}

fn object_watch(version: Option<&str>) -> WatchSpec {
    WatchSpec { what: WatchKey::Object(pod()), resource_version: version.map(str::to_owned) }
}

fn selection_watch(version: Option<&str>) -> WatchSpec {
    let what = WatchKey::Selection {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: Some("n".into()),
        labels: Some("a=b".into()),
        fields: None,
    };
    WatchSpec { what, resource_version: version.map(str::to_owned) }
}

const MODIFIED: &str = r#"{"type": "MODIFIED", "object": {"metadata": {"resourceVersion": "30"}}}"#;
const BOOKMARK: &str = r#"{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}}"#;
const GONE: &str = r#"{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}"#;

/// Watches, and gives back the paths asked for.
async fn watched(answers: Vec<String>, spec: &WatchSpec) -> (Result<(), ClusterError>, Vec<String>) {
    let scripted = scripted(answers).await;
    let ended = KubeCluster::new().changed(&at(scripted.server, None), spec).await;
    let asked = scripted.asked.lock().unwrap();
    (ended, asked.iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect())
}

#[tokio::test]
async fn a_watch_that_breaks_goes_on_where_it_was() {
    let answers = vec![events(&[BOOKMARK], false), events(&[], true), events(&[MODIFIED], true)];
    let (ended, asked) = watched(answers, &selection_watch(Some("10"))).await;
    ended.unwrap();
    let from =
        |n: usize, version: &str| assert!(asked[n].contains(&format!("resourceVersion={version}&labelSelector=a%3Db")), "{}", asked[n]);
    from(0, "10");
    from(1, "20");
    from(2, "20");
    assert!(asked[0].contains("allowWatchBookmarks=true") && asked.len() == 3);
}

#[tokio::test]
async fn a_watch_of_what_is_forgotten_returns() {
    let gone = http("410 Gone", "", r#"{"kind": "Status", "code": 410}"#);
    watched(vec![gone], &selection_watch(Some("10"))).await.0.unwrap();
    watched(vec![events(&[GONE], true)], &selection_watch(Some("10"))).await.0.unwrap();
}

#[tokio::test]
async fn an_old_object_that_is_the_same_is_watched_on() {
    let list = |version: &str| {
        http(
            "200 OK",
            "",
            &format!(r#"{{"metadata": {{"resourceVersion": "99"}}, "items": [{{"metadata": {{"resourceVersion": "{version}"}}}}]}}"#),
        )
    };
    let answers = vec![events(&[GONE], true), list("10"), events(&[MODIFIED], true)];
    let (ended, asked) = watched(answers, &object_watch(Some("10"))).await;
    ended.unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].contains("resourceVersion=99"), "{}", asked[2]);
    let (ended, asked) = watched(vec![events(&[GONE], true), list("11")], &object_watch(Some("10"))).await;
    ended.unwrap();
    assert_eq!(asked.len(), 2, "it is another one now: that is a change");
}

#[tokio::test]
async fn a_watch_without_a_beginning_begins_now() {
    let list = http("200 OK", "", r#"{"metadata": {"resourceVersion": "42"}, "items": []}"#);
    let (ended, asked) = watched(vec![list, events(&[MODIFIED], true)], &selection_watch(None)).await;
    ended.unwrap();
    assert!(!asked[0].contains("watch=") && asked[1].contains("resourceVersion=42"), "{asked:?}");
}

#[tokio::test]
async fn what_opening_again_cannot_cure_is_an_error() {
    let denied = http("403 Forbidden", "", r#"{"kind": "Status", "message": "no"}"#);
    assert_eq!(watched(vec![denied], &selection_watch(Some("1"))).await.0, Err(ClusterError::Denied("no".into())));
}

#[tokio::test]
async fn failures_in_a_row_are_bounded() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let ended = hurried().changed(&at(format!("http://127.0.0.1:{port}"), None), &selection_watch(Some("1"))).await;
    assert!(matches!(ended, Err(ClusterError::Unreachable { .. })), "{ended:?}");
}
