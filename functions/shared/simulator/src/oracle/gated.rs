//! Where nothing races: everything that does not end an execution at once ends; then the first of what does; then what people
//! do once nothing moves; then what waits in vain runs out of its time; then what people do once it has ended.

use super::{Child, End, Expect, Expected, cancels, finished, halts, status, timed_out, walk};
use crate::scenario::{From, Scenario, What, When};
use model::status::Status;

/// What the executions come to.
pub(super) fn settle(scenario: &Scenario) -> Vec<Expect> {
    let mut models = Models::new(scenario);
    for run in 0..scenario.runs.len() {
        if !matches!(scenario.runs[run].from, From::Child { .. }) {
            models.settle(run);
        }
    }
    models.of.iter().map(Model::expect).collect()
}

#[derive(Clone)]
struct At {
    status: Status,
    attempt: u32,
}

/// One execution.
struct Model {
    stages: Vec<At>,
    begun: bool,
    ended: Option<Status>,
    /// How often it ended.
    ends: usize,
    /// What people do when nothing moves is done.
    moved: bool,
}

impl Model {
    fn expect(&self) -> Expect {
        if !self.begun {
            return Expect::Nothing;
        }
        Expect::That(Expected {
            stages: self.stages.iter().map(|at| vec![at.status]).collect(),
            attempts: Some(self.stages.iter().map(|at| at.attempt).collect()),
            whole: self.ended.into_iter().collect(),
        })
    }
}

/// A stage that does not end by itself now.
#[derive(Clone, Copy)]
struct Waiting {
    at: usize,
    end: End,
}

struct Models<'a> {
    scenario: &'a Scenario,
    of: Vec<Model>,
}

impl<'a> Models<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let model = |run: usize| {
            let stages = vec![At { status: Status::NotStarted, attempt: 1 }; scenario.pipeline_of(run).stages.len()];
            Model { stages, begun: false, ended: None, ends: 0, moved: false }
        };
        Self { scenario, of: (0..scenario.runs.len()).map(model).collect() }
    }

    fn settle(&mut self, run: usize) {
        self.rest(run);
        while self.of[run].ended.is_none() {
            self.expire(run);
            self.rest(run);
        }
    }

    /// Goes on until it has ended for good or waits in vain.
    fn rest(&mut self, run: usize) {
        self.of[run].begun = true;
        loop {
            if self.of[run].ended.is_some() {
                let when = When::Ended(self.of[run].ends - 1);
                if !self.restarts(run, when, &[]) {
                    return;
                }
            }
            let waiting = self.propagate(run);
            let halting = |waits: &&Waiting| !matches!(waits.end, End::Waits | End::WaitsFor(_));
            if let Some(first) = waiting.iter().find(halting) {
                let becomes = status(&self.scenario.pipeline_of(run).stages[first.at], first.end);
                self.cut(run, &waiting);
                self.of[run].stages[first.at].status = becomes;
                self.end(run, becomes);
            } else if waiting.is_empty() {
                let stages: Vec<(Status, u32)> = self.of[run].stages.iter().map(|at| (at.status, at.attempt)).collect();
                self.end(run, finished(self.scenario.pipeline_of(run), &stages));
            } else if !self.still(run, &waiting) {
                return;
            }
        }
    }

    /// What people do when nothing moves. False when they do nothing.
    fn still(&mut self, run: usize, waiting: &[Waiting]) -> bool {
        if std::mem::replace(&mut self.of[run].moved, true) {
            return false;
        }
        if cancels(self.scenario, run) {
            self.cut(run, waiting);
            self.end(run, Status::Canceled);
            return true;
        }
        self.restarts(run, When::Still, waiting)
    }

    /// Everything that is at work is cancelled, with what it started.
    fn cut(&mut self, run: usize, waiting: &[Waiting]) {
        for waits in waiting {
            self.of[run].stages[waits.at].status = Status::Canceled;
            if let End::WaitsFor(child) = waits.end {
                let below = self.propagate(child);
                self.cut(child, &below);
                self.end(child, Status::Canceled);
            }
        }
    }

    fn end(&mut self, run: usize, status: Status) {
        self.of[run].ended = Some(status);
        self.of[run].ends += 1;
    }

    /// The time of what waits in vain is over.
    fn expire(&mut self, run: usize) {
        let waiting = self.propagate(run);
        let Some(first) = waiting.first() else { return };
        if let End::WaitsFor(child) = first.end {
            self.expire(child);
            return self.rest(child);
        }
        let stage = &self.scenario.pipeline_of(run).stages[first.at];
        let becomes = status(stage, timed_out(stage));
        if halts(becomes) {
            self.cut(run, &waiting);
            self.end(run, becomes);
        }
        self.of[run].stages[first.at].status = becomes;
    }

    /// Ends what may end; gives the stages that started and did not.
    fn propagate(&mut self, run: usize) -> Vec<Waiting> {
        let pipeline = self.scenario.pipeline_of(run);
        let mut waiting = Vec::new();
        for (at, stage) in pipeline.stages.iter().enumerate() {
            let model = &self.of[run];
            let passes = |r: &usize| model.stages[*r].status.lets_pass();
            if model.stages[at].status != Status::NotStarted || !stage.requisites.iter().all(passes) {
                continue;
            }
            let attempt = model.stages[at].attempt;
            let end = walk(self.scenario, run, at, attempt, &mut |child| {
                self.rest(child);
                self.of[child].ended.map_or(Child::Waits, Child::Ends)
            });
            let becomes = status(stage, end);
            if matches!(end, End::Waits | End::WaitsFor(_)) || halts(becomes) {
                waiting.push(Waiting { at, end });
            } else {
                self.of[run].stages[at].status = becomes;
            }
        }
        waiting
    }

    /// Does what somebody wants done again then. False when nobody does, or it cannot be done.
    fn restarts(&mut self, run: usize, when: When, waiting: &[Waiting]) -> bool {
        let found = self.scenario.outside.iter().find_map(|event| match event.what {
            What::Restart { stage } if event.run == run && event.when == when => Some(stage),
            _ => None,
        });
        found.is_some_and(|stage| self.restart(run, stage, waiting))
    }

    fn restart(&mut self, run: usize, top: usize, waiting: &[Waiting]) -> bool {
        let live = |at: usize| waiting.iter().any(|waits| waits.at == at);
        let model = &mut self.of[run];
        let begun = |at: usize| model.stages[at].status != Status::NotStarted || live(at);
        if !(0..model.stages.len()).any(begun) {
            return false;
        }
        let mut after = vec![false; model.stages.len()];
        after[top] = true;
        // Requisites come first in the list.
        for (at, stage) in self.scenario.pipeline_of(run).stages.iter().enumerate() {
            after[at] |= stage.requisites.iter().any(|r| after[*r]);
        }
        let touched = |at: &usize| *at == top || model.stages[*at].status == Status::Canceled || (after[*at] && begun(*at));
        let touched: Vec<usize> = (0..model.stages.len()).filter(touched).collect();
        if touched.iter().any(|at| live(*at)) {
            return false;
        }
        for at in touched {
            model.stages[at] = At { status: Status::NotStarted, attempt: model.stages[at].attempt + 1 };
        }
        model.ended = None;
        true
    }
}
