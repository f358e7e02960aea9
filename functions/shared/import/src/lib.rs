//! Reads what teams bring with them: pipelines in every wrapper that Spinnaker's and CODING's tools write, checked and planned
//! without a server.
//!
//! Bytes in, values out: nothing here reads a file, waits, or knows the time. Nothing that arrives can make it panic; what is
//! wrong has a pointer, or a line and a column. Values that look like secrets are told by their place alone.

pub mod flaw;
pub mod json;
pub mod limits;
pub mod text;
pub mod wrapper;
pub mod yaml;
