//! The execution may begin: its first stages start.

use crate::on::tick;
use crate::state::Execution;
use model::Millis;
use model::status::Status;

pub(crate) fn apply(execution: &mut Execution, now: Millis) {
    if execution.status == Status::NotStarted && !execution.queued && !tick::expired(execution, now) {
        execution.status = Status::Running;
        execution.reason = None;
        execution.started_ms.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, execution, statuses};
    use crate::{Effect, Event, wanted};
    use model::status::Status;

    // Rule 2.3: Every stage without requisites starts when the execution begins
    #[test]
    fn the_first_stages_start_and_only_once() {
        let begun = apply(&execution(&[&[], &[0], &[]]), &Event::Begin);
        assert_eq!(statuses(&begun), [Status::Running, Status::NotStarted, Status::Running]);
        assert_eq!(wanted(&begun), [Effect::Resolve { run: 0, attempt: 1 }, Effect::Resolve { run: 2, attempt: 1 }]);
        assert_eq!(apply(&begun, &Event::Begin), begun, "a repeat changes nothing");
    }
}
