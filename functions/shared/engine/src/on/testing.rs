//! Small executions for the tests beside each event.

use crate::{Event, Execution, Graph, Node, Outcome, Phase, Verdict, decide};
use model::id::{ExecutionId, RefId};
use model::pipeline::FailureChoice;
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use std::sync::Arc;

pub(crate) const TIMEOUT_MS: u64 = 3_600_000;
const NOW: u64 = 1_000;

/// An execution of a graph given by the requisites of each node.
pub(crate) fn execution(requisites: &[&[usize]]) -> Execution {
    let nodes = requisites.iter().enumerate().map(|(i, requisites)| node(&i.to_string(), requisites));
    let graph = Graph::new(nodes.collect()).unwrap();
    Execution::new(ExecutionId::parse("x1").unwrap(), Arc::new(graph), 0)
}

/// A plain stage.
pub(crate) fn node(ref_id: &str, requisites: &[usize]) -> Node {
    Node {
        ref_id: RefId::parse(ref_id).unwrap(),
        requisites: requisites.to_vec(),
        timeout_ms: TIMEOUT_MS,
        succeed_on_timeout: false,
        failure: FailureChoice::Halt,
        parent: None,
        plans: false,
        compensates: false,
        siblings_continue: false,
        may_skip: false,
    }
}

pub(crate) fn with_nodes(mut execution: Execution, change: impl Fn(&mut Node)) -> Execution {
    let mut nodes = execution.graph.nodes().to_vec();
    nodes.iter_mut().for_each(change);
    execution.graph = Arc::new(Graph::new(nodes).unwrap());
    execution
}

pub(crate) fn choose(execution: Execution, choice: FailureChoice) -> Execution {
    with_nodes(execution, |node| node.failure = choice)
}

pub(crate) fn succeed_on_timeout(execution: Execution) -> Execution {
    with_nodes(execution, |node| node.succeed_on_timeout = true)
}

pub(crate) fn apply(execution: &Execution, event: &Event) -> Execution {
    decide(execution, event, NOW).unwrap().execution
}

pub(crate) fn begun(execution: &Execution) -> Execution {
    apply(execution, &Event::Begin)
}

pub(crate) fn resolved(execution: &Execution, run: usize) -> Execution {
    let attempt = execution.run(run).unwrap().attempt;
    apply(execution, &Event::Resolved { run, attempt, verdict: Verdict::Run })
}

/// Begun, and every first stage making its first step.
pub(crate) fn stepping(execution: &Execution) -> Execution {
    let mut at = begun(execution);
    for run in 0..at.runs.len() {
        if at.run(run).unwrap().live().is_some() {
            at = resolved(&at, run);
        }
    }
    at
}

/// The step that a stage is making comes back.
pub(crate) fn step(execution: &Execution, run: usize, outcome: Outcome) -> Execution {
    let stage = execution.run(run).unwrap();
    let retry = match stage.live().map(|live| &live.phase) {
        Some(Phase::Step { retry, .. }) => *retry,
        _ => 0,
    };
    apply(execution, &Event::Stepped { run, attempt: stage.attempt, seq: stage.seq, retry, outcome })
}

pub(crate) fn statuses(execution: &Execution) -> Vec<Status> {
    execution.runs.iter().map(crate::StageRun::status).collect()
}

pub(crate) fn reason() -> Reason {
    Reason::new(ReasonCode::StageFailed, "broken", NOW)
}
