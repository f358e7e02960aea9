//! What pushes need to know, read from where pipelines and accounts are stored.

use super::{HookTarget, PushSources};
use crate::error::AppError;
use crate::ports::{RegistryAccess, Sealer, Table};
use crate::{accounts, pipelines};
use async_trait::async_trait;
use model::id::{AccountName, PipelineId};
use serde_json::Value;

/// Reads pipelines and accounts from the table.
pub struct StoredSources<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Opens registry accounts.
    pub sealer: &'a dyn Sealer,
}

#[async_trait]
impl PushSources for StoredSources<'_> {
    async fn trigger_by_hook(&self, token: &str) -> Result<Option<HookTarget>, AppError> {
        let row = pipelines::trigger_by_hook(self.table, token).await?;
        Ok(row.map(|row| HookTarget { trigger: row.trigger, pipeline: row.pipeline, application: row.application }))
    }

    async fn pipeline(&self, id: &PipelineId) -> Result<Option<Value>, AppError> {
        Ok(pipelines::newest(self.table, id).await?.map(|revision| revision.document))
    }

    async fn registry_address(&self, account: &AccountName) -> Result<Option<String>, AppError> {
        accounts::registry_address(self.table, account).await
    }

    async fn open_registry(&self, account: &AccountName) -> Result<RegistryAccess, AppError> {
        accounts::open_registry(self.table, self.sealer, account).await
    }
}
