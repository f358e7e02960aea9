//! Somebody wants a stage left out, or does not want to wait for its execution window.

use crate::advance;
use crate::ending;
use crate::event::{Cancel, Refusal};
use crate::state::{Ending, Execution, Phase, RunState, WindowPass};
use model::Millis;
use model::status::Status;

fn open(execution: &Execution, run: usize) -> Result<(), Refusal> {
    if let Some(ended) = super::ended(execution) {
        return Err(ended);
    }
    match execution.run(run).map(|stage| &stage.state) {
        None => Err(Refusal::new("stage-unknown", "the execution has no such stage")),
        Some(RunState::Done(done)) => Err(Refusal::new("stage-ended", format!("the stage is {} already", done.status))),
        Some(RunState::NotStarted | RunState::Live(_)) if execution.is_current(run) => Ok(()),
        Some(RunState::NotStarted | RunState::Live(_)) => Err(Refusal::new("stage-ended", "the stage belongs to an earlier attempt")),
    }
}

pub(crate) fn apply(execution: &mut Execution, run: usize, by: &Cancel, now: Millis) -> Result<(), Refusal> {
    open(execution, run)?;
    if !execution.graph.node(run).is_some_and(|node| node.may_skip) {
        return Err(Refusal::new(
            "stage-not-skippable",
            "stages of this type cannot be skipped by hand, and this one does not say `skippable`",
        ));
    }
    if execution.run(run).and_then(|stage| stage.live()).is_some_and(|live| live.stopping.is_some()) {
        return Err(Refusal::new("stage-stopping", "the stage is being stopped already"));
    }
    match execution.runs.get_mut(run) {
        Some(stage) if stage.state == RunState::NotStarted => stage.skip = Some(by.clone()),
        _ => ending::stop(execution, run, Ending { status: Status::Skipped, reason: Some(advance::skipped_by(by, now)) }, now),
    }
    Ok(())
}

pub(crate) fn window(execution: &mut Execution, run: usize) -> Result<(), Refusal> {
    open(execution, run)?;
    match execution.live_of(run) {
        Some((_, live)) if matches!(live.phase, Phase::Window { .. }) => {
            live.window = WindowPass::Skipped;
            live.phase = Phase::Resolve;
            live.reason = None;
            Ok(())
        }
        _ => Err(Refusal::new("stage-not-waiting", "the stage does not wait for an execution window")),
    }
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, begun, execution, node, reason, resolved, statuses, step, stepping, with_nodes};
    use crate::{Call, Cancel, Effect, Event, Execution, Node, Outcome, Verdict, decide, wake_at, wanted};
    use model::reason::ReasonCode;
    use model::status::Status;

    fn skippable(requisites: &[&[usize]]) -> Execution {
        with_nodes(execution(requisites), |node| node.may_skip = true)
    }

    fn skip(run: usize) -> Event {
        Event::Skip { run, by: Cancel::person("alice", "not today") }
    }

    #[test]
    fn a_stage_is_skipped_when_its_turn_comes() {
        let at = apply(&stepping(&skippable(&[&[], &[0], &[1]])), &skip(1));
        assert_eq!(statuses(&at), [Status::Running, Status::NotStarted, Status::NotStarted]);
        let at = step(&at, 0, Outcome::Succeeded);
        assert_eq!(statuses(&at), [Status::Succeeded, Status::Skipped, Status::Running]);
        let reason = at.run(1).unwrap().reason().unwrap();
        assert!(reason.is(ReasonCode::SkippedByUser) && reason.message.contains("alice"));
    }

    #[test]
    fn a_live_stage_is_stopped_and_skipped() {
        let at = apply(&stepping(&skippable(&[&[], &[0]])), &skip(0));
        assert_eq!(statuses(&at), [Status::Skipped, Status::Running]);
        let compensating = with_nodes(skippable(&[&[], &[0]]), |node| node.compensates = true);
        let at = apply(&stepping(&compensating), &skip(0));
        assert_eq!(statuses(&at), [Status::Running, Status::NotStarted]);
        assert!(matches!(wanted(&at).as_slice(), [Effect::Step { call: Call::Cancel, .. }]));
        assert_eq!(statuses(&step(&at, 0, Outcome::Canceled(reason()))), [Status::Skipped, Status::Running]);
    }

    #[test]
    fn a_window_is_waited_for_or_skipped() {
        let hold = |until_ms| Event::Resolved { run: 0, attempt: 1, verdict: Verdict::Hold { until_ms, delay: false, reason: reason() } };
        let held = apply(&begun(&execution(&[&[]])), &hold(90_000));
        assert_eq!((statuses(&held), wake_at(&held), wanted(&held)), (vec![Status::Running], Some(90_000), vec![]));
        assert!(held.run(0).unwrap().reason().is_some());
        let asked = decide(&held, &Event::Tick, 90_000).unwrap().execution;
        assert!(matches!(wanted(&asked).as_slice(), [Effect::Resolve { .. }]));
        let skipped = apply(&held, &Event::SkipWindow { run: 0 });
        assert!(matches!(wanted(&skipped).as_slice(), [Effect::Resolve { .. }]));
        assert_eq!(skipped.run(0).unwrap().live().unwrap().window, crate::WindowPass::Skipped);
    }

    #[test]
    fn refusals_say_why() {
        let code = |execution: &Execution, event: &Event| decide(execution, event, 2_000).unwrap_err().code;
        let at = stepping(&execution(&[&[], &[0]]));
        assert_eq!(code(&at, &skip(1)), "stage-not-skippable");
        assert_eq!(code(&at, &skip(7)), "stage-unknown");
        assert_eq!(code(&at, &Event::SkipWindow { run: 0 }), "stage-not-waiting");
        let at = step(&at, 0, Outcome::Succeeded);
        assert_eq!(code(&at, &skip(0)), "stage-ended");
        let stopping = with_nodes(skippable(&[&[]]), |node| node.compensates = true);
        assert_eq!(code(&apply(&stepping(&stopping), &skip(0)), &skip(0)), "stage-stopping");
    }

    #[test]
    fn a_part_may_be_skipped_but_not_one_of_an_earlier_attempt() {
        let part = |name: &str, requisites: &[usize]| Node { may_skip: true, ..node(name, requisites) };
        let plans = with_nodes(execution(&[&[]]), |node| node.plans = true);
        let planned = step(&stepping(&plans), 0, Outcome::Planned(vec![part("a", &[]), part("b", &[0])]));
        let failed = Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None };
        let ended = step(&step(&resolved(&planned, 1), 1, failed), 0, Outcome::Planned(vec![]));
        assert_eq!((statuses(&ended), ended.status), (vec![Status::Terminal, Status::Terminal, Status::NotStarted], Status::Terminal));
        let again = apply(&apply(&ended, &Event::Restart { run: 0 }), &Event::Begin);
        let refused = decide(&again, &skip(2), 2_000).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), ("stage-ended", "the stage belongs to an earlier attempt"));
        assert_eq!(statuses(&apply(&planned, &skip(1)))[1..], [Status::Skipped, Status::Running], "a part of this attempt may be");
    }
}
