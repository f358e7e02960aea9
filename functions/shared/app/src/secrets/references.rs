//! References to secrets in what a pipeline says: found, and held against the places where a reference is replaced.
//!
//! A reference is a text that is `secret://NAME` and nothing else. Pure, but for the look whether a secret is there.

use super::exists;
use crate::error::AppError;
use crate::ports::Table;
use import::secrets::REFERENCE_PREFIX;
use model::id::AppName;
use model::problem::{Problem, Problems, token};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The code of a reference in a place where nothing would replace it.
pub const UNSERVED: &str = "secret-reference-unserved";
/// The code of a reference to a secret that is not there.
pub const UNKNOWN: &str = "secret-unknown";
/// What a person reads of an unserved place.
pub(super) const PLACES: &str = "only the values of a Secret's `data` and `stringData` and of containers' `env` are replaced";

/// A reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it stands.
    pub pointer: String,
    /// The secret's name.
    pub name: String,
    /// It is replaced when the object is sent to a cluster.
    pub served: bool,
}

/// The references in an object of Kubernetes.
#[must_use]
pub fn in_object(object: &Value) -> Vec<Reference> {
    let mut look = Look::default();
    look.manifest(object);
    look.found
}

/// Names of all secrets that a text somewhere in these settings speaks of.
#[must_use]
pub fn named(settings: &Map<String, Value>) -> BTreeSet<String> {
    fn texts(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => {
                for (at, _) in text.match_indices(REFERENCE_PREFIX) {
                    let rest = text.get(at + REFERENCE_PREFIX.len()..).unwrap_or_default();
                    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(rest.len());
                    names.extend(rest.get(..end).filter(|name| !name.is_empty()).map(str::to_owned));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| texts(item, names)),
            Value::Object(map) => map.values().for_each(|item| texts(item, names)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut names = BTreeSet::new();
    settings.values().for_each(|value| texts(value, &mut names));
    names
}

/// The references in what a start reads of a pipeline's document, with their places in it.
#[must_use]
pub fn in_pipeline(document: &Value) -> Vec<Reference> {
    let mut look = Look::default();
    for key in ["parameterConfig", "expectedArtifacts"] {
        if let Some(value) = document.get(key) {
            look.step(key, |look| look.any(value));
        }
    }
    let stages = document.get("stages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    look.step("stages", |look| {
        for (at, stage) in stages.iter().enumerate() {
            look.step(&at.to_string(), |look| look.stage(stage));
        }
    });
    look.found
}

/// What there is to say of references that nothing would replace: they refuse a start.
#[must_use]
pub fn unserved(document: &Value) -> Vec<Problem> {
    let unserved = in_pipeline(document).into_iter().filter(|reference| !reference.served);
    unserved
        .map(|Reference { pointer, name, .. }| Problem { pointer, code: UNSERVED.to_owned(), message: as_text(&name), warning: true })
        .collect()
}

fn as_text(name: &str) -> String {
    format!("the reference to the secret `{name}` would be passed on as a text here: {PLACES}")
}

/// Refuses a start that would pass a reference on as it stands, or whose secret is not there: everything at once.
pub(crate) async fn check(table: &dyn Table, application: &AppName, references: &[Reference]) -> Result<(), AppError> {
    if references.is_empty() {
        return Ok(());
    }
    let mut problems = Problems::default();
    let mut there: BTreeMap<&str, bool> = BTreeMap::new();
    for Reference { pointer, name, served } in references {
        if !served {
            problems.error(pointer, UNSERVED, as_text(name));
            continue;
        }
        if !there.contains_key(name.as_str()) {
            there.insert(name, exists(table, application, name).await?);
        }
        if there.get(name.as_str()) == Some(&false) {
            problems.error(pointer, UNKNOWN, format!("application {application} has no secret `{name}`"));
        }
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(()) }
}

#[derive(Default)]
struct Look {
    found: Vec<Reference>,
    pointer: String,
}

impl Look {
    fn step(&mut self, key: &str, go: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&token(key));
        go(self);
        self.pointer.truncate(length);
    }

    fn text(&mut self, value: &Value, served: bool) {
        let name = value.as_str().and_then(|text| text.trim().strip_prefix(REFERENCE_PREFIX));
        if let Some(name) = name {
            self.found.push(Reference { pointer: self.pointer.clone(), name: name.to_owned(), served });
        }
    }

    fn any(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.step(&at.to_string(), |look| look.any(item));
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    self.step(key, |look| look.any(item));
                }
            }
            text => self.text(text, false),
        }
    }

    fn stage(&mut self, stage: &Value) {
        let Value::Object(map) = stage else { return };
        let deploys = map.get("type").and_then(Value::as_str) == Some("deployManifest");
        for (key, value) in map {
            self.step(key, |look| match value {
                Value::Array(manifests) if deploys && key == "manifests" => {
                    for (at, manifest) in manifests.iter().enumerate() {
                        look.step(&at.to_string(), |look| look.manifest(manifest));
                    }
                }
                value => look.any(value),
            });
        }
    }

    /// An object, or a list of objects.
    fn manifest(&mut self, value: &Value) {
        let Value::Object(map) = value else { return self.any(value) };
        let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
        for (key, value) in map {
            self.step(key, |look| match (key.as_str(), value) {
                ("data" | "stringData", Value::Object(entries)) if kind == "Secret" => {
                    for (key, entry) in entries {
                        look.step(key, |look| look.text(entry, true));
                    }
                }
                ("items", Value::Array(items)) if kind.ends_with("List") => {
                    for (at, item) in items.iter().enumerate() {
                        look.step(&at.to_string(), |look| look.manifest(item));
                    }
                }
                _ => look.within(value),
            });
        }
    }

    /// What lies within an object: an `env` may be anywhere where there are containers.
    fn within(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.step(&at.to_string(), |look| look.within(item));
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    self.step(key, |look| match item {
                        Value::Array(variables) if key == "env" => look.variables(variables),
                        item => look.within(item),
                    });
                }
            }
            text => self.text(text, false),
        }
    }

    fn variables(&mut self, variables: &[Value]) {
        for (at, variable) in variables.iter().enumerate() {
            self.step(&at.to_string(), |look| match variable {
                Value::Object(map) => {
                    for (key, value) in map {
                        let served = key == "value" && map.contains_key("name") && value.is_string();
                        look.step(key, |look| if served { look.text(value, true) } else { look.any(value) });
                    }
                }
                other => look.any(other),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(document: &Value) -> Vec<String> {
        let sign = |served| if served { "" } else { "!" };
        in_pipeline(document).into_iter().map(|r| format!("{}{} {}", sign(r.served), r.pointer, r.name)).collect()
    }

    #[test]
    fn where_a_reference_is_served() {
        let container = json!({"name": "c", "env": [{"name": "A", "value": "secret://a"}, {"name": "secret://b"}], "args": ["secret://c"]});
        let document = json!({
        "description": "secret://not-read",
        "parameterConfig": [{"name": "p", "default": "secret://p"}],
        "stages": [
            {"type": "deployManifest", "account": "secret://x", "manifests": [
                {"kind": "Secret", "data": {"k": "secret://d"}, "stringData": {"k": "secret://s", "n": 1}, "type": "secret://t"},
                {"kind": "List", "items": [{"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}]},
                {"kind": "ConfigMap", "data": {"k": "secret://m", "other": "see secret://m"}},
                "secret://text"]},
            {"type": "webhook", "customHeaders": {"Authorization": "secret://h"}}
        ]});
        assert_eq!(
            told(&document),
            [
                "!/parameterConfig/0/default p",
                "!/stages/0/account x",
                "/stages/0/manifests/0/data/k d",
                "/stages/0/manifests/0/stringData/k s",
                "!/stages/0/manifests/0/type t",
                "/stages/0/manifests/1/items/0/spec/template/spec/containers/0/env/0/value a",
                "!/stages/0/manifests/1/items/0/spec/template/spec/containers/0/env/1/name b",
                "!/stages/0/manifests/1/items/0/spec/template/spec/containers/0/args/0 c",
                "!/stages/0/manifests/2/data/k m",
                "!/stages/0/manifests/3 text",
                "!/stages/1/customHeaders/Authorization h",
            ]
        );
    }

    #[test]
    fn what_settings_speak_of() {
        let settings = json!({"a": "x secret://one,secret://two.3", "b": [{"c": "secret://one"}], "d": "secret://"});
        assert_eq!(named(settings.as_object().unwrap()).into_iter().collect::<Vec<_>>(), ["one", "two.3"]);
    }
}
