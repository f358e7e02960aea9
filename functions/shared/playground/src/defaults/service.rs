//! Services, with the addresses and node ports they are given. Both follow from the name, so that a Service that is
//! written again without them has the same.

use super::{items, said, set};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const NODE_PORT_MIN: u16 = 30000;
const NODE_PORTS: u16 = 2768;

pub(super) fn service(object: &mut Value) {
    let identity = format!("{}/{}", said(object, "/metadata/namespace"), said(object, "/metadata/name"));
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        fields(spec);
        addresses(spec, &identity);
    }
    set(Some(object), "status", json!({"loadBalancer": {}}));
}

fn fields(spec: &mut Value) {
    set(Some(&mut *spec), "sessionAffinity", "None");
    if said(spec, "/sessionAffinity") == "ClientIP" {
        set(Some(&mut *spec), "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
    } else if said(spec, "/sessionAffinity") == "None" {
        let _ = spec.as_object_mut().and_then(|spec| spec.shift_remove("sessionAffinityConfig"));
    }
    set(Some(&mut *spec), "type", "ClusterIP");
    items(spec, "/ports").for_each(|port| {
        set(Some(&mut *port), "protocol", "TCP");
        if matches!(port.get("targetPort").and_then(Value::as_i64), Some(0)) {
            let _ = port.as_object_mut().and_then(|port| port.shift_remove("targetPort"));
        }
        if let Some(number) = port.get("port").cloned() {
            set(Some(port), "targetPort", number);
        }
    });
    let kind = said(spec, "/type").to_owned();
    let outside = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    if outside || kind == "ClusterIP" && spec.get("externalIPs").is_some() {
        set(Some(&mut *spec), "externalTrafficPolicy", "Cluster");
    }
    if outside || kind == "ClusterIP" {
        set(Some(&mut *spec), "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        set(Some(&mut *spec), "allocateLoadBalancerNodePorts", true);
    }
}

fn addresses(spec: &mut Value, identity: &str) {
    let kind = said(spec, "/type").to_owned();
    if kind == "ExternalName" {
        return;
    }
    set(Some(&mut *spec), "clusterIP", address(identity));
    let own = spec.get("clusterIP").cloned().unwrap_or_default();
    set(Some(&mut *spec), "clusterIPs", json!([own]));
    let without = spec.get("selector").is_none() && own == "None";
    set(Some(&mut *spec), "ipFamilies", if without { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) });
    set(Some(&mut *spec), "ipFamilyPolicy", if without { "RequireDualStack" } else { "SingleStack" });
    let allocates = kind == "NodePort" || kind == "LoadBalancer" && spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    if allocates {
        let first = number(identity) % u64::from(NODE_PORTS);
        items(spec, "/ports").enumerate().for_each(|(index, port)| {
            let offset = (first + index as u64) % u64::from(NODE_PORTS);
            set(Some(port), "nodePort", u64::from(NODE_PORT_MIN) + offset);
        });
    }
}

fn number(identity: &str) -> u64 {
    Sha256::digest(identity).iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// An address within 10.96.0.0/12, none of the first and last ones.
fn address(identity: &str) -> String {
    let host = 256 + number(identity) % ((1 << 20) - 512);
    let part = |shift: u64| (host >> shift) & 0xff;
    format!("10.{}.{}.{}", 96 + part(16), part(8), part(0))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_are_of_the_range() {
        for name in 0..1000 {
            let address = address(&format!("n/{name}"));
            let second: u8 = address.split('.').nth(1).unwrap().parse().unwrap();
            assert!((96..112).contains(&second), "{address}");
        }
        assert_eq!(address("n/a"), address("n/a"));
    }
}
