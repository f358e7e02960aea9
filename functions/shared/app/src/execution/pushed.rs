//! A push starts a pipeline: as the application's own service account, with an order in every project it is bound to.

use super::start::{self, Ground, Into, Ports, Request, Which};
use crate::error::AppError;
use crate::pushes::Starter;
use async_trait::async_trait;
use futures::future::join;
use model::artifact::Artifact;
use model::id::{ExecutionId, PipelineId, TriggerId};
use model::order::Origin;
use model::person::Principal;
use model::push::Delivery;
use serde_json::{Map, Value, json};

/// Starts pipelines for pushes.
pub struct PushStarter<'a> {
    /// What a start needs.
    pub ports: Ports<'a>,
}

#[async_trait]
impl Starter for PushStarter<'_> {
    async fn start(
        &self,
        pipeline: &PipelineId,
        trigger: &TriggerId,
        artifact: Artifact,
        delivery: &Delivery,
    ) -> Result<Vec<ExecutionId>, AppError> {
        let table = self.ports.table;
        let (correlation, into) = (format!("delivery\n{}", delivery.id), Into::EveryProject);
        // It runs as the application's own service account; who may save triggers was asked when this one was saved.
        let ground = Ground::of(table, &delivery.application, Which::Known(pipeline), &into, |_| Ok(()));
        let (before, ground) = join(start::repeated(table, Some(&correlation)), ground).await;
        if let Some(found) = before? {
            return Ok(vec![found.execution]);
        }
        let ground = ground?;
        let application = &ground.application;
        let gone = || AppError::NotFound { what: "trigger", id: trigger.to_string() };
        let spec = ground.pipeline.trigger(trigger.as_str()).ok_or_else(gone)?;
        let mut seen: Map<String, Value> = Map::new();
        for (key, value) in [
            ("type", json!(spec.kind)),
            ("account", json!(spec.account)),
            ("repository", json!(delivery.pushed.repository)),
            ("tag", json!(artifact.version)),
            ("digest", json!(artifact.digest())),
            ("pushedBy", json!(delivery.pushed.actor)),
        ] {
            seen.insert(key.to_owned(), value);
        }
        let request = Request {
            application: application.name.clone(),
            pipeline: pipeline.clone(),
            submitter: Principal::trigger(&application.name),
            origin: Origin::Trigger { trigger_type: spec.kind.clone(), trigger: trigger.to_string() },
            trigger: seen,
            constrained_to: Some(spec.expected_artifact_ids.clone()),
            parameters: spec.parameters.clone(),
            artifacts: vec![artifact],
            note: String::new(),
            correlation: Some(correlation),
            into,
            start_by_ms: None,
            parent: None,
        };
        let started = start::begin(self.ports, &request, ground).await?;
        Ok(vec![started.execution])
    }
}
