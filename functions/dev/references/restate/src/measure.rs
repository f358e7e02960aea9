//! One workload on a fresh server, and its figures.

use crate::server::{Server, free};
use crate::{Failure, host};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Ticks a second in `/proc`.
const TICKS_A_SECOND: f64 = 100.0;

/// What to measure.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Chain { steps: u32, repetitions: u32 },
    Throughput { steps: u32, clients: u32, seconds: u64 },
}

/// Measures, unless standard input ends before.
pub(crate) async fn run(program: &str, folder: &str, what: What) -> Result<(), Failure> {
    let figures = tokio::select! {
        figures = measure(program, Path::new(folder), what) => figures?,
        () = input_ends() => return Err("told to stop".into()),
    };
    println!("{figures}");
    // The handler still listens, and a read of standard input cannot be stopped.
    std::process::exit(0);
}

async fn input_ends() {
    let mut input = tokio::io::stdin();
    let mut bytes = [0; 64];
    while input.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

async fn measure(program: &str, folder: &Path, what: What) -> Result<Value, Failure> {
    let [handler] = free()?;
    tokio::spawn(host::serve(handler));
    let mut server = Server::start(program, folder).await?;
    server.register(handler).await?;
    let (since, before, own) = (Instant::now(), busy(), ours(&server));
    let figures = match what {
        What::Chain { steps, repetitions } => chain(&server, steps, repetitions).await,
        What::Throughput { steps, clients, seconds } => throughput(&server, steps, clients, seconds).await,
    };
    let neighbours = (busy() - before) - (ours(&server) - own);
    let neighbours = rounded(100.0 * neighbours.max(0.0) / since.elapsed().as_secs_f64());
    server.stop().await?;
    Ok(json!({"figures": figures?, "neighboursPercentOfACore": neighbours}))
}

async fn chain(server: &Server, steps: u32, repetitions: u32) -> Result<Value, Failure> {
    load(server, steps, 1, "count:10").await?;
    host::take();
    let syncs = server.log_syncs().await;
    let (_, ms) = load(server, steps, 1, &format!("count:{repetitions}")).await?;
    let a_step: Vec<f64> = host::take().iter().map(|took| took.as_secs_f64() * 1e3).collect();
    let syncs = server.log_syncs().await.zip(syncs).map(|(after, before)| after.saturating_sub(before));
    let all = f64::from(steps) * f64::from(repetitions);
    let a_step_syncs = syncs.and_then(|syncs| u32::try_from(syncs).ok()).map(|syncs| rounded(f64::from(syncs) / all));
    Ok(json!({"steps": steps, "totalMs": summary(ms), "stepMs": summary(a_step), "syncsAStep": a_step_syncs}))
}

async fn throughput(server: &Server, steps: u32, clients: u32, seconds: u64) -> Result<Value, Failure> {
    load(server, steps, clients, "seconds:3").await?;
    let (own, servers, syncs) = (cpu("self"), server_cpu(server), server.log_syncs().await);
    let (took, ms) = load(server, steps, clients, &format!("seconds:{seconds}")).await?;
    let (own, servers) = (cpu("self") - own, server_cpu(server) - servers);
    let syncs = server.log_syncs().await.zip(syncs).map(|(after, before)| after.saturating_sub(before));
    let count = |number: usize| u32::try_from(number).map_or(f64::MAX, f64::from);
    let (runs, all) = (count(ms.len()), count(ms.len()) * f64::from(steps));
    Ok(json!({
        "clients": clients, "seconds": rounded(took.as_secs_f64()), "steps": steps, "runs": ms.len(),
        "stepsASecond": rounded(all / took.as_secs_f64()), "runMs": summary(ms),
        "serverCpuS": rounded(servers), "handlerCpuS": rounded(own),
        "cpuSPer1000Steps": rounded(1_000.0 * (servers + own) / all.max(1.0)),
        "syncs": syncs,
        "runsPerSync": syncs.and_then(|syncs| u32::try_from(syncs).ok()).map(|syncs| rounded(runs / f64::from(syncs.max(1)))),
    }))
}

/// Clients in a process of their own, so that what they use is not counted.
async fn load(server: &Server, steps: u32, clients: u32, until: &str) -> Result<(Duration, Vec<f64>), Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", &server.ingress.to_string(), &steps.to_string(), &clients.to_string(), until]);
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
    if !output.status.success() {
        return Err(format!("the clients ended {} after {:?}", output.status, began.elapsed()).into());
    }
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = said["seconds"].as_f64().ok_or("no seconds")?;
    let ms = said["ms"].as_array().ok_or("no durations")?.iter().filter_map(Value::as_f64).collect();
    Ok((Duration::from_secs_f64(seconds), ms))
}

/// CPU seconds of everything that belongs to the measurement: this process, the clients that have ended, the server.
fn ours(server: &Server) -> f64 {
    ticks("/proc/self/stat", 11, 4) + server_cpu(server)
}

/// CPU seconds that the whole machine has used: all but idle and waiting.
fn busy() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8).enumerate();
    fields.filter(|(place, _)| !matches!(place, 3 | 4)).filter_map(|(_, field)| field.parse::<f64>().ok()).sum::<f64>() / TICKS_A_SECOND
}

fn server_cpu(server: &Server) -> f64 {
    server.pid().map_or(0.0, |pid| cpu(&pid.to_string()))
}

/// CPU seconds that a process has used.
fn cpu(process: &str) -> f64 {
    ticks(&format!("/proc/{process}/stat"), 11, 2)
}

/// Seconds in so many fields after the process's name, which may hold spaces and ends with a parenthesis.
fn ticks(path: &str, first: usize, count: usize) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let fields = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    fields.split_whitespace().skip(first).take(count).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_A_SECOND
}

fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// Nearest rank, never interpolated: every figure was really seen.
fn summary(mut ms: Vec<f64>) -> Value {
    ms.sort_by(f64::total_cmp);
    let at = |hundredths: usize| ms.get((ms.len() * hundredths).div_ceil(100).max(1) - 1).copied().map(rounded);
    let ends = [ms.first(), ms.last()].map(|end| end.copied().map(rounded));
    json!({"n": ms.len(), "min": ends[0], "p50": at(50), "p99": at(99), "max": ends[1]})
}
