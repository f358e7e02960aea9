//! Everything a story needs around it: a server, the shared cluster with a fresh namespace, a registry, people with tokens,
//! accounts, the application and its project.

use serde_json::{Value, json};
use testkit::registry::{Notifications, Options};
use testkit::{ControlPlane, Registry};

use crate::documents::{APPLICATION, CLOUD, PIPELINE, PROJECT, REGISTRY, application};
use crate::live::Live;
use crate::{Api, Deployed, Server};

/// What Waybill runs on.
pub trait Home {
    /// `http://host:port`, and a path before all others if there is one.
    fn url(&self) -> String;
    /// The first administrator.
    fn admin(&self) -> Api;
}

impl Home for Server {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn admin(&self) -> Api {
        Self::admin(self)
    }
}

impl Home for Deployed {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn admin(&self) -> Api {
        Self::admin(self)
    }
}

/// A place where the story can be played.
pub struct Site<H = Server> {
    /// The server.
    pub server: H,
    /// The registry, which tells nobody of pushes yet.
    pub registry: Registry,
    /// The cluster.
    pub plane: &'static ControlPlane,
    /// A namespace nobody else uses.
    pub namespace: String,
    /// Registers accounts and gives tokens.
    pub admin: Api,
    /// Configures applications, projects and pipelines.
    pub operator: Api,
    /// Releases.
    pub developer: Api,
}

impl Site {
    /// Server, cluster, registry and people; nothing is registered yet.
    pub async fn empty() -> Self {
        Self::on(Server::start()).await
    }

    /// The same with accounts, the application and its project.
    pub async fn new() -> Self {
        let site = Self::empty().await;
        site.accounts().await;
        site.application().await;
        site
    }
}

impl<H: Home> Site<H> {
    /// Cluster, registry and people around a server; nothing is registered yet.
    pub async fn on(home: impl Future<Output = H>) -> Self {
        let plane = ControlPlane::shared().await.unwrap();
        let (server, registry, namespace) = tokio::join!(home, Registry::start(Options::default()), plane.namespace("blackbox"));
        let admin = server.admin();
        let operator = person(&admin, "olga", "operator", &[]).await;
        let developer = person(&admin, "dana", "developer", &[]).await;
        Self { server, registry: registry.unwrap(), plane, namespace: namespace.unwrap(), admin, operator, developer }
    }

    /// Registers registry and cluster, and waits until both can be used.
    pub async fn accounts(&self) {
        let registry = json!({"name": REGISTRY, "address": self.registry.address(), "credentials": {"type": "anonymous"}});
        let _ = self.admin.post("/api/accounts/registry", &registry).await.is(201);
        let cloud = json!({
            "name": CLOUD, "kubeconfig": self.plane.kubeconfig(), "applications": [APPLICATION], "namespaces": [self.namespace],
        });
        let _ = self.admin.post("/api/accounts/cloud", &cloud).await.is(201);
        for (kind, name) in [("registry", REGISTRY), ("cloud", CLOUD)] {
            let account = self.admin.checked(kind, name).await;
            assert_eq!(account["state"], "ready", "{account:#}");
        }
    }

    /// Creates the application, the project, and binds them.
    pub async fn application(&self) {
        let _ = self.operator.post("/api/applications", &application()).await.is(201);
        let _ = self.operator.post("/api/projects", &json!({"name": PROJECT})).await.is(201);
        let _ = self.operator.put_empty(&format!("/api/projects/{PROJECT}/applications/{APPLICATION}")).await.ok();
    }

    /// Saves the pipeline anew.
    pub async fn save(&self, document: &Value) -> Value {
        let there = self.operator.get(&pipeline_path()).await;
        let tag = (there.status == 200).then(|| there.etag());
        let headers: Vec<(&str, &str)> = tag.iter().map(|tag| ("if-match", tag.as_str())).collect();
        self.operator.put_with(&pipeline_path(), &headers, document).await.ok()
    }

    /// Saves the pipeline and has the registry tell its hook of pushes.
    pub async fn save_and_listen(&mut self, document: &Value) -> String {
        let _ = self.save(document).await;
        let hook = self.hook().await;
        let url = format!("{}{hook}", self.server.url());
        self.registry.notify(Some(Notifications { url, headers: Vec::new() })).await.unwrap();
        hook
    }

    /// Path of the hook of the pipeline's first trigger.
    pub async fn hook(&self) -> String {
        let triggers = self.operator.get(&format!("{}/triggers", pipeline_path())).await.ok();
        triggers["items"][0]["hookPath"].as_str().expect("the trigger has a hook").to_owned()
    }

    /// Starts the pipeline as the developer, by an order; gives the execution's id.
    pub async fn order(&self, body: &Value) -> String {
        let mut order = json!({"application": APPLICATION, "pipeline": PIPELINE, "artifacts": [], "parameters": {}, "note": ""});
        order.as_object_mut().unwrap().extend(body.as_object().cloned().unwrap_or_default());
        let made = self.developer.post(&orders_path(), &order).await.is(201);
        made["execution"].as_str().unwrap().to_owned()
    }

    /// The cluster's side of it.
    #[must_use]
    pub fn live(&self) -> Live {
        Live::new(self.plane.api().unwrap(), &self.namespace)
    }
}

/// Gives somebody a token.
pub async fn person(admin: &Api, name: &str, role: &str, groups: &[&str]) -> Api {
    let made = admin.post("/api/tokens", &json!({"name": name, "role": role, "groups": groups})).await.is(201);
    admin.with_token(made["secret"].as_str())
}

/// Where the pipeline is.
#[must_use]
pub fn pipeline_path() -> String {
    format!("/api/applications/{APPLICATION}/pipelines/{PIPELINE}")
}

/// Where the project's orders are.
#[must_use]
pub fn orders_path() -> String {
    format!("/api/projects/{PROJECT}/orders")
}
