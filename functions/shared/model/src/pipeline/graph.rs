//! The nodes of a pipeline and the checks on how they hang together.

use super::notification::Notification;
use super::window::ExecutionWindow;
use crate::id::RefId;
use crate::problem::Problems;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a failed stage does to the rest: the four choices of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "choice")]
pub enum FailureChoice {
    /// Halt the whole pipeline.
    Halt,
    /// Halt this branch; at the end the execution fails, or does not.
    #[serde(rename_all = "camelCase")]
    StopBranch {
        /// Fail the execution once the other branches are done.
        fail_at_end: bool,
    },
    /// Ignore the failure.
    Ignore,
}

/// A node of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Unique within the pipeline.
    pub ref_id: RefId,
    /// Which stage type.
    pub kind: String,
    /// Shown; the key for look-ups by name.
    pub name: String,
    /// Positions of the stages that must end well before it starts.
    pub requisites: Vec<usize>,
    /// Time for the whole stage, if it says one.
    pub timeout_ms: Option<u64>,
    /// A time-out counts as success.
    pub succeed_on_timeout: bool,
    /// What a failure does to the rest.
    pub failure: FailureChoice,
    /// The stage's condition, if it has one.
    pub condition: Option<String>,
    /// When it may start, if that is restricted.
    pub window: Option<ExecutionWindow>,
    /// Of the stages it unfolds into, a failed one does not stop those beside it.
    pub siblings_continue: bool,
    /// People may skip it.
    pub skippable: bool,
    /// Who is told what of it; none where it does not ask for that.
    pub notifications: Vec<Notification>,
    /// The stage's JSON as it came.
    pub json: Map<String, Value>,
}

/// Reports the first cycle it finds, by name, starting from the stage that stands first in the document.
pub(crate) fn check_cycles(stages: &[Stage], problems: &mut Problems) {
    // Kahn: whatever cannot be ordered is on a cycle or below one.
    let mut left: Vec<usize> = stages.iter().map(|s| s.requisites.len()).collect();
    let mut ready: Vec<usize> = left.iter().enumerate().filter(|(_, n)| **n == 0).map(|(i, _)| i).collect();
    let mut done = 0;
    while let Some(next) = ready.pop() {
        done += 1;
        for (position, stage) in stages.iter().enumerate() {
            for _ in stage.requisites.iter().filter(|r| **r == next) {
                if let Some(count) = left.get_mut(position) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(position);
                    }
                }
            }
        }
    }
    if done == stages.len() {
        return;
    }
    let names = cycle(stages, &left);
    problems.error("/stages", "cycle", format!("the stages depend on each other in a cycle: {}", names.join(" → ")));
}

/// Walks upstream among the stages that are left until one repeats; that loop is the cycle.
fn cycle(stages: &[Stage], left: &[usize]) -> Vec<String> {
    let stuck = |i: usize| left.get(i).is_some_and(|n| *n > 0);
    let mut at = (0..stages.len()).find(|i| stuck(*i)).unwrap_or_default();
    let mut path: Vec<usize> = Vec::new();
    while !path.contains(&at) {
        path.push(at);
        let next = stages.get(at).and_then(|s| s.requisites.iter().copied().find(|r| stuck(*r)));
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    let mut ring: Vec<usize> = path.iter().copied().skip_while(|i| *i != at).collect();
    ring.reverse();
    let first = ring.iter().enumerate().min_by_key(|(_, stage)| **stage).map_or(0, |(i, _)| i);
    ring.rotate_left(first);
    ring.extend(ring.first().copied());
    ring.into_iter().filter_map(|i| stages.get(i)).map(|s| s.ref_id.to_string()).collect()
}
