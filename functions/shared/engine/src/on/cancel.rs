//! Somebody wants the execution to end: what is live is cancelled, what has not started never starts.

use crate::advance;
use crate::event::{Cancel, Refusal};
use crate::state::Execution;
use model::Millis;
use model::status::Status;

pub(crate) fn apply(execution: &mut Execution, cancel: &Cancel, now: Millis) -> Result<(), Refusal> {
    if execution.status.is_complete() {
        return Err(Refusal::new("execution-ended", format!("the execution is {} already", execution.status)));
    }
    execution.cancel = Some(cancel.clone());
    advance::end(execution, Status::Canceled, Some(advance::canceled_by(cancel, now)), now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, execution, statuses, step, stepping};
    use crate::{Cancel, Event, Outcome, decide, wanted};
    use model::reason::ReasonCode;
    use model::status::Status;

    fn cancel() -> Event {
        Event::Cancel(Cancel { by: "alice".to_owned(), reason: "wrong version".to_owned() })
    }

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

    #[test]
    fn an_ended_execution_cannot_be_cancelled() {
        let ended = apply(&execution(&[&[]]), &cancel());
        assert_eq!(decide(&ended, &cancel(), 9_000).unwrap_err().code, "execution-ended");
    }
}
