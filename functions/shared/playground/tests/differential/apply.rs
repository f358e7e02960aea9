//! Server-side apply by two managers, next to updates.

use crate::namespace;
use crate::pair::Pair;
use crate::side::Call;
use serde_json::{Value, json};

const NAMESPACE: &str = "applies";

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": data})
}

fn service(ports: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shared"}, "spec": {"selector": {"app": "a"}, "ports": ports}})
}

fn set(spec: Value) -> Value {
    let mut object = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "shared"}, "spec": {"selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "main", "image": "image:1"}]}}}});
    object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    object
}

pub(crate) async fn compare(pair: &mut Pair) {
    namespace(pair, NAMESPACE).await;
    maps(pair).await;
    services(pair).await;
    sets(pair).await;
}

async fn maps(pair: &mut Pair) {
    let at = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/shared");
    let by = |manager: &str| format!("{at}?fieldManager={manager}");
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared", "finalizers": ["a/a", "b/b"], "labels": {"x": "y"}}});
    for (name, call) in [
        ("create", Call::apply(by("a"), &map(json!({"a": "1", "b": "1"})))),
        ("again", Call::apply(by("a"), &map(json!({"a": "1", "b": "1"})))),
        ("second", Call::apply(by("b"), &map(json!({"c": "1"})))),
        ("shared", Call::apply(by("b"), &map(json!({"a": "1", "c": "1"})))),
        ("conflict", Call::apply(by("b"), &map(json!({"a": "2", "b": "2", "c": "1"})))),
        ("conflict-one", Call::apply(by("b"), &map(json!({"b": "2"})))),
        ("dry", Call::apply(format!("{}&force=true&dryRun=All", by("b")), &map(json!({"b": "2"})))),
        ("force", Call::apply(format!("{}&force=true", by("b")), &map(json!({"b": "2", "c": "2"})))),
        ("less", Call::apply(by("a"), &map(json!({})))),
        ("update", Call::merge(by("u"), &json!({"data": {"b": "3", "d": "3"}}))),
        ("over-update", Call::apply(by("b"), &map(json!({"b": "4"})))),
        ("update-same", Call::merge(by("u"), &json!({"data": {"b": "3"}}))),
        ("none", Call::apply(by("b"), &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}}))),
        ("sets", Call::apply(by("s"), &held)),
        (
            "sets-less",
            Call::apply(by("s"), &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared", "finalizers": ["b/b"]}})),
        ),
        ("sets-none", Call::apply(by("s"), &map(json!({})))),
        ("empty-key", Call::apply(by("s"), &map(json!({"": "x"})))),
        ("null-value", Call::apply(by("s"), &map(json!({"n": null})))),
        ("delete", Call::delete(&*at)),
    ] {
        pair.call(&format!("apply/map-{name}"), call).await;
    }
}

async fn services(pair: &mut Pair) {
    let at = format!("/api/v1/namespaces/{NAMESPACE}/services/shared");
    let by = |manager: &str| format!("{at}?fieldManager={manager}");
    for (name, call) in [
        ("create", Call::apply(by("a"), &service(json!([{"port": 80, "name": "web"}])))),
        ("add-udp", Call::apply(by("b"), &service(json!([{"port": 80, "protocol": "UDP", "name": "dns"}])))),
        ("conflict", Call::apply(by("b"), &service(json!([{"port": 80, "name": "other", "targetPort": 8080}])))),
        ("same-key", Call::apply(by("a"), &service(json!([{"port": 80, "name": "web"}, {"port": 80, "protocol": "TCP", "name": "web2"}])))),
        ("order", Call::apply(by("a"), &service(json!([{"port": 81, "name": "first"}, {"port": 80, "name": "web"}])))),
        ("less", Call::apply(by("a"), &service(json!([{"port": 81, "name": "first"}])))),
        ("strategic", Call::strategic(by("u"), &json!({"spec": {"ports": [{"port": 81, "name": "renamed", "targetPort": 9}]}}))),
        ("json", Call::json(by("u"), &json!([{"op": "replace", "path": "/spec/ports/0/name", "value": "json"}]))),
        ("replaced-selector", Call::merge(by("u"), &json!({"spec": {"selector": {"app": null, "tier": "x"}}}))),
        ("delete", Call::delete(&*at)),
    ] {
        pair.call(&format!("apply/service-{name}"), call).await;
    }
}

/// Dry runs and no replicas: nothing for a controller to do but to count.
async fn sets(pair: &mut Pair) {
    let at = format!("/apis/apps/v1/namespaces/{NAMESPACE}/replicasets/shared");
    let by = |manager: &str| format!("{at}?fieldManager={manager}&fieldValidation=Strict");
    let containers = |containers: Value| {
        set(json!({"replicas": 0, "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}}}))
    };
    let full = json!([{"name": "main", "image": "image:1", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}], "resources": {"limits": {"cpu": "1"}}, "args": ["a", "b"]}]);
    let mut with_volumes = containers(full.clone());
    with_volumes["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    with_volumes["spec"]["template"]["spec"]["tolerations"] = json!([{"key": "a", "operator": "Exists"}]);
    pair.call("apply/set-create", Call::apply(by("a"), &with_volumes)).await;
    let counted = |answer: &crate::side::Answer| answer.body["status"]["observedGeneration"] == answer.body["metadata"]["generation"];
    pair.mask.left_out = vec!["status"];
    for (name, call) in [
        ("again", Call::apply(by("a"), &with_volumes)),
        ("sidecar", Call::apply(by("b"), &containers(json!([{"name": "side", "image": "side:1"}])))),
        ("image-conflict", Call::apply(by("b"), &containers(json!([{"name": "main", "image": "image:2"}])))),
        ("args-conflict", Call::apply(by("b"), &containers(json!([{"name": "main", "args": ["a"]}])))),
        (
            "update-image",
            Call::strategic(by("u"), &json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "image:3"}]}}}})),
        ),
        (
            "env-less",
            Call::apply(
                format!("{}&force=true", by("a")),
                &containers(json!([{"name": "main", "image": "image:3", "env": [{"name": "B", "value": "2"}]}])),
            ),
        ),
        ("scaled", Call::merge(format!("{at}/scale?fieldManager=hpa"), &json!({"spec": {"replicas": 0}}))),
        ("sidecar-less", Call::apply(by("b"), &set(json!({"replicas": 0, "template": {"metadata": {"labels": {"app": "a"}}}})))),
        ("unknown", Call::apply(by("a"), &set(json!({"frob": 1})))),
    ] {
        pair.wait("the count", Call::get(&*at), counted).await;
        pair.call(&format!("apply/set-{name}"), call).await;
    }
    pair.mask.left_out = Vec::new();
    pair.wait("the count", Call::get(&*at), counted).await;
    pair.call("apply/set-get", Call::get(&*at)).await;
    pair.arrange(Call::delete(&*at)).await;
}
