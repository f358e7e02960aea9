//! The grammar served so far: a literal, or a root name followed by `.key`, `['key']`, `["key"]` and `[0]`.

use crate::{Error, error};
use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// By name.
    Key { at: usize, key: String },
    /// By position.
    Index { at: usize, index: usize },
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Literal(Value),
    Path { name: String, steps: Vec<Step> },
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    offset: usize,
}

const REFUSED: &str = "only names, keys and indexes are served here so far: no operators, functions or method calls";

pub(crate) fn parse(text: &str, offset: usize) -> Result<Expression, Error> {
    let mut reader = Reader { text, at: 0, offset };
    reader.space();
    let expression = match reader.peek() {
        None => return Err(reader.fail("syntax", "the expression is empty")),
        Some(quote @ ('\'' | '"')) => Expression::Literal(Value::String(reader.quoted(quote)?)),
        Some(c) if c.is_ascii_digit() => Expression::Literal(Value::from(reader.number()?)),
        Some(c) if c.is_ascii_alphabetic() || c == '_' => named(&mut reader)?,
        Some(_) => return Err(reader.fail("not-supported", REFUSED)),
    };
    reader.space();
    match reader.peek() {
        None => Ok(expression),
        Some(_) => Err(reader.fail("not-supported", REFUSED)),
    }
}

fn named(reader: &mut Reader<'_>) -> Result<Expression, Error> {
    let name = reader.word();
    let literal = match name.as_str() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        _ => None,
    };
    if let Some(literal) = literal {
        return Ok(Expression::Literal(literal));
    }
    let mut steps = Vec::new();
    loop {
        let at = reader.offset + reader.at;
        match reader.peek() {
            Some('.') => {
                reader.skip('.');
                let key = reader.word();
                if key.is_empty() {
                    return Err(reader.fail("syntax", "a name must follow the dot"));
                }
                steps.push(Step::Key { at, key });
            }
            Some('[') => steps.push(bracket(reader, at)?),
            Some('(') => return Err(reader.fail("not-supported", REFUSED)),
            _ => return Ok(Expression::Path { name, steps }),
        }
    }
}

fn bracket(reader: &mut Reader<'_>, at: usize) -> Result<Step, Error> {
    reader.skip('[');
    reader.space();
    let step = match reader.peek() {
        Some(quote @ ('\'' | '"')) => Step::Key { at, key: reader.quoted(quote)? },
        Some(c) if c.is_ascii_digit() => Step::Index { at, index: usize::try_from(reader.number()?).unwrap_or(usize::MAX) },
        _ => return Err(reader.fail("not-supported", REFUSED)),
    };
    reader.space();
    if reader.peek() != Some(']') {
        return Err(reader.fail("syntax", "`]` is missing"));
    }
    reader.skip(']');
    Ok(step)
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn fail(&self, reason: &'static str, message: &str) -> Error {
        error(self.offset + self.at, reason, message)
    }

    fn word(&mut self) -> String {
        let word: String = self.rest().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        self.at += word.len();
        word
    }

    fn number(&mut self) -> Result<u64, Error> {
        let digits: String = self.rest().chars().take_while(char::is_ascii_digit).collect();
        let number = digits.parse().map_err(|_| self.fail("syntax", "the number is too large"))?;
        self.at += digits.len();
        Ok(number)
    }

    /// A quoted text; a doubled quote stands for the quote itself.
    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let start = self.at;
        self.skip(quote);
        let mut out = String::new();
        while let Some(c) = self.peek() {
            self.skip(c);
            if c != quote {
                out.push(c);
            } else if self.peek() == Some(quote) {
                self.skip(quote);
                out.push(quote);
            } else {
                return Ok(out);
            }
        }
        self.at = start;
        Err(self.fail("syntax", "the quoted text has no end"))
    }
}
