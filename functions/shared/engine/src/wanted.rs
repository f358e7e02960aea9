//! What is to be done next, and when to look again: derived, never remembered.

use crate::event::Wake;
use crate::state::{Call, Execution, Phase, RunState};
use model::Millis;
use model::status::Status;

/// Something that another room must do for the execution to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Resolve a stage's condition and settings, before the commit that starts it.
    Resolve {
        /// Which stage run.
        run: usize,
        /// Which attempt.
        attempt: u32,
    },
    /// Make a step. Its identity is (run, attempt, seq, retry).
    Step {
        /// Which stage run.
        run: usize,
        /// Which attempt.
        attempt: u32,
        /// Which step.
        seq: u32,
        /// Which repetition.
        retry: u32,
        /// Which export.
        call: Call,
        /// Why.
        wake: Wake,
        /// When it was scheduled.
        scheduled_ms: Millis,
        /// When the stage's time is over, if it ever is.
        deadline_ms: Option<Millis>,
    },
    /// Watch what the stage named in its last answer.
    Watch {
        /// Which stage run.
        run: usize,
        /// Which attempt.
        attempt: u32,
        /// The step it waits after.
        seq: u32,
    },
}

/// Everything that is to be done now, in the order of the stages.
#[must_use]
pub fn wanted(execution: &Execution) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (run, stage) in execution.runs.iter().enumerate() {
        let RunState::Live(live) = &stage.state else { continue };
        if !execution.is_under_way(run) {
            continue;
        }
        match &live.phase {
            Phase::Resolve => effects.push(Effect::Resolve { run, attempt: stage.attempt }),
            Phase::Step { call, wake, retry, scheduled_ms } => effects.push(Effect::Step {
                run,
                attempt: stage.attempt,
                seq: stage.seq,
                retry: *retry,
                call: *call,
                wake: wake.clone(),
                scheduled_ms: *scheduled_ms,
                deadline_ms: execution.deadline_ms(live).or(live.stopping.as_ref().map(|stopping| stopping.until_ms)),
            }),
            Phase::Wait { .. } => effects.push(Effect::Watch { run, attempt: stage.attempt, seq: stage.seq }),
            Phase::Window { .. } | Phase::Suspended { .. } | Phase::BackOff { .. } | Phase::Children { .. } => {}
        }
    }
    effects
}

/// Whether a tick at this instant changes anything. A step that is being made is not waited for by time, but its stage's end is.
#[must_use]
pub fn is_due(execution: &Execution, now: Millis) -> bool {
    if execution.status == Status::NotStarted {
        return execution.start_by_ms.is_some_and(|by| by < now);
    }
    if execution.paused.is_some() {
        return false;
    }
    execution.runs.iter().filter_map(|run| run.live()).any(|live| {
        let until = match &live.phase {
            Phase::Window { until_ms } | Phase::Wait { until_ms } | Phase::BackOff { until_ms, .. } => Some(*until_ms),
            Phase::Suspended { until_ms, .. } => *until_ms,
            Phase::Resolve | Phase::Step { .. } | Phase::Children { .. } => None,
        };
        let stop = live.stopping.as_ref().map(|stopping| stopping.until_ms);
        [until, execution.deadline_ms(live), stop].into_iter().flatten().any(|at| at <= now)
    })
}

/// The earliest instant at which time alone changes something; none when nothing waits for time.
#[must_use]
pub fn wake_at(execution: &Execution) -> Option<Millis> {
    if execution.status == Status::NotStarted {
        // One that waits for a slot is woken by whoever gives it one.
        return if execution.queued { execution.start_by_ms.map(|by| by.saturating_add(1)) } else { Some(execution.created_ms) };
    }
    let under_way = execution.runs.iter().enumerate().filter(|(run, _)| execution.is_under_way(*run));
    under_way
        .filter_map(|(_, stage)| stage.live())
        .flat_map(|live| {
            let until = match &live.phase {
                Phase::Resolve => Some(live.started_ms),
                Phase::Step { scheduled_ms, .. } => Some(*scheduled_ms),
                Phase::Window { until_ms } | Phase::Wait { until_ms } | Phase::BackOff { until_ms, .. } => Some(*until_ms),
                Phase::Suspended { until_ms, .. } => *until_ms,
                Phase::Children { .. } => None,
            };
            let held = execution.paused.is_some();
            let deadline = execution.deadline_ms(live).filter(|_| !held);
            let stop = live.stopping.as_ref().map(|stopping| stopping.until_ms).filter(|_| !held);
            [until, deadline, stop]
        })
        .flatten()
        .min()
}
