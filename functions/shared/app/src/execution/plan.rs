//! The plan: everything an execution was started with, pinned. An immutable blob.

use crate::error::AppError;
use crate::ports::{Blobs, StoreError};
use crate::record::{self, Record};
use engine::{Graph, Node};
use model::artifact::{Artifact, ExpectedArtifact};
use model::component::{Grant, StageType, StepLimits};
use model::id::{AppName, PipelineId};
use model::order::Origin;
use model::pipeline::{FailureChoice, Stage};
use model::{Millis, id::RefId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What an execution was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Whose it is.
    pub application: AppName,
    /// Of which pipeline.
    pub pipeline: PipelineId,
    /// The pipeline's name.
    pub name: String,
    /// The pipeline's revision.
    pub revision: u64,
    /// The stages, by position.
    pub stages: Vec<PlannedStage>,
    /// The trigger as stages see it.
    pub trigger: Map<String, Value>,
    /// The parameters, defaults filled in.
    pub parameters: Map<String, Value>,
    /// Artifacts that were received or bound.
    pub artifacts: Vec<Artifact>,
    /// What was expected, and what it was bound to.
    pub expected: Vec<ExpectedArtifact>,
    /// Who started it.
    pub submitter: String,
    /// How it came about.
    pub origin: Origin,
    /// When it was planned.
    pub created_ms: Millis,
}

impl Record for Plan {
    const SHAPE: &'static str = "plan";
}

/// A stage, with the component that serves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStage {
    /// Its name within the execution.
    pub ref_id: RefId,
    /// Its type as the pipeline says it.
    pub kind: String,
    /// For people.
    pub name: String,
    /// Positions of the stages it requires.
    pub requisites: Vec<usize>,
    /// Time for the whole stage.
    pub timeout_ms: u64,
    /// A time-out counts as success.
    pub succeed_on_timeout: bool,
    /// What a failure does to the rest.
    pub failure: FailureChoice,
    /// Its condition.
    pub condition: Option<String>,
    /// Its JSON as it came.
    pub settings: Map<String, Value>,
    /// The component, pinned by digest.
    pub component: Component,
}

/// A component, pinned when the execution started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// The stage type's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the precompiled component.
    pub cwasm_sha256: String,
    /// Checkpoint schemas it can read.
    pub checkpoint_schemas: Vec<u32>,
    /// What it may do.
    pub grant: Grant,
    /// Limits of its steps.
    pub limits: StepLimits,
}

impl PlannedStage {
    /// Pins a stage to the component that serves it.
    #[must_use]
    pub fn pin(stage: &Stage, row: &StageType) -> Self {
        let schemas = row.manifest.get("checkpointSchemas").and_then(Value::as_array);
        let schemas = schemas.map(|list| list.iter().filter_map(Value::as_u64).filter_map(|n| u32::try_from(n).ok()).collect());
        Self {
            ref_id: stage.ref_id.clone(),
            kind: stage.kind.clone(),
            name: stage.name.clone(),
            requisites: stage.requisites.clone(),
            timeout_ms: stage.timeout_ms.unwrap_or(row.timeout_ms),
            succeed_on_timeout: stage.succeed_on_timeout,
            failure: stage.failure,
            condition: stage.condition.clone(),
            settings: stage.json.clone(),
            component: Component {
                name: row.name.clone(),
                version: row.version.clone(),
                cwasm_sha256: row.cwasm_sha256.clone(),
                checkpoint_schemas: schemas.unwrap_or_default(),
                grant: row.grant.clone(),
                limits: row.limits,
            },
        }
    }
}

impl Plan {
    /// The graph that the engine moves.
    pub fn graph(&self) -> Result<Arc<Graph>, AppError> {
        let nodes = self.stages.iter().map(|stage| Node {
            ref_id: stage.ref_id.clone(),
            requisites: stage.requisites.clone(),
            timeout_ms: stage.timeout_ms,
            succeed_on_timeout: stage.succeed_on_timeout,
            failure: stage.failure,
        });
        let graph = Graph::new(nodes.collect()).map_err(|error| AppError::invalid("/stages", "graph-invalid", error.to_string()))?;
        Ok(Arc::new(graph))
    }

    /// The position of a stage.
    #[must_use]
    pub fn position(&self, ref_id: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.ref_id.as_str() == ref_id)
    }

    /// All stages upstream of one, nearest first.
    #[must_use]
    pub fn ancestors(&self, run: usize) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        let mut level = vec![run];
        while !level.is_empty() {
            let mut next = Vec::new();
            for stage in level.iter().filter_map(|at| self.stages.get(*at)) {
                for requisite in &stage.requisites {
                    if !found.contains(requisite) {
                        found.push(*requisite);
                        next.push(*requisite);
                    }
                }
            }
            level = next;
        }
        found
    }

    /// Stores the plan and gives its digest.
    pub async fn store(&self, blobs: &dyn Blobs) -> Result<String, AppError> {
        Ok(blobs.put(&record::encode(self)?).await?)
    }

    /// Reads a plan back.
    pub async fn load(blobs: &dyn Blobs, digest: &str) -> Result<Self, AppError> {
        let bytes = blobs.get(digest).await?;
        let bytes = bytes.ok_or_else(|| StoreError::Damaged(format!("the plan {digest} is gone")))?;
        record::decode(&bytes)
    }
}
