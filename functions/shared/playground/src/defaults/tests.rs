//! `golden.json` holds objects as they were sent to a real API server of 1.36 and as they came back, without times.

use super::fill;
use serde_json::{Value, json};

/// What is given, not filled: random names, addresses.
fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (field, value) in map.iter_mut() {
                match (field.as_str(), value.as_str()) {
                    ("name", Some(name)) if name.starts_with("kube-api-access-") => *value = json!("kube-api-access"),
                    ("clusterIP", Some(address)) if address != "None" => *value = json!("ADDRESS"),
                    ("clusterIPs", _) => *value = json!(["ADDRESS"]),
                    ("nodePort", _) => *value = json!("PORT"),
                    _ => mask(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// The paths in which two values differ.
fn difference(path: &str, left: &Value, right: &Value, told: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(l), Value::Object(r)) => {
            for key in l.keys().chain(r.keys().filter(|key| !l.contains_key(*key))) {
                let null = Value::String("(absent)".to_owned());
                difference(&format!("{path}.{key}"), l.get(key).unwrap_or(&null), r.get(key).unwrap_or(&null), told);
            }
        }
        (Value::Array(l), Value::Array(r)) if l.len() == r.len() => {
            l.iter().zip(r).enumerate().for_each(|(index, (l, r))| difference(&format!("{path}[{index}]"), l, r, told));
        }
        _ if left == right => {}
        _ => told.push(format!("{path}: {left} instead of {right}")),
    }
}

#[test]
fn objects_come_out_as_from_a_real_server() {
    let golden: Vec<Value> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert!(golden.len() > 45);
    let mut told = Vec::new();
    for pair in golden {
        let (mut object, mut expected) = (pair["in"].clone(), pair["out"].clone());
        if object["kind"] == "Namespace" {
            object["metadata"].as_object_mut().unwrap().shift_remove("namespace");
        }
        object["metadata"]["uid"] = expected["metadata"]["uid"].clone();
        fill(&mut object);
        let mut again = object.clone();
        fill(&mut again);
        assert_eq!(again, object, "a second time changes nothing");
        mask(&mut object);
        mask(&mut expected);
        difference(&format!("{}/{}", object["kind"], object["metadata"]["name"]), &object, &expected, &mut told);
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn wrong_types_and_unknown_kinds_stay() {
    for object in [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": "x", "spec": {"replicas": "3", "template": 5, "strategy": []}}),
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": {"a": 1}, "volumes": "x"}}),
        json!({"apiVersion": "v1", "kind": "Service", "spec": 3}),
        json!({"apiVersion": "v1", "kind": "Secret", "stringData": 3, "data": 4}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": 3, "spec": 1, "status": 1}),
        json!([1]),
        json!(null),
    ] {
        fill(&mut object.clone());
    }
    let mut other =
        json!({"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "a", "labels": {}}, "spec": {"labels": {}, "a": null}});
    fill(&mut other);
    assert_eq!(other, json!({"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"labels": {}, "a": null}}));
}
