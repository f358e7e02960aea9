//! Time passed: polls, waits, retries and time-outs that are due.

use crate::advance;
use crate::ending::{self, stop};
use crate::event::Wake;
use crate::state::{Call, Ending, Execution, Phase, RunState};
use model::Millis;
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use serde_json::json;

pub(crate) fn apply(execution: &mut Execution, now: Millis) {
    if execution.paused.is_some() || expired(execution, now) {
        return;
    }
    for run in 0..execution.runs.len() {
        let Some(live) = execution.run(run).and_then(|stage| stage.live()) else { continue };
        if live.stopping.as_ref().is_some_and(|stopping| stopping.until_ms <= now) {
            ending::stop_overdue(execution, run, now);
        } else if execution.deadline_ms(live).is_some_and(|deadline| deadline <= now) {
            out_of_time(execution, run, now);
        } else {
            wake(execution, run, now);
        }
    }
}

/// Ends an execution that should have begun by now and has not.
pub(crate) fn expired(execution: &mut Execution, now: Millis) -> bool {
    let Some(start_by_ms) = execution.start_by_ms.filter(|by| execution.status == Status::NotStarted && *by < now) else {
        return false;
    };
    let data = json!({"startBy": start_by_ms, "queued": execution.queued});
    let reason = Reason::new(ReasonCode::StartTimeExpired, "it had not begun when the time for that was over", now).with(data);
    advance::end(execution, Status::Canceled, Some(reason), now);
    true
}

/// A stage's time is over: its component may say how it ends, its parts are stopped, a plan is not waited for.
fn out_of_time(execution: &mut Execution, run: usize, now: Millis) {
    let Some((_, live)) = execution.live_of(run) else { return };
    live.timed_out = true;
    match live.phase.clone() {
        Phase::Step { call: Call::Plan(_), .. } | Phase::BackOff { call: Call::Plan(_), .. } => ending::time_out(execution, run, None, now),
        Phase::Children { .. } => {
            let message = "the stage that it is a part of ran out of time";
            let parts: Vec<usize> = execution.children(run, None).collect();
            for part in parts {
                let reason = Some(Reason::new(ReasonCode::CanceledByFailure, message, now));
                stop(execution, part, Ending { status: Status::Canceled, reason }, now);
            }
        }
        _ => execution.schedule(run, Call::Step, Wake::TimedOut, now),
    }
}

/// What a live stage waited for has come.
fn wake(execution: &mut Execution, run: usize, now: Millis) {
    let Some(RunState::Live(live)) = execution.runs.get_mut(run).map(|stage| &mut stage.state) else { return };
    let call = if live.stopping.is_some() { Call::Cancel } else { Call::Step };
    match &live.phase {
        Phase::Wait { until_ms } | Phase::Suspended { until_ms: Some(until_ms), .. } if *until_ms <= now => {
            execution.schedule(run, call, Wake::Poll, now);
        }
        Phase::BackOff { until_ms, retry, call, wake } if *until_ms <= now => {
            let (call, retry) = (*call, *retry);
            // A signal comes once, and a last word is the last: what the first try was told, the repetition is told again.
            let wake = match wake {
                Wake::Signal { .. } | Wake::TimedOut => wake.clone(),
                Wake::Start | Wake::Poll | Wake::Retry(_) => Wake::Retry(retry),
            };
            live.phase = Phase::Step { call, wake, retry, scheduled_ms: now };
            live.reason = None;
        }
        Phase::Window { until_ms } if *until_ms <= now => {
            live.phase = Phase::Resolve;
            live.reason = None;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{TIMEOUT_MS, apply, begun, execution, reason, step, stepping, succeed_on_timeout, with_nodes};
    use crate::{Call, Effect, Event, Execution, Outcome, Verdict, Wake, decide, wake_at, wanted};
    use model::component::Part;
    use model::reason::ReasonCode;
    use model::status::Status;

    fn tick(execution: &Execution, now: u64) -> Execution {
        decide(execution, &Event::Tick, now).unwrap().execution
    }

    #[test]
    fn a_wait_ends_at_its_instant_not_before_and_only_once() {
        let outcome = Outcome::Suspended { signals: vec![], until_ms: Some(50_000), reason: reason() };
        let waiting = step(&stepping(&execution(&[&[]])), 0, outcome);
        assert_eq!(wake_at(&waiting), Some(50_000));
        assert_eq!(tick(&waiting, 49_999), waiting);
        let woken = tick(&waiting, 50_000);
        assert!(matches!(wanted(&woken).as_slice(), [Effect::Step { seq: 1, wake: Wake::Poll, .. }]));
        assert_eq!(tick(&woken, 50_001), woken, "a double tick changes nothing");
    }

    fn out_of_time(execution: &Execution) -> Execution {
        let waiting = step(&stepping(execution), 0, Outcome::Running { poll_after_ms: 900_000 });
        let told = tick(&waiting, 1_000 + TIMEOUT_MS);
        assert!(matches!(wanted(&told).as_slice(), [Effect::Step { wake: Wake::TimedOut, .. }]));
        assert_eq!(wake_at(&told), Some(1_000 + TIMEOUT_MS), "its last step is to be made now; the deadline counts no more");
        told
    }

    // Rule 2.6: `stageTimeoutMs` bounds the whole stage; it is told, and its next answer is its last
    #[test]
    fn a_stage_out_of_time_is_told_and_may_only_end() {
        let told = out_of_time(&execution(&[&[]]));
        let ended = step(&told, 0, Outcome::Running { poll_after_ms: 1_000 });
        assert_eq!(ended.status, Status::Terminal);
        assert!(ended.run(0).unwrap().reason().unwrap().is(ReasonCode::StageTimedOut));
        assert_eq!(step(&told, 0, Outcome::Succeeded).status, Status::Succeeded, "it was done after all");
    }

    #[test]
    fn its_own_words_are_kept_in_the_reason() {
        let told = out_of_time(&execution(&[&[]]));
        let ended = step(&told, 0, Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None });
        assert!(ended.run(0).unwrap().reason().unwrap().message.contains("broken"));
    }

    #[test]
    fn a_last_word_that_could_not_be_said_is_asked_for_again() {
        let told = out_of_time(&execution(&[&[]]));
        let failed = step(&told, 0, Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: None });
        let again = tick(&failed, wake_at(&failed).unwrap());
        assert!(matches!(wanted(&again).as_slice(), [Effect::Step { wake: Wake::TimedOut, retry: 1, .. }]));
        assert_eq!(step(&again, 0, Outcome::Succeeded).status, Status::Succeeded);
    }

    // Rule 2.6: `markSuccessfulOnTimeout`: a time-out counts as success
    #[test]
    fn a_time_out_may_count_as_success() {
        let told = out_of_time(&succeed_on_timeout(execution(&[&[]])));
        let ended = step(&told, 0, Outcome::Running { poll_after_ms: 1_000 });
        assert_eq!(ended.status, Status::Succeeded);
        assert!(ended.run(0).unwrap().reason().unwrap().is(ReasonCode::StageTimedOut));
    }

    #[test]
    fn a_step_that_hangs_is_overtaken_by_the_deadline() {
        let hanging = stepping(&execution(&[&[]]));
        let told = tick(&hanging, 1_000 + TIMEOUT_MS);
        let late = Event::Stepped { run: 0, attempt: 1, seq: 0, retry: 0, outcome: Outcome::Succeeded };
        assert_eq!(decide(&told, &late, 1_001 + TIMEOUT_MS).unwrap().execution, told, "its answer is stale");
    }

    #[test]
    fn a_plan_is_not_waited_for_beyond_the_stages_time() {
        let hanging = stepping(&with_nodes(execution(&[&[]]), |node| node.plans = true));
        let failed = step(&hanging, 0, Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: Some(u64::MAX) });
        for at in [hanging, failed] {
            let at = tick(&at, 1_000 + TIMEOUT_MS);
            let effects = wanted(&at);
            assert!(matches!(effects.as_slice(), [Effect::Step { call: Call::Plan(Part::OnFailure), .. }]), "{effects:?}");
            let ended = step(&at, 0, Outcome::Planned(vec![]));
            assert_eq!(ended.status, Status::Terminal);
            assert!(ended.run(0).unwrap().reason().unwrap().is(ReasonCode::StageTimedOut));
        }
    }

    #[test]
    fn a_window_is_asked_again_at_its_instant_and_not_before() {
        let hold = Verdict::Hold { until_ms: 90_000, delay: true, reason: reason() };
        let held = apply(&begun(&execution(&[&[]])), &Event::Resolved { run: 0, attempt: 1, verdict: hold });
        assert_eq!(tick(&held, 89_999), held);
        let asked = tick(&held, 90_000);
        assert_eq!(wanted(&asked), [Effect::Resolve { run: 0, attempt: 1 }]);
        assert_eq!(asked.run(0).unwrap().live().unwrap().window, crate::WindowPass::Delayed, "the delay is waited once");
    }
}
