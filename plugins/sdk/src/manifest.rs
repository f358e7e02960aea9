//! Manifests as a stage is given them: lists taken apart, every problem found with its place, nothing sent anywhere.

use serde_json::{Map, Value, json};

use crate::contract::{Failure, ObjectRef};
use crate::fields::{self, pointer};

/// How many objects one stage may hold.
pub const OBJECTS_MAX: usize = 500;
/// How large one object may be as JSON.
pub const MANIFEST_BYTES_MAX: usize = 1024 * 1024;
/// How deep lists may lie in lists.
pub const LIST_DEPTH_MAX: usize = 8;
const PROBLEMS_SHOWN_MAX: usize = 5;
const PROBLEMS_MAX: usize = 100;

/// What is wrong with a field of the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable, kebab-case.
    pub code: &'static str,
    /// Where, as a JSON pointer into the stage.
    pub pointer: String,
    /// What, for people.
    pub message: String,
}

impl Problem {
    /// A problem at a pointer.
    pub fn new(code: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, pointer: pointer.into(), message: message.into() }
    }
}

/// Problems as one failure: the first one's code, the first few in words, all of them in the details.
pub fn failure(problems: &[Problem]) -> Failure {
    let shown: Vec<_> =
        problems.iter().take(PROBLEMS_SHOWN_MAX).map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect();
    let mut message = shown.join("; ");
    if problems.len() > PROBLEMS_SHOWN_MAX {
        message = format!("{message}; and {} more", problems.len() - PROBLEMS_SHOWN_MAX);
    }
    let code = problems.first().map_or("manifest-invalid", |problem| problem.code);
    let all: Vec<_> =
        problems.iter().map(|problem| json!({"code": problem.code, "pointer": problem.pointer, "message": problem.message})).collect();
    Failure::user(code, message).with_details(&json!({ "problems": all }))
}

/// One object, and where in the stage it stood.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// JSON pointer into the stage, through lists.
    pub pointer: String,
    /// The object itself.
    pub body: Map<String, Value>,
}

impl Manifest {
    /// `apiVersion`, empty when it has none.
    pub fn api_version(&self) -> &str {
        fields::text(&self.body, "apiVersion").unwrap_or_default()
    }

    /// `kind`, empty when it has none.
    pub fn kind(&self) -> &str {
        fields::text(&self.body, "kind").unwrap_or_default()
    }

    /// `metadata.name`, empty when it has none.
    pub fn name(&self) -> &str {
        self.metadata("name").unwrap_or_default()
    }

    /// `metadata.generateName`, when that is what names the object.
    pub fn generate_name(&self) -> Option<&str> {
        if self.name().is_empty() { self.metadata("generateName") } else { None }
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata("namespace")
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        fields::section(&self.body, "metadata").and_then(|metadata| fields::text(metadata, key))
    }

    /// An annotation of the object.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let metadata = fields::section(&self.body, "metadata")?;
        fields::section(metadata, "annotations").and_then(|annotations| fields::text(annotations, key))
    }

    /// `metadata`, made when there is none.
    pub fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        section_mut(&mut self.body, "metadata")
    }

    /// `spec.template.metadata`, when the object has a pod template.
    pub fn template_metadata_mut(&mut self) -> Option<&mut Map<String, Value>> {
        let template = self.body.get_mut("spec")?.get_mut("template")?;
        template.get_mut("metadata")?.as_object_mut()
    }

    /// What the API calls the object.
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef {
            api_version: self.api_version().to_owned(),
            kind: self.kind().to_owned(),
            name: self.name().to_owned(),
            namespace: self.namespace().map(str::to_owned),
        }
    }

    /// The object as JSON text.
    pub fn to_json(&self) -> String {
        Value::Object(self.body.clone()).to_string()
    }

    /// Drops what only a server writes, which manifests pasted from live objects carry and an apply would refuse.
    pub fn drop_server_fields(&mut self) {
        self.body.remove("status");
        let metadata = self.metadata_mut();
        for key in ["managedFields", "creationTimestamp", "generation", "resourceVersion", "selfLink", "uid"] {
            metadata.remove(key);
        }
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            annotations.remove("deployment.kubernetes.io/revision");
        }
    }
}

/// An object below a key, made when there is none or something else.
pub fn section_mut<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key.to_owned()).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(section) => section,
        _ => unreachable!("it was made an object just above"),
    }
}

/// All objects of a stage in the order they were given, lists taken apart.
///
/// They come from `manifests` (a list, one object, or text holding either as JSON) or the older `manifest`.
///
/// # Errors
/// Every problem found, at most a hundred.
pub fn collect(stage: &Map<String, Value>) -> Result<Vec<Manifest>, Vec<Problem>> {
    let mut split = Split::default();
    match source(stage) {
        Some((key, value)) => split.root(&format!("/{key}"), value),
        None => split.problem("no-manifests", "/manifests", "there is no manifest"),
    }
    if split.objects.len() > OBJECTS_MAX {
        let count = split.objects.len();
        split.problem("too-many-objects", "/manifests", &format!("{count} objects; {OBJECTS_MAX} are allowed"));
    }
    if split.objects.is_empty() && split.problems.is_empty() {
        split.problem("no-manifests", "/manifests", "there is no manifest");
    }
    if split.problems.is_empty() { Ok(split.objects) } else { Err(split.problems) }
}

/// The field that holds the manifests.
pub fn source(stage: &Map<String, Value>) -> Option<(&'static str, &Value)> {
    let given = |key: &'static str| stage.get(key).filter(|value| !value.is_null()).map(|value| (key, value));
    match (given("manifests"), given("manifest")) {
        (Some((_, Value::Array(list))), older @ Some(_)) if list.is_empty() => older,
        (Some(newer), _) => Some(newer),
        (None, older) => older,
    }
}

#[derive(Default)]
struct Split {
    objects: Vec<Manifest>,
    problems: Vec<Problem>,
}

impl Split {
    fn problem(&mut self, code: &'static str, pointer: &str, message: &str) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem::new(code, pointer, message));
        }
    }

    fn root(&mut self, at: &str, value: &Value) {
        match value {
            Value::Array(items) => self.items(at, items, 0),
            Value::String(text) => match serde_json::from_str(text) {
                Ok(Value::Array(items)) => self.items(at, &items, 0),
                Ok(parsed @ Value::Object(_)) => self.value(at, &parsed, 0),
                Ok(_) => self.problem("manifest-not-object", at, "the text is JSON, but neither object nor list"),
                Err(_) if fields::unresolved(value) => {
                    self.problem("manifests-unreadable", at, "the text holds an expression that was not resolved");
                }
                Err(error) => {
                    self.problem("manifests-unreadable", at, &format!("the text is not JSON: {error}"));
                }
            },
            other => self.value(at, other, 0),
        }
    }

    fn items(&mut self, at: &str, items: &[Value], depth: usize) {
        for (index, item) in items.iter().enumerate() {
            self.value(&format!("{at}/{index}"), item, depth);
        }
    }

    fn value(&mut self, at: &str, value: &Value, depth: usize) {
        let Value::Object(body) = value else {
            return self.problem("manifest-not-object", at, "a manifest is a JSON object");
        };
        match list_items(body) {
            Some(_) if depth >= LIST_DEPTH_MAX => {
                self.problem("manifest-invalid", at, "lists lie too deep in lists");
            }
            Some(items) => self.items(&pointer(at, "items"), items, depth + 1),
            None => self.object(at, body),
        }
    }

    fn object(&mut self, at: &str, body: &Map<String, Value>) {
        let manifest = Manifest { pointer: at.to_owned(), body: body.clone() };
        self.check(&manifest);
        // One beyond the limit is enough to know that there are too many.
        if self.objects.len() <= OBJECTS_MAX {
            self.objects.push(manifest);
        }
    }

    fn check(&mut self, manifest: &Manifest) {
        let at = &manifest.pointer;
        if manifest.api_version().is_empty() {
            self.problem("manifest-invalid", &pointer(at, "apiVersion"), "a manifest needs an apiVersion");
        }
        if manifest.kind().is_empty() {
            self.problem("manifest-invalid", &pointer(at, "kind"), "a manifest needs a kind");
        }
        let metadata = manifest.body.get("metadata");
        if metadata.is_some_and(|value| !value.is_object()) {
            self.problem("manifest-invalid", &pointer(at, "metadata"), "metadata is an object");
        } else if manifest.name().is_empty() && manifest.generate_name().is_none() {
            self.problem("manifest-invalid", &format!("{at}/metadata/name"), "a manifest needs a name");
        }
        for key in ["labels", "annotations"] {
            if metadata.and_then(|m| m.get(key)).is_some_and(|v| !v.is_object() && !v.is_null()) {
                let message = format!("{key} are an object of texts");
                self.problem("manifest-invalid", &format!("{at}/metadata/{key}"), &message);
            }
        }
        let bytes = manifest.to_json().len();
        if bytes > MANIFEST_BYTES_MAX {
            let message = format!("{bytes} bytes; a manifest may have {MANIFEST_BYTES_MAX}");
            self.problem("manifest-too-large", at, &message);
        }
    }
}

/// The items of a `List`, or of a typed list such as `ConfigMapList`.
fn list_items(body: &Map<String, Value>) -> Option<&[Value]> {
    let kind = fields::text(body, "kind")?;
    let named = fields::section(body, "metadata").is_some_and(|metadata| fields::text(metadata, "name").is_some());
    let items = body.get("items").and_then(Value::as_array).map(Vec::as_slice);
    match items {
        None if kind == "List" => Some(&[]),
        Some(items) if kind == "List" || (kind.ends_with("List") && !named) => Some(items),
        _ => None,
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
