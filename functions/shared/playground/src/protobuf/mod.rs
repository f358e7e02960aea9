//! Objects in the binary form of Kubernetes, which `kubectl create` and every typed client send: read into the JSON that the
//! rest works with. Nothing is ever answered in it; every client that sends it reads JSON too.
//!
//! `messages.txt` holds the numbers of the fields, one message a line, as Kubernetes publishes them; a test holds it against
//! the published files. A field is `number:name/type`. Types: `s` string, `n` number, `b` bool, `y` bytes, else a message;
//! `[` in front for a list, `{` for a map with strings as keys. A field whose name is `>` is part of what it stands in.

mod wire;

#[cfg(test)]
mod published;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::OnceLock;
use thiserror::Error;
use wire::{Fields, Wire};

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

const TABLE: &str = include_str!("messages.txt");
/// What every object begins with.
const PREFIX: &[u8] = b"k8s\0";
/// Messages inside each other; the deepest kind has some 15.
const DEPTH_MAX: u32 = 64;
/// Messages that in JSON are one list.
const LISTS: [&str; 2] = ["authentication.v1.ExtraValue", "authorization.v1.ExtraValue"];

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Text,
    Number,
    Bool,
    Bytes,
    Message(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Many {
    One,
    /// Its fields are those of what it stands in.
    Inside,
    List,
    Map,
}

#[derive(Debug)]
struct Field {
    number: u32,
    name: &'static str,
    many: Many,
    of: Of,
}

/// A message of the table, by its name.
fn fields(message: &str) -> Option<&'static [Field]> {
    static PARSED: OnceLock<HashMap<&'static str, Vec<Field>>> = OnceLock::new();
    let table = PARSED.get_or_init(|| TABLE.lines().filter_map(line).collect());
    table.get(message).map(Vec::as_slice)
}

fn line(line: &'static str) -> Option<(&'static str, Vec<Field>)> {
    let mut words = line.split(' ');
    Some((words.next()?, words.filter_map(field).collect()))
}

fn field(word: &'static str) -> Option<Field> {
    let (number, rest) = word.split_once(':')?;
    let (name, kind) = rest.split_once('/')?;
    let (many, kind) = match kind.split_at_checked(1) {
        Some(("[", kind)) => (Many::List, kind),
        Some(("{", kind)) => (Many::Map, kind),
        _ if name == ">" => (Many::Inside, kind),
        _ => (Many::One, kind),
    };
    let of = match kind {
        "s" => Of::Text,
        "n" => Of::Number,
        "b" => Of::Bool,
        "y" => Of::Bytes,
        message => Of::Message(message),
    };
    Some(Field { number: number.parse().ok()?, name, many, of })
}

/// Why an object cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Unread {
    /// The bytes are not what they should be.
    #[error("{0}")]
    Broken(String),
    /// It says of itself that it is something else.
    #[error("{why}")]
    Unknown { version: String, kind: String, why: String },
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

/// The message of a kind. Options and the like are the same in every group.
fn message_of(api_version: &str, kind: &str) -> Result<String, Unread> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("core", api_version));
    let package = group.split('.').next().unwrap_or_default();
    let names = [format!("{package}.{version}.{kind}"), format!("meta.v1.{kind}")];
    names.into_iter().find(|name| fields(name).is_some()).ok_or_else(|| Unread::Unknown {
        version: version.to_owned(),
        kind: kind.to_owned(),
        why: format!("no kind {kind:?} is registered for version {api_version:?}"),
    })
}

/// The JSON of an object in binary form. What it does not say of its kind is taken from what is expected.
pub(crate) fn json(body: &[u8], expected: (&str, &str)) -> Result<Value, Unread> {
    let envelope = match body.strip_prefix(PREFIX) {
        Some(&[]) => return Err("empty body".to_owned().into()),
        Some(envelope) => envelope,
        None if body.is_empty() => return Err("empty data".to_owned().into()),
        None => return Err("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]".to_owned().into()),
    };
    let (mut kind, mut raw) = (Map::new(), &[][..]);
    let mut read = Fields(envelope);
    while let Some(field) = read.next()? {
        match field {
            (1, Wire::Bytes(bytes)) => message("runtime.TypeMeta", bytes, &mut kind, 0)?,
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let said =
        |name: &str, expected: &str| kind.get(name).and_then(Value::as_str).filter(|said| !said.is_empty()).unwrap_or(expected).to_owned();
    let (api_version, kind) = (said("apiVersion", expected.0), said("kind", expected.1));
    let name = message_of(&api_version, &kind)?;
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    message(&name, raw, &mut object, 0)?;
    Ok(Value::Object(object))
}

/// Reads the fields of a message into an object.
fn message(name: &str, bytes: &[u8], into: &mut Map<String, Value>, depth: u32) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("exceeded max depth".to_owned());
    }
    let known = fields(name).unwrap_or_default();
    let mut read = Fields(bytes);
    while let Some((number, wire)) = read.next()? {
        // What nobody knows is passed over, as everywhere in this format.
        let Some(field) = known.iter().find(|field| field.number == number) else { continue };
        match (field.many, field.of, wire) {
            (Many::Inside, Of::Message(inner), Wire::Bytes(bytes)) => message(inner, bytes, into, depth + 1)?,
            (Many::One | Many::Inside, of, wire) => {
                let value = value(of, wire, depth)?;
                if !value.is_null() {
                    into.insert(field.name.to_owned(), value);
                }
            }
            (Many::List, of, wire) => {
                let value = value(of, wire, depth)?;
                if let Value::Array(list) = into.entry(field.name).or_insert_with(|| Value::Array(Vec::new())) {
                    list.push(value);
                }
            }
            (Many::Map, of, wire) => {
                let (key, value) = entry(of, wire, depth)?;
                if let Value::Object(map) = into.entry(field.name).or_insert_with(|| Value::Object(Map::new())) {
                    map.insert(key, value);
                }
            }
        }
    }
    Ok(())
}

/// A map is a list of messages of a key and a value; what is missing of them is empty.
fn entry(of: Of, wire: Wire<'_>, depth: u32) -> Result<(String, Value), String> {
    let Wire::Bytes(bytes) = wire else { return Err(wrong(wire)) };
    let (mut key, mut found) = (String::new(), None);
    let mut read = Fields(bytes);
    while let Some(field) = read.next()? {
        match field {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, wire) => found = Some(value(of, wire, depth)?),
            _ => {}
        }
    }
    match found {
        Some(found) => Ok((key, found)),
        None => Ok((key, value(of, Wire::Bytes(&[]), depth)?)),
    }
}

fn value(of: Of, wire: Wire<'_>, depth: u32) -> Result<Value, String> {
    match (of, wire) {
        (Of::Text, Wire::Bytes(bytes)) => text(bytes).map(Value::from),
        (Of::Bytes, Wire::Bytes(bytes)) => Ok(STANDARD.encode(bytes).into()),
        (Of::Message(name), Wire::Bytes(bytes)) => structure(name, bytes, depth + 1),
        (Of::Number, Wire::Number(number)) => Ok(number.cast_signed().into()),
        (Of::Bool, Wire::Number(number)) => Ok((number != 0).into()),
        (_, wire) => Err(wrong(wire)),
    }
}

fn wrong(wire: Wire<'_>) -> String {
    let wire = match wire {
        Wire::Number(_) => 0,
        Wire::Fixed => 1,
        Wire::Bytes(_) => 2,
    };
    format!("proto: wrong wireType = {wire}")
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a string is not UTF-8".to_owned())
}

/// A message as a value: some have a form of their own in JSON.
fn structure(name: &str, bytes: &[u8], depth: u32) -> Result<Value, String> {
    let mut object = Map::new();
    message(name, bytes, &mut object, depth)?;
    let mut taken = |name: &str| object.shift_remove(name);
    let number = |value: Option<Value>| value.and_then(|value| value.as_i64()).unwrap_or_default();
    Ok(match name {
        // Nothing at all is no time.
        "meta.v1.Time" | "meta.v1.MicroTime" if bytes.is_empty() => Value::Null,
        "meta.v1.Time" => time(number(taken("seconds")), 0)?.to_string().into(),
        "meta.v1.MicroTime" => {
            let nanos = i32::try_from(number(taken("nanos"))).unwrap_or_default();
            time(number(taken("seconds")), nanos)?.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into()
        }
        "resource.Quantity" => taken("string").unwrap_or_else(|| "0".into()),
        "intstr.IntOrString" if number(taken("type")) == 0 => number(taken("intVal")).into(),
        "intstr.IntOrString" => taken("strVal").unwrap_or_else(|| "".into()),
        "runtime.RawExtension" | "meta.v1.FieldsV1" => raw(bytes)?,
        list if LISTS.contains(&list) => taken("items").unwrap_or_else(|| Value::Array(Vec::new())),
        _ => Value::Object(object),
    })
}

fn time(seconds: i64, nanos: i32) -> Result<Timestamp, String> {
    Timestamp::new(seconds, nanos).map_err(|error| error.to_string())
}

/// JSON that is carried as it is.
fn raw(bytes: &[u8]) -> Result<Value, String> {
    let mut read = Fields(bytes);
    while let Some(field) = read.next()? {
        if let (1, Wire::Bytes(bytes)) = field {
            return serde_json::from_slice(bytes).map_err(|error| error.to_string());
        }
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const MAP: (&str, &str) = ("v1", "ConfigMap");

    /// A field of bytes.
    fn run(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    /// A field of a number below 128.
    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    /// An object that says nothing of its kind.
    fn envelope(raw: &[u8]) -> Vec<u8> {
        [PREFIX, &run(1, &[]), &run(2, raw)].concat()
    }

    fn value(message: &'static str, bytes: &[u8]) -> Result<Value, String> {
        structure(message, bytes, 0)
    }

    #[test]
    fn an_object_is_read_with_maps_lists_and_bytes() {
        let owner = [run(1, b"Deployment"), run(3, b"web"), number(6, 1)].concat();
        let metadata = [run(1, b"words"), run(11, &[run(1, b"app"), run(2, b"web")].concat()), run(13, &owner), run(13, &[])].concat();
        let raw = [
            run(1, &metadata),
            run(2, &[run(1, b"key"), run(2, b"value")].concat()),
            run(2, &run(1, b"empty")),
            run(3, &[run(1, b"raw"), run(2, &[0, 1])].concat()),
            number(4, 1),
            run(15, b"nobody knows this"),
        ];
        let wanted = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "words", "labels": {"app": "web"}, "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true}, {}]},
            "data": {"key": "value", "empty": ""}, "binaryData": {"raw": "AAE="}, "immutable": true,
        });
        assert_eq!(json(&envelope(&raw.concat()), MAP).unwrap(), wanted);
    }

    #[test]
    fn what_has_a_form_of_its_own_in_json_gets_it() {
        for (message, bytes, wanted) in [
            ("meta.v1.Time", vec![], Value::Null),
            ("meta.v1.Time", number(1, 60), json!("1970-01-01T00:01:00Z")),
            ("meta.v1.MicroTime", [number(1, 60), vec![2 << 3, 0x88, 0x27]].concat(), json!("1970-01-01T00:01:00.000005Z")),
            ("resource.Quantity", run(1, b"100m"), json!("100m")),
            ("intstr.IntOrString", number(2, 80), json!(80)),
            ("intstr.IntOrString", [number(1, 1), run(3, b"25%")].concat(), json!("25%")),
            ("meta.v1.FieldsV1", run(1, br#"{"f:data":{}}"#), json!({"f:data": {}})),
            ("runtime.RawExtension", vec![], Value::Null),
            ("authentication.v1.ExtraValue", [run(1, b"a"), run(1, b"b")].concat(), json!(["a", "b"])),
            ("core.v1.Volume", [run(1, b"v"), run(2, &run(2, &[]))].concat(), json!({"name": "v", "emptyDir": {}})),
        ] {
            assert_eq!(value(message, &bytes).unwrap(), wanted, "{message}");
        }
    }

    #[test]
    fn what_is_no_such_object_is_refused() {
        let kind = |kind: &[u8]| [PREFIX, &run(1, &[run(1, b"v1"), run(2, kind)].concat())].concat();
        for (body, wanted) in [
            (vec![], "empty data"),
            (PREFIX.to_vec(), "empty body"),
            (b"{}".to_vec(), "does not appear to be a protobuf message"),
            (envelope(&number(1, 1)), "wrong wireType = 0"),
            (envelope(&run(1, &run(1, &[0xff]))), "not UTF-8"),
            (envelope(&run(1, &[0x0a, 9])), "unexpected EOF"),
            (envelope(&run(2, &[0xff])), "unexpected EOF"),
            (kind(b"Thing"), "no kind \"Thing\" is registered for version \"v1\""),
        ] {
            assert!(json(&body, MAP).unwrap_err().to_string().contains(wanted), "{body:x?}");
        }
        assert!(value("meta.v1.Time", &[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).is_err());
        assert!(value("meta.v1.FieldsV1", &run(1, b"{")).is_err());
    }

    #[test]
    fn no_message_is_deeper_than_the_limit() {
        // No kind of the table can hold itself so often: the depth is given here.
        assert_eq!(message("core.v1.ConfigMap", &[], &mut Map::new(), DEPTH_MAX + 1).unwrap_err(), "exceeded max depth");
        assert!(message("core.v1.ConfigMap", &[], &mut Map::new(), DEPTH_MAX).is_ok());
    }

    #[test]
    fn every_message_that_is_named_is_there() {
        for line in TABLE.lines() {
            let name = line.split(' ').next().unwrap();
            for field in fields(name).unwrap() {
                assert!(!matches!(field.of, Of::Message(other) if fields(other).is_none()), "{name} {field:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn noise_is_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
            let raw = [run(1, b"x"), noise].concat();
            let mut body = envelope(&[]);
            body.truncate(body.len() - 2);
            body.extend([0x12, 0xac, 0x02]);
            body.extend(&raw);
            body.truncate(cut.max(5));
            for kind in [MAP, ("v1", "Pod"), ("apps/v1", "Deployment")] {
                let _read_or_refused = json(&body, kind);
                let _whole = message("core.v1.Pod", &raw, &mut Map::new(), 0);
            }
        }
    }
}
