//! The verbs: one use case a file, written against the traits at the seams (`ports`).
//!
//! Nothing here knows a database, a cloud or a runtime. Time and randomness come in through ports; nothing is spawned.

pub mod error;
pub mod ports;
pub mod record;
