//! The outermost layer of every request: an id to find it by, a log line for what failed inside, headers that every answer
//! carries, and a problem document for every failure, a panic included.

use crate::assemble::Edge;
use crate::problem::{PROBLEM_JSON, Problem};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::panic::AssertUnwindSafe;
use tracing::Instrument as _;

/// The request's id, 32 hex digits: the trace id of its `traceparent`, or a fresh one.
#[derive(Debug, Clone)]
pub struct TraceId(pub String);

impl TraceId {
    fn of(headers: &HeaderMap, edge: &Edge) -> Self {
        let given = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(|text| text.split('-').nth(1));
        let fits =
            |id: &&str| id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && id.bytes().any(|b| b != b'0');
        match given.filter(fits) {
            Some(id) => Self(id.to_owned()),
            None => Self(format!("{:016x}{:016x}", edge.entropy.number(), edge.entropy.number())),
        }
    }
}

pub(crate) async fn layer(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let trace = TraceId::of(request.headers(), &edge);
    // The route, not the path: a path may hold a hook's token.
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", trace = %trace.0, method = %request.method(), route);
    request.extensions_mut().insert(trace.clone());
    async {
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let response = answered.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
            let inside = format!("panic: {}", text.unwrap_or_default());
            Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).with_inside(inside).into_response()
        });
        finish(response, &trace)
    }
    .instrument(span)
    .await
}

fn finish(mut response: Response, trace: &TraceId) -> Response {
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    let failed = status.is_client_error() || status.is_server_error();
    if let Some(problem) = problem.or_else(|| failed.then(|| Problem::of_status(status))) {
        let problem = problem.with_trace(&trace.0);
        if status.is_server_error() {
            tracing::error!(code = problem.code, inside = problem.inside(), "request failed");
        } else if let Some(inside) = problem.inside() {
            tracing::info!(code = problem.code, inside, "request refused");
        }
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response = Response::from_parts(parts, Body::from(problem.render()));
    }
    let headers = response.headers_mut();
    let fixed =
        [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "no-referrer")];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&trace.0) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    response
}
