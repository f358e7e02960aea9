//! PaCRD: pipelines as Kubernetes objects, where stages, triggers and artifacts keep their settings under `properties`.

use super::{Found, Object, Wrapper, below};
use crate::flaw::Flaw;
use serde_json::Value;

pub(super) fn open(value: Value, at: &str) -> Found {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let name = text("/metadata/name");
    let mut found = Found::new(&below(at, "spec"), Wrapper::Pacrd, Value::Null);
    let Some(Value::Object(mut spec)) = value.get("spec").cloned() else {
        found.errors.push(Flaw::at("", "no-pipeline", "`kind: Pipeline` has no `spec`"));
        return found;
    };
    for key in ["stages", "triggers"] {
        for item in objects(spec.get_mut(key)) {
            unwrap(item);
            uncapitalise(item);
        }
    }
    for artifact in objects(spec.get_mut("expectedArtifacts")) {
        for key in ["matchArtifact", "defaultArtifact"] {
            if let Some(inner) = artifact.get_mut(key).and_then(Value::as_object_mut) {
                unwrap(inner);
            }
        }
    }
    found.name = name;
    found.document = Value::Object(spec);
    found
}

fn objects(list: Option<&mut Value>) -> impl Iterator<Item = &mut Object> {
    list.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// What stands under `properties` belongs beside it; what stands beside it already stays.
fn unwrap(object: &mut Object) {
    if let Some(properties) = object.get("properties").and_then(Value::as_object).cloned() {
        object.remove("properties");
        for (key, value) in properties {
            object.entry(key).or_insert(value);
        }
    }
}

/// `DeployManifest` is `deployManifest`.
fn uncapitalise(object: &mut Object) {
    if let Some(Value::String(kind)) = object.get_mut("type")
        && kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.chars().any(|c| c.is_ascii_lowercase())
        && let Some(first) = kind.get_mut(..1)
    {
        first.make_ascii_lowercase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn properties_are_taken_out_and_types_spelled_as_elsewhere() {
        let value = json!({"apiVersion": "pacrd.armory.spinnaker.io/v1alpha1", "kind": "Pipeline", "metadata": {"name": "deploy"}, "spec": {
            "application": "web",
            "stages": [{"type": "DeployManifest", "refId": "1", "properties": {"name": "Deploy", "account": "prod", "refId": "9"}}],
            "triggers": [{"type": "docker", "properties": {"account": "hub"}}],
            "expectedArtifacts": [{"id": "a", "matchArtifact": {"type": "docker/image", "properties": {"name": "x"}}}]}});
        let found = open(value, "");
        assert_eq!(found.name.as_deref(), Some("deploy"));
        assert_eq!(found.document["stages"][0], json!({"type": "deployManifest", "refId": "1", "name": "Deploy", "account": "prod"}));
        assert_eq!(found.document["triggers"][0], json!({"type": "docker", "account": "hub"}));
        assert_eq!(found.document["expectedArtifacts"][0]["matchArtifact"], json!({"type": "docker/image", "name": "x"}));
    }
}
