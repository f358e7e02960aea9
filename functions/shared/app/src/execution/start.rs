//! The one gate in: every way to start an execution goes through here.

mod ground;

use ground::Places;
pub(crate) use ground::{Ground, Which, repeated};

use super::artifacts::{self, Bound, Sight};
use super::keys;
use super::plan::{Component, Plan, PlannedStage, StartedBy};
use super::retention::listed;
use super::scope::Asked;
use super::slots::{self, Entered, Slots};
use super::stored::{Correlation, Counter, Meta, OrderKey, OrderRow, Summary};
use crate::error::{AppError, require};
use crate::limits::{Limits, PARAMETERS_BYTES_MAX};
use crate::ports::{
    Blobs, Change, Changes, Clock, Condition, Entropy, Hint, Item, Moment, Query, Queue, Table, TransactError, Transaction, Write,
};
use crate::record::{self, KNOWS, READER, item};
use crate::secrets::references;
use engine::Execution;
use futures::future::join;
use model::Millis;
use model::application::Application;
use model::artifact::Artifact;
use model::component::StageType;
use model::id::{AppName, ExecutionId, PipelineId, ProjectName};
use model::order::{NOTE_BYTES_MAX, Origin, ReleaseOrder};
use model::person::{Action, Principal, Role};
use model::pipeline::{Pipeline, bind_parameters, truthy};
use model::problem::{Problems, token};
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Orders that one start may make: one in each project the application is bound to.
const ORDERS_A_START_MAX: usize = 20;
/// How often a start is tried again when somebody else took the order number.
const TRIES_MAX: u32 = 200;
/// A start that others overtake for so long gives up.
const START_MS_MAX: Millis = 10_000;
/// How long a correlation id is remembered.
const CORRELATION_MS: Millis = 30 * 24 * 3_600_000;
/// How many executions are looked at for the newest finished one.
const PRIOR_LOOK_MAX: usize = 20;

/// What a start needs of the outside.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Plans.
    pub blobs: &'a dyn Blobs,
    /// Hints.
    pub queue: &'a dyn Queue,
    /// Followers.
    pub changes: &'a dyn Changes,
    /// Now.
    pub clock: &'a dyn Clock,
    /// Fresh ids.
    pub entropy: &'a dyn Entropy,
    /// What the installation allows.
    pub limits: &'a Limits,
}

/// Where the order goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Into {
    /// In this project, to which the application must be bound.
    Project(ProjectName),
    /// In every project the application is bound to.
    EveryProject,
    /// Nowhere: a stage of another execution starts it.
    Nowhere,
}

/// What somebody, or a trigger, wants to start.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose pipeline.
    pub application: AppName,
    /// Which pipeline.
    pub pipeline: PipelineId,
    /// Who starts it.
    pub submitter: Principal,
    /// How it came about.
    pub origin: Origin,
    /// The trigger as stages see it: type, user, tag, ….
    pub trigger: Map<String, Value>,
    /// Ids of the expected artifacts that the trigger constrains itself to; none for a person's start.
    pub constrained_to: Option<Vec<String>>,
    /// Parameters as given.
    pub parameters: Map<String, Value>,
    /// Artifacts as received.
    pub artifacts: Vec<Artifact>,
    /// Why, in the submitter's words.
    pub note: String,
    /// Makes a repeat give the same execution.
    pub correlation: Option<String>,
    /// Where the order goes.
    pub into: Into,
    /// Cancel it when it has not begun by then.
    pub start_by_ms: Option<Millis>,
    /// The stage that starts it, and how many executions stand above the new one.
    pub parent: Option<(StartedBy, u32)>,
}

/// What was started.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The execution.
    pub execution: ExecutionId,
    /// The orders that show it.
    pub orders: Vec<OrderKey>,
    /// It had been started before, by the same correlation id.
    pub repeated: bool,
}

/// Starts a pipeline. Refusals of a person's start are errors; a trigger's start whose artifacts cannot be bound becomes a
/// visible failed execution.
pub async fn start(ports: Ports<'_>, request: &Request) -> Result<Started, AppError> {
    let before = repeated(ports.table, request.correlation.as_deref());
    let (before, ground) = join(before, ground(ports, request)).await;
    match before? {
        Some(started) => Ok(started),
        None => begin(ports, request, ground?).await,
    }
}

/// What this request stands on.
pub(super) async fn ground(ports: Ports<'_>, request: &Request) -> Result<Ground, AppError> {
    let which = Which::Known(&request.pipeline);
    Ground::of(ports.table, &request.application, which, &request.into, |owner| may_start(owner, request)).await
}

/// Starts a pipeline from what has been read already.
pub(crate) async fn begin(ports: Ports<'_>, request: &Request, ground: Ground) -> Result<Started, AppError> {
    begin_or_fail(ports, request, ground, None).await
}

/// The same; with a reason it becomes a visible failed execution that says it.
pub(super) async fn begin_or_fail(
    ports: Ports<'_>,
    request: &Request,
    ground: Ground,
    failure: Option<Reason>,
) -> Result<Started, AppError> {
    let (plan, unbound) = prepare(ports, request, &ground).await?;
    create(ports, request, &plan, failure.or(unbound), ground).await
}

/// Everything that may refuse a start, and what would be stored; nothing is written.
pub(super) async fn prepare(ports: Ports<'_>, request: &Request, ground: &Ground) -> Result<(Plan, Option<Reason>), AppError> {
    may_start(&ground.application, request)?;
    deep_enough(ports.limits, request)?;
    let pipeline = &ground.pipeline;
    belongs(pipeline, request)?;
    if pipeline.disabled {
        return Err(AppError::refused(ReasonCode::PipelineDisabled.as_str(), "the pipeline is disabled and cannot be started"));
    }
    let stages = pin(pipeline, &ground.types)?;
    references::check(ports.table, &ground.application.name, &ground.references).await?;
    let parameters = parameters(pipeline, request)?;
    let prior = prior(ports, &request.pipeline, pipeline).await?;
    let now = ports.clock.now_ms();
    let asked = Asked::at(Moment { now_ms: now, seed: ports.entropy.number() }, None);
    let bound = bind(request, pipeline, &parameters, &prior, &asked);
    let (bound, failure) = unbound(bound, request, now)?;
    let mut plan = plan(request, pipeline, ground.number, stages, parameters, bound, now);
    plan.limits = ports.limits.execution;
    Ok((plan, failure))
}

fn bind(
    request: &Request,
    pipeline: &Pipeline,
    parameters: &Map<String, Value>,
    prior: &[Artifact],
    asked: &Asked,
) -> Result<Bound, Vec<artifacts::Unbound>> {
    let names = seen(request, parameters);
    let sight = Sight { names: &names, host: asked };
    artifacts::bind(pipeline, request.constrained_to.as_deref(), &request.artifacts, prior, &sight)
}

/// The trigger as stages and expressions see it.
fn trigger(request: &Request, parameters: &Map<String, Value>, artifacts: &[Artifact]) -> Map<String, Value> {
    let mut trigger = request.trigger.clone();
    trigger.insert("user".to_owned(), json!(request.submitter.name));
    trigger.insert("parameters".to_owned(), Value::Object(parameters.clone()));
    trigger.insert("artifacts".to_owned(), json!(artifacts));
    trigger
}

/// What expressions outside of stages see: the trigger and the parameters.
fn seen(request: &Request, parameters: &Map<String, Value>) -> Map<String, Value> {
    let trigger = trigger(request, parameters, &request.artifacts);
    let mut names = Map::new();
    if let Some(build) = trigger.get("buildInfo").filter(|build| !build.is_null()) {
        names.insert("buildInfo".to_owned(), build.clone());
    }
    names.insert("trigger".to_owned(), Value::Object(trigger));
    names.insert("parameters".to_owned(), Value::Object(parameters.clone()));
    names
}

fn deep_enough(limits: &Limits, request: &Request) -> Result<(), AppError> {
    match &request.parent {
        Some((_, depth)) if *depth > limits.depth_max => {
            let message = format!("executions that start each other go {} deep at most", limits.depth_max);
            Err(AppError::refused("nested-too-deep", message))
        }
        _ => Ok(()),
    }
}

/// The correlation of an execution that an attempt of a stage starts: repeated, it gives the same execution.
#[must_use]
pub(super) fn child_correlation(parent: &StartedBy, attempt: u32, pipeline: &PipelineId) -> String {
    format!("child\n{}\n{}\n{attempt}\n{pipeline}", parent.execution, parent.run)
}

/// Where a correlation id leads.
pub(super) fn correlate(correlation: &str, execution: &ExecutionId, orders: &[OrderKey], now: Millis) -> Result<Item, AppError> {
    let value = Correlation { execution: execution.clone(), orders: orders.to_vec() };
    let key = keys::correlation(&hex::encode(Sha256::digest(correlation.as_bytes())));
    Ok(item(key, &value)?.expires(Some(now + CORRELATION_MS)))
}

fn may_start(application: &Application, request: &Request) -> Result<(), AppError> {
    // A trigger runs as the application's own service account; who may save triggers was asked when they were saved.
    if request.submitter == Principal::trigger(&application.name) {
        return Ok(());
    }
    require(application.may(&request.submitter, Action::Execute))?;
    if request.note.len() > NOTE_BYTES_MAX {
        return Err(AppError::invalid("/note", "too-long", format!("a note has at most {NOTE_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// A pipeline may name groups all of which somebody must belong to; a trigger runs as the account that was made for them.
fn belongs(pipeline: &Pipeline, request: &Request) -> Result<(), AppError> {
    let submitter = &request.submitter;
    if submitter.is(Role::Administrator) || *submitter == Principal::trigger(&request.application) {
        return Ok(());
    }
    match pipeline.details.roles.iter().find(|role| !submitter.groups.contains(*role)) {
        None => Ok(()),
        Some(missing) => {
            let message =
                format!("only who belongs to {} may start this pipeline: {missing} is missing", pipeline.details.roles.join(", "));
            Err(AppError::Denied { code: "pipeline-roles".to_owned(), message })
        }
    }
}

fn pin(pipeline: &Pipeline, types: &BTreeMap<String, StageType>) -> Result<Vec<PlannedStage>, AppError> {
    let mut problems = Problems::default();
    if pipeline.stages.is_empty() {
        problems.error("/stages", "no-stages", "the pipeline has no stages to run");
    }
    let mut stages = Vec::with_capacity(pipeline.stages.len());
    let mut components: BTreeMap<&str, Arc<Component>> = BTreeMap::new();
    for (i, stage) in pipeline.stages.iter().enumerate() {
        match types.get(&stage.kind) {
            Some(row) => {
                let component = components.entry(&stage.kind).or_insert_with(|| Arc::new(Component::pin(row)));
                stages.push(PlannedStage::of(stage, row, component.clone()));
            }
            None => {
                let message = format!("stage `{}`: no stage type `{}` is installed", stage.name, stage.kind);
                problems.error(format!("/stages/{i}/type"), ReasonCode::UnsupportedStageType.as_str(), message);
            }
        }
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(stages) }
}

fn parameters(pipeline: &Pipeline, request: &Request) -> Result<Map<String, Value>, AppError> {
    let bound = bind_parameters(&pipeline.parameters, &request.parameters).map_err(|list| {
        let mut problems = Problems::default();
        for problem in list {
            problems.error(format!("/parameters/{}", token(&problem.name)), problem.code, problem.message);
        }
        AppError::Invalid(problems.into_vec())
    })?;
    let bytes = json!(bound).to_string().len();
    if bytes > PARAMETERS_BYTES_MAX {
        let message = format!("the parameters have {bytes} bytes of JSON, at most {PARAMETERS_BYTES_MAX} are allowed");
        return Err(AppError::invalid("/parameters", "too-large", message));
    }
    Ok(bound)
}

/// Artifacts of the newest finished execution of the pipeline: a queued one does not hide it.
async fn prior(ports: Ports<'_>, id: &PipelineId, pipeline: &Pipeline) -> Result<Vec<Artifact>, AppError> {
    if !pipeline.expected_artifacts.iter().any(|e| e.use_prior_artifact) {
        return Ok(Vec::new());
    }
    let mut query = Query::prefix(format!("PIPE#{id}"), "EXEC#", PRIOR_LOOK_MAX);
    query.backward = true;
    let (rows, _) = record::page::<Summary>(ports.table, &query).await?;
    match rows.iter().find(|row| row.status.is_complete()) {
        Some(row) => match Plan::load(ports.table, ports.blobs, &row.id, &row.plan).await {
            Ok(plan) => Ok(plan.artifacts),
            // One that is just being forgotten has nothing to give.
            Err(AppError::Damaged(_)) if ports.table.get(&keys::meta(&row.id)).await?.is_none() => Ok(Vec::new()),
            Err(error) => Err(error),
        },
        None => Ok(Vec::new()),
    }
}

fn unbound(bound: Result<Bound, Vec<artifacts::Unbound>>, request: &Request, now: Millis) -> Result<(Bound, Option<Reason>), AppError> {
    let list = match bound {
        Ok(bound) => return Ok((bound, None)),
        Err(list) => list,
    };
    if request.origin == Origin::Manual {
        let mut problems = Problems::default();
        for unbound in &list {
            problems.error(format!("/artifacts/{}", unbound.position), unbound.code, unbound.message.clone());
        }
        return Err(AppError::Invalid(problems.into_vec()));
    }
    let messages: Vec<&str> = list.iter().map(|u| u.message.as_str()).collect();
    let data = json!({"artifacts": list.iter().map(artifacts::Unbound::data).collect::<Vec<_>>()});
    let reason = Reason::new(ReasonCode::ArtifactsUnresolved, format!("Failed on startup: {}", messages.join("; ")), now).with(data);
    Ok((Bound { artifacts: request.artifacts.clone(), expected: Vec::new() }, Some(reason)))
}

fn plan(
    request: &Request,
    pipeline: &Pipeline,
    revision: u64,
    stages: Vec<PlannedStage>,
    parameters: Map<String, Value>,
    bound: Bound,
    now: Millis,
) -> Plan {
    let mut trigger = trigger(request, &parameters, &bound.artifacts);
    trigger.insert("resolvedExpectedArtifacts".to_owned(), json!(bound.expected));
    Plan {
        application: request.application.clone(),
        pipeline: request.pipeline.clone(),
        name: pipeline.name.clone(),
        revision,
        stages,
        trigger,
        parameters,
        artifacts: bound.artifacts,
        expected: bound.expected,
        submitter: request.submitter.name.clone(),
        origin: request.origin.clone(),
        created_ms: now,
        principal: request.submitter.clone(),
        concurrency: pipeline.concurrency,
        time_zone: pipeline.time_zone.clone(),
        dry_run: request.trigger.get("dryRun").is_some_and(truthy),
        parent: request.parent.as_ref().map(|(parent, _)| parent.clone()),
        depth: request.parent.as_ref().map_or(0, |(_, depth)| *depth),
        limits: engine::Limits::default(),
    }
}

async fn create(
    ports: Ports<'_>,
    request: &Request,
    plan: &Plan,
    failure: Option<Reason>,
    Ground { projects, places, .. }: Ground,
) -> Result<Started, AppError> {
    // What was read at first holds for the first try alone.
    let mut first = Some(places);
    let id = ExecutionId::parse(ports.entropy.ulid(plan.created_ms)).map_err(|error| AppError::Damaged(error.to_string()))?;
    let (kept, plan_item) = plan.keep(ports.blobs, &id).await?;
    let mut execution = Execution::new(id.clone(), plan.graph()?, plan.created_ms);
    execution.start_by_ms = request.start_by_ms;
    if let Some(reason) = failure {
        execution.status = Status::Terminal;
        execution.reason = Some(reason);
        execution.ended_ms = Some(plan.created_ms);
    }
    for _ in 0..TRIES_MAX {
        let mut orders = Vec::with_capacity(projects.len());
        let mut writes: Vec<Write> = plan_item.iter().cloned().collect();
        let Places { slots, counters } = match first.take() {
            Some(places) => places,
            None => Places::read(ports.table, &plan.pipeline, &projects).await?,
        };
        if !execution.status.is_complete() {
            writes.push(enter_in(ports, plan, &mut execution, slots, plan.created_ms).await?);
        }
        for (project, counter) in projects.iter().zip(counters) {
            let (last, conditions) = match counter {
                Some((counter, revision)) => (counter.last, vec![Condition::Revision(revision)]),
                None => (0, vec![Condition::Absent]),
            };
            writes.push(Write::Put(item(keys::order_counter(project), &Counter { last: last + 1 })?, conditions));
            orders.push(OrderKey { project: project.clone(), number: last + 1 });
        }
        let meta = meta(&execution, plan, &kept, orders.clone());
        writes.extend(rows(&meta, request, plan, ports.limits.kept_ms)?);
        if let Some(correlation) = &request.correlation {
            writes.push(Write::Put(correlate(correlation, &id, &orders, plan.created_ms)?, vec![Condition::Absent]));
        }
        match ports.table.transact(Transaction { writes, token: None }).await {
            Ok(()) => {
                announce(ports, &id, &orders).await;
                return Ok(Started { execution: id, orders, repeated: false });
            }
            Err(TransactError::Conflict(_)) => {
                if let Some(found) = repeated(ports.table, request.correlation.as_deref()).await? {
                    return Ok(found);
                }
                if ports.clock.now_ms() > plan.created_ms.saturating_add(START_MS_MAX) {
                    break;
                }
            }
            Err(other) => return Err(other.into()),
        }
    }
    Err(AppError::Unavailable("others start executions here faster than this one can be entered".to_owned()))
}

/// Enters an execution in its pipeline's slots: it may begin, or it waits and says so.
pub(super) async fn enter(ports: Ports<'_>, plan: &Plan, execution: &mut Execution, now: Millis) -> Result<Write, AppError> {
    enter_in(ports, plan, execution, slots::read(ports.table, &plan.pipeline).await?, now).await
}

async fn enter_in(
    ports: Ports<'_>,
    plan: &Plan,
    execution: &mut Execution,
    slots: Option<(Slots, u64)>,
    now: Millis,
) -> Result<Write, AppError> {
    let Some((mut slots, revision)) = slots::open(ports.table, &plan.pipeline, plan.concurrency, slots).await? else {
        return Ok(slots::none(&plan.pipeline));
    };
    match slots.enter(&execution.id, plan.concurrency, ports.limits.waiting_max) {
        Entered::Granted => {
            execution.queued = false;
            execution.reason = None;
        }
        Entered::Queued(position) => {
            let limit = plan.concurrency.limit.unwrap_or_default();
            let message = format!("waits for one of the {limit} executions of this pipeline that may run at once to end");
            let data =
                json!({"position": position, "limit": limit, "keepWaiting": plan.concurrency.keep_waiting, "running": slots.running});
            execution.queued = true;
            execution.reason = Some(Reason::new(ReasonCode::WaitingForSlot, message, now).with(data));
        }
        Entered::Full => {
            let message = format!("{} executions of this pipeline wait for a slot already", slots.waiting.len());
            return Err(AppError::refused("queue-full", message));
        }
    }
    slots::write(&plan.pipeline, &slots, revision)
}

fn meta(execution: &Execution, plan: &Plan, kept: &str, orders: Vec<OrderKey>) -> Meta {
    Meta {
        execution: execution.clone(),
        plan: kept.to_owned(),
        application: plan.application.clone(),
        pipeline: plan.pipeline.clone(),
        orders,
        fence: String::new(),
        lease_until_ms: 0,
        commit_id: String::new(),
        takes: 0,
        supersedes: Vec::new(),
        untidy: false,
        restarts: Vec::new(),
    }
}

/// META and everything that lists show.
fn rows(meta: &Meta, request: &Request, plan: &Plan, kept_ms: Millis) -> Result<Vec<Write>, AppError> {
    let mut writes = vec![Write::Put(meta_item(meta)?, vec![Condition::Absent])];
    for (key, summary) in summaries(meta, plan) {
        writes.push(Write::Put(listed(key, &summary, kept_ms)?, vec![]));
    }
    for key in &meta.orders {
        let order = ReleaseOrder {
            project: key.project.clone(),
            number: key.number,
            application: plan.application.clone(),
            pipeline: plan.pipeline.clone(),
            pipeline_name: plan.name.clone(),
            revision: plan.revision,
            execution: meta.execution.id.clone(),
            submitter: plan.submitter.clone(),
            origin: plan.origin.clone(),
            artifacts: plan.artifacts.clone(),
            parameters: plan.parameters.clone(),
            note: request.note.clone(),
            created_ms: plan.created_ms,
        };
        writes.push(Write::Put(item(keys::order(&key.project, key.number), &order_row(order, &meta.execution))?, vec![Condition::Absent]));
    }
    Ok(writes)
}

/// An order with the state of its execution.
#[must_use]
pub fn order_row(order: ReleaseOrder, execution: &Execution) -> OrderRow {
    OrderRow {
        order,
        status: execution.status,
        reason: execution.reason.clone(),
        started_ms: execution.started_ms,
        ended_ms: execution.ended_ms,
    }
}

/// META as an item: conditions can ask whether it is open, who holds it and which suspensions there are.
pub fn meta_item(meta: &Meta) -> Result<Item, AppError> {
    let execution = &meta.execution;
    let mut made = item(keys::meta(&execution.id), meta)?.attribute(READER, KNOWS.to_string());
    if !meta.fence.is_empty() {
        made = made.attribute(keys::FENCE, &meta.fence);
    }
    if execution.status.is_complete() {
        // Somebody must still tell those whose place it took, and remove what its steps left behind.
        return Ok(made.due(execution.ended_ms.filter(|_| !meta.supersedes.is_empty() || meta.untidy)));
    }
    made = made.attribute(keys::OPEN, "1");
    for (run, stage) in execution.runs.iter().enumerate() {
        if stage.status() == Status::Suspended {
            made = made.attribute(&keys::suspension(run), format!("{}:{}", stage.attempt, stage.seq));
        }
    }
    let held = !meta.fence.is_empty();
    let due = if held { Some(meta.lease_until_ms) } else { engine::wake_at(execution) };
    Ok(made.due(due))
}

/// The execution in its pipeline's and its application's list.
#[must_use]
pub fn summaries(meta: &Meta, plan: &Plan) -> Vec<(crate::ports::Key, Summary)> {
    let execution = &meta.execution;
    let summary = Summary {
        id: execution.id.clone(),
        application: plan.application.clone(),
        pipeline: plan.pipeline.clone(),
        pipeline_name: plan.name.clone(),
        revision: plan.revision,
        status: execution.status,
        reason: execution.reason.clone(),
        submitter: plan.submitter.clone(),
        created_ms: execution.created_ms,
        started_ms: execution.started_ms,
        ended_ms: execution.ended_ms,
        plan: meta.plan.clone(),
        orders: meta.orders.clone(),
    };
    let application = keys::of_application(&plan.application.key(), &execution.id);
    vec![(keys::of_pipeline(&plan.pipeline, &execution.id), summary.clone()), (application, summary)]
}

async fn announce(ports: Ports<'_>, id: &ExecutionId, orders: &[OrderKey]) {
    ports.queue.hint(Hint::Execution { id: id.clone() }, 0).await;
    for order in orders {
        ports.changes.publish(Change { topic: format!("orders:{}", order.project), version: order.number });
    }
}
