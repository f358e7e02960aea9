//! What may not change.

use super::report::{Report, items, text};
use serde_json::{Value, json};

const IMMUTABLE: &str = "field is immutable";
const STATEFUL_SET: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];
const POD: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it \
    to be set to 1 if it was previously negative)\n";

pub(super) fn of(report: &mut Report, old: &Value, new: &Value) {
    finalizers(report, old, new);
    match (text(new, "/apiVersion"), text(new, "/kind")) {
        ("apps/v1", "Deployment" | "ReplicaSet" | "DaemonSet") => immutable(report, old, new, "/spec/selector", "spec.selector"),
        ("apps/v1", "StatefulSet") => stateful_set(report, old, new),
        ("batch/v1", "Job") => job(report, old, new),
        ("v1", "Pod") => pod(report, old, new),
        ("v1", "Service") => service(report, old, new),
        ("v1", "ConfigMap") => frozen(report, old, new, &["data", "binaryData"]),
        ("v1", "Secret") => {
            immutable(report, old, new, "/type", "type");
            frozen(report, old, new, &["data"]);
        }
        ("rbac.authorization.k8s.io/v1", "RoleBinding" | "ClusterRoleBinding") if old.get("roleRef") != new.get("roleRef") => {
            report.invalid("roleRef", new.get("roleRef").unwrap_or(&Value::Null), "cannot change roleRef");
        }
        _ => {}
    }
}

fn immutable(report: &mut Report, old: &Value, new: &Value, pointer: &str, field: &str) {
    if old.pointer(pointer) != new.pointer(pointer) {
        report.invalid(field, new.pointer(pointer).unwrap_or(&Value::Null), IMMUTABLE);
    }
}

/// A spec without some of its fields.
fn without(object: &Value, fields: &[&str]) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, _| !fields.contains(&field.as_str()));
    }
    spec
}

fn stateful_set(report: &mut Report, old: &Value, new: &Value) {
    if without(old, &STATEFUL_SET) != without(new, &STATEFUL_SET) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
            'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        report.forbidden("spec", why);
    }
}

fn job(report: &mut Report, old: &Value, new: &Value) {
    let indexed = text(new, "/spec/completionMode") == "Indexed" && text(old, "/spec/completionMode") == "Indexed";
    let elastic = indexed && new.pointer("/spec/completions") == new.pointer("/spec/parallelism");
    if !elastic {
        immutable(report, old, new, "/spec/completions", "spec.completions");
    }
    immutable(report, old, new, "/spec/selector", "spec.selector");
    // Of a Job that was never started, only where its pods run may still change.
    let waits = old.pointer("/spec/suspend") == Some(&Value::Bool(true)) && old.pointer("/status/startTime").is_none();
    if !waits {
        immutable(report, old, new, "/spec/template", "spec.template");
    } else if decided(old) != decided(new) {
        report.invalid("spec.template.spec", new.pointer("/spec/template/spec").unwrap_or(&Value::Null), IMMUTABLE);
    }
    immutable(report, old, new, "/spec/completionMode", "spec.completionMode");
}

/// What of a suspended Job's template is decided already.
fn decided(job: &Value) -> Value {
    let mut spec = job.pointer("/spec/template/spec").cloned().unwrap_or_default();
    if let Some(fields) = spec.as_object_mut() {
        for key in ["nodeSelector", "tolerations", "schedulingGates", "affinity"] {
            fields.shift_remove(key);
        }
    }
    for list in ["/containers", "/initContainers"] {
        for container in spec.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(fields) = container.as_object_mut() {
                fields.shift_remove("resources");
            }
        }
    }
    spec
}

/// Whoever waits for an object to go is not joined by others.
fn finalizers(report: &mut Report, old: &Value, new: &Value) {
    if old.pointer("/metadata/deletionTimestamp").is_none() {
        return;
    }
    let of = |object: &Value| object.pointer("/metadata/finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    let held = of(old);
    let more: Vec<String> = of(new).iter().filter(|name| !held.contains(name)).map(Value::to_string).collect();
    if !more.is_empty() {
        let why =
            format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}", more.join(", "));
        report.forbidden("metadata.finalizers", &why);
    }
}

fn service(report: &mut Report, old: &Value, new: &Value) {
    let kind = |object: &Value| text(object, "/spec/type").to_owned();
    if kind(old) == "ExternalName" || kind(new) == "ExternalName" {
        return;
    }
    let (was, is) = (text(old, "/spec/clusterIP"), text(new, "/spec/clusterIP"));
    if !was.is_empty() && was != is {
        report.invalid("spec.clusterIPs[0]", &json!([is]), "may not change once set");
    }
}

fn frozen(report: &mut Report, old: &Value, new: &Value, fields: &[&str]) {
    let is_frozen = |object: &Value| object.get("immutable") == Some(&Value::Bool(true));
    if !is_frozen(old) {
        return;
    }
    let why = "field is immutable when `immutable` is set";
    if !is_frozen(new) {
        report.forbidden("immutable", why);
    }
    for field in fields {
        if old.get(*field) != new.get(*field) {
            report.forbidden(*field, why);
        }
    }
}

fn pod(report: &mut Report, old: &Value, new: &Value) {
    for list in ["containers", "initContainers"] {
        let count = |object: &Value| items(object, &format!("/spec/{list}")).count();
        if count(old) != count(new) {
            return report.forbidden(format!("spec.{list}"), "pod updates may not add or remove containers");
        }
    }
    let plain = |object: &Value| {
        let mut spec = without(object, &["activeDeadlineSeconds"]);
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let _ = container.as_object_mut().and_then(|container| container.shift_remove("image"));
            }
        }
        let tolerations = spec.as_object_mut().and_then(|spec| spec.shift_remove("tolerations")).unwrap_or_default();
        (spec, tolerations)
    };
    let ((was, tolerated), (is, tolerates)) = (plain(old), plain(new));
    let kept = tolerated.as_array().into_iter().flatten().all(|one| tolerates.as_array().is_some_and(|all| all.contains(one)));
    // Who is given a node changes nothing else.
    let bound = was.get("nodeName").is_none() && is.get("nodeName").is_some();
    if (was != is && !bound) || !kept {
        report.forbidden("spec", POD);
    }
}
