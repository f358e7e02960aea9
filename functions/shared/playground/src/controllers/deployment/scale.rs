//! Another number of pods in the middle of a rollout: every ReplicaSet gets its share.

use super::super::object::{annotation, count, name_of, text, uid_of};
use super::super::world::World;
use super::sets::{DESIRED, MAXIMUM, Sets};
use super::{available, is_rolling, max_surge, replicas};
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

pub(super) fn proportionally(world: &mut World<'_>, deployment: &Value, sets: &mut Sets) {
    let desired = replicas(deployment);
    if let Some(uid) = active_or_latest(sets) {
        sets.scale(world, deployment, &uid, desired, false);
        return;
    }
    let saturated =
        |set: &Arc<Value>| replicas(set) == desired && annotation(set, DESIRED).parse() == Ok(desired) && available(set) == desired;
    if sets.new.as_ref().is_some_and(saturated) {
        for set in sets.old.clone().iter().filter(|set| replicas(set) > 0) {
            sets.scale(world, deployment, uid_of(set), 0, false);
        }
    } else if is_rolling(deployment) {
        share(world, deployment, sets);
    }
}

/// The only ReplicaSet with pods; when none has any, the newest.
fn active_or_latest(sets: &Sets) -> Option<String> {
    let active: Vec<&Arc<Value>> = sets.all().filter(|set| replicas(set) > 0).collect();
    match active.as_slice() {
        [] => sets.new.as_ref().or(sets.old.last()).map(|set| uid_of(set).to_owned()),
        [only] => Some(uid_of(only).to_owned()),
        _ => None,
    }
}

fn share(world: &mut World<'_>, deployment: &Value, sets: &mut Sets) {
    let desired = replicas(deployment);
    let allowed = if desired > 0 { desired + max_surge(deployment) } else { 0 };
    let mut active: Vec<Arc<Value>> = sets.all().filter(|set| replicas(set) > 0).cloned().collect();
    let to_add = allowed - active.iter().map(|set| replicas(set)).sum::<i64>();
    let created = |set: &Arc<Value>| (text(set, "/metadata/creationTimestamp").to_owned(), name_of(set).to_owned());
    if to_add > 0 {
        active.sort_by_key(|set| (Reverse(replicas(set)), Reverse(created(set))));
    } else {
        active.sort_by_key(|set| (Reverse(replicas(set)), created(set)));
    }
    let mut added = 0;
    let mut sizes: Vec<(String, i64)> = Vec::new();
    for set in &active {
        let part = if to_add == added { 0 } else { fraction(set, deployment) };
        let left = to_add - added;
        let part = if to_add > 0 { part.min(left) } else { part.max(left) };
        added += part;
        sizes.push((uid_of(set).to_owned(), replicas(set) + part));
    }
    if let Some((_, first)) = sizes.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    for (uid, size) in sizes {
        sets.scale(world, deployment, &uid, size, true);
    }
}

/// By how much a ReplicaSet changes when it keeps its share, rounded.
fn fraction(set: &Value, deployment: &Value) -> i64 {
    let (size, desired) = (replicas(set), replicas(deployment));
    if desired == 0 {
        return -size;
    }
    let noted: i64 = annotation(set, MAXIMUM).parse().unwrap_or_default();
    let before = if noted > 0 { noted } else { count(deployment, "/status/replicas") };
    if before == 0 {
        return 0;
    }
    let product = size * (desired + max_surge(deployment));
    (2 * product + before) / (2 * before) - size
}
