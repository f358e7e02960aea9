//! A cluster that is waited for no longer than its step lasts. What takes longer is the cluster's silence, and told as such
//! while the component can still say so; otherwise the step's own end would look like the component's fault.

use app::ports::{
    Applied, ApplyOptions, Cluster, ClusterError, KindInfo, ListQuery, LogQuery, ObjectKey, ObjectPage, Rollout, Verified, VerifyNeeds,
    WatchSpec,
};
use async_trait::async_trait;
use model::account::ClusterConnection;
use model::problem::Problem;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The longest end of a step that is kept for the component's answer.
const RESERVE_MS_MAX: u64 = 3_000;

/// How long clusters are waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    until: Instant,
    waits_ms: u64,
}

/// A cluster, until then.
pub(crate) struct Patient {
    cluster: Arc<dyn Cluster>,
    patience: Patience,
}

impl Patient {
    /// For a step that begins now and may take so long; a tenth of it, at most three seconds, stays with the component.
    pub(crate) fn new(cluster: Arc<dyn Cluster>, step_ms_max: u64) -> Self {
        Self { cluster, patience: Patience::of(step_ms_max) }
    }
}

impl Patience {
    fn of(step_ms_max: u64) -> Self {
        let waits_ms = step_ms_max.saturating_sub((step_ms_max / 10).min(RESERVE_MS_MAX));
        Self { until: Instant::now() + Duration::from_millis(waits_ms), waits_ms }
    }

    async fn within<T>(&self, call: impl Future<Output = Result<T, ClusterError>>) -> Result<T, ClusterError> {
        timeout_at(self.until, call).await.unwrap_or_else(|_| {
            let message = format!("the cluster had not answered when the {} ms that this step has for it were over", self.waits_ms);
            Err(ClusterError::Unreachable { code: "timed-out", message })
        })
    }
}

#[async_trait]
impl Cluster for Patient {
    fn read_kubeconfig(
        &self,
        text: &str,
        context: Option<&str>,
        allow_insecure: bool,
    ) -> Result<(ClusterConnection, String), Vec<Problem>> {
        self.cluster.read_kubeconfig(text, context, allow_insecure)
    }

    fn read_address(
        &self,
        server: &str,
        ca_pem: Option<&str>,
        token: &str,
        allow_insecure: bool,
    ) -> Result<ClusterConnection, Vec<Problem>> {
        self.cluster.read_address(server, ca_pem, token, allow_insecure)
    }

    async fn verify(&self, at: &ClusterConnection, needs: &VerifyNeeds) -> Result<Verified, ClusterError> {
        self.patience.within(self.cluster.verify(at, needs)).await
    }

    async fn resolve(&self, at: &ClusterConnection, kind: &str) -> Result<Vec<KindInfo>, ClusterError> {
        self.patience.within(self.cluster.resolve(at, kind)).await
    }

    async fn get(&self, at: &ClusterConnection, what: &ObjectKey) -> Result<Value, ClusterError> {
        self.patience.within(self.cluster.get(at, what)).await
    }

    async fn list(&self, at: &ClusterConnection, query: &ListQuery) -> Result<ObjectPage, ClusterError> {
        self.patience.within(self.cluster.list(at, query)).await
    }

    async fn apply(&self, at: &ClusterConnection, manifest: &Value, options: ApplyOptions) -> Result<Applied, ClusterError> {
        self.patience.within(self.cluster.apply(at, manifest, options)).await
    }

    async fn create(&self, at: &ClusterConnection, manifest: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        self.patience.within(self.cluster.create(at, manifest, dry_run)).await
    }

    async fn rollout_status(&self, at: &ClusterConnection, what: &ObjectKey) -> Result<Rollout, ClusterError> {
        self.patience.within(self.cluster.rollout_status(at, what)).await
    }

    async fn pod_logs(&self, at: &ClusterConnection, namespace: &str, pod: &str, query: &LogQuery) -> Result<String, ClusterError> {
        self.patience.within(self.cluster.pod_logs(at, namespace, pod, query)).await
    }

    // A watch outlives the step.
    async fn changed(&self, at: &ClusterConnection, spec: &WatchSpec) -> Result<(), ClusterError> {
        self.cluster.changed(at, spec).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[test]
    fn the_end_of_a_step_is_the_components() {
        let waits = [1_000, 2_000, 30_000, 300_000].map(|step_ms_max| Patience::of(step_ms_max).waits_ms);
        assert_eq!(waits, [900, 1_800, 27_000, 297_000]);
    }

    #[tokio::test]
    async fn silence_is_the_clusters() {
        let patience = Patience::of(20);
        let error = patience.within(pending::<Result<(), ClusterError>>()).await.unwrap_err();
        assert!(matches!(&error, ClusterError::Unreachable { code: "timed-out", message } if message.contains("18 ms")), "{error}");
        assert_eq!(patience.within(ready(Ok(7))).await, Ok(7), "what has been answered counts");
    }
}
