//! What is done for each kind of hint, and which hint a due item stands for.

use crate::dispatch::Work;
use crate::mailbox::Mailbox;
use app::accounts::{self, CloudVerifyPorts, RegistryVerifyPorts};
use app::error::AppError;
use app::execution::keys;
use app::execution::pushed::PushStarter;
use app::execution::retention;
use app::execution::step::{self, Budget, Rest};
use app::ports::{Hint, Key, Registry};
use app::pushes::{self, Processing, StoredSources};
use async_trait::async_trait;
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
    sources: StoredSources,
}

/// The hint for an item under the `due` index; none for what nobody here looks after.
pub(crate) fn hint_of(key: &Key) -> Option<Hint> {
    let execution = || keys::execution_of(&key.partition).map(|id| Hint::Execution { id });
    execution().or_else(|| retention::due_hint(key)).or_else(|| pushes::due_hint(key)).or_else(|| accounts::due_hint(key))
}

#[async_trait]
impl Work for Worker {
    async fn work(&self, hint: &Hint, mailbox: &Mailbox) -> Result<(), AppError> {
        match hint {
            Hint::Execution { id } => Box::pin(self.execution(id, mailbox)).await,
            Hint::Delivery { trigger, id } => Box::pin(self.delivery(trigger, id)).await,
            Hint::Retention { pipeline, execution } => Box::pin(self.retention(pipeline, execution)).await,
            Hint::CloudAccount { name } => Box::pin(self.cloud(name)).await,
            Hint::RegistryAccount { name } => Box::pin(self.registry(name)).await,
        }
    }
}

impl Worker {
    pub(crate) fn new(ports: Ports) -> Self {
        let sources = StoredSources::new(ports.execution.table.clone(), ports.execution.sealer.clone());
        Self { ports, sources }
    }

    async fn execution(&self, id: &ExecutionId, mailbox: &Mailbox) -> Result<(), AppError> {
        let budget = Budget { until_ms: None, linger_ms_max: self.ports.execution.limits.linger_ms_max };
        match step::advance(&self.ports.execution, id, mailbox, budget).await? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_items_lead_to_what_they_belong_to() {
        let id = ExecutionId::parse("01J").unwrap();
        assert_eq!(hint_of(&keys::meta(&id)), Some(Hint::Execution { id: id.clone() }));
        assert_eq!(hint_of(&keys::event(&id, "e")), Some(Hint::Execution { id: id.clone() }));
        let pipeline = PipelineId::parse("p").unwrap();
        let retention = Some(Hint::Retention { pipeline: pipeline.clone(), execution: id.clone() });
        assert_eq!((hint_of(&keys::of_pipeline(&pipeline, &id)), hint_of(&keys::slots(&pipeline))), (retention, None));
        let delivery = Some(Hint::Delivery { trigger: "t".into(), id: "d".into() });
        assert_eq!(hint_of(&Key::new("PUSH#t", "DLV#d")), delivery);
        let name = AccountName::parse("prod").unwrap();
        assert_eq!(hint_of(&Key::new("CLOUD", "prod")), Some(Hint::CloudAccount { name: name.clone() }));
        assert_eq!(hint_of(&Key::new("REGISTRIES", "prod")), Some(Hint::RegistryAccount { name }));
        assert_eq!(hint_of(&Key::new("SYSTEM", "x")), None);
    }
}
