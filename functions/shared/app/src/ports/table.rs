//! The one table: items under (partition, sort), written in conditional transactions. What DynamoDB gives, and no more.
//!
//! Reads of items and partitions are strongly consistent. The `due` look-up may lag and misses nothing for ever: it only
//! says where to look, and no decision rests on it.

use async_trait::async_trait;
use model::Millis;
use std::collections::BTreeMap;

/// Most items of one transaction; DynamoDB takes 100, the rest is headroom.
pub const ITEMS_A_COMMIT_MAX: usize = 90;
/// Most bytes of one transaction; DynamoDB takes 4 MB.
pub const COMMIT_BYTES_MAX: usize = 3 << 20;

/// Where an item lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Partition, `KIND#id`.
    pub partition: String,
    /// Sort key within the partition.
    pub sort: String,
}

impl Key {
    /// A key of two parts.
    #[must_use]
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

/// An item as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it lives.
    pub key: Key,
    /// Raised by one with every write, from 1; given by the store. What a caller sets here is ignored. What replaces an
    /// expired item begins anew if the write asks for absence; else it may go on from the expired one's.
    pub revision: u64,
    /// Small texts that conditions may ask for: fence, open, ….
    pub attributes: BTreeMap<String, String>,
    /// JSON, at most 380 KB; opaque to the store.
    pub body: Vec<u8>,
    /// When somebody must look at it; puts it under the `due` index.
    pub due_ms: Option<Millis>,
    /// When it may be forgotten. An expired item may still be read for a while.
    pub expires_ms: Option<Millis>,
}

impl Item {
    /// An item with a body and nothing else.
    #[must_use]
    pub fn new(key: Key, body: Vec<u8>) -> Self {
        Self { key, revision: 0, attributes: BTreeMap::new(), body, due_ms: None, expires_ms: None }
    }

    /// The same item with an attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// The same item under the `due` index.
    #[must_use]
    pub fn due(mut self, at: Option<Millis>) -> Self {
        self.due_ms = at;
        self
    }

    /// The same item, to be forgotten at an instant.
    #[must_use]
    pub fn expires(mut self, at: Option<Millis>) -> Self {
        self.expires_ms = at;
        self
    }
}

/// What must hold of the item that a write or check names. All of a list must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is no such item (an expired one counts as none).
    Absent,
    /// There is one.
    Exists,
    /// It has this revision.
    Revision(u64),
    /// It has this attribute with this value.
    Attribute(String, String),
    /// It has no such attribute.
    NoAttribute(String),
}

/// One part of a transaction. No item may stand in a transaction twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Puts the whole item.
    Put(Item, Vec<Condition>),
    /// Removes the item; removing what is not there is fine unless a condition says otherwise.
    Delete(Key, Vec<Condition>),
    /// Changes nothing, but the whole transaction fails when the conditions do not hold.
    Check(Key, Vec<Condition>),
}

impl Write {
    /// The item it names.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(item, _) => &item.key,
            Self::Delete(key, _) | Self::Check(key, _) => key,
        }
    }
}

/// Writes that happen together or not at all. Durable when the call returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The parts, each on another item.
    pub writes: Vec<Write>,
    /// Makes a repeat of the same transaction harmless for ten minutes, where the store can.
    pub token: Option<String>,
}

impl Transaction {
    /// A transaction of these writes.
    #[must_use]
    pub fn of(writes: Vec<Write>) -> Self {
        Self { writes, token: None }
    }
}

/// A range of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The partition.
    pub partition: String,
    /// Only sort keys that begin so; empty for all.
    pub prefix: String,
    /// Only sort keys after this one (before it, when backward).
    pub after: Option<String>,
    /// From the end.
    pub backward: bool,
    /// At most so many items; a page may hold fewer and still have a successor.
    pub limit: usize,
}

impl Query {
    /// Everything of a partition under a prefix, forward.
    #[must_use]
    pub fn prefix(partition: impl Into<String>, prefix: impl Into<String>, limit: usize) -> Self {
        Self { partition: partition.into(), prefix: prefix.into(), after: None, backward: false, limit }
    }
}

/// A page of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The items, in order; expired ones left out.
    pub items: Vec<Item>,
    /// Where the next page begins (`Query::after`); none at the end.
    pub next: Option<String>,
}

/// Why a read failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It may work later; nothing is known about the cause's end.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What is stored cannot be understood.
    #[error("a stored item is damaged: {0}")]
    Damaged(String),
    /// What is stored was written by a newer program.
    #[error("{what} was written by a newer Waybill (form {needs}, this one knows {knows}): update this one")]
    Newer {
        /// What it is.
        what: String,
        /// The form it has.
        needs: u64,
        /// The newest that is known here.
        knows: u64,
    },
}

/// Why a transaction failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransactError {
    /// A condition did not hold; nothing was written. The places of the writes whose conditions failed.
    #[error("a condition of the transaction did not hold")]
    Conflict(Vec<usize>),
    /// The transaction itself is not allowed: too many items, too many bytes, an item twice. Nothing was written.
    #[error("the transaction is not allowed: {0}")]
    Invalid(String),
    /// It may or may not have been written; read to find out.
    #[error("the outcome of the transaction is unknown: {0}")]
    Unknown(String),
    /// Nothing was written; it may work later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

/// The table.
#[async_trait]
pub trait Table: Send + Sync {
    /// Reads one item, consistently.
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError>;

    /// Reads a range of one partition, consistently.
    async fn query(&self, query: &Query) -> Result<Page, StoreError>;

    /// Writes all or nothing, durably.
    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError>;

    /// Keys of items whose `due_ms` is not after `now`, earliest first, at most `limit`. May lag.
    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError>;
}
