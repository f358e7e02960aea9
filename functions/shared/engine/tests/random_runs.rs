//! Random graphs, random answers, random times, repeats and stale answers: every execution comes to rest, and every
//! transition keeps the invariants.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

use engine::{Call, Cancel, Effect, Event, Execution, Graph, Node, Outcome, Verdict, decide, invariants, is_due, wake_at, wanted};
use model::id::{ExecutionId, RefId};
use model::pipeline::FailureChoice;
use model::reason::{Reason, ReasonCode};
use proptest::prelude::*;
use std::sync::Arc;

fn graph(seeds: &[(u8, u8, u8)]) -> Graph {
    let nodes = seeds.iter().enumerate().map(|(i, (first, second, choice))| {
        let mut requisites: Vec<usize> = [first, second].iter().filter(|s| **s % 3 != 0 && i > 0).map(|s| usize::from(**s) % i).collect();
        requisites.dedup();
        let failure = match choice % 4 {
            0 => FailureChoice::Halt,
            1 => FailureChoice::StopBranch { fail_at_end: true },
            2 => FailureChoice::StopBranch { fail_at_end: false },
            _ => FailureChoice::Ignore,
        };
        node(i.to_string(), requisites, *choice, failure)
    });
    Graph::new(nodes.collect()).unwrap()
}

fn node(name: String, requisites: Vec<usize>, choice: u8, failure: FailureChoice) -> Node {
    Node {
        ref_id: RefId::parse(name).unwrap(),
        requisites,
        timeout_ms: 100_000,
        succeed_on_timeout: choice.is_multiple_of(5),
        failure,
        parent: None,
        plans: choice.is_multiple_of(3),
        compensates: choice % 7 < 3,
        siblings_continue: choice.is_multiple_of(11),
        may_skip: choice.is_multiple_of(2),
    }
}

fn planned(dice: u8) -> Outcome {
    let nodes = (0..dice % 4).map(|i| {
        let requisites = if i > 0 && dice.is_multiple_of(3) { vec![usize::from(i - 1)] } else { vec![] };
        // No stage unfolds for ever.
        Node { plans: false, ..node(format!("s{i}"), requisites, dice.wrapping_add(i), FailureChoice::Halt) }
    });
    Outcome::Planned(nodes.collect())
}

fn outcome(call: Call, dice: u8, now: u64) -> Outcome {
    if matches!(call, Call::Plan(_)) && dice % 16 < 12 {
        return planned(dice);
    }
    let reason = Reason::new(ReasonCode::StageFailed, "broken", now);
    match dice % 16 {
        0..=5 => Outcome::Succeeded,
        6 | 7 => Outcome::Running { poll_after_ms: u64::from(dice) * 500 },
        8 => Outcome::Yielded,
        9 => Outcome::Suspended { signals: vec!["go".to_owned()], until_ms: Some(now + 5_000), reason },
        10 => Outcome::Suspended { signals: vec!["go".to_owned()], until_ms: None, reason },
        11 => Outcome::Skipped(reason),
        12 | 13 => Outcome::Failed { reason, retryable: true, retry_after_ms: None },
        14 => Outcome::Failed { reason, retryable: false, retry_after_ms: None },
        _ => Outcome::Fatal(reason),
    }
}

fn fold(execution: &Execution, event: &Event, now: u64) -> Execution {
    let Ok(decision) = decide(execution, event, now) else { return execution.clone() };
    if *event == Event::Tick && !execution.status.is_complete() {
        let begins = execution.start_by_ms.is_some();
        assert!(begins || decision.changed == is_due(execution, now), "a tick changes something when something is due, and only then");
    }
    invariants::check(execution, &decision.execution).unwrap();
    let again = decide(&decision.execution, event, now);
    if let (Ok(again), Event::Stepped { .. } | Event::Resolved { .. } | Event::Changed { .. } | Event::Begin) = (again, event) {
        assert_eq!(again.execution, decision.execution, "the same event twice is the event once: {event:?}");
    }
    decision.execution
}

fn answer(effect: &Effect, dice: u8, now: u64) -> Event {
    match effect {
        Effect::Resolve { run, attempt } => {
            let held = Reason::new(ReasonCode::ExecutionWindow, "closed", now);
            let verdict = match dice % 10 {
                2 => Verdict::Hold { until_ms: now + 10_000, delay: dice.is_multiple_of(4), reason: held },
                3 => Verdict::DryRun(held),
                0 => Verdict::Skip(Reason::new(ReasonCode::ConditionFalse, "no", now)),
                1 => Verdict::Fail(Reason::new(ReasonCode::ExpressionFailed, "no", now)),
                _ => Verdict::Run,
            };
            Event::Resolved { run: *run, attempt: *attempt, verdict }
        }
        Effect::Step { run, attempt, seq, retry, call, .. } => {
            Event::Stepped { run: *run, attempt: *attempt, seq: *seq, retry: *retry, outcome: outcome(*call, dice, now) }
        }
        Effect::Watch { run, attempt, seq } => Event::Changed { run: *run, attempt: *attempt, seq: *seq },
    }
}

fn by() -> Cancel {
    Cancel::person("a", "")
}

/// So many runs as `PROPTEST_CASES` says; 500 unless it does.
fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(500))
}

proptest! {
    #![proptest_config(cases())]
    // Rule 2.2: A complete stage or execution does not change within its generation
    #[test]
    fn every_execution_comes_to_rest(seeds in prop::collection::vec(any::<(u8, u8, u8)>(), 1..12), dice in prop::collection::vec(any::<u8>(), 64)) {
        let mut at = Execution::new(ExecutionId::parse("x").unwrap(), Arc::new(graph(&seeds)), 0);
        let mut now = 1_000;
        let mut stale: Vec<Event> = Vec::new();
        at = fold(&at, &Event::Begin, now);
        for turn in 0..20_000_usize {
            if at.status.is_complete() {
                let run = usize::from(dice[turn % dice.len()]) % at.runs.len();
                if at.generation > 3 || decide(&at, &Event::Restart { run }, now).is_err() {
                    break;
                }
                at = fold(&fold(&at, &Event::Restart { run }, now), &Event::Begin, now);
                continue;
            }
            let roll = dice[turn % dice.len()].wrapping_add(u8::try_from(turn % 251).unwrap());
            let effects = wanted(&at);
            let event = match effects.get(usize::from(roll) % effects.len().max(1)) {
                Some(effect) if roll % 7 != 0 => answer(effect, roll, now),
                _ if roll % 5 == 0 && !stale.is_empty() => stale[usize::from(roll) % stale.len()].clone(),
                _ if at.paused.is_some() => Event::Resume,
                _ if roll == 251 => Event::Cancel(by()),
                _ if roll % 32 == 3 => Event::Pause(by()),
                _ if roll % 32 == 7 => Event::Skip { run: usize::from(roll) % at.runs.len(), by: by() },
                _ if roll % 32 == 11 => Event::SkipWindow { run: usize::from(roll) % at.runs.len() },
                _ if roll % 32 == 15 && at.generation < 4 => Event::Restart { run: usize::from(roll) % at.runs.len() },
                _ => {
                    now = now.max(wake_at(&at).unwrap_or_else(|| panic!("nothing that time brings: {at:#?}")));
                    Event::Tick
                }
            };
            stale.push(event.clone());
            stale.truncate(16);
            at = fold(&at, &event, now);
        }
        prop_assert!(at.status.is_complete(), "did not come to rest: {at:?}");
        prop_assert_eq!(wanted(&at), vec![]);
        prop_assert_eq!(wake_at(&at), None);
    }
}
