//! What controllers see of the state.

use super::{State, field, metadata, place_of, text, time, uid};
use crate::interfaces::{EventKind, Kind, Objects};
use crate::kinds::{self, Row};
use crate::patch;
use serde_json::Value;
use std::sync::Arc;

/// Who writes what goes on by itself.
const MANAGER: &str = "kube-controller-manager";

fn row_of(object: &Value) -> Option<&'static Row> {
    kinds::by_kind(text(object, "/apiVersion"), text(object, "/kind"))
}

impl State {
    /// Gives a new object its uid, time of creation and first generation.
    pub(crate) fn stamp(&self, row: &Row, object: &mut Value) {
        let now = time((self.clock.0)());
        let metadata = metadata(object);
        metadata.insert("uid".to_owned(), uid().into());
        metadata.insert("creationTimestamp".to_owned(), now.into());
        metadata.shift_remove("generation");
        if row.counts_generations {
            metadata.insert("generation".to_owned(), 1.into());
        }
    }

    fn track(&self, kind: Kind, before: Option<&Value>, after: &mut Value) {
        let status_only = before.is_some_and(|before| before.get("spec") == after.get("spec") && before.get("data") == after.get("data"));
        let manager = patch::Manager {
            name: MANAGER.to_owned(),
            force: false,
            subresource: status_only.then(|| "status".to_owned()),
            now: time((self.clock.0)()),
        };
        patch::track((kind.api_version, kind.kind), before, after, &manager);
    }
}

/// On whose behalf an object is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Writer {
    Client,
    Controller,
}

fn annotations(object: &Value) -> Option<&Value> {
    object.pointer("/metadata/annotations")
}

/// Raises the generation when what it counts has changed.
pub(crate) fn count_generation(row: &Row, before: &Value, after: &mut Value, by: Writer) {
    let generation = before.pointer("/metadata/generation").and_then(Value::as_u64);
    let Some(generation) = generation.filter(|_| row.counts_generations) else { return };
    let mut changed = before.get("spec") != after.get("spec");
    match by {
        // A Deployment's annotations count as well.
        Writer::Client => changed |= row.kind.kind == "Deployment" && annotations(before) != annotations(after),
        // Where a pod runs is no change of what it is to be.
        Writer::Controller => changed &= row.kind.kind != "Pod",
    }
    metadata(after).insert("generation".to_owned(), (generation + u64::from(changed)).into());
}

impl Objects for State {
    fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.all_of(kind, namespace)
    }

    fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.find(kind, namespace, name)
    }

    fn all(&self) -> Vec<Arc<Value>> {
        self.kinds.values().flat_map(|objects| objects.values()).map(|stored| Arc::clone(&stored.object)).collect()
    }

    fn create(&mut self, mut object: Value) -> Option<Arc<Value>> {
        let row = row_of(&object)?;
        let (namespace, name) = place_of(&object);
        if self.find(row.kind, &namespace, &name).is_some() {
            return None;
        }
        self.stamp(row, &mut object);
        self.track(row.kind, None, &mut object);
        self.put(row.kind, object).ok()
    }

    fn update(&mut self, mut object: Value) -> Option<Arc<Value>> {
        let row = row_of(&object)?;
        let (namespace, name) = place_of(&object);
        let before = self.find(row.kind, &namespace, &name)?;
        for key in ["uid", "creationTimestamp", "resourceVersion"] {
            if let Some(value) = before.get("metadata").and_then(|metadata| metadata.get(key)) {
                metadata(&mut object).insert(key.to_owned(), value.clone());
            }
        }
        count_generation(row, &before, &mut object, Writer::Controller);
        if *before == object {
            return Some(before);
        }
        self.track(row.kind, Some(&before), &mut object);
        self.put(row.kind, object).ok()
    }

    fn remove(&mut self, object: &Value) {
        if let Some(row) = row_of(object) {
            let (namespace, name) = place_of(object);
            self.take(row.kind, &namespace, &name);
        }
    }

    fn event(&mut self, about: &Value, kind: EventKind, reason: &str, message: &str) {
        self.tell(about, kind, reason, message);
    }

    fn now_ms(&self) -> u64 {
        (self.clock.0)()
    }
}

const ABOUT_AUTHORITIES: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the \
    internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// The default account and the authorities' ConfigMap that every namespace has.
pub(crate) fn furnish_namespace(state: &mut State, namespace: &str) {
    for (kind, name) in [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")] {
        let mut object = serde_json::json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
        if kind == "ConfigMap" {
            field(&mut object, "data").insert("ca.crt".to_owned(), "".into());
            metadata(&mut object).insert("annotations".to_owned(), serde_json::json!({"kubernetes.io/description": ABOUT_AUTHORITIES}));
        }
        state.create(object);
    }
}
