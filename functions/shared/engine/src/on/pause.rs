//! Somebody holds the execution: what is being done is finished, nothing else begins. It keeps its slot.

use crate::advance;
use crate::event::{Cancel, Refusal};
use crate::state::{Execution, Live, Pause, Phase, StageRun};
use model::Millis;
use model::status::Status;

pub(crate) fn apply(execution: &mut Execution, by: &Cancel, now: Millis) -> Result<(), Refusal> {
    if let Some(ended) = super::ended(execution) {
        return Err(ended);
    }
    match execution.status {
        Status::NotStarted => return Err(Refusal::new("execution-not-started", "the execution has not begun: there is nothing to hold")),
        Status::Paused => return Err(Refusal::new("execution-paused", "the execution is paused already")),
        _ => {}
    }
    let steps = |(run, stage): (usize, &StageRun)| stage.live().is_some_and(is_step).then_some((run, stage.seq));
    let under_way = execution.runs.iter().enumerate().filter_map(steps).collect();
    execution.paused = Some(Pause { by: by.by.clone(), reason: by.reason.clone(), at_ms: now, under_way });
    execution.status = Status::Paused;
    execution.reason = Some(advance::paused_by(by, now));
    Ok(())
}

fn is_step(live: &Live) -> bool {
    matches!(live.phase, Phase::Step { .. })
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{TIMEOUT_MS, apply, begun, execution, reason, statuses, step, stepping, with_nodes};
    use crate::{Cancel, Effect, Event, Outcome, Verdict, decide, wake_at, wanted};
    use model::reason::ReasonCode;
    use model::status::Status;

    fn by() -> Cancel {
        Cancel::person("alice", "lunch")
    }

    fn at(execution: &crate::Execution, event: &Event, now: u64) -> crate::Execution {
        decide(execution, event, now).unwrap().execution
    }

    #[test]
    fn what_is_being_done_is_finished_and_nothing_else_begins() {
        let held = at(&stepping(&execution(&[&[], &[0]])), &Event::Pause(by()), 2_000);
        assert_eq!(held.status, Status::Paused);
        assert!(held.reason.as_ref().unwrap().is(ReasonCode::PausedByUser));
        assert_eq!(wanted(&held).len(), 1, "the step under way");
        assert_eq!(held.status_of(0), Status::Running, "it is not paused yet");
        let done = at(&held, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry: 0, outcome: Outcome::Succeeded }, 3_000);
        assert_eq!(statuses(&done), [Status::Succeeded, Status::NotStarted]);
        assert_eq!((wanted(&done), wake_at(&done)), (vec![], None));
        let on = at(&done, &Event::Resume, 9_000);
        assert_eq!((on.status, statuses(&on)), (Status::Running, vec![Status::Succeeded, Status::Running]));
        assert_eq!(on.reason, None);
    }

    // Rule 2.10: Pause: what is under way is finished, nothing else begins; resume goes on
    #[test]
    fn a_poll_and_a_wait_hold_and_fire_after_the_resume() {
        let waiting = step(&stepping(&execution(&[&[]])), 0, Outcome::Running { poll_after_ms: 5_000 });
        let held = at(&waiting, &Event::Pause(by()), 2_000);
        assert_eq!(held.status_of(0), Status::Paused);
        assert_eq!(at(&held, &Event::Tick, 60_000), held);
        let on = at(&at(&held, &Event::Resume, 60_000), &Event::Tick, 60_000);
        assert_eq!(wanted(&on).len(), 1);
    }

    // Rule 2.6: Paused time is not counted
    #[test]
    fn paused_time_does_not_count_against_the_stage() {
        let waiting =
            step(&stepping(&execution(&[&[]])), 0, Outcome::Suspended { signals: vec!["go".into()], until_ms: None, reason: reason() });
        let deadline = wake_at(&waiting).unwrap();
        let held = at(&waiting, &Event::Pause(by()), 2_000);
        let on = at(&held, &Event::Resume, 2_000 + 7 * TIMEOUT_MS);
        assert_eq!(wake_at(&on), Some(deadline + 7 * TIMEOUT_MS));
        assert_eq!(at(&on, &Event::Tick, deadline + 7 * TIMEOUT_MS - 1), on);
    }

    #[test]
    fn a_signal_is_taken_while_paused_and_acts_on_resume() {
        let waiting =
            step(&stepping(&execution(&[&[]])), 0, Outcome::Suspended { signals: vec!["go".into()], until_ms: None, reason: reason() });
        let held = at(&waiting, &Event::Pause(by()), 2_000);
        let signal = Event::Signal { run: 0, name: "go".into(), sender: "bob".into(), body: "{}".into() };
        for instant in [2_000, 3_000] {
            assert_eq!(wanted(&at(&held, &signal, instant)), [], "not even in the same instant");
        }
        let answered = at(&held, &signal, 3_000);
        assert_eq!(wanted(&at(&answered, &Event::Resume, 4_000)).len(), 1);
    }

    #[test]
    fn what_is_stopped_while_paused_has_its_time_after_it() {
        let undoes = with_nodes(execution(&[&[]]), |node| {
            node.may_skip = true;
            node.compensates = true;
        });
        let waiting = step(&stepping(&undoes), 0, Outcome::Running { poll_after_ms: 900_000 });
        let stop_ms_max = crate::Limits::default().stop_ms_max;
        for (skipped, left) in [(2_000 + stop_ms_max * 3, stop_ms_max), (1_500, stop_ms_max - 500)] {
            let (first, second) = (Event::Skip { run: 0, by: by() }, Event::Pause(by()));
            let events = if skipped < 2_000 { [(first, skipped), (second, 2_000)] } else { [(second, 2_000), (first, skipped)] };
            let held = events.iter().fold(waiting.clone(), |held, (event, now)| at(&held, event, *now));
            let on = at(&held, &Event::Resume, 9_000_000);
            let call = |execution: &crate::Execution| !wanted(execution).is_empty();
            assert!(call(&at(&on, &Event::Tick, 9_000_000 + left - 1)), "its component is asked");
            assert!(!call(&at(&on, &Event::Tick, 9_000_000 + left)));
        }
    }

    #[test]
    fn a_cancel_ends_the_pause() {
        let held = at(&stepping(&execution(&[&[]])), &Event::Pause(by()), 2_000);
        let ended = at(&held, &Event::Cancel(by()), 3_000);
        assert_eq!((ended.status, ended.paused), (Status::Canceled, None));
    }

    #[test]
    fn refusals_say_why() {
        let code = |execution: &crate::Execution, event: &Event| decide(execution, event, 2_000).unwrap_err().code;
        let running = stepping(&execution(&[&[]]));
        assert_eq!(code(&execution(&[&[]]), &Event::Pause(by())), "execution-not-started");
        assert_eq!(code(&running, &Event::Resume), "execution-not-paused");
        let held = apply(&running, &Event::Pause(by()));
        assert_eq!(code(&held, &Event::Pause(by())), "execution-paused");
        let ended = apply(&running, &Event::Cancel(by()));
        assert_eq!((code(&ended, &Event::Pause(by())), code(&ended, &Event::Resume)), ("execution-ended", "execution-ended"));
    }

    // Rule 2.10: Pause: what is under way is finished, nothing else begins; resume goes on
    #[test]
    fn one_whose_last_step_ends_while_it_is_held_is_over() {
        let held = at(&stepping(&execution(&[&[]])), &Event::Pause(by()), 2_000);
        let done = at(&held, &Event::Stepped { run: 0, attempt: 1, seq: 0, retry: 0, outcome: Outcome::Succeeded }, 3_000);
        assert_eq!((done.status, done.ended_ms, done.paused), (Status::Succeeded, Some(3_000), None), "nobody has to resume it for that");
    }

    #[test]
    fn what_was_being_resolved_makes_its_first_step_after_the_resume() {
        let held = at(&begun(&execution(&[&[]])), &Event::Pause(by()), 2_000);
        let answered = at(&held, &Event::Resolved { run: 0, attempt: 1, verdict: Verdict::Run }, 3_000);
        assert_eq!((wanted(&answered), wake_at(&answered), answered.status_of(0)), (vec![], None, Status::Paused));
        let on = at(&answered, &Event::Resume, 9_000);
        assert!(matches!(wanted(&on).as_slice(), [Effect::Step { deadline_ms, .. }] if *deadline_ms == Some(9_000 + TIMEOUT_MS)));
    }

    // Rule 2.6: Paused time is not counted
    #[test]
    fn a_stage_that_starts_after_a_pause_has_all_its_time() {
        let two = step(&stepping(&execution(&[&[], &[]])), 0, Outcome::Running { poll_after_ms: 5_000 });
        let on = at(&at(&two, &Event::Pause(by()), 2_000), &Event::Resume, 5_000);
        let done = at(&on, &Event::Stepped { run: 1, attempt: 1, seq: 0, retry: 0, outcome: Outcome::Succeeded }, 5_000);
        let again =
            at(&at(&done, &Event::Restart { run: 1 }, 6_000), &Event::Resolved { run: 1, attempt: 2, verdict: Verdict::Run }, 7_000);
        let deadline = |run: usize| again.deadline_ms(again.run(run).unwrap().live().unwrap());
        assert_eq!((deadline(0), deadline(1)), (Some(1_000 + TIMEOUT_MS + 3_000), Some(7_000 + TIMEOUT_MS)));
    }
}
