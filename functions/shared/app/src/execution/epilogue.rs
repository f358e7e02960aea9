//! What is left to do for an execution that has ended: events that came in beside its last commit are answered. Done at once by the
//! worker that ended it; found again by their `due` keys when that worker died.

use super::keys;
use super::stored::{EventVerdict, Inbound, LogEntry, Meta, Outside};
use crate::error::AppError;
use crate::ports::{Clock, Condition, Item, Query, Table, TransactError, Transaction, Write};
use crate::record::{decode, item, load};
use engine::Execution;
use model::Millis;
use model::id::ExecutionId;

/// Items that are read at a time.
const PAGE: usize = 40;

/// What it needs of the outside.
pub(super) struct Ports<'a> {
    pub(super) table: &'a dyn Table,
    pub(super) clock: &'a dyn Clock,
}

/// Answers what is left of the inbox of an execution that has ended.
pub(super) async fn run(ports: &Ports<'_>, id: &ExecutionId) -> Result<(), AppError> {
    let Some((meta, _)) = load::<Meta>(ports.table, &keys::meta(id)).await? else { return Ok(()) };
    if meta.execution.status.is_complete() { answer(ports, &meta.execution).await } else { Ok(()) }
}

/// Tells every event that is left that it came too late.
pub(super) async fn answer(ports: &Ports<'_>, execution: &Execution) -> Result<(), AppError> {
    loop {
        let query = Query::prefix(keys::partition(&execution.id), "EVT#", PAGE);
        let page = ports.table.query(&query).await?;
        for found in &page.items {
            let inbound: Inbound = decode(&found.body)?;
            let message = format!("the execution had ended as {} when it came in", execution.status);
            let verdict = EventVerdict { id: inbound.id.clone(), sender: inbound.sender, verdict: "execution-ended".to_owned(), message };
            let entry = LogEntry { version: execution.version, at: ports.clock.now_ms(), verdicts: vec![verdict], ..LogEntry::default() };
            let log = Write::Put(item(keys::late_log(&execution.id, execution.version, &inbound.id), &entry)?, vec![]);
            settle(ports, vec![log, Write::Delete(found.key.clone(), vec![Condition::Exists])]).await?;
        }
        if page.items.is_empty() {
            return Ok(());
        }
    }
}

async fn settle(ports: &Ports<'_>, writes: Vec<Write>) -> Result<(), AppError> {
    match ports.table.transact(Transaction::of(writes)).await {
        // Somebody else was faster.
        Ok(()) | Err(TransactError::Conflict(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// An event from one execution to another.
pub(super) fn sent(to: &ExecutionId, event: &str, sender: &str, what: Outside, now: Millis) -> Result<Item, AppError> {
    let inbound = Inbound { id: event.to_owned(), sender: sender.to_owned(), at: now, generation: None, what };
    Ok(item(keys::event(to, event), &inbound)?.due(Some(now)))
}
