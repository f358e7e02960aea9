//! Who owns which field of a live object, as `metadata.managedFields` tells it: what client-side apply owns and how it
//! passes to us, and whether the scale sub-resource owns the replicas. Pure.

use crate::MANAGER;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What client-side apply leaves on every object it makes.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Names under which kubectl's client-side apply writes, whoever runs it.
const CLIENT_SIDE_NAMES: [&str; 2] = ["kubectl-client-side-apply", "kubectl"];

fn entries(live: &Value) -> impl Iterator<Item = &Value> {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is(entry: &Value, manager: &str, operation: &str) -> bool {
    text(entry, "manager") == manager && text(entry, "operation") == operation && text(entry, "subresource").is_empty()
}

/// Walks the field trie of an entry.
fn owns(entry: &Value, path: &[&str]) -> bool {
    let mut at = entry.get("fieldsV1");
    for key in path {
        at = at.and_then(|fields| fields.get(format!("f:{key}")));
    }
    at.is_some()
}

/// Made by client-side apply and not adopted yet.
pub(crate) fn client_side_applied(live: &Value) -> bool {
    live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(LAST_APPLIED)).is_some()
}

/// Nobody is written down as owner of anything: from before Kubernetes kept these records, or wiped.
pub(crate) fn nobody_owns_anything(live: &Value) -> bool {
    entries(live).next().is_none()
}

/// The managers whose fields client-side apply wrote: those that own its annotation, and kubectl's usual names.
pub(crate) fn client_side_managers(live: &Value) -> BTreeSet<&str> {
    let writers = entries(live).filter(|entry| text(entry, "operation") == "Update" && text(entry, "subresource").is_empty());
    writers
        .filter(|entry| CLIENT_SIDE_NAMES.contains(&text(entry, "manager")) || owns(entry, &["metadata", "annotations", LAST_APPLIED]))
        .map(|entry| text(entry, "manager"))
        .collect()
}

/// The JSON patch that hands over to us what client-side apply owns, if it owns anything; it fails with a conflict when
/// the object has changed meanwhile. As kubectl's own upgrade does it.
pub(crate) fn adoption(live: &Value) -> Option<Value> {
    if !client_side_applied(live) {
        return None;
    }
    let managers = client_side_managers(live);
    if managers.is_empty() {
        return None;
    }
    let mut fields: Vec<Value> = entries(live).cloned().collect();
    for manager in managers {
        fields = handed_over(fields, manager);
    }
    // Replaced, not tested: the API server then answers 409 to an outdated one, and not 422.
    Some(json!([
        { "op": "replace", "path": "/metadata/managedFields", "value": fields },
        { "op": "replace", "path": "/metadata/resourceVersion", "value": live.pointer("/metadata/resourceVersion") },
    ]))
}

/// One manager's entries become, or are joined with, ours.
fn handed_over(mut fields: Vec<Value>, manager: &str) -> Vec<Value> {
    let ours = fields.iter().position(|entry| is(entry, MANAGER, "Apply"));
    let Some(target) = ours.or_else(|| fields.iter().position(|entry| is(entry, manager, "Update"))) else {
        return fields;
    };
    let same_version = |entry: &&Value| {
        is(entry, manager, "Update") && fields.get(target).is_some_and(|ours| text(ours, "apiVersion") == text(entry, "apiVersion"))
    };
    let theirs = fields.iter().find(same_version).and_then(|entry| entry.get("fieldsV1")).cloned();
    if let Some(Value::Object(entry)) = fields.get_mut(target) {
        entry.insert("manager".to_owned(), MANAGER.into());
        entry.insert("operation".to_owned(), "Apply".into());
        if let (Some(Value::Object(own)), Some(Value::Object(theirs))) = (entry.get_mut("fieldsV1"), theirs) {
            unite(own, theirs);
        }
    }
    fields.retain(|entry| !is(entry, manager, "Update"));
    fields
}

/// The union of two field tries.
fn unite(own: &mut Map<String, Value>, theirs: Map<String, Value>) {
    for (key, value) in theirs {
        match (own.get_mut(&key), value) {
            (Some(Value::Object(own)), Value::Object(theirs)) => unite(own, theirs),
            (Some(_), _) => {}
            (None, value) => {
                own.insert(key, value);
            }
        }
    }
}

/// Somebody (an autoscaler, `kubectl scale`) set the replicas through the scale sub-resource and owns them since.
pub(crate) fn replicas_are_scaled(live: &Value) -> bool {
    entries(live).any(|entry| text(entry, "subresource") == "scale" && owns(entry, &["spec", "replicas"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, version: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn live(annotated: bool, fields: &[Value]) -> Value {
        let annotations = if annotated { json!({LAST_APPLIED: "{}"}) } else { json!({}) };
        json!({"metadata": {"annotations": annotations, "resourceVersion": "7", "managedFields": fields}})
    }

    fn annotation() -> Value {
        json!({"f:metadata": {"f:annotations": {(format!("f:{LAST_APPLIED}")): {}}}})
    }

    fn owners(live: &Value) -> Vec<String> {
        let patch = adoption(live).expect("an adoption");
        assert_eq!(patch[1], json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}));
        let fields = patch[0]["value"].as_array().unwrap();
        fields.iter().map(|entry| format!("{} {} {}", text(entry, "manager"), text(entry, "operation"), entry["fieldsV1"])).collect()
    }

    #[test]
    fn a_client_side_manager_becomes_ours() {
        let before = live(
            true,
            &[
                entry("kubectl-client-side-apply", "Update", "apps/v1", json!({"f:spec": {"f:paused": {}}})),
                entry("other", "Update", "apps/v1", json!({})),
            ],
        );
        assert_eq!(owners(&before), [r#"waybill Apply {"f:spec":{"f:paused":{}}}"#, "other Update {}"]);
    }

    #[test]
    fn any_owner_of_the_annotation_counts() {
        let before = live(true, &[entry("spinnaker", "Update", "apps/v1", annotation())]);
        assert!(owners(&before)[0].starts_with("waybill Apply"));
    }

    #[test]
    fn several_are_joined_in_one() {
        let before = live(
            true,
            &[
                entry("kubectl", "Update", "apps/v1", json!({"f:spec": {"f:a": {}, "f:both": {"f:x": {}}}})),
                entry("waybill", "Apply", "apps/v1", json!({"f:spec": {"f:b": {}, "f:both": {"f:y": {}}}})),
                entry("kubectl-client-side-apply", "Update", "apps/v1", json!({"f:spec": {"f:c": {}}})),
                entry("kubectl-client-side-apply", "Update", "extensions/v1beta1", json!({"f:spec": {"f:gone": {}}})),
            ],
        );
        assert_eq!(owners(&before), [r#"waybill Apply {"f:spec":{"f:b":{},"f:both":{"f:y":{},"f:x":{}},"f:a":{},"f:c":{}}}"#]);
    }

    #[test]
    fn what_needs_no_adoption_is_left_alone() {
        let client = entry("kubectl-client-side-apply", "Update", "v1", json!({}));
        assert_eq!(adoption(&live(false, std::slice::from_ref(&client))), None, "no annotation: client-side apply has not been here");
        assert_eq!(
            adoption(&live(true, &[entry("waybill", "Apply", "v1", annotation())])),
            None,
            "the manifest itself carries the annotation"
        );
        assert_eq!(adoption(&live(true, &[entry("ci", "Update", "v1", json!({}))])), None);
        let mut status = client;
        status["subresource"] = json!("status");
        assert_eq!(adoption(&live(true, &[status])), None);
        assert_eq!(adoption(&json!({})), None);
        assert!(nobody_owns_anything(&json!({"metadata": {}})));
    }

    #[test]
    fn scaled_replicas_are_seen() {
        let mut scaled = entry("kube-controller-manager", "Update", "apps/v1", json!({"f:spec": {"f:replicas": {}}}));
        assert!(!replicas_are_scaled(&live(false, std::slice::from_ref(&scaled))));
        scaled["subresource"] = json!("scale");
        assert!(replicas_are_scaled(&live(false, std::slice::from_ref(&scaled))));
        scaled["fieldsV1"] = json!({"f:metadata": {}});
        assert!(!replicas_are_scaled(&live(false, &[scaled])));
    }
}
