//! The engine: `decide(execution, event, now)` says what an execution becomes. A value in, a value out.
//!
//! Total and deterministic; no IO, no clock, no randomness, no text to evaluate. What is to be done next is not remembered
//! anywhere: [`wanted`] derives it from the execution, so that whoever reads the stored execution knows it too.

mod advance;
mod ending;
mod event;
pub mod invariants;
mod on;
pub mod planted;
mod runs;
mod state;
mod wanted;

pub use ending::given_up;
pub use event::{Cancel, Event, Outcome, Refusal, Verdict, Wake};
pub use runs::Runs;
pub use state::{
    Call, Done, Ending, Execution, Graph, InvalidGraph, Limits, Live, Node, Parent, Pause, Phase, RunState, STAGE_RUNS_MAX, StageRun,
    Stopping, WindowPass,
};
pub use wanted::{Effect, is_due, wake_at, wanted};

use model::Millis;

/// What an event made of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The execution afterwards; equal to the one before when the event was stale or a repeat.
    pub execution: Execution,
    /// Whether anything changed.
    pub changed: bool,
}

/// Decides what `event` makes of `execution` at `now`.
///
/// A stale or repeated event leaves the execution unchanged; only what a person asked for is refused, with the reason that
/// person should see.
pub fn decide(execution: &Execution, event: &Event, now: Millis) -> Result<Decision, Refusal> {
    let mut next = execution.clone();
    match event {
        Event::Begin => on::begin::apply(&mut next, now),
        Event::Resolved { run, attempt, verdict } => on::resolved::apply(&mut next, *run, *attempt, verdict, now),
        Event::Stepped { run, attempt, seq, retry, outcome } => {
            on::stepped::apply(&mut next, on::stepped::Of { run: *run, attempt: *attempt, seq: *seq, retry: *retry }, outcome, now);
        }
        Event::Changed { run, attempt, seq } => on::changed::apply(&mut next, *run, *attempt, *seq, now),
        Event::Signal { run, name, sender, body } => on::signal::apply(&mut next, *run, name, sender, body, now)?,
        Event::Cancel(cancel) => on::cancel::apply(&mut next, cancel, now)?,
        Event::Pause(by) => on::pause::apply(&mut next, by, now)?,
        Event::Resume => on::resume::apply(&mut next, now)?,
        Event::Restart { run } => on::restart::apply(&mut next, *run)?,
        Event::Skip { run, by } => on::skip::apply(&mut next, *run, by, now)?,
        Event::SkipWindow { run } => on::skip::window(&mut next, *run)?,
        Event::Granted => on::queue::granted(&mut next),
        Event::Superseded { by } => on::queue::superseded(&mut next, by, now),
        Event::Tick => on::tick::apply(&mut next, now),
    }
    advance::settle(&mut next, now);
    let changed = next != *execution;
    // Where bugs are planted, the engine does not stop itself: they are to be found from outside.
    #[cfg(not(feature = "planted-bugs"))]
    debug_assert_eq!(invariants::check(execution, &next), Ok(()), "after {event:?}");
    Ok(Decision { execution: next, changed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on::testing::execution;

    #[test]
    fn a_decision_says_whether_anything_changed() {
        let begun = decide(&execution(&[&[]]), &Event::Begin, 1_000).unwrap();
        assert!(begun.changed);
        assert!(!decide(&begun.execution, &Event::Begin, 1_000).unwrap().changed, "a repeat");
    }
}
