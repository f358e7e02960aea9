//! What a cluster has from its first moment: the system's namespaces, one node that is ready, the API's own Service.

use super::objects::furnish_namespace;
use super::{State, time};
use crate::interfaces::Objects as _;
use serde_json::json;

/// The one node.
pub(crate) const NODE: &str = "playground";

impl State {
    /// Puts in what is there from the beginning.
    pub(crate) fn seed(&mut self) {
        let now = time((self.clock.0)());
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            self.create(json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            }));
            self.furnish(name);
        }
        let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastHeartbeatTime": now, "lastTransitionTime": now});
        let room = json!({"cpu": "32", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"});
        self.create(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
            "spec": {},
            "status": {
                "capacity": room, "allocatable": room,
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": NODE}],
                "conditions": [condition("Ready", "True", "KubeletReady"), condition("MemoryPressure", "False", "KubeletHasSufficientMemory")],
                "nodeInfo": {
                    "kubeletVersion": crate::VERSION, "osImage": "playground", "kernelVersion": "", "containerRuntimeVersion": "playground://1",
                    "operatingSystem": "linux", "architecture": "amd64", "machineID": "", "systemUUID": "", "bootID": "", "kubeProxyVersion": "",
                },
            },
        }));
        self.create(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {
                "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "type": "ClusterIP", "sessionAffinity": "None",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}],
            },
            "status": {"loadBalancer": {}},
        }));
    }

    /// What every new namespace gets.
    pub(crate) fn furnish(&mut self, namespace: &str) {
        furnish_namespace(self, namespace);
    }
}
