//! What a failed call of a component means: traps, exits and broken answers as [`StepFault`]s.
//!
//! Never blames a component for what the host decided: those ends travel through the guest as [`Stop`].

use crate::state::StepState;
use app::ports::{LogLine, StepFault};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// The host ends the step in the middle of an import; the guest sees a trap it cannot catch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    /// Another worker has taken over.
    #[error("another worker has taken over")]
    Fenced,
    /// The repeated step asks for something else.
    #[error("{0}")]
    Nondeterministic(String),
    /// The trace cannot be written.
    #[error("{0}")]
    Unavailable(String),
    /// It went on calling long after its quota was spent.
    #[error("{0}")]
    Quota(String),
}

/// So many equal frames on top of each other are a recursion.
const EQUAL_FRAMES_MIN: usize = 50;
/// What is kept of a trap's text and of standard error.
const MESSAGE_BYTES_MAX: usize = 2_000;

pub(crate) const TRAP: &str = "plugin-trap";
pub(crate) const TIMEOUT: &str = "plugin-timeout";
pub(crate) const STACK_OVERFLOW: &str = "plugin-stack-overflow";
pub(crate) const OUT_OF_MEMORY: &str = "plugin-out-of-memory";
pub(crate) const ABI_VIOLATION: &str = "plugin-abi-violation";
pub(crate) const OUTPUT_TOO_LARGE: &str = "plugin-output-too-large";
pub(crate) const QUOTA: &str = "plugin-quota";
pub(crate) const CHECKPOINT_REFUSED: &str = "checkpoint-refused";
pub(crate) const PLAN_REFUSED: &str = "plan-refused";

/// A fault of the component, with the log it has written so far.
pub(crate) fn plugin(code: &'static str, message: impl Into<String>, log: Vec<LogLine>) -> StepFault {
    StepFault::Plugin { code, message: message.into(), log }
}

/// What the error of a call or an instantiation means.
pub(crate) fn of_error(error: &wasmtime::Error, state: &mut StepState) -> StepFault {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return of_stop(stop, state);
    }
    let (code, mut message) = of_guest(error, state);
    let said = state.stdio.last_line();
    if !said.is_empty() && code != TIMEOUT {
        message = format!("{message}; it said: {said}");
    }
    plugin(code, crate::log::clean(&message, MESSAGE_BYTES_MAX), state.drain_log())
}

fn of_stop(stop: &Stop, state: &mut StepState) -> StepFault {
    match stop {
        Stop::Fenced => StepFault::Fenced,
        Stop::Nondeterministic(text) => StepFault::Nondeterministic(text.clone()),
        Stop::Unavailable(text) => StepFault::Unavailable(text.clone()),
        Stop::Quota(text) => plugin(QUOTA, text.clone(), state.drain_log()),
    }
}

fn of_guest(error: &wasmtime::Error, state: &StepState) -> (&'static str, String) {
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return (TRAP, format!("it left through exit({status}), which is never an outcome"));
    }
    let frames = error.downcast_ref::<WasmBacktrace>();
    let text = error.root_cause().to_string();
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => (TIMEOUT, state.timeout_text()),
        Some(Trap::StackOverflow) => (STACK_OVERFLOW, text),
        Some(Trap::MemoryOutOfBounds) if frames.is_some_and(is_recursion) => (STACK_OVERFLOW, text),
        // A guest that cannot allocate aborts; the limiter remembers that it said no.
        Some(Trap::UnreachableCodeReached) if state.limiter.refused() => {
            (OUT_OF_MEMORY, format!("it needs more than {} bytes of memory", state.limiter.memory_bytes_max()))
        }
        Some(
            Trap::InvalidChar
            | Trap::StringOutOfBounds
            | Trap::ListOutOfBounds
            | Trap::InvalidDiscriminant
            | Trap::UnalignedPointer
            | Trap::CannotEnterComponent
            | Trap::CannotLeaveComponent,
        ) => (ABI_VIOLATION, text),
        Some(_) => (TRAP, text),
        None if text.contains("fuel allocated for hostcalls has been exhausted") => {
            // Only what is returned at the end is read without a frame of the guest on the stack.
            if frames.is_some() {
                (QUOTA, "one call hands over too much".into())
            } else {
                (OUTPUT_TOO_LARGE, "its answer is too large".into())
            }
        }
        None if text.contains("limit") && state.limiter.watches_instantiation() => (OUT_OF_MEMORY, text),
        None => (ABI_VIOLATION, text),
    }
}

fn is_recursion(trace: &WasmBacktrace) -> bool {
    let frames = trace.frames();
    // Mutual recursion and a leaf on top are recursion too: some function fills the stack.
    frames.iter().any(|f| frames.iter().filter(|g| g.func_index() == f.func_index()).count() * 2 >= EQUAL_FRAMES_MIN)
        && frames.len() >= EQUAL_FRAMES_MIN
}
