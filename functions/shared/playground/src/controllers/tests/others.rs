//! Services, namespaces and garbage.

use super::super::object::{add_finalizer, condition_is, is_deleting, name_of, text};
use super::super::testing::Cluster;
use super::super::world::{
    CONFIG_MAP, DEPLOYMENT, ENDPOINT_SLICE, ENDPOINTS, NAMESPACE, POD, REPLICA_SET, SERVICE, SERVICE_ACCOUNT, STATEFUL_SET,
};
use super::deployment;
use crate::interfaces::Objects;
use serde_json::{Value, json};

fn service(kind: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "v"},
        "spec": {"type": kind, "selector": {"app": "x"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}})
}

#[test]
fn load_balancers_get_an_address_after_a_second() {
    let mut cluster = Cluster::new();
    cluster.apply(service("LoadBalancer"));
    assert_eq!(cluster.get(SERVICE, "v")["status"], json!({"loadBalancer": {}}));
    cluster.seconds(1);
    let balanced = cluster.get(SERVICE, "v");
    assert!(text(&balanced, "/status/loadBalancer/ingress/0/ip").starts_with("203.0.113."));
    assert_eq!((cluster.said("EnsuringLoadBalancer"), cluster.said("EnsuredLoadBalancer")), (1, 1));
    cluster.change(SERVICE, "v", |service| service["spec"]["type"] = json!("ClusterIP"));
    assert_eq!(cluster.get(SERVICE, "v")["status"], json!({"loadBalancer": {}}));
    cluster.seconds(3);
    assert_eq!(cluster.said("EnsuredLoadBalancer"), 1);
}

#[test]
fn pods_that_are_ready_are_behind_their_service() {
    let mut cluster = Cluster::new();
    cluster.apply(service("ClusterIP"));
    assert_eq!(cluster.get(ENDPOINTS, "v").get("subsets"), None);
    let mut object = deployment("shop:1", 2);
    object["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{"name": "web", "containerPort": 8080}]);
    cluster.apply(object);
    cluster.seconds(3);
    let endpoints = cluster.get(ENDPOINTS, "v");
    assert_eq!(endpoints["subsets"][0]["addresses"].as_array().unwrap().len(), 2);
    assert_eq!(endpoints["subsets"][0]["ports"], json!([{"name": "http", "port": 8080, "protocol": "TCP"}]));
    let slices = cluster.list(ENDPOINT_SLICE);
    assert_eq!(slices.len(), 1);
    assert_eq!(slices[0]["endpoints"][0]["conditions"], json!({"ready": true, "serving": true, "terminating": false}));
    cluster.change(DEPLOYMENT, "d", |object| object["spec"]["replicas"] = json!(0));
    cluster.seconds(2);
    assert_eq!(cluster.get(ENDPOINTS, "v").get("subsets"), None);
    cluster.delete(SERVICE, "v");
    assert!(cluster.list(ENDPOINTS).is_empty() && cluster.list(ENDPOINT_SLICE).is_empty());
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
}

fn end(cluster: &mut Cluster) {
    let now = cluster.memory.now_ms;
    cluster.change(NAMESPACE, "n", |namespace| {
        namespace["metadata"]["deletionTimestamp"] = json!(super::super::object::time(now));
        namespace["status"]["phase"] = json!("Terminating");
    });
}

#[test]
fn a_namespace_is_furnished_emptied_and_gone() {
    let mut cluster = Cluster::new();
    cluster.apply(namespace());
    assert!(cluster.find(SERVICE_ACCOUNT, "default").is_some() && cluster.find(CONFIG_MAP, "kube-root-ca.crt").is_some());
    cluster.apply(deployment("shop:1", 2));
    cluster.seconds(3);
    end(&mut cluster);
    let ending = cluster.get(NAMESPACE, "n");
    assert_eq!(text(&ending, "/status/phase"), "Terminating");
    assert!(condition_is(&ending, "NamespaceContentRemaining", "True"));
    assert!(cluster.list(DEPLOYMENT).is_empty());
    cluster.seconds(1);
    assert!(cluster.find(NAMESPACE, "n").is_none());
    assert!(cluster.memory.all().iter().all(|object| text(object, "/metadata/namespace") != "n"));
}

#[test]
fn a_finalizer_holds_a_namespace() {
    let mut cluster = Cluster::new();
    cluster.apply(namespace());
    cluster.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "finalizers": ["example.com/hold"]}}));
    end(&mut cluster);
    cluster.seconds(10);
    let held = cluster.get(NAMESPACE, "n");
    assert!(condition_is(&held, "NamespaceFinalizersRemaining", "True"));
    cluster.change(CONFIG_MAP, "m", |map| {
        map["metadata"].as_object_mut().unwrap().shift_remove("finalizers");
    });
    assert!(cluster.find(NAMESPACE, "n").is_none());
}

fn running() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.apply(deployment("shop:1", 2));
    cluster.seconds(3);
    cluster
}

fn going(cluster: &mut Cluster, finalizer: &str) {
    let now = cluster.memory.now_ms;
    cluster.change(DEPLOYMENT, "d", |object| {
        add_finalizer(object, finalizer);
        object["metadata"]["deletionTimestamp"] = json!(super::super::object::time(now));
    });
}

#[test]
fn what_nobody_owns_goes_in_the_background() {
    let mut cluster = running();
    cluster.delete(DEPLOYMENT, "d");
    assert!(cluster.find(DEPLOYMENT, "d").is_none() && cluster.list(REPLICA_SET).is_empty());
    assert!(cluster.list(POD).iter().all(|pod| is_deleting(pod)));
    cluster.seconds(1);
    assert!(cluster.list(POD).is_empty());
}

#[test]
fn in_the_foreground_the_owner_goes_last() {
    let mut cluster = running();
    going(&mut cluster, "foregroundDeletion");
    assert_eq!((cluster.list(DEPLOYMENT).len(), cluster.list(REPLICA_SET).len()), (1, 1));
    cluster.run(1_000, |memory| {
        let pods = memory.list(POD, Some("n")).len();
        assert!(pods == 0 || memory.list(DEPLOYMENT, Some("n")).len() == 1);
    });
    assert!(cluster.list(DEPLOYMENT).is_empty() && cluster.list(REPLICA_SET).is_empty() && cluster.list(POD).is_empty());
}

#[test]
fn orphans_stay() {
    let mut cluster = running();
    going(&mut cluster, "orphan");
    cluster.seconds(3);
    assert!(cluster.list(DEPLOYMENT).is_empty());
    let sets = cluster.list(REPLICA_SET);
    assert_eq!(sets[0].pointer("/metadata/ownerReferences"), None);
    assert_eq!(cluster.list(POD).len(), 2);
    cluster.apply(deployment("shop:1", 2));
    assert_eq!(cluster.list(REPLICA_SET).len(), 1, "and are taken in again");
    assert_eq!(name_of(&cluster.list(REPLICA_SET)[0]), name_of(&sets[0]));
}

#[test]
fn pods_left_by_a_stateful_set_are_taken_in_by_the_next() {
    let mut cluster = Cluster::new();
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"},
        "spec": {"replicas": 2, "serviceName": "x", "selector": {"matchLabels": {"app": "x"}}, "template": super::template("shop:1")}});
    cluster.apply(set.clone());
    cluster.seconds(6);
    let uids = |cluster: &Cluster| cluster.list(POD).iter().map(|pod| text(pod, "/metadata/uid").to_owned()).collect::<Vec<_>>();
    let before = uids(&cluster);
    let now = cluster.memory.now_ms;
    cluster.change(STATEFUL_SET, "s", |object| {
        add_finalizer(object, "orphan");
        object["metadata"]["deletionTimestamp"] = json!(super::super::object::time(now));
    });
    assert!(cluster.list(STATEFUL_SET).is_empty());
    cluster.apply(set);
    cluster.seconds(6);
    assert_eq!(uids(&cluster), before);
    assert_eq!(cluster.get(STATEFUL_SET, "s")["status"]["updatedReplicas"], 2);
}

#[test]
fn objects_of_odd_shapes_harm_nobody() {
    let mut cluster = running();
    for object in [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "odd", "namespace": "n"}, "spec": "x"}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "odd2", "namespace": "n"}}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "odd", "namespace": "n"}, "spec": {"template": []}}),
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "odd", "namespace": "n"}, "spec": {"replicas": "x"}}),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "odd", "namespace": "n"}, "spec": {"template": {"spec": 3}}}),
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "odd", "namespace": "n"}, "spec": {"template": {"spec": []}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd", "namespace": "n", "labels": 3}, "spec": {"containers": 5}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd2", "namespace": "n"}, "spec": {"containers": 5}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd", "namespace": "n"}, "spec": {"ports": 5, "selector": [1]}}),
    ] {
        cluster.memory.create(object);
        cluster.seconds(2);
    }
    assert_eq!(cluster.get(DEPLOYMENT, "d")["status"]["availableReplicas"], 2);
}
