//! What must come of a scenario when nothing races: a second, naive reading of the rules, that knows no time, no store and
//! no worker. Where something races it says which outcomes there may be.

use crate::scenario::{Act, AtTimeout, Condition, Outside, Pipeline, RETRIES_MAX, Scenario, Stage, Then, What, When};
use model::pipeline::FailureChoice;
use model::status::Status;

/// What an execution must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The stages, each with what it may be.
    pub stages: Vec<Vec<Status>>,
    /// The execution.
    pub whole: Vec<Status>,
}

/// How a stage ends if it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Succeeded,
    Skipped,
    Failed,
    Canceled,
    /// It waits for an answer that nobody gives, until its time is over.
    Waits,
}

/// How an execution's stage ends, and at which act.
fn end_of(scenario: &Scenario, run: usize, at: usize) -> (End, usize) {
    let stage = &scenario.pipeline_of(run).stages[at];
    match stage.condition {
        Condition::Fails => return (End::Skipped, 0),
        Condition::Broken => return (End::Failed, 0),
        Condition::None | Condition::Holds => {}
    }
    let mut asked = 0;
    for (place, act) in stage.acts.iter().enumerate() {
        let end = match act.then {
            Then::Ask => {
                asked += 1;
                match answer(scenario, run, at, asked - 1) {
                    Some(true) => continue,
                    Some(false) => End::Failed,
                    None => End::Waits,
                }
            }
            Then::Flaky(times) if times > RETRIES_MAX => End::Failed,
            Then::Poll { .. } | Then::Yield | Then::Sleep(_) | Then::Flaky(_) | Then::Gate => continue,
            Then::Succeed => End::Succeeded,
            Then::Skip => End::Skipped,
            Then::Cancel => End::Canceled,
            Then::Fail | Then::Trap | Then::Hang => End::Failed,
            Then::Stuck | Then::Linger => timed_out(stage),
        };
        return (end, place);
    }
    (End::Succeeded, stage.acts.len())
}

fn timed_out(stage: &Stage) -> End {
    match stage.at_timeout {
        AtTimeout::Succeed => End::Succeeded,
        AtTimeout::GoOn | AtTimeout::Fail | AtTimeout::Hang if stage.succeed_on_timeout => End::Succeeded,
        AtTimeout::GoOn | AtTimeout::Fail | AtTimeout::Hang => End::Failed,
    }
}

/// The answer that a stage gets to its n-th question.
fn answer(scenario: &Scenario, run: usize, at: usize, nth: usize) -> Option<bool> {
    scenario.outside.iter().filter(|event| event.run == run && event.when == When::Asked(at, nth)).find_map(|event| match event.what {
        What::Answer { stage, go, stranger: false } if stage == at => Some(go),
        What::Answer { .. } | What::Cancel | What::Pause { .. } => None,
    })
}

fn failed(stage: &Stage) -> Status {
    match stage.failure {
        FailureChoice::Halt => Status::Terminal,
        FailureChoice::StopBranch { .. } => Status::Stopped,
        FailureChoice::Ignore => Status::FailedContinue,
    }
}

fn status(stage: &Stage, end: End) -> Status {
    match end {
        End::Succeeded => Status::Succeeded,
        End::Skipped => Status::Skipped,
        End::Failed => failed(stage),
        End::Canceled => Status::Canceled,
        End::Waits => status(stage, timed_out(stage)),
    }
}

fn halts(status: Status) -> bool {
    matches!(status, Status::Terminal | Status::Canceled)
}

/// Puts a gate before whatever ends an execution at once, and takes away what would race all the same.
pub fn tame(scenario: &mut Scenario) {
    for run in 0..scenario.runs.len() {
        let mut waits = false;
        for at in 0..scenario.pipeline_of(run).stages.len() {
            // Two that wait for ever would end in the order in which they began.
            while end_of(scenario, run, at).0 == End::Waits && std::mem::replace(&mut waits, true) {
                let question = unanswered(scenario, run, at);
                let what = What::Answer { stage: at, go: true, stranger: false };
                scenario.outside.push(Outside { run, when: When::Asked(at, question), what, keyed: true, again: false });
                if end_of(scenario, run, at).0 != End::Waits {
                    break;
                }
            }
            let pipeline = scenario.runs[run].pipeline;
            let stage = &mut scenario.pipelines[pipeline].stages[at];
            let by_time = matches!(stage.acts.last().map(|act| act.then), Some(Then::Stuck | Then::Linger));
            if (by_time || stage.condition == Condition::Broken) && stage.failure == FailureChoice::Halt {
                stage.failure = FailureChoice::Ignore;
            }
        }
    }
    for stage in scenario.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.stages) {
        gate(stage);
    }
}

/// The first question of a stage that nobody answers.
fn unanswered(scenario: &Scenario, run: usize, at: usize) -> usize {
    (0..).find(|nth| answer(scenario, run, at, *nth).is_none()).unwrap_or_default()
}

fn gate(stage: &mut Stage) {
    let ends_all = |then: Then, halt: bool| match then {
        Then::Cancel => true,
        Then::Fail | Then::Trap | Then::Hang => halt,
        Then::Flaky(times) => halt && times > RETRIES_MAX,
        _ => false,
    };
    let halt = stage.failure == FailureChoice::Halt;
    for list in [&mut stage.acts, &mut stage.stopped] {
        let place = list.iter().position(|act| ends_all(act.then, halt));
        if let Some(place) = place {
            list.insert(place, Act::only(Then::Gate));
        }
    }
}

/// What an execution must come to; none when answers race, or a time-out may or may not be reached.
#[must_use]
pub fn expect(scenario: &Scenario, run: usize) -> Option<Expected> {
    if !scenario.gated && loose(scenario, run) {
        return None;
    }
    let cancels = cancels(scenario, run);
    if scenario.gated {
        let (stages, whole) = settled(scenario, run, cancels);
        return Some(Expected { stages: stages.into_iter().map(|status| vec![status]).collect(), whole: vec![whole] });
    }
    Some(racing(scenario, run, cancels))
}

/// Whether it is cancelled once nothing of it moves; one that is to be cancelled while it is held must be held.
fn cancels(scenario: &Scenario, run: usize) -> bool {
    let mine = || scenario.outside.iter().filter(|event| event.run == run);
    let held = mine().any(|event| event.when == When::Still && matches!(event.what, What::Pause { .. }));
    mine().any(|event| event.what == What::Cancel && (held || !matches!(event.when, When::HeldStill(_))))
}

/// Answers that nobody asked for, or several to one question; times that a normal stage may or may not keep.
fn loose(scenario: &Scenario, run: usize) -> bool {
    let answers = || scenario.outside.iter().filter(|e| e.run == run && matches!(e.what, What::Answer { stranger: false, .. }));
    let stray = answers().any(|event| !matches!(event.when, When::Asked(..)) || !event.keyed);
    let twice = answers().enumerate().any(|(i, event)| answers().skip(i + 1).any(|other| other.when == event.when));
    let pressed = scenario
        .pipeline_of(run)
        .stages
        .iter()
        .any(|s| s.timeout_ms.is_some() && !matches!(s.acts.last().map(|a| a.then), Some(Then::Stuck | Then::Linger)));
    stray || twice || pressed
}

/// Everything that does not end the execution at once has ended; then the first of what does.
fn settled(scenario: &Scenario, run: usize, cancels: bool) -> (Vec<Status>, Status) {
    let pipeline = scenario.pipeline_of(run);
    let mut stages = vec![Status::NotStarted; pipeline.stages.len()];
    let mut waiting = propagate(scenario, run, &mut stages, false);
    for round in 0..2 {
        if let Some(first) = waiting.iter().copied().find(|at| halting(scenario, run, *at)) {
            for at in waiting {
                stages[at] = Status::Canceled;
            }
            let (end, _) = end_of(scenario, run, first);
            stages[first] = status(&pipeline.stages[first], end);
            return (stages.clone(), stages[first]);
        }
        if waiting.is_empty() || round == 1 {
            break;
        }
        if cancels {
            for at in waiting {
                stages[at] = Status::Canceled;
            }
            return (stages, Status::Canceled);
        }
        waiting = propagate(scenario, run, &mut stages, true);
    }
    let whole = finished(pipeline, &stages);
    (stages, whole)
}

/// Whether a stage that waits at a gate ends the execution; the others wait for an answer.
fn halting(scenario: &Scenario, run: usize, at: usize) -> bool {
    let (end, _) = end_of(scenario, run, at);
    end != End::Waits && halts(status(&scenario.pipeline_of(run).stages[at], end))
}

/// Ends what may end; gives the stages that started and did not.
fn propagate(scenario: &Scenario, run: usize, stages: &mut [Status], late: bool) -> Vec<usize> {
    let pipeline = scenario.pipeline_of(run);
    let mut waiting = Vec::new();
    for at in 0..stages.len() {
        let stage = &pipeline.stages[at];
        let ready = stages[at] == Status::NotStarted && stage.requisites.iter().all(|r| stages[*r].lets_pass());
        if !ready {
            continue;
        }
        let (end, _) = end_of(scenario, run, at);
        let becomes = status(stage, end);
        // One that waits for an answer until its time is over halts by itself: nothing else moves then.
        if end == End::Waits && late {
            stages[at] = becomes;
        } else if end == End::Waits || halts(becomes) {
            waiting.push(at);
        } else {
            stages[at] = becomes;
        }
    }
    waiting
}

fn finished(pipeline: &Pipeline, stages: &[Status]) -> Status {
    if stages.contains(&Status::Terminal) {
        return Status::Terminal;
    }
    let fails = |(stage, status): (&Stage, &Status)| {
        *status == Status::Stopped && stage.failure == (FailureChoice::StopBranch { fail_at_end: true })
    };
    if pipeline.stages.iter().zip(stages).any(fails) { Status::Terminal } else { Status::Succeeded }
}

/// Another execution may take its place while it waits for a slot, or its time to begin may be over.
fn may_never_begin(scenario: &Scenario, run: usize) -> bool {
    let Pipeline { limit, keep_waiting, .. } = scenario.pipeline_of(run);
    (limit.is_some() && !keep_waiting) || scenario.runs[run].start_by_ms.is_some()
}

/// A stage may have come to its end or been overtaken by the end of the whole.
fn racing(scenario: &Scenario, run: usize, cancels: bool) -> Expected {
    let pipeline = scenario.pipeline_of(run);
    let mut reached = vec![false; pipeline.stages.len()];
    let mut ideal = vec![Status::NotStarted; pipeline.stages.len()];
    let mut whole = Vec::new();
    for (at, stage) in pipeline.stages.iter().enumerate() {
        reached[at] = stage.requisites.iter().all(|r| reached[*r] && ideal[*r].lets_pass());
        if reached[at] {
            ideal[at] = status(stage, end_of(scenario, run, at).0);
            if halts(ideal[at]) && !whole.contains(&ideal[at]) {
                whole.push(ideal[at]);
            }
        }
    }
    if cancels && !whole.contains(&Status::Canceled) {
        whole.push(Status::Canceled);
    }
    let cut = !whole.is_empty();
    let stages = (0..ideal.len()).map(|at| match (reached[at], cut) {
        (true, true) => vec![ideal[at], Status::Canceled, Status::NotStarted],
        (true, false) | (false, _) => vec![ideal[at]],
    });
    let mut stages: Vec<Vec<Status>> = stages.collect();
    if !ideal.iter().any(|status| halts(*status)) {
        whole.push(finished(pipeline, &ideal));
    }
    if may_never_begin(scenario, run) {
        stages.iter_mut().for_each(|may| may.push(Status::NotStarted));
        whole.push(Status::Canceled);
    }
    Expected { stages, whole }
}
