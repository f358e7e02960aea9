//! The outside of a run: something that changes all the time, and every change that stages made to it, with whose it was.

use crate::check;
use crate::rng::mix;
use crate::state::State;
use std::collections::BTreeMap;

/// A step, among all steps of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StepId {
    pub(crate) run: usize,
    pub(crate) stage: usize,
    pub(crate) attempt: u32,
    pub(crate) seq: u32,
    pub(crate) retry: u32,
}

/// What a stage's script means by a change: the same in every repetition of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Meant {
    pub(crate) run: usize,
    pub(crate) stage: usize,
    pub(crate) attempt: u32,
    /// Which act of the script.
    pub(crate) act: usize,
    /// Which call of the act.
    pub(crate) call: usize,
}

/// A change that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) step: StepId,
    pub(crate) meant: Meant,
    /// What is written.
    pub(crate) content: u64,
}

/// Something watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Watched {
    /// Something that changes sooner or later.
    Something,
    /// Whether a stage's gate is open.
    Gate { run: usize, stage: usize },
}

/// Changes by what was meant: each with the step that made it, what it wrote, and how often.
pub(crate) type Made = BTreeMap<Meant, Vec<(StepId, u64, u32)>>;

/// The outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reality {
    version: u64,
    pub(crate) made: Made,
}

impl Reality {
    pub(crate) fn read(&mut self) -> u64 {
        // It changes between any two looks: a step that is repeated would read something else.
        self.version += 1;
        mix(self.version, 0x4EA1)
    }
}

/// A change arrives.
pub(crate) fn write(state: &mut State, effect: Effect) -> u64 {
    let list = state.reality.made.entry(effect.meant).or_default();
    match list.iter_mut().find(|(step, content, _)| (*step, *content) == (effect.step, effect.content)) {
        Some((_, _, count)) => *count += 1,
        None => list.push((effect.step, effect.content, 1)),
    }
    let Meant { run, stage, attempt, act, call } = effect.meant;
    let StepId { seq, retry, .. } = effect.step;
    state.tell(|| format!("    run {run} stage {stage}: change {act}.{call} made, attempt {attempt} seq {seq} retry {retry}"));
    state.reality.version += 1;
    state.reality.version
}

/// How long until something watched changes; none when it is looked at after each commit.
pub(crate) fn changes_after(state: &State, watched: &Watched, chance: u64) -> Option<u64> {
    match watched {
        Watched::Something => Some(chance % 30_000),
        Watched::Gate { run, stage } => check::gate_is_open(state, *run, *stage).then_some(chance % 20),
    }
}
