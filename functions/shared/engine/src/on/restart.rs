//! Somebody wants a stage done again: it and every completed stage after it go back to the start, in a new generation. Stages that
//! were cancelled with the execution go back too, or it could never end well.

use crate::event::Refusal;
use crate::state::{Execution, RunState};
use model::status::Status;

pub(crate) fn apply(execution: &mut Execution, run: usize) -> Result<(), Refusal> {
    if execution.run(run).is_none() {
        return Err(Refusal::new("stage-unknown", "the execution has no such stage"));
    }
    if execution.status == Status::NotStarted {
        return Err(Refusal::new("execution-not-started", "the execution has not begun: there is nothing to do again"));
    }
    if execution.ending.is_some() {
        return Err(Refusal::new("execution-ending", "the execution is ending: restart the stage once it has"));
    }
    let top = execution.graph.top_of(run);
    let reset = affected(execution, top);
    if let Some(live) = reset.iter().find(|run| execution.run(**run).is_some_and(|stage| stage.live().is_some())) {
        let name = crate::advance::ref_id(execution, *live);
        return Err(Refusal::new(
            "stage-running",
            format!("stage {name} is at work: a stage is restarted when it and what follows it rest"),
        ));
    }
    execution.generation += 1;
    for run in reset {
        if let Some(stage) = execution.runs.get_mut(run) {
            stage.attempt += 1;
            stage.seq = 0;
            stage.skip = None;
            stage.state = RunState::NotStarted;
        }
    }
    execution.cancel = None;
    if execution.status.is_complete() {
        execution.status = Status::NotStarted;
        execution.reason = None;
        execution.ended_ms = None;
        execution.start_by_ms = None;
    }
    Ok(())
}

/// The stage, what follows it and is not at its start, and what was cancelled.
fn affected(execution: &Execution, top: usize) -> Vec<usize> {
    let nodes = execution.graph.nodes();
    let mut after = vec![false; nodes.len()];
    let mut grew = true;
    if let Some(mark) = after.get_mut(top) {
        *mark = true;
    }
    while grew {
        grew = false;
        for (run, node) in nodes.iter().enumerate().filter(|(_, node)| node.parent.is_none()) {
            let follows = node.requisites.iter().any(|r| after.get(*r).copied().unwrap_or_default());
            if let Some(mark) = after.get_mut(run).filter(|mark| !**mark && follows) {
                *mark = true;
                grew = true;
            }
        }
    }
    let is = |run: usize, test: fn(&RunState) -> bool| execution.run(run).is_some_and(|stage| test(&stage.state));
    let touched = |run: usize| {
        let mine = nodes.get(run).is_some_and(|node| node.parent.is_none());
        let follows = after.get(run).copied().unwrap_or_default();
        let canceled = is(run, |state| matches!(state, RunState::Done(done) if done.status == Status::Canceled));
        mine && (run == top || canceled || (follows && is(run, |state| *state != RunState::NotStarted)))
    };
    (0..nodes.len()).filter(|run| touched(*run)).collect()
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, execution, reason, resolved, statuses, step, stepping};
    use crate::{Cancel, Event, Execution, Outcome, decide, wanted};
    use model::reason::ReasonCode;
    use model::status::Status;

    fn failed() -> Outcome {
        Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None }
    }

    fn restart(run: usize) -> Event {
        Event::Restart { run }
    }

    // Rule 2.10: Restart: the stage and every completed one after it go back, in a new generation
    #[test]
    fn the_stage_and_what_follows_start_again() {
        let mut at = step(&stepping(&execution(&[&[], &[0], &[1]])), 0, Outcome::Succeeded);
        at = step(&resolved(&at, 1), 1, Outcome::Succeeded);
        at = step(&resolved(&at, 2), 2, failed());
        assert_eq!(at.status, Status::Terminal);
        let again = apply(&at, &restart(1));
        assert_eq!((again.status, again.generation, again.ended_ms), (Status::NotStarted, 2, None));
        assert_eq!(statuses(&again), [Status::Succeeded, Status::NotStarted, Status::NotStarted]);
        assert_eq!(again.runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2, 2]);
        let begun = apply(&again, &Event::Begin);
        assert_eq!(statuses(&begun), [Status::Succeeded, Status::Running, Status::NotStarted]);
        let stale = Event::Stepped { run: 1, attempt: 1, seq: 0, retry: 0, outcome: Outcome::Succeeded };
        let stepping = resolved(&begun, 1);
        assert_eq!(apply(&stepping, &stale), stepping, "what an earlier attempt says is stale");
    }

    #[test]
    fn what_was_cancelled_with_it_starts_again_too() {
        let at = step(&stepping(&execution(&[&[], &[], &[0, 1]])), 0, failed());
        assert_eq!(statuses(&at), [Status::Terminal, Status::Canceled, Status::NotStarted]);
        let begun = apply(&apply(&at, &restart(0)), &Event::Begin);
        assert_eq!(statuses(&begun), [Status::Running, Status::Running, Status::NotStarted]);
    }

    #[test]
    fn a_failure_of_an_earlier_generation_decides_only_at_the_end() {
        let mut at = stepping(&execution(&[&[], &[]]));
        at = step(&at, 0, failed());
        let mut at = apply(&apply(&at, &restart(1)), &Event::Begin);
        assert_eq!((at.status, statuses(&at)), (Status::Running, vec![Status::Terminal, Status::Running]));
        at = step(&resolved(&at, 1), 1, Outcome::Succeeded);
        assert_eq!(at.status, Status::Terminal, "the other one did fail");
        let reason = at.reason.unwrap();
        assert!(reason.is(ReasonCode::ExecutionFailed) && reason.message.contains("stage 0 failed: broken"), "{reason:?}");
        assert_eq!(reason.data["refId"], "0");
    }

    #[test]
    fn while_it_runs_only_what_rests_can_be_restarted() {
        let mut at = step(&stepping(&execution(&[&[], &[], &[0]])), 0, Outcome::Succeeded);
        let code = |execution: &Execution, run| decide(execution, &restart(run), 2_000).unwrap_err().code;
        assert_eq!(code(&at, 0), "stage-running", "what follows it is at work");
        assert!(decide(&at, &restart(0), 2_000).unwrap_err().message.contains("stage 2 is at work"), "it says which");
        assert_eq!(code(&at, 1), "stage-running");
        at = step(&resolved(&at, 2), 2, Outcome::Succeeded);
        let again = apply(&at, &restart(0));
        assert_eq!((again.status, again.generation), (Status::Running, 2));
        assert_eq!(statuses(&again), [Status::Running, Status::Running, Status::NotStarted]);
        assert_eq!(wanted(&again).len(), 2);
    }

    #[test]
    fn refusals_say_why() {
        let code = |execution: &Execution, run| decide(execution, &restart(run), 2_000).unwrap_err().code;
        assert_eq!(code(&stepping(&execution(&[&[]])), 9), "stage-unknown");
        assert_eq!(code(&execution(&[&[]]), 0), "execution-not-started");
        let canceled = apply(&stepping(&execution(&[&[]])), &Event::Cancel(Cancel::person("a", "")));
        let again = apply(&canceled, &restart(0));
        assert_eq!((again.cancel.as_ref(), again.status), (None, Status::NotStarted));
    }
}
