//! The five processes of a control plane: which flags each gets, and why where it is not plain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::net::free_port;
use crate::part::Part;
use crate::{Error, Result};

const KWOK_STAGES: &str = include_str!("../../../../dev/cluster/kwok.yaml");
/// What `kubectl logs` and `kubectl logs --previous` show of every container, in the format of the runtime interface.
const LOG: &str = "2024-01-01T00:00:00.000000000Z stdout F hello from the container\n";
const LOG_PREVIOUS: &str = "2024-01-01T00:00:00.000000000Z stderr F panic: it broke\n";

/// Without `clusterrole-aggregation` the roles `edit` and `view` stay empty; the node lifecycle is left out, since kwok
/// renews no leases here.
const CONTROLLERS: &[&str] = &[
    "deployment",
    "replicaset",
    "statefulset",
    "daemonset",
    "job",
    "cronjob",
    "garbage-collector",
    "namespace",
    "serviceaccount",
    "serviceaccount-token",
    "clusterrole-aggregation",
    "root-ca-certificate-publisher",
    "endpointslice",
    "endpoints",
    "disruption",
    "pod-garbage-collector",
    "ttl-after-finished",
    "resourcequota",
];

/// Where one control plane keeps its files and listens.
pub(super) struct Site {
    pub(super) binaries: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) port_api: u16,
    port_etcd: u16,
    port_etcd_peer: u16,
    port_kubelet: u16,
}

impl Site {
    pub(super) fn new(binaries: PathBuf, folder: &Path) -> Result<Self> {
        for name in ["pki", "log", "pods", "etcd"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(Error::io(path))?;
        }
        let (port_api, port_etcd) = (free_port()?, free_port()?);
        let (port_etcd_peer, port_kubelet) = (free_port()?, free_port()?);
        Ok(Self { binaries, folder: folder.to_path_buf(), port_api, port_etcd, port_etcd_peer, port_kubelet })
    }

    fn spawn(&self, name: &str, flags: &[(&str, &str)]) -> Result<Part> {
        let mut command = Command::new(self.binaries.join(name));
        command.current_dir(&self.folder);
        command.args(flags.iter().map(|(flag, value)| format!("--{flag}={value}")));
        Part::leashed(name, command, &self.folder.join("log").join(format!("{name}.log")))
    }

    pub(super) fn etcd(&self) -> Result<Part> {
        let client = format!("http://127.0.0.1:{}", self.port_etcd);
        let peer = format!("http://127.0.0.1:{}", self.port_etcd_peer);
        self.spawn(
            "etcd",
            &[
                ("name", "test"),
                ("data-dir", "etcd"),
                ("unsafe-no-fsync", "true"),
                ("log-level", "warn"),
                ("listen-client-urls", &client),
                ("advertise-client-urls", &client),
                ("listen-peer-urls", &peer),
                ("initial-advertise-peer-urls", &peer),
                ("initial-cluster", &format!("test={peer}")),
            ],
        )
    }

    pub(super) fn api_server(&self) -> Result<Part> {
        self.spawn(
            "kube-apiserver",
            &[
                ("etcd-servers", &format!("http://127.0.0.1:{}", self.port_etcd)),
                ("bind-address", "127.0.0.1"),
                ("advertise-address", "127.0.0.1"),
                ("secure-port", &self.port_api.to_string()),
                // A loopback address is refused as an endpoint of the service `kubernetes`.
                ("endpoint-reconciler-type", "none"),
                ("tls-cert-file", "pki/server.crt"),
                ("tls-private-key-file", "pki/server.key"),
                ("client-ca-file", "pki/ca.crt"),
                ("token-auth-file", "pki/tokens.csv"),
                ("authorization-mode", "RBAC"),
                ("service-account-issuer", "https://kubernetes.default.svc"),
                ("service-account-key-file", "pki/accounts.pub"),
                ("service-account-signing-key-file", "pki/accounts.key"),
                ("service-cluster-ip-range", "10.96.0.0/16"),
                ("allow-privileged", "true"),
                // It taints new nodes, and only the node lifecycle controller would take the taint away.
                ("disable-admission-plugins", "TaintNodesByCondition"),
                ("kubelet-client-certificate", "pki/kubelet-client.crt"),
                ("kubelet-client-key", "pki/kubelet-client.key"),
                ("kubelet-certificate-authority", "pki/ca.crt"),
                ("kubelet-preferred-address-types", "InternalIP"),
                ("profiling", "false"),
            ],
        )
    }

    pub(super) fn controller_manager(&self) -> Result<Part> {
        let controllers: Vec<String> = CONTROLLERS.iter().map(|name| format!("{name}-controller")).collect();
        self.spawn(
            "kube-controller-manager",
            &[
                ("kubeconfig", "admin.kubeconfig"),
                ("leader-elect", "false"),
                ("secure-port", "0"),
                ("service-account-private-key-file", "pki/accounts.key"),
                ("root-ca-file", "pki/ca.crt"),
                ("profiling", "false"),
                ("controllers", &controllers.join(",")),
            ],
        )
    }

    pub(super) fn scheduler(&self) -> Result<Part> {
        self.spawn(
            "kube-scheduler",
            &[("kubeconfig", "admin.kubeconfig"), ("leader-elect", "false"), ("secure-port", "0"), ("profiling", "false")],
        )
    }

    pub(super) fn kwok(&self) -> Result<Part> {
        let write = |name: &str, text: &str| {
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(Error::io(path))
        };
        write("pods/container.log", LOG)?;
        write("pods/previous.log", LOG_PREVIOUS)?;
        write("kwok.yaml", &KWOK_STAGES.replace("LOGDIR", &self.folder.join("pods").display().to_string()))?;
        let port = self.port_kubelet.to_string();
        self.spawn(
            "kwok",
            &[
                ("kubeconfig", "admin.kubeconfig"),
                ("config", "kwok.yaml"),
                ("manage-all-nodes", "true"),
                ("node-ip", "127.0.0.1"),
                ("node-port", &port),
                // Without it the kubelets' port would listen on every address.
                ("server-address", &format!("127.0.0.1:{port}")),
                ("tls-cert-file", "pki/server.crt"),
                ("tls-private-key-file", "pki/server.key"),
                ("cidr", "10.0.0.1/16"),
                ("node-lease-duration-seconds", "0"),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every stage that plays a broken image must be left out by the one that makes pods ready, or kwok picks at random.
    #[test]
    fn the_ready_stage_leaves_out_every_broken_image() {
        let broken: Vec<&str> = KWOK_STAGES
            .split("---")
            .filter(|stage| stage.contains("name: pod-") && stage.contains("reason: ") && stage.contains("waiting:"))
            .filter_map(|stage| stage.split("image | test(\"").nth(1)?.split('"').next())
            .collect();
        assert_eq!(broken.len(), 4, "{broken:?}");
        let ready = KWOK_STAGES.split("---").find(|stage| stage.contains("name: pod-ready")).unwrap();
        for image in broken {
            assert!(ready.contains(image), "{image}");
        }
    }
}
