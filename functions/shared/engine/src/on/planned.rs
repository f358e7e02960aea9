//! A component said into which stages its stage unfolds: they join the graph, and the stage waits for them.

use crate::ending;
use crate::event::Wake;
use crate::state::{Call, Execution, Node, Parent, Phase};
use model::Millis;
use model::component::Part;
use model::reason::{Reason, ReasonCode};
use serde_json::json;
use std::sync::Arc;

pub(crate) fn apply(execution: &mut Execution, run: usize, part: Part, nodes: &[Node], now: Millis) {
    if nodes.is_empty() {
        return match part {
            Part::Before => execution.schedule(run, Call::Step, Wake::Start, now),
            Part::After | Part::OnFailure => ending::close(execution, run, now),
        };
    }
    let attempt = execution.run(run).map_or(0, |stage| stage.attempt);
    let graph = match execution.graph.grown(Parent { run, attempt, part }, nodes) {
        Ok(graph) => graph,
        Err(error) => return failed(execution, run, part, Reason::new(ReasonCode::PlanningFailed, error.to_string(), now), now),
    };
    execution.graph = Arc::new(graph);
    execution.runs.grow(nodes.len());
    if let Some((seq, live)) = execution.live_of(run) {
        *seq += 1;
        live.phase = Phase::Children { part };
        let message = format!("waits for the {} stages that are a part of it", nodes.len());
        let names: Vec<&str> = nodes.iter().map(|node| node.ref_id.as_str()).collect();
        live.reason = Some(Reason::new(ReasonCode::AwaitingSyntheticStages, message, now).with(json!({"refIds": names})));
    }
}

/// Planning failed for good. What a stage does on failure cannot be asked of a component that could not even plan.
pub(crate) fn failed(execution: &mut Execution, run: usize, part: Part, reason: Reason, now: Millis) {
    let message = format!("its {} stages could not be planned: {}", part.as_str(), reason.message);
    let why = Reason::new(ReasonCode::PlanningFailed, message, now).with(json!({"part": part, "cause": reason}));
    match part {
        Part::Before | Part::After => ending::fail_at_once(execution, run, why, now),
        Part::OnFailure => {
            if let Some((_, live)) = execution.live_of(run)
                && let Some(own) = live.verdict.as_mut().and_then(|verdict| verdict.reason.as_mut())
            {
                own.message = format!("{}; {}", own.message, why.message);
            }
            ending::close(execution, run, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{TIMEOUT_MS, apply, choose, execution, node, reason, resolved, statuses, step, stepping, with_nodes};
    use crate::{Call, Cancel, Effect, Event, Execution, Node, Outcome, decide, wanted};
    use Status::{Canceled, FailedContinue, NotStarted, Running, Skipped, Stopped, Succeeded, Terminal};
    use model::component::Part;
    use model::pipeline::FailureChoice;
    use model::reason::ReasonCode;
    use model::status::Status;

    /// A planning stage and one after it, asked for its stages before.
    fn planning(choice: FailureChoice) -> Execution {
        let two = choose(execution(&[&[], &[0]]), choice);
        let two = with_nodes(two, |node| node.plans = node.ref_id.as_str() == "0");
        stepping(&two)
    }

    fn failed() -> Outcome {
        Outcome::Failed { reason: reason(), retryable: false, retry_after_ms: None }
    }

    fn call(execution: &Execution) -> Option<Call> {
        wanted(execution).into_iter().find_map(|effect| match effect {
            Effect::Step { call, .. } => Some(call),
            _ => None,
        })
    }

    fn plan(execution: &Execution, children: &[&[usize]]) -> Execution {
        let nodes = children.iter().enumerate().map(|(i, requisites)| node(&format!("0-{i}"), requisites)).collect();
        step(execution, 0, Outcome::Planned(nodes))
    }

    /// Resolves a child and lets its step end.
    fn child(execution: &Execution, run: usize, outcome: Outcome) -> Execution {
        step(&resolved(execution, run), run, outcome)
    }

    // Rule 2.11: Before stages run before the stage's own work, after stages when that is done
    #[test]
    fn before_own_after() {
        let at = planning(FailureChoice::Halt);
        assert_eq!(call(&at), Some(Call::Plan(Part::Before)));
        let at = plan(&at, &[&[], &[0]]);
        assert_eq!(statuses(&at), [Running, NotStarted, Running, NotStarted]);
        let at = child(&child(&at, 2, Outcome::Succeeded), 3, Outcome::Succeeded);
        assert_eq!(call(&at), Some(Call::Step));
        let at = step(&at, 0, Outcome::Succeeded);
        assert_eq!(call(&at), Some(Call::Plan(Part::After)));
        let at = plan(&at, &[&[]]);
        assert_eq!(statuses(&at), [Running, NotStarted, Succeeded, Succeeded, Running]);
        let at = child(&at, 4, Outcome::Succeeded);
        assert_eq!(statuses(&at)[..2], [Succeeded, Running], "only now what follows starts");
    }

    #[test]
    fn nothing_planned_costs_nothing() {
        let at = plan(&planning(FailureChoice::Halt), &[]);
        assert_eq!(call(&at), Some(Call::Step));
        let at = plan(&step(&at, 0, Outcome::Succeeded), &[]);
        assert_eq!(statuses(&at), [Succeeded, Running]);
    }

    // Rule 2.3: A stage comes to what its parts come to: TERMINAL, STOPPED, CANCELED, FAILED_CONTINUE, in this order
    #[test]
    fn a_failing_part_fails_the_whole_and_stops_the_others() {
        let at = child(&plan(&planning(FailureChoice::Halt), &[&[], &[]]), 2, failed());
        assert_eq!(call(&at), Some(Call::Plan(Part::OnFailure)));
        assert_eq!(statuses(&at), [Running, NotStarted, Terminal, Canceled]);
        let at = plan(&at, &[&[]]);
        let at = child(&at, 4, failed());
        assert_eq!((statuses(&at)[0], at.status), (Terminal, Terminal));
        assert!(at.run(0).unwrap().reason().unwrap().is(ReasonCode::SyntheticStageFailed));
    }

    // Rule 2.3: `allowSiblingStagesToContinueOnFailure`: parts beside a failed one go on
    #[test]
    fn siblings_may_go_on() {
        let at = with_nodes(execution(&[&[]]), |node| {
            node.plans = true;
            node.siblings_continue = true;
        });
        let at = child(&plan(&stepping(&at), &[&[], &[]]), 1, failed());
        assert_eq!(statuses(&at), [Running, Terminal, Running]);
        let at = child(&at, 2, Outcome::Succeeded);
        assert_eq!(call(&at), Some(Call::Plan(Part::OnFailure)));
    }

    // Rule 2.3: A stage comes to what its parts come to: TERMINAL, STOPPED, CANCELED, FAILED_CONTINUE, in this order
    #[test]
    fn what_a_part_comes_to_the_stage_comes_to() {
        for (choice, of_child, of_stage) in
            [(FailureChoice::StopBranch { fail_at_end: false }, Stopped, Stopped), (FailureChoice::Ignore, FailedContinue, FailedContinue)]
        {
            let mut child_node = node("0-0", &[]);
            child_node.failure = choice;
            let at = step(&planning(FailureChoice::Halt), 0, Outcome::Planned(vec![child_node]));
            let mut at = child(&at, 2, failed());
            assert_eq!(at.run(2).unwrap().status(), of_child);
            if of_stage == FailedContinue {
                at = plan(&step(&at, 0, Outcome::Succeeded), &[]);
            }
            assert_eq!(at.run(0).unwrap().status(), of_stage);
            assert!(at.run(0).unwrap().reason().is_some());
        }
    }

    // Rule 2.3: Planning that fails is its stage's failure
    #[test]
    fn a_broken_plan_fails_the_stage() {
        for broken in [vec![node("0-0", &[0])], vec![node("0-0", &[5])], (0..500).map(|i| node(&format!("0-{i}"), &[])).collect()] {
            let at = step(&planning(FailureChoice::Halt), 0, Outcome::Planned(broken));
            assert_eq!(at.status, Terminal);
            assert!(at.run(0).unwrap().reason().unwrap().is(ReasonCode::PlanningFailed));
            assert_eq!(at.runs.len(), 2);
        }
        let at = step(&planning(FailureChoice::Halt), 0, failed());
        assert!(at.run(0).unwrap().reason().unwrap().is(ReasonCode::PlanningFailed));
    }

    #[test]
    fn a_cancel_stops_the_parts_too() {
        let at = plan(&planning(FailureChoice::Halt), &[&[], &[0]]);
        let at = apply(&at, &Event::Cancel(Cancel::person("alice", "")));
        assert_eq!((statuses(&at), at.status), (vec![Canceled, NotStarted, Canceled, NotStarted], Canceled));
    }

    // Rule 2.6: A stage's time bounds its parts
    #[test]
    fn the_stages_time_bounds_its_parts() {
        let at = plan(&planning(FailureChoice::Halt), &[&[]]);
        let at = decide(&at, &Event::Tick, 1_000 + TIMEOUT_MS).unwrap().execution;
        assert_eq!(at.run(2).unwrap().status(), Canceled);
        assert_eq!(call(&at), Some(Call::Plan(Part::OnFailure)));
        let at = plan(&at, &[]);
        assert!(at.run(0).unwrap().reason().unwrap().is(ReasonCode::StageTimedOut));
    }

    #[test]
    fn a_restart_plans_anew_and_keeps_the_old_as_history() {
        let at = child(&plan(&planning(FailureChoice::Halt), &[&[]]), 2, failed());
        let at = plan(&at, &[]);
        assert_eq!(at.status, Terminal);
        let at = apply(&apply(&at, &Event::Restart { run: 2 }), &Event::Begin);
        assert_eq!(at.run(0).unwrap().attempt, 2, "a part is restarted with its whole");
        assert!(!at.is_current(2));
        let at = plan(&resolved(&at, 0), &[&[]]);
        assert_eq!(statuses(&at), [Running, NotStarted, Terminal, Running]);
        let at = child(&at, 3, Outcome::Succeeded);
        assert_eq!(call(&at), Some(Call::Step));
    }

    #[test]
    fn each_call_and_each_wait_for_parts_is_a_step_of_its_own() {
        let seq = |execution: &Execution| execution.run(0).unwrap().seq;
        let at = planning(FailureChoice::Halt);
        assert_eq!(seq(&at), 0, "the plan before");
        let at = plan(&at, &[&[]]);
        assert_eq!(seq(&at), 1, "its parts");
        let at = child(&at, 2, Outcome::Succeeded);
        assert_eq!(seq(&at), 2, "its own");
        let at = step(&at, 0, Outcome::Succeeded);
        assert_eq!(seq(&at), 3, "the plan after");
        let at = plan(&at, &[&[]]);
        assert_eq!(seq(&at), 4, "its parts after");
    }

    fn skip(run: usize) -> Event {
        Event::Skip { run, by: Cancel::person("alice", "") }
    }

    fn skippable(name: &str, requisites: &[usize]) -> Node {
        Node { may_skip: true, ..node(name, requisites) }
    }

    // Rule 2.3: SKIPPED and FAILED_CONTINUE let what follows start
    #[test]
    fn parts_that_are_left_out_let_the_next_part_start_at_once() {
        let nodes = vec![node("a", &[]), skippable("b", &[0]), skippable("c", &[1]), node("d", &[2])];
        let at = step(&planning(FailureChoice::Halt), 0, Outcome::Planned(nodes));
        let at = child(&apply(&apply(&at, &skip(3)), &skip(4)), 2, Outcome::Succeeded);
        assert_eq!(statuses(&at)[2..], [Succeeded, Skipped, Skipped, Running]);
        assert_eq!(call(&child(&at, 5, Outcome::Succeeded)), Some(Call::Step));
    }

    #[test]
    fn a_stage_whose_parts_are_all_left_out_goes_on() {
        let nodes = vec![skippable("a", &[]), skippable("b", &[0])];
        let at = step(&planning(FailureChoice::Halt), 0, Outcome::Planned(nodes));
        let at = apply(&apply(&at, &skip(3)), &skip(2));
        assert_eq!((statuses(&at), call(&at)), (vec![Running, NotStarted, Skipped, Skipped], Some(Call::Step)));
    }

    fn pause() -> Event {
        Event::Pause(Cancel::person("alice", ""))
    }

    // Rule 2.10: Pause: what is under way is finished, nothing else begins; resume goes on
    #[test]
    fn what_is_planned_while_it_is_held_starts_after_the_resume() {
        let at = plan(&apply(&planning(FailureChoice::Halt), &pause()), &[&[], &[0]]);
        assert_eq!((statuses(&at), wanted(&at)), (vec![Running, NotStarted, NotStarted, NotStarted], vec![]));
        let at = apply(&at, &Event::Resume);
        assert_eq!(statuses(&at), [Running, NotStarted, Running, NotStarted]);
        let held = apply(&resolved(&at, 2), &pause());
        let at = step(&held, 2, Outcome::Succeeded);
        assert_eq!((statuses(&at)[2..].to_vec(), call(&at)), (vec![Succeeded, NotStarted], None), "nor does the part after the last one");
        assert_eq!(statuses(&apply(&at, &Event::Resume))[2..], [Succeeded, Running]);
    }

    // Rule 2.10: Cancel: a paused execution goes on first
    #[test]
    fn what_was_planned_while_it_was_held_never_starts_when_the_stage_is_stopped() {
        let two = with_nodes(execution(&[&[], &[0]]), |node| (node.plans, node.may_skip) = (node.ref_id.as_str() == "0", true));
        let held = plan(&apply(&stepping(&two), &pause()), &[&[], &[0]]);
        let canceled = apply(&held, &Event::Cancel(Cancel::person("alice", "")));
        assert_eq!((statuses(&canceled), canceled.status), (vec![Canceled, NotStarted, NotStarted, NotStarted], Canceled));
        let skipped = apply(&held, &skip(0));
        assert_eq!((statuses(&skipped), skipped.status), (vec![Skipped, NotStarted, NotStarted, NotStarted], Status::Paused));
        assert_eq!(statuses(&apply(&skipped, &Event::Resume)), [Skipped, Running, NotStarted, NotStarted]);
    }

    // Rule 2.6: A stage's time bounds its parts
    #[test]
    fn out_of_time_no_further_part_starts_whatever_the_last_one_comes_to() {
        let undoes = Node { compensates: true, ..skippable("a", &[]) };
        let at = step(&planning(FailureChoice::Halt), 0, Outcome::Planned(vec![undoes, node("b", &[0])]));
        let now = 1_000 + TIMEOUT_MS;
        let skipped = decide(&resolved(&at, 2), &skip(2), now - 1).unwrap().execution;
        let late = decide(&skipped, &Event::Tick, now).unwrap().execution;
        assert_eq!(statuses(&late), [Running, NotStarted, Running, NotStarted], "the part is still undoing what it began");
        let at = step(&late, 2, Outcome::Succeeded);
        assert_eq!((statuses(&at)[2..].to_vec(), call(&at)), (vec![Skipped, NotStarted], Some(Call::Plan(Part::OnFailure))));
        let at = plan(&at, &[]);
        assert!(at.run(0).unwrap().reason().unwrap().is(ReasonCode::StageTimedOut));
    }

    // Rule 2.10: Skip by hand: stages whose type or JSON allows it, at once or when their turn comes
    #[test]
    fn a_skip_of_the_whole_stops_its_parts_and_starts_none() {
        let two = with_nodes(execution(&[&[], &[0]]), |node| (node.plans, node.may_skip) = (node.ref_id.as_str() == "0", true));
        let undoes = Node { compensates: true, ..skippable("a", &[]) };
        let at = step(&stepping(&two), 0, Outcome::Planned(vec![undoes, node("b", &[0])]));
        let at = apply(&apply(&resolved(&at, 2), &skip(2)), &skip(0));
        assert_eq!(statuses(&at), [Running, NotStarted, Running, NotStarted]);
        let at = step(&at, 2, Outcome::Succeeded);
        assert_eq!(statuses(&at), [Skipped, Running, Skipped, NotStarted], "the part passes, and nothing after it starts");
    }
}
