//! Arithmetic with Java's types: 32 and 64 bits wrap around, whole numbers divide whole.

use crate::ast::Arithmetic;
use crate::error::{Fallible, Fault, fault};
use crate::limits::{CONCATENATED_CHARS_MAX, REPEATED_CHARS_MAX};
use crate::machine::Machine;
use crate::value::Val;
use crate::{convert, unicode};

/// Two numbers of the type that an operator works in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pair {
    Double(f64, f64),
    Float(f32, f32),
    Big(i128, i128),
    Long(i64, i64),
    Int(i32, i32),
}

pub(crate) fn pair(left: &Val<'_>, right: &Val<'_>) -> Option<Pair> {
    if !left.is_number() || !right.is_number() {
        return None;
    }
    let any = |is: fn(&Val<'_>) -> bool| is(left) || is(right);
    Some(if any(|v| matches!(v, Val::Double(_))) {
        Pair::Double(double(left), double(right))
    } else if any(|v| matches!(v, Val::Float(_))) {
        Pair::Float(float(left), float(right))
    } else if any(|v| matches!(v, Val::Big(_))) {
        Pair::Big(whole(left), whole(right))
    } else if any(|v| matches!(v, Val::Long(_))) {
        Pair::Long(long(left), long(right))
    } else {
        Pair::Int(int(left), int(right))
    })
}

/// `doubleValue()`
pub(crate) fn double(value: &Val<'_>) -> f64 {
    match value {
        Val::Double(n) => *n,
        Val::Float(n) => f64::from(*n),
        Val::Big(n) => *n as f64,
        Val::Long(n) => *n as f64,
        other => f64::from(int(other)),
    }
}

/// `floatValue()`
pub(crate) fn float(value: &Val<'_>) -> f32 {
    match value {
        Val::Double(n) => *n as f32,
        Val::Float(n) => *n,
        Val::Big(n) => *n as f32,
        Val::Long(n) => *n as f32,
        other => int(other) as f32,
    }
}

fn whole(value: &Val<'_>) -> i128 {
    match value {
        Val::Big(n) => *n,
        other => i128::from(long(other)),
    }
}

/// `longValue()`: reals lose their fraction and stop at the ends, whole numbers lose their upper bits.
pub(crate) fn long(value: &Val<'_>) -> i64 {
    match value {
        Val::Double(n) => *n as i64,
        Val::Float(n) => *n as i64,
        Val::Big(n) => *n as i64,
        Val::Long(n) => *n,
        other => i64::from(int(other)),
    }
}

/// `intValue()`
pub(crate) fn int(value: &Val<'_>) -> i32 {
    match value {
        Val::Byte(n) => i32::from(*n),
        Val::Short(n) => i32::from(*n),
        Val::Int(n) => *n,
        Val::Long(n) => *n as i32,
        Val::Float(n) => *n as i32,
        Val::Double(n) => *n as i32,
        Val::Big(n) => *n as i32,
        _ => 0,
    }
}

fn zero() -> Fault {
    fault("division-by-zero", "a whole number is divided by zero")
}

fn large() -> Fault {
    fault("number-too-large", "the number has more than 127 bits")
}

/// `+ - * / %`
pub(crate) fn operate<'a>(operator: Arithmetic, left: &Val<'a>, right: &Val<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let Some(pair) = pair(left, right) else { return texts(operator, left, right, machine) };
    use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
    Ok(match pair {
        Pair::Double(a, b) => Val::Double(match operator {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide => a / b,
            Remainder => a % b,
        }),
        Pair::Float(a, b) => Val::Float(match operator {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide => a / b,
            Remainder => a % b,
        }),
        Pair::Big(_, 0) if matches!(operator, Divide | Remainder) => return Err(zero()),
        Pair::Long(_, 0) | Pair::Int(_, 0) if matches!(operator, Divide | Remainder) => return Err(zero()),
        Pair::Big(a, b) => {
            let result = match operator {
                Add => a.checked_add(b),
                Subtract => a.checked_sub(b),
                Multiply => a.checked_mul(b),
                Divide => a.checked_div(b),
                Remainder => a.checked_rem(b),
            };
            Val::Big(result.ok_or_else(large)?)
        }
        Pair::Long(a, b) => Val::Long(match operator {
            Add => a.wrapping_add(b),
            Subtract => a.wrapping_sub(b),
            Multiply => a.wrapping_mul(b),
            Divide => a.wrapping_div(b),
            Remainder => a.wrapping_rem(b),
        }),
        Pair::Int(a, b) => Val::Int(match operator {
            Add => a.wrapping_add(b),
            Subtract => a.wrapping_sub(b),
            Multiply => a.wrapping_mul(b),
            Divide => a.wrapping_div(b),
            Remainder => a.wrapping_rem(b),
        }),
    })
}

fn texts<'a>(operator: Arithmetic, left: &Val<'a>, right: &Val<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    match (operator, left, right) {
        (Arithmetic::Add, Val::Text(_), _) | (Arithmetic::Add, _, Val::Text(_)) => {
            let (mut text, more) = (convert::appended(left, machine)?, convert::appended(right, machine)?);
            text.push_str(&more);
            if unicode::length(&text) > CONCATENATED_CHARS_MAX {
                return Err(fault("too-large", format!("`+` builds texts of at most {CONCATENATED_CHARS_MAX} characters")));
            }
            Ok(Val::text(text))
        }
        (Arithmetic::Subtract, Val::Text(text), Val::Int(n)) if unicode::length(text.as_str()) == 1 => {
            let unit = text.as_str().encode_utf16().next().unwrap_or(0);
            let moved = (i32::from(unit)).wrapping_sub(*n) as u16;
            crate::value::spell::character(moved).map(|c| Val::text(c.to_string()))
        }
        (Arithmetic::Multiply, Val::Text(text), Val::Int(n)) => {
            let (length, count) = (unicode::length(text.as_str()), usize::try_from(*n).unwrap_or(usize::MAX));
            if length.checked_mul(count).is_none_or(|size| size > REPEATED_CHARS_MAX) && length > 0 {
                let message = format!("`text * number` builds texts of at most {REPEATED_CHARS_MAX} characters");
                return Err(fault("too-large", message));
            }
            Ok(Val::text(if length == 0 { String::new() } else { text.as_str().repeat(count) }))
        }
        _ => Err(unfit(sign(operator), left, right)),
    }
}

fn unfit(sign: &str, left: &Val<'_>, right: &Val<'_>) -> Fault {
    fault("not-an-operand", format!("`{sign}` does not work on {} and {}", left.kind(), right.kind()))
}

fn sign(operator: Arithmetic) -> &'static str {
    match operator {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Remainder => "%",
    }
}

/// `-x`
pub(crate) fn negative<'a>(value: &Val<'a>) -> Fallible<Val<'a>> {
    Ok(match value {
        Val::Double(n) => Val::Double(0.0 - n),
        Val::Float(n) => Val::Float(0.0 - n),
        Val::Big(n) => Val::Big(n.checked_neg().ok_or_else(large)?),
        Val::Long(n) => Val::Long(0_i64.wrapping_sub(*n)),
        number if number.is_number() => Val::Int(0_i32.wrapping_sub(int(number))),
        other => return Err(fault("not-an-operand", format!("`-` does not work on {}", other.kind()))),
    })
}

/// `a ^ b`
pub(crate) fn power<'a>(left: &Val<'a>, right: &Val<'a>) -> Fallible<Val<'a>> {
    if !left.is_number() || !right.is_number() {
        return Err(unfit("^", left, right));
    }
    if let Val::Big(base) = left {
        let exponent = u32::try_from(int(right)).map_err(|_| fault("not-an-operand", "the exponent is negative"))?;
        return base.checked_pow(exponent).map(Val::Big).ok_or_else(large);
    }
    let real = double(left).powf(double(right));
    let is = |of: fn(&Val<'_>) -> bool| of(left) || of(right);
    Ok(if is(|v| matches!(v, Val::Double(_) | Val::Float(_))) {
        Val::Double(java_pow(double(left), double(right)))
    } else if real > f64::from(i32::MAX) || is(|v| matches!(v, Val::Long(_))) {
        Val::Long(real as i64)
    } else {
        Val::Int(real as i32)
    })
}

/// `Math.pow`: where the base is 1 or -1 and the exponent no number, Java gives none.
pub(crate) fn java_pow(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || (base.abs() == 1.0 && exponent.is_infinite()) { f64::NAN } else { base.powf(exponent) }
}
