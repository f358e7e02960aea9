//! Pages of lists: at most 100 entries, and a cursor that only the server understands.

use crate::error::AppError;
use crate::ports::{Query, Table};
use crate::record::{self, Record};

/// Most entries of a page.
pub const ENTRIES_A_PAGE_MAX: usize = 100;
/// Most pages that one use case reads to see all of a small partition.
const PAGES_MAX: usize = 200;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// From the page before.
    pub after: Option<String>,
    /// At most so many entries.
    pub limit: usize,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { after: None, limit: ENTRIES_A_PAGE_MAX }
    }
}

impl PageRequest {
    /// This page of a partition's items under a prefix.
    #[must_use]
    pub fn query(&self, partition: impl Into<String>, prefix: impl Into<String>) -> Query {
        let mut query = Query::prefix(partition, prefix, self.limit.clamp(1, ENTRIES_A_PAGE_MAX));
        query.after.clone_from(&self.after);
        query
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

/// Records of a range with the revision each has.
pub(crate) async fn rows<T: Record>(table: &dyn Table, query: &Query) -> Result<Listed<(T, u64)>, AppError> {
    let page = table.query(query).await?;
    let entries = page.items.iter().map(|item| Ok((record::decode(&item.body)?, item.revision))).collect::<Result<_, AppError>>()?;
    Ok(Listed { entries, next: page.next })
}

/// All records of a small range.
pub(crate) async fn all<T: Record>(table: &dyn Table, partition: &str, prefix: &str) -> Result<Vec<(T, u64)>, AppError> {
    let mut found = Vec::new();
    let mut query = Query::prefix(partition, prefix, ENTRIES_A_PAGE_MAX);
    for _ in 0..PAGES_MAX {
        let page = rows(table, &query).await?;
        found.extend(page.entries);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
    Err(AppError::Damaged(format!("{partition} holds more than {PAGES_MAX} pages")))
}
