//! The ReplicaSets of a Deployment: which is the one of its template, revisions, and the history that is kept.

use super::super::object::Put;
use super::super::object::{annotate, annotation, controlled_by, controller_of, count, is_deleting, name_of, namespace_of};
use super::super::object::{reference, selects, template_hash, text, uid_of};
use super::super::world::{REPLICA_SET, World};
use super::{is_rolling, max_surge, replicas, set_name, status};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";
/// Annotations that are not copied from a Deployment to its ReplicaSets.
const OWN: [&str; 6] =
    ["kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM, "deprecated.deployment.rollback.to"];
/// How long the list of a ReplicaSet's earlier revisions gets.
const HISTORY_BYTES_MAX: usize = 2000;

/// The ReplicaSet of the present template, and the others by age.
pub(super) struct Sets {
    pub(super) new: Option<Arc<Value>>,
    pub(super) old: Vec<Arc<Value>>,
}

impl Sets {
    /// The Deployment's own, after taking those in that its selector takes and nobody controls.
    pub(super) fn of(world: &mut World<'_>, deployment: &Value) -> Self {
        let mut own: Vec<Arc<Value>> = Vec::new();
        for set in world.list(REPLICA_SET, Some(namespace_of(deployment))) {
            if controlled_by(&set, deployment) {
                own.push(set);
            } else if let Some(adopted) = adopt(world, deployment, &set) {
                own.push(adopted);
            }
        }
        own.sort_by(|a, b| age(a).cmp(&age(b)));
        let found = own.iter().position(|set| same_template(set, deployment));
        let new = found.map(|index| own.remove(index));
        Self { new, old: own }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().chain(&self.new)
    }

    /// How many pods all of them should have.
    pub(super) fn total(&self) -> i64 {
        self.all().map(|set| replicas(set)).sum()
    }

    /// Gives the ReplicaSet of the template the next revision, and the Deployment the same; makes it when `create` says so.
    pub(super) fn revise(&mut self, world: &mut World<'_>, deployment: &mut Value, create: bool) {
        let last = self.old.iter().filter_map(|set| annotation(set, REVISION).parse::<i64>().ok()).max().unwrap_or_default();
        let next = last + 1;
        match self.new.take() {
            Some(set) => {
                let mut changed = Value::clone(&set);
                annotate_set(deployment, &mut changed, next);
                let wait = deployment.pointer("/spec/minReadySeconds").cloned();
                match wait.filter(|wait| wait.as_i64() != Some(0)) {
                    Some(wait) => changed.put(["spec", "minReadySeconds"], wait),
                    None => {
                        let _ = changed
                            .pointer_mut("/spec")
                            .and_then(Value::as_object_mut)
                            .and_then(|spec| spec.shift_remove("minReadySeconds"));
                    }
                }
                self.new = world.update(&set, changed);
                let revision = self.new.as_ref().map(|set| annotation(set, REVISION).to_owned()).unwrap_or_default();
                annotate(deployment, REVISION, &revision);
                status::found(world, deployment, name_of(&set));
            }
            None if create => self.create(world, deployment, next),
            None => {}
        }
    }

    fn create(&mut self, world: &mut World<'_>, deployment: &mut Value, revision: i64) {
        let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
        let collisions = count(deployment, "/status/collisionCount");
        let hash = template_hash(&template, collisions);
        template.put(["metadata", "labels", HASH], json!(hash));
        let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
        selector.put(["matchLabels", HASH], json!(hash));
        let name = set_name(deployment, &hash);
        let mut spec = json!({"replicas": 0, "selector": selector, "template": template});
        if let Some(wait) = deployment.pointer("/spec/minReadySeconds") {
            spec.put(["minReadySeconds"], wait.clone());
        }
        let size = new_size(deployment, self.total(), 0);
        spec.put(["replicas"], json!(size));
        let mut set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {
            "name": name, "namespace": namespace_of(deployment), "labels": template.pointer("/metadata/labels"),
            "ownerReferences": [reference(deployment)],
        }, "spec": spec});
        annotate_set(deployment, &mut set, revision);
        annotate_size(deployment, &mut set);
        let Some(created) = world.create(set) else {
            // Another ReplicaSet has this name: the next pass tries the next hash.
            deployment.put(["status", "collisionCount"], json!(collisions + 1));
            return;
        };
        if size > 0 {
            world.normal(deployment, "ScalingReplicaSet", &format!("Scaled up replica set {name} from 0 to {size}"));
        }
        annotate(deployment, REVISION, &revision.to_string());
        status::created(world, deployment, &name);
        self.new = Some(created);
    }

    /// Whether the Deployment was given another number of pods since its ReplicaSets were scaled last.
    pub(super) fn scaling(&mut self, world: &mut World<'_>, deployment: &mut Value) -> bool {
        self.revise(world, deployment, false);
        let desired = replicas(deployment);
        let differs = |set: &Arc<Value>| annotation(set, DESIRED).parse::<i64>().is_ok_and(|noted| noted != desired);
        self.all().filter(|set| replicas(set) > 0).any(differs)
    }

    /// Deletes what is older than the history that is kept, and empty.
    pub(super) fn clean(&mut self, world: &mut World<'_>, deployment: &Value) {
        let Some(kept) = deployment.pointer("/spec/revisionHistoryLimit").and_then(Value::as_u64) else { return };
        let mut alive: Vec<Arc<Value>> = self.old.iter().filter(|set| !is_deleting(set)).cloned().collect();
        let excess = alive.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX));
        alive.sort_by_key(|set| annotation(set, REVISION).parse::<i64>().unwrap_or_default());
        for set in alive.into_iter().take(excess) {
            let seen = count(&set, "/metadata/generation") <= count(&set, "/status/observedGeneration");
            if count(&set, "/status/replicas") == 0 && replicas(&set) == 0 && seen {
                world.delete(&set);
                self.old.retain(|old| uid_of(old) != uid_of(&set));
            }
        }
    }

    /// Gives a ReplicaSet another size; says whether it had another.
    pub(super) fn scale(&mut self, world: &mut World<'_>, deployment: &Value, uid: &str, size: i64, force: bool) -> bool {
        let Some(set) = self.old.iter_mut().chain(&mut self.new).find(|set| uid_of(set) == uid) else { return false };
        let was = replicas(set);
        if !force && was == size {
            return false;
        }
        let mut changed = Value::clone(set);
        changed.put(["spec", "replicas"], json!(size));
        annotate_size(deployment, &mut changed);
        if let Some(stored) = world.update(set, changed) {
            *set = stored;
        }
        if was == size {
            return false;
        }
        let direction = if was < size { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {} from {was} to {size}", name_of(set));
        world.normal(deployment, "ScalingReplicaSet", &message);
        true
    }
}

fn age(set: &Value) -> (&str, &str) {
    (text(set, "/metadata/creationTimestamp"), name_of(set))
}

fn adopt(world: &mut World<'_>, deployment: &Value, set: &Arc<Value>) -> Option<Arc<Value>> {
    let free = controller_of(set).is_none() && !is_deleting(set) && !is_deleting(deployment);
    if !free || !selects(deployment.pointer("/spec/selector"), set) {
        return None;
    }
    let mut adopted = Value::clone(set);
    let mut owners = set.pointer("/metadata/ownerReferences").and_then(Value::as_array).cloned().unwrap_or_default();
    owners.push(reference(deployment));
    adopted.put(["metadata", "ownerReferences"], json!(owners));
    world.update(set, adopted)
}

fn same_template(set: &Value, deployment: &Value) -> bool {
    let plain = |object: &Value| {
        let mut template = object.pointer("/spec/template").cloned().unwrap_or_default();
        if let Some(Value::Object(labels)) = template.pointer_mut("/metadata/labels") {
            labels.shift_remove(HASH);
        }
        template
    };
    plain(set) == plain(deployment)
}

/// The Deployment's annotations and the revision, with those it had before.
fn annotate_set(deployment: &Value, set: &mut Value, revision: i64) {
    let copied = deployment.pointer("/metadata/annotations").and_then(Value::as_object);
    for (name, value) in copied.into_iter().flatten().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        annotate(set, name, value.as_str().unwrap_or_default());
    }
    let was = annotation(set, REVISION).to_owned();
    let Ok(number) = (if was.is_empty() { Ok(0) } else { was.parse::<i64>() }) else { return };
    if number >= revision {
        return;
    }
    annotate(set, REVISION, &revision.to_string());
    if was.is_empty() {
        return;
    }
    let mut earlier: Vec<String> = annotation(set, HISTORY).split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    earlier.push(was);
    while earlier.join(",").len() > HISTORY_BYTES_MAX && earlier.len() > 1 {
        earlier.remove(0);
    }
    annotate(set, HISTORY, &earlier.join(","));
}

fn annotate_size(deployment: &Value, set: &mut Value) {
    let desired = replicas(deployment);
    annotate(set, DESIRED, &desired.to_string());
    annotate(set, MAXIMUM, &(desired + max_surge(deployment)).to_string());
}

/// How many pods the ReplicaSet of the template may have now, while all together should have `total`.
pub(super) fn new_size(deployment: &Value, total: i64, size: i64) -> i64 {
    let desired = replicas(deployment);
    if !is_rolling(deployment) {
        return desired;
    }
    let surge = super::scaled(deployment.pointer("/spec/strategy/rollingUpdate/maxSurge"), desired, true);
    let room = desired + surge - total;
    if room <= 0 { size } else { size + room.min(desired - size) }
}
