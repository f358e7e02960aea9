//! The kinds with little to fill in.

use super::{filled, items, said, set, within};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) fn namespace(object: &mut Value) {
    let name = said(object, "/metadata/name").to_owned();
    if !name.is_empty()
        && let Some(labels) = object.get_mut("metadata").and_then(|metadata| within(metadata, "labels")).and_then(Value::as_object_mut)
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
    }
    // Once it is going away, its finalizer is the controller's to take.
    if object.pointer("/metadata/deletionTimestamp").is_none() {
        let spec = within(object, "spec");
        set(spec, "finalizers", json!(["kubernetes"]));
    }
    let status = within(object, "status");
    set(status, "phase", "Active");
}

pub(super) fn secret(object: &mut Value) {
    let plain = object.as_object_mut().and_then(|object| object.shift_remove("stringData"));
    if let Some(Value::Object(plain)) = plain
        && !plain.is_empty()
        && let Some(data) = within(object, "data").and_then(Value::as_object_mut)
    {
        for (key, value) in plain {
            data.insert(key, json!(STANDARD.encode(value.as_str().unwrap_or_default())));
        }
    }
    set(Some(object), "type", "Opaque");
}

pub(super) fn claim(object: &mut Value) {
    set(object.get_mut("spec"), "volumeMode", "Filesystem");
    set(Some(&mut *object), "status", json!({"phase": "Pending"}));
    // Only a new one: whoever takes it away meant to.
    if object.pointer("/metadata/resourceVersion").is_none() {
        set(object.get_mut("metadata"), "finalizers", json!(["kubernetes.io/pvc-protection"]));
    }
}

pub(super) fn endpoints(object: &mut Value) {
    items(object, "/subsets").for_each(|subset| items(subset, "/ports").for_each(|port| set(Some(port), "protocol", "TCP")));
}

pub(super) fn endpoint_slice(object: &mut Value) {
    items(object, "/ports").for_each(|port| {
        set(Some(&mut *port), "name", "");
        set(Some(port), "protocol", "TCP");
    });
    items(object, "/endpoints").for_each(|endpoint| set(Some(endpoint), "conditions", json!({})));
}

pub(super) fn limit_range(object: &mut Value) {
    items(object, "/spec/limits").filter(|item| said(item, "/type") == "Container").for_each(|item| {
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let Some(values) = filled(item.get(from)).cloned() else { continue };
            let Some(target) = within(item, to) else { continue };
            values.into_iter().for_each(|(name, value)| set(Some(&mut *target), &name, value));
        }
    });
}

pub(super) fn ingress(object: &mut Value) {
    set(Some(object), "status", json!({"loadBalancer": {}}));
}

pub(super) fn network_policy(object: &mut Value) {
    for list in ["/spec/ingress", "/spec/egress"] {
        items(object, list).for_each(|rule| items(rule, "/ports").for_each(|port| set(Some(port), "protocol", "TCP")));
    }
    let types = if object.pointer("/spec/egress").is_some() { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    set(object.get_mut("spec"), "policyTypes", types);
    set(object.get_mut("spec"), "podSelector", json!({}));
}

pub(super) fn autoscaler(object: &mut Value) {
    set(object.get_mut("spec"), "minReplicas", 1);
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
    set(object.get_mut("spec"), "metrics", json!([metric]));
    set(Some(object), "status", json!({"desiredReplicas": 0, "currentMetrics": null}));
}

pub(super) fn disruption_budget(object: &mut Value) {
    let status = json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0});
    set(Some(object), "status", status);
}

pub(super) fn role(object: &mut Value) {
    set(Some(object), "rules", Value::Null);
}

pub(super) fn binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    set(object.get_mut("roleRef"), "apiGroup", GROUP);
    items(object, "/subjects").filter(|subject| said(subject, "/kind") != "ServiceAccount").for_each(|subject| {
        set(Some(subject), "apiGroup", GROUP);
    });
}
