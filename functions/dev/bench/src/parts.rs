//! The parts of `waybill serve` on a fresh folder, watched, with an application and its pipelines.

use crate::error::{Error, Result};
use crate::recorder::Recorder;
use crate::watched::Watched;
use app::execution::stored::Summary;
use app::execution::{start, step};
use app::expect::Expect;
use app::pipelines::{self, SavePorts};
use app::ports::{Blobs, Clock, Query, StageHost, Table};
use app::{applications, record, stage_types};
use model::application::Application;
use model::component::StageType;
use model::id::{AppName, ExecutionId, PipelineId};
use model::order::Origin;
use model::person::{Principal, Role};
use model::status::Status;
use orchestrator::Orchestrator;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::embedded::{Embedded, Options};
use tokio::task::JoinHandle;

pub(crate) const APPLICATION: &str = "bench";
const TICK: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(10);
const PAGE: usize = 1_000;

/// Everything that runs.
pub(crate) struct Parts {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) store: Arc<Embedded>,
    orchestrator: Arc<Orchestrator>,
    execution: step::Ports,
    application: AppName,
    tasks: Vec<JoinHandle<()>>,
}

impl Parts {
    pub(crate) async fn open(data: &Path, components: &Path) -> Result<Self> {
        let recorder = Arc::new(Recorder::default());
        let clock: Arc<dyn Clock> = Arc::new(boot::SystemClock);
        let (folder, options) = (data.join("store"), Options::new(Arc::clone(&clock)));
        let store = tokio::task::spawn_blocking(move || Embedded::open(folder, options)).await??;
        let blobs: Arc<dyn Blobs> = Arc::new(store::folder_blobs::FolderBlobs::open(data.join("blobs"))?);
        let (queue, hints) = queue::in_process::InProcess::new(Arc::clone(&clock));
        let host: Arc<dyn StageHost> = stage_host::WasmHost::new(stage_host::HostOptions::new(components.to_path_buf()))?;
        let table: Arc<dyn Table> = Arc::new(Watched { recorder: Arc::clone(&recorder), part: Arc::clone(&store) });
        let execution = step::Ports {
            table: Arc::clone(&table),
            blobs: Arc::new(Watched { recorder: Arc::clone(&recorder), part: blobs }),
            queue,
            changes: Arc::new(queue::changes::ChangeBus::new(Arc::clone(&clock))),
            clock: Arc::clone(&clock),
            entropy: Arc::new(boot::SystemEntropy::new()?),
            sealer: Arc::new(store::key_file::KeyFile::open(data.join("key"))?),
            host: Arc::new(Watched { recorder: Arc::clone(&recorder), part: host }),
            cluster: Arc::new(cluster::KubeCluster::new()),
            limits: Arc::default(),
            alone_since_ms: Some(clock.now_ms()),
        };
        let registry = Arc::new(outbound::HttpRegistry::default());
        let orchestrator = Orchestrator::new(orchestrator::Ports { execution: execution.clone(), registry });
        let tasks = background(&orchestrator, hints);
        let application = AppName::parse(APPLICATION)?;
        let parts = Self { recorder, store, orchestrator, execution, application, tasks };
        parts.prepare(components).await?;
        Ok(parts)
    }

    /// Stage types, and an application that is in no project: the number of a project's orders is a counter, and would be
    /// what is measured.
    async fn prepare(&self, components: &Path) -> Result<()> {
        let rows: Vec<StageType> = serde_json::from_slice(&std::fs::read(components.join("index.json"))?)?;
        let ports = &self.execution;
        stage_types::install(ports.table.as_ref(), &rows).await?;
        let application: Application = serde_json::from_value(json!({"name": APPLICATION}))?;
        let (clock, changes) = (ports.clock.as_ref(), ports.changes.as_ref());
        applications::create(ports.table.as_ref(), clock, changes, &caller(), None, application).await?;
        Ok(())
    }

    /// Saves a pipeline of stages that do nothing; each names the positions of those it waits for.
    pub(crate) async fn pipeline(&self, name: &str, requisites: &[Vec<usize>]) -> Result<PipelineId> {
        let stage = |(at, requisites): (usize, &Vec<usize>)| {
            let requisites: Vec<String> = requisites.iter().map(usize::to_string).collect();
            json!({"refId": at.to_string(), "type": "no-op", "name": format!("stage {at}"), "requisiteStageRefIds": requisites})
        };
        let stages: Vec<Value> = requisites.iter().enumerate().map(stage).collect();
        let document = json!({"application": APPLICATION, "name": name, "stages": stages});
        let ports = &self.execution;
        let ports = SavePorts {
            table: ports.table.as_ref(),
            clock: ports.clock.as_ref(),
            entropy: ports.entropy.as_ref(),
            sealer: ports.sealer.as_ref(),
            changes: ports.changes.as_ref(),
        };
        let saved = pipelines::save(&ports, &caller(), &self.application, name, document, &Expect::Absent).await?;
        Ok(saved.row.id)
    }

    /// Starts the pipeline, as a person does.
    pub(crate) async fn start(&self, pipeline: &PipelineId) -> Result<ExecutionId> {
        let ports = self.execution.start();
        let request = start::Request {
            application: self.application.clone(),
            pipeline: pipeline.clone(),
            submitter: caller(),
            origin: Origin::Manual,
            trigger: Map::from_iter([("type".to_owned(), json!("manual"))]),
            constrained_to: None,
            parameters: Map::new(),
            artifacts: Vec::new(),
            note: String::new(),
            correlation: None,
            into: start::Into::EveryProject,
            start_by_ms: None,
            parent: None,
        };
        Ok(Box::pin(start::start(ports, &request)).await?.execution)
    }

    /// Starts the pipeline and returns when its execution has ended.
    pub(crate) async fn run(&self, pipeline: &PipelineId) -> Result<ExecutionId> {
        let id = self.start(pipeline).await?;
        self.recorder.end_of(&id).await;
        Ok(id)
    }

    /// How many executions of the pipeline there are; an error when one did not end well.
    pub(crate) async fn all_succeeded(&self, pipeline: &PipelineId) -> Result<usize> {
        let mut query = Query::prefix(format!("PIPE#{pipeline}"), "EXEC#", PAGE);
        let mut count = 0;
        loop {
            let (rows, next) = record::page::<Summary>(self.store.as_ref(), &query).await?;
            if let Some(bad) = rows.iter().find(|row| row.status != Status::Succeeded) {
                return Err(Error::new(format!("execution {} ended {}: {:?}", bad.id, bad.status, bad.reason)));
            }
            count += rows.len();
            match next {
                Some(next) => query.after = Some(next),
                None => return Ok(count),
            }
        }
    }

    pub(crate) async fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.orchestrator.close(GRACE).await;
        self.store.close().await;
    }
}

/// Whoever may do everything.
pub(crate) fn caller() -> Principal {
    Principal { name: "bench".to_owned(), role: Some(Role::Administrator), groups: BTreeSet::new() }
}

/// What runs beside the requests of a server.
fn background(orchestrator: &Arc<Orchestrator>, hints: queue::in_process::Receiver) -> Vec<JoinHandle<()>> {
    let (handling, ticking) = (Arc::clone(orchestrator), Arc::clone(orchestrator));
    let handle = async move {
        loop {
            handling.handle(hints.next().await);
        }
    };
    let tick = async move {
        let (mut interval, mut horizon_ms) = (tokio::time::interval(TICK), ticking.lease_ms());
        loop {
            interval.tick().await;
            // What cannot be read now is read with the next tick.
            drop(ticking.tick(horizon_ms).await);
            horizon_ms = 0;
        }
    };
    vec![tokio::spawn(handle), tokio::spawn(tick)]
}
