//! How a stage comes to its end: by its own word, by failing, by running out of time, by being stopped; and what it still has to
//! unfold into before it does.

use crate::advance;
use crate::event::Wake;
use crate::state::{Call, Ending, Execution, Live, Phase, Stopping};
use model::Millis;
use model::component::Part;
use model::pipeline::FailureChoice;
use model::reason::{Code, Reason, ReasonCode};
use model::status::Status;
use serde_json::json;

fn live(execution: &Execution, run: usize) -> Option<&Live> {
    execution.run(run).and_then(|stage| stage.live())
}

/// The stage's own steps went well: what it unfolds into afterwards comes next.
pub(crate) fn succeed(execution: &mut Execution, run: usize, reason: Option<Reason>, now: Millis) {
    let verdict = Ending { status: Status::Succeeded, reason };
    let plans = execution.graph.node(run).is_some_and(|node| node.plans);
    if let Some((_, live)) = execution.live_of(run) {
        live.verdict = Some(verdict);
    }
    if plans { execution.schedule(run, Call::Plan(Part::After), Wake::Start, now) } else { close(execution, run, now) }
}

/// The stage failed: with the status that the pipeline's failure choice gives it, after what it unfolds into on failure.
pub(crate) fn fail(execution: &mut Execution, run: usize, reason: Reason, now: Millis) {
    let begun = live(execution, run).is_some_and(|live| live.deadline_ms.is_some());
    let plans = execution.graph.node(run).is_some_and(|node| node.plans);
    set_failure(execution, run, reason, now);
    if plans && begun { execution.schedule(run, Call::Plan(Part::OnFailure), Wake::Start, now) } else { close(execution, run, now) }
}

/// The stage failed, and nothing more is to be unfolded.
pub(crate) fn fail_at_once(execution: &mut Execution, run: usize, reason: Reason, now: Millis) {
    set_failure(execution, run, reason, now);
    close(execution, run, now);
}

fn set_failure(execution: &mut Execution, run: usize, reason: Reason, now: Millis) {
    let choice = execution.graph.node(run).map_or(FailureChoice::Halt, |node| node.failure);
    let explained = |code| Reason { code: Code::Known(code), message: reason.message.clone(), data: json!({"cause": reason}), since: now };
    let verdict = match choice {
        FailureChoice::Halt => Ending { status: Status::Terminal, reason: Some(reason) },
        FailureChoice::StopBranch { .. } => Ending { status: Status::Stopped, reason: Some(explained(ReasonCode::BranchStopped)) },
        FailureChoice::Ignore => Ending { status: Status::FailedContinue, reason: Some(explained(ReasonCode::FailureIgnored)) },
    };
    if let Some((_, live)) = execution.live_of(run) {
        live.verdict = Some(verdict);
    }
}

/// Ends the stage as its verdict says. An ignored failure of a part of it is its own.
pub(crate) fn close(execution: &mut Execution, run: usize, now: Millis) {
    let verdict = live(execution, run).and_then(|live| live.verdict.clone());
    let Some(Ending { status, reason }) = verdict else { return };
    let ignored = execution.children(run, None).find(|child| execution.run(*child).is_some_and(|s| s.status() == Status::FailedContinue));
    match ignored.filter(|_| status == Status::Succeeded) {
        Some(child) => {
            let name = advance::ref_id(execution, child);
            let cause = execution.run(child).and_then(|stage| stage.reason()).cloned();
            let message = format!("stage {name}, a part of it, failed and the failure is ignored");
            let reason = Reason::new(ReasonCode::FailureIgnored, message, now).with(json!({"refId": name, "cause": cause}));
            execution.finish(run, Status::FailedContinue, Some(reason), now);
        }
        None => execution.finish(run, status, reason, now),
    }
}

/// The stage's time is over, and it has had its last word, if it had one.
pub(crate) fn time_out(execution: &mut Execution, run: usize, said: Option<&Reason>, now: Millis) {
    let node = execution.graph.node(run);
    let within = node.map(|node| node.timeout_ms).unwrap_or_default();
    let succeeds = node.is_some_and(|node| node.succeed_on_timeout);
    let message = match said {
        Some(reason) => format!("it did not end within its time: {}", reason.message),
        None => "it did not end within its time".to_owned(),
    };
    let said = said.map(|reason| json!(reason)).unwrap_or_default();
    let reason = Reason::new(ReasonCode::StageTimedOut, message, now).with(json!({"timeoutMs": within, "said": said}));
    if succeeds {
        let verdict = Ending { status: Status::Succeeded, reason: Some(reason) };
        if let Some((_, live)) = execution.live_of(run) {
            live.verdict = Some(verdict);
        }
        return close(execution, run, now);
    }
    fail(execution, run, reason, now);
}

/// Stops a live stage: at once, or as soon as its component has undone what it began, and its parts have stopped too.
pub(crate) fn stop(execution: &mut Execution, run: usize, ending: Ending, now: Millis) {
    let compensates = execution.graph.node(run).is_some_and(|node| node.compensates);
    let stop_ms_max = execution.graph.limits().stop_ms_max;
    let Some((_, live)) = execution.live_of(run) else { return };
    if live.stopping.is_some() {
        return;
    }
    let began = match &live.phase {
        Phase::Step { call, .. } | Phase::BackOff { call, .. } => *call == Call::Step,
        Phase::Wait { .. } | Phase::Suspended { .. } => true,
        Phase::Resolve | Phase::Window { .. } | Phase::Children { .. } => false,
    };
    let children = matches!(live.phase, Phase::Children { .. });
    let undoes = began && compensates;
    if !children && !undoes {
        return execution.finish(run, ending.status, ending.reason, now);
    }
    live.stopping = Some(Stopping { ending: ending.clone(), until_ms: now.saturating_add(stop_ms_max) });
    live.reason.clone_from(&ending.reason);
    if children {
        let parts: Vec<usize> = execution.children(run, None).collect();
        for part in parts {
            stop(execution, part, Ending { status: Status::Canceled, reason: ending.reason.clone() }, now);
        }
        return;
    }
    execution.schedule(run, Call::Cancel, Wake::Start, now);
    if let Some((_, live)) = execution.live_of(run) {
        live.reason = ending.reason;
    }
}

/// A stage that is being stopped has stopped. False when it was not being stopped.
pub(crate) fn stopped(execution: &mut Execution, run: usize, now: Millis) -> bool {
    let Some(stopping) = live(execution, run).and_then(|live| live.stopping.clone()) else { return false };
    execution.finish(run, stopping.ending.status, stopping.ending.reason, now);
    true
}

/// A stage that is being stopped did not stop in time: it counts as stopped all the same, and says so.
pub(crate) fn stop_overdue(execution: &mut Execution, run: usize, now: Millis) {
    let Some(stopping) = live(execution, run).and_then(|live| live.stopping.clone()) else { return };
    let Ending { status, reason } = stopping.ending;
    let why = reason.as_ref().map(|reason| reason.message.clone()).unwrap_or_default();
    let message = format!("it was still stopping when its time for that was over ({why})");
    let late = Reason::new(ReasonCode::CancelTimeout, message, now)
        .with(json!({"timeoutMs": execution.graph.limits().stop_ms_max, "cause": reason}));
    execution.finish(run, status, Some(late), now);
}

/// An execution that nobody can move any more: it ends TERMINAL with this reason, and what is live ends with it, unasked. Needs no
/// graph, since that may be what cannot be read.
#[must_use]
pub fn given_up(execution: &Execution, reason: &Reason, now: Millis) -> Execution {
    let mut next = execution.clone();
    for run in 0..next.runs.len() {
        if live(&next, run).is_some() {
            next.finish(run, Status::Canceled, Some(reason.clone()), now);
        }
    }
    advance::end(&mut next, Status::Terminal, Some(reason.clone()), now);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on::testing::{apply, execution, reason, statuses, step, stepping};
    use crate::{Cancel, Event, Outcome, invariants, wake_at, wanted};

    // Rule 2.12: An execution that no worker can move ends visibly, whole, and can be done again
    #[test]
    fn what_is_given_up_ends_whole_and_can_be_restarted() {
        let at = step(&stepping(&execution(&[&[], &[], &[0]])), 0, Outcome::Running { poll_after_ms: 5_000 });
        let held = apply(&at, &Event::Pause(Cancel::person("alice", "")));
        for at in [at, held] {
            let ended = given_up(&at, &reason(), 2_000);
            assert_eq!(invariants::check(&at, &ended), Ok(()));
            assert_eq!((ended.status, ended.ended_ms, ended.reason.clone()), (Status::Terminal, Some(2_000), Some(reason())));
            assert_eq!(statuses(&ended), [Status::Canceled, Status::Canceled, Status::NotStarted]);
            assert_eq!((wanted(&ended), wake_at(&ended)), (vec![], None));
            let again = apply(&apply(&ended, &Event::Restart { run: 0 }), &Event::Begin);
            assert_eq!(statuses(&again), [Status::Running, Status::Running, Status::NotStarted]);
        }
    }

    #[test]
    fn one_without_its_graph_can_be_given_up() {
        let mut at = stepping(&execution(&[&[]]));
        at.graph = std::sync::Arc::default();
        let ended = given_up(&at, &reason(), 2_000);
        assert_eq!((statuses(&ended).as_slice(), ended.status), ([Status::Canceled].as_slice(), Status::Terminal));
    }
}
