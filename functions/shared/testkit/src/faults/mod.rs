//! A proxy that stands before any Kubernetes API server and misbehaves as a script says: refusals, lost answers, broken
//! connections, late and repeated watches, stale reads, a foreign certificate. It has a kubeconfig of its own, through
//! which the product comes, and keeps a record of every request and of what was done to it.
//!
//! What it does follows from the script, its seed and the order of the requests alone. It never changes a request, and
//! invents nothing but refusals: whatever else it answers, the API server answered to the same request.

mod answers;
mod ask;
mod decide;
mod line;
mod record;
mod script;
mod script_json;
mod serve;
mod upstream;
mod watching;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use tokio::sync::watch;

pub use ask::Verb;
pub use record::{Done, Record};
pub use script::{Fault, Per, Rule, Script};
pub use script_json::Problem;

use crate::control_plane::{CONTEXT, KubeApi};
use crate::{Error, Result};
use answers::Earlier;
use decide::Decider;
use record::Records;
use upstream::Upstream;

/// The proxy. It ends when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    shared: Arc<Shared>,
    listening: serve::Listening,
    token: String,
    ca_pem: String,
}

/// What every request needs.
#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    token: String,
    begun: Instant,
    decider: Mutex<Decider>,
    records: Mutex<Records>,
    /// Moves with every change of the records.
    moved: watch::Sender<u64>,
    earlier: Mutex<Earlier>,
    doors: serve::Doors,
}

impl Shared {
    fn decider(&self) -> MutexGuard<'_, Decider> {
        self.decider.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn earlier(&self) -> MutexGuard<'_, Earlier> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the record of a request, and tells whoever waits for it.
    fn note(&self, number: u64, change: impl FnOnce(&mut Record)) {
        self.records().change(number, change);
        self.moved.send_modify(|count| *count += 1);
    }
}

impl FaultProxy {
    /// Stands before the API server of this kubeconfig (its current context: an authority, and a token or a client
    /// certificate, all inline or as files with absolute paths).
    ///
    /// # Errors
    /// [`Error::Invalid`] when the kubeconfig cannot be used; [`Error::Io`] when nothing can be bound.
    pub async fn start(kubeconfig: &str, script: Script) -> Result<Self> {
        let upstream = Upstream::of(kubeconfig)?;
        let (token, begun) = (crate::control_plane::keys::random_token()?, Instant::now());
        let (moved, _) = watch::channel(0);
        let (doors, knocks) = serve::Doors::new();
        let decider = Mutex::new(Decider::new(script));
        let (records, earlier) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { upstream, token: token.clone(), begun, decider, records, moved, earlier, doors });
        let (listening, ca_pem) = serve::start(shared.clone(), knocks).await?;
        Ok(Self { shared, listening, token, ca_pem })
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn server(&self) -> String {
        format!("https://{}", self.listening.address())
    }

    /// The kubeconfig to come through it with; its one context is named as those of the control plane.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let (server, ca, token) = (self.server(), STANDARD.encode(&self.ca_pem), &self.token);
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: faults\n  cluster:\n    server: {server}\n    \
             certificate-authority-data: {ca}\nusers:\n- name: faults\n  user:\n    token: {token}\ncontexts:\n- name: {CONTEXT}\n  \
             context:\n    cluster: faults\n    user: faults\ncurrent-context: {CONTEXT}\n"
        )
    }

    /// The API through it, as whoever it comes to the API server as.
    ///
    /// # Errors
    /// [`Error::Http`] when no client can be made.
    pub fn api(&self) -> Result<KubeApi> {
        KubeApi::new(&self.server(), &self.ca_pem, &self.token)
    }

    /// Obeys another script from now on. What was counted is forgotten, the record goes on.
    pub fn obey(&self, script: Script) {
        *self.shared.decider() = Decider::new(script);
    }

    /// The record, oldest first; the oldest are gone when there were very many.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.shared.records().after(0)
    }

    /// Waits until some request's record is so, and gives it.
    ///
    /// # Errors
    /// [`Error::Timeout`] when none is within `deadline`.
    pub async fn recorded(&self, what: &str, deadline: Duration, so: impl Fn(&Record) -> bool) -> Result<Record> {
        let mut moved = self.shared.moved.subscribe();
        let start = Instant::now();
        loop {
            moved.mark_unchanged();
            if let Some(found) = self.shared.records().find(&so) {
                return Ok(found);
            }
            let left = deadline.saturating_sub(start.elapsed());
            if tokio::time::timeout(left, moved.changed()).await.is_err() {
                let last = format!("{} requests, none of them so", self.shared.records().count());
                return Err(Error::Timeout { what: what.to_owned(), waited_ms: start.elapsed().as_millis(), last });
            }
        }
    }

    /// The control for a program in another process: `PUT /script` with a script as JSON, `GET /records?after=N`.
    pub fn control(&self) -> Router {
        Router::new().route("/script", put(obey)).route("/records", get(records)).with_state(self.shared.clone())
    }
}

async fn obey(State(shared): State<Arc<Shared>>, body: String) -> Response {
    match Script::from_json(&body) {
        Ok(script) => {
            *shared.decider() = Decider::new(script);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(problems) => (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(problems)).into_response(),
    }
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn records(State(shared): State<Arc<Shared>>, Query(query): Query<After>) -> Response {
    axum::Json(shared.records().after(query.after)).into_response()
}
