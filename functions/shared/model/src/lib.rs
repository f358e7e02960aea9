//! The nouns of Waybill: typed ids, what people configure, what they start, and the reasons for every wait and refusal.
//!
//! Everything here is a value. No IO, no clock, no randomness, no async: time and fresh ids come in as arguments. Text from
//! outside is parsed here once, into types that cannot be wrong; whoever holds such a type never checks it again.

pub mod account;
pub mod application;
pub mod artifact;
pub mod component;
pub mod exact;
pub mod id;
pub mod image;
pub mod lenient;
pub mod order;
pub mod person;
pub mod pipeline;
pub mod problem;
pub mod push;
pub mod reason;
pub mod status;
pub mod trigger;

/// Milliseconds since the Unix epoch, the only form in which time is stored.
pub type Millis = u64;
