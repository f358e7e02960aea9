//! What is left to do for an execution that has ended: events that came in beside its last commit are answered, executions whose
//! place it took and stages that wait for its end are told, as far as its last commit had no room for it. Done at once by the worker
//! that ended it; found again by `due` keys when that worker died.

use super::inbox::{done, found_by_tick};
use super::keys;
use super::start::meta_item;
use super::step::Foreign;
use super::stored::{EventVerdict, Inbound, LogEntry, Meta, Outside, Subscribers};
use crate::error::AppError;
use crate::ports::{Clock, Condition, Item, Query, Queue, Table, TransactError, Transaction, Write};
use crate::record::{decode, item, load};
use engine::Execution;
use model::Millis;
use model::id::ExecutionId;

/// Items that are read at a time.
const PAGE: usize = 40;
/// Executions that one transaction tells.
const EVENTS_A_WRITE_MAX: usize = 20;
/// Transactions in a row before somebody else goes on: more than could ever be needed.
const ROUNDS_MAX: usize = 1_000;

/// What it needs of the outside.
#[derive(Clone, Copy)]
pub(super) struct Ports<'a> {
    pub(super) table: &'a dyn Table,
    pub(super) clock: &'a dyn Clock,
    pub(super) queue: &'a dyn Queue,
}

/// Does everything that is left, if the execution has ended.
pub(super) async fn run(ports: Ports<'_>, id: &ExecutionId) -> Result<(), AppError> {
    for _ in 0..ROUNDS_MAX {
        let Some((meta, revision)) = load::<Meta>(ports.table, &keys::meta(id)).await? else {
            return nobodys(ports, id).await;
        };
        if !meta.execution.status.is_complete() {
            return Ok(());
        }
        let told = tell_superseded(ports, meta.clone(), revision).await? || tell_subscribers(ports, &meta).await?;
        let more = told || answer(ports, &meta.execution).await? || forget_traces(ports, id).await?;
        if !more && !tidied(ports, meta, revision).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// It has still ended: what came in for one that was opened again meanwhile is not for us.
fn closed(id: &ExecutionId) -> Write {
    Write::Check(keys::meta(id), vec![Condition::NoAttribute(keys::OPEN.to_owned())])
}

/// Removes traces of steps that were under way at the end, or written by a worker that nobody heard of again. False when there are none.
async fn forget_traces(ports: Ports<'_>, id: &ExecutionId) -> Result<bool, AppError> {
    let page = ports.table.query(&Query::prefix(keys::partition(id), "J#", PAGE)).await?;
    let mut writes: Vec<Write> = page.items.into_iter().map(|found| Write::Delete(found.key, vec![])).collect();
    let found = !writes.is_empty();
    if found {
        writes.push(closed(id));
        settle(ports, Foreign { writes, ..Foreign::default() }).await?;
    }
    Ok(found)
}

/// Notes that nothing is left of its steps. False when that was known.
async fn tidied(ports: Ports<'_>, mut meta: Meta, revision: u64) -> Result<bool, AppError> {
    let was = std::mem::take(&mut meta.untidy);
    if was {
        let put = Write::Put(meta_item(&meta)?, vec![Condition::Revision(revision)]);
        settle(ports, Foreign { writes: vec![put], ..Foreign::default() }).await?;
    }
    Ok(was)
}

/// Events for an execution that is kept no longer, or never was, have nobody to be answered to.
async fn nobodys(ports: Ports<'_>, id: &ExecutionId) -> Result<(), AppError> {
    let page = ports.table.query(&Query::prefix(keys::partition(id), keys::EVENTS, PAGE)).await?;
    if page.items.is_empty() {
        return Ok(());
    }
    let mut writes = vec![Write::Check(keys::meta(id), vec![Condition::Absent])];
    writes.extend(page.items.into_iter().map(|found| Write::Delete(found.key, vec![])));
    settle(ports, Foreign { writes, ..Foreign::default() }).await
}

/// Tells some of those whose place it took. False when there is nobody left.
async fn tell_superseded(ports: Ports<'_>, mut meta: Meta, revision: u64) -> Result<bool, AppError> {
    if meta.supersedes.is_empty() {
        return Ok(false);
    }
    let few = meta.supersedes.len().min(EVENTS_A_WRITE_MAX);
    let list: Vec<ExecutionId> = meta.supersedes.drain(..few).collect();
    let mut foreign = superseded(&meta.execution.id, &list, ports.clock.now_ms())?;
    foreign.writes.push(Write::Put(meta_item(&meta)?, vec![Condition::Revision(revision)]));
    settle(ports, foreign).await?;
    Ok(true)
}

fn superseded(by: &ExecutionId, list: &[ExecutionId], now: Millis) -> Result<Foreign, AppError> {
    let mut foreign = Foreign::default();
    for one in list {
        foreign.send(one, &format!("superseded-{by}"), Outside::Superseded { by: by.clone() }, now)?;
    }
    Ok(foreign)
}

/// Tells some of the stages that wait for its end. False when there is none left.
async fn tell_subscribers(ports: Ports<'_>, meta: &Meta) -> Result<bool, AppError> {
    if load::<Subscribers>(ports.table, &keys::subscribers(&meta.execution.id)).await?.is_none() {
        return Ok(false);
    }
    let mut foreign = Foreign::default();
    foreign.tell_subscribers(ports.table, meta, ports.clock.now_ms()).await?;
    foreign.writes.push(closed(&meta.execution.id));
    settle(ports, foreign).await?;
    Ok(true)
}

/// Tells events that are left that they came too late. False when there is none.
async fn answer(ports: Ports<'_>, execution: &Execution) -> Result<bool, AppError> {
    let query = Query::prefix(keys::partition(&execution.id), keys::EVENTS, PAGE);
    let page = ports.table.query(&query).await?;
    for found in &page.items {
        let inbound: Inbound = decode(&found.body)?;
        let mut too_late = too_late(ports, execution, found, inbound)?;
        too_late.writes.push(closed(&execution.id));
        settle(ports, too_late).await?;
    }
    Ok(!page.items.is_empty())
}

/// What becomes of an event that met an end. One that brought a slot was answered by giving the slot back; whoever was to make room
/// for it is told all the same, a few at a time.
fn too_late(ports: Ports<'_>, execution: &Execution, found: &Item, mut inbound: Inbound) -> Result<Foreign, AppError> {
    let now = ports.clock.now_ms();
    let same = vec![Condition::Revision(found.revision)];
    if let Outside::Granted { superseded: list } = &mut inbound.what
        && !list.is_empty()
    {
        let few: Vec<ExecutionId> = list.drain(..list.len().min(EVENTS_A_WRITE_MAX)).collect();
        let mut foreign = superseded(&execution.id, &few, now)?;
        foreign.writes.push(Write::Put(item(found.key.clone(), &inbound)?.due(Some(now)), same));
        return Ok(foreign);
    }
    let message = format!("the execution had ended as {} when it came in", execution.status);
    let verdict = EventVerdict { id: inbound.id.clone(), sender: inbound.sender.clone(), verdict: "execution-ended".to_owned(), message };
    let entry = LogEntry { version: execution.version, at: now, verdicts: vec![verdict], ..LogEntry::default() };
    let log = Write::Put(item(keys::late_log(&execution.id, execution.version, &inbound.id), &entry)?, vec![]);
    let mut writes = vec![log, Write::Delete(found.key.clone(), same)];
    if inbound.is_asked() {
        // Its repeat is answered the same, even when the execution has been opened again meanwhile.
        writes.push(done(&execution.id, &inbound, vec![])?);
    }
    Ok(Foreign { writes, ..Foreign::default() })
}

async fn settle(ports: Ports<'_>, foreign: Foreign) -> Result<(), AppError> {
    match ports.table.transact(Transaction::of(foreign.writes)).await {
        Ok(()) => {
            for hint in foreign.hints {
                ports.queue.hint(hint, 0).await;
            }
            Ok(())
        }
        // Somebody else was faster.
        Err(TransactError::Conflict(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// An event from one execution to another.
pub(super) fn sent(to: &ExecutionId, event: &str, sender: &str, what: Outside, now: Millis) -> Result<Item, AppError> {
    let inbound = Inbound { id: event.to_owned(), sender: sender.to_owned(), at: now, generation: None, what };
    Ok(item(keys::event(to, event), &inbound)?.due(found_by_tick(now)))
}
