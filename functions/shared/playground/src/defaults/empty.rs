//! What the API server's types leave out when it is empty: nulls, empty lists and maps, zeros and empty strings of fields
//! that are not pointers. Without it an object sent with them would differ from the one that comes back.

use serde_json::Value;

/// Maps that are left out when they are empty; objects of other names (`emptyDir`, `securityContext`) say something so.
const MAPS: [&str; 11] = [
    "labels",
    "annotations",
    "nodeSelector",
    "matchLabels",
    "data",
    "binaryData",
    "stringData",
    "limits",
    "requests",
    "parameters",
    "overhead",
];
/// Booleans that are left out when they are false.
const FALSE: [&str; 10] =
    ["hostNetwork", "hostPID", "hostIPC", "paused", "readOnly", "stdin", "stdinOnce", "tty", "publishNotReadyAddresses", "hostUsers"];
/// Numbers that are left out when they are zero.
const ZERO: [&str; 10] = [
    "minReadySeconds",
    "hostPort",
    "nodePort",
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
    "healthCheckNodePort",
    "observedGeneration",
];
/// Strings that say something when they are empty.
const TEXT: [&str; 5] = ["apiVersion", "kind", "serviceName", "service", "fieldsV1"];

/// Drops what is empty all over an object of a known kind.
pub(super) fn drop(object: &mut Value, kind: &str) {
    let Some(top) = object.as_object_mut() else { return };
    for (field, value) in top.iter_mut() {
        match field.as_str() {
            // Keys and values of these are the user's own.
            "data" | "binaryData" | "stringData" => nulls(value),
            // A status is written by controllers alone.
            "status" => {}
            _ => within(value, kind),
        }
    }
    top.retain(|field, value| keeps(field, value, kind));
}

/// The metadata of a kind that is not known.
pub(super) fn metadata(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata") {
        within(metadata, "");
    }
}

fn nulls(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
}

fn within(value: &mut Value, kind: &str) {
    match value {
        Value::Object(map) => {
            for (field, value) in map.iter_mut() {
                match field.as_str() {
                    "labels" | "annotations" | "matchLabels" | "nodeSelector" => nulls(value),
                    "fieldsV1" | "managedFields" => {}
                    _ => within(value, kind),
                }
            }
            map.retain(|field, value| keeps(field, value, kind));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| within(item, kind)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn keeps(field: &str, value: &Value, kind: &str) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty() || field == "rules",
        Value::Object(map) if map.is_empty() => !(MAPS.contains(&field) || (field == "selector" && kind == "Service")),
        Value::Bool(false) => !FALSE.contains(&field),
        Value::Number(number) if number.as_i64() == Some(0) => !ZERO.contains(&field),
        Value::String(text) if text.is_empty() => TEXT.contains(&field) || field == "type" && kind == "Pod",
        Value::Object(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
