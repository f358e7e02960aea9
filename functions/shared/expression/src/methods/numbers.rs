//! Methods of numbers, booleans, characters and UUIDs.

use super::{Method, P, converted, row};
use crate::error::{Fallible, fault};
use crate::machine::Call;
use crate::value::Val;
use crate::{compare, number};

fn compared<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    let p = match c.this {
        Val::Int(_) => P::Int,
        Val::Long(_) => P::Long,
        Val::Float(_) => P::Float,
        Val::Double(_) => P::Double,
        _ => P::Any,
    };
    let other = c.argument(0);
    if other.is_null() {
        return Err(fault("null", "a number is compared with null"));
    }
    compare::compare(&c.this, &converted(p, other, c.machine)?).map(Val::Int)
}

pub(crate) const NUMBER: &[Method] = &[
    row("intValue", &[], "As a whole number of 32 bits", "3.7.intValue() → 3", |c| Ok(Val::Int(number::int(&c.this)))),
    row("longValue", &[], "As a whole number of 64 bits", "3.7.longValue() → 3", |c| Ok(Val::Long(number::long(&c.this)))),
    row("doubleValue", &[], "As a real number", "3.doubleValue() → 3.0", |c| Ok(Val::Double(number::double(&c.this)))),
    row("floatValue", &[], "As a real number of 32 bits", "3.floatValue() → 3.0", |c| Ok(Val::Float(number::float(&c.this)))),
    row("shortValue", &[], "As a whole number of 16 bits", "3.shortValue() → 3", |c| Ok(Val::Short(number::int(&c.this) as i16))),
    row("byteValue", &[], "As a whole number of 8 bits", "300.byteValue() → 44", |c| Ok(Val::Byte(number::int(&c.this) as i8))),
    row("compareTo", &[P::Any], "Less than zero when it is smaller than another number", "1.compareTo(2) → -1", compared),
];

fn real(c: &Call<'_, '_>) -> f64 {
    number::double(&c.this)
}

pub(crate) const REAL: &[Method] = &[
    row("isNaN", &[], "True when it is no number", "1.5.isNaN() → false", |c| Ok(Val::Bool(real(c).is_nan()))),
    row("isInfinite", &[], "True when it is infinite", "1.5.isInfinite() → false", |c| Ok(Val::Bool(real(c).is_infinite()))),
];

pub(crate) const BOOLEAN: &[Method] = &[
    row("booleanValue", &[], "Itself", "true.booleanValue() → true", |c| Ok(c.this.clone())),
    row("compareTo", &[P::Bool], "False comes before true", "true.compareTo(false) → 1", |c| {
        compare::compare(&c.this, &c.argument(0)).map(Val::Int)
    }),
];

pub(crate) const CHARACTER: &[Method] = &[
    row("charValue", &[], "Itself", "'a'.charAt(0).charValue() → \"a\"", |c| Ok(c.this.clone())),
    row("compareTo", &[P::Char], "The difference of the characters' numbers", "'a'.charAt(0).compareTo('c'.charAt(0)) → -2", |c| {
        compare::compare(&c.this, &c.argument(0)).map(Val::Int)
    }),
];

fn id(c: &Call<'_, '_>) -> u128 {
    match c.this {
        Val::Uuid(id) => id,
        _ => 0,
    }
}

pub(crate) const UUID: &[Method] = &[
    row("version", &[], "Its version", "T(java.util.UUID).fromString('0-0-4000-8000-0').version() → 4", |c| {
        Ok(Val::Int(((id(c) >> 76) & 15) as i32))
    }),
    row("getMostSignificantBits", &[], "Its first half", "T(java.util.UUID).fromString('0-0-1-0-0').mostSignificantBits → 1", |c| {
        Ok(Val::Long((id(c) >> 64) as i64))
    }),
    row("getLeastSignificantBits", &[], "Its second half", "T(java.util.UUID).fromString('0-0-0-0-1').leastSignificantBits → 1", |c| {
        Ok(Val::Long(id(c) as i64))
    }),
    row(
        "compareTo",
        &[P::Uuid],
        "Less than zero when it comes before another",
        "T(java.util.UUID).fromString('0-0-0-0-1').compareTo(T(java.util.UUID).fromString('0-0-0-0-2')) → -1",
        |c| compare::compare(&c.this, &c.argument(0)).map(Val::Int),
    ),
];
