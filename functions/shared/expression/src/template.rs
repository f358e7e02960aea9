//! Text with expressions in it: found, parsed once, and evaluated as often as wanted.

use crate::ast::Node;
use crate::error::{Error, Fallible, Span, fault};
use crate::eval::{Sight, evaluate};
use crate::host::{Host, Scope};
use crate::limits::{EXPRESSION_CHARS_MAX, EXPRESSIONS_MAX, TEMPLATE_BYTES_MAX};
use crate::machine::Machine;
use crate::value::json;
use crate::{convert, parse};
use serde_json::Value;

/// A parsed text. It owns what it needs and can be kept and shared.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
    span: Span,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Expression(Node),
}

impl Template {
    /// Parses a text with `${…}` in it. `$${` stands for `${`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let span = Span::new(0, text.len());
        parts(text).map(|parts| Self { parts, span }).map_err(|fault| fault.into_error(span))
    }

    /// Parses one expression without `${` and `}` around it.
    pub fn bare(text: &str) -> Result<Self, Error> {
        let span = Span::new(0, text.len());
        let node = expression(text, 0).map_err(|fault| fault.into_error(span))?;
        Ok(Self { parts: vec![Part::Expression(node)], span })
    }

    /// True when there is no expression in it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.parts.iter().any(|part| matches!(part, Part::Expression(_)))
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(node) => Some(node),
            Part::Text(_) => None,
        })
    }

    /// The value: exactly one expression keeps its type, mixed text concatenates.
    pub fn evaluate(&self, scope: &dyn Scope, host: &dyn Host) -> Result<Value, Error> {
        let machine = Machine::new(scope, host);
        let result = match self.parts.as_slice() {
            [Part::Expression(node)] => single(node, &machine),
            parts => mixed(parts, &machine).map(Value::String),
        };
        result.map_err(|fault| fault.into_error(self.span))
    }
}

fn single<'a>(node: &'a Node, machine: &Machine<'a>) -> Fallible<Value> {
    let value = evaluate(node, &Sight::root(), machine)?;
    if value.is_null()
        && let Some(missed) = machine.missed()
    {
        return Err(missed);
    }
    json::json(&value, machine, 0).map_err(|fault| fault.at(node.span))
}

fn mixed<'a>(parts: &'a [Part], machine: &Machine<'a>) -> Fallible<String> {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Expression(node) => {
                machine.forget();
                let value = evaluate(node, &Sight::root(), machine)?;
                if value.is_null() {
                    let missed = machine.missed();
                    return Err(missed.unwrap_or_else(|| fault("null", "the expression is null, which has no text").at(node.span)));
                }
                let text = convert::text(&value, machine).map_err(|fault| fault.at(node.span))?;
                machine.meter.bytes(text.len()).map_err(|fault| fault.at(node.span))?;
                out.push_str(&text);
            }
        }
    }
    Ok(out)
}

fn expression(text: &str, offset: usize) -> Fallible<Node> {
    if text.len() > EXPRESSION_CHARS_MAX && text.chars().count() > EXPRESSION_CHARS_MAX {
        let message = format!("an expression has at most {EXPRESSION_CHARS_MAX} characters");
        return Err(fault("too-long", message).at(Span::new(offset, offset + text.len())));
    }
    parse::parse(text, offset)
}

fn parts(template: &str) -> Fallible<Vec<Part>> {
    if template.len() > TEMPLATE_BYTES_MAX && template.contains("${") {
        return Err(fault("too-long", format!("a text with expressions has at most {TEMPLATE_BYTES_MAX} bytes")));
    }
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    let mut at = 0;
    let mut count = 0;
    while let Some(found) = rest.find("${") {
        let (before, after) = (rest.get(..found).unwrap_or_default(), rest.get(found + 2..).unwrap_or_default());
        if let Some(head) = before.strip_suffix('$') {
            text.push_str(head);
            text.push_str("${");
            at += found + 2;
            rest = after;
            continue;
        }
        text.push_str(before);
        let start = at + found + 2;
        let end = closing(after, start)?.ok_or_else(|| {
            fault("unterminated", "`${` without its `}`; to have the text itself, write `$${`").at(Span::new(at + found, start))
        })?;
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        count += 1;
        if count > EXPRESSIONS_MAX {
            let message = format!("a text has at most {EXPRESSIONS_MAX} expressions");
            return Err(fault("too-long", message).at(Span::new(at + found, start)));
        }
        parts.push(Part::Expression(expression(after.get(..end).unwrap_or_default(), start)?));
        rest = after.get(end + 1..).unwrap_or_default();
        at = start + end + 1;
    }
    text.push_str(rest);
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

/// Where the expression's `}` stands; what is in quotes and in brackets does not count.
fn closing(text: &str, offset: usize) -> Fallible<Option<usize>> {
    let mut quote = None;
    let mut open: Vec<u8> = Vec::new();
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().copied().enumerate() {
        match (quote, byte) {
            (Some(mark), byte) if byte == mark => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'{') if at > 0 && bytes.get(at - 1) == Some(&b'$') => {
                let span = Span::new(offset + at - 1, offset + at + 1);
                return Err(fault("refused-nesting", "`${` within an expression is refused: a name is written as it is").at(span));
            }
            (None, b'{' | b'(' | b'[') => open.push(byte),
            (None, b'}') if open.is_empty() => return Ok(Some(at)),
            (None, b'}' | b')' | b']') => {
                let want = match byte {
                    b'}' => b'{',
                    b')' => b'(',
                    _ => b'[',
                };
                if open.pop() != Some(want) {
                    let message = format!("`{}` closes nothing", char::from(byte));
                    return Err(fault("syntax", message).at(Span::new(offset + at, offset + at + 1)));
                }
            }
            (None, _) => {}
        }
    }
    Ok(None)
}
