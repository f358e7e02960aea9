//! Examines a scenario: runs it, and where nothing that went wrong may be seen runs it once more without faults, and compares.

use crate::check::{Outcome, StageOutcome};
use crate::fault::{Classes, Deviation, Fault};
use crate::run::{How, Report, run};
use crate::scenario::{From, Scenario, What};
use crate::state::Failure;
use model::status::Status;
use serde_json::Value;
use std::sync::Arc;

/// What examining a scenario found.
#[derive(Debug, Clone)]
pub struct Examined {
    /// What went wrong.
    pub failure: Option<Failure>,
    /// The run with faults.
    pub report: Report,
    /// It was compared with a run without.
    pub compared: bool,
}

/// Runs a scenario with the faults it draws, or with exactly these.
#[must_use]
pub fn examine(scenario: &Arc<Scenario>, faults: Option<Vec<(u64, Fault)>>, told: bool) -> Examined {
    let report = run(scenario, &How { faults, told });
    if report.failure.is_some() || !scenario.gated || report.faults.is_empty() {
        return Examined { failure: report.failure.clone(), report, compared: false };
    }
    let plain = run(scenario, &How { faults: Some(Vec::new()), told: false });
    let failure = plain.failure.map(|failure| Failure { rule: failure.rule, message: format!("without faults: {}", failure.message) });
    let differs = || {
        // What may happen to one of a family shows in the others; and what is done again hides what went wrong before.
        let roots: Vec<usize> = (0..scenario.runs.len()).map(|run| root(scenario, run)).collect();
        let new = |run: usize| {
            let (plain, faulty) = (plain.outcomes[run].as_ref(), report.outcomes[run].as_ref());
            let less = scenario.classes.may(Deviation::StageFailed) && does_less(plain, faulty, scenario.pipeline_of(run).stages.len());
            less || excused(plain, faulty, scenario.classes)
        };
        let known: Vec<usize> = (0..roots.len()).filter(|run| new(*run)).map(|run| roots[run]).collect();
        let again = |run: &usize| {
            scenario.outside.iter().any(|event| roots[event.run] == roots[*run] && matches!(event.what, What::Restart { .. }))
        };
        let hidden = !causes(scenario.classes).is_empty();
        let compared = (0..roots.len()).filter(|run| !(known.contains(&roots[*run]) || (hidden && again(run))));
        compared.into_iter().find_map(|run| {
            let (plain, faulty) = (plain.outcomes[run].as_ref(), report.outcomes[run].as_ref());
            // A worker that does not know it was overtaken may still start an execution for a stage that is done again.
            let child = matches!(scenario.runs[run].from, From::Child { .. });
            if child && plain.is_none() && scenario.classes.may(Deviation::LateRepeat) {
                return None;
            }
            let what = difference(plain, faulty)?;
            Some(Failure { rule: "outcome-differs", message: format!("run {run}: {what}") })
        })
    };
    let failure = failure.or_else(differs);
    Examined { failure, report, compared: true }
}

/// Codes that a class of faults may bring about.
fn causes(classes: Classes) -> Vec<&'static str> {
    let mut list = Vec::new();
    if classes.may(Deviation::TimedOut) {
        list.extend(["stage-timed-out", "cancel-timeout"]);
    }
    if classes.may(Deviation::StageFailed) {
        list.extend(["retries-exhausted", "plugin-fault", "stage-timed-out", "planning-failed", "outside-failed", "stage-failed"]);
    }
    if classes.may(Deviation::Parked) {
        list.push("orchestrator-crash");
    }
    list
}

/// The execution that somebody started, of which this one comes.
fn root(scenario: &Scenario, run: usize) -> usize {
    let mut at = run;
    while let From::Child { run, .. } = scenario.runs[at].from {
        at = run;
    }
    at
}

/// Whether it says something that the faults may bring about and that it would not say without them; where a stage may trap by itself
/// as a fault makes it trap, only earlier, nobody can tell which it was.
fn excused(plain: Option<&Outcome>, faulty: Option<&Outcome>, classes: Classes) -> bool {
    let allowed = causes(classes);
    let known = plain.map(Outcome::causes).unwrap_or_default();
    let found = faulty.map(Outcome::causes).unwrap_or_default();
    let either = |code: &str| classes.may(Deviation::StageFailed) && code == "plugin-fault";
    found.iter().any(|cause| allowed.contains(&cause.1.as_str()) && (!known.contains(cause) || either(&cause.1)))
}

/// Whether it only left out what stages do on failure or when they are stopped: a fault there is said in their reason, and their own
/// stays.
fn does_less(plain: Option<&Outcome>, faulty: Option<&Outcome>, stages: usize) -> bool {
    let (Some(plain), Some(faulty)) = (plain, faulty) else { return false };
    // What was undone of a stage that was stopped is told in its outputs, and only there.
    let stopped = |stage: &StageOutcome| match stage.status {
        Status::Canceled => StageOutcome { outputs: Value::Null, ..stage.clone() },
        _ => stage.clone(),
    };
    let own = |outcome: &Outcome| outcome.stages.iter().take(stages).map(stopped).collect::<Vec<_>>();
    (plain.status, &plain.code) == (faulty.status, &faulty.code) && own(plain) == own(faulty) && faulty.made.is_subset(&plain.made)
}

/// What differs.
fn difference(plain: Option<&Outcome>, faulty: Option<&Outcome>) -> Option<String> {
    let (Some(plain), Some(faulty)) = (plain, faulty) else {
        return (plain.is_some() != faulty.is_some()).then(|| "it is there in one run only".to_owned());
    };
    if plain == faulty {
        return None;
    }
    let stages = plain.stages.iter().zip(&faulty.stages).enumerate().find(|(_, (a, b))| a != b);
    Some(match stages {
        Some((at, (a, b))) => format!("stage {at} is {} and would be {} without faults", told(b), told(a)),
        None if plain.made != faulty.made => {
            let more: Vec<_> = faulty.made.difference(&plain.made).collect();
            let less: Vec<_> = plain.made.difference(&faulty.made).collect();
            format!("changes (stage, attempt, act, call): {more:?} more, {less:?} less than without faults")
        }
        None => format!("it is {} {:?} and would be {} {:?} without faults", faulty.status, faulty.code, plain.status, plain.code),
    })
}

fn told(stage: &StageOutcome) -> String {
    let StageOutcome { status, codes, attempt, outputs, answers } = stage;
    format!("{status} {codes:?} attempt {attempt} outputs {outputs} answers {answers:?}")
}
