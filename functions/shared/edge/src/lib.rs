//! The HTTP edge, the same for every function: who calls, what a body, a query and a header may be, how a failure is told,
//! how versions and pages travel, and the OpenAPI document of it all.
//!
//! Nothing is decided here: rights are asked and refusals are made by the use cases in `app`.
#![allow(unused_qualifications, reason = "the macros that describe the API write paths in full")]

mod assemble;
mod caller;
mod conditions;
pub mod execution;
mod idempotency;
mod json;
mod params;
pub mod problem;
mod responses;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trace;
pub mod wire;

pub use assemble::{About, Edge, assemble};
pub use caller::Caller;
pub use conditions::{Conditions, IfMatch, IfNoneMatch, created};
pub use idempotency::{IdempotencyKey, IdempotencyParam};
pub use json::{BODY_BYTES_MAX, Exact, Json};
pub use params::{PageParams, Params, Search, page_request};
pub use problem::Problem;
pub use responses::{CreateProblems, DeleteProblems, ListProblems, ReadProblems, WriteProblems};
pub use trace::TraceId;
