//! An execution as the engine knows it: a graph that never changes, and a compact state vector. Settings, contexts and
//! outputs of stages are elsewhere; the engine sees values and verdicts only.

use crate::event::{Cancel, Wake};
use crate::runs::Runs;
use model::Millis;
use model::component::Part;
use model::id::{ExecutionId, RefId};
use model::pipeline::FailureChoice;
use model::reason::Reason;
use model::status::Status;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most stage runs of one execution.
pub const STAGE_RUNS_MAX: usize = 500;

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name within the execution.
    pub ref_id: RefId,
    /// Positions of the nodes that must end well first.
    pub requisites: Vec<usize>,
    /// Time for the whole stage.
    pub timeout_ms: u64,
    /// A time-out counts as success.
    pub succeed_on_timeout: bool,
    /// What a failure does to the rest.
    pub failure: FailureChoice,
    /// The stage that unfolded into this one; none for a stage of the pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Its component unfolds into other stages.
    #[serde(default)]
    pub plans: bool,
    /// Its component can stop what it began.
    #[serde(default)]
    pub compensates: bool,
    /// A stage it unfolded into that fails does not stop the others.
    #[serde(default)]
    pub siblings_continue: bool,
    /// People may skip it.
    #[serde(default)]
    pub may_skip: bool,
}

/// Which stage unfolded into another, when, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its stage run.
    pub run: usize,
    /// The attempt of it; stages of an earlier attempt are history.
    pub attempt: u32,
    /// For what.
    pub part: Part,
}

/// The graph of an execution, checked once, and again whenever it grows; with the limits that hold for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    limits: Limits,
}

/// Limits of one execution, pinned when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// Steps of a failing stage are repeated so often before the stage fails with the last reason.
    pub step_retries_max: u32,
    /// Pause before the first repetition; doubles with each further one.
    pub retry_ms_first: u64,
    /// Longest pause before a repetition.
    pub retry_ms_max: u64,
    /// A component may answer `yielded` so often in a row.
    pub yields_in_a_row_max: u32,
    /// Shortest poll that a component gets.
    pub poll_ms_min: u64,
    /// Longest poll that a component gets.
    pub poll_ms_max: u64,
    /// Time that a component has to stop what it began.
    pub stop_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            step_retries_max: 5,
            retry_ms_first: 1_000,
            retry_ms_max: 60_000,
            yields_in_a_row_max: 100,
            poll_ms_min: 1_000,
            poll_ms_max: 15 * 60_000,
            stop_ms_max: 2 * 60_000,
        }
    }
}

/// Why a list of nodes is no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGraph {
    /// There is nothing to run.
    #[error("there is no stage")]
    Empty,
    /// More nodes than an execution may have.
    #[error("more than {STAGE_RUNS_MAX} stages")]
    TooLarge,
    /// A requisite that is not there.
    #[error("stage {0} requires a stage that does not exist")]
    Dangling(usize),
    /// Nodes that wait for each other.
    #[error("the stages depend on each other in a cycle")]
    Cycle,
    /// A synthetic stage that requires a stage which is not its sibling.
    #[error("stage {0} requires a stage that is not planned together with it")]
    Foreign(usize),
}

impl Graph {
    /// Checks the nodes and makes them a graph under the usual limits.
    pub fn new(nodes: Vec<Node>) -> Result<Self, InvalidGraph> {
        Self::with_limits(nodes, Limits::default())
    }

    /// The limits that hold for the execution.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Checks the nodes and makes them a graph under these limits.
    pub fn with_limits(nodes: Vec<Node>, limits: Limits) -> Result<Self, InvalidGraph> {
        if nodes.is_empty() {
            return Err(InvalidGraph::Empty);
        }
        if nodes.len() > STAGE_RUNS_MAX {
            return Err(InvalidGraph::TooLarge);
        }
        for (position, node) in nodes.iter().enumerate() {
            for requisite in &node.requisites {
                let sibling = nodes.get(*requisite).ok_or(InvalidGraph::Dangling(position))?;
                if sibling.parent != node.parent {
                    return Err(InvalidGraph::Foreign(position));
                }
            }
            if node.parent.is_some_and(|parent| parent.run >= position) {
                return Err(InvalidGraph::Foreign(position));
            }
        }
        let mut passed = vec![false; nodes.len()];
        loop {
            let mut moved = false;
            for (position, node) in nodes.iter().enumerate() {
                let ready = node.requisites.iter().all(|r| passed.get(*r).copied().unwrap_or_default());
                if let Some(mark) = passed.get_mut(position).filter(|mark| !**mark && ready) {
                    *mark = true;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        if passed.contains(&false) { Err(InvalidGraph::Cycle) } else { Ok(Self { nodes, limits }) }
    }

    /// The same graph with the stages that a stage unfolded into; their requisites count from the first of them.
    pub fn grown(&self, parent: Parent, planned: &[Node]) -> Result<Self, InvalidGraph> {
        let first = self.nodes.len();
        let mut nodes = self.nodes.clone();
        for (place, node) in planned.iter().enumerate() {
            if node.requisites.iter().any(|r| *r >= planned.len()) {
                return Err(InvalidGraph::Dangling(first + place));
            }
            let requisites = node.requisites.iter().map(|r| first + r).collect();
            nodes.push(Node { requisites, parent: Some(parent), ..node.clone() });
        }
        Self::with_limits(nodes, self.limits)
    }

    /// The stage of the pipeline that a stage belongs to: itself, or what it was unfolded from.
    #[must_use]
    pub fn top_of(&self, run: usize) -> usize {
        let mut at = run;
        while let Some(parent) = self.node(at).and_then(|node| node.parent).filter(|parent| parent.run < at) {
            at = parent.run;
        }
        at
    }

    /// The nodes, by position.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node at a position.
    #[must_use]
    pub fn node(&self, run: usize) -> Option<&Node> {
        self.nodes.get(run)
    }
}

/// An execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// Raised by one with every commit, by whoever commits.
    pub version: u64,
    /// Restarts of the execution, from 1.
    pub generation: u32,
    /// Where it stands.
    pub status: Status,
    /// Why, unless RUNNING or SUCCEEDED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// It waits for a slot of its pipeline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// It is cancelled when it has not begun by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_by_ms: Option<Millis>,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// How long it was held, in all.
    #[serde(default, skip_serializing_if = "is_none")]
    pub paused_ms: Millis,
    /// How it will end once everything live has wound down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// When it was created.
    pub created_ms: Millis,
    /// When it began.
    pub started_ms: Option<Millis>,
    /// When it ended.
    pub ended_ms: Option<Millis>,
    /// The stage runs, one a node.
    pub runs: Runs,
    /// The graph; from the plan, never stored here.
    #[serde(skip)]
    pub graph: Arc<Graph>,
}

/// What says nothing is not stored.
fn is_none<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Who holds an execution, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why, in their words; may be empty.
    pub reason: String,
    /// Since when.
    pub at_ms: Millis,
    /// Steps that were being made then, as (stage run, step): they are finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub under_way: Vec<(usize, u32)>,
}

/// How something will end, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// How.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
}

/// How far a stage has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRun {
    /// Restarts of the stage run, from 1.
    pub attempt: u32,
    /// Number of the step within the attempt; rises only with a commit.
    pub seq: u32,
    /// Its state and that state's own data.
    pub state: RunState,
    /// Who wants it skipped when its turn comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Cancel>,
}

/// A stage's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Waits for what it requires.
    NotStarted,
    /// At work, or waiting for something it named.
    Live(Box<Live>),
    /// Ended.
    Done(Done),
}

/// A stage at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// When it started.
    pub started_ms: Millis,
    /// When its time is over, on a clock that stands still while the execution is paused; none before it may begin.
    pub deadline_ms: Option<Millis>,
    /// Its time is over and it was told; its next answer is its last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// How often it yielded in a row.
    #[serde(default, skip_serializing_if = "is_none")]
    pub yields: u32,
    /// What it is doing.
    pub phase: Phase,
    /// Why it waits, if it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What became of its execution window.
    #[serde(default, skip_serializing_if = "is_none")]
    pub window: WindowPass,
    /// How its own steps ended, while stages that it unfolds into afterwards are still to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Ending>,
    /// It is being stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
}

/// What became of a stage's execution window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowPass {
    /// It is still to be asked.
    #[default]
    Ask,
    /// It opened, and the stage waited its random delay: only whether it is still open is to be asked.
    Delayed,
    /// Somebody said not to wait.
    Skipped,
}

/// A stage that is being stopped: how it will end, and by when at the latest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// How and why it will end.
    pub ending: Ending,
    /// By then, whatever its component says.
    pub until_ms: Millis,
}

/// Which of a component's exports is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// `lifecycle.step`.
    Step,
    /// `planning`, for this part.
    Plan(Part),
    /// `compensation.cancel`.
    Cancel,
}

/// What a live stage is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Its condition and settings are being resolved.
    Resolve,
    /// It waits for its execution window, or its random delay after that.
    Window {
        /// When to ask again.
        until_ms: Millis,
    },
    /// A call of its component is being made.
    Step {
        /// Which.
        call: Call,
        /// Why.
        wake: Wake,
        /// Which repetition.
        retry: u32,
        /// The only clock the component sees: when the step was scheduled.
        scheduled_ms: Millis,
    },
    /// It polls, and may watch.
    Wait {
        /// The next poll.
        until_ms: Millis,
    },
    /// It waits for a signal or an instant.
    Suspended {
        /// Any of these signals.
        signals: Vec<String>,
        /// Or this instant.
        until_ms: Option<Millis>,
    },
    /// A call failed in a way that may pass.
    BackOff {
        /// Which call is repeated.
        call: Call,
        /// Why it was made: a repeated step is not told less than the first.
        wake: Wake,
        /// When it is repeated.
        until_ms: Millis,
        /// Which repetition it will be.
        retry: u32,
    },
    /// Stages that it unfolded into are at work.
    Children {
        /// Which of them.
        part: Part,
    },
}

/// A stage that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// How.
    pub status: Status,
    /// When it started, if it ever did.
    pub started_ms: Option<Millis>,
    /// When it ended.
    pub ended_ms: Millis,
    /// Why, unless SUCCEEDED.
    pub reason: Option<Reason>,
    /// The generation in which it ended.
    #[serde(default = "first")]
    pub generation: u32,
}

fn first() -> u32 {
    1
}

impl StageRun {
    /// A stage that has not started.
    #[must_use]
    pub fn new() -> Self {
        Self { attempt: 1, seq: 0, state: RunState::NotStarted, skip: None }
    }

    /// The status that people see.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.state {
            RunState::NotStarted => Status::NotStarted,
            RunState::Live(live) => match live.phase {
                Phase::Suspended { .. } => Status::Suspended,
                Phase::Resolve
                | Phase::Window { .. }
                | Phase::Step { .. }
                | Phase::Wait { .. }
                | Phase::BackOff { .. }
                | Phase::Children { .. } => Status::Running,
            },
            RunState::Done(done) => done.status,
        }
    }

    /// Why it stands there.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match &self.state {
            RunState::NotStarted => None,
            RunState::Live(live) => live.reason.as_ref(),
            RunState::Done(done) => done.reason.as_ref(),
        }
    }

    /// The live state, if it is live.
    #[must_use]
    pub fn live(&self) -> Option<&Live> {
        match &self.state {
            RunState::Live(live) => Some(live),
            RunState::NotStarted | RunState::Done(_) => None,
        }
    }
}

impl Default for StageRun {
    fn default() -> Self {
        Self::new()
    }
}

impl Execution {
    /// A fresh execution of a graph.
    #[must_use]
    pub fn new(id: ExecutionId, graph: Arc<Graph>, created_ms: Millis) -> Self {
        let runs = Runs::fresh(graph.nodes().len());
        Self {
            id,
            version: 0,
            generation: 1,
            status: Status::NotStarted,
            reason: None,
            cancel: None,
            queued: false,
            start_by_ms: None,
            paused: None,
            paused_ms: 0,
            ending: None,
            created_ms,
            started_ms: None,
            ended_ms: None,
            runs,
            graph,
        }
    }

    /// The stage run at a position.
    #[must_use]
    pub fn run(&self, run: usize) -> Option<&StageRun> {
        self.runs.get(run)
    }

    /// The status that people see of a stage run: a live one of a paused execution is paused, unless a step is being made.
    #[must_use]
    pub fn status_of(&self, run: usize) -> Status {
        let Some(stage) = self.run(run) else { return Status::NotStarted };
        match (&self.paused, stage.live()) {
            (Some(_), Some(_)) if !self.is_under_way(run) => Status::Paused,
            _ => stage.status(),
        }
    }

    /// A step that was being made when the execution was paused is finished; anything later waits.
    pub(crate) fn is_under_way(&self, run: usize) -> bool {
        let Some(pause) = &self.paused else { return true };
        let Some((stage, live)) = self.run(run).and_then(|stage| Some((stage, stage.live()?))) else { return false };
        matches!(live.phase, Phase::Step { .. }) && pause.under_way.contains(&(run, stage.seq))
    }

    /// The clock of time-outs: it stands still while the execution is paused.
    pub(crate) fn active_ms(&self, now: Millis) -> Millis {
        self.paused.as_ref().map_or(now, |pause| pause.at_ms).saturating_sub(self.paused_ms)
    }

    /// When a live stage's time is over, by the clock on the wall; none while nothing counts.
    #[must_use]
    pub fn deadline_ms(&self, live: &Live) -> Option<Millis> {
        let over = live.timed_out || live.stopping.is_some() || live.verdict.as_ref().is_some_and(|v| v.status != Status::Succeeded);
        live.deadline_ms.filter(|_| !over).map(|deadline| deadline.saturating_add(self.paused_ms))
    }

    /// Stage runs that a stage run unfolded into in its current attempt.
    pub fn children(&self, run: usize, part: Option<Part>) -> impl Iterator<Item = usize> {
        let attempt = self.run(run).map_or(0, |stage| stage.attempt);
        let of = move |parent: &Parent| parent.run == run && parent.attempt == attempt && part.is_none_or(|part| parent.part == part);
        let nodes = self.graph.nodes().iter().enumerate().skip(run + 1);
        nodes.filter(move |(_, node)| node.parent.as_ref().is_some_and(of)).map(|(at, _)| at)
    }

    /// False for a stage that an earlier attempt of its parent unfolded into: it is history.
    #[must_use]
    pub fn is_current(&self, run: usize) -> bool {
        let mut at = run;
        while let Some(parent) = self.graph.node(at).and_then(|node| node.parent) {
            if parent.run >= at || self.run(parent.run).is_none_or(|stage| stage.attempt != parent.attempt) {
                return false;
            }
            at = parent.run;
        }
        true
    }

    pub(crate) fn live_mut(&mut self, run: usize, attempt: u32) -> Option<(&mut u32, &mut Live)> {
        let stage = self.runs.get_mut(run).filter(|r| r.attempt == attempt)?;
        match &mut stage.state {
            RunState::Live(live) => Some((&mut stage.seq, live)),
            RunState::NotStarted | RunState::Done(_) => None,
        }
    }

    pub(crate) fn live_of(&mut self, run: usize) -> Option<(&mut u32, &mut Live)> {
        let attempt = self.run(run)?.attempt;
        self.live_mut(run, attempt)
    }

    /// Schedules a call of a live stage's component as its next step.
    pub(crate) fn schedule(&mut self, run: usize, call: Call, wake: Wake, now: Millis) {
        if let Some((seq, live)) = self.live_of(run) {
            *seq += 1;
            live.reason = None;
            live.phase = Phase::Step { call, wake, retry: 0, scheduled_ms: now };
        }
    }

    pub(crate) fn finish(&mut self, run: usize, status: Status, reason: Option<Reason>, now: Millis) {
        let generation = self.generation;
        if let Some(stage) = self.runs.get_mut(run) {
            let started_ms = stage.live().map(|live| live.started_ms);
            stage.state = RunState::Done(Done { status, started_ms, ended_ms: now, reason, generation });
        }
    }
}
