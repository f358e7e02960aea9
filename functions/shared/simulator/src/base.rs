//! What there is before a run begins: the application, the stage type, the account, the scenario's pipelines.

use crate::host::{ACCOUNT, JUDGES};
use crate::people::{APPLICATION, pipeline_id};
use crate::ports::{Direct, SimChanges, SimSealer, connection, sealed};
use crate::pushes;
use crate::scenario::{Condition, Pipeline, Scenario, Stage, Window};
use crate::state::START;
use crate::store::Store;
use app::error::AppError;
use app::expect::Expect;
use app::pipelines::{self, SavePorts};
use app::ports::{Clock, Entropy, Item, Key, Table, Transaction, Write};
use app::{applications, record, stage_types};
use async_trait::async_trait;
use futures::FutureExt;
use model::Millis;
use model::account::{AccountState, CloudAccount};
use model::component::{Grant, KubernetesGrant, StageType, StepLimits};
use model::id::{AccountName, AppName};
use model::person::{Principal, Role};
use model::pipeline::FailureChoice;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

/// Time of a stage that says none: what does not end by itself has ended long before.
pub(crate) const STAGE_MS: u64 = 60 * 24 * 3_600_000;
/// Time of a stage that waits for another execution, whose stages have theirs: of those that wait for each other the lowest is over
/// first.
const CHILD_MS: [u64; 4] = [600 * DAY_MS, 500 * DAY_MS, 400 * DAY_MS, 300 * DAY_MS];
const DAY_MS: u64 = 24 * 3_600_000;
const TYPE: &str = "scripted";
/// A stage that can stop what it began.
const UNDOER: &str = "undoer";
/// A stage that unfolds into others.
const PLANNER: &str = "planner";

struct Still;

#[async_trait]
impl Clock for Still {
    fn now_ms(&self) -> Millis {
        START
    }

    async fn sleep_until(&self, _at: Millis) {}
}

/// What every run shares.
static SHARED: LazyLock<Store> = LazyLock::new(|| {
    let direct = Direct::default();
    let done = prepare(&direct).now_or_never();
    assert!(matches!(done, Some(Ok(()))), "what a run begins with cannot be made: {done:?}");
    direct.into_store()
});

fn stage_type(name: &str, exports: &[&str]) -> StageType {
    StageType {
        name: name.to_owned(),
        aliases: Vec::new(),
        version: "1.0.0".to_owned(),
        wasm_sha256: "a".repeat(64),
        cwasm_sha256: "b".repeat(64),
        engine: "simulated".to_owned(),
        manifest: json!({"checkpointSchemas": [1], "planning": {"types": [TYPE]}}),
        grant: Grant { kubernetes: vec![KubernetesGrant::default()], ..Grant::default() },
        exports: exports.iter().map(|export| (*export).to_owned()).collect(),
        limits: StepLimits::default(),
        timeout_ms: STAGE_MS,
    }
}

async fn prepare(table: &Direct) -> Result<(), AppError> {
    stage_types::install(table, &[stage_type(TYPE, &[]), stage_type(UNDOER, &["compensation"]), stage_type(PLANNER, &["planning"])])
        .await?;
    let application =
        serde_json::from_value(json!({"name": APPLICATION, "enableRestartRunningExecutions": true, "enableRerunActiveExecutions": true}))
            .map_err(|e| AppError::Damaged(e.to_string()))?;
    applications::create(table, &Still, &SimChanges, &admin(), None, application).await?;
    Ok(())
}

fn account() -> Item {
    let connection = serde_json::to_vec(&connection()).unwrap_or_default();
    let name = AccountName::parse(ACCOUNT).unwrap_or_else(|_| unreachable!("it is a name"));
    let account = CloudAccount {
        name,
        server: String::new(),
        context: None,
        insecure_skip_tls_verify: false,
        applications: BTreeSet::from([APPLICATION.to_owned()]),
        namespaces: BTreeSet::from(["ns".to_owned()]),
        extra_kinds: BTreeSet::new(),
        connection: sealed(&connection),
        state: AccountState::Ready,
        reason: None,
        checks: Vec::new(),
        verified_ms: Some(START),
        created_ms: START,
    };
    record::item(Key::new("CLOUD", ACCOUNT), &account).unwrap_or_else(|_| unreachable!("it is a record"))
}

/// The store that a run begins with.
pub(crate) fn store(scenario: &Scenario) -> Store {
    let direct = Direct(Mutex::new(SHARED.clone()));
    let done = save(&direct, scenario).now_or_never();
    assert!(matches!(done, Some(Ok(()))), "the pipelines cannot be saved: {done:?}");
    direct.into_store()
}

async fn save(table: &Direct, scenario: &Scenario) -> Result<(), AppError> {
    if scenario.pipelines.iter().flat_map(|p| &p.stages).any(Stage::watches) {
        table.transact(Transaction::of(vec![Write::Put(account(), Vec::new())])).await?;
    }
    if scenario.pipelines.iter().any(|pipeline| pipeline.pushed) {
        table.transact(Transaction::of(vec![Write::Put(pushes::account(), Vec::new())])).await?;
    }
    let application = AppName::parse(APPLICATION).map_err(|error| AppError::Damaged(error.to_string()))?;
    for (at, pipeline) in scenario.pipelines.iter().enumerate() {
        let ports = SavePorts { table, clock: &Still, entropy: &Names(at), sealer: &SimSealer, changes: &SimChanges };
        let name = format!("pipeline {at}");
        pipelines::save(&ports, &admin(), &application, &name, document(at, pipeline), &Expect::Absent).await?;
    }
    Ok(())
}

fn admin() -> Principal {
    Principal { name: "root".to_owned(), role: Some(Role::Administrator), groups: BTreeSet::new() }
}

/// Gives a pipeline the id that belongs to its place.
struct Names(usize);

impl Entropy for Names {
    fn ulid(&self, _now: Millis) -> String {
        pipeline_id(self.0).to_string()
    }

    fn token(&self) -> String {
        pushes::token(self.0)
    }

    fn number(&self) -> u64 {
        0
    }
}

/// A pipeline as people write it.
pub(crate) fn document(at: usize, pipeline: &Pipeline) -> Value {
    let mut stages: Vec<Value> = pipeline.stages.iter().enumerate().map(|(at, stage)| stage_json(at, stage)).collect();
    for (json, stage) in stages.iter_mut().zip(&pipeline.stages) {
        if stage.calls() && stage.timeout_ms.is_none() {
            json["stageTimeoutMs"] = json!(CHILD_MS[at.min(CHILD_MS.len() - 1)]);
        }
    }
    let mut json = json!({"application": APPLICATION, "name": format!("pipeline {at}"), "stages": stages});
    match pipeline.limit {
        Some(1) => json["limitConcurrent"] = json!(true),
        Some(limit) => json["maxConcurrentExecutions"] = json!(limit),
        None => {}
    }
    if pipeline.pushed {
        json["triggers"] = json!([pushes::trigger()]);
    }
    if pipeline.keep_waiting {
        json["keepWaitingPipelines"] = json!(true);
    }
    json
}

fn window_json(window: &Window) -> Value {
    let (from, to) = window.hours;
    let mut json = json!({"whitelist": [{"startHour": from, "startMin": 30, "endHour": to, "endMin": 0}]});
    if window.weekdays {
        json["days"] = json!([2, 3, 4, 5, 6]);
    }
    if let Some((seconds, skip_manual)) = window.jitter {
        json["jitter"] = json!({"enabled": true, "minDelay": 1, "maxDelay": seconds, "skipManual": skip_manual});
    }
    json
}

fn kind(stage: &Stage) -> &'static str {
    if stage.plan.is_some() {
        PLANNER
    } else if stage.calls() || !stage.undo.is_empty() {
        UNDOER
    } else {
        TYPE
    }
}

/// A stage as people and components write it.
pub(crate) fn stage_json(at: usize, stage: &Stage) -> Value {
    let mut json = Map::new();
    let mut put = |key: &str, value: Value| {
        json.insert(key.to_owned(), value);
    };
    put("refId", json!(at.to_string()));
    put("type", json!(kind(stage)));
    put("name", json!(format!("stage {at}")));
    put("requisiteStageRefIds", json!(stage.requisites.iter().map(usize::to_string).collect::<Vec<_>>()));
    match stage.failure {
        FailureChoice::Halt => {}
        FailureChoice::Ignore => put("continuePipeline", json!(true)),
        FailureChoice::StopBranch { fail_at_end } => {
            put("failPipeline", json!(false));
            put("completeOtherBranchesThenFail", json!(fail_at_end));
        }
    }
    let condition = match stage.condition {
        Condition::None => None,
        Condition::Holds => Some("true"),
        Condition::Fails => Some("false"),
        Condition::Broken => Some("${nothing.of.that.name}"),
    };
    if let Some(text) = condition {
        put("stageEnabled", json!({"type": "expression", "expression": text}));
    }
    if let Some(ms) = stage.timeout_ms {
        put("stageTimeoutMs", json!(ms));
    }
    if stage.succeed_on_timeout {
        put("markSuccessfulOnTimeout", json!(true));
    }
    if let Some(seen) = stage.sees {
        put("see", json!(format!("${{o{seen}}}")));
    }
    if stage.skippable {
        put("skippable", json!(true));
    }
    if let Some(window) = &stage.window {
        put("restrictExecutionDuringTimeWindow", json!(true));
        put("restrictedExecutionWindow", window_json(window));
    }
    put("group", json!(JUDGES));
    Value::Object(json)
}
