//! A step's trace in the execution's partition. Every write asks whether this worker is still the one.

use crate::error::AppError;
use crate::execution::keys;
use crate::execution::scope::{keep, read};
use crate::execution::stored::Kept;
use crate::ports::{
    Blobs, Clock, Condition, JournalError, Key, Query, StepJournal, StoreError, Table, TraceEntry, TransactError, Transaction, Write,
};
use crate::record::{Record, Shape, decode, item, shape};
use async_trait::async_trait;
use engine::planted::{Bug, planted};
use model::Millis;
use model::id::ExecutionId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Calls of a step that are read back; a step may make 100.
const CALLS_MAX: usize = 200;
/// Entries that are written in one transaction.
const ENTRIES_A_WRITE_MAX: usize = 60;

/// A call as it is stored: a large answer goes to a blob.
#[derive(Serialize, Deserialize)]
struct StoredCall {
    index: u32,
    call: String,
    request: String,
    response: Option<Kept>,
}

impl Record for StoredCall {
    const SHAPE: &'static str = "trace";
}

/// The shape of what stands here.
pub(crate) const SHAPE: Shape = shape::<StoredCall>();

/// Which items each stage run's traces occupy, so that the commit of an outcome can remove them.
pub(crate) type Traces = Arc<Mutex<BTreeMap<usize, BTreeSet<Key>>>>;

/// Takes what a stage run's traces occupy.
pub(crate) fn take(traces: &Traces, run: usize) -> BTreeSet<Key> {
    traces.lock().unwrap_or_else(PoisonError::into_inner).remove(&run).unwrap_or_default()
}

/// Takes what the traces of stage runs occupy that are no longer at work.
pub(crate) fn take_idle(traces: &Traces, live: impl Fn(usize) -> bool) -> BTreeSet<Key> {
    let mut traces = traces.lock().unwrap_or_else(PoisonError::into_inner);
    let idle: Vec<usize> = traces.keys().copied().filter(|run| !live(*run)).collect();
    idle.into_iter().filter_map(|run| traces.remove(&run)).flatten().collect()
}

/// Until when this worker is the one, as far as it can know without asking: by its own clock, and unless it was told otherwise. Where
/// no other process can reach the store nobody takes over from it, however slow it is.
pub(crate) struct Tenure {
    clock: Arc<dyn Clock>,
    alone: bool,
    until_ms: AtomicU64,
}

impl Tenure {
    pub(crate) fn until(clock: Arc<dyn Clock>, alone: bool, until_ms: Millis) -> Self {
        let tenure = Self { clock, alone, until_ms: AtomicU64::new(0) };
        tenure.extend(until_ms);
        tenure
    }

    /// The lease was written anew.
    pub(crate) fn extend(&self, until_ms: Millis) {
        self.until_ms.store(if self.alone { Millis::MAX } else { until_ms }, Ordering::SeqCst);
    }

    /// Another worker is the one, or this one has let go.
    pub(crate) fn end(&self) {
        self.until_ms.store(0, Ordering::SeqCst);
    }

    pub(crate) fn lasts(&self) -> bool {
        self.clock.now_ms() < self.until_ms.load(Ordering::SeqCst)
    }
}

/// The trace of one step of one worker.
pub(crate) struct Journal {
    table: Arc<dyn Table>,
    blobs: Arc<dyn Blobs>,
    id: ExecutionId,
    of: Of,
    fence: String,
    tenure: Arc<Tenure>,
    traces: Traces,
    recorded: Vec<TraceEntry>,
}

/// Which step: a repetition after a failure that was committed begins with an empty trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of {
    pub(crate) run: usize,
    pub(crate) attempt: u32,
    pub(crate) seq: u32,
    pub(crate) retry: u32,
}

/// What a journal writes to, and as whom.
pub(crate) struct Into {
    pub(crate) table: Arc<dyn Table>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) fence: String,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) traces: Traces,
}

impl Journal {
    /// Reads back what an earlier run of the same step recorded, if there can have been one.
    pub(crate) async fn open(into: Into, id: &ExecutionId, of: Of, inherited: bool) -> Result<Self, AppError> {
        let Into { table, blobs, fence, tenure, traces } = into;
        if !inherited || planted(Bug::PrefixNotReplayed) {
            return Ok(Self { table, blobs, id: id.clone(), of, fence, tenure, traces, recorded: Vec::new() });
        }
        let query = Query::prefix(keys::partition(id), keys::trace_prefix(of.run, of.attempt, of.seq, of.retry), CALLS_MAX);
        let mut recorded = Vec::new();
        let mut occupied = Vec::new();
        for item in table.query(&query).await?.items {
            let stored: StoredCall = decode(&item.body)?;
            let response = match &stored.response {
                Some(kept) => Some(read(blobs.as_ref(), kept).await?),
                None => None,
            };
            recorded.push(TraceEntry { index: stored.index, call: stored.call, request: stored.request, response });
            occupied.push(item.key);
        }
        traces.lock().unwrap_or_else(PoisonError::into_inner).entry(of.run).or_default().extend(occupied);
        Ok(Self { table, blobs, id: id.clone(), of, fence, tenure, traces, recorded })
    }

    async fn stored(&self, entry: &TraceEntry) -> Result<Write, AppError> {
        let response = match &entry.response {
            Some(response) => Some(keep(self.blobs.as_ref(), response.clone()).await?),
            None => None,
        };
        let stored = StoredCall { index: entry.index, call: entry.call.clone(), request: entry.request.clone(), response };
        let Of { run, attempt, seq, retry } = self.of;
        Ok(Write::Put(item(keys::trace(&self.id, (run, attempt, seq, retry), entry.index), &stored)?, vec![]))
    }
}

fn unavailable(error: impl std::fmt::Display) -> JournalError {
    JournalError::Unavailable(error.to_string())
}

#[async_trait]
impl StepJournal for Journal {
    fn recorded(&self) -> &[TraceEntry] {
        &self.recorded
    }

    async fn intend(&self, entries: Vec<TraceEntry>) -> Result<(), JournalError> {
        // The intent is the last entry, so a trace that was written in part says nothing that did not happen.
        for chunk in entries.chunks(ENTRIES_A_WRITE_MAX) {
            let held = Condition::Attribute(keys::FENCE.to_owned(), self.fence.clone());
            let conditions = if planted(Bug::NoFenceCheck) { Vec::new() } else { vec![held] };
            let mut writes = vec![Write::Check(keys::meta(&self.id), conditions)];
            for entry in chunk {
                writes.push(self.stored(entry).await.map_err(unavailable)?);
            }
            let occupied: Vec<Key> = writes.iter().skip(1).map(|write| write.key().clone()).collect();
            // Before the write: what may have been written is removed too.
            self.traces.lock().unwrap_or_else(PoisonError::into_inner).entry(self.of.run).or_default().extend(occupied);
            match self.table.transact(Transaction::of(writes)).await {
                Ok(()) => {}
                Err(TransactError::Conflict(_)) => {
                    self.tenure.end();
                    return Err(JournalError::Fenced);
                }
                Err(other) => return Err(unavailable(StoreError::Unavailable(other.to_string()))),
            }
        }
        Ok(())
    }

    fn is_current(&self) -> bool {
        self.tenure.lasts()
    }
}
