//! Refusals, as the API server says them: `Status` objects with its reasons and its words.

use crate::interfaces::Cause;
use crate::kinds::Row;
use crate::state::Full;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Map, Value, json};

/// Why a request is not done.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    pub(crate) fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    fn about(self, row: &Row, name: &str) -> Self {
        let details = about(row.group, row.plural, name, Vec::new());
        self.with(details)
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn not_found(row: &Row, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", row.qualified())).about(row, name)
    }

    /// The path leads nowhere.
    pub(crate) fn no_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with(json!({}))
    }

    pub(crate) fn no_method() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource").with(json!({}))
    }

    pub(crate) fn exists(row: &Row, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", row.qualified())).about(row, name)
    }

    pub(crate) fn conflict(row: &Row, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {} {name:?}: {why}", row.qualified())).about(row, name)
    }

    pub(crate) fn modified(row: &Row, name: &str) -> Self {
        Self::conflict(row, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    /// What a deletion demands of the object is not so. The API server names the kind here, not the resource.
    pub(crate) fn precondition(row: &Row, name: &str, why: &str) -> Self {
        let kind = if row.group.is_empty() { row.kind.kind.to_owned() } else { format!("{}.{}", row.kind.kind, row.group) };
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {kind} {name:?}: {why}")).with(about(
            row.group,
            row.kind.kind,
            name,
            Vec::new(),
        ))
    }

    /// What a patch makes of an object cannot be read as one. The API server names neither.
    pub(crate) fn unreadable_patch(given: &str, why: &str) -> Self {
        let message = format!("Invalid value: {given:?}: {why}");
        let cause = json!({"reason": "FieldValueInvalid", "message": message, "field": "patch"});
        Self::new(422, "Invalid", format!(" \"\" is invalid: patch: {message}")).with(json!({"causes": [cause]}))
    }

    /// A replace that must say which version it replaces.
    pub(crate) fn unconditional(row: &Row, name: &str) -> Self {
        let message = "Invalid value: 0: must be specified for an update".to_owned();
        let why = Cause { reason: "FieldValueInvalid", field: "metadata.resourceVersion".to_owned(), message };
        Self::new(422, "Invalid", format!("{} {name:?} is invalid: {}", row.qualified(), said(std::slice::from_ref(&why)))).with(about(
            row.group,
            row.plural,
            name,
            vec![cause(&why)],
        ))
    }

    pub(crate) fn forbidden(row: &Row, name: &str, why: &str) -> Self {
        Self::new(403, "Forbidden", format!("{} {name:?} is forbidden: {why}", row.qualified())).about(row, name)
    }

    pub(crate) fn full(row: &Row, name: &str, full: &Full) -> Self {
        let Full { what, used, limit } = full;
        Self::forbidden(row, name, &format!("exceeded quota: playground, used: {what}={used}, limited: {what}={limit}"))
    }

    pub(crate) fn expired(wanted: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {wanted} ({oldest})"))
    }

    /// An object that validation refuses.
    pub(crate) fn invalid(row: &Row, name: &str, causes: &[Cause]) -> Self {
        let kind = if row.group.is_empty() { row.kind.kind.to_owned() } else { format!("{}.{}", row.kind.kind, row.group) };
        let causes_said = said(causes);
        Self::new(422, "Invalid", format!("{kind} {name:?} is invalid: {causes_said}")).with(about(
            row.group,
            row.kind.kind,
            name,
            causes.iter().map(cause).collect(),
        ))
    }

    /// What is asked of a sub-resource, and validation refuses.
    pub(crate) fn invalid_as(group: &str, kind: &str, name: &str, why: &Cause) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        Self::new(422, "Invalid", format!("{qualified} {name:?} is invalid: {}", said(std::slice::from_ref(why)))).with(about(
            group,
            kind,
            name,
            vec![cause(why)],
        ))
    }

    /// Options of a request that validation refuses.
    pub(crate) fn invalid_options(options: &str, causes: &[Cause]) -> Self {
        Self::new(422, "Invalid", format!("{options}.meta.k8s.io \"\" is invalid: {}", said(causes))).with(about(
            "meta.k8s.io",
            options,
            "",
            causes.iter().map(cause).collect(),
        ))
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }

    pub(crate) fn unsupported(accepted: &str) -> Self {
        let message = format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// A patch of a type that nobody knows.
    pub(crate) fn unsupported_patch() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").with(json!({}))
    }

    pub(crate) fn not_acceptable() -> Self {
        Self::new(406, "NotAcceptable", "only the following media types are accepted: application/json").with(json!({}))
    }

    pub(crate) fn too_many(message: &str) -> Self {
        Self::new(429, "TooManyRequests", message).with(json!({"retryAfterSeconds": 1}))
    }

    pub(crate) fn future(wanted: u64, now: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {now}");
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        Self::new(504, "Timeout", message).with(json!({"causes": causes, "retryAfterSeconds": 1}))
    }

    /// The `Status` object.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message,
        });
        if let Value::Object(fields) = &mut status {
            if !self.reason.is_empty() {
                fields.insert("reason".to_owned(), self.reason.into());
            }
            if !self.details.is_null() {
                fields.insert("details".to_owned(), self.details.clone());
            }
            fields.insert("code".to_owned(), self.code.into());
        }
        status
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json_response(self.code, &self.status());
        if let Some(seconds) = self.details.get("retryAfterSeconds").and_then(Value::as_u64) {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An answer of JSON.
pub(crate) fn json_response(code: u16, value: &Value) -> Response {
    typed_response(code, "application/json", value.to_string().into_bytes())
}

/// An answer of any type.
pub(crate) fn typed_response(code: u16, content_type: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

fn about(group: &str, kind: &str, name: &str, causes: Vec<Value>) -> Value {
    let mut details = Map::new();
    if !name.is_empty() {
        details.insert("name".to_owned(), name.into());
    }
    if !group.is_empty() {
        details.insert("group".to_owned(), group.into());
    }
    details.insert("kind".to_owned(), kind.into());
    if !causes.is_empty() {
        details.insert("causes".to_owned(), causes.into());
    }
    Value::Object(details)
}

fn cause(cause: &Cause) -> Value {
    json!({"reason": cause.reason, "message": cause.message, "field": cause.field})
}

/// One cause as it is, several in brackets.
fn said(causes: &[Cause]) -> String {
    let each: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    match each.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn refusals_are_in_the_words_of_the_api_server() {
        let deployments = kinds::by_kind("apps/v1", "Deployment").unwrap();
        let status = Refusal::not_found(deployments, "web").status();
        assert_eq!(status["message"], "deployments.apps \"web\" not found");
        assert_eq!(status["details"], json!({"name": "web", "group": "apps", "kind": "deployments"}));
        let cause = |field: &str| Cause { reason: "FieldValueRequired", field: field.to_owned(), message: "Required value".to_owned() };
        let status = Refusal::invalid(deployments, "web", &[cause("spec.a"), cause("spec.b")]).status();
        assert_eq!(status["message"], "Deployment.apps \"web\" is invalid: [spec.a: Required value, spec.b: Required value]");
        assert_eq!(status["details"]["kind"], "Deployment");
        assert_eq!(Refusal::too_many("m").into_response().headers()[RETRY_AFTER], "1");
        assert_eq!(Refusal::unauthorized().status()["code"], 401);
    }
}
