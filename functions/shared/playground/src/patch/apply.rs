//! Server-side apply, and who owns what after any other write.
//!
//! An apply is merged into what is there; what its manager applied before and does not apply now goes, unless somebody
//! else owns it; what it changes of others' is a conflict, unless it is forced.

use serde_json::Value;

use super::fields::{Element, Set, print};
use super::managers::{self, Owner};
use super::schema::{self, Shape};
use super::typed::{self, Comparison};
use super::{ApplyError, Conflict, Manager};

/// Fields that nobody owns.
const NOT_OWNED: [&str; 9] =
    ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"];
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Applies a configuration to what is there. The object it gives back has its new managed fields; it is equal to `live`
/// when the apply changed nothing. Defaults are not filled in.
///
/// # Errors
/// [`ApplyError::Conflicts`] when other managers own what would change; otherwise a configuration that does not fit.
pub(crate) fn apply(kind: (&str, &str), live: Option<&Value>, applied: &Value, manager: &Manager) -> Result<Value, ApplyError> {
    check(kind, applied)?;
    let shape = schema::of(kind);
    let before = settled(kind, live);
    let mut owners = match live {
        Some(live) => managers::read(live).ok_or_else(|| ApplyError::Internal("failed to decode managed fields".to_owned()))?,
        None => Vec::new(),
    };
    if owners.is_empty() && live.is_some() {
        let first = Manager { name: BEFORE_FIRST_APPLY.to_owned(), ..manager.clone() };
        update(kind, &settled(kind, None), &before, &mut owners, &first);
    }
    keep_served(kind, &mut owners);
    let mut mine = Owner::new(kind.0, manager, true);
    let last = owners.iter().find(|owner| owner.same(&mine)).map(|owner| (owner.set.clone(), owner.time.clone()));
    owners.retain(|owner| !owner.same(&mine));
    mine.set = typed::fields(applied, shape).difference_below(&reset(kind, manager));
    let merged = typed::merge(Some(&before), Some(applied), shape).unwrap_or_default();
    let mut after = match &last {
        Some((last, _)) if !last.is_empty() => prune(&merged, last, &owners, &mine, shape),
        _ => merged,
    };
    // Compared as it was applied: what is there but empty is not gone.
    let comparison = filtered(typed::compare(&before, &after, shape), &reset(kind, manager));
    let conflicts = take(&mut owners, &comparison);
    if !manager.force && !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }
    mine.set = mine.set.difference(&not_owned());
    mine.time = last.and_then(|(_, time)| time);
    let unchanged = live.is_some() && before == after;
    if !unchanged {
        mine.time = Some(manager.now.clone());
        typed::settle(kind, &mut after);
    }
    owners.push(mine);
    let mut object = if unchanged { live.cloned().unwrap_or_default() } else { after };
    managers::write(&mut object, owners);
    Ok(object)
}

/// Writes into an object that was created, replaced or patched who owns what now: what changed is the writer's, and no
/// longer anybody else's. What the object itself says of its managed fields counts, unless it was written through a
/// sub-resource.
pub(crate) fn track(kind: (&str, &str), before: Option<&Value>, after: &mut Value, manager: &Manager) {
    let given = if manager.subresource.is_none() { managers::entries(after).cloned() } else { None };
    let reset = given.as_ref().is_some_and(|entries| match entries.as_slice() {
        [] => true,
        [only] => only.as_object().is_some_and(serde_json::Map::is_empty),
        _ => false,
    });
    let live = || before.and_then(managers::read).unwrap_or_default();
    let mut owners = match managers::read(after) {
        _ if reset => Vec::new(),
        Some(owners) if given.is_some() && !owners.is_empty() => owners,
        _ => live(),
    };
    let (old, new) = (settled(kind, before), settled(kind, Some(after)));
    // What was never tracked is not tracked from its middle on.
    if before.is_none() || !owners.is_empty() {
        keep_served(kind, &mut owners);
        update(kind, &old, &new, &mut owners, manager);
        managers::cap(&mut owners);
    }
    managers::write(after, owners);
}

/// The object that was there when the new one is the same but for the times of its managed fields.
pub(crate) fn same_but_for_times(before: &Value, after: &Value) -> bool {
    let content = |object: &Value| {
        let mut object = object.clone();
        if let Some(entries) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                entry.shift_remove("time");
            }
        }
        object
    };
    content(before) == content(after)
}

fn check(kind: (&str, &str), applied: &Value) -> Result<(), ApplyError> {
    let text = |pointer: &str| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api_version, name) = (text("/apiVersion"), text("/kind"));
    if (api_version, name) != kind {
        return Err(ApplyError::BadRequest(format!("invalid object type: {}, Kind={name}", grouped(api_version))));
    }
    if applied.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let misfits = typed::misfits(applied, schema::of(kind));
    let text_of = match misfits.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        several => format!("errors:\n{}", several.iter().map(|misfit| format!("  {misfit}")).collect::<Vec<_>>().join("\n")),
    };
    let (namespace, object, version) = (text("/metadata/namespace"), text("/metadata/name"), grouped(api_version));
    Err(ApplyError::Internal(format!("failed to create typed patch object ({namespace}/{object}; {version}, Kind={name}): {text_of}")))
}

/// With the group, which the core's is without a name.
fn grouped(api_version: &str) -> String {
    if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") }
}

/// The object as the API server sees it, without managed fields; an empty one when there is none.
fn settled(kind: (&str, &str), object: Option<&Value>) -> Value {
    let mut object = object.cloned().unwrap_or_else(|| serde_json::json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {}}));
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    typed::settle(kind, &mut object);
    object
}

/// Managers at versions that are no longer served own nothing.
fn keep_served(kind: (&str, &str), owners: &mut Vec<Owner>) {
    if schema::known(kind) {
        owners.retain(|owner| owner.api_version == kind.0 || schema::known((&owner.api_version, kind.1)) || owner.subresource.is_some());
    }
}

/// Fields that this way of writing cannot change, so that they are nobody's through it.
fn reset(kind: (&str, &str), manager: &Manager) -> Set {
    let mut set = Set::default();
    let field = |name: &str| Element::Field(name.to_owned());
    let Shape::Struct { name, .. } = schema::of(kind) else { return set };
    match manager.subresource.as_deref() {
        None if schema::type_of(name).field("status").is_some() => set.insert(&[field("status")]),
        Some("status") => {
            set.insert(&[field("spec")]);
            if kind == ("apps/v1", "Deployment") {
                set.insert(&[field("metadata"), field("labels")]);
            }
        }
        _ => {}
    }
    set
}

fn filtered(comparison: Comparison, reset: &Set) -> Comparison {
    Comparison {
        removed: comparison.removed.difference_below(reset),
        modified: comparison.modified.difference_below(reset),
        added: comparison.added.difference_below(reset),
    }
}

fn not_owned() -> Set {
    let field = |name: &str| Element::Field(name.to_owned());
    let mut set = Set::default();
    ["apiVersion", "kind", "metadata"].iter().for_each(|name| set.insert(&[field(name)]));
    NOT_OWNED.iter().for_each(|name| set.insert(&[field("metadata"), field(name)]));
    set
}

/// Takes from every owner what changed and what is gone; says what of theirs changed.
fn take(owners: &mut Vec<Owner>, comparison: &Comparison) -> Vec<Conflict> {
    let changed = comparison.modified.union(&comparison.added);
    let mut conflicts = Vec::new();
    for owner in owners.iter_mut() {
        let theirs = owner.set.intersection(&changed);
        conflicts.extend(theirs.paths().iter().map(|path| Conflict { manager: owner.printed(), field: print(path) }));
        owner.set = owner.set.difference(&theirs).difference(&comparison.removed);
    }
    owners.retain(|owner| !owner.set.is_empty());
    conflicts.sort_by(|a, b| a.manager.cmp(&b.manager));
    conflicts
}

/// What an update changed goes to its writer.
fn update(kind: (&str, &str), old: &Value, new: &Value, owners: &mut Vec<Owner>, manager: &Manager) {
    let reset = reset(kind, manager);
    let comparison = filtered(typed::compare(old, new, schema::of(kind)), &reset);
    take(owners, &comparison);
    let changed = comparison.modified.union(&comparison.added).difference_below(&reset).difference(&not_owned());
    if changed.is_empty() {
        return;
    }
    let mut mine = Owner { time: Some(manager.now.clone()), set: changed, ..Owner::new(kind.0, manager, false) };
    if let Some(before) = owners.iter().find(|owner| owner.same(&mine)) {
        mine.set = mine.set.union(&before.set);
    }
    owners.retain(|owner| !owner.same(&mine));
    owners.push(mine);
}

/// Takes out what was applied last and is not now, gives back what others own, and what was never the manager's.
fn prune(merged: &Value, last: &Set, owners: &[Owner], mine: &Owner, shape: &'static Shape) -> Value {
    let last = last.with_named(shape);
    let named = |value: &Value| typed::fields(value, shape).with_named(shape);
    let all = named(merged);
    let owned = owners.iter().chain([mine]).fold(Set::default(), |set, owner| set.union(&owner.set)).with_named(shape);
    let pruned = typed::remove(merged, &last, shape);
    let pruned = typed::remove(merged, &all.difference(&named(&pruned).union(&owned)), shape);
    typed::remove(merged, &all.difference(&named(&pruned)).intersection(&last), shape)
}
