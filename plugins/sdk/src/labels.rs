//! The labels every deployed object carries, and label selectors as text.

use serde_json::{Map, Value};

use crate::manifest::{Manifest, section_mut};

/// The label that names the application.
pub const APP_NAME: &str = "app.kubernetes.io/name";
/// The label that names who manages the object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Our value of [`MANAGED_BY`].
pub const MANAGER: &str = "waybill";
const VALUE_CHARS_MAX: usize = 63;

/// Labels an object, and its pod template unless told otherwise. An application's name is written where there is none;
/// the manager always, but in a pod template only where there is none, so that taking over a workload restarts nothing.
pub fn label(manifest: &mut Manifest, application: &str, skip_template: bool) {
    let labels = section_mut(manifest.metadata_mut(), "labels");
    if_absent(labels, APP_NAME, application);
    labels.insert(MANAGED_BY.to_owned(), Value::String(MANAGER.to_owned()));
    if skip_template {
        return;
    }
    if let Some(metadata) = manifest.template_metadata_mut() {
        let labels = section_mut(metadata, "labels");
        if_absent(labels, APP_NAME, application);
        if_absent(labels, MANAGED_BY, MANAGER);
    }
}

fn if_absent(labels: &mut Map<String, Value>, key: &str, value: &str) {
    if labels.get(key).is_none_or(Value::is_null) && is_value(value) {
        labels.insert(key.to_owned(), Value::String(value.to_owned()));
    }
}

/// Whether the API takes a text as a label's value. An application's name need not be one, and then goes unlabelled.
pub fn is_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= VALUE_CHARS_MAX
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The labels a workload's `spec.selector.matchLabels` asks for, in the one form selectors are compared in: sorted
/// `key=value`, separated by commas. `None` when it has none.
pub fn pod_selector(object: &Map<String, Value>) -> Option<String> {
    let labels = object.get("spec")?.get("selector")?.get("matchLabels")?.as_object()?;
    let mut pairs: Vec<_> = labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    pairs.sort();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn labelled(metadata: Value, template: Value, skip: bool) -> Value {
        let body = json!({"metadata": metadata, "spec": {"template": {"metadata": template}}});
        let mut manifest = Manifest { pointer: String::new(), body: body.as_object().unwrap().clone() };
        label(&mut manifest, "flaskapp", skip);
        Value::Object(manifest.body)
    }

    #[test]
    fn objects_and_templates_are_labelled() {
        let body = labelled(json!({"name": "a"}), json!({}), false);
        let expected = json!({APP_NAME: "flaskapp", MANAGED_BY: MANAGER});
        assert_eq!(body["metadata"]["labels"], expected);
        assert_eq!(body["spec"]["template"]["metadata"]["labels"], expected);
    }

    #[test]
    fn a_template_keeps_its_manager_and_an_object_does_not() {
        let theirs = json!({"labels": {MANAGED_BY: "spinnaker", APP_NAME: "mine"}});
        let body = labelled(theirs.clone(), theirs, false);
        assert_eq!(body["metadata"]["labels"], json!({MANAGED_BY: MANAGER, APP_NAME: "mine"}));
        assert_eq!(body["spec"]["template"]["metadata"]["labels"], json!({MANAGED_BY: "spinnaker", APP_NAME: "mine"}));
    }

    #[test]
    fn templates_can_be_left_alone() {
        let body = labelled(json!({}), json!({}), true);
        assert_eq!(body["spec"]["template"]["metadata"], json!({}));
    }

    #[test]
    fn what_is_no_label_value_is_not_written() {
        assert!(is_value("flask-app.v2"));
        for text in ["", "-a", "a.", "a b", "应用", &"a".repeat(64)] {
            assert!(!is_value(text), "{text}");
        }
    }

    #[test]
    fn selectors_have_one_form() {
        let object = json!({"spec": {"selector": {"matchLabels": {"tier": "front", "app": "web"}}}});
        assert_eq!(pod_selector(object.as_object().unwrap()).as_deref(), Some("app=web,tier=front"));
        let service = json!({"spec": {"selector": {"app": "web"}}});
        assert_eq!(pod_selector(service.as_object().unwrap()), None);
    }
}
