//! Namespaces: what every one has, and the end of one.

use super::object::Put;
use super::object::{finalizers, is_deleting, name_of, namespace_of, text};
use super::world::{CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const CA: &str = "kube-root-ca.crt";
const CA_SAYS: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal \
    service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Goes through all namespaces once.
pub(super) fn sync(world: &mut World<'_>) {
    for namespace in world.list(NAMESPACE, None) {
        if is_deleting(&namespace) {
            end(world, &namespace);
        } else {
            furnish(world, name_of(&namespace));
        }
    }
}

fn furnish(world: &mut World<'_>, namespace: &str) {
    if world.get(SERVICE_ACCOUNT, namespace, "default").is_none() {
        let _ =
            world.create(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}));
    }
    if world.get(CONFIG_MAP, namespace, CA).is_none() {
        let _ = world.create(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": CA, "namespace": namespace, "annotations": {"kubernetes.io/description": CA_SAYS}},
            "data": {"ca.crt": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"}}));
    }
}

/// Empties a namespace; when nothing is left, it goes.
fn end(world: &mut World<'_>, namespace: &Arc<Value>) {
    let inside = |world: &World<'_>| -> Vec<Arc<Value>> {
        world.all().into_iter().filter(|object| namespace_of(object) == name_of(namespace)).collect()
    };
    for object in inside(world) {
        world.delete(&object);
    }
    let rest = inside(world);
    let mut changed = Value::clone(namespace);
    if rest.is_empty() {
        // What others have put there holds it.
        let own = namespace.pointer("/spec/finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
        let kept: Vec<Value> = own.into_iter().filter(|finalizer| finalizer != "kubernetes").collect();
        if kept.is_empty() && finalizers(namespace).next().is_none() {
            return world.remove(namespace);
        }
        changed.put(["spec", "finalizers"], json!(kept));
    }
    let conditions = conditions(world, namespace, &rest);
    changed.put(["status"], json!({"phase": "Terminating", "conditions": conditions}));
    let _ = world.update(namespace, changed);
}

fn conditions(world: &World<'_>, namespace: &Value, rest: &[Arc<Value>]) -> Vec<Value> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
    for object in rest {
        let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
        *kinds.entry(format!("{}s.{group}", text(object, "/kind").to_lowercase())).or_default() += 1;
        finalizers(object).for_each(|finalizer| *holders.entry(finalizer).or_default() += 1);
    }
    let remaining: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} has {count} resource instances")).collect();
    let held: Vec<String> = holders.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
    let mut said = vec![
        ("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered".to_owned()),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        (
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned(),
        ),
    ];
    said.push(if remaining.is_empty() {
        ("NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed".to_owned())
    } else {
        ("NamespaceContentRemaining", true, "SomeResourcesRemain", format!("Some resources are remaining: {}", remaining.join(", ")))
    });
    said.push(if held.is_empty() {
        ("NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned())
    } else {
        let message = format!("Some content in the namespace has finalizers remaining: {}", held.join(", "));
        ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", message)
    });
    said.into_iter()
        .map(|(kind, holds, reason, message)| {
            let status = if holds { "True" } else { "False" };
            let was = super::object::condition(namespace, kind).filter(|was| text(was, "/status") == status);
            let since = was.map_or_else(|| world.now(), |was| text(was, "/lastTransitionTime").to_owned());
            json!({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message})
        })
        .collect()
}
