//! The table and the blobs.

use super::Port;
use crate::state::{Answer, Request, START, digest};
use crate::store::{Repeat, Store};
use app::ports::{Blobs, Item, Key, Page, Query, StoreError, Table, TransactError, Transaction};
use async_trait::async_trait;
use model::Millis;
use std::sync::{Mutex, PoisonError};

fn unavailable() -> StoreError {
    StoreError::Unavailable("not now".to_owned())
}

/// The table, through the world.
pub(crate) struct SimTable(pub(crate) Port);

#[async_trait]
impl Table for SimTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        match self.0.call(Request::Get(key.clone())).await {
            Answer::Item(item) => Ok(item),
            _ => Err(unavailable()),
        }
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        match self.0.call(Request::Query(query.clone())).await {
            Answer::Page(page) => Ok(page),
            _ => Err(unavailable()),
        }
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        match self.0.call(Request::Transact(transaction)).await {
            Answer::Transacted(result) => result,
            _ => Err(TransactError::Unavailable("not now".to_owned())),
        }
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        match self.0.call(Request::Due { until: now, limit }).await {
            Answer::Keys(keys) => Ok(keys),
            _ => Err(unavailable()),
        }
    }
}

/// The blobs, through the world.
pub(crate) struct SimBlobs(pub(crate) Port);

#[async_trait]
impl Blobs for SimBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        match self.0.call(Request::PutBlob(bytes.to_vec())).await {
            Answer::Digest(digest) => Ok(digest),
            _ => Err(unavailable()),
        }
    }

    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.call(Request::GetBlob(sha256.to_owned())).await {
            Answer::Blob(bytes) => Ok(bytes),
            _ => Err(unavailable()),
        }
    }
}

/// A store without a world: for what there is before a run begins. Nothing waits and nothing fails.
#[derive(Default)]
pub(crate) struct Direct(pub(crate) Mutex<Store>);

impl Direct {
    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_store(self) -> Store {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Table for Direct {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        Ok(self.lock().get(key, START).cloned())
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        Ok(self.lock().query(query, START))
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        let mut store = self.lock();
        if store.check(&transaction, START, false)? == Repeat::No {
            store.write(transaction, START);
        }
        Ok(())
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        Ok(self.lock().due(now, limit))
    }
}

#[async_trait]
impl Blobs for Direct {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        Ok(digest(bytes))
    }

    async fn get(&self, _sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }
}
