//! Monikers: which application, cluster, stack and detail an object belongs to, written as Spinnaker's annotations.

use serde_json::{Map, Value};

use crate::fields;
use crate::kinds;
use crate::manifest::{Manifest, section_mut};

const PREFIX: &str = "moniker.spinnaker.io";
const ARTIFACT_PREFIX: &str = "artifact.spinnaker.io";

/// A stage's `moniker`, with the application it runs for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moniker {
    /// The application.
    pub app: String,
    /// `<kind> <name>` of each object when not given.
    pub cluster: Option<String>,
    /// Written when given.
    pub stack: Option<String>,
    /// Written when given.
    pub detail: Option<String>,
}

impl Moniker {
    /// From a stage's JSON; the execution's application where the stage names none.
    pub fn of(stage: &Map<String, Value>, application: &str) -> Self {
        let empty = Map::new();
        let moniker = fields::section(stage, "moniker").unwrap_or(&empty);
        let given = |key| fields::text(moniker, key).map(str::to_owned);
        Self {
            app: given("app").unwrap_or_else(|| application.to_owned()),
            cluster: given("cluster"),
            stack: given("stack"),
            detail: given("detail"),
        }
    }
}

/// Writes moniker and artifact annotations on an object and its pod template. Values that are there already stay, also
/// those a manifest pasted from a live object brings along.
pub fn annotate(manifest: &mut Manifest, moniker: &Moniker) {
    let annotations = annotations_of(manifest, moniker);
    store(section_mut(manifest.metadata_mut(), "annotations"), &annotations);
    if let Some(metadata) = manifest.template_metadata_mut() {
        store(section_mut(metadata, "annotations"), &annotations);
    }
}

fn annotations_of(manifest: &Manifest, moniker: &Moniker) -> Vec<(String, String)> {
    let kind = kinds::spinnaker_name(manifest.api_version(), manifest.kind());
    let name = manifest.generate_name().unwrap_or_else(|| manifest.name());
    let mut pairs = vec![
        (format!("{ARTIFACT_PREFIX}/type"), format!("kubernetes/{kind}")),
        (format!("{ARTIFACT_PREFIX}/name"), name.to_owned()),
        (format!("{ARTIFACT_PREFIX}/location"), manifest.namespace().unwrap_or_default().to_owned()),
    ];
    let cluster = moniker.cluster.clone().unwrap_or_else(|| format!("{kind} {name}"));
    let named = [
        ("application", Some(moniker.app.clone()).filter(|app| !app.is_empty())),
        ("cluster", Some(cluster)),
        ("stack", moniker.stack.clone()),
        ("detail", moniker.detail.clone()),
    ];
    pairs.extend(named.into_iter().filter_map(|(key, value)| Some((format!("{PREFIX}/{key}"), value?))));
    pairs
}

fn store(annotations: &mut Map<String, Value>, pairs: &[(String, String)]) {
    for (key, value) in pairs {
        if annotations.get(key).is_none_or(Value::is_null) {
            annotations.insert(key.clone(), Value::String(value.clone()));
        }
    }
}

/// Keeps what a live pod template carries of Spinnaker's annotations and labels, where the manifest does not name it.
/// Without this, adopting a workload would change its pod template and so restart every pod. Comes before [`annotate`]
/// and [`crate::labels::label`], which then find the values there.
pub fn keep_template_marks(manifest: &mut Manifest, live: &Value) {
    let Some(metadata) = manifest.template_metadata_mut() else {
        return;
    };
    let Some(template) = live.pointer("/spec/template/metadata") else {
        return;
    };
    if let Some(live) = template.get("annotations").and_then(Value::as_object) {
        let annotations = section_mut(metadata, "annotations");
        for (key, value) in live {
            let group = key.split('/').next().unwrap_or_default();
            if (group == PREFIX || group == ARTIFACT_PREFIX) && !annotations.contains_key(key) {
                annotations.insert(key.clone(), value.clone());
            }
        }
    }
    if let Some(live) = template.get("labels").and_then(Value::as_object) {
        let labels = section_mut(metadata, "labels");
        for (key, value) in live {
            let ours = key == crate::labels::MANAGED_BY || key == crate::labels::APP_NAME;
            if ours && !labels.contains_key(key) {
                labels.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(metadata: Value) -> Manifest {
        let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}}});
        Manifest { pointer: "/manifests/0".into(), body: body.as_object().unwrap().clone() }
    }

    #[test]
    fn objects_and_pod_templates_are_annotated() {
        let mut manifest = deployment(json!({"name": "web", "namespace": "prod"}));
        annotate(&mut manifest, &Moniker { app: "flaskapp".into(), stack: Some("eu".into()), ..Moniker::default() });
        let expected = json!({
            "artifact.spinnaker.io/type": "kubernetes/deployment",
            "artifact.spinnaker.io/name": "web",
            "artifact.spinnaker.io/location": "prod",
            "moniker.spinnaker.io/application": "flaskapp",
            "moniker.spinnaker.io/cluster": "deployment web",
            "moniker.spinnaker.io/stack": "eu",
        });
        let body = Value::Object(manifest.body);
        assert_eq!(body["metadata"]["annotations"], expected);
        assert_eq!(body["spec"]["template"]["metadata"]["annotations"], expected);
    }

    #[test]
    fn values_that_are_there_stay() {
        let mut manifest = deployment(json!({"name": "web", "annotations": {
            "moniker.spinnaker.io/application": "other", "artifact.spinnaker.io/version": ""}}));
        annotate(&mut manifest, &Moniker { app: "flaskapp".into(), ..Moniker::default() });
        let body = Value::Object(manifest.body);
        assert_eq!(body["metadata"]["annotations"]["moniker.spinnaker.io/application"], "other");
        assert_eq!(body["metadata"]["annotations"]["artifact.spinnaker.io/version"], "");
    }

    #[test]
    fn the_stage_names_application_and_cluster_or_the_execution_does() {
        let stage = json!({"moniker": {"app": "named", "cluster": "c"}});
        let moniker = Moniker::of(stage.as_object().unwrap(), "running");
        assert_eq!((moniker.app.as_str(), moniker.cluster.as_deref()), ("named", Some("c")));
        assert_eq!(Moniker::of(&Map::new(), "running").app, "running");
    }

    #[test]
    fn what_a_live_template_carries_is_kept() {
        let live = json!({"spec": {"template": {"metadata": {
            "annotations": {"artifact.spinnaker.io/version": "", "moniker.spinnaker.io/application": "old", "x/y": "no"},
            "labels": {"app.kubernetes.io/managed-by": "spinnaker", "app": "not-ours-to-keep"}}}}});
        let mut manifest = deployment(json!({"name": "web"}));
        keep_template_marks(&mut manifest, &live);
        annotate(&mut manifest, &Moniker { app: "flaskapp".into(), ..Moniker::default() });
        crate::labels::label(&mut manifest, "flaskapp", false);
        let body = Value::Object(manifest.body);
        let metadata = &body["spec"]["template"]["metadata"];
        assert_eq!(metadata["annotations"]["artifact.spinnaker.io/version"], "");
        assert_eq!(metadata["annotations"]["moniker.spinnaker.io/application"], "old");
        assert_eq!(metadata["annotations"].get("x/y"), None);
        assert_eq!(metadata["labels"]["app"], "web");
        assert_eq!(metadata["labels"]["app.kubernetes.io/managed-by"], "spinnaker");
        assert_eq!(body["metadata"]["annotations"]["moniker.spinnaker.io/application"], "flaskapp");
        assert_eq!(body["metadata"]["labels"]["app.kubernetes.io/managed-by"], "waybill");
    }

    #[test]
    fn what_the_manifest_names_wins_over_the_live_template() {
        let live = json!({"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/managed-by": "spinnaker"}}}}});
        let mut manifest = deployment(json!({"name": "web"}));
        manifest.template_metadata_mut().unwrap().insert("labels".into(), json!({"app.kubernetes.io/managed-by": "me"}));
        keep_template_marks(&mut manifest, &live);
        let body = Value::Object(manifest.body);
        assert_eq!(body["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/managed-by"], "me");
    }
}
