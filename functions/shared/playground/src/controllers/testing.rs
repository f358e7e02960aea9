//! Objects in memory with a clock that is set, for the tests of the controllers.

use super::Controllers;
use super::object::{is_deleting, name_of, namespace_of, text, time};
use crate::defaults;
use crate::interfaces::{EventKind, Kind, Objects};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-01-01T00:00:00Z.
pub(super) const START_MS: u64 = 1_767_225_600_000;

type Key = (String, String, String, String);

#[derive(Default)]
pub(super) struct Memory {
    objects: BTreeMap<Key, Arc<Value>>,
    pub(super) now_ms: u64,
    version: u64,
    pub(super) events: Vec<String>,
}

fn key(object: &Value) -> Key {
    let [version, kind] = ["/apiVersion", "/kind"].map(|field| text(object, field).to_owned());
    (version, kind, namespace_of(object).to_owned(), name_of(object).to_owned())
}

impl Objects for Memory {
    fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let of_kind = self.objects.iter().filter(|((version, name, _, _), _)| version == kind.api_version && name == kind.kind);
        of_kind.filter(|((_, _, own, _), _)| namespace.is_none_or(|namespace| own == namespace)).map(|(_, object)| object.clone()).collect()
    }

    fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.objects.get(&(kind.api_version.to_owned(), kind.kind.to_owned(), namespace.to_owned(), name.to_owned())).cloned()
    }

    fn all(&self) -> Vec<Arc<Value>> {
        self.objects.values().cloned().collect()
    }

    fn create(&mut self, mut object: Value) -> Option<Arc<Value>> {
        if self.objects.contains_key(&key(&object)) {
            return None;
        }
        self.version += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["creationTimestamp"] = json!(time(self.now_ms));
        object["metadata"]["generation"] = json!(1);
        let object = Arc::new(object);
        self.objects.insert(key(&object), object.clone());
        Some(object)
    }

    fn update(&mut self, mut object: Value) -> Option<Arc<Value>> {
        let stored = self.objects.get(&key(&object))?.clone();
        object["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
        object["metadata"]["generation"] = stored["metadata"]["generation"].clone();
        if *stored == object {
            return Some(stored);
        }
        self.version += 1;
        if stored.get("spec") != object.get("spec") {
            object["metadata"]["generation"] = json!(stored["metadata"]["generation"].as_u64().unwrap() + 1);
        }
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        self.objects.insert(key(&object), object.clone());
        Some(object)
    }

    fn remove(&mut self, object: &Value) {
        self.objects.remove(&key(object));
    }

    fn event(&mut self, about: &Value, kind: EventKind, reason: &str, message: &str) {
        self.events.push(format!("{kind:?} {} {} {reason}: {message}", text(about, "/kind"), name_of(about)));
    }

    fn now_ms(&self) -> u64 {
        self.now_ms
    }
}

/// A cluster for tests: objects, controllers, and the time they ask for.
pub(super) struct Cluster {
    pub(super) memory: Memory,
    controllers: Controllers,
    due_ms: Option<u64>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let memory = Memory { now_ms: START_MS, ..Memory::default() };
        let mut cluster = Self { memory, controllers: Controllers::new(), due_ms: None };
        cluster.step();
        cluster
    }

    pub(super) fn step(&mut self) {
        self.due_ms = self.controllers.step(&mut self.memory);
        if let Some(due) = self.due_ms {
            assert!(due > self.memory.now_ms, "what is due now is done now");
        }
        assert_eq!(self.controllers.step(&mut self.memory), self.due_ms, "nothing is left to do");
    }

    /// What a client sends, with defaults; in namespace `n` if it names none.
    pub(super) fn apply(&mut self, mut object: Value) {
        let kind = text(&object, "/kind").to_owned();
        if namespace_of(&object).is_empty() && !matches!(kind.as_str(), "Namespace" | "Node") {
            object["metadata"]["namespace"] = json!("n");
        }
        match self.memory.objects.get(&key(&object)).cloned() {
            Some(stored) => {
                let mut changed = Value::clone(&stored);
                changed["spec"] = object["spec"].clone();
                defaults::fill(&mut changed);
                self.memory.update(changed).unwrap();
            }
            None => {
                self.memory.create({
                    defaults::fill(&mut object);
                    object
                });
            }
        }
        self.step();
    }

    pub(super) fn change(&mut self, kind: Kind, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = Value::clone(&self.get(kind, name));
        change(&mut object);
        self.memory.update(object).unwrap();
        self.step();
    }

    /// Goes on in time, from one thing that is due to the next.
    pub(super) fn run(&mut self, milliseconds: u64, mut look: impl FnMut(&Memory)) {
        let until = self.memory.now_ms + milliseconds;
        while let Some(due) = self.due_ms.filter(|due| *due <= until) {
            self.memory.now_ms = due;
            self.step();
            look(&self.memory);
        }
        self.memory.now_ms = until;
        self.step();
        look(&self.memory);
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        self.run(seconds * 1000, |_| ());
    }

    pub(super) fn get(&self, kind: Kind, name: &str) -> Arc<Value> {
        self.find(kind, name).unwrap_or_else(|| panic!("no {} {name}", kind.kind))
    }

    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<Arc<Value>> {
        let namespace = if matches!(kind.kind, "Namespace" | "Node") { "" } else { "n" };
        self.memory.get(kind, namespace, name)
    }

    pub(super) fn list(&self, kind: Kind) -> Vec<Arc<Value>> {
        self.memory.list(kind, Some("n"))
    }

    /// What DELETE does without a propagation policy.
    pub(super) fn delete(&mut self, kind: Kind, name: &str) {
        let object = self.get(kind, name);
        let mut names = 0;
        super::World::new(&mut self.memory, &mut names).delete(&object);
        self.step();
    }

    pub(super) fn said(&self, part: &str) -> usize {
        self.memory.events.iter().filter(|event| event.contains(part)).count()
    }
}

/// Pods that stay.
pub(super) fn staying(pods: &[Arc<Value>]) -> Vec<Arc<Value>> {
    pods.iter().filter(|pod| !is_deleting(pod)).cloned().collect()
}
