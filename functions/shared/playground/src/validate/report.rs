//! Causes, gathered one after the other, each once.

use crate::interfaces::Cause;
use serde_json::{Map, Value, json};

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Cause>);

impl Report {
    pub(super) fn into_causes(self) -> Vec<Cause> {
        self.0
    }

    fn add(&mut self, reason: &'static str, field: impl Into<String>, message: String) {
        let cause = Cause { reason, field: field.into(), message };
        self.0.push(cause);
    }

    /// `value` as JSON.
    pub(super) fn invalid(&mut self, field: impl Into<String>, value: &Value, why: &str) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {}: {why}", plain(value)));
    }

    pub(super) fn invalid_text(&mut self, field: impl Into<String>, value: &str, why: &str) {
        self.invalid(field, &json!(value), why);
    }

    pub(super) fn required(&mut self, field: impl Into<String>, why: &str) {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        self.add("FieldValueRequired", field, message);
    }

    pub(super) fn forbidden(&mut self, field: impl Into<String>, why: &str) {
        self.add("FieldValueForbidden", field, format!("Forbidden: {why}"));
    }

    /// One of a few words is another.
    pub(super) fn unsupported(&mut self, field: impl Into<String>, value: &Value, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|word| format!("\"{word}\"")).collect();
        self.add(
            "FieldValueNotSupported",
            field,
            format!("Unsupported value: {}: supported values: {}", plain(value), supported.join(", ")),
        );
    }

    pub(super) fn duplicate(&mut self, field: impl Into<String>, value: &Value) {
        self.add("FieldValueDuplicate", field, format!("Duplicate value: {}", plain(value)));
    }

    pub(super) fn not_found(&mut self, field: impl Into<String>, value: &str) {
        self.add("FieldValueNotFound", field, format!("Not found: {}", json!(value)));
    }

    pub(super) fn too_long(&mut self, field: impl Into<String>, bytes_max: usize) {
        self.add("FieldValueTooLong", field, format!("Too long: may not be more than {bytes_max} bytes"));
    }

    /// A number that is there must not be below zero.
    pub(super) fn not_negative(&mut self, object: &Value, pointer: &str) {
        if let Some(value) = object.pointer(pointer).filter(|value| value.as_i64().is_some_and(|number| number < 0)) {
            self.invalid(path(pointer), value, "must be greater than or equal to 0");
        }
    }

    /// A word that is there must be one of these.
    pub(super) fn one_of(&mut self, object: &Value, pointer: &str, supported: &[&str]) {
        let value = object.pointer(pointer).filter(|value| value.as_str().is_some_and(|word| !supported.contains(&word)));
        if let Some(value) = value {
            self.unsupported(path(pointer), value, supported);
        }
    }
}

/// A pointer as a field's path.
fn path(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// A value as the API server writes it; fields of maps sorted.
fn plain(value: &Value) -> String {
    match value {
        Value::Object(map) if map.contains_key("matchLabels") || map.contains_key("matchExpressions") => selector(map).to_string(),
        Value::Object(map) if map.contains_key("Type") || map.contains_key("Partition") || map.contains_key("Name") => value.to_string(),
        Value::Object(map) => Value::Object(sorted(map)).to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value.to_string(),
    }
}

fn sorted(map: &Map<String, Value>) -> Map<String, Value> {
    let mut fields: Vec<_> = map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    fields.into_iter().collect()
}

fn selector(map: &Map<String, Value>) -> Value {
    let mut ordered = Map::new();
    if let Some(Value::Object(labels)) = map.get("matchLabels") {
        ordered.insert("matchLabels".to_owned(), Value::Object(sorted(labels)));
    }
    if let Some(Value::Array(expressions)) = map.get("matchExpressions") {
        let one = |expression: &Value| {
            let fields = ["key", "operator", "values"].into_iter();
            fields.filter_map(|field| Some((field.to_owned(), expression.get(field)?.clone()))).collect::<Map<String, Value>>()
        };
        ordered.insert("matchExpressions".to_owned(), expressions.iter().map(one).collect());
    }
    Value::Object(ordered)
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list, with their numbers.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// The pairs of a map.
pub(super) fn pairs<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    object.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}
