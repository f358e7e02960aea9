//! Stage type `pipeline`: starts another pipeline and, unless told otherwise, rests until that has ended.
//!
//! Its first step says that it is about to start it, so that a stage that is stopped in the second finds the child again. It rests on
//! the signal that the child's end sends and asks for the child's state whenever it is woken, so a signal too many
//! changes nothing. Whether the child may be started, and as whom, is decided by the host.
#![allow(clippy::result_large_err, reason = "a failure is built once and ends its step; boxing it would only hide that")]

mod child;
mod ended;
mod settings;
mod start;

use sdk::checkpoint;
use sdk::contract::{Failure, Mode, Outcome, Results, STAGE_TIMEOUT, StepInput, Wake};
use sdk::fields;
use sdk::host::{Artifacts, Context, Executions};
use sdk::manifest;

use crate::child::Child;
use crate::settings::Settings;

/// Of the checkpoint.
const SCHEMA: u32 = 1;

/// All this stage asks of its host.
pub trait Host: Executions + Context + Artifacts {}

impl<T: Executions + Context + Artifacts> Host for T {}

/// The manifest.
pub fn describe() -> String {
    include_str!("../manifest.json").to_owned()
}

/// Every problem of the parameters, as (JSON pointer, message). Expressions are not resolved yet and so not judged.
pub fn validate(params: &str) -> Vec<(String, String)> {
    let stage = match fields::object(params) {
        Ok(stage) => stage,
        Err(failure) => return vec![(String::new(), failure.message)],
    };
    settings::problems(&stage).into_iter().map(|problem| (problem.pointer, problem.message)).collect()
}

/// One step.
///
/// # Errors
/// One of the manifest's `failures`: what is wrong with the parameters, why there is no child, or how the child failed.
pub fn step<H: Host>(input: &StepInput, host: &mut H) -> Result<Outcome, Failure> {
    let settings = Settings::of(&fields::object(&input.params)?).map_err(|problems| manifest::failure(&problems))?;
    match checkpoint::read::<Child>(input, SCHEMA)? {
        Some(child) if child.is_started() && matches!(input.wake, Wake::TimedOut) => child::timed_out(child, &settings, host),
        Some(child) if child.is_started() => child::look(child, &settings, host),
        Some(_) if settings.wait && matches!(input.wake, Wake::TimedOut) => {
            let child = start::child(input, &settings, host)?;
            child::timed_out(child, &settings, host)
        }
        Some(_) => start::start(input, &settings, host),
        None if input.mode == Mode::Plan => {
            Ok(Outcome::Skipped(Results::message(format!("the pipeline {} would be started", settings.pipeline))))
        }
        None if matches!(input.wake, Wake::TimedOut) => {
            let message = format!("the stage's time ran out before the pipeline {} was started", settings.pipeline);
            Err(Failure::user(STAGE_TIMEOUT, message))
        }
        None => Child::announced(&settings.pipeline, input.now_ms).announce(),
    }
}

/// One step of stopping: the child is asked to end, and the stage has ended when the child has.
///
/// # Errors
/// When the child cannot be asked; the stage's own parameters do not matter here.
pub fn cancel<H: Host>(input: &StepInput, reason: &str, host: &mut H) -> Result<Outcome, Failure> {
    match checkpoint::read::<Child>(input, SCHEMA)? {
        Some(child) if child.is_started() => child::cancel(child, reason, host),
        Some(_) => start::undo(input, reason, host),
        None => Ok(Outcome::Canceled(Results::message("no pipeline had been started"))),
    }
}

sdk::export_stage!(describe: crate::describe, validate: crate::validate, step: crate::step, cancel: crate::cancel);

#[cfg(test)]
mod tests;
