//! Executions that need not be kept any longer are forgotten: those that ended long ago and are not among the newest of their pipeline.
//! Found by the `due` key of their row in the pipeline's list, which goes last, so that whoever dies in between is continued.
//!
//! Blobs stay: others may have the same bytes. Those that nothing refers to are swept where they are stored.

use super::epilogue;
use super::keys;
use super::stored::{Meta, Summary};
use crate::error::AppError;
use crate::limits::Limits;
use crate::ports::{Clock, Condition, Hint, Item, Key, Query, Queue, Table, TransactError, Transaction, Write};
use crate::record::{item, load};
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

/// Forgets an execution if it need not be kept any longer. True when nothing is left of it.
pub async fn sweep(ports: Ports<'_>, pipeline: &PipelineId, id: &ExecutionId) -> Result<bool, AppError> {
    let key = keys::of_pipeline(pipeline, id);
    let Some((row, revision)) = load::<Summary>(ports.table, &key).await? else { return Ok(true) };
    let now = ports.clock.now_ms();
    let until = row.ended_ms.map(|ended| ended.saturating_add(ports.limits.kept_ms));
    if !row.status.is_complete() || until.is_none_or(|until| until > now) {
        return Ok(false);
    }
    if is_among_newest(ports, &key).await? {
        let again = item(key, &row)?.due(Some(now.saturating_add(AGAIN_MS)));
        write(ports.table, vec![Write::Put(again, vec![Condition::Revision(revision)])]).await?;
        return Ok(false);
    }
    // Whoever still waits for its end is told, or it would wait for ever.
    epilogue::run(epilogue::Ports { table: ports.table, clock: ports.clock, queue: ports.queue }, id).await?;
    if !close(ports.table, id).await? || !empty(ports.table, id).await? {
        return Ok(false);
    }
    write(ports.table, vec![Write::Delete(key, vec![Condition::Revision(revision)])]).await
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
