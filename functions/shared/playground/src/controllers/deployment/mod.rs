//! Deployments, as the real controller rolls them out: ReplicaSets by template, revisions, scaling within `maxSurge` and
//! `maxUnavailable`, history. It never touches a pod.

mod rollout;
mod scale;
mod sets;
mod status;

use super::object::{Put, count, flag, is_deleting, name_of, scaled, text};
use super::world::{DEPLOYMENT, World};
use serde_json::{Value, json};
use sets::Sets;
use std::sync::Arc;

/// Goes through all Deployments once.
pub(super) fn sync(world: &mut World<'_>) {
    for deployment in world.workloads(DEPLOYMENT) {
        one(world, &deployment);
    }
}

fn one(world: &mut World<'_>, stored: &Arc<Value>) {
    let mut deployment = Value::clone(stored);
    if deployment.pointer("/spec/selector") == Some(&json!({})) {
        return;
    }
    let mut sets = Sets::of(world, &deployment);
    if is_deleting(&deployment) {
        sets.revise(world, &mut deployment, false);
        let status = status::calculate(world, &deployment, &sets);
        deployment.put(["status"], status);
    } else {
        status::paused(world, &mut deployment);
        if flag(&deployment, "/spec/paused") || sets.scaling(world, &mut deployment) {
            resize(world, &mut deployment, &mut sets);
        } else if text(&deployment, "/spec/strategy/type") == "Recreate" {
            rollout::recreate(world, &mut deployment, &mut sets);
        } else {
            rollout::rolling(world, &mut deployment, &mut sets);
        }
    }
    let _ = world.update(stored, deployment);
}

/// What is done of a paused Deployment, and of one that is only scaled.
fn resize(world: &mut World<'_>, deployment: &mut Value, sets: &mut Sets) {
    sets.revise(world, deployment, false);
    scale::proportionally(world, deployment, sets);
    if flag(deployment, "/spec/paused") {
        sets.clean(world, deployment);
    }
    deployment.put(["status"], status::calculate(world, deployment, sets));
}

fn replicas(object: &Value) -> i64 {
    count(object, "/spec/replicas")
}

fn available(object: &Value) -> i64 {
    count(object, "/status/availableReplicas")
}

fn is_rolling(deployment: &Value) -> bool {
    text(deployment, "/spec/strategy/type") != "Recreate"
}

/// How many pods there may be too many and too few; never none of both.
fn fenceposts(deployment: &Value) -> (i64, i64) {
    let rolling = |field: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
    let desired = replicas(deployment);
    let (surge, unavailable) = (scaled(rolling("maxSurge"), desired, true), scaled(rolling("maxUnavailable"), desired, false));
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

fn max_surge(deployment: &Value) -> i64 {
    if is_rolling(deployment) { fenceposts(deployment).0 } else { 0 }
}

fn max_unavailable(deployment: &Value) -> i64 {
    let desired = replicas(deployment);
    if !is_rolling(deployment) || desired == 0 { 0 } else { fenceposts(deployment).1.min(desired) }
}

fn set_name(deployment: &Value, hash: &str) -> String {
    let kept: String = name_of(deployment).chars().take(253 - 1 - hash.len()).collect();
    format!("{kept}-{hash}")
}
