//! The `scale` sub-resource: how many pods, of any kind that has such a number.

use super::status::{Refusal, json_response};
use super::target::Target;
use super::write::{self, Write, patched};
use super::{Ask, Server, body};
use crate::interfaces::Cause;
use crate::state::{field, text};
use axum::response::Response;
use http::Method;
use serde_json::{Map, Value, json};

const KIND: (&str, &str) = ("autoscaling/v1", "Scale");

/// What an object says about its size.
fn scale_of(object: &Value) -> Value {
    let mut metadata = Map::new();
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.pointer(&format!("/metadata/{key}")) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let mut labels: Vec<String> = Vec::new();
    if let Some(Value::Object(wanted)) = object.pointer("/spec/selector/matchLabels") {
        labels = wanted.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        labels.sort_unstable();
    }
    let mut scale = json!({
        "kind": KIND.1, "apiVersion": KIND.0, "metadata": metadata,
        "spec": {"replicas": number("/spec/replicas")},
        "status": {"replicas": number("/status/replicas"), "selector": labels.join(",")},
    });
    crate::patch::settle(KIND, &mut scale);
    scale
}

pub(crate) fn answer(server: &Server, method: &Method, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let name = target.name.as_deref().unwrap_or_default();
    if method == Method::GET {
        let found = server.state().find(target.row.kind, target.place(), name);
        let object = found.ok_or_else(|| Refusal::not_found(target.row, name))?;
        return Ok(json_response(200, &scale_of(&object)));
    }
    let options = if method == Method::PATCH { "PatchOptions" } else { "UpdateOptions" };
    let write = Write::of(target, ask, options)?;
    let mut state = server.state();
    let live = state.find(target.row.kind, target.place(), name).ok_or_else(|| Refusal::not_found(target.row, name))?;
    let before = scale_of(&live);
    let wanted = if method == Method::PATCH { patched(ask, KIND, &before, &write, name)? } else { body::object(ask, KIND)? };
    let replicas = wanted.pointer("/spec/replicas").map_or(Some(0), Value::as_i64);
    let Some(replicas) = replicas.filter(|replicas| *replicas >= 0) else {
        let given = wanted.pointer("/spec/replicas").cloned().unwrap_or_default();
        let message = format!("Invalid value: {given}: must be greater than or equal to 0");
        let why = Cause { reason: "FieldValueInvalid", field: "spec.replicas".to_owned(), message };
        return Err(Refusal::invalid_as("autoscaling", KIND.1, name, &why));
    };
    let version = text(&wanted, "/metadata/resourceVersion");
    if !version.is_empty() && version != text(&live, "/metadata/resourceVersion") {
        return Err(Refusal::modified(target.row, name));
    }
    let mut object = Value::clone(&live);
    field(&mut object, "spec").insert("replicas".to_owned(), replicas.into());
    let after = write::store(&mut state, &write, &live, object, true)?;
    Ok(json_response(200, &scale_of(&after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_says_the_size() {
        let object = json!({"metadata": {"name": "web", "labels": {}}, "spec": {"replicas": 3, "selector": {"matchLabels": {"b": "2", "a": "1"}}}, "status": {"replicas": 2}});
        let scale = scale_of(&object);
        assert_eq!((&scale["spec"]["replicas"], &scale["status"]), (&json!(3), &json!({"replicas": 2, "selector": "a=1,b=2"})));
        assert!(scale["metadata"].get("labels").is_none());
    }
}
