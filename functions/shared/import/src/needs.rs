//! What a pipeline names that has to be there: accounts, registries, namespaces, other pipelines, people; and other names for it.

use crate::limits::POINTERS_MAX;
use crate::walk::{objects, step};
use crate::wrapper::Wrapper;
use serde::Serialize;
use serde_json::{Map, Value};

/// Something that has to be there for the pipeline to run as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// What the pipeline calls it.
    pub name: String,
    /// Where.
    pub pointers: Vec<String>,
}

/// What can be needed, and given another name.
pub const KINDS: [&str; 12] = [
    "account",
    "registry",
    "registry-host",
    "namespace",
    "artifact-account",
    "pipeline",
    "application",
    "user",
    "role",
    "ci",
    "subscription",
    "template",
];

/// Artifact accounts that are there everywhere.
const BUILT_IN: [&str; 3] = ["embedded-artifact", "front50ArtifactCredentials", "no-auth-http-account"];

/// Everything that a pipeline needs, in the order in which it names it.
#[must_use]
pub fn find(document: &Value) -> Vec<Need> {
    let mut needs = Needs::default();
    for (at, stage) in objects(document, "stages") {
        needs.stage(stage, &mut format!("/stages/{at}"));
    }
    for (at, trigger) in objects(document, "triggers") {
        needs.trigger(trigger, &format!("/triggers/{at}"));
    }
    if let Some(expected) = document.get("expectedArtifacts") {
        needs.artifacts(expected, &mut "/expectedArtifacts".to_owned());
    }
    let roles = document.get("roles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, role) in roles.iter().enumerate() {
        needs.add("role", role.as_str(), &format!("/roles/{at}"));
    }
    needs.list
}

/// Adds the template that is used and not here.
pub(crate) fn template(document: &Value, wrapper: Wrapper, needs: &mut Vec<Need>) -> Option<String> {
    let reference = document.get("template").map(|template| template.get("reference").unwrap_or(template)).and_then(Value::as_str);
    let name = reference.filter(|_| wrapper == Wrapper::TemplateInstance)?.to_owned();
    needs.push(Need { kind: "template", name: name.clone(), pointers: vec!["/template/reference".to_owned()] });
    Some(name)
}

#[derive(Default)]
struct Needs {
    list: Vec<Need>,
}

fn text<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    object.get(key).and_then(Value::as_str)
}

impl Needs {
    /// What is an expression is known when it runs.
    fn add(&mut self, kind: &'static str, name: Option<&str>, pointer: &str) {
        let Some(name) = name.map(str::trim).filter(|name| !name.is_empty() && !name.contains("${")) else { return };
        match self.list.iter_mut().find(|need| need.kind == kind && need.name == name) {
            Some(need) if need.pointers.len() < POINTERS_MAX => need.pointers.push(pointer.to_owned()),
            Some(_) => {}
            None => self.list.push(Need { kind, name: name.to_owned(), pointers: vec![pointer.to_owned()] }),
        }
    }

    fn stage(&mut self, stage: &Map<String, Value>, pointer: &mut String) {
        let at = |key: &str| format!("{pointer}/{key}");
        for key in ["account", "credentials"] {
            self.add("account", text(stage, key), &at(key));
        }
        for key in ["namespaceOverride", "location", "namespace"] {
            self.add("namespace", text(stage, key), &at(key));
        }
        self.add("ci", text(stage, "master"), &at("master"));
        if text(stage, "type") == Some("pipeline") {
            self.add("pipeline", text(stage, "pipeline"), &at("pipeline"));
            self.add("application", text(stage, "application"), &at("application"));
        }
        for key in ["manifestArtifactAccount", "patchBodyArtifactAccount", "kustomizeArtifactAccount"] {
            self.artifact_account(text(stage, key), &at(key));
        }
        for (key, value) in stage {
            step(pointer, key, |pointer| match key.as_str() {
                "clusters" => self.accounts(value, pointer),
                "manifests" | "manifest" => self.namespaces(value, pointer),
                _ => self.artifacts(value, pointer),
            });
        }
    }

    fn artifact_account(&mut self, name: Option<&str>, pointer: &str) {
        self.add("artifact-account", name.filter(|name| !BUILT_IN.contains(name)), pointer);
    }

    /// Clusters of stages that are older than manifests.
    fn accounts(&mut self, value: &Value, pointer: &mut String) {
        for (index, cluster) in value.as_array().into_iter().flatten().enumerate() {
            for key in ["account", "credentials"] {
                self.add("account", cluster.get(key).and_then(Value::as_str), &format!("{pointer}/{index}/{key}"));
            }
        }
    }

    fn namespaces(&mut self, value: &Value, pointer: &mut String) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    step(pointer, &index.to_string(), |pointer| self.namespaces(item, pointer));
                }
            }
            Value::Object(manifest) => {
                let namespace = manifest.get("metadata").and_then(|m| m.get("namespace")).and_then(Value::as_str);
                self.add("namespace", namespace, &format!("{pointer}/metadata/namespace"));
                if let Some(items) = manifest.get("items") {
                    step(pointer, "items", |pointer| self.namespaces(items, pointer));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Accounts that artifacts are fetched with, at any depth, and the hosts of images.
    fn artifacts(&mut self, value: &Value, pointer: &mut String) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate().filter(|(_, item)| item.is_object() || item.is_array()) {
                    step(pointer, &index.to_string(), |pointer| self.artifacts(item, pointer));
                }
            }
            Value::Object(map) => {
                self.artifact_account(text(map, "artifactAccount"), &format!("{pointer}/artifactAccount"));
                if pointer.contains("/inputArtifact") {
                    self.artifact_account(text(map, "account"), &format!("{pointer}/account"));
                }
                if text(map, "type") == Some("docker/image") {
                    for key in ["name", "reference"] {
                        self.add("registry-host", text(map, key).and_then(host), &format!("{pointer}/{key}"));
                    }
                }
                for (key, item) in map.iter().filter(|(_, item)| item.is_object() || item.is_array()) {
                    step(pointer, key, |pointer| self.artifacts(item, pointer));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn trigger(&mut self, trigger: &Map<String, Value>, pointer: &str) {
        let at = |key: &str| format!("{pointer}/{key}");
        match text(trigger, "type").unwrap_or_default() {
            "docker" => {
                self.add("registry", text(trigger, "account"), &at("account"));
                self.add("registry-host", text(trigger, "registry"), &at("registry"));
            }
            "helm" => self.artifact_account(text(trigger, "account"), &at("account")),
            "pubsub" => self.add("subscription", text(trigger, "subscriptionName"), &at("subscriptionName")),
            "pipeline" => {
                self.add("pipeline", text(trigger, "pipeline"), &at("pipeline"));
                self.add("application", text(trigger, "application"), &at("application"));
            }
            "jenkins" | "travis" | "concourse" | "gitlab-ci" | "wercker" => self.add("ci", text(trigger, "master"), &at("master")),
            _ => {}
        }
        self.add("user", text(trigger, "runAsUser"), &at("runAsUser"));
    }
}

/// The registry's host of an image's name; none for one of the public hub.
fn host(image: &str) -> Option<&str> {
    let (first, _) = image.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

/// Other names for what pipelines need, such as `account=prod:my-prod`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping(Vec<(&'static str, String, String)>);

/// Why a text is no mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no mapping: {message}")]
pub struct InvalidMapping {
    /// The text.
    pub text: String,
    /// For people.
    pub message: String,
}

impl Mapping {
    /// Adds one of the form `KIND=FROM:TO`; a colon within a name is written `\:`.
    pub fn add(&mut self, text: &str) -> Result<(), InvalidMapping> {
        let wrong = |message: String| InvalidMapping { text: text.to_owned(), message };
        let (kind, names) = text.split_once('=').ok_or_else(|| wrong("it is of the form KIND=FROM:TO".to_owned()))?;
        let kind = KINDS.iter().find(|known| **known == kind.trim()).ok_or_else(|| wrong(format!("the kinds are {}", KINDS.join(", "))))?;
        let hidden = names.replace("\\:", "\u{0}");
        let parts: Vec<String> = hidden.split(':').map(|part| part.replace('\u{0}', ":")).collect();
        let [from, to] = parts.as_slice() else {
            return Err(wrong("it is of the form KIND=FROM:TO, a colon within a name written \\:".to_owned()));
        };
        if from.is_empty() || to.is_empty() {
            return Err(wrong("a name is empty".to_owned()));
        }
        if self.0.iter().any(|(known, name, _)| known == kind && name == from) {
            return Err(wrong(format!("`{from}` has another name already")));
        }
        self.0.push((kind, from.clone(), to.clone()));
        Ok(())
    }

    /// Reads several.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, InvalidMapping> {
        let mut mapping = Self::default();
        for text in texts {
            mapping.add(text)?;
        }
        Ok(mapping)
    }

    /// Gives what is needed its other name; says how often.
    pub fn apply(&self, document: &mut Value) -> usize {
        let mut changed = 0;
        if self.0.is_empty() {
            return changed;
        }
        for need in find(document) {
            let Some((_, from, to)) = self.0.iter().find(|(kind, from, _)| *kind == need.kind && *from == need.name) else { continue };
            for pointer in &need.pointers {
                let Some(Value::String(text)) = document.pointer_mut(pointer) else { continue };
                let rest = text.trim().strip_prefix(from.as_str()).map(str::to_owned);
                if let Some(rest) = rest.filter(|rest| rest.is_empty() || (need.kind == "registry-host" && rest.starts_with('/'))) {
                    *text = format!("{to}{rest}");
                    changed += 1;
                }
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "roles": ["ops"],
            "triggers": [{"type": "docker", "account": "hub", "registry": "r.io:5000", "repository": "web", "runAsUser": "robot"},
                {"type": "pipeline", "application": "base", "pipeline": "p-1"}],
            "expectedArtifacts": [{"id": "a", "matchArtifact": {"type": "docker/image", "name": "r.io:5000/web", "artifactAccount": "docker-registry"}}],
            "stages": [
                {"type": "deployManifest", "account": "prod", "namespaceOverride": "web", "manifestArtifactAccount": "embedded-artifact",
                 "manifests": [{"metadata": {"namespace": "other"}}, {"kind": "List", "items": [{"metadata": {"namespace": "web"}}]}]},
                {"type": "bakeManifest", "inputArtifacts": [{"account": "gcs", "id": "x"}]},
                {"type": "wait", "account": "${parameters.where}"},
                {"type": "deploy", "clusters": [{"account": "prod"}]},
            ]
        })
    }

    #[test]
    fn everything_that_is_needed_is_listed_with_its_places() {
        let found: Vec<_> =
            find(&document()).into_iter().map(|need| format!("{} {} {}", need.kind, need.name, need.pointers.join(" "))).collect();
        assert_eq!(
            found,
            [
                "account prod /stages/0/account /stages/3/clusters/0/account",
                "namespace web /stages/0/namespaceOverride /stages/0/manifests/1/items/0/metadata/namespace",
                "namespace other /stages/0/manifests/0/metadata/namespace",
                "artifact-account gcs /stages/1/inputArtifacts/0/account",
                "registry hub /triggers/0/account",
                "registry-host r.io:5000 /triggers/0/registry /expectedArtifacts/0/matchArtifact/name",
                "user robot /triggers/0/runAsUser",
                "pipeline p-1 /triggers/1/pipeline",
                "application base /triggers/1/application",
                "artifact-account docker-registry /expectedArtifacts/0/matchArtifact/artifactAccount",
                "role ops /roles/0",
            ]
        );
    }

    #[test]
    fn other_names_are_given_everywhere() {
        let mapping = Mapping::parse(["account=prod:my-prod", "registry-host=r.io\\:5000:new.io", "namespace=web:shop"]).unwrap();
        let mut document = document();
        assert_eq!(mapping.apply(&mut document), 6);
        assert_eq!(document["stages"][3]["clusters"][0]["account"], "my-prod");
        assert_eq!(document["expectedArtifacts"][0]["matchArtifact"]["name"], "new.io/web");
        assert_eq!(document["stages"][0]["namespaceOverride"], "shop");
        assert_eq!(mapping.apply(&mut document), 0, "a second time changes nothing");
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        let wrong = |text: &str| Mapping::parse([text]).unwrap_err().message;
        assert!(wrong("prod:my").contains("KIND=FROM:TO"));
        assert!(wrong("cluster=a:b").contains("the kinds are"));
        assert!(wrong("account=a").contains("KIND=FROM:TO"));
        assert!(wrong("account=a:b:c").contains("colon"));
        assert!(wrong("account=:b").contains("empty"));
        assert!(Mapping::parse(["account=a:b", "account=a:c"]).unwrap_err().message.contains("already"));
    }
}
