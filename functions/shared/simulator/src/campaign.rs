//! Many seeds: each examined by itself, on as many threads as asked for, and the first that fails told in full.

use crate::examine::examine;
use crate::fault::Class;
use crate::generate;
use crate::scenario::Scenario;
use crate::shrink::{Small, shrink};
use crate::state::Failure;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failing seeds of which the smallest is looked for; the rest are counted.
const SHOWN_MAX: usize = 3;
/// Stages of a scenario that counts as small.
pub const SMALL_STAGES: usize = 4;
/// Transitions of a run that counts as small.
pub const SMALL_TRANSITIONS: u64 = 30;

/// Which seeds.
#[derive(Debug, Clone, Copy)]
pub struct Seeds {
    /// The first.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// Threads.
    pub jobs: usize,
    /// Stop at the first that fails.
    pub first_only: bool,
}

/// What many seeds came to.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Seeds examined.
    pub seeds: u64,
    /// Runs compared with one without faults.
    pub compared: u64,
    /// Calls of ports.
    pub calls: u64,
    /// Transitions of executions.
    pub transitions: u64,
    /// Faults.
    pub faults: u64,
    /// Seeds that had a class of faults.
    pub classes: BTreeMap<&'static str, u64>,
    /// Seeds in which something came to pass.
    pub shown: BTreeMap<&'static str, u64>,
    /// Seeds that failed, by rule.
    pub failed: BTreeMap<&'static str, Vec<u64>>,
    /// Seeds whose scenario is no larger than what people usually run: few stages, few transitions.
    pub small: u64,
    /// Time those took, one after the other.
    pub small_took: Duration,
    /// Stages of the scenarios, for the median.
    stages: Vec<usize>,
    /// Outside events of the scenarios, for the median.
    events: Vec<usize>,
}

impl Tally {
    /// The first seed that failed, and by which rule. With `first_only` it is the first of all, whatever the number of threads:
    /// seeds are given out in order, and those that were given out are examined to their end.
    #[must_use]
    pub fn first_failed(&self) -> Option<(u64, &'static str)> {
        self.failed.iter().flat_map(|(rule, seeds)| seeds.iter().map(|seed| (*seed, *rule))).min()
    }

    /// Stages of the median scenario.
    #[must_use]
    pub fn median_stages(&self) -> usize {
        median(&self.stages)
    }

    /// Transitions of the median scenario.
    #[must_use]
    pub fn median_transitions(&self) -> usize {
        median(&self.events)
    }

    fn add(&mut self, scenario: &Scenario, examined: &crate::examine::Examined, took: Duration) {
        self.seeds += 1;
        if scenario.size().0 <= SMALL_STAGES && examined.report.transitions <= SMALL_TRANSITIONS {
            self.small += 1;
            self.small_took += took;
        }
        self.compared += u64::from(examined.compared);
        self.calls += examined.report.calls;
        self.transitions += examined.report.transitions;
        self.faults += examined.report.faults.len() as u64;
        for class in scenario.classes.iter() {
            *self.classes.entry(Class::name(class)).or_default() += 1;
        }
        for shown in &examined.report.shown {
            *self.shown.entry(shown).or_default() += 1;
        }
        if let Some(failure) = &examined.failure {
            self.failed.entry(failure.rule).or_default().push(scenario.seed);
        }
        let (stages, _, _) = scenario.size();
        self.stages.push(stages);
        self.events.push(examined.report.transitions as usize);
    }

    fn join(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.small += other.small;
        self.small_took += other.small_took;
        self.compared += other.compared;
        self.calls += other.calls;
        self.transitions += other.transitions;
        self.faults += other.faults;
        for (class, count) in other.classes {
            *self.classes.entry(class).or_default() += count;
        }
        for (shown, count) in other.shown {
            *self.shown.entry(shown).or_default() += count;
        }
        for (rule, seeds) in other.failed {
            self.failed.entry(rule).or_default().extend(seeds);
        }
        self.stages.extend(other.stages);
        self.events.extend(other.events);
    }
}

fn median(values: &[usize]) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Examines seeds. With several threads the order is not that of the seeds, and each seed's run is the same all the same.
#[must_use]
pub fn campaign(seeds: Seeds) -> Tally {
    let next = AtomicU64::new(seeds.from);
    let stop = AtomicBool::new(false);
    let total = Mutex::new(Tally::default());
    let end = seeds.from.saturating_add(seeds.count);
    let work = || {
        let mut mine = Tally::default();
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break;
            }
            let start = Instant::now();
            let scenario = Arc::new(generate::scenario(seed));
            let examined = examine(&scenario, None, false);
            mine.add(&scenario, &examined, start.elapsed());
            if examined.failure.is_some() && seeds.first_only {
                stop.store(true, Ordering::Relaxed);
            }
        }
        total.lock().unwrap_or_else(PoisonError::into_inner).join(mine);
    };
    std::thread::scope(|scope| {
        for _ in 1..seeds.jobs {
            scope.spawn(work);
        }
        work();
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.failed.values_mut().for_each(|seeds| seeds.sort_unstable());
    total
}

/// The smallest failures found for some of the seeds that failed: one a rule.
#[must_use]
pub fn smallest(tally: &Tally) -> Vec<(u64, Small)> {
    let firsts = tally.failed.values().filter_map(|seeds| seeds.first().copied());
    firsts.take(SHOWN_MAX).filter_map(|seed| Some((seed, smallest_of(seed, |_| ())?))).collect()
}

/// The smallest failure found for a seed; none when it passes. What failed at first is told before it is made small.
#[must_use]
pub fn smallest_of(seed: u64, first: impl FnOnce(&Failure)) -> Option<Small> {
    let scenario = Arc::new(generate::scenario(seed));
    let examined = examine(&scenario, None, false);
    let failure = examined.failure?;
    first(&failure);
    Some(shrink(&scenario, examined.report.faults, failure))
}
