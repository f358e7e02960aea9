//! Makes a failing scenario small: fewer faults, events, executions, stages, steps, as long as it fails by the same rule.

use crate::examine::examine;
use crate::fault::Fault;
use crate::scenario::{Condition, Scenario, Stage, What, When};
use crate::state::Failure;
use model::pipeline::FailureChoice;
use std::sync::Arc;

/// Runs that may be spent on it.
const TRIES_MAX: u32 = 3_000;

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
}

/// Makes a scenario that failed with these faults as small as it gets.
#[must_use]
pub fn shrink(scenario: &Arc<Scenario>, faults: Vec<(u64, Fault)>, failure: Failure) -> Small {
    let mut small = Small { scenario: scenario.clone(), faults, failure, left: TRIES_MAX };
    loop {
        let before = small.weight();
        small.fewer_faults();
        small.fewer_events();
        small.fewer_runs();
        small.fewer_stages();
        small.simpler_stages();
        if small.weight() >= before || small.left == 0 {
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

    /// Takes the candidate when it still fails, with these faults or with those it draws.
    fn try_with(&mut self, scenario: Arc<Scenario>, faults: Vec<(u64, Fault)>, drawn: bool) -> bool {
        for faults in [Some(faults), None].into_iter().take(if drawn { 2 } else { 1 }) {
            if self.left == 0 {
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
            self.change_stage(pipeline, at, |s| drop(s.acts.remove(place)));
        }
        for place in 0..self.scenario.pipelines[pipeline].stages[at].acts.len() {
            let calls = self.scenario.pipelines[pipeline].stages[at].acts[place].calls.len();
            for call in (0..calls).rev() {
                self.change_stage(pipeline, at, |s| {
                    s.acts[place].calls.remove(call);
                });
            }
        }
        if stage.condition != Condition::None {
            self.change_stage(pipeline, at, |s| s.condition = Condition::None);
        }
        if stage.failure != FailureChoice::Halt {
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

fn without_run(scenario: &mut Scenario, run: usize) {
    scenario.runs.remove(run);
    scenario.outside.retain(|event| event.run != run);
    for event in &mut scenario.outside {
        event.run -= usize::from(event.run > run);
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
    let about = |event: &crate::scenario::Outside| match (event.what, event.when) {
        (What::Answer { stage, .. }, _) => Some(stage),
        (What::Cancel | What::Pause { .. }, When::Asked(stage, _)) => Some(stage),
        (What::Cancel | What::Pause { .. }, _) => None,
    };
    scenario.outside.retain(|event| !runs.contains(&event.run) || about(event) != Some(at));
    for event in scenario.outside.iter_mut().filter(|event| runs.contains(&event.run)) {
        let moved = |stage: usize| stage - usize::from(stage > at);
        if let What::Answer { stage, .. } = &mut event.what {
            *stage = moved(*stage);
        }
        if let When::Asked(stage, nth) = event.when {
            event.when = When::Asked(moved(stage), nth);
        }
    }
}
