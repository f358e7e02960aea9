//! A step as the component is told it.

use crate::bindings::waybill::stage::types::{Checkpoint, Mode, Signal, StepInput, Wake};
use app::ports::{self, StepCall, StepMode};

/// What `step`, `cancel` and the functions of `planning` are called with.
pub(crate) fn step_input(call: &StepCall) -> StepInput {
    let wake = match &call.wake {
        ports::Wake::Start => Wake::Start,
        ports::Wake::Poll => Wake::Poll,
        ports::Wake::Signal { name, sender, body } => {
            Wake::Signal(Signal { name: name.clone(), sender: sender.clone(), body: body.clone() })
        }
        ports::Wake::TimedOut => Wake::TimedOut,
        ports::Wake::Retry(times) => Wake::Retry(*times),
    };
    StepInput {
        params: call.params.clone(),
        mode: match call.mode {
            StepMode::Execute => Mode::Execute,
            StepMode::Plan => Mode::Plan,
        },
        wake,
        checkpoint: call.checkpoint.clone().map(|(schema, data)| Checkpoint { schema, data }),
        seq: call.seq,
        now_ms: call.now_ms,
        seed: call.seed,
        budget_ms: u32::try_from(call.limits.step_ms_max).unwrap_or(u32::MAX),
    }
}
