//! The plan: everything an execution was started with, pinned. It changes only by the stages that stages unfold into, in the commit
//! that takes them. A small one stands beside META, so that a start writes nothing but its transaction; a large one is a blob.

use super::keys;
use super::stored::Meta;
use crate::error::AppError;
use crate::limits::PLAN_BYTES_MAX;
use crate::ports::{Blobs, Item, StoreError, Table, Write};
use crate::record::{self, Record, Shape, shape};
use engine::{Graph, Node, Parent};
use model::artifact::{Artifact, ExpectedArtifact};
use model::component::{Grant, StageType, StepLimits};
use model::id::{AppName, ExecutionId, PipelineId};
use model::order::Origin;
use model::person::Principal;
use model::pipeline::window::ExecutionWindow;
use model::pipeline::{Concurrency, FailureChoice, Stage};
use model::{Millis, id::RefId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What META says of a plan that stands beside it.
const IN_ITEM: &str = "item";
/// Larger plans are blobs.
const ITEM_BYTES_MAX: usize = 128 << 10;

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
    #[serde(with = "pinned")]
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
    /// With whose rights it runs.
    pub principal: Principal,
    /// How many executions of the pipeline may run at once.
    #[serde(default)]
    pub concurrency: Concurrency,
    /// The pipeline's own time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Only stages that a dry run needs are run.
    #[serde(default)]
    pub dry_run: bool,
    /// The stage that started it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<StartedBy>,
    /// How many executions stand above it.
    #[serde(default)]
    pub depth: u32,
    /// Limits that hold for it to its end.
    #[serde(default)]
    pub limits: engine::Limits,
}

/// The stage that started an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartedBy {
    /// Its execution.
    pub execution: ExecutionId,
    /// Its stage run.
    pub run: usize,
    /// The attempt of it.
    pub attempt: u32,
}

impl Record for Plan {
    const SHAPE: &'static str = "plan";
    /// 2: each component stands once.
    const VERSION: u32 = 2;
    const OLDEST: u32 = 2;
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<Plan>()];

/// Stages as they are stored: each component once, and for each stage its place among them.
mod pinned {
    use super::{Arc, Component, PlannedStage};
    use serde::de::{Deserializer, Error};
    use serde::{Deserialize, Serialize, Serializer};

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Written<'a> {
        components: Vec<&'a Component>,
        served_by: Vec<usize>,
        list: &'a [PlannedStage],
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read {
        components: Vec<Arc<Component>>,
        served_by: Vec<usize>,
        list: Vec<PlannedStage>,
    }

    pub(super) fn serialize<S: Serializer>(stages: &[PlannedStage], serializer: S) -> Result<S::Ok, S::Error> {
        let mut seen: Vec<&Arc<Component>> = Vec::new();
        let mut place = |component| {
            let same = |other: &&Arc<Component>| Arc::ptr_eq(other, component) || *other == component;
            seen.iter().position(same).unwrap_or_else(|| {
                seen.push(component);
                seen.len() - 1
            })
        };
        let served_by = stages.iter().map(|stage| place(&stage.component)).collect();
        let components = seen.into_iter().map(Arc::as_ref).collect();
        Written { components, served_by, list: stages }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PlannedStage>, D::Error> {
        let Read { components, served_by, mut list } = Read::deserialize(deserializer)?;
        if served_by.len() != list.len() {
            return Err(D::Error::custom("not every stage says its component"));
        }
        for (stage, place) in list.iter_mut().zip(served_by) {
            stage.component = components.get(place).cloned().ok_or_else(|| D::Error::custom("a stage's component is missing"))?;
        }
        Ok(list)
    }
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
    #[serde(skip)]
    pub component: Arc<Component>,
    /// The stage that unfolded into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// When it may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<ExecutionWindow>,
    /// A stage it unfolded into that fails does not stop the others.
    #[serde(default)]
    pub siblings_continue: bool,
    /// People may skip it.
    #[serde(default)]
    pub skippable: bool,
}

/// A component, pinned when the execution started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// It exports `planning`.
    #[serde(default)]
    pub plans: bool,
    /// Stage types that its planning may name.
    #[serde(default)]
    pub planned_types: Vec<String>,
    /// It exports `compensation`.
    #[serde(default)]
    pub compensates: bool,
    /// It runs for real in a dry run.
    #[serde(default)]
    pub runs_in_dry_run: bool,
    /// Settings, as JSON pointers with `*`, whose expressions it evaluates itself or which hold none.
    #[serde(default)]
    pub left_alone: Vec<String>,
}

impl Component {
    /// Pins the component of a registry row.
    #[must_use]
    pub fn pin(row: &StageType) -> Self {
        let texts = |pointer: &str| -> Vec<String> {
            let list = row.manifest.pointer(pointer).and_then(Value::as_array);
            list.map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default()
        };
        let schemas = row.manifest.get("checkpointSchemas").and_then(Value::as_array);
        let schemas = schemas.map(|list| list.iter().filter_map(Value::as_u64).filter_map(|n| u32::try_from(n).ok()).collect());
        let exports = |name: &str| row.exports.iter().any(|export| export == name);
        Self {
            name: row.name.clone(),
            version: row.version.clone(),
            cwasm_sha256: row.cwasm_sha256.clone(),
            checkpoint_schemas: schemas.unwrap_or_default(),
            grant: row.grant.clone(),
            limits: row.limits,
            plans: exports("planning"),
            planned_types: texts("/planning/types"),
            compensates: exports("compensation"),
            runs_in_dry_run: row.manifest.get("dryRun").and_then(Value::as_str) == Some("execute"),
            left_alone: [texts("/expressions/byStage"), texts("/expressions/never")].concat(),
        }
    }
}

impl PlannedStage {
    /// Pins a stage to the component that serves it.
    #[must_use]
    pub fn pin(stage: &Stage, row: &StageType) -> Self {
        Self::of(stage, row, Arc::new(Component::pin(row)))
    }

    /// The same, where the component of the row was pinned before.
    #[must_use]
    pub fn of(stage: &Stage, row: &StageType, component: Arc<Component>) -> Self {
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
            component,
            parent: None,
            window: stage.window.clone(),
            siblings_continue: stage.siblings_continue,
            skippable: stage.skippable || row.manifest.get("manualSkip").and_then(Value::as_bool).unwrap_or_default(),
        }
    }

    /// The stage as the engine sees it.
    #[must_use]
    pub fn node(&self) -> Node {
        Node {
            ref_id: self.ref_id.clone(),
            requisites: self.requisites.clone(),
            timeout_ms: self.timeout_ms,
            succeed_on_timeout: self.succeed_on_timeout,
            failure: self.failure,
            parent: self.parent,
            plans: self.component.plans,
            compensates: self.component.compensates,
            siblings_continue: self.siblings_continue,
            may_skip: self.skippable,
        }
    }
}

impl Plan {
    /// The graph that the engine moves.
    pub fn graph(&self) -> Result<Arc<Graph>, AppError> {
        let nodes = self.stages.iter().map(PlannedStage::node);
        let graph = Graph::with_limits(nodes.collect(), self.limits)
            .map_err(|error| AppError::invalid("/stages", "graph-invalid", error.to_string()))?;
        Ok(Arc::new(graph))
    }

    /// The position of a stage; of synthetic stages of several attempts, that of the newest.
    #[must_use]
    pub fn position(&self, ref_id: &str) -> Option<usize> {
        self.stages.iter().rposition(|stage| stage.ref_id.as_str() == ref_id)
    }

    /// All stages that one can look up to, nearest first: those upstream, and for a synthetic stage its parent and what that can.
    #[must_use]
    pub fn ancestors(&self, run: usize) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        let mut level = vec![run];
        while !level.is_empty() {
            let mut next = Vec::new();
            for stage in level.iter().filter_map(|at| self.stages.get(*at)) {
                for requisite in stage.requisites.iter().chain(stage.parent.as_ref().map(|parent| &parent.run)) {
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

    /// Where the plan is kept: what META says of it, and the write that belongs into META's transaction. A blob is stored at once.
    pub async fn keep(&self, blobs: &dyn Blobs, id: &ExecutionId) -> Result<(String, Option<Write>), AppError> {
        let bytes = record::encode(self)?;
        if bytes.len() > PLAN_BYTES_MAX {
            let message = format!("pipeline, parameters and trigger of an execution have at most {PLAN_BYTES_MAX} bytes of JSON together");
            return Err(AppError::invalid("", "execution-too-large", message));
        }
        if bytes.len() <= ITEM_BYTES_MAX {
            let write = Write::Put(Item::new(keys::plan(id), bytes), vec![]);
            return Ok((IN_ITEM.to_owned(), Some(write)));
        }
        Ok((blobs.put(&bytes).await?, None))
    }

    /// Reads a plan back from where META says it is kept.
    pub async fn load(table: &dyn Table, blobs: &dyn Blobs, id: &ExecutionId, kept: &str) -> Result<Self, AppError> {
        let bytes = if kept == IN_ITEM { table.get(&keys::plan(id)).await?.map(|item| item.body) } else { blobs.get(kept).await? };
        let bytes = bytes.ok_or_else(|| StoreError::Damaged(format!("the plan of {id} ({kept}) is gone")))?;
        record::decode(&bytes)
    }

    /// The plan as it was when META was read: it may have grown since, and it only ever grows.
    pub async fn of(table: &dyn Table, blobs: &dyn Blobs, meta: &Meta) -> Result<Self, AppError> {
        let mut plan = Self::load(table, blobs, &meta.execution.id, &meta.plan).await?;
        plan.stages.truncate(meta.execution.runs.len());
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::pipeline::Pipeline;
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Stages(#[serde(with = "pinned")] Vec<PlannedStage>);

    fn row(name: &str) -> StageType {
        StageType {
            name: name.to_owned(),
            aliases: Vec::new(),
            version: "1.0.0".to_owned(),
            wasm_sha256: String::new(),
            cwasm_sha256: name.to_owned(),
            engine: String::new(),
            manifest: json!({}),
            grant: Grant::default(),
            exports: Vec::new(),
            limits: StepLimits::default(),
            timeout_ms: 1,
        }
    }

    fn stages() -> Stages {
        let list: Vec<Value> = (0..3).map(|at| json!({"refId": at.to_string(), "type": "wait", "name": "w"})).collect();
        let pipeline = Pipeline::parse(&json!({"application": "app", "name": "p", "stages": list})).unwrap().0;
        let rows = [row("one"), row("other"), row("one")];
        Stages(pipeline.stages.iter().zip(&rows).map(|(stage, row)| PlannedStage::pin(stage, row)).collect())
    }

    #[test]
    fn a_component_stands_once_and_every_stage_gets_its_own_back() {
        let stages = stages();
        let stored = serde_json::to_value(&stages).unwrap();
        assert_eq!(stored["components"].as_array().map(Vec::len), Some(2), "{stored}");
        assert_eq!(stored["servedBy"], json!([0, 1, 0]));
        assert!(stored["list"][0].get("component").is_none(), "{stored}");
        let back: Stages = serde_json::from_value(stored).unwrap();
        assert_eq!(back, stages);
        assert!(Arc::ptr_eq(&back.0[0].component, &back.0[2].component));
    }

    #[test]
    fn a_plan_that_does_not_say_its_components_is_damaged() {
        let mut stored = serde_json::to_value(stages()).unwrap();
        stored["servedBy"] = json!([0, 1]);
        assert!(serde_json::from_value::<Stages>(stored.clone()).unwrap_err().to_string().contains("not every stage says its component"));
        stored["servedBy"] = json!([0, 1, 2]);
        assert!(serde_json::from_value::<Stages>(stored).unwrap_err().to_string().contains("a stage's component is missing"));
    }
}
