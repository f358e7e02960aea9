//! Executions that need not be kept any longer are forgotten: those that ended long ago and are not among the newest of their pipeline.
//! Found by the `due` key of their row in the pipeline's list, which goes last, so that whoever dies in between is continued.
//!
//! Before one goes, what it was is put into the archive, which is read without the store. Blobs stay: others may have the same
//! bytes; those that nobody refers to any more are swept by the store.
//!
//! What another one still needs stays as well. That is an execution whose parent is still open: its stages may read it, and the
//! same attempt of the same stage finds it by its correlation id instead of starting another. A parent that has ended has copied
//! what it wanted, and a child copies what it sees of its parent when it starts, so neither needs the other any longer. Whoever
//! waits for an end is told before. Correlation ids expire by themselves; one that is still there after its execution has gone
//! still answers that this was started once, so that a late repeat starts nothing.

use super::epilogue;
use super::keys;
use super::plan::Plan;
use super::stored::{Meta, Summary};
use super::{archive, archive::Archived};
use crate::error::AppError;
use crate::limits::Limits;
use crate::ports::{Archive, Blobs, Clock, Condition, Hint, Item, Key, Query, Queue, Table, TransactError, Transaction, Write};
use crate::record::{encode, item, load};
use model::Millis;
use model::id::{ExecutionId, PipelineId};

/// Items that one transaction removes.
const ITEMS_A_WRITE_MAX: usize = 80;
/// Transactions in a row before somebody else goes on.
const ROUNDS_MAX: usize = 1_000;
/// One of the newest is looked at again after this.
const AGAIN_MS: Millis = 24 * 3_600_000;

/// What it needs of the outside.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Large plans.
    pub blobs: &'a dyn Blobs,
    /// Takes what goes.
    pub archive: &'a dyn Archive,
    /// Now.
    pub clock: &'a dyn Clock,
    /// Hints.
    pub queue: &'a dyn Queue,
    /// How long and how many.
    pub limits: &'a Limits,
}

/// An execution's row in a list. In its pipeline's it is looked at again when the execution need not be kept any longer.
pub(super) fn listed(key: Key, row: &Summary, kept_ms: Millis) -> Result<Item, AppError> {
    let over = row.status.is_complete() && keys::listed(&key).is_some();
    let due = row.ended_ms.filter(|_| over).map(|ended| ended.saturating_add(kept_ms));
    Ok(item(key, row)?.due(due))
}

/// The hint for a row that the `due` index names; none when it is no execution in its pipeline's list.
#[must_use]
pub fn due_hint(key: &Key) -> Option<Hint> {
    keys::listed(key).map(|(pipeline, execution)| Hint::Retention { pipeline, execution })
}

/// Of keys that are due, all but so many of executions that may be kept no longer: what has time must not hold up what has none.
#[must_use]
pub fn bounded(keys: Vec<Key>, sweeps_max: usize) -> Vec<Key> {
    let mut sweeps = 0;
    let has_room = |key: &Key| {
        sweeps += usize::from(keys::listed(key).is_some());
        keys::listed(key).is_none() || sweeps <= sweeps_max
    };
    keys.into_iter().filter(has_room).collect()
}

/// Forgets an execution if it need not be kept any longer. True when nothing is left of it.
pub async fn sweep(ports: Ports<'_>, pipeline: &PipelineId, id: &ExecutionId) -> Result<bool, AppError> {
    let key = keys::of_pipeline(pipeline, id);
    let Some((row, revision)) = load::<Summary>(ports.table, &key).await? else { return Ok(true) };
    let now = ports.clock.now_ms();
    let until = row.ended_ms.map(|ended| ended.saturating_add(ports.limits.kept_ms));
    if !row.status.is_complete() || until.is_none_or(|until| until > now) {
        return Ok(false);
    }
    let ended = load::<Meta>(ports.table, &keys::meta(id)).await?.map(|(meta, _)| meta).filter(|meta| meta.execution.status.is_complete());
    let plan = match &ended {
        Some(meta) => plan_of(ports, meta).await?,
        None => None,
    };
    if is_among_newest(ports, &key).await? || is_needed(ports.table, plan.as_ref()).await? {
        let again = item(key, &row)?.due(Some(now.saturating_add(AGAIN_MS)));
        write(ports.table, vec![Write::Put(again, vec![Condition::Revision(revision)])]).await?;
        return Ok(false);
    }
    // Whoever still waits for its end is told, or it would wait for ever.
    epilogue::run(epilogue::Ports { table: ports.table, clock: ports.clock, queue: ports.queue }, id).await?;
    if let Some(meta) = ended {
        let record = archive::gather(ports.table, &meta, plan.as_ref(), &row, now).await?;
        keep(ports.archive, &record).await?;
    }
    if !close(ports.table, id).await? || !empty(ports.table, id).await? {
        return Ok(false);
    }
    write(ports.table, vec![Write::Delete(key, vec![Condition::Revision(revision)])]).await
}

/// The plan, unless it cannot be read: then the rest goes into the archive without it.
async fn plan_of(ports: Ports<'_>, meta: &Meta) -> Result<Option<Plan>, AppError> {
    match Plan::of(ports.table, ports.blobs, meta).await {
        Ok(plan) => Ok(Some(plan)),
        Err(AppError::Damaged(inside)) => {
            tracing::warn!(execution = %meta.execution.id, inside, "it goes into the archive without its plan");
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// Whether an execution that is still open started it.
async fn is_needed(table: &dyn Table, plan: Option<&Plan>) -> Result<bool, AppError> {
    let Some(parent) = plan.and_then(|plan| plan.parent.as_ref()) else { return Ok(false) };
    let found = load::<Meta>(table, &keys::meta(&parent.execution)).await?;
    Ok(found.is_some_and(|(meta, _)| !meta.execution.status.is_complete()))
}

async fn keep(into: &dyn Archive, record: &Archived) -> Result<(), AppError> {
    let month = archive::month(record.ended_ms.unwrap_or(record.created_ms));
    Ok(into.keep(&month, &record.id, &encode(record)?).await?)
}

/// Whether so few of the pipeline's executions are newer that it is kept whatever its age.
async fn is_among_newest(ports: Ports<'_>, key: &Key) -> Result<bool, AppError> {
    let wanted = ports.limits.kept_newest;
    let mut query = Query { after: Some(key.sort.clone()), ..Query::prefix(&key.partition, "EXEC#", wanted.max(1)) };
    let mut newer = 0;
    loop {
        let page = ports.table.query(&query).await?;
        newer += page.items.len();
        match page.next {
            _ if newer >= wanted => return Ok(false),
            Some(next) => query.after = Some(next),
            None => return Ok(true),
        }
    }
}

/// Takes META away, with every view of it but the pipeline's: from here on nobody finds it. False when somebody opened it again.
async fn close(table: &dyn Table, id: &ExecutionId) -> Result<bool, AppError> {
    let Some((meta, revision)) = load::<Meta>(table, &keys::meta(id)).await? else { return Ok(true) };
    if !meta.execution.status.is_complete() {
        return Ok(false);
    }
    let mut writes = vec![Write::Delete(keys::meta(id), vec![Condition::Revision(revision)])];
    writes.push(Write::Delete(keys::of_application(&meta.application.key(), id), vec![]));
    writes.extend(meta.orders.iter().map(|order| Write::Delete(keys::order(&order.project, order.number), vec![])));
    write(table, writes).await
}

/// Empties the partition. False when there is more than one call removes.
async fn empty(table: &dyn Table, id: &ExecutionId) -> Result<bool, AppError> {
    for _ in 0..ROUNDS_MAX {
        let page = table.query(&Query::prefix(keys::partition(id), "", ITEMS_A_WRITE_MAX)).await?;
        if page.items.is_empty() {
            return Ok(true);
        }
        write(table, page.items.into_iter().map(|item| Write::Delete(item.key, vec![])).collect()).await?;
    }
    Ok(false)
}

async fn write(table: &dyn Table, writes: Vec<Write>) -> Result<bool, AppError> {
    match table.transact(Transaction::of(writes)).await {
        Ok(()) => Ok(true),
        Err(TransactError::Conflict(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}
