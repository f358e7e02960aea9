//! What must come of a scenario when nothing races: a second, naive reading of the rules, that knows no time, no store and
//! no worker. Where something races it says which outcomes there may be.

mod gated;
mod tame;

pub use tame::tame;

use crate::scenario::{AtTimeout, Condition, From, Pipeline, Question, RETRIES_MAX, Scenario, Stage, Sub, Then, What, When};
use model::pipeline::FailureChoice;
use model::status::Status;

/// What an execution must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The stages, each with what it may be.
    pub stages: Vec<Vec<Status>>,
    /// The attempts of the stages; none where they may differ.
    pub attempts: Option<Vec<u32>>,
    /// The execution.
    pub whole: Vec<Status>,
}

/// What is expected of one execution of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Anything,
    /// That it is never started.
    Nothing,
    /// This.
    That(Expected),
}

/// How a stage ends if it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Succeeded,
    Skipped,
    Failed,
    Canceled,
    /// A part of it stopped its branch.
    Stopped,
    /// A part of it failed, and that is ignored.
    Ignored,
    /// It waits for an answer that nobody gives, until its time is over.
    Waits,
    /// It waits for an execution that it started and that waits so.
    WaitsFor(usize),
}

/// How an execution that a stage started ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Child {
    Ends(Status),
    Waits,
}

/// How an attempt of an execution's stage ends; `child` says how an execution ends that it starts.
fn walk(scenario: &Scenario, run: usize, at: usize, attempt: u32, child: &mut dyn FnMut(usize) -> Child) -> End {
    let stage = &scenario.pipeline_of(run).stages[at];
    match stage.condition {
        Condition::Fails => return End::Skipped,
        Condition::Broken => return End::Failed,
        Condition::None | Condition::Holds => {}
    }
    if scenario.runs[run].dry {
        return End::Succeeded;
    }
    let Some(plan) = &stage.plan else { return script(scenario, run, at, attempt, child) };
    let before = parts(&plan.before);
    if !matches!(before, End::Succeeded | End::Ignored) {
        return before;
    }
    match script(scenario, run, at, attempt, child) {
        End::Succeeded => match parts(&plan.after) {
            End::Succeeded => before,
            after => after,
        },
        other => other,
    }
}

/// What the stages of a part come to for the stage that unfolds into them. Those of which one fails follow each other.
fn parts(subs: &[Sub]) -> End {
    let mut end = End::Succeeded;
    for sub in subs {
        match sub.failure {
            _ if !sub_fails(sub) => {}
            FailureChoice::Ignore => end = End::Ignored,
            FailureChoice::Halt => return End::Failed,
            FailureChoice::StopBranch { .. } => return End::Stopped,
        }
    }
    end
}

/// How the steps of an attempt end.
fn script(scenario: &Scenario, run: usize, at: usize, attempt: u32, child: &mut dyn FnMut(usize) -> Child) -> End {
    let stage = &scenario.pipeline_of(run).stages[at];
    let mut nth = 0;
    for act in stage.list(attempt) {
        match act.then {
            Then::Ask => {
                nth += 1;
                match answer(scenario, run, Question { stage: at, attempt, nth: nth - 1 }) {
                    Some(Reply::Go) => {}
                    Some(Reply::Stop) => return End::Failed,
                    Some(Reply::Skip) => return End::Skipped,
                    None => return End::Waits,
                }
            }
            Then::Child { .. } => {
                let Some(one) = scenario.child_of(run, at, attempt) else { return End::Failed };
                match child(one) {
                    Child::Ends(Status::Succeeded) => {}
                    Child::Ends(_) => return End::Failed,
                    Child::Waits => return End::WaitsFor(one),
                }
            }
            Then::Flaky(times) if times > RETRIES_MAX => return End::Failed,
            Then::Poll { .. } | Then::Yield | Then::Sleep(_) | Then::Flaky(_) | Then::Gate => {}
            Then::Succeed => return End::Succeeded,
            Then::Skip => return End::Skipped,
            Then::Cancel => return End::Canceled,
            Then::Fail | Then::Trap | Then::Hang => return End::Failed,
            Then::Stuck | Then::Linger => return timed_out(stage),
        }
    }
    End::Succeeded
}

fn timed_out(stage: &Stage) -> End {
    match stage.at_timeout {
        AtTimeout::Succeed => End::Succeeded,
        AtTimeout::GoOn | AtTimeout::Fail | AtTimeout::Hang if stage.succeed_on_timeout => End::Succeeded,
        AtTimeout::GoOn | AtTimeout::Fail | AtTimeout::Hang => End::Failed,
    }
}

/// What is said to a stage that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Go,
    Stop,
    Skip,
}

/// What a stage gets to a question.
fn answer(scenario: &Scenario, run: usize, question: Question) -> Option<Reply> {
    scenario.outside.iter().filter(|event| event.run == run && event.when == When::Asked(question)).find_map(|event| match event.what {
        What::Answer { stage, go, stranger: false } if stage == question.stage => Some(if go { Reply::Go } else { Reply::Stop }),
        What::Skip { stage } if stage == question.stage => Some(Reply::Skip),
        _ => None,
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
        End::Stopped => Status::Stopped,
        End::Ignored => Status::FailedContinue,
        End::Canceled => Status::Canceled,
        End::Waits | End::WaitsFor(_) => status(stage, timed_out(stage)),
    }
}

fn halts(status: Status) -> bool {
    matches!(status, Status::Terminal | Status::Canceled)
}

/// What the executions must come to; anything where answers race, or a time-out may or may not be reached.
#[must_use]
pub fn expect(scenario: &Scenario) -> Vec<Expect> {
    if scenario.gated {
        return gated::settle(scenario);
    }
    let one = |run| if loose(scenario, run) { Expect::Anything } else { Expect::That(racing(scenario, run)) };
    (0..scenario.runs.len()).map(one).collect()
}

/// Whether it is cancelled once nothing of it moves; one that is to be cancelled while it is held must be held.
fn cancels(scenario: &Scenario, run: usize) -> bool {
    let mine = || scenario.outside.iter().filter(|event| event.run == run);
    let held = mine().any(|event| event.when == When::Still && matches!(event.what, What::Pause { .. }));
    mine().any(|event| event.what == What::Cancel && (held || !matches!(event.when, When::HeldStill(_))))
}

/// Answers that nobody asked for, or several to one question; times that a normal stage may or may not keep; anything done
/// again; executions that others start.
fn loose(scenario: &Scenario, run: usize) -> bool {
    let mine = || scenario.outside.iter().filter(|event| event.run == run);
    let answers = || mine().filter(|e| matches!(e.what, What::Answer { stranger: false, .. } | What::Skip { .. }));
    let stray = answers().any(|event| !matches!(event.when, When::Asked(..)) || !event.keyed);
    let twice = answers().enumerate().any(|(i, event)| answers().skip(i + 1).any(|other| other.when == event.when));
    let again = mine().any(|event| matches!(event.what, What::Restart { .. }));
    let family = matches!(scenario.runs[run].from, From::Child { .. })
        || scenario.pipeline_of(run).stages.iter().any(|stage| stage.list(1).iter().any(|act| matches!(act.then, Then::Child { .. })));
    let pressed = scenario.pipeline_of(run).stages.iter().any(|s| s.timeout_ms.is_some() && !s.ends_by_time());
    stray || twice || pressed || again || family
}

/// What an execution comes to whose stages came to this, each in this attempt.
fn finished(pipeline: &Pipeline, stages: &[(Status, u32)]) -> Status {
    for halt in [Status::Terminal, Status::Canceled] {
        if stages.iter().any(|(status, _)| *status == halt) {
            return halt;
        }
    }
    let fails = |(stage, (status, attempt)): (&Stage, &(Status, u32))| {
        let own = stage.failure == (FailureChoice::StopBranch { fail_at_end: true });
        *status == Status::Stopped && (own || part_fails(stage, *attempt))
    };
    if pipeline.stages.iter().zip(stages).any(fails) { Status::Terminal } else { Status::Succeeded }
}

/// Whether a part of a stopped stage stopped its branch so that the whole fails at the end.
fn part_fails(stage: &Stage, attempt: u32) -> bool {
    let Some(plan) = stage.plan.as_ref().filter(|_| stage.condition != Condition::Broken) else { return false };
    let fails = |subs: &[Sub]| {
        let last = subs.iter().find(|sub| sub_fails(sub) && sub.failure != FailureChoice::Ignore);
        last.is_some_and(|sub| sub.failure == (FailureChoice::StopBranch { fail_at_end: true }))
    };
    let own = stage.list(attempt).iter().any(|act| match act.then {
        Then::Fail | Then::Trap | Then::Hang => true,
        Then::Flaky(times) => times > RETRIES_MAX,
        _ => false,
    });
    match (parts(&plan.before), own, parts(&plan.after)) {
        (End::Stopped, ..) => fails(&plan.before),
        (End::Failed, ..) | (_, true, _) | (_, _, End::Failed) => fails(&plan.on_failure),
        (_, _, End::Stopped) => fails(&plan.after),
        _ => false,
    }
}

fn sub_fails(sub: &Sub) -> bool {
    sub.acts.iter().any(|act| match act.then {
        Then::Fail => true,
        Then::Flaky(times) => times > RETRIES_MAX,
        _ => false,
    })
}

/// A stage may have come to its end or been overtaken by the end of the whole.
fn racing(scenario: &Scenario, run: usize) -> Expected {
    let pipeline = scenario.pipeline_of(run);
    let mut reached = vec![false; pipeline.stages.len()];
    let mut ideal = vec![Status::NotStarted; pipeline.stages.len()];
    let mut whole = Vec::new();
    for (at, stage) in pipeline.stages.iter().enumerate() {
        reached[at] = stage.requisites.iter().all(|r| reached[*r] && ideal[*r].lets_pass());
        if reached[at] {
            ideal[at] = status(stage, walk(scenario, run, at, 1, &mut |_| Child::Ends(Status::Succeeded)));
            if halts(ideal[at]) && !whole.contains(&ideal[at]) {
                whole.push(ideal[at]);
            }
        }
    }
    if cancels(scenario, run) && !whole.contains(&Status::Canceled) {
        whole.push(Status::Canceled);
    }
    let cut = !whole.is_empty();
    let stages = (0..ideal.len()).map(|at| match (reached[at], cut) {
        (true, true) => vec![ideal[at], Status::Canceled, Status::NotStarted],
        (true, false) | (false, _) => vec![ideal[at]],
    });
    let mut stages: Vec<Vec<Status>> = stages.collect();
    if !ideal.iter().any(|status| halts(*status)) {
        whole.push(finished(pipeline, &ideal.iter().map(|status| (*status, 1)).collect::<Vec<_>>()));
    }
    if may_never_begin(scenario, run) {
        stages.iter_mut().for_each(|may| may.push(Status::NotStarted));
        whole.push(Status::Canceled);
    }
    Expected { stages, attempts: Some(vec![1; ideal.len()]), whole }
}

/// Another execution may take its place while it waits for a slot, or its time to begin may be over.
fn may_never_begin(scenario: &Scenario, run: usize) -> bool {
    let Pipeline { limit, keep_waiting, .. } = scenario.pipeline_of(run);
    (limit.is_some() && !keep_waiting) || scenario.runs[run].start_by_ms.is_some()
}
