//! Executions and release orders as the API shows them, the same in every function that does.

use crate::wire::{FreeJson, MayView, ReasonView};
use app::execution::follow::{Detail, SignalView as Awaited, StageDetail as Stage, StageView as AppStage};
use app::execution::logs::Entry;
use app::execution::stored::{Answer, OrderKey, OrderRow, Progress, Summary};
use model::Millis;
use model::artifact::Artifact;
use model::order::Origin;
use model::person::May;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How an execution came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginView {
    /// `manual`, `trigger` or `stage`.
    kind: String,
    /// The trigger's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_type: Option<String>,
    /// The trigger's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<String>,
    /// The execution whose stage started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution: Option<String>,
    /// That stage's refId.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
}

impl From<Origin> for OriginView {
    fn from(origin: Origin) -> Self {
        let of = |kind: &str| Self { kind: kind.to_owned(), trigger_type: None, trigger: None, execution: None, stage: None };
        match origin {
            Origin::Manual => of("manual"),
            Origin::Trigger { trigger_type, trigger } => Self { trigger_type: Some(trigger_type), trigger: Some(trigger), ..of("trigger") },
            Origin::Stage { execution, stage } => Self { execution: Some(execution.to_string()), stage: Some(stage), ..of("stage") },
        }
    }
}

/// A release order, by project and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderRef {
    /// The project.
    project: String,
    /// The number within it, from 1.
    number: u64,
}

impl From<OrderKey> for OrderRef {
    fn from(key: OrderKey) -> Self {
        Self { project: key.project.to_string(), number: key.number }
    }
}

/// An execution as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionSummary {
    /// Its id; sorts by time.
    id: String,
    /// Its application.
    application: String,
    /// Its pipeline's id.
    pipeline: String,
    /// The pipeline's name when it started.
    pipeline_name: String,
    /// The pipeline's revision.
    revision: u64,
    /// Where it stands, in Spinnaker's words.
    status: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    /// Who started it.
    submitter: String,
    /// When it was created.
    created_ms: Millis,
    /// When it began.
    started_ms: Option<Millis>,
    /// When it ended.
    ended_ms: Option<Millis>,
    /// Orders that show it.
    orders: Vec<OrderRef>,
    /// What the caller may do.
    may: BTreeMap<String, MayView>,
}

fn verdicts(may: BTreeMap<String, May>) -> BTreeMap<String, MayView> {
    may.into_iter().map(|(action, may)| (action, may.into())).collect()
}

impl From<(Summary, BTreeMap<String, May>)> for ExecutionSummary {
    fn from((row, may): (Summary, BTreeMap<String, May>)) -> Self {
        Self {
            may: verdicts(may),
            id: row.id.to_string(),
            application: row.application.to_string(),
            pipeline: row.pipeline.to_string(),
            pipeline_name: row.pipeline_name,
            revision: row.revision,
            status: row.status.to_string(),
            reason: row.reason.map(Into::into),
            submitter: row.submitter,
            created_ms: row.created_ms,
            started_ms: row.started_ms,
            ended_ms: row.ended_ms,
            orders: row.orders.into_iter().map(Into::into).collect(),
        }
    }
}

/// An execution in full.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionDetail {
    /// What lists show.
    #[serde(flatten)]
    summary: ExecutionSummary,
    /// Raised with every transition; follow with `?after=`.
    version: u64,
    /// How it came about.
    origin: OriginView,
    /// Who cancelled it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel: Option<CancelView>,
    /// What it was started with; images carry their digest.
    #[schema(value_type = Vec<FreeJson>)]
    artifacts: Vec<Artifact>,
    /// What it was started with, defaults filled in.
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    parameters: Map<String, Value>,
    /// The trigger as stages see it.
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    trigger: Map<String, Value>,
    /// The stages, in the pipeline's order.
    stages: Vec<StageView>,
}

/// Who cancelled an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CancelView {
    /// Who.
    by: String,
    /// Why, in their words.
    reason: String,
}

impl From<Detail> for ExecutionDetail {
    fn from(detail: Detail) -> Self {
        Self {
            summary: ExecutionSummary {
                id: detail.id.to_string(),
                application: detail.application.to_string(),
                pipeline: detail.pipeline.to_string(),
                pipeline_name: detail.pipeline_name,
                revision: detail.revision,
                status: detail.status.to_string(),
                reason: detail.reason.map(Into::into),
                submitter: detail.submitter,
                created_ms: detail.created_ms,
                started_ms: detail.started_ms,
                ended_ms: detail.ended_ms,
                orders: detail.orders.into_iter().map(Into::into).collect(),
                may: verdicts(detail.may),
            },
            version: detail.version,
            origin: detail.origin.into(),
            cancel: detail.cancel.map(|cancel| CancelView { by: cancel.by, reason: cancel.reason }),
            artifacts: detail.artifacts,
            parameters: detail.parameters,
            trigger: detail.trigger,
            stages: detail.stages.into_iter().map(Into::into).collect(),
        }
    }
}

/// How far a stage is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProgressView {
    /// One line.
    message: String,
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    /// State by object, as the stage type says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<FreeJson>)]
    details: Option<Value>,
    /// When it was said.
    at: Millis,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        Self { message: progress.message, percent: progress.percent, details: progress.details, at: progress.at }
    }
}

/// What somebody answered a waiting stage.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AnswerView {
    /// The signal's name.
    signal: String,
    /// Who.
    by: String,
    /// When.
    at: Millis,
    /// What.
    #[schema(value_type = FreeJson)]
    body: Value,
}

impl From<Answer> for AnswerView {
    fn from(answer: Answer) -> Self {
        Self { signal: answer.signal, by: answer.by, at: answer.at, body: answer.body }
    }
}

/// A signal that a stage waits for, and whether the caller may send it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SignalView {
    /// Its name.
    name: String,
    /// What is asked.
    prompt: String,
    /// JSON Schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<FreeJson>)]
    form: Option<Value>,
    /// Who may answer; empty for whoever may judge.
    allowed: Vec<String>,
    /// May the caller?
    may: MayView,
}

impl From<Awaited> for SignalView {
    fn from(signal: Awaited) -> Self {
        Self { name: signal.name, prompt: signal.prompt, form: signal.form, allowed: signal.allowed, may: signal.may.into() }
    }
}

/// An object that a stage applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// `apps/v1`, ….
    api_version: String,
    /// `Deployment`, ….
    kind: String,
    /// None for cluster-scoped objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// Its name.
    name: String,
    /// Its uid.
    uid: String,
    /// It was not there before.
    created: bool,
    /// It is not as it was before.
    changed: bool,
    /// The address at which its load balancer answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    load_balancer: Option<String>,
}

fn object(value: &Value) -> ObjectView {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let flag = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
    let address = value.get("loadBalancer").filter(|v| !v.is_null()).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    ObjectView {
        api_version: text("apiVersion").unwrap_or_default(),
        kind: text("kind").unwrap_or_default(),
        namespace: text("namespace"),
        name: text("name").unwrap_or_default(),
        uid: text("uid").unwrap_or_default(),
        created: flag("created"),
        changed: flag("changed"),
        load_balancer: address,
    }
}

/// A stage of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageView {
    /// Its refId.
    ref_id: String,
    /// Its name.
    name: String,
    /// Its type.
    #[serde(rename = "type")]
    kind: String,
    /// The component that serves it: name and version.
    component: String,
    /// The stages it requires.
    requisite_stage_ref_ids: Vec<String>,
    /// Where it stands, in Spinnaker's words.
    status: String,
    /// Why; also why it has not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    /// Restarts, from 1.
    attempt: u32,
    /// When it started.
    started_ms: Option<Millis>,
    /// When it ended.
    ended_ms: Option<Millis>,
    /// When its time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<Millis>,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<ProgressView>,
    /// What it said at its end.
    message: String,
    /// What it waits for.
    signals: Vec<SignalView>,
    /// What people answered.
    answers: Vec<AnswerView>,
    /// Objects it applied.
    objects: Vec<ObjectView>,
}

impl From<AppStage> for StageView {
    fn from(stage: AppStage) -> Self {
        Self {
            ref_id: stage.ref_id,
            name: stage.name,
            kind: stage.kind,
            component: stage.component,
            requisite_stage_ref_ids: stage.requisite_stage_ref_ids,
            status: stage.status.to_string(),
            reason: stage.reason.map(Into::into),
            attempt: stage.attempt,
            started_ms: stage.started_ms,
            ended_ms: stage.ended_ms,
            deadline_ms: stage.deadline_ms,
            progress: stage.progress.map(Into::into),
            message: stage.message,
            signals: stage.signals.into_iter().map(Into::into).collect(),
            answers: stage.answers.into_iter().map(Into::into).collect(),
            objects: stage.objects.iter().map(object).collect(),
        }
    }
}

/// A stage with everything it was given and left.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StageDetail {
    /// The stage.
    #[serde(flatten)]
    stage: StageView,
    /// Its settings as resolved; as configured while it has not started.
    #[schema(value_type = FreeJson)]
    settings: Value,
    /// What later stages see.
    #[schema(value_type = FreeJson)]
    outputs: Value,
    /// Its own context.
    #[schema(value_type = FreeJson)]
    context: Value,
    /// Artifacts it made.
    #[schema(value_type = Vec<FreeJson>)]
    artifacts: Vec<Value>,
}

impl From<Stage> for StageDetail {
    fn from(stage: Stage) -> Self {
        Self {
            stage: stage.view.into(),
            settings: stage.settings,
            outputs: stage.outputs,
            context: stage.context,
            artifacts: stage.artifacts,
        }
    }
}

/// A release order as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    /// The project it was submitted in.
    project: String,
    /// Its number within the project, from 1.
    number: u64,
    /// What is released.
    application: String,
    /// By which pipeline: its id.
    pipeline: String,
    /// The pipeline's name when the order was made.
    pipeline_name: String,
    /// The pipeline's revision.
    revision: u64,
    /// The execution that carries it out.
    execution: String,
    /// A person's name, or `trigger:<application>`.
    submitter: String,
    /// How it came about.
    origin: OriginView,
    /// What is released; images carry their digest.
    #[schema(value_type = Vec<FreeJson>)]
    artifacts: Vec<Artifact>,
    /// The parameters, defaults filled in.
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    parameters: Map<String, Value>,
    /// Why, in the submitter's words.
    note: String,
    /// When it was submitted.
    created_ms: Millis,
    /// Where its execution stands.
    status: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    /// When its execution began.
    started_ms: Option<Millis>,
    /// When its execution ended.
    ended_ms: Option<Millis>,
    /// What the caller may do.
    may: BTreeMap<String, MayView>,
}

impl From<(OrderRow, BTreeMap<String, May>)> for OrderView {
    fn from((row, may): (OrderRow, BTreeMap<String, May>)) -> Self {
        let order = row.order;
        Self {
            may: verdicts(may),
            project: order.project.to_string(),
            number: order.number,
            application: order.application.to_string(),
            pipeline: order.pipeline.to_string(),
            pipeline_name: order.pipeline_name,
            revision: order.revision,
            execution: order.execution.to_string(),
            submitter: order.submitter,
            origin: order.origin.into(),
            artifacts: order.artifacts,
            parameters: order.parameters,
            note: order.note,
            created_ms: order.created_ms,
            status: row.status.to_string(),
            reason: row.reason.map(Into::into),
            started_ms: row.started_ms,
            ended_ms: row.ended_ms,
        }
    }
}

/// One transition of an execution and what was said meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LogEntryView {
    /// The version it made.
    version: u64,
    /// When.
    at: Millis,
    /// What changed.
    transitions: Vec<TransitionView>,
    /// What became of what people sent.
    verdicts: Vec<VerdictView>,
    /// What stages said.
    lines: Vec<LineView>,
    /// Lines dropped beyond the limit.
    dropped: u32,
}

/// A status that changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TransitionView {
    /// The stage's refId; left out for the execution itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// From.
    from: String,
    /// To.
    to: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
}

/// What became of something that a person sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VerdictView {
    /// The event's id, as the answer to the request said it.
    id: String,
    /// Who sent it.
    sender: String,
    /// `applied`, or why not.
    verdict: String,
    /// For people.
    message: String,
}

/// A line that a stage said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineView {
    /// The stage's refId.
    stage: String,
    /// Which attempt.
    attempt: u32,
    /// `debug`, `info`, `warn` or `error`.
    level: String,
    /// The line, without control characters.
    message: String,
    /// For machines.
    fields: BTreeMap<String, String>,
}

impl From<Entry> for LogEntryView {
    fn from(entry: Entry) -> Self {
        let level = |level: app::ports::LogLevel| match level {
            app::ports::LogLevel::Debug => "debug",
            app::ports::LogLevel::Info => "info",
            app::ports::LogLevel::Warn => "warn",
            app::ports::LogLevel::Error => "error",
        };
        let transitions = entry.transitions.into_iter().map(|t| TransitionView {
            stage: t.stage,
            from: t.from.to_string(),
            to: t.to.to_string(),
            reason: t.reason.map(Into::into),
        });
        let verdicts =
            entry.verdicts.into_iter().map(|v| VerdictView { id: v.id, sender: v.sender, verdict: v.verdict, message: v.message });
        let lines = entry.lines.into_iter().map(|l| LineView {
            stage: l.stage,
            attempt: l.attempt,
            level: level(l.line.level).to_owned(),
            message: l.line.message,
            fields: l.line.fields.into_iter().collect(),
        });
        Self {
            version: entry.version,
            at: entry.at,
            transitions: transitions.collect(),
            verdicts: verdicts.collect(),
            lines: lines.collect(),
            dropped: entry.dropped,
        }
    }
}
