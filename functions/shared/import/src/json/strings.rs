//! Texts in quotes.

use super::{Fallible, Reader};

impl Reader<'_> {
    /// A text; the reader stands before its first quote.
    pub(super) fn string(&mut self) -> Fallible<String> {
        let open = self.at;
        self.at += 1;
        let mut out = String::new();
        let mut start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let piece = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    if out.is_empty() {
                        return Ok(piece.to_owned());
                    }
                    out.push_str(piece);
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(self.text.get(start..self.at).unwrap_or_default());
                    let escaped = self.escape()?;
                    out.push(escaped);
                    start = self.at;
                }
                Some(b'{') if self.templates && self.starts_with("{{") => self.action_in_text()?,
                Some(0..=0x1f) => {
                    let message = format!("here stands {} within a text, where it must be written as an escape", self.shown());
                    return Err(self.flaw("control-character", message));
                }
                Some(_) => self.at += 1,
                None => return Err(self.flaw_at(open, "text-unterminated", "the text that begins here has no end")),
            }
        }
    }

    fn escape(&mut self) -> Fallible<char> {
        let start = self.at;
        let byte = self.bytes.get(start + 1).copied();
        self.at += 2;
        Ok(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => return Err(self.flaw_at(start, "escape-invalid", "a backslash that begins no escape")),
        })
    }

    fn unicode(&mut self, start: usize) -> Fallible<char> {
        let invalid = |reader: &Self, message: &str| Err(reader.flaw_at(start, "escape-invalid", message));
        let Some(first) = self.hex() else {
            return invalid(self, "`\\u` needs four hexadecimal digits");
        };
        let code = match first {
            0xD800..=0xDBFF if self.starts_with("\\u") => {
                self.at += 2;
                match self.hex() {
                    Some(second @ 0xDC00..=0xDFFF) => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => return invalid(self, "half of a character: the other half does not follow"),
                }
            }
            other => other,
        };
        match char::from_u32(code) {
            Some(c) => Ok(c),
            None => invalid(self, "half of a character, which no text can hold"),
        }
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(code)
    }
}
