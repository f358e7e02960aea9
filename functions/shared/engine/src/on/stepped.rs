//! A step came back: the stage goes on, waits, or ends.

use crate::event::{Outcome, Wake};
use crate::state::{Execution, Live, Phase};
use crate::{POLL_MS_MAX, POLL_MS_MIN, STEP_RETRIES_MAX, YIELDS_IN_A_ROW_MAX};
use model::Millis;
use model::pipeline::FailureChoice;
use model::reason::{Code, Reason, ReasonCode};
use model::status::Status;
use serde_json::json;

const RETRY_MS_FIRST: u64 = 1_000;
const RETRY_MS_MAX: u64 = 60_000;

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
    let Some((seq, live)) = execution.live_mut(of.run, of.attempt) else { return };
    let Phase::Step { retry, .. } = live.phase else { return };
    if *seq != of.seq || retry != of.retry {
        return;
    }
    if live.timed_out {
        return last_word(execution, of.run, outcome, now);
    }
    if !matches!(outcome, Outcome::Yielded) {
        live.yields = 0;
    }
    match outcome {
        Outcome::Running { poll_after_ms } => {
            live.phase = Phase::Wait { until_ms: now.saturating_add((*poll_after_ms).clamp(POLL_MS_MIN, POLL_MS_MAX)) };
            live.reason = None;
        }
        Outcome::Yielded => yielded(execution, of, now),
        Outcome::Suspended { signals, until_ms, reason } => {
            live.phase = Phase::Suspended { signals: signals.clone(), until_ms: *until_ms };
            live.reason = Some(reason.clone());
        }
        Outcome::Succeeded => execution.finish(of.run, Status::Succeeded, None, now),
        Outcome::Skipped(reason) => execution.finish(of.run, Status::Skipped, Some(reason.clone()), now),
        Outcome::Canceled(reason) => execution.finish(of.run, Status::Canceled, Some(reason.clone()), now),
        Outcome::Failed { reason, retryable: true, retry_after_ms } if of.retry < STEP_RETRIES_MAX => {
            back_off(live, of.retry + 1, reason, retry_after_ms.unwrap_or_default(), jitter, now);
        }
        Outcome::Failed { reason, retryable, .. } => {
            let reason = if *retryable { exhausted(reason, now) } else { reason.clone() };
            fail(execution, of.run, reason, now);
        }
        Outcome::Fatal(reason) => execution.finish(of.run, Status::Terminal, Some(reason.clone()), now),
    }
}

fn yielded(execution: &mut Execution, of: Of, now: Millis) {
    let Some((seq, live)) = execution.live_mut(of.run, of.attempt) else { return };
    live.yields += 1;
    if live.yields > YIELDS_IN_A_ROW_MAX {
        let message = format!("the component asked {YIELDS_IN_A_ROW_MAX} times in a row to be called again at once");
        return fail(execution, of.run, Reason::new(ReasonCode::PluginFault, message, now), now);
    }
    *seq += 1;
    live.phase = Phase::Step { wake: Wake::Poll, retry: 0, scheduled_ms: now };
}

fn back_off(live: &mut Live, retry: u32, reason: &Reason, retry_after_ms: u64, jitter: u64, now: Millis) {
    let doubling = RETRY_MS_FIRST.saturating_mul(1 << retry.saturating_sub(1).min(16)).min(RETRY_MS_MAX);
    let wait = doubling.max(retry_after_ms.min(POLL_MS_MAX)) + doubling * jitter / 1_000;
    let until_ms = now.saturating_add(wait);
    live.phase = Phase::BackOff { until_ms, retry };
    let message = format!("{}; attempt {retry} of {STEP_RETRIES_MAX} follows", reason.message);
    live.reason =
        Some(Reason::new(ReasonCode::RetryBackOff, message, now).with(json!({"until": until_ms, "retry": retry, "cause": reason})));
}

/// Up to a quarter of the wait, in thousandths, the same for the same step: the engine has no randomness.
fn jitter(execution: &Execution, of: Of) -> u64 {
    let text = execution.id.as_str().bytes().chain(of.run.to_le_bytes()).chain(of.seq.to_le_bytes()).chain(of.retry.to_le_bytes());
    text.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) % 250
}

fn exhausted(reason: &Reason, now: Millis) -> Reason {
    let message = format!("{}; {STEP_RETRIES_MAX} repetitions did not help", reason.message);
    Reason::new(ReasonCode::RetriesExhausted, message, now).with(json!({"cause": reason}))
}

/// The answer of a stage whose time is over: an end counts, anything else is the time-out itself.
fn last_word(execution: &mut Execution, run: usize, outcome: &Outcome, now: Millis) {
    let said = match outcome {
        Outcome::Succeeded => return execution.finish(run, Status::Succeeded, None, now),
        Outcome::Fatal(reason) => return execution.finish(run, Status::Terminal, Some(reason.clone()), now),
        Outcome::Skipped(reason) | Outcome::Canceled(reason) | Outcome::Failed { reason, .. } => Some(reason),
        Outcome::Running { .. } | Outcome::Yielded | Outcome::Suspended { .. } => None,
    };
    let node = execution.graph.node(run);
    let within = node.map(|node| node.timeout_ms).unwrap_or_default();
    let message = match said {
        Some(reason) => format!("it did not end within its time: {}", reason.message),
        None => "it did not end within its time".to_owned(),
    };
    let said = said.map(|reason| json!(reason)).unwrap_or_default();
    let reason = Reason::new(ReasonCode::StageTimedOut, message, now).with(json!({"timeoutMs": within, "said": said}));
    if node.is_some_and(|node| node.succeed_on_timeout) {
        return execution.finish(run, Status::Succeeded, Some(reason), now);
    }
    fail(execution, run, reason, now);
}

/// Ends a stage as failed, with the status that the pipeline's failure choice gives it.
pub(crate) fn fail(execution: &mut Execution, run: usize, reason: Reason, now: Millis) {
    let choice = execution.graph.node(run).map_or(FailureChoice::Halt, |node| node.failure);
    let (status, code) = match choice {
        FailureChoice::Halt => return execution.finish(run, Status::Terminal, Some(reason), now),
        FailureChoice::StopBranch { .. } => (Status::Stopped, ReasonCode::BranchStopped),
        FailureChoice::Ignore => (Status::FailedContinue, ReasonCode::FailureIgnored),
    };
    let cause = Reason { code: Code::Known(code), message: reason.message.clone(), data: json!({"cause": reason}), since: now };
    execution.finish(run, status, Some(cause), now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on::testing::{apply, begun, choose, execution, reason, resolved, statuses, step, stepping};
    use crate::{Event, wake_at};

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
        for (asked, got) in [(0, POLL_MS_MIN), (u64::MAX, POLL_MS_MAX)] {
            let Some(until) = wake_at(&step(&at, 0, Outcome::Running { poll_after_ms: asked })) else { panic!("no wake") };
            assert_eq!(until, 1_000 + got);
        }
    }

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

    #[test]
    fn a_halting_failure_cancels_the_other_branch() {
        let at = stepping(&execution(&[&[], &[], &[0, 1]]));
        let at = step(&at, 0, Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None });
        assert_eq!(statuses(&at), [Status::Terminal, Status::Canceled, Status::NotStarted]);
        assert!(at.run(1).unwrap().reason().unwrap().is(ReasonCode::CanceledByFailure));
        assert!(at.reason.as_ref().unwrap().is(ReasonCode::ExecutionFailed));
    }

    #[test]
    fn retries_back_off_and_end() {
        let mut at = stepping(&execution(&[&[]]));
        let failed = || Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: None };
        let mut last = 0;
        for retry in 0..STEP_RETRIES_MAX {
            at = apply(&at, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry, outcome: failed() });
            let until = wake_at(&at).unwrap();
            assert!(until - 1_000 > last, "each wait is longer");
            last = until - 1_000;
            assert_eq!(crate::decide(&at, &Event::Tick, until - 1).unwrap().execution, at, "not before its time");
            at = crate::decide(&at, &Event::Tick, until).unwrap().execution;
        }
        at = apply(&at, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry: STEP_RETRIES_MAX, outcome: failed() });
        assert_eq!(at.status, Status::Terminal);
        assert!(at.run(0).unwrap().reason().unwrap().is(ReasonCode::RetriesExhausted));
    }

    #[test]
    fn endless_yields_are_stopped() {
        let mut at = stepping(&execution(&[&[]]));
        for _ in 0..YIELDS_IN_A_ROW_MAX {
            at = step(&at, 0, Outcome::Yielded);
            assert_eq!(at.status, Status::Running);
        }
        assert_eq!(step(&at, 0, Outcome::Yielded).status, Status::Terminal);
    }

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
}
