//! What a step came back with: the part that the engine sees, and the part that is kept for people and later stages.

use super::held::Held;
use super::{Stop, journal, planned};
use crate::error::AppError;
use crate::execution::scope::keep;
use crate::execution::stored::{Progress, StageLine, object};
use crate::limits::RESULTS_BYTES_MAX;
use crate::ports::{LogLevel, LogLine, SignalSpec, StepEnd, StepFailure, StepFault, StepReport, StepResults};
use engine::Outcome;
use model::Millis;
use model::reason::{Code, Reason, ReasonCode};
use serde_json::{Value, json};

/// Larger details of a failure are not repeated in its reason.
const DETAILS_BYTES_MAX: usize = 4 << 10;

/// Retries of our own trouble follow the engine's back-off; it never counts as the component's failure.
pub(crate) async fn take(
    held: &mut Held,
    run: usize,
    attempt: u32,
    result: Box<Result<StepReport, StepFault>>,
    now: Millis,
) -> Result<Outcome, Stop> {
    held.dirty.insert(run);
    held.forget.extend(journal::take(&held.traces, run));
    match *result {
        Ok(report) => Ok(reported(held, run, attempt, report, now).await?),
        Err(StepFault::Fenced) => {
            held.abandon();
            Err(Stop::Fenced)
        }
        Err(fault) => Ok(faulted(held, run, attempt, fault, now)),
    }
}

async fn reported(held: &mut Held, run: usize, attempt: u32, report: StepReport, now: Millis) -> Result<Outcome, AppError> {
    say(held, run, attempt, report.log, report.log_dropped);
    if let Some(data) = held.data_mut(run) {
        if let Some(checkpoint) = report.checkpoint {
            data.checkpoint = Some(checkpoint);
        }
        if let Some((message, percent, details)) = report.progress {
            data.progress = Some(Progress { message, percent, details, at: now });
        }
        data.watch.clear();
        data.signals.clear();
    }
    match report.end {
        StepEnd::Running { poll_after_ms, watch } => {
            if let Some(data) = held.data_mut(run) {
                data.watch = watch;
            }
            Ok(Outcome::Running { poll_after_ms: u64::from(poll_after_ms) })
        }
        StepEnd::Yielded => Ok(Outcome::Yielded),
        StepEnd::Suspended { any_of, until_ms } => {
            let outcome = suspended(&any_of, until_ms, now);
            if let Some(data) = held.data_mut(run) {
                data.signals = any_of;
            }
            Ok(outcome)
        }
        StepEnd::Succeeded(results) | StepEnd::Skipped(results) | StepEnd::Canceled(results) if is_too_large(&results) => {
            Ok(Outcome::Failed { reason: too_large(&results, now), retryable: false, retry_after_ms: None })
        }
        StepEnd::Succeeded(results) => {
            leave(held, run, results).await?;
            Ok(Outcome::Succeeded)
        }
        StepEnd::Skipped(results) => {
            let message = if results.message.is_empty() { "there was nothing to do".to_owned() } else { results.message.clone() };
            leave(held, run, results).await?;
            Ok(Outcome::Skipped(Reason::new(ReasonCode::SkippedByStage, message, now)))
        }
        StepEnd::Canceled(results) => {
            let message = results.message.clone();
            leave(held, run, results).await?;
            Ok(Outcome::Canceled(Reason::new(ReasonCode::StageCanceled, message, now)))
        }
        StepEnd::Planned(stages) => planned::take(held, run, stages, now).await,
        StepEnd::Failed(failure) => failed(held, run, attempt, failure, now).await,
    }
}

fn suspended(any_of: &[SignalSpec], until_ms: Option<Millis>, now: Millis) -> Outcome {
    let names: Vec<String> = any_of.iter().map(|s| s.name.clone()).collect();
    let judged = any_of.iter().find(|s| s.name == "judgment");
    let child = any_of.iter().find_map(|s| s.name.strip_prefix("execution:"));
    let reason = match (judged, until_ms) {
        _ if child.is_some() => {
            let child = child.unwrap_or_default();
            Reason::new(ReasonCode::AwaitingChild, format!("waits for execution {child} to end"), now).with(json!({"execution": child}))
        }
        (Some(signal), _) => {
            let prompt = if signal.prompt.is_empty() { "waits for a judgment" } else { &signal.prompt };
            Reason::new(ReasonCode::AwaitingJudgment, prompt, now).with(json!({"signals": names, "allowed": signal.allowed}))
        }
        (None, Some(until)) => {
            Reason::new(ReasonCode::AwaitingTime, "waits for an instant", now).with(json!({"until": until, "signals": names}))
        }
        (None, None) => {
            Reason::new(ReasonCode::AwaitingSignal, format!("waits for {}", names.join(" or ")), now).with(json!({"signals": names}))
        }
    };
    Outcome::Suspended { signals: names, until_ms, reason }
}

async fn failed(held: &mut Held, run: usize, attempt: u32, failure: StepFailure, now: Millis) -> Result<Outcome, AppError> {
    match failure.results {
        Some(results) if is_too_large(&results) => {
            let line = LogLine { level: LogLevel::Error, message: too_large(&results, now).message, fields: vec![] };
            say(held, run, attempt, vec![line], 0);
        }
        Some(results) => leave(held, run, results).await?,
        None => {}
    }
    if let Some(data) = held.data_mut(run) {
        let details = failure.details.clone().or_else(|| data.progress.as_ref().and_then(|p| p.details.clone()));
        data.progress = Some(Progress { message: failure.message.clone(), percent: None, details, at: now });
    }
    // In full they stand in the stage's progress; the reason goes with the execution wherever it is shown.
    let short = failure.details.as_ref().is_none_or(|details| details.to_string().len() <= DETAILS_BYTES_MAX);
    let details = if short { json!(failure.details) } else { json!({"shortened": true}) };
    let data = json!({"blame": failure.blame, "details": details});
    let reason = Reason { code: Code::Stage(failure.code), message: failure.message, data, since: now };
    Ok(Outcome::Failed { reason, retryable: failure.retryable, retry_after_ms: failure.retry_after_ms.map(u64::from) })
}

fn bytes_of(results: &StepResults) -> usize {
    let artifacts: usize = results.artifacts.iter().map(|artifact| artifact.to_string().len()).sum();
    results.outputs.to_string().len() + results.context.to_string().len() + artifacts + results.message.len()
}

fn is_too_large(results: &StepResults) -> bool {
    bytes_of(results) > RESULTS_BYTES_MAX
}

fn too_large(results: &StepResults, now: Millis) -> Reason {
    let bytes = bytes_of(results);
    let message = format!("what the stage leaves behind has {bytes} bytes of JSON; it may have {RESULTS_BYTES_MAX}");
    Reason::new(ReasonCode::ContextTooLarge, message, now).with(json!({"bytes": bytes, "bytesMax": RESULTS_BYTES_MAX}))
}

async fn leave(held: &mut Held, run: usize, results: StepResults) -> Result<(), AppError> {
    let blobs = held.ports.blobs.clone();
    let outputs = keep(blobs.as_ref(), Value::Object(object(&results.outputs))).await?;
    let context = keep(blobs.as_ref(), Value::Object(object(&results.context))).await?;
    if let Some(data) = held.data_mut(run) {
        data.outputs = outputs;
        data.context = context;
        data.artifacts = results.artifacts;
        data.message = results.message;
    }
    Ok(())
}

fn faulted(held: &mut Held, run: usize, attempt: u32, fault: StepFault, now: Millis) -> Outcome {
    let message = fault.to_string();
    let fail =
        |code, data| Outcome::Failed { reason: Reason::new(code, message.clone(), now).with(data), retryable: false, retry_after_ms: None };
    match fault {
        StepFault::Plugin { code, message: said, log } => {
            say(held, run, attempt, log, 0);
            let line = LogLine { level: LogLevel::Error, message: said, fields: vec![("code".to_owned(), code.to_owned())] };
            say(held, run, attempt, vec![line], 0);
            let known = match code {
                "plugin-timeout" => ReasonCode::PluginTimeout,
                "checkpoint-refused" => ReasonCode::CheckpointRefused,
                _ => ReasonCode::PluginFault,
            };
            fail(known, json!({"code": code}))
        }
        StepFault::Nondeterministic(_) => Outcome::Fatal(Reason::new(ReasonCode::PluginNondeterministic, message, now)),
        StepFault::Component(_) => fail(ReasonCode::ComponentUnavailable, Value::Null),
        StepFault::Fenced | StepFault::Unavailable(_) => {
            let reason = Reason::new(ReasonCode::StageFailed, message.clone(), now);
            Outcome::Failed { reason, retryable: true, retry_after_ms: None }
        }
    }
}

/// Keeps lines for the log of the next commit.
pub(super) fn say(held: &mut Held, run: usize, attempt: u32, lines: Vec<LogLine>, dropped: u32) {
    let stage = held.plan.stages.get(run).map(|s| s.ref_id.to_string()).unwrap_or_default();
    held.log.lines.extend(lines.into_iter().map(|line| StageLine { stage: stage.clone(), attempt, line }));
    held.log.dropped += dropped;
}
