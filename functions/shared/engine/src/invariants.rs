//! What must hold between an execution before and after an event. Called from tests, simulation and, in debug builds, always.

use crate::state::{Execution, Phase, RunState, StageRun};
use model::status::Status;

/// Checks one transition; says what does not hold.
pub fn check(before: &Execution, after: &Execution) -> Result<(), String> {
    if before.generation != after.generation {
        return if after.generation == before.generation + 1 { whole(after) } else { Err("a generation was left out".to_owned()) };
    }
    if before.status.is_complete() && before != after {
        return Err(format!("an execution that is {} changed", before.status));
    }
    if before.runs.len() > after.runs.len() || after.runs.len() != after.graph.nodes().len() {
        return Err("the number of stage runs changed".to_owned());
    }
    for run in 0..after.runs.len() {
        stage(before, after, run).map_err(|what| format!("stage {run}: {what}"))?;
    }
    whole(after)
}

fn stage(before: &Execution, after: &Execution, run: usize) -> Result<(), String> {
    let is = after.run(run).ok_or("is gone")?;
    let node = after.graph.node(run).ok_or("has no node")?;
    let explained = matches!(is.status(), Status::NotStarted | Status::Running | Status::Succeeded) || is.reason().is_some();
    if !explained {
        return Err(format!("is {} without a reason", is.status()));
    }
    if let Some(was) = before.run(run) {
        if was.status().is_complete() && was != is {
            return Err(format!("changed although it was {}", was.status()));
        }
        if is.attempt != was.attempt || is.seq < was.seq {
            return Err("went back to an earlier step".to_owned());
        }
    } else if node.parent.is_none() {
        return Err("joined the graph although no stage unfolded into it".to_owned());
    }
    let started = before.run(run).is_none_or(|was| was.state == RunState::NotStarted) && is.state != RunState::NotStarted;
    if !started {
        return Ok(());
    }
    if !node.requisites.iter().all(|r| after.run(*r).is_some_and(|r| r.status().lets_pass())) {
        return Err("started before what it requires had ended well".to_owned());
    }
    if before.ending.is_some() || before.cancel.is_some() || before.status.is_complete() {
        return Err("started although the execution was ending".to_owned());
    }
    if before.paused.is_some() && after.paused.is_some() {
        return Err("started although the execution was paused".to_owned());
    }
    let Some(parent) = node.parent else { return Ok(()) };
    let unfolds = |state: &RunState| matches!(state, RunState::Live(live) if live.phase == Phase::Children { part: parent.part });
    let mother = |execution: &Execution| execution.run(parent.run).is_some_and(|m| m.attempt == parent.attempt && unfolds(&m.state));
    // Between two commits a part may be started and stopped again with its parent.
    let stopped = is.status() == Status::Canceled;
    if stopped || mother(before) || mother(after) { Ok(()) } else { Err("started although its parent was not waiting for it".to_owned()) }
}

fn whole(after: &Execution) -> Result<(), String> {
    let live = after.runs.iter().any(|run| run.live().is_some());
    if after.status.is_complete() && live {
        return Err(format!("a stage is live although the execution is {}", after.status));
    }
    let goes_on = |run: &StageRun| run.live().is_some_and(|live| live.stopping.is_none());
    if after.ending.is_some() && after.runs.iter().any(goes_on) {
        return Err("a stage goes on although the execution is ending".to_owned());
    }
    if after.status == Status::Running && !live {
        return Err("the execution is RUNNING and no stage is live: it would never end".to_owned());
    }
    if after.status.is_complete() != after.ended_ms.is_some() {
        return Err("the end has no time, or the time has no end".to_owned());
    }
    if (after.status == Status::Paused) != after.paused.is_some() {
        return Err(format!("is {} and {}", after.status, if after.paused.is_some() { "held" } else { "not held" }));
    }
    if after.queued && after.status != Status::NotStarted {
        return Err(format!("waits for a slot although it is {}", after.status));
    }
    let silent = !after.queued && matches!(after.status, Status::NotStarted | Status::Running | Status::Succeeded);
    if !silent && after.reason.is_none() {
        return Err(format!("the execution is {} without a reason", after.status));
    }
    children(after)
}

/// A stage that waits for its parts has one that is live or may still start; otherwise it would wait for ever.
fn children(after: &Execution) -> Result<(), String> {
    if after.status.is_complete() || after.paused.is_some() {
        return Ok(());
    }
    for (run, stage) in after.runs.iter().enumerate() {
        let Some(Phase::Children { part }) = stage.live().map(|live| &live.phase) else { continue };
        if !after.children(run, Some(*part)).any(|child| after.run(child).is_some_and(|c| c.live().is_some())) {
            return Err(format!("stage {run} waits for parts of which none is live"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on::testing::{begun, execution, node, reason, step, stepping, with_nodes};
    use crate::state::{Done, Ending, Pause};
    use crate::{Cancel, Outcome};

    // Rule 2.2: Every status but RUNNING and SUCCEEDED says why
    // Rule 2.2: A complete stage or execution does not change within its generation
    #[test]
    fn each_rule_can_fail() {
        let before = stepping(&execution(&[&[], &[0]]));
        let broken = |change: &dyn Fn(&mut Execution)| {
            let mut after = before.clone();
            change(&mut after);
            check(&before, &after).unwrap_err()
        };
        let done = |status| RunState::Done(Done { status, started_ms: None, ended_ms: 1, reason: None, generation: 1 });
        assert!(broken(&|e| e.runs.truncate(1)).contains("number"));
        assert!(broken(&|e| e.runs[1].state = e.runs[0].state.clone()).contains("before what it requires"));
        assert!(broken(&|e| e.runs[0].state = done(Status::Terminal)).contains("without a reason"));
        assert!(broken(&|e| e.runs[0].state = done(Status::Succeeded)).contains("never end"));
        assert!(broken(&|e| e.status = Status::Succeeded).contains("is live"));
        assert!(broken(&|e| e.runs[0].attempt = 0).contains("earlier step"));
        assert!(broken(&|e| e.ended_ms = Some(1)).contains("no end"));
        assert!(broken(&|e| e.ending = Some(Ending { status: Status::Canceled, reason: None })).contains("goes on although"));
        let ended = crate::on::testing::apply(&before, &crate::Event::Cancel(Cancel::person("a", "")));
        assert!(check(&ended, &begun(&execution(&[&[], &[0]]))).unwrap_err().contains("CANCELED"));
    }

    #[test]
    fn a_part_may_begin_and_be_stopped_between_two_commits() {
        let planning = with_nodes(execution(&[&[], &[]]), |node| node.plans = node.ref_id.as_str() == "0");
        let before = stepping(&planning);
        let unfolded = step(&before, 0, Outcome::Planned(vec![node("0<0", &[])]));
        let failed = Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None };
        let after = step(&unfolded, 1, failed);
        assert_eq!(after.run(2).unwrap().status(), Status::Canceled);
        assert_eq!(check(&before, &after), Ok(()));
        let mut late = after.clone();
        late.runs[2].state = unfolded.runs[2].state.clone();
        assert!(check(&before, &late).unwrap_err().contains("parent was not waiting"));
    }

    fn refused(before: &Execution, after: &Execution, why: &str) {
        let what = check(before, after).unwrap_err();
        assert!(what.contains(why), "{what}: expected {why}");
    }

    #[test]
    fn stages_neither_go_nor_come_by_themselves() {
        let before = stepping(&execution(&[&[], &[0]]));
        let mut fewer = before.clone();
        fewer.graph = execution(&[&[]]).graph;
        fewer.runs.truncate(1);
        refused(&before, &fewer, "number");
        let mut more = before.clone();
        more.runs.grow(1);
        refused(&before, &more, "number");
    }

    #[test]
    fn nothing_starts_while_it_ends_or_is_held() {
        let after = begun(&execution(&[&[], &[]]));
        let mut before = after.clone();
        before.runs[1].state = RunState::NotStarted;
        assert_eq!(check(&before, &after), Ok(()));
        let change = |change: &dyn Fn(&mut Execution)| {
            let mut before = before.clone();
            change(&mut before);
            before
        };
        let ending = change(&|e| e.ending = Some(Ending { status: Status::Canceled, reason: None }));
        refused(&ending, &after, "was ending");
        refused(&change(&|e| e.cancel = Some(Cancel::person("a", ""))), &after, "was ending");
        let held = Some(Pause { by: "a".to_owned(), reason: String::new(), at_ms: 1, under_way: vec![] });
        let before = change(&|e| e.paused.clone_from(&held));
        assert_eq!(check(&before, &after), Ok(()), "it was let go in between");
        refused(&before, &Execution { paused: held, ..after }, "was paused");
    }

    /// A stage that waits for a part, and another stage.
    fn with_a_part() -> Execution {
        let plans = with_nodes(execution(&[&[], &[]]), |node| node.plans = node.ref_id.as_str() == "0");
        step(&stepping(&plans), 0, Outcome::Planned(vec![node("part", &[])]))
    }

    #[test]
    fn a_part_starts_only_while_its_stage_waits_for_it() {
        let after = with_a_part();
        let with = |change: &dyn Fn(&mut Execution)| {
            let (mut before, mut after) = (after.clone(), after.clone());
            before.runs[2].state = RunState::NotStarted;
            change(&mut before);
            change(&mut after);
            (before, after)
        };
        let (before, after) = with(&|_| {});
        assert_eq!(check(&before, &after), Ok(()));
        let (before, after) = with(&|e| e.runs[0].attempt = 2);
        refused(&before, &after, "not waiting for it");
        let (before, after) = with(&|e| e.runs[0].state = e.runs[1].state.clone());
        refused(&before, &after, "not waiting for it");
    }

    #[test]
    fn a_stage_never_waits_for_parts_that_rest() {
        let before = with_a_part();
        let mut after = before.clone();
        after.runs[2].state = RunState::NotStarted;
        refused(&before, &after, "none is live");
        after.status = Status::Paused;
        after.reason = Some(reason());
        after.paused = Some(Pause { by: "a".to_owned(), reason: String::new(), at_ms: 1, under_way: vec![] });
        assert_eq!(check(&before, &after), Ok(()), "a part may wait for the resume");
    }

    // Rule 2.2: Every status but RUNNING and SUCCEEDED says why
    #[test]
    fn one_that_waits_for_a_slot_says_so() {
        let before = execution(&[&[]]);
        let mut after = before.clone();
        after.queued = true;
        refused(&before, &after, "without a reason");
        after.reason = Some(reason());
        assert_eq!(check(&before, &after), Ok(()));
    }
}
