//! Conversions as Spring's conversion service does them: of operands, conditions and arguments.

use crate::error::{Fallible, Fault, fault};
use crate::machine::Machine;
use crate::value::{Items, Val, spell};
use crate::{number, unicode};

fn none(value: &Val<'_>, what: &str) -> Fault {
    fault("no-conversion", format!("{} is not {what}", value.kind()))
}

/// The text of an operand of `+`: converted if it can be, spelled if not.
pub(crate) fn appended<'a>(value: &Val<'a>, machine: &Machine<'a>) -> Fallible<String> {
    match value {
        Val::Null => Ok("null".to_owned()),
        Val::List(sort, _) if !sort.is_entries() => joined(value, machine),
        value => spell::spell(value, machine),
    }
}

/// A list as one text, its elements with commas between.
fn joined<'a>(value: &Val<'a>, machine: &Machine<'a>) -> Fallible<String> {
    let Val::List(_, items) = value else { return text(value, machine) };
    let mut out = String::new();
    for (index, item) in items.iter().enumerate() {
        machine.meter.step()?;
        if index > 0 {
            out.push(',');
        }
        match item {
            Val::Null => out.push_str("null"),
            item => out.push_str(&text(&item, machine)?),
        }
    }
    machine.meter.bytes(out.len())?;
    Ok(out)
}

/// The text that a value converts to: what mixed text and text arguments need.
pub(crate) fn text<'a>(value: &Val<'a>, machine: &Machine<'a>) -> Fallible<String> {
    match value {
        Val::List(sort, _) if !sort.is_entries() => joined(value, machine),
        Val::List(..) => Err(none(value, "a text")),
        Val::Null => Err(none(value, "a text")),
        Val::Map(_) | Val::Entry(_) => Err(fault("no-conversion", format!("{} is not a text; `#toJson(…)` makes one of it", value.kind()))),
        Val::Instant(_) | Val::Day(_) | Val::DayTime(_) => {
            Err(fault("no-conversion", format!("{} is not a text; `.toString()` makes one of it", value.kind())))
        }
        Val::Format(_) | Val::Random(_) | Val::Type(_) => Err(none(value, "a text")),
        value => spell::spell(value, machine),
    }
}

/// A condition.
pub(crate) fn boolean(value: &Val<'_>) -> Fallible<bool> {
    match value {
        Val::Bool(b) => Ok(*b),
        Val::Text(text) => match unicode::trim(text.as_str()).to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(fault("no-conversion", "the text is neither true nor false")),
        },
        Val::List(_, items) => match items.get(0) {
            Some(first) => boolean(&first),
            None => Err(fault("no-conversion", "an empty list is neither true nor false")),
        },
        other => Err(none(other, "a boolean")),
    }
}

/// Types of whole numbers that arguments and indexes ask for.
fn whole(value: &Val<'_>) -> Fallible<i128> {
    match value {
        Val::Double(_) | Val::Float(_) => Ok(i128::from(number::long(value))),
        Val::Big(n) => Ok(*n),
        number if number.is_number() => Ok(i128::from(number::long(number))),
        Val::Char(unit) => Ok(i128::from(*unit)),
        Val::Text(text) => parsed(text.as_str()),
        Val::List(_, items) => match items.get(0) {
            Some(first) => whole(&first),
            None => Err(none(value, "a number")),
        },
        other => Err(none(other, "a number")),
    }
}

/// `NumberUtils.parseNumber`: blanks anywhere are left out, `0x` and `#` are hexadecimal.
fn parsed(text: &str) -> Fallible<i128> {
    let bad = || fault("not-a-number", "the text is not a whole number");
    let clean: String = text.chars().filter(|c| !unicode::is_white(*c)).take(64).collect();
    let (negative, digits) = match clean.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, clean.as_str()),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).or_else(|| digits.strip_prefix('#'));
    let number = match hex {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => i128::from_str_radix(hex, 16),
        Some(_) => return Err(bad()),
        None if digits.starts_with('-') => return Err(bad()),
        None => digits.parse(),
    };
    let number = number.map_err(|_| bad())?;
    Ok(if negative { -number } else { number })
}

pub(crate) fn int(value: &Val<'_>) -> Fallible<i32> {
    if let Val::Int(n) = value {
        return Ok(*n);
    }
    i32::try_from(whole(value)?).map_err(|_| fault("number-too-large", "the number has more than 32 bits"))
}

pub(crate) fn long(value: &Val<'_>) -> Fallible<i64> {
    i64::try_from(whole(value)?).map_err(|_| fault("number-too-large", "the number has more than 64 bits"))
}

pub(crate) fn double(value: &Val<'_>) -> Fallible<f64> {
    match value {
        number if number.is_number() => Ok(number::double(number)),
        Val::Char(unit) => Ok(f64::from(*unit)),
        Val::Text(text) => {
            let clean: String = text.as_str().chars().filter(|c| !unicode::is_white(*c)).collect();
            real(&clean)
        }
        Val::List(_, items) if items.len() > 0 => double(&items.get(0).unwrap_or(Val::Null)),
        other => Err(none(other, "a number")),
    }
}

/// `Double.parseDouble`
pub(crate) fn real(text: &str) -> Fallible<f64> {
    let bad = || fault("not-a-number", "the text is not a number");
    let body = unicode::trim(text);
    let unsigned = body.strip_prefix(['+', '-']).unwrap_or(body);
    if matches!(unsigned, "NaN" | "Infinity") {
        return body.parse().map_err(|_| bad());
    }
    let body = body.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(body);
    let fits = body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if !fits || body.is_empty() {
        return Err(bad());
    }
    body.parse().map_err(|_| bad())
}

pub(crate) fn character(value: &Val<'_>) -> Fallible<u16> {
    match value {
        Val::Char(unit) => Ok(*unit),
        Val::Text(text) if unicode::length(text.as_str()) == 1 => unicode::unit(text.as_str(), 0),
        Val::Text(_) => Err(fault("no-conversion", "a text of one character is expected")),
        number if number.is_number() => Ok(number::int(number) as u16),
        Val::List(_, items) if items.len() > 0 => character(&items.get(0).unwrap_or(Val::Null)),
        other => Err(none(other, "a character")),
    }
}

/// A collection: a text is split at its commas, anything else becomes a list of itself.
pub(crate) fn collection<'a>(value: &Val<'a>) -> Val<'a> {
    match value {
        Val::List(sort, items) if !sort.is_array() => Val::List(*sort, items.clone()),
        Val::List(_, items) => Val::list(items.iter().collect()),
        Val::Text(text) if text.as_str().is_empty() => Val::list(Vec::new()),
        Val::Text(text) => Val::list(text.as_str().split(',').map(|part| Val::text(unicode::trim(part))).collect()),
        other => Val::list(vec![other.clone()]),
    }
}

/// The elements of what is a list.
pub(crate) fn items<'a>(value: &Val<'a>) -> Fallible<Items<'a>> {
    match value {
        Val::List(_, items) => Ok(items.clone()),
        other => Err(none(other, "a list")),
    }
}
