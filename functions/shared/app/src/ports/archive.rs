//! Where executions go that the store keeps no longer.

use super::StoreError;
use async_trait::async_trait;
use model::id::ExecutionId;

/// Keeps records of executions, to be read without a server and without the store.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Keeps a record, one line of JSON, under the month in which its execution ended (`2026-11`). It is durable when the call
    /// returns. The same execution may be kept again: the newest record counts.
    async fn keep(&self, month: &str, id: &ExecutionId, record: &[u8]) -> Result<(), StoreError>;
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoArchive;

#[async_trait]
impl Archive for NoArchive {
    async fn keep(&self, _month: &str, _id: &ExecutionId, _record: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }
}
