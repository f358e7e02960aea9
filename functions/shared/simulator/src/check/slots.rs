//! Slots of pipelines with a limit: after every transaction that touches one, exactly the executions that may run hold one,
//! never more than the limit, and whoever waits is entered once.

use super::Watch;
use crate::state::State;
use app::execution::slots::Slots;
use app::ports::Transaction;
use app::record::decode;
use model::id::ExecutionId;
use model::reason::ReasonCode;
use std::collections::BTreeSet;

/// What is known of a pipeline's slots.
#[derive(Default)]
pub(crate) struct Queue {
    /// So many may run at once; without a limit nothing is looked at.
    limit: Option<u32>,
    slots: Slots,
    /// Whose place another one took, and who may not have been told yet.
    superseded: BTreeSet<ExecutionId>,
}

impl Queue {
    pub(crate) fn of(limit: Option<u32>) -> Self {
        Self { limit, ..Self::default() }
    }
}

/// The pipelines with a limit that a transaction may have changed the slots of.
pub(super) fn touched(watch: &Watch, transaction: &Transaction) -> Vec<usize> {
    if watch.queues.iter().all(|queue| queue.limit.is_none()) {
        return Vec::new();
    }
    let pipeline_of = |partition: &str| match partition.strip_prefix("EXEC#") {
        Some(id) => watch.run_of(id).map(|run| watch.pipeline_of[run]),
        None => watch.pipelines.iter().position(|id| partition.strip_prefix("PIPE#") == Some(id.as_str())),
    };
    let keys = transaction.writes.iter().map(|write| write.key()).filter(|key| key.sort == "META" || key.sort == "SLOTS");
    let found: BTreeSet<usize> = keys.filter_map(|key| pipeline_of(&key.partition)).collect();
    found.into_iter().filter(|pipeline| watch.queues[*pipeline].limit.is_some()).collect()
}

/// Looks at a pipeline's slots as they stand now.
pub(super) fn look(state: &mut State, pipeline: usize) {
    let key = app::execution::keys::slots(&state.watch.pipelines[pipeline]);
    let Some(item) = state.store.get(&key, state.now) else { return };
    let Ok(slots) = decode::<Slots>(&item.body) else {
        return state.fail("damaged", format!("{key:?}"));
    };
    let wrong = state.watch.follow(pipeline, slots);
    if let Some((rule, message)) = wrong {
        state.fail(rule, format!("pipeline {pipeline}: {message}"));
    }
}

impl Watch {
    fn follow(&mut self, pipeline: usize, slots: Slots) -> Option<(&'static str, String)> {
        let Queue { limit, slots: before, superseded } = &mut self.queues[pipeline];
        let stays = |id: &ExecutionId| slots.running.contains(id) || slots.waiting.iter().any(|waiting| waiting.execution == *id);
        superseded.extend(before.waiting.iter().map(|waiting| waiting.execution.clone()).filter(|id| !stays(id)));
        superseded.retain(|id| !stays(id));
        let limit = limit.unwrap_or(u32::MAX) as usize;
        *before = slots;
        let Queue { slots, superseded, .. } = &self.queues[pipeline];
        if slots.running.len() > limit {
            return Some(("too-many-run", format!("{} executions run, and {limit} may: {:?}", slots.running.len(), slots.running)));
        }
        let mut seen = BTreeSet::new();
        let entered = slots.running.iter().chain(slots.waiting.iter().map(|waiting| &waiting.execution));
        for id in entered {
            let open =
                self.run_of(id.as_str()).and_then(|run| self.runs[run].meta.as_ref()).is_some_and(|m| !m.execution.status.is_complete());
            if !open || !seen.insert(id) {
                return Some(("slot-leaks", format!("{id} is entered {}", if open { "twice" } else { "although it is not open" })));
            }
        }
        for (run, seen) in self.runs.iter().enumerate().filter(|(run, _)| self.pipeline_of[*run] == pipeline) {
            let Some(execution) = seen.meta.as_ref().map(|meta| &meta.execution).filter(|e| !e.status.is_complete()) else { continue };
            let runs = slots.running.contains(&execution.id);
            if !execution.queued && !runs {
                return Some(("runs-without-slot", format!("run {run} is {} and has no slot", execution.status)));
            }
            let waits = runs || slots.waiting.iter().any(|waiting| waiting.execution == execution.id);
            if execution.queued && !waits && !superseded.contains(&execution.id) {
                return Some(("waits-for-nothing", format!("run {run} waits for a slot and is entered nowhere")));
            }
        }
        None
    }
}

/// Nobody has a slot or waits for one.
pub(super) fn at_rest(state: &mut State) {
    for pipeline in 0..state.watch.queues.len() {
        let Slots { running, waiting, .. } = &state.watch.queues[pipeline].slots;
        if !running.is_empty() || !waiting.is_empty() {
            let message = format!("pipeline {pipeline}: {running:?} have slots and {} wait, and nothing runs", waiting.len());
            state.fail("slot-left", message);
        }
    }
    for run in 0..state.watch.runs.len() {
        let pipeline = &state.scenario.pipelines[state.watch.pipeline_of[run]];
        let reason = state.watch.runs[run].meta.as_ref().and_then(|meta| meta.execution.reason.as_ref());
        let Some(reason) = reason.filter(|reason| reason.is(ReasonCode::Superseded)) else { continue };
        let by = reason.data.get("by").and_then(|by| by.as_str()).and_then(|id| state.watch.run_of(id));
        let fits = by.is_some_and(|by| by != run && state.watch.pipeline_of[by] == state.watch.pipeline_of[run]);
        if pipeline.limit.is_none() || pipeline.keep_waiting || !fits {
            return state.fail("superseded-for-nothing", format!("run {run} was superseded by {by:?}"));
        }
    }
}
