//! Hints, within a process or over SQS: what to look at next; and what has changed.
//!
//! Nothing here is durable and nothing here is the only copy of anything.

pub mod changes;
pub mod in_process;
pub mod records;
pub mod sqs;
