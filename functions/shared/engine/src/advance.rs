//! After every event: start what may start, and end the execution when nothing can happen any more.

use crate::state::{Execution, Live, Phase, RunState};
use model::Millis;
use model::pipeline::FailureChoice;
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use serde_json::json;

/// Brings the execution to where the event leads it.
pub(crate) fn settle(execution: &mut Execution, now: Millis) {
    if execution.status != Status::Running {
        return;
    }
    if let Some(failed) = first_with(execution, Status::Terminal) {
        let reason = failure_reason(execution, failed, now);
        return end(execution, Status::Terminal, Some(reason), now);
    }
    if let Some(canceled) = first_with(execution, Status::Canceled) {
        let name = ref_id(execution, canceled);
        let reason = Reason::new(ReasonCode::ExecutionFailed, format!("stage {name} was cancelled"), now).with(json!({"refId": name}));
        return end(execution, Status::Canceled, Some(reason), now);
    }
    start_ready(execution, now);
    let live = execution.runs.iter().any(|run| run.live().is_some());
    if !live {
        finish(execution, now);
    }
}

fn first_with(execution: &Execution, status: Status) -> Option<usize> {
    execution.runs.iter().position(|run| run.status() == status)
}

fn ref_id(execution: &Execution, run: usize) -> String {
    execution.graph.node(run).map(|node| node.ref_id.to_string()).unwrap_or_default()
}

fn failure_reason(execution: &Execution, run: usize, now: Millis) -> Reason {
    let name = ref_id(execution, run);
    let why = execution.run(run).and_then(|r| r.reason()).map(|r| r.message.clone()).unwrap_or_default();
    Reason::new(ReasonCode::ExecutionFailed, format!("stage {name} failed: {why}"), now).with(json!({"refId": name}))
}

fn start_ready(execution: &mut Execution, now: Millis) {
    let graph = execution.graph.clone();
    for (run, node) in graph.nodes().iter().enumerate() {
        let waits = execution.run(run).is_some_and(|r| r.state == RunState::NotStarted);
        let ready = waits && node.requisites.iter().all(|r| execution.run(*r).is_some_and(|r| r.status().lets_pass()));
        if let Some(stage) = execution.runs.get_mut(run).filter(|_| ready) {
            stage.state = RunState::Live(Live {
                started_ms: now,
                deadline_ms: now.saturating_add(node.timeout_ms),
                timed_out: false,
                yields: 0,
                phase: Phase::Resolve,
                reason: None,
            });
        }
    }
}

/// Nothing is live and nothing can start: all ended well, or a branch stopped.
fn finish(execution: &mut Execution, now: Millis) {
    let Some(stopped) = first_with(execution, Status::Stopped) else {
        return end(execution, Status::Succeeded, None, now);
    };
    let graph = execution.graph.clone();
    let fails = execution
        .runs
        .iter()
        .zip(graph.nodes())
        .position(|(run, node)| run.status() == Status::Stopped && node.failure == FailureChoice::StopBranch { fail_at_end: true });
    match fails {
        Some(run) => {
            let reason = failure_reason(execution, run, now);
            end(execution, Status::Terminal, Some(reason), now);
        }
        None => {
            let name = ref_id(execution, stopped);
            let message = format!("succeeded, but stage {name} failed and its branch stopped there, as the pipeline says");
            let reason = Reason::new(ReasonCode::BranchStopped, message, now).with(json!({"refId": name}));
            end(execution, Status::Succeeded, Some(reason), now);
        }
    }
}

/// Ends the execution; whatever is still live is cancelled with it.
pub(crate) fn end(execution: &mut Execution, status: Status, reason: Option<Reason>, now: Millis) {
    let live: Vec<usize> = (0..execution.runs.len()).filter(|run| execution.run(*run).is_some_and(|r| r.live().is_some())).collect();
    for run in live {
        let why = match &execution.cancel {
            Some(cancel) => canceled_by(cancel, now),
            None => {
                let message = reason.as_ref().map(|r| r.message.clone()).unwrap_or_default();
                Reason::new(ReasonCode::CanceledByFailure, message, now)
            }
        };
        execution.finish(run, Status::Canceled, Some(why), now);
    }
    execution.status = status;
    execution.reason = reason;
    execution.ended_ms = Some(now);
}

pub(crate) fn canceled_by(cancel: &crate::Cancel, now: Millis) -> Reason {
    let message = if cancel.reason.is_empty() {
        format!("cancelled by {}", cancel.by)
    } else {
        format!("cancelled by {}: {}", cancel.by, cancel.reason)
    };
    Reason::new(ReasonCode::CanceledByUser, message, now).with(json!({"by": cancel.by, "reason": cancel.reason}))
}
