//! The control plane is real: workloads roll out, broken images fail as they do on a cluster, rights are enforced.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use serde_json::{Value, json};
use testkit::control_plane::{ControlPlane, KubeApi, Rights, rule};
use testkit::{Error, eventually};

const LIVE_MAX: Duration = Duration::from_secs(30);

fn deployment(name: &str, image: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": image }] },
            },
        },
    })
}

async fn apply_deployment(api: &KubeApi, namespace: &str, object: &Value) -> String {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{}", object["metadata"]["name"].as_str().unwrap());
    api.apply(&path, "test", object).await.unwrap();
    path
}

#[tokio::test]
async fn a_deployment_becomes_available() {
    let plane = ControlPlane::shared().await.unwrap();
    let (api, namespace) = (plane.api().unwrap(), plane.namespace("rollout").await.unwrap());
    let path = apply_deployment(&api, &namespace, &deployment("web", "registry.test/web:1", 2)).await;
    eventually("two available replicas", LIVE_MAX, || async {
        let live = api.get(&path).await?;
        Ok::<_, Error>((live["status"]["availableReplicas"] == 2).then_some(()))
    })
    .await
    .unwrap();
    let pods = api.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
    let pod = pods["items"][0]["metadata"]["name"].as_str().unwrap();
    let (status, log) = api.request(http::Method::GET, &format!("/api/v1/namespaces/{namespace}/pods/{pod}/log"), None).await.unwrap();
    assert_eq!((status, log.as_str().unwrap().trim()), (200, "hello from the container"));
}

#[tokio::test]
async fn a_load_balancer_gets_an_address() {
    let plane = ControlPlane::shared().await.unwrap();
    let (api, namespace) = (plane.api().unwrap(), plane.namespace("balancer").await.unwrap());
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
        "spec": { "type": "LoadBalancer", "selector": { "app": "web" }, "ports": [{ "port": 80 }] } });
    let path = format!("/api/v1/namespaces/{namespace}/services/web");
    api.apply(&path, "test", &service).await.unwrap();
    let address = eventually("an address", LIVE_MAX, || async {
        let live = api.get(&path).await?;
        Ok::<_, Error>(live.pointer("/status/loadBalancer/ingress/0/ip").cloned())
    });
    assert_eq!(address.await.unwrap(), "203.0.113.10");
}

#[tokio::test]
async fn broken_images_wait_for_their_reason() {
    let plane = ControlPlane::shared().await.unwrap();
    let (api, namespace) = (plane.api().unwrap(), plane.namespace("broken").await.unwrap());
    let expected = [
        ("broken-pull", "ImagePullBackOff"),
        ("err-pull", "ErrImagePull"),
        ("bad-config", "CreateContainerConfigError"),
        ("crash", "CrashLoopBackOff"),
    ];
    for (name, _) in expected {
        apply_deployment(&api, &namespace, &deployment(name, &format!("registry.test/{name}:1"), 1)).await;
    }
    for (name, reason) in expected {
        let pods = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{name}");
        let seen = eventually(reason, LIVE_MAX, || async {
            let pods = api.get(&pods).await?;
            Ok::<_, Error>(pods.pointer("/items/0/status/containerStatuses/0/state/waiting/reason").cloned())
        });
        assert_eq!(seen.await.unwrap(), reason);
    }
}

#[tokio::test]
async fn a_pod_no_node_fits_is_unschedulable() {
    let plane = ControlPlane::shared().await.unwrap();
    let (api, namespace) = (plane.api().unwrap(), plane.namespace("nowhere").await.unwrap());
    let mut object = deployment("web", "registry.test/web:1", 1);
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({ "disk": "golden" });
    apply_deployment(&api, &namespace, &object).await;
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let reason = eventually("the scheduler's verdict", LIVE_MAX, || async {
        let pods = api.get(&pods).await?;
        Ok::<_, Error>(pods.pointer("/items/0/status/conditions/0/reason").cloned())
    });
    assert_eq!(reason.await.unwrap(), "Unschedulable");
}

#[tokio::test]
async fn a_service_account_may_do_what_its_rules_say_and_no_more() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("rights").await.unwrap();
    let rights = Rights { in_namespace: vec![rule(&[""], &["configmaps"], &["get", "create"])], in_cluster: Vec::new() };
    let token = plane.service_account_token(&namespace, "deployer", &rights).await.unwrap();
    let api = plane.api_for_token(&token).unwrap();
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    api.create(&maps, &json!({ "metadata": { "name": "settings" } })).await.unwrap();
    assert!(api.find(&format!("{maps}/missing")).await.unwrap().is_none());
    for refused in [maps.clone(), format!("/api/v1/namespaces/{namespace}/secrets"), "/api/v1/nodes".into()] {
        let error = api.get(&refused).await.unwrap_err();
        assert!(matches!(error, Error::Refused { status: 403, .. }), "{refused}: {error}");
    }
}

#[tokio::test]
async fn a_token_nobody_issued_is_refused() {
    let plane = ControlPlane::shared().await.unwrap();
    let error = plane.api_for_token("forged").unwrap().get("/api/v1/namespaces").await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 401, .. }), "{error}");
    let stranger = KubeApi::new(plane.server(), &other_authority(), plane.admin_token()).unwrap();
    assert!(matches!(stranger.get("/readyz").await, Err(Error::Http(_))), "trusted an authority that is not its own");
}

fn other_authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}
