//! The table in a folder of this machine, on a log-structured store: conditional transactions, durable when acknowledged.
//!
//! One thread writes. It takes all transactions that wait, checks each against the state that the earlier ones leave,
//! and commits those that hold with one `fdatasync`. Reads see a snapshot between two such commits: of what was written or
//! read lately at once, of anything else on tokio's blocking threads. One process at a time may have the folder open.
//!
//! A caller that stops waiting for [`Table::transact`] may still have its transaction written.

mod codec;
mod folder;
mod lately;
mod read;
mod writer;

use crate::{Everything, OpenError, Restorable, rules};
use app::ports::{Clock, Item, Key, Page, Query, StoreError, Table, TransactError, Transaction};
use async_trait::async_trait;
use folder::Core;
use lately::{Lately, Look};
use model::Millis;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use writer::{Job, Writer};

/// How an embedded table is opened.
#[derive(Clone)]
pub struct Options {
    /// Decides what has expired.
    pub clock: Arc<dyn Clock>,
    /// Memory for blocks read lately.
    pub cache_bytes: u64,
    /// So many bytes wait in memory before they are written out in order; up to three times as many under heavy writing.
    /// Fixed when the folder is created.
    pub memtable_bytes: u64,
    /// Memory for items written or read lately.
    pub lately_bytes: usize,
    /// Most transactions in line; more wait their turn outside.
    pub queue_max: usize,
}

impl Options {
    /// What suits one machine: 10 to 40 MB of memory, by how much is written.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, cache_bytes: 8 << 20, memtable_bytes: 8 << 20, lately_bytes: 8 << 20, queue_max: 1_024 }
    }
}

/// What the table has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// Transactions written.
    pub commits: u64,
    /// Syncs to disk; many commits may share one.
    pub batches: u64,
    /// Transactions refused because a condition did not hold.
    pub conflicts: u64,
}

/// State that reads and the writer share.
struct Shared {
    core: RwLock<Option<Core>>,
    lately: Lately,
    clock: Arc<dyn Clock>,
    /// Set when a commit failed: memory and disk may differ, so nothing is answered any more.
    broken: AtomicBool,
    commits: AtomicU64,
    batches: AtomicU64,
    conflicts: AtomicU64,
}

/// The table in a folder. Closed by [`Embedded::close`], or when dropped.
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Embedded {
    /// Opens the folder, creating it if need be. Blocks: about 5 ms after a close, longer after a crash.
    ///
    /// # Errors
    /// When another process has it open, when what is there cannot be understood, when the file system refuses.
    pub fn open(folder: impl AsRef<Path>, options: Options) -> Result<Arc<Self>, OpenError> {
        let core = folder::open(folder.as_ref(), &options)?;
        let shared = Arc::new(Shared {
            core: RwLock::new(Some(core.clone())),
            lately: Lately::new(options.lately_bytes),
            clock: options.clock,
            broken: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
        });
        let (sender, receiver) = mpsc::channel(options.queue_max.max(1));
        let writer = Writer::new(core, Arc::clone(&shared), folder::buffer_bytes_max(options.memtable_bytes));
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(|error| OpenError::io(folder.as_ref(), &error))?;
        Ok(Arc::new(Self { shared, jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) }))
    }

    /// What it has done since it was opened.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics {
            commits: self.shared.commits.load(Ordering::Relaxed),
            batches: self.shared.batches.load(Ordering::Relaxed),
            conflicts: self.shared.conflicts.load(Ordering::Relaxed),
        }
    }

    /// Removes items that had expired at `now`, at most `limit`, and says how many. Only frees space: reads leave expired
    /// items out with or without it.
    ///
    /// # Errors
    /// When the table is closed or broken.
    pub async fn sweep_expired(&self, now: Millis, limit: usize) -> Result<usize, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Sweep { now, limit, answer }).await.map_err(StoreError::Unavailable)?;
        answered.await.map_err(|_| StoreError::Unavailable(STOPPED.to_owned()))?
    }

    /// Writes what is in line, syncs, and gives the folder free. What comes later is refused.
    pub async fn close(&self) {
        let thread = self.stop();
        let shared = Arc::clone(&self.shared);
        let end = tokio::task::spawn_blocking(move || finish(thread, &shared)).await;
        if end.is_err() {
            tracing::error!("the store could not be closed in order");
        }
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        // Without a sender the writer ends by itself, after everything in line.
        drop(locked(&self.jobs).take());
        locked(&self.thread).take()
    }

    async fn send(&self, job: Job) -> Result<(), String> {
        let sender = locked(&self.jobs).clone().ok_or_else(|| CLOSED.to_owned())?;
        sender.send(job).await.map_err(|_| STOPPED.to_owned())
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Core, Millis) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let reading = tokio::task::spawn_blocking(move || shared.read(read));
        reading.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

const CLOSED: &str = "it is closed";
const STOPPED: &str = "it has stopped; restart the process";

impl Shared {
    fn read<T>(&self, read: impl FnOnce(&Core, Millis) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let core = self.core.read().unwrap_or_else(PoisonError::into_inner);
        let core = core.as_ref().ok_or_else(|| StoreError::Unavailable(CLOSED.to_owned()))?;
        let result = read(core, self.clock.now_ms());
        // Asked afterwards: a commit that failed during the read must not be taken for one that never was.
        if self.broken.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable(STOPPED.to_owned()));
        }
        result
    }
}

fn finish(thread: Option<JoinHandle<()>>, shared: &Shared) {
    if thread.is_some_and(|thread| thread.join().is_err()) {
        tracing::error!("the store's writer has panicked");
    }
    // Waits for the reads under way; the last handle gives the folder free.
    drop(shared.core.write().unwrap_or_else(PoisonError::into_inner).take());
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let thread = self.stop();
        finish(thread, &self.shared);
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Table for Embedded {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        if !rules::key_is_valid(key) {
            return self.shared.read(|_, _| Ok(None));
        }
        let (key, stored) = (key.clone(), codec::item_key(key));
        let number = match self.shared.lately.look(&stored) {
            Look::Known(value) => return self.shared.read(|_, now| read::item(key, value, now)),
            Look::Unknown(number) => number,
        };
        let shared = Arc::clone(&self.shared);
        let read = move |core: &Core, now| {
            let found = read::get(core, &stored);
            if let Some(number) = number {
                shared.lately.tell(&stored, number, found.as_ref().ok());
            }
            read::item(key, found?, now)
        };
        self.read(read).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let Some(range) = codec::range(query) else {
            return self.shared.read(|_, _| Ok(Page { items: Vec::new(), next: None }));
        };
        let lately = |now| self.shared.lately.query(query, range.clone(), now).transpose();
        if let Some(page) = self.shared.read(|_, now| lately(now))? {
            return Ok(page);
        }
        let query = query.clone();
        self.read(move |core, now| read::query(core, &query, range, now)).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        rules::check(&transaction)?;
        let (answer, answered) = oneshot::channel();
        self.send(Job::Transact { transaction, answer }).await.map_err(TransactError::Unavailable)?;
        answered.await.map_err(|_| TransactError::Unknown(STOPPED.to_owned()))?
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.read(move |core, _| read::due(core, now, limit)).await
    }
}

#[async_trait]
impl Everything for Embedded {
    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<(Vec<Item>, Option<Key>), StoreError> {
        let after = after.map(codec::item_key);
        self.read(move |core, now| read::everything(core, after, limit, now)).await
    }
}

#[async_trait]
impl Restorable for Embedded {
    async fn restore(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Restore { items, answer }).await.map_err(StoreError::Unavailable)?;
        answered.await.map_err(|_| StoreError::Unavailable(STOPPED.to_owned()))?.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use app::ports::Write;

    struct Still;

    #[async_trait]
    impl Clock for Still {
        fn now_ms(&self) -> Millis {
            1
        }

        async fn sleep_until(&self, _: Millis) {}
    }

    #[tokio::test]
    async fn a_broken_table_answers_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let table = Embedded::open(folder.path(), Options::new(Arc::new(Still))).unwrap();
        let key = Key::new("P", "a");
        let put = || Transaction::of(vec![Write::Put(Item::new(key.clone(), vec![]), vec![])]);
        table.transact(put()).await.unwrap();
        table.shared.broken.store(true, Ordering::Release);
        let stopped = |error: &StoreError| matches!(error, StoreError::Unavailable(text) if text == STOPPED);
        assert!(stopped(&table.get(&key).await.unwrap_err()));
        assert!(stopped(&table.due(1, 1).await.unwrap_err()));
        assert!(stopped(&table.sweep_expired(1, 1).await.unwrap_err()));
        assert!(matches!(table.transact(put()).await, Err(TransactError::Unavailable(text)) if text == STOPPED));
        table.close().await;
        let table = Embedded::open(folder.path(), Options::new(Arc::new(Still))).unwrap();
        assert_eq!(table.get(&key).await.unwrap().unwrap().revision, 1, "opened again it works again");
    }
}
