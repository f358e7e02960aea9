//! A refusal as the server words it, and how it is shown: `code: detail`, then a line for each place.

use serde_json::Value;
use std::fmt;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// HTTP status.
    pub(crate) status: u16,
    /// Stable, kebab-case.
    pub(crate) code: String,
    /// For people.
    pub(crate) detail: String,
    /// To find it in the server's log.
    pub(crate) trace: String,
    /// Place, message, each.
    pub(crate) errors: Vec<(String, String)>,
}

impl Problem {
    /// Reads problem+json; what is missing is made up from the status.
    pub(crate) fn read(status: u16, body: &Value) -> Self {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let or = |first: String, other: String| if first.is_empty() { other } else { first };
        let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Self {
            status,
            code: or(text(body, "code"), format!("http-{status}")),
            detail: or(text(body, "detail"), text(body, "title")),
            trace: text(body, "traceId"),
            errors: errors.iter().map(|error| (text(error, "pointer"), or(text(error, "message"), text(error, "code")))).collect(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        for (pointer, message) in &self.errors {
            let place = if pointer.is_empty() { "(the whole)" } else { pointer };
            write!(f, "\n  {place}: {message}")?;
        }
        if self.status >= 500 && !self.trace.is_empty() {
            write!(f, "\n  trace {}", self.trace)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_is_a_line_and_one_for_each_place() {
        let body = json!({"code": "invalid", "detail": "the request is not valid", "traceId": "t", "errors": [
            {"pointer": "/stages/0/type", "code": "x", "message": "it has none"}, {"pointer": "", "code": "cycle"}]});
        let problem = Problem::read(422, &body);
        assert_eq!(problem.to_string(), "invalid: the request is not valid\n  /stages/0/type: it has none\n  (the whole): cycle");
    }

    #[test]
    fn trouble_of_the_server_names_its_trace() {
        assert_eq!(Problem::read(500, &json!({"title": "Trouble", "traceId": "abc"})).to_string(), "http-500: Trouble\n  trace abc");
    }
}
