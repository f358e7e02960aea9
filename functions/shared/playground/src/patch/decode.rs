//! What a JSON decoder into the kinds' Go types would refuse, in its words.

use serde_json::Value;

use super::schema::{self, Shape};

/// Why the value cannot be decoded as an object of the kind; nothing when it can.
pub(crate) fn undecodable(kind: (&str, &str), value: &Value) -> Option<String> {
    walk(value, schema::of(kind), "", "").or_else(|| {
        let bytes = match kind {
            ("v1", "Secret") => "data",
            ("v1", "ConfigMap") => "binaryData",
            _ => return None,
        };
        let at = value.get(bytes)?.as_object()?.values().filter_map(Value::as_str).find_map(not_base64)?;
        Some(format!("illegal base64 data at input byte {at}"))
    })
}

/// Where a text stops being base64.
fn not_base64(text: &str) -> Option<usize> {
    let text: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let end = text.trim_end_matches('=').len();
    let wrong = text.bytes().take(end).position(|byte| !byte.is_ascii_alphanumeric() && byte != b'+' && byte != b'/');
    wrong.or_else(|| (!text.len().is_multiple_of(4) || text.len() - end > 2).then_some(end))
}

fn walk(value: &Value, shape: &'static Shape, of: &str, path: &str) -> Option<String> {
    let given = match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match (shape, value) {
        (Shape::Any, _) | (Shape::Text, Value::String(_)) | (Shape::Number, Value::Number(_)) | (Shape::Bool, Value::Bool(_)) => None,
        (Shape::Scalar, Value::String(_) | Value::Number(_)) => None,
        (Shape::Struct { name, .. }, Value::Object(fields)) => fields.iter().find_map(|(key, value)| {
            let field = schema::type_of(name).field(key)?;
            walk(value, &field.shape, name, &join(path, key))
        }),
        (Shape::Map { item, .. }, Value::Object(fields)) => fields.values().find_map(|value| walk(value, item, of, path)),
        (Shape::List { item, .. }, Value::Array(items)) => items.iter().find_map(|value| walk(value, item, of, path)),
        _ => Some(format!("json: cannot unmarshal {given} into Go struct field {of}.{path} of type {}", go_type(shape))),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn go_type(shape: &Shape) -> String {
    match shape {
        Shape::Text => "string".to_owned(),
        Shape::Number => "int32".to_owned(),
        Shape::Bool => "bool".to_owned(),
        Shape::Scalar | Shape::Any => "interface {}".to_owned(),
        Shape::Struct { name, .. } => format!("v1.{name}"),
        Shape::Map { item, .. } => format!("map[string]{}", go_type(item)),
        Shape::List { item, .. } => format!("[]{}", go_type(item)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_decoder_names_the_field() {
        let map = |data: Value| undecodable(("v1", "ConfigMap"), &json!({"data": data}));
        assert_eq!(map(json!("x")).unwrap(), "json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string");
        assert_eq!(map(json!({"a": 1})).unwrap(), "json: cannot unmarshal number into Go struct field ConfigMap.data of type string");
        assert_eq!(map(json!({"a": "b", "c": null})), None);
        let secret = |text: &str| undecodable(("v1", "Secret"), &json!({"data": {"a": text}}));
        assert_eq!([secret("AAE="), secret("YQ=="), secret("")], [None, None, None]);
        assert_eq!(secret("%").unwrap(), "illegal base64 data at input byte 0");
        assert!(secret("AAE").is_some() && secret("AA=A").is_some());
        let replicas = undecodable(("apps/v1", "Deployment"), &json!({"spec": {"replicas": "1"}})).unwrap();
        assert_eq!(replicas, "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32");
        let containers = json!({"spec": {"template": {"spec": {"containers": [{"args": [1]}]}}}});
        let args = undecodable(("apps/v1", "Deployment"), &containers).unwrap();
        assert_eq!(args, "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.args of type string");
    }
}
