//! A stage of an execution: where it stands, why, what it waits for and what it made.

use crate::wire::{FreeJson, MayView, ReasonView};
use app::execution::follow::{SignalView as Awaited, StageDetail as Stage, StageView as AppStage};
use app::execution::stored::{Answer, Progress};
use model::Millis;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

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
    /// The stage that unfolded into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_ref_id: Option<String>,
    /// When in its parent's life it runs: `before` its own work, `after` it, or `on-failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    /// False for one that an earlier attempt of its parent unfolded into: it is history.
    current: bool,
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
    /// What the caller may do with it: `skip`, `skip-window`.
    may: BTreeMap<String, MayView>,
}

impl From<AppStage> for StageView {
    fn from(stage: AppStage) -> Self {
        Self {
            ref_id: stage.ref_id,
            name: stage.name,
            kind: stage.kind,
            component: stage.component,
            requisite_stage_ref_ids: stage.requisite_stage_ref_ids,
            parent_ref_id: stage.parent_ref_id,
            part: stage.part.map(|part| part.as_str().to_owned()),
            current: stage.current,
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
            may: [("skip", stage.may_skip), ("skip-window", stage.may_skip_window)]
                .into_iter()
                .map(|(action, may)| (action.to_owned(), may.into()))
                .collect(),
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
