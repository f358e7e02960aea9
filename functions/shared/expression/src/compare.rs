//! `==`, order, and Java's `equals` and `hashCode`.

use crate::error::{Fallible, Fault, fault};
use crate::machine::Machine;
use crate::number::{self, Pair};
use crate::unicode;
use crate::value::{Items, Pairs, Val};
use std::cmp::Ordering;

/// The `==` of the language: numbers by value, everything else by Java's `equals`.
pub(crate) fn same<'a>(left: &Val<'a>, right: &Val<'a>, machine: &Machine<'a>) -> Fallible<bool> {
    match number::pair(left, right) {
        Some(Pair::Double(a, b)) => Ok(a == b),
        Some(Pair::Float(a, b)) => Ok(a == b),
        Some(Pair::Big(a, b)) => Ok(a == b),
        Some(Pair::Long(a, b)) => Ok(a == b),
        Some(Pair::Int(a, b)) => Ok(a == b),
        None => match (left, right) {
            (Val::List(x, a), Val::List(y, b)) if x.is_array() && y.is_array() => elements(a, b, machine),
            _ => equals(left, right, machine),
        },
    }
}

/// Java's `equals`: 1 and 1L are not equal.
pub(crate) fn equals<'a>(left: &Val<'a>, right: &Val<'a>, machine: &Machine<'a>) -> Fallible<bool> {
    machine.meter.step()?;
    Ok(match (left, right) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Byte(a), Val::Byte(b)) => a == b,
        (Val::Short(a), Val::Short(b)) => a == b,
        (Val::Int(a), Val::Int(b)) => a == b,
        (Val::Long(a), Val::Long(b)) => a == b,
        (Val::Big(a), Val::Big(b)) => a == b,
        (Val::Float(a), Val::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Val::Double(a), Val::Double(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Val::Char(a), Val::Char(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => {
            machine.meter.steps(a.as_str().len() / 1_000)?;
            a.as_str() == b.as_str()
        }
        (Val::Status(a), Val::Status(b)) | (Val::Status(a), Val::Text(b)) | (Val::Text(a), Val::Status(b)) => a.as_str() == b.as_str(),
        (Val::Kept(a), Val::Kept(b)) => equals(a, b, machine)?,
        (Val::List(x, a), Val::List(y, b)) if x.is_list() && y.is_list() => elements(a, b, machine)?,
        (Val::List(x, a), Val::List(y, b)) if x.is_set() && y.is_set() => a.len() == b.len() && all_in(a, b, machine)?,
        (Val::List(_, Items::Own(a)), Val::List(_, Items::Own(b))) => std::rc::Rc::ptr_eq(a, b),
        (Val::Map(a), Val::Map(b)) => maps(a, b, machine)?,
        (Val::Entry(a), Val::Entry(b)) => equals(&a.0, &b.0, machine)? && equals(&a.1, &b.1, machine)?,
        (Val::Uuid(a), Val::Uuid(b)) => a == b,
        (Val::Date(a), Val::Date(b)) => a == b,
        (Val::Instant(a), Val::Instant(b)) | (Val::DayTime(a), Val::DayTime(b)) => a == b,
        (Val::Day(a), Val::Day(b)) => a == b,
        (Val::Weekday(a), Val::Weekday(b)) => a == b,
        (Val::Unit(a), Val::Unit(b)) => a == b,
        (Val::Format(a), Val::Format(b)) => a.pattern() == b.pattern(),
        (Val::Random(a), Val::Random(b)) => std::rc::Rc::ptr_eq(a, b),
        (Val::Type(a), Val::Type(b)) => a == b,
        _ => false,
    })
}

fn elements<'a>(a: &Items<'a>, b: &Items<'a>, machine: &Machine<'a>) -> Fallible<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (x, y) in a.iter().zip(b.iter()) {
        if !equals(&x, &y, machine)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn contains<'a>(items: &Items<'a>, value: &Val<'a>, machine: &Machine<'a>) -> Fallible<bool> {
    Ok(find(items, value, machine)?.is_some())
}

pub(crate) fn find<'a>(items: &Items<'a>, value: &Val<'a>, machine: &Machine<'a>) -> Fallible<Option<usize>> {
    for (index, item) in items.iter().enumerate() {
        if equals(&item, value, machine)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

pub(crate) fn all_in<'a>(a: &Items<'a>, b: &Items<'a>, machine: &Machine<'a>) -> Fallible<bool> {
    for item in a.iter() {
        if !contains(b, &item, machine)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps<'a>(a: &Pairs<'a>, b: &Pairs<'a>, machine: &Machine<'a>) -> Fallible<bool> {
    if a.len(machine) != b.len(machine) {
        return Ok(false);
    }
    for (key, value) in a.all(machine)? {
        match b.get(&key, machine)? {
            Some(other) if equals(&value, &other, machine)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The order that `<` and its kin ask for; none when a number is no number.
pub(crate) fn order(left: &Val<'_>, right: &Val<'_>) -> Fallible<Option<Ordering>> {
    match number::pair(left, right) {
        Some(Pair::Double(a, b)) => Ok(a.partial_cmp(&b)),
        Some(Pair::Float(a, b)) => Ok(a.partial_cmp(&b)),
        Some(Pair::Big(a, b)) => Ok(Some(a.cmp(&b))),
        Some(Pair::Long(a, b)) => Ok(Some(a.cmp(&b))),
        Some(Pair::Int(a, b)) => Ok(Some(a.cmp(&b))),
        None if left.is_null() || right.is_null() => Ok(Some((!left.is_null()).cmp(&!right.is_null()))),
        None => compare(left, right).map(|sign| Some(sign.cmp(&0))),
    }
}

/// `compareTo`, with the number that Java gives.
pub(crate) fn compare(left: &Val<'_>, right: &Val<'_>) -> Fallible<i32> {
    let by = |order: Ordering| order as i32;
    Ok(match (left, right) {
        (Val::Text(a), Val::Text(b)) => texts(a.as_str(), b.as_str()),
        (Val::Bool(a), Val::Bool(b)) => by(a.cmp(b)),
        (Val::Char(a), Val::Char(b)) => i32::from(*a) - i32::from(*b),
        (Val::Byte(a), Val::Byte(b)) => i32::from(*a) - i32::from(*b),
        (Val::Short(a), Val::Short(b)) => i32::from(*a) - i32::from(*b),
        (Val::Int(a), Val::Int(b)) => by(a.cmp(b)),
        (Val::Long(a), Val::Long(b)) | (Val::Date(a), Val::Date(b)) => by(a.cmp(b)),
        (Val::Big(a), Val::Big(b)) => by(a.cmp(b)),
        (Val::Instant(a), Val::Instant(b)) => by(a.cmp(b)),
        (Val::DayTime(a), Val::DayTime(b)) => crate::time::days(*a, *b),
        (Val::Float(a), Val::Float(b)) => by(reals(f64::from(*a), f64::from(*b))),
        (Val::Double(a), Val::Double(b)) => by(reals(*a, *b)),
        (Val::Uuid(a), Val::Uuid(b)) => by(halves(*a).cmp(&halves(*b))),
        (Val::Day(a), Val::Day(b)) => crate::time::day_difference(*a, *b),
        (Val::Weekday(a), Val::Weekday(b)) => a.ordinal() - b.ordinal(),
        (Val::Unit(a), Val::Unit(b)) => a.ordinal() - b.ordinal(),
        _ => return Err(incomparable(left, right)),
    })
}

fn incomparable(left: &Val<'_>, right: &Val<'_>) -> Fault {
    fault("not-comparable", format!("{} and {} have no order", left.kind(), right.kind()))
}

/// `String.compareTo`: the difference of the first halves that differ, or of the lengths.
pub(crate) fn texts(a: &str, b: &str) -> i32 {
    let mut same = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    while !a.is_char_boundary(same) || !b.is_char_boundary(same) {
        same -= 1;
    }
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    let differ = a.encode_utf16().zip(b.encode_utf16()).find(|(x, y)| x != y);
    match differ {
        Some((x, y)) => i32::from(x) - i32::from(y),
        None => {
            let length = |text: &str| i32::try_from(unicode::length(text)).unwrap_or(i32::MAX);
            length(a) - length(b)
        }
    }
}

/// `Double.compare`: -0.0 is below 0.0, and what is no number above all.
pub(crate) fn reals(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(&b),
        (x, y) => x.cmp(&y),
    }
}

/// Java compares the halves of a UUID with their signs.
fn halves(id: u128) -> (i64, i64) {
    ((id >> 64) as i64, id as i64)
}

/// `hashCode()`
pub(crate) fn hash<'a>(value: &Val<'a>, machine: &Machine<'a>) -> Fallible<i32> {
    machine.meter.step()?;
    let long = |n: i64| (n ^ ((n as u64) >> 32) as i64) as i32;
    Ok(match value {
        Val::Null => 0,
        Val::Bool(b) => {
            if *b {
                1231
            } else {
                1237
            }
        }
        Val::Byte(_) | Val::Short(_) | Val::Int(_) => number::int(value),
        Val::Char(unit) => i32::from(*unit),
        Val::Long(n) | Val::Date(n) => long(*n),
        Val::Float(n) => n.to_bits() as i32,
        Val::Double(n) => long((if *n == 0.0 && n.is_sign_positive() { 0 } else { n.to_bits() }) as i64),
        Val::Text(text) => {
            machine.meter.steps(text.as_str().len() / 100)?;
            unicode::hash(text.as_str())
        }
        Val::List(sort, items) if sort.is_list() => {
            items.iter().try_fold(1_i32, |all, item| Ok(all.wrapping_mul(31).wrapping_add(hash(&item, machine)?)))?
        }
        Val::List(sort, items) if sort.is_set() => items.iter().try_fold(0_i32, |all, item| Ok(all.wrapping_add(hash(&item, machine)?)))?,
        Val::Map(pairs) => {
            let mut all = 0_i32;
            for (key, value) in pairs.all(machine)? {
                all = all.wrapping_add(hash(&key, machine)? ^ hash(&value, machine)?);
            }
            all
        }
        Val::Entry(pair) => hash(&pair.0, machine)? ^ hash(&pair.1, machine)?,
        Val::Uuid(id) => {
            let both = ((id >> 64) ^ id) as u64;
            ((both >> 32) ^ both) as i32
        }
        other => return Err(fault("no-hash", format!("{} has no hash code that stays the same", other.kind()))),
    })
}
