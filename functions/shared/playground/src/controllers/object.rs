//! Reading and building objects: fields, labels, owners, conditions, times, names. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Letters of generated names: no vowels, nothing that looks like another.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Writing into a value without minding whether all of its parts are there.
pub(super) trait Put {
    /// Sets a field; objects on the way to it are made. Where something else stands in the way, nothing happens.
    fn put<const DEPTH: usize>(&mut self, path: [&str; DEPTH], value: impl Into<Value>);
}

impl Put for Value {
    fn put<const DEPTH: usize>(&mut self, path: [&str; DEPTH], value: impl Into<Value>) {
        let mut place = self;
        for part in path {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let Some(fields) = place.as_object_mut() else { return };
            place = fields.entry(part).or_insert(Value::Null);
        }
        *place = value.into();
    }
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn integer(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// A count; nothing there is none.
pub(super) fn count(object: &Value, pointer: &str) -> i64 {
    integer(object, pointer).unwrap_or_default()
}

pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn name_of(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn namespace_of(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(super) fn uid_of(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(super) fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string)
}

pub(super) fn annotation<'a>(object: &'a Value, name: &str) -> &'a str {
    let annotations = object.pointer("/metadata/annotations");
    annotations.and_then(|annotations| annotations.get(name)).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn label<'a>(object: &'a Value, name: &str) -> &'a str {
    let labels = object.pointer("/metadata/labels");
    labels.and_then(|labels| labels.get(name)).and_then(Value::as_str).unwrap_or_default()
}

/// Sets an annotation; says whether it was another.
pub(super) fn annotate(object: &mut Value, name: &str, value: &str) -> bool {
    let changed = annotation(object, name) != value;
    if changed {
        object.put(["metadata", "annotations", name], json!(value));
    }
    changed
}

pub(super) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    items(object, "/metadata/finalizers").filter_map(Value::as_str)
}

pub(super) fn add_finalizer(object: &mut Value, name: &str) {
    if finalizers(object).any(|finalizer| finalizer == name) {
        return;
    }
    let all: Vec<String> = finalizers(object).map(str::to_owned).chain([name.to_owned()]).collect();
    object.put(["metadata", "finalizers"], json!(all));
}

/// Takes a finalizer away; the field goes with the last one.
pub(super) fn take_finalizer(object: &mut Value, name: &str) {
    let kept: Vec<String> = finalizers(object).filter(|finalizer| *finalizer != name).map(str::to_owned).collect();
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if kept.is_empty() {
        metadata.shift_remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(kept));
    }
}

/// The owner that controls an object.
pub(super) fn controller_of(object: &Value) -> Option<&Value> {
    items(object, "/metadata/ownerReferences").find(|owner| flag(owner, "/controller"))
}

pub(super) fn controlled_by(object: &Value, owner: &Value) -> bool {
    controller_of(object).is_some_and(|reference| text(reference, "/uid") == uid_of(owner))
}

/// A reference to an object as the controller of another.
pub(super) fn reference(owner: &Value) -> Value {
    json!({
        "apiVersion": text(owner, "/apiVersion"), "kind": text(owner, "/kind"), "name": name_of(owner), "uid": uid_of(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether a label selector (`matchLabels` and `matchExpressions`) takes these labels; one without any condition takes none.
pub(super) fn selects(selector: Option<&Value>, object: &Value) -> bool {
    let Some(selector) = selector else { return false };
    let empty = Map::new();
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object).unwrap_or(&empty);
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let conditions = items(selector, "/matchExpressions").count() + wanted.map_or(0, Map::len);
    conditions > 0
        && wanted.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && items(selector, "/matchExpressions").all(|expression| expression_holds(expression, labels))
}

/// One condition of a selector, or of a node affinity.
pub(super) fn expression_holds(expression: &Value, labels: &Map<String, Value>) -> bool {
    let value = labels.get(text(expression, "/key"));
    let named = |value: &Value| items(expression, "/values").any(|item| item == value);
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
    let bound = items(expression, "/values").next().and_then(number);
    match text(expression, "/operator") {
        "In" => value.is_some_and(named),
        "NotIn" => !value.is_some_and(named),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value > bound),
        "Lt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(object, "/status/conditions").find(|condition| text(condition, "/type") == kind)
}

pub(super) fn condition_is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == status)
}

/// Since when a pod is ready, Unix milliseconds.
pub(super) fn ready_since(pod: &Value) -> Option<u64> {
    let ready = condition(pod, "Ready").filter(|ready| text(ready, "/status") == "True")?;
    Some(milliseconds(text(ready, "/lastTransitionTime")))
}

/// A time as objects have it: whole seconds.
pub(super) fn time(at_ms: u64) -> String {
    let stamp = i64::try_from(at_ms / 1000).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    stamp.unwrap_or_default().to_string()
}

pub(super) fn milliseconds(time: &str) -> u64 {
    time.parse::<Timestamp>().ok().and_then(|stamp| u64::try_from(stamp.as_millisecond()).ok()).unwrap_or_default()
}

/// A number given plainly or in percent of a total.
pub(super) fn scaled(value: Option<&Value>, total: i64, up: bool) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or_default(),
        Some(Value::String(text)) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or_default();
            let product = percent.saturating_mul(total);
            if up { product.saturating_add(99) / 100 } else { product / 100 }
        }
        _ => 0,
    }
}

/// An object of the pairs whose value is not empty, as types with `omitempty` write it.
pub(super) fn without_empty(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Object(_) => false,
    };
    Value::Object(pairs.into_iter().filter(|(_, value)| !empty(value)).map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Whether the parts that controllers write to are objects, or not there.
pub(super) fn is_sound(object: &Value) -> bool {
    const PARTS: [&str; 10] = [
        "/metadata",
        "/metadata/labels",
        "/metadata/annotations",
        "/spec",
        "/status",
        "/spec/selector",
        "/spec/selector/matchLabels",
        "/spec/template",
        "/spec/template/metadata",
        "/spec/template/metadata/labels",
    ];
    let there = |part: &&str| object.pointer(part);
    object.is_object() && PARTS.iter().filter_map(there).all(|part| part.is_object() || part.is_null())
}

/// Letters that follow from a text.
pub(super) fn letters(seed: &str, length: usize) -> String {
    let digest = Sha256::digest(seed);
    digest
        .iter()
        .take(length)
        .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()))
        .map(|letter| char::from(*letter))
        .collect()
}

/// A number below `bound` that follows from a text.
pub(super) fn spread(seed: &str, bound: u64) -> u64 {
    let number = Sha256::digest(seed).iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number % bound.max(1)
}

/// The hash of a template in names and labels: FNV-1a of what it says, in the letters of names.
pub(super) fn template_hash(template: &Value, collisions: i64) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    let mut add = |text: &str| text.bytes().for_each(|byte| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    canonical(template, &mut add);
    if collisions > 0 {
        add(&collisions.to_string());
    }
    let letter = |digit: u8| LETTERS.get(usize::from(digit) % LETTERS.len()).map(|letter| char::from(*letter));
    hash.to_string().bytes().filter_map(letter).collect()
}

/// A value as text, the same whatever the order of its fields.
fn canonical(value: &Value, add: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            for (key, value) in fields {
                add(key);
                add("{");
                canonical(value, add);
                add("}");
            }
        }
        Value::Array(values) => values.iter().for_each(|value| {
            add("[");
            canonical(value, add);
        }),
        other => add(&other.to_string()),
    }
}

/// A pod of a template, owned by whoever makes it. Its name ends with letters of its own.
pub(super) fn pod_of(owner: &Value, template: &Value) -> Value {
    let mut metadata = json!({
        "generateName": format!("{}-", name_of(owner)), "namespace": namespace_of(owner), "ownerReferences": [reference(owner)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer(&format!("/metadata/{field}")) {
            metadata.put([field], value.clone());
        }
    }
    let spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}
