//! What a Deployment says of itself: counts, and the conditions Available, Progressing and ReplicaFailure.

use super::super::object::Put;
use super::super::object::{condition, count, flag, milliseconds, name_of, text, without_empty};
use super::super::world::World;
use super::sets::Sets;
use super::{available, max_unavailable, replicas, rollout};
use serde_json::{Value, json};

const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
/// What stands for no deadline.
const NO_DEADLINE: i64 = 2_147_483_647;

fn deadline_ms(deployment: &Value) -> Option<u64> {
    let seconds = deployment.pointer("/spec/progressDeadlineSeconds").and_then(Value::as_i64).filter(|seconds| *seconds != NO_DEADLINE)?;
    u64::try_from(seconds).ok().map(|seconds| seconds * 1000)
}

fn put(world: &World<'_>, object: &mut Value, kind: &str, status: &str, reason: &str, message: &str) {
    let now = world.now();
    let current = condition(object, kind);
    if current.is_some_and(|current| text(current, "/status") == status && text(current, "/reason") == reason) {
        return;
    }
    let since = current.filter(|current| text(current, "/status") == status).map(|current| text(current, "/lastTransitionTime").to_owned());
    let new = json!({"type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": since.unwrap_or(now),
        "reason": reason, "message": message});
    replace(object, kind, Some(new));
}

fn replace(object: &mut Value, kind: &str, new: Option<Value>) {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let kept: Vec<Value> = conditions.into_iter().filter(|condition| text(condition, "/type") != kind).chain(new).collect();
    object.put(["status", "conditions"], json!(kept));
}

fn progressing<'a>(object: &'a Value, field: &str) -> &'a str {
    condition(object, "Progressing").map(|condition| text(condition, field)).unwrap_or_default()
}

/// Says that it was paused, or that it goes on.
pub(super) fn paused(world: &World<'_>, deployment: &mut Value) {
    if deadline_ms(deployment).is_none() || progressing(deployment, "/reason") == TIMED_OUT {
        return;
    }
    let (paused, said) = (flag(deployment, "/spec/paused"), progressing(deployment, "/reason") == "DeploymentPaused");
    if paused && !said {
        put(world, deployment, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
    } else if !paused && said {
        put(world, deployment, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
    }
}

pub(super) fn found(world: &World<'_>, deployment: &mut Value, set: &str) {
    if deadline_ms(deployment).is_some() && condition(deployment, "Progressing").is_none() {
        put(world, deployment, "Progressing", "True", "FoundNewReplicaSet", &format!("Found new replica set \"{set}\""));
    }
}

pub(super) fn created(world: &World<'_>, deployment: &mut Value, set: &str) {
    if deadline_ms(deployment).is_some() {
        put(world, deployment, "Progressing", "True", "NewReplicaSetCreated", &format!("Created new replica set \"{set}\""));
    }
}

/// The counts, with the conditions there are and the one on availability.
pub(super) fn calculate(world: &World<'_>, deployment: &Value, sets: &Sets) -> Value {
    let sum = |field: &str| sets.all().map(|set| count(set, field)).sum::<i64>();
    let all_available = sets.all().map(|set| available(set)).sum::<i64>();
    let mut next = deployment.clone();
    next.put(
        ["status"],
        without_empty([
            ("observedGeneration", json!(count(deployment, "/metadata/generation"))),
            ("replicas", json!(sum("/status/replicas"))),
            ("updatedReplicas", json!(sets.new.as_ref().map_or(0, |set| count(set, "/status/replicas")))),
            ("readyReplicas", json!(sum("/status/readyReplicas"))),
            ("availableReplicas", json!(all_available)),
            ("unavailableReplicas", json!((sets.total() - all_available).max(0))),
        ]),
    );
    next.put(["status", "terminatingReplicas"], json!(sum("/status/terminatingReplicas")));
    for kept in ["conditions", "collisionCount"] {
        if let Some(value) = deployment.pointer(&format!("/status/{kept}")) {
            next.put(["status", kept], value.clone());
        }
    }
    if all_available >= replicas(deployment) - max_unavailable(deployment) {
        put(world, &mut next, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
    } else {
        put(world, &mut next, "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.");
    }
    next.get_mut("status").map(Value::take).unwrap_or_default()
}

pub(super) fn is_complete(deployment: &Value, status: &Value) -> bool {
    let desired = replicas(deployment);
    ["/updatedReplicas", "/replicas", "/availableReplicas"].iter().all(|field| count(status, field) == desired)
        && count(status, "/observedGeneration") >= count(deployment, "/metadata/generation")
}

fn has_progressed(old: &Value, new: &Value) -> bool {
    let of_old = |status: &Value| count(status, "/replicas") - count(status, "/updatedReplicas");
    let more = |field: &str| count(new, field) > count(old, field);
    more("/updatedReplicas") || of_old(new) < of_old(old) || more("/readyReplicas") || more("/availableReplicas")
}

/// The status of a rollout, with how it goes, and when its deadline must be looked at.
pub(super) fn progress(world: &mut World<'_>, deployment: &mut Value, sets: &Sets) {
    let old = deployment.get("status").cloned().unwrap_or_default();
    let status = calculate(world, deployment, sets);
    let was_complete = count(&status, "/replicas") == count(&status, "/updatedReplicas") && progressing(deployment, "/reason") == COMPLETE;
    deployment.put(["status"], status);
    let deadline = deadline_ms(deployment);
    if deadline.is_none() {
        replace(deployment, "Progressing", None);
    }
    if let (Some(deadline_ms), false) = (deadline, was_complete) {
        let subject = match &sets.new {
            Some(set) => format!("ReplicaSet \"{}\"", name_of(set)),
            None => format!("Deployment \"{}\"", name_of(deployment)),
        };
        judge(world, deployment, &old, &subject, deadline_ms);
    }
    match rollout::failure(sets) {
        Some(failure) => {
            let said = |field: &str| text(&failure, field).to_owned();
            put(world, deployment, "ReplicaFailure", &said("/status"), &said("/reason"), &said("/message"));
        }
        None => replace(deployment, "ReplicaFailure", None),
    }
    if let Some(deadline_ms) = deadline {
        let reason = progressing(deployment, "/reason");
        if !is_complete(deployment, &deployment["status"]) && !reason.is_empty() && reason != TIMED_OUT {
            let from = milliseconds(progressing(deployment, "/lastUpdateTime"));
            world.later((from + deadline_ms + 1000).max(world.now_ms() + 1));
        }
    }
}

fn judge(world: &World<'_>, deployment: &mut Value, old: &Value, subject: &str, deadline_ms: u64) {
    if is_complete(deployment, &deployment["status"]) {
        put(world, deployment, "Progressing", "True", COMPLETE, &format!("{subject} has successfully progressed."));
    } else if has_progressed(old, &deployment["status"]) {
        // Each sign of progress starts the deadline anew, so the condition is written even if its reason stays.
        let since = condition(deployment, "Progressing").filter(|current| text(current, "/status") == "True");
        let since = since.map(|current| text(current, "/lastTransitionTime").to_owned());
        replace(deployment, "Progressing", None);
        put(world, deployment, "Progressing", "True", "ReplicaSetUpdated", &format!("{subject} is progressing."));
        if let Some(since) = since {
            let conditions = deployment.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
            if let Some(last) = conditions.and_then(|conditions| conditions.last_mut()) {
                last.put(["lastTransitionTime"], json!(since));
            }
        }
    } else {
        let reason = progressing(deployment, "/reason");
        let from = milliseconds(progressing(deployment, "/lastUpdateTime"));
        let late = from + deadline_ms < world.now_ms();
        if reason == TIMED_OUT || (!reason.is_empty() && reason != COMPLETE && late) {
            put(world, deployment, "Progressing", "False", TIMED_OUT, &format!("{subject} has timed out progressing."));
        }
    }
}
