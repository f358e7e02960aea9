//! Text to tokens. Knows nothing of what they mean.

use crate::error::{Fallible, Span, fault};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    /// A name, or a word that stands for an operator.
    Word(&'t str),
    /// With its quotes.
    Quoted(&'t str),
    Int(&'t str),
    Long(&'t str),
    HexInt(&'t str),
    HexLong(&'t str),
    Float(&'t str),
    Double(&'t str),
    Sign(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lexeme<'t> {
    pub(crate) token: Token<'t>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Longest first.
const SIGNS: [&str; 39] = [
    "++", "--", "^[", "!=", "![", "==", "&&", "||", "?[", "?:", "?.", "$[", ">=", "<=", "+", "-", ":", ".", ",", "*", "/", "%", "(", ")",
    "[", "]", "#", "{", "}", "@", "^", "!", "=", "&", "?", ">", "<", "\\", "|",
];

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// Reads an expression's text; `offset` is where it stands in the template.
pub(crate) fn read(text: &str, offset: usize) -> Fallible<Vec<Lexeme<'_>>> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(text.len() / 4 + 1);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let (token, length) = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'\'' | b'"' => {
                let length = quoted(rest, byte);
                let length = length
                    .ok_or_else(|| fault("syntax", "the text has no closing quote").at(Span::new(offset + at, offset + text.len())))?;
                (Token::Quoted(rest.get(..length).unwrap_or_default()), length)
            }
            b'0'..=b'9' => number(rest),
            byte if byte.is_ascii_alphabetic() || byte == b'_' || (byte == b'$' && !rest.starts_with("$[")) => {
                let length = rest.bytes().take_while(|b| is_word(*b)).count();
                (Token::Word(rest.get(..length).unwrap_or_default()), length)
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) if !matches!(*sign, "\\" | "|") => (Token::Sign(sign), sign.len()),
                _ => {
                    let c = rest.chars().next().unwrap_or(' ');
                    let span = Span::new(offset + at, offset + at + c.len_utf8());
                    return Err(fault("syntax", format!("`{}` has no meaning here", c.escape_default())).at(span));
                }
            },
        };
        out.push(Lexeme { token, start: offset + at, end: offset + at + length });
        at += length;
    }
    Ok(out)
}

/// Length of a quoted text with its quotes; a quote within it is doubled.
fn quoted(text: &str, quote: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        if *bytes.get(at)? == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return Some(at + 1);
            }
            at += 1;
        }
        at += 1;
    }
}

fn number(text: &str) -> (Token<'_>, usize) {
    let bytes = text.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    if byte(0) == b'0' && matches!(byte(1), b'x' | b'X') {
        let end = 2 + bytes.iter().skip(2).take_while(|b| b.is_ascii_hexdigit()).count();
        return if matches!(byte(end), b'l' | b'L') { (Token::HexLong(part(2, end)), end + 1) } else { (Token::HexInt(part(2, end)), end) };
    }
    let mut end = digits(0);
    let mut real = false;
    if byte(end) == b'.' {
        let fraction = digits(end + 1);
        if fraction == 0 {
            return (Token::Int(part(0, end)), end);
        }
        end += 1 + fraction;
        real = true;
    }
    if matches!(byte(end), b'l' | b'L') {
        // `3.4L` is no number: what comes out does not parse as one.
        return (Token::Long(part(0, end)), end + 1);
    }
    if matches!(byte(end), b'e' | b'E') {
        real = true;
        end += 1;
        if matches!(byte(end), b'+' | b'-') {
            end += 1;
        }
        // The first character after the sign belongs to the number, whatever it is.
        end += digits(end);
    }
    match byte(end) {
        b'f' | b'F' => (Token::Float(part(0, end)), end + 1),
        b'd' | b'D' => (Token::Double(part(0, end)), end + 1),
        _ if real => (Token::Double(part(0, end)), end),
        _ => (Token::Int(part(0, end)), end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_where_they_are() {
        let read = |text| read(text, 10).map(|all| all.into_iter().map(|one| (one.token, one.start, one.end)).collect::<Vec<_>>());
        assert_eq!(
            read("a ?. 'b''c'").ok(),
            Some(vec![(Token::Word("a"), 10, 11), (Token::Sign("?."), 12, 14), (Token::Quoted("'b''c'"), 15, 21),])
        );
        assert_eq!(read("1.5e3f").ok(), Some(vec![(Token::Float("1.5e3"), 10, 16)]));
        assert_eq!(read("3.x").ok(), Some(vec![(Token::Int("3"), 10, 11), (Token::Sign("."), 11, 12), (Token::Word("x"), 12, 13)]));
        assert_eq!(read("0xFFL").ok(), Some(vec![(Token::HexLong("FF"), 10, 15)]));
        for bad in ["'a", "\"a\"\"", "a | b", "é", "\\"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
