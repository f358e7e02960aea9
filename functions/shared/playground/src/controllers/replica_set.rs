//! ReplicaSets: as many pods as they say, the worst of them away first.

use super::object::Put;
use super::object::{controlled_by, controller_of, count, is_deleting, items, label, milliseconds, name_of, namespace_of, pod_of};
use super::object::{ready_since, reference, selects, text, uid_of, without_empty};
use super::world::{POD, REPLICA_SET, World};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::sync::Arc;

/// Most pods made or deleted of one ReplicaSet in one pass, as in the real controller.
const BURST_MAX: usize = 500;

/// Goes through all ReplicaSets once.
pub(super) fn sync(world: &mut World<'_>) {
    for set in world.workloads(REPLICA_SET) {
        one(world, &set);
    }
}

fn one(world: &mut World<'_>, set: &Arc<Value>) {
    let mut pods = own_pods(world, set);
    if !is_deleting(set) {
        manage(world, set, &pods);
        pods = own_pods(world, set);
    }
    let status = status(world, set, &pods);
    let mut changed = Value::clone(set);
    changed.put(["status"], status);
    let _ = world.update(set, changed);
}

/// The pods of a controller; those that nobody controls and its selector takes are taken in.
pub(super) fn own_pods(world: &mut World<'_>, owner: &Value) -> Vec<Arc<Value>> {
    let mut own = Vec::new();
    for pod in world.list(POD, Some(namespace_of(owner))) {
        if controlled_by(&pod, owner) {
            own.push(pod);
            continue;
        }
        let free = controller_of(&pod).is_none() && !is_deleting(&pod) && !is_deleting(owner);
        if free && selects(owner.pointer("/spec/selector"), &pod) {
            let mut adopted = Value::clone(&pod);
            let mut owners = items(&pod, "/metadata/ownerReferences").cloned().collect::<Vec<_>>();
            owners.push(reference(owner));
            adopted.put(["metadata", "ownerReferences"], json!(owners));
            own.extend(world.update(&pod, adopted));
        }
    }
    own
}

/// Neither going away nor ended.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_deleting(pod) && !has_ended(pod)
}

pub(super) fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Ready for as long as its owner wants; otherwise says when it will be.
pub(super) fn is_available(world: &mut World<'_>, pod: &Value, wait_seconds: i64) -> bool {
    let Some(since) = ready_since(pod) else { return false };
    let at = since + u64::try_from(wait_seconds).unwrap_or_default() * 1000;
    if wait_seconds <= 0 || at <= world.now_ms() {
        return true;
    }
    world.later(at);
    false
}

fn manage(world: &mut World<'_>, set: &Arc<Value>, pods: &[Arc<Value>]) {
    let mut active: Vec<&Arc<Value>> = pods.iter().filter(|pod| is_active(pod)).collect();
    let wanted = usize::try_from(count(set, "/spec/replicas")).unwrap_or_default();
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    for _ in active.len()..wanted.min(active.len() + BURST_MAX) {
        let Some(pod) = world.create_named(pod_of(set, &template)) else { return };
        world.normal(set, "SuccessfulCreate", &format!("Created pod: {}", name_of(&pod)));
    }
    active.sort_by_key(|pod| rank(pod));
    let excess = active.len().saturating_sub(wanted).min(BURST_MAX);
    for pod in active.into_iter().take(excess) {
        world.delete(pod);
        world.normal(set, "SuccessfulDelete", &format!("Deleted pod: {}", name_of(pod)));
    }
}

/// Which pod is missed least: unscheduled, pending, not ready, cheap, ready for the shortest time, often restarted, young.
fn rank(pod: &Value) -> impl Ord + use<> {
    let phase = match text(pod, "/status/phase") {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let ready = ready_since(pod);
    let cost: i64 = super::object::annotation(pod, "controller.kubernetes.io/pod-deletion-cost").parse().unwrap_or_default();
    let restarts = items(pod, "/status/containerStatuses").map(|status| count(status, "/restartCount")).max().unwrap_or_default();
    let created = milliseconds(text(pod, "/metadata/creationTimestamp"));
    (
        !text(pod, "/spec/nodeName").is_empty(),
        phase,
        ready.is_some(),
        cost,
        Reverse(ready),
        Reverse(restarts),
        Reverse(created),
        uid_of(pod).to_owned(),
    )
}

fn status(world: &mut World<'_>, set: &Value, pods: &[Arc<Value>]) -> Value {
    let (mut total, mut labelled, mut ready, mut available) = (0, 0, 0, 0);
    let wanted = set.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    let wait = count(set, "/spec/minReadySeconds");
    for pod in pods.iter().filter(|pod| is_active(pod)) {
        total += 1;
        let all = wanted.into_iter().flatten().all(|(name, value)| Some(label(pod, name)) == value.as_str());
        labelled += i64::from(all);
        ready += i64::from(ready_since(pod).is_some());
        available += i64::from(is_available(world, pod, wait));
    }
    let ending = pods.iter().filter(|pod| is_deleting(pod) && !has_ended(pod)).count();
    let mut status = without_empty([
        ("fullyLabeledReplicas", json!(labelled)),
        ("readyReplicas", json!(ready)),
        ("availableReplicas", json!(available)),
        ("observedGeneration", json!(count(set, "/metadata/generation"))),
    ]);
    status.put(["replicas"], json!(total));
    status.put(["terminatingReplicas"], json!(ending));
    status
}
