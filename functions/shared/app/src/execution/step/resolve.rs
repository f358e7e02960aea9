//! A stage is to start: its condition and settings are resolved, in the commit that starts it. The engine sees the verdict only.

use super::call::seed;
use super::foreign::FOREIGN_MAX;
use super::held::Held;
use super::{RESOLVES_A_COMMIT_MAX, Stop, outcome};
use crate::error::AppError;
use crate::execution::plan::PlannedStage;
use crate::execution::scope::keep;
use crate::ports::{ITEMS_A_COMMIT_MAX, LogLevel, LogLine, Moment, StepFault};
use engine::{Effect, Event, Verdict, WindowPass, wanted};
use expression::Located;
use model::Millis;
use model::order::Origin;
use model::pipeline::truthy;
use model::pipeline::window::{Opening, zone};
use model::reason::{Reason, ReasonCode};
use serde_json::{Map, Value, json};

/// Settings that name other things and are read by the engine, never evaluated.
const NEVER_EVALUATED: [&str; 5] = ["refId", "requisiteStageRefIds", "type", "stageEnabled", "waybill"];
/// Settings that never leave this system and are read by people alone.
const FOR_PEOPLE: [&str; 2] = ["name", "comments"];
/// Settings left alone when the stage says `skipExpressionEvaluation`.
const MANIFEST_KEYS: [&str; 3] = ["manifests", "manifest", "patchBody"];

impl Held {
    /// Resolves stages that want to start, round after round, as long as a commit has room for them.
    pub(crate) async fn resolve_some(&mut self, now: Millis) -> Result<(), Stop> {
        let mut left = RESOLVES_A_COMMIT_MAX.min(self.room());
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

    /// Stages whose data the next commit still has room for, whatever else it may have to write.
    pub(super) fn room(&self) -> usize {
        let own = 3 + 2 + self.meta.orders.len() + 2 * self.consumed.len();
        // A stage that came back may also wait for another execution, which is two writes more.
        ITEMS_A_COMMIT_MAX.saturating_sub(own + 3 * self.dirty.len() + FOREIGN_MAX)
    }

    async fn verdict(&mut self, run: usize, now: Millis) -> Result<Verdict, AppError> {
        let plan = self.plan.clone();
        let Some(stage) = plan.stages.get(run) else {
            return Ok(Verdict::Fail(Reason::new(ReasonCode::PlanUnreadable, "the plan has no such stage", now)));
        };
        let scope = self.scope(run).await?;
        let attempt = self.meta.execution.run(run).map_or(1, |stage| stage.attempt);
        let asked = scope.asked(Moment { now_ms: now, seed: seed(self.id.as_str(), run, attempt, 0, 0) });
        if let Some(condition) = &stage.condition {
            match expression::condition_with(condition, scope.as_ref(), &asked) {
                Ok(true) => {}
                Ok(false) => return Ok(Verdict::Skip(condition_false(condition, now))),
                Err(error) => return Ok(Verdict::Fail(condition_invalid(condition, &error, now))),
            }
        }
        if let Some(held) = self.window(run, stage, now) {
            return Ok(held);
        }
        let mut softened = Vec::new();
        let resolved = settings(stage, &mut |_, value| expression::resolve_with(value, scope.as_ref(), &asked), &mut softened);
        self.say_softened(run, attempt, &softened);
        match resolved {
            Ok(_) if plan.dry_run && !stage.component.runs_in_dry_run => Ok(Verdict::DryRun(not_in_a_dry_run(stage, now))),
            Ok(settings) => self.accept(run, stage, settings, now).await,
            Err(errors) => Ok(Verdict::Fail(expressions_failed(&errors, now))),
        }
    }

    /// Says in the log what stayed as it was written.
    fn say_softened(&mut self, run: usize, attempt: u32, softened: &[Located]) {
        let lines = softened.iter().map(|Located { pointer, error }| LogLine {
            level: LogLevel::Warn,
            message: format!("{pointer} stays as it was written: {error}"),
            fields: vec![("code".to_owned(), error.reason.to_owned())],
        });
        outcome::say(self, run, attempt, lines.collect(), 0);
    }

    /// What the stage's execution window says: wait until it opens, wait a random delay after that, or nothing.
    fn window(&self, run: usize, stage: &PlannedStage, now: Millis) -> Option<Verdict> {
        let window = stage.window.as_ref()?;
        let at = self.meta.execution.run(run)?;
        let pass = at.live()?.window;
        let (name, whose) = match &self.plan.time_zone {
            Some(name) => (name, "pipeline"),
            None => (&self.ports.limits.time_zone, "server"),
        };
        if pass == WindowPass::Skipped {
            return None;
        }
        let Ok(zone) = zone(name) else {
            let message = format!("the time zone `{name}` of the stage's execution window is not known");
            return Some(Verdict::Fail(Reason::new(ReasonCode::InvalidStageSettings, message, now)));
        };
        let data = |until: Millis| json!({"until": until, "timeZone": name, "timeZoneOf": whose, "window": window});
        match window.opening(&zone, now) {
            Opening::Never => {
                let message = "the stage's execution window never opens";
                Some(Verdict::Fail(Reason::new(ReasonCode::InvalidStageSettings, message, now)))
            }
            Opening::At(until_ms) => {
                let message = format!("waits for its execution window to open (time zone {name}, the {whose}'s)");
                let reason = Reason::new(ReasonCode::ExecutionWindow, message, now).with(data(until_ms));
                Some(Verdict::Hold { until_ms, delay: false, reason })
            }
            Opening::Open => {
                let jitter = window.jitter.filter(|jitter| pass == WindowPass::Ask && !(jitter.skip_manual && self.is_manual()))?;
                let until_ms = now.saturating_add(jitter.delay_ms(seed(self.id.as_str(), run, at.attempt, at.seq, 0)));
                let message = "waits a random time within its execution window, so that not everything starts at once";
                let reason = Reason::new(ReasonCode::WindowJitter, message, now).with(data(until_ms));
                (until_ms > now).then_some(Verdict::Hold { until_ms, delay: true, reason })
            }
        }
    }

    fn is_manual(&self) -> bool {
        self.plan.origin == Origin::Manual
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
        if let Some(data) = self.data_mut(run) {
            data.settings = kept;
            self.dirty.insert(run);
        }
        Ok(Verdict::Run)
    }
}

/// Gives a setting its value; pointers of what is wrong begin in the setting.
pub(in crate::execution) type Evaluate<'a> = dyn FnMut(&str, &Value) -> Result<Value, Vec<Located>> + 'a;

/// Resolves the settings. Texts that only people read stay as they were written where they cannot be evaluated, unless the stage wants
/// to fail of that, too; they are told in `softened`.
pub(in crate::execution) fn settings(
    stage: &PlannedStage,
    evaluate: &mut Evaluate<'_>,
    softened: &mut Vec<Located>,
) -> Result<Map<String, Value>, Vec<Located>> {
    let strict = stage.settings.get("failOnFailedExpressions").is_some_and(truthy);
    let skips = stage.settings.get("skipExpressionEvaluation").and_then(Value::as_bool).unwrap_or_default();
    let mut resolved = Map::with_capacity(stage.settings.len());
    let mut errors = Vec::new();
    let mut json = Value::Object(stage.settings.clone());
    let mut kept = Vec::new();
    for pattern in &stage.component.left_alone {
        let steps: Vec<&str> = pattern.split('/').skip(1).collect();
        take_out(&mut json, &steps, &mut String::new(), &mut kept);
    }
    for (key, value) in json.as_object().into_iter().flatten() {
        let left_alone = NEVER_EVALUATED.contains(&key.as_str()) || (skips && MANIFEST_KEYS.contains(&key.as_str()));
        if left_alone {
            resolved.insert(key.clone(), value.clone());
            continue;
        }
        match evaluate(key, value) {
            Ok(value) => {
                resolved.insert(key.clone(), value);
            }
            Err(list) => {
                let list = list.into_iter().map(|e| Located { pointer: format!("/{key}{}", e.pointer), ..e });
                if strict || !FOR_PEOPLE.contains(&key.as_str()) {
                    errors.extend(list);
                } else {
                    softened.extend(list);
                    resolved.insert(key.clone(), value.clone());
                }
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut resolved = Value::Object(resolved);
    for (pointer, value) in kept {
        if let Some(place) = resolved.pointer_mut(&pointer) {
            *place = value;
        }
    }
    match resolved {
        Value::Object(resolved) => Ok(resolved),
        _ => Ok(Map::new()),
    }
}

/// Takes out what the component evaluates itself; `*` stands for every element.
fn take_out(json: &mut Value, steps: &[&str], at: &mut String, kept: &mut Vec<(String, Value)>) {
    let Some((step, rest)) = steps.split_first() else {
        kept.push((at.clone(), json.take()));
        return;
    };
    let below: Vec<String> = match json {
        Value::Array(list) if *step == "*" => (0..list.len()).map(|i| i.to_string()).collect(),
        Value::Object(map) if *step == "*" => map.keys().map(|key| model::problem::token(key)).collect(),
        _ => vec![(*step).to_owned()],
    };
    for name in below {
        if let Some(child) = json.pointer_mut(&format!("/{name}")) {
            let mut here = format!("{at}/{name}");
            take_out(child, rest, &mut here, kept);
        }
    }
}

pub(in crate::execution) fn condition_false(condition: &str, now: Millis) -> Reason {
    Reason::new(ReasonCode::ConditionFalse, "the stage's condition is false", now).with(json!({"condition": condition}))
}

pub(in crate::execution) fn condition_invalid(condition: &str, error: &expression::Error, now: Millis) -> Reason {
    let message = format!("the stage's condition cannot be evaluated: {error}");
    let data = json!({"pointer": "/stageEnabled/expression", "position": error.position, "reason": error.reason, "condition": condition});
    Reason::new(ReasonCode::ConditionInvalid, message, now).with(data)
}

pub(in crate::execution) fn not_in_a_dry_run(stage: &PlannedStage, now: Millis) -> Reason {
    let message = "this is a dry run, and stages of this type are not run in one";
    Reason::new(ReasonCode::DryRun, message, now).with(json!({"type": stage.kind}))
}

pub(in crate::execution) fn expressions_failed(errors: &[Located], now: Millis) -> Reason {
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
