//! A step's trace in the execution's partition. Every write asks whether this worker is still the one.

use crate::execution::keys;
use crate::ports::{Condition, JournalError, Query, StepJournal, StoreError, Table, TraceEntry, TransactError, Transaction, Write};
use crate::record::{Record, decode, item};
use async_trait::async_trait;
use model::id::ExecutionId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Calls of a step that are read back; a step may make 100.
const CALLS_MAX: usize = 200;

impl Record for TraceEntry {
    const SHAPE: &'static str = "trace";
}

/// The trace of one step of one worker.
pub(crate) struct Journal {
    table: Arc<dyn Table>,
    id: ExecutionId,
    run: usize,
    attempt: u32,
    seq: u32,
    fence: String,
    current: Arc<AtomicBool>,
    recorded: Vec<TraceEntry>,
}

/// Which step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of {
    pub(crate) run: usize,
    pub(crate) attempt: u32,
    pub(crate) seq: u32,
}

impl Journal {
    /// Reads back what an earlier run of the same step recorded.
    pub(crate) async fn open(
        table: Arc<dyn Table>,
        id: &ExecutionId,
        of: Of,
        fence: &str,
        current: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let query = Query::prefix(keys::partition(id), keys::trace_prefix(of.run, of.attempt, of.seq), CALLS_MAX);
        let page = table.query(&query).await?;
        let recorded = page.items.iter().map(|item| decode(&item.body)).collect::<Result<Vec<TraceEntry>, _>>();
        let recorded = recorded.map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Self { table, id: id.clone(), run: of.run, attempt: of.attempt, seq: of.seq, fence: fence.to_owned(), current, recorded })
    }
}

#[async_trait]
impl StepJournal for Journal {
    fn recorded(&self) -> &[TraceEntry] {
        &self.recorded
    }

    async fn intend(&self, entries: Vec<TraceEntry>) -> Result<(), JournalError> {
        let held = Condition::Attribute(keys::FENCE.to_owned(), self.fence.clone());
        let mut writes = vec![Write::Check(keys::meta(&self.id), vec![held])];
        for entry in &entries {
            let key = keys::trace(&self.id, self.run, self.attempt, self.seq, entry.index);
            let item = item(key, entry).map_err(|error| JournalError::Unavailable(error.to_string()))?;
            writes.push(Write::Put(item, vec![]));
        }
        match self.table.transact(Transaction::of(writes)).await {
            Ok(()) => Ok(()),
            Err(TransactError::Conflict(_)) => {
                self.current.store(false, Ordering::SeqCst);
                Err(JournalError::Fenced)
            }
            Err(other) => Err(JournalError::Unavailable(other.to_string())),
        }
    }

    fn is_current(&self) -> bool {
        self.current.load(Ordering::SeqCst)
    }
}
