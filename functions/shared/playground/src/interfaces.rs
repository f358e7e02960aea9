//! The lines between the parts of the playground: what controllers see of the state, and what a refusal is made of.

use serde_json::Value;
use std::sync::Arc;

/// A kind, as `apiVersion` and `kind` of an object name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind {
    /// `v1`, `apps/v1`.
    pub(crate) api_version: &'static str,
    /// `Deployment`.
    pub(crate) kind: &'static str,
}

/// What controllers see of the state. Whatever they write is a new resource version that watches are told of.
pub(crate) trait Objects {
    /// Every object of a kind, of one namespace or of all, by namespace and name.
    fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Value>>;
    /// One object.
    fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>>;
    /// Every object of every kind (garbage collection, the end of a namespace).
    fn all(&self) -> Vec<Arc<Value>>;
    /// A new object; uid, times and version are given to it. Nothing when one of that name is there.
    fn create(&mut self, object: Value) -> Option<Arc<Value>>;
    /// The whole object anew, `status` included; nothing happens when it is equal to what is there. A change of `spec` is
    /// a new generation. Nothing when it is gone.
    fn update(&mut self, object: Value) -> Option<Arc<Value>>;
    /// Away at once, whatever finalizers it has.
    fn remove(&mut self, object: &Value);
    /// An Event about an object; one that repeats another raises its count. A `fieldPath` beside its `metadata` names the
    /// part of the object that it is about.
    fn event(&mut self, about: &Value, kind: EventKind, reason: &str, message: &str);
    /// Unix time, milliseconds.
    fn now_ms(&self) -> u64;
}

/// How an Event is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

/// One reason why an object is refused, as `Status.details.causes` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, …
    pub(crate) reason: &'static str,
    /// Where: `spec.template.spec.containers[0].name`.
    pub(crate) field: String,
    /// What, as the API server says it after the field: `Invalid value: "A": a lowercase RFC 1123 label must …`.
    pub(crate) message: String,
}
