//! The execution model as people meet it: over HTTP, with the real server and the real components, and nothing outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

#[path = "model/again.rs"]
mod again;
#[path = "model/children.rs"]
mod children;
#[path = "model/failures.rs"]
mod failures;
#[path = "model/judgments.rs"]
mod judgments;
#[path = "model/plan.rs"]
mod plan;
#[path = "model/queue.rs"]
mod queue;
#[path = "model/size.rs"]
mod size;
#[path = "model/steering.rs"]
mod steering;
#[path = "model/variables.rs"]
mod variables;
#[path = "model/windows.rs"]
mod windows;
