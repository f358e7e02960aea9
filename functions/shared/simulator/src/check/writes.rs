//! What is committed, transaction by transaction.

use super::{Seen, slots};
use crate::people;
use crate::scenario::From;
use crate::state::{State, Who};
use app::execution::keys;
use app::execution::plan::Plan;
use app::execution::stored::{LogEntry, Meta};
use app::ports::{Item, Transaction, Write};
use app::record::decode;
use engine::invariants;
use model::reason::{Code, ReasonCode};
use model::status::Status;
use std::collections::BTreeSet;

/// What a transaction moved.
#[derive(Default)]
pub(crate) struct Noticed {
    runs: BTreeSet<usize>,
    /// Pipelines whose slots are to be looked at.
    pipelines: Vec<usize>,
}

/// Looks at a transaction whose conditions hold, before it is written.
pub(crate) fn before_write(state: &mut State, transaction: &Transaction, task: u64, who: Who) -> Noticed {
    let mut noticed = Noticed::default();
    for write in &transaction.writes {
        let key = write.key();
        let Some(id) = key.partition.strip_prefix("EXEC#") else { continue };
        match (key.sort.as_str(), write) {
            ("META", Write::Put(item, _)) => {
                if let Some(run) = meta(state, item, transaction, task, who) {
                    noticed.runs.insert(run);
                }
            }
            (sort, Write::Put(item, _)) if sort.starts_with("LOG#") => log(state, id, item, transaction),
            (sort, Write::Put(..)) if sort.starts_with("EVT#") => event_stored(state, id, sort),
            (sort, Write::Delete(..)) if sort.starts_with("EVT#") => event_removed(state, id, sort, transaction),
            (sort, Write::Put(..)) if sort.starts_with("J#") => trace(state, id, sort, task),
            _ => {}
        }
    }
    noticed.pipelines = slots::touched(&state.watch, transaction);
    noticed
}

/// What waits for a transition learns of it.
pub(crate) fn after_write(state: &mut State, noticed: Noticed) {
    for pipeline in noticed.pipelines {
        slots::look(state, pipeline);
    }
    let line = |run| state.watch.line(&state.scenario, run);
    let runs: BTreeSet<usize> = noticed.runs.into_iter().flat_map(line).collect();
    for run in runs {
        people::notice(state, run);
    }
    state.look_at_gates();
}

/// META is written. Gives the execution when it was a transition.
fn meta(state: &mut State, item: &Item, transaction: &Transaction, task: u64, who: Who) -> Option<usize> {
    let mut meta: Meta = match decode(&item.body) {
        Ok(meta) => meta,
        Err(error) => {
            state.fail("damaged", format!("{:?}: {error:?}", item.key));
            return None;
        }
    };
    let run = match state.watch.run_of(meta.execution.id.as_str()) {
        Some(run) => run,
        None => begins(state, &meta, transaction)?,
    };
    if let Some(plan) = plan(state, &meta, transaction) {
        state.watch.runs[run].graph = plan.graph().ok()?;
    }
    meta.execution.graph = state.watch.runs[run].graph.clone();
    hold(state, run, &meta);
    let before = state.watch.runs[run].meta.take();
    if let Some(before) = &before {
        follows(state, run, before, &meta, task);
    }
    if !meta.fence.is_empty() {
        state.watch.fences.insert((task, run), meta.fence.clone());
    }
    let moved = before.as_ref().is_none_or(|before| before.execution.version != meta.execution.version);
    tell(state, run, before.as_ref(), &meta, who);
    let seen = &mut state.watch.runs[run];
    seen.transitions += u64::from(moved);
    let ended = |meta: &Meta| meta.execution.status.is_complete();
    seen.ends += usize::from(ended(&meta) && !before.as_ref().is_some_and(ended));
    note_questions(seen, &meta);
    if moved {
        note_reasons(seen, &meta);
    }
    seen.meta = Some(meta);
    moved.then_some(run)
}

/// Notes when an execution is held and let go.
fn hold(state: &mut State, run: usize, meta: &Meta) {
    let execution = &meta.execution;
    let of = execution.paused.as_ref().map(|pause| (pause.at_ms, execution.generation));
    let known = state.watch.runs[run].held.last().filter(|hold| hold.until.is_none()).map(|hold| hold.of);
    if of == known {
        return;
    }
    let (now, still) = (state.now, super::is_still(state, run));
    let held = &mut state.watch.runs[run].held;
    if let Some(last) = held.last_mut().filter(|hold| hold.until.is_none()) {
        last.until = Some(now);
    }
    held.extend(of.map(|of| super::Hold { of, from: now, until: None, still }));
}

fn note_reasons(seen: &mut Seen, meta: &Meta) {
    let execution = &meta.execution;
    let reasons = execution.reason.iter().chain(execution.runs.iter().filter_map(engine::StageRun::reason));
    for reason in reasons {
        let code = match &reason.code {
            Code::Known(code) => code.as_str(),
            Code::Stage(code) => code.as_str(),
        };
        if !seen.codes.contains(code) {
            seen.codes.insert(code.to_owned());
        }
    }
}

fn note_questions(seen: &mut Seen, meta: &Meta) {
    for (at, stage) in meta.execution.runs.iter().enumerate() {
        let judged = |signals: &[String]| signals.iter().any(|signal| signal == "judgment");
        if stage.live().is_some_and(|live| matches!(&live.phase, engine::Phase::Suspended { signals, .. } if judged(signals))) {
            let list = seen.asked.entry(at).or_default();
            if list.last() != Some(&(stage.attempt, stage.seq)) {
                list.push((stage.attempt, stage.seq));
            }
        }
    }
}

/// The plan, if it came with the transaction or stands in a blob that is new.
fn plan(state: &State, meta: &Meta, transaction: &Transaction) -> Option<Plan> {
    let wanted = keys::plan(&meta.execution.id);
    let written = transaction.writes.iter().find_map(|write| match write {
        Write::Put(item, _) if item.key == wanted => Some(item.body.as_slice()),
        _ => None,
    });
    let known = |run: usize| state.watch.runs[run].meta.as_ref().is_some_and(|before| before.plan == meta.plan);
    let blob = || state.blob(&meta.plan).filter(|_| !state.watch.run_of(meta.execution.id.as_str()).is_some_and(known));
    decode(written.or_else(blob)?).ok()
}

/// An execution is there for the first time: which of the scenario's it is stands in its plan.
fn begins(state: &mut State, meta: &Meta, transaction: &Transaction) -> Option<usize> {
    let id = meta.execution.id.to_string();
    let Some(plan) = plan(state, meta, transaction) else {
        state.fail("plan-missing", format!("execution {id} was committed before its plan {}", meta.plan));
        return None;
    };
    let Some(run) = which(state, &plan) else {
        state.fail("unforeseen", format!("execution {id} was started, and nobody asked for it"));
        return None;
    };
    if let Some(other) = &state.watch.runs[run].id {
        let message = format!("run {run} was started as {other} and as {id}");
        state.fail("started-twice", message);
        return None;
    }
    let seen = &mut state.watch.runs[run];
    seen.id = Some(id.clone());
    state.watch.by_id.insert(id, run);
    Some(run)
}

/// Which execution of the scenario a plan is of.
fn which(state: &State, plan: &Plan) -> Option<usize> {
    let runs = &state.scenario.runs;
    if let Some(parent) = &plan.parent {
        let above = state.watch.run_of(parent.execution.as_str())?;
        return state.scenario.child_of(above, parent.run, parent.attempt);
    }
    match plan.trigger.get("waybill").and_then(|waybill| waybill.get("rerunOf")?.as_str()) {
        Some(of) => {
            let of = state.watch.run_of(of)?;
            runs.iter().position(|run| run.from == From::Rerun(of))
        }
        None if plan.trigger.contains_key("tag") => crate::pushes::run_of(plan.trigger.get("tag")?.as_str()?),
        None => plan.trigger.get("run").and_then(serde_json::Value::as_u64).map(|run| run as usize),
    }
}

/// What must hold between META before and after.
fn follows(state: &mut State, run: usize, before: &Meta, after: &Meta, task: u64) {
    let (was, is) = (&before.execution, &after.execution);
    if is.version == was.version {
        if was != is {
            state.fail("changed-without-version", format!("run {run}: version {} stands for two different states", is.version));
        }
        return;
    }
    if is.version != was.version + 1 {
        state.fail("version-jumped", format!("run {run}: {} follows {}", is.version, was.version));
    }
    if let Err(what) = invariants::check(was, is) {
        state.fail("invariant", format!("run {run}, version {}: {what}", is.version));
    }
    let parked = is
        .reason
        .as_ref()
        .is_some_and(|reason| matches!(reason.code, Code::Known(ReasonCode::OrchestratorCrash | ReasonCode::PlanUnreadable)));
    let mine = state.watch.fences.get(&(task, run));
    let reopened = was.status.is_complete() && is.generation == was.generation + 1;
    // One that nobody moved yet is taken with its first commit.
    let fresh = was.version == 0 && before.takes == 0 && before.fence.is_empty();
    if !parked && !reopened && !fresh && mine != Some(&before.fence) {
        state.fail("committed-without-lease", format!("run {run}, version {}: the worker held {mine:?}, not {}", is.version, before.fence));
    }
}

fn log(state: &mut State, id: &str, item: &Item, transaction: &Transaction) {
    let Some(run) = state.watch.run_of(id) else { return };
    let Ok(entry) = decode::<LogEntry>(&item.body) else {
        return state.fail("damaged", format!("{:?}", item.key));
    };
    for verdict in entry.verdicts {
        let removes = transaction
            .writes
            .iter()
            .any(|write| matches!(write, Write::Delete(key, _) if key.sort.strip_prefix("EVT#") == Some(verdict.id.as_str())));
        let stored = state.watch.runs[run].events.contains_key(&verdict.id);
        if stored && !removes {
            state.fail("event-kept", format!("run {run}: event {} has a verdict and stays", verdict.id));
        }
        state.tell(|| format!("    run {run}: event {} is {}", verdict.id, verdict.verdict));
        let list = state.watch.runs[run].events.entry(verdict.id.clone()).or_default();
        list.push(verdict.verdict);
        if list.len() > 1 {
            let message = format!("run {run}: event {} was consumed as {list:?}", verdict.id);
            state.fail("event-twice", message);
        }
    }
}

fn event_stored(state: &mut State, id: &str, sort: &str) {
    let Some(run) = state.watch.run_of(id) else { return };
    let event = sort.trim_start_matches("EVT#").to_owned();
    if state.watch.runs[run].events.get(&event).is_some_and(|verdicts| !verdicts.is_empty()) {
        return state.fail("event-again", format!("run {run}: event {event} was consumed, and stored again"));
    }
    state.watch.runs[run].events.entry(event).or_default();
}

/// An event may go only with its verdict.
fn event_removed(state: &mut State, id: &str, sort: &str, transaction: &Transaction) {
    let Some(run) = state.watch.run_of(id) else { return };
    let event = sort.trim_start_matches("EVT#");
    let answered = transaction.writes.iter().any(|write| match write {
        Write::Put(item, _) if item.key.sort.starts_with("LOG#") => {
            decode::<LogEntry>(&item.body).is_ok_and(|log| log.verdicts.iter().any(|verdict| verdict.id == event))
        }
        _ => false,
    });
    if !answered {
        state.fail("event-lost", format!("run {run}: event {event} was removed without a verdict"));
    }
}

/// A trace item: only the worker that holds the execution may write one.
fn trace(state: &mut State, id: &str, sort: &str, task: u64) {
    let Some(run) = state.watch.run_of(id) else { return };
    let held = state.watch.runs[run].meta.as_ref().map(|meta| meta.fence.clone()).unwrap_or_default();
    if state.watch.fences.get(&(task, run)) != Some(&held) {
        state.fail("fenced-worker-wrote", format!("run {run}: {sort} was written by a worker that was overtaken"));
    }
}

fn tell(state: &mut State, run: usize, before: Option<&Meta>, after: &Meta, who: Who) {
    let status = |meta: &Meta, at: usize| meta.execution.run(at).map_or(Status::NotStarted, engine::StageRun::status);
    let changes = || {
        let mut text = String::new();
        for at in 0..after.execution.runs.len() {
            let was = before.map_or(Status::NotStarted, |before| status(before, at));
            if was != status(after, at) {
                text.push_str(&format!(" {at}:{was}→{}", status(after, at)));
            }
        }
        let was = before.map_or(Status::NotStarted, |before| before.execution.status);
        if was != after.execution.status {
            text.push_str(&format!(" whole:{was}→{}", after.execution.status));
        }
        text
    };
    let held = if after.fence.is_empty() { "free" } else { &after.fence[20.min(after.fence.len())..] };
    let version = after.execution.version;
    state.tell(|| format!("p{}  run {run} v{version} {held} takes {}{}", who.process, after.takes, changes()));
}
