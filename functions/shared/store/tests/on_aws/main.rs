//! What stands on AWS: the table on DynamoDB, and blobs on S3, each on a stand-in that is started for these tests.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

mod aws;
mod blobs;
mod carried;
#[path = "../clock/mod.rs"]
mod clock;
mod design;
mod differential;
mod faults;
mod faulty;
mod flows;
mod recorder;
mod table;
