//! Shows that the simulation can fail: plants one bug after the other and looks how many seeds it takes to find it.

use crate::campaign::{Seeds, campaign};
use engine::planted::{Bug, plant};

/// A planted bug is found within so many seeds, or the proof fails.
pub const SEEDS_MAX: u64 = 20_000;

/// How a planted bug was found.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Which bug.
    pub bug: Bug,
    /// After how many seeds, and by which rule; none when it was not.
    pub after: Option<(u64, &'static str)>,
}

/// Plants each bug in turn and examines seeds until it is found.
pub fn prove(bugs: &[Bug], mut told: impl FnMut(&Found)) -> Vec<Found> {
    let look = |bug: &Bug| {
        plant(Some(*bug));
        let tally = campaign(Seeds { from: 0, count: SEEDS_MAX, jobs: 1, first_only: true });
        plant(None);
        let rule = tally.failed.keys().next().copied().unwrap_or_default();
        let found = Found { bug: *bug, after: tally.first_failed().map(|seed| (seed + 1, rule)) };
        told(&found);
        found
    };
    bugs.iter().map(look).collect()
}
