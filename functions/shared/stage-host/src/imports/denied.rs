//! Interfaces that are not available yet: every call is denied, nothing is kept.

use crate::bindings::waybill::stage::{http, secrets};
use crate::state::StepState;

/// The answer of everything that is still to come.
pub(crate) const NOT_YET: &str = "not available yet";

impl http::Host for StepState {
    async fn send(&mut self, _request: http::Request) -> wasmtime::Result<Result<http::Response, http::Error>> {
        Ok(Err(http::Error::Denied(NOT_YET.into())))
    }
}

impl secrets::Host for StepState {
    async fn lookup(&mut self, _name: String) -> wasmtime::Result<Result<secrets::Handle, String>> {
        Ok(Err(NOT_YET.into()))
    }
}
