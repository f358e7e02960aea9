//! Reads what teams bring with them: pipelines in every wrapper that Spinnaker's and CODING's tools write, checked and planned
//! without a server.
//!
//! Bytes in, values out: nothing here reads a file, waits, or knows the time. Nothing that arrives can make it panic; what is
//! wrong has a pointer, or a line and a column. Values that look like secrets are told by their place alone.

pub mod bring;
mod check;
pub mod differences;
pub mod export;
pub mod expressions;
pub mod flaw;
pub mod identities;
pub mod json;
pub mod limits;
pub mod needs;
pub mod plan;
pub mod report;
pub mod secrets;
pub mod stage_types;
pub mod text;
mod walk;
pub mod wrapper;
pub mod yaml;

pub use check::{Checked, Options, Templates, check, open};
pub use needs::Mapping;
pub use report::{Report, Summary};
