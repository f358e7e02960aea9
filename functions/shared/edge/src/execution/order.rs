//! Release orders as lists show them.

use super::{OriginView, verdicts};
use crate::wire::{FreeJson, MayView, ReasonView};
use app::execution::stored::OrderRow;
use model::Millis;
use model::artifact::Artifact;
use model::person::May;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

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
