//! DaemonSets: a pod on the node, if the node takes it.

use super::object::Put;
use super::object::{annotate, condition_is, count, is_deleting, name_of, pod_of, scaled, text, without_empty};
use super::pods::{NODE_NAME, fits};
use super::replica_set::{has_ended, is_available, own_pods};
use super::revisions::{Revisions, hash, of_pod};
use super::world::{DAEMON_SET, World};
use serde_json::{Value, json};
use std::sync::Arc;

const HASH: &str = "controller-revision-hash";
const GENERATION: &str = "deprecated.daemonset.template.generation";
/// Taints that a pod of a DaemonSet does not mind.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Goes through all DaemonSets once.
pub(super) fn sync(world: &mut World<'_>) {
    for set in world.workloads(DAEMON_SET) {
        let _ = one(world, &set);
    }
}

fn one(world: &mut World<'_>, stored: &Arc<Value>) -> Option<()> {
    let mut set = Value::clone(stored);
    let revisions = Revisions::of(world, stored, HASH)?;
    let last = revisions.last()?.clone();
    annotate(&mut set, GENERATION, &count(&last, "/revision").to_string());
    let wanted = fits(world, set.pointer("/spec/template/spec").unwrap_or(&Value::Null));
    let present = hash(&last, HASH);
    if !is_deleting(&set) {
        manage(world, &set, wanted, present);
    }
    let pods = own_pods(world, &set);
    revisions.clean(world, &set, |revision| pods.iter().any(|pod| of_pod(pod) == hash(revision, HASH)));
    set.put(["status"], status(world, &set, &pods, wanted, present));
    world.update(stored, set).map(|_| ())
}

fn manage(world: &mut World<'_>, set: &Value, wanted: bool, present: &str) {
    let pods = own_pods(world, set);
    let mut staying: Vec<&Arc<Value>> = Vec::new();
    for pod in pods.iter().filter(|pod| !is_deleting(pod)) {
        if has_ended(pod) {
            let message = format!(
                "Found failed daemon pod {}/{} on node {NODE_NAME}, will try to kill it",
                text(pod, "/metadata/namespace"),
                name_of(pod)
            );
            world.warning(set, "FailedDaemonPod", &message);
            delete(world, set, pod);
        } else if wanted {
            staying.push(pod);
        } else {
            delete(world, set, pod);
        }
    }
    let ending = pods.iter().any(|pod| is_deleting(pod));
    let (new, old): (Vec<&Arc<Value>>, Vec<&Arc<Value>>) = staying.into_iter().partition(|pod| of_pod(pod) == present);
    let rolling = text(set, "/spec/updateStrategy/type") != "OnDelete";
    let surge = scaled(set.pointer("/spec/updateStrategy/rollingUpdate/maxSurge"), 1, true);
    let wait = count(set, "/spec/minReadySeconds");
    if !wanted {
    } else if new.is_empty() && (old.is_empty() && !ending || rolling && surge > 0 && !old.is_empty()) {
        create(world, set, present);
    } else if rolling {
        let available = new.iter().any(|pod| is_available(world, pod, wait));
        // With room above, the old pod stays until the new one is available; without, it goes at once.
        for pod in old.into_iter().filter(|_| surge == 0 || available) {
            delete(world, set, pod);
        }
    }
    for pod in new.into_iter().skip(1) {
        delete(world, set, pod);
    }
}

fn delete(world: &mut World<'_>, set: &Value, pod: &Arc<Value>) {
    world.delete(pod);
    world.normal(set, "SuccessfulDelete", &format!("Deleted pod: {}", name_of(pod)));
}

fn create(world: &mut World<'_>, set: &Value, present: &str) {
    let mut pod = pod_of(set, set.pointer("/spec/template").unwrap_or(&Value::Null));
    pod.put(["metadata", "labels", HASH], json!(present));
    pod.put(["metadata", "labels", "pod-template-generation"], json!(super::object::annotation(set, GENERATION)));
    let here = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [NODE_NAME]}]}]);
    let Some(spec) = pod.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    let affinity = spec.get("affinity").filter(|affinity| affinity.is_object()).cloned().unwrap_or_else(|| json!({}));
    spec.put(["affinity"], affinity);
    spec.put(["affinity", "nodeAffinity"], json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": here}}));
    let mut tolerations = spec.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    tolerations.extend(TOLERATED.iter().map(|(key, effect)| json!({"key": key, "operator": "Exists", "effect": effect})));
    spec.put(["tolerations"], json!(tolerations));
    if let Some(pod) = world.create_named(pod) {
        world.normal(set, "SuccessfulCreate", &format!("Created pod: {}", name_of(&pod)));
    }
}

fn status(world: &mut World<'_>, set: &Value, pods: &[Arc<Value>], wanted: bool, present: &str) -> Value {
    let staying: Vec<&Arc<Value>> = pods.iter().filter(|pod| !is_deleting(pod) && !has_ended(pod)).collect();
    let wait = count(set, "/spec/minReadySeconds");
    let one = |holds: bool| i64::from(wanted && holds);
    // There is one node: a DaemonSet has as much of anything as there is on it, and the newest of its pods counts.
    let ready = one(staying.iter().any(|pod| condition_is(pod, "Ready", "True")));
    let available = one(staying.iter().any(|pod| is_available(world, pod, wait)));
    let updated = one(staying.iter().any(|pod| of_pod(pod) == present));
    let mut status = without_empty([
        ("observedGeneration", json!(count(set, "/metadata/generation"))),
        ("updatedNumberScheduled", json!(updated)),
        ("numberAvailable", json!(available)),
        ("numberUnavailable", json!(i64::from(wanted) - available)),
    ]);
    status.put(["currentNumberScheduled"], json!(one(!staying.is_empty())));
    status.put(["numberMisscheduled"], json!(i64::from(!wanted && !staying.is_empty())));
    status.put(["desiredNumberScheduled"], json!(i64::from(wanted)));
    status.put(["numberReady"], json!(ready));
    status
}
