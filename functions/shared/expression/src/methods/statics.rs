//! Methods and constructors of the types of `java.lang`, of `java.util.UUID` and of `java.net.URLEncoder`.

use super::{Method, P, row, text};
use crate::error::{Fallible, Fault, fault};
use crate::machine::Call;
use crate::value::{Val, spell};
use crate::{convert, printf};
use std::cmp::Ordering;

fn bad_number() -> Fault {
    fault("not-a-number", "the text is not a whole number that fits")
}

/// `parseInt` and its kin: a sign and digits, nothing else.
fn parsed(text: &str, radix: i32) -> Fallible<i128> {
    let radix = u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix)).ok_or_else(bad_number)?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(bad_number());
    }
    i128::from_str_radix(text, radix).map_err(|_| bad_number())
}

fn int<'a>(n: i128) -> Fallible<Val<'a>> {
    i32::try_from(n).map(Val::Int).map_err(|_| bad_number())
}

fn long<'a>(n: i128) -> Fallible<Val<'a>> {
    i64::try_from(n).map(Val::Long).map_err(|_| bad_number())
}

/// `decode`: also hexadecimal and octal.
fn decoded(text: &str) -> Fallible<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).or_else(|| digits.strip_prefix('#'));
    let octal = digits.strip_prefix('0').filter(|rest| !rest.is_empty());
    let (digits, radix) = hex.map(|hex| (hex, 16)).or_else(|| octal.map(|octal| (octal, 8))).unwrap_or((digits, 10));
    if digits.starts_with(['+', '-']) {
        return Err(bad_number());
    }
    let n = parsed(digits, radix)?;
    Ok(if negative { -n } else { n })
}

fn in_radix(n: i64, radix: i32) -> String {
    let radix = u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix)).unwrap_or(10);
    let mut rest = n.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(rest % u64::from(radix)).unwrap_or(0);
        digits.push(char::from_digit(digit, radix).unwrap_or('0'));
        rest /= u64::from(radix);
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        digits.push('-');
    }
    digits.iter().rev().collect()
}

fn sign<'a>(order: Ordering) -> Fallible<Val<'a>> {
    Ok(Val::Int(order as i32))
}

fn spelled<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    spell::spell(&c.argument(0), c.machine).map(Val::text)
}

pub(crate) const TEXT: &[Method] = &[
    row("valueOf", &[P::Any], "The text of a value", "T(String).valueOf(12) → \"12\"", |c| {
        // Of null Java takes another method, which fails.
        if c.argument(0).is_null() { Err(fault("null", "null has no text here")) } else { spelled(c) }
    }),
    row(
        "format",
        &[P::Text, P::Rest],
        "A text with arguments in its `%s`, `%d`, `%05d`, `%.2f`",
        "T(String).format('%s-%05d', 'v', 42) → \"v-00042\"",
        |c| {
            // Where everything else is null Java takes the first null for a locale, and the pattern is what follows.
            let nulls = c.arguments.get(2..).is_some_and(|rest| !rest.is_empty() && rest.iter().all(Val::is_null));
            let first = usize::from(c.argument(0).is_null() && nulls);
            printf::format(c.text(first)?, c.arguments.get(first + 1..).unwrap_or_default(), c.machine).map(Val::text)
        },
    ),
    row("join", &[P::Chars, P::Iterable], "The texts of a list with a text between", "T(String).join('-', {'a', 'b'}) → \"a-b\"", |c| {
        text::joined(&convert::items(&c.argument(1))?, c.text(0)?, c)
    }),
    row("join", &[P::Chars, P::RestChars], "Texts with a text between", "T(String).join('-', 'a', 'b') → \"a-b\"", |c| {
        let rest = c.arguments.get(1..).unwrap_or_default().to_vec();
        text::joined(&convert::items(&Val::list(rest))?, c.text(0)?, c)
    }),
];

pub(crate) const NEW_TEXT: &[Method] = &[
    row("", &[], "An empty text", "new String() → \"\"", |_| Ok(Val::text(""))),
    row("", &[P::Text], "The same text", "new String('a') → \"a\"", |c| {
        c.text(0)?;
        Ok(c.argument(0))
    }),
];

pub(crate) const INT: &[Method] = &[
    row("parseInt", &[P::Text], "The whole number of a text", "T(Integer).parseInt('12') → 12", |c| int(parsed(c.text(0)?, 10)?)),
    row("parseInt", &[P::Text, P::Int], "The same in another base", "T(Integer).parseInt('ff', 16) → 255", |c| {
        int(parsed(c.text(0)?, c.int(1)?)?)
    }),
    row("valueOf", &[P::Text], "The whole number of a text", "T(Integer).valueOf('12') → 12", |c| int(parsed(c.text(0)?, 10)?)),
    row("valueOf", &[P::Text, P::Int], "The same in another base", "T(Integer).valueOf('ff', 16) → 255", |c| {
        int(parsed(c.text(0)?, c.int(1)?)?)
    }),
    row("valueOf", &[P::Int], "The number itself", "T(Integer).valueOf(12) → 12", |c| Ok(c.argument(0))),
    row("decode", &[P::Text], "The whole number of a text, also `0x…`", "T(Integer).decode('0x10') → 16", |c| {
        int(decoded(c.text(0)?)?)
    }),
    row("toString", &[P::Int], "The text of a number", "T(Integer).toString(12) → \"12\"", spelled),
    row("toString", &[P::Int, P::Int], "The same in another base", "T(Integer).toString(255, 16) → \"ff\"", |c| {
        Ok(Val::text(in_radix(i64::from(c.int(0)?), c.int(1)?)))
    }),
    row("toHexString", &[P::Int], "In hexadecimal", "T(Integer).toHexString(255) → \"ff\"", |c| {
        Ok(Val::text(format!("{:x}", c.int(0)?)))
    }),
    row("toOctalString", &[P::Int], "In octal", "T(Integer).toOctalString(8) → \"10\"", |c| Ok(Val::text(format!("{:o}", c.int(0)?)))),
    row("toBinaryString", &[P::Int], "In binary", "T(Integer).toBinaryString(5) → \"101\"", |c| {
        Ok(Val::text(format!("{:b}", c.int(0)?)))
    }),
    row("max", &[P::Int, P::Int], "The larger of two", "T(Integer).max(1, 2) → 2", |c| Ok(Val::Int(c.int(0)?.max(c.int(1)?)))),
    row("min", &[P::Int, P::Int], "The smaller of two", "T(Integer).min(1, 2) → 1", |c| Ok(Val::Int(c.int(0)?.min(c.int(1)?)))),
    row("sum", &[P::Int, P::Int], "The sum of two", "T(Integer).sum(1, 2) → 3", |c| Ok(Val::Int(c.int(0)?.wrapping_add(c.int(1)?)))),
    row("compare", &[P::Int, P::Int], "Less than zero when the first is smaller", "T(Integer).compare(1, 2) → -1", |c| {
        sign(c.int(0)?.cmp(&c.int(1)?))
    }),
    row("signum", &[P::Int], "-1, 0 or 1", "T(Integer).signum(-7) → -1", |c| Ok(Val::Int(c.int(0)?.signum()))),
    row("bitCount", &[P::Int], "How many bits are set", "T(Integer).bitCount(7) → 3", |c| {
        Ok(Val::Int(c.int(0)?.count_ones().cast_signed()))
    }),
];

fn from_text<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    int(parsed(c.text(0)?, 10)?)
}

pub(crate) const NEW_INT: &[Method] = &[
    row("", &[P::Text], "The whole number of a text", "new Integer('12') → 12", from_text),
    row("", &[P::Int], "The number itself", "new Integer(12) → 12", |c| Ok(c.argument(0))),
];

pub(crate) const LONG: &[Method] = &[
    row("parseLong", &[P::Text], "The whole number of a text", "T(Long).parseLong('12') → 12", |c| long(parsed(c.text(0)?, 10)?)),
    row("parseLong", &[P::Text, P::Int], "The same in another base", "T(Long).parseLong('ff', 16) → 255", |c| {
        long(parsed(c.text(0)?, c.int(1)?)?)
    }),
    row("valueOf", &[P::Text], "The whole number of a text", "T(Long).valueOf('12') → 12", |c| long(parsed(c.text(0)?, 10)?)),
    row("valueOf", &[P::Text, P::Int], "The same in another base", "T(Long).valueOf('ff', 16) → 255", |c| {
        long(parsed(c.text(0)?, c.int(1)?)?)
    }),
    row("valueOf", &[P::Long], "The number itself", "T(Long).valueOf(12L) → 12", |c| Ok(c.argument(0))),
    row("decode", &[P::Text], "The whole number of a text, also `0x…`", "T(Long).decode('0x10') → 16", |c| long(decoded(c.text(0)?)?)),
    row("toString", &[P::Long], "The text of a number", "T(Long).toString(12) → \"12\"", spelled),
    row("toString", &[P::Long, P::Int], "The same in another base", "T(Long).toString(255, 16) → \"ff\"", |c| {
        Ok(Val::text(in_radix(c.long(0)?, c.int(1)?)))
    }),
    row("toHexString", &[P::Long], "In hexadecimal", "T(Long).toHexString(255) → \"ff\"", |c| Ok(Val::text(format!("{:x}", c.long(0)?)))),
    row("toBinaryString", &[P::Long], "In binary", "T(Long).toBinaryString(5) → \"101\"", |c| Ok(Val::text(format!("{:b}", c.long(0)?)))),
    row("max", &[P::Long, P::Long], "The larger of two", "T(Long).max(1, 2) → 2", |c| Ok(Val::Long(c.long(0)?.max(c.long(1)?)))),
    row("min", &[P::Long, P::Long], "The smaller of two", "T(Long).min(1, 2) → 1", |c| Ok(Val::Long(c.long(0)?.min(c.long(1)?)))),
    row("sum", &[P::Long, P::Long], "The sum of two", "T(Long).sum(1, 2) → 3", |c| Ok(Val::Long(c.long(0)?.wrapping_add(c.long(1)?)))),
    row("compare", &[P::Long, P::Long], "Less than zero when the first is smaller", "T(Long).compare(1, 2) → -1", |c| {
        sign(c.long(0)?.cmp(&c.long(1)?))
    }),
    row("signum", &[P::Long], "-1, 0 or 1", "T(Long).signum(-7) → -1", |c| Ok(Val::Int(c.long(0)?.signum() as i32))),
];

pub(crate) const NEW_LONG: &[Method] = &[
    row("", &[P::Text], "The whole number of a text", "new Long('12') → 12", |c| long(parsed(c.text(0)?, 10)?)),
    row("", &[P::Long], "The number itself", "new Long(12L) → 12", |c| Ok(c.argument(0))),
];

pub(crate) const DOUBLE: &[Method] = &[
    row("parseDouble", &[P::Text], "The number of a text", "T(Double).parseDouble('1.5') → 1.5", |c| {
        convert::real(c.text(0)?).map(Val::Double)
    }),
    row("valueOf", &[P::Text], "The number of a text", "T(Double).valueOf('1.5') → 1.5", |c| convert::real(c.text(0)?).map(Val::Double)),
    row("valueOf", &[P::Double], "The number itself", "T(Double).valueOf(1.5) → 1.5", |c| Ok(c.argument(0))),
    row("toString", &[P::Double], "The text of a number", "T(Double).toString(1.5) → \"1.5\"", spelled),
    row("compare", &[P::Double, P::Double], "Less than zero when the first is smaller", "T(Double).compare(1.5, 2.5) → -1", |c| {
        sign(crate::compare::reals(c.double(0)?, c.double(1)?))
    }),
    row("isNaN", &[P::Double], "True when it is no number", "T(Double).isNaN(1.5) → false", |c| Ok(Val::Bool(c.double(0)?.is_nan()))),
    row("isInfinite", &[P::Double], "True when it is infinite", "T(Double).isInfinite(1.5) → false", |c| {
        Ok(Val::Bool(c.double(0)?.is_infinite()))
    }),
    row("isFinite", &[P::Double], "True when it is a number and finite", "T(Double).isFinite(1.5) → true", |c| {
        Ok(Val::Bool(c.double(0)?.is_finite()))
    }),
    row("max", &[P::Double, P::Double], "The larger of two", "T(Double).max(1.5, 2.5) → 2.5", |c| {
        Ok(Val::Double(super::math::larger(c.double(0)?, c.double(1)?)))
    }),
    row("min", &[P::Double, P::Double], "The smaller of two", "T(Double).min(1.5, 2.5) → 1.5", |c| {
        Ok(Val::Double(-super::math::larger(-c.double(0)?, -c.double(1)?)))
    }),
    row("sum", &[P::Double, P::Double], "The sum of two", "T(Double).sum(1.5, 2.5) → 4.0", |c| {
        Ok(Val::Double(c.double(0)? + c.double(1)?))
    }),
];

pub(crate) const NEW_DOUBLE: &[Method] = &[
    row("", &[P::Text], "The number of a text", "new Double('1.5') → 1.5", |c| convert::real(c.text(0)?).map(Val::Double)),
    row("", &[P::Double], "The number itself", "new Double(1.5) → 1.5", |c| Ok(c.argument(0))),
];

pub(crate) const BYTE: &[Method] =
    &[row("parseByte", &[P::Text], "The whole number of a text, of 8 bits", "T(Byte).parseByte('12') → 12", |c| {
        i8::try_from(parsed(c.text(0)?, 10)?).map(Val::Byte).map_err(|_| bad_number())
    })];

fn truth<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    match c.argument(0) {
        Val::Text(text) => Ok(Val::Bool(text.as_str().eq_ignore_ascii_case("true"))),
        value => Ok(Val::Bool(matches!(value, Val::Bool(true)))),
    }
}

pub(crate) const BOOL: &[Method] = &[
    row("parseBoolean", &[P::Text], "True for `true`, false for everything else", "T(Boolean).parseBoolean('TRUE') → true", truth),
    row("valueOf", &[P::Text], "True for `true`, false for everything else", "T(Boolean).valueOf('yes') → false", truth),
    row("valueOf", &[P::Bool], "The value itself", "T(Boolean).valueOf(true) → true", truth),
    row("toString", &[P::Bool], "The text of a boolean", "T(Boolean).toString(true) → \"true\"", spelled),
    row("logicalAnd", &[P::Bool, P::Bool], "True when both are", "T(Boolean).logicalAnd(true, false) → false", |c| {
        both(c, |a, b| a && b)
    }),
    row("logicalOr", &[P::Bool, P::Bool], "True when one is", "T(Boolean).logicalOr(true, false) → true", |c| both(c, |a, b| a || b)),
    row("logicalXor", &[P::Bool, P::Bool], "True when exactly one is", "T(Boolean).logicalXor(true, true) → false", |c| {
        both(c, |a, b| a != b)
    }),
];

fn both<'a>(c: &Call<'_, 'a>, of: fn(bool, bool) -> bool) -> Fallible<Val<'a>> {
    let at = |at| matches!(c.argument(at), Val::Bool(true));
    Ok(Val::Bool(of(at(0), at(1))))
}

pub(crate) const NEW_BYTE: &[Method] = &[row("", &[P::Text], "The whole number of a text, of 8 bits", "new Byte('12') → 12", |c| {
    i8::try_from(parsed(c.text(0)?, 10)?).map(Val::Byte).map_err(|_| bad_number())
})];

pub(crate) const NEW_BOOL: &[Method] = &[
    row("", &[P::Text], "True for `true`, false for everything else", "new Boolean('true') → true", truth),
    row("", &[P::Bool], "The value itself", "new Boolean(true) → true", truth),
];

pub(crate) const UUID: &[Method] = &[
    row(
        "nameUUIDFromBytes",
        &[P::Any],
        "The UUID that bytes always have",
        "T(java.util.UUID).nameUUIDFromBytes('a'.getBytes()).version() → 3",
        |c| {
            let Val::List(crate::value::Sort::Bytes, items) = c.argument(0) else {
                return Err(fault("wrong-arguments", "`nameUUIDFromBytes` takes bytes: `text.getBytes()`"));
            };
            let bytes = crate::value::json::bytes(&items)?;
            c.machine.meter.steps(bytes.len() / 8)?;
            let digest = u128::from_be_bytes(crate::md5::digest(&bytes));
            Ok(Val::Uuid(digest & !(0xf << 76) & !(0x3 << 62) | 0x3 << 76 | 0x2 << 62))
        },
    ),
    row("randomUUID", &[], "A random UUID; the host gives the bits", "T(java.util.UUID).randomUUID().toString().length() → 36", |c| {
        let bits = c.machine.host.random().ok_or_else(|| fault("refused-chance", "there is nothing random here"))?;
        Ok(Val::Uuid(bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62))
    }),
    row(
        "fromString",
        &[P::Text],
        "The UUID of a text",
        "T(java.util.UUID).fromString('1-2-3-4-5').toString() → \"00000001-0002-0003-0004-000000000005\"",
        |c| {
            let bad = || fault("not-a-uuid", "the text is not a UUID");
            let mut id = 0_u128;
            let parts: Vec<&str> = c.text(0)?.split('-').collect();
            if parts.len() != 5 || c.text(0)?.len() > 36 {
                return Err(bad());
            }
            for (part, bits) in parts.into_iter().zip([32, 16, 16, 16, 48]) {
                let hex = u128::from_str_radix(part, 16).map_err(|_| bad())?;
                id = id << bits | hex & ((1 << bits) - 1);
            }
            Ok(Val::Uuid(id))
        },
    ),
];

pub(crate) const NEW_UUID: &[Method] = &[row(
    "",
    &[P::Long, P::Long],
    "The UUID of two halves",
    "new java.util.UUID(0L, 1L).toString() → \"00000000-0000-0000-0000-000000000001\"",
    |c| {
        let half = |at| c.long(at).map(|n| u128::from(n.cast_unsigned()));
        Ok(Val::Uuid(half(0)? << 64 | half(1)?))
    },
)];

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn url<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    c.machine.meter.bytes(c.text(0)?.len() * 3)?;
    Ok(Val::text(encoded(c.text(0)?)))
}

fn in_utf8<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    if !c.text(1)?.eq_ignore_ascii_case("utf-8") && !c.text(1)?.eq_ignore_ascii_case("utf8") {
        return Err(fault("wrong-arguments", "texts are encoded in UTF-8 only"));
    }
    url(c)
}

pub(crate) const URL_ENCODER: &[Method] = &[
    row("encode", &[P::Text], "As a part of a URL", "T(java.net.URLEncoder).encode('a b&c') → \"a+b%26c\"", url),
    row("encode", &[P::Text, P::Text], "The same in UTF-8", "T(java.net.URLEncoder).encode('ä', 'UTF-8') → \"%C3%A4\"", in_utf8),
    row("encode", &[P::Text, P::Charset], "The same in UTF-8", "T(java.net.URLEncoder).encode('ä', 'UTF-8') → \"%C3%A4\"", in_utf8),
];
