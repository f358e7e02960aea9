//! What the operator of the story writes: the application's form, the manifests, the pipeline.

use serde_json::{Value, json};

/// The application, and the repository of its images.
pub(crate) const APPLICATION: &str = "flaskapp";
/// The project developers release in.
pub(crate) const PROJECT: &str = "cd-demo";
/// The pipeline.
pub(crate) const PIPELINE: &str = "deployTesting";
/// What the pipeline expects.
pub(crate) const EXPECTED: &str = "flaskapp-image";
/// Which tags are released by themselves; candidates such as `2.0.0-rc` are not.
const TAGS: &str = r"[0-9]+\.[0-9]+\.[0-9]+";
const REPLICAS: u32 = 3;
const CONTAINER_PORT: u16 = 5_000;

/// Names that the pipeline refers to.
pub(crate) struct Names<'a> {
    /// The registry's address.
    pub(crate) registry: &'a str,
    /// The registry account.
    pub(crate) registry_account: &'a str,
    /// The cloud account.
    pub(crate) cloud_account: &'a str,
    /// Where it is deployed.
    pub(crate) namespace: &'a str,
}

/// Every field of the form.
pub(crate) fn application() -> Value {
    json!({
        "name": APPLICATION,
        "description": "A small web application",
        "cloudProviders": "kubernetes",
        "platformHealthOnly": false,
        "platformHealthOnlyShowOverride": false,
        "instancePort": CONTAINER_PORT,
        "enableRestartRunningExecutions": false,
        "enableRerunActiveExecutions": false,
    })
}

fn deployment(names: &Names<'_>) -> Value {
    let labels = json!({"app": APPLICATION});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": APPLICATION, "namespace": names.namespace, "labels": labels},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": APPLICATION,
                    "image": format!("{}/{APPLICATION}", names.registry),
                    "ports": [{"containerPort": CONTAINER_PORT}],
                }]},
            },
        },
    })
}

fn service(names: &Names<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": APPLICATION, "namespace": names.namespace, "labels": {"app": APPLICATION}},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": APPLICATION},
            "ports": [{"name": "http", "port": 80, "targetPort": CONTAINER_PORT}],
        },
    })
}

fn stage(names: &Names<'_>, ref_id: &str, after: &[&str], name: &str, manifest: Value) -> Value {
    json!({
        "refId": ref_id,
        "requisiteStageRefIds": after,
        "type": "deployManifest",
        "name": name,
        "account": names.cloud_account,
        "cloudProvider": "kubernetes",
        "source": "text",
        "moniker": {"app": APPLICATION},
        "manifests": [manifest],
    })
}

/// The pipeline: an image that is pushed or chosen, a Deployment with it, then a Service before it.
pub(crate) fn pipeline(names: &Names<'_>) -> Value {
    let mut deploy = stage(names, "1", &[], "Deploy flaskapp", deployment(names));
    let mut expose = stage(names, "2", &["1"], "Expose flaskapp", service(names));
    for (stage, key, value) in
        [(&mut deploy, "requiredArtifactIds", json!([EXPECTED])), (&mut expose, "waybill", json!({"waitFor": "loadBalancer"}))]
    {
        if let Some(fields) = stage.as_object_mut() {
            fields.insert(key.to_owned(), value);
        }
    }
    json!({
        "application": APPLICATION,
        "name": PIPELINE,
        "expectedArtifacts": [{
            "id": EXPECTED,
            "displayName": EXPECTED,
            "matchArtifact": {"type": "docker/image", "name": format!("{}/{APPLICATION}", names.registry)},
            "useDefaultArtifact": false,
            "usePriorArtifact": false,
        }],
        "triggers": [{
            "id": "flaskapp-pushed",
            "type": "docker",
            "enabled": true,
            "account": names.registry_account,
            "repository": APPLICATION,
            "tag": TAGS,
            "expectedArtifactIds": [EXPECTED],
        }],
        "parameterConfig": [],
        "stages": [deploy, expose],
    })
}

/// The version after all of these, `1.0.0` first, and a candidate that no trigger takes.
pub(crate) fn next_versions<'a>(tags: impl Iterator<Item = &'a str>) -> (String, String) {
    let patch = |tag: &str| tag.strip_prefix("1.0.").and_then(|patch| patch.parse::<u32>().ok());
    let next = tags.filter_map(patch).max().map_or(0, |patch| patch.saturating_add(1));
    (format!("1.0.{next}"), format!("2.0.{next}-rc"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::pipeline::Pipeline;

    fn names() -> Names<'static> {
        Names { registry: "127.0.0.1:5000", registry_account: "r", cloud_account: "c", namespace: "default" }
    }

    #[test]
    fn the_pipeline_is_one() {
        let (pipeline, warnings) = Pipeline::parse(&pipeline(&names())).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!((pipeline.stages.len(), pipeline.triggers.len(), pipeline.expected_artifacts.len()), (2, 1, 1));
    }

    #[test]
    fn each_run_has_versions_of_its_own() {
        let next = |tags: &[&str]| next_versions(tags.iter().copied());
        assert_eq!(next(&[]), ("1.0.0".to_owned(), "2.0.0-rc".to_owned()));
        assert_eq!(next(&["1.0.9", "1.0.10", "2.0.10-rc", "latest"]), ("1.0.11".to_owned(), "2.0.11-rc".to_owned()));
    }
}
