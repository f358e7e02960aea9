//! The executions that a stage starts, reads and cancels: with the rights of the execution it belongs to, and through the same gate as
//! every other start. Started again by the same attempt of the same stage, an execution is the one that was started before.

use super::inbox::{self, Ahead};
use super::keys;
use super::plan::{Plan, StartedBy};
use super::scope::{StageScope, read};
use super::start::{self, Into, Request};
use super::step::{self, Held, load_stages};
use super::stored::{Meta, Outside, Summary, object};
use crate::error::AppError;
use crate::ports::{Executions, ExecutionsError, Query};
use crate::record::{self, load};
use crate::{applications, pipelines};
use async_trait::async_trait;
use engine::Cancel;
use model::artifact::Artifact;
use model::id::{AppName, EventId, ExecutionId};
use model::order::Origin;
use model::person::{Action, Principal};
use model::pipeline::Pipeline;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Executions that are looked at for the newest in a status.
const NEWEST_LOOK_MAX: usize = 100;
/// Most bytes of what a child sees of its parent's stages; beyond that it sees their names and statuses.
const PARENT_BYTES_MAX: usize = 256 << 10;

/// Other executions, as one attempt of one stage may deal with them.
pub(crate) struct Children {
    ports: step::Ports,
    execution: ExecutionId,
    started_by: StartedBy,
    stage: String,
    plan: Arc<Plan>,
    scope: Arc<StageScope>,
}

impl Children {
    pub(crate) fn of(held: &Held, run: usize, attempt: u32, scope: Arc<StageScope>) -> Self {
        let stage = held.plan.stages.get(run).map(|stage| stage.ref_id.to_string()).unwrap_or_default();
        let started_by = StartedBy { execution: held.id.clone(), run, attempt };
        Self { ports: held.ports.clone(), execution: held.id.clone(), started_by, stage, plan: held.plan.clone(), scope }
    }

    fn principal(&self) -> &Principal {
        &self.plan.principal
    }

    /// May this execution look at what belongs to an application? At its own always.
    async fn may_read(&self, application: &AppName) -> Result<(), ExecutionsError> {
        if application.key() == self.plan.application.key() {
            return Ok(());
        }
        let (application, _) = applications::load(self.ports.table.as_ref(), application).await.map_err(refused)?;
        let may = application.may(self.principal(), Action::Read);
        if may.allowed { Ok(()) } else { Err(ExecutionsError::Denied(may.message.unwrap_or_default())) }
    }

    /// Another execution, if this one may look at it.
    async fn open(&self, id: &str) -> Result<(Meta, Plan), ExecutionsError> {
        let id = ExecutionId::parse(id).map_err(|_| ExecutionsError::NotFound)?;
        let found = load::<Meta>(self.ports.table.as_ref(), &keys::meta(&id)).await.map_err(refused)?;
        let (meta, _) = found.ok_or(ExecutionsError::NotFound)?;
        let plan = Plan::of(self.ports.table.as_ref(), self.ports.blobs.as_ref(), &meta).await.map_err(refused)?;
        if !self.is_mine(&plan) {
            self.may_read(&meta.application).await?;
        }
        Ok((meta, plan))
    }

    fn is_mine(&self, plan: &Plan) -> bool {
        plan.parent.as_ref().is_some_and(|parent| parent.execution == self.execution)
    }

    /// The trigger that the child sees: what the stage says, and who started it.
    fn trigger(&self, body: &Value) -> Map<String, Value> {
        let mut trigger = object(body);
        for made in ["parameters", "artifacts", "user"] {
            trigger.remove(made);
        }
        let stages = self.scope.stages();
        let small = stages.to_string().len() <= PARENT_BYTES_MAX;
        let of_parent: Vec<Value> = stages.as_object().into_iter().flatten().map(|(name, stage)| seen(name, stage, small)).collect();
        let mut own = self.plan.trigger.clone();
        own.remove("parentExecution");
        let parent = json!({
            "id": self.execution, "application": self.plan.application, "name": self.plan.name, "pipelineConfigId": self.plan.pipeline,
            "status": "RUNNING", "trigger": own, "stages": of_parent,
        });
        for (key, value) in [
            ("type", json!("pipeline")),
            ("isPipeline", json!(true)),
            ("parentExecution", parent),
            ("parentPipelineId", json!(self.plan.pipeline)),
            ("parentPipelineName", json!(self.plan.name)),
            ("parentPipelineApplication", json!(self.plan.application)),
            ("parentPipelineStageId", json!(self.stage)),
        ] {
            trigger.insert(key.to_owned(), value);
        }
        if self.plan.dry_run {
            trigger.insert("dryRun".to_owned(), json!(true));
        }
        trigger
    }
}

fn seen(name: &str, stage: &Value, whole: bool) -> Value {
    let mut seen = json!({"name": name, "refId": stage.get("refId"), "status": stage.get("status")});
    if whole && let Some(map) = seen.as_object_mut() {
        for key in ["outputs", "context"] {
            map.insert(key.to_owned(), stage.get(key).cloned().unwrap_or_default());
        }
    }
    seen
}

/// What a refusal means to the stage.
fn refused(error: AppError) -> ExecutionsError {
    match error {
        AppError::NotFound { .. } => ExecutionsError::NotFound,
        AppError::Denied { message, .. } => ExecutionsError::Denied(message),
        AppError::Invalid(problems) => {
            let list: Vec<String> = problems.into_iter().map(|p| format!("{}: {}", p.pointer, p.message)).collect();
            ExecutionsError::Refused(list.join("; "))
        }
        AppError::Refused { code, message, .. } if code == "queue-full" => ExecutionsError::Quota(message),
        AppError::Refused { message, .. } | AppError::Conflict { message, .. } => ExecutionsError::Refused(message),
        newer @ AppError::Newer { .. } => ExecutionsError::Unavailable(newer.to_string()),
        AppError::Unavailable(inside) | AppError::Damaged(inside) => ExecutionsError::Unavailable(inside),
    }
}

#[async_trait]
impl Executions for Children {
    async fn start(&self, application: &str, pipeline: &str, trigger: &Value) -> Result<String, ExecutionsError> {
        let application = AppName::parse(application).map_err(|_| ExecutionsError::NotFound)?;
        let table = self.ports.table.as_ref();
        let (row, revision) = pipelines::load(table, &application, pipeline).await.map_err(refused)?;
        let (parsed, _) = Pipeline::parse(&revision.document).map_err(|problems| refused(AppError::Invalid(problems)))?;
        let artifacts: Vec<Artifact> =
            serde_json::from_value(trigger.get("artifacts").cloned().unwrap_or_else(|| json!([]))).unwrap_or_default();
        let expected = parsed.expected_artifacts.iter().map(|expected| expected.id.clone()).collect();
        let execution = &self.execution;
        let request = Request {
            application,
            pipeline: row.id.clone(),
            submitter: self.plan.principal.clone(),
            origin: Origin::Stage { execution: execution.clone(), stage: self.stage.clone() },
            trigger: self.trigger(trigger),
            constrained_to: Some(expected),
            parameters: object(trigger.get("parameters").unwrap_or(&Value::Null)),
            artifacts,
            note: String::new(),
            correlation: Some(start::child_correlation(&self.started_by, self.started_by.attempt, &row.id)),
            into: Into::Nowhere,
            start_by_ms: None,
            parent: Some((self.started_by.clone(), self.plan.depth + 1)),
        };
        let started = start::start(self.ports.start(), &request).await.map_err(refused)?;
        Ok(started.execution.to_string())
    }

    async fn get(&self, id: &str, fields: &[String]) -> Result<Value, ExecutionsError> {
        let (meta, plan) = self.open(id).await?;
        let execution = &meta.execution;
        let stages = load_stages(self.ports.table.as_ref(), execution, plan.stages.len()).await.map_err(refused)?;
        let mut outputs = Map::new();
        let mut artifacts: Vec<Value> = Vec::new();
        let mut views = Vec::new();
        for (run, (planned, data)) in plan.stages.iter().zip(&stages).enumerate() {
            let own = object(&read(self.ports.blobs.as_ref(), &data.outputs).await.map_err(refused)?);
            let at = execution.run(run);
            views.push(json!({
                "refId": planned.ref_id, "name": planned.name, "type": planned.kind, "status": execution.status_of(run),
                "reason": at.and_then(|at| at.reason()),
            }));
            outputs.extend(own);
            artifacts.extend(data.artifacts.iter().cloned());
        }
        artifacts.extend(plan.artifacts.iter().map(|artifact| json!(artifact)));
        let mut whole = Map::new();
        for (key, value) in [
            ("id", json!(execution.id)),
            ("name", json!(plan.name)),
            ("application", json!(plan.application)),
            ("status", json!(execution.status)),
            ("reason", json!(execution.reason)),
            ("startTime", json!(execution.started_ms)),
            ("endTime", json!(execution.ended_ms)),
            ("outputs", Value::Object(outputs)),
            ("artifacts", Value::Array(artifacts)),
            ("stages", Value::Array(views)),
            ("parameters", json!(plan.parameters)),
        ] {
            if fields.is_empty() || fields.iter().any(|field| field == key) {
                whole.insert(key.to_owned(), value);
            }
        }
        Ok(Value::Object(whole))
    }

    async fn newest(&self, application: &str, pipeline: &str, statuses: &[String]) -> Result<Option<String>, ExecutionsError> {
        let application = AppName::parse(application).map_err(|_| ExecutionsError::NotFound)?;
        self.may_read(&application).await?;
        let table = self.ports.table.as_ref();
        let sought = pipelines::seek(table, &application, pipeline).await.map_err(refused)?.ok_or(ExecutionsError::NotFound)?;
        let query = Query { backward: true, ..Query::prefix(format!("PIPE#{}", sought.id), "EXEC#", NEWEST_LOOK_MAX) };
        let (rows, _) = record::page::<Summary>(table, &query).await.map_err(refused)?;
        let fits = |row: &Summary| statuses.is_empty() || statuses.iter().any(|status| status == row.status.as_str());
        Ok(rows.into_iter().find(|row| row.id != self.execution && fits(row)).map(|row| row.id.to_string()))
    }

    async fn cancel(&self, id: &str, reason: &str) -> Result<(), ExecutionsError> {
        let (meta, plan) = self.open(id).await?;
        if !self.is_mine(&plan) {
            return Err(ExecutionsError::Denied("a stage cancels only executions that its own execution started".to_owned()));
        }
        let by = Cancel { by: self.plan.submitter.clone(), reason: reason.to_owned(), parent: Some(self.execution.clone()) };
        let StartedBy { execution, run, attempt } = &self.started_by;
        let event =
            EventId::parse(format!("parent-{execution}-{run}-{attempt}")).map_err(|error| ExecutionsError::Refused(error.to_string()))?;
        let ports = self.ports.start();
        let inbox = inbox::Ports { table: ports.table, blobs: ports.blobs, queue: ports.queue, clock: ports.clock, entropy: ports.entropy };
        if !meta.execution.status.is_complete() {
            // Not stored: it has been asked already, or it has ended meanwhile. Either is what was wanted.
            inbox::put(inbox, "waybill", &meta, &event, &Ahead::default(), Outside::Cancel(by), vec![]).await.map_err(refused)?;
        }
        Ok(())
    }
}
