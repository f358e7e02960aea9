//! The mark of an import that is under way: while it is there, the store holds part of what it shall hold, and nobody may serve it.

use crate::error::AppError;
use crate::ports::{Condition, Key, Table, Transaction, Write};
use crate::record::{Record, Shape, item, load, shape};
use model::Millis;
use serde::{Deserialize, Serialize};

/// The mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Importing {
    /// Digest of the export that is being imported.
    pub sha256: String,
    /// Items of it.
    pub items: u64,
    /// Blobs of it.
    pub blobs: u64,
    /// When it was begun first.
    pub begun_ms: Millis,
}

impl Record for Importing {
    const SHAPE: &'static str = "importing";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<Importing>()];

/// Where the mark stands.
#[must_use]
pub fn key() -> Key {
    Key::new("SYSTEM", "IMPORT")
}

/// The mark, if there is one.
pub async fn under_way(table: &dyn Table) -> Result<Option<Importing>, AppError> {
    Ok(load::<Importing>(table, &key()).await?.map(|(mark, _)| mark))
}

/// Sets the mark, where there is none.
pub async fn begin(table: &dyn Table, mark: &Importing) -> Result<(), AppError> {
    let put = Write::Put(item(key(), mark)?, vec![Condition::Absent]);
    Ok(table.transact(Transaction::of(vec![put])).await?)
}

/// Takes the mark away.
pub async fn end(table: &dyn Table) -> Result<(), AppError> {
    Ok(table.transact(Transaction::of(vec![Write::Delete(key(), vec![])])).await?)
}

/// Fails while an import is under way.
pub async fn require_none(table: &dyn Table) -> Result<(), AppError> {
    match under_way(table).await? {
        None => Ok(()),
        Some(mark) => {
            let message = format!(
                "an import into this store was begun and not finished ({} items): run `waybill import` with the same file again",
                mark.items
            );
            Err(AppError::refused("import-not-finished", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryTable;

    #[tokio::test]
    async fn a_store_with_a_mark_is_not_served() {
        let table = MemoryTable::default();
        require_none(&table).await.unwrap();
        let mark = Importing { sha256: "a".repeat(64), items: 7, blobs: 1, begun_ms: 5 };
        begin(&table, &mark).await.unwrap();
        assert!(begin(&table, &mark).await.is_err(), "one at a time");
        assert_eq!(under_way(&table).await.unwrap(), Some(mark));
        let refused = require_none(&table).await.unwrap_err();
        assert!(
            matches!(&refused, AppError::Refused { code, message, .. } if code == "import-not-finished" && message.contains("same file"))
        );
        end(&table).await.unwrap();
        require_none(&table).await.unwrap();
    }
}
