//! An execution as people see it: where every stage stands, why, since when, what it made, and what the caller may do.

use super::control::{may_rerun, may_restart};
use super::inbox::may_signal;
use super::keys;
use super::plan::{Plan, PlannedStage};
use super::scope::{StageScope, read};
use super::step::load_stages;
use super::stored::{Answer, Kept, Meta, OrderKey, Progress, Restarted, StageData, Summary};
use crate::error::{AppError, require};
use crate::paging::{Listed, PageRequest};
use crate::ports::{Blobs, Changes, Clock, Query, Table};
use crate::record::{self, load};
use crate::{applications, pipelines};
use engine::{Cancel, Ending, Pause, Phase, RunState, StageRun};
use futures::future::{join, join3};
use model::Millis;
use model::application::Application;
use model::artifact::Artifact;
use model::component::Part;
use model::id::{AppName, ExecutionId, PipelineId};
use model::order::Origin;
use model::person::{Action, May, Principal, may};
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest hold of a follower.
pub const HOLD_MS_MAX: Millis = 25_000;

/// An execution in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    /// Its id.
    pub id: ExecutionId,
    /// Raised with every transition.
    pub version: u64,
    /// Its application.
    pub application: AppName,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The pipeline's name when it started.
    pub pipeline_name: String,
    /// The pipeline's revision.
    pub revision: u64,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
    /// Who started it.
    pub submitter: String,
    /// How it came about.
    pub origin: Origin,
    /// When it was created.
    pub created_ms: Millis,
    /// When it began.
    pub started_ms: Option<Millis>,
    /// When it ended.
    pub ended_ms: Option<Millis>,
    /// Who cancelled it.
    pub cancel: Option<Cancel>,
    /// Restarts of it, from 1.
    pub generation: u32,
    /// Who holds it.
    pub paused: Option<Pause>,
    /// How it will end once what is still stopping has stopped.
    pub ending: Option<Ending>,
    /// Its restarts, the newest last.
    pub restarts: Vec<Restarted>,
    /// It is cancelled when it has not begun by then.
    pub start_by_ms: Option<Millis>,
    /// Only what a dry run needs is run.
    pub dry_run: bool,
    /// The execution that started it.
    pub parent: Option<ExecutionId>,
    /// Orders that show it.
    pub orders: Vec<OrderKey>,
    /// Artifacts it was started with.
    pub artifacts: Vec<Artifact>,
    /// Parameters it was started with.
    pub parameters: Map<String, Value>,
    /// The trigger as stages see it.
    pub trigger: Map<String, Value>,
    /// The stages, in the pipeline's order.
    pub stages: Vec<StageView>,
    /// What the caller may do.
    pub may: BTreeMap<String, May>,
}

/// A stage of an execution.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageView {
    /// Its refId.
    pub ref_id: String,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The component that serves it: name and version.
    pub component: String,
    /// What it requires.
    pub requisite_stage_ref_ids: Vec<String>,
    /// The stage that unfolded into it.
    pub parent_ref_id: Option<String>,
    /// Where it stands to that stage: before its own work, after it, or after its failure.
    pub part: Option<Part>,
    /// False for one that an earlier attempt of its parent unfolded into.
    pub current: bool,
    /// May the caller leave it out?
    pub may_skip: May,
    /// May the caller end its wait for its execution window?
    pub may_skip_window: May,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
    /// Restarts, from 1.
    pub attempt: u32,
    /// When it started.
    pub started_ms: Option<Millis>,
    /// When it ended.
    pub ended_ms: Option<Millis>,
    /// When its time is over.
    pub deadline_ms: Option<Millis>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// What it said at its end.
    pub message: String,
    /// What it waits for, and whether the caller may answer.
    pub signals: Vec<SignalView>,
    /// What people answered.
    pub answers: Vec<Answer>,
    /// Objects it applied, with their load balancer's address.
    pub objects: Vec<Value>,
}

/// A signal that a stage waits for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalView {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub prompt: String,
    /// JSON Schema of the answer.
    pub form: Option<Value>,
    /// Who may answer; empty for whoever may judge.
    pub allowed: Vec<String>,
    /// May the caller?
    pub may: May,
}

/// A stage with everything it was given and left.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageDetail {
    /// The stage.
    #[serde(flatten)]
    pub view: StageView,
    /// Its settings as resolved; as configured while it has not started.
    pub settings: Value,
    /// What later stages see.
    pub outputs: Value,
    /// Its own context.
    pub context: Value,
    /// Artifacts it made.
    pub artifacts: Vec<Value>,
}

struct Loaded {
    meta: Meta,
    plan: Plan,
    stages: Vec<Arc<StageData>>,
    application: Application,
}

/// What following needs of the outside.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Plans, outputs.
    pub blobs: &'a dyn Blobs,
    /// To wait for a change.
    pub changes: &'a dyn Changes,
    /// Now.
    pub clock: &'a dyn Clock,
}

/// Reads an execution. With `after`, waits until it has a later version, at most `hold_ms`.
pub async fn get(ports: Ports<'_>, caller: &Principal, id: &ExecutionId, after: Option<u64>, hold_ms: Millis) -> Result<Detail, AppError> {
    let cursor = ports.changes.cursor();
    let mut loaded = open(ports, caller, id).await?;
    if after.is_some_and(|after| loaded.meta.execution.version <= after) && !loaded.meta.execution.status.is_complete() {
        let until = ports.clock.now_ms() + hold_ms.min(HOLD_MS_MAX);
        ports.changes.wait(&[format!("execution:{id}")], cursor, until).await;
        loaded = open(ports, caller, id).await?;
    }
    detail(ports, caller, &loaded).await
}

/// Reads one stage of an execution.
pub async fn stage(ports: Ports<'_>, caller: &Principal, id: &ExecutionId, ref_id: &str) -> Result<StageDetail, AppError> {
    let loaded = open(ports, caller, id).await?;
    let unknown = || AppError::NotFound { what: "stage", id: ref_id.to_owned() };
    let position = loaded.plan.position(ref_id).ok_or_else(unknown)?;
    let (Some(planned), Some(data)) = (loaded.plan.stages.get(position), loaded.stages.get(position)) else { return Err(unknown()) };
    let settings = read(ports.blobs, &data.settings).await?;
    Ok(StageDetail {
        view: stage_view(ports, caller, &loaded, position).await?,
        settings: if settings.is_null() { Value::Object(planned.settings.clone()) } else { settings },
        outputs: read(ports.blobs, &data.outputs).await?,
        context: read(ports.blobs, &data.context).await?,
        artifacts: data.artifacts.clone(),
    })
}

/// Executions of an application, newest first, each with what the caller may do; of one pipeline when asked.
pub async fn list(
    table: &dyn Table,
    caller: &Principal,
    application: &AppName,
    pipeline: Option<&str>,
    page: &PageRequest,
) -> Result<Listed<(Summary, BTreeMap<String, May>)>, AppError> {
    let sought = async {
        match pipeline {
            Some(pipeline) => pipelines::seek(table, application, pipeline).await?.ok_or_else(|| pipelines::unknown(pipeline)).map(Some),
            None => Ok(None),
        }
    };
    // Side by side; what is told of the pipeline is told to who may see its application.
    let (seen, sought) = join(applications::get(table, caller, application), sought).await;
    let (application, _) = seen?;
    let partition = match sought? {
        Some(sought) => format!("PIPE#{}", sought.id),
        None => format!("APPEXEC#{}", application.name.key()),
    };
    let query = Query { backward: true, ..page.query(&partition, "EXEC#") };
    let (rows, next) = record::page::<Summary>(table, &query).await?;
    let view = |row: Summary| {
        let may = may_do(caller, &application, row.status);
        (row, may)
    };
    Ok(Listed { entries: rows.into_iter().map(view).collect(), next })
}

/// What a stage of an execution sees, or what all of them left: for somebody who may read it.
pub(crate) async fn scope(ports: Ports<'_>, caller: &Principal, id: &ExecutionId, stage: Option<&str>) -> Result<StageScope, AppError> {
    let Loaded { meta, plan, stages, .. } = open(ports, caller, id).await?;
    let run = match stage {
        None => plan.stages.len(),
        Some(stage) => plan.position(stage).ok_or_else(|| AppError::NotFound { what: "stage", id: stage.to_owned() })?,
    };
    StageScope::gather(&meta.execution, &Arc::new(plan), run, &stages, (ports.table, ports.blobs)).await
}

async fn open(ports: Ports<'_>, caller: &Principal, id: &ExecutionId) -> Result<Loaded, AppError> {
    require(may(caller, Action::Read))?;
    let unknown = || AppError::NotFound { what: "execution", id: id.to_string() };
    let (mut meta, _) = load::<Meta>(ports.table, &keys::meta(id)).await?.ok_or_else(unknown)?;
    let (seen, plan, stages) = join3(
        applications::get(ports.table, caller, &meta.application),
        Plan::of(ports.table, ports.blobs, &meta),
        load_stages(ports.table, &meta.execution, meta.execution.runs.len()),
    )
    .await;
    let (application, _) = seen.map_err(|error| match error {
        AppError::NotFound { .. } => unknown(),
        other => other,
    })?;
    let (plan, stages) = (plan?, stages?);
    meta.execution.graph = plan.graph()?;
    Ok(Loaded { meta, plan, stages, application })
}

async fn detail(ports: Ports<'_>, caller: &Principal, loaded: &Loaded) -> Result<Detail, AppError> {
    let Loaded { meta, plan, application, .. } = loaded;
    let execution = &meta.execution;
    let mut stages = Vec::with_capacity(plan.stages.len());
    for position in 0..plan.stages.len() {
        stages.push(stage_view(ports, caller, loaded, position).await?);
    }
    Ok(Detail {
        id: execution.id.clone(),
        version: execution.version,
        application: plan.application.clone(),
        pipeline: plan.pipeline.clone(),
        pipeline_name: plan.name.clone(),
        revision: plan.revision,
        status: execution.status,
        reason: execution.reason.clone(),
        submitter: plan.submitter.clone(),
        origin: plan.origin.clone(),
        created_ms: execution.created_ms,
        started_ms: execution.started_ms,
        ended_ms: execution.ended_ms,
        cancel: execution.cancel.clone(),
        generation: execution.generation,
        paused: execution.paused.clone(),
        ending: execution.ending.clone(),
        restarts: meta.restarts.clone(),
        start_by_ms: execution.start_by_ms,
        dry_run: plan.dry_run,
        parent: plan.parent.as_ref().map(|parent| parent.execution.clone()),
        orders: meta.orders.clone(),
        artifacts: plan.artifacts.clone(),
        parameters: plan.parameters.clone(),
        trigger: plan.trigger.clone(),
        stages,
        may: may_do_in_full(caller, application, meta),
    })
}

/// What the caller may do with an execution in this status.
#[must_use]
pub fn may_do(caller: &Principal, application: &Application, status: Status) -> BTreeMap<String, May> {
    let cancel = if status.is_complete() {
        May::no("execution-ended", format!("the execution is {status} already"))
    } else {
        application.may(caller, Action::Cancel)
    };
    let rerun = may_rerun(application, caller, status);
    BTreeMap::from([
        ("cancel".to_owned(), cancel),
        ("judge".to_owned(), application.may(caller, Action::Judge)),
        ("rerun".to_owned(), rerun),
    ])
}

/// What the caller may do with an execution of which everything is known.
fn may_do_in_full(caller: &Principal, application: &Application, meta: &Meta) -> BTreeMap<String, May> {
    let execution = &meta.execution;
    let mut may = may_do(caller, application, execution.status);
    let steer = application.may(caller, Action::Cancel);
    let unless = |code: &str, message: &str, forbidden: bool| if forbidden { May::no(code, message) } else { steer.clone() };
    let over = execution.status.is_complete() || execution.ending.is_some();
    let idle = execution.status == Status::NotStarted;
    let pause = match (over, idle, execution.paused.is_some()) {
        (true, ..) => May::no("execution-ended", "the execution has ended, or is about to"),
        (_, true, _) => May::no("execution-not-started", "the execution has not begun"),
        (.., paused) => unless("execution-paused", "the execution is paused already", paused),
    };
    may.insert("pause".to_owned(), pause);
    let resume = unless("execution-not-paused", "the execution is not paused", execution.paused.is_none());
    may.insert("resume".to_owned(), resume);
    may.insert("restart".to_owned(), may_restart(application, caller, meta));
    may
}

/// The stage's name, with what its expressions came to once it has been resolved.
fn named(planned: &PlannedStage, data: &StageData) -> String {
    match &data.settings {
        Kept::Inline(settings) if expression::has_expression(&planned.name) => {
            settings.get("name").map_or_else(|| planned.name.clone(), |name| name.as_str().map_or_else(|| name.to_string(), str::to_owned))
        }
        _ => planned.name.clone(),
    }
}

async fn stage_view(ports: Ports<'_>, caller: &Principal, loaded: &Loaded, position: usize) -> Result<StageView, AppError> {
    let unread = || AppError::Damaged("the execution and its plan differ in their stages".to_owned());
    let planned = loaded.plan.stages.get(position).ok_or_else(unread)?;
    let run = loaded.meta.execution.run(position).ok_or_else(unread)?;
    let data = loaded.stages.get(position).ok_or_else(unread)?;
    let (started_ms, ended_ms, deadline_ms) = match &run.state {
        RunState::NotStarted => (None, None, None),
        RunState::Live(live) => (Some(live.started_ms), None, loaded.meta.execution.deadline_ms(live)),
        RunState::Done(done) => (done.started_ms, Some(done.ended_ms), None),
    };
    let context = read(ports.blobs, &data.context).await?;
    let objects = context.pointer("/waybill/objects").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(StageView {
        ref_id: planned.ref_id.to_string(),
        name: named(planned, data),
        kind: planned.kind.clone(),
        component: format!("{} {}", planned.component.name, planned.component.version),
        requisite_stage_ref_ids: requisites(&loaded.plan, planned),
        parent_ref_id: planned.parent.and_then(|parent| loaded.plan.stages.get(parent.run)).map(|parent| parent.ref_id.to_string()),
        part: planned.parent.map(|parent| parent.part),
        current: loaded.meta.execution.is_current(position),
        may_skip: may_skip(caller, loaded, position, planned, run),
        may_skip_window: may_skip_window(caller, loaded, run),
        status: loaded.meta.execution.status_of(position),
        reason: why(loaded, planned, position, run),
        attempt: run.attempt,
        started_ms,
        ended_ms,
        deadline_ms,
        progress: data.progress.clone(),
        message: data.message.clone(),
        signals: signals(caller, loaded, run, data),
        answers: data.answers.clone(),
        objects,
    })
}

fn may_skip(caller: &Principal, loaded: &Loaded, position: usize, planned: &PlannedStage, run: &StageRun) -> May {
    let execution = &loaded.meta.execution;
    if execution.status.is_complete() || execution.ending.is_some() {
        return May::no("execution-ended", "the execution has ended, or is about to");
    }
    if run.status().is_complete() || !execution.is_current(position) {
        return May::no("stage-ended", format!("the stage is {} already", run.status()));
    }
    if !planned.skippable {
        return May::no("stage-not-skippable", "stages of this type cannot be skipped by hand, and this one does not say `skippable`");
    }
    loaded.application.may(caller, Action::Cancel)
}

fn may_skip_window(caller: &Principal, loaded: &Loaded, run: &StageRun) -> May {
    match run.live().map(|live| &live.phase) {
        Some(Phase::Window { .. }) => loaded.application.may(caller, Action::Cancel),
        _ => May::no("stage-not-waiting", "the stage does not wait for an execution window"),
    }
}

fn requisites(plan: &Plan, stage: &PlannedStage) -> Vec<String> {
    stage.requisites.iter().filter_map(|r| plan.stages.get(*r)).map(|s| s.ref_id.to_string()).collect()
}

/// The stage's own reason; one that has not started says what it waits for, or why it never will.
fn why(loaded: &Loaded, planned: &PlannedStage, position: usize, run: &StageRun) -> Option<Reason> {
    let execution = &loaded.meta.execution;
    if run.state != RunState::NotStarted {
        let held = execution.paused.as_ref().filter(|_| execution.status_of(position) == Status::Paused);
        return run.reason().cloned().or_else(|| held.map(paused));
    }
    if let Some(by) = &run.skip {
        let message = format!("will be skipped when its turn comes, as {} wants it", by.by);
        return Some(Reason::new(ReasonCode::SkippedByUser, message, execution.created_ms).with(json!({"by": by.by, "reason": by.reason})));
    }
    if let Some(held) = &execution.paused
        && planned.requisites.iter().all(|r| execution.run(*r).is_some_and(|r| r.status().lets_pass()))
    {
        return Some(paused(held));
    }
    if execution.queued {
        return execution.reason.clone();
    }
    let since = execution.ended_ms.or(execution.started_ms).unwrap_or(execution.created_ms);
    let open: Vec<&PlannedStage> = planned
        .requisites
        .iter()
        .filter(|r| execution.run(**r).is_none_or(|r| !r.status().lets_pass()))
        .filter_map(|r| loaded.plan.stages.get(*r))
        .collect();
    let names = open.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    let data = json!({"refIds": open.iter().map(|s| s.ref_id.to_string()).collect::<Vec<_>>()});
    let halted = planned.requisites.iter().any(|r| execution.run(*r).is_some_and(|r| r.status().is_halt()));
    let reason = if halted {
        Reason::new(ReasonCode::UpstreamHalted, format!("did not start, because {names} did not end well"), since)
    } else if execution.status.is_complete() {
        Reason::new(ReasonCode::ExecutionEnded, format!("did not start, because the execution is {}", execution.status), since)
    } else {
        Reason::new(ReasonCode::WaitingForUpstream, format!("waits for {names}"), since)
    };
    Some(reason.with(data))
}

fn paused(by: &Pause) -> Reason {
    let message = format!("the execution is paused by {}", by.by);
    Reason::new(ReasonCode::PausedByUser, message, by.at_ms).with(json!({"by": by.by, "reason": by.reason}))
}

fn signals(caller: &Principal, loaded: &Loaded, run: &StageRun, data: &StageData) -> Vec<SignalView> {
    if run.status() != Status::Suspended {
        return Vec::new();
    }
    let view = |spec: &crate::ports::SignalSpec| SignalView {
        name: spec.name.clone(),
        prompt: spec.prompt.clone(),
        form: spec.form.clone(),
        allowed: spec.allowed.clone(),
        may: may_signal(caller, &loaded.application, spec),
    };
    data.signals.iter().map(view).collect()
}
