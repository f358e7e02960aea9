//! What the API server refuses of an object, in its own words. Pure; an object has its defaults already.
//!
//! `decode` is about types, which nothing else here minds; `create` about one object; `update` about what may not change.
//! Kinds that are not known are held only to the rules of `metadata`.

mod change;
mod data;
mod decode;
mod names;
mod pod;
mod quantity;
mod report;
mod schema;
mod service;
#[cfg(test)]
mod tests;
mod workloads;

pub(crate) use decode::decode;

use crate::interfaces::Cause;
use report::{Report, text};
use serde_json::Value;

/// Why a new object is refused; nothing if it is not.
pub(crate) fn create(object: &Value) -> Vec<Cause> {
    let mut report = Report::default();
    one(&mut report, object);
    report.into_causes()
}

/// Why an object cannot become another.
pub(crate) fn update(old: &Value, new: &Value) -> Vec<Cause> {
    let mut report = Report::default();
    one(&mut report, new);
    change::of(&mut report, old, new);
    report.into_causes()
}

fn one(report: &mut Report, object: &Value) {
    names::metadata(report, object);
    match (text(object, "/apiVersion"), text(object, "/kind")) {
        ("apps/v1", "Deployment") => workloads::deployment(report, object),
        ("apps/v1", "ReplicaSet") => workloads::replica_set(report, object),
        ("apps/v1", "StatefulSet") => workloads::stateful_set(report, object),
        ("apps/v1", "DaemonSet") => workloads::daemon_set(report, object),
        ("batch/v1", "Job") => workloads::job(report, object),
        ("v1", "Pod") => pod::spec(report, object.get("spec").unwrap_or(&Value::Null), "spec"),
        ("v1", "Service") => service::service(report, object),
        ("v1", "ConfigMap") => data::config_map(report, object),
        ("v1", "Secret") => data::secret(report, object),
        ("networking.k8s.io/v1", "Ingress") => service::ingress(report, object),
        _ => {}
    }
}
