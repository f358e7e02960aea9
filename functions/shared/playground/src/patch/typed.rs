//! Values read by their shape: which fields a value has, what differs between two, one merged into another, fields taken
//! out, what does not fit, and the form in which the API server writes an object.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

use super::fields::{Element, Scalar, Set};
use super::schema::{self, Keyed, Presence, Shape};

/// A value that cannot be read by its shape, with the path and the words of the API server.
pub(super) type Misfit = String;

/// What one object has that another has not.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

/// The element that stands for an item of a list that is not a whole.
pub(super) fn element(keyed: &Keyed, item: &Value) -> Result<Element, Misfit> {
    match keyed {
        Keyed::Set | Keyed::Whole => match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            scalar => Ok(Element::Value(Scalar::of(scalar).unwrap_or(Scalar::Null))),
        },
        Keyed::By(keys) => {
            let fields = match item {
                Value::Object(fields) => fields,
                Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
                _ => return Err("associative list with keys may not have non-map elements".to_owned()),
            };
            let mut found: Vec<(String, Scalar)> = Vec::new();
            for (key, default) in keys {
                let value = match fields.get(*key) {
                    Some(value) => Scalar::of(value).unwrap_or(Scalar::Null),
                    None if key.to_ascii_lowercase().ends_with("port") => Scalar::Int(0),
                    None => Scalar::Text(default.unwrap_or_default().to_owned()),
                };
                found.push(((*key).to_owned(), value));
            }
            found.sort();
            Ok(Element::Key(found))
        }
    }
}

/// How a value is walked.
enum Form<'a> {
    Leaf,
    Map(&'a Map<String, Value>),
    List(&'a [Value], &'static Keyed),
}

fn form<'a>(value: &'a Value, shape: &'static Shape) -> Form<'a> {
    match (value, shape) {
        (Value::Object(_), shape) if shape.whole() => Form::Leaf,
        (Value::Object(fields), Shape::Struct { .. } | Shape::Map { .. } | Shape::Any) => Form::Map(fields),
        (Value::Array(items), Shape::List { keyed: keyed @ (Keyed::Set | Keyed::By(_)), .. }) => Form::List(items, keyed),
        _ => Form::Leaf,
    }
}

/// Every field of a value that is applied.
pub(super) fn fields(value: &Value, shape: &'static Shape) -> Set {
    let mut set = Set::default();
    match form(value, shape) {
        Form::Leaf => {}
        Form::Map(fields_of) => {
            for (key, value) in fields_of {
                let (element, below) = (Element::Field(key.clone()), shape.child(key));
                let leaf = matches!(form(value, below), Form::Leaf);
                let empty = value.as_object().is_some_and(Map::is_empty) || value.is_null();
                if leaf || empty || !shape.names(key) {
                    set.members.insert(element.clone());
                }
                add_child(&mut set, element, fields(value, below));
            }
        }
        Form::List(items, keyed) => {
            for item in items {
                let Ok(element) = element(keyed, item) else { continue };
                let twice = !set.members.insert(element.clone());
                if twice {
                    set.children.remove(&element);
                } else {
                    add_child(&mut set, element, fields(item, shape.item()));
                }
            }
        }
    }
    set
}

fn add_child(set: &mut Set, element: Element, child: Set) {
    if !child.is_empty() {
        set.children.insert(element, child);
    }
}

/// What of a value on its own is a leaf, seen with its counterpart: two empty ones are compared as they are.
fn both_leaf(left: Option<&Value>, right: Option<&Value>, shape: &'static Shape) -> bool {
    let hollow = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    let leaf = |value: Option<&Value>| value.is_some_and(|value| !value.is_null() && matches!(form(value, shape), Form::Leaf));
    (hollow(left) && hollow(right)) || leaf(left) || leaf(right)
}

/// What differs.
pub(super) fn compare(left: &Value, right: &Value, shape: &'static Shape) -> Comparison {
    let mut comparison = Comparison::default();
    compare_at(Some(left), Some(right), shape, &mut Vec::new(), &mut comparison);
    comparison
}

fn compare_at(left: Option<&Value>, right: Option<&Value>, shape: &'static Shape, path: &mut Vec<Element>, out: &mut Comparison) {
    if both_leaf(left, right, shape) {
        match (left, right) {
            (None, _) => out.added.insert(path),
            (_, None) => out.removed.insert(path),
            (Some(left), Some(right)) if left != right => out.modified.insert(path),
            _ => {}
        }
        return;
    }
    let mut at = |element: Element, left: Option<&Value>, right: Option<&Value>, shape: &'static Shape| {
        path.push(element);
        compare_at(left, right, shape, path, out);
        path.pop();
    };
    let as_list = |value: Option<&Value>| value.is_some_and(Value::is_array);
    if let (Shape::List { keyed, .. }, true) = (shape, as_list(left) || as_list(right)) {
        let (lefts, rights) = (by_element(left, keyed), by_element(right, keyed));
        let all: BTreeSet<&Element> = lefts.iter().chain(&rights).map(|(element, _)| element).collect();
        for element in all {
            let of = |items: &[(Element, &Value)]| {
                items.iter().filter(|(found, _)| found == element).map(|(_, value)| (*value).clone()).collect::<Vec<_>>()
            };
            match (of(&lefts).as_slice(), of(&rights).as_slice()) {
                ([], right) => at(element.clone(), None, right.first(), shape.item()),
                (left, []) => at(element.clone(), left.first(), None, shape.item()),
                ([left], [right]) => at(element.clone(), Some(left), Some(right), shape.item()),
                // Duplicates are one value.
                (left, right) => {
                    let (left, right) = (Value::from(left.to_vec()), Value::from(right.to_vec()));
                    at(element.clone(), Some(&left), Some(&right), &Shape::Scalar);
                }
            }
        }
    } else {
        let field = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
        let (lefts, rights) = (field(left), field(right));
        for (key, value) in &lefts {
            at(Element::Field(key.clone()), Some(value), rights.get(key), shape.child(key));
        }
        for (key, value) in rights.iter().filter(|(key, _)| !lefts.contains_key(*key)) {
            at(Element::Field(key.clone()), None, Some(value), shape.child(key));
        }
    }
    if left.is_none() {
        out.added.insert(path);
    } else if right.is_none() {
        out.removed.insert(path);
    }
}

fn by_element<'a>(list: Option<&'a Value>, keyed: &Keyed) -> Vec<(Element, &'a Value)> {
    let items = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| Some((element(keyed, item).ok()?, item))).collect()
}

/// The right merged into the left; the right wins. Items of lists keep the order of the right, and of the left where the
/// right says nothing.
pub(super) fn merge(left: Option<&Value>, right: Option<&Value>, shape: &'static Shape) -> Option<Value> {
    if both_leaf(left, right, shape) {
        return right.or(left).cloned();
    }
    let (Some(left), Some(right)) = (left, right) else { return right.or(left).cloned() };
    match (left, right) {
        (Value::Object(lefts), Value::Object(rights)) => {
            let mut merged = Map::new();
            for (key, value) in lefts {
                merged.extend(merge(Some(value), rights.get(key), shape.child(key)).map(|value| (key.clone(), value)));
            }
            for (key, value) in rights.iter().filter(|(key, _)| !lefts.contains_key(*key)) {
                merged.insert(key.clone(), value.clone());
            }
            Some(Value::Object(merged))
        }
        (Value::Array(_), Value::Array(_)) => match shape {
            Shape::List { keyed, .. } => {
                Some(Value::Array(merge_lists(&by_element(Some(left), keyed), &by_element(Some(right), keyed), shape)))
            }
            _ => Some(right.clone()),
        },
        (_, Value::Null) => Some(left.clone()),
        _ => Some(right.clone()),
    }
}

fn merge_lists(lefts: &[(Element, &Value)], rights: &[(Element, &Value)], shape: &'static Shape) -> Vec<Value> {
    let once = |items: &[(Element, &Value)], element: &Element| items.iter().filter(|(found, _)| found == element).count() == 1;
    let in_left = |element: &Element| lefts.iter().find(|(found, _)| found == element && once(lefts, element)).map(|(_, value)| *value);
    let has = |items: &[(Element, &Value)], element: &Element| items.iter().any(|(found, _)| found == element);
    let mut shared = rights.iter().map(|(element, _)| element).filter(|element| has(lefts, element));
    let mut next_shared = shared.next();
    let mut done: BTreeSet<&Element> = BTreeSet::new();
    let (mut out, mut l, mut r) = (Vec::new(), 0, 0);
    while l < lefts.len() || r < rights.len() {
        if let (Some((left, _)), Some((right, value))) = (lefts.get(l), rights.get(r)) {
            if left == right {
                done.insert(left);
                out.extend(merge(in_left(left), Some(value), shape.item()));
                (l, r, next_shared) = (l + 1, r + 1, shared.next());
                continue;
            }
            if has(rights, left) && next_shared.is_some_and(|next| next != left) {
                l += 1;
                continue;
            }
        }
        if let Some((left, value)) = lefts.get(l) {
            if !has(rights, left) {
                out.push((*value).clone());
                l += 1;
                continue;
            }
            if done.contains(left) {
                l += 1;
            }
        }
        if let Some((right, value)) = rights.get(r) {
            done.insert(right);
            out.extend(merge(in_left(right), Some(value), shape.item()));
            r += 1;
            if next_shared == Some(right) {
                next_shared = shared.next();
            }
        }
    }
    out
}

/// The value without those fields. What is left empty is null, as if it had not been there.
pub(super) fn remove(value: &Value, away: &Set, shape: &'static Shape) -> Value {
    match form(value, shape) {
        Form::Leaf if value.is_object() || value.is_array() => Value::Null,
        Form::Leaf => value.clone(),
        Form::Map(fields) => {
            let mut kept = Map::new();
            for (key, value) in fields {
                let element = Element::Field(key.clone());
                if away.members.contains(&element) {
                    continue;
                }
                let below = away.children.get(&element).filter(|below| !below.is_empty());
                kept.insert(key.clone(), below.map_or_else(|| value.clone(), |below| remove(value, below, shape.child(key))));
            }
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        Form::List(items, keyed) => {
            let keep = |item: &Value| {
                let Ok(element) = element(keyed, item) else { return Some(item.clone()) };
                if away.members.contains(&element) {
                    return None;
                }
                let below = away.children.get(&element).filter(|below| !below.is_empty());
                Some(below.map_or_else(|| item.clone(), |below| remove(item, below, shape.item())))
            };
            let kept: Vec<Value> = items.iter().filter_map(keep).collect();
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
    }
}

/// Everything in a value that its shape does not allow.
pub(super) fn misfits(value: &Value, shape: &'static Shape) -> Vec<Misfit> {
    let mut found = Vec::new();
    misfits_at(value, shape, "", &mut found);
    found
}

fn misfits_at(value: &Value, shape: &'static Shape, at: &str, found: &mut Vec<Misfit>) {
    let mut no = |what: &str| found.push(if at.is_empty() { what.to_owned() } else { format!("{at}: {what}") });
    match (shape, value) {
        (_, Value::Null) | (Shape::Any, _) => {}
        (Shape::Text, Value::String(_)) | (Shape::Number, Value::Number(_)) | (Shape::Bool, Value::Bool(_)) => {}
        (Shape::Scalar, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {}
        (Shape::Text, _) => no(&format!("expected string, got {}", go_syntax(value))),
        (Shape::Number, _) => no(&format!("expected numeric (int or float), got {}", go_type(value))),
        (Shape::Bool, _) => no(&format!("expected boolean, got {}", go_syntax(value))),
        (Shape::Scalar, _) => no(&format!("expected any scalar, got {}", go_syntax(value))),
        (Shape::Struct { name, .. }, Value::Object(fields)) => {
            let of = schema::type_of(name);
            for (key, value) in fields {
                match of.field(key) {
                    Some(field) => misfits_at(value, &field.shape, &format!("{at}.{key}"), found),
                    None if of.open => {}
                    None => {
                        found.push(format!("{at}.{key}: field not declared in schema"));
                        return;
                    }
                }
            }
        }
        (Shape::Map { item, .. }, Value::Object(fields)) => {
            fields.iter().for_each(|(key, value)| misfits_at(value, item, &format!("{at}.{key}"), found));
        }
        (Shape::Struct { .. } | Shape::Map { .. }, _) => no(&format!("expected map, got {}", go_syntax(value))),
        (Shape::List { item, keyed }, Value::Array(items)) => {
            let mut seen = BTreeSet::new();
            for (index, value) in items.iter().enumerate() {
                let step = if matches!(keyed, Keyed::Whole) { Ok(Element::Index(index as i64)) } else { element(keyed, value) };
                match step {
                    Ok(step) => {
                        if !seen.insert(step.clone()) {
                            found.push(format!("{at}: duplicate entries for key {step}"));
                        }
                        misfits_at(value, item, &format!("{at}{step}"), found);
                    }
                    Err(what) => return found.push(format!("{at}: element {index}: {what}")),
                }
            }
        }
        (Shape::List { .. }, _) => no(&format!("expected list, got {}", go_syntax(value))),
    }
}

/// As Go's `%T` says it.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn go_syntax(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => super::go_print(value),
        Value::Number(_) | Value::Null | Value::Bool(_) => format!("&value.valueUnstructured{{Value:{value}}}"),
        Value::String(text) => format!("&value.valueUnstructured{{Value:{text:?}}}"),
    }
}

/// Brings an object into the form in which the API server writes it: what is always there is there, what is left out
/// when empty is out, fields it does not know are gone. Gives back the fields it does not know: `spec.replica`.
pub(crate) fn settle(kind: (&str, &str), object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    settle_at(object, schema::of(kind), "", &mut unknown);
    unknown
}

fn settle_at(value: &mut Value, shape: &'static Shape, at: &str, unknown: &mut Vec<String>) {
    match (shape, value) {
        (Shape::Struct { name, .. }, Value::Object(fields)) => {
            let of = schema::type_of(name);
            if !of.open {
                fields.retain(|key, _| {
                    let listed = of.field(key).is_some();
                    if !listed {
                        unknown.push(join(at, key));
                    }
                    listed
                });
            }
            for field in &of.fields {
                if let Some(value) = fields.get_mut(field.name) {
                    settle_at(value, &field.shape, &join(at, field.name), unknown);
                }
                settle_field(fields, field.name, field.presence, &field.shape);
            }
        }
        (Shape::Map { item, .. }, Value::Object(fields)) => {
            for (key, value) in fields.iter_mut() {
                // To a decoder of texts a null is an empty one.
                if value.is_null() && matches!(**item, Shape::Text) {
                    *value = json!("");
                }
                settle_at(value, item, &join(at, key), unknown);
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            items.iter_mut().enumerate().for_each(|(index, value)| settle_at(value, item, &format!("{at}[{index}]"), unknown));
        }
        _ => {}
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn settle_field(fields: &mut Map<String, Value>, name: &str, presence: Presence, shape: &'static Shape) {
    let absent = fields.get(name).is_none_or(Value::is_null);
    match presence {
        Presence::Always
            if absent || (matches!(shape, Shape::List { .. } | Shape::Map { .. }) && fields.get(name).is_some_and(is_hollow)) =>
        {
            fields.insert(name.to_owned(), zero(name, shape));
        }
        Presence::AlwaysNull if absent => {
            fields.insert(name.to_owned(), Value::Null);
        }
        Presence::NotZero if absent || fields.get(name).is_some_and(is_zero) => {
            fields.shift_remove(name);
        }
        Presence::WhenSet if absent || (!matches!(shape, Shape::Struct { .. } | Shape::Any) && fields.get(name).is_some_and(is_hollow)) => {
            fields.shift_remove(name);
        }
        Presence::Always | Presence::AlwaysNull | Presence::NotZero | Presence::WhenSet => {}
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(bool) => !bool,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn is_hollow(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn zero(name: &str, shape: &'static Shape) -> Value {
    match shape {
        Shape::Text => json!(""),
        Shape::Number => json!(0),
        Shape::Bool => json!(false),
        Shape::Struct { .. } => {
            let mut empty = json!({});
            settle_at(&mut empty, shape, "", &mut Vec::new());
            empty
        }
        Shape::Scalar if name.to_ascii_lowercase().ends_with("port") => json!(0),
        Shape::Scalar if name == "divisor" => json!("0"),
        Shape::Scalar | Shape::Any | Shape::Map { .. } | Shape::List { .. } => Value::Null,
    }
}
