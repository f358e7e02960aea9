//! Whether the fields of an object are of the types that they must be, and how the decoder says it when one is not.

use super::quantity::number;
use super::report::text;
use super::schema::{Type, fields, go};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

const QUANTITY: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Nothing if the object can be decoded; otherwise the whole message of the refusal, which is a `BadRequest`.
pub(crate) fn decode(object: &Value) -> Result<(), String> {
    let (kind, version) = (text(object, "/kind"), text(object, "/apiVersion"));
    let version = version.rsplit('/').next().unwrap_or_default();
    structure(object, kind, "").map_err(|why| format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"))
}

fn structure(object: &Value, kind: &str, path: &str) -> Result<(), String> {
    for (name, value) in object.as_object().into_iter().flatten() {
        let Some((_, of)) = fields(kind).iter().find(|(field, _)| field == name) else { continue };
        // The handlers of a probe are in a structure of their own that has no name in JSON.
        let embedded = if kind == "Probe" && matches!(*of, Type::Struct(_)) { "ProbeHandler." } else { "" };
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{embedded}{name}") };
        field(value, *of, kind, &path)?;
    }
    Ok(())
}

fn field(value: &Value, of: Type, kind: &str, path: &str) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let wrong =
        |value: &Value, of: &str| Err(format!("json: cannot unmarshal {} into Go struct field {kind}.{path} of type {of}", got(value)));
    match of {
        Type::Struct(name) if value.is_object() => structure(value, name, path),
        Type::List(name) => match value.as_array() {
            Some(items) => items
                .iter()
                .filter(|item| !item.is_null())
                .try_for_each(|item| if item.is_object() { structure(item, name, path) } else { wrong(item, &format!("v1.{name}")) }),
            None => wrong(value, &format!("[]v1.{name}")),
        },
        Type::Texts => match value.as_array() {
            Some(items) => items.iter().try_for_each(|item| field(item, Type::Text, kind, path)),
            None => wrong(value, "[]string"),
        },
        Type::TextMap | Type::BytesMap | Type::QuantityMap => {
            let (inner, map) = match of {
                Type::TextMap => (Type::Text, "map[string]string"),
                Type::BytesMap => (Type::Bytes, "map[string][]uint8"),
                _ => (Type::Quantity, "v1.ResourceList"),
            };
            match value.as_object() {
                Some(values) => values.values().try_for_each(|value| field(value, inner, kind, path)),
                None => wrong(value, map),
            }
        }
        Type::Text | Type::Named(_) if value.is_string() => Ok(()),
        Type::Bool if value.is_boolean() => Ok(()),
        Type::IntOrText if value.is_string() => Ok(()),
        Type::Int32 | Type::Int64 | Type::IntOrText if value.is_number() => {
            let fits = value.as_i64().is_some_and(|number| matches!(of, Type::Int64) || i32::try_from(number).is_ok());
            let said = || format!("json: cannot unmarshal number {value} into Go struct field {kind}.{path} of type {}", go(of));
            if fits { Ok(()) } else { Err(said()) }
        }
        Type::Bytes if value.is_string() => base64_of(value.as_str().unwrap_or_default()),
        Type::Quantity => quantity(value),
        Type::Time if value.is_string() => time(value.as_str().unwrap_or_default()),
        _ => wrong(value, &go(of)),
    }
}

fn got(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn quantity(value: &Value) -> Result<(), String> {
    let fine = match value {
        Value::Number(_) => true,
        Value::String(text) => number(text).is_some(),
        _ => false,
    };
    if fine { Ok(()) } else { Err(QUANTITY.to_owned()) }
}

fn base64_of(text: &str) -> Result<(), String> {
    let text: String = text.chars().filter(|letter| !matches!(letter, '\n' | '\r')).collect();
    match STANDARD.decode(&text) {
        Ok(_) => Ok(()),
        Err(base64::DecodeError::InvalidByte(at, _)) => Err(format!("illegal base64 data at input byte {at}")),
        Err(_) => Err(format!("illegal base64 data at input byte {}", text.len() / 4 * 4)),
    }
}

fn time(text: &str) -> Result<(), String> {
    let said = || format!("parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as \"2006\"");
    text.parse::<Timestamp>().map(|_| ()).map_err(|_| said())
}
