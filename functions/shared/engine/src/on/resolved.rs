//! A stage's condition and settings were resolved: it runs, is skipped, or fails.

use crate::event::{Verdict, Wake};
use crate::on::stepped;
use crate::state::{Execution, Phase};
use model::Millis;
use model::status::Status;

pub(crate) fn apply(execution: &mut Execution, run: usize, attempt: u32, verdict: &Verdict, now: Millis) {
    let Some((_, live)) = execution.live_mut(run, attempt).filter(|(_, live)| live.phase == Phase::Resolve) else {
        return;
    };
    match verdict {
        Verdict::Run => live.phase = Phase::Step { wake: Wake::Start, retry: 0, scheduled_ms: now },
        Verdict::Skip(reason) => execution.finish(run, Status::Skipped, Some(reason.clone()), now),
        Verdict::Fail(reason) => stepped::fail(execution, run, reason.clone(), now),
    }
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, execution, reason, resolved, statuses};
    use crate::{Event, Verdict};
    use model::status::Status;

    #[test]
    fn a_skipped_stage_lets_the_next_one_start() {
        let begun = apply(&execution(&[&[], &[0]]), &Event::Begin);
        let skipped = apply(&begun, &Event::Resolved { run: 0, attempt: 1, verdict: Verdict::Skip(reason()) });
        assert_eq!(statuses(&skipped), [Status::Skipped, Status::Running]);
        assert!(skipped.run(0).unwrap().reason().is_some());
    }

    #[test]
    fn a_stage_that_cannot_run_fails_the_execution() {
        let begun = apply(&execution(&[&[], &[0]]), &Event::Begin);
        let failed = apply(&begun, &Event::Resolved { run: 0, attempt: 1, verdict: Verdict::Fail(reason()) });
        assert_eq!(failed.status, Status::Terminal);
        assert_eq!(statuses(&failed), [Status::Terminal, Status::NotStarted]);
    }

    #[test]
    fn a_stale_answer_changes_nothing() {
        let begun = apply(&execution(&[&[]]), &Event::Begin);
        assert_eq!(apply(&begun, &Event::Resolved { run: 0, attempt: 2, verdict: Verdict::Run }), begun);
        assert_eq!(apply(&begun, &Event::Resolved { run: 7, attempt: 1, verdict: Verdict::Run }), begun);
        let stepping = resolved(&begun, 0);
        assert_eq!(resolved(&stepping, 0), stepping);
    }
}
