//! What a clock asks for: each minute the tick over what is due, once a day the sweep of blobs that nothing refers to.

use app::due;
use app::error::AppError;
use app::ports::{Clock, Queue, Table};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Everything;
use store::garbage::{self, Bounds, Sweepable};

/// Kept back of an invocation when blobs are swept: whoever is cut off has done nothing wrong, and says so.
const KEPT_BACK_MS: u64 = 2_000;

/// What a rule asks for: `{"sweep": true}` as its input, or anything else for the tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Task {
    sweep: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Hints that were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hints: Option<usize>,
    /// Blobs that were thrown away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blobs: Option<usize>,
}

/// What the tick may touch.
pub struct Tick<T, B, Q> {
    /// What is due, and what refers to blobs.
    pub table: T,
    /// Blobs that can be thrown away.
    pub blobs: B,
    /// Where hints go.
    pub queue: Q,
    /// Now.
    pub clock: Arc<dyn Clock>,
}

impl<T: Table + Everything, B: Sweepable, Q: Queue> Tick<T, B, Q> {
    /// Does what a rule asks for.
    ///
    /// # Errors
    /// When something cannot be read; the next one does it.
    pub async fn answer(&self, task: Task, deadline_ms: u64) -> Result<Done, AppError> {
        if task.sweep {
            let bounds = Bounds { until_ms: Some(deadline_ms.saturating_sub(KEPT_BACK_MS)), ..Bounds::default() };
            let swept = garbage::sweep_within(&self.table, &self.blobs, self.clock.as_ref(), bounds).await?;
            return Ok(Done { blobs: Some(swept.removed), ..Done::default() });
        }
        let hints = due::tick(&self.table, &self.queue, self.clock.now_ms()).await?;
        Ok(Done { hints: Some(hints), ..Done::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_asks_for_the_tick_unless_it_says_sweep() {
        let read = |text: &str| serde_json::from_str::<Task>(text).unwrap();
        let event = r#"{"version":"0","id":"1","detail-type":"Scheduled Event","source":"aws.events","resources":[],"detail":{}}"#;
        assert_eq!((read(event), read("{}")), (Task::default(), Task::default()));
        assert!(read(r#"{"sweep":true}"#).sweep);
    }
}
