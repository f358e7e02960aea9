//! Live objects as they are shown to people and to later stages: without noise, and never with a Secret's data.

use serde_json::{Map, Value, json};

/// An object fit to be kept in an execution. Secrets lose their data, also the copy that client-side apply leaves in an
/// annotation.
pub fn shown(mut object: Map<String, Value>) -> Value {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    if object.get("kind").and_then(Value::as_str) == Some("Secret") {
        object.remove("data");
        object.remove("stringData");
    }
    Value::Object(object)
}

/// The address of a Service of type LoadBalancer (or an Ingress): the first one the cluster gave, host name or IP.
pub fn load_balancer(object: &Value) -> Option<String> {
    let first = object.pointer("/status/loadBalancer/ingress/0")?;
    let address = first.get("hostname").or_else(|| first.get("ip"))?.as_str()?;
    (!address.is_empty()).then(|| address.to_owned())
}

/// Whether an object is a Service that asks for a load balancer.
pub fn wants_load_balancer(object: &Map<String, Value>) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let wanted = object.get("spec").and_then(|spec| spec.get("type")).and_then(Value::as_str);
    text("apiVersion") == Some("v1") && text("kind") == Some("Service") && wanted == Some("LoadBalancer")
}

/// What stands for an object that was not read.
pub fn stub(api_version: &str, kind: &str, namespace: Option<&str>, name: &str, uid: &str) -> Value {
    let mut metadata = json!({ "name": name });
    for (key, value) in [("namespace", namespace.unwrap_or_default()), ("uid", uid)] {
        if let (Some(map), false) = (metadata.as_object_mut(), value.is_empty()) {
            map.insert(key.to_owned(), json!(value));
        }
    }
    json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_lose_their_data_everywhere() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "c2VjcmV0"}, "stringData": {"b": "s"},
            "metadata": {"name": "s", "managedFields": [1],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0", "k": "v"}}});
        let shown = shown(secret.as_object().unwrap().clone());
        assert_eq!(shown, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {"k": "v"}}}));
    }

    #[test]
    fn addresses_are_host_names_or_ips() {
        let with = |ingress: Value| json!({"status": {"loadBalancer": {"ingress": ingress}}});
        assert_eq!(load_balancer(&with(json!([{"ip": "10.0.0.1"}]))).as_deref(), Some("10.0.0.1"));
        assert_eq!(load_balancer(&with(json!([{"hostname": "lb.x"}]))).as_deref(), Some("lb.x"));
        assert_eq!(load_balancer(&with(json!([]))), None);
        assert_eq!(load_balancer(&json!({})), None);
    }

    #[test]
    fn stubs_name_the_object() {
        assert_eq!(stub("v1", "Namespace", None, "a", ""), json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}));
    }
}
