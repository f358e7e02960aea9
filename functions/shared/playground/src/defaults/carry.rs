//! What a Service keeps of what it was given when it is written anew, and what goes with its type.

use super::{items, said};
use serde_json::{Value, json};

/// Before the defaults: addresses and node ports that are not said anew stay, and what belongs to a type that the Service
/// has no longer goes, unless it was changed as well.
pub(super) fn service(old: &Value, new: &mut Value) {
    let (was, is) = (kind(old), kind(new));
    let Some(old) = old.get("spec") else { return };
    let Some(spec) = new.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    if is == "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            drop_same(old, spec, field);
        }
    } else if was != "ExternalName" {
        keep_addresses(old, spec);
    }
    let (had_ports, has_ports) = (is_outside(&was), is_outside(&is));
    if had_ports && has_ports {
        keep_node_ports(old, spec);
    } else if had_ports {
        drop_same(old, spec, "externalTrafficPolicy");
        drop_node_ports(old, spec);
    }
    if is != "LoadBalancer" {
        drop_same(old, spec, "allocateLoadBalancerNodePorts");
        drop_same(old, spec, "loadBalancerClass");
    }
}

fn kind(service: &Value) -> String {
    Some(said(service, "/spec/type")).filter(|kind| !kind.is_empty()).unwrap_or("ClusterIP").to_owned()
}

fn is_outside(kind: &str) -> bool {
    matches!(kind, "NodePort" | "LoadBalancer")
}

fn drop_same(old: &Value, spec: &mut Value, field: &str) {
    if old.get(field) == spec.get(field) {
        let _ = spec.as_object_mut().and_then(|spec| spec.shift_remove(field));
    }
}

fn put(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

fn keep_addresses(old: &Value, spec: &mut Value) {
    for field in ["clusterIP", "clusterIPs"] {
        let empty = spec.get(field).is_none_or(|value| value.is_null() || value == "" || value == &json!([]));
        if let (true, Some(value)) = (empty, old.get(field)) {
            put(spec, field, value.clone());
        }
    }
    // The list follows the address it begins with.
    if spec.get("clusterIP") != spec.pointer("/clusterIPs/0") {
        let first = json!([spec.get("clusterIP")]);
        put(spec, "clusterIPs", first);
    }
}

fn node_port(port: &Value) -> i64 {
    port.get("nodePort").and_then(Value::as_i64).unwrap_or_default()
}

fn node_ports(spec: &Value) -> Vec<(String, i64)> {
    let ports = spec.get("ports").and_then(Value::as_array);
    ports.into_iter().flatten().map(|port| (said(port, "/name").to_owned(), node_port(port))).collect()
}

fn keep_node_ports(old: &Value, spec: &mut Value) {
    let (before, now) = (node_ports(old), node_ports(spec));
    items(spec, "/ports").filter(|port| node_port(port) == 0).for_each(|port| {
        let same = before.iter().find(|(name, _)| name == said(port, "/name")).map(|(_, number)| *number);
        let free = same.filter(|number| *number != 0 && !now.iter().any(|(_, used)| used == number));
        if let Some(number) = free {
            put(port, "nodePort", json!(number));
        }
    });
}

/// They go only if none of them was changed.
fn drop_node_ports(old: &Value, spec: &mut Value) {
    let numbers = |spec: &Value| node_ports(spec).into_iter().map(|(_, number)| number).filter(|number| *number != 0).collect::<Vec<_>>();
    let before = numbers(old);
    if numbers(spec).iter().any(|number| !before.contains(number)) {
        return;
    }
    items(spec, "/ports").for_each(|port| {
        let _ = port.as_object_mut().and_then(|port| port.shift_remove("nodePort"));
    });
}

#[cfg(test)]
mod tests {
    use super::super::{carry, fill};
    use crate::validate;
    use serde_json::{Value, json};

    fn service(kind: &str) -> Value {
        let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "v", "namespace": "n", "uid": "u"},
            "spec": {"type": kind, "selector": {"app": "x"}, "ports": [{"name": "a", "port": 80}]}});
        fill(&mut service);
        service
    }

    fn written(old: &Value, change: impl FnOnce(&mut Value)) -> Value {
        let mut new = old.clone();
        change(&mut new);
        carry(old, &mut new);
        fill(&mut new);
        assert_eq!(validate::update(old, &new), []);
        new
    }

    #[test]
    fn what_was_given_stays() {
        let mut old = service("LoadBalancer");
        old["spec"]["clusterIP"] = json!("10.96.1.2");
        old["spec"]["clusterIPs"] = json!(["10.96.1.2"]);
        old["spec"]["ports"][0]["nodePort"] = json!(31234);
        let bare = service("LoadBalancer");
        let new = written(&old, |new| {
            new["spec"] =
                json!({"type": "LoadBalancer", "selector": {"app": "y"}, "ports": [{"name": "a", "port": 81}, {"name": "b", "port": 82}]});
        });
        assert_eq!(new["spec"]["clusterIP"], "10.96.1.2");
        assert_eq!(new["spec"]["clusterIPs"], json!(["10.96.1.2"]));
        assert_eq!(new["spec"]["ports"][0]["nodePort"], 31234);
        assert_ne!(bare["spec"]["clusterIP"], "10.96.1.2");
    }

    #[test]
    fn what_belongs_to_a_type_goes_with_it() {
        let old = service("LoadBalancer");
        let inside = written(&old, |new| new["spec"]["type"] = json!("ClusterIP"));
        for field in ["externalTrafficPolicy", "allocateLoadBalancerNodePorts"] {
            assert_eq!(inside["spec"].get(field), None, "{field}");
        }
        assert_eq!(inside["spec"]["ports"][0].get("nodePort"), None);
        assert_eq!(inside["spec"]["clusterIP"], old["spec"]["clusterIP"]);
        let outside = written(&inside, |new| {
            new["spec"]["type"] = json!("ExternalName");
            new["spec"]["externalName"] = json!("a.b");
        });
        assert_eq!(outside["spec"].get("clusterIP"), None);
        let back = written(&outside, |new| new["spec"]["type"] = json!("NodePort"));
        assert!(back["spec"]["ports"][0]["nodePort"].is_u64() && back["spec"]["clusterIP"].is_string());
    }

    #[test]
    fn other_kinds_are_left_alone() {
        let old = json!({"apiVersion": "v1", "kind": "ConfigMap", "spec": {"clusterIP": "x"}});
        let mut new = json!({"apiVersion": "v1", "kind": "ConfigMap", "spec": {}});
        carry(&old, &mut new);
        assert_eq!(new["spec"], json!({}));
    }
}
