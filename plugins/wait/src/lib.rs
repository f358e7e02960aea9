//! Stage type `wait`: rests for some seconds, unless somebody skips what remains. It touches nothing outside.
#![allow(clippy::result_large_err, reason = "a failure is built once and ends its step; boxing it would only hide that")]

use sdk::contract::{AwaitSignal, Failure, Mode, Outcome, Progress, Results, STAGE_TIMEOUT, StepInput, Suspended, Wake};
use sdk::{checkpoint, fields};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The signal that ends the wait.
pub const SKIP: &str = "skip-wait";
const SCHEMA: u32 = 1;
/// A leap year: longer waits are mistakes.
const WAIT_S_MAX: f64 = 366.0 * 24.0 * 3600.0;

/// When it began and when it is over, in milliseconds since the epoch.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    since: u64,
    until: u64,
}

/// The manifest.
pub fn describe() -> String {
    include_str!("../manifest.json").to_owned()
}

/// Every problem of the parameters, as (JSON pointer, message).
pub fn validate(params: &str) -> Vec<(String, String)> {
    let problem = match fields::object(params) {
        Ok(stage) if stage.get("waitTime").is_some_and(fields::unresolved) => None,
        Ok(stage) => wait_ms(&stage).err(),
        Err(failure) => return vec![(String::new(), failure.message)],
    };
    problem.into_iter().map(|failure| ("/waitTime".to_owned(), failure.message)).collect()
}

/// One step.
///
/// # Errors
/// `invalid-wait-time`, or `stage-timeout` when the stage's time runs out first.
pub fn step<H>(input: &StepInput, _host: &mut H) -> Result<Outcome, Failure> {
    let stage = fields::object(&input.params)?;
    let state = match checkpoint::read::<State>(input, SCHEMA)? {
        Some(state) => state,
        None => State { since: input.now_ms, until: input.now_ms.saturating_add(wait_ms(&stage)?) },
    };
    let skipped_by = match &input.wake {
        Wake::Signal(signal) if signal.name == SKIP => Some(signal.sender.as_str()),
        _ => None,
    };
    if let Some(sender) = skipped_by {
        return Ok(done(&state, input.now_ms, Some(sender), &format!("wait skipped by {sender}")));
    }
    if input.now_ms >= state.until {
        let message = format!("waited {}", duration(state.until.saturating_sub(state.since)));
        return Ok(done(&state, input.now_ms, None, &message));
    }
    if input.mode == Mode::Plan {
        let message = format!("would wait {}", duration(state.until.saturating_sub(state.since)));
        return Ok(done(&state, input.now_ms, None, &message));
    }
    if matches!(input.wake, Wake::TimedOut) {
        let left = duration(state.until.saturating_sub(input.now_ms));
        return Err(Failure::user(STAGE_TIMEOUT, format!("the stage's time ran out {left} before the wait's end")));
    }
    suspend(&stage, &state)
}

fn suspend(stage: &Map<String, Value>, state: &State) -> Result<Outcome, Failure> {
    let total = duration(state.until.saturating_sub(state.since));
    Ok(Outcome::Suspended(Suspended {
        any_of: vec![AwaitSignal {
            name: SKIP.to_owned(),
            prompt: fields::text(stage, "skipWaitText").unwrap_or("Skip the remaining wait?").to_owned(),
            form: None,
            allowed: Vec::new(),
        }],
        until_ms: Some(state.until),
        checkpoint: checkpoint::write(SCHEMA, state)?,
        progress: Progress {
            message: format!("waiting {total}"),
            percent: None,
            details: Some(json!({"sinceMs": state.since, "untilMs": state.until}).to_string()),
        },
    }))
}

fn done(state: &State, now_ms: u64, skipped_by: Option<&str>, message: &str) -> Outcome {
    let mut outputs = json!({ "waitedMs": now_ms.saturating_sub(state.since) });
    if let (Some(sender), Some(map)) = (skipped_by, outputs.as_object_mut()) {
        map.insert("skippedBy".to_owned(), json!(sender));
    }
    Outcome::Succeeded(Results::of(&outputs, message))
}

/// Seconds as people write them (a number, text, nothing at all) in milliseconds.
fn wait_ms(stage: &Map<String, Value>) -> Result<u64, Failure> {
    let invalid = |message: String| Err(Failure::user("invalid-wait-time", message));
    let value = stage.get("waitTime").filter(|value| !value.is_null() && value.as_str().map(str::trim) != Some(""));
    let Some(value) = value else { return Ok(0) };
    match fields::number(Some(value)) {
        Some(seconds) if (0.0..=WAIT_S_MAX).contains(&seconds) => Ok(milliseconds(seconds)),
        Some(_) => invalid(format!("the wait time is {value} seconds; it may be 0 to {WAIT_S_MAX} (a year)")),
        None => invalid(format!("the wait time is a number of seconds, not {}", fields::cut(&value.to_string(), 100))),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked that it is neither negative nor beyond a year"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).ceil() as u64
}

fn duration(ms: u64) -> String {
    let s = ms.div_ceil(1000);
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, 0) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

sdk::export_stage!(describe: crate::describe, validate: crate::validate, step: crate::step);

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
