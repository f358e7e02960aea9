//! What the people of the story write: the application's form, manifests, stages, the pipeline.

use serde_json::{Value, json};

/// The application, and the repository of its images.
pub const APPLICATION: &str = "flaskapp";
/// The project developers release in.
pub const PROJECT: &str = "cd-demo";
/// The pipeline.
pub const PIPELINE: &str = "deployTesting";
/// The artifact it expects.
pub const EXPECTED: &str = "flaskapp-image";
/// The account of the cluster.
pub const CLOUD: &str = "testing";
/// The account of the registry.
pub const REGISTRY: &str = "images";
/// The tags that a push releases by itself.
pub const TAGS: &str = r"1\.0\.\d+";

/// Every field of the form.
#[must_use]
pub fn application() -> Value {
    json!({
        "name": APPLICATION, "description": "A small web application", "email": "team@example.com",
        "cloudProviders": "kubernetes", "platformHealthOnly": false, "platformHealthOnlyShowOverride": false,
        "instancePort": 5000, "enableRestartRunningExecutions": false, "enableRerunActiveExecutions": false,
    })
}

/// A Deployment of two pods.
#[must_use]
pub fn deployment(namespace: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": APPLICATION, "namespace": namespace, "labels": {"app": APPLICATION}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": APPLICATION}},
            "template": {
                "metadata": {"labels": {"app": APPLICATION}},
                "spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 5000}]}]},
            },
        },
    })
}

/// The Service before it.
#[must_use]
pub fn service(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": APPLICATION, "namespace": namespace},
        "spec": {"type": "LoadBalancer", "selector": {"app": APPLICATION}, "ports": [{"port": 80, "targetPort": 5000}]},
    })
}

/// A stage of this type after these, with nothing but what every stage has.
#[must_use]
pub fn stage(ref_id: &str, after: &[&str], kind: &str) -> Value {
    json!({"refId": ref_id, "requisiteStageRefIds": after, "type": kind, "name": format!("{kind} {ref_id}")})
}

/// The same stage with these fields as well.
#[must_use]
pub fn with(mut stage: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("fields are an object") };
    stage.as_object_mut().expect("a stage is an object").extend(more);
    stage
}

/// A Deploy (Manifest) stage.
#[must_use]
pub fn deploy(ref_id: &str, after: &[&str], manifests: Value) -> Value {
    let more = json!({
        "account": CLOUD, "cloudProvider": "kubernetes", "source": "text", "moniker": {"app": APPLICATION}, "manifests": manifests,
    });
    with(stage(ref_id, after, "deployManifest"), more)
}

/// A pipeline of these stages that expects nothing and is triggered by nothing.
#[must_use]
pub fn pipeline(stages: Vec<Value>) -> Value {
    json!({"application": APPLICATION, "name": PIPELINE, "stages": stages, "triggers": [], "expectedArtifacts": [], "parameterConfig": []})
}

/// The image that a pipeline expects: any version of this repository.
#[must_use]
pub fn expected(image: &str) -> Value {
    json!({
        "id": EXPECTED, "displayName": EXPECTED, "useDefaultArtifact": false, "usePriorArtifact": false,
        "matchArtifact": {"type": "docker/image", "name": image},
    })
}

/// The pipeline of the story: a Deployment with the image that was pushed or chosen, then a Service before it.
#[must_use]
pub fn story(registry: &str, namespace: &str) -> Value {
    let image = format!("{registry}/{APPLICATION}");
    let rolled = with(deploy("1", &[], json!([deployment(namespace, &image)])), json!({"requiredArtifactIds": [EXPECTED]}));
    let exposed = with(deploy("2", &["1"], json!([service(namespace)])), json!({"waybill": {"waitFor": "loadBalancer"}}));
    let trigger = json!({
        "type": "docker", "enabled": true, "account": REGISTRY, "repository": APPLICATION, "tag": TAGS, "expectedArtifactIds": [EXPECTED],
    });
    with(pipeline(vec![rolled, exposed]), json!({"expectedArtifacts": [expected(&image)], "triggers": [trigger]}))
}
