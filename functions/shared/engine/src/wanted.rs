//! What is to be done next, and when to look again: derived, never remembered.

use crate::event::Wake;
use crate::state::{Call, Execution, Phase, RunState};
use model::Millis;
use model::status::Status;

/// Something that another room must do for the execution to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Resolve a stage's condition and settings, before the commit that starts it.
    Resolve {
        /// Which stage run.
        run: usize,
        /// Which attempt.
        attempt: u32,
    },
    /// Make a step. Its identity is (run, attempt, seq, retry).
    Step {
        /// Which stage run.
        run: usize,
        /// Which attempt.
        attempt: u32,
        /// Which step.
        seq: u32,
        /// Which repetition.
        retry: u32,
        /// Which export.
        call: Call,
        /// Why.
        wake: Wake,
        /// When it was scheduled.
        scheduled_ms: Millis,
        /// When the stage's time is over, if it ever is.
        deadline_ms: Option<Millis>,
    },
    /// Watch what the stage named in its last answer.
    Watch {
        /// Which stage run.
        run: usize,
        /// Which attempt.
        attempt: u32,
        /// The step it waits after.
        seq: u32,
    },
}

/// Everything that is to be done now, in the order of the stages.
#[must_use]
pub fn wanted(execution: &Execution) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (run, stage) in execution.runs.iter().enumerate() {
        let RunState::Live(live) = &stage.state else { continue };
        if !execution.is_under_way(run) {
            continue;
        }
        match &live.phase {
            Phase::Resolve => effects.push(Effect::Resolve { run, attempt: stage.attempt }),
            Phase::Step { call, wake, retry, scheduled_ms } => effects.push(Effect::Step {
                run,
                attempt: stage.attempt,
                seq: stage.seq,
                retry: *retry,
                call: *call,
                wake: wake.clone(),
                scheduled_ms: *scheduled_ms,
                deadline_ms: execution.deadline_ms(live).or(live.stopping.as_ref().map(|stopping| stopping.until_ms)),
            }),
            Phase::Wait { .. } => effects.push(Effect::Watch { run, attempt: stage.attempt, seq: stage.seq }),
            Phase::Window { .. } | Phase::Suspended { .. } | Phase::BackOff { .. } | Phase::Children { .. } => {}
        }
    }
    effects
}

/// Whether a tick at this instant changes anything. A step that is being made is not waited for by time, but its stage's end is.
#[must_use]
pub fn is_due(execution: &Execution, now: Millis) -> bool {
    if execution.status == Status::NotStarted {
        return execution.start_by_ms.is_some_and(|by| by < now);
    }
    if execution.paused.is_some() {
        return false;
    }
    execution.runs.iter().filter_map(|run| run.live()).any(|live| {
        let until = match &live.phase {
            Phase::Window { until_ms } | Phase::Wait { until_ms } | Phase::BackOff { until_ms, .. } => Some(*until_ms),
            Phase::Suspended { until_ms, .. } => *until_ms,
            Phase::Resolve | Phase::Step { .. } | Phase::Children { .. } => None,
        };
        let stop = live.stopping.as_ref().map(|stopping| stopping.until_ms);
        [until, execution.deadline_ms(live), stop].into_iter().flatten().any(|at| at <= now)
    })
}

/// The earliest instant at which time alone changes something; none when nothing waits for time.
#[must_use]
pub fn wake_at(execution: &Execution) -> Option<Millis> {
    if execution.status == Status::NotStarted {
        // One that waits for a slot is woken by whoever gives it one.
        return if execution.queued { execution.start_by_ms.map(|by| by.saturating_add(1)) } else { Some(execution.created_ms) };
    }
    let under_way = execution.runs.iter().enumerate().filter(|(run, _)| execution.is_under_way(*run));
    under_way
        .filter_map(|(_, stage)| stage.live())
        .flat_map(|live| {
            let until = match &live.phase {
                Phase::Resolve => Some(live.started_ms),
                Phase::Step { scheduled_ms, .. } => Some(*scheduled_ms),
                Phase::Window { until_ms } | Phase::Wait { until_ms } | Phase::BackOff { until_ms, .. } => Some(*until_ms),
                Phase::Suspended { until_ms, .. } => *until_ms,
                Phase::Children { .. } => None,
            };
            let held = execution.paused.is_some();
            let deadline = execution.deadline_ms(live).filter(|_| !held);
            let stop = live.stopping.as_ref().map(|stopping| stopping.until_ms).filter(|_| !held);
            [until, deadline, stop]
        })
        .flatten()
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on::testing::{TIMEOUT_MS, apply, begun, execution, reason, step, stepping, with_nodes};
    use crate::{Cancel, Event, Limits, Outcome, Verdict, decide};

    fn by() -> Cancel {
        Cancel::person("alice", "")
    }

    /// Each execution, and the first instant at which a tick moves it.
    fn waiting() -> Vec<(&'static str, Execution, Option<Millis>)> {
        let at = stepping(&execution(&[&[]]));
        let ask = |until_ms| Outcome::Suspended { signals: vec!["go".to_owned()], until_ms, reason: reason() };
        let failed = step(&at, 0, Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: Some(9_000) });
        let back_off = wake_at(&failed);
        let hold = Verdict::Hold { until_ms: 7_000, delay: false, reason: reason() };
        let undoes = step(&stepping(&with_nodes(execution(&[&[]]), |node| node.compensates = true)), 0, ask(Some(50_000)));
        let undone = step(&apply(&undoes, &Event::Cancel(by())), 0, ask(None));
        let fresh = execution(&[&[]]);
        vec![
            ("fresh", fresh.clone(), None),
            ("to begin by then", Execution { start_by_ms: Some(5_000), ..fresh.clone() }, Some(5_001)),
            (
                "to begin by then, with a slot",
                Execution { start_by_ms: Some(5_000), queued: true, reason: Some(reason()), ..fresh },
                Some(5_001),
            ),
            ("window", apply(&begun(&execution(&[&[]])), &Event::Resolved { run: 0, attempt: 1, verdict: hold }), Some(7_000)),
            ("poll", step(&at, 0, Outcome::Running { poll_after_ms: 5_000 }), Some(6_000)),
            ("instant", step(&at, 0, ask(Some(8_000))), Some(8_000)),
            ("signal", step(&at, 0, ask(None)), Some(1_000 + TIMEOUT_MS)),
            ("repetition", failed, back_off),
            ("step", at.clone(), Some(1_000 + TIMEOUT_MS)),
            ("stop", undone, Some(1_000 + Limits::default().stop_ms_max)),
            ("held", apply(&step(&at, 0, ask(Some(8_000))), &Event::Pause(by())), None),
        ]
    }

    // Rule 2.3: Nothing has to be pushed: what is to be done next follows from the stored execution
    #[test]
    fn a_tick_moves_what_is_due_from_its_instant_on() {
        for (what, at, due) in waiting() {
            let due = due.unwrap_or(9 * TIMEOUT_MS);
            assert!(!is_due(&at, due - 1), "{what} too early");
            assert_eq!(decide(&at, &Event::Tick, due - 1).unwrap().execution, at, "{what} too early");
            if due < 9 * TIMEOUT_MS {
                assert!(is_due(&at, due) && is_due(&at, due + 1), "{what} in time");
                assert!(decide(&at, &Event::Tick, due).unwrap().changed, "{what} in time");
            }
        }
    }

    #[test]
    fn what_waits_for_time_alone_is_looked_at_again_then() {
        for (what, at, due) in waiting() {
            match what {
                "fresh" | "to begin by then" => assert_eq!(wake_at(&at), Some(at.created_ms), "{what}: at once"),
                "step" => assert_eq!(wake_at(&at), Some(1_000), "the step is to be made now"),
                _ => assert_eq!(wake_at(&at), due, "{what}"),
            }
        }
    }

    #[test]
    fn a_step_knows_by_when_it_must_be_done() {
        let deadline = |execution: &Execution| match wanted(execution).as_slice() {
            [Effect::Step { deadline_ms, .. }] => *deadline_ms,
            other => panic!("{other:?}"),
        };
        let at = stepping(&with_nodes(execution(&[&[]]), |node| node.compensates = true));
        assert_eq!(deadline(&at), Some(1_000 + TIMEOUT_MS));
        let undone = decide(&at, &Event::Cancel(by()), 6_000).unwrap().execution;
        assert_eq!(deadline(&undone), Some(6_000 + Limits::default().stop_ms_max), "what is stopped has its own time");
    }
}
