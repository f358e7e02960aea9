//! Makes a failing scenario small: fewer faults, events, executions, stages, steps, as long as it fails by the same rule.

use crate::examine::examine;
use crate::fault::Fault;
use crate::scenario::{Condition, From, Outside, Question, Run, Scenario, Stage, Sub, Then, Unfolds, What, When};
use crate::state::Failure;
use model::pipeline::FailureChoice;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs that may be spent on it.
const TRIES_MAX: u32 = 3_000;
/// How long it may take: some candidates wait for years, a minute at a time, for what was taken from them.
const TIME_MAX: Duration = Duration::from_secs(60);

/// A failure and the smallest scenario that was found for it.
#[derive(Debug, Clone)]
pub struct Small {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The faults.
    pub faults: Vec<(u64, Fault)>,
    /// What goes wrong.
    pub failure: Failure,
    left: u32,
    until: Instant,
}

/// Makes a scenario that failed with these faults as small as it gets.
#[must_use]
pub fn shrink(scenario: &Arc<Scenario>, faults: Vec<(u64, Fault)>, failure: Failure) -> Small {
    let mut small = Small { scenario: scenario.clone(), faults, failure, left: TRIES_MAX, until: Instant::now() + TIME_MAX };
    loop {
        let before = small.weight();
        small.fewer_faults();
        small.fewer_events();
        small.fewer_runs();
        small.fewer_stages();
        small.simpler_stages();
        if small.weight() >= before || small.is_spent() {
            return small;
        }
    }
}

impl Small {
    fn weight(&self) -> (usize, usize, usize) {
        let acts = |stage: &Stage| stage.acts.iter().map(|act| 1 + act.calls.len()).sum::<usize>();
        let (stages, runs, events) = self.scenario.size();
        let weight: usize = self.scenario.pipelines.iter().flat_map(|p| &p.stages).map(acts).sum();
        (stages + runs + events, weight, self.faults.len())
    }

    fn is_spent(&self) -> bool {
        self.left == 0 || Instant::now() > self.until
    }

    /// Takes the candidate when it still fails, with these faults or with those it draws.
    fn try_with(&mut self, scenario: Arc<Scenario>, faults: Vec<(u64, Fault)>, drawn: bool) -> bool {
        for faults in [Some(faults), None].into_iter().take(if drawn { 2 } else { 1 }) {
            if self.is_spent() {
                return false;
            }
            self.left -= 1;
            let examined = examine(&scenario, faults, false);
            if let Some(failure) = examined.failure.filter(|failure| failure.rule == self.failure.rule) {
                (self.scenario, self.faults, self.failure) = (scenario, examined.report.faults, failure);
                return true;
            }
        }
        false
    }

    fn fewer_faults(&mut self) {
        let mut size = self.faults.len();
        while size > 0 {
            let mut at = 0;
            while at < self.faults.len() {
                let mut fewer = self.faults.clone();
                fewer.drain(at..(at + size).min(self.faults.len()));
                if !self.try_with(self.scenario.clone(), fewer, false) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut scenario = (*self.scenario).clone();
        change(&mut scenario);
        self.try_with(Arc::new(scenario), self.faults.clone(), true)
    }

    fn fewer_events(&mut self) {
        let mut at = 0;
        while at < self.scenario.outside.len() {
            if !self.change(|s| {
                s.outside.remove(at);
            }) {
                if self.scenario.outside[at].again {
                    self.change(|s| s.outside[at].again = false);
                }
                at += 1;
            }
        }
    }

    fn fewer_runs(&mut self) {
        let mut at = 0;
        while at < self.scenario.runs.len() && self.scenario.runs.len() > 1 {
            if !self.change(|s| without_run(s, at)) {
                if self.scenario.runs[at].twice {
                    self.change(|s| s.runs[at].twice = false);
                }
                if self.scenario.runs[at].dry {
                    self.change(|s| s.runs[at].dry = false);
                }
                if self.scenario.runs[at].start_by_ms.is_some() {
                    self.change(|s| s.runs[at].start_by_ms = None);
                }
                at += 1;
            }
        }
    }

    fn fewer_stages(&mut self) {
        for pipeline in 0..self.scenario.pipelines.len() {
            let mut at = self.scenario.pipelines[pipeline].stages.len();
            while at > 0 {
                at -= 1;
                if self.scenario.pipelines[pipeline].stages.len() > 1 {
                    self.change(|s| without_stage(s, pipeline, at));
                }
            }
        }
    }

    fn simpler_stages(&mut self) {
        for pipeline in 0..self.scenario.pipelines.len() {
            if self.scenario.pipelines[pipeline].limit.is_some() {
                self.change(|s| s.pipelines[pipeline].limit = None);
            }
            for at in 0..self.scenario.pipelines[pipeline].stages.len() {
                self.simpler_stage(pipeline, at);
            }
        }
    }

    fn simpler_stage(&mut self, pipeline: usize, at: usize) {
        let stage = self.scenario.pipelines[pipeline].stages[at].clone();
        // What ends it stays.
        for place in (0..stage.acts.len().saturating_sub(1)).rev() {
            // Without its gate an outcome depends on timing.
            if stage.acts[place].then != Then::Gate {
                self.change_stage(pipeline, at, |s| drop(s.acts.remove(place)));
            }
        }
        for place in 0..self.scenario.pipelines[pipeline].stages[at].acts.len() {
            let calls = self.scenario.pipelines[pipeline].stages[at].acts[place].calls.len();
            for call in (0..calls).rev() {
                self.change_stage(pipeline, at, |s| {
                    s.acts[place].calls.remove(call);
                });
            }
        }
        if !stage.undo.is_empty() {
            self.change_stage(pipeline, at, |s| s.undo.clear());
        }
        if stage.plan.is_some() && !self.change_stage(pipeline, at, |s| s.plan = None) {
            let lists: [fn(&mut Unfolds) -> &mut Vec<Sub>; 3] = [|p| &mut p.before, |p| &mut p.after, |p| &mut p.on_failure];
            for list in lists {
                self.change_stage(pipeline, at, |s| s.plan.iter_mut().for_each(|plan| list(plan).clear()));
                self.change_stage(pipeline, at, |s| s.plan.iter_mut().for_each(|plan| drop(list(plan).pop())));
            }
        }
        if stage.window.is_some() {
            self.change_stage(pipeline, at, |s| s.window = None);
        }
        if stage.skippable {
            self.change_stage(pipeline, at, |s| s.skippable = false);
        }
        if !stage.again.is_empty() {
            self.change_stage(pipeline, at, |s| s.again.clear());
        }
        if stage.condition != Condition::None {
            self.change_stage(pipeline, at, |s| s.condition = Condition::None);
        }
        if stage.failure != FailureChoice::Halt && !self.scenario.gated {
            self.change_stage(pipeline, at, |s| s.failure = FailureChoice::Halt);
        }
        if stage.sees.is_some() {
            self.change_stage(pipeline, at, |s| s.sees = None);
        }
        if stage.timeout_ms.is_some() {
            self.change_stage(pipeline, at, |s| s.timeout_ms = None);
        }
    }

    fn change_stage(&mut self, pipeline: usize, at: usize, change: impl FnOnce(&mut Stage)) -> bool {
        self.change(|s| change(&mut s.pipelines[pipeline].stages[at]))
    }
}

/// Takes an execution out, and those that come from it.
fn without_run(scenario: &mut Scenario, run: usize) {
    let mut gone = vec![false; scenario.runs.len()];
    gone[run] = true;
    for at in 0..gone.len() {
        gone[at] |= match scenario.runs[at].from {
            From::Person | From::Push => false,
            From::Rerun(of) | From::Child { run: of, .. } => gone[of],
        };
    }
    keep_runs(scenario, &gone.iter().map(|gone| !gone).collect::<Vec<_>>());
}

fn keep_runs(scenario: &mut Scenario, keep: &[bool]) {
    let moved = |run: usize| keep.iter().take(run).filter(|keep| **keep).count();
    scenario.outside.retain(|event| keep[event.run]);
    for event in &mut scenario.outside {
        event.run = moved(event.run);
    }
    let mut kept = keep.iter();
    scenario.runs.retain(|_| kept.next().copied().unwrap_or_default());
    for run in &mut scenario.runs {
        match &mut run.from {
            From::Person | From::Push => {}
            From::Rerun(of) | From::Child { run: of, .. } => *of = moved(*of),
        }
    }
}

/// What required the stage requires what it required.
fn without_stage(scenario: &mut Scenario, pipeline: usize, at: usize) {
    let stages = &mut scenario.pipelines[pipeline].stages;
    let removed = stages.remove(at);
    for stage in stages.iter_mut() {
        let inherits = stage.requisites.contains(&at);
        stage.requisites.retain(|r| *r != at);
        if inherits {
            for requisite in &removed.requisites {
                if !stage.requisites.contains(requisite) {
                    stage.requisites.push(*requisite);
                }
            }
        }
        stage.sees = stage.sees.filter(|seen| *seen != at);
        for position in stage.requisites.iter_mut().chain(&mut stage.sees) {
            *position -= usize::from(*position > at);
        }
    }
    let runs: Vec<usize> = (0..scenario.runs.len()).filter(|run| scenario.runs[*run].pipeline == pipeline).collect();
    let about = |event: &Outside| match (event.what, event.when) {
        (What::Answer { stage, .. } | What::Restart { stage } | What::Skip { stage } | What::SkipWindow { stage }, _)
        | (_, When::Asked(Question { stage, .. }) | When::Windowed(stage)) => Some(stage),
        _ => None,
    };
    scenario.outside.retain(|event| !runs.contains(&event.run) || about(event) != Some(at));
    let moved = |stage: &mut usize| *stage -= usize::from(*stage > at);
    for event in scenario.outside.iter_mut().filter(|event| runs.contains(&event.run)) {
        if let What::Answer { stage, .. } | What::Restart { stage } | What::Skip { stage } | What::SkipWindow { stage } = &mut event.what {
            moved(stage);
        }
        if let When::Asked(Question { stage, .. }) | When::Windowed(stage) = &mut event.when {
            moved(stage);
        }
    }
    let of = |run: &Run| matches!(run.from, From::Child { run, stage, .. } if runs.contains(&run) && stage == at);
    while let Some(child) = scenario.runs.iter().position(of) {
        without_run(scenario, child);
    }
    for run in &mut scenario.runs {
        if let From::Child { run, stage, .. } = &mut run.from
            && runs.contains(run)
        {
            moved(stage);
        }
    }
}
