//! What people ask of an execution besides answers and cancels: hold it, let it go on, leave a stage out, do one again, run the whole
//! again. Refused now when it cannot apply; otherwise stored once and consumed by the worker, as every outside event.

use super::inbox::{self, Opened, Ports, REASON_BYTES_MAX};
use super::plan::Plan;
use super::stored::{Meta, Outside};
use super::{restart, start};
use crate::error::{AppError, require};
use engine::{Cancel, Event, RunState};
use model::application::Application;
use model::id::{EventId, ExecutionId};
use model::person::{Action, May, Principal};
use model::status::Status;
use serde_json::json;

/// How often something is tried again when the execution moved meanwhile.
const TRIES_MAX: u32 = 10;

/// Holds an execution: what is being done is finished, nothing else begins.
pub async fn pause(ports: Ports<'_>, caller: &Principal, id: &ExecutionId, reason: &str, key: Option<&str>) -> Result<EventId, AppError> {
    let by = asked_by(caller, reason)?;
    send(ports, caller, id, key, |_, _| Ok((Event::Pause(by.clone()), Outside::Pause(by.clone())))).await
}

/// Lets a paused execution go on.
pub async fn resume(ports: Ports<'_>, caller: &Principal, id: &ExecutionId, key: Option<&str>) -> Result<EventId, AppError> {
    send(ports, caller, id, key, |_, _| Ok((Event::Resume, Outside::Resume))).await
}

/// Leaves a stage out: at once when it is live, otherwise when its turn comes.
pub async fn skip(
    ports: Ports<'_>,
    caller: &Principal,
    id: &ExecutionId,
    stage: &str,
    reason: &str,
    key: Option<&str>,
) -> Result<EventId, AppError> {
    let by = asked_by(caller, reason)?;
    send(ports, caller, id, key, |_, plan| {
        let run = position(plan, stage)?;
        Ok((Event::Skip { run, by: by.clone() }, Outside::Skip { run, by: by.clone() }))
    })
    .await
}

/// Does not wait for a stage's execution window.
pub async fn skip_window(
    ports: Ports<'_>,
    caller: &Principal,
    id: &ExecutionId,
    stage: &str,
    key: Option<&str>,
) -> Result<EventId, AppError> {
    send(ports, caller, id, key, |_, plan| {
        let run = position(plan, stage)?;
        Ok((Event::SkipWindow { run }, Outside::SkipWindow { run }))
    })
    .await
}

/// Does a stage again, with everything after it: at once when the execution has ended, through its inbox while it runs.
pub async fn restart(
    ports: start::Ports<'_>,
    caller: &Principal,
    id: &ExecutionId,
    stage: &str,
    key: Option<&str>,
) -> Result<EventId, AppError> {
    let inbox = inbox_of(ports);
    let event = inbox::event_id(inbox, caller, id, key)?;
    for _ in 0..TRIES_MAX {
        let (Opened { meta, plan, application }, ahead) = inbox::open_for(inbox, caller, id, &event).await?;
        require(application.may(caller, Action::Execute))?;
        if ahead.sent {
            return Ok(event);
        }
        let run = position(&plan, stage)?;
        require(may_restart(&application, caller, &meta))?;
        ahead.refuse(&meta, &Event::Restart { run }, ports.clock.now_ms())?;
        let sent = if meta.execution.status.is_complete() {
            restart::ended(ports, caller, meta, &plan, run, &event).await?
        } else {
            inbox::put(inbox, &caller.name, &meta, &event, &ahead, Outside::Restart { run }, vec![]).await?
        };
        if sent {
            restart_parent(ports, caller, &plan).await;
            return Ok(event);
        }
    }
    Err(AppError::conflict("changed-in-between", "the execution moves faster than it can be restarted: try again"))
}

/// The stage that started the execution is done again too, if it had ended, and waits for this execution once more. What the caller may
/// not do there, or what cannot be done, is left: the execution itself was restarted.
async fn restart_parent(ports: start::Ports<'_>, caller: &Principal, plan: &Plan) {
    let Some(parent) = &plan.parent else { return };
    let inbox = inbox_of(ports);
    let Ok(Opened { meta, plan: above, .. }) = inbox::open(inbox, caller, &parent.execution).await else { return };
    let ended = meta.execution.run(parent.run).is_some_and(|run| run.attempt == parent.attempt && run.status().is_complete());
    let Some(stage) = above.stages.get(parent.run).filter(|_| ended) else { return };
    if let Err(error) = Box::pin(restart(ports, caller, &parent.execution, stage.ref_id.as_str(), None)).await {
        tracing::info!(execution = %parent.execution, %error, "the stage that started a restarted execution was not restarted");
    }
}

/// Runs an execution again: a new one with its trigger, parameters and artifacts, on the pipeline as it is now.
pub async fn rerun(ports: start::Ports<'_>, caller: &Principal, id: &ExecutionId, key: Option<&str>) -> Result<start::Started, AppError> {
    let Opened { meta, plan, application } = inbox::open(inbox_of(ports), caller, id).await?;
    require(application.may(caller, Action::Execute))?;
    require(may_rerun(&application, caller, meta.execution.status))?;
    let mut trigger = plan.trigger.clone();
    for made in ["user", "parameters", "artifacts", "resolvedExpectedArtifacts"] {
        trigger.remove(made);
    }
    trigger.insert("waybill".to_owned(), json!({"rerunOf": id}));
    let request = start::Request {
        application: plan.application.clone(),
        pipeline: plan.pipeline.clone(),
        submitter: caller.clone(),
        origin: plan.origin.clone(),
        trigger,
        constrained_to: None,
        parameters: plan.parameters.clone(),
        artifacts: plan.artifacts.clone(),
        note: format!("runs {id} again"),
        correlation: key.map(|key| format!("rerun\n{}\n{id}\n{key}", caller.name)),
        into: start::Into::EveryProject,
        start_by_ms: None,
        parent: None,
    };
    start::start(ports, &request).await
}

/// May an execution be restarted while it stands where it stands?
#[must_use]
pub fn may_restart(application: &Application, caller: &Principal, meta: &Meta) -> May {
    let execution = &meta.execution;
    if !execution.status.is_complete() && !application.enable_restart_running_executions {
        let message = format!("the execution is {}, and the application does not allow restarts before it has ended", execution.status);
        return May::no("restart-while-running", message);
    }
    if execution.runs.iter().all(|run| run.state == RunState::NotStarted) {
        return May::no("execution-not-started", "no stage has been at work: there is nothing to do again");
    }
    application.may(caller, Action::Execute)
}

/// May an execution in this status be run again?
#[must_use]
pub fn may_rerun(application: &Application, caller: &Principal, status: Status) -> May {
    if !status.is_complete() && !application.enable_rerun_active_executions {
        let message = format!("the execution is {status}, and the application does not allow to run it again before it has ended");
        return May::no("rerun-while-active", message);
    }
    application.may(caller, Action::Execute)
}

fn asked_by(caller: &Principal, reason: &str) -> Result<Cancel, AppError> {
    if reason.len() > REASON_BYTES_MAX {
        return Err(AppError::invalid("/reason", "too-long", format!("a reason has at most {REASON_BYTES_MAX} bytes")));
    }
    Ok(Cancel::person(&caller.name, reason))
}

fn position(plan: &Plan, stage: &str) -> Result<usize, AppError> {
    plan.position(stage).ok_or_else(|| AppError::NotFound { what: "stage", id: stage.to_owned() })
}

fn inbox_of(ports: start::Ports<'_>) -> Ports<'_> {
    Ports { table: ports.table, blobs: ports.blobs, queue: ports.queue, clock: ports.clock, entropy: ports.entropy }
}

/// Stores an event that whoever may start executions of the application may send.
async fn send(
    ports: Ports<'_>,
    caller: &Principal,
    id: &ExecutionId,
    key: Option<&str>,
    what: impl Fn(&Meta, &Plan) -> Result<(Event, Outside), AppError>,
) -> Result<EventId, AppError> {
    let event = inbox::event_id(ports, caller, id, key)?;
    for _ in 0..TRIES_MAX {
        let (Opened { meta, plan, application }, ahead) = inbox::open_for(ports, caller, id, &event).await?;
        require(application.may(caller, Action::Cancel))?;
        if ahead.sent {
            return Ok(event);
        }
        let (sent, outside) = what(&meta, &plan)?;
        ahead.refuse(&meta, &sent, ports.clock.now_ms())?;
        if inbox::put(ports, &caller.name, &meta, &event, &ahead, outside, vec![]).await? {
            return Ok(event);
        }
    }
    Err(AppError::conflict("changed-in-between", "the execution moves faster than it can be steered: try again"))
}
