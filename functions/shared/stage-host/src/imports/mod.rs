//! Everything a component can ask of its host, one interface a file.

mod denied;
mod executions;
mod kubernetes;
mod local;
mod read;
mod write;

pub(crate) use read::selection;

use crate::bindings::FullStage;
use crate::state::StepState;
use wasmtime::component::{HasSelf, Linker};

/// Answers a call from the trace or with a quota's error, or lets it go on with the place it has in the trace.
macro_rules! begin {
    ($session:expr, $call:literal, $effect:expr, $request:expr) => {
        match $session.begin($call, $effect, $request)? {
            $crate::session::Begin::Answered(answer) => return Ok(answer),
            $crate::session::Begin::Live(open) => open,
        }
    };
}
pub(crate) use begin;

/// Adds all interfaces of the contract and WASI to a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<StepState>) -> wasmtime::Result<()> {
    crate::wasi::add_to_linker(linker)?;
    FullStage::add_to_linker::<StepState, HasSelf<StepState>>(linker, |state| state)
}
