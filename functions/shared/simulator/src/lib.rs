//! The simulation: real `engine`, real `app`; a simulated store, queue, clock, stage host and outside. A seed decides what
//! is run, in which order everything happens and what goes wrong, and the same seed always decides the same.
//!
//! It never ships and never sleeps: the simulated clock jumps to what happens next. Nothing here is random but by the seed,
//! and nothing runs at the same time as anything else.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "it never ships, and a simulation that breaks its own rules must stop at once"
)]

mod base;
pub mod campaign;
mod check;
pub mod examine;
pub mod fault;
mod faults;
pub mod generate;
mod host;
pub mod oracle;
mod people;
mod ports;
mod process;
#[cfg(feature = "planted-bugs")]
pub mod prove;
mod pushes;
mod reality;
mod rng;
pub mod run;
pub mod scenario;
pub mod shrink;
mod state;
mod store;
pub mod tell;
mod trace;

pub use check::{Outcome, StageOutcome};
pub use rng::Rng;
pub use state::Failure;
