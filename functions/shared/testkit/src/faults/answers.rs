//! What is answered: refusals in the words of a Kubernetes API server, answers torn in the middle, and answers that the
//! same question had before.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::line::Line;

/// Questions whose answers are remembered.
const QUESTIONS_MAX: usize = 2_000;
/// Answers remembered of each.
const STATES_MAX: usize = 2;
/// Longest answer remembered.
const STATE_BYTES_MAX: usize = 4 << 20;
/// Until what was written before a break is on its way.
const FLUSH: Duration = Duration::from_millis(20);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A `Status`.
pub(super) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code,
    })
}

/// A refusal.
pub(super) fn refusal(code: u16, reason: &str, message: &str) -> Response {
    let body = status(code, reason, message).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// 429, with the seconds to wait.
pub(super) fn throttled(retry_after_s: u64) -> Response {
    let mut response = refusal(429, "TooManyRequests", "the server has received too many requests and has asked us to try again later");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
    response
}

/// A failure of the server.
pub(super) fn failed(code: u16) -> Response {
    match code {
        503 => refusal(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
        504 => refusal(504, "Timeout", "the server could not complete the request in time"),
        _ => refusal(code, "InternalError", "an error on the server has prevented the request from succeeding"),
    }
}

/// 409, as when somebody else wrote in between.
pub(super) fn modified(resource: &str, name: &str) -> Response {
    let message = format!(
        "Operation cannot be fulfilled on {resource} \"{name}\": the object has been modified; please apply your changes to the latest \
         version and try again"
    );
    refusal(409, "Conflict", &message)
}

/// A whole answer of the API server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Whole {
    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// Half of it, and then the connection breaks.
    pub(super) fn torn(self, line: Arc<Line>) -> Response {
        let half = self.body.slice(..self.body.len() / 2);
        let length = self.body.len();
        let first = futures::stream::iter([Ok::<_, std::io::Error>(half)]);
        let rest = futures::stream::once(async move {
            tokio::time::sleep(FLUSH).await;
            line.cut();
            Err(std::io::ErrorKind::ConnectionReset.into())
        });
        let mut response = Response::new(Body::from_stream(first.chain(rest)));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

/// The last answers to each question that reads.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    answers: HashMap<String, VecDeque<Whole>>,
}

impl Earlier {
    /// Remembers an answer, and gives the last one that differed from it.
    pub(super) fn remember(&mut self, question: &str, answer: &Whole) -> Option<Whole> {
        if answer.body.len() > STATE_BYTES_MAX {
            return None;
        }
        if self.answers.len() >= QUESTIONS_MAX && !self.answers.contains_key(question) {
            self.answers.clear();
        }
        let known = self.answers.entry(question.to_owned()).or_default();
        if known.back() != Some(answer) {
            known.push_back(answer.clone());
        }
        while known.len() > STATES_MAX {
            known.pop_front();
        }
        if known.len() < STATES_MAX { None } else { known.front().cloned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(body: &str) -> Whole {
        Whole { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn the_answer_before_the_last_change_is_remembered() {
        let mut earlier = Earlier::default();
        assert_eq!(earlier.remember("a", &whole("1")), None);
        assert_eq!(earlier.remember("a", &whole("1")), None, "nothing has changed");
        assert_eq!(earlier.remember("b", &whole("9")), None);
        assert_eq!(earlier.remember("a", &whole("2")), Some(whole("1")));
        assert_eq!(earlier.remember("a", &whole("2")), Some(whole("1")));
        assert_eq!(earlier.remember("a", &whole("3")), Some(whole("2")));
    }

    #[test]
    fn memory_is_bounded() {
        let mut earlier = Earlier::default();
        for number in 0..QUESTIONS_MAX + 10 {
            earlier.remember(&number.to_string(), &whole("1"));
        }
        assert!(earlier.answers.len() <= QUESTIONS_MAX);
    }
}
