//! Manifests as objects: parsed once, and the parsed form is what is checked and what is sent.
//!
//! Never asks whether something is allowed; that is `gate`'s.

use crate::bindings::waybill::stage::kubernetes::Error;
use crate::names;
use crate::strict;
use serde_json::{Map, Value};

/// Longest text of one manifest.
pub(crate) const MANIFEST_BYTES_MAX: usize = 1 << 20;
/// Most objects of one call, those inside lists included.
pub(crate) const OBJECTS_MAX: usize = 500;

/// One object of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    /// What is sent.
    pub(crate) value: Value,
    /// `apps/v1`, ….
    pub(crate) api_version: String,
    /// `apps`, or nothing for the core group.
    pub(crate) group: String,
    /// `Deployment`, ….
    pub(crate) kind: String,
    /// None when only its beginning is given.
    pub(crate) name: Option<String>,
    /// As the manifest says, and once checked as it is sent.
    pub(crate) namespace: Option<String>,
}

/// What one manifest holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// One object, or those of a list in its order.
    pub(crate) objects: Vec<Object>,
    /// It was a `List`.
    pub(crate) is_list: bool,
}

/// Reads a manifest.
pub(crate) fn parse(text: &str) -> Result<Manifest, Error> {
    if text.len() > MANIFEST_BYTES_MAX {
        return Err(Error::TooLarge(MANIFEST_BYTES_MAX as u64));
    }
    let value = strict::parse(text).map_err(|e| invalid("the manifest", &format!("cannot be read: {e}")))?;
    let Value::Object(map) = value else { return Err(invalid("the manifest", "is not an object")) };
    match map.get("items") {
        Some(Value::Array(_)) if text_of(&map, "kind").is_some_and(|k| k.ends_with("List")) => list(map),
        _ => Ok(Manifest { objects: vec![object(map, "the manifest")?], is_list: false }),
    }
}

fn list(mut map: Map<String, Value>) -> Result<Manifest, Error> {
    let Some(Value::Array(items)) = map.remove("items") else { return Err(invalid("the list", "has no items")) };
    if items.len() > OBJECTS_MAX {
        return Err(Error::Denied(format!("a list of more than {OBJECTS_MAX} objects is always denied")));
    }
    let mut objects = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let what = format!("item {at} of the list");
        let Value::Object(item) = item else { return Err(invalid(&what, "is not an object")) };
        if item.contains_key("items") && text_of(&item, "kind").is_some_and(|k| k.ends_with("List")) {
            return Err(invalid(&what, "is a list itself"));
        }
        objects.push(object(item, &what)?);
    }
    Ok(Manifest { objects, is_list: true })
}

fn object(map: Map<String, Value>, what: &str) -> Result<Object, Error> {
    let api_version = text_of(&map, "apiVersion").ok_or_else(|| invalid(what, "has no apiVersion"))?.to_owned();
    let kind = text_of(&map, "kind").ok_or_else(|| invalid(what, "has no kind"))?.to_owned();
    let (group, _) =
        names::group_version(&api_version).ok_or_else(|| invalid(what, &format!("has {api_version:?}, which is no apiVersion")))?;
    if !names::is_kind(&kind) {
        return Err(invalid(what, &format!("has {kind:?}, which is no kind")));
    }
    let group = group.to_owned();
    let Some(Value::Object(metadata)) = map.get("metadata") else { return Err(invalid(what, "has no metadata")) };
    let name = optional(metadata, "name", names::is_name, what)?;
    if name.is_none() && optional(metadata, "generateName", names::is_generate_name, what)?.is_none() {
        return Err(invalid(what, "has no name"));
    }
    let namespace = optional(metadata, "namespace", names::is_namespace, what)?;
    Ok(Object { value: Value::Object(map), api_version, group, kind, name, namespace })
}

/// A text that is absent, null or empty, or fits.
fn optional(map: &Map<String, Value>, key: &str, fits: fn(&str) -> bool, what: &str) -> Result<Option<String>, Error> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if fits(text) => Ok(Some(text.clone())),
        Some(other) => Err(invalid(what, &format!("has {other} as metadata.{key}, which it cannot be"))),
    }
}

fn text_of<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}

fn invalid(what: &str, why: &str) -> Error {
    Error::Invalid(format!("{what} {why}"))
}

impl Object {
    /// How messages name it.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.kind, self.name.as_deref().unwrap_or("without name"))
    }

    /// The `type` of a Secret.
    pub(crate) fn secret_type(&self) -> Option<&str> {
        if self.group.is_empty() && self.kind == "Secret" { self.value.get("type").and_then(Value::as_str) } else { None }
    }

    /// The beginning of its name.
    pub(crate) fn generate_name(&self) -> Option<&str> {
        self.value.pointer("/metadata/generateName").and_then(Value::as_str)
    }

    /// Sets a text in its metadata.
    pub(crate) fn set_metadata(&mut self, key: &str, text: &str) {
        if let Some(Value::Object(metadata)) = self.value.get_mut("metadata") {
            metadata.insert(key.to_owned(), Value::String(text.to_owned()));
        }
    }

    /// Removes a key from its metadata.
    pub(crate) fn remove_metadata(&mut self, key: &str) {
        if let Some(Value::Object(metadata)) = self.value.get_mut("metadata") {
            metadata.remove(key);
        }
    }

    /// Sets an annotation.
    pub(crate) fn annotate(&mut self, key: &str, text: &str) {
        let Some(Value::Object(metadata)) = self.value.get_mut("metadata") else { return };
        let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
        if !annotations.is_object() {
            *annotations = Value::Object(Map::new());
        }
        if let Value::Object(annotations) = annotations {
            annotations.insert(key.to_owned(), Value::String(text.to_owned()));
        }
    }
}

/// A live object as a component may see it: a Secret without its data, and without the copy that client-side apply keeps.
pub(crate) fn shown(mut value: Value) -> Value {
    let is_secret = value.get("kind").and_then(Value::as_str) == Some("Secret");
    if let (true, Value::Object(map)) = (is_secret, &mut value) {
        map.remove("data");
        map.remove("stringData");
        if let Some(Value::Object(annotations)) = map.get_mut("metadata").and_then(|m| m.get_mut("annotations")) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    value
}

/// Cuts an object down to some fields: JSON pointers, or paths with dots. Its identity always stays; no fields mean all.
pub(crate) fn masked(value: Value, fields: &[String]) -> Value {
    if fields.is_empty() {
        return value;
    }
    let mut kept = Value::Object(Map::new());
    let identity = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/uid", "/metadata/resourceVersion"];
    for path in identity.into_iter().chain(fields.iter().map(String::as_str)) {
        copy(&value, &mut kept, &steps(path));
    }
    kept
}

fn steps(path: &str) -> Vec<String> {
    match path.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|s| s.replace("~1", "/").replace("~0", "~")).collect(),
        None => path.split('.').map(str::to_owned).collect(),
    }
}

/// Copies what lies on a path; through a list it goes to every item.
fn copy(from: &Value, to: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else {
        *to = from.clone();
        return;
    };
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let Some(inner) = from.get(first) else { return };
            if !rest.is_empty() && !inner.is_object() && !inner.is_array() {
                return;
            }
            let blank = if rest.is_empty() { Value::Null } else { blank_like(inner) };
            copy(inner, to.entry(first.clone()).or_insert(blank), rest);
        }
        (Value::Array(from), Value::Array(to)) => {
            to.resize(from.len(), Value::Null);
            for (from, to) in from.iter().zip(to) {
                if to.is_null() {
                    *to = blank_like(from);
                }
                copy(from, to, path);
            }
        }
        _ => {}
    }
}

fn blank_like(value: &Value) -> Value {
    match value {
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(manifest: &Value, why: &str) {
        match parse(&manifest.to_string()) {
            Err(Error::Invalid(text) | Error::Denied(text)) => assert!(text.contains(why), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_object_is_taken_apart() {
        let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "a"}});
        let parsed = parse(&value.to_string()).unwrap();
        let expected = Object {
            value,
            api_version: "apps/v1".into(),
            group: "apps".into(),
            kind: "Deployment".into(),
            name: Some("web".into()),
            namespace: Some("a".into()),
        };
        assert_eq!(parsed, Manifest { objects: vec![expected], is_list: false });
    }

    #[test]
    fn what_is_no_object_is_refused() {
        refused(&json!([]), "not an object");
        refused(&json!({"kind": "Pod", "metadata": {"name": "a"}}), "no apiVersion");
        refused(&json!({"apiVersion": "v1", "metadata": {"name": "a"}}), "no kind");
        refused(&json!({"apiVersion": "v1/../x", "kind": "Pod", "metadata": {"name": "a"}}), "no apiVersion");
        refused(&json!({"apiVersion": "v1", "kind": "Рod", "metadata": {"name": "a"}}), "no kind");
        refused(&json!({"apiVersion": "v1", "kind": "Pod"}), "no metadata");
        refused(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}}), "no name");
        refused(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "../secrets/x"}}), "cannot be");
        refused(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": ["kube-system"]}}), "cannot be");
        assert!(matches!(parse(r#"{"kind":"Pod","kind":"Role"}"#), Err(Error::Invalid(_))));
        assert_eq!(parse(&" ".repeat(MANIFEST_BYTES_MAX + 1)), Err(Error::TooLarge(MANIFEST_BYTES_MAX as u64)));
    }

    #[test]
    fn lists_are_opened_one_level_deep() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [pod, pod]});
        let parsed = parse(&list.to_string()).unwrap();
        assert!(parsed.is_list && parsed.objects.len() == 2);
        refused(&json!({"apiVersion": "v1", "kind": "List", "items": [list]}), "a list itself");
        refused(&json!({"apiVersion": "v1", "kind": "PodList", "items": [1]}), "not an object");
        refused(&json!({"apiVersion": "v1", "kind": "List", "items": vec![pod; 501]}), "500");
    }

    #[test]
    fn a_secret_is_shown_without_its_data() {
        let last = "kubectl.kubernetes.io/last-applied-configuration";
        let secret =
            json!({"kind": "Secret", "data": {"a": "eA=="}, "stringData": {"b": "x"}, "metadata": {"annotations": {last: "x", "k": "v"}}});
        assert_eq!(shown(secret), json!({"kind": "Secret", "metadata": {"annotations": {"k": "v"}}}));
        let map = json!({"kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(shown(map.clone()), map);
    }

    #[test]
    fn fields_are_copied_and_the_identity_stays() {
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x.y/z": "1", "b": "2"}},
            "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d"}], "x": 1}, "status": {"phase": "Running"}});
        let fields = ["spec.containers.name".to_owned(), "/metadata/labels/x.y~1z".to_owned(), "status.no".to_owned()];
        let expected = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x.y/z": "1"}},
            "spec": {"containers": [{"name": "c"}, {"name": "d"}]}, "status": {}});
        assert_eq!(masked(value.clone(), &fields), expected);
        assert_eq!(masked(value.clone(), &[]), value);
    }
}
