//! Slots: how many executions of a pipeline may run at once, who has one, and who waits. One item a pipeline, changed in the
//! transaction that starts or ends an execution, so that two starts at the same moment never both pass.
//!
//! A pipeline that never had a limit has no such item. From the save that first gives it one, every start is entered.

use super::keys;
use super::stored::Summary;
use crate::error::AppError;
use crate::ports::{Condition, Query, Table, Write};
use crate::record::{self, Record, Shape, item, load, shape};
use engine::planted::{Bug, planted};
use model::id::{ExecutionId, PipelineId};
use model::pipeline::Concurrency;
use serde::{Deserialize, Serialize};

/// Executions that are read at a time when a pipeline gets its first limit, and how often.
const SEED_PAGE: usize = 100;
const SEED_PAGES_MAX: usize = 50;

/// Executions that one end lets begin; where a limit was raised meanwhile, the next end lets more.
pub const GRANTS_MAX: usize = 5;

/// SLOTS: who runs, who waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slots {
    /// Those that have a slot; a paused execution keeps its.
    pub running: Vec<ExecutionId>,
    /// Those that wait, oldest first.
    pub waiting: Vec<Waiting>,
    /// Executions from before the first limit have been entered.
    pub seeded: bool,
}

impl Record for Slots {
    const SHAPE: &'static str = "slots";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<Slots>()];

/// An execution that waits, with what its own pipeline revision says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Which.
    pub execution: ExecutionId,
    /// So many may run at once.
    pub concurrency: Concurrency,
}

/// What became of an execution that wants a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It has one.
    Granted,
    /// It waits, at this place from 1.
    Queued(usize),
    /// Too many wait already.
    Full,
}

/// An execution that got the slot of one that ended, and those whose place it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who may begin.
    pub execution: ExecutionId,
    /// Who will not.
    pub superseded: Vec<ExecutionId>,
}

impl Slots {
    /// Enters an execution.
    pub fn enter(&mut self, execution: &ExecutionId, concurrency: Concurrency, waiting_max: usize) -> Entered {
        if self.running.contains(execution) {
            return Entered::Granted;
        }
        if self.room_for(concurrency) {
            self.running.push(execution.clone());
            return Entered::Granted;
        }
        if self.waiting.len() >= waiting_max {
            return Entered::Full;
        }
        self.waiting.push(Waiting { execution: execution.clone(), concurrency });
        Entered::Queued(self.waiting.len())
    }

    fn room_for(&self, concurrency: Concurrency) -> bool {
        concurrency.limit.is_none_or(|limit| self.running.len() < limit as usize)
    }

    /// Takes an execution out, and gives what is free to those that wait. False when it was not in.
    pub fn leave(&mut self, execution: &ExecutionId) -> (bool, Vec<Grant>) {
        let before = self.running.len() + self.waiting.len();
        self.running.retain(|id| id != execution);
        self.waiting.retain(|waiting| waiting.execution != *execution);
        let left = self.running.len() + self.waiting.len() < before;
        if planted(Bug::SlotReleasedTwice) && left {
            self.running.pop();
        }
        (left, if left { self.grant() } else { Vec::new() })
    }

    /// Oldest first, none dropped, where the newest that waits says to keep them; otherwise the newest alone, and the others never run.
    fn grant(&mut self) -> Vec<Grant> {
        let mut grants = Vec::new();
        while let Some(newest) = self.waiting.last().filter(|_| grants.len() < GRANTS_MAX) {
            let keep = newest.concurrency.keep_waiting;
            let place = if keep { 0 } else { self.waiting.len() - 1 };
            if !self.waiting.get(place).is_some_and(|next| self.room_for(next.concurrency)) {
                break;
            }
            let next = self.waiting.remove(place);
            let superseded = if keep { Vec::new() } else { self.waiting.drain(..).map(|waiting| waiting.execution).collect() };
            self.running.push(next.execution.clone());
            grants.push(Grant { execution: next.execution, superseded });
        }
        grants
    }
}

/// A pipeline's slots as they are stored, with the revision of their item.
pub async fn read(table: &dyn Table, pipeline: &PipelineId) -> Result<Option<(Slots, u64)>, AppError> {
    load::<Slots>(table, &keys::slots(pipeline)).await
}

/// A pipeline's slots for an execution that wants one: what was read, seeded, and the item's revision; none when the pipeline never
/// had a limit.
pub async fn open(
    table: &dyn Table,
    pipeline: &PipelineId,
    concurrency: Concurrency,
    read: Option<(Slots, u64)>,
) -> Result<Option<(Slots, Option<u64>)>, AppError> {
    let (mut slots, revision) = match read {
        Some((slots, revision)) => (slots, Some(revision)),
        None if concurrency.limit.is_none() => return Ok(None),
        None => (Slots::default(), None),
    };
    if !slots.seeded {
        for id in from_before(table, pipeline).await? {
            if !slots.running.contains(&id) && !slots.waiting.iter().any(|waiting| waiting.execution == id) {
                slots.running.push(id);
            }
        }
        slots.seeded = true;
    }
    Ok(Some((slots, revision)))
}

/// Open executions that were started before the pipeline had slots.
async fn from_before(table: &dyn Table, pipeline: &PipelineId) -> Result<Vec<ExecutionId>, AppError> {
    let mut query = Query::prefix(format!("PIPE#{pipeline}"), "EXEC#", SEED_PAGE);
    query.backward = true;
    let mut open = Vec::new();
    for _ in 0..SEED_PAGES_MAX {
        let (rows, next) = record::page::<Summary>(table, &query).await?;
        open.extend(rows.into_iter().filter(|row| !row.status.is_complete()).map(|row| row.id));
        match next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    Ok(open)
}

/// The write that changes a pipeline's slots, on the condition that nobody else did.
pub fn write(pipeline: &PipelineId, slots: &Slots, revision: Option<u64>) -> Result<Write, AppError> {
    let condition = revision.map_or(Condition::Absent, Condition::Revision);
    Ok(Write::Put(item(keys::slots(pipeline), slots)?, vec![condition]))
}

/// For a pipeline without slots: the check that it has none to this moment.
#[must_use]
pub fn none(pipeline: &PipelineId) -> Write {
    Write::Check(keys::slots(pipeline), vec![Condition::Absent])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> ExecutionId {
        ExecutionId::parse(format!("x{n}")).unwrap()
    }

    fn one(keep_waiting: bool) -> Concurrency {
        Concurrency { limit: Some(1), keep_waiting }
    }

    fn three_waiting(keep: bool) -> Slots {
        let mut slots = Slots::default();
        assert_eq!(slots.enter(&id(1), one(keep), 3), Entered::Granted);
        assert_eq!(slots.enter(&id(1), one(keep), 3), Entered::Granted, "a repeat");
        for n in 2..5 {
            assert_eq!(slots.enter(&id(n), one(keep), 3), Entered::Queued(n as usize - 1));
        }
        assert_eq!(slots.enter(&id(5), one(keep), 3), Entered::Full);
        slots
    }

    #[test]
    fn the_oldest_runs_and_none_is_dropped() {
        let mut slots = three_waiting(true);
        assert_eq!(slots.leave(&id(1)), (true, vec![Grant { execution: id(2), superseded: vec![] }]));
        assert_eq!(slots.leave(&id(3)), (true, vec![]), "one that gave up waiting");
        assert_eq!(slots.leave(&id(3)), (false, vec![]), "once");
        assert_eq!(slots.leave(&id(2)).1, [Grant { execution: id(4), superseded: vec![] }]);
        assert_eq!(slots.leave(&id(4)).1, []);
        assert_eq!((slots.running.len(), slots.waiting.len()), (0, 0));
    }

    #[test]
    fn the_newest_runs_and_the_others_are_superseded() {
        let mut slots = three_waiting(false);
        assert_eq!(slots.leave(&id(1)).1, [Grant { execution: id(4), superseded: vec![id(2), id(3)] }]);
        assert_eq!(slots.waiting, []);
    }

    #[test]
    fn several_slots_and_a_raised_limit() {
        let many = |limit| Concurrency { limit: Some(limit), keep_waiting: true };
        let mut slots = Slots::default();
        assert_eq!([1, 2, 3].map(|n| slots.enter(&id(n), many(2), 9)), [Entered::Granted, Entered::Granted, Entered::Queued(1)]);
        assert_eq!(slots.enter(&id(4), many(3), 9), Entered::Granted);
        assert_eq!(slots.enter(&id(5), Concurrency::default(), 9), Entered::Granted, "without a limit it only counts");
        assert_eq!(slots.leave(&id(5)).1, []);
        assert_eq!((slots.leave(&id(4)).1, slots.leave(&id(2)).1.len()), (vec![], 1));
    }

    #[test]
    fn one_end_gives_away_a_few_slots_and_their_ends_the_rest() {
        let mut slots = Slots::default();
        for n in 0..20 {
            slots.enter(&id(n), Concurrency::default(), 99);
        }
        for n in 20..40 {
            slots.enter(&id(n), Concurrency { limit: Some(20), keep_waiting: true }, 99);
        }
        slots.running.truncate(1);
        assert_eq!(slots.leave(&id(0)).1.len(), GRANTS_MAX);
        assert_eq!(slots.leave(&id(20)).1.len(), GRANTS_MAX);
    }
}
