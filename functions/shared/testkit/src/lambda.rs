//! The Lambda runtime API, emulated: what a function's real `main` asks for its next event and answers to. It drives one
//! function, one event at a time, and never starts or ends it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Path as UrlPath, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use crate::net::Served;
use crate::{Error, Result};

const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Far ahead, where nobody says how long an invocation may take. The emulator cuts no function short.
const DEADLINE_MS: u64 = 4_102_444_800_000;

type Answer = Result<Value, String>;

#[derive(Debug)]
struct Invocation {
    event: Value,
    deadline_ms: u64,
    answer: oneshot::Sender<Answer>,
}

/// The side of Lambda that a function talks to.
#[derive(Debug)]
pub struct LambdaRuntime {
    served: Served,
    events: mpsc::UnboundedSender<Invocation>,
}

#[derive(Debug)]
struct Shared {
    events: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    failed_start: Mutex<Option<String>>,
    count: AtomicU64,
}

/// What a function behind an HTTP API answered.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The body, already decoded.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Invalid(error.to_string()))
    }
}

impl LambdaRuntime {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`Error::Io`] when nothing can be bound.
    pub async fn start() -> Result<Self> {
        let (events, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events: AsyncMutex::new(receiver),
            waiting: Mutex::default(),
            failed_start: Mutex::default(),
            count: AtomicU64::new(0),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(shared);
        Ok(Self { served: Served::start(router).await?, events })
    }

    /// What the function's process must have in its environment. The host is a name: `lambda_http` makes a URL of it
    /// that an address would break.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_LAMBDA_RUNTIME_API", format!("localhost:{}", self.served.address().port())),
            ("AWS_LAMBDA_FUNCTION_NAME", "function".into()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".into()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/function".into()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "stream".into()),
        ]
    }

    /// A command for `program` with that environment.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment());
        command
    }

    /// Hands one event to the function and waits for what it answers.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what the function reported as its error; [`Error::Timeout`] after a minute.
    pub async fn invoke(&self, event: Value) -> Result<Value> {
        self.invoke_until(event, DEADLINE_MS).await
    }

    /// The same with so long until the invocation's deadline.
    ///
    /// # Errors
    /// As [`LambdaRuntime::invoke`].
    pub async fn invoke_within(&self, event: Value, time: Duration) -> Result<Value> {
        let deadline = SystemTime::now() + time;
        let since = deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.invoke_until(event, u64::try_from(since.as_millis()).unwrap_or(DEADLINE_MS)).await
    }

    async fn invoke_until(&self, event: Value, deadline_ms: u64) -> Result<Value> {
        let (answer, receiver) = oneshot::channel();
        let gone = || Error::Invalid("the emulator has ended".into());
        self.events.send(Invocation { event, deadline_ms, answer }).map_err(|_| gone())?;
        match tokio::time::timeout(ANSWER_MAX, receiver).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(reported))) => Err(Error::Invalid(reported)),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(Error::Timeout { what: "the function".into(), waited_ms: ANSWER_MAX.as_millis(), last: "no answer".into() }),
        }
    }

    /// One HTTP request, as API Gateway hands it on (payload version 2). `target` is a path, with a query if any.
    ///
    /// # Errors
    /// As [`LambdaRuntime::invoke`], and when the answer is not an HTTP one.
    pub async fn http(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<HttpAnswer> {
        http_answer(&self.invoke(http_event(method, target, headers, body)).await?)
    }
}

fn http_event(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameters: Map<String, Value> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    let mut all = Map::from_iter([("host".to_owned(), json!("api.example"))]);
    all.extend(headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), json!(value))));
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": all, "queryStringParameters": parameters,
        "requestContext": {
            "accountId": "000000000000", "apiId": "api", "domainName": "api.example", "domainPrefix": "api",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "testkit" },
            "requestId": "request", "routeKey": "$default", "stage": "$default",
            "time": "01/Jan/2024:00:00:00 +0000", "timeEpoch": 1_704_067_200_000_u64,
        },
        "body": STANDARD.encode(body), "isBase64Encoded": true,
    })
}

fn http_answer(answer: &Value) -> Result<HttpAnswer> {
    let invalid = |what: &str| Error::Invalid(format!("{what} in the function's answer"));
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).ok_or_else(|| invalid("no status"))?;
    let text = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(text).map_err(|_| invalid("bad base64"))?,
        _ => text.as_bytes().to_vec(),
    };
    let headers = answer["headers"].as_object().into_iter().flatten();
    let headers = headers.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned()))).collect();
    Ok(HttpAnswer { status, headers, body })
}

/// Held until there is an event, as the real one is.
async fn next(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let Some(Invocation { event, deadline_ms, answer }) = shared.events.lock().await.recv().await else {
        return Err(StatusCode::GONE);
    };
    let failed = shared.failed_start.lock().ok().and_then(|mut failed| failed.take());
    if let Some(reported) = failed {
        let _ = answer.send(Err(reported));
        return Err(StatusCode::GONE);
    }
    let mut waiting = shared.waiting.lock().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let id = format!("8476a536-e9f4-11e8-9739-{:012}", shared.count.fetch_add(1, Ordering::Relaxed));
    waiting.insert(id.clone(), answer);
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:function".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0".to_owned()),
    ];
    Ok((headers, Json(event)))
}

async fn response(State(shared): State<Arc<Shared>>, UrlPath(id): UrlPath<String>, body: Bytes) -> StatusCode {
    let parsed = serde_json::from_slice(&body).map_err(|error| format!("the answer is not JSON: {error}"));
    finish(&shared, &id, parsed)
}

async fn error(State(shared): State<Arc<Shared>>, UrlPath(id): UrlPath<String>, body: String) -> StatusCode {
    finish(&shared, &id, Err(body))
}

async fn init_error(State(shared): State<Arc<Shared>>, body: String) -> StatusCode {
    if let Ok(mut failed) = shared.failed_start.lock() {
        *failed = Some(body);
    }
    StatusCode::ACCEPTED
}

fn finish(shared: &Shared, id: &str, answer: Answer) -> StatusCode {
    match shared.waiting.lock().ok().and_then(|mut waiting| waiting.remove(id)) {
        Some(sender) => {
            let _ = sender.send(answer);
            StatusCode::ACCEPTED
        }
        None => StatusCode::NOT_FOUND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_path_query_headers_and_body() {
        let event = http_event("PUT", "/a/b?x=1&y", &[("If-Match", "\"3\"")], b"{}");
        assert_eq!(event["rawPath"], "/a/b");
        assert_eq!(event["queryStringParameters"], json!({ "x": "1", "y": "" }));
        assert_eq!(event["headers"]["if-match"], "\"3\"");
        assert_eq!(event["body"], "e30=");
    }

    #[test]
    fn an_answer_without_a_status_is_refused() {
        assert!(http_answer(&json!({ "body": "" })).is_err());
        let answer = http_answer(&json!({ "statusCode": 200, "body": "e30=", "isBase64Encoded": true })).unwrap();
        assert_eq!((answer.status, answer.json().unwrap()), (200, json!({})));
    }
}
