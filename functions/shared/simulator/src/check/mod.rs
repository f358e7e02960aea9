//! What is watched while a run goes on: every transaction that is committed, every step that begins, every change that is
//! sent. What is stored is read back as it was stored; nothing here helps the code under test.

mod end;
mod shown;
mod slots;
mod writes;

pub use end::{Outcome, StageOutcome};
pub(crate) use end::{at_rest, outcome};
pub(crate) use shown::shown;
pub(crate) use writes::{after_write, before_write};

use crate::fault::{Class, Deviation, Fault};
use crate::reality::{Effect, StepId};
use crate::scenario::{From, Question, SYNTHETIC, Scenario, What, When, name_of};
use crate::state::State;
use app::execution::stored::Meta;
use app::ports::{Key, Wake};
use engine::{Graph, Phase, RunState, StageRun};
use model::Millis;
use model::id::PipelineId;
use model::status::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of an execution from what was committed.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) id: Option<String>,
    pub(crate) meta: Option<Meta>,
    pub(crate) graph: Arc<Graph>,
    pub(crate) transitions: u64,
    /// Events that were stored, and what became of each.
    pub(crate) events: BTreeMap<String, Vec<String>>,
    /// Suspensions of each stage, as (attempt, seq).
    asked: BTreeMap<usize, Vec<(u32, u32)>>,
    /// When it was held, in which generation, and until when, on the clock of the world.
    held: Vec<Hold>,
    /// Codes of every reason that it and its stages ever had.
    codes: BTreeSet<String>,
    /// How often it ended.
    ends: usize,
    /// Attempts of stages that came to a gate.
    at_gate: BTreeSet<(usize, u32)>,
    /// Attempts of stages whose component was told that their time is over.
    timed_out: BTreeSet<(usize, u32)>,
}

/// A time in which an execution was held.
struct Hold {
    /// The instant and the generation that are stored.
    of: (Millis, u32),
    from: Millis,
    until: Option<Millis>,
    /// Nothing of it could move by itself anyway.
    still: bool,
}

/// How far the instants that are stored may be from those at which they were.
const SLACK_MS: Millis = 60_000;

/// Everything watched.
pub(crate) struct Watch {
    pub(crate) runs: Vec<Seen>,
    pub(crate) pipelines: Vec<PipelineId>,
    /// The pipeline of each run.
    pipeline_of: Vec<usize>,
    queues: Vec<slots::Queue>,
    by_id: BTreeMap<String, usize>,
    /// The fence that a task wrote last, by task and execution.
    fences: BTreeMap<(u64, usize), String>,
}

impl Watch {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            runs: scenario.runs.iter().map(|_| Seen::default()).collect(),
            pipelines: (0..scenario.pipelines.len()).map(crate::people::pipeline_id).collect(),
            pipeline_of: scenario.runs.iter().map(|run| run.pipeline).collect(),
            queues: scenario.pipelines.iter().map(|pipeline| slots::Queue::of(pipeline.limit)).collect(),
            by_id: BTreeMap::new(),
            fences: BTreeMap::new(),
        }
    }

    pub(crate) fn run_of(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn id_of(&self, run: usize) -> Option<String> {
        self.runs[run].id.clone()
    }

    pub(crate) fn transitions(&self, run: usize) -> u64 {
        self.runs[run].transitions
    }

    /// How often an attempt of a stage has asked.
    pub(crate) fn asked(&self, run: usize, stage: usize, attempt: u32) -> usize {
        let of = |list: &Vec<(u32, u32)>| list.iter().filter(|(asked, _)| *asked == attempt).count();
        self.runs[run].asked.get(&stage).map_or(0, of)
    }

    /// How often an execution has ended.
    pub(crate) fn ends(&self, run: usize) -> usize {
        self.runs[run].ends
    }

    /// How often an execution was held.
    pub(crate) fn held(&self, run: usize) -> usize {
        self.runs[run].held.len()
    }

    /// Whether an execution is held.
    pub(crate) fn is_held(&self, run: usize) -> bool {
        self.runs[run].meta.as_ref().is_some_and(|meta| meta.execution.paused.is_some())
    }

    /// Whether a stage waits for its window.
    pub(crate) fn waits_for_window(&self, run: usize, stage: usize) -> bool {
        self.stage(run, stage).and_then(StageRun::live).is_some_and(|live| matches!(live.phase, Phase::Window { .. }))
    }

    /// How long an execution was held between then and now.
    fn held_ms(&self, run: usize, since: Millis, now: Millis) -> Millis {
        let part = |hold: &Hold| hold.until.unwrap_or(now).saturating_sub(hold.from.max(since));
        self.runs[run].held.iter().map(part).sum()
    }

    /// How often an execution was taken without a commit.
    pub(crate) fn takes(&self, id: &str) -> u32 {
        self.run_of(id).and_then(|run| self.runs[run].meta.as_ref()).map_or(0, |meta| meta.takes)
    }

    /// How often the step was repeated whose trace this key belongs to.
    pub(crate) fn repeated(&self, key: &Key) -> u32 {
        let retry = key.sort.strip_prefix("J#").and_then(|rest| rest.split('#').nth(3)?.parse().ok());
        retry.unwrap_or_default()
    }

    pub(crate) fn comes_to_gate(&mut self, run: usize, stage: usize, attempt: u32) {
        self.runs[run].at_gate.insert((stage, attempt));
    }

    pub(crate) fn timed_out(&self, run: usize, stage: usize, attempt: u32) -> bool {
        self.runs[run].timed_out.contains(&(stage, attempt))
    }

    /// An execution, and those whose stages started it.
    fn line(&self, scenario: &Scenario, run: usize) -> Vec<usize> {
        let above = |run: &usize| match scenario.runs[*run].from {
            From::Child { run, .. } => Some(run),
            From::Person | From::Push | From::Rerun(_) => None,
        };
        std::iter::successors(Some(run), above).collect()
    }

    fn stages(&self, run: usize) -> impl Iterator<Item = &StageRun> {
        self.runs[run].meta.iter().flat_map(|meta| meta.execution.runs.iter())
    }

    /// The newest attempt of the stage that unfolded into this one.
    pub(crate) fn newest_attempt(&self, run: usize, number: usize) -> u32 {
        let name = name_of(number);
        let nodes = self.runs[run].graph.nodes().iter().rev();
        nodes.filter(|node| node.ref_id.as_str() == name).find_map(|node| node.parent).map_or(1, |parent| parent.attempt)
    }

    /// Where the stage with a number stands, and the attempt of its own that belongs to a step's.
    fn position(&self, run: usize, number: usize, attempt: u32) -> Option<(usize, u32)> {
        if number < SYNTHETIC {
            return Some((number, attempt));
        }
        let name = name_of(number);
        let is = |node: &engine::Node| node.ref_id.as_str() == name && node.parent.is_some_and(|parent| parent.attempt == attempt);
        self.runs[run].graph.nodes().iter().position(is).map(|at| (at, 1))
    }

    fn stage(&self, run: usize, stage: usize) -> Option<&StageRun> {
        self.runs[run].meta.as_ref()?.execution.run(stage)
    }
}

fn unanswered(state: &State, run: usize, stage: usize, attempt: u32) -> bool {
    let nth = state.watch.asked(run, stage, attempt).saturating_sub(1);
    let asked = When::Asked(Question { stage, attempt, nth });
    let answers = |event: &&crate::scenario::Outside| {
        event.run == run && event.when == asked && matches!(event.what, What::Answer { stranger: false, .. } | What::Skip { .. })
    };
    !state.scenario.outside.iter().any(|event| answers(&event))
}

/// Waits for an answer that nobody gives, or for an execution that does.
fn waits_in_vain(state: &State, run: usize, at: usize, stage: &StageRun) -> bool {
    let Some(Phase::Suspended { until_ms: None, signals }) = stage.live().map(|live| &live.phase) else { return false };
    if let Some(child) = signals.iter().find_map(|signal| signal.strip_prefix("execution:")) {
        return state.watch.run_of(child).is_some_and(|child| idle(state, child));
    }
    unanswered(state, run, at, stage.attempt)
}

/// Whether everything else of the execution has ended, waits in vain, or stands at a later gate.
pub(crate) fn gate_is_open(state: &State, run: usize, gate: usize) -> bool {
    let rests = |(at, stage): (usize, &StageRun)| {
        let waits = || {
            let waiting = stage.live().is_some_and(|live| matches!(live.phase, Phase::Wait { .. }));
            at > gate && waiting && state.watch.runs[run].at_gate.contains(&(at, stage.attempt))
        };
        at == gate
            || stage.status().is_complete()
            || stage.status() == Status::NotStarted
            || waits_in_vain(state, run, at, stage)
            || waits()
    };
    !state.watch.is_held(run) && state.watch.stages(run).enumerate().all(rests)
}

/// Whether nothing of the execution can move by itself.
pub(crate) fn is_still(state: &State, run: usize) -> bool {
    !state.watch.is_held(run) && rests(state, run)
}

/// Whether it is held, and nothing of it could move by itself if it were not.
pub(crate) fn is_still_held(state: &State, run: usize) -> bool {
    state.watch.is_held(run) && state.watch.runs[run].held.last().is_some_and(|hold| hold.still)
}

/// Whether nothing of it can move by itself, held or not.
fn idle(state: &State, run: usize) -> bool {
    is_still(state, run) || is_still_held(state, run)
}

fn rests(state: &State, run: usize) -> bool {
    let stages = state.watch.stages(run);
    let mut live = stages.enumerate().filter(|(_, stage)| stage.live().is_some()).peekable();
    live.peek().is_some() && live.all(|(at, stage)| waits_in_vain(state, run, at, stage))
}

/// The step that the committed execution wants of a stage.
fn wanted(stage: &StageRun) -> Option<(u32, u32, u32, &engine::Wake)> {
    let RunState::Live(live) = &stage.state else { return None };
    match &live.phase {
        Phase::Step { wake, retry, .. } => Some((stage.attempt, stage.seq, *retry, wake)),
        _ => None,
    }
}

/// The highest repetition of its current step that was committed as one to be made; none before the first. A worker that was overtaken
/// may make it again without knowing.
fn reached(stage: &StageRun) -> Option<u32> {
    let RunState::Live(live) = &stage.state else { return None };
    match &live.phase {
        Phase::Resolve | Phase::Window { .. } => None,
        Phase::Step { retry, .. } => Some(*retry),
        Phase::BackOff { retry, .. } => retry.checked_sub(1),
        Phase::Wait { .. } | Phase::Suspended { .. } | Phase::Children { .. } => Some(u32::MAX),
    }
}

/// A component is called: the step must have been committed before.
pub(crate) fn step_begins(state: &mut State, step: StepId, wake: &Wake) {
    let StepId { run, stage, attempt, seq, retry } = step;
    state.tell(|| format!("    run {run} stage {stage}: step, attempt {attempt} seq {seq} retry {retry}, {wake:?}"));
    if *wake == Wake::TimedOut {
        state.watch.runs[run].timed_out.insert((stage, attempt));
    }
    let Some((at, own)) = state.watch.position(run, stage, attempt) else { return };
    let Some(is) = state.watch.stage(run, at) else { return };
    let begun = is.live().map(|live| live.started_ms);
    let paused = state.watch.runs[run].meta.as_ref().and_then(|meta| meta.execution.paused.as_ref());
    let held = paused.is_some_and(|pause| (own, seq) == (is.attempt, is.seq) && !pause.under_way.contains(&(at, seq)));
    let ahead = (own, seq) > (is.attempt, is.seq)
        || ((own, seq) == (is.attempt, is.seq) && !is.status().is_complete() && reached(is).is_none_or(|reached| reached < retry));
    if held && !state.scenario.classes.may(Deviation::LateRepeat) {
        let message = format!("run {run} stage {stage}: step attempt {attempt} seq {seq} began while the execution was held");
        state.fail("step-while-held", message);
    }
    if ahead {
        let message = format!("run {run} stage {stage}: step attempt {attempt} seq {seq} retry {retry} was made before it was committed");
        state.fail("step-before-commit", message);
    }
    if let (Wake::TimedOut, Some(begun)) = (wake, begun) {
        in_time(state, run, at, begun);
    }
}

/// A stage is told that its time is over: it must have had it, and what it was held does not count.
fn in_time(state: &mut State, run: usize, stage: usize, begun: Millis) {
    let held_ms = state.watch.held_ms(run, begun, state.now);
    let had_ms = state.now.saturating_sub(begun).saturating_sub(held_ms);
    let timeout_ms = state.watch.runs[run].graph.node(stage).map_or(0, |node| node.timeout_ms);
    let sure = !state.scenario.classes.has(Class::Clocks);
    // When a hold begins and ends is said by the worker that folds it, and it may stand still before it can write that down.
    let stood: Millis = state.faults.fired.iter().map(|(_, fault)| if let Fault::Stall(ms) = fault { *ms } else { 0 }).sum();
    if sure && had_ms + SLACK_MS + stood < timeout_ms {
        let message = format!("run {run} stage {stage} was told so after {had_ms} of {timeout_ms} ms; it was held for {held_ms} ms");
        state.fail("time-over-early", message);
    }
}

/// A change is sent: only by the step that is committed as the one to be made, unless the worker may not know that it was
/// overtaken.
pub(crate) fn effect_is_sent(state: &mut State, effect: Effect, rests_on_a_read: bool) {
    let StepId { run, stage, attempt, seq, retry } = effect.step;
    let Some((at, own)) = state.watch.position(run, stage, attempt) else { return };
    let Some(is) = state.watch.stage(run, at) else { return };
    let wants = wanted(is).map(|(attempt, seq, retry, _)| (attempt, seq, retry));
    if wants == Some((own, seq, retry)) {
        return;
    }
    let message = format!(
        "run {run} stage {stage}: a change of attempt {attempt} seq {seq} retry {retry} was sent while {wants:?} was wanted, resting on a read: {rests_on_a_read}"
    );
    if !state.scenario.classes.may(Deviation::LateRepeat) {
        state.fail("stale-change", message);
    }
}
