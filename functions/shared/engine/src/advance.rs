//! After every event: start what may start, conclude stages whose synthetic stages are done, and end the execution when nothing
//! can happen any more.

use crate::ending::{self, stop};
use crate::planted::{Bug, planted};
use crate::state::{Call, Ending, Execution, Live, Phase, RunState, WindowPass};
use crate::{Cancel, Wake};
use model::Millis;
use model::component::Part;
use model::pipeline::FailureChoice;
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use serde_json::json;

/// Brings the execution to where the event leads it.
pub(crate) fn settle(execution: &mut Execution, now: Millis) {
    if !matches!(execution.status, Status::Running | Status::Paused) {
        return;
    }
    while families(execution, now) {}
    if execution.ending.is_none() {
        halt(execution, now);
        // What was stopped just now may have been all that a family waited for.
        while execution.ending.is_some() && families(execution, now) {}
        while execution.ending.is_none() && start_ready(execution, now) {}
    }
    if execution.runs.iter().any(|run| run.live().is_some()) {
        return;
    }
    match execution.ending.take() {
        Some(ending) => end(execution, ending.status, ending.reason, now),
        None if execution.paused.is_some() && ready(execution).is_some() => {}
        None => finish(execution, now),
    }
}

/// A stage of the pipeline that failed for good, in this generation, takes the execution with it at once.
fn halt(execution: &mut Execution, now: Millis) {
    let generation = execution.generation;
    let ended_as = |status: Status| {
        let ended = |run: &RunState| matches!(run, RunState::Done(done) if done.status == status && done.generation == generation);
        top(execution).find(|run| execution.run(*run).is_some_and(|stage| ended(&stage.state)))
    };
    if let Some(failed) = ended_as(Status::Terminal) {
        let reason = failure_reason(execution, failed, now);
        return wind_down(execution, Status::Terminal, reason, ReasonCode::CanceledByFailure, now);
    }
    if let Some(canceled) = ended_as(Status::Canceled) {
        let reason = cancel_reason(execution, canceled, now);
        wind_down(execution, Status::Canceled, reason, ReasonCode::CanceledByFailure, now);
    }
}

fn cancel_reason(execution: &Execution, run: usize, now: Millis) -> Reason {
    let name = ref_id(execution, run);
    Reason::new(ReasonCode::StageCanceled, format!("stage {name} was cancelled"), now).with(json!({"refId": name}))
}

/// Everything live is stopped; the execution ends once it has.
pub(crate) fn wind_down(execution: &mut Execution, status: Status, reason: Reason, code: ReasonCode, now: Millis) {
    resume(execution, now);
    for run in 0..execution.runs.len() {
        let why = Reason::new(code, reason.message.clone(), now).with(reason.data.clone());
        let live = execution.run(run).is_some_and(|stage| stage.live().is_some());
        stop(execution, run, Ending { status: Status::Canceled, reason: Some(why) }, now);
        if planted(Bug::CancelForgetsBranch) && live && code != ReasonCode::CanceledByFailure {
            break;
        }
    }
    execution.ending = Some(Ending { status, reason: Some(reason.clone()) });
    if execution.runs.iter().any(|run| run.live().is_some()) {
        let message = format!("ends as {status} once what is still running has stopped: {}", reason.message);
        execution.reason = Some(Reason::new(ReasonCode::WindingDown, message, now).with(json!({"status": status, "cause": reason})));
    }
}

/// Lets a paused execution go on; the time it was held is added up.
pub(crate) fn resume(execution: &mut Execution, now: Millis) {
    if let Some(pause) = execution.paused.take() {
        let held_ms = if planted(Bug::PausedTimeCounted) { 0 } else { now.saturating_sub(pause.at_ms) };
        execution.paused_ms = execution.paused_ms.saturating_add(held_ms);
        stopping_waited(execution, pause.at_ms, now);
        execution.status = Status::Running;
        execution.reason = None;
    }
}

/// A stage that is being stopped was not called either while the execution was held: it has its time for that all the same.
fn stopping_waited(execution: &mut Execution, held_ms: Millis, now: Millis) {
    let stop_ms_max = execution.graph.limits().stop_ms_max;
    for run in 0..execution.runs.len() {
        if let Some(stopping) = execution.live_of(run).and_then(|(_, live)| live.stopping.as_mut()) {
            let since = held_ms.max(stopping.until_ms.saturating_sub(stop_ms_max));
            stopping.until_ms = stopping.until_ms.saturating_add(now.saturating_sub(since));
        }
    }
}

fn top(execution: &Execution) -> impl Iterator<Item = usize> {
    execution.graph.nodes().iter().enumerate().filter(|(_, node)| node.parent.is_none()).map(|(run, _)| run)
}

fn first_with(execution: &Execution, status: Status) -> Option<usize> {
    top(execution).find(|run| execution.run(*run).is_some_and(|stage| stage.status() == status))
}

pub(crate) fn ref_id(execution: &Execution, run: usize) -> String {
    execution.graph.node(run).map(|node| node.ref_id.to_string()).unwrap_or_default()
}

fn failure_reason(execution: &Execution, run: usize, now: Millis) -> Reason {
    let name = ref_id(execution, run);
    let why = execution.run(run).and_then(|r| r.reason()).map(|r| r.message.clone()).unwrap_or_default();
    Reason::new(ReasonCode::ExecutionFailed, format!("stage {name} failed: {why}"), now).with(json!({"refId": name}))
}

fn waits(execution: &Execution, run: usize) -> bool {
    let passes = |r: &usize| execution.run(*r).is_some_and(|r| r.status().lets_pass());
    execution.run(run).is_some_and(|stage| stage.state == RunState::NotStarted)
        && execution.graph.node(run).is_some_and(|node| {
            node.requisites.iter().all(passes) || (planted(Bug::JoinStartedByOne) && node.requisites.iter().any(passes))
        })
}

/// The first stage of the pipeline that may start.
fn ready(execution: &Execution) -> Option<usize> {
    top(execution).find(|run| waits(execution, *run))
}

/// Starts the stages of the pipeline that may start. True when one was skipped at once, so that others may start now.
fn start_ready(execution: &mut Execution, now: Millis) -> bool {
    if execution.paused.is_some() {
        return false;
    }
    let ready: Vec<usize> = top(execution).filter(|run| waits(execution, *run)).collect();
    let mut skipped = false;
    for run in ready {
        skipped |= start(execution, run, now);
    }
    skipped
}

/// Starts a stage. True when it was skipped at once, as somebody asked before.
fn start(execution: &mut Execution, run: usize, now: Millis) -> bool {
    let Some(stage) = execution.runs.get_mut(run) else { return false };
    if let Some(by) = stage.skip.take() {
        execution.finish(run, Status::Skipped, Some(skipped_by(&by, now)), now);
        return true;
    }
    stage.state = RunState::Live(Box::new(Live {
        started_ms: now,
        deadline_ms: None,
        timed_out: false,
        yields: 0,
        phase: Phase::Resolve,
        reason: None,
        window: WindowPass::default(),
        verdict: None,
        stopping: None,
    }));
    false
}

/// Stages with synthetic stages at work: those may start, fail together, or be done. True when something may follow from it.
fn families(execution: &mut Execution, now: Millis) -> bool {
    let parents: Vec<(usize, Part)> = execution
        .runs
        .iter()
        .enumerate()
        .filter_map(|(run, stage)| match stage.live()?.phase {
            Phase::Children { part } => Some((run, part)),
            _ => None,
        })
        .collect();
    // Inner families first: what they come to decides about the outer ones.
    let mut moved = false;
    for (run, part) in parents.into_iter().rev() {
        moved |= family(execution, run, part, now);
    }
    moved
}

/// The stage's time is over for what it unfolded into; what it unfolds into because it failed has its own.
fn out_of_time(live: &Live, part: Part) -> bool {
    live.timed_out && part != Part::OnFailure
}

fn family(execution: &mut Execution, run: usize, part: Part, now: Millis) -> bool {
    let children: Vec<usize> = execution.children(run, Some(part)).collect();
    let stopping = execution.run(run).and_then(|stage| stage.live()).is_none_or(|live| live.stopping.is_some() || out_of_time(live, part));
    let halted = children.iter().find(|child| execution.run(**child).is_some_and(|stage| stage.status().is_halt())).copied();
    let alone = execution.graph.node(run).is_some_and(|node| node.siblings_continue);
    if let Some(halted) = halted.filter(|_| !alone) {
        let name = ref_id(execution, halted);
        let why = Reason::new(ReasonCode::CanceledByFailure, format!("stage {name} beside it did not end well"), now);
        for child in &children {
            let ending = Ending { status: Status::Canceled, reason: Some(why.clone().with(json!({"refId": name}))) };
            stop(execution, *child, ending, now);
        }
    } else if !stopping && execution.paused.is_none() {
        let ready: Vec<usize> = children.iter().copied().filter(|child| waits(execution, *child)).collect();
        for child in ready {
            start(execution, child, now);
        }
    }
    let live = |child: &usize| execution.run(*child).is_some_and(|stage| stage.live().is_some());
    let open = execution.paused.is_some() && !stopping && halted.is_none_or(|_| alone);
    if children.iter().any(live) || (open && children.iter().any(|child| waits(execution, *child))) {
        return false;
    }
    // Every start above may have been a skip, after which a sibling may start.
    let may_start = !stopping && halted.is_none_or(|_| alone) && children.iter().any(|child| waits(execution, *child));
    if !may_start {
        conclude(execution, run, part, now);
    }
    true
}

/// The synthetic stages of a part are done: the stage goes on, or ends as they say.
fn conclude(execution: &mut Execution, run: usize, part: Part, now: Millis) {
    if ending::stopped(execution, run, now) {
        return;
    }
    if execution.run(run).and_then(|stage| stage.live()).is_some_and(|live| out_of_time(live, part)) {
        return ending::time_out(execution, run, None, now);
    }
    if part == Part::OnFailure {
        return ending::close(execution, run, now);
    }
    let found = |status: Status| {
        execution.children(run, Some(part)).find(|child| execution.run(*child).is_some_and(|stage| stage.status() == status))
    };
    let (failed, stopped, canceled) = (found(Status::Terminal), found(Status::Stopped), found(Status::Canceled));
    let Some(child) = failed.or(stopped).or(canceled) else {
        return match part {
            Part::Before => execution.schedule(run, Call::Step, Wake::Start, now),
            Part::After | Part::OnFailure => ending::close(execution, run, now),
        };
    };
    let name = ref_id(execution, child);
    let cause = execution.run(child).and_then(|stage| stage.reason()).cloned();
    let why = cause.as_ref().map(|reason| reason.message.clone()).unwrap_or_default();
    let data = json!({"refId": name, "cause": cause});
    let reason = Reason::new(ReasonCode::SyntheticStageFailed, format!("stage {name}, a part of it, did not end well: {why}"), now);
    let reason = reason.with(data);
    if failed.is_some() {
        ending::fail(execution, run, reason, now);
    } else if stopped.is_some() {
        execution.finish(run, Status::Stopped, Some(reason), now);
    } else {
        execution.finish(run, Status::Canceled, Some(reason), now);
    }
}

/// Nothing is live and nothing can start: all ended well, or a branch stopped.
fn finish(execution: &mut Execution, now: Millis) {
    for status in [Status::Terminal, Status::Canceled] {
        if let Some(run) = first_with(execution, status) {
            let reason = if status == Status::Terminal { failure_reason(execution, run, now) } else { cancel_reason(execution, run, now) };
            return end(execution, status, Some(reason), now);
        }
    }
    let Some(stopped) = first_with(execution, Status::Stopped) else {
        return end(execution, Status::Succeeded, None, now);
    };
    let is_stopped = |run: usize| execution.run(run).is_some_and(|stage| stage.status() == Status::Stopped);
    // A part that stopped its stage decides as well: the stage's own choice was never asked.
    let fails = (0..execution.runs.len()).find(|run| {
        let stops = execution.graph.node(*run).is_some_and(|node| node.failure == FailureChoice::StopBranch { fail_at_end: true });
        stops && is_stopped(*run) && execution.is_current(*run) && is_stopped(execution.graph.top_of(*run))
    });
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

/// Ends the execution; nothing is live any more.
pub(crate) fn end(execution: &mut Execution, status: Status, reason: Option<Reason>, now: Millis) {
    resume(execution, now);
    execution.status = status;
    execution.reason = reason;
    execution.queued = false;
    execution.ending = None;
    execution.ended_ms = Some(now);
}

fn in_words(what: &str, by: &Cancel) -> String {
    if by.reason.is_empty() { format!("{what} by {}", by.by) } else { format!("{what} by {}: {}", by.by, by.reason) }
}

pub(crate) fn canceled_by(cancel: &Cancel, now: Millis) -> Reason {
    Reason::new(cancel.code(), in_words("cancelled", cancel), now).with(cancel.data())
}

pub(crate) fn skipped_by(by: &Cancel, now: Millis) -> Reason {
    Reason::new(ReasonCode::SkippedByUser, in_words("skipped", by), now).with(by.data())
}

pub(crate) fn paused_by(by: &Cancel, now: Millis) -> Reason {
    Reason::new(ReasonCode::PausedByUser, in_words("paused", by), now).with(by.data())
}
