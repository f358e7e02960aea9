//! A step came back: the stage goes on, waits, or ends.

use super::planned;
use crate::ending;
use crate::event::{Outcome, Wake};
use crate::state::{Call, Execution, Limits, Live, Phase};
use model::Millis;
use model::component::Part;
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use serde_json::json;

/// Which step it was; anything else than the step being made is stale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of {
    pub(crate) run: usize,
    pub(crate) attempt: u32,
    pub(crate) seq: u32,
    pub(crate) retry: u32,
}

pub(crate) fn apply(execution: &mut Execution, of: Of, outcome: &Outcome, now: Millis) {
    let jitter = jitter(execution, of);
    let limits = execution.graph.limits();
    let Some((seq, live)) = execution.live_mut(of.run, of.attempt) else { return };
    let Phase::Step { call, retry, wake, .. } = live.phase.clone() else { return };
    if *seq != of.seq || retry != of.retry {
        return;
    }
    if !matches!(outcome, Outcome::Yielded) {
        live.yields = 0;
    }
    if let Outcome::Failed { reason, retryable: true, retry_after_ms } = outcome
        && of.retry < limits.step_retries_max
    {
        return back_off(live, (call, wake), of.retry + 1, (reason, retry_after_ms.unwrap_or_default()), (limits, jitter), now);
    }
    if call == Call::Step && live.timed_out {
        return last_word(execution, of.run, outcome, now);
    }
    if let Call::Plan(part) = call {
        return planning(execution, of.run, part, outcome, now);
    }
    match outcome {
        Outcome::Running { poll_after_ms } => {
            live.phase = Phase::Wait { until_ms: now.saturating_add((*poll_after_ms).max(limits.poll_ms_min).min(limits.poll_ms_max)) };
            if live.stopping.is_none() {
                live.reason = None;
            }
        }
        Outcome::Yielded => yielded(execution, of, now),
        Outcome::Suspended { signals, until_ms, reason } => {
            live.phase = Phase::Suspended { signals: signals.clone(), until_ms: *until_ms };
            live.reason = Some(reason.clone());
        }
        _ if call == Call::Cancel => stopping(execution, of.run, outcome, now),
        Outcome::Succeeded => ending::succeed(execution, of.run, None, now),
        Outcome::Skipped(reason) => execution.finish(of.run, Status::Skipped, Some(reason.clone()), now),
        Outcome::Canceled(reason) => execution.finish(of.run, Status::Canceled, Some(reason.clone()), now),
        Outcome::Planned(_) => {
            let reason = Reason::new(ReasonCode::PluginFault, "the component answered a step with stages", now);
            ending::fail(execution, of.run, reason, now);
        }
        Outcome::Failed { reason, retryable, .. } => {
            let reason = if *retryable { exhausted(reason, limits, now) } else { reason.clone() };
            ending::fail(execution, of.run, reason, now);
        }
        Outcome::Fatal(reason) => execution.finish(of.run, Status::Terminal, Some(reason.clone()), now),
    }
}

fn yielded(execution: &mut Execution, of: Of, now: Millis) {
    let yields_max = execution.graph.limits().yields_in_a_row_max;
    let Some((seq, live)) = execution.live_mut(of.run, of.attempt) else { return };
    live.yields += 1;
    if live.yields > yields_max {
        let message = format!("the component asked {yields_max} times in a row to be called again at once");
        let reason = Reason::new(ReasonCode::PluginFault, message, now);
        if live.stopping.is_some() {
            return stopping(execution, of.run, &Outcome::Fatal(reason), now);
        }
        return ending::fail(execution, of.run, reason, now);
    }
    *seq += 1;
    let call = if live.stopping.is_some() { Call::Cancel } else { Call::Step };
    live.phase = Phase::Step { call, wake: Wake::Poll, retry: 0, scheduled_ms: now };
}

fn back_off(live: &mut Live, made: (Call, Wake), retry: u32, why: (&Reason, u64), how: (Limits, u64), now: Millis) {
    let ((reason, retry_after_ms), (limits, jitter)) = (why, how);
    let doubling = limits.retry_ms_first.saturating_mul(1 << retry.saturating_sub(1).min(16)).min(limits.retry_ms_max);
    let wait = doubling.max(retry_after_ms.min(limits.poll_ms_max)) + doubling * jitter / 1_000;
    let until_ms = now.saturating_add(wait);
    let (call, wake) = made;
    live.phase = Phase::BackOff { call, wake, until_ms, retry };
    let message = format!("{}; attempt {retry} of {} follows", reason.message, limits.step_retries_max);
    live.reason =
        Some(Reason::new(ReasonCode::RetryBackOff, message, now).with(json!({"until": until_ms, "retry": retry, "cause": reason})));
}

/// Up to a quarter of the wait, in thousandths, the same for the same step: the engine has no randomness.
fn jitter(execution: &Execution, of: Of) -> u64 {
    let text = execution.id.as_str().bytes().chain(of.run.to_le_bytes()).chain(of.seq.to_le_bytes()).chain(of.retry.to_le_bytes());
    text.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) % 250
}

fn exhausted(reason: &Reason, limits: Limits, now: Millis) -> Reason {
    let message = format!("{}; {} repetitions did not help", reason.message, limits.step_retries_max);
    Reason::new(ReasonCode::RetriesExhausted, message, now).with(json!({"cause": reason}))
}

/// The answer of a stage whose time is over: an end counts, anything else is the time-out itself.
fn last_word(execution: &mut Execution, run: usize, outcome: &Outcome, now: Millis) {
    match outcome {
        Outcome::Succeeded => ending::succeed(execution, run, None, now),
        Outcome::Fatal(reason) => execution.finish(run, Status::Terminal, Some(reason.clone()), now),
        Outcome::Skipped(reason) | Outcome::Canceled(reason) | Outcome::Failed { reason, .. } => {
            ending::time_out(execution, run, Some(reason), now);
        }
        Outcome::Running { .. } | Outcome::Yielded | Outcome::Suspended { .. } | Outcome::Planned(_) => {
            ending::time_out(execution, run, None, now);
        }
    }
}

/// The answer of a component that is stopping what it began: any end is the end, and a failure is said.
fn stopping(execution: &mut Execution, run: usize, outcome: &Outcome, now: Millis) {
    if let Outcome::Failed { reason, .. } | Outcome::Fatal(reason) = outcome
        && let Some((_, live)) = execution.live_of(run)
        && let Some(own) = live.stopping.as_mut().and_then(|stopping| stopping.ending.reason.as_mut())
    {
        own.message = format!("{}; what it began could not be stopped: {}", own.message, reason.message);
    }
    ending::stopped(execution, run, now);
}

/// What a planning call came to.
fn planning(execution: &mut Execution, run: usize, part: Part, outcome: &Outcome, now: Millis) {
    match outcome {
        Outcome::Planned(nodes) => planned::apply(execution, run, part, nodes, now),
        Outcome::Fatal(reason) => execution.finish(run, Status::Terminal, Some(reason.clone()), now),
        Outcome::Failed { reason, .. } | Outcome::Skipped(reason) | Outcome::Canceled(reason) => {
            planned::failed(execution, run, part, reason.clone(), now);
        }
        Outcome::Running { .. } | Outcome::Yielded | Outcome::Suspended { .. } | Outcome::Succeeded => {
            let reason = Reason::new(ReasonCode::PluginFault, "the component answered a plan with a step's outcome", now);
            planned::failed(execution, run, part, reason, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on::testing::{apply, begun, choose, execution, reason, resolved, statuses, step, stepping};
    use crate::{Event, wake_at};
    use model::pipeline::FailureChoice;

    fn limits() -> Limits {
        Limits::default()
    }

    #[test]
    fn a_chain_runs_to_its_end() {
        let mut at = stepping(&execution(&[&[], &[0]]));
        at = step(&at, 0, Outcome::Succeeded);
        assert_eq!(statuses(&at), [Status::Succeeded, Status::Running]);
        at = step(&resolved(&at, 1), 1, Outcome::Succeeded);
        assert_eq!(at.status, Status::Succeeded);
        assert_eq!(at.reason, None);
        assert_eq!(wake_at(&at), None);
    }

    // Rule 2.3: A stage with several requisites waits for all
    #[test]
    fn a_join_waits_for_both() {
        let mut at = stepping(&execution(&[&[], &[], &[0, 1]]));
        at = step(&at, 0, Outcome::Succeeded);
        assert_eq!(statuses(&at), [Status::Succeeded, Status::Running, Status::NotStarted]);
        at = step(&at, 1, Outcome::Succeeded);
        assert_eq!(statuses(&at), [Status::Succeeded, Status::Succeeded, Status::Running]);
    }

    #[test]
    fn a_stale_or_repeated_answer_changes_nothing() {
        let at = stepping(&execution(&[&[]]));
        let running = step(&at, 0, Outcome::Running { poll_after_ms: 5_000 });
        for (attempt, seq, retry) in [(1, 0, 0), (1, 1, 0), (2, 0, 0), (1, 0, 1)] {
            let event = Event::Stepped { run: 0, attempt, seq, retry, outcome: Outcome::Succeeded };
            assert_eq!(apply(&running, &event), running, "not stepping any more");
        }
        let event = Event::Stepped { run: 0, attempt: 1, seq: 1, retry: 0, outcome: Outcome::Succeeded };
        assert_eq!(apply(&at, &event), at, "a step that was not scheduled");
    }

    #[test]
    fn polls_are_clamped() {
        let at = stepping(&execution(&[&[]]));
        for (asked, got) in [(0, limits().poll_ms_min), (u64::MAX, limits().poll_ms_max)] {
            let Some(until) = wake_at(&step(&at, 0, Outcome::Running { poll_after_ms: asked })) else { panic!("no wake") };
            assert_eq!(until, 1_000 + got);
        }
    }

    // Rule 2.5: The four failure choices, with the status of the stage and of the execution
    #[test]
    fn the_four_failure_choices() {
        let failed = || Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None };
        let cases = [
            (FailureChoice::Halt, Status::Terminal, Status::Terminal),
            (FailureChoice::StopBranch { fail_at_end: true }, Status::Stopped, Status::Terminal),
            (FailureChoice::StopBranch { fail_at_end: false }, Status::Stopped, Status::Succeeded),
            (FailureChoice::Ignore, Status::FailedContinue, Status::Succeeded),
        ];
        for (choice, stage, whole) in cases {
            let at = step(&stepping(&choose(execution(&[&[]]), choice)), 0, failed());
            assert_eq!((statuses(&at).as_slice(), at.status), ([stage].as_slice(), whole), "{choice:?}");
            assert!(at.run(0).unwrap().reason().is_some());
            assert_eq!(at.reason.is_none(), choice == FailureChoice::Ignore, "a stopped branch is said, whatever the end");
        }
    }

    // Rule 2.3: A TERMINAL stage ends the execution at once and cancels what runs
    #[test]
    fn a_halting_failure_cancels_the_other_branch() {
        let at = stepping(&execution(&[&[], &[], &[0, 1]]));
        let at = step(&at, 0, Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None });
        assert_eq!(statuses(&at), [Status::Terminal, Status::Canceled, Status::NotStarted]);
        assert!(at.run(1).unwrap().reason().unwrap().is(ReasonCode::CanceledByFailure));
        assert!(at.reason.as_ref().unwrap().is(ReasonCode::ExecutionFailed));
    }

    // Rule 2.3: Below a STOPPED stage nothing starts; the other branches decide
    #[test]
    fn a_stopped_branch_never_joins_and_the_others_go_on() {
        for (fail_at_end, whole) in [(true, Status::Terminal), (false, Status::Succeeded)] {
            let graph = choose(execution(&[&[], &[], &[0, 1], &[1]]), FailureChoice::StopBranch { fail_at_end });
            let at = step(&stepping(&graph), 0, Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None });
            assert_eq!((statuses(&at)[0], at.status), (Status::Stopped, Status::Running));
            let at = step(&at, 1, Outcome::Succeeded);
            assert_eq!(statuses(&at), [Status::Stopped, Status::Succeeded, Status::NotStarted, Status::Running]);
            let at = step(&resolved(&at, 3), 3, Outcome::Succeeded);
            assert_eq!((statuses(&at)[2], at.status), (Status::NotStarted, whole));
        }
    }

    // Rule 2.3: SKIPPED and FAILED_CONTINUE let what follows start
    #[test]
    fn what_is_below_an_ignored_failure_runs() {
        let graph = choose(execution(&[&[], &[], &[0, 1]]), FailureChoice::Ignore);
        let at = step(&stepping(&graph), 0, Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None });
        let at = step(&at, 1, Outcome::Succeeded);
        assert_eq!(statuses(&at), [Status::FailedContinue, Status::Succeeded, Status::Running]);
    }

    // Rule 2.3: A failure that may pass is repeated with growing pauses, so many times
    #[test]
    fn retries_back_off_and_end() {
        let mut at = stepping(&execution(&[&[]]));
        let failed = || Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: None };
        let mut last = 0;
        for retry in 0..limits().step_retries_max {
            at = apply(&at, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry, outcome: failed() });
            let until = wake_at(&at).unwrap();
            assert!(until - 1_000 > last, "each wait is longer");
            last = until - 1_000;
            assert_eq!(crate::decide(&at, &Event::Tick, until - 1).unwrap().execution, at, "not before its time");
            at = crate::decide(&at, &Event::Tick, until).unwrap().execution;
        }
        at = apply(&at, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry: limits().step_retries_max, outcome: failed() });
        assert_eq!(at.status, Status::Terminal);
        assert!(at.run(0).unwrap().reason().unwrap().is(ReasonCode::RetriesExhausted));
    }

    #[test]
    fn endless_yields_are_stopped() {
        let mut at = stepping(&execution(&[&[]]));
        for _ in 0..limits().yields_in_a_row_max {
            at = step(&at, 0, Outcome::Yielded);
            assert_eq!(at.status, Status::Running);
        }
        assert_eq!(step(&at, 0, Outcome::Yielded).status, Status::Terminal);
    }

    // Rule 2.5: What a person must look at is never ignored
    #[test]
    fn what_a_person_must_look_at_is_never_ignored() {
        let at = stepping(&choose(execution(&[&[]]), FailureChoice::Ignore));
        assert_eq!(step(&at, 0, Outcome::Fatal(reason())).status, Status::Terminal);
    }

    #[test]
    fn nothing_happens_before_the_settings_are_resolved() {
        let at = begun(&execution(&[&[]]));
        assert_eq!(step(&at, 0, Outcome::Succeeded), at);
    }

    #[test]
    fn a_yield_is_called_again_at_once_as_the_next_step() {
        let mut at = stepping(&execution(&[&[]]));
        for next in 1..4 {
            at = step(&at, 0, Outcome::Yielded);
            let effects = crate::wanted(&at);
            assert!(matches!(effects.as_slice(), [crate::Effect::Step { seq, wake: Wake::Poll, .. }] if *seq == next), "{effects:?}");
        }
    }

    /// How long a step waits that failed `retry` times and asks to wait so long.
    fn back_off_ms(retry: u32, retry_after_ms: Option<u64>) -> u64 {
        let failed = || Outcome::Failed { reason: reason(), retryable: true, retry_after_ms };
        let mut at = stepping(&execution(&[&[]]));
        let mut now = 1_000;
        for retry in 0..retry {
            now = wake_at(&at).unwrap();
            at = crate::decide(&at, &Event::Tick, now).unwrap().execution;
            at = crate::decide(&at, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry, outcome: failed() }, now).unwrap().execution;
        }
        wake_at(&at).unwrap() - now
    }

    // Rule 2.3: A failure that may pass is repeated with growing pauses, so many times
    #[test]
    fn a_pause_doubles_and_is_what_the_component_asked_for_or_up_to_a_quarter_more() {
        for (retry, asked, at_least) in [
            (1, None, 1_000),
            (2, None, 2_000),
            (4, None, 8_000),
            (5, None, 16_000),
            (1, Some(30_000), 30_000),
            (5, Some(5_000), 16_000),
            (1, Some(u64::MAX), limits().poll_ms_max),
        ] {
            let waited = back_off_ms(retry, asked);
            let most = at_least + at_least.min(16_000) / 4;
            assert!((at_least..most).contains(&waited), "retry {retry} that asked for {asked:?} waits {waited}");
        }
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let short = Limits { retry_ms_max: 3_000, ..limits() };
        let mut at = execution(&[&[]]);
        at.graph = std::sync::Arc::new(crate::Graph::with_limits(at.graph.nodes().to_vec(), short).unwrap());
        let failed = || Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: None };
        at = stepping(&at);
        for retry in 0..limits().step_retries_max {
            at = apply(&at, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry, outcome: failed() });
            let until = wake_at(&at).unwrap();
            assert!(until - 1_000 < 3_750, "retry {retry}: {until}");
            at = crate::decide(&at, &Event::Tick, until).unwrap().execution;
        }
    }

    /// What failed together is not repeated together.
    #[test]
    fn jitter_differs_from_step_to_step() {
        let at = execution(&[&[]]);
        let of = |run, seq, retry| jitter(&at, Of { run, attempt: 1, seq, retry });
        let ways: [(&str, Vec<u64>); 3] = [
            ("stages", (0..500).map(|run| of(run, 0, 1)).collect()),
            ("steps", (0..500).map(|seq| of(0, seq, 1)).collect()),
            ("repetitions", (0..500).map(|retry| of(0, 0, retry)).collect()),
        ];
        for (what, all) in ways {
            assert!(all.iter().all(|jitter| *jitter < 250), "{what}: up to a quarter");
            let distinct: std::collections::BTreeSet<&u64> = all.iter().collect();
            assert!(distinct.len() > 150, "{what}: {} of 250", distinct.len());
            let alike = all.windows(2).filter(|pair| pair[0] == pair[1]).count();
            assert!(alike < 25, "{what}: {alike} neighbours alike");
        }
    }

    #[test]
    fn a_pause_has_its_jitter() {
        let wide = stepping(&execution(&[&[], &[], &[], &[]]));
        let failed = || Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: None };
        for run in 0..4 {
            let at = step(&wide, run, failed());
            let Phase::BackOff { until_ms, .. } = at.run(run).unwrap().live().unwrap().phase else { panic!("no back-off") };
            let jitter = jitter(&wide, Of { run, attempt: 1, seq: 0, retry: 0 });
            assert_eq!(until_ms, 1_000 + 1_000 + jitter, "a thousandth of a second a thousandth");
        }
    }
}
