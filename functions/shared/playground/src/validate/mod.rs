//! What the API server refuses of an object.

use crate::interfaces::Cause;
use serde_json::Value;

/// What is wrong with a new object.
pub(crate) fn create(_object: &Value) -> Vec<Cause> {
    Vec::new()
}

/// What is wrong with a change.
pub(crate) fn update(_before: &Value, _after: &Value) -> Vec<Cause> {
    Vec::new()
}
