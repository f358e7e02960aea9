//! Time passed: polls, waits, retries and time-outs that are due.

use crate::event::Wake;
use crate::state::{Execution, Phase, RunState};
use model::Millis;

pub(crate) fn apply(execution: &mut Execution, now: Millis) {
    for stage in &mut execution.runs {
        let RunState::Live(live) = &mut stage.state else { continue };
        if live.deadline_ms <= now && !live.timed_out && live.phase != Phase::Resolve {
            live.timed_out = true;
            live.reason = None;
            live.phase = Phase::Step { wake: Wake::TimedOut, retry: 0, scheduled_ms: now };
            stage.seq += 1;
            continue;
        }
        match &live.phase {
            Phase::Wait { until_ms } if *until_ms <= now => {
                live.phase = Phase::Step { wake: Wake::Poll, retry: 0, scheduled_ms: now };
                stage.seq += 1;
            }
            Phase::Suspended { until_ms: Some(until_ms), .. } if *until_ms <= now => {
                live.phase = Phase::Step { wake: Wake::Poll, retry: 0, scheduled_ms: now };
                live.reason = None;
                stage.seq += 1;
            }
            Phase::BackOff { until_ms, retry } if *until_ms <= now => {
                let retry = *retry;
                live.phase = Phase::Step { wake: Wake::Retry(retry), retry, scheduled_ms: now };
                live.reason = None;
            }
            Phase::Resolve | Phase::Step { .. } | Phase::Wait { .. } | Phase::Suspended { .. } | Phase::BackOff { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{TIMEOUT_MS, execution, reason, step, stepping, succeed_on_timeout};
    use crate::{Effect, Event, Execution, Outcome, Wake, decide, wake_at, wanted};
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
        let ended = step(&told, 0, Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: None });
        assert!(ended.run(0).unwrap().reason().unwrap().message.contains("broken"));
    }

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
}
