//! A component said into which stages its stage unfolds. They are checked, pinned to the components that serve them, and added to the
//! plan; the engine gets their nodes.

use super::held::Held;
use crate::error::AppError;
use crate::execution::plan::PlannedStage;
use crate::ports::PLANNED_STAGES_MAX;
use crate::stage_types;
use engine::{Call, Outcome, Parent, Phase, STAGE_RUNS_MAX};
use model::Millis;
use model::component::Part;
use model::id::RefId;
use model::pipeline::Pipeline;
use model::reason::{Reason, ReasonCode};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How deep stages may unfold into stages.
const DEPTH_MAX: usize = 3;

/// Adds the stages to the plan; a problem with them is the planning's failure.
pub(crate) async fn take(held: &mut Held, run: usize, planned: Vec<Map<String, Value>>, now: Millis) -> Result<Outcome, AppError> {
    let failed = |code, message: String, data| {
        Ok(Outcome::Failed { reason: Reason::new(code, message, now).with(data), retryable: false, retry_after_ms: None })
    };
    let Some((stage, parent)) = planner(held, run) else {
        return failed(ReasonCode::PluginFault, "the component planned stages although it was not asked to".to_owned(), Value::Null);
    };
    if planned.len() > PLANNED_STAGES_MAX {
        let message = format!("the component planned {} stages in one call; it may plan {PLANNED_STAGES_MAX}", planned.len());
        return failed(ReasonCode::PlanningFailed, message, json!({"stages": planned.len(), "stagesMax": PLANNED_STAGES_MAX}));
    }
    let total = held.plan.stages.len() + planned.len();
    if total > STAGE_RUNS_MAX {
        let message = format!("the execution would have {total} stage runs; it may have {STAGE_RUNS_MAX}");
        return failed(ReasonCode::TooManyStageRuns, message, json!({"stageRuns": total, "stageRunsMax": STAGE_RUNS_MAX}));
    }
    match pin(held, &stage, parent, planned).await? {
        Ok(stages) => {
            let nodes = stages.iter().map(|stage| stage.node()).collect();
            let first = held.plan.stages.len();
            let plan = Arc::make_mut(&mut held.plan);
            plan.stages.extend(stages.into_iter().map(|mut stage| {
                stage.requisites.iter_mut().for_each(|requisite| *requisite += first);
                stage
            }));
            held.stages.resize_with(held.plan.stages.len(), Default::default);
            held.grown = true;
            Ok(Outcome::Planned(nodes))
        }
        Err(problems) => {
            let first = problems.first().cloned().unwrap_or_default();
            failed(ReasonCode::PlanningFailed, format!("what the component planned cannot run: {first}"), json!({"problems": problems}))
        }
    }
}

fn planner(held: &Held, run: usize) -> Option<(PlannedStage, Parent)> {
    let at = held.meta.execution.run(run)?;
    let Phase::Step { call: Call::Plan(part), .. } = at.live()?.phase else { return None };
    Some((held.plan.stages.get(run)?.clone(), Parent { run, attempt: at.attempt, part }))
}

/// Reads the stages as a pipeline's stages are read, and pins each to its component.
async fn pin(
    held: &Held,
    stage: &PlannedStage,
    parent: Parent,
    planned: Vec<Map<String, Value>>,
) -> Result<Result<Vec<PlannedStage>, Vec<String>>, AppError> {
    if depth(held, parent.run) >= DEPTH_MAX {
        return Ok(Err(vec![format!("stages unfold into stages {DEPTH_MAX} deep at most")]));
    }
    let prefix = prefix(stage, parent);
    let stages: Vec<Value> = planned.into_iter().map(|json| Value::Object(named(&prefix, json))).collect();
    let document = json!({"application": held.plan.application, "name": held.plan.name, "stages": stages});
    let parsed = match Pipeline::parse(&document) {
        Ok((parsed, _)) => parsed,
        Err(problems) => return Ok(Err(problems.into_iter().map(|p| format!("{} at {}", p.message, p.pointer)).collect())),
    };
    let mut pinned = Vec::with_capacity(parsed.stages.len());
    let mut problems = Vec::new();
    for child in &parsed.stages {
        if !stage.component.planned_types.contains(&child.kind) {
            problems.push(format!("stage {} is of type `{}`, which the component's manifest does not name", child.ref_id, child.kind));
            continue;
        }
        let Some(row) = stage_types::get(held.ports.table.as_ref(), &child.kind).await? else {
            problems.push(format!("stage {}: no stage type `{}` is installed", child.ref_id, child.kind));
            continue;
        };
        let mut made = PlannedStage::pin(child, &row);
        made.timeout_ms = child.timeout_ms.unwrap_or(made.timeout_ms).min(stage.timeout_ms);
        made.parent = Some(parent);
        // Stages without names of their own were numbered as they came.
        if !made.ref_id.as_str().starts_with(&prefix) {
            match RefId::parse(format!("{prefix}{}", made.ref_id)) {
                Ok(ref_id) => made.ref_id = ref_id,
                Err(error) => problems.push(format!("stage {}: {error}", made.ref_id)),
            }
        }
        // A stage of its parent's own type is a part of it and does not unfold again.
        if made.component.plans && made.component.name == stage.component.name {
            Arc::make_mut(&mut made.component).plans = false;
        }
        pinned.push(made);
    }
    Ok(if problems.is_empty() { Ok(pinned) } else { Err(problems) })
}

fn depth(held: &Held, run: usize) -> usize {
    let mut depth = 0;
    let mut at = run;
    while let Some(parent) = held.plan.stages.get(at).and_then(|stage| stage.parent).filter(|parent| parent.run < at) {
        depth += 1;
        at = parent.run;
    }
    depth
}

/// Names of synthetic stages are unique in the execution: `3<1` before, `3>1` after, `3!1` on failure.
fn prefix(stage: &PlannedStage, parent: Parent) -> String {
    let sign = match parent.part {
        Part::Before => '<',
        Part::After => '>',
        Part::OnFailure => '!',
    };
    format!("{}{sign}", stage.ref_id)
}

fn named(prefix: &str, mut json: Map<String, Value>) -> Map<String, Value> {
    let full = |value: &Value| {
        let own = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        json!(format!("{prefix}{own}"))
    };
    if let Some(own) = json.get("refId").filter(|own| !own.is_null()).map(full) {
        json.insert("refId".to_owned(), own);
    }
    if let Some(Value::Array(requisites)) = json.get_mut("requisiteStageRefIds") {
        for requisite in requisites {
            *requisite = full(requisite);
        }
    }
    json
}
