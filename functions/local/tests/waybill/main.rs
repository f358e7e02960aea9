//! The `waybill` command from outside: the client against a scripted server, and the server itself as a process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

mod bring;
mod client;
mod offline;
mod playground;
mod process;
mod serving;
mod stages;
