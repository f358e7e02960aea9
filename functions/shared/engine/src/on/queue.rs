//! An execution that waited for a slot of its pipeline got one, or another execution took its place.

use crate::advance;
use crate::state::Execution;
use model::Millis;
use model::id::ExecutionId;
use model::reason::{Reason, ReasonCode};
use model::status::Status;
use serde_json::json;

pub(crate) fn granted(execution: &mut Execution) {
    if execution.status == Status::NotStarted && execution.queued {
        execution.queued = false;
        execution.reason = None;
    }
}

pub(crate) fn superseded(execution: &mut Execution, by: &ExecutionId, now: Millis) {
    if execution.status != Status::NotStarted || !execution.queued {
        return;
    }
    let message = format!("execution {by} of the same pipeline was started after it and took its place, as the pipeline says");
    let reason = Reason::new(ReasonCode::Superseded, message, now).with(json!({"by": by}));
    advance::end(execution, Status::Canceled, Some(reason), now);
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, execution};
    use crate::{Cancel, Event, Execution, wake_at};
    use model::id::ExecutionId;
    use model::reason::{Reason, ReasonCode};
    use model::status::Status;

    fn queued() -> Execution {
        let mut queued = execution(&[&[]]);
        queued.queued = true;
        queued.reason = Some(Reason::new(ReasonCode::WaitingForSlot, "waits", 0));
        queued
    }

    #[test]
    fn it_begins_only_with_a_slot() {
        let at = queued();
        assert_eq!(wake_at(&at), None);
        assert_eq!(apply(&at, &Event::Begin), at);
        let granted = apply(&at, &Event::Granted);
        assert_eq!((granted.queued, granted.reason.as_ref()), (false, None));
        assert_eq!(apply(&granted, &Event::Begin).status, Status::Running);
        assert_eq!(apply(&granted, &Event::Granted), granted);
    }

    #[test]
    fn a_superseded_one_names_who_took_its_place() {
        let by = ExecutionId::parse("x2").unwrap();
        let ended = apply(&queued(), &Event::Superseded { by: by.clone() });
        assert_eq!(ended.status, Status::Canceled);
        let reason = ended.reason.unwrap();
        assert!(reason.is(ReasonCode::Superseded));
        assert_eq!(reason.data["by"], "x2");
        let begun = apply(&execution(&[&[]]), &Event::Begin);
        assert_eq!(apply(&begun, &Event::Superseded { by }), begun, "it is not waiting");
    }

    // Rule 2.3: Past `startTimeExpiry` it is cancelled instead of begun
    #[test]
    fn one_that_waits_too_long_is_cancelled() {
        let mut at = queued();
        at.start_by_ms = Some(900);
        assert_eq!(wake_at(&at), Some(901), "the instant itself is in time");
        let ended = apply(&at, &Event::Tick);
        assert_eq!(ended.status, Status::Canceled);
        assert!(ended.reason.unwrap().is(ReasonCode::StartTimeExpired));
        let mut late = execution(&[&[]]);
        late.start_by_ms = Some(999);
        assert!(apply(&late, &Event::Begin).reason.unwrap().is(ReasonCode::StartTimeExpired));
        late.start_by_ms = Some(1_000);
        assert_eq!(apply(&late, &Event::Begin).status, Status::Running);
    }

    #[test]
    fn a_slot_matters_only_to_one_that_waits_for_it() {
        let by = || Event::Superseded { by: ExecutionId::parse("x2").unwrap() };
        let fresh = execution(&[&[]]);
        let held = apply(&apply(&fresh, &Event::Begin), &Event::Pause(Cancel::person("alice", "")));
        let told = Execution { reason: Some(Reason::new(ReasonCode::WaitingForUpstream, "waits for something else", 0)), ..fresh.clone() };
        for at in [fresh, held, told] {
            assert_eq!(apply(&at, &Event::Granted), at);
            assert_eq!(apply(&at, &by()), at);
        }
    }
}
