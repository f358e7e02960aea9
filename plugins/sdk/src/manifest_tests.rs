//! Tests of taking manifests apart.

use super::*;

fn stage(manifests: Value) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("manifests".into(), manifests);
    map
}

fn object(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}})
}

fn pointers(manifests: Value) -> Vec<String> {
    collect(&stage(manifests)).unwrap().into_iter().map(|manifest| manifest.pointer).collect()
}

fn check_problem(manifests: Value, code: &str, pointer: &str) {
    let problems = collect(&stage(manifests)).unwrap_err();
    assert!(problems.iter().any(|problem| problem.code == code && problem.pointer == pointer), "{problems:?} lacks {code} at {pointer}");
}

#[test]
fn list_object_and_text_are_all_understood() {
    let one = object("Service", "web");
    assert_eq!(pointers(json!([one, one])), ["/manifests/0", "/manifests/1"]);
    assert_eq!(pointers(one.clone()), ["/manifests"]);
    assert_eq!(pointers(json!(json!([one]).to_string())), ["/manifests/0"]);
    assert_eq!(pointers(json!(one.to_string())), ["/manifests"]);
}

#[test]
fn the_older_field_is_read_when_the_newer_is_empty() {
    let mut older = Map::new();
    older.insert("manifest".into(), object("Service", "web"));
    assert_eq!(collect(&older).unwrap()[0].pointer, "/manifest");
    older.insert("manifests".into(), json!([]));
    assert_eq!(collect(&older).unwrap()[0].pointer, "/manifest");
}

#[test]
fn lists_in_lists_are_taken_apart() {
    let inner = json!({"apiVersion": "v1", "kind": "List", "items": [object("ConfigMap", "b")]});
    let typed = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [object("ConfigMap", "c")]});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [object("ConfigMap", "a"), inner, typed]});
    assert_eq!(
        pointers(json!([list, object("Service", "web")])),
        ["/manifests/0/items/0", "/manifests/0/items/1/items/0", "/manifests/0/items/2/items/0", "/manifests/1"]
    );
}

#[test]
fn a_custom_kind_that_only_sounds_like_a_list_is_an_object() {
    let allow = json!({"apiVersion": "acme.io/v1", "kind": "AllowList", "metadata": {"name": "x"}, "items": [1]});
    assert_eq!(pointers(json!([allow])), ["/manifests/0"]);
}

#[test]
fn what_hides_in_a_list_is_checked_too() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [object("ConfigMap", "a"), {"kind": "Role"}, 7]});
    check_problem(json!([list]), "manifest-invalid", "/manifests/0/items/1/apiVersion");
    check_problem(json!([list]), "manifest-not-object", "/manifests/0/items/2");
}

#[test]
fn bad_manifests_are_named_by_pointer() {
    let good = object("Service", "web");
    check_problem(json!([good, "text"]), "manifest-not-object", "/manifests/1");
    check_problem(json!([good, good, {"apiVersion": "v1"}]), "manifest-invalid", "/manifests/2/kind");
    check_problem(json!([{"kind": "Pod", "metadata": {"name": "a"}}]), "manifest-invalid", "/manifests/0/apiVersion");
    check_problem(json!([{"apiVersion": "v1", "kind": "Pod"}]), "manifest-invalid", "/manifests/0/metadata/name");
    check_problem(json!([{"apiVersion": "v1", "kind": "Pod", "metadata": 3}]), "manifest-invalid", "/manifests/0/metadata");
    check_problem(
        json!([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": []}}]),
        "manifest-invalid",
        "/manifests/0/metadata/labels",
    );
    check_problem(json!([]), "no-manifests", "/manifests");
    check_problem(json!("kind: Pod"), "manifests-unreadable", "/manifests");
    check_problem(json!("${#stage('x')}"), "manifests-unreadable", "/manifests");
    check_problem(json!("3"), "manifest-not-object", "/manifests");
    check_problem(json!([{"apiVersion": "v1", "kind": "List"}]), "no-manifests", "/manifests");
    assert_eq!(collect(&Map::new()).unwrap_err()[0].code, "no-manifests");
}

#[test]
fn limits_hold() {
    let many: Vec<_> = (0..=OBJECTS_MAX).map(|i| object("ConfigMap", &format!("c{i}"))).collect();
    check_problem(json!(many), "too-many-objects", "/manifests");
    assert_eq!(pointers(json!(many[..OBJECTS_MAX])).len(), OBJECTS_MAX);

    let mut large = object("ConfigMap", "large");
    large["data"] = json!({"x": "x".repeat(MANIFEST_BYTES_MAX)});
    check_problem(json!([large]), "manifest-too-large", "/manifests/0");

    let mut deep = object("ConfigMap", "deep");
    for _ in 0..=LIST_DEPTH_MAX {
        deep = json!({"apiVersion": "v1", "kind": "List", "items": [deep]});
    }
    let problems = collect(&stage(json!([deep]))).unwrap_err();
    assert_eq!(problems[0].message, "lists lie too deep in lists");

    let wrong = vec![json!(1); 1000];
    let problems = collect(&stage(json!(wrong))).unwrap_err();
    assert_eq!(problems.len(), PROBLEMS_MAX);
    let failure = failure(&problems);
    assert_eq!(failure.code, "manifest-not-object");
    assert!(failure.message.ends_with("and 95 more"), "{}", failure.message);
}

#[test]
fn server_fields_of_pasted_objects_go() {
    let mut manifest = collect(&stage(json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 1},
        "metadata": {"name": "web", "uid": "u", "resourceVersion": "1", "managedFields": [], "generation": 2,
            "creationTimestamp": "2020-01-01T00:00:00Z", "selfLink": "/x",
            "annotations": {"deployment.kubernetes.io/revision": "3", "mine": "kept",
                "kubectl.kubernetes.io/last-applied-configuration": "{}"}}
    }])))
    .unwrap()
    .remove(0);
    manifest.drop_server_fields();
    assert_eq!(
        Value::Object(manifest.body),
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "annotations": {"mine": "kept"}}})
    );
}
