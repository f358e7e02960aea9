//! Examines a scenario: runs it, and where nothing that went wrong may be seen runs it once more without faults, and compares.

use crate::check::{Outcome, StageOutcome};
use crate::fault::{Classes, Deviation, Fault};
use crate::run::{How, Report, run};
use crate::scenario::{From, Scenario};
use crate::state::Failure;
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
        let pairs = plain.outcomes.iter().zip(&report.outcomes).enumerate();
        pairs.into_iter().find_map(|(run, (plain, faulty))| {
            // A worker that does not know it was overtaken may still start an execution for a stage that is done again.
            let child = matches!(scenario.runs[run].from, From::Child { .. });
            if child && plain.is_none() && scenario.classes.may(Deviation::LateRepeat) {
                return None;
            }
            let what = difference(plain.as_ref(), faulty.as_ref(), scenario.classes)?;
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
        list.push("stage-timed-out");
    }
    if classes.may(Deviation::StageFailed) {
        list.extend(["retries-exhausted", "plugin-fault", "stage-timed-out"]);
    }
    if classes.may(Deviation::Parked) {
        list.push("orchestrator-crash");
    }
    list
}

/// What differs and may not.
fn difference(plain: Option<&Outcome>, faulty: Option<&Outcome>, classes: Classes) -> Option<String> {
    let (Some(plain), Some(faulty)) = (plain, faulty) else {
        return (plain.is_some() != faulty.is_some()).then(|| "it is there in one run only".to_owned());
    };
    if plain == faulty {
        return None;
    }
    let allowed = causes(classes);
    let mut new = faulty.causes().into_iter().filter(|cause| !plain.causes().contains(cause));
    let excused = |cause: &(Option<usize>, String)| allowed.contains(&cause.1.as_str());
    if new.any(|cause| excused(&cause)) {
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
