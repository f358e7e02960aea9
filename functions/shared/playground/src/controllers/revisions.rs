//! The ControllerRevisions of StatefulSets and DaemonSets: every template they had, numbered.

use super::object::{
    Put, controlled_by, controller_of, count, is_deleting, label, name_of, namespace_of, reference, selects, template_hash, text,
};
use super::world::{CONTROLLER_REVISION, World};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How often another hash is tried when the name of a revision is taken.
const COLLISIONS_MAX: i64 = 10;

/// All revisions of an owner, by number; the last one is that of its present template.
pub(super) struct Revisions(Vec<Arc<Value>>);

impl Revisions {
    /// The owner's own, with one of its present template, made or raised to the last when it is not. `hash_label` is where
    /// its pods are told apart.
    pub(super) fn of(world: &mut World<'_>, owner: &Value, hash_label: &str) -> Option<Self> {
        let mut own = own(world, owner);
        own.sort_by_key(|revision| count(revision, "/revision"));
        let next = own.last().map_or(0, |last| count(last, "/revision")) + 1;
        let data = data(owner);
        let present = match own.iter().position(|revision| revision.get("data") == Some(&data)) {
            Some(index) if index + 1 == own.len() => return Some(Self(own)),
            Some(index) => {
                let old = own.remove(index);
                let mut raised = Value::clone(&old);
                raised.put(["revision"], json!(next));
                world.update(&old, raised)?
            }
            None => create(world, owner, hash_label, data, next)?,
        };
        own.push(present);
        Some(Self(own))
    }

    /// That of the present template.
    pub(super) fn last(&self) -> Option<&Arc<Value>> {
        self.0.last()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Arc<Value>> {
        self.0.iter().find(|revision| name_of(revision) == name)
    }

    /// Deletes the oldest that nothing uses, beyond those that are kept.
    pub(super) fn clean(&self, world: &mut World<'_>, owner: &Value, used: impl Fn(&Value) -> bool) {
        let kept = usize::try_from(count(owner, "/spec/revisionHistoryLimit")).unwrap_or_default();
        let before = self.0.len().saturating_sub(1);
        let unused: Vec<&Arc<Value>> = self.0.iter().take(before).filter(|revision| !used(revision)).collect();
        let excess = unused.len().saturating_sub(kept);
        for revision in unused.into_iter().take(excess) {
            world.delete(revision);
        }
    }
}

/// The owner's own, and those of its pods that nobody controls since another owner left them.
fn own(world: &mut World<'_>, owner: &Value) -> Vec<Arc<Value>> {
    let mut own = Vec::new();
    for revision in world.list(CONTROLLER_REVISION, Some(namespace_of(owner))) {
        if controlled_by(&revision, owner) {
            own.push(revision);
        } else if controller_of(&revision).is_none() && !is_deleting(owner) && selects(owner.pointer("/spec/selector"), &revision) {
            let mut adopted = Value::clone(&revision);
            adopted.put(["metadata", "ownerReferences"], json!([reference(owner)]));
            own.extend(world.update(&revision, adopted));
        }
    }
    own
}

/// The template that a revision holds.
pub(super) fn template(revision: &Value) -> Value {
    let mut template = revision.pointer("/data/spec/template").cloned().unwrap_or_default();
    if let Some(template) = template.as_object_mut() {
        template.shift_remove("$patch");
    }
    template
}

fn data(owner: &Value) -> Value {
    let mut template = Map::new();
    template.insert("$patch".to_owned(), json!("replace"));
    let own = owner.pointer("/spec/template").and_then(Value::as_object).cloned().unwrap_or_default();
    template.extend(own);
    json!({"spec": {"template": template}})
}

fn create(world: &mut World<'_>, owner: &Value, hash_label: &str, data: Value, number: i64) -> Option<Arc<Value>> {
    let mut labels = owner.pointer("/spec/template/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
    (0..COLLISIONS_MAX).find_map(|collisions| {
        let hash = template_hash(&data, collisions);
        labels.insert(hash_label.to_owned(), json!(hash));
        world.create(json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {
                "name": format!("{}-{hash}", name_of(owner)), "namespace": namespace_of(owner), "labels": labels,
                "ownerReferences": [reference(owner)],
            },
            "data": data, "revision": number,
        }))
    })
}

/// The hash that a revision of a DaemonSet has in its label.
pub(super) fn hash<'a>(revision: &'a Value, hash_label: &str) -> &'a str {
    label(revision, hash_label)
}

/// The revision that a pod says it is of.
pub(super) fn of_pod(pod: &Value) -> &str {
    text(pod, "/metadata/labels/controller-revision-hash")
}
