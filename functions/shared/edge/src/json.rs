//! JSON bodies. Whatever is wrong with one is answered as a problem with its place.

use crate::problem::{Problem, ProblemItem};
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::LengthLimitError;
use model::exact::Spellings;
use model::problem::token;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::json;
use serde_path_to_error::{Path, Segment};
use std::error::Error;

/// Most bytes of a body.
pub const BODY_BYTES_MAX: usize = 2 << 20;

/// A JSON body, coming in or going out.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
            Err(error) => Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).with_inside(error.to_string()).into_response(),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        parse(&body(request, BODY_BYTES_MAX).await?).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// A JSON body, and how its numbers are written.
#[derive(Debug, Clone)]
pub struct Exact<T, const BYTES_MAX: usize = BODY_BYTES_MAX>(pub T, pub Spellings);

impl<T: DeserializeOwned, S: Send + Sync, const BYTES_MAX: usize> FromRequest<S> for Exact<T, BYTES_MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let bytes = body(request, BYTES_MAX).await?;
        let value = parse(&bytes)?;
        // What was read as JSON is text.
        Ok(Self(value, Spellings::read(std::str::from_utf8(&bytes).unwrap_or_default())))
    }
}

async fn body(request: Request, bytes_max: usize) -> Result<bytes::Bytes, Problem> {
    if !is_json(request.headers()) {
        let detail = "the body is JSON: say so with `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
    }
    read(request, bytes_max).await
}

async fn read(request: Request, bytes_max: usize) -> Result<bytes::Bytes, Problem> {
    let too_large = || {
        let detail = format!("a body has at most {bytes_max} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).with(json!({ "bytesMax": bytes_max }))
    };
    let said = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(too_large());
    }
    let body: Body = request.into_body();
    axum::body::to_bytes(body, bytes_max).await.map_err(|error| {
        if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
            return too_large();
        }
        Problem::new(StatusCode::BAD_REQUEST, "body-unreadable", "the body broke off").with_inside(error.to_string())
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Every body of the API is an object; a list would be read as an object's fields in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::invalid("", "not-an-object", "the body is a JSON object, not a list"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| wrong(error.path(), error.inner()))?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(syntax(&error)),
    }
}

fn syntax(error: &serde_json::Error) -> Problem {
    let item = item(String::new(), "json-invalid", error);
    Problem::new(StatusCode::BAD_REQUEST, "json-invalid", "the body is not JSON").with_errors(vec![item])
}

fn wrong(path: &Path, error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Data => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "the request is not valid").with_errors(vec![item(
            pointer(path),
            "type-differs",
            error,
        )]),
        Category::Syntax | Category::Eof | Category::Io => syntax(error),
    }
}

fn item(pointer: String, code: &str, error: &serde_json::Error) -> ProblemItem {
    let data = json!({ "line": error.line(), "column": error.column() });
    ProblemItem { pointer, code: code.to_owned(), message: error.to_string(), data, warning: false }
}

fn pointer(path: &Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", token(key)),
            Segment::Enum { .. } | Segment::Unknown => String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[serde(rename = "a/b")]
        _number: u8,
    }

    #[derive(Debug, Deserialize)]
    struct Thing {
        _list: Option<Vec<Inner>>,
    }

    async fn ask(content_type: &str, body: impl Into<Body>) -> Result<Thing, Problem> {
        let request = Request::builder().header(header::CONTENT_TYPE, content_type).body(body.into()).unwrap();
        Json::<Thing>::from_request(request, &()).await.map(|json| json.0)
    }

    async fn refused(content_type: &str, body: impl Into<Body>) -> (u16, String, String) {
        let problem = ask(content_type, body).await.unwrap_err();
        (problem.status, problem.code.clone(), problem.errors.first().map(|e| e.pointer.clone()).unwrap_or_default())
    }

    #[tokio::test]
    async fn good_bodies_are_read() {
        assert!(ask("application/json; charset=utf-8", "{}").await.is_ok());
        assert!(ask("application/merge-patch+json", r#"{"_list":[{"a/b":1}]}"#).await.is_ok());
    }

    #[tokio::test]
    async fn numbers_keep_their_spelling() {
        let request =
            |body: &'static str| Request::builder().header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap();
        let Exact(value, spellings) = Exact::<serde_json::Value>::from_request(request(r#"{"a": 1.50}"#), &()).await.unwrap();
        assert_eq!((value, spellings.iter().next()), (json!({"a": 1.5}), Some(("/a", "1.50"))));
        let refused = Exact::<serde_json::Value, 4>::from_request(request(r#"{"a": 1}"#), &()).await.unwrap_err();
        assert_eq!(refused.status, 413);
    }

    #[tokio::test]
    async fn every_bad_body_has_its_answer() {
        let said = |status, code: &str, pointer: &str| (status, code.to_owned(), pointer.to_owned());
        assert_eq!(refused("text/plain", "{}").await, said(415, "not-json", ""));
        assert_eq!(refused("", "{}").await, said(415, "not-json", ""));
        assert_eq!(refused("application/json", "").await, said(400, "json-invalid", ""));
        assert_eq!(refused("application/json", "{} x").await, said(400, "json-invalid", ""));
        assert_eq!(refused("application/json", vec![0xff]).await, said(400, "json-invalid", ""));
        assert_eq!(refused("application/json", r#"{"_list":[{"a/b":1},{"a/b":"x"}]}"#).await, said(422, "invalid", "/_list/1/a~1b"));
        assert_eq!(refused("application/json", " [[1]]").await, said(422, "invalid", ""));
        assert_eq!(refused("application/json", "[".repeat(10_000)).await.0, 422);
        assert_eq!(refused("application/json", vec![b' '; BODY_BYTES_MAX + 1]).await, said(413, "body-too-large", ""));
        let stream = Body::from_stream(futures::stream::iter((0..3).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20]))));
        assert_eq!(refused("application/json", stream).await, said(413, "body-too-large", ""));
        let broken = Body::from_stream(futures::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("x"))]));
        assert_eq!(refused("application/json", broken).await, said(400, "body-unreadable", ""));
    }

    #[tokio::test]
    async fn line_and_column_are_told() {
        let problem = ask("application/json", "{\n  \"_list\": 7}").await.unwrap_err();
        assert_eq!(problem.errors[0].data, json!({"line": 2, "column": 12}));
    }
}
