//! HTTP as an API server speaks it: who may, what about, which verb. What each verb does is in the files beside.

mod body;
mod delete;
mod discovery;
mod logs;
mod openapi;
mod read;
mod reviews;
mod scale;
mod select;
mod shape;
mod status;
mod table;
mod target;
mod watch;
mod write;

use crate::state::State;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, Method};
use sha2::{Digest as _, Sha256};
use shape::Shape;
use status::{Refusal, typed_response};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use target::{Options, Route, Target};
use tokio::sync::{Semaphore, watch as channel};

/// Largest body, as the API server has it.
pub(crate) const BODY_BYTES_MAX: usize = 3 << 20;
/// Most watches and followed logs at a time.
const STREAMS_MAX: usize = 512;
/// Longest manager's name taken from a user agent.
const MANAGER_CHARS_MAX: usize = 128;

/// What answers requests.
pub(crate) struct Server {
    state: Mutex<State>,
    /// The digest of the only token.
    token: [u8; 32],
    streams: Arc<Semaphore>,
    /// Ends when the playground does.
    running: channel::Receiver<()>,
}

/// A request whose target is known.
pub(crate) struct Ask {
    pub(crate) options: Options,
    pub(crate) shape: Shape,
    pub(crate) content_type: String,
    user_agent: String,
    pub(crate) body: Bytes,
}

impl Ask {
    /// Who writes: `fieldManager`, else what the program calls itself.
    pub(crate) fn manager(&self) -> String {
        match self.options.get("fieldManager") {
            Some(manager) => manager.to_owned(),
            None => self.user_agent.split('/').next().unwrap_or_default().chars().take(MANAGER_CHARS_MAX).collect(),
        }
    }
}

impl Server {
    /// Answers until `running` ends.
    pub(crate) fn new(state: State, token: &str, running: channel::Receiver<()>) -> Arc<Self> {
        let token = Sha256::digest(token.as_bytes()).into();
        Arc::new(Self { state: Mutex::new(state), token, streams: Arc::new(Semaphore::new(STREAMS_MAX)), running })
    }

    /// Everything there is. Nothing awaits while it is held.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The HTTP surface.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let server = Arc::clone(self);
        Router::new().fallback(move |request: Request| {
            let server = Arc::clone(&server);
            async move { server.answer(request).await }
        })
    }

    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        if matches!(parts.uri.path(), "/healthz" | "/readyz" | "/livez") {
            return typed_response(200, "text/plain; charset=utf-8", b"ok".to_vec());
        }
        if !self.knows(&parts) {
            return Refusal::unauthorized().into_response();
        }
        // A body that is refused is not read; the connection then ends with the answer.
        let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
            return Refusal::too_large(BODY_BYTES_MAX).into_response();
        };
        self.route(&parts, body).unwrap_or_else(|refusal| refusal.into_response())
    }

    fn knows(&self, parts: &Parts) -> bool {
        let token = header(parts, &AUTHORIZATION).strip_prefix("Bearer ").unwrap_or_default();
        let given: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        // Digests of equal length: how many of their bytes agree says nothing about the token.
        given == self.token
    }

    fn route(self: &Arc<Self>, parts: &Parts, body: Bytes) -> Result<Response, Refusal> {
        let accept = header(parts, &ACCEPT);
        let ask = Ask {
            options: Options::of(&parts.uri)?,
            shape: Shape::of(accept)?,
            content_type: header(parts, &CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_owned(),
            user_agent: header(parts, &USER_AGENT).to_owned(),
            body,
        };
        match Route::of(parts.uri.path()) {
            Route::Objects(target) => self.objects(&parts.method, &target, &ask),
            Route::Review(kind) if parts.method == Method::POST => reviews::answer(kind, &ask),
            Route::Review(_) => Err(Refusal::no_method()),
            Route::Nothing => Err(Refusal::no_resource()),
            Route::Other(path) => {
                let words: Vec<&str> = path.iter().map(String::as_str).collect();
                match discovery::answer(&words, accept).or_else(|| openapi::answer(&words, accept)) {
                    Some(answer) if parts.method == Method::GET => {
                        let content_type = discovery::content_type(&words, accept).unwrap_or("application/json");
                        answer.map(|document| typed_response(200, content_type, document.to_string().into_bytes()))
                    }
                    Some(_) => Err(Refusal::no_method()),
                    None => Ok(typed_response(404, "text/plain; charset=utf-8", b"404 page not found\n".to_vec())),
                }
            }
        }
    }

    fn objects(self: &Arc<Self>, method: &Method, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
        let named = target.name.is_some();
        match (method.as_str(), target.subresource.as_deref()) {
            ("GET", Some("log")) => logs::answer(self, target, ask),
            ("GET" | "PUT" | "PATCH", Some("scale")) => scale::answer(self, method, target, ask),
            ("GET", Some("status")) => read::get(self, target, ask),
            ("GET", None) if ask.options.is("watch") => watch::answer(self, target, ask),
            ("GET", None) if named => read::get(self, target, ask),
            ("GET", None) => read::list(self, target, ask),
            ("POST", None) if !named && (target.namespace.is_some() || !target.row.namespaced) => write::create(self, target, ask),
            ("PUT", Some("status" | "finalize") | None) if named => write::replace(self, target, ask),
            ("PATCH", Some("status") | None) if named => write::patch(self, target, ask),
            ("DELETE", None) if named => delete::one(self, target, ask),
            ("DELETE", None) if target.namespace.is_some() || !target.row.namespaced => delete::collection(self, target, ask),
            _ => Err(Refusal::no_method()),
        }
    }
}

fn header<'a>(parts: &'a Parts, name: &HeaderName) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// An answer that comes in pieces.
fn streamed(
    stream: impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static,
    content_type: &'static str,
) -> Response {
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests;
