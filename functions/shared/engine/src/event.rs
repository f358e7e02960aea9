//! What can happen to an execution. Each event is handled in the file of its name under `on/`.

use crate::state::Node;
use model::Millis;
use model::id::ExecutionId;
use model::reason::{Reason, ReasonCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    /// Somebody holds it: what is being done is finished, nothing else begins.
    Pause(Cancel),
    /// Somebody lets it go on.
    Resume,
    /// Somebody wants a stage done again, with everything after it.
    Restart {
        /// Which stage run.
        run: usize,
    },
    /// Somebody wants a stage left out, now or when its turn comes.
    Skip {
        /// Which stage run.
        run: usize,
        /// Who, and why.
        by: Cancel,
    },
    /// Somebody does not want to wait for a stage's execution window.
    SkipWindow {
        /// Which stage run.
        run: usize,
    },
    /// It has a slot of its pipeline now.
    Granted,
    /// Another execution of its pipeline took its place.
    Superseded {
        /// Which.
        by: ExecutionId,
    },
    /// Time passed. Has no identity: late and double ticks change nothing.
    Tick,
}

/// Who asked for something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Who.
    pub by: String,
    /// Why, in their words; may be empty.
    pub reason: String,
    /// The execution that asked, when it was one: the parent of a child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ExecutionId>,
}

impl Cancel {
    /// A person's wish.
    #[must_use]
    pub fn person(by: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { by: by.into(), reason: reason.into(), parent: None }
    }

    pub(crate) fn code(&self) -> ReasonCode {
        if self.parent.is_some() { ReasonCode::CanceledByParent } else { ReasonCode::CanceledByUser }
    }

    pub(crate) fn data(&self) -> Value {
        match &self.parent {
            Some(parent) => json!({"by": self.by, "reason": self.reason, "parent": parent}),
            None => json!({"by": self.by, "reason": self.reason}),
        }
    }
}

/// What resolving a stage's condition and settings gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs.
    Run,
    /// It is skipped.
    Skip(Reason),
    /// It waits for its execution window, or its random delay.
    Hold {
        /// When to ask again.
        until_ms: Millis,
        /// This is the random delay: it is waited once.
        delay: bool,
        /// Why.
        reason: Reason,
    },
    /// It would run; this is a dry run, so it is left at that.
    DryRun(Reason),
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
    /// The stages that it unfolds into; their requisites count from the first of them.
    Planned(Vec<Node>),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_and_why_is_data_of_the_reason() {
        let person = Cancel::person("alice", "lunch");
        assert_eq!((person.code(), person.data()), (ReasonCode::CanceledByUser, json!({"by": "alice", "reason": "lunch"})));
        let parent = Cancel { parent: Some(ExecutionId::parse("x0").unwrap()), ..person };
        let data = json!({"by": "alice", "reason": "lunch", "parent": "x0"});
        assert_eq!((parent.code(), parent.data()), (ReasonCode::CanceledByParent, data));
    }
}
