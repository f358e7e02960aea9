//! Hints from one part of a process to another: what to look at next, and what has changed.
//!
//! Nothing here is durable and nothing here is the only copy of anything.

pub mod changes;
pub mod in_process;
