//! What must hold when a run has come to rest, and what it came to.

use crate::fault::Deviation;
use crate::oracle::{self, Expect};
use crate::people::Sent;
use crate::reality::{Meant, StepId};
use crate::scenario::{Call, From, STOPPED, Then};
use crate::state::State;
use app::execution::stored::{Kept, StageData};
use app::record::decode;
use engine::RunState;
use model::id::ExecutionId;
use model::reason::{Code, Reason};
use model::status::Status;
use serde_json::Value;
use std::collections::BTreeSet;

/// What an execution came to; nothing in it depends on time or on ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Its status.
    pub status: Status,
    /// Why.
    pub code: Option<String>,
    /// Its stages.
    pub stages: Vec<StageOutcome>,
    /// The changes that its stages meant and made: (stage, attempt, act, call).
    pub made: BTreeSet<(usize, u32, usize, usize)>,
}

/// What a stage came to.
#[derive(Debug, Clone, PartialEq)]
pub struct StageOutcome {
    /// Its status.
    pub status: Status,
    /// Why, and why that.
    pub codes: Vec<String>,
    /// Restarts, from 1.
    pub attempt: u32,
    /// What it left.
    pub outputs: Value,
    /// What was answered, and by whom.
    pub answers: Vec<(String, Value)>,
}

impl Outcome {
    /// Every reason, with the stage whose it is.
    pub(crate) fn causes(&self) -> Vec<(Option<usize>, String)> {
        let whole = self.code.iter().map(|code| (None, code.clone()));
        let stages = self.stages.iter().enumerate().flat_map(|(at, stage)| stage.codes.iter().map(move |code| (Some(at), code.clone())));
        whole.chain(stages).collect()
    }
}

/// A reason's code, and those of what caused it.
fn codes(reason: Option<&Reason>) -> Vec<String> {
    let mut list: Vec<String> = code(reason).into_iter().collect();
    let mut data = reason.map(|reason| &reason.data);
    while let Some(cause) = data.and_then(|data| data.get("cause")) {
        list.extend(cause.get("code").and_then(Value::as_str).map(str::to_owned));
        data = cause.get("data");
    }
    list
}

fn code(reason: Option<&Reason>) -> Option<String> {
    reason.map(|reason| match &reason.code {
        Code::Known(code) => code.as_str().to_owned(),
        Code::Stage(code) => code.clone(),
    })
}

/// What the executions came to.
pub(crate) fn outcome(state: &State) -> Vec<Option<Outcome>> {
    (0..state.watch.runs.len()).map(|run| one(state, run)).collect()
}

fn one(state: &State, run: usize) -> Option<Outcome> {
    let seen = &state.watch.runs[run];
    let execution = &seen.meta.as_ref()?.execution;
    let stage = |(at, stage): (usize, &engine::StageRun)| {
        let data = data(state, &execution.id, at, stage.attempt);
        StageOutcome {
            status: stage.status(),
            codes: codes(stage.reason()),
            attempt: stage.attempt,
            outputs: match data.outputs {
                Kept::Inline(value) => value,
                Kept::Nothing | Kept::Blob(_) => Value::Null,
            },
            answers: data.answers.into_iter().map(|answer| (answer.by, answer.body)).collect(),
        }
    };
    // Those that others unfolded into stand as they came, which depends on timing: by name here.
    let mut order: Vec<usize> = (0..execution.runs.len()).collect();
    let nodes = seen.graph.nodes();
    order.sort_by_key(|at| nodes.get(*at).and_then(|node| node.parent.map(|parent| (node.ref_id.to_string(), parent.attempt))));
    Some(Outcome {
        status: execution.status,
        code: code(execution.reason.as_ref()),
        stages: order.into_iter().filter_map(|at| Some(stage((at, execution.run(at)?)))).collect(),
        made: state.reality.made.keys().filter(|meant| meant.run == run).map(|m| (m.stage, m.attempt, m.act, m.call)).collect(),
    })
}

/// What an attempt of a stage left; what an earlier one did counts for nothing.
fn data(state: &State, id: &ExecutionId, at: usize, attempt: u32) -> StageData {
    let item = state.store.get(&app::execution::keys::stage(id, at), state.now);
    item.and_then(|item| decode(&item.body).ok()).filter(|data: &StageData| data.attempt.max(1) == attempt).unwrap_or_default()
}

/// Checks everything that must hold at rest.
pub(crate) fn at_rest(state: &mut State) {
    let expected = oracle::expect(&state.scenario);
    for (run, expect) in expected.into_iter().enumerate() {
        started(state, run);
        if state.failure.is_none() && state.watch.runs[run].id.is_some() {
            ended(state, run);
            nothing_is_left(state, run);
            events(state, run);
            changes(state, run);
            family(state, run);
            if state.scenario.runs[run].from == From::Push {
                crate::pushes::at_rest(state, run);
            }
        }
        if state.failure.is_none() {
            fulfilled(state, run, &expect);
        }
    }
    letters(state);
    super::slots::at_rest(state);
}

fn started(state: &mut State, run: usize) {
    if state.watch.runs[run].id.is_none() && !matches!(state.scenario.runs[run].from, From::Child { .. }) {
        state.fail("never-started", format!("run {run} was asked for and is not there"));
    }
}

fn ended(state: &mut State, run: usize) {
    let Some(meta) = &state.watch.runs[run].meta else { return };
    let execution = &meta.execution;
    let (status, fence) = (execution.status, meta.fence.clone());
    let unexplained = execution.status != Status::Succeeded && execution.reason.is_none();
    let stages = execution
        .runs
        .iter()
        .position(|stage| !matches!(stage.status(), Status::Succeeded | Status::NotStarted) && stage.reason().is_none());
    if !status.is_complete() {
        state.fail("stuck", format!("run {run} is {status} and nothing will move it"));
    }
    if !fence.is_empty() {
        state.fail("lease-left", format!("run {run} is {status} and held by {fence}"));
    }
    if unexplained {
        state.fail("no-reason", format!("run {run} is {status} without a reason"));
    }
    if let Some(stage) = stages {
        state.fail("no-reason", format!("run {run} stage {stage} has no reason"));
    }
}

fn nothing_is_left(state: &mut State, run: usize) {
    let Some(id) = state.watch.id_of(run) else { return };
    let partition = format!("EXEC#{id}");
    for (prefix, rule) in [("J#", "trace-left"), ("EVT#", "event-left"), ("SUB#", "subscription-left")] {
        let left = state.store.under(&partition, prefix).next().map(|item| item.key.sort.clone());
        if let Some(sort) = left {
            state.fail(rule, format!("run {run}: {sort} is still there"));
        }
    }
}

fn events(state: &mut State, run: usize) {
    let wrong = state.watch.runs[run].events.iter().find(|(_, verdicts)| verdicts.len() != 1);
    if let Some((event, verdicts)) = wrong {
        let message = format!("run {run}: event {event} was consumed {} times: {verdicts:?}", verdicts.len());
        state.fail("event-not-once", message);
    }
}

/// What was accepted is an event of the execution.
fn letters(state: &mut State) {
    let mut wrong = Vec::new();
    for (event, sent) in state.people.answers() {
        let (Some(event), Sent::Answered(Ok(id))) = (event, sent) else { continue };
        let run = state.scenario.outside[event].run;
        if !state.watch.runs[run].events.contains_key(id) {
            wrong.push(format!("run {run}: event {id} was accepted and never stored"));
        }
    }
    for message in wrong {
        state.fail("accepted-and-lost", message);
    }
}

/// A stage that waits for an execution hears of its end, and takes it along when it is stopped.
fn family(state: &mut State, run: usize) {
    let From::Child { run: above, stage: at, attempt } = state.scenario.runs[run].from else { return };
    let (Some(child), Some(parent)) = (&state.watch.runs[run].meta, &state.watch.runs[above].meta) else { return };
    let Some(stage) = parent.execution.run(at).filter(|stage| stage.attempt == attempt) else { return };
    let RunState::Done(done) = &stage.state else { return };
    let known = [Deviation::LateRepeat, Deviation::StageFailed, Deviation::Parked];
    if child.execution.generation > 1 || known.into_iter().any(|deviation| state.scenario.classes.may(deviation)) {
        return;
    }
    let code = |wanted: &str| codes(stage.reason()).iter().any(|code| code == wanted);
    let timed_out = code("stage-timed-out");
    let own = state.scenario.pipeline_of(above).stages[at].timeout_ms.is_some();
    let asked = state.watch.asked(above, at, attempt) > 0;
    let told = state.watch.runs[run].events.keys().any(|event| event.starts_with("parent-"));
    let later = child.execution.ended_ms.is_some_and(|ended| ended > done.ended_ms);
    let message = format!("run {run} is {} and was started by run {above} stage {at}, which is {}", child.execution.status, done.status);
    if timed_out && !own && !asked {
        return state.fail("child-not-heard", message);
    }
    // A stage that is not stopped in its two minutes is over all the same.
    let given_up = code("cancel-timeout");
    if later && !told && !given_up {
        state.fail("child-forgotten", message);
    }
}

/// Every change once, or repeated without harm.
fn changes(state: &mut State, run: usize) {
    let mut wrong = None;
    for (meant, made) in state.reality.made.iter().filter(|(meant, _)| meant.run == run) {
        wrong = wrong.or_else(|| change(*meant, made));
    }
    wrong = wrong.or_else(|| missing(state, run));
    if let Some((rule, message)) = wrong {
        state.fail(rule, message);
    }
}

fn change(meant: Meant, made: &[(StepId, u64, u32)]) -> Option<(&'static str, String)> {
    let Meant { run, stage, act, call, .. } = meant;
    let (first, content, _) = made.first()?;
    for (step, other, _) in made {
        if step.seq != first.seq {
            return Some((
                "change-by-two-steps",
                format!("run {run} stage {stage}: change {act}.{call} was made by {first:?} and {step:?}"),
            ));
        }
        if step == first && other != content {
            let message = format!("run {run} stage {stage}: change {act}.{call} was made twice by {step:?}, with different content");
            return Some(("change-differs", message));
        }
    }
    None
}

/// A stage that went through its script made all its changes, and what it left is what its last attempt left.
fn missing(state: &State, run: usize) -> Option<(&'static str, String)> {
    let execution = &state.watch.runs[run].meta.as_ref()?.execution;
    for (at, stage) in state.scenario.pipeline_of(run).stages.iter().enumerate() {
        let is = execution.run(at)?;
        let script = stage.list(is.attempt);
        let through = is.status() == Status::Succeeded && is.reason().is_none() && script.last().is_some_and(|a| a.then == Then::Succeed);
        if !through || stage.timeout_ms.is_some() || state.watch.timed_out(run, at, is.attempt) {
            continue;
        }
        for (act, script) in script.iter().enumerate() {
            for (call, _) in script.calls.iter().enumerate().filter(|(_, call)| **call == Call::Write) {
                let meant = Meant { run, stage: at, attempt: is.attempt, act, call };
                if !state.reality.made.contains_key(&meant) {
                    return Some(("change-missing", format!("run {run} stage {at}: it succeeded, and change {act}.{call} was never made")));
                }
            }
        }
        debug_assert!(script.len() < STOPPED, "a script is short");
        let left = data(state, &execution.id, at, is.attempt).outputs;
        let said = format!("{at}.{}(", is.attempt);
        let own = |value: &Value| value.get(format!("o{at}")).and_then(Value::as_str).is_some_and(|text| text.starts_with(&said));
        if !matches!(&left, Kept::Inline(value) if own(value)) {
            return Some(("not-its-own-result", format!("run {run} stage {at}: attempt {} left {left:?}", is.attempt)));
        }
    }
    None
}

/// What the rules say must come of it.
fn fulfilled(state: &mut State, run: usize, expect: &Expect) {
    let classes = state.scenario.classes;
    if [Deviation::TimedOut, Deviation::StageFailed, Deviation::Parked].into_iter().any(|deviation| classes.may(deviation)) {
        return;
    }
    let expected = match (expect, &state.watch.runs[run].meta) {
        (Expect::Anything, _) | (Expect::Nothing, None) => return,
        (Expect::Nothing, Some(_)) => return state.fail("unexpected", format!("run {run} was started, and must not be")),
        (Expect::That(_), None) => return state.fail("never-started", format!("run {run} must be started and is not there")),
        (Expect::That(expected), Some(_)) => expected,
    };
    let Some(meta) = &state.watch.runs[run].meta else { return };
    let execution = &meta.execution;
    let (whole, status) = (expected.whole.contains(&execution.status), execution.status);
    let stages: Vec<(Status, u32)> = execution.runs.iter().map(|stage| (stage.status(), stage.attempt)).collect();
    let of = expected.stages.len();
    let wrong = stages.iter().take(of).zip(&expected.stages).position(|((is, _), may)| !may.contains(is));
    let again = expected.attempts.as_ref().and_then(|attempts| stages.iter().zip(attempts).position(|((_, is), must)| is != must));
    if let Some(at) = wrong {
        let message = format!("run {run} stage {at} is {}, and must be one of {:?}", stages[at].0, expected.stages[at]);
        state.fail("unexpected", message);
    }
    if let Some(at) = again {
        state.fail("unexpected", format!("run {run} stage {at} is at attempt {}, and must be at {:?}", stages[at].1, expected.attempts));
    }
    if !whole {
        state.fail("unexpected", format!("run {run} is {status}, and must be one of {:?}", expected.whole));
    }
}
