//! Going through a document with a pointer that is only spelled where it is asked for.

use model::problem::token;
use serde_json::Value;

/// Goes through every text of a value, keys not included; `pointer` is where the value stands.
pub(crate) fn texts<'v>(value: &'v Value, pointer: &mut String, visit: &mut dyn FnMut(&str, &'v str)) {
    match value {
        Value::String(text) => visit(pointer, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                step(pointer, &index.to_string(), |pointer| texts(item, pointer, visit));
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                step(pointer, key, |pointer| texts(item, pointer, visit));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// One step down, and back.
pub(crate) fn step(pointer: &mut String, key: &str, within: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    if key.contains(['~', '/']) {
        pointer.push_str(&token(key));
    } else {
        pointer.push_str(key);
    }
    within(pointer);
    pointer.truncate(length);
}

/// The objects of a list, with their places.
pub(crate) fn objects<'v>(document: &'v Value, key: &'v str) -> impl Iterator<Item = (usize, &'v serde_json::Map<String, Value>)> {
    let list = document.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().enumerate().filter_map(|(at, item)| Some((at, item.as_object()?)))
}
