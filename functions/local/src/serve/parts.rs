//! The adapters of one machine, opened once, and what is made of them: the orchestrator and the router.

use super::held::UntilStop;
use crate::failure::Failure;
use app::accounts::AccountPorts;
use app::execution::step;
use app::limits::Limits;
use app::ports::{Archive, Changes, Clock, Cluster, Entropy, Queue, Registry, Sealer, Table};
use app::pushes::StoredSources;
use axum::Router;
use edge::{About, Edge};
use orchestrator::Orchestrator;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use store::embedded::{Embedded, Options};
use store::folder_blobs::FolderBlobs;
use tokio::sync::watch;

/// Everything a server stands on.
pub(crate) struct Parts {
    pub(crate) store: Arc<Embedded>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// True once the server stops.
    pub(crate) stopping: watch::Sender<bool>,
    /// Outputs, plans, logs.
    pub(crate) blobs: Arc<FolderBlobs>,
    sealer: Arc<dyn Sealer>,
    queue: Arc<dyn Queue>,
    changes: Arc<dyn Changes>,
    cluster: Arc<dyn Cluster>,
    registry: Arc<dyn Registry>,
    archive: Arc<dyn Archive>,
    limits: Arc<Limits>,
}

impl Parts {
    /// Opens the data folder, to work within these limits. The receiver is the queue's other end.
    pub(crate) async fn open(data: &Path, limits: Limits) -> Result<(Self, queue::in_process::Receiver), Failure> {
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(data).map_err(Failure::file(data))?;
        let clock: Arc<dyn Clock> = Arc::new(boot::SystemClock);
        let entropy = boot::SystemEntropy::new().map_err(|error| Failure::Server(error.to_string()))?;
        let wrong = |error: store::OpenError| Failure::Server(error.to_string());
        let (path, options) = (data.join("store"), Options::new(Arc::clone(&clock)));
        // Replaying after a crash may take a while.
        let store = tokio::task::spawn_blocking(move || Embedded::open(path, options)).await;
        let store = store.map_err(|error| Failure::Server(format!("the store cannot be opened: {error}")))?.map_err(wrong)?;
        if let Err(error) = app::importing::require_none(store.as_ref()).await {
            store.close().await;
            return Err(Failure::Server(error.to_string()));
        }
        // After the store: whoever holds its lock is alone with the key and the blobs as well.
        let sealer = store::key_file::KeyFile::open(data.join("key")).map_err(wrong)?;
        let blobs = FolderBlobs::open(data.join("blobs")).map_err(wrong)?;
        let (queue, hints) = queue::in_process::InProcess::new(Arc::clone(&clock));
        let (stopping, stopped) = watch::channel(false);
        let changes = UntilStop::new(Arc::new(queue::changes::ChangeBus::new(Arc::clone(&clock))), stopped);
        let parts = Self {
            store,
            clock,
            entropy: Arc::new(entropy),
            stopping,
            blobs: Arc::new(blobs),
            sealer: Arc::new(sealer),
            queue,
            changes: Arc::new(changes),
            cluster: Arc::new(cluster::KubeCluster::new()),
            registry: Arc::new(outbound::HttpRegistry::default()),
            archive: Arc::new(store::archive::FolderArchive::new(data.join("archive"))),
            limits: Arc::new(limits),
        };
        Ok((parts, hints))
    }

    fn table(&self) -> Arc<dyn Table> {
        self.store.clone()
    }

    /// What accounts are registered with.
    pub(crate) fn accounts(&self) -> AccountPorts<'_> {
        AccountPorts {
            table: self.store.as_ref(),
            clock: self.clock.as_ref(),
            sealer: self.sealer.as_ref(),
            queue: self.queue.as_ref(),
            changes: self.changes.as_ref(),
        }
    }

    /// Clusters.
    pub(crate) fn cluster(&self) -> &dyn Cluster {
        self.cluster.as_ref()
    }

    /// The orchestrator, which loads components from this folder.
    pub(crate) fn orchestrator(&self, components: &Path) -> Result<Arc<Orchestrator>, Failure> {
        let host = stage_host::WasmHost::new(stage_host::HostOptions::new(components.to_path_buf()));
        let host = host.map_err(|error| Failure::Server(error.to_string()))?;
        let execution = step::Ports {
            table: self.table(),
            blobs: self.blobs.clone(),
            queue: self.queue.clone(),
            changes: self.changes.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            sealer: self.sealer.clone(),
            host,
            cluster: self.cluster.clone(),
            limits: self.limits.clone(),
            // The store is locked: whoever held a lease before this instant is dead.
            alone_since_ms: Some(self.clock.now_ms()),
        };
        let ports = orchestrator::Ports { execution, registry: self.registry.clone() };
        Ok(Orchestrator::with_archive(ports, self.archive.clone()))
    }

    /// Every HTTP function under one roof.
    pub(crate) fn router(&self, public_url: Option<&str>) -> Router {
        let edge = Edge {
            table: self.table(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            changes: self.changes.clone(),
            public_url: public_url.map(|url| url.trim_end_matches('/').into()),
        };
        let sources = Arc::new(StoredSources::without_secrets(self.table()));
        let executions = edge::execution::Ports {
            edge: edge.clone(),
            blobs: self.blobs.clone(),
            queue: self.queue.clone(),
            sealer: self.sealer.clone(),
            registry: self.registry.clone(),
            limits: self.limits.clone(),
        };
        let routers = [
            pipelines::router(pipelines::Ports { edge: edge.clone(), sealer: self.sealer.clone() }),
            release_orders::router(executions.clone()),
            executions::router(executions),
            infrastructure::router(infrastructure::Ports {
                edge: edge.clone(),
                sealer: self.sealer.clone(),
                queue: self.queue.clone(),
                cluster: self.cluster.clone(),
                registry: self.registry.clone(),
            }),
            triggers::router(triggers::Ports { edge: edge.clone(), sources, queue: self.queue.clone() }),
        ];
        edge::assemble(edge, About::this_build(), routers)
    }
}
