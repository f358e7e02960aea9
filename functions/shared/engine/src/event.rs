//! What can happen to an execution. Each event is handled in the file of its name under `on/`.

use model::Millis;
use model::reason::Reason;
use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The execution may begin.
    Begin,
    /// A stage's condition and settings were resolved.
    Resolved {
        /// Which stage run.
        run: usize,
        /// Which attempt of it.
        attempt: u32,
        /// What came out.
        verdict: Verdict,
    },
    /// A step came back.
    Stepped {
        /// Which stage run.
        run: usize,
        /// Which attempt of it.
        attempt: u32,
        /// Which step of the attempt.
        seq: u32,
        /// Which repetition of the step.
        retry: u32,
        /// What came back.
        outcome: Outcome,
    },
    /// Something that a waiting stage watches changed.
    Changed {
        /// Which stage run.
        run: usize,
        /// Which attempt of it.
        attempt: u32,
        /// The step it was waiting after.
        seq: u32,
    },
    /// Somebody sent a signal to a suspended stage.
    Signal {
        /// Which stage run.
        run: usize,
        /// The signal's name.
        name: String,
        /// Who sent it.
        sender: String,
        /// JSON.
        body: String,
    },
    /// Somebody wants it to end.
    Cancel(Cancel),
    /// Time passed. Has no identity: late and double ticks change nothing.
    Tick,
}

/// Who cancelled, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Who.
    pub by: String,
    /// Why, in their words; may be empty.
    pub reason: String,
}

/// What resolving a stage's condition and settings gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs.
    Run,
    /// It is skipped.
    Skip(Reason),
    /// It cannot run.
    Fail(Reason),
}

/// Why a component is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wake {
    /// For the first time in this attempt.
    Start,
    /// Its poll time came, something it watches changed, the instant it waited for came, or it yielded.
    Poll,
    /// A signal came in.
    Signal {
        /// The signal's name.
        name: String,
        /// Who sent it.
        sender: String,
        /// JSON.
        body: String,
    },
    /// The stage's time is over: the component may say how it ends, but not go on.
    TimedOut,
    /// The step failed in a way that may pass; counts from 1.
    Retry(u32),
}

/// What a step came back with, as far as the engine cares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Call again after a while.
    Running {
        /// Asked for; clamped here.
        poll_after_ms: u64,
    },
    /// Call again at once.
    Yielded,
    /// Wait for a signal or an instant.
    Suspended {
        /// Any of these signals.
        signals: Vec<String>,
        /// Or this instant.
        until_ms: Option<Millis>,
        /// Why it waits.
        reason: Reason,
    },
    /// Done well.
    Succeeded,
    /// Nothing to do.
    Skipped(Reason),
    /// It stopped itself.
    Canceled(Reason),
    /// It failed.
    Failed {
        /// Why.
        reason: Reason,
        /// It may pass.
        retryable: bool,
        /// Not before.
        retry_after_ms: Option<u64>,
    },
    /// It failed, and a person must look before anything else happens: never repeated, never ignored.
    Fatal(Reason),
}

/// Why what a person asked for cannot be done now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Stable, kebab-case.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
