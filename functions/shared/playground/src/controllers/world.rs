//! What one controller sees in one pass: the objects, a clock that stands still, and when it wants to be called again.

use super::object::Put;
use crate::defaults;
use crate::interfaces::{EventKind, Kind, Objects};
use serde_json::{Value, json};
use std::sync::Arc;

use super::object::{self, is_deleting, namespace_of, text, time};

macro_rules! kinds {
    ($($name:ident = $version:literal $kind:literal),* $(,)?) => {
        $(pub(super) const $name: Kind = Kind { api_version: $version, kind: $kind };)*
    };
}

kinds! {
    NAMESPACE = "v1" "Namespace",
    NODE = "v1" "Node",
    POD = "v1" "Pod",
    SERVICE = "v1" "Service",
    ENDPOINTS = "v1" "Endpoints",
    CONFIG_MAP = "v1" "ConfigMap",
    SERVICE_ACCOUNT = "v1" "ServiceAccount",
    ENDPOINT_SLICE = "discovery.k8s.io/v1" "EndpointSlice",
    DEPLOYMENT = "apps/v1" "Deployment",
    REPLICA_SET = "apps/v1" "ReplicaSet",
    STATEFUL_SET = "apps/v1" "StatefulSet",
    DAEMON_SET = "apps/v1" "DaemonSet",
    CONTROLLER_REVISION = "apps/v1" "ControllerRevision",
    PERSISTENT_VOLUME_CLAIM = "v1" "PersistentVolumeClaim",
    JOB = "batch/v1" "Job",
}

/// How often another name is tried for a pod whose name is taken.
const NAME_ATTEMPTS_MAX: usize = 100;

/// The objects, as the controllers of one pass see and change them.
pub(super) struct World<'a> {
    objects: &'a mut dyn Objects,
    counter: &'a mut u64,
    changes: usize,
    due_ms: Option<u64>,
}

impl<'a> World<'a> {
    pub(super) fn new(objects: &'a mut dyn Objects, counter: &'a mut u64) -> Self {
        Self { objects, counter, changes: 0, due_ms: None }
    }

    /// How many writes there were, and when the first thing is due.
    pub(super) fn outcome(&self) -> (usize, Option<u64>) {
        (self.changes, self.due_ms)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.objects.now_ms()
    }

    /// The time as objects have it.
    pub(super) fn now(&self) -> String {
        time(self.now_ms())
    }

    /// Something is due at that time.
    pub(super) fn later(&mut self, at_ms: u64) {
        self.due_ms = Some(self.due_ms.map_or(at_ms, |due| due.min(at_ms)));
    }

    /// Objects of a kind; none whose parts are of types that a controller could not write to.
    pub(super) fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let mut list = self.objects.list(kind, namespace);
        list.retain(|object| object::is_sound(object));
        list
    }

    /// Workloads of a kind whose template says what their pods are.
    pub(super) fn workloads(&self, kind: Kind) -> Vec<Arc<Value>> {
        let mut list = self.work(kind);
        let is_object = |object: &Value, part: &str| object.pointer(part).is_some_and(Value::is_object);
        let parts = ["/spec/template/spec", "/spec/template/metadata/labels", "/spec/selector"];
        list.retain(|workload| parts.iter().all(|part| is_object(workload, part)));
        list
    }

    /// Objects of a kind in namespaces that are not going away.
    pub(super) fn work(&self, kind: Kind) -> Vec<Arc<Value>> {
        let ending: Vec<Arc<Value>> = self.list(NAMESPACE, None).into_iter().filter(|namespace| is_deleting(namespace)).collect();
        let mut list = self.list(kind, None);
        list.retain(|object| !ending.iter().any(|namespace| object::name_of(namespace) == namespace_of(object)));
        list
    }

    pub(super) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.objects.get(kind, namespace, name)
    }

    pub(super) fn all(&self) -> Vec<Arc<Value>> {
        self.objects.all()
    }

    /// A new object with its defaults.
    pub(super) fn create(&mut self, mut object: Value) -> Option<Arc<Value>> {
        defaults::fill(&mut object);
        let created = self.objects.create(object);
        self.changes += usize::from(created.is_some());
        created
    }

    /// A new object whose name ends with five letters of its own.
    pub(super) fn create_named(&mut self, mut object: Value) -> Option<Arc<Value>> {
        let prefix = text(&object, "/metadata/generateName").to_owned();
        let seed = format!("{}/{}/{prefix}", text(&object, "/kind"), namespace_of(&object));
        for _ in 0..NAME_ATTEMPTS_MAX {
            *self.counter += 1;
            let suffix = object::letters(&format!("{seed}/{}", self.counter), 5);
            let kept: String = prefix.chars().take(58).collect();
            object.put(["metadata", "name"], json!(format!("{kept}{suffix}")));
            if let Some(created) = self.create(object.clone()) {
                return Some(created);
            }
        }
        None
    }

    /// The object anew, if it is another than it was.
    pub(super) fn update(&mut self, was: &Arc<Value>, object: Value) -> Option<Arc<Value>> {
        if **was == object {
            return Some(was.clone());
        }
        self.changes += 1;
        self.objects.update(object)
    }

    /// Away at once.
    pub(super) fn remove(&mut self, object: &Value) {
        self.changes += 1;
        self.objects.remove(object);
    }

    /// Deletes as a client does: a pod that runs is given its time, finalizers hold an object, anything else is gone.
    pub(super) fn delete(&mut self, object: &Arc<Value>) {
        self.delete_with(object, None);
    }

    /// Deletes with one more finalizer.
    pub(super) fn delete_with(&mut self, object: &Arc<Value>, finalizer: Option<&str>) {
        if is_deleting(object) {
            return;
        }
        let runs = text(object, "/kind") == "Pod"
            && !text(object, "/spec/nodeName").is_empty()
            && !matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
        let grace = if runs { object::integer(object, "/spec/terminationGracePeriodSeconds").unwrap_or(30).max(0) } else { 0 };
        let mut changed = Value::clone(object);
        if let Some(finalizer) = finalizer {
            object::add_finalizer(&mut changed, finalizer);
        }
        if grace == 0 && object::finalizers(&changed).next().is_none() {
            return self.remove(object);
        }
        changed.put(["metadata", "deletionTimestamp"], json!(time(self.now_ms() + u64::try_from(grace).unwrap_or_default() * 1000)));
        changed.put(["metadata", "deletionGracePeriodSeconds"], json!(grace));
        let _ = self.update(object, changed);
    }

    /// An Event of the usual sort.
    pub(super) fn normal(&mut self, about: &Value, reason: &str, message: &str) {
        self.objects.event(about, EventKind::Normal, reason, message);
    }

    /// An Event somebody should look at.
    pub(super) fn warning(&mut self, about: &Value, reason: &str, message: &str) {
        self.objects.event(about, EventKind::Warning, reason, message);
    }
}
