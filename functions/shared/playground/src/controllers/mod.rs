//! What goes on by itself: workloads make pods, pods start, what nobody owns any more goes away.

use crate::interfaces::Objects;
use serde_json::Value;

/// Everything that goes on by itself.
#[derive(Debug, Default)]
pub(crate) struct Controllers;

impl Controllers {
    pub(crate) fn new() -> Self {
        Self
    }

    /// Does what is due, and says when (Unix ms) it wants to be called next.
    pub(crate) fn step(&mut self, _objects: &mut dyn Objects) -> Option<u64> {
        None
    }
}

/// The lines of a container's log, with their times.
pub(crate) fn logs(_pod: &Value, _container: &str, _previous: bool, _now_ms: u64) -> Vec<(u64, String)> {
    Vec::new()
}
