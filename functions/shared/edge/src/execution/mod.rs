//! Executions and release orders as the API takes and shows them, the same in every function that does, and what those
//! functions may touch. How they are shown is decided here and nothing else.

mod detail;
mod log;
mod order;
mod ports;
mod preview;
mod stage;
mod start;

pub use detail::{CancelView, EndingView, ExecutionDetail, ExecutionSummary, OrderRef, OriginView, PausedView, RestartView};
pub use log::{LineView, LogEntryView, TransitionView, VerdictView};
pub use order::OrderView;
pub use ports::Ports;
pub use preview::PreviewView;
pub use stage::{AnswerView, ObjectView, ProgressView, SignalView, StageDetail, StageView};
pub use start::{ArtifactBody, Expiry, StartBody};

use crate::wire::MayView;
use model::person::May;
use std::collections::BTreeMap;

fn verdicts(may: BTreeMap<String, May>) -> BTreeMap<String, MayView> {
    may.into_iter().map(|(action, may)| (action, may.into())).collect()
}
