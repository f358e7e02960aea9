//! Pipelines and accounts as they are stored, for pushes.

use super::{HookTarget, PushSources};
use crate::accounts;
use crate::error::AppError;
use crate::pipelines;
use crate::ports::{RegistryAccess, Sealer, Table};
use async_trait::async_trait;
use model::id::{AccountName, AppName, PipelineId};
use serde_json::Value;
use std::sync::Arc;

/// What is stored. Who only receives pushes is given no sealer, and so can open no account.
#[derive(Clone)]
pub struct StoredSources {
    table: Arc<dyn Table>,
    sealer: Option<Arc<dyn Sealer>>,
}

impl StoredSources {
    /// For receiving: everything but the secrets of accounts.
    #[must_use]
    pub fn without_secrets(table: Arc<dyn Table>) -> Self {
        Self { table, sealer: None }
    }

    /// For processing.
    #[must_use]
    pub fn new(table: Arc<dyn Table>, sealer: Arc<dyn Sealer>) -> Self {
        Self { table, sealer: Some(sealer) }
    }
}

#[async_trait]
impl PushSources for StoredSources {
    async fn trigger_by_hook(&self, token: &str) -> Result<Option<HookTarget>, AppError> {
        let row = pipelines::trigger_by_hook(self.table.as_ref(), token).await?;
        Ok(row.map(|row| HookTarget { trigger: row.trigger, pipeline: row.pipeline, application: row.application }))
    }

    async fn pipeline(&self, application: &AppName, id: &PipelineId) -> Result<Option<Value>, AppError> {
        match pipelines::of(self.table.as_ref(), application, id).await {
            Ok((_, revision)) => Ok(Some(revision.document)),
            Err(AppError::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn registry_address(&self, account: &AccountName) -> Result<Option<String>, AppError> {
        accounts::registry_address(self.table.as_ref(), account).await
    }

    async fn open_registry(&self, account: &AccountName) -> Result<RegistryAccess, AppError> {
        let Some(sealer) = &self.sealer else {
            let message = "this function may not open accounts".to_owned();
            return Err(AppError::Denied { code: "no-secrets-here".to_owned(), message });
        };
        accounts::open_registry(self.table.as_ref(), sealer.as_ref(), account).await
    }
}
