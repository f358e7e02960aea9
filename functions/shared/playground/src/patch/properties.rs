//! What must hold of server-side apply whatever is applied, and the examples of its documentation.

use serde_json::{Value, json};

use super::{ApplyError, Conflict, Manager, apply, same_but_for_times, settle, track};

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
const CONFIG_MAP: (&str, &str) = ("v1", "ConfigMap");
const ROUNDS: u64 = 60;

fn manager(name: &str) -> Manager {
    Manager { name: name.to_owned(), force: false, subresource: None, now: "2024-01-01T00:00:00Z".to_owned() }
}

fn later(name: &str) -> Manager {
    Manager { now: "2024-01-01T00:00:09Z".to_owned(), ..manager(name) }
}

fn forced(name: &str) -> Manager {
    Manager { force: true, ..later(name) }
}

/// As the server keeps it.
fn stored(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.entry("uid").or_insert_with(|| json!("1"));
    object
}

fn content(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"].as_object_mut().unwrap().shift_remove("managedFields");
    object
}

fn owned<'a>(object: &'a Value, manager: &str) -> &'a Value {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries.iter().find(|entry| entry["manager"] == manager).map_or(&Value::Null, |entry| &entry["fieldsV1"])
}

/// Deterministic numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 0
    }

    /// A deployment whose names all begin with `prefix`, so that two of them share nothing but their ground.
    fn deployment(&mut self, prefix: &str) -> Value {
        let mut spec = json!({"selector": {"matchLabels": {"app": "x"}}});
        let labels: serde_json::Map<String, Value> =
            (0..=self.below(3)).map(|n| (format!("{prefix}{n}"), json!(self.below(9).to_string()))).collect();
        let containers: Vec<Value> = (0..=self.below(3)).map(|n| self.container(&format!("{prefix}{n}"))).collect();
        spec["template"] = json!({"spec": {"containers": containers}});
        if prefix == "a" && self.chance() {
            spec["replicas"] = json!(self.below(5));
        }
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "labels": labels}, "spec": spec})
    }

    fn container(&mut self, name: &str) -> Value {
        let mut container = json!({"name": name, "image": format!("image:{}", self.below(5))});
        if self.chance() {
            let ports = (0..self.below(3))
                .map(|n| if n == 0 { json!({"containerPort": 80}) } else { json!({"containerPort": 80, "protocol": "UDP"}) });
            container["ports"] = ports.collect();
        }
        if self.chance() {
            container["env"] = (0..self.below(4)).map(|n| json!({"name": format!("E{n}"), "value": self.below(9).to_string()})).collect();
        }
        if self.chance() {
            container["resources"] = json!({"limits": {"cpu": self.below(4).to_string()}});
        }
        container
    }
}

#[test]
fn applying_twice_changes_nothing() {
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let (first, second) = (random.deployment("a"), random.deployment("a"));
        let live = stored(apply(DEPLOYMENT, None, &first, &manager("a")).unwrap());
        assert!(same_but_for_times(&apply(DEPLOYMENT, Some(&live), &first, &later("a")).unwrap(), &live), "seed {seed}");
        let other = apply(DEPLOYMENT, Some(&live), &second, &later("a")).unwrap();
        assert!(same_but_for_times(&apply(DEPLOYMENT, Some(&other), &second, &forced("a")).unwrap(), &other), "seed {seed}");
        let direct = stored(apply(DEPLOYMENT, None, &second, &manager("a")).unwrap());
        assert_eq!(sorted(content(&other)), sorted(content(&direct)), "seed {seed}: what is no longer applied goes");
    }
}

/// Without times, and the order that follows from them.
fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    for entry in object["metadata"]["managedFields"].as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().shift_remove("time");
    }
    sorted(object)
}

/// The order of a keyed list is what is left of the order it had.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect()),
        scalar => scalar,
    }
}

#[test]
fn two_managers_of_different_fields_keep_theirs() {
    for seed in 0..ROUNDS {
        let mut random = Random(seed);
        let (of_a, of_b) = (random.deployment("a"), random.deployment("b"));
        let a = stored(apply(DEPLOYMENT, None, &of_a, &manager("a")).unwrap());
        let both = apply(DEPLOYMENT, Some(&a), &of_b, &manager("b")).unwrap();
        for (mine, of) in [(&of_a, "a"), (&of_b, "b")] {
            let again = apply(DEPLOYMENT, Some(&both), mine, &later(of)).unwrap();
            assert_eq!(timeless(&again), timeless(&both), "seed {seed}: everything that {of} applied is there");
        }
        // One that applies next to nothing takes its own away, and only that.
        let bare = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}});
        let without_b = apply(DEPLOYMENT, Some(&both), &bare, &later("b")).unwrap();
        assert_eq!(sorted(content(&without_b)), sorted(content(&a)), "seed {seed}");
        assert!(owned(&without_b, "b").is_null());
        assert_eq!(owned(&without_b, "a"), owned(&a, "a"));
    }
}

#[test]
fn force_takes_over() {
    let config = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"key": value}});
    let live = stored(apply(CONFIG_MAP, None, &config("a"), &manager("a")).unwrap());
    let refused = apply(CONFIG_MAP, Some(&live), &config("b"), &manager("b")).unwrap_err();
    assert_eq!(refused, ApplyError::Conflicts(vec![Conflict { manager: "\"a\"".to_owned(), field: ".data.key".to_owned() }]));
    let taken = apply(CONFIG_MAP, Some(&live), &config("b"), &forced("b")).unwrap();
    assert_eq!(taken["data"]["key"], "b");
    assert!(owned(&taken, "a").is_null());
    assert_eq!(owned(&taken, "b"), &json!({"f:data": {"f:key": {}}}));
    let shared = apply(CONFIG_MAP, Some(&live), &config("a"), &manager("b")).unwrap();
    assert_eq!(owned(&shared, "a"), owned(&shared, "b"), "the same value is shared");
    let kept = apply(CONFIG_MAP, Some(&shared), &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}), &later("a"))
        .unwrap();
    assert_eq!(kept["data"]["key"], "a", "the other still owns it");
}

/// "Server-Side Apply" in the documentation: a HorizontalPodAutoscaler takes `replicas` over from its user.
#[test]
fn the_example_of_the_documentation() {
    let config = |replicas: Option<u32>| {
        let containers = json!([{"name": "nginx", "image": "nginx:1.14.2"}]);
        let template = json!({"metadata": {"labels": {"app": "nginx"}}, "spec": {"containers": containers}});
        let mut spec = json!({"selector": {"matchLabels": {"app": "nginx"}}, "template": template});
        if let Some(replicas) = replicas {
            spec["replicas"] = json!(replicas);
        }
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "nginx-deployment", "labels": {"app": "nginx"}}, "spec": spec})
    };
    let live = stored(apply(DEPLOYMENT, None, &config(Some(3)), &manager("kubectl")).unwrap());
    let handover =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "nginx-deployment"}, "spec": {"replicas": 3}});
    let shared = apply(DEPLOYMENT, Some(&live), &handover, &manager("handover-to-hpa")).unwrap();
    assert_eq!(owned(&shared, "handover-to-hpa"), &json!({"f:spec": {"f:replicas": {}}}));
    let mut scaled = shared.clone();
    scaled["spec"]["replicas"] = json!(5);
    track(DEPLOYMENT, Some(&shared), &mut scaled, &Manager { subresource: Some("scale".to_owned()), ..later("hpa") });
    assert_eq!(owned(&scaled, "hpa"), &json!({"f:spec": {"f:replicas": {}}}));
    assert!(owned(&scaled, "handover-to-hpa").is_null());
    assert!(owned(&scaled, "kubectl").pointer("/f:spec/f:replicas").is_none());
    let refused = apply(DEPLOYMENT, Some(&scaled), &config(Some(3)), &later("kubectl")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Apply failed with 1 conflict: conflict with \"hpa\" with subresource \"scale\" using apps/v1: .spec.replicas"
    );
    let after = apply(DEPLOYMENT, Some(&scaled), &config(None), &later("kubectl")).unwrap();
    assert_eq!(after["spec"]["replicas"], 5);
}

#[test]
fn lists_are_keyed_and_keys_have_defaults() {
    let service = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": ports}});
    let kind = ("v1", "Service");
    let live = stored(apply(kind, None, &service(json!([{"port": 80}, {"port": 80, "protocol": "UDP"}])), &manager("a")).unwrap());
    let ports = &owned(&live, "a")["f:spec"]["f:ports"];
    assert_eq!(
        ports,
        &json!({"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}, "k:{\"port\":80,\"protocol\":\"UDP\"}": {".": {}, "f:port": {}, "f:protocol": {}}})
    );
    let less = apply(kind, Some(&live), &service(json!([{"port": 80, "protocol": "TCP"}])), &later("a")).unwrap();
    assert_eq!(less["spec"]["ports"].as_array().unwrap().len(), 1);
    let twice = apply(kind, None, &service(json!([{"port": 80}, {"port": 80, "protocol": "TCP"}])), &manager("a")).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "failed to create typed patch object (/x; /v1, Kind=Service): .spec.ports: duplicate entries for key [port=80,protocol=\"TCP\"]"
    );
    let finalizers = |list: &[&str]| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "finalizers": list}});
    let live = stored(apply(kind, None, &finalizers(&["a/a", "b/b"]), &manager("a")).unwrap());
    assert_eq!(owned(&live, "a")["f:metadata"]["f:finalizers"], json!({"v:\"a/a\"": {}, "v:\"b/b\"": {}}));
    let live = apply(kind, Some(&live), &finalizers(&["b/b", "c/c"]), &manager("b")).unwrap();
    let live = apply(kind, Some(&live), &finalizers(&["a/a"]), &later("a")).unwrap();
    assert_eq!(sorted(live["metadata"]["finalizers"].clone()), json!(["a/a", "b/b", "c/c"]));
}

#[test]
fn updates_are_their_writers() {
    let object = |replicas: u32, image: &str| {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "uid": "1", "labels": {"a": "b"}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [{"name": "main", "image": image}]}}}});
        settle(DEPLOYMENT, &mut object);
        object
    };
    let mut created = object(1, "one");
    track(DEPLOYMENT, None, &mut created, &manager("creator"));
    assert_eq!(
        owned(&created, "creator"),
        &json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers":
            {"k:{\"name\":\"main\"}": {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}}}}})
    );
    let mut patched = object(1, "two");
    track(DEPLOYMENT, Some(&created), &mut patched, &later("patcher"));
    let image = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {"f:image": {}}}}}}});
    assert_eq!(owned(&patched, "patcher"), &image);
    assert!(owned(&created, "creator").to_string().contains("f:image") && !owned(&patched, "creator").to_string().contains("f:image"));
    let mut same = object(1, "two");
    track(DEPLOYMENT, Some(&patched), &mut same, &later("creator"));
    assert_eq!(same["metadata"]["managedFields"], patched["metadata"]["managedFields"], "a write that changes nothing leaves no trace");
    let mut status = object(1, "two");
    status["status"] = json!({"replicas": 1, "conditions": [{"type": "Available", "status": "True"}]});
    track(DEPLOYMENT, Some(&patched), &mut status, &Manager { subresource: Some("status".to_owned()), ..later("controller") });
    let conditions = &owned(&status, "controller")["f:status"]["f:conditions"];
    assert_eq!(conditions["k:{\"type\":\"Available\"}"]["."], json!({}));
    let mut cleared = status.clone();
    cleared["metadata"]["managedFields"] = json!([{}]);
    track(DEPLOYMENT, Some(&status), &mut cleared, &later("creator"));
    assert!(cleared["metadata"].get("managedFields").is_none(), "an empty entry clears them");
    let applied = apply(DEPLOYMENT, Some(&cleared), &object(1, "three"), &manager("a")).unwrap_err();
    assert!(applied.to_string().contains("\"before-first-apply\" using apps/v1"), "{applied}");
}

#[test]
fn old_updaters_are_put_together() {
    let object = |n: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {(format!("k{n}")): "v"}});
    let mut live = object(0);
    track(CONFIG_MAP, None, &mut live, &manager("m00"));
    for n in 1..15 {
        let mut next = live.clone();
        next["data"][format!("k{n}")] = json!("v");
        track(CONFIG_MAP, Some(&live), &mut next, &manager(&format!("m{n:02}")));
        live = next;
    }
    assert_eq!(live["metadata"]["managedFields"].as_array().unwrap().len(), 10);
    assert_eq!(owned(&live, "ancient-changes")["f:data"].as_object().unwrap().len(), 7, "six keys and their map");
}

#[test]
fn what_does_not_fit_is_refused() {
    let of =
        |spec: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "n"}, "spec": spec});
    let error = |object: &Value| apply(DEPLOYMENT, None, object, &manager("a")).unwrap_err();
    let unknown = error(&of(json!({"replica": 1})));
    assert_eq!(
        unknown.to_string(),
        "failed to create typed patch object (n/x; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema"
    );
    assert_eq!(unknown.status().0, 500);
    let text = error(&of(json!({"replicas": "1"})));
    assert!(text.to_string().ends_with(".spec.replicas: expected numeric (int or float), got string"), "{text}");
    let mut managed = of(json!({}));
    managed["metadata"]["managedFields"] = json!([]);
    assert_eq!(error(&managed), ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    let mut kind = of(json!({}));
    kind["kind"] = json!("DaemonSet");
    assert_eq!(error(&kind), ApplyError::BadRequest("invalid object type: apps/v1, Kind=DaemonSet".to_owned()));
}

#[test]
fn kinds_nobody_knows_are_open() {
    let kind = ("example.com/v1", "Thing");
    let object = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec});
    let live = stored(apply(kind, None, &object(json!({"a": {"b": 1}, "list": [{"c": 2}]})), &manager("a")).unwrap());
    assert_eq!(owned(&live, "a"), &json!({"f:spec": {"f:a": {"f:b": {}}, "f:list": {}}}));
    let less = apply(kind, Some(&live), &object(json!({"list": [{"c": 2}]})), &later("a")).unwrap();
    assert_eq!(less["spec"], json!({"list": [{"c": 2}]}));
}

#[test]
fn objects_take_the_form_of_the_server() {
    let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "labels": {}, "annotations": null},
        "spec": {"paused": false, "replicas": 0, "frobs": 1, "template": {"spec": {"containers": [{"name": "a", "image": "i", "args": [], "bad": 1}], "volumes": [{"name": "v", "emptyDir": {}}]}}}});
    assert_eq!(settle(DEPLOYMENT, &mut object), ["spec.frobs", "spec.template.spec.containers[0].bad"]);
    assert_eq!(
        object,
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "status": {}, "spec": {"replicas": 0, "selector": null, "strategy": {},
            "template": {"metadata": {}, "spec": {"containers": [{"name": "a", "image": "i", "resources": {}}], "volumes": [{"name": "v", "emptyDir": {}}]}}}})
    );
    let mut times = object.clone();
    times["metadata"]["managedFields"] = json!([{"manager": "a", "time": "1"}]);
    let mut other = times.clone();
    other["metadata"]["managedFields"][0]["time"] = json!("2");
    assert!(same_but_for_times(&times, &other) && !same_but_for_times(&object, &other));
}
