//! What the black-box tests share: a real `waybill serve` process, or the real functions on the stand-in for AWS; a client that
//! speaks only HTTP to them; the real cluster and the real registry around it, and the documents of the story.
//!
//! It knows no crate of the product: whatever a test says of Waybill, it was told by an answer over HTTP or by the cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

pub mod api;
pub mod deployed;
pub mod desk;
pub mod documents;
pub mod fleet;
pub mod live;
pub mod playground;
pub mod server;
pub mod site;
pub mod stack;
pub mod worker;

pub use api::{Answer, Api, WAIT_MAX};
pub use deployed::Deployed;
pub use desk::Desk;
pub use fleet::Fleet;
pub use playground::Playground;
pub use server::Server;
pub use site::Site;
pub use worker::Worker;
