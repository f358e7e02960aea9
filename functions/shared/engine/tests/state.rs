//! What is a graph and what is none, how it grows, and what an execution says about its stages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

use engine::{
    Cancel, Done, Ending, Event, Execution, Graph, InvalidGraph, Limits, Live, Node, Outcome, Parent, STAGE_RUNS_MAX, Stopping, Verdict,
    decide,
};
use model::component::Part;
use model::id::{ExecutionId, RefId};
use model::pipeline::FailureChoice;
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use serde_json::json;
use std::sync::Arc;

const TIMEOUT_MS: u64 = 60_000;

fn node(requisites: &[usize]) -> Node {
    Node {
        ref_id: RefId::parse("a").unwrap(),
        requisites: requisites.to_vec(),
        timeout_ms: TIMEOUT_MS,
        succeed_on_timeout: false,
        failure: FailureChoice::Halt,
        parent: None,
        plans: true,
        compensates: true,
        siblings_continue: false,
        may_skip: true,
    }
}

fn nodes(requisites: &[&[usize]]) -> Vec<Node> {
    requisites.iter().map(|requisites| node(requisites)).collect()
}

fn parent(run: usize) -> Parent {
    Parent { run, attempt: 1, part: Part::Before }
}

#[test]
fn what_is_a_graph_and_what_is_none() {
    let wide = |count| vec![node(&[]); count];
    let part = |of: usize, requisites: &[usize]| Node { parent: Some(parent(of)), ..node(requisites) };
    let cases: Vec<(&str, Vec<Node>, Result<(), InvalidGraph>)> = vec![
        ("nothing", vec![], Err(InvalidGraph::Empty)),
        ("one", wide(1), Ok(())),
        ("as many as may be", wide(STAGE_RUNS_MAX), Ok(())),
        ("one more", wide(STAGE_RUNS_MAX + 1), Err(InvalidGraph::TooLarge)),
        ("a chain", nodes(&[&[], &[0], &[1]]), Ok(())),
        ("a chain written backwards", nodes(&[&[1], &[2], &[]]), Ok(())),
        ("a diamond", nodes(&[&[], &[0], &[0], &[1, 2]]), Ok(())),
        ("one that waits for itself", nodes(&[&[0]]), Err(InvalidGraph::Cycle)),
        ("two that wait for each other", nodes(&[&[], &[2], &[1]]), Err(InvalidGraph::Cycle)),
        ("a requisite that is not there", nodes(&[&[], &[2]]), Err(InvalidGraph::Dangling(1))),
        ("a part", vec![node(&[]), part(0, &[]), part(0, &[1])], Ok(())),
        ("a part of a part", vec![node(&[]), part(0, &[]), part(1, &[])], Ok(())),
        ("a part that requires its whole", vec![node(&[]), part(0, &[0])], Err(InvalidGraph::Foreign(1))),
        ("a part that is required by others", vec![node(&[]), part(0, &[]), node(&[1])], Err(InvalidGraph::Foreign(2))),
        ("a part of what comes later", vec![node(&[]), part(2, &[]), node(&[])], Err(InvalidGraph::Foreign(1))),
        ("a part of itself", vec![node(&[]), part(1, &[])], Err(InvalidGraph::Foreign(1))),
    ];
    for (what, nodes, expected) in cases {
        assert_eq!(Graph::new(nodes).map(|_| ()), expected, "{what}");
    }
}

#[test]
fn planned_stages_require_each_other_and_nothing_else() {
    let limits = Limits { step_retries_max: 1, ..Limits::default() };
    let graph = Graph::with_limits(nodes(&[&[], &[0]]), limits).unwrap();
    let grown = graph.grown(parent(1), &nodes(&[&[], &[0], &[0, 1]])).unwrap();
    let requisites: Vec<&[usize]> = grown.nodes().iter().map(|node| node.requisites.as_slice()).collect();
    assert_eq!(requisites, [&[][..], &[0], &[], &[2], &[2, 3]]);
    assert_eq!(grown.nodes().iter().map(|node| node.parent).collect::<Vec<_>>()[1..3], [None, Some(parent(1))]);
    assert_eq!((graph.limits(), grown.limits()), (limits, limits), "limits are pinned for good");
    let dangling = graph.grown(parent(1), &nodes(&[&[], &[2]]));
    assert_eq!(dangling, Err(InvalidGraph::Dangling(3)), "not a stage that is there already, and not one that is not");
    let deep = grown.grown(parent(3), &nodes(&[&[]])).unwrap();
    assert_eq!((0..6).map(|run| deep.top_of(run)).collect::<Vec<_>>(), [0, 1, 1, 1, 1, 1]);
}

fn apply(execution: &Execution, event: &Event, now: u64) -> Execution {
    decide(execution, event, now).unwrap().execution
}

/// Two stages; the first waits for its first part, which a second one follows.
fn with_parts() -> Execution {
    let graph = Graph::new(nodes(&[&[], &[]])).unwrap();
    let begun = apply(&Execution::new(ExecutionId::parse("x").unwrap(), Arc::new(graph), 0), &Event::Begin, 1_000);
    let resolved = apply(&begun, &Event::Resolved { run: 0, attempt: 1, verdict: Verdict::Run }, 2_000);
    let planned = Outcome::Planned(nodes(&[&[], &[0]]));
    apply(&resolved, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry: 0, outcome: planned }, 3_000)
}

#[test]
fn parts_belong_to_one_attempt_and_one_part_of_their_stage() {
    let at = with_parts();
    let children = |run, part| at.children(run, part).collect::<Vec<_>>();
    assert_eq!((children(0, None), children(0, Some(Part::Before))), (vec![2, 3], vec![2, 3]));
    assert_eq!((children(0, Some(Part::After)), children(1, None), children(9, None)), (vec![], vec![], vec![]));
    assert_eq!((0..4).map(|run| at.is_current(run)).collect::<Vec<_>>(), [true; 4]);
    let ended = apply(&at, &Event::Cancel(Cancel::person("a", "")), 4_000);
    let again = apply(&ended, &Event::Restart { run: 3 }, 5_000);
    assert_eq!((0..4).map(|run| again.is_current(run)).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(again.children(0, None).count(), 0, "what an earlier attempt unfolded into is history");
}

// Rule 2.6: `stageTimeoutMs` bounds the whole stage; it is told, and its next answer is its last
#[test]
fn a_stages_time_counts_from_its_first_step_until_it_has_an_end() {
    let at = with_parts();
    let live = |run: usize| at.run(run).unwrap().live().unwrap().clone();
    let ending = |status| Ending { status, reason: None };
    let stopping = Stopping { ending: ending(Status::Canceled), until_ms: 9_000 };
    let counts = Some(2_000 + TIMEOUT_MS);
    let cases: [(&str, Live, Option<u64>); 6] = [
        ("at work", live(0), counts),
        ("still being resolved", live(1), None),
        ("told that its time is over", Live { timed_out: true, ..live(0) }, None),
        ("being stopped", Live { stopping: Some(stopping), ..live(0) }, None),
        ("it went well and unfolds", Live { verdict: Some(ending(Status::Succeeded)), ..live(0) }, counts),
        ("it failed and unfolds", Live { verdict: Some(ending(Status::Terminal)), ..live(0) }, None),
    ];
    for (what, live, expected) in cases {
        assert_eq!(at.deadline_ms(&live), expected, "{what}");
    }
}

#[test]
fn what_ended_before_generations_were_counted_ended_in_the_first() {
    let done: Done = serde_json::from_value(json!({"status": "SUCCEEDED", "started_ms": 1, "ended_ms": 2, "reason": null})).unwrap();
    assert_eq!(done.generation, 1);
}

#[test]
fn limits_are_those_of_the_execution() {
    let limits = Limits { step_retries_max: 0, ..Limits::default() };
    let one = Node { plans: false, ..node(&[]) };
    let graph = Arc::new(Graph::with_limits(vec![one], limits).unwrap());
    let begun = apply(&Execution::new(ExecutionId::parse("x").unwrap(), graph, 0), &Event::Begin, 1_000);
    let at = apply(&begun, &Event::Resolved { run: 0, attempt: 1, verdict: Verdict::Run }, 1_000);
    let failed = Outcome::Failed { reason: Reason::new(ReasonCode::StageFailed, "broken", 1), retryable: true, retry_after_ms: None };
    let ended = apply(&at, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry: 0, outcome: failed }, 1_000);
    assert_eq!(ended.status, Status::Terminal, "nothing is repeated where nothing may be");
}
