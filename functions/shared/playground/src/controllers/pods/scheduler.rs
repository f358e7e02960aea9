//! The one node, and which pods it takes.

use super::super::object::Put;
use super::super::object::name_of;
use super::super::object::{condition, expression_holds, is_deleting, items, milliseconds, namespace_of, text, time};
use super::super::world::{NODE, World};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The name of the node.
pub(in super::super) const NODE_NAME: &str = "playground";

/// Makes the node when there is none.
pub(in super::super) fn node(world: &mut World<'_>) {
    if !world.list(NODE, None).is_empty() {
        return;
    }
    let now = world.now();
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now, "reason": reason, "message": message});
    let resources = json!({"cpu": "8", "memory": "32Gi", "pods": "1k", "ephemeral-storage": "100Gi"});
    let arch = std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64");
    let _ = world.create(json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": NODE_NAME, "labels": {
            "kubernetes.io/arch": arch, "kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux",
            "node-role.kubernetes.io/control-plane": "",
        }},
        "spec": {},
        "status": {
            "capacity": resources, "allocatable": resources,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NODE_NAME}],
            "nodeInfo": {"architecture": arch, "bootID": "", "containerRuntimeVersion": "playground://1", "kernelVersion": "", "machineID": "",
                "kubeProxyVersion": "", "kubeletVersion": "v1.36.3", "operatingSystem": "linux", "osImage": "playground", "systemUUID": ""},
        },
    }));
}

fn labels_of_node(world: &World<'_>) -> Map<String, Value> {
    let node = world.get(NODE, "", NODE_NAME);
    node.and_then(|node| node.pointer("/metadata/labels").and_then(Value::as_object).cloned()).unwrap_or_default()
}

/// Whether the node takes pods of this spec.
pub(in super::super) fn fits(world: &World<'_>, spec: &Value) -> bool {
    let labels = labels_of_node(world);
    let wanted = spec.get("nodeSelector").and_then(Value::as_object);
    if !wanted.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let name: Map<String, Value> = [("metadata.name".to_owned(), json!(NODE_NAME))].into_iter().collect();
    let required = spec.pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    required.is_none_or(|required| {
        items(required, "/nodeSelectorTerms").any(|term| {
            items(term, "/matchExpressions").all(|expression| expression_holds(expression, &labels))
                && items(term, "/matchFields").all(|expression| expression_holds(expression, &name))
        })
    })
}

/// Gives a pod its node, or says why there is none for it.
pub(super) fn schedule(world: &mut World<'_>, pod: &Arc<Value>) {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let gated = items(spec, "/schedulingGates").next().is_some();
    if is_deleting(pod) || gated || text(spec, "/schedulerName") != "default-scheduler" {
        return;
    }
    let now = world.now_ms();
    let mut changed = Value::clone(pod);
    if fits(world, spec) {
        changed.put(["spec", "nodeName"], json!(NODE_NAME));
        put(&mut changed, now, json!({"type": "PodScheduled", "status": "True"}));
        let message = format!("Successfully assigned {}/{} to {NODE_NAME}", namespace_of(pod), name_of(pod));
        world.normal(pod, "Scheduled", &message);
    } else {
        let message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, \
            preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
        if condition(pod, "PodScheduled").is_none() {
            world.warning(pod, "FailedScheduling", message);
        }
        put(&mut changed, now, json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}));
    }
    let _ = world.update(pod, changed);
}

/// Sets a condition of a pod, with the time of its last change.
pub(super) fn put(pod: &mut Value, now_ms: u64, mut new: Value) {
    let kind = text(&new, "/type").to_owned();
    let was = condition(pod, &kind).filter(|was| text(was, "/status") == text(&new, "/status"));
    let since = was.map_or(now_ms, |was| milliseconds(text(was, "/lastTransitionTime")));
    new.put(["observedGeneration"], json!(super::generation(pod)));
    new.put(["lastProbeTime"], Value::Null);
    new.put(["lastTransitionTime"], json!(time(since)));
    let mut conditions: Vec<Value> = items(pod, "/status/conditions").cloned().collect();
    match conditions.iter_mut().find(|condition| text(condition, "/type") == kind) {
        Some(condition) => *condition = new,
        None => conditions.push(new),
    }
    pod.put(["status", "conditions"], json!(conditions));
}
