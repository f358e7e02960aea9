//! Takes out of a scenario what would make its outcome depend on timing.

use super::{Child, End, answer, walk};
use crate::scenario::{Act, Condition, From, Outside, Question, RETRIES_MAX, Scenario, Stage, Sub, Then, What, When};
use model::pipeline::FailureChoice;
use model::status::Status;

/// Puts a gate before whatever ends an execution at once, and takes away what would race all the same.
pub fn tame(scenario: &mut Scenario) {
    for run in 0..scenario.runs.len() {
        if !matches!(scenario.runs[run].from, From::Child { .. }) {
            // Two that wait for ever would end in the order in which they began.
            family(scenario, run, &mut false);
        }
    }
    for stage in scenario.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.stages) {
        let parts = stage.plan.as_ref().is_some_and(|plan| {
            let ends_badly = |subs: &[Sub]| super::parts(subs) == End::Failed;
            ends_badly(&plan.before) || ends_badly(&plan.after)
        });
        if (stage.ends_by_time() || stage.condition == Condition::Broken || parts) && stage.failure == FailureChoice::Halt {
            stage.failure = FailureChoice::Ignore;
        }
        gate(stage);
    }
}

/// Of an execution and all that it starts, one stage may wait in vain.
fn family(scenario: &mut Scenario, run: usize, waits: &mut bool) {
    for at in 0..scenario.pipeline_of(run).stages.len() {
        for attempt in 1..=scenario.attempts_max(run) {
            answered(scenario, run, at, attempt, waits);
            if let Some(child) = scenario.child_of(run, at, attempt) {
                family(scenario, child, waits);
            }
        }
    }
}

fn answered(scenario: &mut Scenario, run: usize, at: usize, attempt: u32, waits: &mut bool) {
    let alone = |scenario: &Scenario| walk(scenario, run, at, attempt, &mut |_| Child::Ends(Status::Succeeded));
    while alone(scenario) == End::Waits && std::mem::replace(waits, true) {
        let question = |nth| Question { stage: at, attempt, nth };
        let open = (0..).map(question).find(|question| answer(scenario, run, *question).is_none());
        let Some(open) = open else { return };
        let what = What::Answer { stage: at, go: true, stranger: false };
        scenario.outside.push(Outside { run, when: When::Asked(open), what, keyed: true, again: false });
    }
}

fn gate(stage: &mut Stage) {
    let ends_all = |then: Then, halt: bool| match then {
        Then::Cancel => true,
        Then::Fail | Then::Trap | Then::Hang => halt,
        Then::Flaky(times) => halt && times > RETRIES_MAX,
        _ => false,
    };
    let halt = stage.failure == FailureChoice::Halt;
    for list in [&mut stage.acts, &mut stage.again, &mut stage.stopped] {
        let place = list.iter().position(|act| ends_all(act.then, halt));
        if let Some(place) = place {
            list.insert(place, Act::only(Then::Gate));
        }
    }
}
