//! A Java pattern in the words of the `regex` crate.

use crate::error::{Fallible, Fault, fault};

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r" \t\n\x0B\f\r";
const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\x{85}\x{2028}\x{2029}";
/// What `.` does not match.
const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";

/// Classes of Unicode that both know by the same name.
const GENERAL: [&str; 43] = [
    "L",
    "Lu",
    "Ll",
    "Lt",
    "Lm",
    "Lo",
    "M",
    "Mn",
    "Mc",
    "Me",
    "N",
    "Nd",
    "Nl",
    "No",
    "P",
    "Pc",
    "Pd",
    "Ps",
    "Pe",
    "Pi",
    "Pf",
    "Po",
    "S",
    "Sm",
    "Sc",
    "Sk",
    "So",
    "Z",
    "Zs",
    "Zl",
    "Zp",
    "C",
    "Cc",
    "Cf",
    "Co",
    "Cn",
    "Latin",
    "Greek",
    "Cyrillic",
    "Han",
    "Alphabetic",
    "Uppercase",
    "Lowercase",
];

/// The POSIX classes, which are of ASCII only.
fn ascii(name: &str) -> &'static str {
    match name {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x00-\x7F",
        "Alpha" => "A-Za-z",
        "Digit" => DIGIT,
        "Alnum" => "0-9A-Za-z",
        "Punct" => r"!-/:-@\[-`\{-~",
        "Graph" => "!-~",
        "Print" => " -~",
        "Blank" => r" \t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9A-Fa-f",
        "Space" => SPACE,
        _ => "",
    }
}

fn refused(what: &str) -> Fault {
    fault("refused-regex", format!("{what} cannot be had in linear time and is refused in regular expressions"))
}

fn bad(message: &str) -> Fault {
    fault("bad-regex", format!("the regular expression is not valid: {message}"))
}

struct Writer<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    out: String,
    dot_all: bool,
    multi_line: bool,
    comments: bool,
    /// Flags to come back to at the end of each group.
    groups: Vec<(bool, bool, bool)>,
}

pub(super) fn rewrite(pattern: &str) -> Fallible<String> {
    let mut writer = Writer {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        dot_all: false,
        multi_line: false,
        comments: false,
        groups: Vec::new(),
    };
    while let Some(c) = writer.rest.next() {
        writer.one(c)?;
    }
    if writer.groups.is_empty() { Ok(writer.out) } else { Err(bad("a bracket is not closed")) }
}

impl Writer<'_> {
    fn one(&mut self, c: char) -> Fallible<()> {
        match c {
            '\\' => self.escape(),
            '[' => self.class(),
            '(' => self.group(),
            ')' => {
                let (dot_all, multi_line, comments) = self.groups.pop().ok_or_else(|| bad("a bracket closes nothing"))?;
                (self.dot_all, self.multi_line, self.comments) = (dot_all, multi_line, comments);
                self.out.push(')');
                Ok(())
            }
            '.' if self.dot_all => self.say("(?s:.)"),
            '.' => self.say(&format!("[^{LINE_ENDS}]")),
            '^' if self.multi_line => self.say("(?m:^)"),
            '^' => self.say(r"\A"),
            '$' if self.multi_line => self.say("(?m:$)"),
            // Java's `$` also stands before the line end that is last; that needs a look ahead, which is only had at the very end.
            '$' => self.say(r"\z"),
            '*' | '+' | '?' => self.quantifier(c),
            '{' => self.counted(),
            '}' => self.say(r"\}"),
            ']' => self.say(r"\]"),
            '|' => self.say("|"),
            '#' if self.comments => {
                while self.rest.next_if(|c| *c != '\n').is_some() {}
                Ok(())
            }
            c if self.comments && c.is_ascii_whitespace() => Ok(()),
            c => {
                self.literal(c);
                Ok(())
            }
        }
    }

    fn say(&mut self, text: &str) -> Fallible<()> {
        self.out.push_str(text);
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn quantifier(&mut self, sign: char) -> Fallible<()> {
        self.out.push(sign);
        self.after_quantifier()
    }

    fn after_quantifier(&mut self) -> Fallible<()> {
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        } else if self.rest.peek() == Some(&'+') {
            return Err(refused("a possessive quantifier (`*+`, `++`, `?+`)"));
        }
        if matches!(self.rest.peek(), Some('*' | '+' | '?')) { Err(bad("a quantifier follows a quantifier")) } else { Ok(()) }
    }

    fn counted(&mut self) -> Fallible<()> {
        self.out.push('{');
        let mut digits = 0;
        loop {
            match self.rest.next() {
                Some(c) if c.is_ascii_digit() => {
                    digits += 1;
                    self.out.push(c);
                }
                Some(',') if digits > 0 => self.out.push(','),
                Some('}') if digits > 0 => break,
                _ => return Err(bad("`{` is not followed by a count")),
            }
        }
        self.out.push('}');
        self.after_quantifier()
    }

    fn group(&mut self) -> Fallible<()> {
        let flags = (self.dot_all, self.multi_line, self.comments);
        if self.rest.next_if_eq(&'?').is_none() {
            self.groups.push(flags);
            return self.say("(");
        }
        match self.rest.next() {
            Some(':') => {
                self.groups.push(flags);
                self.say("(?:")
            }
            Some('=' | '!') => Err(refused("look-ahead (`(?=`, `(?!`)")),
            Some('>') => Err(refused("an atomic group (`(?>`)")),
            Some('<') => match self.rest.peek() {
                Some('=' | '!') => Err(refused("look-behind (`(?<=`, `(?<!`)")),
                _ => {
                    self.groups.push(flags);
                    let name: String = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_alphanumeric)).collect();
                    if self.rest.next() != Some('>') || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                        return Err(bad("a group's name is not closed"));
                    }
                    self.say(&format!("(?P<{name}>"))
                }
            },
            Some(first) => self.flags(first, flags),
            None => Err(bad("a bracket is not closed")),
        }
    }

    fn flags(&mut self, first: char, before: (bool, bool, bool)) -> Fallible<()> {
        let (mut on, mut insensitive, mut next) = (true, None, Some(first));
        loop {
            match next {
                Some('-') if on => on = false,
                Some('i') => insensitive = Some(on),
                Some('s') => self.dot_all = on,
                Some('m') => self.multi_line = on,
                Some('x') => self.comments = on,
                Some('d' | 'u' | 'U') => {
                    return Err(fault("refused-regex", "the flags `d`, `u` and `U` are refused in regular expressions"));
                }
                Some(end @ (')' | ':')) => {
                    let said = match insensitive {
                        Some(true) => "(?i",
                        Some(false) => "(?-i",
                        None if end == ':' => "(?",
                        None => return Ok(()),
                    };
                    if end == ':' {
                        self.groups.push(before);
                    }
                    self.out.push_str(said);
                    self.out.push(end);
                    return Ok(());
                }
                _ => return Err(bad("a group begins with something unknown")),
            }
            next = self.rest.next();
        }
    }

    fn escape(&mut self) -> Fallible<()> {
        let c = self.rest.next().ok_or_else(|| bad("it ends with `\\`"))?;
        match c {
            'd' => self.say(&format!("[{DIGIT}]")),
            'D' => self.say(&format!("[^{DIGIT}]")),
            'w' => self.say(&format!("[{WORD}]")),
            'W' => self.say(&format!("[^{WORD}]")),
            's' => self.say(&format!("[{SPACE}]")),
            'S' => self.say(&format!("[^{SPACE}]")),
            'h' => self.say(&format!("[{HORIZONTAL}]")),
            'H' => self.say(&format!("[^{HORIZONTAL}]")),
            'v' => self.say(&format!("[{VERTICAL}]")),
            'V' => self.say(&format!("[^{VERTICAL}]")),
            'R' => self.say(&format!(r"(?:\r\n|[{VERTICAL}])")),
            'b' => self.say(r"\b"),
            'B' => self.say(r"\B"),
            'A' => self.say(r"\A"),
            'z' | 'Z' => self.say(r"\z"),
            'G' => Err(refused("`\\G`")),
            'X' | 'N' => Err(fault("refused-regex", format!("`\\{c}` is refused in regular expressions"))),
            'k' => Err(refused("a back-reference (`\\k`)")),
            '1'..='9' => Err(refused("a back-reference (`\\1`)")),
            'Q' => {
                self.quoted();
                Ok(())
            }
            'p' | 'P' => {
                let class = self.property(c == 'P')?;
                self.say(&class)
            }
            c => {
                let c = self.character(c)?;
                self.literal(c);
                Ok(())
            }
        }
    }

    /// `\Q…\E`
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    /// An escape that stands for one character.
    fn character(&mut self, c: char) -> Fallible<char> {
        match c {
            't' => Ok('\t'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            'f' => Ok('\u{c}'),
            'a' => Ok('\u{7}'),
            'e' => Ok('\u{1b}'),
            '0' => {
                let digits: String = std::iter::from_fn(|| self.rest.next_if(|c| c.is_digit(8))).take(3).collect();
                self.code(&digits, 8)
            }
            'x' if self.rest.next_if_eq(&'{').is_some() => {
                let digits: String = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_hexdigit)).take(6).collect();
                if self.rest.next() != Some('}') {
                    return Err(bad("`\\x{` is not closed"));
                }
                self.code(&digits, 16)
            }
            'x' | 'u' => {
                let count = if c == 'x' { 2 } else { 4 };
                let digits: String = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_hexdigit)).take(count).collect();
                if digits.len() == count { self.code(&digits, 16) } else { Err(bad("a character's code is too short")) }
            }
            'c' => {
                let c = self.rest.next().ok_or_else(|| bad("it ends with `\\c`"))?;
                char::from_u32(u32::from(c) ^ 64).ok_or_else(|| bad("an unknown control character"))
            }
            c if c.is_ascii_alphabetic() => Err(bad("an escape means nothing")),
            c => Ok(c),
        }
    }

    fn code(&self, digits: &str, radix: u32) -> Fallible<char> {
        let code = u32::from_str_radix(digits, radix).map_err(|_| bad("a character's code is missing"))?;
        char::from_u32(code).ok_or_else(|| bad("half of a character cannot be looked for"))
    }

    /// `\p{…}` as a class of its own.
    fn property(&mut self, not: bool) -> Fallible<String> {
        let name: String = if self.rest.next_if_eq(&'{').is_some() {
            let name = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).take(40).collect();
            if self.rest.next() != Some('}') {
                return Err(bad("`\\p{` is not closed"));
            }
            name
        } else {
            self.rest.next().map(String::from).unwrap_or_default()
        };
        let ascii = ascii(&name);
        let sign = if not { "^" } else { "" };
        if !ascii.is_empty() {
            return Ok(format!("[{sign}{ascii}]"));
        }
        let plain = name.strip_prefix("Is").unwrap_or(&name);
        if GENERAL.contains(&plain) {
            return Ok(format!(r"\{}{{{plain}}}", if not { 'P' } else { 'p' }));
        }
        Err(fault("refused-regex", "this kind of `\\p{…}` is refused in regular expressions"))
    }

    /// `[…]`, in which Java also nests classes and cuts them with `&&`.
    fn class(&mut self) -> Fallible<()> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or_else(|| bad("`[` is not closed"))?;
            match c {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' => self.class()?,
                '&' if self.rest.next_if_eq(&'&').is_some() => self.out.push_str("&&"),
                '\\' => {
                    if let Some(c) = self.class_escape()? {
                        self.range(c)?;
                    }
                }
                c if self.comments && c.is_ascii_whitespace() => {}
                c => self.range(c)?,
            }
            first = false;
        }
    }

    /// A character of a class, or the range that begins with it; a `-` at an edge is a character.
    fn range(&mut self, from: char) -> Fallible<()> {
        self.literal_in_class(from);
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']' | '[')) {
            return Ok(());
        }
        self.rest.next();
        let to = match self.rest.next() {
            Some('\\') => self.rest.next().map(|c| self.character(c)).transpose()?,
            other => other,
        };
        let to = to.filter(|to| *to >= from).ok_or_else(|| bad("a range ends before it begins"))?;
        self.out.push('-');
        self.literal_in_class(to);
        Ok(())
    }

    fn literal_in_class(&mut self, c: char) {
        if c.is_ascii_punctuation() {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// A class within a class is written; a character is given back.
    fn class_escape(&mut self) -> Fallible<Option<char>> {
        let c = self.rest.next().ok_or_else(|| bad("it ends with `\\`"))?;
        match c {
            'd' => self.say(DIGIT),
            'w' => self.say(WORD),
            's' => self.say(SPACE),
            'h' => self.say(HORIZONTAL),
            'v' => self.say(VERTICAL),
            'D' => self.say(&format!("[^{DIGIT}]")),
            'W' => self.say(&format!("[^{WORD}]")),
            'S' => self.say(&format!("[^{SPACE}]")),
            'p' | 'P' => {
                let class = self.property(c == 'P')?;
                self.say(&class)
            }
            'Q' => {
                while let Some(c) = self.rest.next() {
                    if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                        break;
                    }
                    self.literal_in_class(c);
                }
                Ok(())
            }
            c => return self.character(c).map(Some),
        }?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_rewritten() {
        for (java, ours) in [
            ("a.b", r"a[^\n\r\x{85}\x{2028}\x{2029}]b"),
            (r"\d+", "[0-9]+"),
            (r"[\d_-]", r"[0-9\_\-]"),
            (r"[-a-c\-\.]", r"[\-a-c\-\.]"),
            ("[+--x]", r"[\+-\-x]"),
            ("[a-[bc]]", r"[a\-[bc]]"),
            (r"[^a-c&&[b]]", "[^a-c&&[b]]"),
            (r"\Qa.b\E", r"a\.b"),
            (r"(?<n>x)(?i)y", "(?P<n>x)(?i)y"),
            (r"\p{Alpha}\u0041", "[A-Za-z]A"),
            ("^a$", r"\Aa\z"),
            ("(?m)^a$", "(?m:^)a(?m:$)"),
        ] {
            assert_eq!(rewrite(java).ok().as_deref(), Some(ours), "{java}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused_by_name() {
        for java in [
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<!a)",
            "(?>a)",
            "a*+",
            "a++",
            "a?+",
            "a{2}+",
            r"(a)\1",
            r"\k<a>",
            r"\G",
            "(?U)a",
            r"\p{InGreek}",
        ] {
            let span = crate::error::Span::default();
            assert_eq!(rewrite(java).map_err(|fault| fault.into_error(span).reason), Err("refused-regex"), "{java}");
        }
        for java in ["(", ")", "[a", r"a\", "a**", "{", "a{x}", r"\p{Alpha", "[a--z]", "[c-a]", r"[a-\d]", "(?q)", r"\y"] {
            let span = crate::error::Span::default();
            assert_eq!(rewrite(java).map_err(|fault| fault.into_error(span).reason), Err("bad-regex"), "{java}");
        }
    }
}
