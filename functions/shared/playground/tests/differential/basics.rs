//! Create, read, replace, patch and delete of one object of each kind that no controller touches.

use crate::namespace;
use crate::pair::Pair;
use crate::side::Call;
use serde_json::{Value, json};

const NAMESPACE: &str = "basics";

pub(crate) fn object(api_version: &str, kind: &str, rest: Value) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "labels": {"app": "a"}, "annotations": {"note": "x"}}});
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    object
}

/// Collections with an object and a merge patch for it.
#[allow(clippy::too_many_lines, reason = "a table of objects")]
pub(crate) fn kinds() -> Vec<(&'static str, Value, Value)> {
    let pod = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "main", "image": "image:1"}]}});
    let mut once = pod.clone();
    once["spec"]["restartPolicy"] = json!("Never");
    let selector = json!({"matchLabels": {"app": "a"}});
    let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
    let rule = json!({"host": "example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"});
    vec![
        (
            "api/v1 configmaps",
            object("v1", "ConfigMap", json!({"data": {"a": "b"}, "binaryData": {"c": "AAE="}})),
            json!({"data": {"a": null, "d": "e"}}),
        ),
        (
            "api/v1 secrets",
            object("v1", "Secret", json!({"stringData": {"a": "b"}, "data": {"c": "AAE="}})),
            json!({"stringData": {"d": "e"}}),
        ),
        (
            "api/v1 services",
            object("v1", "Service", json!({"spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}})),
            json!({"spec": {"selector": {"app": "b"}}}),
        ),
        ("api/v1 serviceaccounts", object("v1", "ServiceAccount", json!({})), json!({"automountServiceAccountToken": false})),
        (
            "apps/v1 deployments",
            object("apps/v1", "Deployment", json!({"spec": {"replicas": 0, "selector": selector, "template": pod}})),
            json!({"spec": {"paused": true}}),
        ),
        (
            "apps/v1 statefulsets",
            object("apps/v1", "StatefulSet", json!({"spec": {"replicas": 0, "serviceName": "a", "selector": selector, "template": pod}})),
            json!({"spec": {"minReadySeconds": 3}}),
        ),
        (
            "apps/v1 daemonsets",
            object("apps/v1", "DaemonSet", json!({"spec": {"selector": selector, "template": pod}})),
            json!({"spec": {"minReadySeconds": 3}}),
        ),
        (
            "apps/v1 replicasets",
            object("apps/v1", "ReplicaSet", json!({"spec": {"replicas": 0, "selector": selector, "template": pod}})),
            json!({"spec": {"minReadySeconds": 3}}),
        ),
        (
            "batch/v1 jobs",
            object("batch/v1", "Job", json!({"spec": {"suspend": true, "template": once}})),
            json!({"spec": {"backoffLimit": 3}}),
        ),
        (
            "networking.k8s.io/v1 ingresses",
            object("networking.k8s.io/v1", "Ingress", json!({"spec": {"rules": [rule]}})),
            json!({"spec": {"ingressClassName": "x"}}),
        ),
        (
            "rbac.authorization.k8s.io/v1 roles",
            object(
                "rbac.authorization.k8s.io/v1",
                "Role",
                json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
            ),
            json!({"rules": []}),
        ),
        (
            "rbac.authorization.k8s.io/v1 rolebindings",
            object(
                "rbac.authorization.k8s.io/v1",
                "RoleBinding",
                json!({"roleRef": role, "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "a"}]}),
            ),
            json!({"subjects": null}),
        ),
        (
            "autoscaling/v2 horizontalpodautoscalers",
            object(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "a", "apiVersion": "apps/v1"}}}),
            ),
            json!({"spec": {"minReplicas": 2}}),
        ),
        (
            "policy/v1 poddisruptionbudgets",
            object("policy/v1", "PodDisruptionBudget", json!({"spec": {"maxUnavailable": 1, "selector": selector}})),
            json!({"spec": {"maxUnavailable": "50%"}}),
        ),
        (
            "batch/v1 cronjobs",
            object(
                "batch/v1",
                "CronJob",
                json!({"spec": {"suspend": true, "schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}}}),
            ),
            json!({"spec": {"schedule": "1 0 1 1 *"}}),
        ),
        (
            "coordination.k8s.io/v1 leases",
            object("coordination.k8s.io/v1", "Lease", json!({"spec": {"holderIdentity": "a"}})),
            json!({"spec": {"leaseDurationSeconds": 3}}),
        ),
        (
            "networking.k8s.io/v1 networkpolicies",
            object("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": {"podSelector": selector}})),
            json!({"spec": {"ingress": [{}]}}),
        ),
        (
            "api/v1 persistentvolumeclaims",
            object(
                "v1",
                "PersistentVolumeClaim",
                json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
            ),
            json!({"metadata": {"labels": {"b": "c"}}}),
        ),
        (
            "api/v1 resourcequotas",
            object("v1", "ResourceQuota", json!({"spec": {"hard": {"pods": "100"}}})),
            json!({"spec": {"hard": {"pods": "50"}}}),
        ),
        (
            "api/v1 limitranges",
            object("v1", "LimitRange", json!({"spec": {"limits": [{"type": "Pod", "max": {"cpu": "4"}}]}})),
            json!({"metadata": {"labels": {"b": "c"}}}),
        ),
    ]
}

pub(crate) fn collection(kind: &str, namespace: &str) -> (String, String) {
    let (group, plural) = kind.split_once(' ').unwrap();
    let root = if group == "api/v1" { group.to_owned() } else { format!("apis/{group}") };
    (format!("/{root}/namespaces/{namespace}/{plural}"), plural.to_owned())
}

pub(crate) async fn compare(pair: &mut Pair) {
    namespace(pair, NAMESPACE).await;
    for (kind, object, patch) in kinds() {
        one_kind(pair, kind, &object, &patch).await;
    }
    names(pair).await;
    finalizers(pair).await;
    namespaces(pair).await;
}

/// Dry runs, since what is really there is changed by controllers.
async fn one_kind(pair: &mut Pair, kind: &str, object: &Value, patch: &Value) {
    let (collection, plural) = collection(kind, NAMESPACE);
    let at = format!("{collection}/a");
    let name = |step: &str| format!("basics/{plural}/{step}");
    pair.call(&name("create-dry"), Call::post(format!("{collection}?dryRun=All&fieldManager=dry"), object)).await;
    pair.call(&name("absent"), Call::get(&*at)).await;
    pair.call(&name("apply-dry"), Call::apply(format!("{at}?dryRun=All&fieldManager=m&fieldValidation=Strict"), object)).await;
    pair.call(&name("create"), Call::post(format!("{collection}?fieldManager=creator"), object)).await;
    pair.call(&name("exists"), Call::post(&*collection, object)).await;
    // What controllers write meanwhile is theirs.
    pair.mask.left_out =
        vec!["status", "managedFields", "generation", "deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"];
    pair.call(&name("get"), Call::get(&*at)).await;
    pair.call(&name("merge"), Call::merge(format!("{at}?fieldManager=patcher"), patch)).await;
    pair.call(&name("merge-again"), Call::merge(format!("{at}?fieldManager=patcher"), patch)).await;
    pair.call(&name("apply"), Call::apply(format!("{at}?fieldManager=m&force=true"), object)).await;
    pair.call(&name("replace"), Call::put(format!("{at}?fieldManager=replacer"), object)).await;
    pair.call(&name("json"), Call::json(&*at, &json!([{"op": "add", "path": "/metadata/labels/new", "value": "x"}]))).await;
    pair.call(&name("strategic"), Call::strategic(&*at, &json!({"metadata": {"labels": {"new": null}, "annotations": {"b": "c"}}}))).await;
    pair.call(&name("delete"), Call::delete(&*at)).await;
    pair.mask.left_out = Vec::new();
}

async fn names(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let generated = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}});
    pair.keep("basics/generate-name", Call::post(&*maps, &generated), &[("name", "/metadata/name")]).await;
    for side in [&pair.real, &pair.playground] {
        let name = &side.variables["name"];
        assert!(name.len() == 10 && name.starts_with("made-"), "{name}");
    }
    let managed = json!({"metadata": {"managedFields": [{}]}});
    pair.call("basics/clear-managers", Call::merge(format!("{maps}/{{name}}"), &managed)).await;
    let first = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}});
    pair.call("basics/apply-before-first", Call::apply(format!("{maps}/{{name}}?fieldManager=m"), &first)).await;
    let agent = Call {
        user_agent: Some("kubectl/v1.36.3 (linux/amd64) kubernetes/none".to_owned()),
        ..Call::merge(format!("{maps}/{{name}}"), &json!({"data": {"c": "d"}}))
    };
    pair.call("basics/user-agent", agent).await;
}

async fn finalizers(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let at = format!("{maps}/held");
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    pair.call("basics/held-create", Call::post(&*maps, &held)).await;
    pair.call("basics/held-delete", Call::delete(&*at)).await;
    pair.call("basics/held-get", Call::get(&*at)).await;
    pair.call("basics/held-delete-again", Call::delete(&*at)).await;
    pair.call(
        "basics/held-new-finalizer",
        Call::merge(&*at, &json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}})),
    )
    .await;
    pair.call("basics/held-let-go", Call::merge(&*at, &json!({"metadata": {"finalizers": null}}))).await;
    pair.call("basics/held-gone", Call::get(&*at)).await;
    let two = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"gone": "yes"}}});
    pair.arrange(Call::post(&*maps, &two("one"))).await;
    pair.arrange(Call::post(&*maps, &two("two"))).await;
    pair.call("basics/delete-collection", Call::delete(format!("{maps}?labelSelector=gone%3Dyes"))).await;
    pair.call("basics/delete-collection-dry", Call::delete(format!("{maps}?dryRun=All&labelSelector=gone%3Dyes"))).await;
    pair.call("basics/deleted", Call::get(format!("{maps}?labelSelector=gone%3Dyes"))).await;
}

async fn namespaces(pair: &mut Pair) {
    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "short-lived", "labels": {"a": "b"}}});
    pair.call("basics/namespace-create", Call::post("/api/v1/namespaces", &space)).await;
    pair.call("basics/namespace-label", Call::merge("/api/v1/namespaces/short-lived", &json!({"metadata": {"labels": {"a": "c"}}}))).await;
    pair.call("basics/namespace-delete", Call::delete("/api/v1/namespaces/short-lived")).await;
    pair.wait("the namespace to go", Call::get("/api/v1/namespaces/short-lived"), |answer| answer.status == 404).await;
}
