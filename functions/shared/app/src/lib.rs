//! The verbs: one use case a file, written against the traits at the seams (`ports`).
//!
//! Nothing here knows a database, a cloud or a runtime. Time and randomness come in through ports; nothing is spawned.

pub mod accounts;
pub mod applications;
pub mod changes;
pub mod due;
pub mod error;
pub mod execution;
pub mod expect;
pub mod expressions;
pub mod idempotency;
pub mod identity;
pub mod importing;
pub mod limits;
pub mod orders;
pub mod paging;
pub mod pipelines;
pub mod ports;
pub mod projects;
pub mod pushes;
pub mod record;
pub mod secrets;
pub mod shapes;
pub mod stage_types;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

/// Whether this build can plant bugs. Whatever people start asserts, where it is compiled, that it cannot.
pub use engine::planted::POSSIBLE as BUGS_CAN_BE_PLANTED;
