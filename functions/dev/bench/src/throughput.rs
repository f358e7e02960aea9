//! Many runs at once: each client starts one, waits for its end, and starts the next.

use crate::arguments::Arguments;
use crate::error::Result;
use crate::figures::{Samples, rounded};
use crate::machine;
use crate::parts::Parts;
use model::id::PipelineId;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_secs(3);
/// What a new blob costs: its file and its folder are synced.
const SYNCS_A_BLOB: u64 = 2;

pub(crate) async fn measure(parts: &Parts, arguments: &Arguments) -> Result<Value> {
    let stages: Vec<Vec<usize>> = (0..arguments.stages_a_run).map(|at| at.checked_sub(1).into_iter().collect()).collect();
    let pipeline = parts.pipeline("throughput", &stages).await?;
    load(parts, &pipeline, arguments.clients, WARM_UP.min(arguments.time)).await?;
    let blobs = || parts.recorder.blobs_put.load(Ordering::Relaxed);
    let (before, blobs_before, cpu) = (parts.store.metrics(), blobs(), machine::cpu());
    let began = Instant::now();
    let runs = load(parts, &pipeline, arguments.clients, arguments.time).await?;
    let (took, cpu, after) = (began.elapsed(), machine::cpu().saturating_sub(cpu), parts.store.metrics());
    parts.all_succeeded(&pipeline).await?;
    let count = |number: usize| u32::try_from(number).map(f64::from).unwrap_or(f64::MAX);
    let stages = count(runs.len()) * count(arguments.stages_a_run);
    let batches = after.batches - before.batches;
    let syncs = batches + SYNCS_A_BLOB * (blobs() - blobs_before);
    let ratio = |of: f64, by: f64| rounded(of / by.max(1.0));
    let number = |number: u64| u32::try_from(number).map(f64::from).unwrap_or(f64::MAX);
    Ok(json!({
        "clients": arguments.clients, "seconds": rounded(took.as_secs_f64()), "stagesARun": arguments.stages_a_run,
        "runs": runs.len(), "stagesASecond": rounded(stages / took.as_secs_f64()), "runMs": runs.summary(),
        "cpuS": rounded(cpu.as_secs_f64()), "cpuSPer1000Stages": ratio(1_000.0 * cpu.as_secs_f64(), stages),
        "commits": after.commits - before.commits, "conflicts": after.conflicts - before.conflicts,
        "storeSyncs": batches, "syncs": syncs,
        "runsPerSync": ratio(count(runs.len()), number(syncs)), "stagesPerSync": ratio(stages, number(syncs)),
    }))
}

async fn load(parts: &Parts, pipeline: &PipelineId, clients: usize, time: Duration) -> Result<Samples> {
    let until = Instant::now() + time;
    let client = || async {
        let mut runs = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            parts.run(pipeline).await?;
            runs.push(began.elapsed());
        }
        Ok::<_, crate::error::Error>(runs)
    };
    let mut samples = Samples::default();
    for runs in futures::future::join_all((0..clients).map(|_| client())).await {
        samples.extend(runs?);
    }
    Ok(samples)
}
