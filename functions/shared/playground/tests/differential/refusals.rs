//! What both refuse, and in which words.

use crate::namespace;
use crate::pair::Pair;
use crate::side::Call;
use reqwest::Method;
use serde_json::{Value, json};

const NAMESPACE: &str = "refusals";
/// More than an API server reads.
const TOO_LARGE_BYTES: usize = (3 << 20) + 1;

fn config(metadata: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "main", "image": "image"}]}}}})
}

pub(crate) async fn compare(pair: &mut Pair) {
    namespace(pair, NAMESPACE).await;
    paths(pair).await;
    bodies(pair).await;
    values(pair).await;
    patches(pair).await;
    versions(pair).await;
}

async fn paths(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    for (name, call) in [
        ("anonymous", Call::get(&*maps).anonymous()),
        ("no-such-path", Call::get("/nothing")),
        ("no-such-kind", Call::get("/api/v1/things")),
        ("no-such-kind-in-namespace", Call::get(format!("/api/v1/namespaces/{NAMESPACE}/things"))),
        ("no-such-group", Call::get("/apis/example.com/v1/things")),
        ("no-such-version", Call::get("/apis/apps/v9/deployments")),
        ("no-such-object", Call::get(format!("{maps}/absent"))),
        ("no-such-deployment", Call::get(format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/absent"))),
        ("no-such-namespace", Call::get("/api/v1/namespaces/absent")),
        ("no-such-subresource", Call::get(format!("{maps}/absent/frob"))),
        ("delete-absent", Call::delete(format!("{maps}/absent"))),
        ("patch-absent", Call::merge(format!("{maps}/absent"), &json!({}))),
        ("replace-absent-deployment", Call::put(format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/absent"), &deployment("absent"))),
        ("post-to-object", Call::post(format!("{maps}/absent"), &config(json!({"name": "absent"})))),
        ("put-to-collection", Call::put(&*maps, &config(json!({"name": "absent"})))),
        ("patch-collection", Call::merge(&*maps, &json!({}))),
        ("post-to-all-namespaces", Call::post("/api/v1/configmaps", &config(json!({"name": "a"})))),
        ("not-acceptable", Call::get(&*maps).accept("text/csv")),
        ("logs-of-absent", Call::get(format!("/api/v1/namespaces/{NAMESPACE}/pods/absent/log"))),
        ("scale-of-absent", Call::get(format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/absent/scale"))),
    ] {
        pair.call(&format!("refusals/{name}"), call).await;
    }
}

async fn bodies(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let post = |body: &str| Call::new(Method::POST, &*maps).body("application/json", body);
    for (name, call) in [
        ("bad-json", post("{\"a\":")),
        ("no-json", post("hello")),
        ("empty-body", post("")),
        ("array", post("[]")),
        ("null", post("null")),
        ("other-kind", post(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}).to_string())),
        ("other-version", post(&json!({"apiVersion": "apps/v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).to_string())),
        ("unknown-kind", post(&json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}}).to_string())),
        ("no-name", post(&config(json!({})).to_string())),
        ("other-namespace", post(&config(json!({"name": "a", "namespace": "elsewhere"})).to_string())),
        ("version-on-create", post(&config(json!({"name": "a", "resourceVersion": "1"})).to_string())),
        ("content-type", Call::new(Method::POST, &*maps).body("text/plain", "{}")),
        ("oversized", post(&"x".repeat(TOO_LARGE_BYTES))),
        ("absent-namespace", Call::post("/api/v1/namespaces/absent/configmaps", &config(json!({"name": "a", "namespace": "absent"})))),
        ("name-on-url", Call::put(format!("{maps}/b"), &config(json!({"name": "a"})))),
        ("dry-run-value", Call::post(format!("{maps}?dryRun=Some"), &config(json!({"name": "a"})))),
        ("field-validation-value", Call::post(format!("{maps}?fieldValidation=Some"), &config(json!({"name": "a"})))),
        (
            "strict-unknown",
            Call::post(
                format!("{maps}?fieldValidation=Strict"),
                &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "frob": 1}),
            ),
        ),
        (
            "warn-unknown",
            Call::post(
                format!("{maps}?dryRun=All"),
                &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "frob": 1}),
            ),
        ),
        ("text-for-map", Call::post(&*maps, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": "x"}))),
    ] {
        pair.call(&format!("refusals/{name}"), call).await;
    }
}

async fn values(pair: &mut Pair) {
    let of = |group: &str, plural: &str| format!("/{group}/namespaces/{NAMESPACE}/{plural}?dryRun=All");
    let (maps, deployments) = (of("api/v1", "configmaps"), of("apis/apps/v1", "deployments"));
    let changed = |pointer: &str, value: Value| {
        let mut object = deployment("a");
        *object.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        Call::post(&*deployments, &object)
    };
    let service = |spec: Value| {
        Call::post(of("api/v1", "services"), &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": spec}))
    };
    for (name, call) in [
        ("name-upper", Call::post(&*maps, &config(json!({"name": "Bad"})))),
        ("name-underscore", Call::post(&*maps, &config(json!({"name": "a_b"})))),
        ("name-long", Call::post(&*maps, &config(json!({"name": "a".repeat(254)})))),
        ("label-value", Call::post(&*maps, &config(json!({"name": "a", "labels": {"a": "not ok"}})))),
        ("label-key", Call::post(&*maps, &config(json!({"name": "a", "labels": {"not ok": "a"}})))),
        ("annotation-key", Call::post(&*maps, &config(json!({"name": "a", "annotations": {"not ok": "a"}})))),
        (
            "data-key",
            Call::post(&*maps, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a b": "c"}})),
        ),
        (
            "secret-data",
            Call::post(
                of("api/v1", "secrets"),
                &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"a": "%"}}),
            ),
        ),
        ("no-containers", changed("/spec/template/spec/containers", json!([]))),
        ("container-name", changed("/spec/template/spec/containers/0/name", json!("Main"))),
        ("no-image", changed("/spec/template/spec/containers/0/image", json!(""))),
        ("two-of-a-name", changed("/spec/template/spec/containers", json!([{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]))),
        ("negative-replicas", changed("/spec/replicas", json!(-1))),
        ("text-replicas", changed("/spec/replicas", json!("1"))),
        ("selector-mismatch", changed("/spec/selector/matchLabels", json!({"app": "y"}))),
        ("no-selector", changed("/spec/selector", json!({}))),
        ("null-selector", changed("/spec/selector", Value::Null)),
        ("empty-spec", changed("/spec", json!({}))),
        ("service-no-ports", service(json!({}))),
        ("service-port", service(json!({"ports": [{"port": 0}]}))),
        ("service-two-ports", service(json!({"ports": [{"port": 80}, {"port": 81}]}))),
        ("service-type", service(json!({"type": "Frob", "ports": [{"port": 80}]}))),
        (
            "namespace-name",
            Call::post("/api/v1/namespaces?dryRun=All", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a.b"}})),
        ),
    ] {
        pair.call(&format!("refusals/{name}"), call).await;
    }
}

#[allow(clippy::too_many_lines, reason = "a table of calls")]
async fn patches(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let a = format!("{maps}/patched");
    pair.arrange(Call::post(
        &*maps,
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "patched"}, "data": {"a": "b"}}),
    ))
    .await;
    let deployments = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
    let web = format!("{deployments}/web");
    pair.arrange(Call::post(&*deployments, &deployment("web"))).await;
    let patch = |content_type: &str, body: &str| Call::new(Method::PATCH, &*a).body(content_type, body);
    for (name, call) in [
        ("patch-type", patch("application/json", "{}")),
        ("patch-type-none", patch("", "{}")),
        ("merge-bad-json", patch("application/merge-patch+json", "{")),
        ("merge-array", patch("application/merge-patch+json", "[]")),
        ("json-bad", patch("application/json-patch+json", "{")),
        ("json-object", patch("application/json-patch+json", "{}")),
        ("json-test", Call::json(&*a, &json!([{"op": "test", "path": "/data/a", "value": "c"}]))),
        ("json-missing", Call::json(&*a, &json!([{"op": "remove", "path": "/data/x"}]))),
        ("json-op", Call::json(&*a, &json!([{"op": "frob", "path": "/data/x"}]))),
        ("json-many", Call::json(&*a, &Value::Array(vec![json!({"op": "test", "path": "/data/a", "value": "b"}); 10_001]))),
        ("strategic-bad-json", patch("application/strategic-merge-patch+json", "{")),
        ("strategic-no-key", Call::strategic(&*web, &json!({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}))),
        ("strategic-directive", Call::strategic(&*web, &json!({"spec": {"$patch": "frob"}}))),
        ("apply-no-manager", Call::apply(&*a, &config(json!({"name": "patched"})))),
        ("apply-bad-yaml", patch("application/apply-patch+yaml", "{").clone()),
        ("force-on-merge", Call::merge(format!("{a}?force=true"), &json!({}))),
        ("merge-other-name", Call::merge(&*a, &json!({"metadata": {"name": "other"}}))),
        ("merge-other-namespace", Call::merge(&*a, &json!({"metadata": {"namespace": "other"}}))),
        ("merge-other-kind", Call::merge(&*a, &json!({"kind": "Secret"}))),
        ("merge-strict", Call::merge(format!("{a}?fieldValidation=Strict"), &json!({"frob": 1}))),
        ("strategic-strict", Call::strategic(format!("{web}?fieldValidation=Strict"), &json!({"spec": {"frob": 1}}))),
        ("merge-type", Call::merge(&*a, &json!({"data": {"a": 1}}))),
        (
            "immutable-selector",
            Call::merge(
                &*web,
                &json!({"spec": {"selector": {"matchLabels": {"b": "c"}}, "template": {"metadata": {"labels": {"b": "c"}}}}}),
            ),
        ),
        ("invalid-by-patch", Call::merge(&*web, &json!({"spec": {"replicas": -5}}))),
        (
            "apply-unknown-field",
            Call::apply(
                format!("{a}?fieldManager=m&fieldValidation=Strict"),
                &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "patched"}, "frob": 1}),
            ),
        ),
        (
            "apply-type",
            Call::apply(
                format!("{web}?fieldManager=m"),
                &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": "1"}}),
            ),
        ),
        (
            "apply-kind",
            Call::apply(format!("{a}?fieldManager=m"), &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "patched"}})),
        ),
        ("apply-name", Call::apply(format!("{a}?fieldManager=m"), &config(json!({"name": "other"})))),
        ("apply-managed", Call::apply(format!("{a}?fieldManager=m"), &config(json!({"name": "patched", "managedFields": []})))),
        (
            "apply-twice-same-key",
            Call::apply(
                format!("{web}?fieldManager=m"),
                &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "a", "image": "2"}]}}}}),
            ),
        ),
    ] {
        pair.call(&format!("refusals/{name}"), call).await;
    }
    pair.arrange(Call::delete(&*web)).await;
}

async fn versions(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let at = format!("{maps}/versions");
    pair.keep(
        "refusals/versions-create",
        Call::post(&*maps, &config(json!({"name": "versions"}))),
        &[("old", "/metadata/resourceVersion"), ("uid", "/metadata/uid")],
    )
    .await;
    pair.arrange(Call::merge(&*at, &json!({"data": {"a": "b"}}))).await;
    let wrong_uid = "123e4567-e89b-12d3-a456-426614174000";
    for (name, call) in [
        ("exists", Call::post(&*maps, &config(json!({"name": "versions"})))),
        ("stale-replace", Call::put(&*at, &config(json!({"name": "versions", "resourceVersion": "{old}"})))),
        ("stale-patch", Call::merge(&*at, &json!({"metadata": {"resourceVersion": "{old}"}}))),
        ("bad-version", Call::put(&*at, &config(json!({"name": "versions", "resourceVersion": "x"})))),
        ("stale-apply", Call::apply(format!("{at}?fieldManager=m"), &config(json!({"name": "versions", "resourceVersion": "{old}"})))),
        ("replace-other-uid", Call::put(&*at, &config(json!({"name": "versions", "uid": wrong_uid})))),
        ("delete-other-uid", Call::delete(&*at).body("application/json", json!({"preconditions": {"uid": wrong_uid}}).to_string())),
        (
            "delete-old-version",
            Call::delete(&*at).body("application/json", json!({"preconditions": {"resourceVersion": "{old}"}}).to_string()),
        ),
        ("delete-policy", Call::delete(format!("{at}?propagationPolicy=Frob"))),
        ("delete-bad-body", Call::delete(&*at).body("application/json", "{")),
        ("delete-two-policies", Call::delete(format!("{at}?propagationPolicy=Orphan&orphanDependents=true"))),
        ("delete", Call::delete(&*at).body("application/json", json!({"preconditions": {"uid": "{uid}"}}).to_string())),
    ] {
        pair.call(&format!("refusals/{name}"), call).await;
    }
}
