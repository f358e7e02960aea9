//! Parts for tests within the crate: those of all tests, and the state that imports work on.

use crate::bindings::waybill::stage::types::{ObjectRef, Target};
use crate::session::Session;
use crate::state::StepState;

#[path = "../tests/parts/mod.rs"]
mod parts;
pub(crate) use parts::*;

impl Setup {
    pub(crate) fn state(&self) -> StepState {
        StepState::new(&self.limits, 1_000, 7, Some(Session::new(self.call())))
    }
}

pub(crate) fn at(namespace: Option<&str>) -> Target {
    Target { account: "prod".into(), namespace: namespace.map(str::to_owned) }
}

pub(crate) fn object(api_version: &str, kind: &str, name: &str) -> ObjectRef {
    ObjectRef { api_version: api_version.into(), kind: kind.into(), name: name.into(), namespace: None }
}
