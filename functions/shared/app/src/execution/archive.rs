//! What is left of an execution that is kept no longer: one record that says who released what, when, with whose consent, and how
//! it went. It is read without the store.
//!
//! It holds no secret: what stages were given and what they left, said, or sent out stays behind, and so do parameters whose names
//! say that they are secret. Accounts stand in it by name at most.

use super::keys;
use super::plan::{Plan, PlannedStage};
use super::step::load_stages;
use super::stored::{EventVerdict, LogEntry, Meta, OrderKey, OrderRow, StageData, Summary, Transition};
use crate::error::AppError;
use crate::ports::{Query, Table};
use crate::record::{Record, Shape, load, page, shape};
use engine::{RunState, StageRun};
use model::Millis;
use model::id::{AppName, ExecutionId, PipelineId};
use model::order::Origin;
use model::reason::{Code, Reason};
use model::status::Status;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Transitions that are kept of an execution; more are counted.
const ENTRIES_MAX: usize = 2_000;
const PAGE: usize = 200;
/// Longest text that is kept of what somebody wrote.
const TEXT_CHARS_MAX: usize = 2_000;
/// What stands for such a value.
const HIDDEN: &str = "***";

/// The record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Archived {
    /// The execution.
    pub id: ExecutionId,
    /// Its application.
    pub application: AppName,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The pipeline's name when it started.
    pub pipeline_name: String,
    /// The pipeline's revision.
    pub revision: u64,
    /// How it ended.
    pub status: Status,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Why>,
    /// Who started it.
    pub submitter: String,
    /// How it came about; unknown where its plan could not be read any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When it was created.
    pub created_ms: Millis,
    /// When it began.
    pub started_ms: Option<Millis>,
    /// When it ended.
    pub ended_ms: Option<Millis>,
    /// Restarts, from 1.
    pub generation: u32,
    /// Orders that showed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Order>,
    /// What it released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Released>,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// Its stages.
    pub stages: Vec<Stage>,
    /// What happened, oldest first.
    pub log: Vec<Entry>,
    /// So much more happened.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// When this was written.
    pub archived_ms: Millis,
}

impl Record for Archived {
    const SHAPE: &'static str = "archived-execution";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<Archived>()];

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A reason without its data, which may hold what the stage had to do with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// What kind of reason.
    pub code: Code,
    /// For people.
    pub message: String,
    /// Since when.
    pub since: Millis,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Which.
    #[serde(flatten)]
    pub key: OrderKey,
    /// What its submitter wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What was released.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Released {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Its name within the execution.
    pub ref_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    pub name: String,
    /// How often it was begun.
    pub attempt: u32,
    /// How it ended.
    pub status: Status,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Why>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<Millis>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Millis>,
    /// Who answered it what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answered>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// To which question.
    pub signal: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Millis,
    /// What, without what is secret by its name.
    pub body: Value,
}

/// A transition, and what became of what people asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// What changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Changed>,
    /// What became of outside events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<EventVerdict>,
}

/// A status that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// The stage's refId; none for the execution itself.
    pub stage: Option<String>,
    /// From.
    pub from: Status,
    /// To.
    pub to: Status,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Why>,
}

/// Gathers the record of an execution that has ended. The plan is left out where it cannot be read any more.
pub(super) async fn gather(table: &dyn Table, meta: &Meta, plan: Option<&Plan>, row: &Summary, now: Millis) -> Result<Archived, AppError> {
    let execution = &meta.execution;
    let data = load_stages(table, execution, execution.runs.len()).await?;
    let stages = execution.runs.iter().enumerate().map(|(at, run)| {
        let planned = plan.and_then(|plan| plan.stages.get(at));
        stage(at, run, planned, data.get(at).map(AsRef::as_ref))
    });
    let (log, more) = log(table, &execution.id).await?;
    Ok(Archived {
        id: execution.id.clone(),
        application: meta.application.clone(),
        pipeline: meta.pipeline.clone(),
        pipeline_name: row.pipeline_name.clone(),
        revision: row.revision,
        status: execution.status,
        reason: execution.reason.as_ref().map(why),
        submitter: row.submitter.clone(),
        origin: plan.map(|plan| plan.origin.clone()),
        created_ms: execution.created_ms,
        started_ms: execution.started_ms,
        ended_ms: execution.ended_ms,
        generation: execution.generation,
        orders: orders(table, meta).await?,
        artifacts: plan.map(released).unwrap_or_default(),
        parameters: plan.map(|plan| shown(&plan.parameters)).unwrap_or_default(),
        stages: stages.collect(),
        log,
        more,
        archived_ms: now,
    })
}

fn stage(at: usize, run: &StageRun, planned: Option<&PlannedStage>, data: Option<&StageData>) -> Stage {
    let done = if let RunState::Done(done) = &run.state { Some(done) } else { None };
    let answers = data.map(|data| data.answers.as_slice()).unwrap_or_default();
    let answered = answers.iter().map(|answer| Answered {
        signal: answer.signal.clone(),
        by: answer.by.clone(),
        at: answer.at,
        body: visible(&answer.body),
    });
    Stage {
        ref_id: planned.map_or_else(|| at.to_string(), |planned| planned.ref_id.to_string()),
        kind: planned.map(|planned| planned.kind.clone()).unwrap_or_default(),
        name: planned.map(|planned| planned.name.clone()).unwrap_or_default(),
        attempt: run.attempt,
        status: run.status(),
        reason: run.reason().map(why),
        started_ms: done.and_then(|done| done.started_ms),
        ended_ms: done.map(|done| done.ended_ms),
        answers: answered.collect(),
    }
}

fn released(plan: &Plan) -> Vec<Released> {
    let artifact = |artifact: &model::artifact::Artifact| Released {
        kind: artifact.kind.clone(),
        name: artifact.name.clone(),
        version: artifact.version.clone(),
        reference: if artifact.kind == model::artifact::DOCKER_IMAGE { artifact.reference.clone() } else { String::new() },
    };
    plan.artifacts.iter().map(artifact).collect()
}

async fn orders(table: &dyn Table, meta: &Meta) -> Result<Vec<Order>, AppError> {
    let mut orders = Vec::with_capacity(meta.orders.len());
    for key in &meta.orders {
        let row = load::<OrderRow>(table, &keys::order(&key.project, key.number)).await?;
        orders.push(Order { key: key.clone(), note: row.map(|(row, _)| short(&row.order.note)).unwrap_or_default() });
    }
    Ok(orders)
}

async fn log(table: &dyn Table, id: &ExecutionId) -> Result<(Vec<Entry>, u64), AppError> {
    let mut query = Query::prefix(keys::partition(id), "LOG#", PAGE);
    let (mut entries, mut more) = (Vec::new(), 0);
    loop {
        let (rows, next) = page::<LogEntry>(table, &query).await?;
        for row in rows.into_iter().filter(|row| !row.transitions.is_empty() || !row.verdicts.is_empty()) {
            if entries.len() < ENTRIES_MAX {
                entries.push(Entry { at: row.at, transitions: row.transitions.iter().map(changed).collect(), verdicts: row.verdicts });
            } else {
                more += 1;
            }
        }
        match next {
            Some(next) => query.after = Some(next),
            None => return Ok((entries, more)),
        }
    }
}

fn changed(transition: &Transition) -> Changed {
    let Transition { stage, from, to, reason } = transition;
    Changed { stage: stage.clone(), from: *from, to: *to, reason: reason.as_ref().map(why) }
}

fn why(reason: &Reason) -> Why {
    Why { code: reason.code.clone(), message: short(&reason.message), since: reason.since }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn shown(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .map(|(name, value)| (name.clone(), if import::secrets::speaks_of_one(name) { json!(HIDDEN) } else { visible(value) }))
        .collect()
}

fn visible(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(shown(map)),
        Value::Array(list) => Value::Array(list.iter().map(visible).collect()),
        Value::String(text) => Value::String(short(text)),
        other => other.clone(),
    }
}

/// The month of an instant, UTC: `2026-11`.
#[must_use]
pub fn month(at: Millis) -> String {
    // Days to a date of the Gregorian calendar, whose years here begin in March.
    let days = at / 86_400_000 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}", era * 400 + year + carry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let day = 86_400_000;
        for (at, expected) in [
            (0, "1970-01"),
            (31 * day - 1, "1970-01"),
            (31 * day, "1970-02"),
            (951_782_400_000, "2000-02"),
            (951_782_400_000 + day, "2000-03"),
            (1_709_164_800_000, "2024-02"),
            (1_709_164_800_000 + day, "2024-03"),
            (1_735_689_599_999, "2024-12"),
            (1_735_689_600_000, "2025-01"),
            (1_795_305_600_000, "2026-11"),
        ] {
            assert_eq!(month(at), expected, "{at}");
        }
    }

    #[test]
    fn what_is_secret_by_its_name_is_not_shown_at_any_depth() {
        let map = json!({"version": "1.2", "dbPassword": "p", "env": [{"API_KEY": {"a": 1}, "name": "n"}], "TOKENS": 3});
        let shown = shown(map.as_object().unwrap());
        assert_eq!(json!(shown), json!({"version": "1.2", "dbPassword": "***", "env": [{"API_KEY": "***", "name": "n"}], "TOKENS": "***"}));
    }
}
