//! The worker against a table in memory and a scripted stage host: what it runs, what it commits, and what it does when it is
//! killed, overtaken or lied to.

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

const BUDGET: Budget = Budget { until_ms: None, linger_ms_max: LINGER_MS_MAX };

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

#[tokio::test]
async fn a_chain_runs_to_its_end_with_resolved_settings() {
    let world = world(|_| succeeds());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    assert_eq!(world.hints.take().last(), Some(&Hint::Execution { id: started.execution.clone() }));
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    let detail = world.detail(&started.execution).await;
    assert_eq!(detail.status, Status::Succeeded);
    assert_eq!(world.calls(), [("1".to_owned(), 0), ("2".to_owned(), 0)]);
    assert_eq!(world.settings(0)["image"], "web:1.2");
    assert_eq!(world.settings(1)["see"], "it", "an output of the stage before, by its bare name");
    assert_eq!(world.writes(), 1 + 1 + 3, "start, take, then one commit a transition");
    let order = load::<OrderRow>(world.ports.table.as_ref(), &keys::order(&started.orders[0].project, 1)).await.unwrap().unwrap().0;
    assert_eq!((order.status, order.order.execution), (Status::Succeeded, started.execution.clone()));
    assert_eq!(world.advance(&started.execution).await, Rest::Ended, "another hint changes nothing");
    assert!(world.ports.table.due(u64::MAX, 10).await.unwrap().is_empty(), "nothing waits for anybody");
}

#[tokio::test]
async fn the_same_correlation_starts_one_execution() {
    let world = world(|_| succeeds());
    let first = world.prepare(two_in_a_row()).await.unwrap();
    let request = Request {
        application: AppName::parse("flaskapp").unwrap(),
        pipeline: world.meta(&first.execution).await.pipeline,
        submitter: principal("root", Role::Administrator),
        origin: Origin::Manual,
        trigger: Map::new(),
        constrained_to: None,
        parameters: Map::new(),
        artifacts: vec![],
        note: String::new(),
        correlation: Some("once".to_owned()),
        into: Into::EveryProject,
    };
    let again = start::start(world.start_ports(), &request).await.unwrap();
    assert_eq!((again.execution, again.repeated), (first.execution, true));
}

#[tokio::test]
async fn branches_overlap() {
    let waiting = Arc::new(AtomicU32::new(0));
    let both = waiting.clone();
    let world = world(move |_| {
        let both = both.clone();
        both.fetch_add(1, Ordering::SeqCst);
        future::poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            if both.load(Ordering::SeqCst) < 2 { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        })
        .then(|()| succeeds())
        .boxed()
    });
    let stages = json!([{"refId": "1", "type": "wait"}, {"refId": "2", "type": "wait"}, {"refId": "3", "type": "wait", "requisiteStageRefIds": ["1", "2"]}]);
    let started = world.prepare(stages).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    assert_eq!(world.detail(&started.execution).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_worker_killed_at_any_write_is_continued_by_the_next() {
    for lie in [Lie::Hang, Lie::WrittenHang] {
        for number in 1..6 {
            let world = world(|_| succeeds());
            let started = world.prepare(two_in_a_row()).await.unwrap();
            world.table.lies.lock().unwrap().insert(number, lie);
            let killed = advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never();
            assert!(number > 4 || killed.is_none(), "it was killed at write {number}");
            world.clock.0.advance(LEASE_MS + 1);
            assert_eq!(world.advance(&started.execution).await, Rest::Ended, "killed at write {number}");
            let detail = world.detail(&started.execution).await;
            assert_eq!(detail.status, Status::Succeeded);
            assert!(world.calls().iter().all(|(_, seq)| *seq == 0), "a repeated step is the same step");
        }
    }
}

#[tokio::test]
async fn an_unknown_answer_is_looked_up() {
    for lie in [Lie::WrittenUnknown, Lie::LostUnknown] {
        let world = world(|_| succeeds());
        let started = world.prepare(two_in_a_row()).await.unwrap();
        world.table.lies.lock().unwrap().insert(3, lie);
        assert_eq!(world.advance(&started.execution).await, Rest::Ended);
        let meta = world.meta(&started.execution).await;
        assert_eq!((meta.execution.status, meta.execution.version), (Status::Succeeded, 3), "each transition once");
    }
}

#[tokio::test]
async fn a_live_lease_is_respected_and_a_dead_one_taken() {
    let world = world(|_| future::pending().boxed());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    world.table.lies.lock().unwrap().insert(2, Lie::WrittenHang);
    assert!(advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never().is_none());
    assert_eq!(world.advance(&started.execution).await, Rest::Busy);
    let mut alone = world.ports.clone();
    alone.alone_since_ms = Some(world.clock.now_ms() + 1);
    world.table.lies.lock().unwrap().insert(world.writes() + 1, Lie::Hang);
    let took = advance(&alone, &started.execution, &NeverWoken, BUDGET).now_or_never();
    assert!(took.is_none(), "the only process on the store need not wait for the lease of its dead predecessor");
}

#[tokio::test]
async fn an_overtaken_worker_commits_nothing() {
    let world = Arc::new(world(|_| succeeds()));
    let started = world.prepare(two_in_a_row()).await.unwrap();
    let key = keys::meta(&started.execution);
    // Somebody else writes META between this worker's take and its first commit.
    let mut meta = world.meta(&started.execution).await;
    world.table.lies.lock().unwrap().insert(1, Lie::WrittenHang);
    assert!(advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never().is_none());
    meta.fence = "other".to_owned();
    meta.lease_until_ms = world.clock.now_ms() + LEASE_MS;
    let put = Write::Put(item(key, &meta).unwrap(), vec![Condition::Exists]);
    let stolen = world.clone();
    world.ports.table.transact(Transaction::of(vec![put])).await.unwrap();
    assert_eq!(stolen.advance(&started.execution).await, Rest::Busy);
    assert_eq!(world.meta(&started.execution).await.execution.version, 0);
}

#[tokio::test]
async fn a_fenced_step_ends_the_worker() {
    let world = world(|_| future::ready(Err(StepFault::Fenced)).boxed());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Fenced);
}

#[tokio::test]
async fn an_execution_that_kills_every_worker_is_parked_and_says_so() {
    let world = world(|_| succeeds());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    for _ in 0..TAKES_MAX {
        let next = world.writes();
        world.table.lies.lock().unwrap().insert(next + 1, Lie::Hang);
        assert!(advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never().is_none());
        world.clock.0.advance(LEASE_MS + 1);
    }
    assert_eq!(world.advance(&started.execution).await, Rest::Parked);
    let detail = world.detail(&started.execution).await;
    assert!(detail.reason.unwrap().is(ReasonCode::OrchestratorCrash));
    let order = load::<OrderRow>(world.ports.table.as_ref(), &keys::order(&started.orders[0].project, 1)).await.unwrap().unwrap().0;
    assert_eq!(order.status, Status::Terminal, "lists show it too");
}

#[tokio::test]
async fn a_wait_rests_and_goes_on_at_its_instant() {
    let world = world(|call| match call.seq {
        0 => ends(StepEnd::Suspended { any_of: vec![], until_ms: Some(call.now_ms + 60_000) }),
        _ => succeeds(),
    });
    let started = world.prepare(json!([{"refId": "1", "type": "wait"}])).await.unwrap();
    let until = world.clock.now_ms() + 60_000;
    assert_eq!(world.advance(&started.execution).await, Rest::Until(Some(until)));
    let meta = world.meta(&started.execution).await;
    assert_eq!((meta.fence.as_str(), meta.lease_until_ms), ("", 0), "the lease is given back");
    assert!(world.detail(&started.execution).await.stages[0].reason.as_ref().unwrap().is(ReasonCode::AwaitingTime));
    assert_eq!(world.ports.table.due(until, 10).await.unwrap().len(), 1, "the tick would find it");
    world.clock.0.advance(60_000);
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
}

#[tokio::test]
async fn a_judgment_is_answered_once_by_whoever_may() {
    let world = world(|call| match &call.wake {
        crate::ports::Wake::Signal { sender, body, .. } => {
            assert_eq!((sender.as_str(), body.as_str()), ("alice", r#"{"judgmentStatus":"continue"}"#));
            succeeds()
        }
        _ => ends(judgment(&["alice", "ops"])),
    });
    let started = world.prepare(json!([{"refId": "1", "type": "wait"}])).await.unwrap();
    let id = &started.execution;
    assert_eq!(world.advance(id).await, Rest::Until(Some(world.clock.now_ms() + 3_600_000)));
    let ports = world.inbox_ports();
    let (alice, bob) = (principal("alice", Role::Developer), principal("bob", Role::Developer));
    let say = |stage: &str, name: &str, body: Value| inbox::Signal { stage: stage.to_owned(), name: name.to_owned(), body };
    let go = || say("1", "judgment", json!({"judgmentStatus": "continue"}));
    let refused = |result: Result<_, AppError>| result.map(|_: model::id::EventId| ()).unwrap_err();
    assert!(matches!(refused(inbox::signal(ports, &bob, id, &go(), None).await), AppError::Denied { .. }));
    let wrong = say("1", "judgment", json!({}));
    assert!(matches!(refused(inbox::signal(ports, &alice, id, &wrong, None).await), AppError::Invalid(_)));
    let other = say("1", "other", json!({}));
    assert!(matches!(refused(inbox::signal(ports, &alice, id, &other, None).await), AppError::Conflict { code: "signal-not-awaited", .. }));
    let stage = say("9", "judgment", json!({}));
    assert!(matches!(refused(inbox::signal(ports, &alice, id, &stage, None).await), AppError::NotFound { .. }));
    let event = inbox::signal(ports, &alice, id, &go(), Some("key")).await.unwrap();
    assert_eq!(inbox::signal(ports, &alice, id, &go(), Some("key")).await.unwrap(), event, "a repeat is the same event");
    inbox::signal(ports, &principal("alice", Role::Developer), id, &go(), Some("second")).await.unwrap();
    assert_eq!(world.advance(id).await, Rest::Ended);
    let detail = world.detail(id).await;
    assert_eq!(detail.stages[0].answers.len(), 1, "the second answer came too late");
    assert_eq!(detail.stages[0].answers[0].by, "alice");
    assert!(matches!(refused(inbox::signal(ports, &alice, id, &go(), None).await), AppError::Conflict { code: "stage-not-waiting", .. }));
}

#[tokio::test]
async fn a_cancel_drops_what_is_under_way() {
    let world = world(|_| future::pending().boxed());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    let dev = principal("dev", Role::Developer);
    inbox::cancel(world.inbox_ports(), &dev, &started.execution, "wrong version", None).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    let detail = world.detail(&started.execution).await;
    assert_eq!(detail.status, Status::Canceled);
    assert!(detail.reason.unwrap().message.contains("wrong version"));
    let again = inbox::cancel(world.inbox_ports(), &dev, &started.execution, "", None).await.unwrap_err();
    assert!(matches!(again, AppError::Conflict { code: "execution-ended", .. }));
}

#[tokio::test]
async fn what_cannot_be_resolved_never_runs() {
    for (stage, code) in [
        (json!({"refId": "1", "type": "wait", "image": "${parameters.verison}"}), ReasonCode::ExpressionFailed),
        (
            json!({"refId": "1", "type": "wait", "stageEnabled": {"type": "expression", "expression": "1 == 2"}}),
            ReasonCode::ConditionInvalid,
        ),
        (json!({"refId": "1", "type": "wait", "bad": true}), ReasonCode::InvalidStageSettings),
    ] {
        let world = world(|_| succeeds());
        let started = world.prepare(json!([stage])).await.unwrap();
        assert_eq!(world.advance(&started.execution).await, Rest::Ended);
        let detail = world.detail(&started.execution).await;
        assert_eq!(detail.status, Status::Terminal);
        assert!(detail.stages[0].reason.as_ref().unwrap().is(code), "{:?}", detail.stages[0].reason);
        assert_eq!(world.calls(), []);
    }
}

#[tokio::test]
async fn a_false_condition_skips_and_says_so() {
    let world = world(|_| succeeds());
    let stage = json!({"refId": "1", "type": "wait", "stageEnabled": {"type": "expression", "expression": "${false}"}});
    let started = world.prepare(json!([stage])).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    let detail = world.detail(&started.execution).await;
    assert_eq!((detail.status, detail.stages[0].status), (Status::Succeeded, Status::Skipped));
    assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::ConditionFalse));
}

#[tokio::test]
async fn a_stage_type_that_nobody_installed_is_refused_at_start_by_name() {
    let world = world(|_| succeeds());
    let error = world.prepare(json!([{"refId": "1", "type": "bakeManifest"}])).await.unwrap_err();
    let AppError::Invalid(problems) = error else { panic!("{error:?}") };
    assert_eq!((problems[0].pointer.as_str(), problems[0].code.as_str()), ("/stages/0/type", "unsupported-stage-type"));
    assert!(problems[0].message.contains("bakeManifest"));
}

#[tokio::test]
async fn large_outputs_go_to_a_blob_and_come_back() {
    let world = world(|_| {
        let outputs = json!({"made": "x".repeat(100_000)});
        ends(StepEnd::Succeeded(StepResults { outputs, ..StepResults::default() }))
    });
    let started = world.prepare(two_in_a_row()).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    assert_eq!(world.settings(1)["see"].as_str().unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_trace_is_read_back_by_the_repeated_step() {
    let world = world(|call| {
        let journal = call.journal.clone();
        async move {
            let seen = journal.recorded().len();
            let entry = TraceEntry { index: 0, call: "kubernetes.apply".to_owned(), request: "r".to_owned(), response: None };
            journal.intend(vec![entry]).await.unwrap();
            if seen == 0 { future::pending().await } else { succeeds().await }
        }
        .boxed()
    });
    let started = world.prepare(json!([{"refId": "1", "type": "wait"}])).await.unwrap();
    world.table.lies.lock().unwrap().insert(3, Lie::WrittenHang);
    assert!(advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never().is_none());
    world.clock.0.advance(LEASE_MS + 1);
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    let left = Query::prefix(keys::partition(&started.execution), "J#", 10);
    assert!(world.ports.table.query(&left).await.unwrap().items.is_empty(), "the commit of the outcome makes the trace superfluous");
}

#[tokio::test]
async fn a_repetition_after_a_failure_begins_with_an_empty_trace() {
    let world = world(|call| {
        let journal = call.journal.clone();
        let again = matches!(call.wake, crate::ports::Wake::Retry(1));
        async move {
            assert!(journal.recorded().is_empty(), "what the failed step recorded is not replayed");
            let big = json!("x".repeat(500_000));
            let read = TraceEntry { index: 0, call: "kubernetes.get".to_owned(), request: "r".to_owned(), response: Some(big) };
            let intent = TraceEntry { index: 1, call: "kubernetes.apply".to_owned(), request: "q".to_owned(), response: None };
            journal.intend(vec![read, intent]).await.unwrap();
            if again {
                return succeeds().await;
            }
            let failure = crate::ports::StepFailure {
                code: "throttled".to_owned(),
                message: "later".to_owned(),
                retryable: true,
                retry_after_ms: None,
                blame: crate::ports::Blame::Target,
                results: None,
                details: None,
            };
            ends(StepEnd::Failed(failure)).await
        }
        .boxed()
    });
    let started = world.prepare(json!([{"refId": "1", "type": "wait"}])).await.unwrap();
    assert!(matches!(world.advance(&started.execution).await, Rest::Until(Some(_))));
    world.clock.0.advance(5_000);
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    assert_eq!(world.detail(&started.execution).await.status, Status::Succeeded);
}
