//! The worker against a table in memory and a scripted stage host: what it runs, what it commits, and what it does when it is
//! killed, overtaken or lied to.

mod calls;
mod children;
mod commits;
mod compensation;
mod late;
mod leases;
mod park;
mod planning;
mod preview;
mod reasons;
mod rerun;
mod restart;
mod retention;
mod runs;
mod scope;
mod slots;
mod slots_given_back;
mod steering;
mod table;
mod versions;
mod waiting;
mod watches;
mod windows;
mod world;

use super::*;
use crate::execution::events::child_signal;
use crate::execution::start::{self, Into, Request};
use crate::execution::stored::{Meta, OrderRow, Outside};
use crate::execution::{follow, inbox, keys};
use crate::expect::Expect;
use crate::ports::{
    Condition, Export, Item, Key, Page, Query, SignalSpec, StepCall, StepEnd, StepFault, StepReport, StepResults, StoreError, TraceEntry,
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
use model::person::Principal;
use model::person::Role;
use model::reason::ReasonCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use table::{Lie, Lying, MemoryBlobs};
use world::{World, inbox_of, retention_of, root, world};

type Answer = BoxFuture<'static, Result<StepReport, StepFault>>;
type Script = Box<dyn Fn(&StepCall) -> Answer + Send + Sync>;

struct Scripted {
    script: Script,
    calls: Mutex<Vec<(String, u32, Value)>>,
    /// Exports that were called, by stage.
    exports: Mutex<Vec<(String, Export)>>,
}

#[async_trait]
impl StageHost for Scripted {
    async fn step(&self, call: StepCall) -> Result<StepReport, StepFault> {
        let params: Value = serde_json::from_str(&call.params).unwrap();
        self.calls.lock().unwrap().push((call.info.stage_id.clone(), call.seq, params));
        self.exports.lock().unwrap().push((call.info.stage_id.clone(), call.export.clone()));
        (self.script)(&call).await
    }

    async fn validate(&self, _cwasm: &str, params: &str) -> Result<Vec<(String, String)>, StepFault> {
        let wrong = params.contains("\"bad\":true");
        Ok(if wrong { vec![("/bad".to_owned(), "must not be".to_owned())] } else { vec![] })
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

const BUDGET: Budget = Budget { until_ms: None, linger_ms_max: 60_000 };

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

/// One stage that waits for a judgment.
fn judged() -> Value {
    json!([{"refId": "1", "type": "wait"}])
}

/// Waits for a judgment, and ends when there is one.
fn judging(call: &StepCall) -> Answer {
    match call.wake {
        crate::ports::Wake::Signal { .. } => succeeds(),
        _ => ends(judgment(&[])),
    }
}

/// Suspends on the end of an execution.
fn awaits(child: &ExecutionId) -> Answer {
    let spec = SignalSpec { name: child_signal(child), prompt: String::new(), form: None, allowed: vec![] };
    ends(StepEnd::Suspended { any_of: vec![spec], until_ms: None })
}

/// Fails for good, in the component's own words.
fn fails() -> Answer {
    ends(StepEnd::Failed(crate::ports::StepFailure {
        code: "broken".to_owned(),
        message: "it broke".to_owned(),
        retryable: false,
        retry_after_ms: None,
        blame: crate::ports::Blame::Target,
        results: None,
        details: None,
    }))
}

fn two_in_a_row() -> Value {
    json!([{"refId": "1", "type": "wait", "image": "web:${parameters.version}"}, {"refId": "2", "type": "wait", "requisiteStageRefIds": ["1"], "see": "${made}"}])
}
