//! An execution as lists show it, and in full.

use super::{StageView, verdicts};
use crate::wire::{FreeJson, MayView, ReasonView};
use app::execution::follow::Detail;
use app::execution::stored::{OrderKey, Restarted, Summary};
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
    /// What the caller may do; `pause`, `resume` and `restart` are told of one execution, not in lists.
    may: BTreeMap<String, MayView>,
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
    /// The execution whose stage started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    /// Only what changes nothing is run.
    dry_run: bool,
    /// It is cancelled when it has not begun by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_by_ms: Option<Millis>,
    /// Times it was begun: 1, and one more with each restart of a stage.
    generation: u32,
    /// Its newest restarts, the last one last.
    restarts: Vec<RestartView>,
    /// Who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<PausedView>,
    /// How it will end once what is still at work has stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<EndingView>,
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
    /// The stages, in the pipeline's order; after them, those that stages unfolded into, in the order in which they did.
    stages: Vec<StageView>,
}

/// Who cancelled an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CancelView {
    /// Who.
    by: String,
    /// Why, in their words.
    reason: String,
    /// The execution that was cancelled, and this one with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
}

/// Who holds an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PausedView {
    /// Who.
    by: String,
    /// Why, in their words.
    reason: String,
    /// Since when.
    at_ms: Millis,
}

/// How an execution will end.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EndingView {
    /// In Spinnaker's words.
    status: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
}

/// A stage that was done again, with everything after it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartView {
    /// The stage's refId.
    stage: String,
    /// Who.
    by: String,
    /// When.
    at_ms: Millis,
    /// The generation it began.
    generation: u32,
    /// How the stage had ended before.
    previous_status: String,
    /// Why it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_reason: Option<ReasonView>,
}

impl From<Restarted> for RestartView {
    fn from(restarted: Restarted) -> Self {
        Self {
            stage: restarted.stage,
            by: restarted.by,
            at_ms: restarted.at,
            generation: restarted.generation,
            previous_status: restarted.previous.to_string(),
            previous_reason: restarted.previous_reason.map(Into::into),
        }
    }
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
            parent: detail.parent.map(|id| id.to_string()),
            dry_run: detail.dry_run,
            start_by_ms: detail.start_by_ms,
            generation: detail.generation,
            restarts: detail.restarts.into_iter().map(Into::into).collect(),
            paused: detail.paused.map(|held| PausedView { by: held.by, reason: held.reason, at_ms: held.at_ms }),
            ending: detail.ending.map(|end| EndingView { status: end.status.to_string(), reason: end.reason.map(Into::into) }),
            cancel: detail.cancel.map(|cancel| CancelView {
                by: cancel.by,
                reason: cancel.reason,
                parent: cancel.parent.map(|id| id.to_string()),
            }),
            artifacts: detail.artifacts,
            parameters: detail.parameters,
            trigger: detail.trigger,
            stages: detail.stages.into_iter().map(Into::into).collect(),
        }
    }
}
