//! Whole texts, conditions and documents: the entry points.

use crate::error::{Error, Located, Span};
use crate::host::{Host, Nothing, Scope};
use crate::limits::DEPTH_MAX;
use crate::template::Template;
use serde_json::{Map, Value};

/// Evaluates a template: exactly one expression keeps its type, mixed text concatenates, `$${` stands for `${`.
pub fn evaluate(template: &str, scope: &dyn Scope) -> Result<Value, Error> {
    evaluate_with(template, scope, &Nothing)
}

/// The same with a host to ask.
pub fn evaluate_with(template: &str, scope: &dyn Scope, host: &dyn Host) -> Result<Value, Error> {
    if !has_expression(template) {
        return Ok(Value::String(template.to_owned()));
    }
    Template::parse(template)?.evaluate(scope, host)
}

/// Evaluates a condition, bare or wrapped in `${}`: true or false, and nothing else.
pub fn condition(text: &str, scope: &dyn Scope) -> Result<bool, Error> {
    condition_with(text, scope, &Nothing)
}

/// The same with a host to ask.
pub fn condition_with(text: &str, scope: &dyn Scope, host: &dyn Host) -> Result<bool, Error> {
    let template = if has_expression(text) { Template::parse(text)? } else { Template::bare(text)? };
    let value = template.evaluate(scope, host)?;
    let said = match &value {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        other => other.to_string(),
    };
    match said.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            let said: String = said.chars().take(80).collect();
            let message = format!("a condition is true or false, here it is `{said}`");
            Err(Error::at(Span::new(0, text.len()), "not-a-condition", message))
        }
    }
}

/// Resolves every text and key of a document; all errors at once.
pub fn resolve(document: &Value, scope: &dyn Scope) -> Result<Value, Vec<Located>> {
    resolve_with(document, scope, &Nothing)
}

/// The same with a host to ask.
pub fn resolve_with(document: &Value, scope: &dyn Scope, host: &dyn Host) -> Result<Value, Vec<Located>> {
    let mut walk = Walk { scope, host, path: Vec::new(), errors: Vec::new() };
    let value = walk.value(document);
    if walk.errors.is_empty() { Ok(value) } else { Err(walk.errors) }
}

/// True when the text holds an expression.
#[must_use]
pub fn has_expression(text: &str) -> bool {
    text.contains("${")
}

struct Walk<'w> {
    scope: &'w dyn Scope,
    host: &'w dyn Host,
    path: Vec<Token<'w>>,
    errors: Vec<Located>,
}

/// A step of a pointer, which is only spelled when there is something to say.
enum Token<'w> {
    Key(&'w str),
    Index(usize),
}

impl<'w> Walk<'w> {
    fn wrong(&mut self, error: Error) {
        let mut pointer = String::new();
        for token in &self.path {
            pointer.push('/');
            match token {
                Token::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Token::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        self.errors.push(Located { pointer, error });
    }

    fn value(&mut self, value: &'w Value) -> Value {
        if self.path.len() > DEPTH_MAX {
            self.wrong(Error::at(Span::default(), "too-deep", format!("nested deeper than {DEPTH_MAX}")));
            return Value::Null;
        }
        match value {
            Value::String(text) if has_expression(text) => self.text(text),
            Value::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    self.path.push(Token::Index(index));
                    out.push(self.value(item));
                    self.path.pop();
                }
                Value::Array(out)
            }
            Value::Object(map) => Value::Object(self.object(map)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    fn text(&mut self, text: &str) -> Value {
        evaluate_with(text, self.scope, self.host).unwrap_or_else(|error| {
            self.wrong(error);
            Value::Null
        })
    }

    fn object(&mut self, map: &'w Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::with_capacity(map.len());
        for (key, item) in map {
            self.path.push(Token::Key(key));
            let name = if has_expression(key) { self.key(key) } else { key.clone() };
            let value = self.value(item);
            self.path.pop();
            out.insert(name, value);
        }
        out
    }

    fn key(&mut self, key: &str) -> String {
        match self.text(key) {
            Value::String(name) => name,
            Value::Null => key.to_owned(),
            other => other.to_string(),
        }
    }
}
