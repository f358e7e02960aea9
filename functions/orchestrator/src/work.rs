//! What is done for each kind of hint.

use crate::dispatch::Work;
use crate::mailbox::Mailbox;
use app::accounts::{self, CloudVerifyPorts, RegistryVerifyPorts};
use app::error::AppError;
use app::execution::pushed::PushStarter;
use app::execution::retention;
use app::execution::step::{self, Budget, Inbox, Rest};
use app::ports::{Archive, Hint, Registry};
use app::pushes::{self, Processing, StoredSources};
use async_trait::async_trait;
use model::Millis;
use model::id::{AccountName, ExecutionId, PipelineId, TriggerId};
use std::sync::Arc;

/// What the orchestrator needs of the outside.
#[derive(Clone)]
pub struct Ports {
    /// For moving executions, and for everything else it shares with that.
    pub execution: step::Ports,
    /// Looks pushes up, and verifies registry accounts.
    pub registry: Arc<dyn Registry>,
}

/// Does what hints ask for.
pub(crate) struct Worker {
    ports: Ports,
    archive: Arc<dyn Archive>,
    sources: StoredSources,
}

#[async_trait]
impl Work for Worker {
    async fn work(&self, hint: &Hint, mailbox: &Mailbox) -> Result<(), AppError> {
        self.look(hint, mailbox, None).await
    }
}

impl Worker {
    pub(crate) fn new(ports: Ports, archive: Arc<dyn Archive>) -> Self {
        let sources = StoredSources::new(ports.execution.table.clone(), ports.execution.sealer.clone());
        Self { ports, archive, sources }
    }

    /// Looks at the target once; an execution rests by the instant, if there is one.
    pub(crate) async fn look(&self, hint: &Hint, inbox: &dyn Inbox, until_ms: Option<Millis>) -> Result<(), AppError> {
        match hint {
            Hint::Execution { id } => Box::pin(self.execution(id, inbox, until_ms)).await,
            Hint::Delivery { trigger, id } => Box::pin(self.delivery(trigger, id)).await,
            Hint::Retention { pipeline, execution } => Box::pin(self.retention(pipeline, execution)).await,
            Hint::CloudAccount { name } => Box::pin(self.cloud(name)).await,
            Hint::RegistryAccount { name } => Box::pin(self.registry(name)).await,
        }
    }

    async fn execution(&self, id: &ExecutionId, inbox: &dyn Inbox, until_ms: Option<Millis>) -> Result<(), AppError> {
        let budget = Budget { until_ms, linger_ms_max: self.ports.execution.limits.linger_ms_max };
        match step::advance(&self.ports.execution, id, inbox, budget).await? {
            Rest::Parked => {
                tracing::error!(execution = %id, "an execution was taken again and again without getting anywhere, and is parked")
            }
            rest => tracing::debug!(execution = %id, ?rest, "an execution rests"),
        }
        Ok(())
    }

    async fn delivery(&self, trigger: &str, id: &str) -> Result<(), AppError> {
        let Ok(trigger) = TriggerId::parse(trigger) else {
            return Err(AppError::Damaged("a hint names a trigger that cannot be one".to_owned()));
        };
        let ports = &self.ports.execution;
        let starter = PushStarter { ports: ports.start() };
        let processing = Processing {
            table: ports.table.as_ref(),
            sources: &self.sources,
            registry: self.ports.registry.as_ref(),
            starter: &starter,
            queue: ports.queue.as_ref(),
            clock: ports.clock.as_ref(),
        };
        pushes::process(processing, &trigger, id).await
    }

    async fn retention(&self, pipeline: &PipelineId, execution: &ExecutionId) -> Result<(), AppError> {
        let ports = &self.ports.execution;
        let sweep = retention::Ports {
            table: ports.table.as_ref(),
            blobs: ports.blobs.as_ref(),
            archive: self.archive.as_ref(),
            clock: ports.clock.as_ref(),
            queue: ports.queue.as_ref(),
            limits: &ports.limits,
        };
        if retention::sweep(sweep, pipeline, execution).await? {
            tracing::info!(%execution, %pipeline, "an execution is kept no longer");
        }
        Ok(())
    }

    async fn cloud(&self, name: &AccountName) -> Result<(), AppError> {
        let ports = &self.ports.execution;
        let verify = CloudVerifyPorts {
            table: ports.table.as_ref(),
            clock: ports.clock.as_ref(),
            sealer: ports.sealer.as_ref(),
            cluster: ports.cluster.as_ref(),
            changes: ports.changes.as_ref(),
        };
        accounts::verify_cloud(&verify, name).await
    }

    async fn registry(&self, name: &AccountName) -> Result<(), AppError> {
        let ports = &self.ports.execution;
        let verify = RegistryVerifyPorts {
            table: ports.table.as_ref(),
            clock: ports.clock.as_ref(),
            sealer: ports.sealer.as_ref(),
            registry: self.ports.registry.as_ref(),
            changes: ports.changes.as_ref(),
        };
        accounts::verify_registry(&verify, name).await
    }
}
