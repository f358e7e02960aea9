//! Models of the table and of blobs in memory: for tests of what stands on them, and to hold the real ones against.
//! Plain on purpose; nothing is durable and nothing is fast.

use crate::rules::{self, Facts, Seen, Tokens};
use crate::{Everything, Restorable};
use app::ports::{Blobs, Clock, Item, Key, Page, Query, StoreError, Table, TransactError, Transaction, Write};
use async_trait::async_trait;
use model::Millis;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A table in memory.
pub struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: BTreeMap<Key, Item>,
    tokens: Tokens,
}

impl Memory {
    /// An empty table; the clock decides what has expired.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Everything that has not expired, in order; for tests to look at.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let now = self.clock.now_ms();
        self.state().items.values().filter(|item| !rules::expired(item.expires_ms, now)).cloned().collect()
    }

    /// Forgets the tokens of transactions, as a table does that is opened again.
    pub fn forget_tokens(&self) {
        self.state().tokens = Tokens::default();
    }

    /// Removes what has expired, as other tables do in their own time.
    pub fn sweep_expired(&self) {
        let now = self.clock.now_ms();
        self.state().items.retain(|_, item| !rules::expired(item.expires_ms, now));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn visible(&self, key: &Key, now: Millis) -> Option<&Item> {
        self.items.get(key).filter(|item| !rules::expired(item.expires_ms, now))
    }

    fn holds(&self, write: &Write, now: Millis) -> bool {
        let item = self.visible(write.key(), now);
        let facts = item.map(|item| Facts { revision: item.revision, attributes: &item.attributes });
        rules::hold(rules::conditions(write), facts.as_ref())
    }

    fn apply(&mut self, write: Write, now: Millis) {
        match write {
            Write::Put(mut item, conditions) => {
                let stored = self.items.get(&item.key).map(|old| (old.revision, rules::expired(old.expires_ms, now)));
                item.revision = rules::revision_after(&conditions, stored);
                self.items.insert(item.key.clone(), item);
            }
            Write::Delete(key, _) => {
                self.items.remove(&key);
            }
            Write::Check(..) => {}
        }
    }
}

#[async_trait]
impl Table for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        Ok(self.state().visible(key, self.clock.now_ms()).cloned())
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let now = self.clock.now_ms();
        let state = self.state();
        let beyond = |sort: &str| match query.after.as_deref() {
            None => true,
            Some(after) if query.backward => sort < after,
            Some(after) => sort > after,
        };
        let mut found: Vec<&Item> = state
            .items
            .values()
            .filter(|item| item.key.partition == query.partition && item.key.sort.starts_with(&query.prefix) && beyond(&item.key.sort))
            .filter(|item| !rules::expired(item.expires_ms, now))
            .collect();
        if query.backward {
            found.reverse();
        }
        let mut page = Page { items: Vec::new(), next: None };
        let mut bytes = 0;
        for item in found {
            bytes += rules::item_bytes(item);
            if page.items.len() >= query.limit || (bytes > rules::PAGE_BYTES_MAX && !page.items.is_empty()) {
                page.next = page.items.last().map(|last| last.key.sort.clone()).or_else(|| query.after.clone());
                return Ok(page);
            }
            page.items.push(item.clone());
        }
        Ok(page)
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        rules::check(&transaction)?;
        let now = self.clock.now_ms();
        let mut state = self.state();
        match state.tokens.look(&transaction, now) {
            Seen::New => {}
            Seen::Repeat => return Ok(()),
            Seen::Other => return Err(TransactError::Invalid("its token was used for another transaction".to_owned())),
        }
        let all = transaction.writes.iter().enumerate();
        let failed: Vec<usize> = all.filter(|(_, write)| !state.holds(write, now)).map(|(place, _)| place).collect();
        if !failed.is_empty() {
            return Err(TransactError::Conflict(failed));
        }
        state.tokens.remember(&transaction, now);
        for write in transaction.writes {
            state.apply(write, now);
        }
        Ok(())
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        let state = self.state();
        let mut due: Vec<(Millis, &Key)> =
            state.items.values().filter_map(|item| item.due_ms.filter(|at| *at <= now).map(|at| (at, &item.key))).collect();
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, key)| key.clone()).collect())
    }
}

#[async_trait]
impl Everything for Memory {
    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<(Vec<Item>, Option<Key>), StoreError> {
        let now = self.clock.now_ms();
        let state = self.state();
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found: Vec<&Item> = state.items.range::<Key, _>((after, Bound::Unbounded)).map(|(_, item)| item).take(limit.max(1)).collect();
        let next = found.last().map(|last| last.key.clone());
        Ok((found.into_iter().filter(|item| !rules::expired(item.expires_ms, now)).cloned().collect(), next))
    }
}

#[async_trait]
impl Restorable for Memory {
    async fn restore(&self, items: Vec<Item>) -> Result<(), StoreError> {
        self.state().items.extend(items.into_iter().map(|item| (item.key.clone(), item)));
        Ok(())
    }
}

/// Blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryBlobs {
    /// No blobs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let digest = hex::encode(Sha256::digest(bytes));
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone(), bytes.to_vec());
        Ok(digest)
    }

    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blobs_come_back_by_digest() {
        let blobs = MemoryBlobs::new();
        let digest = blobs.put(b"x").await.unwrap();
        assert_eq!(digest, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
        assert_eq!(blobs.get(&digest).await.unwrap().unwrap(), b"x");
        assert!(blobs.get("00").await.unwrap().is_none());
    }
}
