//! What is denied is denied before anything is sent, and the text says what is missing.

use crate::bindings::waybill::stage::kubernetes::{ApplyOptions, Error, Host};
use crate::bindings::waybill::stage::types::{ObjectRef, Selector, Target};
use crate::testing::{Setup, at, manifest, object};
use app::ports::{KindInfo, StepMode};
use serde_json::{Value, json};

const PLAIN: ApplyOptions = ApplyOptions { force_conflicts: false };

fn denied(error: &Error) -> &str {
    match error {
        Error::Denied(text) => text,
        other => panic!("not denied: {other:?}"),
    }
}

async fn apply(setup: &Setup, namespace: Option<&str>, manifest: &Value) -> Result<(), Error> {
    let mut state = setup.state();
    state.apply(at(namespace), manifest.to_string(), PLAIN).await.unwrap().map(|_| ())
}

/// Applying it is denied with this text, and the cluster was asked nothing.
async fn refused(setup: &Setup, namespace: Option<&str>, manifest: &Value, why: &str) {
    let error = apply(setup, namespace, manifest).await.unwrap_err();
    assert!(denied(&error).contains(why), "{error:?}");
    assert_eq!(setup.cluster.calls(), [""; 0]);
}

#[tokio::test]
async fn an_account_that_does_not_list_the_application_is_not_there() {
    let setup = Setup::default();
    let target = Target { account: "other".into(), namespace: Some("shop".into()) };
    let mut state = setup.state();
    let text = manifest("v1", "ConfigMap", None, "a").to_string();
    let error = state.apply(target.clone(), text, PLAIN).await.unwrap().unwrap_err();
    assert_eq!(denied(&error), "account other does not exist or does not list this application");
    let error = state.get(target, object("v1", "Pod", "a"), Vec::new()).await.unwrap().unwrap_err();
    assert_eq!(denied(&error), "account other does not exist or does not list this application");
    assert_eq!(setup.cluster.calls(), [""; 0]);
}

#[tokio::test]
async fn a_namespace_hidden_in_the_manifest_is_found() {
    let setup = Setup::default();
    let missing = "\"billing\" in the account's namespaces";
    refused(&setup, Some("shop"), &manifest("v1", "ConfigMap", Some("billing"), "a"), missing).await;
    refused(&setup, None, &manifest("v1", "ConfigMap", Some("billing"), "a"), missing).await;
    refused(&setup, Some("billing"), &manifest("v1", "ConfigMap", Some("shop"), "a"), missing).await;
    refused(&setup, None, &manifest("v1", "ConfigMap", None, "a"), "neither the object nor the target names a namespace").await;
    let own = Setup { namespaces: vec!["kube-system"], ..Setup::default() };
    refused(&own, Some("kube-system"), &manifest("v1", "ConfigMap", None, "a"), "always denied").await;
}

#[tokio::test]
async fn a_list_is_denied_before_its_first_object() {
    let setup = Setup { extra_kinds: vec!["ClusterRoleBinding", "ClusterRoleBinding.rbac.authorization.k8s.io"], ..Setup::default() };
    let config = |name| manifest("v1", "ConfigMap", Some("shop"), name);
    let binding = manifest("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", None, "root");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [config("a"), config("b"), binding]});
    refused(&setup, Some("shop"), &list, "ClusterRoleBinding.rbac.authorization.k8s.io is always denied").await;
    // The same for one call with many manifests.
    let mut state = setup.state();
    let texts = vec![config("a").to_string(), binding.to_string()];
    let (done, error) = state.apply_many(at(Some("shop")), texts, PLAIN).await.unwrap().unwrap_err();
    assert_eq!(done, []);
    assert!(denied(&error).contains("always denied"));
    assert_eq!(setup.cluster.calls(), [""; 0]);
}

#[tokio::test]
async fn some_things_nobody_is_granted() {
    let setup = Setup { extra_kinds: vec!["Node", "Role", "CustomResourceDefinition"], ..Setup::default() };
    let never = [
        manifest("v1", "Node", None, "n"),
        manifest("rbac.authorization.k8s.io/v1", "Role", Some("shop"), "r"),
        manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "x.y"),
        manifest("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", None, "w"),
        manifest("apiregistration.k8s.io/v1", "APIService", None, "v1.x"),
    ];
    for manifest in never {
        refused(&setup, None, &manifest, "is always denied").await;
    }
    let mut token = manifest("v1", "Secret", Some("shop"), "t");
    token["type"] = json!("kubernetes.io/service-account-token");
    refused(&setup, None, &token, "hold an identity").await;
}

#[tokio::test]
async fn secrets_are_written_and_never_read() {
    let setup = Setup { extra_kinds: vec!["Secret"], ..Setup::default() };
    let mut state = setup.state();
    let mut secret = manifest("v1", "Secret", None, "s");
    secret["data"] = json!({"k": "c2VjcmV0"});
    let applied = state.apply(at(Some("shop")), secret.to_string(), PLAIN).await.unwrap().unwrap();
    assert!(!applied.live.contains("c2VjcmV0"), "{}", applied.live);
    let error = state.get(at(Some("shop")), object("v1", "Secret", "s"), Vec::new()).await.unwrap().unwrap_err();
    assert_eq!(denied(&error), "reading Secrets is always denied");
    let all = Selector { api_version: "v1".into(), kind: "Secret".into(), labels: None, fields: None, limit: 5, continue_: None };
    let error = state.list_objects(at(Some("shop")), all, Vec::new()).await.unwrap().unwrap_err();
    assert_eq!(denied(&error), "reading Secrets is always denied");
    assert_eq!(setup.cluster.calls(), ["apply Secret/shop/s"]);
}

#[tokio::test]
async fn what_is_missing_is_printed_as_a_grant() {
    let setup = Setup { verbs: vec!["get"], ..Setup::default() };
    let missing = r#"{"apiGroups":["apps"],"kinds":["Deployment"],"verbs":["apply"]}"#;
    refused(&setup, Some("shop"), &manifest("apps/v1", "Deployment", None, "web"), missing).await;
    let mut state = setup.state();
    let error = state.resolve(at(None), "deployment".into()).await.unwrap().unwrap_err();
    assert!(denied(&error).contains(r#""verbs":["resolve"]"#));
}

#[tokio::test]
async fn other_kinds_need_the_account_to_name_them() {
    let setup = Setup::default();
    refused(&setup, None, &manifest("v1", "Namespace", None, "shop"), "\"Namespace\" in the account's extraKinds").await;
    refused(&setup, Some("shop"), &manifest("v1", "ServiceAccount", None, "a"), "\"ServiceAccount\"").await;
    refused(&setup, Some("shop"), &manifest("v1", "Endpoints", None, "a"), "\"Endpoints\"").await;
    let rollout = manifest("argoproj.io/v1alpha1", "Rollout", None, "web");
    refused(&setup, Some("shop"), &rollout, "\"Rollout.argoproj.io\"").await;

    let named = Setup { extra_kinds: vec!["Namespace", "Rollout.argoproj.io"], ..Setup::default() };
    apply(&named, None, &manifest("v1", "Namespace", None, "shop")).await.unwrap();
    let error = apply(&named, None, &manifest("v1", "Namespace", None, "billing")).await.unwrap_err();
    assert!(denied(&error).contains("\"billing\" in the account's namespaces"));
    assert_eq!(named.cluster.calls(), ["apply Namespace/-/shop"]);
}

#[tokio::test]
async fn a_custom_kind_is_looked_up_for_its_scope() {
    let kind = |group: &str, kind: &str, namespaced| KindInfo {
        api_version: format!("{group}/v1"),
        kind: kind.into(),
        plural: "x".into(),
        namespaced,
        scalable: false,
    };
    let kinds = vec![kind("argoproj.io", "Rollout", true), kind("acme.io", "Tenant", false)];
    let cluster = crate::testing::ScriptedCluster { kinds, ..Default::default() };
    let setup = Setup { extra_kinds: vec!["Rollout", "Tenant.acme.io", "Ghost"], cluster: cluster.into(), ..Setup::default() };
    apply(&setup, Some("shop"), &manifest("argoproj.io/v1alpha1", "Rollout", None, "web")).await.unwrap();
    apply(&setup, Some("shop"), &manifest("acme.io/v1", "Tenant", None, "t")).await.unwrap();
    let error = apply(&setup, None, &manifest("acme.io/v1", "Tenant", Some("shop"), "t")).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(text) if text.contains("has no namespace")));
    let error = apply(&setup, Some("shop"), &manifest("acme.io/v1", "Ghost", None, "g")).await.unwrap_err();
    assert_eq!(error, Error::Invalid("the cluster has no kind Ghost.acme.io".into()));
    let sent: Vec<_> = setup.cluster.calls().into_iter().filter(|c| c.starts_with("apply")).collect();
    assert_eq!(sent, ["apply Rollout/shop/web", "apply Tenant/-/t"]);
}

#[tokio::test]
async fn bad_manifests_and_names_are_invalid() {
    let setup = Setup::default();
    let mut state = setup.state();
    let twice = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop","namespace":"billing"}}"#;
    for text in [twice, "[]", "{", r#"{"apiVersion":"v1","kind":"ＣonfigMap","metadata":{"name":"a"}}"#] {
        let error = state.apply(at(Some("shop")), text.into(), PLAIN).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{text} {error:?}");
    }
    for name in ["../secrets/x", "a?b", ""] {
        let error = state.get(at(Some("shop")), object("v1", "Pod", name), Vec::new()).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{name} {error:?}");
    }
    let slash = ObjectRef { namespace: Some("../../x".into()), ..object("v1", "Pod", "a") };
    let error = state.get(at(None), slash, Vec::new()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    let many = vec!["{}".to_owned(); 101];
    let (_, error) = state.apply_many(at(Some("shop")), many, PLAIN).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    assert_eq!(setup.cluster.calls(), [""; 0]);
}

#[tokio::test]
async fn the_parsed_form_is_sent_with_its_namespace() {
    let setup = Setup::default();
    apply(&setup, Some("shop"), &manifest("v1", "ConfigMap", None, "a")).await.unwrap();
    let other = manifest("v1", "ConfigMap", Some("shop-2"), "b");
    let list = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [other]});
    apply(&setup, Some("shop"), &list).await.unwrap();
    assert_eq!(setup.cluster.calls(), ["apply ConfigMap/shop/a", "apply ConfigMap/shop-2/b"]);
}

#[tokio::test]
async fn what_is_not_available_yet_denies() {
    let setup = Setup::default();
    let mut state = setup.state();
    let error = state.scale(at(Some("shop")), object("apps/v1", "Deployment", "web"), 3).await.unwrap().unwrap_err();
    assert_eq!(denied(&error), "not available yet");
    let error = state.replace(at(Some("shop")), "{}".into()).await.unwrap().unwrap_err();
    assert_eq!(denied(&error), "not available yet");
    assert_eq!(setup.cluster.calls(), [""; 0]);
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let setup = Setup { mode: StepMode::Plan, ..Setup::default() };
    setup.journal.fenced.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut state = setup.state();
    state.get(at(Some("shop")), object("v1", "ConfigMap", "a"), Vec::new()).await.unwrap().unwrap_err();
    state.apply(at(Some("shop")), manifest("v1", "ConfigMap", None, "a").to_string(), PLAIN).await.unwrap().unwrap();
    assert_eq!(setup.cluster.calls(), ["get ConfigMap/shop/a", "apply ConfigMap/shop/a dry"]);
    assert_eq!(setup.journal.writes(), Vec::<Vec<String>>::new());
}
