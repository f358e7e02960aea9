//! What people and machines do with Waybill, use case by use case, on any table: what is read and written, and what it costs.

use crate::clock::HandClock;
use crate::recorder::{Recorder, Tally};
use app::accounts::cloud::{Access, Scope};
use app::accounts::{self, AccountPorts};
use app::execution::pushed::PushStarter;
use app::execution::start::{self, Into, Request};
use app::execution::step::{self, Budget, Inbox};
use app::execution::{follow, inbox, keys};
use app::expect::Expect;
use app::identity::{self, NewToken};
use app::limits::Limits;
use app::paging::PageRequest;
use app::pipelines::{Batch, BroughtPipeline};
use app::ports::{Clock, Hint, SignalSpec, StageHost, StepCall, StepEnd, StepFault, StepReport, StepResults, Table, Wake};
use app::pushes::{self, Processing, Receiving, StoredSources};
use app::secrets::NewSecret;
use app::testing::{Counting, KeptChanges, KeptHints, ScriptedCluster, ScriptedRegistry, TurningSealer, principal};
use app::{applications, orders, pipelines, projects, stage_types};
use async_trait::async_trait;
use futures::future;
use model::account::{RegistryCredentials, RegistryLogin};
use model::component::{Grant, StageType, StepLimits};
use model::id::{AccountName, AppName, ExecutionId, ProjectName, TriggerId};
use model::order::Origin;
use model::person::{Principal, Role};
use model::push::ImagePushed;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::memory::MemoryBlobs;

/// A clock that only these flows move; whoever sleeps past now sleeps for good.
struct Still(HandClock);

#[async_trait]
impl Clock for Still {
    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    async fn sleep_until(&self, at: u64) {
        if at > self.now_ms() {
            future::pending::<()>().await;
        }
    }
}

/// Every stage ends at once, but one that asks a person.
struct Stages;

#[async_trait]
impl StageHost for Stages {
    async fn step(&self, call: StepCall) -> Result<StepReport, StepFault> {
        let asks = call.params.contains("ask") && !matches!(call.wake, Wake::Signal { .. });
        let signal = || SignalSpec { name: "judgment".to_owned(), prompt: "Go?".to_owned(), form: None, allowed: vec![] };
        let end = if asks {
            StepEnd::Suspended { any_of: vec![signal()], until_ms: None }
        } else {
            StepEnd::Succeeded(StepResults { outputs: json!({"made": "it"}), ..StepResults::default() })
        };
        Ok(StepReport {
            end,
            checkpoint: Some((1, "{}".to_owned())),
            progress: None,
            log: vec![],
            log_dropped: 0,
            trace: vec![],
            host_calls: 0,
        })
    }

    async fn validate(&self, _: &str, _: &str) -> Result<Vec<(String, String)>, StepFault> {
        Ok(vec![])
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

/// An installation on a table, and what each use case came to so far.
pub(crate) struct Flows {
    pub(crate) table: Arc<Recorder>,
    pub(crate) tallies: Vec<(&'static str, Tally)>,
    ports: step::Ports,
    hints: Arc<KeptHints>,
}

fn root() -> Principal {
    principal("root", Role::Administrator)
}

fn flaskapp() -> AppName {
    AppName::parse("flaskapp").unwrap()
}

fn project() -> ProjectName {
    ProjectName::parse("cd-demo").unwrap()
}

fn page() -> PageRequest {
    PageRequest { after: None, limit: 20 }
}

impl Flows {
    /// The clock is the table's.
    pub(crate) fn new(table: Arc<dyn Table>, clock: &HandClock) -> Self {
        let table = Arc::new(Recorder::new(table));
        let hints = Arc::new(KeptHints::default());
        let ports = step::Ports {
            table: table.clone(),
            blobs: Arc::new(MemoryBlobs::new()),
            queue: hints.clone(),
            changes: Arc::new(KeptChanges::default()),
            clock: Arc::new(Still(clock.clone())),
            entropy: Arc::new(Counting::default()),
            sealer: Arc::new(TurningSealer),
            host: Arc::new(Stages),
            cluster: Arc::new(ScriptedCluster::default()),
            limits: Arc::new(Limits::default()),
            alone_since_ms: None,
        };
        Self { table, tallies: vec![], ports, hints }
    }

    fn done(&mut self, name: &'static str) {
        self.tallies.push((name, self.table.tally()));
    }

    /// Everything, in the order of an installation's first day.
    pub(crate) async fn run(&mut self) {
        self.people().await;
        self.installation().await;
        self.accounts().await;
        self.pipelines().await;
        self.pushes().await;
        self.executions().await;
    }

    async fn people(&mut self) {
        let (table, entropy, clock) = (self.table.clone(), self.ports.entropy.clone(), self.ports.clock.clone());
        let token = identity::bootstrap(&*table, &*entropy, &*clock).await.unwrap().unwrap();
        self.done("first start");
        identity::authenticate(&*table, &*clock, &token).await.unwrap().unwrap();
        self.done("every request: who calls");
        let new = || NewToken {
            name: "dev".to_owned(),
            role: Role::Developer,
            groups: std::collections::BTreeSet::new(),
            expires_ms: Some(clock.now_ms() + 1_000_000),
        };
        let (row, _) = identity::create(&*table, &*entropy, &*clock, &root(), Some("key-1"), new()).await.unwrap();
        self.done("create a token, with an idempotency key");
        identity::list(&*table, &root(), &page()).await.unwrap();
        self.done("list tokens");
        identity::revoke(&*table, &*clock, &root(), &row.id).await.unwrap();
        self.done("revoke a token");
    }

    async fn installation(&mut self) {
        let p = self.ports.clone();
        let table = &*self.table.clone();
        let row = |name: &str| StageType {
            name: name.to_owned(),
            aliases: vec![format!("{name}Alias")],
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
        stage_types::install(table, &[row("wait")]).await.unwrap();
        self.done("install a stage type");
        let application = serde_json::from_value(json!({"name": "flaskapp"})).unwrap();
        applications::create(table, &*p.clock, &*p.changes, &root(), None, application).await.unwrap();
        self.done("create an application");
        projects::create(table, &*p.clock, &*p.changes, &root(), None, project(), String::new()).await.unwrap();
        self.done("create a project");
        projects::bind(table, &*p.changes, &root(), &project(), &flaskapp()).await.unwrap();
        self.done("bind an application to a project");
        applications::list(table, &root(), &page()).await.unwrap();
        self.done("list applications");
    }

    async fn accounts(&mut self) {
        let p = self.ports.clone();
        let table = self.table.clone();
        let ports = AccountPorts { table: &*table, clock: &*p.clock, sealer: &*p.sealer, queue: &*p.queue, changes: &*p.changes };
        let new = accounts::registry::NewRegistry {
            name: AccountName::parse("reg").unwrap(),
            address: "reg.example:5000".to_owned(),
            plain_http: Some(true),
            credentials: RegistryCredentials { login: RegistryLogin::Anonymous, ca_pem: None },
        };
        accounts::registry::create(&ports, &root(), None, new).await.unwrap();
        self.done("create a registry account");
        let (clock, sealer, changes) = (&*p.clock, &*p.sealer, &*p.changes);
        let verify = accounts::RegistryVerifyPorts { table: &*table, clock, sealer, registry: &ScriptedRegistry::default(), changes };
        accounts::verify_registry(&verify, &AccountName::parse("reg").unwrap()).await.unwrap();
        self.done("verify a registry account");
        let access = Access::Address { server: "https://cluster:6443".to_owned(), ca_pem: None, token: "t".to_owned() };
        let scope = Scope { applications: vec![flaskapp()], namespaces: vec!["default".to_owned()], extra_kinds: vec![] };
        let name = AccountName::parse("prod").unwrap();
        accounts::cloud::create(&ports, &*p.cluster, &root(), None, name, (access, false), &scope).await.unwrap();
        self.done("create a cloud account");
    }

    async fn pushes(&mut self) {
        let p = self.ports.clone();
        let table = self.table.clone();
        let hooks = pipelines::triggers(&*table, &*p.sealer, &root(), &flaskapp(), "deploy").await.unwrap();
        let token = hooks.into_iter().find_map(|hook| hook.token).unwrap();
        let sources = StoredSources::new(table.clone(), p.sealer.clone());
        self.table.tally();
        let hook = pushes::find_hook(&sources, &token).await.unwrap();
        let push = |tag: &str| ImagePushed {
            source: "distribution".to_owned(),
            registry: Some("reg.example:5000".to_owned()),
            repository: "team/web".to_owned(),
            tag: Some(tag.to_owned()),
            digest: Some(format!("sha256:{}", "1".repeat(64))),
            actor: None,
            delivery: None,
        };
        let receiving = Receiving { table: &*table, sources: &sources, queue: &*self.hints, clock: &*p.clock };
        self.hints.take();
        pushes::receive(receiving, &hook, vec![push("1"), push("none")]).await.unwrap();
        self.done("receive two pushes, one of which fits");
        let Some(Hint::Delivery { trigger, id }) = self.hints.take().pop() else { panic!("no push was taken") };
        let (registry, starter) = (ScriptedRegistry::default(), PushStarter { ports: p.start() });
        let processing =
            Processing { table: &*table, sources: &sources, registry: &registry, starter: &starter, queue: &*p.queue, clock: &*p.clock };
        pushes::process(processing, &TriggerId::parse(&trigger).unwrap(), &id).await.unwrap();
        self.done("look at a push, and start");
        let due = table.due(p.clock.now_ms(), 200).await.unwrap();
        for id in due.iter().filter_map(|key| keys::execution_of(&key.partition)) {
            self.advance(&id).await;
        }
        table.tally();
    }

    async fn save(&self, name: &str, mut document: Value, expect: &Expect) -> model::id::PipelineId {
        let p = &self.ports;
        document["application"] = json!("flaskapp");
        document["name"] = json!(name);
        let save =
            pipelines::SavePorts { table: &*self.table, clock: &*p.clock, entropy: &*p.entropy, sealer: &*p.sealer, changes: &*p.changes };
        pipelines::save(&save, &root(), &flaskapp(), name, document, expect).await.unwrap().row.id
    }

    async fn pipelines(&mut self) {
        let trigger = json!({"type": "docker", "enabled": true, "account": "reg", "organization": "team", "registry": "reg.example:5000",
            "repository": "team/web", "tag": "[0-9]"});
        self.save("deploy", json!({"stages": [{"refId": "1", "type": "wait"}], "triggers": [trigger]}), &Expect::Absent).await;
        self.done("save a new pipeline, with a trigger");
        let stages = json!([
            {"refId": "1", "type": "wait"},
            {"refId": "2", "type": "wait", "requisiteStageRefIds": ["1"], "see": "${made}"},
            {"refId": "3", "type": "wait", "requisiteStageRefIds": ["2"]},
        ]);
        self.save("deploy", json!({"stages": stages, "triggers": [trigger], "limitConcurrent": true}), &Expect::Present).await;
        self.done("save a pipeline again");
        self.save("ask", json!({"stages": [{"refId": "1", "type": "wait", "ask": true}]}), &Expect::Absent).await;
        self.table.tally();
        pipelines::load(&*self.table, &flaskapp(), "deploy").await.unwrap();
        self.done("look up a pipeline by name");
        self.bring().await;
        self.done("bring two pipelines and a secret");
        self.bring().await;
        self.done("bring them again");
    }

    async fn bring(&self) {
        let p = &self.ports;
        let save =
            pipelines::SavePorts { table: &*self.table, clock: &*p.clock, entropy: &*p.entropy, sealer: &*p.sealer, changes: &*p.changes };
        let document = |name: &str| json!({"name": name, "stages": [{"refId": "1", "type": "wait"}]});
        let of = |name: &str| BroughtPipeline { written: document(name).into(), revision: None };
        let secrets = vec![NewSecret { name: "db-password".to_owned(), value: "hunter2".to_owned() }];
        let batch = Batch { pipelines: vec![of("one"), of("two")], secrets, dry_run: false };
        pipelines::bring(&save, &root(), &flaskapp(), batch).await.unwrap();
    }

    async fn start(&self, name: &str, correlation: Option<&str>) -> ExecutionId {
        let (row, _) = pipelines::load(&*self.table, &flaskapp(), name).await.unwrap();
        self.table.tally();
        let request = Request {
            application: flaskapp(),
            pipeline: row.id,
            submitter: root(),
            origin: Origin::Manual,
            trigger: Map::new(),
            constrained_to: None,
            parameters: Map::new(),
            artifacts: vec![],
            note: String::new(),
            correlation: correlation.map(str::to_owned),
            into: Into::EveryProject,
            start_by_ms: None,
            parent: None,
        };
        start::start(self.ports.start(), &request).await.unwrap().execution
    }

    async fn advance(&self, id: &ExecutionId) {
        let rest = step::advance(&self.ports, id, &NeverWoken, Budget { until_ms: None, linger_ms_max: 60_000 }).await.unwrap();
        assert!(matches!(rest, step::Rest::Ended | step::Rest::Until(_)), "{rest:?}");
    }

    async fn executions(&mut self) {
        let id = self.start("deploy", Some("once")).await;
        self.done("start an execution, with an order");
        self.advance(&id).await;
        self.done("three stages in a row, from the start to the end");
        let p = self.ports.clone();
        let table = self.table.clone();
        let ports = follow::Ports { table: &*table, blobs: &*p.blobs, changes: &*p.changes, clock: &*p.clock };
        let detail = follow::get(ports, &root(), &id, None, 0).await.unwrap();
        assert_eq!(detail.status, model::status::Status::Succeeded);
        self.done("show an execution");
        follow::list(&*table, &root(), &flaskapp(), Some("deploy"), &page()).await.unwrap();
        self.done("list executions of a pipeline");
        follow::list(&*table, &root(), &flaskapp(), None, &page()).await.unwrap();
        self.done("list executions of an application");
        orders::list(&*table, &root(), &project(), &page()).await.unwrap();
        self.done("list orders of a project");
        self.inbox().await;
    }

    async fn inbox(&mut self) {
        let p = self.ports.clone();
        let table = self.table.clone();
        let ports = inbox::Ports { table: &*table, blobs: &*p.blobs, queue: &*p.queue, clock: &*p.clock, entropy: &*p.entropy };
        let id = self.start("ask", None).await;
        self.advance(&id).await;
        self.table.tally();
        let body = json!({"judgmentStatus": "continue"});
        let signal = inbox::Signal { stage: "1".to_owned(), name: "judgment".to_owned(), body };
        inbox::signal(ports, &root(), &id, &signal, Some("judge-1")).await.unwrap();
        self.done("send a judgment");
        self.advance(&id).await;
        self.done("take a judgment, to the end");
        let id = self.start("ask", None).await;
        self.advance(&id).await;
        self.table.tally();
        inbox::cancel(ports, &root(), &id, "enough", Some("cancel-1")).await.unwrap();
        self.done("ask for a cancel");
        self.advance(&id).await;
        self.done("take a cancel, to the end");
        table.due(p.clock.now_ms(), 200).await.unwrap();
        self.done("a tick with nothing due");
    }
}
