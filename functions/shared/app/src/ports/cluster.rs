//! What a Kubernetes API server can be asked. Grants are checked before, by the stage host; stability rules live behind this.

use async_trait::async_trait;
use model::account::{AccountCheck, ClusterConnection};
use model::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectKey {
    /// `apps/v1`, `v1`, ….
    pub api_version: String,
    /// `Deployment`, ….
    pub kind: String,
    /// None for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// What a kind's name turned out to mean on this cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KindInfo {
    /// Preferred group and version.
    pub api_version: String,
    /// `Deployment`, ….
    pub kind: String,
    /// `deployments`, ….
    pub plural: String,
    /// Lives in a namespace.
    pub namespaced: bool,
    /// Has the scale sub-resource.
    pub scalable: bool,
}

/// Objects by labels or fields.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListQuery {
    /// `apps/v1`, `v1`, ….
    pub api_version: String,
    /// `Deployment`, ….
    pub kind: String,
    /// None lists all namespaces.
    pub namespace: Option<String>,
    /// Label selector as Kubernetes writes it.
    pub labels: Option<String>,
    /// Field selector as Kubernetes writes it.
    pub fields: Option<String>,
    /// Page size, 1 to 500.
    pub limit: u32,
    /// From the page before.
    pub continue_token: Option<String>,
}

/// A page of objects.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectPage {
    /// The objects.
    pub items: Vec<Value>,
    /// For the next page.
    pub continue_token: Option<String>,
    /// The list's resourceVersion: a watch from here misses nothing.
    pub resource_version: String,
}

/// How to apply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Take fields from other managers.
    pub force_conflicts: bool,
    /// Ask the server what would happen, change nothing.
    pub dry_run: bool,
}

/// What applying did.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The object as the API server returned it.
    pub live: Value,
    /// It was not there before.
    pub created: bool,
    /// Its resourceVersion moved.
    pub changed: bool,
    /// Fields left out because another controller owns them (replicas of an autoscaled workload), as JSON pointers.
    pub left_out: Vec<String>,
}

/// Why an object has not settled: one pod or container, and its own reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutReason {
    /// The pod's or container's reason: `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`, ….
    pub code: String,
    /// The object it is about, usually a Pod.
    pub object: ObjectKey,
    /// The container, if it is about one.
    pub container: Option<String>,
    /// In the cluster's words.
    pub message: String,
}

/// Whether an object has settled, by the rules for its kind (behaviour of Spinnaker's manifest stability).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Settled.
    pub stable: bool,
    /// Will not settle any more.
    pub failed: bool,
    /// Held by somebody.
    pub paused: bool,
    /// Revision of the rollout, 0 when the kind has none.
    pub revision: u64,
    /// Wanted.
    pub desired: u32,
    /// Of the new revision.
    pub updated: u32,
    /// Of the new revision, available.
    pub available: u32,
    /// For people: "2 of 3 updated pods available".
    pub message: String,
    /// Pods and containers of the new revision that hold it back.
    pub reasons: Vec<RolloutReason>,
    /// What was read to say so, and at which resourceVersion: a watch from there misses nothing.
    #[serde(skip)]
    pub read: Vec<WatchSpec>,
}

/// What a watch is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchKey {
    /// One object.
    Object(ObjectKey),
    /// Objects of a kind by label selector (`k=v` sorted and joined by commas when made from labels).
    #[serde(rename_all = "camelCase")]
    Selection {
        /// `v1`, ….
        api_version: String,
        /// `Pod`, ….
        kind: String,
        /// None watches all namespaces.
        namespace: Option<String>,
        /// Label selector.
        labels: Option<String>,
        /// Field selector.
        fields: Option<String>,
    },
}

/// A watch and where it begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchSpec {
    /// What.
    pub what: WatchKey,
    /// From the read before; none begins now, and something may have been missed.
    pub resource_version: Option<String>,
}

/// Which part of a pod's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Needed when the pod has several.
    pub container: Option<String>,
    /// Of the container's previous run.
    pub previous: bool,
    /// Only the last lines.
    pub tail_lines: Option<u32>,
    /// Only newer.
    pub since_ms: Option<u64>,
    /// Cut here.
    pub bytes_max: u32,
}

/// What an account must be able to do to be `ready`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyNeeds {
    /// Where.
    pub namespaces: Vec<String>,
    /// (verb, group, plural) in each namespace.
    pub rights: Vec<(String, String, String)>,
}

/// What a check of an account found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// `v1.36.3`, ….
    pub version: String,
    /// One line a thing checked; a right that is missing makes its line fail.
    pub checks: Vec<AccountCheck>,
}

/// Why the cluster did not do it. The texts are for people and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The API server says 403.
    #[error("the cluster denies it: {0}")]
    Denied(String),
    /// The API server says 401.
    #[error("the cluster does not accept the credentials: {0}")]
    Unauthorized(String),
    /// No such object or kind.
    #[error("not found: {0}")]
    NotFound(String),
    /// Another manager owns a field, or the object moved on; names manager and field.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The API server refuses the object.
    #[error("the cluster refuses the object: {0}")]
    Invalid(String),
    /// Come back after so many milliseconds.
    #[error("the cluster is busy, again in {0} ms")]
    Throttled(u32),
    /// Name not found, refused, certificate not trusted, time-out: in words a person understands.
    #[error("the cluster cannot be reached: {message}")]
    Unreachable {
        /// `name-not-found`, `refused`, `certificate-not-trusted`, `timed-out`, `connection-lost`, `server-error`.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// The answer is larger than allowed.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
}

/// A Kubernetes API server, through one connection. Every call is bounded in time by the adapter.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Reads a kubeconfig: the connection of the chosen context, and that context's name. Pure: opens no file, runs nothing;
    /// what would need either (`exec`, `auth-provider`, file paths, a proxy) is refused with advice, and so is a kubeconfig
    /// with several contexts when none is chosen. The problems hold no secret.
    fn read_kubeconfig(&self, text: &str, context: Option<&str>, allow_insecure: bool)
    -> Result<(ClusterConnection, String), Vec<Problem>>;
    /// The way without a kubeconfig: address, certificate authority (PEM; none means the public ones) and token, checked
    /// alike. The problems point at `/server`, `/caPem` and `/token`.
    fn read_address(
        &self,
        server: &str,
        ca_pem: Option<&str>,
        token: &str,
        allow_insecure: bool,
    ) -> Result<ClusterConnection, Vec<Problem>>;
    /// Reachability, version, and what the credentials may do in each namespace.
    async fn verify(&self, at: &ClusterConnection, needs: &VerifyNeeds) -> Result<Verified, ClusterError>;
    /// From `deployment`, `deployments.apps`, `apps/v1 Deployment`, a short name, or a custom resource's.
    async fn resolve(&self, at: &ClusterConnection, kind: &str) -> Result<Vec<KindInfo>, ClusterError>;
    /// Reads an object.
    async fn get(&self, at: &ClusterConnection, what: &ObjectKey) -> Result<Value, ClusterError>;
    /// Lists objects.
    async fn list(&self, at: &ClusterConnection, query: &ListQuery) -> Result<ObjectPage, ClusterError>;
    /// Server-side apply as the installation's manager, adopting what client-side apply made.
    async fn apply(&self, at: &ClusterConnection, manifest: &Value, options: ApplyOptions) -> Result<Applied, ClusterError>;
    /// Creates an object (`generateName` included).
    async fn create(&self, at: &ClusterConnection, manifest: &Value, dry_run: bool) -> Result<Value, ClusterError>;
    /// Whether an object has settled.
    async fn rollout_status(&self, at: &ClusterConnection, what: &ObjectKey) -> Result<Rollout, ClusterError>;
    /// Reads a pod's log.
    async fn pod_logs(&self, at: &ClusterConnection, namespace: &str, pod: &str, query: &LogQuery) -> Result<String, ClusterError>;
    /// Returns as soon as something of it changed since its resourceVersion. A watch that breaks is opened again; one that
    /// cannot say what happened in between returns, since something may have. Dropping the future ends the watch.
    async fn changed(&self, at: &ClusterConnection, spec: &WatchSpec) -> Result<(), ClusterError>;
}
