//! Somebody sent a signal to a suspended stage. Whether they may was asked before; whether the stage waits for it is asked here.

use crate::event::{Refusal, Wake};
use crate::state::{Call, Execution, Phase, RunState};
use model::Millis;

pub(crate) fn apply(execution: &mut Execution, run: usize, name: &str, sender: &str, body: &str, now: Millis) -> Result<(), Refusal> {
    let Some(stage) = execution.runs.get_mut(run) else {
        return Err(Refusal::new("stage-unknown", "the execution has no such stage"));
    };
    let RunState::Live(live) = &mut stage.state else {
        return Err(Refusal::new("stage-not-waiting", format!("the stage is {}", stage.status())));
    };
    let Phase::Suspended { signals, .. } = &live.phase else {
        return Err(Refusal::new("stage-not-waiting", "the stage does not wait for a signal now"));
    };
    if !signals.iter().any(|s| s == name) {
        return Err(Refusal::new("signal-not-awaited", format!("the stage waits for {}, not for {name}", signals.join(", "))));
    }
    let call = if live.stopping.is_some() { Call::Cancel } else { Call::Step };
    stage.seq += 1;
    let wake = Wake::Signal { name: name.to_owned(), sender: sender.to_owned(), body: body.to_owned() };
    live.phase = Phase::Step { call, wake, retry: 0, scheduled_ms: now };
    live.reason = None;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{execution, reason, statuses, step, stepping};
    use crate::{Event, Execution, Outcome, Wake, decide, wanted};
    use model::status::Status;

    fn suspended() -> Execution {
        let outcome = Outcome::Suspended { signals: vec!["judgment".to_owned()], until_ms: None, reason: reason() };
        step(&stepping(&execution(&[&[], &[0]])), 0, outcome)
    }

    fn signal(run: usize, name: &str) -> Event {
        Event::Signal { run, name: name.to_owned(), sender: "alice".to_owned(), body: "{}".to_owned() }
    }

    #[test]
    fn the_awaited_signal_wakes_the_stage() {
        let at = suspended();
        assert_eq!(statuses(&at), [Status::Suspended, Status::NotStarted]);
        let woken = decide(&at, &signal(0, "judgment"), 2_000).unwrap().execution;
        let effects = wanted(&woken);
        assert!(matches!(effects.as_slice(), [crate::Effect::Step { seq: 1, wake: Wake::Signal { sender, .. }, .. }] if sender == "alice"));
    }

    #[test]
    fn a_repeated_step_hears_the_signal_again() {
        let woken = decide(&suspended(), &signal(0, "judgment"), 2_000).unwrap().execution;
        let failed = step(&woken, 0, Outcome::Failed { reason: reason(), retryable: true, retry_after_ms: None });
        let again = decide(&failed, &Event::Tick, crate::wake_at(&failed).unwrap()).unwrap().execution;
        let effects = wanted(&again);
        assert!(matches!(effects.as_slice(), [crate::Effect::Step { retry: 1, wake: Wake::Signal { body, .. }, .. }] if body == "{}"));
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let at = suspended();
        let code = |execution: &Execution, event: &Event| decide(execution, event, 2_000).unwrap_err().code;
        assert_eq!(code(&at, &signal(0, "other")), "signal-not-awaited");
        assert_eq!(code(&at, &signal(1, "judgment")), "stage-not-waiting");
        assert_eq!(code(&at, &signal(5, "judgment")), "stage-unknown");
        let woken = decide(&at, &signal(0, "judgment"), 2_000).unwrap().execution;
        assert_eq!(code(&woken, &signal(0, "judgment")), "stage-not-waiting", "the second answer comes too late");
    }
}
