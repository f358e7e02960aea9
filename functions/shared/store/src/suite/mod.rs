//! Every promise of [`app::ports::Table`], written once and run against every backend. Part of the library, so that tests
//! of other crates can run it, too; nothing else calls it.
//!
//! A case uses partitions of its own, so one table serves all. Two runs need two spaces.

pub mod archive;
pub mod blobs;
mod conditions;
mod indexes;
mod ranges;
mod versions;
mod whole;

use app::ports::{Clock, Condition, Item, Key, Page, Query, StoreError, Table, TransactError, Transaction, Write};

/// What is put to the test.
pub struct Bench<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// The clock it uses.
    pub clock: &'a dyn Clock,
    /// Moves that clock on by milliseconds.
    pub advance: &'a (dyn Fn(u64) + Sync),
    /// Whether it remembers tokens of transactions.
    pub tokens: bool,
    /// Begins every partition that is used.
    pub space: &'a str,
}

/// A promise that was not kept.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A read failed.
    #[error("{0}: {1}")]
    Read(&'static str, #[source] StoreError),
    /// A write failed.
    #[error("{0}: {1:?}")]
    Write(&'static str, #[source] TransactError),
    /// The answer was wrong.
    #[error("{0}: {1}")]
    Broken(&'static str, String),
}

type Checked = Result<(), Failure>;

/// Runs everything; the first promise that is not kept ends it.
///
/// # Errors
/// That promise.
pub async fn run(bench: &Bench<'_>) -> Result<(), Failure> {
    whole::run(bench).await?;
    conditions::run(bench).await?;
    ranges::run(bench).await?;
    indexes::run(bench).await?;
    versions::run(bench).await
}

/// One case: its partitions, and shorthands that name the case when they fail.
struct Case<'a> {
    name: &'static str,
    bench: &'a Bench<'a>,
}

impl<'a> Case<'a> {
    fn new(bench: &'a Bench<'a>, name: &'static str) -> Self {
        Self { name, bench }
    }

    fn key(&self, sort: &str) -> Key {
        Key::new(self.partition(), sort)
    }

    fn partition(&self) -> String {
        format!("{}{}", self.bench.space, self.name)
    }

    fn item(&self, sort: &str, body: &str) -> Item {
        Item::new(self.key(sort), body.as_bytes().to_vec())
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TransactError> {
        self.bench.table.transact(Transaction::of(writes)).await
    }

    async fn write(&self, writes: Vec<Write>) -> Checked {
        self.transact(writes).await.map_err(|error| Failure::Write(self.name, error))
    }

    async fn put(&self, item: Item) -> Checked {
        self.write(vec![Write::Put(item, vec![])]).await
    }

    async fn get(&self, sort: &str) -> Result<Option<Item>, Failure> {
        self.bench.table.get(&self.key(sort)).await.map_err(|error| Failure::Read(self.name, error))
    }

    async fn query(&self, query: &Query) -> Result<Page, Failure> {
        self.bench.table.query(query).await.map_err(|error| Failure::Read(self.name, error))
    }

    async fn revision(&self, sort: &str) -> Result<u64, Failure> {
        Ok(self.get(sort).await?.map_or(0, |item| item.revision))
    }

    fn same<T: PartialEq + std::fmt::Debug>(&self, got: &T, expected: &T, what: &str) -> Checked {
        if got == expected { Ok(()) } else { self.broken(format!("{what}: got {got:?}, expected {expected:?}")) }
    }

    fn holds(&self, holds: bool, what: &str) -> Checked {
        if holds { Ok(()) } else { self.broken(what.to_owned()) }
    }

    fn broken(&self, message: String) -> Checked {
        Err(Failure::Broken(self.name, message))
    }

    /// The transaction conflicts, at these places.
    async fn conflicts(&self, writes: Vec<Write>, places: &[usize]) -> Checked {
        match self.transact(writes).await {
            Err(TransactError::Conflict(got)) => self.same(&got.as_slice(), &places, "places of the conflict"),
            other => self.broken(format!("got {other:?}, expected a conflict at {places:?}")),
        }
    }

    async fn invalid(&self, writes: Vec<Write>, what: &str) -> Checked {
        match self.transact(writes).await {
            Err(TransactError::Invalid(_)) => Ok(()),
            other => self.broken(format!("{what}: got {other:?}, expected a refusal")),
        }
    }
}

fn revision(revision: u64) -> Vec<Condition> {
    vec![Condition::Revision(revision)]
}
