//! What the API server fills in before it stores an object: the defaults of the kinds it knows, what its admission adds to
//! a pod, and the fields that its types drop when they are empty. Pure, and the same a second time.
//!
//! It never refuses anything; a field of a wrong type stays as it is for `validate`. Kinds it does not know are not touched.

mod carry;
mod empty;
mod others;
mod pod;
mod quantity;
mod service;
mod workloads;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

/// Fills one object of any kind. With `metadata.uid` set it also gives a Job the labels that come from it.
pub(crate) fn fill(object: &mut Value) {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let known: fn(&mut Value) = match (api_version.as_str(), kind.as_str()) {
        ("apps/v1", "Deployment") => workloads::deployment,
        ("apps/v1", "ReplicaSet") => workloads::replica_set,
        ("apps/v1", "StatefulSet") => workloads::stateful_set,
        ("apps/v1", "DaemonSet") => workloads::daemon_set,
        ("batch/v1", "Job") => workloads::job,
        ("batch/v1", "CronJob") => workloads::cron_job,
        ("v1", "Pod") => pod::pod,
        ("v1", "Service") => service::service,
        ("v1", "Namespace") => others::namespace,
        ("v1", "Secret") => others::secret,
        ("v1", "ConfigMap" | "ServiceAccount") => nothing,
        ("v1", "PersistentVolumeClaim") => others::claim,
        ("v1", "Endpoints") => others::endpoints,
        ("v1", "LimitRange") => others::limit_range,
        ("networking.k8s.io/v1", "Ingress") => others::ingress,
        ("networking.k8s.io/v1", "NetworkPolicy") => others::network_policy,
        ("autoscaling/v2", "HorizontalPodAutoscaler") => others::autoscaler,
        ("policy/v1", "PodDisruptionBudget") => others::disruption_budget,
        ("rbac.authorization.k8s.io/v1", "Role" | "ClusterRole") => others::role,
        ("rbac.authorization.k8s.io/v1", "RoleBinding" | "ClusterRoleBinding") => others::binding,
        ("discovery.k8s.io/v1", "EndpointSlice") => others::endpoint_slice,
        _ => return empty::metadata(object),
    };
    empty::drop(object, &kind);
    known(object);
}

/// Takes over from the object that is there what was given to it and is not said anew: addresses and node ports.
pub(crate) fn carry(old: &Value, new: &mut Value) {
    if said(new, "/kind") == "Service" && said(new, "/apiVersion") == "v1" {
        carry::service(old, new);
    }
}

fn nothing(_: &mut Value) {}

/// Sets a field that is not there, in an object that is there.
pub(super) fn set(object: Option<&mut Value>, field: &str, value: impl Into<Value>) {
    if let Some(object) = object.and_then(Value::as_object_mut)
        && !object.contains_key(field)
    {
        object.insert(field.to_owned(), value.into());
    }
}

/// The object in a field, made when it is not there.
pub(super) fn within<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    Some(object.as_object_mut()?.entry(field).or_insert_with(|| json!({})))
}

/// The items of a list.
pub(super) fn items<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// What a string field says.
pub(super) fn said<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a map is there and holds anything.
pub(super) fn filled(map: Option<&Value>) -> Option<&Map<String, Value>> {
    map.and_then(Value::as_object).filter(|map| !map.is_empty())
}
