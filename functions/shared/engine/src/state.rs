//! An execution as the engine knows it: a graph that never changes, and a compact state vector. Settings, contexts and
//! outputs of stages are elsewhere; the engine sees values and verdicts only.

use crate::event::{Cancel, Wake};
use model::Millis;
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
}

/// The graph of an execution, checked once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
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
}

impl Graph {
    /// Checks the nodes and makes them a graph.
    pub fn new(nodes: Vec<Node>) -> Result<Self, InvalidGraph> {
        if nodes.is_empty() {
            return Err(InvalidGraph::Empty);
        }
        if nodes.len() > STAGE_RUNS_MAX {
            return Err(InvalidGraph::TooLarge);
        }
        for (position, node) in nodes.iter().enumerate() {
            if node.requisites.iter().any(|r| *r >= nodes.len()) {
                return Err(InvalidGraph::Dangling(position));
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
        if passed.contains(&false) { Err(InvalidGraph::Cycle) } else { Ok(Self { nodes }) }
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
    pub reason: Option<Reason>,
    /// Who cancelled it.
    pub cancel: Option<Cancel>,
    /// When it was created.
    pub created_ms: Millis,
    /// When it began.
    pub started_ms: Option<Millis>,
    /// When it ended.
    pub ended_ms: Option<Millis>,
    /// The stage runs, one a node.
    pub runs: Vec<StageRun>,
    /// The graph; from the plan, never stored here.
    #[serde(skip)]
    pub graph: Arc<Graph>,
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
}

/// A stage's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Waits for what it requires.
    NotStarted,
    /// At work, or waiting for something it named.
    Live(Live),
    /// Ended.
    Done(Done),
}

/// A stage at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// When it started.
    pub started_ms: Millis,
    /// When its time is over.
    pub deadline_ms: Millis,
    /// Its time is over and it was told; its next answer is its last.
    pub timed_out: bool,
    /// How often it yielded in a row.
    pub yields: u32,
    /// What it is doing.
    pub phase: Phase,
    /// Why it waits, if it waits.
    pub reason: Option<Reason>,
}

/// What a live stage is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Its condition and settings are being resolved.
    Resolve,
    /// A step is being made.
    Step {
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
    /// A step failed in a way that may pass.
    BackOff {
        /// When it is repeated.
        until_ms: Millis,
        /// Which repetition it will be.
        retry: u32,
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
}

impl StageRun {
    /// A stage that has not started.
    #[must_use]
    pub fn new() -> Self {
        Self { attempt: 1, seq: 0, state: RunState::NotStarted }
    }

    /// The status that people see.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.state {
            RunState::NotStarted => Status::NotStarted,
            RunState::Live(live) => match live.phase {
                Phase::Suspended { .. } => Status::Suspended,
                Phase::Resolve | Phase::Step { .. } | Phase::Wait { .. } | Phase::BackOff { .. } => Status::Running,
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
        let runs = graph.nodes().iter().map(|_| StageRun::new()).collect();
        Self {
            id,
            version: 0,
            generation: 1,
            status: Status::NotStarted,
            reason: None,
            cancel: None,
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

    pub(crate) fn live_mut(&mut self, run: usize, attempt: u32) -> Option<(&mut u32, &mut Live)> {
        let stage = self.runs.get_mut(run).filter(|r| r.attempt == attempt)?;
        match &mut stage.state {
            RunState::Live(live) => Some((&mut stage.seq, live)),
            RunState::NotStarted | RunState::Done(_) => None,
        }
    }

    pub(crate) fn finish(&mut self, run: usize, status: Status, reason: Option<Reason>, now: Millis) {
        if let Some(stage) = self.runs.get_mut(run) {
            let started_ms = stage.live().map(|live| live.started_ms);
            stage.state = RunState::Done(Done { status, started_ms, ended_ms: now, reason });
        }
    }
}
