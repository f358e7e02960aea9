//! The only way out over HTTP: container registries today.
//!
//! Every call is bounded in time and in the size of its answer, goes through no proxy of the environment, and carries
//! credentials to nobody but the host they are for. Nothing here is logged or reported with a credential in it.

mod registry;

pub use registry::{HttpRegistry, RegistryLimits};
