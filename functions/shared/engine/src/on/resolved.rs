//! A stage's condition, window and settings were resolved: it runs, waits, is skipped, or fails.

use crate::ending;
use crate::event::{Verdict, Wake};
use crate::state::{Call, Execution, Phase, WindowPass};
use model::Millis;
use model::component::Part;
use model::status::Status;

pub(crate) fn apply(execution: &mut Execution, run: usize, attempt: u32, verdict: &Verdict, now: Millis) {
    let active = execution.active_ms(now);
    let (timeout_ms, plans) = execution.graph.node(run).map_or((0, false), |node| (node.timeout_ms, node.plans));
    let Some((_, live)) = execution.live_mut(run, attempt).filter(|(_, live)| live.phase == Phase::Resolve) else {
        return;
    };
    match verdict {
        Verdict::Run => {
            live.deadline_ms = Some(active.saturating_add(timeout_ms));
            let call = if plans { Call::Plan(Part::Before) } else { Call::Step };
            live.phase = Phase::Step { call, wake: Wake::Start, retry: 0, scheduled_ms: now };
        }
        Verdict::Hold { until_ms, delay, reason } => {
            live.window = if *delay { WindowPass::Delayed } else { live.window };
            live.phase = Phase::Window { until_ms: *until_ms };
            live.reason = Some(reason.clone());
        }
        Verdict::Skip(reason) => execution.finish(run, Status::Skipped, Some(reason.clone()), now),
        Verdict::DryRun(reason) => execution.finish(run, Status::Succeeded, Some(reason.clone()), now),
        Verdict::Fail(reason) => ending::fail(execution, run, reason.clone(), now),
    }
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, execution, reason, resolved, statuses};
    use crate::{Event, Verdict};
    use model::status::Status;

    // Rule 2.3: SKIPPED and FAILED_CONTINUE let what follows start
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
