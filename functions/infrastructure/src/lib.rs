//! HTTP: cloud accounts (clusters) and registry accounts. Their checks run elsewhere, when a hint says so; an answer never
//! holds a secret.
#![allow(unused_qualifications, reason = "the macros that describe the API write paths in full")]

mod cloud;
mod registry;
mod view;

use app::accounts::AccountPorts;
use app::ports::{Cluster, Queue, Registry, Sealer};
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
    /// Encrypts the accounts' secrets.
    pub sealer: Arc<dyn Sealer>,
    /// Asks for checks.
    pub queue: Arc<dyn Queue>,
    /// Reads kubeconfigs.
    pub cluster: Arc<dyn Cluster>,
    /// Reads tags and digests.
    pub registry: Arc<dyn Registry>,
}

impl Ports {
    fn accounts(&self) -> AccountPorts<'_> {
        AccountPorts {
            table: self.edge.table.as_ref(),
            clock: self.edge.clock.as_ref(),
            sealer: self.sealer.as_ref(),
            queue: self.queue.as_ref(),
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
        .routes(routes!(cloud::list_cloud_accounts, cloud::create_cloud_account))
        .routes(routes!(cloud::get_cloud_account, cloud::update_cloud_account, cloud::delete_cloud_account))
        .routes(routes!(cloud::verify_cloud_account))
        .routes(routes!(registry::list_registry_accounts, registry::create_registry_account))
        .routes(routes!(registry::get_registry_account, registry::delete_registry_account))
        .routes(routes!(registry::verify_registry_account))
        .routes(routes!(registry::list_tags))
        .routes(routes!(registry::get_digest))
        .with_state(ports)
}
