//! The registry client against real registries, and against servers that misbehave in every way we could think of.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app::ports::{Registry as _, RegistryAccess, RegistryError};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use base64::Engine as _;
use http::{HeaderMap, StatusCode, header};
use model::account::{RegistryCredentials, RegistryLogin};
use outbound::{HttpRegistry, RegistryLimits};
use serde_json::json;
use testkit::net::{Served, free_port};
use testkit::places;
use testkit::registry::{LOGIN, Options, Program, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SECRET: &str = "pa55-word";

fn access(address: String, login: RegistryLogin) -> RegistryAccess {
    RegistryAccess { address, plain_http: true, credentials: RegistryCredentials { login, ca_pem: None } }
}

fn open(address: String) -> RegistryAccess {
    access(address, RegistryLogin::Anonymous)
}

fn basic(address: String, username: &str, password: &str) -> RegistryAccess {
    access(address, RegistryLogin::Basic { username: username.into(), password: password.into() })
}

fn client() -> HttpRegistry {
    HttpRegistry::default()
}

fn impatient() -> HttpRegistry {
    HttpRegistry::new(RegistryLimits { connect_ms_max: 200, total_ms_max: 300, ..RegistryLimits::default() })
}

/// No error may repeat what it was given in confidence.
fn text(error: &RegistryError) -> String {
    let text = format!("{error} {error:?}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("user:{SECRET}"));
    assert!(!text.contains(SECRET) && !text.contains(&encoded), "{text}");
    text
}

fn missing(program: &str) -> bool {
    let missing = places::on_path(program).is_none();
    assert!(!missing || std::env::var_os("CI").is_none(), "{program} is not installed");
    missing
}

async fn check_open(program: Program) {
    let registry = Registry::start(Options { program, ..Options::default() }).await.unwrap();
    let (client, access) = (client(), open(registry.address()));
    client.check(&access).await.unwrap();
    for tag in ["v3", "v1", "v2"] {
        let pushed = registry.push_image("team/web", tag, tag.as_bytes()).await.unwrap();
        assert_eq!(client.digest(&access, "team/web", tag).await.unwrap().as_str(), pushed);
        assert_eq!(client.digest(&access, "team/web", &pushed).await.unwrap().as_str(), pushed, "a digest names itself");
    }
    let moved = registry.push_image("team/web", "v1", b"another").await.unwrap();
    assert_eq!(client.digest(&access, "team/web", "v1").await.unwrap().as_str(), moved);

    let mut all = client.tags(&access, "team/web", None, 100).await.unwrap();
    all.sort();
    assert_eq!(all, ["v1", "v2", "v3"]);
    assert_eq!(client.tags(&access, "team/web", None, 2).await.unwrap(), ["v1", "v2"]);
    assert_eq!(client.tags(&access, "team/web", Some("v1"), 1).await.unwrap(), ["v2"]);
    assert_eq!(client.tags(&access, "team/web", Some("v2"), 9).await.unwrap(), ["v3"]);
    assert!(client.tags(&access, "team/web", Some("v3"), 9).await.unwrap().is_empty());

    for (repository, tag) in [("team/web", "v9"), ("team/nothing", "v1"), ("../v2", "v1"), ("team/web", "a/b"), ("TEAM", "1")] {
        assert!(matches!(client.digest(&access, repository, tag).await, Err(RegistryError::NotFound(_))), "{repository}:{tag}");
    }
    assert!(matches!(client.tags(&access, "team/nothing", None, 9).await, Err(RegistryError::NotFound(_))));
    assert!(matches!(client.tags(&access, "a?b", None, 9).await, Err(RegistryError::NotFound(_))));
}

async fn check_login(program: Program) {
    let registry = Registry::start(Options { login: true, program, ..Options::default() }).await.unwrap();
    let pushed = registry.push_image("private", "1", b"x").await.unwrap();
    let client = client();
    let right = basic(registry.address(), LOGIN.0, LOGIN.1);
    client.check(&right).await.unwrap();
    for _ in 0..2 {
        assert_eq!(client.digest(&right, "private", "1").await.unwrap().as_str(), pushed);
    }
    assert_eq!(client.tags(&right, "private", None, 5).await.unwrap(), ["1"]);
    let by_token = access(registry.address(), RegistryLogin::Bearer(SECRET.into()));
    for access in [basic(registry.address(), LOGIN.0, SECRET), open(registry.address()), by_token] {
        let error = client.check(&access).await.unwrap_err();
        assert!(matches!(error, RegistryError::Denied(_)), "{}", text(&error));
        text(&error);
        assert!(matches!(client.digest(&access, "private", "1").await, Err(RegistryError::Denied(_))));
    }
}

#[tokio::test]
async fn debian_registry_is_read() {
    if !missing("docker-registry") {
        check_open(Program::Debian).await;
    }
}

#[tokio::test]
async fn debian_registry_is_read_with_a_login() {
    if !missing("docker-registry") {
        check_login(Program::Debian).await;
    }
}

#[tokio::test]
async fn small_registry_is_read() {
    check_open(Program::Small).await;
    check_login(Program::Small).await;
}

/// A registry that wants a token, and its token server.
#[derive(Clone, Default)]
struct Guarded {
    /// What the registry names as its token server; empty for its own address.
    realm: String,
    tokens: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    /// Tokens below this number are not good any more.
    oldest: Arc<AtomicUsize>,
    scopes: Arc<Mutex<Vec<String>>>,
}

impl Guarded {
    async fn start(&self) -> Served {
        let router = Router::new().route("/token", get(give_token)).fallback(guarded).with_state(self.clone());
        Served::start(router).await.unwrap()
    }
}

async fn guarded(State(state): State<Guarded>, headers: HeaderMap) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let number = given.strip_prefix("Bearer token-").and_then(|n| n.parse::<usize>().ok());
    if number.is_some_and(|n| n >= state.oldest.load(Ordering::SeqCst)) || given == "Bearer fixed" {
        return ([("docker-content-digest", format!("sha256:{}", "a".repeat(64)))], axum::Json(json!({}))).into_response();
    }
    state.refused.fetch_add(1, Ordering::SeqCst);
    let host = headers[header::HOST].to_str().unwrap();
    let realm = if state.realm.is_empty() { format!("http://{host}/token") } else { state.realm.clone() };
    let challenge = format!(r#"Bearer realm="{realm}",service="guarded",scope="repository:team/web:pull,push,delete""#);
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

type Pairs = Query<Vec<(String, String)>>;

async fn give_token(State(state): State<Guarded>, Query(query): Pairs, headers: HeaderMap) -> Response {
    let given = headers.get(header::AUTHORIZATION).map(|v| v.to_str().unwrap().to_owned());
    let right = base64::engine::general_purpose::STANDARD.encode("user:right");
    if given.is_some_and(|given| given != format!("Basic {right}")) {
        return (StatusCode::UNAUTHORIZED, axum::Json(json!({"errors": [{"code": "UNAUTHORIZED", "message": SECRET}]}))).into_response();
    }
    assert!(query.contains(&("service".to_owned(), "guarded".to_owned())));
    state.scopes.lock().unwrap().extend(query.into_iter().filter(|(k, _)| k == "scope").map(|(_, v)| v));
    let number = state.tokens.fetch_add(1, Ordering::SeqCst);
    axum::Json(json!({"access_token": format!("token-{number}"), "expires_in": 300})).into_response()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_used_while_it_is_good() {
    let state = Guarded::default();
    let served = state.start().await;
    let (client, access) = (client(), basic(served.address().to_string(), "user", "right"));
    for _ in 0..3 {
        client.digest(&access, "team/web", "1").await.unwrap();
    }
    assert_eq!((state.tokens.load(Ordering::SeqCst), state.refused.load(Ordering::SeqCst)), (1, 1));
    client.digest(&access, "team/api", "1").await.unwrap();
    client.check(&access).await.unwrap();
    assert_eq!(*state.scopes.lock().unwrap(), ["repository:team/web:pull", "repository:team/api:pull"], "ours, not what is offered");
    assert_eq!(state.tokens.load(Ordering::SeqCst), 3);

    state.oldest.store(3, Ordering::SeqCst);
    client.digest(&access, "team/web", "1").await.unwrap();
    assert_eq!(state.tokens.load(Ordering::SeqCst), 4, "a token that is refused is renewed");
}

#[tokio::test]
async fn tokens_for_nobody_and_tokens_given_by_hand() {
    let state = Guarded::default();
    let served = state.start().await;
    client().digest(&open(served.address().to_string()), "team/web", "1").await.unwrap();
    assert_eq!(state.tokens.load(Ordering::SeqCst), 1);
    let fixed = access(served.address().to_string(), RegistryLogin::Bearer("fixed".into()));
    client().digest(&fixed, "team/web", "1").await.unwrap();
    let wrong = access(served.address().to_string(), RegistryLogin::Bearer(SECRET.into()));
    let error = client().check(&wrong).await.unwrap_err();
    assert!(matches!(error, RegistryError::Denied(_)), "{}", text(&error));
    assert_eq!(state.tokens.load(Ordering::SeqCst), 1, "a token of the account is not exchanged");
}

#[tokio::test]
async fn a_token_server_that_refuses_the_password() {
    let served = Guarded::default().start().await;
    let error = client().check(&basic(served.address().to_string(), "user", SECRET)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Denied(_)), "{}", text(&error));
    assert!(text(&error).contains("UNAUTHORIZED"));
}

#[tokio::test]
async fn the_password_does_not_go_where_a_registry_points() {
    let trap = Guarded::default();
    let trapped = trap.start().await;
    let port = trapped.address().port();
    for realm in [format!("http://elsewhere.invalid:{port}/token"), format!("ftp://127.0.0.1:{port}/token"), "token".to_owned()] {
        let state = Guarded { realm, ..Guarded::default() };
        let served = state.start().await;
        let error = client().check(&basic(served.address().to_string(), "user", "right")).await.unwrap_err();
        assert!(matches!(error, RegistryError::Protocol(_)), "{}", text(&error));
    }
    assert_eq!(trap.tokens.load(Ordering::SeqCst), 0);
}

async fn serve(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Served {
    let router = Router::new().fallback(any(move || {
        let answer = answer.clone();
        async move { answer() }
    }));
    Served::start(router).await.unwrap()
}

async fn digest_from(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Result<String, RegistryError> {
    let served = serve(answer).await;
    client().digest(&open(served.address().to_string()), "team/web", "1").await.map(|digest| digest.to_string())
}

#[tokio::test]
async fn statuses_are_sorted_by_what_can_be_done() {
    let kind = |error: &RegistryError| match error {
        RegistryError::NotFound(_) => "not found",
        RegistryError::Denied(_) => "denied",
        RegistryError::Unavailable(_) => "unavailable",
        RegistryError::Protocol(_) => "protocol",
    };
    for (status, want) in [
        (500_u16, "unavailable"),
        (503, "unavailable"),
        (429, "unavailable"),
        (403, "denied"),
        (401, "denied"),
        (404, "not found"),
        (418, "protocol"),
        (204, "protocol"),
        (304, "protocol"),
    ] {
        let error = digest_from(move || StatusCode::from_u16(status).unwrap().into_response()).await.unwrap_err();
        assert_eq!(kind(&error), want, "{status}: {error}");
    }
}

#[tokio::test]
async fn answers_that_are_not_the_protocol_are_refused() {
    let page = || ([(header::CONTENT_TYPE, "text/html")], "<html>hello</html>").into_response();
    assert!(matches!(digest_from(page).await, Err(RegistryError::Protocol(_))));
    for wrong in ["sha256:short", "md5:0123", "", &format!("sha256:{}", "A".repeat(64))] {
        let wrong = wrong.to_owned();
        let error = digest_from(move || [("docker-content-digest", wrong.clone())].into_response()).await.unwrap_err();
        assert!(matches!(error, RegistryError::Protocol(_)), "{error}");
    }
    let served = serve(page).await;
    let access = open(served.address().to_string());
    assert!(matches!(client().check(&access).await, Err(RegistryError::Protocol(_))), "a web page is no registry");
    assert!(matches!(client().tags(&access, "a", None, 5).await, Err(RegistryError::Protocol(_))));
}

#[tokio::test]
async fn a_digest_that_no_header_says_is_computed_and_one_that_lies_is_refused() {
    let manifest = (header::CONTENT_TYPE.as_str(), "application/vnd.oci.image.index.v1+json".to_owned());
    let plain = manifest.clone();
    let digest = digest_from(move || ([plain.clone()], "{}").into_response()).await.unwrap();
    assert_eq!(digest, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    let no_head = Router::new().fallback(move |method: http::Method| {
        let lie = ("docker-content-digest", format!("sha256:{}", "b".repeat(64)));
        let manifest = manifest.clone();
        async move {
            if method == http::Method::HEAD {
                return StatusCode::METHOD_NOT_ALLOWED.into_response();
            }
            ([manifest, lie], "{}").into_response()
        }
    });
    let served = Served::start(no_head).await.unwrap();
    let error = client().digest(&open(served.address().to_string()), "a", "1").await.unwrap_err();
    assert!(matches!(error, RegistryError::Protocol(ref message) if message.contains("another digest")), "{error}");
}

#[tokio::test]
async fn redirects_stay_with_the_host() {
    let trap = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&trap);
    let other = serve(move || {
        seen.fetch_add(1, Ordering::SeqCst);
        StatusCode::OK.into_response()
    })
    .await;
    let target = other.url("/v2/a/manifests/1");
    let away = serve(move || (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target.clone())]).into_response()).await;
    let access = basic(away.address().to_string(), "user", SECRET);
    let error = client().digest(&access, "a", "1").await.unwrap_err();
    assert!(matches!(error, RegistryError::Protocol(_)), "{}", text(&error));
    assert_eq!(trap.load(Ordering::SeqCst), 0);

    let within = Router::new()
        .route("/v2/a/manifests/1", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]) }))
        .route("/elsewhere", get(|| async { [("docker-content-digest", format!("sha256:{}", "c".repeat(64)))] }));
    let within = Served::start(within).await.unwrap();
    assert!(client().digest(&open(within.address().to_string()), "a", "1").await.unwrap().as_str().ends_with('c'));
    let around = serve(|| (StatusCode::FOUND, [(header::LOCATION, "/again")]).into_response()).await;
    assert!(matches!(client().check(&open(around.address().to_string())).await, Err(RegistryError::Protocol(_))));
}

#[tokio::test]
async fn lists_of_tags_are_bounded() {
    let many: Vec<String> = (0..50_000).map(|n| format!("tag-{n:06}")).collect();
    let body = json!({"tags": many}).to_string();
    let served = serve(move || body.clone().into_response()).await;
    let access = open(served.address().to_string());
    let page = client().tags(&access, "a", Some("tag-000009"), 1_500).await.unwrap();
    assert_eq!((page.len(), page[0].as_str(), page[1_499].as_str()), (1_500, "tag-000010", "tag-001509"));
    let small = HttpRegistry::new(RegistryLimits { tags_bytes_max: 100_000, ..RegistryLimits::default() });
    let error = small.tags(&access, "a", None, 10).await.unwrap_err();
    assert!(matches!(error, RegistryError::Protocol(ref message) if message.contains("100000 bytes")), "{error}");
    // A body that says no length, and pages that never end.
    let chunked = serve(|| {
        let parts = futures::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10])));
        axum::body::Body::from_stream(parts).into_response()
    })
    .await;
    assert!(matches!(small.tags(&open(chunked.address().to_string()), "a", None, 10).await, Err(RegistryError::Protocol(_))));
    let endless = serve(|| ([(header::LINK, "</v2/a/tags/list>; rel=\"next\"")], r#"{"tags":["x"]}"#).into_response()).await;
    let found = client().tags(&open(endless.address().to_string()), "a", None, 10).await.unwrap();
    assert_eq!(found, ["x"]);
}

#[tokio::test]
async fn nobody_there_and_nobody_who_answers() {
    let error = client().check(&open(format!("127.0.0.1:{}", free_port().unwrap()))).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(ref message) if message.contains("refuses the connection")), "{error}");
    let error = client().check(&open("no-such-host.invalid:5000".into())).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(ref message) if message.contains("no-such-host.invalid")), "{error}");
    let error = client().check(&open("not/an/address".into())).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(ref message) if message.contains("host[:port]")), "{error}");

    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let start = Instant::now();
    let error = impatient().check(&open(silent.local_addr().unwrap().to_string())).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Answers every connection with these bytes.
async fn raw(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    address
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be_so() {
    let error = client().check(&open(raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Protocol(ref message) if message.contains("not HTTP")), "{error}");
    let error = client().check(&open(raw(b"").await)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
    let error = client().check(&open(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}").await)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
}

fn authority() -> (rcgen::Certificate, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate, rcgen::Issuer::new(parameters, key))
}

/// Serves one answer over TLS; gives the port.
async fn over_tls(config: rustls::ServerConfig) -> u16 {
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn certificates_are_checked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (ca, issuer) = authority();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let port = over_tls(config).await;
    let at = |host: &str, ca_pem: String| RegistryAccess {
        address: format!("{host}:{port}"),
        plain_http: false,
        credentials: RegistryCredentials { login: RegistryLogin::Anonymous, ca_pem: Some(ca_pem) },
    };
    let client = client();
    client.check(&at("127.0.0.1", ca.pem())).await.unwrap();
    let said = |result: Result<(), RegistryError>, words: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, RegistryError::Unavailable(ref message) if message.contains(words)), "{error}");
    };
    said(client.check(&at("127.0.0.1", authority().0.pem())).await, "authority is not trusted");
    said(client.check(&at("localhost", ca.pem())).await, "another name");
    said(client.check(&at("127.0.0.1", "no certificate".into())).await, "cannot be read");

    let plain = serve(|| StatusCode::OK.into_response()).await;
    let access = RegistryAccess { address: plain.address().to_string(), ..at("127.0.0.1", ca.pem()) };
    said(client.check(&access).await, "does not speak TLS");
}
