//! Release orders: what a developer, or a push, asked to be released.

use crate::Millis;
use crate::artifact::Artifact;
use crate::id::{AppName, ExecutionId, PipelineId, ProjectName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most bytes of a note.
pub const NOTE_BYTES_MAX: usize = 4_096;

/// A release order. Its status is that of its execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseOrder {
    /// Project it was submitted in.
    pub project: ProjectName,
    /// Number within the project, from 1.
    pub number: u64,
    /// What is released.
    pub application: AppName,
    /// By which pipeline.
    pub pipeline: PipelineId,
    /// The pipeline's name when the order was made.
    pub pipeline_name: String,
    /// Which revision of it.
    pub revision: u64,
    /// The execution that carries it out.
    pub execution: ExecutionId,
    /// A person's name, or the trigger's service account.
    pub submitter: String,
    /// How it came about.
    pub origin: Origin,
    /// Artifacts as they were resolved.
    pub artifacts: Vec<Artifact>,
    /// Parameters as they were given and defaulted.
    pub parameters: Map<String, Value>,
    /// Why, in the submitter's words.
    #[serde(default)]
    pub note: String,
    /// When it was submitted.
    pub created_ms: Millis,
}

/// How an order or execution came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A person submitted it.
    Manual,
    /// A trigger fired.
    Trigger {
        /// The trigger's type, as in the pipeline.
        trigger_type: String,
        /// The trigger's id.
        trigger: String,
    },
    /// A stage of another execution started it.
    Stage {
        /// That execution.
        execution: ExecutionId,
        /// The stage's refId.
        stage: String,
    },
}
