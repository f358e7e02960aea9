//! Vets components and compiles them ahead of time: the only holder of a compiler.
//!
//! What comes out is native code and one registry row a component; whoever runs a component trusts that pair and nothing
//! else. A component never gets a capability here: it is asked to describe itself with every import denying, twice.

mod command;
mod compile;
mod contract;
mod error;
mod grant;
mod manifest;
mod precompile;

pub use command::Command;
pub use compile::{Compiled, Compiler};
pub use error::VetError;
pub use manifest::MANIFEST_SCHEMA;
pub use precompile::precompile;
