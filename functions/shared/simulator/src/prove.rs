//! Shows that the simulation can fail: plants one bug after the other and looks how many seeds it takes to find it.
//!
//! A seed finds a bug when it fails with it and passes without it. One that fails without any is told: it proves nothing, and the
//! simulation must pass before it can be shown to fail.

use crate::campaign::{Seeds, campaign};
use crate::examine::examine;
use crate::generate;
use engine::planted::{Bug, plant};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a planted bug was found.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Which bug.
    pub bug: Bug,
    /// After how many seeds, and by which rule; none when it was not.
    pub after: Option<(u64, &'static str)>,
    /// The first seed that fails without any bug, of those that were looked at before it was found.
    pub fails_anyway: Option<u64>,
    /// How long that took.
    pub took: Duration,
}

/// Plants each bug in turn and examines seeds until it is found.
pub fn prove(bugs: &[Bug], seeds: Seeds, mut told: impl FnMut(&Found)) -> Vec<Found> {
    let look = |bug: &Bug| {
        let start = Instant::now();
        let (after, fails_anyway) = find(*bug, seeds);
        let found = Found { bug: *bug, after, fails_anyway, took: start.elapsed() };
        told(&found);
        found
    };
    bugs.iter().map(look).collect()
}

fn find(bug: Bug, seeds: Seeds) -> (Option<(u64, &'static str)>, Option<u64>) {
    let Seeds { mut from, count, jobs, .. } = seeds;
    let mut fails_anyway = None;
    let end = from.saturating_add(count);
    while from < end {
        plant(Some(bug));
        let tally = campaign(Seeds { from, count: end - from, jobs, first_only: true });
        plant(None);
        let Some((seed, rule)) = tally.first_failed() else { break };
        if examine(&Arc::new(generate::scenario(seed)), None, false).failure.is_none() {
            return (Some((seed + 1 - seeds.from, rule)), fails_anyway);
        }
        fails_anyway = fails_anyway.or(Some(seed));
        from = seed + 1;
    }
    (None, fails_anyway)
}
