//! What the watched parts write down: when each operation began and ended, what was committed, and which executions ended.

use app::execution::keys;
use app::ports::{Item, Transaction, Write};
use model::id::ExecutionId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// An operation that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A transaction, and whether it stands.
    Commit { stands: bool },
    /// A read of the store.
    Read,
    /// A read of a blob.
    Blob,
    /// A component looks at its settings.
    Validate,
    /// A step of a component.
    Step,
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) what: What,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

impl Operation {
    pub(crate) fn took(&self) -> Duration {
        self.ended.duration_since(self.began)
    }
}

/// Everything that was written down since the last time it was taken.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) operations: Vec<Operation>,
    pub(crate) transactions: Vec<Transaction>,
}

/// Writes down while it is told to. Who waits for the end of an execution hears of it always.
#[derive(Default)]
pub(crate) struct Recorder {
    recording: AtomicBool,
    recorded: Mutex<Recorded>,
    ends: Mutex<HashMap<String, End>>,
    pub(crate) blobs_put: AtomicU64,
}

enum End {
    Happened,
    Awaited(oneshot::Sender<()>),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// Forgets what there is and begins to write down.
    pub(crate) fn begin(&self) {
        *locked(&self.recorded) = Recorded::default();
        self.recording.store(true, Ordering::Release);
    }

    /// Stops, and gives what was written down.
    pub(crate) fn end(&self) -> Recorded {
        self.recording.store(false, Ordering::Release);
        std::mem::take(&mut *locked(&self.recorded))
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Acquire)
    }

    pub(crate) fn operation(&self, what: What, began: Instant) {
        if self.is_recording() {
            let ended = Instant::now();
            locked(&self.recorded).operations.push(Operation { what, began, ended });
        }
    }

    pub(crate) fn transaction(&self, transaction: Transaction) {
        locked(&self.recorded).transactions.push(transaction);
    }

    pub(crate) fn has_ended(&self, partition: String) {
        let mut ends = locked(&self.ends);
        match ends.remove(&partition) {
            // Whoever waited may be gone.
            Some(End::Awaited(waiting)) => drop(waiting.send(())),
            Some(End::Happened) | None => drop(ends.insert(partition, End::Happened)),
        }
    }

    /// Returns when the execution has ended, also when that is past.
    pub(crate) async fn end_of(&self, id: &ExecutionId) {
        let partition = keys::partition(id);
        let waiting = {
            let mut ends = locked(&self.ends);
            if ends.remove(&partition).is_some() {
                return;
            }
            let (tell, waiting) = oneshot::channel();
            ends.insert(partition, End::Awaited(tell));
            waiting
        };
        // The sender goes only with the recorder.
        drop(waiting.await);
    }
}

/// The execution that the transaction ends, by its partition.
pub(crate) fn ends(transaction: &Transaction) -> Option<String> {
    let meta = |item: &&Item| item.key.sort == "META" && keys::execution_of(&item.key.partition).is_some();
    let items = transaction.writes.iter().filter_map(|write| if let Write::Put(item, _) = write { Some(item) } else { None });
    let meta = items.into_iter().find(meta)?;
    if meta.attributes.contains_key(keys::OPEN) { None } else { Some(meta.key.partition.clone()) }
}

/// Whether the transaction touches an execution.
pub(crate) fn is_of(transaction: &Transaction, id: &ExecutionId) -> bool {
    let partition = keys::partition(id);
    transaction.writes.iter().any(|write| write.key().partition == partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use app::ports::Key;

    const ID: &str = "01J00000000000000000000000";

    fn commit(sort: &str, open: bool) -> Transaction {
        let item = Item::new(Key::new(format!("EXEC#{ID}"), sort), Vec::new());
        let item = if open { item.attribute(keys::OPEN, "1") } else { item };
        Transaction::of(vec![Write::Put(item, Vec::new())])
    }

    #[test]
    fn only_an_execution_that_is_no_longer_open_has_ended() {
        assert_eq!(ends(&commit("META", true)), None);
        assert_eq!(ends(&commit("LOG#1", false)), None);
        assert_eq!(ends(&commit("META", false)), Some(format!("EXEC#{ID}")));
        assert!(is_of(&commit("ST#0", true), &ExecutionId::parse(ID).unwrap()));
    }

    #[tokio::test]
    async fn an_end_is_heard_before_and_after_it_is_waited_for() {
        let (recorder, id) = (Recorder::default(), ExecutionId::parse(ID).unwrap());
        recorder.has_ended(keys::partition(&id));
        recorder.end_of(&id).await;
        let partition = keys::partition(&id);
        tokio::join!(recorder.end_of(&id), async { recorder.has_ended(partition) });
        assert!(locked(&recorder.ends).is_empty());
    }
}
