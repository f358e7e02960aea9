//! Kubernetes clusters, behind the [`Cluster`] port: accounts' connections, discovery, apply, the rules of when an
//! object has settled and why it has not, logs and watches.
//!
//! Every connection is built from what the account holds and nothing else: no file, no environment, no command, no
//! proxy. Every call is bounded in time and size, and nothing is retried behind the caller's back but a broken watch and
//! a write that somebody else interfered with. Grants are checked before a call comes here.

mod apply;
mod discovery;
mod errors;
mod kinds;
pub mod kubeconfig;
mod link;
mod managed_fields;
mod objects;
mod paths;
mod rollout;
mod verify;
mod watch;
mod written;

pub use link::Limits;

use app::ports::{
    Applied, ApplyOptions, Cluster, ClusterError, KindInfo, ListQuery, LogQuery, ObjectKey, ObjectPage, Rollout, Verified, VerifyNeeds,
    WatchSpec,
};
use async_trait::async_trait;
use model::account::ClusterConnection;
use model::problem::Problem;
use serde_json::Value;

/// The one field manager of an installation.
pub const MANAGER: &str = "waybill";

/// Real clusters, through their API servers. Must live within a tokio runtime.
pub struct KubeCluster {
    links: link::Links,
}

impl KubeCluster {
    /// Knows no cluster yet; connections are made when first used, and kept.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// With other limits than the usual ones.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        crypto();
        Self { links: link::Links::new(limits) }
    }
}

impl Default for KubeCluster {
    fn default() -> Self {
        Self::new()
    }
}

/// Without a provider of the process, building a TLS client would panic; a `main` that chose one keeps its choice.
fn crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Lost only to another thread that installs one at this moment, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    fn read_kubeconfig(
        &self,
        text: &str,
        context: Option<&str>,
        allow_insecure: bool,
    ) -> Result<(ClusterConnection, String), Vec<Problem>> {
        kubeconfig::read(text, context, allow_insecure)
    }

    fn read_address(
        &self,
        server: &str,
        ca_pem: Option<&str>,
        token: &str,
        allow_insecure: bool,
    ) -> Result<ClusterConnection, Vec<Problem>> {
        kubeconfig::from_address(server, ca_pem, token, allow_insecure)
    }

    async fn verify(&self, at: &ClusterConnection, needs: &VerifyNeeds) -> Result<Verified, ClusterError> {
        verify::verify(&*self.links.to(at)?, needs).await
    }

    async fn resolve(&self, at: &ClusterConnection, kind: &str) -> Result<Vec<KindInfo>, ClusterError> {
        discovery::resolve(&*self.links.to(at)?, kind).await
    }

    async fn get(&self, at: &ClusterConnection, what: &ObjectKey) -> Result<Value, ClusterError> {
        objects::get(&*self.links.to(at)?, what).await
    }

    async fn list(&self, at: &ClusterConnection, query: &ListQuery) -> Result<ObjectPage, ClusterError> {
        objects::list(&*self.links.to(at)?, query).await
    }

    async fn apply(&self, at: &ClusterConnection, manifest: &Value, options: ApplyOptions) -> Result<Applied, ClusterError> {
        apply::apply(&*self.links.to(at)?, manifest, options).await
    }

    async fn create(&self, at: &ClusterConnection, manifest: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        objects::create(&*self.links.to(at)?, manifest, dry_run).await
    }

    async fn rollout_status(&self, at: &ClusterConnection, what: &ObjectKey) -> Result<Rollout, ClusterError> {
        rollout::status(&*self.links.to(at)?, what).await
    }

    async fn pod_logs(&self, at: &ClusterConnection, namespace: &str, pod: &str, query: &LogQuery) -> Result<String, ClusterError> {
        objects::pod_logs(&*self.links.to(at)?, namespace, pod, query).await
    }

    async fn changed(&self, at: &ClusterConnection, spec: &WatchSpec) -> Result<(), ClusterError> {
        watch::changed(&*self.links.to(at)?, spec).await
    }
}
