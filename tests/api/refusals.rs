//! Bad input, each kind with its answer, and nothing half-done left behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

#[path = "refusals/accounts.rs"]
mod accounts;
#[path = "refusals/doors.rs"]
mod doors;
#[path = "refusals/manifests.rs"]
mod manifests;
#[path = "refusals/orders.rs"]
mod orders;
#[path = "refusals/pipelines.rs"]
mod pipelines;
#[path = "refusals/pushes.rs"]
mod pushes;
