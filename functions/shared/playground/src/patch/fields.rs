//! Sets of fields, as `fieldsV1` writes them: a tree of path elements, each a member itself or the parent of members.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::schema::Shape;

/// A scalar as part of a path; numbers come before texts, as the API server sorts them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scalar {
    Float(String),
    Int(i64),
    Text(String),
    Bool(bool),
    Null,
}

impl Scalar {
    /// Nothing for maps and lists.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(bool) => Some(Self::Bool(*bool)),
            Value::Number(number) => Some(number.as_i64().map_or_else(|| Self::Float(number.to_string()), Self::Int)),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Float(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Self::Int(number) => Value::from(*number),
            Self::Text(text) => Value::from(text.as_str()),
            Self::Bool(bool) => Value::from(*bool),
            Self::Null => Value::Null,
        }
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    Field(String),
    /// The item of a list with these values in its key fields, which are sorted.
    Key(Vec<(String, Scalar)>),
    /// The item of a set.
    Value(Scalar),
    Index(i64),
}

impl Element {
    fn write(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let fields: Map<String, Value> = keys.iter().map(|(key, value)| (key.clone(), value.json())).collect();
                format!("k:{}", Value::Object(fields))
            }
            Self::Value(value) => format!("v:{}", value.json()),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "v" => Some(Self::Value(Scalar::of(&serde_json::from_str(rest).ok()?)?)),
            "i" => Some(Self::Index(rest.parse().ok()?)),
            "k" => {
                let fields: Map<String, Value> = serde_json::from_str(rest).ok()?;
                let mut keys = fields.into_iter().map(|(key, value)| Some((key, Scalar::of(&value)?))).collect::<Option<Vec<_>>>()?;
                keys.sort();
                Some(Self::Key(keys))
            }
            _ => None,
        }
    }
}

/// As the API server prints a path: `.spec.containers[name="main"].image`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={}", value.json())).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value.json()),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A set of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) members: BTreeSet<Element>,
    pub(super) children: BTreeMap<Element, Set>,
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    pub(super) fn insert(&mut self, path: &[Element]) {
        match path {
            // Nobody owns the whole object.
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.members.extend(other.members.iter().cloned());
        for (element, theirs) in &other.children {
            let child = union.children.entry(element.clone()).or_default();
            *child = child.union(theirs);
        }
        union
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(element, mine)| {
            let both = mine.intersection(other.children.get(element)?);
            (!both.is_empty()).then(|| (element.clone(), both))
        });
        Self { members: self.members.intersection(&other.members).cloned().collect(), children: children.collect() }
    }

    /// Without the members of the other; what lies below a member of the other stays.
    pub(super) fn difference(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(element, mine)| {
            let rest = other.children.get(element).map_or_else(|| mine.clone(), |theirs| mine.difference(theirs));
            (!rest.is_empty()).then(|| (element.clone(), rest))
        });
        Self { members: self.members.difference(&other.members).cloned().collect(), children: children.collect() }
    }

    /// Without the members of the other, and without what lies below them.
    pub(super) fn difference_below(&self, other: &Self) -> Self {
        let children = self.children.iter().filter(|(element, _)| !other.members.contains(element)).filter_map(|(element, mine)| {
            let rest = other.children.get(element).map_or_else(|| mine.clone(), |theirs| mine.difference_below(theirs));
            (!rest.is_empty()).then(|| (element.clone(), rest))
        });
        Self { members: self.members.difference(&other.members).cloned().collect(), children: children.collect() }
    }

    /// With every field by name that has members below it.
    pub(super) fn with_named(&self, shape: &'static Shape) -> Self {
        let mut members = self.members.clone();
        members.extend(self.children.keys().filter(|element| matches!(element, Element::Field(name) if shape.names(name))).cloned());
        let below = |element: &Element| match element {
            Element::Field(name) => shape.child(name),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => shape.item(),
        };
        let children = self.children.iter().map(|(element, child)| (element.clone(), child.with_named(below(element))));
        Self { members, children: children.collect() }
    }

    /// Every member's path.
    pub(super) fn paths(&self) -> Vec<Vec<Element>> {
        let mut paths: Vec<_> = self.members.iter().map(|member| vec![member.clone()]).collect();
        for (element, child) in &self.children {
            paths.extend(child.paths().into_iter().map(|path| [vec![element.clone()], path].concat()));
        }
        paths
    }

    /// As `fieldsV1`.
    pub(super) fn write(&self) -> Value {
        let elements: BTreeSet<&Element> = self.members.iter().chain(self.children.keys()).collect();
        let mut fields = Map::new();
        for element in elements {
            let mut below = Map::new();
            if let Some(child) = self.children.get(element) {
                if self.members.contains(element) {
                    below.insert(".".to_owned(), Value::Object(Map::new()));
                }
                if let Value::Object(children) = child.write() {
                    below.extend(children);
                }
            }
            fields.insert(element.write(), Value::Object(below));
        }
        Value::Object(fields)
    }

    /// From `fieldsV1`; nothing when it is not that.
    pub(super) fn read(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (key, below) in fields.as_object()? {
            if key == "." {
                continue;
            }
            let element = Element::read(key)?;
            let below_fields = below.as_object()?;
            if below_fields.is_empty() || below_fields.contains_key(".") {
                set.members.insert(element.clone());
            }
            let child = Self::read(below)?;
            if !child.is_empty() {
                set.children.insert(element, child);
            }
        }
        Some(set)
    }
}

/// A path as the API server prints it.
pub(super) fn print(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(fields: &Value) -> Set {
        Set::read(fields).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {"v:\"a\"": {}}},
            "f:spec": {"f:containers": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}, "f:list": {"i:0": {}}}});
        assert_eq!(set(&fields).write(), fields);
        for bad in [json!({"spec": {}}), json!({"x:a": {}}), json!({"f:a": 1}), json!([]), json!({"k:[]": {}}), json!({"i:x": {}})] {
            assert_eq!(Set::read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn paths_are_printed_as_the_server_prints_them() {
        let fields =
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {"f:image": {}}}, "f:set": {"v:\"x\"": {}}, "f:i": {"i:1": {}}}});
        let paths: Vec<String> = set(&fields).paths().iter().map(|path| print(path)).collect();
        assert_eq!(paths, [".spec.containers[name=\"main\"].image", ".spec.i[1]", ".spec.set[=\"x\"]"]);
    }

    #[test]
    fn sets_are_added_and_taken_away() {
        let (a, b) = (set(&json!({"f:a": {".": {}, "f:x": {}, "f:y": {}}})), set(&json!({"f:a": {".": {}, "f:y": {}, "f:z": {}}})));
        assert_eq!(a.union(&b).write(), json!({"f:a": {".": {}, "f:x": {}, "f:y": {}, "f:z": {}}}));
        assert_eq!(a.intersection(&b).write(), json!({"f:a": {".": {}, "f:y": {}}}));
        assert_eq!(a.difference(&b).write(), json!({"f:a": {"f:x": {}}}));
        assert!(a.difference_below(&set(&json!({"f:a": {}}))).is_empty());
        assert_eq!(a.difference(&set(&json!({"f:a": {}}))).write(), json!({"f:a": {"f:x": {}, "f:y": {}}}));
    }
}
