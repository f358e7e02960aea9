//! Reading fields of stage JSON the way people write them: `"true"` for `true`, `"420"` for `420`, blank for absent.

use serde_json::{Map, Value};

use crate::contract::Failure;

/// The stage's JSON as an object.
///
/// # Errors
/// `params-invalid` when it is not one.
pub fn object(params: &str) -> Result<Map<String, Value>, Failure> {
    match serde_json::from_str(params) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Failure::user("params-invalid", "the stage's JSON is not an object")),
        Err(error) => Err(Failure::user("params-invalid", format!("the stage's JSON cannot be read: {error}"))),
    }
}

/// A string that is not blank.
pub fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// A flag, also as text; `None` when absent, null, blank or something else.
pub fn flag(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A number, also as text; `None` when absent, null, blank or something else.
pub fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// An object under a key.
pub fn section<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object)
}

/// The texts of a list, blank ones and other values left out.
pub fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let texts = items.iter().filter_map(Value::as_str).map(str::trim);
    texts.filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// Whether a value holds text that an expression has yet to replace.
pub fn unresolved(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.contains("${"))
}

/// A value as people would write it: a text without quotes.
pub fn spelled(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A JSON pointer to a key below a pointer.
pub fn pointer(base: &str, key: &str) -> String {
    format!("{base}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Text cut at a character boundary, for messages.
pub fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_write_flags_and_numbers_as_text() {
        assert_eq!(flag(Some(&json!(" True "))), Some(true));
        assert_eq!(flag(Some(&json!(false))), Some(false));
        assert_eq!(flag(Some(&json!("maybe"))), None);
        assert_eq!(flag(None), None);
        assert_eq!(number(Some(&json!("420"))), Some(420.0));
        assert_eq!(number(Some(&json!(1.5))), Some(1.5));
        assert_eq!(number(Some(&json!([]))), None);
    }

    #[test]
    fn a_text_is_spelled_without_quotes() {
        assert_eq!((spelled(&json!("a b")).as_str(), spelled(&json!([1, "x"])).as_str()), ("a b", "[1,\"x\"]"));
    }

    #[test]
    fn blank_is_absent() {
        let map = object("{\"a\": \"  \", \"b\": \" x \", \"c\": [\"\", \"y\", 3]}").unwrap();
        assert_eq!(text(&map, "a"), None);
        assert_eq!(text(&map, "b"), Some("x"));
        assert_eq!(texts(map.get("c")), ["y"]);
    }

    #[test]
    fn params_that_are_no_object_are_refused() {
        assert_eq!(object("[]").unwrap_err().code, "params-invalid");
        assert_eq!(object("{").unwrap_err().code, "params-invalid");
    }

    #[test]
    fn pointers_escape_and_cuts_respect_characters() {
        assert_eq!(pointer("/a", "b/c~d"), "/a/b~1c~0d");
        assert_eq!(cut("应用程序", 3), "应用…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
