//! What a pod says of itself.

use super::super::object::Put;
use super::super::object::{condition, items, text, time, uid_of};
use super::super::world::World;
use super::container::{Container, State};
use super::image;
use super::life::Life;
use super::scheduler::put;
use hex::encode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The pod with the status that follows from its life.
pub(super) fn with(world: &World<'_>, pod: &Value, life: &Life) -> Value {
    let now = world.now_ms();
    let phase = phase(pod, life);
    let mut changed = pod.clone();
    conditions(&mut changed, life, phase, now);
    let ready_to_start = life.containers.iter().any(|container| container.state != State::Waiting);
    changed.put(["status", "observedGeneration"], json!(super::generation(pod)));
    changed.put(["status", "phase"], json!(phase));
    changed.put(["status", "hostIP"], json!("127.0.0.1"));
    changed.put(["status", "hostIPs"], json!([{"ip": "127.0.0.1"}]));
    changed.put(["status", "startTime"], json!(time(life.started_ms)));
    if ready_to_start {
        let address = if pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true)) {
            "127.0.0.1".to_owned()
        } else {
            format!("10.244.{}.{}", (life.address / 250) % 250, life.address % 250 + 2)
        };
        changed.put(["status", "podIP"], json!(address));
        changed.put(["status", "podIPs"], json!([{"ip": address}]));
    }
    for (field, initial) in [("initContainerStatuses", true), ("containerStatuses", false)] {
        let statuses: Vec<Value> = life
            .containers
            .iter()
            .filter(|container| container.initial == initial)
            .map(|container| container_status(pod, life, container))
            .collect();
        if !statuses.is_empty() {
            changed.put(["status", field], json!(statuses));
        }
    }
    changed
}

fn phase(pod: &Value, life: &Life) -> &'static str {
    if life.incomplete().next().is_some() {
        let failed = life.incomplete().any(|container| matches!(container.state, State::Ended { .. }))
            && text(pod, "/spec/restartPolicy") == "Never";
        return if failed { "Failed" } else { "Pending" };
    }
    let own = || life.containers.iter().filter(|container| !container.initial);
    let restarts = |exit_code: i64| match text(pod, "/spec/restartPolicy") {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        _ => true,
    };
    let exit = |container: &Container| match container.state {
        State::Ended { exit_code, .. } if !restarts(exit_code) => Some(exit_code),
        _ => None,
    };
    let begun =
        |container: &Container| matches!(container.state, State::Running | State::Ended { .. } | State::BackOff) || container.restarts > 0;
    if !own().all(begun) {
        "Pending"
    } else if own().all(|container| exit(container) == Some(0)) {
        "Succeeded"
    } else if own().all(|container| exit(container).is_some()) {
        "Failed"
    } else {
        "Running"
    }
}

fn conditions(pod: &mut Value, life: &Life, phase: &str, now_ms: u64) {
    let said = |kind: &str, holds: bool, reason: &str, message: &str| {
        let mut condition = json!({"type": kind, "status": if holds { "True" } else { "False" }});
        if !reason.is_empty() {
            condition.put(["reason"], json!(reason));
        }
        if !message.is_empty() {
            condition.put(["message"], json!(message));
        }
        condition
    };
    let names = |containers: Vec<&Container>| containers.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(" ");
    let over = matches!(phase, "Succeeded" | "Failed");
    let ended = if phase == "Succeeded" { "PodCompleted" } else { "PodFailed" };
    let sandbox = !over && life.containers.iter().any(|container| container.state != State::Waiting);
    let incomplete = names(life.incomplete().collect());
    let unready = names(life.containers.iter().filter(|container| !container.initial && !container.ready).collect());
    let initialized = if phase == "Succeeded" {
        said("Initialized", true, "PodCompleted", "")
    } else if incomplete.is_empty() {
        said("Initialized", true, "", "")
    } else {
        said("Initialized", false, "ContainersNotInitialized", &format!("containers with incomplete status: [{incomplete}]"))
    };
    let ready = |kind: &str| {
        if over {
            said(kind, false, ended, "")
        } else if unready.is_empty() {
            said(kind, true, "", "")
        } else {
            said(kind, false, "ContainersNotReady", &format!("containers with unready status: [{unready}]"))
        }
    };
    put(pod, now_ms, said("PodReadyToStartContainers", sandbox, "", ""));
    put(pod, now_ms, initialized);
    put(pod, now_ms, ready("Ready"));
    put(pod, now_ms, ready("ContainersReady"));
    if condition(pod, "PodScheduled").is_none() {
        put(pod, now_ms, said("PodScheduled", true, "", ""));
    }
    let gates: Vec<String> = items(pod, "/spec/readinessGates").map(|gate| text(gate, "/conditionType").to_owned()).collect();
    for gate in gates {
        put(pod, now_ms, said(&gate, true, "", ""));
    }
}

fn container_status(pod: &Value, life: &Life, container: &Container) -> Value {
    let pulled = container.started_ms > 0;
    let waits = if container.initial || life.incomplete().next().is_some() { "PodInitializing" } else { "ContainerCreating" };
    let state = match container.state {
        State::Running => json!({"running": {"startedAt": time(container.started_ms)}}),
        State::Ended { .. } => json!({"terminated": container.ended()}),
        _ => json!({"waiting": container.waiting(pod).unwrap_or_else(|| json!({"reason": waits}))}),
    };
    let last = container.last.as_ref().map_or_else(|| json!({}), |last| json!({"terminated": last}));
    let running = container.state == State::Running;
    let ready = if container.initial && !container.sidecar {
        matches!(container.state, State::Ended { exit_code: 0, .. })
    } else {
        container.ready
    };
    let mut status = json!({
        "name": container.name, "state": state, "lastState": last, "ready": ready, "restartCount": container.restarts,
        "image": if pulled { image::whole_name(&container.image) } else { container.image.clone() },
        "imageID": if pulled { image::id(&container.image) } else { String::new() },
        "started": running,
    });
    if pulled {
        let seed = format!("{}/{}/{}", uid_of(pod), container.name, container.restarts);
        status.put(["containerID"], json!(format!("containerd://{}", encode(Sha256::digest(seed)))));
    }
    status
}
