//! For tests of the crates above: a client that talks to a router without a socket, and checks of the OpenAPI document.

use crate::assemble::Edge;
use app::identity::{self, NewToken};
use app::testing::{Counting, FixedClock, KeptChanges, MemoryTable, principal};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, header};
use model::person::Role;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tower::ServiceExt as _;

/// An edge on fakes.
#[must_use]
pub fn edge() -> Edge {
    Edge {
        table: Arc::new(MemoryTable::default()),
        clock: Arc::new(FixedClock::default()),
        entropy: Arc::new(Counting::default()),
        changes: Arc::new(KeptChanges::default()),
        public_url: Some("https://waybill.example".into()),
    }
}

/// A fresh token with a role, straight from the use case.
pub async fn token(edge: &Edge, name: &str, role: Role) -> String {
    let new = NewToken { name: name.to_owned(), role, groups: BTreeSet::new(), expires_ms: None };
    let (table, entropy, clock) = (edge.table.as_ref(), edge.entropy.as_ref(), edge.clock.as_ref());
    let made = identity::create(table, entropy, clock, &principal("test", Role::Administrator), None, new).await;
    made.map(|(_, token)| token).unwrap_or_default()
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `null` when it is no JSON.
    pub json: Value,
}

impl Reply {
    /// `code` of a problem; empty for anything else.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// A header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The pointers of a problem's errors.
    #[must_use]
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.json.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        errors.iter().filter_map(|e| e.get("pointer").and_then(Value::as_str)).collect()
    }
}

/// Talks to a router, with or without a token.
#[derive(Clone)]
pub struct Client {
    router: Router,
    token: Option<String>,
}

impl Client {
    /// Without a token.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self { router, token: None }
    }

    /// The same router with this token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { router: self.router.clone(), token: Some(token.to_owned()) }
    }

    /// Sends a request; `body` is sent as JSON when there is one.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
        let mut request = Request::builder().method(method.parse::<Method>().unwrap_or_default()).uri(path);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |value| Body::from(value.to_string()));
        let Ok(request) = request.body(body) else { return Reply { status: 0, headers: HeaderMap::new(), json: Value::Null } };
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Reply { status: parts.status.as_u16(), headers: parts.headers, json }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None).await
    }

    /// POST with a body.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, &[], Some(body)).await
    }

    /// PUT with a body and, if it is not empty, an `If-Match`.
    pub async fn put(&self, path: &str, if_match: &str, body: Value) -> Reply {
        let headers = [("if-match", if_match)];
        self.send("PUT", path, if if_match.is_empty() { &[] } else { &headers }, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], None).await
    }
}

/// Everything wrong with an OpenAPI document: answers without a concrete schema, operations that do not tell of their
/// refusals, references that lead nowhere, operation ids that stand twice.
#[must_use]
pub fn document_faults(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    let empty = serde_json::Map::new();
    let object = |value: Option<&Value>| value.and_then(Value::as_object).unwrap_or(&empty).clone();
    for (path, item) in object(document.get("paths")) {
        for (method, operation) in object(Some(&item)) {
            let place = format!("{method} {path}");
            let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
            if id.is_empty() || !ids.insert(id) {
                faults.push(format!("{place}: no operation id of its own"));
            }
            let responses = object(operation.get("responses"));
            let open = operation.get("security").is_some();
            faults.extend(
                ["401", "403"].iter().filter(|s| !open && !responses.contains_key(**s)).map(|s| format!("{place}: tells nothing of {s}")),
            );
            for (status, response) in responses {
                for (_, content) in object(response.get("content")) {
                    if !is_concrete(content.get("schema"), document) {
                        faults.push(format!("{place} {status}: the answer's schema is not concrete"));
                    }
                }
            }
        }
    }
    references(document, document, &mut faults);
    faults
}

fn is_concrete(schema: Option<&Value>, document: &Value) -> bool {
    let Some(schema) = schema else { return false };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return is_concrete(document.pointer(target.trim_start_matches('#')), document);
    }
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "array" => is_concrete(schema.get("items"), document),
        "object" => schema.get("properties").is_some() || schema.get("additionalProperties").is_some(),
        "" => schema.get("oneOf").is_some() || schema.get("allOf").is_some(),
        _ => true,
    }
}

fn references(value: &Value, document: &Value, faults: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let target = map.get("$ref").and_then(Value::as_str);
            if let Some(target) = target.filter(|t| document.pointer(t.trim_start_matches('#')).is_none()) {
                faults.push(format!("{target} leads nowhere"));
            }
            map.values().for_each(|v| references(v, document, faults));
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, document, faults)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
