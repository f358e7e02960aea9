//! What an event from outside means to the engine, and when it means nothing any more.

use super::stored::{Inbound, Outside};
use engine::{Event, Execution, Phase};
use model::id::ExecutionId;
use serde_json::json;

/// How signals begin that only ends of executions send.
pub(super) const CHILD_SIGNAL: &str = "execution:";

/// The signal with which the end of an execution reaches the stage that waits for it.
pub(super) fn child_signal(child: &ExecutionId) -> String {
    format!("{CHILD_SIGNAL}{child}")
}

impl Inbound {
    /// The engine's event.
    pub(super) fn event(&self) -> Event {
        match &self.what {
            Outside::Cancel(cancel) => Event::Cancel(cancel.clone()),
            Outside::Pause(by) => Event::Pause(by.clone()),
            Outside::Resume => Event::Resume,
            Outside::Restart { run } => Event::Restart { run: *run },
            Outside::Skip { run, by } => Event::Skip { run: *run, by: by.clone() },
            Outside::SkipWindow { run } => Event::SkipWindow { run: *run },
            Outside::Granted { .. } => Event::Granted,
            Outside::Superseded { by } => Event::Superseded { by: by.clone() },
            Outside::ChildEnded { run, child, status, .. } => {
                self.signal(*run, child_signal(child), json!({"execution": child, "status": status}).to_string())
            }
            Outside::Signal { run, name, body, .. } => self.signal(*run, name.clone(), body.clone()),
        }
    }

    fn signal(&self, run: usize, name: String, body: String) -> Event {
        Event::Signal { run, name, sender: self.sender.clone(), body }
    }

    /// Meant for what is no more: another step, another attempt, an earlier generation.
    pub(super) fn is_stale(&self, execution: &Execution) -> bool {
        let earlier = self.generation.is_some_and(|generation| generation < execution.generation);
        earlier
            || match &self.what {
                Outside::Signal { run, attempt, seq, .. } => execution.run(*run).is_none_or(|r| r.attempt != *attempt || r.seq != *seq),
                Outside::ChildEnded { run, attempt, child, .. } => {
                    let waits = matches!(execution.run(*run).and_then(|r| r.live()).map(|live| &live.phase),
                        Some(Phase::Suspended { signals, .. }) if signals.contains(&child_signal(child)));
                    !waits || execution.run(*run).is_none_or(|r| r.attempt != *attempt)
                }
                _ => false,
            }
    }
}
