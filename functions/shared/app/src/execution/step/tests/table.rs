//! A table in memory that lies and lets things happen in between, and blobs in memory.

use super::*;

/// A table that does what it is told at the n-th transaction.
#[derive(Default)]
pub(super) struct Lying {
    pub(super) table: MemoryTable,
    pub(super) writes: AtomicU32,
    /// Transaction number → how it lies.
    pub(super) lies: Mutex<BTreeMap<u32, Lie>>,
    /// Transaction number → what happens right before it, after everything it rests on was read.
    pub(super) meanwhile: Mutex<BTreeMap<u32, BoxFuture<'static, ()>>>,
}

#[derive(Clone, Copy)]
pub(super) enum Lie {
    /// Writes, and says that the outcome is unknown.
    WrittenUnknown,
    /// Does not write, and says that the outcome is unknown.
    LostUnknown,
    /// Does not write, and says so.
    Refused,
    /// Does not write, and never answers: the worker is killed there.
    Hang,
    /// Writes, and never answers.
    WrittenHang,
}

#[async_trait]
impl Table for Lying {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.table.get(key).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.table.query(query).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let meanwhile = self.meanwhile.lock().unwrap().remove(&number);
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        let lie = self.lies.lock().unwrap().remove(&number);
        match lie {
            None => self.table.transact(transaction).await,
            Some(Lie::WrittenUnknown) => {
                self.table.transact(transaction).await?;
                Err(TransactError::Unknown("no answer".to_owned()))
            }
            Some(Lie::LostUnknown) => Err(TransactError::Unknown("no answer".to_owned())),
            Some(Lie::Refused) => Err(TransactError::Unavailable("not now".to_owned())),
            Some(Lie::Hang) => future::pending().await,
            Some(Lie::WrittenHang) => {
                self.table.transact(transaction).await?;
                future::pending().await
            }
        }
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.table.due(now, limit).await
    }
}

impl Lying {
    /// Lets something happen right before the transaction after `after` more of them.
    pub(super) fn meanwhile(&self, after: u32, what: impl Future<Output = ()> + Send + 'static) {
        let number = self.writes.load(Ordering::SeqCst) + after;
        self.meanwhile.lock().unwrap().insert(number, what.boxed());
    }

    /// Lies at the transaction after `after` more of them.
    pub(super) fn lie(&self, after: u32, lie: Lie) {
        let number = self.writes.load(Ordering::SeqCst) + after;
        self.lies.lock().unwrap().insert(number, lie);
    }
}

#[derive(Default)]
pub(super) struct MemoryBlobs(pub(super) Mutex<BTreeMap<String, Vec<u8>>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        use sha2::Digest;
        let digest = hex::encode(sha2::Sha256::digest(bytes));
        self.0.lock().unwrap().insert(digest.clone(), bytes.to_vec());
        Ok(digest)
    }

    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().get(sha256).cloned())
    }
}
