//! Fresh namespaces, and accounts that may do exactly what a test says.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::ControlPlane;
use crate::{Error, Result, eventually};

const READY_WAIT_MAX: Duration = Duration::from_secs(15);
const TOKEN_LIFE_S: u64 = 3_600;

/// What an account may do. Each item is a `PolicyRule` of `rbac.authorization.k8s.io/v1`.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// Rules for the account's own namespace.
    pub in_namespace: Vec<Value>,
    /// Rules for the whole cluster.
    pub in_cluster: Vec<Value>,
}

impl Rights {
    /// None at all, which still includes the discovery every authenticated caller has.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything in its own namespace, nothing elsewhere.
    #[must_use]
    pub fn all_in_namespace() -> Self {
        Self { in_namespace: vec![rule(&["*"], &["*"], &["*"])], in_cluster: Vec::new() }
    }
}

/// A `PolicyRule`: which verbs on which resources of which API groups (`""` is the core group).
#[must_use]
pub fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
}

impl ControlPlane {
    /// A namespace nobody else uses, ready for pods. It is not deleted: that takes ten seconds, and the control plane
    /// goes with the test run.
    ///
    /// # Errors
    /// When the server refuses, or the namespace is not ready for pods in time.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{:x}-{nanoseconds:x}-{step}", std::process::id());
        let api = self.api()?;
        api.create("/api/v1/namespaces", &json!({ "metadata": { "name": name } })).await?;
        // Until the default account is there, pods are refused.
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        eventually("the default service account", READY_WAIT_MAX, || api.find(&account)).await?;
        Ok(name)
    }

    /// A token of the ServiceAccount `name` of `namespace`, which is made with these rights. It returns when the server
    /// grants the first rule of each kind, so that no test meets the delay of the server's own caches.
    ///
    /// # Errors
    /// When the server refuses, or does not grant the rights in time.
    pub async fn service_account_token(&self, namespace: &str, name: &str, rights: &Rights) -> Result<String> {
        let api = self.api()?;
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        api.create(&accounts, &json!({ "metadata": { "name": name } })).await?;
        let subjects = json!([{ "kind": "ServiceAccount", "name": name, "namespace": namespace }]);
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        if !rights.in_namespace.is_empty() {
            let base = format!("{rbac}/namespaces/{namespace}");
            api.create(&format!("{base}/roles"), &json!({ "metadata": { "name": name }, "rules": rights.in_namespace })).await?;
            let binding = json!({ "metadata": { "name": name }, "subjects": subjects,
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name } });
            api.create(&format!("{base}/rolebindings"), &binding).await?;
        }
        if !rights.in_cluster.is_empty() {
            let unique = format!("{namespace}-{name}");
            api.create(&format!("{rbac}/clusterroles"), &json!({ "metadata": { "name": unique }, "rules": rights.in_cluster })).await?;
            let binding = json!({ "metadata": { "name": unique }, "subjects": subjects,
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": unique } });
            api.create(&format!("{rbac}/clusterrolebindings"), &binding).await?;
        }
        let user = format!("system:serviceaccount:{namespace}:{name}");
        if let Some(rule) = rights.in_namespace.first() {
            self.wait_until_granted(&user, rule, Some(namespace)).await?;
        }
        if let Some(rule) = rights.in_cluster.first() {
            self.wait_until_granted(&user, rule, None).await?;
        }
        let wish = json!({ "spec": { "expirationSeconds": TOKEN_LIFE_S } });
        let answer = api.create(&format!("{accounts}/{name}/token"), &wish).await?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| Error::Invalid("the answer to a token request has no token".into()))
    }

    async fn wait_until_granted(&self, user: &str, rule: &Value, namespace: Option<&str>) -> Result<()> {
        let first = |key: &str| rule.pointer(&format!("/{key}/0")).and_then(Value::as_str).unwrap_or_default().to_owned();
        let resources = first("resources");
        let (resource, subresource) = resources.split_once('/').unwrap_or((&resources, ""));
        if resource.is_empty() {
            return Ok(()); // a rule on URLs
        }
        let review = json!({ "spec": { "user": user, "resourceAttributes": {
            "namespace": namespace, "verb": first("verbs"), "group": first("apiGroups"),
            "resource": resource, "subresource": subresource,
            "name": rule.pointer("/resourceNames/0"),
        } } });
        let api = self.api()?;
        eventually("the rights of a service account", READY_WAIT_MAX, || async {
            let answer = api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await?;
            Ok::<_, Error>(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false).then_some(()))
        })
        .await
    }
}
