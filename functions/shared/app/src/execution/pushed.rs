//! A push starts a pipeline, with an order in every project its application is bound to: as the user whom the trigger names, or as the
//! application's own service account.

use super::start::{self, Ground, Into, Ports, Request, Which};
use crate::error::AppError;
use crate::identity;
use crate::pushes::Starter;
use async_trait::async_trait;
use futures::future::join;
use model::artifact::Artifact;
use model::id::{AppName, ExecutionId, PipelineId, TriggerId};
use model::order::Origin;
use model::person::{Principal, Role};
use model::push::Delivery;
use model::reason::{Reason, ReasonCode};
use serde_json::{Map, Value, json};

/// Starts pipelines for pushes.
pub struct PushStarter<'a> {
    /// What a start needs.
    pub ports: Ports<'a>,
}

impl PushStarter<'_> {
    /// Whose rights the execution has, and why it fails where nobody has that name. Whoever is named starts it and does no more: the
    /// rights of operators and administrators are for people.
    async fn runs_as(&self, application: &AppName, user: &str) -> Result<(Principal, Option<Reason>), AppError> {
        let (user, own) = (user.trim(), Principal::trigger(application));
        if user.is_empty() || user == own.name {
            return Ok((own, None));
        }
        if let Some(found) = identity::named(self.ports.table, self.ports.clock, user).await? {
            return Ok((Principal { role: found.role.map(|role| role.min(Role::Developer)), ..found }, None));
        }
        let message = format!("Failed on startup: the trigger runs as `{user}`, and nobody here is called so");
        let reason = Reason::new(ReasonCode::RunAsUnknown, message, self.ports.clock.now_ms());
        Ok((own, Some(reason.with(json!({ "user": user })))))
    }
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
        // Who may save triggers was asked when this one was saved.
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
        let (submitter, failure) = self.runs_as(&application.name, &spec.run_as_user).await?;
        let request = Request {
            application: application.name.clone(),
            pipeline: pipeline.clone(),
            submitter,
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
        let started = start::begin_or_fail(self.ports, &request, ground, failure).await?;
        Ok(vec![started.execution])
    }
}
