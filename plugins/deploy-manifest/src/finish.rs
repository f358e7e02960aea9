//! What the stage leaves behind: live objects, names, artifacts; complete when it ends well, references when it does not.

use std::collections::BTreeMap;

use sdk::artifact::{self, Artifact};
use sdk::contract::{Failure, Outcome, Results, Wake};
use sdk::manifest::Manifest;
use sdk::{kinds, live};
use serde_json::{Map, Value, json};

use crate::Host;
use crate::documents;
use crate::settle;
use crate::state::{Object, State};
use crate::work::{CALLS_MAX, Work};

/// Live objects beyond so much JSON are given by reference.
const MANIFESTS_BYTES_MAX: usize = 192 * 1024;
/// With so many calls made already, reading the objects waits for a step of its own.
const CALLS_BEFORE_MAX: usize = 10;

/// What is known of an object at the end.
struct Shown {
    manifest: Value,
    address: Option<String>,
}

/// Reads what was applied and ends the stage well.
pub(crate) fn finish<H: Host>(work: &mut Work<'_, H>) -> Result<Outcome, Failure> {
    let late = matches!(work.input.wake, Wake::TimedOut);
    if !late && work.calls > CALLS_BEFORE_MAX && work.calls + work.state.objects.len() > CALLS_MAX {
        return settle::go_on(work, &[]);
    }
    let bound = bound(work)?;
    let shown = read_all(work);
    let message = summary(&work.state, "applied", shown.iter());
    Ok(Outcome::Succeeded(results(work, &shown, &bound, &message, &[])))
}

/// Ends a plan: nothing was changed, nothing is waited for.
pub(crate) fn planned<H: Host>(work: &mut Work<'_, H>) -> Result<Outcome, Failure> {
    let bound = bound(work)?;
    let shown = stubs(&work.state);
    let message = summary(&work.state, "would be applied", shown.iter());
    Ok(Outcome::Succeeded(results(work, &shown, &bound, &message, &[])))
}

/// What a stage that fails leaves behind; `failed` are the objects it failed for.
pub(crate) fn partial<H: Host>(work: &mut Work<'_, H>, message: &str, failed: &[usize]) -> Results {
    let bound = bound(work).unwrap_or_default();
    results(work, &stubs(&work.state), &bound, message, failed)
}

/// The bound artifacts, found again when this step applied nothing.
fn bound<H: Host>(work: &mut Work<'_, H>) -> Result<Vec<Artifact>, Failure> {
    if let Some(documents) = &work.documents {
        return Ok(documents.bound.clone());
    }
    let mut objects = documents::read(&work.stage, &work.settings).unwrap_or_default();
    documents::bind(&work.stage, &work.settings, work.host, &mut objects)
}

fn stubs(state: &State) -> Vec<Shown> {
    state.done().map(|(_, object)| Shown { manifest: stub(&object), address: None }).collect()
}

fn stub(object: &Object<'_>) -> Value {
    live::stub(object.api_version, object.kind, object.namespace, object.name, object.uid)
}

/// Live objects as far as calls and bytes reach, Services with a load balancer first; the others by reference. Secrets are
/// never read.
fn read_all<H: Host>(work: &mut Work<'_, H>) -> Vec<Shown> {
    let mut shown = stubs(&work.state);
    let mut order: Vec<(usize, bool)> =
        work.state.done().filter(|(_, object)| object.kind != "Secret").map(|(i, o)| (i, !o.balanced())).collect();
    order.sort_by_key(|(_, later)| *later);
    let mut bytes = 0;
    for (index, _) in order {
        if work.calls >= CALLS_MAX {
            break;
        }
        let Some(live) = read(work, index) else {
            continue;
        };
        let address = live::load_balancer(&live);
        let Value::Object(body) = live else { continue };
        let manifest = live::shown(body);
        let size = manifest.to_string().len();
        if let Some(slot) = shown.get_mut(index) {
            slot.address = address;
            if bytes + size <= MANIFESTS_BYTES_MAX {
                bytes += size;
                slot.manifest = manifest;
            }
        }
    }
    shown
}

/// A live object, if it can be read; what was applied has settled either way.
fn read<H: Host>(work: &mut Work<'_, H>, index: usize) -> Option<Value> {
    let object = work.state.object(index)?;
    let (at, what, label) = (object.target(&work.settings.account), object.object_ref(), object.label());
    work.calls += 1;
    match work.host.get(&at, &what, &[]) {
        Ok(text) => serde_json::from_str(&text).ok(),
        Err(error) => {
            let reason = sdk::host::cluster_failure(&label, &error);
            work.log(&format!("the live object could not be read: {}", reason.message));
            None
        }
    }
}

fn summary<'a>(state: &State, verb: &str, shown: impl Iterator<Item = &'a Shown>) -> String {
    let count = state.done().count();
    let created = state.done().filter(|(_, object)| object.created()).count();
    let changed = state.done().filter(|(_, object)| object.changed() && !object.created()).count();
    let mut text = match state.done().next() {
        None => return "nothing to apply".to_owned(),
        Some((_, object)) if count == 1 => format!("{} {verb}", object.label()),
        Some(_) => format!("{count} objects {verb}"),
    };
    text = format!("{text}: {created} created, {changed} changed, {} unchanged", count - created - changed);
    for (address, (_, object)) in shown.map(|shown| &shown.address).zip(state.done()) {
        if let Some(address) = address {
            text = format!("{text}; {} is at {address}", object.label());
        }
    }
    text
}

fn results<H: Host>(work: &Work<'_, H>, shown: &[Shown], bound: &[Artifact], message: &str, failed: &[usize]) -> Results {
    let state = &work.state;
    let created: Vec<_> = state.done().map(|(_, object)| created(&work.settings.account, &object)).collect();
    let mut outputs = json!({ "waybill": { "objects": objects(state, shown) } });
    if let (false, Some(map)) = (work.settings.no_output, outputs.as_object_mut()) {
        let manifests: Vec<_> = shown.iter().map(|shown| &shown.manifest).collect();
        let bound: Vec<_> = bound.iter().map(Artifact::value).collect();
        map.insert("manifests".to_owned(), json!(manifests));
        map.insert("outputs.manifests".to_owned(), json!(manifests));
        map.insert("outputs.manifestNamesByNamespace".to_owned(), names(state));
        map.insert("outputs.boundArtifacts".to_owned(), json!(bound));
        map.insert("outputs.createdArtifacts".to_owned(), json!(created));
        map.insert("artifacts".to_owned(), json!(created));
        settled(work, failed, message, map);
    }
    let mut results = Results::of(&outputs, message);
    if !work.settings.no_output {
        results.artifacts = created.iter().map(Value::to_string).collect();
    }
    results
}

fn created(account: &str, object: &Object<'_>) -> Value {
    let body = live::stub(object.api_version, object.kind, object.namespace, object.name, "");
    let body = body.as_object().cloned().unwrap_or_default();
    artifact::created(account, &Manifest { pointer: String::new(), body })
}

/// Each applied object, as release orders show it.
fn objects(state: &State, shown: &[Shown]) -> Vec<Value> {
    let list = state.done().zip(shown).map(|((_, object), shown)| {
        let uid = shown.manifest.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or(object.uid);
        let mut entry = json!({
            "apiVersion": object.api_version, "kind": object.kind, "namespace": object.namespace, "name": object.name,
            "uid": uid, "created": object.created(), "changed": object.changed(),
        });
        if let (Some(address), Some(map)) = (&shown.address, entry.as_object_mut()) {
            map.insert("loadBalancer".to_owned(), json!(address));
        }
        entry
    });
    list.collect()
}

fn spinnaker_name(object: &Object<'_>) -> String {
    format!("{} {}", kinds::spinnaker_name(object.api_version, object.kind), object.name)
}

fn names(state: &State) -> Value {
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let done: Vec<_> = state.done().map(|(_, object)| object).collect();
    for object in &done {
        names.entry(object.namespace.unwrap_or_default()).or_default().push(spinnaker_name(object));
    }
    json!(names)
}

/// `stableManifests`, `failedManifests` and `messages`, as Spinnaker's wait leaves them.
fn settled<H: Host>(work: &Work<'_, H>, failed: &[usize], message: &str, map: &mut Map<String, Value>) {
    let entry = |object: &Object<'_>| json!({"manifestName": spinnaker_name(object), "location": object.namespace.unwrap_or_default()});
    let waits = |object: &Object<'_>| object.waits(work.settings.wait_for_address);
    let stable: Vec<_> = work.state.done().filter(|(i, object)| !waits(object) && !failed.contains(i)).map(|(_, o)| entry(&o)).collect();
    let failures: Vec<_> = work.state.all().filter(|(i, _)| failed.contains(i)).map(|(_, o)| entry(&o)).collect();
    map.insert("stableManifests".to_owned(), json!(stable));
    map.insert("failedManifests".to_owned(), json!(failures));
    let messages = if failed.is_empty() { Vec::new() } else { vec![message] };
    map.insert("messages".to_owned(), json!(messages));
}
