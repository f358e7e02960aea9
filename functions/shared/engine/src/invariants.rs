//! What must hold between an execution before and after an event. Called from tests, simulation and, in debug builds, always.

use crate::state::{Execution, RunState};
use model::status::Status;

/// Checks one transition; says what does not hold.
pub fn check(before: &Execution, after: &Execution) -> Result<(), String> {
    if before.generation != after.generation {
        return Ok(());
    }
    if before.status.is_complete() && before != after {
        return Err(format!("an execution that is {} changed", before.status));
    }
    if before.runs.len() != after.runs.len() || before.runs.len() != after.graph.nodes().len() {
        return Err("the number of stage runs changed".to_owned());
    }
    for run in 0..after.runs.len() {
        stage(before, after, run).map_err(|what| format!("stage {run}: {what}"))?;
    }
    whole(after)
}

fn stage(before: &Execution, after: &Execution, run: usize) -> Result<(), String> {
    let (Some(was), Some(is)) = (before.run(run), after.run(run)) else {
        return Err("is gone".to_owned());
    };
    if was.status().is_complete() && was != is {
        return Err(format!("changed although it was {}", was.status()));
    }
    if is.attempt != was.attempt || is.seq < was.seq {
        return Err("went back to an earlier step".to_owned());
    }
    let started = was.state == RunState::NotStarted && is.state != RunState::NotStarted;
    let node = after.graph.node(run).ok_or("has no node")?;
    if started && !node.requisites.iter().all(|r| after.run(*r).is_some_and(|r| r.status().lets_pass())) {
        return Err("started before what it requires had ended well".to_owned());
    }
    if started && before.cancel.is_some() {
        return Err("started after a cancel".to_owned());
    }
    let explained = matches!(is.status(), Status::NotStarted | Status::Running | Status::Succeeded) || is.reason().is_some();
    if explained { Ok(()) } else { Err(format!("is {} without a reason", is.status())) }
}

fn whole(after: &Execution) -> Result<(), String> {
    let live = after.runs.iter().any(|run| run.live().is_some());
    if after.status.is_complete() && live {
        return Err(format!("a stage is live although the execution is {}", after.status));
    }
    if after.status == Status::Running && !live {
        return Err("the execution is RUNNING and no stage is live: it would never end".to_owned());
    }
    if after.status.is_complete() != after.ended_ms.is_some() {
        return Err("the end has no time, or the time has no end".to_owned());
    }
    let explained = matches!(after.status, Status::NotStarted | Status::Running | Status::Succeeded) || after.reason.is_some();
    if explained { Ok(()) } else { Err(format!("the execution is {} without a reason", after.status)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on::testing::{begun, execution, stepping};
    use crate::state::Done;

    #[test]
    fn each_rule_can_fail() {
        let before = stepping(&execution(&[&[], &[0]]));
        let broken = |change: &dyn Fn(&mut Execution)| {
            let mut after = before.clone();
            change(&mut after);
            check(&before, &after).unwrap_err()
        };
        let done = |status| RunState::Done(Done { status, started_ms: None, ended_ms: 1, reason: None });
        assert!(broken(&|e| e.runs.truncate(1)).contains("number"));
        assert!(broken(&|e| e.runs[1].state = e.runs[0].state.clone()).contains("before what it requires"));
        assert!(broken(&|e| e.runs[0].state = done(Status::Terminal)).contains("without a reason"));
        assert!(broken(&|e| e.runs[0].state = done(Status::Succeeded)).contains("never end"));
        assert!(broken(&|e| e.status = Status::Succeeded).contains("is live"));
        assert!(broken(&|e| e.runs[0].attempt = 0).contains("earlier step"));
        assert!(broken(&|e| e.ended_ms = Some(1)).contains("no end"));
        let ended = crate::on::testing::apply(&before, &crate::Event::Cancel(crate::Cancel { by: "a".into(), reason: String::new() }));
        assert!(check(&ended, &begun(&execution(&[&[], &[0]]))).unwrap_err().contains("CANCELED"));
    }
}
