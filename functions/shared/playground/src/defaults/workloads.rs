//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs.

use super::{filled, items, pod, said, set, within};
use serde_json::{Value, json};

fn template(workload: &mut Value, pointer: &str) {
    let Some(template) = workload.pointer_mut(pointer).filter(|template| template.is_object()) else { return };
    let Some(spec) = within(template, "spec") else { return };
    pod::spec(spec);
}

/// An object in a field; a field of another type is not touched.
fn inner<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    within(object, field).filter(|inner| inner.is_object())
}

pub(super) fn deployment(object: &mut Value) {
    template(object, "/spec/template");
    let Some(spec) = object.get_mut("spec") else { return };
    set(Some(&mut *spec), "replicas", 1);
    set(Some(&mut *spec), "revisionHistoryLimit", 10);
    set(Some(&mut *spec), "progressDeadlineSeconds", 600);
    if let Some(strategy) = inner(spec, "strategy") {
        set(Some(&mut *strategy), "type", "RollingUpdate");
        if said(strategy, "/type") == "RollingUpdate"
            && let Some(rolling) = inner(strategy, "rollingUpdate")
        {
            set(Some(&mut *rolling), "maxUnavailable", "25%");
            set(Some(rolling), "maxSurge", "25%");
        }
    }
    set(Some(object), "status", json!({}));
}

pub(super) fn replica_set(object: &mut Value) {
    template(object, "/spec/template");
    set(object.get_mut("spec"), "replicas", 1);
    let status = inner(object, "status");
    set(status, "replicas", 0);
}

pub(super) fn stateful_set(object: &mut Value) {
    template(object, "/spec/template");
    if let Some(spec) = object.get_mut("spec") {
        for (field, value) in [("replicas", json!(1)), ("revisionHistoryLimit", json!(10)), ("serviceName", json!(""))] {
            set(Some(&mut *spec), field, value);
        }
        set(Some(&mut *spec), "podManagementPolicy", "OrderedReady");
        if let Some(strategy) = inner(spec, "updateStrategy") {
            if strategy.get("type").is_none() {
                set(Some(&mut *strategy), "type", "RollingUpdate");
                set(Some(&mut *strategy), "rollingUpdate", json!({}));
            }
            if said(strategy, "/type") == "RollingUpdate" {
                set(strategy.get_mut("rollingUpdate"), "partition", 0);
            }
        }
        let retention = inner(spec, "persistentVolumeClaimRetentionPolicy");
        if let Some(retention) = retention {
            set(Some(&mut *retention), "whenDeleted", "Retain");
            set(Some(retention), "whenScaled", "Retain");
        }
        items(spec, "/volumeClaimTemplates").for_each(|claim| {
            set(Some(&mut *claim), "kind", "PersistentVolumeClaim");
            set(Some(&mut *claim), "apiVersion", "v1");
            set(claim.get_mut("spec"), "volumeMode", "Filesystem");
            set(Some(claim), "status", json!({"phase": "Pending"}));
        });
    }
    if let Some(status) = inner(object, "status") {
        set(Some(&mut *status), "replicas", 0);
        set(Some(status), "availableReplicas", 0);
    }
}

pub(super) fn daemon_set(object: &mut Value) {
    template(object, "/spec/template");
    if let Some(spec) = object.get_mut("spec") {
        set(Some(&mut *spec), "revisionHistoryLimit", 10);
        if let Some(strategy) = inner(spec, "updateStrategy") {
            set(Some(&mut *strategy), "type", "RollingUpdate");
            if said(strategy, "/type") == "RollingUpdate"
                && let Some(rolling) = inner(strategy, "rollingUpdate")
            {
                set(Some(&mut *rolling), "maxUnavailable", 1);
                set(Some(rolling), "maxSurge", 0);
            }
        }
    }
    if let Some(status) = inner(object, "status") {
        for count in ["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"] {
            set(Some(&mut *status), count, 0);
        }
    }
    // The registry counts templates in an annotation; later generations are its own business.
    if let Some(metadata) = inner(object, "metadata") {
        let annotations = inner(metadata, "annotations");
        set(annotations, "deprecated.daemonset.template.generation", "1");
    }
}

pub(super) fn job(object: &mut Value) {
    template(object, "/spec/template");
    let template_labels = filled(object.pointer("/spec/template/metadata/labels")).cloned();
    if let Some(spec) = object.get_mut("spec") {
        job_spec(spec);
    }
    let labelled = filled(object.pointer("/metadata/labels")).is_some();
    if let (Some(labels), false) = (template_labels, labelled) {
        set(object.get_mut("metadata"), "labels", labels);
    }
    let uid = said(object, "/metadata/uid").to_owned();
    if !uid.is_empty() && object.pointer("/spec/manualSelector") != Some(&Value::Bool(true)) {
        identity(object, &uid, labelled);
    }
    set(Some(object), "status", json!({}));
}

fn job_spec(spec: &mut Value) {
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        set(Some(&mut *spec), "completions", 1);
    }
    let limit = if spec.get("backoffLimitPerIndex").is_some() { i64::from(i32::MAX) } else { 6 };
    let replacement = if spec.get("podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
    for (field, value) in [
        ("parallelism", json!(1)),
        ("backoffLimit", json!(limit)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("podReplacementPolicy", json!(replacement)),
        ("manualSelector", json!(false)),
    ] {
        set(Some(&mut *spec), field, value);
    }
}

/// The labels and the selector that tell this Job's pods from those of another of its name.
fn identity(object: &mut Value, uid: &str, labelled: bool) {
    let name = said(object, "/metadata/name").to_owned();
    let Some(template) = object.pointer_mut("/spec/template").and_then(|template| inner(template, "metadata")) else { return };
    let labels = [
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", uid),
        ("job-name", &name),
    ];
    if let Some(own) = inner(template, "labels") {
        labels.iter().for_each(|(label, value)| set(Some(&mut *own), label, *value));
    }
    // Labels that came from the template are the template's for good.
    if let (Some(own), false) = (object.get_mut("metadata").and_then(|metadata| inner(metadata, "labels")), labelled) {
        labels.iter().for_each(|(label, value)| set(Some(&mut *own), label, *value));
    }
    if let Some(spec) = object.get_mut("spec") {
        set(Some(spec), "selector", json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
    }
}

pub(super) fn cron_job(object: &mut Value) {
    template(object, "/spec/jobTemplate/spec/template");
    if let Some(spec) = object.get_mut("spec") {
        for (field, value) in [
            ("concurrencyPolicy", json!("Allow")),
            ("suspend", json!(false)),
            ("successfulJobsHistoryLimit", json!(3)),
            ("failedJobsHistoryLimit", json!(1)),
        ] {
            set(Some(&mut *spec), field, value);
        }
        if let Some(job) = spec.get_mut("jobTemplate") {
            set(Some(job), "metadata", json!({}));
        }
    }
    set(Some(object), "status", json!({}));
}
