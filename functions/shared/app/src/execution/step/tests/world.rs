//! A whole installation in memory, and short ways to say what a test does with it.

use super::*;
use crate::accounts;
use crate::accounts::cloud::{Access, Scope, create};
use crate::execution::plan::Plan;
use crate::execution::retention;
use crate::execution::slots::Slots;
use crate::execution::stored::LogEntry;
use model::id::{AccountName, PipelineId};
use model::reason::Code;
use std::collections::BTreeSet;

pub(super) struct World {
    pub(super) ports: Ports,
    pub(super) table: Arc<Lying>,
    pub(super) clock: Arc<Still>,
    pub(super) host: Arc<Scripted>,
    pub(super) hints: Arc<KeptHints>,
    pub(super) blobs: Arc<MemoryBlobs>,
}

/// Whoever may do everything.
pub(super) fn root() -> Principal {
    principal("root", Role::Administrator)
}

pub(super) fn inbox_of(p: &Ports) -> inbox::Ports<'_> {
    inbox::Ports {
        table: p.table.as_ref(),
        blobs: p.blobs.as_ref(),
        queue: p.queue.as_ref(),
        clock: p.clock.as_ref(),
        entropy: p.entropy.as_ref(),
    }
}

pub(super) fn retention_of(p: &Ports) -> retention::Ports<'_> {
    retention::Ports {
        table: p.table.as_ref(),
        blobs: p.blobs.as_ref(),
        archive: &crate::ports::NoArchive,
        clock: p.clock.as_ref(),
        queue: p.queue.as_ref(),
        limits: &p.limits,
    }
}

/// The stage types of every test: `wait` can do nothing special, `undo` can stop what it began, `plan` unfolds into `wait`, `plan`
/// and stages of a type that nobody installed, `real` runs in a dry run, `keeps` evaluates some of its settings itself and may touch
/// a cluster.
fn types() -> Vec<StageType> {
    let row = |name: &str, manifest: Value, exports: &[&str]| StageType {
        name: name.to_owned(),
        aliases: vec![],
        version: "1.0.0".to_owned(),
        wasm_sha256: "a".repeat(64),
        cwasm_sha256: "b".repeat(64),
        engine: "e".to_owned(),
        manifest,
        grant: Grant::default(),
        exports: exports.iter().map(|export| (*export).to_owned()).collect(),
        limits: StepLimits::default(),
        timeout_ms: 3_600_000,
    };
    let unfolds = json!({"checkpointSchemas": [1], "planning": {"types": ["wait", "undo", "nest", "plan", "nobodys"]}});
    let by_stage = ["/manifests/*/data", "/env/*", "/list/1", "/map/only"];
    let keeps = json!({"checkpointSchemas": [1], "expressions": {"byStage": by_stage}});
    let granted = serde_json::from_value(json!({"kinds": ["ConfigMap"], "verbs": ["get"]})).unwrap();
    vec![
        row("wait", json!({"checkpointSchemas": [1]}), &[]),
        row("undo", json!({"checkpointSchemas": [1], "manualSkip": true}), &["compensation"]),
        row("plan", unfolds.clone(), &["planning"]),
        row("nest", unfolds, &["planning"]),
        row("real", json!({"checkpointSchemas": [1], "dryRun": "execute"}), &[]),
        StageType { grant: Grant { kubernetes: vec![granted], ..Grant::default() }, ..row("keeps", keeps, &[]) },
    ]
}

pub(super) fn world(script: impl Fn(&StepCall) -> Answer + Send + Sync + 'static) -> World {
    let table = Arc::new(Lying::default());
    let clock = Arc::new(Still::default());
    let hints = Arc::new(KeptHints::default());
    let host = Arc::new(Scripted { script: Box::new(script), calls: Mutex::default(), exports: Mutex::default() });
    let blobs = Arc::new(MemoryBlobs::default());
    let ports = Ports {
        table: table.clone(),
        blobs: blobs.clone(),
        queue: hints.clone(),
        changes: Arc::new(KeptChanges::default()),
        clock: clock.clone(),
        entropy: Arc::new(Counting::default()),
        sealer: Arc::new(TurningSealer),
        host: host.clone(),
        cluster: Arc::new(ScriptedCluster::default()),
        limits: Arc::default(),
        alone_since_ms: None,
    };
    World { ports, table, clock, host, hints, blobs }
}

impl World {
    pub(super) fn start_ports(&self) -> start::Ports<'_> {
        let p = &self.ports;
        start::Ports {
            table: p.table.as_ref(),
            blobs: p.blobs.as_ref(),
            queue: p.queue.as_ref(),
            changes: p.changes.as_ref(),
            clock: p.clock.as_ref(),
            entropy: p.entropy.as_ref(),
            limits: &p.limits,
        }
    }

    pub(super) fn inbox_ports(&self) -> inbox::Ports<'_> {
        inbox_of(&self.ports)
    }

    /// An installation with one pipeline of these stages, and one execution of it.
    pub(super) async fn prepare(&self, stages: Value) -> Result<start::Started, AppError> {
        let pipeline = self.install(json!({"stages": stages})).await?;
        self.table.writes.store(0, Ordering::SeqCst);
        let parameters = json!({"version": "1.2"}).as_object().unwrap().clone();
        let request = Request { parameters, correlation: Some("once".to_owned()), into: Into::EveryProject, ..self.request(&pipeline) };
        start::start(self.start_ports(), &request).await
    }

    /// Stage types, an application in a project, and a pipeline `deployTesting` of it.
    pub(super) async fn install(&self, document: Value) -> Result<PipelineId, AppError> {
        let p = &self.ports;
        stage_types::install(p.table.as_ref(), &types()).await?;
        self.application(json!({"name": "flaskapp"})).await?;
        let project = ProjectName::parse("cd-demo").unwrap();
        let name = AppName::parse("flaskapp").unwrap();
        projects::create(p.table.as_ref(), p.clock.as_ref(), p.changes.as_ref(), &root(), None, project.clone(), String::new()).await?;
        projects::bind(p.table.as_ref(), p.changes.as_ref(), &root(), &project, &name).await?;
        self.save("flaskapp", "deployTesting", document, &Expect::Absent).await
    }

    pub(super) async fn application(&self, application: Value) -> Result<(), AppError> {
        let p = &self.ports;
        let application: model::application::Application = serde_json::from_value(application).unwrap();
        let made = applications::create(p.table.as_ref(), p.clock.as_ref(), p.changes.as_ref(), &root(), None, application).await;
        made.map(|_| ())
    }

    /// A cloud account `prod` that `flaskapp` may use.
    pub(super) async fn account(&self) {
        let p = &self.ports;
        let ports = accounts::AccountPorts {
            table: p.table.as_ref(),
            clock: p.clock.as_ref(),
            sealer: p.sealer.as_ref(),
            queue: p.queue.as_ref(),
            changes: p.changes.as_ref(),
        };
        let access = Access::Kubeconfig { text: "server=https://10.0.0.1 token=secret".to_owned(), context: None };
        let scope = Scope { applications: vec![AppName::parse("flaskapp").unwrap()], ..Scope::default() };
        let name = AccountName::parse("prod").unwrap();
        create(&ports, p.cluster.as_ref(), &root(), None, name, (access, false), &scope).await.unwrap();
    }

    /// Sets flags of the application `flaskapp`.
    pub(super) async fn allow(&self, flags: Value) {
        let p = &self.ports;
        let name = AppName::parse("flaskapp").unwrap();
        let (application, _) = applications::load(p.table.as_ref(), &name).await.unwrap();
        let mut json = json!(application);
        json.as_object_mut().unwrap().extend(flags.as_object().unwrap().clone());
        let application = serde_json::from_value(json).unwrap();
        applications::replace(p.table.as_ref(), p.changes.as_ref(), &root(), &name, application, &Expect::Present).await.unwrap();
    }

    pub(super) async fn save(&self, application: &str, name: &str, mut document: Value, expect: &Expect) -> Result<PipelineId, AppError> {
        let p = &self.ports;
        document["application"] = json!(application);
        document["name"] = json!(name);
        let save = pipelines::SavePorts {
            table: p.table.as_ref(),
            clock: p.clock.as_ref(),
            entropy: p.entropy.as_ref(),
            sealer: p.sealer.as_ref(),
            changes: p.changes.as_ref(),
        };
        let application = AppName::parse(application).unwrap();
        Ok(pipelines::save(&save, &root(), &application, name, document, expect).await?.row.id)
    }

    /// What starts a pipeline of `flaskapp` by hand.
    pub(super) fn request(&self, pipeline: &PipelineId) -> Request {
        Request {
            application: AppName::parse("flaskapp").unwrap(),
            pipeline: pipeline.clone(),
            submitter: root(),
            origin: Origin::Manual,
            trigger: Map::new(),
            constrained_to: None,
            parameters: Map::new(),
            artifacts: vec![],
            note: String::new(),
            correlation: None,
            into: Into::Nowhere,
            start_by_ms: None,
            parent: None,
        }
    }

    pub(super) async fn start(&self, pipeline: &PipelineId) -> ExecutionId {
        start::start(self.start_ports(), &self.request(pipeline)).await.unwrap().execution
    }

    /// Does what a tick would ask for until there is nothing left that can be done now.
    pub(super) async fn settle(&self) {
        for _ in 0..200 {
            let due = self.ports.table.due(self.ports.clock.now_ms(), 200).await.unwrap();
            let ids: BTreeSet<ExecutionId> = due.iter().filter_map(|key| keys::execution_of(&key.partition)).collect();
            if ids.is_empty() {
                return;
            }
            for id in ids {
                self.advance(&id).await;
            }
        }
        panic!("it never comes to rest");
    }

    /// True when no execution is to be looked at at any time.
    pub(super) async fn nothing_waits(&self) -> bool {
        let due = self.ports.table.due(u64::MAX, 200).await.unwrap();
        !due.iter().any(|key| keys::execution_of(&key.partition).is_some())
    }

    /// A worker that is killed at its transaction after `after` more of them; its lease runs out.
    pub(super) fn killed(&self, id: &ExecutionId, after: u32, lie: Lie) {
        self.table.lie(after, lie);
        let _killed = advance(&self.ports, id, &NeverWoken, BUDGET).now_or_never();
        self.table.lies.lock().unwrap().clear();
        self.clock.0.advance(LEASE_MS + 1);
    }

    /// As many workers as may die on it do.
    pub(super) fn kills_everybody(&self, id: &ExecutionId) {
        for _ in 0..TAKES_MAX {
            self.killed(id, 1, Lie::Hang);
        }
    }

    pub(super) async fn status(&self, id: &ExecutionId) -> Status {
        self.meta(id).await.execution.status
    }

    pub(super) async fn plan(&self, id: &ExecutionId) -> Plan {
        let kept = self.meta(id).await.plan;
        Plan::load(self.ports.table.as_ref(), self.blobs.as_ref(), id, &kept).await.unwrap()
    }

    pub(super) async fn code(&self, id: &ExecutionId) -> Option<Code> {
        self.meta(id).await.execution.reason.map(|reason| reason.code)
    }

    pub(super) async fn cancel(&self, id: &ExecutionId) {
        inbox::cancel(self.inbox_ports(), &principal("dev", Role::Developer), id, "", None).await.unwrap();
    }

    pub(super) async fn slots(&self, pipeline: &PipelineId) -> Slots {
        load::<Slots>(self.ports.table.as_ref(), &keys::slots(pipeline)).await.unwrap().map(|(slots, _)| slots).unwrap_or_default()
    }

    /// Sends a judgment to stage `1`.
    pub(super) async fn judge(&self, id: &ExecutionId) {
        let body = json!({"judgmentStatus": "continue"});
        let signal = inbox::Signal { stage: "1".to_owned(), name: "judgment".to_owned(), body };
        inbox::signal(self.inbox_ports(), &root(), id, &signal, None).await.unwrap();
    }

    /// The log, the oldest first.
    pub(super) async fn log(&self, id: &ExecutionId) -> Vec<LogEntry> {
        let query = Query::prefix(keys::partition(id), "LOG#", 500);
        crate::record::page::<LogEntry>(self.ports.table.as_ref(), &query).await.unwrap().0
    }

    /// How often followers of a topic were told.
    pub(super) async fn told(&self, topic: &str) -> usize {
        self.ports.changes.wait(&[topic.to_owned()], 0, 0).await.1.unwrap().len()
    }

    /// Verdicts about outside events, in the order of the log.
    pub(super) async fn verdicts(&self, id: &ExecutionId) -> Vec<String> {
        self.log(id).await.into_iter().flat_map(|entry| entry.verdicts).map(|verdict| verdict.verdict).collect()
    }

    /// Items of an execution whose sort keys begin so.
    pub(super) async fn items(&self, id: &ExecutionId, prefix: &str) -> usize {
        self.ports.table.query(&Query::prefix(keys::partition(id), prefix, 500)).await.unwrap().items.len()
    }

    pub(super) fn exports(&self) -> Vec<(String, Export)> {
        self.host.exports.lock().unwrap().clone()
    }

    pub(super) async fn advance(&self, id: &ExecutionId) -> Rest {
        advance(&self.ports, id, &NeverWoken, BUDGET).await.unwrap()
    }

    pub(super) async fn detail(&self, id: &ExecutionId) -> follow::Detail {
        let p = &self.ports;
        let ports =
            follow::Ports { table: p.table.as_ref(), blobs: p.blobs.as_ref(), changes: p.changes.as_ref(), clock: p.clock.as_ref() };
        follow::get(ports, &principal("dev", Role::Developer), id, None, 0).await.unwrap()
    }

    pub(super) async fn meta(&self, id: &ExecutionId) -> Meta {
        load::<Meta>(self.ports.table.as_ref(), &keys::meta(id)).await.unwrap().unwrap().0
    }

    pub(super) fn calls(&self) -> Vec<(String, u32)> {
        self.host.calls.lock().unwrap().iter().map(|(stage, seq, _)| (stage.clone(), *seq)).collect()
    }

    pub(super) fn settings(&self, call: usize) -> Value {
        self.host.calls.lock().unwrap()[call].2.clone()
    }

    pub(super) fn writes(&self) -> u32 {
        self.table.writes.load(Ordering::SeqCst)
    }
}
