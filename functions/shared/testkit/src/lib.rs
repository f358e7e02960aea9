//! What tests and `cargo dev up` stand on: a real Kubernetes control plane, a container registry, an emulated Lambda
//! runtime, a proxy that misbehaves, and the few helpers that find what was built and wait for what was caused.
//!
//! Everything listens on 127.0.0.1 only, ends with the process that started it, and keeps its files under the user's
//! cache folder or a temporary one. Failures come back as [`Error`]: nothing here panics, since a person reads them too.
//! It never knows Waybill's own crates, and no shipped program links it.

pub mod cloud;
pub mod control_plane;
mod error;
pub mod faults;
pub mod gate;
pub mod lambda;
pub mod net;
mod part;
pub mod places;
pub mod registry;
pub mod testbed;
pub mod wait;
mod zip;

pub use cloud::Cloud;
pub use control_plane::ControlPlane;
pub use error::{Error, Result};
pub use faults::FaultProxy;
pub use gate::Gate;
pub use lambda::LambdaRuntime;
pub use registry::Registry;
pub use wait::eventually;
