//! All that is stored, page by page: for exports, and to see which blobs are still referred to.

use app::ports::{Item, Key, StoreError};
use async_trait::async_trait;

/// A table that can be read whole. No use case may: it takes as long as there is data.
#[async_trait]
pub trait Everything: Send + Sync {
    /// Some items after a key, in an order of the table's own, and where to go on; none at the end. What is written
    /// meanwhile may or may not be among them. Expired items are left out.
    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<(Vec<Item>, Option<Key>), StoreError>;
}
