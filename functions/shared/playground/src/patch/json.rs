//! JSON patch (RFC 6902), with the liberties of the API server's library: a replace of a member that is not there adds
//! it, a test of one that is not there passes for null, and negative indices count from the end.

use serde_json::{Map, Value};

use super::PatchError;

/// Most operations of one patch.
const OPERATIONS_MAX: usize = 10_000;
/// Most bytes that the copies of one patch may add.
const COPIED_BYTES_MAX: usize = 3 << 20;

/// An operation that does not apply. The API server does not tell which.
struct DoesNotApply;

type Done = Result<(), DoesNotApply>;

/// Applies the operations in turn; after an error the target is as it was.
///
/// # Errors
/// [`PatchError`], with the code of the API server.
pub(crate) fn json(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let bad = |value: &Value, of: &str| {
        PatchError::BadRequest(format!("error decoding patch: json: cannot unmarshal {} into Go value of type {of}", json_type(value)))
    };
    let operations = match patch {
        Value::Array(operations) => operations.as_slice(),
        Value::Null => &[],
        other => return Err(bad(other, "[]handlers.jsonPatchOp")),
    };
    if let Some(wrong) = operations.iter().find(|operation| !operation.is_object() && !operation.is_null()) {
        return Err(bad(wrong, "handlers.jsonPatchOp"));
    }
    if operations.len() > OPERATIONS_MAX {
        let count = operations.len();
        return Err(PatchError::TooLarge(format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {count}"
        )));
    }
    let mut patched = target.clone();
    let mut copied_bytes = 0;
    for operation in operations {
        step(&mut patched, operation, &mut copied_bytes).map_err(|DoesNotApply| PatchError::Unprocessable)?;
    }
    *target = patched;
    Ok(())
}

const fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn step(document: &mut Value, operation: &Value, copied_bytes: &mut usize) -> Done {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).ok_or(DoesNotApply);
    let value = operation.get("value").cloned().unwrap_or_default();
    match text("op")? {
        "add" => add(document, text("path")?, value),
        "remove" => remove(document, text("path")?).map(|_| ()),
        "replace" => replace(document, text("path")?, value),
        "move" => {
            let moved = remove(document, text("from")?)?;
            add(document, text("path")?, moved)
        }
        "copy" => {
            let copied = get(document, text("from")?)?.cloned().unwrap_or_default();
            *copied_bytes += copied.to_string().len();
            if *copied_bytes > COPIED_BYTES_MAX {
                return Err(DoesNotApply);
            }
            add(document, text("path")?, copied)
        }
        "test" => {
            let path = text("path")?;
            let present = if path.is_empty() { Some(&*document) } else { get(document, path)? };
            if present.unwrap_or(&Value::Null) == &value { Ok(()) } else { Err(DoesNotApply) }
        }
        _ => Err(DoesNotApply),
    }
}

/// The keys on the way to the container, and the last one.
fn split(path: &str) -> Result<(Vec<String>, String), DoesNotApply> {
    let mut keys: Vec<String> = path.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    let last = keys.pop().ok_or(DoesNotApply)?;
    Ok((keys, last))
}

fn index(key: &str, len: usize) -> Result<usize, DoesNotApply> {
    let index: i64 = key.parse().map_err(|_| DoesNotApply)?;
    let index = if index < 0 { index + i64::try_from(len).unwrap_or(i64::MAX) } else { index };
    usize::try_from(index).map_err(|_| DoesNotApply)
}

fn child<'a>(container: &'a Value, key: &str) -> Result<Option<&'a Value>, DoesNotApply> {
    match container {
        Value::Object(fields) => Ok(fields.get(key)),
        Value::Array(items) => items.get(index(key, items.len())?).map(Some).ok_or(DoesNotApply),
        _ => Err(DoesNotApply),
    }
}

fn get<'a>(document: &'a Value, path: &str) -> Result<Option<&'a Value>, DoesNotApply> {
    let (way, last) = split(path)?;
    let container = way.iter().try_fold(document, |container, key| child(container, key)?.ok_or(DoesNotApply))?;
    child(container, &last)
}

fn container<'a>(document: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), DoesNotApply> {
    let (way, last) = split(path)?;
    let mut at = document;
    for key in &way {
        at = match at {
            Value::Object(fields) => fields.get_mut(key).ok_or(DoesNotApply)?,
            Value::Array(items) => {
                let index = index(key, items.len())?;
                items.get_mut(index).ok_or(DoesNotApply)?
            }
            _ => return Err(DoesNotApply),
        };
    }
    Ok((at, last))
}

fn add(document: &mut Value, path: &str, value: Value) -> Done {
    match container(document, path)? {
        (Value::Object(fields), key) => {
            fields.insert(key, value);
            Ok(())
        }
        (Value::Array(items), key) => {
            let at = if key == "-" { items.len() } else { index(&key, items.len() + 1)? };
            if at > items.len() {
                return Err(DoesNotApply);
            }
            items.insert(at, value);
            Ok(())
        }
        _ => Err(DoesNotApply),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value, DoesNotApply> {
    match container(document, path)? {
        (Value::Object(fields), key) => fields.shift_remove(&key).ok_or(DoesNotApply),
        (Value::Array(items), key) => {
            let at = index(&key, items.len())?;
            if at < items.len() { Ok(items.remove(at)) } else { Err(DoesNotApply) }
        }
        _ => Err(DoesNotApply),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Done {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err(DoesNotApply);
        }
        *document = value;
        return Ok(());
    }
    match container(document, path)? {
        (Value::Object(fields), key) => set(fields, key, value),
        (Value::Array(items), key) => {
            let at = index(&key, items.len())?;
            *items.get_mut(at).ok_or(DoesNotApply)? = value;
        }
        _ => return Err(DoesNotApply),
    }
    Ok(())
}

fn set(fields: &mut Map<String, Value>, key: String, value: Value) {
    fields.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    fn patched(target: &Value, patch: &Value) -> Result<Value, PatchError> {
        let mut target = target.clone();
        json(&mut target, patch).map(|()| target)
    }

    #[test]
    fn the_examples_of_the_standard() {
        let cases = [
            (value!({"foo": "bar"}), value!([{"op": "add", "path": "/baz", "value": "qux"}]), value!({"foo": "bar", "baz": "qux"})),
            (
                value!({"foo": ["bar", "baz"]}),
                value!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
                value!({"foo": ["bar", "qux", "baz"]}),
            ),
            (value!({"baz": 1, "foo": 2}), value!([{"op": "remove", "path": "/baz"}]), value!({"foo": 2})),
            (value!({"foo": [1, 2, 3]}), value!([{"op": "remove", "path": "/foo/1"}]), value!({"foo": [1, 3]})),
            (value!({"baz": 1}), value!([{"op": "replace", "path": "/baz", "value": 2}]), value!({"baz": 2})),
            (value!({"a": {"b": 1}, "c": {}}), value!([{"op": "move", "from": "/a/b", "path": "/c/d"}]), value!({"a": {}, "c": {"d": 1}})),
            (value!({"foo": [1, 2, 3]}), value!([{"op": "move", "from": "/foo/0", "path": "/foo/2"}]), value!({"foo": [2, 3, 1]})),
            (value!({"foo": [1]}), value!([{"op": "add", "path": "/foo/-", "value": [2]}]), value!({"foo": [1, [2]]})),
            (value!({"a~b/c": 1}), value!([{"op": "test", "path": "/a~0b~1c", "value": 1}]), value!({"a~b/c": 1})),
            (value!({"a": [1]}), value!([{"op": "copy", "from": "/a", "path": "/b"}]), value!({"a": [1], "b": [1]})),
            (value!({"a": 1}), value!([{"op": "replace", "path": "", "value": {"b": 2}}]), value!({"b": 2})),
        ];
        for (target, patch, wanted) in cases {
            assert_eq!(patched(&target, &patch), Ok(wanted), "{patch}");
        }
    }

    #[test]
    fn liberties_of_the_servers_library() {
        let target = value!({"list": [1, 2, 3]});
        assert_eq!(patched(&target, &value!([{"op": "replace", "path": "/new", "value": 1}])).unwrap()["new"], 1);
        assert_eq!(patched(&target, &value!([{"op": "remove", "path": "/list/-1"}])).unwrap()["list"], value!([1, 2]));
        assert!(patched(&target, &value!([{"op": "test", "path": "/gone", "value": null}])).is_ok());
        assert!(patched(&target, &value!(null)).is_ok());
    }

    #[test]
    fn what_does_not_apply_changes_nothing() {
        let target = value!({"a": 1, "list": [1]});
        for operation in [
            value!({"op": "remove", "path": "/b"}),
            value!({"op": "add", "path": "/b/c", "value": 1}),
            value!({"op": "add", "path": "/list/5", "value": 1}),
            value!({"op": "remove", "path": "/list/1"}),
            value!({"op": "test", "path": "/a", "value": 2}),
            value!({"op": "add", "path": "", "value": {}}),
            value!({"op": "replace", "path": "", "value": 1}),
            value!({"op": "move", "from": "/b", "path": "/c"}),
            value!({"op": "copy", "from": "/list/x", "path": "/c"}),
            value!({"op": "frobnicate", "path": "/a"}),
            value!({"path": "/a"}),
            value!({"op": "add"}),
        ] {
            let mut object = target.clone();
            let patch = value!([{"op": "add", "path": "/first", "value": 1}, operation]);
            assert_eq!(json(&mut object, &patch), Err(PatchError::Unprocessable), "{patch}");
            assert_eq!(object, target);
        }
        let error = patched(&target, &value!({})).unwrap_err();
        assert_eq!(error.to_string(), "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp");
        let error = patched(&target, &value!(["x"])).unwrap_err();
        assert_eq!(error.to_string(), "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp");
    }

    #[test]
    fn patches_are_bounded() {
        let many = Value::Array(vec![value!({"op": "test", "path": "/a", "value": 1}); OPERATIONS_MAX + 1]);
        let error = patched(&value!({"a": 1}), &many).unwrap_err();
        assert_eq!(error.status(), (413, "RequestEntityTooLarge"));
        let big = value!({"a": "x".repeat(1 << 20)});
        let copies = Value::Array((0..4).map(|n| value!({"op": "copy", "from": "/a", "path": format!("/b{n}")})).collect());
        assert_eq!(patched(&big, &copies), Err(PatchError::Unprocessable));
    }
}
