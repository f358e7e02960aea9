//! Manifests that may not be applied: the execution fails with a reason, and the cluster has nothing of it.

use serde_json::{Value, json};
use tests::Site;
use tests::api::stage_of;
use tests::documents::{APPLICATION, deploy, deployment, pipeline};

fn cluster_role(name: &str) -> Value {
    let everything = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [everything]})
}

/// Runs a pipeline with these manifests behind a Deployment that is fine, and gives the failure's code and message.
async fn failure(site: &Site, bad: Value) -> (String, String) {
    let fine = deployment(&site.namespace, &format!("{}/{APPLICATION}:1", site.registry.address()));
    let _ = site.save(&pipeline(vec![deploy("1", &[], json!([fine, bad]))])).await;
    let id = site.order(&json!({})).await;
    let ended = site.developer.ended(&id).await;
    assert_eq!(ended["status"], "TERMINAL", "{ended:#}");
    let reason = &stage_of(&ended, "1")["reason"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(site.live().anything().await, Vec::<String>::new(), "nothing was applied, not even what is fine: {reason:#}");
    (text(&reason["code"]), text(&reason["message"]))
}

#[tokio::test]
async fn nothing_is_applied_of_manifests_that_may_not_be() {
    let site = Site::new().await;
    let said = |code: &str, message: &str, (found, text): (String, String)| {
        assert!(found == code && text.contains(message), "`{code}` about {message}: `{found}` {text}");
    };
    said("invalid-stage-settings", "/manifests/1", failure(&site, json!("just words")).await);
    said("invalid-stage-settings", "kind", failure(&site, json!({"apiVersion": "v1", "metadata": {"name": "x"}})).await);
    let elsewhere = deployment("kube-public", "x");
    said("denied", "kube-public", failure(&site, elsewhere).await);
    let elsewhere = deployment("some-other", "x");
    said("denied", "some-other", failure(&site, elsewhere).await);
    // Kinds that come last in the order of applying, so that whatever is fine has had its turn.
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x", "namespace": "some-other"},
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": APPLICATION}}});
    said("denied", "some-other", failure(&site, scaler).await);
    let webhook =
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "x"}});
    said("denied", "ValidatingWebhookConfiguration", failure(&site, webhook).await);
    let role = format!("sneaky-{}", site.namespace);
    let hidden = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "innocent", "namespace": site.namespace}},
        cluster_role(&role),
    ]});
    said("denied", "ClusterRole", failure(&site, hidden).await);
    let deeper = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleList", "items": [cluster_role(&role)]},
    ]});
    let (code, text) = failure(&site, deeper).await;
    assert!(["denied", "manifest-invalid"].contains(&code.as_str()), "`{code}` {text}");
    let api = site.plane.api().unwrap();
    let there = api.find(&format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}")).await.unwrap();
    assert!(there.is_none(), "the role is there");
    let innocent = api.find(&format!("/api/v1/namespaces/{}/configmaps/innocent", site.namespace)).await.unwrap();
    assert!(innocent.is_none(), "half of a refused list was applied");
}

#[tokio::test]
async fn an_account_serves_only_the_applications_it_lists() {
    let site = Site::new().await;
    let account = site.admin.get("/api/accounts/cloud/testing").await;
    let change = json!({"applications": ["other"], "namespaces": [site.namespace]});
    let _ = site.admin.put_with("/api/accounts/cloud/testing", &[("if-match", &account.etag())], &change).await.is(200);
    let fine = deployment(&site.namespace, &format!("{}/{APPLICATION}:1", site.registry.address()));
    let _ = site.save(&pipeline(vec![deploy("1", &[], json!([fine]))])).await;
    let id = site.order(&json!({})).await;
    let ended = site.developer.ended(&id).await;
    assert_eq!(ended["status"], "TERMINAL", "{ended:#}");
    let said = stage_of(&ended, "1")["reason"]["message"].as_str().unwrap();
    assert!(said.contains("testing"), "the account is named: {said}");
    assert_eq!(site.live().anything().await, Vec::<String>::new());
}
