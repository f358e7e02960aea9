//! Services: the address of a load balancer, and which pods are behind one.

use super::object::Put;
use super::object::{condition_is, is_deleting, items, label, name_of, namespace_of, reference, spread, text, uid_of};
use super::replica_set::has_ended;
use super::world::{ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a load balancer takes.
const BALANCER_MS: u64 = 1_000;
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const SLICES: &str = "endpointslice-controller.k8s.io";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const OLD_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";

/// The load balancers that are being made.
#[derive(Debug, Default)]
pub(super) struct Balancers(BTreeMap<String, u64>);

impl Balancers {
    /// Goes through all Services once.
    pub(super) fn sync(&mut self, world: &mut World<'_>) {
        let services = world.work(SERVICE);
        self.0.retain(|uid, _| services.iter().any(|service| uid_of(service) == uid));
        for service in services.iter().filter(|service| !is_deleting(service)) {
            self.balance(world, service);
            behind(world, service);
        }
        for old in world.list(ENDPOINTS, None) {
            let ours = label(&old, OLD_MANAGED_BY) == "endpoint-controller";
            if ours && world.get(SERVICE, namespace_of(&old), name_of(&old)).is_none() {
                world.delete(&old);
            }
        }
    }

    fn balance(&mut self, world: &mut World<'_>, service: &Arc<Value>) {
        let wanted = text(service, "/spec/type") == "LoadBalancer";
        let has = items(service, "/status/loadBalancer/ingress").next().is_some();
        if wanted == has {
            self.0.remove(uid_of(service));
            return;
        }
        let mut changed = Value::clone(service);
        if wanted {
            let now = world.now_ms();
            let at = *self.0.entry(uid_of(service).to_owned()).or_insert_with(|| {
                world.normal(service, "EnsuringLoadBalancer", "Ensuring load balancer");
                now + BALANCER_MS
            });
            if at > now {
                return world.later(at);
            }
            let host = 10 + spread(&format!("{}/{}", namespace_of(service), name_of(service)), 240);
            changed.put(["status", "loadBalancer"], json!({"ingress": [{"ip": format!("203.0.113.{host}"), "ipMode": "VIP"}]}));
            world.normal(service, "EnsuredLoadBalancer", "Ensured load balancer");
        } else {
            changed.put(["status", "loadBalancer"], json!({}));
        }
        let _ = world.update(service, changed);
    }
}

struct Behind {
    pod: Arc<Value>,
    address: String,
    ready: bool,
}

fn behind(world: &mut World<'_>, service: &Value) {
    let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object).filter(|selector| !selector.is_empty()) else {
        return;
    };
    let takes = |pod: &Value| selector.iter().all(|(name, value)| Some(label(pod, name)) == value.as_str() && !label(pod, name).is_empty());
    let pods = world.list(POD, Some(namespace_of(service))).into_iter().filter(|pod| takes(pod) && !has_ended(pod));
    let behind: Vec<Behind> = pods
        .filter_map(|pod| {
            let address = text(&pod, "/status/podIP").to_owned();
            let ready = condition_is(&pod, "Ready", "True") && !is_deleting(&pod);
            (!address.is_empty()).then_some(Behind { pod, address, ready })
        })
        .collect();
    let ports = ports(service, &behind);
    slice(world, service, &behind, &ports);
    endpoints(world, service, &behind, &ports);
}

/// The ports of the pods, by the Service's names for them; a named one as the first pod has it.
fn ports(service: &Value, behind: &[Behind]) -> Vec<Value> {
    items(service, "/spec/ports")
        .filter_map(|port| {
            let number = match port.get("targetPort") {
                Some(Value::String(name)) => behind.iter().find_map(|one| named(&one.pod, name))?,
                Some(number) => number.clone(),
                None => port.get("port")?.clone(),
            };
            Some(json!({"name": text(port, "/name"), "port": number, "protocol": text(port, "/protocol")}))
        })
        .collect()
}

fn named(pod: &Value, name: &str) -> Option<Value> {
    let ports = items(pod, "/spec/containers").flat_map(|container| items(container, "/ports"));
    ports.filter(|port| text(port, "/name") == name).find_map(|port| port.get("containerPort").cloned())
}

fn target(one: &Behind) -> Value {
    json!({"kind": "Pod", "namespace": namespace_of(&one.pod), "name": name_of(&one.pod), "uid": uid_of(&one.pod)})
}

fn slice(world: &mut World<'_>, service: &Value, behind: &[Behind], ports: &[Value]) {
    let endpoint = |one: &Behind| {
        json!({
            "addresses": [one.address],
            "conditions": {"ready": one.ready, "serving": condition_is(&one.pod, "Ready", "True"), "terminating": is_deleting(&one.pod)},
            "targetRef": target(one), "nodeName": text(&one.pod, "/spec/nodeName"),
        })
    };
    let mut said = json!({"addressType": "IPv4"});
    if !behind.is_empty() {
        said.put(["endpoints"], behind.iter().map(endpoint).collect::<Vec<_>>());
        said.put(["ports"], json!(ports));
    }
    let slices = world.list(ENDPOINT_SLICE, Some(namespace_of(service)));
    let own = slices.iter().find(|slice| label(slice, SERVICE_NAME) == name_of(service) && label(slice, MANAGED_BY) == SLICES);
    match own {
        Some(own) => {
            let mut changed = Value::clone(own);
            for field in ["endpoints", "ports"] {
                match said.get(field) {
                    Some(value) => changed.put([field], value.clone()),
                    None => {
                        let _ = changed.as_object_mut().and_then(|slice| slice.shift_remove(field));
                    }
                }
            }
            let _ = world.update(own, changed);
        }
        None => {
            said.put(["apiVersion"], json!("discovery.k8s.io/v1"));
            said.put(["kind"], json!("EndpointSlice"));
            said.put(
                ["metadata"],
                json!({
                    "generateName": format!("{}-", name_of(service)), "namespace": namespace_of(service),
                    "labels": {MANAGED_BY: SLICES, SERVICE_NAME: name_of(service)}, "ownerReferences": [reference(service)],
                }),
            );
            let _ = world.create_named(said);
        }
    }
}

fn endpoints(world: &mut World<'_>, service: &Value, behind: &[Behind], ports: &[Value]) {
    let address = |one: &&Behind| json!({"ip": one.address, "nodeName": text(&one.pod, "/spec/nodeName"), "targetRef": target(one)});
    let (ready, rest): (Vec<&Behind>, Vec<&Behind>) = behind.iter().filter(|one| !is_deleting(&one.pod)).partition(|one| one.ready);
    let mut subset = json!({});
    for (field, list) in [("addresses", ready), ("notReadyAddresses", rest)] {
        if !list.is_empty() {
            subset.put([field], list.iter().map(address).collect::<Vec<_>>());
        }
    }
    let mut ports = ports.to_vec();
    for port in ports.iter_mut().filter(|port| text(port, "/name").is_empty()) {
        let _ = port.as_object_mut().and_then(|port| port.shift_remove("name"));
    }
    let mut said = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {
        "name": name_of(service), "namespace": namespace_of(service), "labels": {OLD_MANAGED_BY: "endpoint-controller"},
    }});
    if subset.as_object().is_some_and(|subset| !subset.is_empty()) {
        subset.put(["ports"], json!(ports));
        said.put(["subsets"], json!([subset]));
    }
    match world.get(ENDPOINTS, namespace_of(service), name_of(service)) {
        Some(own) => {
            let mut changed = Value::clone(&own);
            match said.get("subsets") {
                Some(subsets) => changed.put(["subsets"], subsets.clone()),
                None => {
                    let _ = changed.as_object_mut().and_then(|endpoints| endpoints.shift_remove("subsets"));
                }
            }
            let _ = world.update(&own, changed);
        }
        None => {
            let _ = world.create(said);
        }
    }
}
