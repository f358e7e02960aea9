//! What a step is called with, and what a waiting stage watches.

use super::Stop;
use super::held::Held;
use super::journal::{self, Journal, Of};
use crate::accounts;
use crate::error::AppError;
use crate::execution::children::Children;
use crate::execution::plan::PlannedStage;
use crate::execution::scope::read;
use crate::ports::{ClusterError, Export, RunInfo, StepCall, StepFault, StepMode, Wake};
use crate::secrets::resolve::Resolving;
use engine::{Call, Effect};
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gathers everything for a step. The inner error is a fault of the step itself and goes through the engine as one.
pub(crate) async fn prepare(held: &mut Held, effect: &Effect) -> Result<Result<StepCall, StepFault>, Stop> {
    let Effect::Step { run, attempt, seq, retry, call, wake, scheduled_ms, deadline_ms } = effect else {
        return Ok(Err(StepFault::Unavailable("not a step".to_owned())));
    };
    let scope = held.scope(*run).await?;
    let (Some(stage), Some(data)) = (held.plan.stages.get(*run), held.stages.get(*run)) else {
        return Ok(Err(StepFault::Component("the plan has no such stage".to_owned())));
    };
    let ports = &held.ports;
    let into = journal::Into {
        table: ports.table.clone(),
        blobs: ports.blobs.clone(),
        fence: held.meta.fence.clone(),
        tenure: held.tenure.clone(),
        traces: held.traces.clone(),
    };
    let of = Of { run: *run, attempt: *attempt, seq: *seq, retry: *retry };
    let journal = Journal::open(into, &held.id, of, held.inherited.contains(&(*run, *attempt, *seq, *retry))).await?;
    held.unseen.remove(&(*run, *attempt, *seq, *retry));
    // A component that may not touch a cluster is not given any.
    let accounts = if stage.component.grant.kubernetes.is_empty() {
        BTreeMap::new()
    } else {
        accounts::open_for(ports.table.as_ref(), ports.sealer.as_ref(), &held.meta.application).await?
    };
    let params = read(ports.blobs.as_ref(), &data.settings).await?;
    Ok(Ok(StepCall {
        cwasm_sha256: stage.component.cwasm_sha256.clone(),
        checkpoint_schemas: stage.component.checkpoint_schemas.clone(),
        grant: stage.component.grant.clone(),
        limits: stage.component.limits,
        export: export(held, *run, *call),
        info: info(held, stage, *attempt, deadline_ms.unwrap_or_default()),
        params: params.to_string(),
        mode: StepMode::Execute,
        wake: outside(wake),
        checkpoint: data.checkpoint.clone(),
        seq: *seq,
        retry: *retry,
        now_ms: *scheduled_ms,
        seed: seed(held.id.as_str(), *run, *attempt, *seq, *retry),
        accounts,
        cluster: Resolving::of(ports.cluster.clone(), ports.table.clone(), ports.sealer.clone(), &held.meta.application, &stage.settings),
        executions: Arc::new(Children::of(held, *run, *attempt, scope.clone())),
        scope,
        journal: Arc::new(journal),
    }))
}

fn export(held: &Held, run: usize, call: Call) -> Export {
    match call {
        Call::Step => Export::Step,
        Call::Plan(part) => Export::Plan(part),
        Call::Cancel => {
            let live = held.meta.execution.run(run).and_then(|stage| stage.live());
            let reason = live.and_then(|live| live.stopping.as_ref()).and_then(|stopping| stopping.ending.reason.as_ref());
            Export::Cancel(reason.map(|reason| reason.message.clone()).unwrap_or_default())
        }
    }
}

fn info(held: &Held, stage: &PlannedStage, attempt: u32, deadline_ms: u64) -> RunInfo {
    let digest = Sha256::digest(held.id.as_str().as_bytes());
    let trace = hex::encode(digest.get(..16).unwrap_or_default());
    let span = hex::encode(Sha256::digest(format!("{}#{attempt}", stage.ref_id)).get(..8).unwrap_or_default());
    RunInfo {
        application: held.plan.application.to_string(),
        pipeline: held.plan.name.clone(),
        execution_id: held.id.to_string(),
        stage_id: stage.ref_id.to_string(),
        stage_type: stage.kind.clone(),
        attempt,
        deadline_ms,
        traceparent: format!("00-{trace}-{span}-01"),
    }
}

fn outside(wake: &engine::Wake) -> Wake {
    match wake {
        engine::Wake::Start => Wake::Start,
        engine::Wake::Poll => Wake::Poll,
        engine::Wake::Signal { name, sender, body } => Wake::Signal { name: name.clone(), sender: sender.clone(), body: body.clone() },
        engine::Wake::TimedOut => Wake::TimedOut,
        engine::Wake::Retry(count) => Wake::Retry(*count),
    }
}

/// The step's only randomness: the same for the same step, unguessable from another execution's.
pub(crate) fn seed(id: &str, run: usize, attempt: u32, seq: u32, retry: u32) -> u64 {
    let digest = Sha256::digest(format!("{id}#{run}#{attempt}#{seq}#{retry}"));
    digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// One future for each thing a waiting stage named. One that cannot be watched is left to the poll.
pub(crate) async fn watches(held: &Held, run: usize) -> Result<Vec<BoxFuture<'static, ()>>, AppError> {
    let Some(data) = held.stages.get(run).filter(|data| !data.watch.is_empty()) else { return Ok(Vec::new()) };
    let ports = &held.ports;
    let accounts = accounts::open_for(ports.table.as_ref(), ports.sealer.as_ref(), &held.meta.application).await?;
    let mut list = Vec::new();
    for (account, spec) in &data.watch {
        let Some(access) = accounts.get(account) else { continue };
        let (cluster, connection, spec) = (ports.cluster.clone(), access.connection.clone(), spec.clone());
        let watch = async move {
            let watched: Result<(), ClusterError> = cluster.changed(&connection, &spec).await;
            if let Err(error) = watched {
                tracing::debug!(%error, "a watch ended; the poll goes on");
                future::pending::<()>().await;
            }
        };
        list.push(watch.boxed());
    }
    Ok(list)
}
