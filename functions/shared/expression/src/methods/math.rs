//! `java.lang.Math` and `java.util.Random`.

use super::{Method, P, row};
use crate::error::{Fallible, Fault, fault};
use crate::machine::Call;
use crate::number;
use crate::value::Val;
use std::cell::Cell;
use std::rc::Rc;

fn overflow() -> Fault {
    fault("number-too-large", "the result does not fit its type")
}

fn float(c: &Call<'_, '_>, at: usize) -> f32 {
    number::float(&c.argument(at))
}

fn nonzero<T: PartialEq + Default>(n: T) -> Fallible<T> {
    if n == T::default() { Err(fault("division-by-zero", "a whole number is divided by zero")) } else { Ok(n) }
}

/// `Math.max`: what is no number wins, and 0.0 is larger than -0.0.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a.total_cmp(&b).is_ge() {
        a
    } else {
        b
    }
}

/// `Math.round`: half up.
fn round(n: f64) -> i64 {
    if n.is_nan() {
        return 0;
    }
    let floor = n.floor();
    (if n - floor >= 0.5 { floor + 1.0 } else { floor }) as i64
}

pub(crate) const MATH: &[Method] = &[
    row("abs", &[P::Int], "Without its sign", "T(Math).abs(-1) → 1", |c| Ok(Val::Int(c.int(0)?.wrapping_abs()))),
    row("abs", &[P::Long], "Without its sign", "T(Math).abs(-1L) → 1", |c| Ok(Val::Long(c.long(0)?.wrapping_abs()))),
    row("abs", &[P::Float], "Without its sign", "T(Math).abs(-1.5f) → 1.5", |c| Ok(Val::Float(float(c, 0).abs()))),
    row("abs", &[P::Double], "Without its sign", "T(Math).abs(-1.5) → 1.5", |c| Ok(Val::Double(c.double(0)?.abs()))),
    row("max", &[P::Int, P::Int], "The larger of two", "T(Math).max(1, 2) → 2", |c| Ok(Val::Int(c.int(0)?.max(c.int(1)?)))),
    row("max", &[P::Long, P::Long], "The larger of two", "T(Math).max(1L, 2L) → 2", |c| Ok(Val::Long(c.long(0)?.max(c.long(1)?)))),
    row("max", &[P::Float, P::Float], "The larger of two", "T(Math).max(1.5f, 2.5f) → 2.5", |c| {
        Ok(Val::Float(larger(f64::from(float(c, 0)), f64::from(float(c, 1))) as f32))
    }),
    row("max", &[P::Double, P::Double], "The larger of two", "T(Math).max(1.5, 2.5) → 2.5", |c| {
        Ok(Val::Double(larger(c.double(0)?, c.double(1)?)))
    }),
    row("min", &[P::Int, P::Int], "The smaller of two", "T(Math).min(1, 2) → 1", |c| Ok(Val::Int(c.int(0)?.min(c.int(1)?)))),
    row("min", &[P::Long, P::Long], "The smaller of two", "T(Math).min(1L, 2L) → 1", |c| Ok(Val::Long(c.long(0)?.min(c.long(1)?)))),
    row("min", &[P::Float, P::Float], "The smaller of two", "T(Math).min(1.5f, 2.5f) → 1.5", |c| {
        Ok(Val::Float(-larger(-f64::from(float(c, 0)), -f64::from(float(c, 1))) as f32))
    }),
    row("min", &[P::Double, P::Double], "The smaller of two", "T(Math).min(1.5, 2.5) → 1.5", |c| {
        Ok(Val::Double(-larger(-c.double(0)?, -c.double(1)?)))
    }),
    row("floor", &[P::Double], "The next whole number below", "T(Math).floor(1.5) → 1.0", |c| Ok(Val::Double(c.double(0)?.floor()))),
    row("ceil", &[P::Double], "The next whole number above", "T(Math).ceil(1.5) → 2.0", |c| Ok(Val::Double(c.double(0)?.ceil()))),
    row("rint", &[P::Double], "The nearest whole number, the even one of two", "T(Math).rint(2.5) → 2.0", |c| {
        Ok(Val::Double(c.double(0)?.round_ties_even()))
    }),
    row("round", &[P::Float], "The nearest whole number", "T(Math).round(1.5f) → 2", |c| {
        Ok(Val::Int(round(f64::from(float(c, 0))).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32))
    }),
    row("round", &[P::Double], "The nearest whole number", "T(Math).round(1.5) → 2", |c| Ok(Val::Long(round(c.double(0)?)))),
    row("sqrt", &[P::Double], "The square root", "T(Math).sqrt(9.0) → 3.0", |c| Ok(Val::Double(c.double(0)?.sqrt()))),
    row("cbrt", &[P::Double], "The cube root", "T(Math).cbrt(27.0) → 3.0", |c| Ok(Val::Double(c.double(0)?.cbrt()))),
    row("hypot", &[P::Double, P::Double], "The length of the diagonal", "T(Math).hypot(3.0, 4.0) → 5.0", |c| {
        Ok(Val::Double(c.double(0)?.hypot(c.double(1)?)))
    }),
    row("exp", &[P::Double], "e to a power", "T(Math).exp(0.0) → 1.0", |c| Ok(Val::Double(c.double(0)?.exp()))),
    row("log", &[P::Double], "The natural logarithm", "T(Math).log(1.0) → 0.0", |c| Ok(Val::Double(c.double(0)?.ln()))),
    row("log10", &[P::Double], "The logarithm to the base of ten", "T(Math).log10(1000.0) → 3.0", |c| {
        Ok(Val::Double(c.double(0)?.log10()))
    }),
    row("sin", &[P::Double], "The sine", "T(Math).sin(0.0) → 0.0", |c| Ok(Val::Double(c.double(0)?.sin()))),
    row("cos", &[P::Double], "The cosine", "T(Math).cos(0.0) → 1.0", |c| Ok(Val::Double(c.double(0)?.cos()))),
    row("tan", &[P::Double], "The tangent", "T(Math).tan(0.0) → 0.0", |c| Ok(Val::Double(c.double(0)?.tan()))),
    row("pow", &[P::Double, P::Double], "A power", "T(Math).pow(2.0, 3.0) → 8.0", |c| {
        Ok(Val::Double(number::java_pow(c.double(0)?, c.double(1)?)))
    }),
    row("signum", &[P::Double], "-1, 0 or 1", "T(Math).signum(-2.5) → -1.0", |c| {
        let n = c.double(0)?;
        Ok(Val::Double(if n == 0.0 || n.is_nan() { n } else { n.signum() }))
    }),
    row("floorDiv", &[P::Int, P::Int], "Divided and rounded down", "T(Math).floorDiv(-7, 2) → -4", |c| {
        let (a, b) = (c.int(0)?, nonzero(c.int(1)?)?);
        Ok(Val::Int(a.wrapping_div(b) - i32::from(a.wrapping_rem(b) != 0 && (a < 0) != (b < 0))))
    }),
    row("floorMod", &[P::Int, P::Int], "What is left of it, with the sign of the divisor", "T(Math).floorMod(-7, 3) → 2", |c| {
        let (a, b) = (c.int(0)?, nonzero(c.int(1)?)?);
        let rest = a.wrapping_rem(b);
        Ok(Val::Int(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }))
    }),
    row("addExact", &[P::Int, P::Int], "The sum, or an error when it does not fit", "T(Math).addExact(1, 2) → 3", |c| {
        c.int(0)?.checked_add(c.int(1)?).map(Val::Int).ok_or_else(overflow)
    }),
    row("addExact", &[P::Long, P::Long], "The sum, or an error when it does not fit", "T(Math).addExact(1L, 2L) → 3", |c| {
        c.long(0)?.checked_add(c.long(1)?).map(Val::Long).ok_or_else(overflow)
    }),
    row("subtractExact", &[P::Int, P::Int], "The difference, or an error when it does not fit", "T(Math).subtractExact(3, 2) → 1", |c| {
        c.int(0)?.checked_sub(c.int(1)?).map(Val::Int).ok_or_else(overflow)
    }),
    row("multiplyExact", &[P::Int, P::Int], "The product, or an error when it does not fit", "T(Math).multiplyExact(3, 2) → 6", |c| {
        c.int(0)?.checked_mul(c.int(1)?).map(Val::Int).ok_or_else(overflow)
    }),
    row("toIntExact", &[P::Long], "As a number of 32 bits, or an error when it does not fit", "T(Math).toIntExact(3L) → 3", |c| {
        i32::try_from(c.long(0)?).map(Val::Int).map_err(|_| overflow())
    }),
    row("random", &[], "A random number from 0 to 1; the host gives it", "T(Math).random() < 1 → true", |c| {
        let bits = c.machine.host.random().ok_or_else(refused)?;
        Ok(Val::Double(((bits >> 75) as u64) as f64 / (1_u64 << 53) as f64))
    }),
];

fn refused() -> Fault {
    fault("refused-chance", "there is nothing random here")
}

const MULTIPLIER: i64 = 0x5_DEEC_E66D;
const MASK: i64 = (1 << 48) - 1;

pub(crate) const NEW_RANDOM: &[Method] = &[
    row("", &[], "Random numbers; the host gives the first", "new java.util.Random().nextInt(1) → 0", |c| {
        let bits = c.machine.host.random().ok_or_else(refused)?;
        Ok(Val::Random(Rc::new(Cell::new(bits as i64 & MASK))))
    }),
    row("", &[P::Long], "Always the same numbers for the same seed", "new java.util.Random(42L).nextInt(10) → 0", |c| {
        Ok(Val::Random(Rc::new(Cell::new((c.long(0)? ^ MULTIPLIER) & MASK))))
    }),
];

/// Java's generator, which is written down: the same seed gives the same numbers everywhere.
fn next(c: &Call<'_, '_>, bits: u32) -> i32 {
    let Val::Random(seed) = &c.this else { return 0 };
    let stepped = seed.get().wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
    seed.set(stepped);
    (stepped >> (48 - bits)) as i32
}

pub(crate) const RANDOM: &[Method] = &[
    row("nextInt", &[], "A whole number", "new java.util.Random(42L).nextInt() → -1170105035", |c| Ok(Val::Int(next(c, 32)))),
    row("nextInt", &[P::Int], "A whole number from 0 up to before another", "new java.util.Random(42L).nextInt(100) → 30", |c| {
        let bound = c.int(0)?;
        if bound <= 0 {
            return Err(fault("wrong-arguments", "the bound must be positive"));
        }
        if bound & (bound - 1) == 0 {
            return Ok(Val::Int(((i64::from(bound) * i64::from(next(c, 31))) >> 31) as i32));
        }
        loop {
            c.machine.meter.step()?;
            let bits = next(c, 31);
            let value = bits % bound;
            if bits.wrapping_sub(value).wrapping_add(bound - 1) >= 0 {
                return Ok(Val::Int(value));
            }
        }
    }),
    row("nextLong", &[], "A whole number of 64 bits", "new java.util.Random(42L).nextLong() → -5025562857975149833", |c| {
        let high = i64::from(next(c, 32)) << 32;
        Ok(Val::Long(high.wrapping_add(i64::from(next(c, 32)))))
    }),
    row("nextBoolean", &[], "True or false", "new java.util.Random(42L).nextBoolean() → true", |c| Ok(Val::Bool(next(c, 1) != 0))),
    row("nextDouble", &[], "A number from 0 to 1", "new java.util.Random(42L).nextDouble() < 1 → true", |c| {
        let bits = (i64::from(next(c, 26)) << 27) + i64::from(next(c, 27));
        Ok(Val::Double(bits as f64 / (1_u64 << 53) as f64))
    }),
];
