//! The cluster as `kubectl` would show it: what was really applied, asked of the API server itself.

use serde_json::{Value, json};
use testkit::control_plane::KubeApi;
use testkit::eventually;

use crate::api::WAIT_MAX;
use crate::documents::APPLICATION;

/// A namespace of the cluster.
pub struct Live {
    api: KubeApi,
    namespace: String,
}

impl Live {
    /// Looks at this namespace.
    #[must_use]
    pub fn new(api: KubeApi, namespace: &str) -> Self {
        Self { api, namespace: namespace.to_owned() }
    }

    /// The Deployment of the story, if it is there.
    pub async fn deployment(&self) -> Option<Value> {
        self.api.find(&format!("/apis/apps/v1/namespaces/{}/deployments/{APPLICATION}", self.namespace)).await.unwrap()
    }

    /// The Service of the story, if it is there.
    pub async fn service(&self) -> Option<Value> {
        self.api.find(&format!("/api/v1/namespaces/{}/services/{APPLICATION}", self.namespace)).await.unwrap()
    }

    /// The ReplicaSets of the namespace.
    pub async fn replica_sets(&self) -> Vec<Value> {
        self.list(&format!("/apis/apps/v1/namespaces/{}/replicasets", self.namespace)).await
    }

    /// The pods of the namespace.
    pub async fn pods(&self) -> Vec<Value> {
        self.list(&format!("/api/v1/namespaces/{}/pods", self.namespace)).await
    }

    /// Everything a test could have applied: nothing at all when the answer is empty.
    pub async fn anything(&self) -> Vec<String> {
        let mut found = Vec::new();
        for path in ["apis/apps/v1|deployments", "api/v1|services", "api/v1|pods", "apis/apps/v1|replicasets"] {
            let (group, kind) = path.split_once('|').unwrap();
            for object in self.list(&format!("/{group}/namespaces/{}/{kind}", self.namespace)).await {
                found.push(format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap_or_default()));
            }
        }
        found
    }

    /// Waits until the Deployment's pods run.
    pub async fn running_pods(&self, count: usize) -> Vec<Value> {
        let found = eventually("running pods", WAIT_MAX, || async {
            let pods = self.pods().await;
            let running = pods.iter().filter(|pod| pod["status"]["phase"] == "Running").count();
            Ok::<_, testkit::Error>((running == count && pods.len() == count).then_some(pods))
        });
        found.await.unwrap()
    }

    /// Makes pods that run and are not ready, ready.
    pub async fn make_ready(&self, pods: &[Value]) {
        for pod in pods {
            let name = pod["metadata"]["name"].as_str().unwrap();
            let mut status = pod["status"].clone();
            for condition in status["conditions"].as_array_mut().unwrap() {
                if condition["type"] == "Ready" || condition["type"] == "ContainersReady" {
                    condition["status"] = json!("True");
                }
            }
            for container in status["containerStatuses"].as_array_mut().unwrap() {
                container["ready"] = json!(true);
            }
            let path = format!("/api/v1/namespaces/{}/pods/{name}/status", self.namespace);
            self.api.merge(&path, &json!({"status": status})).await.unwrap();
        }
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        self.api.get(path).await.unwrap()["items"].as_array().cloned().unwrap_or_default()
    }
}
