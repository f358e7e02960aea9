//! Bodies: an object in JSON, in YAML or in the binary form of Kubernetes, read into one and the same.

use super::Ask;
use super::status::Refusal;
use crate::protobuf::{self, Unread};
use serde_json::{Map, Value};

const MEDIA_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
/// Maps and lists inside each other.
const YAML_DEPTH_MAX: usize = 128;
/// Values of one text, names for them, and how often those are used.
const YAML_NODES_MAX: usize = 200_000;
const YAML_ALIASES_MAX: usize = 1_000;

/// Bytes of a body that a refusal quotes.
const QUOTED_BYTES_MAX: usize = 30;

/// The object of a body that may say nothing of its kind.
pub(crate) fn object(ask: &Ask, kind: (&str, &str)) -> Result<Value, Refusal> {
    let unread = |why: String| {
        let (kind, quoted) = (kind.1, quoted(&ask.body));
        Refusal::bad(format!("the object provided is unrecognized (must be of type {kind}): {why} ({quoted})"))
    };
    let no_object = |why: &str| unread(format!("couldn't get version/kind; json parse error: {why}"));
    let value = match ask.content_type.as_str() {
        "" | "application/json" | "*/*" => serde_json::from_slice(&ask.body).map_err(|error| no_object(&error.to_string()))?,
        "application/yaml" => yaml(&ask.body).map_err(|why| unread(format!("yaml: {why}")))?,
        protobuf::MEDIA_TYPE => protobuf::json(&ask.body, kind).map_err(|why| match why {
            Unread::Broken(why) => unread(why),
            Unread::Unknown { version, kind: said, why } => {
                Refusal::bad(format!("{said} in version {version:?} cannot be handled as a {}: {why}", kind.1))
            }
        })?,
        _ => return Err(Refusal::unsupported(MEDIA_TYPES)),
    };
    match value {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(_) => Ok(value),
        _ => Err(no_object("it is no object")),
    }
}

/// The beginning of a body that cannot be read.
fn quoted(body: &[u8]) -> String {
    let (head, more) = body.split_at_checked(QUOTED_BYTES_MAX).unwrap_or((body, &[]));
    let head = match head.first() {
        None => return "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(head).into_owned(),
        Some(_) => hex::encode(head),
    };
    if more.is_empty() { head } else { format!("{head} ...") }
}

/// What is applied: an object in YAML.
pub(crate) fn applied(ask: &Ask) -> Result<Value, Refusal> {
    let wrong = |why: String| Refusal::bad(format!("error decoding YAML: {why}"));
    let value = yaml(&ask.body).map_err(|why| wrong(format!("error converting YAML to JSON: yaml: {why}")))?;
    let kind = match value {
        Value::Object(_) | Value::Null => return Ok(value),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
    };
    let why = format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}");
    Err(wrong(format!("error unmarshaling JSON: while decoding JSON: {why}")))
}

/// YAML as JSON; JSON is YAML too, and quicker to read.
pub(crate) fn yaml(text: &[u8]) -> Result<Value, String> {
    if let Ok(value) = serde_json::from_slice(text) {
        return Ok(value);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: YAML_DEPTH_MAX,
            flow_nesting_limit: YAML_DEPTH_MAX,
            max_nodes: YAML_NODES_MAX,
            max_aliases: YAML_ALIASES_MAX,
            max_anchors: YAML_ALIASES_MAX,
        },
    };
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.without_snippet().to_string())
}
