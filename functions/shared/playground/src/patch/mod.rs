//! Changes of objects: merge, strategic and JSON patches, server-side apply and who owns what. Pure functions of values;
//! nothing here knows of requests, stores or clocks.

mod apply;
mod decode;
mod fields;
mod json;
mod managers;
mod merge;
mod schema;
mod strategic;
mod typed;

#[cfg(test)]
mod properties;

pub(crate) use apply::{apply, same_but_for_times, track};
pub(crate) use decode::undecodable;
pub(crate) use json::json;
pub(crate) use merge::merge;
pub(crate) use strategic::strategic;
pub(crate) use typed::settle;

use serde_json::Value;
use thiserror::Error;

/// Who writes, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manager {
    /// The field manager, or what the user agent says before its slash.
    pub(crate) name: String,
    /// An apply takes over what others own.
    pub(crate) force: bool,
    /// `status`, `scale`; nothing for the object itself.
    pub(crate) subresource: Option<String>,
    /// The time, to the second: `2024-01-01T00:00:00Z`.
    pub(crate) now: String,
}

/// Why a patch is refused, as its `Status` says it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PatchError {
    /// 400, `BadRequest`.
    #[error("{0}")]
    BadRequest(String),
    /// 422, `Invalid`. The API server does not say why.
    #[error("the server rejected our request due to an error in our request")]
    Unprocessable,
    /// 413, `RequestEntityTooLarge`.
    #[error("{0}")]
    TooLarge(String),
    /// 500, without a reason.
    #[error("{0}")]
    Internal(String),
}

impl PatchError {
    /// Code and reason of the `Status`.
    pub(crate) const fn status(&self) -> (u16, &'static str) {
        match self {
            Self::BadRequest(_) => (400, "BadRequest"),
            Self::Unprocessable => (422, "Invalid"),
            Self::TooLarge(_) => (413, "RequestEntityTooLarge"),
            Self::Internal(_) => (500, ""),
        }
    }
}

/// A field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// `"kubectl" using apps/v1`.
    pub(crate) manager: String,
    /// `.spec.replicas`.
    pub(crate) field: String,
}

/// Why an apply is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ApplyError {
    /// 409, `Conflict`; each is a cause `FieldManagerConflict` with the message `conflict with MANAGER`.
    #[error("{}", conflicts_message(.0))]
    Conflicts(Vec<Conflict>),
    /// 400, `BadRequest`.
    #[error("{0}")]
    BadRequest(String),
    /// 500, without a reason.
    #[error("{0}")]
    Internal(String),
}

impl ApplyError {
    /// Code and reason of the `Status`.
    pub(crate) const fn status(&self) -> (u16, &'static str) {
        match self {
            Self::Conflicts(_) => (409, "Conflict"),
            Self::BadRequest(_) => (400, "BadRequest"),
            Self::Internal(_) => (500, ""),
        }
    }
}

fn conflicts_message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.field);
    }
    let mut lines = Vec::new();
    for (index, conflict) in conflicts.iter().enumerate() {
        if index.checked_sub(1).and_then(|before| conflicts.get(before)).is_none_or(|before| before.manager != conflict.manager) {
            lines.push(format!("conflicts with {}:", conflict.manager));
        }
        lines.push(format!("- {}", conflict.field));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// As Go's `%v` prints it: `map[a:1 b:[x y]]`.
pub(crate) fn go_print(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_print).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key}:{}", go_print(value))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conflicts_are_told_as_the_server_tells_them() {
        let conflict = |manager: &str, field: &str| Conflict { manager: manager.to_owned(), field: field.to_owned() };
        let one = ApplyError::Conflicts(vec![conflict("\"kubectl\" using apps/v1", ".spec.replicas")]);
        assert_eq!(one.to_string(), "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas");
        let three = ApplyError::Conflicts(vec![conflict("\"a\"", ".x"), conflict("\"a\"", ".y"), conflict("\"b\"", ".x")]);
        assert_eq!(three.to_string(), "Apply failed with 3 conflicts: conflicts with \"a\":\n- .x\n- .y\nconflicts with \"b\":\n- .x");
        assert_eq!(three.status(), (409, "Conflict"));
    }

    #[test]
    fn values_are_printed_as_go_prints_them() {
        assert_eq!(go_print(&json!({"b": [1, null, true], "a": {"x": "y"}})), "map[a:map[x:y] b:[1 <nil> true]]");
    }
}
