//! All that is stored, page by page: for exports, and to see which blobs are still referred to. And the way back.

use app::ports::{Item, Key, StoreError, Table};
use async_trait::async_trait;

/// A table that can be read whole. No use case may: it takes as long as there is data.
#[async_trait]
pub trait Everything: Send + Sync {
    /// Some items after a key, in an order of the table's own, and where to go on; none at the end. What is written
    /// meanwhile may or may not be among them. Expired items are left out.
    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<(Vec<Item>, Option<Key>), StoreError>;
}

/// A table into which items can be put as they were elsewhere.
#[async_trait]
pub trait Restorable: Everything + Table {
    /// Puts items exactly as they are, with their revisions, whatever is there; durable when the call returns. Not together: some
    /// may be written when it fails. For imports alone, while nobody else uses the table.
    async fn restore(&self, items: Vec<Item>) -> Result<(), StoreError>;
}
