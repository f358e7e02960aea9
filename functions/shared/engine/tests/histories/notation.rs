//! How the histories are written: graphs, events and what an execution looks like, each in a line that can be checked by reading.
//!
//! * a graph: `a plans undo; b < a`: the stages, what is special about each, and what each requires;
//! * an event: `ok a`, `plan a: x; y < x`, `cancel`: what happened, and to which stage;
//! * a picture: `RUNNING | a parts, b -, x step#0`: the execution, and every stage with what it does. `-` has not started, `#` is
//!   the number of the step, `/2` the second attempt, `held` what people see as PAUSED, `!` what is being stopped.

use engine::{Call, Cancel, Event, Execution, Graph, Limits, Node, Outcome, Phase, RunState, Verdict, Wake, decide, wake_at, wanted};
use model::component::Part;
use model::id::{ExecutionId, RefId};
use model::pipeline::FailureChoice;
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use std::sync::Arc;

/// One line of a history: at which second, what happens, what it makes of the execution, and the second at which time alone goes on.
pub(crate) type Line<'a> = (u64, &'a str, &'a str, Option<u64>);

const TIMEOUT_S: u64 = 60;
const POLL_S: u64 = 20;
const RETRY_S: u64 = 10;
const STOP_S: u64 = 40;

/// Plays a history and compares it line by line.
pub(crate) fn play(graph: &str, history: &[Line<'_>]) {
    // A repetition waits for what the component asks for and nothing else, so that the instant can be read off.
    let limits = Limits { step_retries_max: 2, retry_ms_first: 0, stop_ms_max: STOP_S * 1_000, ..Limits::default() };
    let graph = Graph::with_limits(nodes(graph), limits).unwrap();
    let mut at = Execution::new(ExecutionId::parse("x").unwrap(), Arc::new(graph), 0);
    for (second, happens, expected, next) in history {
        let line = format!("at {second} s, {happens}");
        let seen = match happens.split_once(' ') {
            Some(("queued", by)) => {
                (at.queued, at.start_by_ms) = (true, Some(by.parse::<u64>().unwrap() * 1_000 - 1));
                at.reason = Some(because());
                picture(&at)
            }
            _ => match decide(&at, &event(&at, happens), second * 1_000) {
                Ok(decision) => {
                    at = decision.execution;
                    picture(&at)
                }
                Err(refusal) => refusal.code.to_owned(),
            },
        };
        assert_eq!(&seen, expected, "{line}");
        assert_eq!(wake_at(&at), next.map(|next| next * 1_000), "{line}: when time alone goes on");
        assert_eq!(wanted(&at).len(), busy(&at), "{line}: what is to be done");
    }
}

fn because() -> Reason {
    Reason::new(ReasonCode::StageFailed, "because", 0)
}

fn person() -> Cancel {
    Cancel::person("alice", "")
}

fn nodes(text: &str) -> Vec<Node> {
    let stages: Vec<(&str, &str)> = text.split(';').map(|stage| stage.split_once('<').unwrap_or((stage, ""))).collect();
    let names: Vec<&str> = stages.iter().map(|(stage, _)| stage.split_whitespace().next().unwrap()).collect();
    let node = |(stage, requisites): &(&str, &str)| {
        let words: Vec<&str> = stage.split_whitespace().collect();
        let is = |word| words[1..].contains(&word);
        let known = ["plans", "undo", "skip", "alone", "late", "ignore", "stop", "drop"];
        assert!(words[1..].iter().all(|word| known.contains(word)), "{stage}");
        let required = requisites.split(',').map(str::trim).filter(|name| !name.is_empty());
        Node {
            ref_id: RefId::parse(words[0]).unwrap(),
            requisites: required.map(|name| names.iter().position(|other| *other == name).unwrap()).collect(),
            timeout_ms: TIMEOUT_S * 1_000,
            succeed_on_timeout: is("late"),
            failure: match () {
                () if is("ignore") => FailureChoice::Ignore,
                () if is("stop") => FailureChoice::StopBranch { fail_at_end: true },
                () if is("drop") => FailureChoice::StopBranch { fail_at_end: false },
                () => FailureChoice::Halt,
            },
            parent: None,
            plans: is("plans"),
            compensates: is("undo"),
            siblings_continue: is("alone"),
            may_skip: is("skip"),
        }
    };
    stages.iter().map(node).collect()
}

fn event(at: &Execution, text: &str) -> Event {
    let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (stage, more) = rest.split_once([' ', ':']).unwrap_or((rest, ""));
    // Of several with one name, the newest: what an earlier attempt unfolded into is history.
    let run = at.graph.nodes().iter().rposition(|node| node.ref_id.as_str() == stage).unwrap_or_default();
    let attempt = at.run(run).unwrap().attempt;
    let until_ms = || more.trim().parse::<u64>().unwrap() * 1_000;
    let resolved = |verdict| Event::Resolved { run, attempt, verdict };
    let failed = |retryable| Outcome::Failed { reason: because(), retryable, retry_after_ms: Some(RETRY_S * 1_000) };
    let outcome = match what {
        "begin" => return Event::Begin,
        "tick" => return Event::Tick,
        "grant" => return Event::Granted,
        "superseded" => return Event::Superseded { by: ExecutionId::parse("y").unwrap() },
        "cancel" => return Event::Cancel(person()),
        "pause" => return Event::Pause(person()),
        "resume" => return Event::Resume,
        "restart" => return Event::Restart { run },
        "skip" => return Event::Skip { run, by: person() },
        "open" => return Event::SkipWindow { run },
        "signal" => return Event::Signal { run, name: "go".to_owned(), sender: "alice".to_owned(), body: "{}".to_owned() },
        "change" => return Event::Changed { run, attempt, seq: at.run(run).unwrap().seq },
        "run" => return resolved(Verdict::Run),
        "no" => return resolved(Verdict::Skip(because())),
        "dry" => return resolved(Verdict::DryRun(because())),
        "broken" => return resolved(Verdict::Fail(because())),
        "hold" => return resolved(Verdict::Hold { until_ms: until_ms(), delay: false, reason: because() }),
        "ok" => Outcome::Succeeded,
        "fail" => failed(false),
        "again" => failed(true),
        "fatal" => Outcome::Fatal(because()),
        "skipped" => Outcome::Skipped(because()),
        "poll" => Outcome::Running { poll_after_ms: POLL_S * 1_000 },
        "yield" => Outcome::Yielded,
        "ask" => Outcome::Suspended { signals: vec!["go".to_owned()], until_ms: None, reason: because() },
        "wait" => Outcome::Suspended { signals: vec![], until_ms: Some(until_ms()), reason: because() },
        "plan" if more.trim().is_empty() => Outcome::Planned(vec![]),
        "plan" => Outcome::Planned(nodes(more)),
        other => panic!("no such event: {other}"),
    };
    let retry = match at.run(run).and_then(|stage| stage.live()).map(|live| &live.phase) {
        Some(Phase::Step { retry, .. }) => *retry,
        _ => 0,
    };
    Event::Stepped { run, attempt, seq: at.run(run).unwrap().seq, retry, outcome }
}

/// Stages for which something is to be done now, by what people see of them.
fn busy(at: &Execution) -> usize {
    let busy = |run: &usize| {
        let phase = at.run(*run).and_then(|stage| stage.live()).map(|live| &live.phase);
        at.status_of(*run) != Status::Paused && matches!(phase, Some(Phase::Resolve | Phase::Step { .. } | Phase::Wait { .. }))
    };
    (0..at.runs.len()).filter(busy).count()
}

fn picture(at: &Execution) -> String {
    let stages = (0..at.runs.len()).map(|run| stage(at, run));
    format!("{} | {}", at.status, stages.collect::<Vec<_>>().join(", "))
}

fn stage(at: &Execution, run: usize) -> String {
    let stage = at.run(run).unwrap();
    let name = at.graph.node(run).unwrap().ref_id.as_str();
    let attempt = if stage.attempt > 1 { format!("/{}", stage.attempt) } else { String::new() };
    let state = match &stage.state {
        RunState::NotStarted => "-".to_owned(),
        RunState::Done(done) => done.status.to_string(),
        RunState::Live(live) => {
            let held = if at.status_of(run) == Status::Paused { " held" } else { "" };
            let stopping = if live.stopping.is_some() { "!" } else { "" };
            format!("{stopping}{}{held}", phase(&live.phase, stage.seq))
        }
    };
    format!("{name}{attempt} {state}")
}

fn phase(phase: &Phase, seq: u32) -> String {
    match phase {
        Phase::Resolve => "resolving".to_owned(),
        Phase::Window { .. } => "window".to_owned(),
        Phase::Wait { .. } => "polls".to_owned(),
        Phase::Suspended { .. } => "suspended".to_owned(),
        Phase::BackOff { .. } => "backs off".to_owned(),
        Phase::Children { .. } => "parts".to_owned(),
        Phase::Step { call, wake, .. } => {
            let call = match call {
                Call::Step => "step",
                Call::Cancel => "undo",
                Call::Plan(Part::Before) => "plan before",
                Call::Plan(Part::After) => "plan after",
                Call::Plan(Part::OnFailure) => "plan on failure",
            };
            match wake {
                Wake::Start => format!("{call}#{seq}"),
                Wake::Poll => format!("{call}#{seq} poll"),
                Wake::Signal { name, .. } => format!("{call}#{seq} {name}"),
                Wake::TimedOut => format!("{call}#{seq} last"),
                Wake::Retry(retry) => format!("{call}#{seq} retry {retry}"),
            }
        }
    }
}
