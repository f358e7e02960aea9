//! What a start would run, as the API shows it.

use crate::wire::{FreeJson, ReasonView};
use app::execution::preview::{Outlook, Preview, PreviewedStage};
use model::artifact::{Artifact, ExpectedArtifact};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What would be run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewView {
    /// The pipeline's id.
    pipeline: String,
    /// Its name.
    pipeline_name: String,
    /// The revision that would be pinned.
    revision: u64,
    /// Parameters, defaults filled in.
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    parameters: Map<String, Value>,
    /// Artifacts that stages would see.
    #[schema(value_type = Vec<FreeJson>)]
    artifacts: Vec<Artifact>,
    /// What the pipeline expects, with what would be bound.
    #[schema(value_type = Vec<FreeJson>)]
    expected_artifacts: Vec<ExpectedArtifact>,
    /// Nothing would be changed.
    dry_run: bool,
    /// Why it would not begin at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<ReasonView>,
    /// The stages, those that can begin first at the front.
    stages: Vec<PreviewedStageView>,
}

/// What would become of a stage when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum OutlookView {
    /// It runs.
    Runs,
    /// It is skipped.
    Skipped,
    /// It fails before it begins.
    Fails,
    /// Whether it runs depends on what stages before it leave.
    Open,
}

/// A stage of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PreviewedStageView {
    /// Its name within the pipeline.
    ref_id: String,
    /// For people; its expressions evaluated where they can be.
    name: String,
    /// Its type.
    #[serde(rename = "type")]
    kind: String,
    /// The stages it requires.
    requisite_stage_ref_ids: Vec<String>,
    /// Length of the longest way to it: stages of one rank may run side by side.
    rank: usize,
    /// What would become of it.
    outlook: OutlookView,
    /// Why it would be skipped, or fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    /// Its settings, evaluated where they can be.
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    settings: Map<String, Value>,
    /// JSON pointers into the stage: what depends on stages before it, and stands here as it is written.
    open: Vec<String>,
    /// It says itself, when it begins, which stages stand before and behind it.
    unfolds: bool,
}

impl From<Outlook> for OutlookView {
    fn from(outlook: Outlook) -> Self {
        match outlook {
            Outlook::Runs => Self::Runs,
            Outlook::Skipped => Self::Skipped,
            Outlook::Fails => Self::Fails,
            Outlook::Open => Self::Open,
        }
    }
}

impl From<PreviewedStage> for PreviewedStageView {
    fn from(stage: PreviewedStage) -> Self {
        Self {
            ref_id: stage.ref_id.to_string(),
            name: stage.name,
            kind: stage.kind,
            requisite_stage_ref_ids: stage.requires.iter().map(ToString::to_string).collect(),
            rank: stage.rank,
            outlook: stage.outlook.into(),
            reason: stage.reason.map(Into::into),
            settings: stage.settings,
            open: stage.open,
            unfolds: stage.unfolds,
        }
    }
}

impl From<Preview> for PreviewView {
    fn from(preview: Preview) -> Self {
        Self {
            pipeline: preview.pipeline.to_string(),
            pipeline_name: preview.pipeline_name,
            revision: preview.revision,
            parameters: preview.parameters,
            artifacts: preview.artifacts,
            expected_artifacts: preview.expected_artifacts,
            dry_run: preview.dry_run,
            waits: preview.waits.map(Into::into),
            stages: preview.stages.into_iter().map(Into::into).collect(),
        }
    }
}
