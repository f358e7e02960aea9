//! What a start would run: in which order, with which values, what would be skipped and why. Asks everything that a start asks, and
//! starts, stores and runs nothing. What depends on what an earlier stage will leave is said to be open, never guessed.

use super::plan::{Plan, PlannedStage};
use super::scope::{Asked, Settled, StageScope};
use super::start::{self, Ground, Ports, Request, enter, prepare};
use super::step::resolve::{condition_false, condition_invalid, expressions_failed, not_in_a_dry_run, settings};
use crate::error::AppError;
use crate::ports::Moment;
use engine::Execution;
use expression::{Located, Scope};
use model::Millis;
use model::artifact::{Artifact, ExpectedArtifact};
use model::id::{ExecutionId, PipelineId, RefId};
use model::problem::token;
use model::reason::Reason;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

/// Where a condition stands in its stage.
const CONDITION: &str = "/stageEnabled/expression";
/// What a value that is not known yet stands for while it is looked for.
const NOBODY: &str = "preview";

/// What would be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Its name.
    pub pipeline_name: String,
    /// The revision that would be pinned.
    pub revision: u64,
    /// Parameters, defaults filled in.
    pub parameters: Map<String, Value>,
    /// Artifacts that stages would see.
    pub artifacts: Vec<Artifact>,
    /// What the pipeline expects, with what would be bound.
    pub expected_artifacts: Vec<ExpectedArtifact>,
    /// Nothing would be changed.
    pub dry_run: bool,
    /// Why it would not begin at once.
    pub waits: Option<Reason>,
    /// The stages, those that can begin first at the front.
    pub stages: Vec<PreviewedStage>,
}

/// What would become of a stage when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
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
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewedStage {
    /// Its name within the pipeline.
    pub ref_id: RefId,
    /// For people; its expressions evaluated where they can be.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// The stages it requires.
    pub requires: Vec<RefId>,
    /// Length of the longest way to it: stages of one rank may run side by side.
    pub rank: usize,
    /// What would become of it.
    pub outlook: Outlook,
    /// Why it would be skipped, or fail.
    pub reason: Option<Reason>,
    /// Its settings, evaluated where they can be.
    pub settings: Map<String, Value>,
    /// Pointers into the stage: what depends on stages before it and stays as it is written.
    pub open: Vec<String>,
    /// It says itself, when it begins, which stages stand before and behind it.
    pub unfolds: bool,
}

/// Asks what this request would start. A request that would be refused is refused.
pub async fn preview(ports: Ports<'_>, request: &Request) -> Result<Preview, AppError> {
    standing_on(ports, request, &start::ground(ports, request).await?).await
}

/// The same, from what has been read already.
pub(crate) async fn standing_on(ports: Ports<'_>, request: &Request, ground: &Ground) -> Result<Preview, AppError> {
    let (plan, failure) = prepare(ports, request, ground).await?;
    let id = ExecutionId::parse(NOBODY).map_err(|error| AppError::Damaged(error.to_string()))?;
    let mut execution = Execution::new(id, plan.graph()?, plan.created_ms);
    let waits = match failure {
        Some(failure) => Some(failure),
        None => {
            // What would be written is dropped: it is only asked whether there is room.
            let _slot = enter(ports, &plan, &mut execution, plan.created_ms).await?;
            execution.reason.take()
        }
    };
    let plan = Arc::new(plan);
    let ranks = ranks(&plan);
    let data = vec![Arc::default(); plan.stages.len()];
    let seed = ports.entropy.number();
    let mut stages = Vec::with_capacity(plan.stages.len());
    for (run, stage) in plan.stages.iter().enumerate() {
        let scope = StageScope::gather(&execution, &plan, run, &data, (ports.table, ports.blobs)).await?;
        let asked = scope.asked(Moment { now_ms: plan.created_ms, seed });
        let rank = ranks.get(run).copied().unwrap_or_default();
        stages.push(Look { scope: &scope, settled: scope.settled(), asked: &asked, now: plan.created_ms }.at(&plan, stage, rank));
    }
    stages.sort_by_key(|stage| stage.rank);
    Ok(Preview {
        pipeline: plan.pipeline.clone(),
        pipeline_name: plan.name.clone(),
        revision: plan.revision,
        parameters: plan.parameters.clone(),
        artifacts: plan.artifacts.clone(),
        expected_artifacts: plan.expected.clone(),
        dry_run: plan.dry_run,
        waits,
        stages,
    })
}

/// The length of the longest way to each stage. The graph has no circle: it was planned.
fn ranks(plan: &Plan) -> Vec<usize> {
    let mut ranks = vec![0; plan.stages.len()];
    for _ in 0..plan.stages.len() {
        let mut changed = false;
        for (run, stage) in plan.stages.iter().enumerate() {
            let rank = stage.requisites.iter().filter_map(|before| ranks.get(*before)).map(|rank| rank + 1).max().unwrap_or_default();
            if let Some(known) = ranks.get_mut(run).filter(|known| **known != rank) {
                *known = rank;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    ranks
}

/// One stage, looked at before anything has run.
struct Look<'a> {
    scope: &'a StageScope,
    settled: Settled,
    asked: &'a Asked,
    now: Millis,
}

impl Look<'_> {
    fn at(&self, plan: &Plan, stage: &PlannedStage, rank: usize) -> PreviewedStage {
        let mut open = Vec::new();
        let (mut outlook, mut reason) = self.condition(stage, &mut open);
        let mut softened = Vec::new();
        let evaluated = settings(stage, &mut |key, value| self.value(value, &format!("/{}", token(key)), &mut open), &mut softened);
        let settings = match evaluated {
            Ok(settings) => settings,
            Err(errors) => {
                if outlook != Outlook::Skipped && reason.is_none() {
                    (outlook, reason) = (Outlook::Fails, Some(expressions_failed(&errors, self.now)));
                }
                stage.settings.clone()
            }
        };
        if outlook == Outlook::Runs && plan.dry_run && !stage.component.runs_in_dry_run {
            (outlook, reason) = (Outlook::Skipped, Some(not_in_a_dry_run(stage, self.now)));
        }
        let name = self.value(&Value::String(stage.name.clone()), "", &mut Vec::new()).ok();
        let name = name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_else(|| stage.name.clone());
        let requires = stage.requisites.iter().filter_map(|before| plan.stages.get(*before)).map(|before| before.ref_id.clone());
        PreviewedStage {
            ref_id: stage.ref_id.clone(),
            name,
            kind: stage.kind.clone(),
            requires: requires.collect(),
            rank,
            outlook,
            reason,
            settings,
            open,
            unfolds: stage.component.plans,
        }
    }

    fn condition(&self, stage: &PlannedStage, open: &mut Vec<String>) -> (Outlook, Option<Reason>) {
        let Some(condition) = &stage.condition else { return (Outlook::Runs, None) };
        let names = Names::of(self);
        let said = expression::condition_with(condition, &names, self.asked);
        if names.open.get() {
            open.push(CONDITION.to_owned());
            return (Outlook::Open, None);
        }
        match said {
            Ok(true) => (Outlook::Runs, None),
            Ok(false) => (Outlook::Skipped, Some(condition_false(condition, self.now))),
            Err(error) => (Outlook::Fails, Some(condition_invalid(condition, &error, self.now))),
        }
    }

    /// Evaluates what can be, text by text; what is open stays as it is written.
    fn value(&self, value: &Value, pointer: &str, open: &mut Vec<String>) -> Result<Value, Vec<Located>> {
        let mut errors = Vec::new();
        let mut place = String::new();
        let value = self.walk(value, (pointer, &mut place), open, &mut errors);
        if errors.is_empty() { Ok(value) } else { Err(errors) }
    }

    fn walk(&self, value: &Value, (base, place): (&str, &mut String), open: &mut Vec<String>, errors: &mut Vec<Located>) -> Value {
        let below = |place: &mut String, step: &str| {
            let length = place.len();
            place.push('/');
            place.push_str(&token(step));
            length
        };
        match value {
            Value::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    let length = below(place, &at.to_string());
                    list.push(self.walk(item, (base, place), open, errors));
                    place.truncate(length);
                }
                Value::Array(list)
            }
            Value::Object(map) if !map.keys().any(|key| expression::has_expression(key)) => {
                let mut object = Map::with_capacity(map.len());
                for (key, item) in map {
                    let length = below(place, key);
                    object.insert(key.clone(), self.walk(item, (base, place), open, errors));
                    place.truncate(length);
                }
                Value::Object(object)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
            // Keys that are expressions are evaluated with what stands below them.
            Value::String(_) | Value::Object(_) => {
                let names = Names::of(self);
                let resolved = expression::resolve_with(value, &names, self.asked);
                if names.open.get() {
                    open.push(format!("{base}{place}"));
                    return value.clone();
                }
                resolved.unwrap_or_else(|list| {
                    errors.extend(list.into_iter().map(|e| Located { pointer: format!("{place}{}", e.pointer), ..e }));
                    value.clone()
                })
            }
        }
    }
}

/// A stage's names; notes whether one was asked for that stages before it may give another meaning.
struct Names<'a> {
    look: &'a Look<'a>,
    open: Cell<bool>,
}

impl<'a> Names<'a> {
    fn of(look: &'a Look<'a>) -> Self {
        Self { look, open: Cell::new(false) }
    }

    fn asked_for(&self, name: &str) {
        if !self.look.settled.has(name) {
            self.open.set(true);
        }
    }
}

impl Scope for Names<'_> {
    fn root(&self, name: &str) -> Option<Value> {
        self.asked_for(name);
        self.look.scope.root(name)
    }

    fn names(&self) -> Vec<String> {
        self.asked_for("");
        self.look.scope.names()
    }

    fn look(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.asked_for(name);
        Scope::look(self.look.scope, name)
    }
}
