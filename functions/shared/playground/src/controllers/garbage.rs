//! Garbage collection: what nobody owns any more goes, what waits for its dependents goes after them.

use super::object::Put;
use super::object::{finalizers, flag, is_deleting, items, take_finalizer, text, uid_of};
use super::world::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Goes through all objects once.
pub(super) fn sync(world: &mut World<'_>) {
    let all = world.all();
    let uids: BTreeSet<&str> = all.iter().map(|object| uid_of(object)).collect();
    for object in &all {
        if items(object, "/metadata/ownerReferences").next().is_some() {
            disown(world, object, &uids);
        }
        if !is_deleting(object) {
            continue;
        }
        let has = |name: &str| finalizers(object).any(|finalizer| finalizer == name);
        if has(ORPHAN) {
            orphan(world, object, &all);
        } else if has(FOREGROUND) {
            foreground(world, object, &all);
        } else if finalizers(object).next().is_none() && !matches!(text(object, "/kind"), "Pod" | "Namespace") {
            // Whoever held it last has let it go.
            world.remove(object);
        }
    }
}

fn owned_by(object: &Value, owner: &Value) -> bool {
    items(object, "/metadata/ownerReferences").any(|reference| text(reference, "/uid") == uid_of(owner))
}

/// Deletes an object whose owners are all gone; takes those out that are, when others are there.
fn disown(world: &mut World<'_>, object: &Arc<Value>, uids: &BTreeSet<&str>) {
    let (there, gone): (Vec<&Value>, Vec<&Value>) =
        items(object, "/metadata/ownerReferences").partition(|reference| uids.contains(text(reference, "/uid")));
    if gone.is_empty() {
        return;
    }
    if there.is_empty() {
        return world.delete(object);
    }
    let mut changed = Value::clone(object);
    changed.put(["metadata", "ownerReferences"], json!(there));
    let _ = world.update(object, changed);
}

fn orphan(world: &mut World<'_>, owner: &Arc<Value>, all: &[Arc<Value>]) {
    for dependent in all.iter().filter(|object| owned_by(object, owner)) {
        let mut free = Value::clone(dependent);
        let others: Vec<&Value> =
            items(dependent, "/metadata/ownerReferences").filter(|reference| text(reference, "/uid") != uid_of(owner)).collect();
        if others.is_empty() {
            let _ = free.get_mut("metadata").and_then(Value::as_object_mut).and_then(|metadata| metadata.shift_remove("ownerReferences"));
        } else {
            free.put(["metadata", "ownerReferences"], json!(others));
        }
        let _ = world.update(dependent, free);
    }
    release(world, owner, ORPHAN);
}

fn foreground(world: &mut World<'_>, owner: &Arc<Value>, all: &[Arc<Value>]) {
    let mut blocked = false;
    for dependent in all.iter().filter(|object| owned_by(object, owner)) {
        let has_own = all.iter().any(|object| owned_by(object, dependent));
        world.delete_with(dependent, has_own.then_some(FOREGROUND));
        let blocks = |reference: &Value| text(reference, "/uid") == uid_of(owner) && flag(reference, "/blockOwnerDeletion");
        blocked |= items(dependent, "/metadata/ownerReferences").any(blocks);
    }
    // Those that were away at once are not there the next time.
    if !blocked {
        release(world, owner, FOREGROUND);
    }
}

/// Takes a finalizer; without any, the object goes.
fn release(world: &mut World<'_>, object: &Arc<Value>, finalizer: &str) {
    let mut changed = Value::clone(object);
    take_finalizer(&mut changed, finalizer);
    let is_pod = text(object, "/kind") == "Pod";
    if finalizers(&changed).next().is_none() && !is_pod {
        return world.remove(object);
    }
    let _ = world.update(object, changed);
}
