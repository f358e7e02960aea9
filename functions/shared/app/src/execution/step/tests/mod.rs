//! The worker against a table in memory and a scripted stage host: what it runs, what it commits, and what it does when it is
//! killed, overtaken or lied to.

mod runs;

use super::*;
use crate::execution::start::{self, Into, Request};
use crate::execution::stored::{Meta, OrderRow};
use crate::execution::{follow, inbox, keys};
use crate::expect::Expect;
use crate::ports::{
    Condition, Item, Key, Page, Query, SignalSpec, StepCall, StepEnd, StepFault, StepReport, StepResults, StoreError, TraceEntry,
    TransactError, Transaction, Write,
};
use crate::record::{item, load};
use crate::testing::{Counting, FixedClock, KeptChanges, KeptHints, MemoryTable, ScriptedCluster, TurningSealer, principal};
use crate::{applications, pipelines, projects, stage_types};
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use model::component::{Grant, StageType, StepLimits};
use model::id::{AppName, ProjectName};
use model::order::Origin;
use model::person::Role;
use model::reason::ReasonCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

type Answer = BoxFuture<'static, Result<StepReport, StepFault>>;
type Script = Box<dyn Fn(&StepCall) -> Answer + Send + Sync>;

struct Scripted {
    script: Script,
    calls: Mutex<Vec<(String, u32, Value)>>,
}

#[async_trait]
impl StageHost for Scripted {
    async fn step(&self, call: StepCall) -> Result<StepReport, StepFault> {
        let params: Value = serde_json::from_str(&call.params).unwrap();
        self.calls.lock().unwrap().push((call.info.stage_id.clone(), call.seq, params));
        (self.script)(&call).await
    }

    async fn validate(&self, _cwasm: &str, params: &str) -> Result<Vec<(String, String)>, StepFault> {
        let wrong = params.contains("\"bad\":true");
        Ok(if wrong { vec![("/bad".to_owned(), "must not be".to_owned())] } else { vec![] })
    }
}

/// A table that does what it is told at the n-th transaction.
#[derive(Default)]
struct Lying {
    table: MemoryTable,
    writes: AtomicU32,
    /// Transaction number → how it lies.
    lies: Mutex<BTreeMap<u32, Lie>>,
}

#[derive(Clone, Copy)]
enum Lie {
    /// Writes, and says that the outcome is unknown.
    WrittenUnknown,
    /// Does not write, and says that the outcome is unknown.
    LostUnknown,
    /// Does not write, and never answers: the worker is killed there.
    Hang,
    /// Writes, and never answers.
    WrittenHang,
}

#[async_trait]
impl Table for Lying {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.table.get(key).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.table.query(query).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let lie = self.lies.lock().unwrap().remove(&number);
        match lie {
            None => self.table.transact(transaction).await,
            Some(Lie::WrittenUnknown) => {
                self.table.transact(transaction).await?;
                Err(TransactError::Unknown("no answer".to_owned()))
            }
            Some(Lie::LostUnknown) => Err(TransactError::Unknown("no answer".to_owned())),
            Some(Lie::Hang) => future::pending().await,
            Some(Lie::WrittenHang) => {
                self.table.transact(transaction).await?;
                future::pending().await
            }
        }
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.table.due(now, limit).await
    }
}

#[derive(Default)]
struct MemoryBlobs(Mutex<BTreeMap<String, Vec<u8>>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        use sha2::Digest;
        let digest = hex::encode(sha2::Sha256::digest(bytes));
        self.0.lock().unwrap().insert(digest.clone(), bytes.to_vec());
        Ok(digest)
    }

    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().get(sha256).cloned())
    }
}

/// A clock that only a test moves; whoever sleeps past now sleeps for good.
#[derive(Default)]
struct Still(FixedClock);

#[async_trait]
impl Clock for Still {
    fn now_ms(&self) -> Millis {
        self.0.now_ms()
    }

    async fn sleep_until(&self, at: Millis) {
        if at > self.now_ms() {
            future::pending::<()>().await;
        }
    }
}

/// The usual lease.
const LEASE_MS: Millis = 30_000;
/// The usual number of takes.
const TAKES_MAX: u32 = 5;

struct NeverWoken;

#[async_trait]
impl Inbox for NeverWoken {
    async fn woken(&self) {
        future::pending().await
    }

    fn closing(&self) -> bool {
        false
    }
}

struct World {
    ports: Ports,
    table: Arc<Lying>,
    clock: Arc<Still>,
    host: Arc<Scripted>,
    hints: Arc<KeptHints>,
}

const BUDGET: Budget = Budget { until_ms: None, linger_ms_max: 60_000 };

fn world(script: impl Fn(&StepCall) -> Answer + Send + Sync + 'static) -> World {
    let table = Arc::new(Lying::default());
    let clock = Arc::new(Still::default());
    let hints = Arc::new(KeptHints::default());
    let host = Arc::new(Scripted { script: Box::new(script), calls: Mutex::default() });
    let ports = Ports {
        table: table.clone(),
        blobs: Arc::new(MemoryBlobs::default()),
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
    World { ports, table, clock, host, hints }
}

fn report(end: StepEnd) -> StepReport {
    StepReport { end, checkpoint: Some((1, "{}".to_owned())), progress: None, log: vec![], log_dropped: 0, trace: vec![], host_calls: 0 }
}

fn ends(end: StepEnd) -> Answer {
    future::ready(Ok(report(end))).boxed()
}

fn succeeds() -> Answer {
    ends(StepEnd::Succeeded(StepResults { outputs: json!({"made": "it"}), ..StepResults::default() }))
}

fn judgment(allowed: &[&str]) -> StepEnd {
    let form = json!({"type": "object", "required": ["judgmentStatus"]});
    let allowed = allowed.iter().map(|s| (*s).to_owned()).collect();
    let spec = SignalSpec { name: "judgment".to_owned(), prompt: "Go?".to_owned(), form: Some(form), allowed };
    StepEnd::Suspended { any_of: vec![spec], until_ms: None }
}

impl World {
    fn start_ports(&self) -> start::Ports<'_> {
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

    fn inbox_ports(&self) -> inbox::Ports<'_> {
        let p = &self.ports;
        inbox::Ports {
            table: p.table.as_ref(),
            blobs: p.blobs.as_ref(),
            queue: p.queue.as_ref(),
            clock: p.clock.as_ref(),
            entropy: p.entropy.as_ref(),
        }
    }

    async fn prepare(&self, stages: Value) -> Result<start::Started, AppError> {
        let p = &self.ports;
        let admin = principal("root", Role::Administrator);
        let row = StageType {
            name: "wait".to_owned(),
            aliases: vec![],
            version: "1.0.0".to_owned(),
            wasm_sha256: "a".repeat(64),
            cwasm_sha256: "b".repeat(64),
            engine: "e".to_owned(),
            manifest: json!({"checkpointSchemas": [1]}),
            grant: Grant::default(),
            exports: vec![],
            limits: StepLimits::default(),
            timeout_ms: 3_600_000,
        };
        stage_types::install(p.table.as_ref(), &[row]).await?;
        let name = AppName::parse("flaskapp").unwrap();
        let application: model::application::Application = serde_json::from_value(json!({"name": "flaskapp"})).unwrap();
        applications::create(p.table.as_ref(), p.clock.as_ref(), p.changes.as_ref(), &admin, None, application).await?;
        let project = ProjectName::parse("cd-demo").unwrap();
        projects::create(p.table.as_ref(), p.clock.as_ref(), p.changes.as_ref(), &admin, None, project.clone(), String::new()).await?;
        projects::bind(p.table.as_ref(), p.changes.as_ref(), &admin, &project, &name).await?;
        let document = json!({"application": "flaskapp", "name": "deployTesting", "stages": stages});
        let save = pipelines::SavePorts {
            table: p.table.as_ref(),
            clock: p.clock.as_ref(),
            entropy: p.entropy.as_ref(),
            sealer: p.sealer.as_ref(),
            changes: p.changes.as_ref(),
        };
        let pipeline = pipelines::save(&save, &admin, &name, "deployTesting", document, &Expect::Absent).await?.row.id;
        self.table.writes.store(0, Ordering::SeqCst);
        let request = Request {
            application: name,
            pipeline,
            submitter: admin,
            origin: Origin::Manual,
            trigger: Map::new(),
            constrained_to: None,
            parameters: json!({"version": "1.2"}).as_object().unwrap().clone(),
            artifacts: vec![],
            note: String::new(),
            correlation: Some("once".to_owned()),
            into: Into::EveryProject,
            start_by_ms: None,
            parent: None,
        };
        start::start(self.start_ports(), &request).await
    }

    async fn advance(&self, id: &ExecutionId) -> Rest {
        advance(&self.ports, id, &NeverWoken, BUDGET).await.unwrap()
    }

    async fn detail(&self, id: &ExecutionId) -> follow::Detail {
        let p = &self.ports;
        let ports =
            follow::Ports { table: p.table.as_ref(), blobs: p.blobs.as_ref(), changes: p.changes.as_ref(), clock: p.clock.as_ref() };
        follow::get(ports, &principal("dev", Role::Developer), id, None, 0).await.unwrap()
    }

    async fn meta(&self, id: &ExecutionId) -> Meta {
        load::<Meta>(self.ports.table.as_ref(), &keys::meta(id)).await.unwrap().unwrap().0
    }

    fn calls(&self) -> Vec<(String, u32)> {
        self.host.calls.lock().unwrap().iter().map(|(stage, seq, _)| (stage.clone(), *seq)).collect()
    }

    fn settings(&self, call: usize) -> Value {
        self.host.calls.lock().unwrap()[call].2.clone()
    }

    fn writes(&self) -> u32 {
        self.table.writes.load(Ordering::SeqCst)
    }
}

fn two_in_a_row() -> Value {
    json!([{"refId": "1", "type": "wait", "image": "web:${parameters.version}"}, {"refId": "2", "type": "wait", "requisiteStageRefIds": ["1"], "see": "${made}"}])
}
