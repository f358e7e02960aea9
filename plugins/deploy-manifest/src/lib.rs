//! Stage type `deployManifest`: applies manifests, with artifacts bound into them, and waits until they have settled.
//!
//! Three phases, told apart by the checkpoint alone: `apply` in chunks, `settle` by polling and watching, `finish`.
//! It decides nothing about the cluster that the host decides: adoption, conflicts and what "settled" means live there.
#![allow(clippy::result_large_err, reason = "a failure is built once and ends its step; boxing it would only hide that")]

mod apply;
mod documents;
mod finish;
mod progress;
mod settings;
mod settle;
mod state;
mod work;

use sdk::contract::{Failure, Mode, Outcome, Progress, StepInput, Wake, Yielded};
use sdk::fields;
use sdk::host::{Artifacts, Cluster, Context, Log};
use sdk::manifest;

use crate::apply::Applied;
use crate::settings::Settings;
use crate::work::Work;

/// All this stage asks of its host.
pub trait Host: Cluster + Artifacts + Context + Log {}

impl<T: Cluster + Artifacts + Context + Log> Host for T {}

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
    let (settings, mut problems) = match Settings::of(&stage) {
        Ok(settings) => (settings, Vec::new()),
        Err(problems) => (Settings::default(), problems),
    };
    let elsewhere = problems.iter().any(|problem| problem.code == "artifact-source-unsupported");
    let unresolved = manifest::source(&stage).is_some_and(|(_, value)| fields::unresolved(value));
    if !elsewhere && !unresolved {
        problems.extend(documents::read(&stage, &settings).err().unwrap_or_default());
    }
    problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect()
}

/// One step.
///
/// # Errors
/// One of the manifest's `failures`: what is wrong with the parameters, what the cluster refused, or what did not settle.
pub fn step<H: Host>(input: &StepInput, host: &mut H) -> Result<Outcome, Failure> {
    let mut work = Work::new(input, host)?;
    if !work.state.is_applied() {
        if matches!(input.wake, Wake::TimedOut) {
            return Err(apply::timed_out(&mut work));
        }
        match apply::chunk(&mut work)? {
            Applied::All => {}
            Applied::Some => return work.go_on(),
            Applied::Interrupted { after_ms, why } => return work.pause(after_ms, &why),
        }
    }
    if input.mode == Mode::Plan {
        return finish::planned(&mut work);
    }
    settle::settle(&mut work)
}

impl<H: Host> Work<'_, H> {
    /// Commits and comes back at once.
    fn go_on(&self) -> Result<Outcome, Failure> {
        let message = format!("{} of {} objects applied", self.state.applied, self.state.objects.len());
        Ok(Outcome::Yielded(Yielded { checkpoint: self.checkpoint()?, progress: Progress::message(message) }))
    }
}

sdk::export_stage!(describe: crate::describe, validate: crate::validate, step: crate::step);

#[cfg(test)]
mod tests;
