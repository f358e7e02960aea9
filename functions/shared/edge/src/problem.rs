//! Failures as RFC 9457 problem documents. A failure is mapped here once; text for people outside and text for our own log are
//! kept apart, and the second never leaves.

use crate::wire::FreeJson;
use app::error::AppError;
use app::expect::{IF_MATCH_REQUIRED, VERSION_DIFFERS};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use model::problem::Problem as Found;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::ops::Deref;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One thing wrong with a request, and where.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProblemItem {
    /// JSON pointer into the body (RFC 6901); empty for the whole request.
    pub pointer: String,
    /// Stable, kebab-case.
    pub code: String,
    /// For people.
    pub message: String,
    /// For machines.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schema(value_type = FreeJson, required = false)]
    pub data: Value,
    /// It was noticed, and refuses nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub warning: bool,
}

impl From<Found> for ProblemItem {
    fn from(found: Found) -> Self {
        Self { pointer: found.pointer, code: found.code, message: found.message, data: Value::Null, warning: found.warning }
    }
}

/// A problem document as it is sent (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Always `about:blank`: what went wrong is told by `code`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable, kebab-case.
    pub code: String,
    /// For people.
    pub detail: String,
    /// Find the request in the log by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Everything wrong with the request, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<ProblemItem>,
    /// For machines.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schema(value_type = FreeJson, required = false)]
    pub data: Value,
}

/// A failure on its way to the caller: the document, headers, and what only our own log may say.
#[derive(Debug, Clone)]
pub struct Problem(Box<Told>);

#[derive(Debug, Clone)]
struct Told {
    document: Document,
    inside: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Deref for Problem {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0.document
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Document::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Document::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Document::schemas(schemas);
    }
}

impl Problem {
    /// A problem with a code and words for people.
    #[must_use]
    pub fn new(status: StatusCode, code: impl Into<String>, detail: impl Into<String>) -> Self {
        let document = Document {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.into(),
            detail: detail.into(),
            trace_id: None,
            errors: Vec::new(),
            data: Value::Null,
        };
        Self(Box::new(Told { document, inside: None, headers: Vec::new() }))
    }

    /// A problem of a part of the request, 422.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        AppError::invalid(pointer, code, message).into()
    }

    /// What a status means when nothing more is known.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let code = status.canonical_reason().unwrap_or("error").to_ascii_lowercase().replace([' ', '\''], "-");
        let detail = match status {
            StatusCode::NOT_FOUND => "there is nothing at this address",
            StatusCode::METHOD_NOT_ALLOWED => "this address does not know this method",
            StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
            _ if status.is_server_error() => "something went wrong on our side",
            _ => "the request cannot be served",
        };
        Self::new(status, code, detail)
    }

    /// The same problem with data for machines.
    #[must_use]
    pub fn with(mut self, data: Value) -> Self {
        self.0.document.data = data;
        self
    }

    /// The same problem with everything found wrong.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<ProblemItem>) -> Self {
        self.0.document.errors = errors;
        self
    }

    /// The same problem with a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The same problem with text for our own log.
    #[must_use]
    pub fn with_inside(mut self, inside: impl Into<String>) -> Self {
        self.0.inside = Some(inside.into());
        self
    }

    /// The text for our own log.
    pub(crate) fn inside(&self) -> Option<&str> {
        self.0.inside.as_deref()
    }

    /// The same problem with the id of its request.
    pub(crate) fn with_trace(mut self, id: &str) -> Self {
        self.0.document.trace_id = Some(id.to_owned());
        self
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn render(&self) -> Vec<u8> {
        // A document of plain values always serialises.
        serde_json::to_vec(&self.0.document).unwrap_or_default()
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let detail = error.to_string();
        match error {
            AppError::NotFound { what, id } => {
                Self::new(StatusCode::NOT_FOUND, "not-found", detail).with(json!({ "what": what, "id": id }))
            }
            AppError::Conflict { code, data, .. } => {
                let status = if code == VERSION_DIFFERS { StatusCode::PRECONDITION_FAILED } else { StatusCode::CONFLICT };
                Self::new(status, code, detail).with(data)
            }
            AppError::Invalid(found) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
                .with_errors(found.into_iter().map(ProblemItem::from).collect()),
            AppError::Refused { code, data, .. } => {
                let status = if code == IF_MATCH_REQUIRED { StatusCode::PRECONDITION_REQUIRED } else { StatusCode::CONFLICT };
                Self::new(status, code, detail).with(data)
            }
            AppError::Denied { code, .. } => Self::new(StatusCode::FORBIDDEN, code, detail),
            AppError::Unavailable(inside) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
                .with_inside(inside),
            AppError::Damaged(inside) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", detail).with_inside(inside),
            AppError::Newer { what, needs, knows } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "newer-version", detail)
                .with(json!({ "what": what, "needs": needs, "knows": knows })),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status_code(), self.render()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        for (name, value) in &self.0.headers {
            headers.append(name.clone(), value.clone());
        }
        // The outermost layer writes the document anew, with the trace id, and logs what is inside.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: AppError) -> (u16, String) {
        let problem = Problem::from(error);
        (problem.status, problem.code.clone())
    }

    #[test]
    fn every_failure_has_its_status() {
        assert_eq!(of(AppError::NotFound { what: "pipeline", id: "x".to_owned() }), (404, "not-found".to_owned()));
        assert_eq!(of(AppError::conflict("name-taken", "m")), (409, "name-taken".to_owned()));
        assert_eq!(of(app::expect::differs("pipeline", Some(3))), (412, "version-differs".to_owned()));
        assert_eq!(of(AppError::refused("if-match-required", "m")), (428, "if-match-required".to_owned()));
        assert_eq!(of(AppError::refused("pipeline-disabled", "m")), (409, "pipeline-disabled".to_owned()));
        assert_eq!(of(AppError::invalid("/x", "bad", "m")), (422, "invalid".to_owned()));
        assert_eq!(of(AppError::Denied { code: "role-too-low".to_owned(), message: "m".to_owned() }), (403, "role-too-low".to_owned()));
        assert_eq!(of(AppError::Unavailable("disk 7".to_owned())), (503, "unavailable".to_owned()));
        assert_eq!(of(AppError::Damaged("row 7".to_owned())), (500, "damaged".to_owned()));
        assert_eq!(of(AppError::Newer { what: "x".to_owned(), needs: 2, knows: 1 }), (503, "newer-version".to_owned()));
    }

    #[test]
    fn what_is_inside_stays_inside() {
        let problem = Problem::from(AppError::Unavailable("disk 7 at 10.0.0.7".to_owned()));
        assert!(!String::from_utf8(problem.render()).unwrap().contains("10.0.0.7"));
        assert_eq!(problem.inside(), Some("disk 7 at 10.0.0.7"));
    }
}
