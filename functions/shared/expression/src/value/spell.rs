//! Values as Java spells them: `toString()`, and the text that `+` and mixed templates make.

use crate::error::{Fallible, fault};
use crate::limits::DEPTH_MAX;
use crate::machine::Machine;
use crate::time;
use crate::value::{Items, Pairs, Sort, Val};

/// `toString()`.
pub(crate) fn spell<'a>(value: &Val<'a>, machine: &Machine<'a>) -> Fallible<String> {
    let mut out = String::new();
    push(value, machine, &mut out, 0)?;
    Ok(out)
}

/// The name of a JSON field that a key of this value makes.
pub(crate) fn key<'a>(value: &Val<'a>, machine: &Machine<'a>) -> Fallible<String> {
    spell(value, machine)
}

fn push<'a>(value: &Val<'a>, machine: &Machine<'a>, out: &mut String, depth: usize) -> Fallible<()> {
    machine.meter.step()?;
    if depth > DEPTH_MAX {
        return Err(fault("too-deep", format!("a value is nested at most {DEPTH_MAX} deep")));
    }
    let before = out.len();
    match value {
        Val::Null => out.push_str("null"),
        Val::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Val::Byte(n) => out.push_str(&n.to_string()),
        Val::Short(n) => out.push_str(&n.to_string()),
        Val::Int(n) => out.push_str(&n.to_string()),
        Val::Long(n) => out.push_str(&n.to_string()),
        Val::Big(n) => out.push_str(&n.to_string()),
        Val::Float(n) => out.push_str(&float(*n)),
        Val::Double(n) => out.push_str(&double(*n)),
        Val::Char(unit) => out.push(character(*unit)?),
        Val::Kept(inner) => return push(inner, machine, out, depth + 1),
        Val::Text(text) | Val::Status(text) => {
            machine.meter.bytes(text.as_str().len())?;
            out.push_str(text.as_str());
            return Ok(());
        }
        Val::List(Sort::Array | Sort::Bytes, _) => {
            return Err(fault("no-text", "an array has no text of its own; join it or take its elements"));
        }
        Val::List(_, items) => return bracketed(items, machine, out, depth),
        Val::Map(pairs) => return braced(pairs, machine, out, depth),
        Val::Entry(pair) => {
            push(&pair.0, machine, out, depth + 1)?;
            out.push('=');
            return push(&pair.1, machine, out, depth + 1);
        }
        Val::Uuid(id) => out.push_str(&uuid(*id)),
        Val::Date(ms) => out.push_str(&time::text::date(*ms)),
        Val::Instant(ns) => out.push_str(&time::text::instant(*ns)),
        Val::Day(days) => out.push_str(&time::text::day(*days)),
        Val::DayTime(ns) => out.push_str(&time::text::day_time(*ns)),
        Val::Weekday(day) => out.push_str(day.name()),
        Val::Unit(unit) => out.push_str(unit.text()),
        Val::Type(of) => {
            out.push_str("class ");
            out.push_str(crate::types::name(*of));
        }
        Val::Format(_) | Val::Random(_) => {
            return Err(fault("no-text", format!("{} has no text", value.kind())));
        }
    }
    machine.meter.bytes(out.len() - before)
}

fn bracketed<'a>(items: &Items<'a>, machine: &Machine<'a>, out: &mut String, depth: usize) -> Fallible<()> {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push(&item, machine, out, depth + 1)?;
    }
    out.push(']');
    Ok(())
}

fn braced<'a>(pairs: &Pairs<'a>, machine: &Machine<'a>, out: &mut String, depth: usize) -> Fallible<()> {
    out.push('{');
    for (index, (key, value)) in pairs.all(machine)?.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push(key, machine, out, depth + 1)?;
        out.push('=');
        push(value, machine, out, depth + 1)?;
    }
    out.push('}');
    Ok(())
}

/// Half of a pair has no text.
pub(crate) fn character(unit: u16) -> Fallible<char> {
    char::from_u32(u32::from(unit)).ok_or_else(|| fault("half-character", "this is half of a character, which has no text"))
}

pub(crate) fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// `Double.toString`: plain from 0.001 to 10 million, with an exponent elsewhere.
pub(crate) fn double(n: f64) -> String {
    real(n, n.abs(), &whole(n.abs(), 53).unwrap_or_else(|| format!("{:e}", n.abs())))
}

/// `Float.toString`.
pub(crate) fn float(n: f32) -> String {
    real(f64::from(n), f64::from(n).abs(), &whole(f64::from(n.abs()), 24).unwrap_or_else(|| format!("{:e}", n.abs())))
}

/// Whole numbers beyond the digits of their type are spelled out, without those digits that mean nothing: Java's way, which is
/// not the shortest.
fn whole(size: f64, bits: i32) -> Option<String> {
    let exponent = i32::try_from((size.to_bits() >> 52) & 0x7ff).unwrap_or(0) - 1023;
    if size.fract() != 0.0 || exponent <= bits || exponent >= 62 {
        return None;
    }
    let places = u32::try_from(exponent - bits - 1).ok().and_then(|p| 1_u64.checked_shl(p)).and_then(u64::checked_ilog10).unwrap_or(0);
    let power = 10_u64.checked_pow(places)?;
    let n = size as u64;
    let kept = n / power + u64::from(power > 1 && n % power >= power / 2);
    let digits = kept.to_string();
    let exponent = digits.len() + usize::try_from(places).ok()? - 1;
    let trimmed = digits.trim_end_matches('0');
    let (first, rest) = trimmed.split_at_checked(1)?;
    Some(format!("{first}.{rest}e{exponent}"))
}

fn real(n: f64, size: f64, shortest: &str) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if n.is_sign_negative() { "-" } else { "" };
    if n.is_infinite() {
        return format!("{sign}Infinity");
    }
    if size == 0.0 {
        return format!("{sign}0.0");
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if (1e-3..1e7).contains(&size) {
        return format!("{sign}{}", plain(&digits, exponent));
    }
    let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
    format!("{sign}{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest })
}

fn plain(digits: &str, exponent: i32) -> String {
    if exponent < 0 {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return format!("0.{}{digits}", "0".repeat(zeros));
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    let padded = format!("{digits:0<whole$}");
    let (before, after) = padded.split_at_checked(whole).unwrap_or((&padded, ""));
    format!("{before}.{}", if after.is_empty() { "0" } else { after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_numbers_are_spelled_as_java_does() {
        for (n, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (123_456_789.5, "1.234567895E8"),
            (1e-7, "1.0E-7"),
            (1.5e20, "1.5E20"),
            (1_152_921_504_606_846_976.0, "1.15292150460684698E18"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(n), text);
        }
        assert_eq!(float(1.1), "1.1");
        assert_eq!(float(2_147_483_648.0), "2.14748365E9");
        assert_eq!(uuid(1), "00000000-0000-0000-0000-000000000001");
    }
}
