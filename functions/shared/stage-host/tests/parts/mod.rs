//! Parts for tests, known by the ports alone: a cluster that answers from a script and records what it was asked, a journal in
//! memory, and steps. Shared by the tests within the crate and those outside.

use app::ports::{
    AccountAccess, Applied, ApplyOptions, Cluster, ClusterError, Executions, Export, JournalError, KindInfo, ListQuery, LogQuery, Moment,
    ObjectKey, ObjectPage, Rollout, RunInfo, StepCall, StepJournal, StepMode, StepScope, TraceEntry, Verified, VerifyNeeds, Wake, WatchKey,
    WatchSpec,
};
use async_trait::async_trait;
use model::account::{ClusterConnection, ClusterCredentials};
use model::component::{Grant, KubernetesGrant, StepLimits};
use model::problem::Problem;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

mod executions;
pub(crate) use executions::ScriptedExecutions;

/// A cluster that remembers what it was asked.
#[derive(Default)]
pub(crate) struct ScriptedCluster {
    pub(crate) calls: Mutex<Vec<String>>,
    /// Objects by `Kind/namespace/name`.
    pub(crate) objects: Mutex<HashMap<String, Value>>,
    /// Errors by `Kind/namespace/name`, for writes.
    pub(crate) refusals: Mutex<HashMap<String, ClusterError>>,
    pub(crate) kinds: Vec<KindInfo>,
    /// `get` of this name never answers.
    pub(crate) hangs: Option<String>,
    /// Told when it hangs.
    pub(crate) hanging: Notify,
    pub(crate) version: Mutex<u64>,
}

fn place(kind: &str, namespace: Option<&str>, name: &str) -> String {
    format!("{kind}/{}/{name}", namespace.unwrap_or("-"))
}

fn place_of(manifest: &Value) -> String {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
    place(text("/kind").unwrap(), text("/metadata/namespace"), text("/metadata/name").unwrap())
}

impl ScriptedCluster {
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn asked(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    fn put(&self, manifest: &Value) -> Value {
        let mut version = self.version.lock().unwrap();
        *version += 1;
        let mut live = manifest.clone();
        live["metadata"]["resourceVersion"] = json!(version.to_string());
        self.objects.lock().unwrap().insert(place_of(manifest), live.clone());
        live
    }
}

#[async_trait]
impl Cluster for ScriptedCluster {
    fn read_kubeconfig(&self, _: &str, _: Option<&str>, _: bool) -> Result<(ClusterConnection, String), Vec<Problem>> {
        Err(Vec::new())
    }

    fn read_address(&self, _: &str, _: Option<&str>, _: &str, _: bool) -> Result<ClusterConnection, Vec<Problem>> {
        Err(Vec::new())
    }

    async fn verify(&self, _: &ClusterConnection, _: &VerifyNeeds) -> Result<Verified, ClusterError> {
        Err(ClusterError::NotFound("no".into()))
    }

    async fn resolve(&self, _: &ClusterConnection, kind: &str) -> Result<Vec<KindInfo>, ClusterError> {
        self.asked(format!("resolve {kind}"));
        Ok(self.kinds.iter().filter(|k| kind.contains(&k.kind)).cloned().collect())
    }

    async fn get(&self, _: &ClusterConnection, what: &ObjectKey) -> Result<Value, ClusterError> {
        let place = place(&what.kind, what.namespace.as_deref(), &what.name);
        self.asked(format!("get {place}"));
        if self.hangs.as_ref() == Some(&what.name) {
            self.hanging.notify_one();
            std::future::pending::<()>().await;
        }
        self.objects.lock().unwrap().get(&place).cloned().ok_or(ClusterError::NotFound(place))
    }

    async fn list(&self, _: &ClusterConnection, query: &ListQuery) -> Result<ObjectPage, ClusterError> {
        let ListQuery { kind, namespace, labels, limit, continue_token, .. } = query;
        let namespace = namespace.as_deref().unwrap_or("-");
        self.asked(format!(
            "list {kind}/{namespace} {} {limit} {}",
            labels.as_deref().unwrap_or(""),
            continue_token.as_deref().unwrap_or("")
        ));
        let beginning = format!("{kind}/{namespace}/");
        let objects = self.objects.lock().unwrap();
        let items = objects.iter().filter(|(k, _)| k.starts_with(&beginning)).map(|(_, v)| v.clone()).collect();
        Ok(ObjectPage { items, continue_token: None, resource_version: "77".into() })
    }

    async fn apply(&self, _: &ClusterConnection, manifest: &Value, options: ApplyOptions) -> Result<Applied, ClusterError> {
        let place = place_of(manifest);
        self.asked(format!("apply {place}{}", if options.dry_run { " dry" } else { "" }));
        if let Some(error) = self.refusals.lock().unwrap().get(&place) {
            return Err(error.clone());
        }
        let live = if options.dry_run { manifest.clone() } else { self.put(manifest) };
        Ok(Applied { live, created: true, changed: true, left_out: Vec::new() })
    }

    async fn create(&self, _: &ClusterConnection, manifest: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        let place = place_of(manifest);
        self.asked(format!("create {place}{}", if dry_run { " dry" } else { "" }));
        if self.objects.lock().unwrap().contains_key(&place) {
            return Err(ClusterError::Conflict(format!("{place} already exists")));
        }
        Ok(self.put(manifest))
    }

    async fn rollout_status(&self, _: &ClusterConnection, what: &ObjectKey) -> Result<Rollout, ClusterError> {
        self.asked(format!("rollout {}", place(&what.kind, what.namespace.as_deref(), &what.name)));
        let pods = WatchKey::Selection {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: what.namespace.clone(),
            labels: Some("app=web,pod-template-hash=x".into()),
            fields: None,
        };
        let at = |what, version: &str| WatchSpec { what, resource_version: Some(version.into()) };
        Ok(Rollout {
            stable: false,
            failed: false,
            paused: false,
            revision: 3,
            desired: 3,
            updated: 2,
            available: 2,
            message: "2 of 3 updated pods available".into(),
            reasons: Vec::new(),
            read: vec![at(WatchKey::Object(what.clone()), "41"), at(pods, "42")],
        })
    }

    async fn pod_logs(&self, _: &ClusterConnection, namespace: &str, pod: &str, query: &LogQuery) -> Result<String, ClusterError> {
        self.asked(format!("logs {namespace}/{pod} {}", query.bytes_max));
        Ok("a line".into())
    }

    async fn changed(&self, _: &ClusterConnection, _: &WatchSpec) -> Result<(), ClusterError> {
        Ok(())
    }
}

/// A journal in memory.
#[derive(Default)]
pub(crate) struct MemoryJournal {
    pub(crate) recorded: Vec<TraceEntry>,
    pub(crate) written: Mutex<Vec<Vec<TraceEntry>>>,
    pub(crate) fails: Mutex<Option<JournalError>>,
    pub(crate) fenced: AtomicBool,
}

impl MemoryJournal {
    pub(crate) fn after(recorded: Vec<TraceEntry>) -> Arc<Self> {
        Arc::new(Self { recorded, ..Self::default() })
    }

    /// Calls of each write, an intent with a question mark.
    pub(crate) fn writes(&self) -> Vec<Vec<String>> {
        let name = |e: &TraceEntry| format!("{} {}{}", e.index, e.call, if e.response.is_none() { "?" } else { "" });
        self.written.lock().unwrap().iter().map(|entries| entries.iter().map(name).collect()).collect()
    }

    /// Everything written, in order.
    pub(crate) fn entries(&self) -> Vec<TraceEntry> {
        self.written.lock().unwrap().concat()
    }
}

#[async_trait]
impl StepJournal for MemoryJournal {
    fn recorded(&self) -> &[TraceEntry] {
        &self.recorded
    }

    async fn intend(&self, entries: Vec<TraceEntry>) -> Result<(), JournalError> {
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        self.written.lock().unwrap().push(entries);
        Ok(())
    }

    fn is_current(&self) -> bool {
        !self.fenced.load(Ordering::Relaxed)
    }
}

/// A scope with one parameter and one artifact.
pub(crate) struct SmallScope;

#[async_trait]
impl StepScope for SmallScope {
    fn lookup(&self, pointer: &str) -> Option<Value> {
        json!({"parameters": {"env": "prod"}}).pointer(pointer).cloned()
    }

    fn evaluate(&self, template: &str, locals: &Value, _: Moment) -> Result<Value, (u32, String, String)> {
        match template {
            "${x}" => Ok(locals["x"].clone()),
            _ => Err((2, "unknown".into(), "no such thing".into())),
        }
    }

    fn artifacts(&self) -> Vec<Value> {
        vec![json!({"type": "docker/image", "name": "flask"})]
    }
}

/// All that a test may want to change about a step.
pub(crate) struct Setup {
    pub(crate) cluster: Arc<ScriptedCluster>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) executions: Arc<ScriptedExecutions>,
    /// Functions of `executions` that are granted.
    pub(crate) runs: Vec<&'static str>,
    pub(crate) export: Export,
    pub(crate) verbs: Vec<&'static str>,
    pub(crate) extra_kinds: Vec<&'static str>,
    pub(crate) namespaces: Vec<&'static str>,
    pub(crate) limits: StepLimits,
    pub(crate) mode: StepMode,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            cluster: Arc::default(),
            journal: Arc::default(),
            executions: Arc::default(),
            runs: Vec::new(),
            export: Export::Step,
            verbs: vec!["resolve", "get", "list-objects", "apply", "create", "rollout-status", "pod-logs"],
            extra_kinds: Vec::new(),
            namespaces: vec!["shop", "shop-2"],
            limits: StepLimits { step_ms_max: 60_000, ..StepLimits::default() },
            mode: StepMode::Execute,
        }
    }
}

impl Setup {
    pub(crate) fn call(&self) -> StepCall {
        let texts = |list: &[&str]| -> BTreeSet<String> { list.iter().map(|s| (*s).to_owned()).collect() };
        let connection = ClusterConnection {
            server: "https://cluster.test".into(),
            ca_pem: None,
            insecure_skip_tls_verify: false,
            tls_server_name: None,
            credentials: ClusterCredentials::Token("never shown".into()),
        };
        let access =
            AccountAccess { connection: Arc::new(connection), namespaces: texts(&self.namespaces), extra_kinds: texts(&self.extra_kinds) };
        let verbs = self.verbs.iter().map(|v| (*v).to_owned()).collect();
        let kubernetes = KubernetesGrant { api_groups: vec!["*".into()], kinds: vec!["*".into()], verbs };
        StepCall {
            cwasm_sha256: "0".repeat(64),
            checkpoint_schemas: vec![1],
            grant: Grant { kubernetes: vec![kubernetes], adopt_sender: false, executions: texts(&self.runs).into_iter().collect() },
            limits: self.limits,
            export: self.export.clone(),
            info: RunInfo {
                application: "flaskapp".into(),
                pipeline: "deployTesting".into(),
                execution_id: "01J".into(),
                stage_id: "1".into(),
                stage_type: "test".into(),
                attempt: 1,
                deadline_ms: 9,
                traceparent: String::new(),
            },
            params: "{}".into(),
            mode: self.mode,
            wake: Wake::Start,
            checkpoint: None,
            seq: 0,
            retry: 0,
            now_ms: 1_000,
            seed: 7,
            accounts: BTreeMap::from([("prod".to_owned(), access)]),
            cluster: Arc::clone(&self.cluster) as Arc<dyn Cluster>,
            executions: Arc::clone(&self.executions) as Arc<dyn Executions>,
            scope: Arc::new(SmallScope),
            journal: Arc::clone(&self.journal) as Arc<dyn StepJournal>,
        }
    }
}

pub(crate) fn manifest(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Value {
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if let Some(namespace) = namespace {
        value["metadata"]["namespace"] = json!(namespace);
    }
    value
}
