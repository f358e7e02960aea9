//! One row for every line of the rules.

use super::rules::{Verdict, judge};
use serde_json::{Value, json};

/// `kind`, then (what is told, object without kind, stable, message).
fn check(api_version: &str, kind: &str, rows: &[(&str, Value, bool, &str)]) {
    for (told, object, stable, message) in rows {
        let verdict = of(api_version, kind, object);
        assert_eq!((verdict.stable, verdict.message.as_str()), (*stable, *message), "{kind}: {told}");
        assert!(!verdict.failed, "{kind}: {told}");
    }
}

fn of(api_version: &str, kind: &str, object: &Value) -> Verdict {
    let mut object = object.clone();
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    judge(&object, None)
}

/// A settled Deployment of three, with some fields of its status changed.
fn deployment(changes: &Value) -> Value {
    let mut status = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3});
    merge(&mut status, changes);
    json!({"metadata": {"generation": 2, "annotations": {"deployment.kubernetes.io/revision": "7"}}, "spec": {"replicas": 3}, "status": status})
}

fn merge(base: &mut Value, changes: &Value) {
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(key);
        } else {
            base[key] = value.clone();
        }
    }
}

#[test]
fn deployments() {
    let unavailable = json!([{"type": "Available", "status": "False", "message": "no minimum"}]);
    let quota =
        json!([{"type": "Available", "status": "False"}, {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]);
    check(
        "apps/v1",
        "Deployment",
        &[
            ("settled", deployment(&json!({})), true, "3 of 3 updated pods available"),
            ("no status", json!({"metadata": {"generation": 1}, "spec": {"replicas": 1}}), false, "no status reported yet"),
            ("nothing observed", deployment(&json!({"observedGeneration": null})), false, "its controller has not seen generation 2 yet"),
            ("older observed", deployment(&json!({"observedGeneration": 1})), false, "its controller has not seen generation 2 yet"),
            (
                "unavailable",
                deployment(&json!({"conditions": unavailable, "availableReplicas": 1})),
                false,
                "1 of 3 updated pods available",
            ),
            (
                "quota",
                deployment(&json!({"conditions": quota, "availableReplicas": 0})),
                false,
                "0 of 3 updated pods available: exceeded quota",
            ),
            ("updating", deployment(&json!({"updatedReplicas": 1})), false, "1 of 3 pods updated, 1 of them available"),
            ("old ones", deployment(&json!({"replicas": 4})), false, "3 of 3 updated pods available, 1 old pod still ending"),
            ("starting", deployment(&json!({"availableReplicas": 2})), false, "2 of 3 updated pods available"),
            ("not ready", deployment(&json!({"readyReplicas": 2})), false, "2 of 3 updated pods ready"),
            (
                "none wanted",
                json!({"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}}),
                true,
                "0 of 0 updated pods available",
            ),
        ],
    );
}

#[test]
fn deployments_fail_by_their_deadline_only() {
    let exceeded = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    let verdict = of("apps/v1", "Deployment", &deployment(&json!({"conditions": exceeded, "updatedReplicas": 1})));
    assert!(verdict.failed && !verdict.stable);
    assert_eq!(verdict.message, "Deployment exceeded its progress deadline: 1 of 3 pods updated, 1 of them available");
    assert_eq!((verdict.revision, verdict.desired, verdict.updated, verdict.available), (7, 3, 1, 1));
    let stale = of("apps/v1", "Deployment", &deployment(&json!({"conditions": exceeded, "observedGeneration": 1})));
    assert!(!stale.failed, "the generation before exceeded its deadline, not this one");
    assert_eq!((stale.updated, stale.available), (0, 0));
}

#[test]
fn deployments_say_that_they_are_paused() {
    let paused = json!([{"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused"}]);
    let verdict = of("apps/v1", "Deployment", &deployment(&json!({"conditions": paused})));
    assert!(verdict.paused && verdict.stable);
}

#[test]
fn old_pods_do_not_count_as_updated_and_available() {
    let mut object = deployment(&json!({"replicas": 4, "updatedReplicas": 2, "availableReplicas": 3}));
    object["apiVersion"] = json!("apps/v1");
    object["kind"] = json!("Deployment");
    assert_eq!(judge(&object, None).available, 2, "at most the updated ones");
    assert_eq!(judge(&object, Some(1)).available, 1, "known from the new ReplicaSet");
    assert_eq!(judge(&object, Some(1)).message, "2 of 3 pods updated, 1 of them available");
}

fn stateful_set(strategy: &Value, changes: &Value) -> Value {
    let mut status = json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "availableReplicas": 3,
        "currentRevision": "a", "updateRevision": "a"});
    merge(&mut status, changes);
    json!({"metadata": {"generation": 2}, "spec": {"replicas": 3, "updateStrategy": strategy}, "status": status})
}

#[test]
fn stateful_sets() {
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
    let canary = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    let bare = json!({"type": "RollingUpdate"});
    let on_delete = json!({"type": "OnDelete"});
    let deletes = "pods are replaced when somebody deletes them (OnDelete)";
    check(
        "apps/v1",
        "StatefulSet",
        &[
            ("on delete", stateful_set(&on_delete, &json!({"observedGeneration": 1, "readyReplicas": 0})), true, deletes),
            ("no status", json!({"metadata": {"generation": 1}, "spec": {"replicas": 1}}), false, "no status reported yet"),
            (
                "generation",
                stateful_set(&rolling, &json!({"observedGeneration": 1})),
                false,
                "its controller has not seen generation 2 yet",
            ),
            ("creating", stateful_set(&rolling, &json!({"replicas": 1, "readyReplicas": 1})), false, "1 of 3 pods created"),
            ("starting", stateful_set(&rolling, &json!({"readyReplicas": 2})), false, "2 of 3 pods ready"),
            ("updating", stateful_set(&rolling, &json!({"updatedReplicas": 1, "updateRevision": "b"})), false, "1 of 3 pods updated"),
            (
                "updated",
                stateful_set(&rolling, &json!({"updatedReplicas": 3, "updateRevision": "b"})),
                true,
                "3 of 3 pods updated and ready",
            ),
            (
                "partition, not yet",
                stateful_set(&canary, &json!({"updatedReplicas": 0, "updateRevision": "b"})),
                false,
                "0 of 1 pod updated",
            ),
            (
                "partition, done",
                stateful_set(&canary, &json!({"updatedReplicas": 1, "updateRevision": "b"})),
                true,
                "1 of 1 pod updated and ready",
            ),
            (
                "no block, few current",
                stateful_set(&bare, &json!({"updatedReplicas": 1, "currentReplicas": 2})),
                false,
                "2 of 3 pods of the current revision",
            ),
            ("no count, few current", stateful_set(&rolling, &json!({"currentReplicas": 2})), false, "2 of 3 pods of the current revision"),
            (
                "other revision",
                stateful_set(&bare, &json!({"updateRevision": "b"})),
                false,
                "the updated revision is not the current one yet",
            ),
            ("settled", stateful_set(&bare, &json!({})), true, "3 of 3 pods updated and ready"),
        ],
    );
    let counts = of("apps/v1", "StatefulSet", &stateful_set(&rolling, &json!({"updatedReplicas": 1, "updateRevision": "b"})));
    assert_eq!((counts.desired, counts.updated, counts.available), (3, 1, 1));
}

fn daemon_set(kind: &str, changes: &Value) -> Value {
    let mut status = json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 2,
        "numberAvailable": 2, "numberReady": 2});
    merge(&mut status, changes);
    json!({"metadata": {"generation": 2}, "spec": {"updateStrategy": {"type": kind}}, "status": status})
}

#[test]
fn daemon_sets() {
    let rolling = "RollingUpdate";
    let deletes = "pods are replaced when somebody deletes them (OnDelete)";
    check(
        "apps/v1",
        "DaemonSet",
        &[
            ("settled", daemon_set(rolling, &json!({})), true, "2 of 2 pods updated and available"),
            ("no status", json!({"metadata": {"generation": 1}}), false, "no status reported yet"),
            ("generation", daemon_set(rolling, &json!({"observedGeneration": 1})), false, "its controller has not seen generation 2 yet"),
            (
                "on delete, generation",
                daemon_set("OnDelete", &json!({"observedGeneration": 1})),
                false,
                "its controller has not seen generation 2 yet",
            ),
            ("on delete", daemon_set("OnDelete", &json!({"numberReady": 0})), true, deletes),
            ("scheduling", daemon_set(rolling, &json!({"currentNumberScheduled": 1})), false, "1 of 2 pods scheduled"),
            ("updating", daemon_set(rolling, &json!({"updatedNumberScheduled": null})), false, "0 of 2 pods updated"),
            ("unavailable", daemon_set(rolling, &json!({"numberAvailable": 1})), false, "1 of 2 pods available"),
            ("not ready", daemon_set(rolling, &json!({"numberReady": 1})), false, "1 of 2 pods ready"),
            ("no node", daemon_set(rolling, &json!({"desiredNumberScheduled": 0})), true, "0 of 0 pods updated and available"),
        ],
    );
}

#[test]
fn replica_sets() {
    let set = |changes: Value| {
        let mut status =
            json!({"observedGeneration": 2, "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
        merge(&mut status, &changes);
        json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status})
    };
    check(
        "apps/v1",
        "ReplicaSet",
        &[
            ("settled", set(json!({})), true, "2 of 2 pods available"),
            ("no status", json!({"spec": {"replicas": 2}}), false, "no status reported yet"),
            ("labels", set(json!({"fullyLabeledReplicas": 1})), false, "1 of 2 pods created"),
            ("ready", set(json!({"readyReplicas": null})), false, "0 of 2 pods ready"),
            ("available", set(json!({"availableReplicas": 1})), false, "1 of 2 pods available"),
            ("counts come first", set(json!({"observedGeneration": 1, "readyReplicas": 1})), false, "1 of 2 pods ready"),
            ("generation", set(json!({"observedGeneration": 1})), false, "its controller has not seen generation 2 yet"),
        ],
    );
}

#[test]
fn jobs() {
    check(
        "batch/v1",
        "Job",
        &[
            ("no status", json!({"spec": {}}), false, "no status reported yet"),
            ("one by default", json!({"spec": {}, "status": {"active": 1}}), false, "0 of 1 pod succeeded"),
            (
                "retrying",
                json!({"spec": {"completions": 2}, "status": {"succeeded": 1, "failed": 3}}),
                false,
                "1 of 2 pods succeeded, 3 failed",
            ),
            (
                "not failed",
                json!({"spec": {}, "status": {"conditions": [{"type": "Failed", "status": "False"}]}}),
                false,
                "0 of 1 pod succeeded",
            ),
            ("done", json!({"spec": {"completions": 2}, "status": {"succeeded": 2}}), true, "2 of 2 pods succeeded"),
        ],
    );
    let failed = json!({"spec": {}, "status": {"conditions": [{"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}]}});
    let verdict = of("batch/v1", "Job", &failed);
    assert!(verdict.failed && !verdict.stable);
    assert_eq!(verdict.message, "Job has reached the specified backoff limit");
    let suspended = json!({"spec": {}, "status": {"conditions": [{"type": "Suspended", "status": "True"}]}});
    assert!(of("batch/v1", "Job", &suspended).paused);
}

#[test]
fn pods() {
    let phase = |phase: &str| json!({"status": {"phase": phase}});
    check(
        "v1",
        "Pod",
        &[
            ("no status", json!({}), false, "no status reported yet"),
            ("pending", phase("Pending"), false, "the pod is Pending"),
            ("failed is unstable only", phase("Failed"), false, "the pod is Failed"),
            ("unknown", phase("Unknown"), false, "the pod is Unknown"),
            ("running", phase("Running"), true, "the pod is Running"),
            ("succeeded", phase("Succeeded"), true, "the pod is Succeeded"),
        ],
    );
}

#[test]
fn autoscalers_and_cron_jobs() {
    let scale = |current: u32, desired: u32| json!({"status": {"currentReplicas": current, "desiredReplicas": desired}});
    check(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        &[
            ("no status", json!({}), false, "no status reported yet"),
            ("up", scale(2, 5), false, "scaling up from 2 to 5 pods"),
            ("down", scale(5, 2), false, "scaling down from 5 to 2 pods"),
            ("settled", scale(3, 3), true, "3 pods"),
        ],
    );
    check(
        "batch/v1",
        "CronJob",
        &[("no status", json!({}), false, "no status reported yet"), ("there", json!({"status": {}}), true, "scheduled")],
    );
}

#[test]
fn everything_else_is_settled_at_once() {
    let balancer = json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}});
    let kinds = [
        ("v1", "Service"),
        ("networking.k8s.io/v1", "Ingress"),
        ("v1", "PersistentVolumeClaim"),
        ("v1", "PersistentVolume"),
        ("policy/v1", "PodDisruptionBudget"),
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "Namespace"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("example.com/v1", "Deployment"),
        ("example.com/v1", "Backend"),
    ];
    for (api_version, kind) in kinds {
        assert!(of(api_version, kind, &balancer).stable, "{kind}");
    }
}
