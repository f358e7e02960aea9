//! Settings as tools really write them: `null` for nothing, numbers and switches as text. Coerced where they are used; the
//! document itself is never rewritten. What is of an altogether other shape was told before, by [`crate::pipeline`].

use crate::pipeline::truthy;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_json::{Map, Value};

/// The text of a scalar; nothing for null.
#[must_use]
pub fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    as_text(&Value::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("a text is expected"))
}

pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(truthy(&Value::deserialize(deserializer)?))
}

/// On unless it is switched off.
pub(crate) fn flag_on<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.is_null() || truthy(&value))
}

pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(items) => Ok(items.iter().filter_map(as_text).collect()),
        Value::Null => Ok(Vec::new()),
        other => as_text(&other).map(|text| vec![text]).ok_or_else(|| D::Error::custom("a list of texts is expected")),
    }
}

pub(crate) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(items) => Ok(items),
        other if nothing(&other) => Ok(Vec::new()),
        _ => Err(D::Error::custom("a list is expected")),
    }
}

pub(crate) fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(map) => Ok(map),
        other if nothing(&other) => Ok(Map::new()),
        _ => Err(D::Error::custom("an object is expected")),
    }
}

/// Nothing where there is nothing.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if nothing(&value) { Ok(T::default()) } else { T::deserialize(value).map_err(D::Error::custom) }
}

/// `null`, nothing written, or an expression where none is evaluated.
fn nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.is_empty() || text.contains("${"))
}
