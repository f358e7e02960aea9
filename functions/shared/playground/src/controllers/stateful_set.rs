//! StatefulSets: pods with names of their own, one after the other unless they may come all at once.

use super::object::Put;
use super::object::{condition_is, count, is_deleting, name_of, namespace_of, pod_of, text};
use super::replica_set::{has_ended, is_available, own_pods};
use super::revisions::{Revisions, of_pod, template};
use super::world::{PERSISTENT_VOLUME_CLAIM, STATEFUL_SET, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const HASH: &str = "controller.kubernetes.io/hash";

/// Goes through all StatefulSets once.
pub(super) fn sync(world: &mut World<'_>) {
    bind_claims(world);
    for set in world.workloads(STATEFUL_SET) {
        let _ = one(world, &set);
    }
}

struct Set<'a> {
    object: &'a Value,
    pods: BTreeMap<i64, Arc<Value>>,
    current: Arc<Value>,
    update: Arc<Value>,
}

fn one(world: &mut World<'_>, set: &Arc<Value>) -> Option<()> {
    let revisions = Revisions::of(world, set, HASH)?;
    let update = revisions.last()?.clone();
    let said = text(set, "/status/currentRevision");
    let current = revisions.named(said).unwrap_or(&update).clone();
    let pods = by_ordinal(world, set);
    let mut here = Set { object: set, pods, current, update };
    if !is_deleting(set) {
        here.manage(world);
        here.pods = by_ordinal(world, set);
    }
    let status = here.status(world);
    let used = |revision: &Value| {
        [&here.current, &here.update].iter().any(|used| name_of(used) == name_of(revision))
            || here.pods.values().any(|pod| of_pod(pod) == name_of(revision))
    };
    revisions.clean(world, set, used);
    let mut changed = Value::clone(set);
    changed.put(["status"], status);
    world.update(set, changed).map(|_| ())
}

fn by_ordinal(world: &mut World<'_>, set: &Value) -> BTreeMap<i64, Arc<Value>> {
    let prefix = format!("{}-", name_of(set));
    let ordinal = |pod: &Value| name_of(pod).strip_prefix(&prefix).and_then(|rest| rest.parse::<i64>().ok());
    own_pods(world, set).into_iter().filter_map(|pod| Some((ordinal(&pod)?, pod))).collect()
}

fn is_ready(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running" && condition_is(pod, "Ready", "True")
}

impl Set<'_> {
    fn rolling(&self) -> bool {
        text(self.object, "/spec/updateStrategy/type") != "OnDelete"
    }

    fn partition(&self) -> i64 {
        count(self.object, "/spec/updateStrategy/rollingUpdate/partition")
    }

    fn wanted(&self) -> std::ops::Range<i64> {
        let start = count(self.object, "/spec/ordinals/start");
        start..start + count(self.object, "/spec/replicas")
    }

    fn is_available(&self, world: &mut World<'_>, pod: &Value) -> bool {
        !is_deleting(pod) && is_ready(pod) && is_available(world, pod, count(self.object, "/spec/minReadySeconds"))
    }

    fn manage(&self, world: &mut World<'_>) {
        let parallel = text(self.object, "/spec/podManagementPolicy") == "Parallel";
        for ordinal in self.wanted() {
            if !self.bring_up(world, ordinal) && !parallel {
                return;
            }
        }
        let unavailable = self.pods.values().find(|pod| !self.is_available(world, pod)).map(|pod| name_of(pod).to_owned());
        let wanted = self.wanted();
        for pod in self.pods.iter().rev().filter(|(ordinal, _)| !wanted.contains(ordinal)).map(|(_, pod)| pod) {
            let waits_for_another = unavailable.as_ref().is_some_and(|first| first != name_of(pod));
            if !parallel && (is_deleting(pod) || (!is_ready(pod) && waits_for_another)) {
                return;
            }
            if !is_deleting(pod) {
                self.delete(world, pod);
                if !parallel {
                    return;
                }
            }
        }
        if self.rolling() {
            self.update(world);
        }
    }

    /// Whether the pod of an ordinal is there and available, so that the next may come.
    fn bring_up(&self, world: &mut World<'_>, ordinal: i64) -> bool {
        match self.pods.get(&ordinal) {
            Some(pod) if has_ended(pod) && !is_deleting(pod) => {
                self.delete(world, pod);
                false
            }
            Some(pod) => self.is_available(world, pod),
            None => {
                self.create(world, ordinal);
                false
            }
        }
    }

    /// The last first, one at a time, down to the partition.
    fn update(&self, world: &mut World<'_>) {
        let start = self.wanted().start;
        for ordinal in self.wanted().rev().filter(|ordinal| *ordinal >= start + self.partition()) {
            let Some(pod) = self.pods.get(&ordinal) else { return };
            if of_pod(pod) != name_of(&self.update) && !is_deleting(pod) {
                return self.delete(world, pod);
            }
            if !self.is_available(world, pod) {
                return;
            }
        }
    }

    fn delete(&self, world: &mut World<'_>, pod: &Arc<Value>) {
        world.delete(pod);
        let message = format!("Delete Pod {} in StatefulSet {} successful", name_of(pod), name_of(self.object));
        world.normal(self.object, "SuccessfulDelete", &message);
    }

    fn create(&self, world: &mut World<'_>, ordinal: i64) {
        let start = self.wanted().start;
        let has_block = self.object.pointer("/spec/updateStrategy/rollingUpdate").is_some();
        let old = if has_block { self.partition() } else { count(self.object, "/status/currentReplicas") };
        let revision = if self.rolling() && ordinal < start + old { &self.current } else { &self.update };
        let name = format!("{}-{ordinal}", name_of(self.object));
        let mut pod = pod_of(self.object, &template(revision));
        pod.put(["metadata", "name"], json!(name));
        for (label, value) in [
            ("statefulset.kubernetes.io/pod-name", name.as_str()),
            ("apps.kubernetes.io/pod-index", &ordinal.to_string()),
            ("controller-revision-hash", name_of(revision)),
        ] {
            pod.put(["metadata", "labels", label], json!(value));
        }
        pod.put(["spec", "hostname"], json!(name));
        pod.put(["spec", "subdomain"], json!(text(self.object, "/spec/serviceName")));
        self.claim(world, &mut pod, &name, ordinal);
        if world.create(pod).is_some() {
            let message = format!("Create Pod {name} in StatefulSet {} successful", name_of(self.object));
            world.normal(self.object, "SuccessfulCreate", &message);
        }
    }

    /// The claims of a pod, made when they are not there; its volumes name them.
    fn claim(&self, world: &mut World<'_>, pod: &mut Value, pod_name: &str, ordinal: i64) {
        let templates = self.object.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).cloned().unwrap_or_default();
        for template in templates {
            let volume = name_of(&template).to_owned();
            let name = format!("{volume}-{}-{ordinal}", name_of(self.object));
            let claim = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": namespace_of(self.object),
                    "labels": self.object.pointer("/spec/selector/matchLabels").cloned().unwrap_or_else(|| json!({}))},
                "spec": template.get("spec").cloned().unwrap_or_default(),
            });
            if world.get(PERSISTENT_VOLUME_CLAIM, namespace_of(self.object), &name).is_none() && world.create(claim).is_some() {
                let message = format!("Create Claim {name} Pod {pod_name} in StatefulSet {} success", name_of(self.object));
                world.normal(self.object, "SuccessfulCreate", &message);
            }
            volumes.retain(|other| text(other, "/name") != volume);
            volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": name}}));
        }
        if !volumes.is_empty() {
            pod.put(["spec", "volumes"], json!(volumes));
        }
    }

    fn status(&self, world: &mut World<'_>) -> Value {
        let (mut ready, mut available, mut current, mut updated) = (0, 0, 0, 0);
        for pod in self.pods.values() {
            ready += i64::from(is_ready(pod));
            available += i64::from(self.is_available(world, pod));
            if !is_deleting(pod) {
                current += i64::from(of_pod(pod) == name_of(&self.current));
                updated += i64::from(of_pod(pod) == name_of(&self.update));
            }
        }
        let replicas = i64::try_from(self.pods.len()).unwrap_or_default();
        let mut revision = name_of(&self.current);
        let desired = count(self.object, "/spec/replicas");
        if self.rolling() && [updated, ready, replicas].iter().all(|number| *number == desired) {
            (current, revision) = (updated, name_of(&self.update));
        }
        let mut status = super::object::without_empty([
            ("observedGeneration", json!(count(self.object, "/metadata/generation"))),
            ("readyReplicas", json!(ready)),
            ("currentReplicas", json!(current)),
            ("updatedReplicas", json!(updated)),
            ("currentRevision", json!(revision)),
            ("updateRevision", json!(name_of(&self.update))),
        ]);
        status.put(["replicas"], json!(replicas));
        status.put(["availableReplicas"], json!(available));
        status.put(["collisionCount"], json!(0));
        status
    }
}

/// Every claim is given what it asks for.
fn bind_claims(world: &mut World<'_>) {
    for claim in world.work(PERSISTENT_VOLUME_CLAIM) {
        if text(&claim, "/status/phase") != "Pending" || is_deleting(&claim) {
            continue;
        }
        let mut bound = Value::clone(&claim);
        bound.put(
            ["status"],
            json!({
                "phase": "Bound",
                "accessModes": claim.pointer("/spec/accessModes").cloned().unwrap_or_else(|| json!([])),
                "capacity": claim.pointer("/spec/resources/requests").cloned().unwrap_or_else(|| json!({})),
            }),
        );
        let _ = world.update(&claim, bound);
    }
}
