//! Somebody wants the execution to end: what is live is cancelled, what has not started never starts.

use crate::advance;
use crate::event::{Cancel, Refusal};
use crate::state::Execution;
use model::Millis;
use model::status::Status;

pub(crate) fn apply(execution: &mut Execution, cancel: &Cancel, now: Millis) -> Result<(), Refusal> {
    if let Some(ended) = super::ended(execution) {
        return Err(ended);
    }
    execution.cancel = Some(cancel.clone());
    let reason = advance::canceled_by(cancel, now);
    if execution.status == Status::NotStarted {
        advance::end(execution, Status::Canceled, Some(reason), now);
    } else {
        advance::wind_down(execution, Status::Canceled, reason, cancel.code(), now);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, execution, reason, statuses, step, stepping, with_nodes};
    use crate::{Call, Cancel, Effect, Event, Execution, Outcome, Wake, decide, wake_at, wanted};
    use model::reason::ReasonCode;
    use model::status::Status;

    fn cancel() -> Event {
        Event::Cancel(Cancel::person("alice", "wrong version"))
    }

    // Rule 2.10: Cancel: running stages are told once and end CANCELED, others stay NOT_STARTED
    #[test]
    fn everything_live_ends_and_nothing_starts() {
        let at = stepping(&execution(&[&[], &[], &[0]]));
        let at = apply(&at, &cancel());
        assert_eq!(statuses(&at), [Status::Canceled, Status::Canceled, Status::NotStarted]);
        assert_eq!(at.status, Status::Canceled);
        assert!(at.reason.as_ref().unwrap().is(ReasonCode::CanceledByUser));
        assert!(at.reason.as_ref().unwrap().message.contains("wrong version"));
        assert_eq!(wanted(&at), []);
        assert_eq!(step(&at, 0, Outcome::Succeeded), at, "what comes back later is stale");
    }

    #[test]
    fn an_execution_that_never_began_can_be_cancelled() {
        assert_eq!(apply(&execution(&[&[]]), &cancel()).status, Status::Canceled);
    }

    fn stop_ms_max() -> u64 {
        crate::Limits::default().stop_ms_max
    }

    fn compensating() -> Execution {
        let two = with_nodes(execution(&[&[], &[]]), |node| node.compensates = node.ref_id.as_str() == "0");
        apply(&stepping(&two), &cancel())
    }

    #[test]
    fn a_component_may_undo_what_it_began() {
        let at = compensating();
        assert_eq!(statuses(&at), [Status::Running, Status::Canceled]);
        assert_eq!(at.status, Status::Running);
        assert!(at.reason.as_ref().unwrap().is(ReasonCode::WindingDown));
        assert!(matches!(wanted(&at).as_slice(), [Effect::Step { call: Call::Cancel, wake: Wake::Start, seq: 1, .. }]));
        assert_eq!(decide(&at, &cancel(), 2_000).unwrap_err().code, "execution-ending", "a second cancel");
        let polls = step(&at, 0, Outcome::Running { poll_after_ms: 5_000 });
        let polled = decide(&polls, &Event::Tick, 6_000).unwrap().execution;
        assert!(matches!(wanted(&polled).as_slice(), [Effect::Step { call: Call::Cancel, wake: Wake::Poll, .. }]));
        let ended = step(&polled, 0, Outcome::Succeeded);
        assert_eq!((statuses(&ended)[0], ended.status), (Status::Canceled, Status::Canceled));
        assert!(ended.reason.as_ref().unwrap().is(ReasonCode::CanceledByUser));
    }

    #[test]
    fn undoing_has_its_time_too() {
        let at = compensating();
        assert_eq!(wake_at(&at), Some(1_000));
        let polls = step(&at, 0, Outcome::Suspended { signals: vec!["never".into()], until_ms: None, reason: reason() });
        assert_eq!(wake_at(&polls), Some(1_000 + stop_ms_max()));
        let ended = decide(&polls, &Event::Tick, 1_000 + stop_ms_max()).unwrap().execution;
        assert!(ended.run(0).unwrap().reason().unwrap().is(ReasonCode::CancelTimeout));
        assert_eq!(ended.status, Status::Canceled);
    }

    #[test]
    fn undoing_that_fails_is_said() {
        let at = compensating();
        let at = step(&at, 0, Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None });
        assert_eq!(at.status, Status::Canceled);
        assert!(at.run(0).unwrap().reason().unwrap().message.contains("broken"));
    }

    #[test]
    fn an_ended_execution_cannot_be_cancelled() {
        let ended = apply(&execution(&[&[]]), &cancel());
        assert_eq!(decide(&ended, &cancel(), 9_000).unwrap_err().code, "execution-ended");
    }
}
