//! The two ways from one template to the next.

use super::super::object::{condition, controller_of, count, namespace_of, text, uid_of};
use super::super::world::{POD, World};
use super::sets::{Sets, new_size};
use super::{available, max_unavailable, replicas, status};
use serde_json::Value;

/// New pods while there is room above, old ones away while enough are available.
pub(super) fn rolling(world: &mut World<'_>, deployment: &mut Value, sets: &mut Sets) {
    sets.revise(world, deployment, true);
    if grow(world, deployment, sets) || shrink(world, deployment, sets) {
        return status::progress(world, deployment, sets);
    }
    if status::is_complete(deployment, &deployment["status"]) {
        sets.clean(world, deployment);
    }
    status::progress(world, deployment, sets);
}

fn grow(world: &mut World<'_>, deployment: &Value, sets: &mut Sets) -> bool {
    let Some(new) = sets.new.clone() else { return false };
    let (size, desired) = (replicas(&new), replicas(deployment));
    if size == desired {
        return false;
    }
    let wanted = if size > desired { desired } else { new_size(deployment, sets.total(), size) };
    sets.scale(world, deployment, uid_of(&new), wanted, false)
}

fn shrink(world: &mut World<'_>, deployment: &Value, sets: &mut Sets) -> bool {
    let Some(new) = sets.new.clone() else { return false };
    if sets.old.iter().map(|set| replicas(set)).sum::<i64>() == 0 {
        return false;
    }
    let least = replicas(deployment) - max_unavailable(deployment);
    let room = sets.total() - least - (replicas(&new) - available(&new));
    if room <= 0 {
        return false;
    }
    // Pods that are not available go first: they would block the rollout until its deadline.
    let cleaned = shrink_by(world, deployment, sets, room, |set| replicas(set) - available(set));
    let enough = sets.all().map(|set| available(set)).sum::<i64>() - least;
    let shrunk = if enough > 0 { shrink_by(world, deployment, sets, enough, replicas) } else { 0 };
    cleaned + shrunk > 0
}

/// Takes at most `room` pods from the old ReplicaSets, the oldest first, at most `spare` from each.
fn shrink_by(world: &mut World<'_>, deployment: &Value, sets: &mut Sets, room: i64, spare: fn(&Value) -> i64) -> i64 {
    let mut taken = 0;
    for set in sets.old.clone() {
        let less = spare(&set).min(room - taken).min(replicas(&set));
        if less > 0 {
            sets.scale(world, deployment, uid_of(&set), replicas(&set) - less, false);
            taken += less;
        }
    }
    taken
}

/// Everything old away first, then everything new.
pub(super) fn recreate(world: &mut World<'_>, deployment: &mut Value, sets: &mut Sets) {
    sets.revise(world, deployment, false);
    let mut scaled = false;
    for set in sets.old.clone() {
        scaled |= replicas(&set) > 0 && sets.scale(world, deployment, uid_of(&set), 0, false);
    }
    if scaled || old_pods_run(world, deployment, sets) {
        return status::progress(world, deployment, sets);
    }
    if sets.new.is_none() {
        sets.revise(world, deployment, true);
    }
    if let Some(new) = sets.new.clone() {
        sets.scale(world, deployment, uid_of(&new), replicas(deployment), false);
    }
    if status::is_complete(deployment, &deployment["status"]) {
        sets.clean(world, deployment);
    }
    status::progress(world, deployment, sets);
}

fn old_pods_run(world: &World<'_>, deployment: &Value, sets: &Sets) -> bool {
    if sets.old.iter().any(|set| count(set, "/status/replicas") > 0) {
        return true;
    }
    let owned = |pod: &Value| {
        let owner = controller_of(pod).map(|owner| text(owner, "/uid").to_owned()).unwrap_or_default();
        sets.old.iter().any(|set| uid_of(set) == owner)
    };
    let pods = world.list(POD, Some(namespace_of(deployment)));
    pods.iter().any(|pod| owned(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"))
}

/// What holds a ReplicaSet back, as a Deployment says it.
pub(super) fn failure(sets: &Sets) -> Option<Value> {
    sets.new.iter().chain(&sets.old).find_map(|set| condition(set, "ReplicaFailure").cloned())
}
