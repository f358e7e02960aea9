//! HTTP: applications, their secrets, projects, pipelines and their revisions, stage types; and, until they have a function of their own,
//! tokens and following changes.
//!
//! Handlers parse and show. Rights are asked and refusals are made by the use cases in `app`.
#![allow(unused_qualifications, reason = "the macros that describe the API write paths in full")]

mod applications;
mod bring;
mod changes;
mod document;
mod pipelines;
mod projects;
mod revisions;
mod secrets;
mod stage_types;
mod tokens;

use app::pipelines::SavePorts;
use app::ports::Sealer;
use axum::extract::FromRef;
use edge::Edge;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What this function may touch.
#[derive(Clone)]
pub struct Ports {
    /// Table, clock, entropy, changes.
    pub edge: Edge,
    /// Keeps the tokens of hooks, and secrets.
    pub sealer: Arc<dyn Sealer>,
}

impl Ports {
    fn save(&self) -> SavePorts<'_> {
        SavePorts {
            table: self.edge.table.as_ref(),
            clock: self.edge.clock.as_ref(),
            entropy: self.edge.entropy.as_ref(),
            sealer: self.sealer.as_ref(),
            changes: self.edge.changes.as_ref(),
        }
    }
}

impl FromRef<Ports> for Edge {
    fn from_ref(ports: &Ports) -> Self {
        ports.edge.clone()
    }
}

/// The function's addresses.
pub fn router(ports: Ports) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(tokens::me))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(changes::follow_changes))
        .routes(routes!(stage_types::list_stage_types))
        .routes(routes!(applications::list_applications, applications::create_application))
        .routes(routes!(applications::get_application, applications::replace_application, applications::delete_application))
        .routes(routes!(projects::list_projects, projects::create_project))
        .routes(routes!(projects::get_project, projects::delete_project))
        .routes(routes!(projects::bind_application, projects::unbind_application))
        .routes(routes!(pipelines::list_pipelines, bring::import_pipelines))
        .routes(routes!(pipelines::get_pipeline, pipelines::save_pipeline, pipelines::delete_pipeline))
        .routes(routes!(pipelines::list_pipeline_triggers))
        .routes(routes!(secrets::list_secrets))
        .routes(routes!(secrets::get_secret, secrets::put_secret, secrets::delete_secret))
        .routes(routes!(revisions::list_revisions))
        .routes(routes!(revisions::get_revision))
        .with_state(ports)
}
