//! The side towards whoever comes: the port, TLS with one of two certificates, connections, and for each request what the
//! script says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::answers::{self, Whole};
use super::ask::{Ask, Verb};
use super::line::{Line, Wire};
use super::record::{self, Done, Record};
use super::script::Fault;
use super::watching::{self, Plan};
use super::{Shared, upstream};
use crate::control_plane::keys;
use crate::{Error, Result, net};

const BODY_BYTES_MAX: usize = 16 << 20;
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How often a port that was given up is asked for again.
const BIND_PAUSE: Duration = Duration::from_millis(20);
/// Longest time without an answer.
const HANG_MAX: Duration = Duration::from_secs(600);
const GONE: &str = "too old resource version: 1 (2)";

/// What a fault can do to all connections.
#[derive(Debug)]
pub(super) struct Doors {
    close: mpsc::UnboundedSender<Duration>,
    foreign_until: Mutex<Option<Instant>>,
    lines: Mutex<Vec<Weak<Line>>>,
}

impl Doors {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Duration>) {
        let (close, knocks) = mpsc::unbounded_channel();
        (Self { close, foreign_until: Mutex::default(), lines: Mutex::default() }, knocks)
    }

    fn add(&self, line: &Arc<Line>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(line));
    }

    /// Breaks every connection, and gives the last request on each: its answer may be lost.
    fn cut_all(&self) -> Vec<u64> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let all = lines.iter().filter_map(Weak::upgrade);
        all.map(|line| {
            line.cut();
            line.last()
        })
        .collect()
    }

    fn refuse(&self, ms: u64) {
        // Nobody listens to it only when the proxy ends.
        let _ = self.close.send(Duration::from_millis(ms));
    }

    fn foreign(&self, ms: u64) {
        *self.foreign_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + Duration::from_millis(ms));
    }

    fn is_foreign(&self) -> bool {
        let until = *self.foreign_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }
}

/// The port. It is given up when dropped.
#[derive(Debug)]
pub(super) struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves, and gives the authority to trust.
pub(super) async fn start(shared: Arc<Shared>, knocks: mpsc::UnboundedReceiver<Duration>) -> Result<(Listening, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, net::free_port()?));
    let listener = TcpListener::bind(address).await.map_err(Error::io(address.to_string()))?;
    let ((ca_pem, own), (_, foreign)) = (acceptor()?, acceptor()?);
    let task = tokio::spawn(listen(shared, listener, address, [own, foreign], knocks));
    Ok((Listening { address, task }, ca_pem))
}

/// An authority of its own, and TLS with a certificate of it.
fn acceptor() -> Result<(String, TlsAcceptor)> {
    let made = keys::server("faults", &["127.0.0.1", "localhost"])?;
    let certificates = CertificateDer::pem_slice_iter(made.certificate_pem.as_bytes()).collect::<std::result::Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(made.key_pem.as_bytes());
    let (Ok(certificates), Ok(key)) = (certificates, key) else {
        return Err(Error::Invalid("a certificate made here cannot be read".to_owned()));
    };
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key);
    let config = config.map_err(|error| Error::Invalid(error.to_string()))?;
    Ok((made.ca_pem, TlsAcceptor::from(Arc::new(config))))
}

async fn listen(
    shared: Arc<Shared>,
    mut listener: TcpListener,
    address: SocketAddr,
    [own, foreign]: [TlsAcceptor; 2],
    mut knocks: mpsc::UnboundedReceiver<Duration>,
) {
    // Connections end with us.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let tls = if shared.doors.is_foreign() { &foreign } else { &own };
                connections.spawn(connection(shared.clone(), stream, tls.clone()));
            }
            Some(closed) = knocks.recv() => {
                drop(listener);
                break_all(&shared);
                tokio::time::sleep(closed).await;
                // Whatever was asked for meanwhile was part of it.
                while knocks.try_recv().is_ok() {}
                listener = loop {
                    match TcpListener::bind(address).await {
                        Ok(listener) => break listener,
                        Err(_) => tokio::time::sleep(BIND_PAUSE).await,
                    }
                };
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

fn break_all(shared: &Shared) {
    for number in shared.doors.cut_all() {
        shared.note(number, |record| record.done = Done::Broken);
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, tls: TlsAcceptor) {
    let line = Arc::new(Line::new());
    shared.doors.add(&line);
    let wire = Wire::new(stream, line.clone());
    let Ok(stream) = tls.accept(wire).await else { return };
    let service = service_fn(|request: Request<Incoming>| {
        // Whoever gives up waiting does not undo what was passed on, so that the record knows what became of it.
        tokio::spawn(answer(shared.clone(), line.clone(), request))
    });
    tokio::select! {
        biased;
        () = line.when_cut() => {}
        // However it ends, the next one may be well.
        _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
    }
}

/// A request on its way.
struct Passing {
    shared: Arc<Shared>,
    line: Arc<Line>,
    number: u64,
    ask: Ask,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

async fn answer(shared: Arc<Shared>, line: Arc<Line>, request: Request<Incoming>) -> Response {
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    let Ok(body) = axum::body::to_bytes(Body::new(body), BODY_BYTES_MAX).await else {
        return answers::refusal(413, "RequestEntityTooLarge", "the body is too large");
    };
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let ask = Ask::of(&parts.method, &path, &query, content_type);
    let body_digest = record::digest(&body);
    let granted = parts.headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes() == format!("Bearer {}", shared.token).as_bytes());
    let met = if granted { shared.decider().decide(&ask, &body_digest) } else { None };
    let record = Record {
        number: 0,
        at_ms: u64::try_from(shared.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        method: parts.method.to_string(),
        path,
        query,
        verb: ask.verb,
        resource: ask.resource.clone(),
        namespace: ask.namespace.clone(),
        name: ask.name.clone(),
        dry_run: ask.dry_run,
        body_bytes: body.len(),
        body_digest,
        uid: insisted(ask.verb, &body),
        rule: met.as_ref().map(|(rule, _)| rule.clone()),
        fault: met.as_ref().map(|(_, fault)| fault.name().to_owned()),
        upstream_status: None,
        answered: None,
        done: Done::Open,
    };
    let number = shared.records().add(record);
    line.carries(number);
    let passing = Passing { shared, line, number, ask, method: parts.method, target, headers: parts.headers, body };
    if !granted {
        return passing.answered(answers::refusal(401, "Unauthorized", "Unauthorized"));
    }
    passing.meet(met.map(|(_, fault)| fault)).await
}

/// The uid of a delete's preconditions.
fn insisted(verb: Verb, body: &[u8]) -> Option<String> {
    let options: serde_json::Value = serde_json::from_slice(body).ok().filter(|_| verb == Verb::Delete)?;
    options.pointer("/preconditions/uid").and_then(serde_json::Value::as_str).map(str::to_owned)
}

impl Passing {
    async fn meet(self, fault: Option<Fault>) -> Response {
        match fault {
            None => self.pass().await,
            Some(Fault::Conflict) => {
                let refused = answers::modified(&self.ask.resource, &self.ask.name);
                self.answered(refused)
            }
            Some(Fault::Gone { at_once }) => self.gone(at_once),
            Some(Fault::Throttle { retry_after_s }) => self.answered(answers::throttled(retry_after_s)),
            Some(Fault::Fail { status }) => self.answered(answers::failed(status)),
            Some(Fault::Unauthorized) => self.answered(answers::refusal(401, "Unauthorized", "token is not valid yet")),
            Some(Fault::Latency { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.pass().await
            }
            Some(Fault::Hang { tried }) => {
                if tried {
                    let _ = self.whole().await;
                }
                // An answer that nobody waits for, in the end.
                let _ = tokio::time::timeout(HANG_MAX, self.line.when_closed()).await;
                self.broken()
            }
            Some(Fault::Reset) => self.broken(),
            Some(Fault::Lose) => {
                let _ = self.whole().await;
                self.broken()
            }
            Some(Fault::Tear) => self.tear().await,
            Some(Fault::Refuse { ms }) => {
                self.shared.doors.refuse(ms);
                self.broken()
            }
            Some(Fault::Certificate { ms }) => {
                self.shared.doors.foreign(ms);
                break_all(&self.shared);
                self.broken()
            }
            Some(Fault::DropWatch { after_events, broken }) => {
                self.watch(Plan { events_max: Some(after_events), broken, ..Plan::default() }).await
            }
            Some(Fault::DelayWatch { ms }) => self.watch(Plan { delay: Some(Duration::from_millis(ms)), ..Plan::default() }).await,
            Some(Fault::RepeatWatch) => self.watch(Plan { twice: true, ..Plan::default() }).await,
            Some(Fault::Stale) => self.stale().await,
        }
    }

    /// Notes what is answered.
    fn answered(&self, response: Response) -> Response {
        let status = response.status().as_u16();
        self.shared.note(self.number, |record| {
            let heard = (Some(status), Done::Answered);
            (record.answered, record.done) = if self.line.is_dead() { (None, Done::Broken) } else { heard };
        });
        response
    }

    /// Breaks the connection; what is given back reaches nobody.
    fn broken(&self) -> Response {
        self.shared.note(self.number, |record| record.done = Done::Broken);
        self.line.cut();
        Response::new(Body::empty())
    }

    async fn send(&self) -> std::result::Result<reqwest::Response, Response> {
        let answer = self.shared.upstream.pass(&self.method, &self.target, &self.headers, self.body.clone()).await;
        match answer {
            Ok(answer) => {
                let status = answer.status().as_u16();
                self.shared.note(self.number, |record| record.upstream_status = Some(status));
                Ok(answer)
            }
            // As if we were not there.
            Err(_) => Err(self.broken()),
        }
    }

    async fn whole(&self) -> std::result::Result<Whole, Response> {
        let answer = self.send().await?;
        let (status, headers) = (answer.status(), upstream::end_to_end(answer.headers()));
        let body = axum::body::to_bytes(Body::from_stream(answer.bytes_stream()), ANSWER_BYTES_MAX).await;
        body.map(|body| Whole { status, headers, body }).map_err(|_| self.broken())
    }

    /// Passes it on as it is, and its answer back.
    async fn pass(&self) -> Response {
        if matches!(self.ask.verb, Verb::Watch | Verb::Log | Verb::Connect) {
            return self.watch(Plan::default()).await;
        }
        match self.whole().await {
            Ok(whole) => {
                self.remember(&whole);
                self.answered(whole.into_response())
            }
            Err(broken) => broken,
        }
    }

    fn remember(&self, whole: &Whole) -> Option<Whole> {
        let reads = matches!(self.ask.verb, Verb::Get | Verb::List);
        if reads { self.shared.earlier().remember(&self.target, whole) } else { None }
    }

    async fn stale(&self) -> Response {
        match self.whole().await {
            Ok(now) => match self.remember(&now) {
                Some(earlier) => self.answered(earlier.into_response()),
                None => {
                    self.shared.note(self.number, |record| record.fault = None);
                    self.answered(now.into_response())
                }
            },
            Err(broken) => broken,
        }
    }

    async fn tear(&self) -> Response {
        match self.whole().await {
            Ok(whole) => {
                self.shared.note(self.number, |record| record.done = Done::Broken);
                whole.torn(self.line.clone())
            }
            Err(broken) => broken,
        }
    }

    fn gone(&self, at_once: bool) -> Response {
        if at_once || self.ask.verb != Verb::Watch {
            return self.answered(answers::refusal(410, "Expired", GONE));
        }
        let event = serde_json::json!({ "type": "ERROR", "object": answers::status(410, "Expired", GONE) });
        self.answered(Response::new(Body::from(format!("{event}\n"))))
    }

    /// Passes on a stream.
    async fn watch(&self, plan: Plan) -> Response {
        let answer = match self.send().await {
            Ok(answer) => answer,
            Err(broken) => return broken,
        };
        let (status, headers) = (answer.status(), upstream::end_to_end(answer.headers()));
        let streamed = matches!(self.ask.verb, Verb::Log | Verb::Connect) || status != StatusCode::OK;
        let body = if streamed { Body::from_stream(answer.bytes_stream()) } else { watching::body(answer, plan, self.line.clone()) };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        self.answered(response)
    }
}
