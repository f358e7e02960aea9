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
    let mut walk = Walk { scope, host, pointer: String::new(), errors: Vec::new() };
    let value = walk.value(document, 0);
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
    pointer: String,
    errors: Vec<Located>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            let error = Error::at(Span::default(), "too-deep", format!("nested deeper than {DEPTH_MAX}"));
            self.errors.push(Located { pointer: self.pointer.clone(), error });
            return Value::Null;
        }
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let below = items.iter().enumerate();
                Value::Array(below.map(|(index, item)| self.within(&index.to_string(), |walk| walk.value(item, depth + 1))).collect())
            }
            Value::Object(map) => Value::Object(self.object(map, depth)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn within<T>(&mut self, token: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        let out = then(self);
        self.pointer.truncate(length);
        out
    }

    fn text(&mut self, text: &str) -> Value {
        evaluate_with(text, self.scope, self.host).unwrap_or_else(|error| {
            self.errors.push(Located { pointer: self.pointer.clone(), error });
            Value::Null
        })
    }

    fn object(&mut self, map: &Map<String, Value>, depth: usize) -> Map<String, Value> {
        let mut out = Map::with_capacity(map.len());
        for (key, item) in map {
            self.within(key, |walk| {
                let name = match walk.text(key) {
                    Value::String(name) => name,
                    Value::Null => key.clone(),
                    other => other.to_string(),
                };
                let value = walk.value(item, depth + 1);
                out.insert(name, value);
            });
        }
        out
    }
}
