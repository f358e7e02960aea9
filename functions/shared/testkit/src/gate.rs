//! A gate before the stand-in for AWS: lets everything through until the transaction that a test waits for, and holds that
//! one for ever, before it is made or after. Whoever waits for its answer is then killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures::future::pending;
use http::StatusCode;
use tokio::sync::Notify;

use crate::net::{self, Served};
use crate::{Error, Result};

const BODY_BYTES_MAX: usize = 16 << 20;

/// Where a transaction is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It is never made.
    Before,
    /// It is made, and nobody is told.
    After,
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    served: Served,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: reqwest::Client,
    endpoint: String,
    /// Transactions that come before the one that is held.
    left: AtomicUsize,
    hold: Hold,
    held: Notify,
}

impl Gate {
    /// A gate before the endpoint that holds the transaction after so many.
    ///
    /// # Errors
    /// [`Error::Io`] when nothing can be bound.
    pub async fn start(endpoint: &str, after: usize, hold: Hold) -> Result<Self> {
        let (left, held) = (AtomicUsize::new(after), Notify::new());
        let shared = Arc::new(Shared { client: net::client(None)?, endpoint: endpoint.to_owned(), left, hold, held });
        let router = Router::new().fallback(pass).with_state(shared.clone());
        Ok(Self { served: Served::start(router).await?, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.served.url("")
    }

    /// Returns when a transaction is held.
    pub async fn holds(&self) {
        self.shared.held.notified().await;
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> std::result::Result<Response, StatusCode> {
    let transaction = |value: &http::HeaderValue| value.as_bytes().ends_with(b".TransactWriteItems");
    let counted = request.headers().get("x-amz-target").is_some_and(transaction);
    let count = |left: usize| Some(left.wrapping_sub(1));
    let held = counted && shared.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(0);
    if held && shared.hold == Hold::Before {
        shared.held.notify_one();
        pending::<()>().await;
    }
    let answer = forward(&shared, request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    if held {
        shared.held.notify_one();
        pending::<()>().await;
    }
    Ok(answer)
}

async fn forward(shared: &Shared, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| Error::Invalid(error.to_string()))?;
    let asked = shared.client.request(parts.method, format!("{}{path}", shared.endpoint)).headers(parts.headers).body(body);
    let answer = asked.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from(answer.bytes().await?));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().remove(http::header::TRANSFER_ENCODING);
    Ok(response)
}
