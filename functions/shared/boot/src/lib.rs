//! What every `main` begins with: cryptography, logs, the clock, randomness; and simulated ones for tests.
//!
//! The only place that asks the system for time and random bytes. It knows nothing of pipelines or stores.

/// Bugs are planted for the simulation alone: what begins here cannot be built with them.
const _: () = assert!(!app::BUGS_CAN_BE_PLANTED, "a build for people has the feature `planted-bugs`");

pub mod aws;
mod clock;
mod entropy;
pub mod function;
mod manual;
mod start;

pub use clock::SystemClock;
pub use entropy::{RandomnessError, SeededEntropy, SystemEntropy};
pub use manual::ManualClock;
pub use start::{LogsError, init_tracing, install_crypto};
