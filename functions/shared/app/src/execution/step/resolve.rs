//! A stage is to start: its condition and settings are resolved, in the commit that starts it. The engine sees the verdict only.

use super::held::Held;
use super::{RESOLVES_A_COMMIT_MAX, Stop};
use crate::error::AppError;
use crate::execution::plan::PlannedStage;
use crate::execution::scope::{StageScope, keep};
use crate::ports::StepFault;
use engine::{Effect, Event, Verdict, wanted};
use expression::Located;
use model::Millis;
use model::reason::{Reason, ReasonCode};
use serde_json::{Map, Value, json};

/// Settings that name other things and are read by the engine, never evaluated.
const NEVER_EVALUATED: [&str; 5] = ["refId", "requisiteStageRefIds", "type", "stageEnabled", "waybill"];
/// Settings left alone when the stage says `skipExpressionEvaluation`.
const MANIFEST_KEYS: [&str; 3] = ["manifests", "manifest", "patchBody"];

impl Held {
    /// Resolves stages that want to start, round after round, as long as a commit has room for them.
    pub(crate) async fn resolve_some(&mut self, now: Millis) -> Result<(), Stop> {
        let mut left = RESOLVES_A_COMMIT_MAX;
        while left > 0 {
            let next = wanted(&self.meta.execution).into_iter().find_map(|effect| match effect {
                Effect::Resolve { run, attempt } => Some((run, attempt)),
                Effect::Step { .. } | Effect::Watch { .. } => None,
            });
            let Some((run, attempt)) = next else { return Ok(()) };
            let verdict = self.verdict(run, now).await?;
            self.fold(&Event::Resolved { run, attempt, verdict }, now);
            left -= 1;
        }
        Ok(())
    }

    async fn verdict(&mut self, run: usize, now: Millis) -> Result<Verdict, AppError> {
        let plan = self.plan.clone();
        let Some(stage) = plan.stages.get(run) else {
            return Ok(Verdict::Fail(Reason::new(ReasonCode::PlanUnreadable, "the plan has no such stage", now)));
        };
        let scope = StageScope::gather(&self.id, &plan, run, &self.stages, self.ports.blobs.as_ref()).await?;
        if let Some(condition) = &stage.condition {
            match expression::condition(condition, &scope) {
                Ok(true) => {}
                Ok(false) => {
                    let reason = Reason::new(ReasonCode::ConditionFalse, "the stage's condition is false", now);
                    return Ok(Verdict::Skip(reason.with(json!({"condition": condition}))));
                }
                Err(error) => {
                    let message = format!("the stage's condition cannot be evaluated: {error}");
                    let data = json!({"pointer": "/stageEnabled/expression", "position": error.position, "reason": error.reason, "condition": condition});
                    return Ok(Verdict::Fail(Reason::new(ReasonCode::ConditionInvalid, message, now).with(data)));
                }
            }
        }
        match settings(stage, &scope) {
            Ok(settings) => self.accept(run, stage, settings, now).await,
            Err(errors) => Ok(Verdict::Fail(expressions_failed(&errors, now))),
        }
    }

    /// Lets the component check its resolved settings, and keeps them.
    async fn accept(&mut self, run: usize, stage: &PlannedStage, settings: Map<String, Value>, now: Millis) -> Result<Verdict, AppError> {
        let settings = Value::Object(settings);
        match self.ports.host.validate(&stage.component.cwasm_sha256, &settings.to_string()).await {
            Ok(problems) if problems.is_empty() => {}
            Ok(problems) => return Ok(Verdict::Fail(invalid_settings(&problems, now))),
            Err(StepFault::Component(inside)) => {
                return Ok(Verdict::Fail(Reason::new(ReasonCode::ComponentUnavailable, inside, now)));
            }
            Err(StepFault::Unavailable(inside)) => return Err(AppError::Unavailable(inside)),
            Err(fault) => return Ok(Verdict::Fail(Reason::new(ReasonCode::PluginFault, fault.to_string(), now))),
        }
        let kept = keep(self.ports.blobs.as_ref(), settings).await?;
        if let Some(data) = self.stages.get_mut(run) {
            data.settings = kept;
            self.dirty.insert(run);
        }
        Ok(Verdict::Run)
    }
}

fn settings(stage: &PlannedStage, scope: &StageScope) -> Result<Map<String, Value>, Vec<Located>> {
    let skips = stage.settings.get("skipExpressionEvaluation").and_then(Value::as_bool).unwrap_or_default();
    let mut resolved = Map::with_capacity(stage.settings.len());
    let mut errors = Vec::new();
    for (key, value) in &stage.settings {
        let left_alone = NEVER_EVALUATED.contains(&key.as_str()) || (skips && MANIFEST_KEYS.contains(&key.as_str()));
        if left_alone {
            resolved.insert(key.clone(), value.clone());
            continue;
        }
        match expression::resolve(value, scope) {
            Ok(value) => {
                resolved.insert(key.clone(), value);
            }
            Err(list) => errors.extend(list.into_iter().map(|e| Located { pointer: format!("/{key}{}", e.pointer), ..e })),
        }
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

fn expressions_failed(errors: &[Located], now: Millis) -> Reason {
    let list: Vec<Value> = errors
        .iter()
        .map(|e| json!({"pointer": e.pointer, "position": e.error.position, "reason": e.error.reason, "message": e.error.message}))
        .collect();
    let first = errors.first().map(|e| format!("{} at {}", e.error.message, e.pointer)).unwrap_or_default();
    Reason::new(ReasonCode::ExpressionFailed, format!("an expression cannot be evaluated: {first}"), now).with(json!({"errors": list}))
}

fn invalid_settings(problems: &[(String, String)], now: Millis) -> Reason {
    let first = problems.first().map(|(pointer, message)| format!("{message} at {pointer}")).unwrap_or_default();
    let list: Vec<Value> = problems.iter().map(|(pointer, message)| json!({"pointer": pointer, "message": message})).collect();
    Reason::new(ReasonCode::InvalidStageSettings, format!("the stage's settings are not valid: {first}"), now).with(json!({"errors": list}))
}
