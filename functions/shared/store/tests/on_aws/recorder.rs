//! A table that writes down what it is asked, what it is given to keep, and what that costs on DynamoDB.

use app::ports::{Item, Key, Page, Query, StoreError, Table, TransactError, Transaction, Write};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use store::dynamodb::design::{read_units, stored_bytes, write_units};

/// What one use case came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) reads: usize,
    /// Reads that waited for one another: those made side by side are one round.
    pub(crate) rounds: usize,
    pub(crate) read_units: usize,
    pub(crate) transactions: usize,
    pub(crate) items: usize,
    pub(crate) write_units: usize,
}

/// See the module.
pub(crate) struct Recorder {
    inner: Arc<dyn Table>,
    tally: Mutex<Tally>,
    written: Mutex<Vec<Item>>,
    round: Mutex<Round>,
}

/// The round that reads join until the first of them goes on.
#[derive(Debug, Default)]
struct Round {
    number: usize,
    open: bool,
}

impl Recorder {
    pub(crate) fn new(inner: Arc<dyn Table>) -> Self {
        Self { inner, tally: Mutex::default(), written: Mutex::default(), round: Mutex::default() }
    }

    /// Since it was asked last.
    pub(crate) fn tally(&self) -> Tally {
        std::mem::take(&mut self.tally.lock().unwrap())
    }

    /// Every item that was put.
    pub(crate) fn written(&self) -> Vec<Item> {
        self.written.lock().unwrap().clone()
    }

    /// Lets every read that is made at the same time begin before one of them goes on.
    async fn side_by_side(&self) {
        let mine = {
            let mut round = self.round.lock().unwrap();
            if !round.open {
                *round = Round { number: round.number + 1, open: true };
                self.tally.lock().unwrap().rounds += 1;
            }
            round.number
        };
        tokio::task::yield_now().await;
        let mut round = self.round.lock().unwrap();
        if round.number == mine {
            round.open = false;
        }
    }

    fn read(&self, bytes: usize) {
        let mut tally = self.tally.lock().unwrap();
        tally.reads += 1;
        tally.read_units += read_units(bytes);
    }
}

#[async_trait]
impl Table for Recorder {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.side_by_side().await;
        let item = self.inner.get(key).await?;
        self.read(item.as_ref().map_or(0, stored_bytes));
        Ok(item)
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.side_by_side().await;
        let page = self.inner.query(query).await?;
        self.read(page.items.iter().map(stored_bytes).sum());
        Ok(page)
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        let mut units = 0;
        for write in &transaction.writes {
            let before = self.inner.get(write.key()).await.ok().flatten();
            let after = match write {
                Write::Put(item, _) => Some(Item { revision: 1, ..item.clone() }),
                Write::Delete(..) => None,
                Write::Check(..) => before.clone(),
            };
            units += write_units(before.as_ref(), after.as_ref());
            self.written.lock().unwrap().extend(after.filter(|_| matches!(write, Write::Put(..))));
        }
        {
            let mut tally = self.tally.lock().unwrap();
            tally.transactions += 1;
            tally.items += transaction.writes.len();
            tally.write_units += units;
        }
        self.inner.transact(transaction).await
    }

    async fn due(&self, now: u64, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.side_by_side().await;
        {
            // Eight parts, each at half a unit.
            let mut tally = self.tally.lock().unwrap();
            tally.reads += 8;
            tally.read_units += 4;
        }
        self.inner.due(now, limit).await
    }
}
