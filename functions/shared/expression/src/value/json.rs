//! A value of an expression as JSON: what a template leaves in a document.

use crate::error::{Fallible, fault};
use crate::limits::DEPTH_MAX;
use crate::machine::Machine;
use crate::value::{Items, Pairs, Sort, Val, spell};
use serde_json::{Map, Number, Value};

/// The value as JSON; Java's types become what its JSON writer makes of them.
pub(crate) fn json<'a>(value: &Val<'a>, machine: &Machine<'a>, depth: usize) -> Fallible<Value> {
    machine.meter.step()?;
    if depth > DEPTH_MAX {
        return Err(fault("too-deep", format!("a value is nested at most {DEPTH_MAX} deep")));
    }
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(b) => Value::Bool(*b),
        Val::Byte(n) => Value::from(*n),
        Val::Short(n) => Value::from(*n),
        Val::Int(n) => Value::from(*n),
        Val::Long(n) => Value::from(*n),
        Val::Big(n) => big(*n)?,
        Val::Float(n) => real(f64::from(*n), || spell::float(*n)),
        Val::Double(n) => real(*n, || spell::double(*n)),
        Val::Date(ms) => Value::from(*ms),
        Val::Kept(inner) => return json(inner, machine, depth + 1),
        Val::Text(text) | Val::Status(text) => {
            machine.meter.bytes(text.as_str().len())?;
            Value::String(text.as_str().to_owned())
        }
        Val::List(Sort::Bytes, items) => Value::String(crate::base64::encode(&bytes(items)?)),
        Val::List(_, items) => list(items, machine, depth)?,
        Val::Map(pairs) => object(pairs, machine, depth)?,
        Val::Entry(pair) => {
            let key = spell::key(&pair.0, machine)?;
            Value::Object(Map::from_iter([(key, json(&pair.1, machine, depth + 1)?)]))
        }
        Val::Char(_) | Val::Uuid(_) | Val::Instant(_) | Val::Day(_) | Val::DayTime(_) | Val::Weekday(_) | Val::Unit(_) => {
            Value::String(spell::spell(value, machine)?)
        }
        Val::Format(_) | Val::Random(_) | Val::Type(_) => {
            return Err(fault("refused-result", format!("{} cannot be the value of a field", value.kind())));
        }
    })
}

fn list<'a>(items: &Items<'a>, machine: &Machine<'a>, depth: usize) -> Fallible<Value> {
    if let Items::Json(items) = items {
        return copied(items.iter(), machine, depth).map(Value::Array);
    }
    items.iter().map(|item| json(&item, machine, depth + 1)).collect::<Fallible<_>>().map(Value::Array)
}

/// JSON that only has to be copied.
fn copied<'v>(items: impl Iterator<Item = &'v Value>, machine: &Machine<'_>, depth: usize) -> Fallible<Vec<Value>> {
    items.map(|item| copy(item, machine, depth + 1)).collect()
}

fn copy(value: &Value, machine: &Machine<'_>, depth: usize) -> Fallible<Value> {
    machine.meter.bytes(16)?;
    if depth > DEPTH_MAX {
        return Err(fault("too-deep", format!("a value is nested at most {DEPTH_MAX} deep")));
    }
    Ok(match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => {
            machine.meter.bytes(text.len())?;
            value.clone()
        }
        Value::Array(items) => Value::Array(copied(items.iter(), machine, depth)?),
        Value::Object(map) => Value::Object(copied_map(map, machine, depth)?),
    })
}

fn copied_map(map: &Map<String, Value>, machine: &Machine<'_>, depth: usize) -> Fallible<Map<String, Value>> {
    let mut out = Map::with_capacity(map.len());
    for (key, value) in map {
        machine.meter.bytes(key.len())?;
        out.insert(key.clone(), copy(value, machine, depth + 1)?);
    }
    Ok(out)
}

fn object<'a>(pairs: &Pairs<'a>, machine: &Machine<'a>, depth: usize) -> Fallible<Value> {
    if let Pairs::Json(map) = pairs {
        return copied_map(map, machine, depth).map(Value::Object);
    }
    let mut out = Map::new();
    for (key, value) in pairs.all(machine)? {
        let key = spell::key(&key, machine)?;
        out.insert(key, json(&value, machine, depth + 1)?);
    }
    Ok(Value::Object(out))
}

fn big(n: i128) -> Fallible<Value> {
    if let Ok(n) = i64::try_from(n) {
        return Ok(Value::from(n));
    }
    u64::try_from(n).map(Value::from).map_err(|_| fault("number-too-large", "the number is too large for a field"))
}

/// `NaN` and the infinities are texts, as Java's JSON writer has them.
fn real(n: f64, spelled: impl Fn() -> String) -> Value {
    if !n.is_finite() {
        return Value::String(spelled());
    }
    // The shortest text of a 32-bit number, not its 64-bit neighbour.
    let shortest = spelled().parse().unwrap_or(n);
    Number::from_f64(shortest).map_or(Value::Null, Value::Number)
}

pub(crate) fn bytes(items: &Items<'_>) -> Fallible<Vec<u8>> {
    let byte = |value: Val<'_>| match value {
        Val::Byte(b) => Ok(b.to_be_bytes()[0]),
        _ => Err(fault("no-conversion", "bytes are expected")),
    };
    items.iter().map(byte).collect()
}
