//! Positions as Java counts them: in halves of characters (UTF-16).

use crate::error::{Fallible, fault};

/// `length()`
pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// The byte at which a Java position stands.
fn byte(text: &str, position: usize) -> Fallible<usize> {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        if units == position {
            return Ok(at);
        }
        units += c.len_utf16();
        if units > position {
            return Err(fault("half-character", "the position is within a character"));
        }
    }
    if units == position { Ok(text.len()) } else { Err(outside(text, position)) }
}

fn outside(text: &str, position: usize) -> crate::error::Fault {
    fault("index-out-of-range", format!("the text has {} characters, there is no position {position}", length(text)))
}

/// `substring(from, to)`
pub(crate) fn slice(text: &str, from: i32, to: i32) -> Fallible<&str> {
    let bad = || fault("index-out-of-range", format!("the text has {} characters, there is no part from {from} to {to}", length(text)));
    let (from, to) = (usize::try_from(from).map_err(|_| bad())?, usize::try_from(to).map_err(|_| bad())?);
    if from > to || to > length(text) {
        return Err(bad());
    }
    let (from, to) = if text.is_ascii() { (from, to) } else { (byte(text, from)?, byte(text, to)?) };
    text.get(from..to).ok_or_else(bad)
}

/// The Java position of a byte.
pub(crate) fn position(text: &str, byte: usize) -> i32 {
    let before = text.get(..byte).unwrap_or(text);
    i32::try_from(length(before)).unwrap_or(i32::MAX)
}

/// `charAt`
pub(crate) fn unit(text: &str, at: i32) -> Fallible<u16> {
    let index = usize::try_from(at).ok();
    let found = index
        .and_then(|index| if text.is_ascii() { text.as_bytes().get(index).map(|b| u16::from(*b)) } else { text.encode_utf16().nth(index) });
    found.ok_or_else(|| fault("index-out-of-range", format!("the text has {} characters, there is none at {at}", length(text))))
}

/// The byte of a position that may be before, within or after the text.
pub(crate) fn clamped(text: &str, position: i32) -> usize {
    let position = usize::try_from(position).unwrap_or(0);
    let mut units = 0;
    for (at, c) in text.char_indices() {
        if units >= position {
            return at;
        }
        units += c.len_utf16();
    }
    text.len()
}

/// `String.hashCode`
pub(crate) fn hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// White space as `trim()` has it.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// `Character.isWhitespace`, which `strip` and `isBlank` use.
pub(crate) fn is_white(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\u{1c}'..='\u{1f}') || (c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}'))
}
