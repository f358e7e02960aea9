//! What stage components are written with: bindings of the stage contract, and the pure helpers stages share.
//!
//! A stage is a function `step(&StepInput, &mut host) -> Result<Outcome, Failure>`; the host is whatever satisfies the
//! narrow traits of [`host`], so all logic is tested natively. Nothing here does IO by itself, reads a clock or draws a
//! random number: time and seed come with the step.
#![allow(clippy::result_large_err, reason = "a failure is built once and ends its step; boxing it would only hide that")]

pub mod artifact;
pub mod binding;
pub mod bindings;
pub mod checkpoint;
pub mod contract;
mod export;
pub mod fields;
pub mod host;
pub mod kinds;
pub mod labels;
pub mod live;
pub mod manifest;
pub mod moniker;
pub mod namespace;
pub mod selection;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

/// The export side of stopping what was begun.
pub use bindings::compensation::exports::waybill::stage::compensation;
/// The export side of unfolding into other stages.
pub use bindings::planning::exports::waybill::stage::planning;
/// The export side of the contract, for [`export_stage`].
pub use bindings::stage::exports::waybill::stage::lifecycle;
